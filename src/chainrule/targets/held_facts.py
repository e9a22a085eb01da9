"""Whether an array is what its declaration says: one-hot, symmetric, positive, …

Facts shorten gradients, so a gradient at an array that does not have them is another function's. What an array is given
for is checked at each call, in time that grows with its size only: an orthogonal matrix along one direction.

A fact is added by a function of the array, true where it holds, in HOLDS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = ["HOLDS", "SUMS", "broken", "furthest"]

SUMS = frozenset({"one-hot", "rows sum to 1"})


def _tolerance(a: Any) -> float:
    """How far rounding may take an array from its fact: that of float32 where it is one."""
    single = a.dtype.itemsize < 8 and a.dtype.kind == "f"
    return float((1e-3 if single else 1e-6) * max(1.0, np.abs(a).max(initial=0.0)))


def _one_hot(a: Any) -> bool:
    return _rows_sum_to_1(a) and bool((np.count_nonzero(a, axis=-1) == 1).all())


def _rows_sum_to_1(a: Any) -> bool:
    excess = a.sum(axis=-1) - 1
    return bool(np.vdot(excess, excess) < 1e-6 * max(excess.size, 1))


def _same(a: Any, b: Any) -> bool:
    return bool(np.abs(a - b).max(initial=0.0) <= _tolerance(a))


def _symmetric(a: Any) -> bool:
    return _same(a, np.swapaxes(a, -1, -2))


def _orthogonal(a: Any) -> bool:
    direction = np.cos(np.arange(a.shape[-1]))
    return _same(np.swapaxes(a, -1, -2) @ (a @ direction), np.broadcast_to(direction, a.shape[:-1]))


def _positive_definite(a: Any) -> bool:
    direction = np.cos(np.arange(a.shape[-1]))
    positive = np.diagonal(a, axis1=-2, axis2=-1) > 0
    return _symmetric(a) and bool(positive.all() and ((a @ direction) @ direction > 0).all())


HOLDS: dict[str, Callable[[Any], bool]] = {
    "one-hot": _one_hot,
    "rows sum to 1": _rows_sum_to_1,
    "mask": lambda a: bool(((a == 0) | (a == 1)).all()),
    "positive": lambda a: bool((a > 0).all()),
    "nonnegative": lambda a: bool((a >= 0).all()),
    "integer": lambda a: bool((a == np.round(a)).all()),
    "symmetric": _symmetric,
    "positive definite": _positive_definite,
    "orthogonal": _orthogonal,
    "diagonal": lambda a: _same(a, a * np.eye(a.shape[-1], dtype=a.dtype)),
    "lower triangular": lambda a: _same(a, np.tril(a)),
    "upper triangular": lambda a: _same(a, np.triu(a)),
}


def furthest(array: Any) -> float | None:
    """The sum of the row that is furthest from 1; None where all sum to 1."""
    if _rows_sum_to_1(array):
        return None
    excess = np.ravel(array.sum(axis=-1) - 1)
    return float(excess[np.argmax(np.abs(excess))] + 1)


def broken(array: Any, facts: Iterable[str]) -> str | None:
    """The first fact that an array does not have; None where it has all. A number has none of rows and matrices."""
    a = np.asarray(array)
    for fact in facts:
        entrywise = fact in ("mask", "positive", "nonnegative", "integer")
        if not a.size or not (a.ndim or entrywise):
            continue
        if not HOLDS[fact](a):
            return fact if np.isfinite(a).all() else None  # NaN is said where it is found
    return None
