"""−∞ in masks and running maxima: the numbers are NumPy's, and what would be infinite is refused."""

import numpy as np
import pytest
from scipy.special import logsumexp

import chainrule as cr
from chainrule.errors import UnsupportedError
from chainrule.tracing.infinity import FLAT, HUGE


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


WEIGHTS = np.array([0.3, -1.2, 0.7])
LOWER = np.tri(3) > 0


def chosen(x):
    return (softmax(np.where(LOWER, x / np.sqrt(5.0), -np.inf)) @ WEIGHTS).sum()


def added(x):
    return (softmax(x + np.triu(np.full((3, 3), -np.inf), 1)) * WEIGHTS).sum()


def written(x):
    scores = 2.0 * x
    scores[np.triu_indices(3, k=1)] = float("-inf")
    return (softmax(scores) @ WEIGHTS).sum()


def lowest(x):
    scores = np.where(LOWER, x, -np.inf)
    return logsumexp(scores, axis=1).sum()


def scaled_and_squashed(x):
    return (1 / (1 + np.exp(-np.where(LOWER, x, -np.inf) / 3)) * WEIGHTS).sum()


def running(x):
    best = -np.inf
    least = np.inf
    for row in x:
        best = np.maximum(best, row[0] * row[1])
        least = np.minimum(row[2], least)
    return best**2 + least


def bounds(x):
    return np.sum(np.clip(x, -np.inf, 0.5) * np.clip(x, -0.2, np.inf))


@pytest.mark.parametrize(
    "function", [chosen, added, written, lowest, scaled_and_squashed, running, bounds], ids=lambda f: f.__name__
)
def test_masks_of_infinity_are_what_numpy_makes_of_them(function):
    derivation = cr.trace(function, x=(3, 3)).derive()
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        step = derivation.compile(dtype=dtype)
        rng = np.random.default_rng(4)
        x = rng.standard_normal((3, 3))
        loss, gradients = step(x=x.astype(dtype))
        assert loss == pytest.approx(float(function(x)), rel=tolerance, abs=tolerance)
        direction = rng.standard_normal((3, 3))
        slope = (function(x + 1e-6 * direction) - function(x - 1e-6 * direction)) / 2e-6
        assert float(np.sum(gradients["x"] * direction)) == pytest.approx(slope, rel=1e-4, abs=1e-4)


def labelled(x, y):
    scores = np.where(LOWER, x, -np.inf)
    m = scores.max(1, keepdims=True)
    log_p = scores - m - np.log(np.exp(scores - m).sum(1, keepdims=True))
    return -log_p[np.arange(3), y].mean()


def test_a_label_says_an_entry_that_is_not_masked():
    step = cr.trace(labelled, wrt=["x"], facts={"y": "integer"}, x=(3, 3), y=(3,)).derive().compile()
    x, y = np.random.default_rng(8).standard_normal((3, 3)), np.array([0, 1, 0])
    loss, gradients = step(x=x, y=y)
    assert loss == pytest.approx(labelled(x, y), rel=1e-12)
    np.testing.assert_allclose(gradients["x"], (softmax(np.where(LOWER, x, -np.inf)) - np.eye(3)[y]) / 3, atol=1e-12)


REFUSED = [
    lambda x: np.where(x > 0, x, -np.inf).sum(),
    lambda x: np.where(x > 0, x, -np.inf),
    lambda x: np.log(np.abs(np.where(x > 0, x, -np.inf))).sum(),
    lambda x: (softmax(np.where(LOWER, x, -np.inf)) * np.where(LOWER, x, -np.inf)).sum(),
    lambda x: (np.where(LOWER, x, -np.inf) @ WEIGHTS).sum(),
    lambda x: np.exp(-np.where(LOWER, x, -np.inf)).sum(),
    lambda x: np.exp(x * -np.inf).sum(),
    lambda x: np.where(LOWER, x, -np.inf).min(),
    lambda x: np.exp(np.where(LOWER, np.where(x > 0, np.inf, x), -np.inf)).sum(),
    lambda x: np.maximum(x, np.inf).sum(),
    lambda x: np.sin(np.where(LOWER, x, np.inf)).sum(),
    lambda x: (np.where(LOWER, x, -np.inf) ** 2).max(),
]


@pytest.mark.parametrize("function", REFUSED)
def test_what_would_be_infinite_is_refused(function):
    with pytest.raises(UnsupportedError, match="an infinite number reaches"):
        cr.trace(function, x=(3, 3))


def test_what_ends_an_infinity_is_flat_there():
    ends = {"exp": np.exp, "sigmoid": lambda v: 1 / (1 + np.exp(-v)), "tanh": np.tanh, "arctan": np.arctan,
            "softplus": lambda v: np.logaddexp(v, 0), "relu": lambda v: np.maximum(v, 0)}  # fmt: skip
    for head, function in ends.items():
        for sign in FLAT[head]:
            with np.errstate(over="ignore"):
                near, far = function(sign * float(HUGE)), function(sign * np.inf)
            assert near == far, head
