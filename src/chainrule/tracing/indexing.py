"""a[…]: numbers, slices, None, dots, and arrays of whole numbers or truth values that are known.

What picks entries is a product with a constant of zeros and ones, so that its derivative needs no rule of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.tracing.array import METHODS, Size, Traced, known_size, make, wrap
from chainrule.tracing.axes import moved, selected
from chainrule.tracing.linear import LETTERS, contract

__all__ = ["rows", "take"]


def take(a: Traced, key: Any) -> Traced:
    """a[key]: numbers, slices, None, …, and arrays of whole numbers or truth values that are known."""
    keys = list(key) if isinstance(key, tuple) else [key]
    for k in keys:
        if isinstance(k, Traced):
            a.refuse("an index that depends on values", "a mask as a factor, or whole numbers that are known")
    full = sum(1 if not _is_mask(k) else np.ndim(k) for k in keys if k is not None and k is not Ellipsis)
    if full > len(a.axes):
        a.refuse(f"{full} indices for an array of {len(a.axes)} axes")
    if Ellipsis not in [k for k in keys if k is Ellipsis]:
        keys.append(Ellipsis)
    at = next(p for p, k in enumerate(keys) if k is Ellipsis)
    keys[at : at + 1] = [slice(None)] * (len(a.axes) - full)
    keys = _masks_as_numbers(a, keys)
    lists = [p for p, k in enumerate(keys) if isinstance(k, (list, np.ndarray))]
    numbers = any(isinstance(k, (int, np.integer)) for k in keys)
    if len(lists) > 1 or (lists and (numbers or np.ndim(keys[lists[0]]) != 1)):
        return _fancy(a, keys, lists)
    order: list[int | None] = []
    out, axis = a, 0
    for k in keys:
        if k is None:
            order.append(None)
            continue
        if isinstance(k, (int, np.integer)) and not isinstance(k, (bool, np.bool_)):
            out = _entry(out, axis, int(k))
        elif isinstance(k, slice):
            out = _cut(out, axis, k)
            order.append(axis)
            axis += 1
        elif isinstance(k, (list, np.ndarray)):
            out = rows(out, axis, np.asarray(k))
            order.append(axis)
            axis += 1
        else:
            a.refuse(f"an index of type {type(k).__name__}", "numbers, slices, None and arrays of whole numbers")
    if len(order) == len(out.axes) and None not in order:
        return make(out, out.expr, out.axes, a.flag)
    result = moved(out, order)
    result.flag = a.flag
    return result


def _is_mask(k: Any) -> bool:
    return isinstance(k, (bool, np.bool_)) or (isinstance(k, (list, np.ndarray)) and np.asarray(k).dtype.kind == "b")


def _masks_as_numbers(a: Traced, keys: list[Any]) -> list[Any]:
    out: list[Any] = []
    for k in keys:
        if isinstance(k, (bool, np.bool_)):
            a.refuse("an index that is True or False")
        out += list(np.nonzero(np.asarray(k))) if _is_mask(k) else [k]
    return out


def _entry(a: Traced, axis: int, position: int) -> Traced:
    """One entry along an axis, which goes."""
    dim = known_size(a, a.axes[axis], "an entry by its number")
    if not -dim <= position < dim:
        raise IndexError(f"index {position} is out of bounds for axis {axis} with size {dim}")  # as NumPy; ends loops
    if dim == 1:
        return moved(a, [k for k in range(len(a.axes)) if k != axis])
    table = np.zeros(dim)
    table[position % dim] = 1
    return selected(a, axis, table, f"e{position % dim}")


def _cut(a: Traced, axis: int, part: slice) -> Traced:
    """A slice along an axis."""
    for bound in (part.start, part.stop, part.step):
        if isinstance(bound, Traced) and not (isinstance(bound, Size) and bound.dim == a.axes[axis]):
            a.refuse("a slice whose ends depend on values or on a named size", "whole numbers")
    whole = part.start in (None, 0) and part.step in (None, 1)
    if whole and (part.stop is None or isinstance(part.stop, Size)):
        return a
    dim = known_size(a, a.axes[axis], "a slice")
    return rows(a, axis, np.arange(dim)[part])


def rows(a: Traced, axis: int, numbers: Any) -> Traced:
    """Entries along an axis by their numbers."""
    if numbers.dtype.kind not in "iu":
        a.refuse(f"an index array of {numbers.dtype}", "whole numbers")
    dim = known_size(a, a.axes[axis], "entries by their numbers")
    if numbers.size and (numbers.min() < -dim or numbers.max() >= dim):
        raise IndexError(f"an index is out of bounds for axis {axis} with size {dim}")
    if not numbers.size:
        a.refuse("an empty slice")
    numbers = numbers % dim
    if len(numbers) == dim and (numbers == np.arange(dim)).all():
        return a
    return selected(a, axis, np.eye(dim)[numbers], "S")


def _fancy(a: Traced, keys: list[Any], lists: list[int]) -> Traced:
    """Index arrays side by side: they are broadcast together, as in a[np.arange(3), [1, 0, 2]]."""
    numbered = [p for p, k in enumerate(keys) if isinstance(k, (list, np.ndarray, int, np.integer))]
    if any(k is None for k in keys) or numbered != list(range(numbered[0], numbered[0] + len(numbered))):
        a.refuse("index arrays that do not stand side by side", "one after the other")
    arrays = np.broadcast_arrays(*(np.asarray(keys[p]) for p in numbered))
    out, axis = a, 0
    for k in keys[: numbered[0]]:
        out = _cut(out, axis, k)
        axis += 1
    for offset, k in enumerate(keys[numbered[-1] + 1 :]):
        out = _cut(out, axis + len(numbered) + offset, k)
    shape = arrays[0].shape
    letters = LETTERS[: len(out.axes)]
    new = LETTERS[30 : 30 + len(shape)]
    inputs, constants = [], []
    for offset, numbers in enumerate(arrays):
        dim = known_size(out, out.axes[axis + offset], "entries by their numbers")
        if numbers.dtype.kind not in "iu":
            a.refuse(f"an index array of {numbers.dtype}", "whole numbers")
        if numbers.min() < -dim or numbers.max() >= dim:
            raise IndexError(f"an index is out of bounds for axis {axis + offset} with size {dim}")
        constants.append(wrap(a.tracer, np.eye(dim)[numbers % dim]))
        inputs.append(new + letters[axis + offset])
    result = letters[:axis] + new + letters[axis + len(numbered) :]
    return contract([*constants, out], [*inputs, letters], result)


METHODS["__getitem__"] = take
