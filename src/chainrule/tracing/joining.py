"""Putting arrays together: concatenate, stack, append, insert, block, pad, broadcast; `parts` takes them apart.

Each is a product with an index relation (`selectors`): 1[k = i + a] puts a part behind others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.algebra.expr import Expr, add, rename
from chainrule.tracing.array import Traced, known_size, make, wrap
from chainrule.tracing.axes import selected, viewing
from chainrule.tracing.indexing import rows
from chainrule.tracing.linear import arrays_of, tracer_of
from chainrule.tracing.named import Size
from chainrule.tracing.selectors import selector
from chainrule.tracing.shaping import expand_dims, ravel
from chainrule.tracing.tables import FUNCTION_TABLE, SAME, register

__all__ = ["broadcast_to", "concatenate", "stack"]


def put_between(a: Traced, axis: int, start: int, whole: int) -> Traced:
    """a from `start` on along an axis of size `whole`, zeros around it."""
    length = known_size(a, a.axes[axis], "np.concatenate along an axis")
    places = selector(a.tracer, np.arange(start, start + length), whole)
    return selected(a, axis, FUNCTION_TABLE[np.transpose](places))


@register(np.concatenate)
def concatenate(arrays: Any, axis: Any = 0) -> Traced:
    """One after the other along an axis."""
    parts = arrays_of(*arrays)
    tracer = parts[0].tracer
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    axis = axis % len(parts[0].axes)
    sizes = [known_size(p, p.axes[axis], "np.concatenate along an axis") for p in parts]
    shapes = {tuple(d for k, d in enumerate(p.axes) if k != axis) for p in parts}
    if len(shapes) > 1:
        tracer.refuse("np.concatenate of arrays whose other sizes differ")
    whole, start = int(sum(sizes)), 0
    if len(parts) == 1:  # a copy, as of several
        return make(parts[0], parts[0].expr, parts[0].axes, parts[0].flag, parts[0].row)
    expr: Expr | None = None
    for part, length in zip(parts, sizes, strict=True):
        placed = put_between(part, axis, start, whole)
        start += length
        expr = placed.expr if expr is None else add(expr, placed.expr)
    out = make(parts[0], expr or {}, [whole if k == axis else d for k, d in enumerate(parts[0].axes)])
    out.row = next((p.row for p in parts if p.row), 0) if len(out.axes) == 1 else 0
    return out


@register(np.stack)
def stack(arrays: Any, axis: int = 0) -> Traced:
    """Along a new axis."""
    parts = arrays_of(*arrays)
    axes = parts[0].tracer.common(*(p.axes for p in parts))
    if any(p.axes != axes for p in parts):
        parts[0].refuse("np.stack of arrays of several shapes")
    return concatenate([expand_dims(p, axis) for p in parts], axis % (len(axes) + 1))


@register(np.vstack)
def vstack(tup: Any) -> Traced:
    """Rows one below the other."""
    return concatenate([expand_dims(p, 0) if len(p.axes) == 1 else p for p in arrays_of(*tup)], 0)


@register(np.hstack)
def hstack(tup: Any) -> Traced:
    """Side by side."""
    parts = arrays_of(*tup)
    return concatenate(parts, 0 if len(parts[0].axes) == 1 else 1)


@register(np.column_stack)
def column_stack(tup: Any) -> Traced:
    """Columns side by side."""
    return concatenate([expand_dims(p, 1) if len(p.axes) == 1 else p for p in arrays_of(*tup)], 1)


@register(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Traced:
    """One behind the other."""
    return concatenate([arr, values], axis)


@register(np.broadcast_to)
@viewing(np.broadcast_to)
def broadcast_to(array: Any, shape: Any) -> Traced:
    """Repeated along new or single axes."""
    axes = tuple(d.dim if isinstance(d, Size) else int(d) for d in (shape if isinstance(shape, tuple) else (shape,)))
    if array.tracer.common(array.axes, axes) != axes:
        array.refuse("np.broadcast_to a smaller shape")
    offset = len(axes) - len(array.axes)
    mapping = {i: (i[0] - offset, i[1]) for i in array.indices if i is not None}
    return make(array, rename(array.expr, mapping), axes)


@register(np.pad)
def pad(
    array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0, stat_length: Any = None
) -> Traced:
    """Numbers around (constant), or what is there already (edge, reflect, symmetric, wrap)."""
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(k, (0, 0)) for k in range(len(array.axes))]
    widths = np.broadcast_to(np.asarray(pad_width), (len(array.axes), 2)).tolist()
    out = array
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        dim = known_size(array, array.axes[axis], "np.pad")
        if mode == "constant":
            out = put_between(out, axis, before, before + dim + after)
        elif mode in ("edge", "reflect", "symmetric", "wrap"):
            pad_numbers: Any = np.pad
            out = rows(out, axis, pad_numbers(np.arange(dim), (before, after), mode))
        else:
            array.refuse(f"np.pad with mode {mode} is not traced yet", "zeros")
    if mode == "constant" and np.any(constant_values):
        inside = np.zeros([known_size(array, d, "np.pad") for d in array.axes])
        out = out + np.pad(inside, widths, constant_values=constant_values)
    result: Traced = out
    return result


@register(np.atleast_1d)
def atleast_1d(a: Any) -> Traced:
    """At least one axis."""
    out: Traced = a if a.axes else expand_dims(a, 0)
    return out


@register(np.atleast_2d)
def atleast_2d(a: Any) -> Traced:
    """At least two axes."""
    while len(a.axes) < 2:
        a = expand_dims(a, 0)
    out: Traced = a
    return out


@register(np.atleast_3d)
def atleast_3d(a: Any) -> Traced:
    """At least three axes."""
    rank = len(a.axes)
    new = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}.get(rank, ())
    out: Traced = expand_dims(a, new) if new else a
    return out


@register(np.dstack)
def dstack(tup: Any) -> Traced:
    """Behind each other."""
    return concatenate([atleast_3d(p) for p in arrays_of(*tup)], 2)


@register(np.block)
def block(arrays: Any) -> Traced:
    """A matrix of matrices."""

    def depth(value: Any) -> int:
        return 1 + max(map(depth, value)) if isinstance(value, list) else 0

    def join(value: Any, level: int, tracer: Any) -> Traced:
        if not isinstance(value, list):
            out = wrap(tracer, value)
            while len(out.axes) < max(level, deepest):
                out = expand_dims(out, 0)
            return out
        return concatenate([join(v, level - 1, tracer) for v in value], -level)

    deepest = depth(arrays)
    return join(arrays, deepest, tracer_of(arrays))


@register(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Traced:
    """With more entries along an axis, before a place."""
    if axis is None:
        arr, axis = ravel(arr), 0
    if not isinstance(obj, (int, np.integer)):
        arrays_of(arr, values)[0].refuse("np.insert at several places is not traced yet", "np.concatenate")
    a, v = arrays_of(arr, values)
    axis = axis % len(a.axes)
    shape = [1 if k == axis else d for k, d in enumerate(a.axes)]
    while len(v.axes) < len(shape):
        v = expand_dims(v, axis if len(v.axes) == len(shape) - 1 else 0)
    v = broadcast_to(v, tuple(shape))
    dim = known_size(a, a.axes[axis], "np.insert")
    at = int(obj) % dim if obj < 0 else int(obj)
    front = (slice(None),) * axis
    parts = [a[(*front, slice(0, at))]] if at else []
    parts += [v, *([a[(*front, slice(at, None))]] if at < dim else [])]
    return concatenate(parts, axis)


@register(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> tuple[Traced, ...]:
    """All in one shape."""
    arrays = arrays_of(*args)
    axes = arrays[0].tracer.common(*(a.axes for a in arrays))
    return tuple(broadcast_to(a, axes) for a in arrays)


SAME.update((np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_arrays))
