"""What a trace cannot record is refused, with the user's line; nothing is dropped or taken as constant."""

import math
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DimensionError, LanguageError, UnsupportedError


def branch(x):
    return x.sum() if x[0] > 0 else -x.sum()


def whole_range(n):
    return sum(n[k] for k in range(n.shape[0]))


MINE = np.zeros(3)

REFUSED = [
    (lambda x: np.add(x, 1, out=MINE).sum(), "np.add writes"), (lambda x: np.sum(x, out=MINE[0:1]), "writes into"),
    (branch, "neither true nor false"), (lambda x: np.array([x[0], x[1]], dtype=int).sum(), "np.array"),
    (lambda x: float(x.sum()), "into a number"), (lambda x: int(x[0]), "whole number"),
    (lambda x: x.sum().item(), "item"), (lambda x: memoryview(x.__array__()), "np.asarray"),
    (lambda x: x[np.argmax(x) + 0], "an index that depends on values"),
    (lambda x: np.argpartition(x, 1).sum(), "np.argpartition"),
    (lambda x: np.floor(x).sum(), "np.floor"), (lambda x: (x % 2).sum(), "% is"), (lambda x: x**2 % x, "% is"),
    (lambda x: 2 * np.partition(x, 2), "np.partition"),
    (lambda x: np.linalg.eigvals(np.outer(x, x)).sum(), "np.linalg.eigvals"),
    (lambda x: np.linalg.norm(np.outer(x, x), 3), "ord=3"), (lambda x: 2 * np.nansum(x), "np.nansum"),
    (lambda x: np.std(x, where=x > 0), "where"), (lambda x: np.place(np.zeros(3), x > 0, [1.0]), "np.place"),
    (lambda x: np.add(x, 1, where=False).sum(), "where="), (lambda x: np.putmask(MINE, x > 0, 1.0), "writes into"),
    (lambda x: max(x, x + 1), "max of arrays"), (lambda x: max(x, key=abs), "with a key"),
    (lambda x: math.exp(x) + x.sum(), "math.exp of an array"), (lambda x: np.quantile(x, [0, 1]).sum(), "one number"),
    (lambda x: x[x > 0][0], "a part of entries that depend on values"), (lambda x: np.sum((x > 0) + (x > 1)), "“or”"),
    (lambda x: np.sum(-(x > 0)), "truth"), (lambda x: np.sum(x, dtype=int), "dtype"),
    (lambda x: np.sum(x, dtype=np.float32), "dtype"), (lambda x: x.astype(int).sum(), "astype"),
    (lambda x: x.astype(np.float32).sum(), "astype"), (lambda x: np.where(x > 0)[0].sum(), "np.where"),
    (lambda x: np.sum(x * np.inf), "infinite number"), (lambda x: np.sum(x * np.array([1, np.nan, 2])), "NaN"),
    (lambda x: np.divide.accumulate(x).sum(), "accumulate"), (lambda x: x.sum() in [1, 2], "true nor false"),
    (lambda x: 1 in x, "nothing is found"), (lambda x: (x.sum(), x), "a tuple"), (lambda x: None, "nothing"),
    (lambda x: np.zeros(x.sum()), "to count"), (lambda x: round(x.sum()), "round"), (lambda x: x // 1, "// is"),
    (lambda x: x.nonsense, ".nonsense"), (lambda x: x @ x.sum(), "of a scalar"), (lambda x: x * "a", "no array"),
    (lambda x: np.linalg.inv(x[:1, None]), "axes of size 1"), (lambda x: 2 * np.linalg.inv(x), "of 1 axes"),
    (lambda x: x * 1j, "complex"), (lambda x: x.reshape(3, order="A").sum(), "order A"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "words"), REFUSED)
def test_what_cannot_be_recorded_is_refused(function, words):
    with pytest.raises(UnsupportedError, match=re.escape(words)):
        cr.trace(function, x=(3,))


def test_a_refusal_shows_the_users_line():
    with pytest.raises(UnsupportedError) as caught:
        cr.trace(branch, x=(3,))
    assert "test_refusals.py, line " in str(caught.value)
    assert "return x.sum() if x[0] > 0 else -x.sum()" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (whole_range, "the size N has no value"),
        (lambda n: n[0], "size N has only a name"),
        (lambda n: n.sum() if n.shape[0] > 3 else 0, "neither true nor false"),
        (lambda n: n.sum() if n.shape[0] == 3 else 0, "the size N has no value"),
        (lambda n: sum(v for v in n), "size N has only a name"),
        (lambda n: 1 + len(n), "size N has only a name"),
        (lambda n: n @ np.arange(n.shape[0]), "the size N has no value"),
    ],
)
def test_a_named_size_counts_nothing(function, words):
    with pytest.raises(UnsupportedError, match=words):
        cr.trace(function, n=("N",))


def test_sizes_that_do_not_fit_are_refused_with_the_line():
    with pytest.raises(DimensionError, match=r"test_refusals\.py, line"):
        cr.trace(lambda a, b: a + b, a=(3,), b=(5,))
    with pytest.raises(DimensionError, match="D against N"):
        cr.trace(lambda a, b: a @ b, a=("N", "D"), b=("N", "D"))


@pytest.mark.parametrize(
    "call",
    [
        lambda: cr.trace(lambda x: x.sum()),
        lambda: cr.trace(lambda x: x.sum(), y=(3,)),
        lambda: cr.trace(lambda x: x.sum(), x=(0,)),
        lambda: cr.trace(lambda x: x.sum(), x=("a b",)),
        lambda: cr.trace(lambda x: x.sum(), wrt="W", x=(3,)),
        lambda: cr.trace(lambda x: x.sum(), facts={"x": "blue"}, x=(3,)),
        lambda: cr.trace(lambda theta, θ: theta.sum() + θ.sum(), theta=(3,), θ=(3,)),
    ],
)
def test_a_call_that_cannot_be_is_refused(call):
    with pytest.raises((LanguageError, DimensionError)):
        call()


def test_random_numbers_inside_the_function_are_refused():
    draw = np.random.default_rng(3)
    with pytest.raises(UnsupportedError, match="each time"):
        cr.trace(lambda x: np.sum(x * (draw.random(3) > 0.5)) + np.sum(draw.random(3) * x), x=(3,))


def test_a_matrix_that_is_not_square_has_no_inverse():
    with pytest.raises(DimensionError, match="3 × 5"):
        cr.trace(lambda x: np.linalg.inv(x).sum(), x=(3, 5))
    with pytest.raises(DimensionError, match="as many rows"):
        cr.trace(lambda a, b: np.linalg.solve(a, b).sum(), a=(3, 3), b=(5,))


def test_an_error_of_the_function_is_its_own():
    def f(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cr.trace(f, x=(3,))
