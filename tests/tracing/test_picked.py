"""x[mask] with a mask of values: elementwise, summed, and written back where the mask is true."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import UnsupportedError


def leaky(x, t):
    y = x.copy()
    y[y < 0] *= 0.1
    return (y * t).sum()


def elu(x, t):
    y = x * 1
    y[y < 0] = np.exp(y[y < 0]) - 1
    return (y * t).sum()


def summed(x, t):
    return np.sum(x[t > 0] ** 2) - 3 * x[x > t].sum()


def averaged(x, t):
    return np.mean(np.abs(x[x > 0.1])) + (x[t > 0] * t[t > 0]).mean()


def by_rows(x, t):
    return (x[t[:, 0] > 0] ** 2).sum()


def huber(x, t):
    d = np.abs(x - t)
    small = d < 1
    loss = np.zeros_like(d)
    loss[small] = 0.5 * d[small] ** 2
    loss[~small] = d[~small] - 0.5
    return loss.mean()


def moved(x, t):
    y = x.copy()
    y[t > 0] += 2.0
    return (y * y).sum()


@pytest.mark.parametrize("function", [leaky, elu, summed, averaged, by_rows, huber, moved], ids=lambda f: f.__name__)
def test_entries_that_a_mask_picks(function):
    step = cr.trace(function, wrt=["x"], x=(3, 5), t=(3, 5)).derive().compile()
    rng = np.random.default_rng(2)
    for _ in range(3):
        x, t, direction = rng.standard_normal((3, 3, 5))
        loss, gradients = step(x=x, t=t)
        assert loss == pytest.approx(function(x, t), rel=1e-12)
        slope = (function(x + 1e-6 * direction, t) - function(x - 1e-6 * direction, t)) / 2e-6
        assert float(np.sum(gradients["x"] * direction)) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def write_elsewhere(x):
    x[x > 0] = x[x > 1]
    return x.sum()


REFUSED = [
    lambda x: len(x[x > 0]), lambda x: x[x > 0] @ x[x > 0], lambda x: x[x > 0][0], lambda x: np.sort(x[x > 0]),
    lambda x: x[x > 0] + x[x > 1], lambda x: x[x > 0] + np.ones(3), lambda x: sum(x[x > 0]),
    lambda x: np.sum(x[x > 0], axis=0), lambda x: x[x > 0].max(), lambda x: np.add.reduce(x[x > 0]), write_elsewhere,
]  # fmt: skip


@pytest.mark.parametrize("function", REFUSED)
def test_what_needs_their_number_or_order_is_refused(function):
    with pytest.raises(UnsupportedError, match=r"values|another mask"):
        cr.trace(function, x=(3,))
