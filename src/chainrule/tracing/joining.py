"""Joining, cutting and repeating: concatenate, stack, split, take, flip, roll, repeat, tile, pad.

Each is a product with a constant of zeros and ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.algebra.expr import Expr, add, rename
from chainrule.tracing.array import METHODS, Size, Traced, known_size, make, register
from chainrule.tracing.axes import selected
from chainrule.tracing.indexing import rows, take
from chainrule.tracing.linear import arrays_of
from chainrule.tracing.shaping import expand_dims, ravel, reshape

__all__ = ["concatenate", "stack"]


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
    if len(parts) == 1:
        return parts[0]
    expr: Expr | None = None
    for part, length in zip(parts, sizes, strict=True):
        table = np.zeros((whole, length))
        table[start : start + length] = np.eye(length)
        start += length
        placed = selected(part, axis, table, "P")
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


@register(np.split)
def split(a: Any, sections: Any, axis: int = 0) -> list[Traced]:
    """Equal parts, or cut at places."""
    if isinstance(sections, int) and known_size(a, a.axes[axis], "np.split") % sections:
        a.refuse(f"np.split of {a.axes[axis]} into {sections} equal parts", "np.array_split")
    return array_split(a, sections, axis)


@register(np.array_split)
def array_split(a: Any, sections: Any, axis: int = 0) -> list[Traced]:
    """Parts that may differ by one."""
    axis = axis % len(a.axes)
    dim = known_size(a, a.axes[axis], "np.split")
    return [rows(a, axis, part) for part in np.array_split(np.arange(dim), sections)]


@register(np.hsplit)
def hsplit(a: Any, sections: Any) -> list[Traced]:
    """Cut along columns."""
    return split(a, sections, 1 if len(a.axes) > 1 else 0)


@register(np.vsplit)
def vsplit(a: Any, sections: Any) -> list[Traced]:
    """Cut along rows."""
    return split(a, sections, 0)


@register(np.take)
def take_along(a: Any, indices: Any, axis: Any = None) -> Traced:
    """Entries along an axis by their numbers."""
    if axis is None:
        a, axis = ravel(a), 0
    key = [slice(None)] * (axis % len(a.axes)) + [indices if isinstance(indices, int) else np.asarray(indices)]
    return take(a, tuple(key))


@register(np.flip)
def flip(m: Any, axis: Any = None) -> Traced:
    """Turned round."""
    chosen = range(len(m.axes)) if axis is None else [axis] if isinstance(axis, int) else axis
    for k in chosen:
        m = rows(m, k % len(m.axes), np.arange(known_size(m, m.axes[k], "np.flip"))[::-1])
    out: Traced = m
    return out


@register(np.roll)
def roll(a: Any, shift: int, axis: Any = None) -> Traced:
    """Turned on."""
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), tuple(a.shape))
    axis = axis % len(a.axes)
    return rows(a, axis, np.roll(np.arange(known_size(a, a.axes[axis], "np.roll")), shift))


@register(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Traced:
    """Each entry several times."""
    if axis is None:
        a, axis = ravel(a), 0
    axis = axis % len(a.axes)
    return rows(a, axis, np.repeat(np.arange(known_size(a, a.axes[axis], "np.repeat")), repeats))


@register(np.tile)
def tile(A: Any, reps: Any) -> Traced:
    """The whole several times."""
    counts = [reps] if isinstance(reps, int) else list(reps)
    a = A
    while len(a.axes) < len(counts):
        a = expand_dims(a, 0)
    counts = [1] * (len(a.axes) - len(counts)) + counts
    for axis, count in enumerate(counts):
        if count != 1:
            a = rows(a, axis, np.tile(np.arange(known_size(a, a.axes[axis], "np.tile")), count))
    out: Traced = a
    return out


@register(np.broadcast_to)
def broadcast_to(array: Any, shape: Any) -> Traced:
    """Repeated along new or single axes."""
    axes = tuple(d.dim if isinstance(d, Size) else int(d) for d in (shape if isinstance(shape, tuple) else (shape,)))
    if array.tracer.common(array.axes, axes) != axes:
        array.refuse("np.broadcast_to a smaller shape")
    offset = len(axes) - len(array.axes)
    mapping = {i: (i[0] - offset, i[1]) for i in array.indices if i is not None}
    return make(array, rename(array.expr, mapping), axes)


@register(np.pad)
def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Traced:
    """Zeros around."""
    if mode != "constant" or np.any(constant_values):
        array.refuse(f"np.pad with mode {mode} is not traced yet", "zeros")
    widths = np.broadcast_to(np.asarray(pad_width), (len(array.axes), 2)).tolist()
    out = array
    for axis, (before, after) in enumerate(widths):
        if before or after:
            dim = known_size(array, array.axes[axis], "np.pad")
            out = selected(out, axis, np.eye(before + dim + after)[:, before : before + dim], "P")
    result: Traced = out
    return result


@register(np.atleast_1d)
def atleast_1d(a: Any) -> Traced:
    """At least one axis."""
    return a if a.axes else expand_dims(a, 0)


@register(np.atleast_2d)
def atleast_2d(a: Any) -> Traced:
    """At least two axes."""
    while len(a.axes) < 2:
        a = expand_dims(a, 0)
    out: Traced = a
    return out


METHODS.update(repeat=repeat, take=take_along)
