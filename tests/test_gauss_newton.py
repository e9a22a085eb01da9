"""Products with Gauss-Newton and Fisher matrices, their matrices, per-sample gradients and K-FAC, against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd.functional import hessian, jvp, vjp
from torch.func import grad, vmap

import chainrule as cr
from chainrule.errors import UnsupportedError

D, M, K, N = 3, 7, 5, 11
VECTOR = """
input x  : D
label y  : K{fact}
param W  : M × D
param b  : M
param U  : K × M
z = W x + b
h = tanh(z)
θ = U h
J = {loss}
"""
ROWS = """
input X : N × D
label Y : N × K{fact}
param W : D × M
param b : 1 × M
param U : M × K
A = tanh(X W + b)
Θ = A U
J = {loss}
"""
LOSSES = {
    ("vector", "ce"): (", one-hot", "CE(y, softmax(θ))"),
    ("vector", "mse"): ("", "norm(θ - y)^2/2"),
    ("rows", "ce"): (", one-hot", "mean(CE(Y, softmax(Θ)))"),
    ("rows", "mse"): ("", "norm(Θ - Y)^2/N"),
}


def network(kind: str, loss: str) -> cr.Network:
    fact, formula = LOSSES[kind, loss]
    return cr.parse((VECTOR if kind == "vector" else ROWS).format(fact=fact, loss=formula))


def arrays_for(kind: str, loss: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    if kind == "vector":
        shapes = {"x": (D,), "y": (K,), "W": (M, D), "b": (M,), "U": (K, M)}
    else:
        shapes = {"X": (N, D), "Y": (N, K), "W": (D, M), "b": (M,), "U": (M, K)}
    found = {n: rng.standard_normal(s) for n, s in shapes.items()}
    if loss == "ce":
        label = "y" if kind == "vector" else "Y"
        found[label] = np.eye(K)[2] if kind == "vector" else np.eye(K)[rng.integers(0, K, N)]
    return found


def output(kind: str, t: dict[str, torch.Tensor]) -> torch.Tensor:
    if kind == "vector":
        return t["U"] @ torch.tanh(t["W"] @ t["x"] + t["b"])
    return torch.tanh(t["X"] @ t["W"] + t["b"]) @ t["U"]


def of_output(kind: str, loss: str, t: dict[str, torch.Tensor], f: torch.Tensor) -> torch.Tensor:
    label = t["y" if kind == "vector" else "Y"]
    if loss == "ce":
        total = -(label * torch.log_softmax(f, -1)).sum(-1)
        return total if kind == "vector" else total.mean()
    square = ((f - label) ** 2).sum()
    return square / 2 if kind == "vector" else square / N


@pytest.mark.parametrize("name", ["W", "b", "U"])
@pytest.mark.parametrize(("kind", "loss"), LOSSES)
def test_gauss_newton_at_any_parameter(kind: str, loss: str, name: str) -> None:
    arrays = arrays_for(kind, loss)
    t = {n: torch.tensor(a) for n, a in arrays.items()}
    direction = np.random.default_rng(8).standard_normal(arrays[name].shape)

    def f(value: torch.Tensor) -> torch.Tensor:
        return output(kind, {**t, name: value})

    there, tangent = jvp(f, t[name], torch.tensor(direction))
    curved = hessian(lambda o: of_output(kind, loss, t, o), there)
    pushed = torch.tensordot(curved, tangent, dims=tangent.ndim)
    _, wanted = vjp(f, t[name], pushed)
    net = network(kind, loss)
    for found in (net.gauss_newton_product(name), net.fisher_product(name)):
        given = {**arrays, f"d{name}": direction}
        np.testing.assert_allclose(found.evaluate(**given), wanted.numpy(), rtol=1e-9, atol=1e-12)
        for target in ("numpy", "c") if kind == "rows" else ("numpy",):
            step = found.compile(target, dtype="float64")
            np.testing.assert_allclose(step(**given), wanted.numpy(), rtol=1e-9, atol=1e-12)
    matrix = net.gauss_newton(name)
    rank = direction.ndim
    assert len(matrix.evaluate(**arrays).shape) == 2 * rank
    applied = np.tensordot(matrix.evaluate(**arrays), direction, axes=rank)
    np.testing.assert_allclose(applied, wanted.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "loss"), LOSSES)
def test_every_step_of_a_gauss_newton_product_holds(kind: str, loss: str) -> None:
    for name in ("W", "b"):
        found = network(kind, loss).gauss_newton_product(name)
        report = found.check_steps()
        assert report.ok, report
        assert not report.skipped
        assert found.told[-1].steps[-1].after == found.text
        assert network(kind, loss).gauss_newton(name).check_steps().ok


def test_it_is_not_the_hessian_and_goes_around_the_network() -> None:
    """v is what the loss curves, γ what flows back; neither is called δ, which belongs to the loss."""
    found = network("vector", "ce").gauss_newton_product("W")
    assert found.equations[-3:] == ("v = dδ₁ᵀ", "γ₁ = vᵀ U ∘ (1 − (h.^2)ᵀ)", "G(W) dW = γ₁ᵀ xᵀ")
    assert network("vector", "mse").gauss_newton_product("U").text == "v hᵀ"


def test_a_penalty_is_no_part_of_it_and_that_is_said() -> None:
    text = ROWS.format(fact=", one-hot", loss="mean(CE(Y, softmax(Θ))) + norm(W)^2")
    found = cr.parse(text).gauss_newton_product("W")
    assert found.conditions == ("what J holds of W besides Θ (a penalty) is no part of it",)
    arrays = {**arrays_for("rows", "ce"), "dW": np.ones((D, M))}
    plain = network("rows", "ce").gauss_newton_product("W")
    assert plain.conditions == ()
    np.testing.assert_allclose(found.evaluate(**arrays), plain.evaluate(**arrays), rtol=1e-12)


def test_the_names_of_the_user_are_left_alone() -> None:
    """v, γ₁ and G_w may be the user's own."""
    net = cr.parse(
        "param W : n × m\ninput v : m\nconst γ1 : n\nlabel y : n\nθ = W v + γ1\nG_W = θ\nJ = norm(G_W - y)^2"
    )
    found = net.gauss_newton_product("W", "θ")
    rng = np.random.default_rng(2)
    given = {n: rng.standard_normal(s) for n, s in {"W": (5, 3), "v": 3, "γ1": 5, "y": 5, "dW": (5, 3)}.items()}
    wanted = 2 * np.outer(given["dW"] @ given["v"], given["v"])
    np.testing.assert_allclose(found.evaluate(**given), wanted, rtol=1e-12)


def test_refusals_say_why() -> None:
    net = cr.parse("input w : n\nparam u : n\nlabel y : n\nz = w\nJ = sum(exp(z) ∘ y) + norm(u)^2")
    with pytest.raises(UnsupportedError, match="does not depend on u"):
        net.gauss_newton_product("u", "z")
    with pytest.raises(UnsupportedError, match="whose distribution is not said"):
        net.fisher_product("w", "z")


@pytest.mark.parametrize("name", ["W", "b", "U"])
def test_gradients_of_every_sample(name: str) -> None:
    arrays = arrays_for("vector", "ce")
    rng = np.random.default_rng(9)
    X, Y = rng.standard_normal((N, D)), np.eye(K)[rng.integers(0, K, N)]
    t = {n: torch.tensor(a) for n, a in arrays.items()}

    def loss(value: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        here = {**t, name: value, "x": x, "y": y}
        return of_output("vector", "ce", here, output("vector", here))

    wanted = vmap(grad(loss), (None, 0, 0))(t[name], torch.tensor(X), torch.tensor(Y)).numpy()
    net = network("vector", "ce")
    given = {n: arrays[n] for n in ("W", "b", "U")} | {"X": X, "Y": Y}
    found, norms = net.sample_gradients(name), net.sample_norms(name)
    np.testing.assert_allclose(found.evaluate(**given), wanted, rtol=1e-9, atol=1e-12)
    squares = (wanted.reshape(N, -1) ** 2).sum(1)
    for target in ("numpy", "c", "torch"):
        for value, answer in ((found, wanted), (norms, squares)):
            step = value.compile(target, dtype="float64")
            np.testing.assert_allclose(np.asarray(step(**given)), answer, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["W", "U"])
def test_kronecker_factors_are_the_fisher_block_of_a_single_sample(name: str) -> None:
    """With one sample nothing is approximated: S ⊗ A is the second moment of the gradient; code against torch."""
    arrays = arrays_for("vector", "mse")
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((N, D)), rng.standard_normal((N, K))
    net = network("vector", "mse")
    first, second = net.kronecker_factors(name)
    t = {n: torch.tensor(a) for n, a in arrays.items()}
    inputs = torch.tensor(X) if name == "W" else torch.tanh(torch.tensor(X) @ t["W"].T + t["b"])

    def by_input(shift: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The loss with `shift` added to what the layer gives: its gradient there is δ."""
        z = t["W"] @ x + t["b"] + (shift if name == "W" else 0)
        f = t["U"] @ torch.tanh(z) + (shift if name == "U" else 0)
        return of_output("vector", "mse", {"y": y}, f)

    zero = torch.zeros(M if name == "W" else K, dtype=torch.float64)
    delta = vmap(grad(by_input), (None, 0, 0))(zero, torch.tensor(X), torch.tensor(Y))
    given = {n: arrays[n] for n in ("W", "b", "U")} | {"X": X, "Y": Y}
    for target in ("numpy", "c"):
        for factor, side in ((first, inputs), (second, delta)):
            answer = (side.T @ side / N).numpy()
            np.testing.assert_allclose(factor.evaluate(**given), answer, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(factor.compile(target, dtype="float64")(**given), answer, rtol=1e-9, atol=1e-12)
    one = {**given, "X": X[:1], "Y": Y[:1]}
    (gradient,) = net.sample_gradients(name).evaluate(**one)
    block = np.einsum("ik,jl->ijkl", second.evaluate(**one), first.evaluate(**one))
    np.testing.assert_allclose(block, np.multiply.outer(gradient, gradient), rtol=1e-9, atol=1e-12)


ROWS_LOSSES = {
    "mean": ("mean(CE(Y, softmax(Θ)))", 1.0), "sum": ("sum(CE(Y, softmax(Θ)))", 1.0),
    "half": ("mean(CE(Y, softmax(Θ)))/2", 0.5), "named": ("L + norm(W)^2", 1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", ["W", "b", "U"])
@pytest.mark.parametrize("loss", ROWS_LOSSES)
def test_samples_of_a_network_in_rows(loss: str, name: str) -> None:
    """N is a size of the network: its rows are the samples; a mean is taken apart, a penalty is left out."""
    formula, factor = ROWS_LOSSES[loss]
    text = ROWS.format(fact=", one-hot", loss=formula)
    if loss == "named":
        text = text.replace("J =", "L = mean(CE(Y, softmax(Θ)))\nJ =")
    net, arrays = cr.parse(text), arrays_for("rows", "ce")
    t = {n: torch.tensor(a) for n, a in arrays.items()}

    def of_sample(value: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        here = {**t, name: value, "X": x[None], "Y": y[None]}
        return factor * of_output("rows", "ce", here, output("rows", here))

    wanted = vmap(grad(of_sample), (None, 0, 0))(t[name], t["X"], t["Y"]).numpy()
    found, norms = net.sample_gradients(name), net.sample_norms(name)
    squares = (wanted.reshape(N, -1) ** 2).sum(1)
    for value, answer in ((found, wanted), (norms, squares)):
        np.testing.assert_allclose(value.evaluate(**arrays), answer, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(value.compile()(**arrays), answer, rtol=1e-9, atol=1e-12)
        word = "sum" if loss == "sum" else "mean"
        assert value.conditions[0] == f"J is the {word} of the losses of the N samples; each is taken by itself"
        assert len(value.conditions) == (2 if loss == "named" else 1)
    if name == "b":
        return
    first, second = net.kronecker_factors(name)
    inputs = arrays["X"] if name == "W" else np.tanh(arrays["X"] @ arrays["W"] + arrays["b"])
    np.testing.assert_allclose(first.evaluate(**arrays), inputs.T @ inputs / N, rtol=1e-9)
    delta = np.array([np.linalg.lstsq(a[:, None], g, rcond=None)[0][0] for a, g in zip(inputs, wanted, strict=True)])
    np.testing.assert_allclose(second.evaluate(**arrays), delta.T @ delta / N, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(second.compile()(**arrays), delta.T @ delta / N, rtol=1e-9, atol=1e-12)


def test_rows_that_read_as_on_paper() -> None:
    net = network("rows", "ce")
    assert net.sample_norms("U").text == "rowsum(A.^2) ∘ rowsum((softmax(Θ) − Y).^2)"
    assert net.sample_norms("W").text == "rowsum(X.^2) ∘ rowsum(((softmax(Θ) − Y) Uᵀ ∘ (1 − A.^2)).^2)"
    first, second = net.kronecker_factors("U")
    assert (first.text, second.text) == ("Aᵀ A/N", "(softmax(Θ)ᵀ − Yᵀ) (softmax(Θ) − Y)/N")
    logistic = cr.parse("input X : N × D\nparam w : D\nlabel y : N\np = sigmoid(X w)\nJ = BCE(y, p)")
    assert logistic.sample_gradients("w").text == "X ∘ (p − y)"


def test_what_has_no_samples_is_refused() -> None:
    """It was answered for N copies of all N rows."""
    net = cr.parse("input X : N × D\nparam w : D\nJ = log(sum(exp(X w)))")
    for ask in (net.sample_norms, net.sample_gradients, net.kronecker_factors):
        with pytest.raises(UnsupportedError, match="J is no sum over the N samples"):
            ask("w")
    with pytest.raises(cr.ChainruleError, match="N is a name of the program"):
        cr.parse("input x : D\nparam N : D\nJ = Nᵀ x").sample_norms("N")


def test_the_output_may_have_no_name() -> None:
    """softmax(W2 h + b2): the logits get one, f, and the formulas say so."""
    net = cr.parse(
        VECTOR.format(fact=", one-hot", loss="CE(y, softmax(θ))").replace("θ = U h\n", "").replace("θ", "U h")
    )
    named = network("vector", "ce")
    arrays = {**arrays_for("vector", "ce"), "dW": np.random.default_rng(1).standard_normal((M, D))}
    found = net.gauss_newton_product("W")
    np.testing.assert_allclose(found.evaluate(**arrays), named.gauss_newton_product("W").evaluate(**arrays), rtol=1e-10)
    assert found.check_steps().ok
    assert "df = U dh" in found.equations
    through = net.gauss_newton_product("W", "h")  # an inner value, whose product with v is needed itself
    assert through.check_steps().ok


def test_through_a_softmax_the_product_with_v_is_kept() -> None:
    net = cr.parse(VECTOR.format(fact=", one-hot", loss="CE(y, p)").replace("J =", "p = softmax(θ)\nJ ="))
    arrays = {**arrays_for("vector", "ce"), "db": np.ones(M)}
    found = net.gauss_newton_product("b", "p")
    matrix = net.gauss_newton("b", "p").evaluate(**{k: v for k, v in arrays.items() if k != "db"})
    np.testing.assert_allclose(found.evaluate(**arrays), matrix @ arrays["db"], rtol=1e-9)
    assert found.check_steps().ok
