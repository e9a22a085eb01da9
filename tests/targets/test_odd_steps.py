"""Steps used as steps are used: copied, sent to other processes, bound, asked for odd things; in every target.

Each of these ended in an error of Python's own, in a crash of the process, or passed in silence.
"""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError, ChainruleError, DimensionError, LanguageError, UnsupportedError
from chainrule.targets import registry
from chainrule.targets.c_build import build, cache_directory, compiler

TARGETS = [("numpy", {}), ("c", {"blas": "none"}), ("torch", {}), ("jax", {"jit": False})]
NET = cr.parse("input X : N × D\nparam W : D × K\nZ = X W\nJ = sum(tanh(Z) ∘ Z)/N")
DERIVATION = NET.derive()
RNG = np.random.default_rng(5)
GOOD = {"X": RNG.standard_normal((7, 3)), "W": RNG.standard_normal((3, 5))}


@pytest.fixture(params=TARGETS, ids=[t for t, _ in TARGETS])
def step(request: pytest.FixtureRequest) -> Any:
    target, options = request.param
    return DERIVATION.compile(target, **options)


def same(step: Any, other: Any) -> None:
    (loss, gradients), (loss2, gradients2) = step(**GOOD), other(**GOOD)
    assert loss == loss2
    for name, value in gradients.items():
        np.testing.assert_array_equal(value, gradients2[name])


MACROS = ("SIMD", "SIZE_MAX", "linux", "unix", "HUGE_VAL", "complex", "errno", "M_PI", "CBLAS", "BLAS_THREADS")


def test_arrays_may_have_names_of_macros() -> None:
    """Also where the user's compiler has its own extensions on."""
    lines, terms, arrays = [], [], {}
    for k, name in enumerate(MACROS, 2):
        lines.append(f"param {name} : D{k}")
        terms.append(f"sum({name} ∘ exp({name}))")
        arrays[name] = RNG.standard_normal(k)
    net = cr.parse("\n".join([*lines, "J = " + " + ".join(terms)]))
    step = net.derive().compile("c", blas="none")
    assert step(**arrays)[0] == pytest.approx(net.evaluate(**arrays)["J"], rel=1e-12)
    build(step.source, ("-std=gnu17",))


def test_sizes_may_have_names_of_macros() -> None:
    lines = [f"param x{k} : {name} × 2" for k, name in enumerate(MACROS)]
    terms = [f"sum(tanh(x{k}))/{name}" for k, name in enumerate(MACROS)]
    net = cr.parse("\n".join([*lines, "J = " + " + ".join(terms)]))
    arrays = {f"x{k}": RNG.standard_normal((k + 2, 2)) for k in range(len(MACROS))}
    loss, _ = net.derive().compile("c", blas="none")(**arrays)
    assert loss == pytest.approx(net.evaluate(**arrays)["J"], rel=1e-12)


# -- copies ----------------------------------------------------------------------------------------------------------


def test_a_step_can_be_pickled_and_copied(step: Any) -> None:
    same(step, pickle.loads(pickle.dumps(step)))
    same(step, copy.deepcopy(step))
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(step))))
    assert again.source == step.source


def test_a_compiled_hessian_can_be_pickled() -> None:
    net = cr.parse("param w : D\nJ = sum(exp(w)) + sum(w)^2")
    value = net.hessian("w").compile()
    w = np.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(pickle.loads(pickle.dumps(value))(w=w), np.diag(np.exp(w)) + 2, rtol=1e-12)


def _loss(step: Any) -> float:
    return float(step(**GOOD)[0])


def test_another_process_gets_a_step() -> None:
    step = DERIVATION.compile("c", blas="none")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_loss, (step,)) == step(**GOOD)[0]


def test_a_step_that_compile_did_not_make_says_so() -> None:
    from chainrule.targets.numpy import compile_numpy

    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(compile_numpy(NET.program, ("Z",)))


# -- what is asked for -----------------------------------------------------------------------------------------------


def test_an_array_may_be_called_self() -> None:
    derivation = cr.parse("param self : D\nJ = sum(self ∘ self ∘ self)").derive()
    for target, options in TARGETS:
        loss, gradients = derivation.compile(target, **options)(self=np.array([1.0, 2.0, 3.0]))
        assert loss == 36
        np.testing.assert_allclose(gradients["self"], [3, 12, 27])
    assert derivation.network.evaluate(self=np.array([1.0, 2.0, 3.0]))["J"] == 36


@pytest.mark.parametrize("size", ["exp", "relu", "f", "g", "softmax"])
def test_a_size_is_no_function(size: str) -> None:
    """`exp(x)` was read as the size times x."""
    text = f"def f(u) = 2 u\nfunction g : D -> D\ninput x : {size}\nJ = sum({size}(x))"
    with pytest.raises(LanguageError, match=f"{size} is the name of a"):
        cr.parse(text)


def test_a_size_may_have_a_name_of_the_library_that_is_not_called() -> None:
    assert cr.parse("input x : gate\nJ = sum(x ∘ x)/gate").evaluate(x=np.array([1.0, 3.0]))["J"] == 5


def test_reductions_are_known_and_over_a_batch() -> None:
    """`reduction="max"` was the sum, and without a batch it was not looked at."""
    net = cr.parse("input x : D\nparam w : D\nJ = (wᵀ x)^2")
    with pytest.raises(UnsupportedError, match="no reduction 'max'"):
        net.derive("w").compile(batch="N", reduction="max")
    with pytest.raises(UnsupportedError, match="over a batch"):
        net.derive("w").compile(reduction="mean")
    for batch in (5.0, ("N",), None):
        with pytest.raises(DimensionError, match="cannot be the batch size"):
            net.lift(batch)  # type: ignore[arg-type]


def test_a_dtype_may_be_one_of_numpy() -> None:
    for dtype in (np.float32, np.dtype("float32"), "float32"):
        assert DERIVATION.compile(dtype=dtype).dtype == "float32"  # type: ignore[arg-type]
    for odd in (np.float16, "float128", dict, None):
        if odd is not None:
            with pytest.raises(UnsupportedError, match="dtype"):
                DERIVATION.compile(dtype=odd)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [None, 3, ("c",)])
def test_a_target_is_a_name(target: Any) -> None:
    with pytest.raises(UnsupportedError, match="is not the name of a target"):
        registry.find(target)


def test_the_hint_for_a_wrong_array_can_be_followed() -> None:
    step = DERIVATION.compile(dtype="float32")
    single = {name: array.astype("float32") for name, array in GOOD.items()}
    with pytest.raises(ArrayError) as caught:
        step(**{**single, "X": GOOD["X"].astype(np.longdouble)})
    assert caught.value.hint == "X.astype(np.float32)"
    with pytest.raises(ArrayError) as caught:
        step(**single, out=GOOD["W"])
    assert caught.value.hint == "leave out out"
    with pytest.raises(ArrayError) as caught:
        step(X=single["X"], Wt=single["W"])
    assert caught.value.hint == "W=…"


@pytest.mark.parametrize(
    ("sizes", "says"),
    [({"Q": 3}, "Q is not a size"), ({"N": -3}, "N = -3 must be"), ({"N": "3"}, "N = '3' must be"), ({}, "depends on")],
)
def test_memory_is_reported_for_sizes_that_there_are(sizes: dict[str, Any], says: str) -> None:
    for target, options in TARGETS[:2]:
        step = DERIVATION.compile(target, **options)
        with pytest.raises(ArrayError, match=says):
            step.memory_report(**({"D": 5, "K": 7} | sizes if sizes else sizes))


def test_what_cannot_be_bound_is_refused() -> None:
    step = DERIVATION.compile("c", blas="none")
    for odd in ([[0.0] * 5] * 3, np.ma.zeros((3, 5)), np.zeros((3, 5), "float32"), np.zeros((5, 3)).T):
        with pytest.raises(ArrayError, match="the result W cannot be bound"):
            step.bind(out={"W": odd}, **GOOD)
    with pytest.raises(UnsupportedError, match="does not say which size"):
        DERIVATION.compile("c", sizes=[3])


# -- compilers and caches --------------------------------------------------------------------------------------------

ANSWER = '__attribute__((visibility("default"))) int answer(void) { return %d; }\n'


@pytest.mark.parametrize("kept", [0, 100, 0.3, 0.5, 0.9, 0.999])
def test_a_shortened_build_is_made_anew(kept: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading one ended the process. In another one, since what is loaded here stays."""
    text = ANSWER % 41
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    assert build(text).answer() == 41
    (path,) = tmp_path.glob("*.so")
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    code = f"from chainrule.targets.c_build import build; print(build({text!r}).answer())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "41\n")
    assert path.read_bytes() == whole


def test_a_build_that_is_another_library_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    texts = [ANSWER % number for number in (1, 2)]
    first, second = (Path(build(text)._name) for text in texts)
    content = second.read_bytes()
    first.unlink()
    first.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert build(texts[0]).answer() == 1
    second.unlink()
    second.mkdir()
    assert build(texts[1]).answer() == 2


def test_a_cache_that_cannot_be_written_to_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(ChainruleError, match="cannot be used: No space left on device"):
        build(ANSWER % 7)


def test_a_relative_cache_is_no_option_of_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_CACHE", "-x é")
    assert cache_directory() == tmp_path / "-x é"
    assert build(ANSWER % 8).answer() == 8
    monkeypatch.setenv("CHAINRULE_CACHE", "~/kept")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "kept"


def test_a_compiler_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CC that does not exist was passed over in silence."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    real = compiler()[0]
    spaced, broken = tmp_path / "my cc", tmp_path / "broken"
    spaced.write_text(f'#!/bin/sh\nexec {real} "$@"\n', encoding="utf-8")
    broken.write_text("no program", encoding="utf-8")
    for path in (spaced, broken):
        path.chmod(0o755)
    try:
        for number, (cc, says) in enumerate(
            [("no-such-compiler -O1", "CC is set to no-such-compiler -O1"), (str(broken), "cannot be run"),
             ("true", "made nothing"), ("false", "said nothing"), (str(spaced), ""), (f"'{spaced}' -g", "")]
        ):  # fmt: skip
            monkeypatch.setenv("CC", cc)
            compiler.cache_clear()
            if not says:
                assert build(ANSWER % number).answer() == number
                continue
            with pytest.raises(ChainruleError, match=says):
                build(ANSWER % number)
    finally:
        monkeypatch.undo()
        compiler.cache_clear()
