"""What indexing, shaping and joining share: axes in another order, entries picked by an array of 0 and 1, views."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.algebra.expr import rename
from chainrule.tracing.array import Traced, make
from chainrule.tracing.linear import LETTERS, contract
from chainrule.tracing.memory import view_of
from chainrule.tracing.tables import SAME

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


def selected(a: Traced, axis: int, table: Traced) -> Traced:
    """Along one axis, the product with an array of 0 and 1: table[…, old], whose other axes take its place."""
    letters = LETTERS[: len(a.axes)]
    new = "XYZ"[: len(table.axes) - 1]
    return contract([table, a], [new + letters[axis], letters], letters.replace(letters[axis], new))
