"""The C step as a user meets it: text, shapes, errors, memory, threads, bound calls, and the cache of builds."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError, ChainruleError, UnknownNameError, UnsupportedError
from chainrule.reference import evaluate_program
from chainrule.targets.c import CStep, compile_c
from chainrule.targets.c_build import build, cache_directory, compiler
from chainrule.targets.c_source import c_source
from plan.builders import PROGRAMS, SIZES, draw, one_layer, one_layer_rows, random_program

GOLDEN = Path(__file__).parent / "golden"
COMMENTS = {
    "z": "z = W x + b1", "h": "h = relu(z)", "θ": "θ = U h + b2", "ŷ": "ŷ = softmax(θ)", "J": "J = CE(y, ŷ)",
    "δ1": "δ₁ = ∂J/∂θ = (ŷ − y)ᵀ", "δ2": "δ₂ = ∂J/∂z = δ₁ U ∘ sgn(h)ᵀ", "∂J/∂W": "∂J/∂W = δ₂ᵀ xᵀ",
    "∂J/∂b1": "∂J/∂b1 = δ₂ᵀ", "∂J/∂U": "∂J/∂U = δ₁ᵀ hᵀ", "∂J/∂b2": "∂J/∂b2 = δ₁ᵀ",
}  # fmt: skip
PARAMETERS = ["∂J/∂W", "∂J/∂b1", "∂J/∂U", "∂J/∂b2"]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def rows(**options: object) -> CStep:
    return compile_c(one_layer_rows(), PARAMETERS, loss="J", **options)  # type: ignore[arg-type]


def data(n: int = 7, dtype: str = "float32", seed: int = 0, **sizes: int) -> dict[str, np.ndarray]:
    arrays = draw(one_layer_rows(), {"N": n, "D": 5, "H": 3, "K": 11} | sizes, seed)
    return {name: array.astype(dtype) for name, array in arrays.items()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, empty."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# -- the text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["", "_embedded"])
@pytest.mark.parametrize("network", ["one_layer", "one_layer_rows"])
def test_golden_source(network: str, variant: str) -> None:
    """What the compiler emits, for a reader to see. CHAINRULE_GOLDEN=write pytest tests/targets writes it anew."""
    program = {"one_layer": one_layer, "one_layer_rows": one_layer_rows}[network]()
    sizes = {"N": 1, "D": 64, "H": 32, "K": 10} if variant else {}
    declared = {d for v in program.variables.values() for d in v.dims}
    source = c_source(
        program, PARAMETERS, loss="J", comments=COMMENTS, embedded=bool(variant),
        sizes={d: n for d, n in sizes.items() if d in declared},
    ).text  # fmt: skip
    path = GOLDEN / f"{network}{variant}.c.txt"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        path.write_text(source, encoding="utf-8")
    assert source == path.read_text(encoding="utf-8")


def every_source() -> list[str]:
    texts = []
    for program in [*(make() for make in PROGRAMS.values()), *map(random_program, range(2))]:
        outputs = list(program.equations)
        sizes = {d: SIZES[d] for v in program.variables.values() for d in v.dims if isinstance(d, str)}
        for options in ({}, {"dtype": "float64", "sizes": sizes}, {"sizes": sizes, "embedded": True}):
            texts.append(c_source(program, outputs, **options).text)  # type: ignore[arg-type]  # noqa: PERF401
    return texts


def test_no_warning_in_any_source(tmp_path: Path) -> None:
    """Of every kind of program, as plain C99 and as it is built; all in few runs of the compiler."""
    paths = []
    for number, text in enumerate(every_source()):
        paths.append(tmp_path / f"{number}.c")
        paths[-1].write_text(text, encoding="utf-8")
    for more in ([], ["-DSIMD", "-fopenmp-simd", "-DCBLAS"]):
        done = subprocess.run(
            [*compiler(), *STRICT, *more, "-fsyntax-only", *map(str, paths)],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


_SANITIZED = """
#include <stdio.h>
#include <stdlib.h>
int main(void)
{{
    size_t n[8] = {{{numbers}}};
    {real} *a[40];
    unsigned state = 1;
    for (int k = 0; k < {count}; k++) {{
        a[k] = malloc(n[k] * sizeof({real})); /* exactly as long as it must be */
        for (size_t i = 0; i < n[k]; i++) {{
            state = state * 1664525u + 1013904223u;
            a[k][i] = ({real})(state >> 8) / 8388608 - 1;
        }}
    }}
    {call}
    for (int k = 0; k < {count}; k++)
        free(a[k]);
    return 0;
}}
"""


def sanitized(program, outputs, sizes: dict[str, int], dtype: str, known: bool, path: Path) -> None:  # type: ignore[no-untyped-def]
    """Run once under AddressSanitizer and UndefinedBehaviorSanitizer, each array exactly as long as it must be."""
    declared = {d for v in program.variables.values() for d in v.dims}
    sizes = {d: n for d, n in sizes.items() if d in declared}
    made = c_source(program, outputs, dtype=dtype, sizes=sizes if known else None)
    real = "float" if dtype == "float32" else "double"
    dims = [program.variables[n].dims for n in (*made.plan.arguments, *made.results)]
    counts = [int(np.prod([sizes[d] if isinstance(d, str) else d for d in shape])) for shape in dims]
    numbers = [str(sizes[d]) for d in made.sizes]
    work = f"{made.function}_workspace("
    if work in made.text:
        counts.append(0)
    texts = [str(c) for c in counts]
    if work in made.text:
        texts[-1] = f"{work}{', '.join(numbers)})"
    arguments = [*numbers, *(f"a[{k}]" for k in range(len(counts)))]
    main = _SANITIZED.replace("n[8]", f"n[{len(counts)}]").format(
        numbers=", ".join(texts), real=real, count=len(counts), call=f"{made.function}({', '.join(arguments)});"
    )
    source = path / "main.c"
    source.write_text(made.text + main, encoding="utf-8")
    flags = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-std=c99"]
    built = subprocess.run(
        [*compiler(), *flags, str(source), "-o", str(path / "main"), "-lm"],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if "cannot find" in built.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(path / "main")], capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, (ran.stderr, made.text)


@pytest.mark.parametrize("name", ["one_layer_rows", "attention", "softmax_jacobian", "sequence"])
def test_sanitizers(name: str, tmp_path: Path) -> None:
    program = PROGRAMS[name]()
    outputs = [n for n in program.equations if not n.startswith("%")]
    sanitized(program, outputs, SIZES, "float64", False, tmp_path)
    sanitized(program, outputs, SIZES, "float32", True, tmp_path)


@pytest.mark.long
def test_sanitizers_on_random_programs(tmp_path: Path) -> None:
    for seed in range(60):
        program = random_program(seed)
        sanitized(program, list(program.equations), SIZES, "float64", bool(seed % 2), tmp_path)


# -- arrays ----------------------------------------------------------------------------------------------------------


def test_the_step_agrees_with_numpy_for_every_batch() -> None:
    net = cr.parse(
        "input X : N × D\nlabel Y : N × K, one-hot\nparam W : D × H\nparam b : 1 × H\nparam U : H × K\n"
        "H1 = relu(X W + b)\nP = softmax(H1 U)\nJ = mean(CE(Y, P))"
    )
    derivation = net.derive(net.parameters)
    step, expected = derivation.compile("c", dtype="float32"), derivation.compile("numpy")
    generator = np.random.default_rng(3)
    for n, d, h, k in ((1, 1, 1, 1), (1, 5, 3, 7), (13, 1, 3, 2), (31, 17, 67, 11), (64, 129, 65, 10)):
        arrays = {
            "X": generator.standard_normal((n, d)), "Y": np.eye(k)[generator.integers(0, k, n)],
            "W": generator.standard_normal((d, h)), "b": generator.standard_normal(h),
            "U": generator.standard_normal((h, k)),
        }  # fmt: skip
        loss, gradients = step(**{name: a.astype(np.float32) for name, a in arrays.items()})
        want, wanted = expected(**arrays)
        assert loss == pytest.approx(want, rel=2e-5, abs=1e-6)
        for name, array in wanted.items():
            assert gradients[name].dtype == np.float32
            np.testing.assert_allclose(gradients[name], array, atol=3e-5 * max(1, np.abs(array).max()), rtol=0)


def test_arrays_that_do_not_fit_are_refused() -> None:
    step = rows()
    good = data()
    step(**good)
    for name, bad, what in (
        ("W", good["W"].T, "W is 3 × 5"),
        ("X", good["X"].astype(np.float64), "float64"),
        ("X", good["X"][:, :4], "X|W"),
        ("Y", good["Y"][:6], "Y"),
        ("b1", np.ones((3, 1, 1), np.float32), "b1"),
        ("X", good["X"][:0], "X|Y"),
        ("X", [[1.0] * 5] * 7, "not a NumPy array"),
        ("U", np.array([["a"] * 11] * 3), "U"),
    ):
        with pytest.raises(ArrayError, match=what):
            step(**{**good, name: bad})
    with pytest.raises(ArrayError, match="missing: U"):
        step(**{n: a for n, a in good.items() if n != "U"})
    empty = data(0)
    with pytest.raises(ArrayError, match="empty"):
        step(**empty)
    fixed = rows(sizes={"D": 5, "H": 3})
    fixed(**good)
    with pytest.raises(ArrayError, match="compiled for H = 3"):
        fixed(**data(H=4))


def test_arrays_that_can_be_used_are_used() -> None:
    step = rows(dtype="float64")
    good = data(dtype="float64")
    loss, gradients = step(**good)
    strided = np.empty((7, 10))
    strided[:, ::2] = good["X"]
    reversed_ = good["U"][::-1].copy()[::-1]
    unaligned = np.frombuffer(b"\0" + good["W"].tobytes(), np.float64, offset=1).reshape(5, 3)
    swapped = good["b2"].astype(">f8")
    for name, other in (
        ("X", strided[:, ::2]), ("X", np.asfortranarray(good["X"])), ("U", reversed_), ("W", unaligned),
        ("b1", good["b1"].reshape(1, 3)), ("b2", swapped), ("X", good["X"].astype(np.float32).astype(np.float64)),
    ):  # fmt: skip
        again, others = step(**{**good, name: other})
        assert again == pytest.approx(loss, rel=1e-6)
        for key, array in others.items():
            np.testing.assert_allclose(array.reshape(gradients[key].shape), gradients[key], rtol=1e-5, atol=1e-6)
            assert array.shape == (other.shape if key == name else good[key].shape)
    with pytest.raises(ArrayError, match="NaN"):
        step(**{**good, "W": good["W"] * np.nan})


def test_results_belong_to_the_caller_and_arguments_are_not_written() -> None:
    step = rows()
    arrays = data(seed=1)
    before = {name: array.copy() for name, array in arrays.items()}
    _, first = step(**arrays)
    kept = {name: array.copy() for name, array in first.items()}
    step(**data(seed=2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name])
    same = data(seed=1, D=3, H=3)
    same["W"] = same["X"] = np.ones((3, 3), np.float32)  # one array for two arguments
    same["Y"] = same["Y"][:3]
    loss, _ = step(**same)
    assert loss == step(**{**same, "X": same["X"].copy()})[0]


def test_rows_that_must_sum_to_one_are_looked_at() -> None:
    net = cr.parse("input X : N × D\nlabel Y : N × K, one-hot\nparam W : D × K\nJ = mean(CE(Y, softmax(X W)))")
    step = net.derive("W").compile("c", dtype="float32")
    good = {"X": np.ones((3, 2), np.float32), "Y": np.eye(5, dtype=np.float32)[:3], "W": np.ones((2, 5), np.float32)}
    run = step.bind(**good)
    assert run()[0] == step(**good)[0] == pytest.approx(np.log(5))
    with pytest.raises(ArrayError, match="one-hot"):
        step(**{**good, "Y": 2 * good["Y"]})
    with pytest.raises(ArrayError, match="Y has NaN"):
        step(**{**good, "Y": np.nan * good["Y"]})
    good["Y"][1] = 0.5
    with pytest.raises(ValueError, match="sum to 1"):
        run()


def test_bound_calls() -> None:
    step = rows()
    arrays = data()
    loss, gradients = step(**arrays)
    target = np.full((5, 3), np.nan, np.float32)
    run = step.bind(**arrays, out={"W": target})
    again, held = run()
    assert again == loss
    assert held["W"] is target
    for name, array in gradients.items():
        np.testing.assert_array_equal(held[name], array)
    arrays["X"] += 1
    assert run()[0] == step(**arrays)[0] != loss
    del arrays, target, held
    assert np.isfinite(run()[0])  # it keeps what it needs
    good = data()
    for name, bad in (
        ("X", good["X"].astype(np.float64)),
        ("X", np.asfortranarray(good["X"])),
        ("b1", good["b1"][::-1]),
    ):
        with pytest.raises(ArrayError, match=f"{name} cannot be bound"):
            step.bind(**{**good, name: bad})
    with pytest.raises(ArrayError, match="shares memory"):
        step.bind(**good, out={"W": good["W"]})
    with pytest.raises(ArrayError, match="cannot be bound"):
        step.bind(**good, out={"W": np.empty((3, 5), np.float32)})
    with pytest.raises(ArrayError, match="not a result"):
        step.bind(**good, out={"V": np.empty((3, 5), np.float32)})
    shared = np.empty((5, 11), np.float32)
    with pytest.raises(ArrayError, match="shares memory"):
        step.bind(**{**good, "b2": shared[0]}, out={"U": shared[:3]})


@pytest.mark.parametrize("shared", [True, False], ids=["one step", "two steps"])
def test_threads(shared: bool) -> None:
    steps = [rows(), rows()]
    if shared:
        steps[1] = steps[0]
    inputs = [data(90, seed=1, D=150, H=80), data(90, seed=2, D=150, H=80)]  # large enough to give up the GIL
    expected = [steps[0](**i) for i in inputs]
    wrong: list[str] = []

    def work(number: int) -> None:
        for _ in range(100):
            loss, gradients = steps[number](**inputs[number])
            if loss != expected[number][0]:
                wrong.append("loss")
            wrong.extend(n for n, a in gradients.items() if not np.array_equal(a, expected[number][1][n]))

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_cannot_be_compiled_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Q is not a size"):
        rows(sizes={"Q": 3})
    with pytest.raises(UnsupportedError, match="whole number"):
        rows(sizes={"N": 0})
    with pytest.raises(UnsupportedError, match="embedded code needs a number for"):
        rows(embedded=True, sizes={"N": 1})
    with pytest.raises(UnsupportedError, match="no BLAS"):
        rows(blas="fast")
    with pytest.raises(UnsupportedError, match="threads"):
        rows(threads=0)


def test_embedded_code_needs_nothing(tmp_path: Path) -> None:
    step = rows(embedded=True, sizes={"N": 1, "D": 5, "H": 3, "K": 11})
    assert not any(word in step.source for word in ("malloc", "stdlib", "cblas", "stdio", "memset"))
    assert step.report["parameter_bytes"] == 4 * (15 + 3 + 33 + 11)
    assert 0 < step.report["workspace_bytes"] < 4 * 60
    assert step(**data(1))[0] == pytest.approx(rows()(**data(1))[0], rel=1e-5)
    path = tmp_path / "step.c"
    path.write_text(step.source, encoding="utf-8")
    done = subprocess.run(
        [*compiler(), *STRICT, "-O2", "-c", str(path), "-o", str(tmp_path / "step.o")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("known", [{}, {"D": 5, "H": 3, "K": 1009}], ids=["any sizes", "known sizes"])
def test_memory_says_how_many_rows_go_at_a_time(known: dict[str, int]) -> None:
    """The rows that fit are worked out at each call; the workspace never takes more, and nearly as much."""
    arrays = data(67, "float64", K=1009)
    sizes = {"N": 67, "D": 5, "H": 3, "K": 1009}
    step = rows(dtype="float64", memory="200kB", sizes=known)
    want, wanted = rows(dtype="float64")(**arrays)
    loss, gradients = step(**arrays)
    assert loss == pytest.approx(want, rel=1e-12)
    assert step.bind(**arrays)()[0] == loss
    for name, array in wanted.items():
        np.testing.assert_allclose(gradients[name], array, rtol=1e-10, atol=1e-13)
    taken = 8 * step.build().chainrule_workspace((ctypes.c_size_t * 4)(*(sizes[d] for d in step.plan.sizes)))
    count = step._made.workspace.rows_at_once(sizes)
    assert 1 < count < 67
    assert 200_000 - 8 * (1009 + 6) < taken <= 200_000
    assert taken == step._made.workspace.bytes(sizes)
    assert step.memory_report(**sizes).startswith(f"workspace {taken / 1000:.3g} kB with N gone through {count} rows")
    assert "with all at once" in step.memory_report(**sizes)
    assert "(rows, K)" in step.source[:900]
    assert "with all N rows at once it would be" in step.source[:1200]
    few = data(2, "float64", K=1009)
    assert step(**few)[0] == pytest.approx(rows(dtype="float64")(**few)[0], rel=1e-12)  # all rows fit


def test_a_memory_that_is_too_small_is_refused() -> None:
    step = rows(memory="2kB")
    step(**data(7))
    large = data(7, K=1009)
    for call in (step, step.bind):
        with pytest.raises(ArrayError, match="one row at a time takes"):
            call(**large)
    with pytest.raises(ArrayError, match="one row at a time takes"):
        rows(memory="2kB", sizes={"N": 7, "D": 5, "H": 3, "K": 1009})
    with pytest.raises(ChainruleError, match="one of them"):
        rows(memory="2kB", chunk=3)
    with pytest.raises(ArrayError, match="depends on"):
        step.memory_report(N=7)
    assert rows().memory_report(N=7, D=5, H=3, K=11).startswith("workspace ")


def test_embedded_code_in_chunks() -> None:
    """The report counts the rows at hand."""
    sizes = {"N": 64, "D": 5, "H": 31, "K": 101}
    whole, few = (rows(embedded=True, sizes=sizes, **more) for more in ({}, {"chunk": 5}))
    assert few.report["workspace_bytes"] < whole.report["workspace_bytes"]
    arrays = data(64, H=31, K=101)
    assert few(**arrays)[0] == pytest.approx(whole(**arrays)[0], rel=1e-5)


# -- the cache -------------------------------------------------------------------------------------------------------

_BUILD = (
    "import sys, time; from chainrule.targets.c_build import build; print('ready', flush=True); sys.stdin.readline(); "
    "library = build(open(sys.argv[1]).read()); print(library.answer())"
)


def builders(path: Path, count: int) -> list[subprocess.Popen[str]]:
    """Processes that wait for a line and then build the text."""
    made = [
        subprocess.Popen(
            [sys.executable, "-c", _BUILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    for process in made:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return made


def test_eight_processes_build_at_once_and_one_is_killed(folder: Path, tmp_path: Path) -> None:
    text = "".join(f"double f{k}(double x) {{ return x * {k} + {k}; }}\n" for k in range(150))
    text += '__attribute__((visibility("default"))) int answer(void) { return 42; }\n'
    path = tmp_path / "text.c"
    path.write_text(text, encoding="utf-8")
    processes = builders(path, 8)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    end = time.monotonic() + 30
    while not list(folder.glob("build-*")) and time.monotonic() < end:
        time.sleep(0.002)
    processes[0].send_signal(signal.SIGKILL)
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert [a for a in answers[1:] if a != "42\n"] == []
    assert len(list(folder.glob("*.so"))) == 1
    assert build(text).answer() == 42


def test_a_damaged_build_is_made_anew_and_old_leftovers_go(folder: Path) -> None:
    text = '__attribute__((visibility("default"))) int answer(void) { return 43; }\n'
    assert build(text).answer() == 43
    (path,) = folder.glob("*.so")
    other = text.replace("43", "44")
    old = folder / "build-old"
    old.mkdir()
    os.utime(old, (1, 1))
    assert build(other).answer() == 44
    assert not old.exists()
    path.unlink()
    path.write_bytes(b"half")
    assert build(text).answer() == 43


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "a"))
    assert cache_directory() == tmp_path / "a"
    monkeypatch.delenv("CHAINRULE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_directory() == tmp_path / "b" / "chainrule"
    (tmp_path / "c").write_text("a file")
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "c"))
    with pytest.raises(ChainruleError, match="cannot be made"):
        build("int x;")


def test_without_a_compiler_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("chainrule.targets.c_build.find_spec", lambda name: None)
    compiler.cache_clear()
    with pytest.raises(UnsupportedError, match="ziglang"):
        compiler()
    monkeypatch.undo()
    compiler.cache_clear()
    assert compiler()


def test_the_compiler_of_the_ziglang_wheel(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none, `python -m ziglang cc` is called. The wheel (411 MB) is no dependency of the tests: a
    package of its name hands over to the system's compiler here. With the wheel itself see docs/decisions/023.
    """
    package = tmp_path / "ziglang"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(
        "import os, sys\nopen(os.environ['ZIG_LOG'], 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"assert sys.argv[1] == 'cc'\nos.execv({shutil.which(compiler()[0])!r}, ['cc', *sys.argv[2:]])\n"
    )
    monkeypatch.setenv("ZIG_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    which = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: which(name) if Path(name).is_absolute() else None)
    compiler.cache_clear()
    try:
        assert compiler() == (sys.executable, "-m", "ziglang", "cc")
        arrays = data()
        assert rows()(**arrays)[0] == pytest.approx(evaluated(arrays), rel=1e-5)
    finally:
        monkeypatch.undo()
        compiler.cache_clear()
    assert "-shared" in (tmp_path / "log").read_text()
    assert compiler()[0] != sys.executable


def evaluated(arrays: dict[str, np.ndarray]) -> float:
    values = evaluate_program(
        one_layer_rows(),
        {n: a.astype(np.float64) for n, a in arrays.items()},
        {"N": 7, "D": 5, "H": 3, "K": 11},
        only=["J"],
    )
    return float(values["J"])


@pytest.mark.parametrize("name", ["X", "Y", "W", "b1", "U", "b2"])
def test_every_argument_is_checked(name: str) -> None:
    """Of each array: other shapes, types and layouts are refused, or give the very same numbers."""
    step = rows()
    good = data()
    loss, gradients = step(**good)
    array = good[name]

    def same(other: object) -> None:
        again, others = step(**{**good, name: other})
        assert again == loss
        for key, value in gradients.items():
            np.testing.assert_array_equal(others[key].reshape(value.shape), value)

    wide = np.repeat(np.repeat(array, 2, 0), 2, -1) if array.ndim > 1 else np.repeat(array, 2)
    same(wide[tuple(slice(None, None, 2) for _ in array.shape)])  # every second entry
    same(
        array[tuple(slice(None, None, -1) for _ in array.shape)].copy()[
            tuple(slice(None, None, -1) for _ in array.shape)
        ]
    )
    same(np.asfortranarray(array))
    same(array.astype(">f4"))
    same(np.frombuffer(b"\0" + array.tobytes(), np.float32, offset=1).reshape(array.shape))
    frozen = array.copy()
    frozen.flags.writeable = False
    same(frozen)
    for bad in (
        np.concatenate([array, array[-1:]]),  # one more
        array[:-1],
        array[..., None, None],
        array.astype(np.complex64),
        array.astype(str),
        np.full(array.shape, None),
        np.broadcast_to(np.float32(1.0), (2, *array.shape)),
        None, 1.0, "x", array.tolist(), [[]],
    ):  # fmt: skip
        with pytest.raises(ArrayError):
            step(**{**good, name: bad})
    assert step(**good)[0] == loss


def test_training_by_c_is_training_by_numpy(tmp_path: Path) -> None:
    from chainrule.training import train
    from chainrule.training.data import load_data

    net = cr.load(Path(__file__).parents[2] / "examples" / "one_layer.net")
    runs = [
        train(net, load_data("digits"), epochs=3, out=tmp_path / target, show=False, target=target)
        for target in ("numpy", "c")
    ]
    first, second = ([record.loss for record in run.records] for run in runs)
    assert second == pytest.approx(first, rel=1e-4)
    assert runs[1].test_accuracy == pytest.approx(runs[0].test_accuracy, abs=0.006)
