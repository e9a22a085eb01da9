"""Parts of an array, and its entries in another order: split, take, flip, roll, repeat, tile, delete, differences.

Each is a selection of entries by known numbers. Names and options are NumPy's. `joining` has what puts arrays together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.tracing.array import Traced, known_size, wrap
from chainrule.tracing.indexing import rows, take
from chainrule.tracing.joining import broadcast_to
from chainrule.tracing.linear import arrays_of
from chainrule.tracing.shaping import expand_dims, ravel, reshape
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, SAME, register

__all__ = ["flip"]


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


def _chosen(a: Any, axis: int | None, function: Any, argument: Any) -> Traced:
    """The rows along an axis, or of all entries in a row, that NumPy's own function chooses of their positions."""
    if axis is None:
        a, axis = ravel(a), 0
    axis = axis % len(a.axes)
    positions = np.arange(known_size(a, a.axes[axis], f"np.{function.__name__}"))
    return rows(a, axis, function(positions, argument))


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
    return _chosen(a, axis, np.roll, shift)


@register(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Traced:
    """Each entry several times."""
    return _chosen(a, axis, np.repeat, repeats)


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
            a = _chosen(a, axis, np.tile, count)
    out: Traced = a
    return out


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
    return _chosen(arr, axis, np.delete, obj)


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


SAME.add(np.put_along_axis)
SAME.update((np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit, np.flip, np.fliplr, np.flipud, np.rot90,
             np.unstack))  # fmt: skip
METHODS.update(repeat=repeat, take=take_along)
