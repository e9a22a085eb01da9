"""Bad input: each kind ends with status 2, the user's line with a caret, and what to try; never with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
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
    "a star": ("param A : K × D\nparam B : D × K\nJ = tr(A * B)", "A * B", "A (K × D) and B (D × K)", "A ∘ B"),
    "loss not scalar": (XW + "z = W x", "z = W x", "K × 1", "sum(z)"),
    "a name twice": (XW + "z = W x\nz = W x\nJ = sum(z)", "z", "z is used twice", "another name"),
    "two spellings": ("input theta : D\ninput θ : D\nJ = sum(θ)", "θ", "two spellings", "another name"),
    "Python keyword": (XW + "class = W x\nJ = sum(class)", "class", "word of Python", "class_"),
    "Python code": ("import os\nJ = 1", "import", "looks like Python code", ""),
    "dunder": (XW + "__class__ = W x\nJ = 1", "__class__", "__class__", ""),
    "unknown fact": ("label y : K, onehot\nJ = sum(y)", "onehot", "onehot", "one-hot"),
    "unknown function": (XW + "z = rleu(W x)\nJ = sum(z)", "rleu(W x)", "rleu is not known", "relu"),
    "arguments": (XW + "z = softmax(W x, x)\nJ = sum(z)", "softmax(W x, x)", "takes 1 argument, not 2", "softmax("),
    "power of a vector": (XW + "z = x^2\nJ = sum(z)", "x^2", "x is D × 1", "x.^2"),
    "division by a vector": (XW + "z = x / x\nJ = sum(z)", "x / x", "/ divides by a scalar", "./"),
    "no such axis": (XW + "J = sum(sum(W, over=Q))", "sum(W, over=Q)", "W is K × D", "over=rows"),
    "unbound index": (XW + "J = sum(i, W[i,j] x[j])", "j", "the index j is not bound", "sum(j, …)"),
    "index over two sizes": (XW + "J = sum(i, W[i,i])", "W[i,i]", "over K and over D", "order of the indices"),
    "too few indices": (XW + "z[i] = sum(k, W[i] x[k])\nJ = sum(z)", "W[i]", "2 indices (K × D), not 1", "W[i,j]"),
    "an index twice": (XW + "z[i,i] = sum(k, W[i,k] x[k])\nJ = 1", "z", "stands twice on the left", "S[i,j]"),
    "an index of nothing": (XW + "z[i,l] = sum(k, W[i,k] x[k])\nJ = 1", "l", "size of index l", "the index l"),
    "nothing to sum over": (XW + "J = sum(l, sum(x))", "sum(l, sum(x))", "l does not occur", "an array with"),
    "unknown name, no product": (XW + "param b : K\nz = W x + bb\nJ = sum(z)", "bb", "bb is not known", "b?"),
    "used before": (XW + "J = sum(z)\nz = W x", "z", "z is used before it is defined", "above this line"),
    "defined by itself": (XW + "z = z + W x\nJ = sum(z)", "z", "z is used before it is defined", ""),
    "a declared name twice": (XW + "param W : D\nJ = sum(W x)", "W", "W is used twice", "another name"),
    "a function twice": ("def f(u) = u\ndef f(u) = 2 u\ninput x : D\nJ = sum(f(x))", "f", "defined twice", "another"),
    "a function declared twice": ("function f : D -> D\nfunction f : D -> D\nJ = 1", "f", "defined twice", "another"),
    "a function's name": ("function f : D -> D\nparam f : D\nJ = sum(f)", "f", "name of a function", "any other name"),
    "a library name": ("param relu : D\nJ = sum(relu)", "relu", "name of a function", "any other name"),
    "recursion": ("def f(u) = f(u)\ninput x : D\nJ = sum(f(x))", "f(x)", "uses itself", ""),
    "minimize a vector": (XW + "z = W x\nminimize z", "minimize z", "z is K × 1", "J = sum(z)"),
    "minimize nothing": (XW + "J = sum(x)\nminimize L", "minimize L", "no equation defines it", "minimize J"),
    "fact unlike any": ("label y : K, purple\nJ = sum(y)", "purple", "purple", "one of: diagonal"),
    "unknown option": (XW + "J = sum(x, foo=3)", "sum(x, foo=3)", "no option foo", "over=rows"),
    "unlike any function": (XW + "J = sum(frobnicate(x))", "frobnicate(x)", "not known", "function frobnicate"),
    "two arguments": ("label y : K\nJ = CE(y)", "CE(y)", "takes 2 arguments, not 1", "CE(y, p)"),
    "square of a matrix": (XW + "J = sum(W^2)", "W^2", "only a square matrix", "W.^2"),
    "one over a vector": (XW + "J = sum(1 / x)", "1 / x", "/ divides by a scalar", "1 ./ x"),
    "root of a matrix": ("param A : D × D\nJ = sum(A^(1/2))", "A^(1/2)", "not supported yet", "whole number"),
    "determinant": ("param A : D × K\nJ = det(A)", "det(A)", "det takes a square matrix", "A Aᵀ"),
    "maximum": (XW + "J = max(x, over=K)", "max(x, over=K)", "names no one axis", ""),
    "root of a negative number": (XW + "J = sqrt(-2) sum(x)", "-2", "root of the negative number -2", "positive"),
    "root of a negative sum": (XW + "J = (1 - 3)^0.5 sum(x)", "", "the square root of the negative number", "positive"),
    "logarithm of a negative number": (XW + "J = log(-3) sum(x)", "log(-3)", "logarithm of -3", "positive"),
    "logarithm of zero": (XW + "J = log(1 - 1) sum(x)", "log(1 - 1)", "not positive", "positive"),
    "zero in disguise": (XW + "J = sum(x)/(1 - 1)", "", "division by zero", "not 0"),
    "too large a number": (XW + "J = 9^9^9^9 sum(x)", "9", "too large", "smaller exponent"),
    "matrix to a large power": ("param A : D × D\nJ = tr(A^99999999)", "A^99999999", "matrix power", "−16 to 16"),
    "unknown dialect": ("dialect fortran\nJ = 1", "fortran", "no dialect 'fortran'", "numpy"),
    "no equation": ("input x : D", None, "no equation", "z = W x"),
    "a tab": ("input\tx : D\nJ\t=\tsum(y)", "y", "y is not known", "declare it"),
    "wide combining marks": ("input x̂ : D\nJ = sum(x̂) + w", "w", "w is not known", "declare it"),
    "Windows line ends": ("input x : D\r\nJ = sum(y)\r\n", "y", "y is not known", "declare it"),
    "recurrence": ("input x : D\nh[t] = h[t-1] for t = 1..T\nJ = sum(x)", "h[t]", "size T of the", "with T a size"),
    "division by zero": ("input x : D\nJ = sum(x)/0", "0", "division by zero", "not 0"),
    "misspelt keyword": ("imput x : D\nJ = sum(x)", "imput", "imput", "input"),
    "a size as a name": ("input D : D\nJ = sum(D)", "D", "size already", "another name"),
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
    if marked is not None:
        caret = next(n for n, line in enumerate(lines) if "^" in line and set(line) <= set(" |^"))
        first = lines[caret].index("^")
        length = lines[caret].count("^")
        shown = "".join(c for c in lines[caret - 1] if not unicodedata.combining(c))  # as the columns of a terminal
        assert shown[first : first + length].startswith(marked)


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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["derive", "{net}", "--batch", "class"], "'class' cannot be the batch size"),
        (["derive", "{net}", "--batch", "a b"], "a name such as N"),
        (["derive", "{net}", "--batch", "0"], "at least 1, not 0"),
        (["derive", "{net}", "--batch", "-1"], "at least 1, not -1"),
        (["compile", "{net}", "--batch", "D"], "D is a size of the program already"),
        (["derive", "{net}", "--batch", "W"], "W is a name of the program already"),
        (["derive", "{net}", "--wrt", "foo"], "one of: x, W, J"),
        (["verify", "{net}", "--size", "Q=3"], "its sizes are D, K"),
        (["verify", "{net}", "--size", "D=0"], "--size D=0 is not a size"),
        (["verify", "{net}", "--size", "D"], "--size D is not a size"),
        (["verify", "{net}", "--seed", "-1"], "--seed"),
        (["compile", "{net}", "-o", "{folder}"], "is a folder"),
        (["compile", "{net}", "-o", "{folder}/no/step.py"], "a folder that exists"),
        (["train", "{net}", "--const", "λ"], "--const λ is not a number"),
        (["demo", "--out", "{net}"], "File exists"),
    ],
)
def test_options_that_do_not_fit(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "network.net"
    path.write_text(XW + "J = norm(W x)^2\n", encoding="utf-8")
    status, _, err = run(capsys, *[a.format(net=path, folder=tmp_path) for a in arguments])
    assert status == 2
    assert says in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.net"
    path.write_text(XW + "J = norm(W x)^2\n", encoding="utf-8")
    (tmp_path / "step.py").write_text("old", encoding="utf-8")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    status, _, err = run(capsys, "compile", str(path), "-o", str(tmp_path / "step.py"))
    assert status == 2
    assert "No space left on device" in err
    assert {p.name for p in tmp_path.iterdir()} == {"network.net", "step.py"}
    assert (tmp_path / "step.py").read_text(encoding="utf-8") == "old"


def test_sizes_too_large_for_the_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise MemoryError

    path = tmp_path / "network.net"
    path.write_text(XW + "J = norm(W x)^2\n", encoding="utf-8")
    monkeypatch.setattr("chainrule.derivation.Derivation.verify", too_large)
    status, _, err = run(capsys, "verify", str(path), "--size", "D=100000")
    assert (status, "too large for the memory" in err) == (2, True)


@pytest.mark.parametrize("mistake", ["a star", "nested brackets", "two spellings"])
def test_the_same_in_a_process_of_its_own(mistake: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "derive", "-"], input=MISTAKES[mistake][0].encode(),
        capture_output=True, cwd=tmp_path, check=False, env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (2, b"", [])
    assert MISTAKES[mistake][2] in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert all(len(line) < 200 for line in done.stderr.decode().splitlines())


def test_binary_on_standard_input(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "derive", "-"], input=bytes(range(256)), capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"standard input is not a text file" in done.stderr


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
