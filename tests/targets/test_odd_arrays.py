"""Arrays that are not quite what a step expects: taken for what they are, or refused with their name; in every target.

Masked arrays were computed with as if nothing were masked; other subclasses came back as results of their own kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError

TARGETS = [("numpy", {}), ("numpy", {"plain": True}), ("c", {"blas": "none"}), ("torch", {}), ("jax", {"jit": False})]
NET = cr.parse(
    """
    input X : N × D
    label Y : N × K, one-hot
    param W : D × K
    param b : 1 × K
    J = mean(CE(Y, softmax(X W + b)))
    """
)
DERIVATION = NET.derive()
RNG = np.random.default_rng(3)
GOOD = {
    "X": RNG.standard_normal((7, 3)), "Y": np.eye(5)[RNG.integers(0, 5, 7)],
    "W": RNG.standard_normal((3, 5)), "b": RNG.standard_normal((1, 5)),
}  # fmt: skip
STEPS: dict[int, Any] = {}


class Kin(np.ndarray):
    """A subclass without any meaning of its own."""


def step_of(number: int) -> Any:
    if number not in STEPS:
        target, options = TARGETS[number]
        STEPS[number] = DERIVATION.compile(target, **options)
        STEPS[number](**GOOD)  # good arrays first: what is remembered of them must not let others in
    return STEPS[number]


@pytest.fixture(params=range(len(TARGETS)), ids=[f"{t} {' '.join(o)}".strip() for t, o in TARGETS])
def step(request: pytest.FixtureRequest) -> Any:
    return step_of(request.param)


def test_a_masked_array_is_refused(step: Any) -> None:
    masked = np.ma.masked_array(GOOD["X"], GOOD["X"] > 0)
    with pytest.raises(ArrayError, match="X is a masked array"):
        step(**{**GOOD, "X": masked})


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(
    "change",
    [np.asmatrix, lambda a: a.view(Kin), np.asfortranarray, lambda a: a[::-1].copy()[::-1], lambda a: a.astype(">f8"),
     lambda a: np.frombuffer(b"." + a.tobytes(), a.dtype, offset=1).reshape(a.shape)],
    ids=["matrix", "subclass", "Fortran order", "negative steps", "other byte order", "odd address"],
)  # fmt: skip
def test_arrays_of_another_kind_give_the_same_plain_results(step: Any, change: Any) -> None:
    loss, gradients = DERIVATION.compile()(**GOOD)
    got_loss, got = step(**{name: change(array) for name, array in GOOD.items()})
    assert got_loss == pytest.approx(loss, rel=1e-12)
    for name, value in gradients.items():
        assert type(got[name]) is np.ndarray
        np.testing.assert_allclose(got[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_empty_array_is_named(step: Any) -> None:
    with pytest.raises(ArrayError, match="X is empty"):
        step(**{**GOOD, "X": GOOD["X"][:0], "Y": GOOD["Y"][:0]})


def test_a_label_too_large_for_the_dtype_is_refused_whatever_its_sign() -> None:
    net = cr.parse("input X : N × K\nlabel t : N, integer\nJ = -sum(n, log(softmax(X))[n, t[n]])")
    step = net.derive(["X"]).compile(dtype="float32")
    X = RNG.standard_normal((2, 3)).astype(np.float32)
    with pytest.raises(ArrayError, match="t is int64"):
        step(X=X, t=np.array([0, np.iinfo(np.int64).min]))
