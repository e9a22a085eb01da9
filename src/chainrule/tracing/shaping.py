"""The same entries on other axes: transpose, reshape, squeeze and their like."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.dims import Dim
from chainrule.tracing.array import Traced, known_size, make
from chainrule.tracing.axes import moved, viewing
from chainrule.tracing.linear import LETTERS, contract, diagonal_of
from chainrule.tracing.named import Size
from chainrule.tracing.selectors import reshaper
from chainrule.tracing.tables import METHODS, SAME, register

__all__ = ["expand_dims", "ravel", "reshape"]


def _turned(places: Any, *axes: Any, **options: Any) -> Any:
    return places.transpose(*axes, *options.values())


def _reshaped(places: Any, *shape: Any, order: str = "C", **options: Any) -> Any:
    return places.reshape(*shape, *options.values(), order=order)


@register(np.transpose)
@viewing(_turned, np.transpose)
def transpose(a: Any, axes: Any = None, *more: int) -> Traced:
    """Axes in another order; all turned round by default."""
    rank = len(a.axes)
    if isinstance(axes, int):
        axes = (axes, *more)
    order = tuple(range(rank))[::-1] if axes is None else tuple(k % rank for k in axes)
    if sorted(order) != list(range(rank)):
        a.refuse(f"np.transpose with axes {axes}")
    return moved(a, order)


@register(np.swapaxes)
@viewing(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Traced:
    """Two axes exchanged."""
    order = list(range(len(a.axes)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return moved(a, order)


@register(np.moveaxis)
@viewing(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Traced:
    """Axes to other places."""
    rank = len(a.axes)
    first, second = ([s % rank] if isinstance(s, int) else [k % rank for k in s] for s in (source, destination))
    order = [k for k in range(rank) if k not in first]
    for to, k in sorted(zip(second, first, strict=True)):
        order.insert(to, k)
    return moved(a, order)


@register(np.expand_dims)
@viewing(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Traced:
    """New axes of size 1."""
    new = (axis,) if isinstance(axis, int) else tuple(axis)
    rank = len(a.axes) + len(new)
    places = {k % rank for k in new}
    rest = iter(range(len(a.axes)))
    return moved(a, [None if k in places else next(rest) for k in range(rank)])


@register(np.squeeze)
@viewing(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Traced:
    """Without axes of size 1."""
    rank = len(a.axes)
    chosen = [k for k, d in enumerate(a.axes) if d == 1] if axis is None else [axis] if isinstance(axis, int) else axis
    gone = {k % rank for k in chosen}
    if any(a.axes[k] != 1 for k in gone):
        a.refuse("np.squeeze of an axis whose size is not 1")
    return moved(a, [k for k in range(rank) if k not in gone])


@register(np.reshape)
@viewing(_reshaped, np.reshape, sure=False)
def reshape(a: Any, shape: Any = None, *more: Any, order: str = "C") -> Traced:
    """Another shape; whole groups of axes that keep their number of entries are taken together."""
    wanted = list(shape) if isinstance(shape, (tuple, list)) else [shape, *more]
    if order == "F":  # column by column: row by row of the transpose
        turned: Traced = transpose(reshape(transpose(a), tuple(wanted)[::-1]))
        return turned
    if order != "C":
        a.refuse(f"reshape in the order {order} is not traced yet")
    dims: list[Dim | None] = []
    for d in wanted:
        if isinstance(d, Size):
            dims.append(d.dim)
        elif isinstance(d, Traced):
            a.refuse("reshape to a size that is computed from named sizes", "whole numbers as sizes")
        else:
            dims.append(None if int(d) == -1 else int(d))
    if dims.count(None) == 1:
        dims[dims.index(None)] = _missing_size(a, [d for d in dims if d is not None])
    if None in dims:
        a.refuse("reshape with more than one -1")
    new: list[Dim] = [d for d in dims if d is not None]
    groups = _groups(a, [d for d in a.axes if d != 1], [d for d in new if d != 1])
    keep = [k for k, d in enumerate(a.axes) if d != 1]
    out = moved(a, keep)
    for first, count, sizes in groups:
        if count == len(sizes) == 1:
            continue
        old = [known_size(a, d, "reshape") for d in out.axes[first : first + count]]
        letters, fresh = LETTERS[: len(out.axes)], LETTERS[30 : 30 + len(sizes)]
        mine = letters[first : first + count]
        same = reshaper(a.tracer, [int(d) for d in sizes], old)
        out = contract([same, out], [fresh + mine, letters], letters.replace(mine, fresh))
    rest = iter(range(len(out.axes)))
    return moved(out, [None if d == 1 else next(rest) for d in new])


def _missing_size(a: Traced, known: list[Dim]) -> Dim:
    """What −1 stands for."""
    symbols = [d for d in a.axes if isinstance(d, str)]
    for d in known:
        if isinstance(d, str):
            if d not in symbols:
                a.refuse(f"reshape to {d}, which is no size of the array")
            symbols.remove(d)
    have, want = 1, 1
    for d in a.axes:
        have *= d if isinstance(d, int) else 1
    for d in known:
        want *= d if isinstance(d, int) else 1
    if symbols and (len(symbols) > 1 or have != want):
        a.refuse("reshape that merges axes with named sizes", "whole numbers as sizes")
    if have % want:
        a.refuse(f"an array of {have} entries in a shape of {want}")
    return symbols[0] if symbols else have // want


def _groups(a: Traced, old: list[Dim], new: list[Dim]) -> list[tuple[int, int, list[Dim]]]:
    """Which axes become which: (first, count, new sizes), from the last to the first group of the result."""
    found: list[tuple[int, int, list[Dim]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        if i >= len(old) or j >= len(new):
            a.refuse(f"shape ({', '.join(map(str, a.axes))}) as ({', '.join(map(str, new))}): the numbers differ")
        if old[i] == new[j]:
            found.append((i, 1, [new[j]]))
            i, j = i + 1, j + 1
            continue
        first, sizes = i, [new[j]]
        have, want = known_size(a, old[i], "reshape"), known_size(a, new[j], "reshape")
        i, j = i + 1, j + 1
        while have != want:
            if have < want and i < len(old):
                have *= known_size(a, old[i], "reshape")
                i += 1
            elif j < len(new):
                want *= known_size(a, new[j], "reshape")
                sizes.append(new[j])
                j += 1
            else:
                a.refuse(f"shape ({', '.join(map(str, a.axes))}) as ({', '.join(map(str, new))}): the numbers differ")
        found.append((first, i - first, sizes))
    return found[::-1]


@register(np.ravel)
@viewing(np.ravel, sure=False)
def ravel(a: Any, order: str = "C") -> Traced:
    """One axis."""
    if len(a.axes) == 1:
        return make(a, a.expr, a.axes, a.flag, a.row)
    if order == "F":
        a = transpose(a)
    elif order != "C":
        a.refuse(f"ravel in the order {order} is not traced yet")
    out = reshape(a, (-1,))
    return make(out, out.expr, out.axes, out.flag)


def flatten(a: Any, order: str = "C") -> Traced:
    """One axis, of a copy."""
    out = ravel(a, order)
    return make(out, out.expr, out.axes, out.flag, out.row)


@register(np.diagonal)
@viewing(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Traced:
    """The diagonal, as the last axis."""
    return diagonal_of(a, offset, axis1, axis2)


@register(np.rollaxis)
@viewing(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Traced:
    """One axis to another place."""
    rank = len(a.axes)
    axis, start = axis % rank, start + rank if start < 0 else start
    order = [k for k in range(rank) if k != axis]
    order.insert(start - (axis < start), axis)
    return moved(a, order)


if hasattr(np, "matrix_transpose"):

    @register(np.matrix_transpose, np.linalg.matrix_transpose)
    def matrix_transpose(x: Any) -> Traced:
        """The last two axes exchanged."""
        turned: Traced = swapaxes(x, -1, -2)
        return turned

    SAME.update((np.matrix_transpose, np.linalg.matrix_transpose))


METHODS.update(
    diagonal=diagonal, reshape=reshape, ravel=ravel, flatten=flatten, transpose=transpose, swapaxes=swapaxes,
    squeeze=squeeze,
)  # fmt: skip
