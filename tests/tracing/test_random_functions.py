"""Random compositions of NumPy operations: the network is the function, and its gradient agrees with differences."""

import numpy as np
import pytest

import chainrule as cr

UNARY = [
    np.tanh, np.exp, np.sin, np.abs, lambda x: x**2, lambda x: np.maximum(x, 0), lambda x: 1 / (1 + np.exp(-x)),
    lambda x: np.log1p(np.exp(x)), lambda x: np.sqrt(x * x + 1), lambda x: np.where(x > 0.1, x, 2 * x),
    lambda x: -x, lambda x: 3 - x, lambda x: x / 2,
]  # fmt: skip
BINARY = [np.add, np.subtract, np.multiply, lambda a, b: a / (1 + b * b), np.maximum, np.minimum]
REDUCTIONS = [np.sum, np.mean, np.var]
SHAPES = {"x": (3, 5), "y": (5, 2), "v": (5,)}


def softmax(a, axis):
    e = np.exp(a - a.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def grow(draw, pool):
    """One more array from those that are there, or None where the choice does not fit."""
    kind = int(draw.integers(0, 12))
    a, b = (pool[draw.integers(0, len(pool))] for _ in range(2))
    rank = len(a.shape)
    if kind < 3:
        return UNARY[draw.integers(0, len(UNARY))](a)
    if kind < 6:
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            return None
        return BINARY[draw.integers(0, len(BINARY))](a, b) if np.prod(shape) <= 300 else None
    if not rank:
        return None
    axis = int(draw.integers(0, rank))
    if kind == 6:
        fits = (
            len(b.shape) > 0 and max(rank, len(b.shape)) < 3 and a.shape[-1] == b.shape[-2 if len(b.shape) > 1 else 0]
        )
        return a @ b if fits else None
    if kind == 7:
        return REDUCTIONS[draw.integers(0, 3)](a, axis=axis, keepdims=bool(draw.integers(0, 2)))
    if kind == 8:
        return a.T
    if kind == 9:
        return a[(slice(None),) * axis + (index(draw, a.shape[axis]),)]
    if kind == 10:
        return np.concatenate([a, a * 2], axis=axis) if draw.integers(0, 2) else softmax(a, axis)
    return a.reshape(-1) if draw.integers(0, 2) else a.reshape(tuple(a.shape)[::-1])


def index(draw, size):
    return [
        int(draw.integers(-size, size)),
        slice(int(draw.integers(0, size)), None),
        slice(None, None, -1),
        [int(draw.integers(0, size)) for _ in range(3)],
    ][draw.integers(0, 4)]


def random_function(seed):
    def function(x, y, v):
        draw = np.random.default_rng(seed)
        pool = [x, y, v]
        for _ in range(int(draw.integers(3, 13))):
            made = grow(draw, pool)
            if made is not None:
                pool.append(made)
        return np.sum(pool[-1]) + np.sum(pool[-2] * 1.5)

    return function


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChainruleWarning")
@pytest.mark.parametrize("seed", range(120))
def test_a_random_function(seed):
    function = random_function(seed)
    net = cr.trace(function, **SHAPES)
    step = net.derive().compile()
    rng = np.random.default_rng(seed + 1_000_000)
    arrays = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    value = function(**arrays)
    if not np.isfinite(value) or abs(value) > 1e8:
        pytest.skip("too large to compare")
    loss, gradients = step(**arrays)
    assert net.evaluate(**arrays)[net.loss] == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert loss == pytest.approx(value, rel=1e-9, abs=1e-9)
    for name, array in arrays.items():
        direction = rng.standard_normal(array.shape)
        slope = float(np.sum(np.reshape(gradients[name], array.shape) * direction))
        errors = []
        for h in (1e-4, 1e-5, 1e-6):  # a kink may lie within one of them
            up, down = (function(**{**arrays, name: array + s * h * direction}) for s in (1, -1))
            errors.append(abs((up - down) / (2 * h) - slope) / (1 + abs(slope)))
        assert min(errors) < 1e-4
