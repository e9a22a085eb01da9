"""Definitions along an axis of arrays whose sizes do not say which: softmax(S, over=last) of B × T × T.

The sum over an axis of such an array, B × T, could be repeated along two. So the definition is done for each of the
vectors along the axis: the other indices are markers, as inside a sum, while the body is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.algebra.expr import Index, rename
from chainrule.errors import DimensionError, Span
from chainrule.language.values import Value, orientation_of

__all__ = ["ambiguous", "is_slice", "joined", "sliced"]

_MARKER = -2_000_000  # below every other marker


def ambiguous(values: Sequence[Value]) -> bool:
    """True where an array with more than two axes has two of one size: what is summed over one fits in several ways."""
    return any(v.orientation == "tensor" and len(set(v.dims)) < len(v.dims) for v in values)


def is_slice(value: Value) -> bool:
    """True for what `sliced` makes."""
    return any(i[0] <= _MARKER for factors, _ in value.expr for (_, _, own), _ in factors for i in own)


def sliced(values: Sequence[Value], axis: int, span: Span | None) -> list[Value]:
    """The vectors along one axis of arrays of one shape, each a column whose other indices are markers.

    Raises DimensionError where an argument has another shape.
    """
    first = values[0]
    out = []
    for value in values:
        if value.orientation == "scalar":
            out.append(value)
            continue
        if value.dims != first.dims:
            raise DimensionError(
                f"{first.says()}, but {value.says()}: along an axis both have the same sizes", None, span
            )
        names = dict(zip(value.indices, _markers(value, axis), strict=True))
        out.append(replace(value, expr=rename(value.expr, names), dims=(value.dims[axis],), orientation="column"))
    return out


def joined(value: Value, whole: Value, axis: int) -> Value:
    """What was found for each vector, put together: `sliced` undone."""
    kept = bool(value.dims)
    dims = tuple(value.dims[0] if k == axis else d for k, d in enumerate(whole.dims) if kept or k != axis)
    place = 0
    names: dict[Index, Index] = {}
    for marker in _markers(whole, axis):
        if kept or marker[0] <= _MARKER:
            own = marker if marker[0] <= _MARKER else (-1, dims[place])
            names[own] = (-1 - place, dims[place])
            place += 1
    # In two steps, for −1 is the axis itself and may be the place of another.
    aside = {old: (old[0] - 1_000_000, old[1]) for old in names}
    expr = rename(rename(value.expr, aside), {aside[old]: new for old, new in names.items()})
    return Value(expr, dims, orientation_of(len(dims)))


def _markers(whole: Value, axis: int) -> list[Index]:
    return [(-1, dim) if k == axis else (_MARKER - k, dim) for k, dim in enumerate(whole.dims)]
