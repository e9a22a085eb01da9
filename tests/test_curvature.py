"""More than gradients, against torch: products with Hessians, Gauss-Newton, Fisher, Kronecker factors, sample norms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError, UnsupportedError

LOGISTIC = """
param X : N × D
input w : D
label y : N
z = X w
p = sigmoid(z)
J = BCE(y, p)
"""
MLP = """
input x  : D
label y  : K, one-hot
param W  : H × D
param b  : H
param U  : K × H
z = W x + b
h = tanh(z)
θ = U h
ŷ = softmax(θ)
J = CE(y, ŷ)
"""
D, H, K, N = 3, 7, 5, 11


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def values(rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {"x": (D,), "W": (H, D), "b": (H,), "U": (K, H)}
    return {n: rng.standard_normal(s) for n, s in shapes.items()} | {"y": np.eye(K)[2]}


def loss_of(t: dict[str, torch.Tensor]) -> torch.Tensor:
    logits = t["U"] @ torch.tanh(t["W"] @ t["x"] + t["b"])
    return -(t["y"] * torch.log_softmax(logits, 0)).sum()


def at(v: dict[str, np.ndarray], name: str):
    """The loss as a function of one name, in torch."""
    t = {n: torch.tensor(a) for n, a in v.items()}
    return lambda value: loss_of({**t, name: value})


@pytest.mark.parametrize("name", ["W", "b", "U", "x"])
def test_hessian_product(rng: np.random.Generator, name: str) -> None:
    v = values(rng)
    direction = rng.standard_normal(v[name].shape)
    found = cr.parse(MLP).hessian_product(name)
    _, wanted = torch.autograd.functional.hvp(at(v, name), torch.tensor(v[name]), torch.tensor(direction))
    arrays = {**v, f"d{name}": direction}
    np.testing.assert_allclose(found.evaluate(**arrays), wanted.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.compile()(**arrays), wanted.numpy(), rtol=1e-9, atol=1e-12)


def test_hessian_product_is_a_few_readable_equations() -> None:
    assert cr.parse(LOGISTIC).hessian_product("w").equations == (
        "dz = X dw", "dp = p ∘ dz ∘ (1 − p)", "dδ₁ = dpᵀ", "∂²J/∂w² dw = (dδ₁ X)ᵀ",
    )  # fmt: skip
    assert "dŷ = ŷ ∘ (dθ − dθᵀ ŷ)" in cr.parse(MLP).hessian_product("W").equations


def test_directional(rng: np.random.Generator) -> None:
    v = values(rng)
    found = cr.parse(MLP).directional(["W", "x"], "θ")
    dW, dx = rng.standard_normal((H, D)), rng.standard_normal(D)
    t = {n: torch.tensor(a) for n, a in v.items()}
    function = lambda W, x: t["U"] @ torch.tanh(W @ x + t["b"])  # noqa: E731
    _, wanted = torch.autograd.functional.jvp(function, (t["W"], t["x"]), (torch.tensor(dW), torch.tensor(dx)))
    arrays = {n: a for n, a in v.items() if n != "y"} | {"dW": dW, "dx": dx}
    np.testing.assert_allclose(found.evaluate(**arrays, y=v["y"]), wanted.numpy(), rtol=1e-9)


@pytest.mark.parametrize("kind", ["gauss_newton", "fisher"])
def test_gauss_newton_and_fisher(rng: np.random.Generator, kind: str) -> None:
    v = values(rng)
    t = {n: torch.tensor(a) for n, a in v.items()}
    jacobian = torch.autograd.functional.jacobian(lambda b: t["U"] @ torch.tanh(t["W"] @ t["x"] + b), t["b"])
    logits = t["U"] @ torch.tanh(t["W"] @ t["x"] + t["b"])
    p = torch.softmax(logits, 0)
    wanted = jacobian.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian
    found = getattr(cr.parse(MLP), kind)("b")
    np.testing.assert_allclose(found.evaluate(**v), wanted.numpy(), rtol=1e-9, atol=1e-12)
    assert bool(found.conditions) is (kind == "fisher")


def test_gauss_newton_of_logistic_regression_is_its_hessian() -> None:
    net = cr.parse(LOGISTIC)
    assert net.gauss_newton("w").text == net.hessian("w").text == net.fisher("w").text == "Xᵀ diag(p ∘ (1 − p)) X"


def test_the_fisher_matrix_is_refused_where_the_label_matters() -> None:
    net = cr.parse("input w : n\nlabel y : n\nJ = sum(exp(w) ∘ y)")
    with pytest.raises(UnsupportedError):
        net.fisher("w", "w")


@pytest.mark.parametrize("name", ["W", "b", "U"])
def test_norms_of_every_samples_gradient(rng: np.random.Generator, name: str) -> None:
    v = values(rng)
    X, Y = rng.standard_normal((N, D)), np.eye(K)[rng.integers(0, K, N)]
    found = cr.parse(MLP).sample_norms(name)
    wanted = []
    for x, y in zip(X, Y, strict=True):
        gradient = torch.autograd.functional.jacobian(at({**v, "x": x, "y": y}, name), torch.tensor(v[name]))
        wanted.append(float((gradient**2).sum()))
    arrays = {n: v[n] for n in ("W", "b", "U")} | {"X": X, "Y": Y}
    np.testing.assert_allclose(found.evaluate(**arrays), wanted, rtol=1e-9)
    np.testing.assert_allclose(found.compile()(**arrays), wanted, rtol=1e-9)


def test_norms_are_products_of_norms() -> None:
    net = cr.parse(MLP)
    assert net.sample_norms("W").text == "rowsum(X.^2) ∘ rowsum(Δ₂.^2)"
    assert net.sample_norms("b").text == "rowsum(Δ₂.^2)"


@pytest.mark.parametrize(("name", "inputs"), [("W", "X"), ("U", "H")])
def test_kronecker_factors(rng: np.random.Generator, name: str, inputs: str) -> None:
    v = values(rng)
    X, Y = rng.standard_normal((N, D)), np.eye(K)[rng.integers(0, K, N)]
    first, second = cr.parse(MLP).kronecker_factors(name)
    assert first.text == f"{inputs}ᵀ {inputs}/N"
    arrays = {n: v[n] for n in ("W", "b", "U")} | {"X": X, "Y": Y}
    hidden = np.tanh(X @ v["W"].T + v["b"])
    logits = hidden @ v["U"].T
    delta = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - Y
    if name == "W":
        delta = delta @ v["U"] * (1 - hidden**2)
    left = X if name == "W" else hidden
    np.testing.assert_allclose(first.evaluate(**arrays), left.T @ left / N, rtol=1e-9)
    np.testing.assert_allclose(second.evaluate(**arrays), delta.T @ delta / N, rtol=1e-9)


def test_what_is_no_linear_layer_is_refused() -> None:
    with pytest.raises(ChainruleError, match="no product of two vectors"):
        cr.parse(MLP).kronecker_factors("b")
    with pytest.raises(ChainruleError, match="no product of two vectors"):
        cr.parse("input x : n\nparam W : n × n\nJ = xᵀ W W x").kronecker_factors("W")


def test_a_direction_needs_a_free_name() -> None:
    with pytest.raises(UnsupportedError, match="dw"):
        cr.parse("input w : n\nparam dw : n\nJ = sum(w.^3 ∘ dw)").hessian_product("w")


def test_a_sum_is_squared_as_a_whole() -> None:
    """The error signal of a softmax has two terms; its square is not multiplied out, in text and in code."""
    net = cr.parse(
        "input x : D\nlabel y : K, one-hot\nparam W : H × D\nparam U : K × H\nh = relu(W x)\nJ = CE(y, softmax(U h))"
    )
    found = net.sample_norms("W")
    assert found.text == "rowsum(X.^2) ∘ rowsum(((softmax(H Uᵀ) − Y) U).^2 ∘ sgn(H))"
    rng = np.random.default_rng(5)
    arrays = {
        "X": rng.normal(size=(7, 5)), "Y": np.eye(3)[rng.integers(0, 3, 7)], "W": rng.normal(size=(11, 5)),
        "U": rng.normal(size=(3, 11)),
    }  # fmt: skip
    step = net.derive("W").compile("numpy")
    want = [
        (step(x=x, y=y, W=arrays["W"], U=arrays["U"])[1]["W"] ** 2).sum()
        for x, y in zip(arrays["X"], arrays["Y"], strict=True)
    ]
    np.testing.assert_allclose(found.evaluate(**arrays), want, rtol=1e-12)
    for target in ("numpy", "c"):
        np.testing.assert_allclose(found.compile(target, dtype="float64")(**arrays), want, rtol=1e-12)
    assert "N * K * K" not in found.compile("c").source
