"""What `precise` promises: "all" is the float64 step for arrays of float32, in every target; True makes some wide.

The digits themselves are counted in `test_ulp_library.py`. Here: that nothing is lost on the way, whatever the
program has (loops, chunks, labels, operations on whole arrays), and that a device without float64 is no silent float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError, UnsupportedError
from targets.corpus import entry

# Loops forwards and backwards, labels, whole-array operations, windows, masks, a program without its arguments' values.
PROGRAMS = (
    "loop/gru over a batch", "loop/two steps back", "library/CE_labels", "library/conv2d", "library/skip_gram",
    "library/layer_norm", "library/mixture_of_experts", "extra/matrices", "library/CE_ignored", "case/mc083",
)  # fmt: skip
TARGETS = ("numpy", "c", "torch", "jax")


def single(arrays: dict[str, Any]) -> dict[str, Any]:
    return {n: np.asarray(a, np.float32) if np.asarray(a).dtype.kind == "f" else a for n, a in arrays.items()}


def double(arrays: dict[str, Any]) -> dict[str, Any]:
    return {n: np.asarray(a, np.float64) if np.asarray(a).dtype.kind == "f" else a for n, a in arrays.items()}


def off(found: Any, right: Any) -> float:
    """How many units in the last place of float32 apart, at most."""
    rounded = np.asarray(right).astype(np.float32)
    unit = np.maximum(np.spacing(np.abs(rounded)), np.float32(1e-37))
    return float(np.max(np.abs(np.asarray(found, np.float64) - np.asarray(right, np.float64)) / unit, initial=0))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("target", TARGETS)
def test_all_is_the_float64_step_rounded_once(target: str, name: str) -> None:
    case = entry(name)
    arrays = single(case.arrays)
    found = case.compile(target, "float32", precise="all")(**arrays)
    right = case.compile(target, "float64")(**double(arrays))
    assert found.keys() == right.keys()
    for key, value in found.items():
        assert isinstance(value, float) or value.dtype == np.float32, key
        assert off(value, right[key]) <= 0.51, key


NET = """
    input X : N × D
    label Y : N × K, one-hot
    param W : D × H
    param V : H × K
    J = mean(CE(Y, softmax(tanh(X W) V)))
"""


def arrays_of(dtype: type = np.float32) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "X": rng.standard_normal((29, 17)).astype(dtype), "Y": np.eye(7)[rng.integers(0, 7, 29)].astype(dtype),
        "W": rng.standard_normal((17, 11)).astype(dtype), "V": rng.standard_normal((11, 7)).astype(dtype),
    }  # fmt: skip


SIZES = {"N": 29, "D": 17, "H": 11, "K": 7}
C_OPTIONS = ({"threads": 2}, {"sizes": SIZES}, {"sizes": SIZES, "embedded": True}, {"chunk": 5}, {"memory": "20kB"},
             {"blas": "none"})  # fmt: skip
NUMPY_OPTIONS = ({"plain": True}, {"reuse_outputs": True}, {"chunk": 5}, {"memory": "20kB"})


@pytest.mark.parametrize(
    ("target", "options"), [*(("c", o) for o in C_OPTIONS), *(("numpy", o) for o in NUMPY_OPTIONS)], ids=str
)
def test_with_every_other_option(target: str, options: dict[str, Any]) -> None:
    derivation = cr.parse(NET).derive()
    arrays = arrays_of()
    loss, gradients = derivation.compile()(**double(arrays))
    step = derivation.compile(target, dtype="float32", precise="all", **options)
    for _ in range(2):
        found, slopes = step(**arrays)
        assert off(found, loss) <= 0.51
        assert all(off(slopes[n], gradients[n]) <= 0.51 and slopes[n].dtype == np.float32 for n in gradients)


def test_bound_arrays_in_c() -> None:
    derivation = cr.parse(NET).derive()
    arrays = arrays_of()
    step = derivation.compile("c", dtype="float32", precise="all")
    _, gradients = step(**arrays)
    run = step.bind(**arrays)
    _, bound = run()
    assert all(np.array_equal(bound[n], gradients[n]) for n in gradients)
    assert "const float *restrict X_in" in step.source
    assert "double *workspace" in step.source


def test_memory_of_all_counts_float64() -> None:
    step = cr.parse(NET).derive()
    plain, wide = (step.compile(dtype=t, precise="all") for t in ("float64", "float32"))
    assert wide.memory_report(**SIZES) == plain.memory_report(**SIZES)
    narrow = step.compile("c", dtype="float32").memory_report(**SIZES)
    assert wide.memory_report(**SIZES) != narrow
    whole = step.compile("c", dtype="float32", precise="all").memory_report(**SIZES)
    assert float(whole.split()[1]) > 2 * float(narrow.split()[1])  # arguments and results too


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_none_of_the_three_is_refused(target: str) -> None:
    derivation = cr.parse(NET).derive()
    for wrong in ("products", 2, None, 1):
        with pytest.raises(UnsupportedError, match="not known"):
            derivation.compile(target, dtype="float32", precise=wrong)


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_step_in_float64_is_the_same_text(target: str) -> None:
    derivation = cr.parse(NET).derive()
    assert len({derivation.compile(target, dtype="float64", precise=p).source for p in (True, False, "all")}) == 1


def test_torch_widens_tensors_of_float32_whatever_dtype_says() -> None:
    """`dtype` is that of NumPy arrays; tensors keep theirs, so that a step for float64 may meet float32."""
    torch = pytest.importorskip("torch")
    step = cr.parse(NET).derive().compile("torch", precise="all")
    _, found = step(**{n: torch.tensor(a) for n, a in arrays_of().items()})
    _, right = cr.parse(NET).derive().compile()(**double(arrays_of()))
    assert all(found[n].dtype == torch.float32 and off(found[n].numpy(), right[n]) <= 0.51 for n in right)


@pytest.mark.parametrize("target", ["torch", "jax"])
def test_frameworks_stay_as_they_were_unless_asked(target: str) -> None:
    derivation = cr.parse("label y : n, one-hot\ninput z : n\nJ = CE_logits(y, z)").derive()
    plain = derivation.compile(target, dtype="float32").source
    assert plain == derivation.compile(target, dtype="float32", precise=False).source
    assert "double" not in plain
    assert "_wide" not in plain


# -- PyTorch ----------------------------------------------------------------------------------------------------------


LOGITS = "label y : n, one-hot\ninput z : n\nJ = CE_logits(y, z)"


@pytest.mark.parametrize("precise", [True, "all"])
def test_torch_differentiates_what_is_wide_again(precise: Any) -> None:
    torch = pytest.importorskip("torch")
    step = cr.parse(LOGITS).derive().compile("torch", dtype="float32", precise=precise)
    y, z = torch.eye(5)[2], torch.tensor([1.0, -2.0, 0.5, 3.0, 1.5])
    second = torch.autograd.functional.hessian(lambda z: step.function.apply(y, z), z)
    p = torch.softmax(z.double(), 0)
    assert second.dtype == torch.float32
    assert off(second.numpy(), (torch.diag(p) - torch.outer(p, p)).numpy()) <= 3
    doubled = step.function.apply(y.double(), z.double())
    assert doubled.dtype == torch.float64  # what is given in float64 comes back in it
    assert torch.autograd.gradcheck(lambda z: step.function.apply(y.double(), z), z.double().requires_grad_())


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # what dynamo does
@pytest.mark.parametrize("precise", [True, "all"])
def test_torch_compiles_what_is_wide_and_keeps_the_dtype_of_each_gradient(precise: Any) -> None:
    torch = pytest.importorskip("torch")
    torch._dynamo.reset()
    text = NET.replace("tanh(X W)", "(tanh(X W) ∘ ((X - rowmean(X)) P))").replace(
        "param V", "input P : D × H\n    param V"
    )
    derivation = cr.parse(text).derive()
    arrays = {**arrays_of(), "P": np.random.default_rng(2).standard_normal((17, 11)).astype(np.float32)}
    step = derivation.compile("torch", dtype="float32", precise=precise)
    assert ".double()" in step.source
    module = step.module(D=17, H=11, K=7)
    with torch.no_grad():
        for name in "WV":
            getattr(module, name).copy_(torch.tensor(arrays[name]))
    whole = torch.compile(module, fullgraph=True, backend="aot_eager")
    loss = whole(*(torch.tensor(arrays[n]) for n in step.names if n in "XYP"))
    loss.backward()
    assert loss.dtype == torch.float32
    _, right = derivation.compile()(**double(arrays))
    for name in "WV":
        assert getattr(module, name).grad.dtype == torch.float32
        np.testing.assert_allclose(getattr(module, name).grad.numpy(), right[name], rtol=1e-4, atol=1e-6)
        assert precise is True or off(getattr(module, name).grad.numpy(), right[name]) <= 0.51


def test_torch_all_is_not_made_coarse_by_autocast() -> None:
    torch = pytest.importorskip("torch")
    step = cr.parse(NET).derive().compile("torch", dtype="float32", precise="all")
    tensors = {n: torch.tensor(a, requires_grad=n != "Y") for n, a in arrays_of().items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        step.function.apply(*(tensors[n] for n in step.names)).backward()
    _, right = cr.parse(NET).derive().compile()(**double(arrays_of()))
    assert all(off(tensors[n].grad.numpy(), g) <= 0.51 for n, g in right.items())


def test_torch_keeps_no_argument_twice() -> None:
    """An argument that both passes need in float64 is converted in each."""
    pytest.importorskip("torch")
    step = cr.parse(LOGITS).derive().compile("torch", dtype="float32", precise=True)
    assert [s.name for s in step.saved if s.computed] == ["z_exp", "z_sum"]
    assert step.source.count("y.double()") == 2


# -- JAX --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precise", [True, "all"])
def test_jax_without_float64_refuses(precise: Any) -> None:
    jax = pytest.importorskip("jax")
    step = cr.parse(LOGITS).derive().compile("jax", dtype="float32", precise=precise)
    y, z = jax.numpy.eye(3)[1], jax.numpy.arange(3.0)
    assert not jax.config.jax_enable_x64
    with pytest.raises(ArrayError, match="not enabled"):
        step(y=y, z=z)
    with pytest.raises(TypeError, match="float64 is needed"):
        jax.grad(step.function, 1)(y, z)
    with jax.enable_x64(True):
        found = jax.grad(step.function, 1)(y, z)
    assert found.dtype == "float32"
    _, gradients = step(y=np.array([0, 1, 0], np.float32), z=np.arange(3, dtype=np.float32))  # it is enabled for these
    assert gradients["z"].dtype == np.float32
    assert np.array_equal(gradients["z"], found)


# -- loops and chunks -------------------------------------------------------------------------------------------------

CANCELS = """
    input X : T × D
    param a : D
    m[t] = 0.5 m[t-1] + 0.5 (X[t] - mean(X[t])) for t = 1..T
    J = sum(t, aᵀ m[t])
"""
BESIDE = """
    input X : T × D
    param a : D
    C = X - rowmean(X)
    m[t] = 0.5 m[t-1] + 0.5 C[t] for t = 1..T
    J = sum(t, aᵀ m[t]) + sum(exp(-C.^2) ∘ C)
"""


@pytest.mark.parametrize("text", [CANCELS, BESIDE], ids=["in the step", "beside the loop"])
@pytest.mark.parametrize("target", TARGETS)
def test_what_follows_from_arguments_keeps_its_digits_in_loops(target: str, text: str) -> None:
    """X lies around 1000, its rows' deviations around 1: float32 has four digits of them, and of the gradient."""
    derivation = cr.parse(text).derive()
    rng = np.random.default_rng(1)
    arrays = {
        "X": (1000 + rng.standard_normal((13, 7))).astype(np.float32), "a": rng.standard_normal(7).astype(np.float32),
    }  # fmt: skip
    _, right = derivation.compile()(**double(arrays))
    _, found = derivation.compile(target, dtype="float32", precise=True)(**arrays)
    _, plain = derivation.compile(target, dtype="float32", precise=False)(**arrays)
    assert off(plain["a"], right["a"]) > 1000  # the sums of states that are kept as float32 lose the rest
    assert off(found["a"], right["a"]) < 20


ROWS = """
    input X : N × D
    label Y : N × K, one-hot
    param W : D × K
    C = X - rowmean(X)
    Z = exp(-C.^2) ∘ C
    J = mean(CE(Y, softmax(Z W))) + norm(Z)^2
"""
CHUNKED = (("numpy", {}), ("c", {}), ("c", {"threads": 2}))


@pytest.mark.parametrize("limit", [{"chunk": 5}, {"memory": "4kB"}], ids=["rows", "memory"])
@pytest.mark.parametrize(("target", "options"), CHUNKED, ids=str)
def test_in_chunks_too(target: str, options: dict[str, Any], limit: dict[str, Any]) -> None:
    derivation = cr.parse(ROWS).derive(["X", "W"])
    rng = np.random.default_rng(1)
    arrays = {
        "X": (1000 + rng.standard_normal((37, 11))).astype(np.float32),
        "W": rng.standard_normal((11, 5)).astype(np.float32),
        "Y": np.eye(5, dtype=np.float32)[rng.integers(0, 5, 37)],
    }
    _, right = derivation.compile()(**double(arrays))
    step = derivation.compile(target, dtype="float32", **options, **limit)
    _, found = step(**arrays)
    plain = derivation.compile(target, dtype="float32", precise=False, **options, **limit)(**arrays)[1]
    for name, bound in (("X", 200), ("W", 30)):  # products in float32 are in between
        assert off(found[name], right[name]) < bound < 100 * bound < off(plain[name], right[name])
    report = step.memory_report(N=37, D=11, K=5).split()
    assert limit == {"chunk": 5} or float(report[1]) <= 4.0  # kB: what is float64 is counted as that
