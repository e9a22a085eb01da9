"""x 1ᵀ + 1 yᵀ: a sum over all pairs, in which each side says how many ones the other has."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DimensionError

PAIRS = """
param X : N × D
param Y : M × D
const W : N × M
D2 = rowsum(X.^2) 1ᵀ + 1 rowsum(Y.^2)ᵀ - 2 X Yᵀ
J = sum(W ∘ exp(-D2/2))
"""


def test_all_pairs_of_distances() -> None:
    rng = np.random.default_rng(0)
    X, Y, W = (rng.standard_normal(s) for s in ((5, 3), (7, 3), (5, 7)))
    net = cr.parse(PAIRS)
    wanted = ((X[:, None] - Y[None]) ** 2).sum(-1)
    np.testing.assert_allclose(net.evaluate(X=X, Y=Y, W=W)["D2"], wanted, rtol=1e-12, atol=1e-12)
    derivation = net.derive()
    assert derivation.verify().ok
    assert derivation.gradients["X"].text == "2 (X ∘ rowsum(Δ₁) − Δ₁ Y)"


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("1 yᵀ - x 1ᵀ", lambda x, y: y[None] - x[:, None]),
        ("1 yᵀ − (1 xᵀ)ᵀ", lambda x, y: y[None] - x[:, None]),
        ("-x 1ᵀ + 1 yᵀ", lambda x, y: y[None] - x[:, None]),
    ],
)
def test_either_side_first(formula: str, value: object) -> None:
    x, y = np.arange(3.0), np.arange(5.0) ** 2
    found = cr.parse(f"param x : n\nparam y : m\nS = {formula}\nJ = sum(S.^2)").evaluate(x=x, y=y)["S"]
    np.testing.assert_allclose(found, value(x, y))  # type: ignore[operator]


@pytest.mark.parametrize("formula", ["x 1ᵀ + y 1ᵀ", "x + yᵀ", "x 1ᵀ + yᵀ"])
def test_no_length_is_guessed(formula: str) -> None:
    with pytest.raises(DimensionError, match="sizes do not agree"):
        cr.parse(f"param x : n\nparam y : m\nS = {formula}\nJ = sum(S)")
