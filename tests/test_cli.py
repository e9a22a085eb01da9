"""The commands: what they print, where, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from chainrule import cli
from chainrule.derivation import Derivation
from chainrule.errors import ChainruleError

ROOT = Path(__file__).parents[1]
ONE_LAYER = str(ROOT / "examples" / "one_layer.net")
GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = ["one_layer_rows", "attention", "layer_norm", "logistic", "rnn", "lstm"]


def run(*arguments: str, text: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, list(arguments), input=text)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_people_read(example: str) -> None:
    """Golden text; CHAINRULE_GOLDEN=write pytest tests/test_cli.py writes it anew."""
    status, out = run("derive", str(ROOT / "examples" / f"{example}.net"), "--no-verify")
    path = GOLDEN / f"{example}.txt"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(out, encoding="utf-8")
    assert status == 0
    assert out == path.read_text(encoding="utf-8")


def test_backpropagation_through_time_step_by_step() -> None:
    """Golden text of a derivation through a loop, written as above."""
    status, out = run("derive", str(ROOT / "examples" / "rnn.net"), "--no-verify", "--explain", "1")
    path = GOLDEN / "rnn_steps.txt"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        path.write_text(out, encoding="utf-8")
    assert status == 0
    assert out == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("example", [*EXAMPLES, "one_layer"])
def test_every_example_is_verified(example: str) -> None:
    status, out = run("verify", str(ROOT / "examples" / f"{example}.net"), "--seed", "4")
    assert status == 0
    assert "verified: largest relative error" in out


def test_json_is_the_published_contract() -> None:
    status, out = run("derive", ONE_LAYER, "--format", "json")
    data = json.loads(out)
    assert status == 0
    assert data["loss"] == "J"
    assert data["dims"]["W"] == ["D_h", "D_x"]
    assert data["equations"][0] == {"name": "z", "text": "W x + b1", "latex": "W x + b_{1}", "shape": ["D_h", 1]}
    assert [s["name"] for s in data["signals"]] == ["δ₁", "δ₂"]
    assert data["signals"][1]["of"] == "z"
    gradient = next(g for g in data["gradients"] if g["wrt"] == "W")
    assert (gradient["text"], gradient["numerator"], gradient["shape"]) == ("δ₂ᵀ xᵀ", "x δ₂", ["D_h", "D_x"])
    assert data["verification"]["ok"] is True


def test_latex_is_an_align_block() -> None:
    status, out = run("derive", ONE_LAYER, "--format", "latex")
    assert status == 0
    assert out.startswith("\\begin{align*}\n")
    assert (
        r"\frac{\partial J}{\partial W} &= \delta_{2}^\top x^\top & \text{numerator layout:} & x \delta_{2} \\" in out
    )


@pytest.mark.parametrize("form", ["text", "latex", "markdown", "html", "json"])
def test_every_format_goes_to_a_file_as_it_goes_to_the_screen(form: str, tmp_path: Path) -> None:
    options = ["derive", ONE_LAYER, "--format", form, "--explain", "1", "--layout", "numerator"]
    _, shown = run(*options)
    status, out = run(*options, "-o", str(tmp_path / "page"))
    assert (status, out) == (0, "")
    assert (tmp_path / "page").read_text(encoding="utf-8") == shown


def test_a_latex_document_and_what_it_is_not_for() -> None:
    status, out = run("derive", ONE_LAYER, "--format", "latex", "--document", "--explain", "2")
    assert status == 0
    assert out.rstrip().endswith("\\end{document}")
    with pytest.raises(ChainruleError, match="--document is for LaTeX, not for json"):
        run("derive", ONE_LAYER, "--format", "json", "--document")


@pytest.mark.parametrize("command", ["derive", "compile", "verify", "train", "demo"])
def test_help_shows_an_example(command: str) -> None:
    status, out = run(command, "--help")
    assert status == 0
    assert f"chainrule {command}" in out.split("Example:")[1]


def test_a_wrong_gradient_ends_with_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Derivation.__init__

    def with_a_wrong_sign(self: Derivation, *arguments: object) -> None:
        begin(self, *arguments)  # type: ignore[arg-type]
        name = self.backward.gradients["U"]
        equation = self.program.equations[name]
        self.program.equations[name] = replace(equation, value={k: -v for k, v in equation.value.items()})

    monkeypatch.setattr(Derivation, "__init__", with_a_wrong_sign)
    for command in ("derive", "verify"):
        status, out = run(command, ONE_LAYER)
        assert status == 1
        assert "WRONG" in out


def test_ascii_and_unicode_spellings_are_one_program() -> None:
    unicode = "input x : D\nparam Ŵ : K × D\nθ = Ŵ x\nJ = norm(θ)^2\n"
    ascii_ = "input x : D\nparam W_hat : K x D\ntheta = W_hat @ x\nJ = norm(theta)^2\n"
    assert run("derive", "-", text=unicode)[1] == run("derive", "-", text=ascii_)[1]


def test_dialects_agree() -> None:
    declared = "input X : N × D\nparam W : D × K\n"
    texts = {
        "whiteboard": "J = sum((X W) ∘ (X W))",
        "numpy": "J = np.sum((X @ W) * (X @ W))",
        "matlab": "J = sum((X * W) .* (X * W))",
    }
    outputs = {d: run("derive", "-", "--dialect", d, "--no-verify", text=declared + t)[1] for d, t in texts.items()}
    note = "  sum((X * W) .* (X * W)) is of all entries; what MATLAB gives, a row, is colsum((X * W) .* (X * W))\n"
    assert note in outputs["matlab"]
    assert outputs["whiteboard"] == outputs["numpy"] == outputs["matlab"].replace(note, "")


def test_compiled_code_runs_with_numpy_alone(tmp_path: Path) -> None:
    path = tmp_path / "step.py"
    status, _ = run("compile", ONE_LAYER, "-o", str(path), "--batch", "N", "--dtype", "float32")
    assert status == 0
    assert list(tmp_path.iterdir()) == [path]
    script = (
        "import numpy as np, step, sys\n"
        "assert not any(name.startswith('chainrule') for name in sys.modules)\n"
        "f = np.float32\n"
        "loss, g = step.step(np.ones((4, 3), f), np.eye(4, 5, dtype=f), np.ones((7, 3), f), np.zeros(7, f),\n"
        "                    np.ones((5, 7), f), np.zeros(5, f))\n"
        "print(round(loss / 4, 4), g['W'].shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == "1.6094 (7, 3)\n"


def test_plain_text_in_a_pipe_and_colour_on_a_terminal() -> None:
    pty = pytest.importorskip("pty")
    command = [sys.executable, "-m", "chainrule", "derive", ONE_LAYER, "--no-verify"]
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm-256color"}
    piped = subprocess.run(command, capture_output=True, env=environment, check=True).stdout
    assert b"\x1b[" not in piped
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        process.wait()
    os.close(master)
    assert b"\x1b[" in seen
    assert "δ₁ U ∘ sgn(h)ᵀ".encode() in seen


@pytest.mark.parametrize(("word", "text"), [("all", "np.asarray(X, np.float64)"), ("some", "np.float64"), ("none", "")])
def test_how_precise_a_step_is_can_be_said(tmp_path: Path, word: str, text: str) -> None:
    net = tmp_path / "loss.net"
    net.write_text("input X : N × D\nJ = sum(silu(X))\n", encoding="utf-8")
    _, found = run("compile", str(net), "--dtype", "float32", "--wrt", "X", "--precise", word)
    assert (text in found) if text else "float64" not in found


def test_embedded_c_is_written_with_what_it_takes(tmp_path: Path) -> None:
    path = tmp_path / "step.c"
    options = ["--target", "c", "--embedded", "--dtype", "float32", "--sizes", "D_x=64,D_h=32", "--sizes", "N_c=10"]
    status, text = run("compile", ONE_LAYER, "-o", str(path), *options)
    assert status == 0
    assert "parameter 9640 bytes" in text
    assert "float step(const float *restrict x" in path.read_text(encoding="utf-8")
    with pytest.raises(ChainruleError, match="embedded code needs a number for"):
        run("compile", ONE_LAYER, "--target", "c", "--embedded", "--sizes", "D_x=64")
