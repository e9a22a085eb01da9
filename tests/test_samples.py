"""What a sample is: said, or refused where the declarations leave it open."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError

ROWS = "input X : {n} × D\nlabel y : {n}\nparam w : D\nJ = sum((X w − y).^2)"
KINDS = ("sample_norms", "sample_gradients")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_not_called_n_are_no_samples_by_themselves(kind):
    net = cr.parse(ROWS.format(n="M"))
    with pytest.raises(ChainruleError, match="are its rows the samples") as caught:
        getattr(net, kind)("w")
    assert caught.value.hint == "batch M for its rows; batch N for N samples with its own X (M × D) and y (M × 1)"


def test_both_answers_are_given_where_it_is_said():
    rng = np.random.default_rng(3)
    net = cr.parse(ROWS.format(n="M"))
    x, y, w = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal(3)
    rows = net.sample_gradients("w", "M").evaluate(X=x, y=y, w=w)
    np.testing.assert_allclose(rows, 2 * (x @ w - y)[:, None] * x, rtol=1e-12)
    assert net.sample_gradients("w", "M").assumptions[0].startswith("J is the sum of the losses of the M samples")
    x, y = rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 5))
    lifted = net.sample_norms("w", "B")
    wanted = [np.sum((2 * a.T @ (a @ w - b)) ** 2) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(lifted.evaluate(X=x, Y=y, w=w), wanted, rtol=1e-12)
    assert lifted.assumptions == ("a sample has its own X (M × D) and y (M × 1); there are B of them",)


def test_plain_cases_need_no_word():
    assert (
        cr.parse(ROWS.format(n="N")).sample_norms("w").text == cr.parse(ROWS.format(n="N")).sample_norms("w", "N").text
    )
    one = cr.parse("input x : D\nlabel y : K\nparam W : K × D\nJ = ‖W x − y‖²")
    for found in (one.sample_norms("W"), *one.kronecker_factors("W")):
        assert found.assumptions == ("a sample has its own x (D × 1) and y (K × 1); there are N of them",)


def test_a_vector_with_n_entries_is_not_taken_for_n_samples():
    with pytest.raises(ChainruleError):
        cr.parse("input x : N\nparam W : K × N\nJ = ‖W x‖²").sample_norms("W")


def test_a_gradient_that_is_written_with_the_loss_means_that_of_the_sample():
    rng = np.random.default_rng(4)
    net = cr.parse("input x : D\nlabel y : K\nparam W : H × D\nparam U : K × H\nh = tanh(W x)\nJ = ½ ‖U h − y‖²")
    given = {"X": (4, 3), "Y": (4, 5), "W": (7, 3), "U": (5, 7)}
    X, Y, W, U = arrays = [rng.standard_normal(shape) for shape in given.values()]
    h = np.tanh(X @ W.T)
    wanted = ((h @ U.T - Y) ** 2).sum(1) * (h**2).sum(1)  # ‖U h − y‖² is 2 J, of one sample
    found = net.sample_norms("U")
    np.testing.assert_allclose(found.evaluate(**dict(zip(given, arrays, strict=True))), wanted, rtol=1e-12)
    np.testing.assert_allclose(found.compile()(**dict(zip(given, arrays, strict=True))), wanted, rtol=1e-12)
    distance = cr.parse("input x : D\nparam w : D\nJ = ‖x − w‖").sample_gradients("w").evaluate(X=X, w=W[0])
    np.testing.assert_allclose(distance, (W[0] - X) / np.linalg.norm(X - W[0], axis=1)[:, None], rtol=1e-12)
