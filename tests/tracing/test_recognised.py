"""What people write for stability, and what SciPy offers, is recognised for what it is; places are index relations."""

import numpy as np
import pytest

import chainrule as cr
from traced_functions import agrees


def gradient(function, wrt, **shapes):
    return cr.trace(function, wrt=wrt, **shapes).derive().gradients[wrt].text


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))),
        lambda z, y: np.mean(np.logaddexp(0, z) - z * y),
        lambda z, y: -np.mean(y * np.log(1 / (1 + np.exp(-z))) + (1 - y) * np.log(1 - 1 / (1 + np.exp(-z)))),
        lambda z, y: np.sum(np.log(1 + np.exp(z)) - z * y) / 5,
    ],
)
def test_the_binary_cross_entropy_in_all_its_forms(loss):
    assert gradient(loss, "z", z=(5,), y=(5,)) == "(σ(z) − y)/5"
    step = cr.trace(loss, wrt="z", z=(5,), y=(5,)).derive().compile()
    z, y = np.array([1e4, -1e4, 800.0, -3.0, 0.0]), np.array([1.0, 0.0, 0.0, 1.0, 1.0])
    value, found = step(z=z, y=y)
    assert value == pytest.approx((800 + np.log1p(np.exp(3)) + np.log(2)) / 5)
    np.testing.assert_allclose(found["z"], (np.array([1, 0, 1, 1 / (1 + np.exp(3)), 0.5]) - y) / 5, atol=1e-12)


def test_logarithms_of_sigmoids_and_determinants():
    assert gradient(lambda x: np.sum(np.log(1 / (1 + np.exp(-x)))), "x", x=(5,)) == "1 − σ(x)"
    assert gradient(lambda x: np.sum(np.log(1 / (1 + np.exp(x)))), "x", x=(5,)) == "−σ(x)"
    assert gradient(lambda X: np.log(abs(np.linalg.det(X))), "X", X=(3, 3)) == "inv(X)ᵀ"
    assert gradient(lambda v, U: -np.log(U @ v / np.sum(U @ v))[2], "v", v=(3,), U=(5, 3)) is not None


def test_layer_norm_by_its_names_has_the_textbook_form():
    def loss(x, gamma, dout):
        mu = x.mean(axis=1, keepdims=True)
        var = x.var(axis=1, keepdims=True)
        xhat = (x - mu) / np.sqrt(var + 1e-5)
        return np.sum(dout * (gamma * xhat))

    d = cr.trace(loss, x=("N", "D"), gamma=("D",), dout=("N", "D")).derive()
    assert d.gradients["x"].text == "(Δ₁ − xhat ∘ rowmean(Δ₁ ∘ xhat) − rowmean(Δ₁)) ./ sqrt(var + 1e-5)"
    assert d.verify().ok


def test_functions_of_scipy():
    special = pytest.importorskip("scipy.special")
    agrees(lambda x: np.sum(special.expit(x) * special.erf(x) + special.log_expit(x) ** 2), {"x": (5, 3)})
    agrees(
        lambda x: np.sum(special.erfc(x) + special.ndtr(x) ** 2 + special.logit(special.expit(x) / 2)), {"x": (5, 3)}
    )
    agrees(lambda x: np.sum(special.xlogy(x**2, x**2 + 1) + special.entr(x**2 + 0.3)), {"x": (5, 3)})
    agrees(lambda x: np.sum(special.rel_entr(x**2 + 1, 2.0) + special.kl_div(x**2 + 1, x**2 + 2)), {"x": (5, 3)})


def scipy_functions_that_are_no_ufuncs(x):
    p = softmax(x, axis=1)  # noqa: F821
    rest = log_softmax(x, axis=-1)  # noqa: F821
    return np.sum(p**2) + np.sum(logsumexp(x, axis=0) ** 2) + np.sum(rest * np.arange(3))  # noqa: F821


def test_functions_of_scipy_that_are_no_ufuncs_are_known_by_the_names_in_the_globals():
    special = pytest.importorskip("scipy.special")
    names = ("softmax", "logsumexp", "log_softmax")
    globals().update({name: getattr(special, name) for name in names})
    try:
        agrees(scipy_functions_that_are_no_ufuncs, {"x": (5, 3)})
        assert all(globals()[name] is getattr(special, name) for name in names)
    finally:
        for name in names:
            del globals()[name]


def test_places_that_grow_evenly_are_index_relations_whatever_they_were_written_as():
    at = np.array([1, 3, 5])
    forms = [lambda x, g: g @ x[1:6:2], lambda x, g: g @ x[at], lambda x, g: sum(g[k] * x[2 * k + 1] for k in range(3))]
    for function in forms:
        net = cr.trace(function, wrt="g", x=(7,), g=(3,))
        assert "constant" not in {getattr(e.value, "op", "") for e in net.program}
        x = np.arange(7.0) ** 2
        np.testing.assert_allclose(net.derive().compile()(x=x, g=np.ones(3))[1]["g"], x[1:6:2])


def test_an_lstm_splits_without_selection_matrices():
    def loss(a):
        i, f = np.split(a, 2, axis=1)
        return np.sum(np.tanh(i) * f)

    net = cr.trace(loss, a=(4, 6))
    assert "constant" not in {getattr(e.value, "op", "") for e in net.program}
    assert net.derive().gradients["a"].text == "[f ∘ (1 − tanh(i).^2), tanh(i)]"
