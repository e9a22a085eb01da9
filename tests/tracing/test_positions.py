"""Places of entries as indices: argmax, argmin, argsort; the gradient goes back to where an entry came from."""

import numpy as np
import pytest

import chainrule as cr
from traced_functions import agrees

C3 = np.array([1.0, 2, 3])
W = np.arange(12.0).reshape(4, 3)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def ordered(x):
    return np.sum(x[np.argsort(x)] * C3)


def extremes(x):
    return x[np.argmax(x)] ** 2 + x[np.argmin(x)] ** 3 + x[x.argmax()]


def by_another(x, y):
    i = np.argsort(x)
    return np.sum(y[i] * C3) + np.sum(x[i] ** 2 * C3)


def largest_of_rows(x):
    i = np.argmax(x, axis=1)
    return np.sum(x[np.arange(4), i] ** 2)


def looked_up(x, E):
    i = np.argmax(x, axis=1)
    return np.sum(E[i] * np.arange(20.0).reshape(4, 5)) + np.sum(x**2)


def rows_in_order(x):
    return np.sum(np.take_along_axis(x, np.argsort(x, axis=1), 1) * W)


def largest_two(x):
    return np.sum(x[np.argsort(-x)][:2] * C3[:2])


def from_the_largest(x):
    return np.sum(x[np.argsort(x)[::-1]] * C3)


def place_as_number(x):
    return x.argmax() * x.sum()


def one_expert(x, We, Wg):
    g = softmax(x @ Wg)
    top = np.argmax(g, axis=1)
    out = 0
    for n in range(4):
        out += np.sum(np.tanh(x[n] @ We[top[n]]) * g[n, top[n]])
    return out


def smallest_two(x):
    i = np.argsort(x)[:2]
    return (x[i] ** 2).sum()


def largest_of_all(x):
    return x.ravel()[np.argmax(x)] ** 2


def codebook(q, k):
    d = ((q[:, None] - k[None]) ** 2).sum(-1)
    i = d.argmin(1)
    return ((q - k[i]) ** 2).sum()


def kept_axis(x):
    i = np.argmax(x, axis=-1, keepdims=True)
    return np.take_along_axis(x, i, -1).sum()


def unit_rows(x):
    return np.sum(np.eye(3)[np.argmax(x, 1)] * x)


def without_the_largest(x):
    y = x.copy()
    y[np.argmax(x)] = 0
    return (y**2).sum()


def ranks(x):
    o = np.argsort(np.argsort(x))
    return np.sum(o * x)


CASES = [
    (ordered, {"x": (3,)}),
    (extremes, {"x": (3,)}),
    (by_another, {"x": (3,), "y": (3,)}),
    (largest_of_rows, {"x": (4, 3)}),
    (looked_up, {"x": (4, 3), "E": (3, 5)}),
    (rows_in_order, {"x": (4, 3)}),
    (largest_two, {"x": (3,)}),
    (from_the_largest, {"x": (3,)}),
    (place_as_number, {"x": (3,)}),
    (one_expert, {"x": (4, 3), "We": (3, 3, 2), "Wg": (3, 3)}),
    (smallest_two, {"x": (3,)}),
    (largest_of_all, {"x": (4, 3)}),
    (codebook, {"q": (4, 2), "k": (3, 2)}),
    (kept_axis, {"x": (4, 3)}),
    (unit_rows, {"x": (4, 3)}),
    (without_the_largest, {"x": (3,)}),
    (ranks, {"x": (3,)}),
]


@pytest.mark.parametrize(("function", "shapes"), CASES)
def test_like_numpy(function, shapes):
    agrees(function, shapes)


@pytest.mark.parametrize("target", ["torch", "jax", "c"])
def test_targets(target):
    for function, shapes in (CASES[5], CASES[9]):
        derivation = cr.trace(function, **shapes).derive()
        arrays = {n: np.random.default_rng(3).standard_normal(s) for n, s in shapes.items()}
        (wanted, slopes), (loss, gradients) = (
            derivation.compile(t, dtype="float64")(**arrays) for t in ("numpy", target)
        )
        assert loss == pytest.approx(wanted, rel=1e-12)
        for name, slope in slopes.items():
            assert np.asarray(gradients[name]) == pytest.approx(slope, rel=1e-10, abs=1e-12)


def test_how_it_is_written_and_verified():
    net = cr.trace(codebook, q=(4, 2), k=(3, 2))
    assert "i = argmax(−d, over=columns)" in [str(line).strip() for line in str(net).splitlines()]
    for function, shapes in (CASES[0], CASES[12]):
        assert cr.trace(function, **shapes).derive().verify().ok
