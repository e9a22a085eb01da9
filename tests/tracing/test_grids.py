"""Grids, windows, pieces and orders of NumPy: the same numbers, and slopes by differences."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import UnsupportedError

X, Y = np.arange(15.0).reshape(3, 5) ** 2, np.array([0.5, -1.0, 2.0])


def grid(x):
    a, b = np.meshgrid(x[0], x[:, 1])
    c, d = np.meshgrid(x[0], x[:, 1], indexing="ij", sparse=True)
    return (a * np.sin(b) * X).sum() + (c * d * X.T).sum()


def powers(x):
    return (np.vander(x[0], 3) @ Y).sum() + (np.vander(x[1], increasing=True) * X[1]).sum()


def windows(x):
    view = np.lib.stride_tricks.sliding_window_view(x, (2, 3))
    return (view * np.arange(36.0).reshape(2, 3, 2, 3)).sum() + (
        np.lib.stride_tricks.sliding_window_view(x, 2, axis=1) ** 3
    ).sum()


def pieces(x):
    return np.piecewise(x, [x < 0, x > 0.4], [lambda t: -t, np.square, 3.0]).sum()


def lines(x):
    return (np.apply_along_axis(lambda r: r**2 * r[0], 0, x) * X).sum() + np.apply_along_axis(np.prod, 1, x) @ Y


def orders(x):
    return (x.reshape((5, 3), order="F") * X.reshape(5, 3)).sum() + x.flatten("F") @ np.arange(15.0) ** 2


def slopes(x):
    return np.gradient(x[0], 0.5) @ X[1] + np.interp([0.25, 3.5, 9.0], np.arange(5), x[1]) @ Y


def angles(x):
    return np.arctan2(x[0], x[1]).sum() + np.sinc(x[2]).sum() + np.logaddexp.reduce(x, axis=1).sum()


def fitted(x):
    return np.linalg.lstsq(x.T, np.arange(5.0), rcond=None)[0] @ Y


def lower(x):
    a = x[:, :3] @ x[:, :3].T + 3 * np.eye(3)
    a[0, 2] = 7.0  # not read
    return (np.linalg.cholesky(a) ** 2).sum() + (np.linalg.cholesky(a.T + 0 * x[:, :3], upper=True) ** 3).sum()


@pytest.mark.parametrize("function", [grid, powers, windows, pieces, lines, orders, slopes, angles, fitted, lower])
def test_the_numbers_are_numpys(function):
    step = cr.trace(function, x=(3, 5)).derive().compile()
    rng = np.random.default_rng(6)
    for _ in range(2):
        x, direction = rng.standard_normal((2, 3, 5))
        loss, gradients = step(x=x)
        assert loss == pytest.approx(float(function(x.copy())), rel=1e-11)
        sides = [float(function(x + s * 1e-6 * direction)) for s in (1, -1)]
        slope = float(np.sum(gradients["x"] * direction))
        assert slope == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5, abs=1e-5 * max(1, abs(loss)))


def test_what_is_not_traced_of_them_is_refused():
    for function in (lambda x: np.gradient(x).sum(), lambda x: np.interp(x[0], x[1], x[2]).sum()):
        with pytest.raises(UnsupportedError):
            cr.trace(function, x=(3, 5))
