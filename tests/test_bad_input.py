"""Bad input: each kind ends with status 2, the user's line with a caret, and what to try; never with a traceback."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import cli

XW = "input x : D\nparam W : K × D\n"

# text, what stands under the caret, what the message says, what the hint says
MISTAKES = {
    "unknown name": (XW + "z = Wx\nJ = sum(z)", "Wx", "Wx is not known", "W x"),
    "sizes in a product": (XW + "label y : K\nz = W y\nJ = sum(z)", "W y", "W is K × D, but y is K × 1", "Wᵀ y"),
    "sizes in a sum": (XW + "z = W x + x\nJ = sum(z)", "W x + x", "W x is K × 1, but x is D × 1", "same size"),
    "row plus column": ("input x : D\ninput r : 1 × D\nJ = sum(x + r)", "x + r", "x is D × 1, but r is 1 × D", "xᵀ"),
    "column times column": ("input x : D\ninput u : D\nJ = sum(x u)", "x u", "x is D × 1, but u is D × 1", "xᵀ u"),
    "elementwise": (XW + "J = sum(x ∘ (W x))", "x ∘ (W x)", "x is D × 1", "same size"),
    "a star": ("param A : K × D\nparam B : D × K\nJ = tr(A * B)", "A * B", "K × D and B is D × K", "A ∘ B"),
    "loss not scalar": (XW + "z = W x", "z = W x", "K × 1", "sum(z)"),
    "a name twice": (XW + "z = W x\nz = W x\nJ = sum(z)", "z", "z is used twice", "another name"),
    "two spellings": ("input theta : D\ninput θ : D\nJ = sum(θ)", "input θ : D", "two spellings", "another name"),
    "Python keyword": (XW + "class = W x\nJ = sum(class)", "class", "word of Python", "class_"),
    "Python code": ("import os\nJ = 1", "import", "looks like Python code", ""),
    "dunder": (XW + "__class__ = W x\nJ = 1", "__class__", "__class__", ""),
    "unknown fact": ("label y : K, onehot\nJ = sum(y)", "label y : K, onehot", "onehot", "one-hot"),
    "unknown function": (XW + "z = rleu(W x)\nJ = sum(z)", "rleu(W x)", "rleu is not known", "relu"),
    "arguments": (XW + "z = softmax(W x, x)\nJ = sum(z)", "softmax(W x, x)", "takes 1 argument, not 2", ""),
    "power of a vector": (XW + "z = x^2\nJ = sum(z)", "x^2", "x is D × 1", "x.^2"),
    "division by a vector": (XW + "z = x / x\nJ = sum(z)", "x / x", "/ divides by a scalar", "./"),
    "no such axis": (XW + "J = sum(sum(W, over=Q))", "sum(W, over=Q)", "W is K × D", "over=rows"),
    "unbound index": (XW + "J = sum(i, W[i,j] x[j])", "j", "the index j is not bound", "sum(j, …)"),
    "index over two sizes": (XW + "J = sum(i, W[i,i])", "W[i,i]", "over K and over D", ""),
    "recurrence": ("input x : D\nh[t] = tanh(h[t-1]) for t = 1..T\nJ = sum(x)", "h[t]", "recurrences", "h1 = …"),
    "not yet": ("param A : D × D\nJ = logdet(A)", "logdet(A)", "logdet is understood but not", "refused"),
    "division by zero": ("input x : D\nJ = sum(x)/0", "0", "division by zero", "not 0"),
    "misspelt keyword": ("imput x : D\nJ = sum(x)", "imput", "imput", "input"),
    "a size as a name": ("input D : D\nJ = sum(D)", "input D : D", "size already", "another name"),
    "nested brackets": ("input x : D\nJ = " + "(" * 10_000 + "sum(x)" + ")" * 10_000, None, "nested too deeply", ""),
    "unclosed bracket": ("input x : D\nJ = sum(x", None, "", ""),
    "no right-hand side": ("input x : D\nJ =", None, "", ""),
}  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The command line in this process: status, standard output, standard error."""
    before = sys.argv
    sys.argv = ["chainrule", *arguments]
    try:
        with warnings.catch_warnings(), pytest.raises(SystemExit) as stopped:
            cli.main()
    finally:
        sys.argv = before
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_shown_where_it_is(mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, marked, says, tries = MISTAKES[mistake]
    path = tmp_path / "network.net"
    path.write_text(text + "\n", encoding="utf-8")
    status, out, err = run(capsys, "derive", str(path))
    assert status == 2
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith("error: ")
    assert says in err
    if tries:
        assert tries in err.split("try: ")[1]
    assert list(tmp_path.iterdir()) == [path]
    lines = err.splitlines()
    caret = next(n for n, line in enumerate(lines) if "^" in line and set(line) <= set(" |^"))
    if marked is not None:
        first = lines[caret].index("^")
        length = lines[caret].count("^")
        assert lines[caret - 1][first : first + length].startswith(marked)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"# only a remark\n", "empty"), (bytes(range(256)), "not a text file"), (b"J\x00 = 1", "")],
)
def test_a_file_that_holds_no_program(
    content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "network.net"
    path.write_bytes(content)
    status, out, err = run(capsys, "derive", str(path))
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "missing.net", tmp_path):
        status, _, err = run(capsys, "derive", str(path))
        assert status == 2
        assert "try: the path" in err


@pytest.mark.parametrize("options", [["--format", "xml"], ["--dialect", "latin"], ["--explain", "9"], ["--nonsense"]])
def test_an_option_that_does_not_exist(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "derive", "-", *options)
    assert status == 2
    assert "Traceback" not in err


def test_a_parameter_without_influence_is_a_warning_and_an_exact_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "network.net"
    path.write_text(XW + "param V : K × K\nJ = norm(W x)\n", encoding="utf-8")
    status, out, err = run(capsys, "derive", str(path))
    assert status == 0
    assert "warning: J does not depend on V" in err
    assert "∂J/∂V = 0" in out
    assert "its gradient is exactly 0" in out


def test_a_failed_compile_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "network.net"
    path.write_text(XW + "z = W x\n", encoding="utf-8")
    status, _, _ = run(capsys, "compile", str(path), "-o", str(tmp_path / "step.py"))
    assert status == 2
    assert list(tmp_path.iterdir()) == [path]


def test_no_traceback_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "network.net"
    path.write_text(XW + "z = Wx\nJ = sum(z)\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "derive", str(path)], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "  3 | z = Wx\n    |     ^^\n  try: W x" in done.stderr


ARRAYS = {"x": np.ones(3), "W": np.ones((5, 3))}


@pytest.mark.parametrize("way", ["evaluate", "numpy"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"W": np.ones((5, 4))}, "W"),
        ({"W": np.ones((5, 3, 1, 2))}, "W"),
        ({"x": np.array([1.0, np.nan, 2.0])}, "NaN"),
        ({"x": np.array(["a", "b", "c"])}, "x is"),
        ({"x": None}, "x"),
    ],
)
def test_arrays_that_do_not_fit(way: str, change: dict[str, object], says: str) -> None:
    net = cr.parse(XW + "J = norm(W x)^2")
    run_it = net.evaluate if way == "evaluate" else net.derive().compile("numpy")
    run_it(**ARRAYS)
    with pytest.raises(cr.ArrayError, match=says):
        run_it(**{**ARRAYS, **change})


def test_an_array_is_missing_or_unknown() -> None:
    net = cr.parse(XW + "J = norm(W x)^2")
    for run_it in (net.evaluate, net.derive().compile("numpy")):
        with pytest.raises(cr.ChainruleError, match="W"):
            run_it(x=np.ones(3))
        with pytest.raises(cr.ChainruleError, match="V"):
            run_it(**ARRAYS, V=np.ones(3))
