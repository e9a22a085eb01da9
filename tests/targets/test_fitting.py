"""Functions of PyTorch and JAX refuse arrays that do not fit, and give each gradient in the dtype of its array.

One row of inputs with many of labels was repeated in silence: a loss, and gradients, of no network.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import chainrule as cr

NET = cr.parse(
    """
    input X : N × D
    label Y : N × K, one-hot
    const λ : scalar
    param W : D × K
    param b : 1 × K
    J = mean(CE(Y, softmax(X W + b))) + λ norm(W)^2
    """
)
DERIVATION = NET.derive(NET.parameters)
RNG = np.random.default_rng(11)
GOOD: dict[str, Any] = {
    "X": RNG.standard_normal((7, 3)).astype("float32"), "Y": np.eye(5, dtype="float32")[RNG.integers(0, 5, 7)],
    "λ": np.float32(0.25), "W": RNG.standard_normal((3, 5)).astype("float32"),
    "b": RNG.standard_normal(5).astype("float32"),
}  # fmt: skip
TORCH, JAX = (DERIVATION.compile(target, dtype="float32") for target in ("torch", "jax"))
ORDER = TORCH.names
WRONG = {
    "one row of inputs": {"X": GOOD["X"][:1]},
    "one row of labels": {"Y": GOOD["Y"][:1]},
    "class numbers": {"Y": GOOD["Y"].argmax(1).astype("float32")},
    "one column": {"b": GOOD["b"][:1]},
    "a row of its own": {"b": GOOD["b"][None]},
    "an axis too many": {"X": GOOD["X"][None]},
    "other sizes": {"W": GOOD["W"].T},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_shapes_that_do_not_fit_are_refused(wrong: str) -> None:
    given = [{**GOOD, **WRONG[wrong]}[name] for name in ORDER]
    says = r"shapes must be X \(N, D\), Y \(N, K\), W \(D, K\), b \(K,\); they are "
    with pytest.raises(ValueError, match=says):
        TORCH.function.apply(*map(torch.as_tensor, given))
    with pytest.raises(ValueError, match=says):
        jax.jit(JAX.function)(*map(jnp.asarray, given))


def test_forward_functions_refuse_them_too() -> None:
    for target, make in (("torch", torch.as_tensor), ("jax", jnp.asarray)):
        run = NET.forward(["J"], dtype="float32", target=target).function
        with pytest.raises(ValueError, match="shapes must be"):
            run(*[make(({**GOOD, **WRONG["one row of inputs"]})[name]) for name in ORDER])


def test_a_module_refuses_them() -> None:
    module = TORCH.module(D=3, K=5)
    X, Y = torch.as_tensor(GOOD["X"]), torch.as_tensor(GOOD["Y"])
    assert module(X, Y, torch.tensor(0.25)).ndim == 0
    with pytest.raises(ValueError, match="shapes must be"):
        module(X[:1], Y, torch.tensor(0.25))


def test_a_constant_may_be_a_number_of_python() -> None:
    given = {**GOOD, "λ": 0.25}
    assert float(JAX.function(*[given[name] for name in ORDER])) == pytest.approx(JAX(**GOOD)[0], rel=1e-6)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_every_size_of_a_batch_goes_through_one_compiled_module() -> None:
    module = torch.compile(TORCH.module(D=3, K=5), fullgraph=True, dynamic=True, backend="eager")
    for rows in (7, 4, 3):
        X, Y = torch.as_tensor(GOOD["X"][:rows]), torch.as_tensor(GOOD["Y"][:rows])
        assert torch.isfinite(module(X, Y, torch.tensor(0.25)))


def test_gradients_in_jax_have_the_dtype_of_their_arrays() -> None:
    """Parameters in bfloat16 beside inputs in float32 had gradients in float32, and an optimizer made them float32."""
    given = {name: jnp.asarray(array) for name, array in GOOD.items()}
    half = {name: given[name].astype(jnp.bfloat16) for name in ("W", "b")}

    def loss(parameters: dict[str, jax.Array]) -> jax.Array:
        return JAX.function(*[{**given, **parameters}[name] for name in ORDER])

    value, found = jax.jit(jax.value_and_grad(loss))(half)
    _, exact = JAX(**{**GOOD, **{name: np.asarray(array.astype(jnp.float32)) for name, array in half.items()}})
    assert value.dtype == jnp.float32
    for name, gradient in found.items():
        assert gradient.dtype == jnp.bfloat16
        np.testing.assert_allclose(gradient.astype(jnp.float32), exact[name], rtol=2**-7, atol=1e-6)
    whole = {name: given[name] for name in ("W", "b")}
    assert {g.dtype.name for g in jax.grad(loss)(whole).values()} == {"float32"}


def test_hessians_in_jax() -> None:
    """Forward over reverse, of the backward pass that was derived."""
    given = {name: jnp.asarray(array) for name, array in GOOD.items()}

    def by(W: jax.Array) -> jax.Array:
        return JAX.function(*[{**given, "W": W}[name] for name in ORDER])

    with jax.enable_x64(True):
        found = np.asarray(jax.jit(jax.hessian(by))(given["W"]))
    exact = NET.hessian("W").compile()(**{name: np.float64(array) for name, array in GOOD.items()})
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5)
