"""Odd but legitimate programs through the command line: what a newcomer may write, and what is read back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chainrule import cli

ROOT = Path(__file__).parents[1]
ONE_LAYER = str(ROOT / "examples" / "one_layer.net")


def derive(text: str | bytes, *options: str) -> str:
    done = CliRunner().invoke(cli.app, ["derive", "-", *options], input=text)
    if done.exception is not None:
        raise done.exception
    return done.stdout


WORDS = """
input image : pixels
label target : classes, one-hot
param weights1 : hidden_size × pixels
param bias1 : hidden_size
param weights2 : classes × hidden_size
hidden = relu(weights1 image + bias1)
logits = weights2 hidden
prediction = softmax(logits)
loss = CE(target, prediction)
"""

# a program, and lines of the answer
LEGITIMATE = {
    "words": (WORDS, ["δ₁ = ∂loss/∂logits = (prediction − target)ᵀ", "∂loss/∂weights2 = δ₁ᵀ hiddenᵀ"]),
    "several names at once": ("param a, b : D\nJ = aᵀ b", ["∂J/∂a = b", "∂J/∂b = a"]),
    "one equation": ("param w : scalar\nJ = w^2", ["∂J/∂w = 2 w"]),
    "semicolons": ("param w : D; J = norm(w)^2", ["∂J/∂w = 2 w"]),
    "tabs": ("param\tw : D\t# tabs\n\tJ\t=\tnorm(w)^2", ["∂J/∂w = 2 w"]),
    "Windows line ends": ("param w : D\r\nJ = norm(w)^2\r\n", ["∂J/∂w = 2 w"]),
    "old Macintosh line ends": ("param w : D\rJ = norm(w)^2\r", ["∂J/∂w = 2 w"]),
    "a byte order mark": ("\ufeffparam w : D\nJ = norm(w)^2", ["∂J/∂w = 2 w"]),
    "the last scalar is the loss": ("param w : D\nu = norm(w)^2\nv = u/2", ["loss v", "∂v/∂w = w"]),
    "several losses": ("param w : D\nL1 = norm(w)^2\nL2 = sum(w)\nminimize L1", ["∂L1/∂w = 2 w"]),
    "an I of one's own": ("param I : D\nJ = norm(I)^2", ["∂J/∂I = 2 I"]),
    "the identity": ("param W : D × D\nJ = norm(W - I)^2", ["∂J/∂W = 2 (W − I)"]),
    "names d and N": ("input d : I\nparam N : K × I\nz = N d\nJ = norm(z)^2/2", ["∂J/∂N = z dᵀ", "∂J/∂d = Nᵀ z"]),
    "a size as a number": ("param w : D\nJ = norm(w)^2/(2 D)", ["∂J/∂w = w/D"]),
    "a name that is T": ("param T : D\nJ = Tᵀ T", ["∂J/∂T = 2 T"]),
    "signals of one's own": ("param δ1 : D\nparam W : D × D\nz = tanh(W δ1)\nJ = norm(z)^2", ["δ₂ = ∂J/∂(W δ₁)"]),
    "index notation": ("param a : D\nparam b : D\nz[k] = a[k] b[k]\nJ = sum(z)", ["z[k] = a[k] b[k]", "∂J/∂a = b"]),
    "a large power": ("param a : scalar\nparam b : scalar\nJ = (a + b)^12", ["12 (a + b)^11"]),
    "numbers as sizes": (
        "param w : 3\ninput X : 4 × 3\nJ = norm(X w)^2/2",
        ["δ₁ = ∂J/∂(X w) = (X w)ᵀ", "∂J/∂w = (δ₁ X)ᵀ"],
    ),
    "a constant": ("const λ : scalar\nparam w : D\nJ = λ/2 norm(w)^2", ["∂J/∂w = λ w"]),
    "nothing to differentiate": ("label y : D\nJ = sum(y)", ["none: no parameter and no input is declared"]),
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_odd_but_legitimate(name: str) -> None:
    text, lines = LEGITIMATE[name]
    out = derive(text)
    for line in lines:
        assert line in out
    assert "verified: largest relative error" in out


def test_utf16_as_windows_editors_write_it() -> None:
    assert "∂J/∂θ = 2 θ" in derive("param θ : D\nJ = norm(θ)^2\n".encode("utf-16"))


def test_a_long_program() -> None:
    lines = ["input x0 : D", *(f"param W{n} : D × D" for n in range(120))]
    lines += [f"x{n + 1} = tanh(W{n} x{n})" for n in range(120)]
    out = derive("\n".join([*lines, "J = norm(x120)^2/2"]), "--no-verify")
    assert "∂J/∂W0 = δ₁₂₀ᵀ x0ᵀ" in out


def test_by_a_name_that_is_computed() -> None:
    out = derive("param W : K × D\ninput x : D\nz = W x\nh = tanh(z)\nJ = norm(h)^2", "--wrt", "h", "--wrt", "W")
    assert "∂J/∂h = 2 h" in out
    assert "verified" in out
    assert "∂J/∂J = 1" in derive("param w : D\nJ = norm(w)^2", "--wrt", "J")


@pytest.mark.parametrize("batch", ["N", "32"])
def test_a_batch_has_a_symbol_or_a_number(batch: str) -> None:
    done = CliRunner().invoke(cli.app, ["derive", ONE_LAYER, "--batch", batch])
    assert done.exit_code == 0
    assert f"X   {batch} × D_x" in done.stdout
    assert "verified" in done.stdout


def test_sizes_and_seed_are_used_and_said() -> None:
    def verify(*options: str) -> dict[str, object]:
        done = CliRunner().invoke(cli.app, ["verify", ONE_LAYER, "--format", "json", *options])
        assert done.exit_code == 0
        return dict(json.loads(done.stdout))

    assert verify("--size", "D_x=4")["sizes"] == {"D_x": 4, "N_c": 3, "D_h": 5}
    assert verify("--seed", "1") == verify("--seed", "1")
    assert verify("--seed", "1") != verify("--seed", "2")
    ones = verify("--size", "D_x=1", "--size", "D_h=1", "--size", "N_c=2")
    assert ones["ok"] is True


def test_one_class_compares_nothing_and_says_so() -> None:
    """The softmax of one number is 1: the loss and every gradient are 0, so that nothing was tried."""
    done = CliRunner().invoke(cli.app, ["verify", ONE_LAYER, "--format", "json", "--size", "N_c=1"])
    assert done.exit_code == 1
    assert "every gradient are 0" in json.loads(done.stdout)["reason"]


def test_explain_shows_reasons_and_steps() -> None:
    out = CliRunner().invoke(cli.app, ["derive", ONE_LAYER, "--no-verify", "--explain", "1"]).stdout
    plain = CliRunner().invoke(cli.app, ["derive", ONE_LAYER, "--no-verify"]).stdout
    assert len(out.splitlines()) > len(plain.splitlines())


def test_compile_replaces_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "step.py"
    path.write_text("old", encoding="utf-8")
    done = CliRunner().invoke(cli.app, ["compile", ONE_LAYER, "-o", str(path)])
    assert done.exit_code == 0
    assert f"wrote {path}" in done.stderr
    assert path.read_text(encoding="utf-8") == CliRunner().invoke(cli.app, ["compile", ONE_LAYER]).stdout
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "chainrule", "derive", ONE_LAYER, "--no-verify"],
        ["-c", "import sys, chainrule.cli as c; c.app = lambda: sys.stdout.write('left to the last flush'); c.main()"],
    ],
    ids=["while it writes", "at the last flush"],
)
def test_a_reader_that_stops_early_is_no_error(arguments: list[str]) -> None:
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        process.wait()
    assert b"Traceback" not in error
    assert process.returncode in (0, 1)


def test_the_version_is_said() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert done.exit_code == 0
    assert "0.1.0" in done.stdout
