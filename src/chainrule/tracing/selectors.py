"""Which entry goes where, as an array of 0 and 1 that is an index relation wherever there is a rule.

selector(…, numbers, n) is 1 at […, k] where numbers[…] is k: the product with it picks entries along an axis of size n,
and read the other way it puts them there. Places that grow evenly along each axis (slices, windows, single entries,
whatever the user wrote them as) are 1[k = a + s i + t j], which is printed as x[s i + a] and compiled to a view. Others
are a constant array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.expr import ONE, Index, multiply
from chainrule.algebra.relations import relation
from chainrule.algebra.structure import flat_terms, related
from chainrule.dims import Dim
from chainrule.tracing.array import Traced, constant_traced
from chainrule.tracing.tracer import Tracer

__all__ = ["even_steps", "reshaper", "runner", "selector"]


def even_steps(numbers: NDArray[Any]) -> tuple[int, list[int]] | None:
    """(a, steps) with numbers[i, j, …] = a + Σ steps · indices; None where there are no such."""
    start = int(numbers.flat[0])
    steps = []
    for axis, size in enumerate(numbers.shape):
        first = np.take(numbers, 0, axis=axis).flat[0]
        steps.append(int(np.take(numbers, 1, axis=axis).flat[0] - first) if size > 1 else 0)
    grid = np.indices(numbers.shape)
    fits = start + sum((s * g for s, g in zip(steps, grid, strict=True)), np.zeros(numbers.shape, dtype=int))
    return (start, steps) if (fits == numbers).all() else None


def selector(tracer: Tracer, numbers: Any, size: int) -> Traced:
    """1 at […, k] where numbers[…] is k < size."""
    numbers = np.asarray(numbers)
    axes = (*numbers.shape, size)
    even = even_steps(numbers)
    if size == 1 or even is None or any(s == 0 and d > 1 for s, d in zip(even[1], numbers.shape, strict=True)):
        return constant_traced(tracer, np.eye(size)[numbers], "S")
    start, steps = even
    own = [(-1 - k, d) for k, d in enumerate(axes)]
    terms: list[tuple[Dim, Index]] = [(1, own[-1])]
    terms += [(-s, i) for s, i in zip(steps, own, strict=False) if i[1] > 1]
    return Traced(tracer, multiply(ONE, related("=", terms, start)), axes)


def runner(tracer: Tracer, size: int) -> Traced:
    """1 at [i, k] where k ≤ i: what sums up."""
    return Traced(tracer, multiply(ONE, related("≤", [(1, (-2, size)), (-1, (-1, size))])), (size, size))


def reshaper(tracer: Tracer, new: Sequence[int], old: Sequence[int]) -> Traced:
    """1 where an entry of the new shape is the one of the old shape, row by row. No size is 1."""
    axes = (*new, *old)
    own = [(-1 - k, d) for k, d in enumerate(axes)]
    inside = flat_terms(own[len(new) :])
    outside: list[tuple[Dim, Index]] = [(-int(c), i) for c, i in flat_terms(own[: len(new)])]
    atom = relation("=", [*inside, *outside])
    return Traced(tracer, multiply(ONE, {(((atom, 1),), ()): 1}), axes)
