"""A branch counts where it is taken: what is no number in the other one stays out of values and gradients."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.plan.graph import Graph
from chainrule.plan.rules import Builder

X = np.array([1.0, 2.0, 0.0, -1.0, 3.0])
WEIGHTS = np.array([2.0, 3.0, 5.0, 7.0, 11.0])


def logarithm(x):
    return np.sum(np.where(x > 0, np.log(x), 0) * WEIGHTS)


def behind_another_function(x):
    inner = np.log(x)
    return np.sum(np.where(x > 0, 1 / (1 + inner**2), x) * WEIGHTS)


def two_masks(x):
    return np.where(x > 0, np.log(x), 0).sum() + np.where(x > 2.5, 3 * np.log(x), 0).sum()


def quotient(x):
    return np.sum(np.where(x != 0, WEIGHTS / x, 1.0))


def entropy(x):
    p = np.maximum(x, 0)
    return np.where(p > 0, p * np.log(p), 0.0).sum() + np.where(p > 0, np.sqrt(p), 0).sum()


def rows(x):
    table = np.outer(x, np.array([1.0, -2.0, 3.0]))
    norms = np.sqrt((table**2).sum(1, keepdims=True))
    return np.sum(np.where(norms > 0, table / norms, 0) @ np.array([2.0, 3.0, 5.0]))


def clipped_root(x):
    return np.sum(np.where(np.abs(x) < 1.5, np.sqrt(2 - x**2), 0) * WEIGHTS)


FUNCTIONS = [logarithm, behind_another_function, two_masks, quotient, entropy, rows, clipped_root]


def slopes(function):
    """Central differences on the side on which the function is smooth: a 0 is left alone where it is no number."""
    out = np.zeros(5)
    with np.errstate(all="ignore"):
        for k in range(5):
            e = np.zeros(5)
            e[k] = 1e-6
            out[k] = (function(X + e) - function(X - e)) / 2e-6
    return out


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_a_condition_throws_away_is_not_there(function):
    net = cr.trace(function, x=(5,))
    value = function(X)
    assert np.isfinite(value)
    assert net.evaluate(x=X)[net.loss] == pytest.approx(value, rel=1e-12)
    derivation = net.derive()
    loss, gradients = derivation.compile()(x=X)
    assert loss == pytest.approx(value, rel=1e-12)
    away = X != 0  # the functions have their kinks and jumps at 0
    assert gradients["x"][away] == pytest.approx(slopes(function)[away], rel=1e-6, abs=1e-6)
    assert np.isfinite(gradients["x"]).all()
    assert derivation.verify().ok


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("target", ["torch", "jax", "c"])
def test_in_every_target(target):
    def function(x):
        return logarithm(x) + behind_another_function(x) + quotient(x) + rows(x)

    derivation = cr.trace(function, x=(5,)).derive()
    wanted = derivation.compile()(x=X)
    loss, gradients = derivation.compile(target=target)(x=X)
    assert loss == pytest.approx(wanted[0], rel=1e-12)
    assert np.asarray(gradients["x"]) == pytest.approx(wanted[1]["x"], rel=1e-12)


def test_a_sum_of_branches_is_no_mask():
    def weighted(x, y):
        f = np.where(x < 1, x**2, 3.0)
        return np.sum(f * (y - np.log(x)) ** 2)

    x, y = np.array([0.5, 2.0, 3.0]), np.array([1.0, -2.0, 5.0])
    loss, gradients = cr.trace(weighted, x=(3,), y=(3,)).derive().compile()(x=x, y=y)
    assert loss == pytest.approx(weighted(x, y), rel=1e-12)
    assert gradients["y"] == pytest.approx(2 * np.where(x < 1, x**2, 3.0) * (y - np.log(x)), rel=1e-12)


def test_a_failure_where_the_branch_is_taken_is_told():
    step = cr.trace(lambda x: np.sum(np.where(x > -2, np.log(x), 0)), x=(5,)).derive().compile()
    with pytest.raises(cr.ArrayError, match="not finite"), np.errstate(all="ignore"):
        step(x=X)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("target", ["numpy", "torch", "jax", "c"])
def test_angles_on_the_axes(target):
    points = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [0.5, 2], [0.5, -2], [-2, 0.5], [-0.3, -0.7], [3, 3]])
    a, b = points.T.copy()
    weights = np.arange(1.0, 10.0)

    def function(a, b):
        return np.sum(np.arctan2(a, b) * weights)

    loss, gradients = cr.trace(function, a=(9,), b=(9,)).derive().compile(target=target)(a=a, b=b)
    assert loss == pytest.approx(function(a, b), rel=1e-13)
    assert np.asarray(gradients["a"]) == pytest.approx(weights * b / (a**2 + b**2), rel=1e-12, abs=1e-14)
    assert np.asarray(gradients["b"]) == pytest.approx(-weights * a / (a**2 + b**2), rel=1e-12, abs=1e-14)


def test_a_long_chain_of_sums_is_followed():
    """A function of three thousand steps: what is known of a node is found from its operands on, not back from it."""
    graph = Graph()
    builder = Builder(graph)
    x = total = graph.make("input", (), ("N",), ("x",)).whole
    for _ in range(3000):
        total = builder.add(total, builder.map("sin", total))
    assert builder.multiply(total, builder.map("log", x)).node.op == "multiply"
