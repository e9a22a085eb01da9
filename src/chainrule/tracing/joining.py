"""Joining, cutting and repeating: concatenate, stack, split, take, flip, roll, repeat, tile, pad.

Each is a product with an index relation (`selectors`): 1[k = i + a] puts a part behind others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.algebra.expr import Expr, add, rename
from chainrule.tracing.array import Size, Traced, known_size, make, wrap
from chainrule.tracing.axes import selected, viewing
from chainrule.tracing.indexing import rows, take
from chainrule.tracing.linear import arrays_of, tracer_of
from chainrule.tracing.selectors import selector
from chainrule.tracing.shaping import expand_dims, ravel, reshape
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, SAME, register

__all__ = ["concatenate", "stack"]


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
    if len(parts) == 1:
        return parts[0]
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
    parts = np.array_split(np.arange(dim), sections)
    if not all(part.size for part in parts):
        a.refuse("an empty part of np.split")
    front = (slice(None),) * axis
    return [a[(*front, slice(int(part[0]), int(part[-1]) + 1))] for part in parts]


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
    given = indices if isinstance(indices, (int, Traced)) else np.asarray(indices)
    key = [slice(None)] * (axis % len(a.axes)) + [given]
    return take(a, tuple(key))


@register(np.flip)
def flip(m: Any, axis: Any = None) -> Traced:
    """Turned round."""
    rank = len(m.axes)
    chosen = {k % rank for k in (range(rank) if axis is None else [axis] if isinstance(axis, int) else axis)}
    out: Traced = m[tuple(slice(None, None, -1) if k in chosen else slice(None) for k in range(rank))]
    return out


@register(np.fliplr)
def fliplr(m: Any) -> Traced:
    """Columns turned round."""
    return flip(m, 1)


@register(np.flipud)
def flipud(m: Any) -> Traced:
    """Rows turned round."""
    return flip(m, 0)


@register(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Traced:
    """Turned by right angles."""
    out: Traced = m
    for _ in range(k % 4):
        out = flip(FUNCTION_TABLE[np.swapaxes](out, *axes), axes[0])
    return out


@register(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Traced:
    """Turned on."""
    if axis is None:
        whole: Traced = reshape(roll(ravel(a), shift, 0), tuple(a.shape))
        return whole
    if isinstance(axis, (tuple, list)):
        shifts = np.broadcast_to(shift, (len(axis),)).tolist()
        for one, k in zip(shifts, axis, strict=True):
            a = roll(a, one, k)
        turned: Traced = a
        return turned
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


@register(np.dsplit)
def dsplit(a: Any, sections: Any) -> list[Traced]:
    """Cut along the third axis."""
    return split(a, sections, 2)


@register(np.unstack)
def unstack(x: Any, axis: int = 0) -> tuple[Traced, ...]:
    """The parts along an axis, without it."""
    axis = axis % len(x.axes)
    return tuple(x[(slice(None),) * axis + (k,)] for k in range(known_size(x, x.axes[axis], "np.unstack")))


@register(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Traced:
    """Without some entries along an axis."""
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = axis % len(arr.axes)
    return rows(arr, axis, np.delete(np.arange(known_size(arr, arr.axes[axis], "np.delete")), obj))


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


@register(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Traced:
    """Differences of neighbours."""
    ends = [end for end in (prepend, append) if end is not None]
    (a,) = arrays_of(a) if isinstance(a, Traced) else arrays_of(a, *ends)[:1]
    axis = axis % len(a.axes)
    if ends:
        thin = tuple(1 if k == axis else d for k, d in enumerate(a.axes))
        parts = [wrap(a.tracer, end) for end in ends]
        parts = [p if p.axes else broadcast_to(p, thin) for p in parts]
        parts.insert(0 if prepend is None else 1, a)
        a = FUNCTION_TABLE[np.concatenate](parts, axis)
    front = (slice(None),) * axis
    for _ in range(n):
        a = a[(*front, slice(1, None))] - a[(*front, slice(None, -1))]
    out: Traced = a
    return out


@register(np.ediff1d)
def ediff1d(ary: Any) -> Traced:
    """Differences of neighbours, of all entries in a row."""
    return diff(FUNCTION_TABLE[np.ravel](ary))


@register(np.compress)
def compress(condition: Any, a: Any, axis: Any = None) -> Traced:
    """The entries along an axis for which a list of truth values holds."""
    (x,) = arrays_of(a)
    if isinstance(condition, Traced):
        x.refuse("np.compress by a condition that depends on values", "a mask as a factor")
    if axis is None:
        x, axis = FUNCTION_TABLE[np.ravel](x), 0
    places = np.flatnonzero(np.asarray(condition))
    out: Traced = x[(*(slice(None),) * (axis % len(x.axes)), places)]
    return out


def _along(arr: Traced, indices: Any, axis: int, name: str) -> tuple[Any, ...]:
    """The places that NumPy's functions along an axis mean, as a key."""
    key: list[Any] = []
    for k, d in enumerate(arr.axes):
        along = [1] * len(arr.axes)
        along[k] = -1
        key.append(indices if k == axis else np.arange(known_size(arr, d, f"np.{name}")).reshape(along))
    return tuple(key)


@register(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """arr at the places along an axis that an array of numbers says becomes `values`."""
    if not isinstance(arr, Traced):
        raise arrays_of(values)[0].refusal("np.put_along_axis into an array of numbers", "np.zeros made inside")
    arr[_along(arr, indices, axis % len(arr.axes), "put_along_axis")] = values


@register(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Traced:
    """For each place the entry along an axis that an array of numbers says."""
    (a,) = arrays_of(arr) if isinstance(arr, Traced) else arrays_of(arr, indices)[:1]
    axis = axis % len(a.axes)
    shape = indices.axes if isinstance(indices, Traced) else np.shape(indices)
    if len(shape) != len(a.axes):
        a.refuse("np.take_along_axis with another number of axes")
    return take(a, _along(a, indices, axis, "take_along_axis"))


@register(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> tuple[Traced, ...]:
    """All in one shape."""
    arrays = arrays_of(*args)
    axes = arrays[0].tracer.common(*(a.axes for a in arrays))
    return tuple(broadcast_to(a, axes) for a in arrays)


SAME.add(np.put_along_axis)
SAME.update((np.atleast_1d, np.atleast_2d, np.atleast_3d, np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit,
             np.flip, np.fliplr, np.flipud, np.rot90, np.unstack, np.broadcast_arrays))  # fmt: skip
METHODS.update(repeat=repeat, take=take_along)
