"""What indexing, shaping and joining share: axes in another order, entries picked by a constant of 0 and 1."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.algebra.expr import rename
from chainrule.tracing.array import SAME, Traced, make
from chainrule.tracing.linear import LETTERS, contract
from chainrule.tracing.memory import view_of

__all__ = ["moved", "selected", "viewing"]

Ours = Callable[..., Any]


def viewing(how: Callable[..., Any], *others: Any, sure: bool = True) -> Callable[[Ours], Ours]:
    """Says that a function makes a view, as `how` does of NumPy's arrays. `others`: names of it."""

    def keep(ours: Ours) -> Ours:
        @functools.wraps(ours)
        def viewed(a: Any, *args: Any, **options: Any) -> Any:
            def places(at: Any) -> Any:
                return how(at, *args, **options)

            return view_of(a, None if a.pieced else ours(a, *args, **options), places, sure)

        SAME.update((how, ours.__name__, *others))
        return viewed

    return keep


def moved(a: Traced, order: Sequence[int | None]) -> Traced:
    """The axes in another order; None is a new axis of size 1. An axis that is left out must have size 1."""
    mapping = {i: (-1 - new, i[1]) for new, k in enumerate(order) if k is not None for i in a.index(k)}
    out = make(a, rename(a.expr, mapping), [1 if k is None else a.axes[k] for k in order], a.flag)
    if len(out.axes) == 1 == len(a.axes):
        out.row, out.voters = a.row, a.voters
    return out


def selected(a: Traced, axis: int, table: Any, name: str) -> Traced:
    """Along one axis, the product with a constant: table[new, old], or table[old] where the axis goes."""
    constant = Traced(a.tracer, {}, tuple(int(d) for d in np.shape(table)))
    squeezed = np.asarray(table, dtype=float).reshape([d for d in np.shape(table) if d != 1])
    places = tuple(i for i in constant.indices if i is not None)
    if squeezed.ndim == np.ndim(table) or squeezed.size > 0:
        constant.expr = a.tracer.constant_array(squeezed, name, places)
    letters = LETTERS[: len(a.axes)]
    new = "XYZ"[: np.ndim(table) - 1]
    return contract([constant, a], [new + letters[axis], letters], letters.replace(letters[axis], new))
