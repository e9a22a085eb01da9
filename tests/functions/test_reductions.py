"""Maximum, minimum, product, running product, where, clip: values against torch, forms, ties."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import DimensionError
from functions.oracle import compare

CASES = {
    "max": ("param x : D\nJ = max(x)^2", lambda x: x.max() ** 2),
    "max of rows": ("param X : N × D\nm = max(X, over=columns)\nJ = sum(m.^2)", lambda X: (X.amax(1) ** 2).sum()),
    "min of columns": ("param X : N × D\nm = min(X, over=rows)\nJ = sum(sin(m))", lambda X: torch.sin(X.amin(0)).sum()),
    "max of everything": ("param X : N × D\nJ = tanh(max(X)) min(X)", lambda X: torch.tanh(X.amax()) * X.amin()),
    "max of a tensor": (
        "param X : N × D × K\nM = max(X, over=1)\nJ = sum(M.^2)", lambda X: (X.amax(1) ** 2).sum()
    ),
    "prod": ("param x : D\nJ = prod(x) + prod(sin(x))^2", lambda x: x.prod() + torch.sin(x).prod() ** 2),
    "prod of rows": (
        "param X : N × D\nconst g : N\nJ = gᵀ prod(X, over=columns)", lambda X, g: g @ X.prod(1)
    ),
    "prod of columns": (
        "param X : N × D\nconst g : 1 × D\nJ = sum(g ∘ prod(X, over=rows))", lambda X, g: (g * X.prod(0)).sum()
    ),
    "cumprod": ("param x : D\nconst g : D\nJ = gᵀ cumprod(x)", lambda x, g: g @ x.cumprod(0)),
    "cumprod of columns": (
        "param X : N × D\nconst G : N × D\nJ = sum(G ∘ cumprod(X, over=rows))", lambda X, G: (G * X.cumprod(0)).sum()
    ),
    "elu": (
        "param x : D\nconst g : D\nJ = gᵀ where(x > 0, x, exp(x) - 1)",
        lambda x, g: g @ torch.nn.functional.elu(x),
    ),
    "where with a row": (
        "param X : N × D\nparam b : 1 × D\nJ = sum(where(X > b, X.^2, b))",
        lambda X, b: torch.where(b < X, X**2, b.expand_as(X)).sum(),
    ),
    "where any number is a condition": (
        "param x : D\nconst c : D\nJ = sum(where(c, x, x.^2))", lambda x, c: torch.where(c != 0, x, x**2).sum()
    ),
    "maximum": ("param x : D\nparam y : D\nJ = norm(max(x, y))^2", lambda x, y: (torch.maximum(x, y) ** 2).sum()),
    "clip": ("param x : D\nparam y : D\nJ = yᵀ clip(2 x, -1, 1)", lambda x, y: y @ torch.clip(2 * x, -1, 1)),
    "comparisons": (
        "param x : D\nconst y : D\nJ = sum(1[x >= y] ∘ x + 1[x <= 0] ∘ x.^2)",
        lambda x, y: ((x >= y) * x + (x <= 0) * x**2).sum(),
    ),
    "softmax, shifted by hand": (
        "param x : D\nconst y : D\nJ = sum(y ∘ log(exp(x - max(x)) / sum(exp(x - max(x)))))",
        lambda x, y: (y * torch.log_softmax(x, 0)).sum(),
    ),
    "log-sum-exp, shifted by hand": (
        "param X : N × D\nm = max(X, over=columns)\nJ = sum(m + log(sum(exp(X - m), over=columns)))",
        lambda X: torch.logsumexp(X, 1).sum(),
    ),
}  # fmt: skip
SIZES = [{}, {"D": 2, "N": 7, "K": 5}, {"D": 11, "N": 1, "K": 2}]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_like_torch(case, sizes) -> None:
    text, function = case
    compare(text, function, sizes)


FORMS = {
    "max": ("param x : D\nJ = max(x)", "ismax(x)"),
    "max of rows": ("param x : N × D\nm = max(x, over=columns)\nJ = sum(m.^2)", "2 (m ∘ ismax(x, over=columns))"),
    "cross-entropy, shifted": (
        "param x : D\nconst y : D, one-hot\nŷ = exp(x - max(x)) / sum(exp(x - max(x)))\nJ = -sum(y ∘ log(ŷ))", "ŷ − y",
    ),
    "softmax, shifted": (
        "param x : D\nconst g : D\ne = exp(x - max(x))\np = e / sum(e)\nJ = gᵀ p", "p ∘ (g − J)",
    ),
    "log-sum-exp, shifted": ("param x : D\nJ = max(x) + log(sum(exp(x - max(x))))", "softmax(x)"),
    "log-sum-exp, shifted by anything": (
        "param x : D\nconst c : scalar\nJ = c + log(sum(exp(x - c)))", "softmax(x)",
    ),
    "elu": ("param x : D\nJ = sum(where(x > 0, x, exp(x) - 1))", "where(x > 0, 1, exp(x))"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS.keys())
def test_form(case) -> None:
    text, form = case
    assert cr.parse(text).derive().gradients["x"].text == form


def test_a_tie_is_shared() -> None:
    compare("param x : D\nJ = max(x)^2", lambda x: x.amax() ** 2, {"D": 5}, values={"x": [1, 3, 3, 0, 3]})
    compare("param x : D\nJ = min(x)", lambda x: x.amin(), {"D": 5}, values={"x": [1, 0, 3, 0, 3]})


def test_a_product_with_zeros() -> None:
    for zeros in ([0, 2, 3], [0, 2, 0], [0, 0, 0]):
        compare("param x : D\nJ = prod(x)", lambda x: x.prod(), {"D": 3}, values={"x": zeros})
        compare("param x : D\nconst g : D\nJ = gᵀ cumprod(x)", lambda x, g: g @ x.cumprod(0), {"D": 3},
                values={"x": zeros})  # fmt: skip


def test_the_larger_of_two_is_exact() -> None:
    net = cr.parse("param x : D\nparam y : D\nJ = sum(max(x, y))")
    step = net.derive().compile()
    assert step(x=np.array([1.0]), y=np.array([-1e20]))[0] == 1.0
    assert net.evaluate(x=np.array([1.0]), y=np.array([-1e20]))["J"] == 1.0


def test_at_a_tie_the_second_argument_moves() -> None:
    step = cr.parse("param x : D\nparam y : D\nJ = sum(max(x, y))").derive().compile()
    gradients = step(x=np.ones(3), y=np.ones(3))[1]
    assert gradients["x"].tolist() == [0, 0, 0]
    assert gradients["y"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("plain", [False, True])
def test_no_nan_where_the_other_branch_overflows(dtype: str, plain: bool) -> None:
    step = (
        cr.parse("param x : D\nconst g : D\nJ = gᵀ where(x > 0, x, exp(x) - 1)")
        .derive()
        .compile(dtype=dtype, plain=plain)
    )
    x = np.array([-1e4, -1.0, 2.0, 1e4], dtype=dtype)
    loss, gradients = step(x=x, g=np.ones(4, dtype=dtype))
    assert np.isfinite(loss)
    assert np.allclose(gradients["x"], [0, np.exp(-1), 1, 1])


def test_a_batch_of_maxima() -> None:
    lifted = cr.parse("input x : D\nparam W : D × D\nJ = max(W x)^2 + prod(x)").lift("N")
    assert lifted.derive().verify().ok


def test_there_must_be_axes() -> None:
    with pytest.raises(DimensionError):
        cr.parse("param s : scalar\nJ = cumprod(s, over=0)")
