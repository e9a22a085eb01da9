"""a[…]: numbers, slices, None, dots, and arrays of whole numbers or truth values that are known; or of labels.

What picks entries is a product with an index relation (`selectors`), so that its derivative needs no rule of its own. A
label, an argument that holds whole numbers, picks by its one-hot rows: a[n, y[n]] is Σₖ a[n, k] onehot(y)[n, k].
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.algebra.expr import rename, single, variables
from chainrule.dims import Dim
from chainrule.language.pieces import Call, bare_name, is_bare
from chainrule.language.values import Value, orientation_of
from chainrule.tracing.array import Traced, known_size, make
from chainrule.tracing.axes import moved, selected
from chainrule.tracing.frames import place
from chainrule.tracing.linear import LETTERS, contract
from chainrule.tracing.memory import view_of
from chainrule.tracing.named import Size
from chainrule.tracing.selectors import selector
from chainrule.tracing.tables import METHODS
from chainrule.tracing.tracer import squeezed

__all__ = ["Keys", "is_traced_index", "known_key", "rows", "take"]


def known_key(key: Any) -> Any:
    """A key in which arrays of known numbers are NumPy's; a mask of truth values alone is given as it is."""
    if isinstance(key, tuple):
        keys = tuple(_known(k) for k in key)
        if len(keys) == 1 and isinstance(keys[0], Traced) and keys[0].flag:
            return keys[0]
        return keys
    return _known(key)


def _known(key: Any) -> Any:
    if isinstance(key, Traced) and not isinstance(key, Size):
        data = key.data
        return key if data is None else data
    return list(key) if isinstance(key, range) else key


def is_traced_index(key: Any) -> bool:
    """True where a label is among the keys."""
    keys = key if isinstance(key, tuple) else (key,)
    return any(isinstance(k, Traced) and not k.flag for k in keys)


def take(a: Traced, key: Any) -> Traced:
    """a[key]."""
    known = known_key(key)
    if isinstance(known, Traced) and known.flag and known.axes and known.axes == a.axes[: len(known.axes)]:
        picked: Traced = METHODS["picked"](make(a, a.expr, a.axes, a.flag, a.row), known)
        return picked
    items = _items(a, known)
    if any(isinstance(k, (list, np.ndarray, Traced)) for k in items):
        found = Keys(a, known)
        result = found.take()
        result.flag, result.whole = a.flag, a.whole
        result.origin = (a, key, a.version if a.memory is not None else a.expr, None)
        return result
    if a.pieced:
        return view_of(a, None, lambda places: places[known])
    order: list[int | None] = []
    out, axis = a, 0
    for k in items:
        if k is None:
            order.append(None)
            continue
        if isinstance(k, (int, np.integer)) and not isinstance(k, (bool, np.bool_)):
            out = _entry(out, axis, int(k))
        elif isinstance(k, slice):
            out = _cut(out, axis, k)
            order.append(axis)
            axis += 1
        else:
            a.refuse(f"an index of type {type(k).__name__}", "numbers, slices, None and arrays of whole numbers")
    if len(order) == len(out.axes) and None not in order:
        result = make(out, out.expr, out.axes, a.flag, out.row)
    else:
        result = moved(out, order)
    result.flag = a.flag
    return view_of(a, result, lambda places: places[known])


def _items(a: Traced, key: Any) -> list[Any]:
    """The keys, one for each axis and None for each new one; masks as numbers."""
    keys = list(key) if isinstance(key, tuple) else [key]
    for k in keys:
        if isinstance(k, Traced) and (k.flag or isinstance(k, Size)):
            a.refuse("an index that depends on values", "a mask as a factor, or whole numbers that are known")
    full = sum(1 if not _is_mask(k) else np.ndim(k) for k in keys if k is not None and k is not Ellipsis)
    if full > len(a.axes):
        if not a.axes:
            raise IndexError("invalid index to scalar variable.")
        raise IndexError(f"too many indices for array: array is {len(a.axes)}-dimensional, but {full} were indexed")
    if not any(k is Ellipsis for k in keys):
        keys.append(Ellipsis)
    at = next(p for p, k in enumerate(keys) if k is Ellipsis)
    keys[at : at + 1] = [slice(None)] * (len(a.axes) - full)
    out: list[Any] = []
    for k in keys:
        if isinstance(k, (bool, np.bool_)):
            a.refuse("an index that is True or False")
        if isinstance(k, (list, tuple)) and any(isinstance(v, Traced) for v in k):
            a.refuse("a list of arrays as an index", "np.stack")
        out += list(np.nonzero(np.asarray(k))) if _is_mask(k) else [np.asarray(k)] if isinstance(k, tuple) else [k]
    return out


def _is_mask(k: Any) -> bool:
    if isinstance(k, Traced):
        return False
    return isinstance(k, (bool, np.bool_)) or (isinstance(k, (list, np.ndarray)) and np.asarray(k).dtype.kind == "b")


def _entry(a: Traced, axis: int, position: int) -> Traced:
    """One entry along an axis, which goes."""
    dim = known_size(a, a.axes[axis], "an entry by its number")
    if not -dim <= position < dim:
        raise IndexError(f"index {position} is out of bounds for axis {axis} with size {dim}")  # as NumPy; ends loops
    if dim == 1:
        return moved(a, [k for k in range(len(a.axes)) if k != axis])
    return selected(a, axis, selector(a.tracer, position % dim, dim))


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
    _check_numbers(a, numbers)
    dim = known_size(a, a.axes[axis], "entries by their numbers")
    if numbers.size and (numbers.min() < -dim or numbers.max() >= dim):
        raise IndexError(f"an index is out of bounds for axis {axis} with size {dim}")
    if not numbers.size:
        a.refuse("an empty slice")
    numbers = numbers % dim
    if len(numbers) == dim and (numbers == np.arange(dim)).all():
        return a
    return selected(a, axis, selector(a.tracer, numbers, dim))


def _check_numbers(a: Traced, numbers: Any) -> None:
    if numbers.dtype.kind not in "iu":
        raise IndexError(f"arrays used as indices must be of integer (or boolean) type, not {numbers.dtype}")


class Keys:
    """Keys among which are arrays: they are broadcast together, as in a[np.arange(3), [1, 0, 2]].

    `array`: with the slices taken. `shape`: that of a[key]. `slices`: whether some slice is not the whole.
    """

    def __init__(self, a: Traced, key: Any) -> None:
        items = _items(a, key)
        out, axis = a, 0
        at: list[int] = []
        letters = LETTERS[: len(a.axes)]
        self.slices = False
        self.advanced: list[tuple[int, Any]] = []
        result: list[tuple[str, Dim] | None] = []
        first = 0
        for position, k in enumerate(items):
            if k is None:
                result.append(None)
            elif isinstance(k, slice):
                cut = _cut(out, axis, k)
                self.slices = self.slices or cut is not out
                out = cut
                result.append((letters[axis], out.axes[axis]))
                axis += 1
            else:
                if not at:
                    first = len(result)
                at.append(position)
                self.advanced.append((axis, k if isinstance(k, Traced) else np.asarray(k)))
                axis += 1
        if at != list(range(at[0], at[0] + len(at))):
            first = 0
        shapes = [k.axes if isinstance(k, Traced) else k.shape for _, k in self.advanced]
        self.common = a.tracer.common(*shapes)
        new = LETTERS[30 : 30 + len(self.common)]
        result[first:first] = list(zip(new, self.common, strict=True))
        self.array = out
        self.letters = letters
        self.order = result
        self.shape = tuple(1 if r is None else r[1] for r in result)
        self.selectors = [self._selector(axis, k) for axis, k in self.advanced]
        self.spelled = [
            new[len(new) - len(s) :] + letters[axis] for s, (axis, _) in zip(shapes, self.advanced, strict=True)
        ]

    def _selector(self, axis: int, key: Any) -> Traced:
        dim = known_size(self.array, self.array.axes[axis], "entries by their numbers")
        if isinstance(key, Traced):
            return onehot(self.array, key, dim)
        _check_numbers(self.array, key)
        if key.size and (key.min() < -dim or key.max() >= dim):
            raise IndexError(f"an index is out of bounds for axis {axis} with size {dim}")
        if not key.size:
            self.array.refuse("an empty array of indices")
        return selector(self.array.tracer, key % dim, dim)

    @property
    def _letters(self) -> str:
        return "".join(r[0] for r in self.order if r is not None)

    def take(self) -> Traced:
        """a[key]."""
        out = contract([*self.selectors, self.array], [*self.spelled, self.letters], self._letters)
        rest = iter(range(len(out.axes)))
        return moved(out, [None if r is None else next(rest) for r in self.order]) if None in self.order else out

    def put(self, value: Traced) -> Traced:
        """Zeros in the shape of a, with what a[key] = value puts there; at equal places values add up."""
        if None in self.order:
            value = moved(value, [k for k, r in enumerate(self.order) if r is not None])
        return contract([*self.selectors, value], [*self.spelled, self._letters], self.letters)

    def distinct(self) -> bool:
        """True where no place is named twice, whatever the labels are."""
        shape = [d for d in self.common if isinstance(d, int)]
        if len(shape) < len(self.common):
            return False
        count = math.prod(shape)
        known = [np.broadcast_to(k, shape).ravel() for _, k in self.advanced if not isinstance(k, Traced)]
        return count == 1 or (bool(known) and len({*zip(*known, strict=True)}) == count)


def onehot(a: Traced, label: Traced, count: int) -> Traced:
    """The one-hot rows of labels below `count`."""
    tracer = a.tracer
    if label.tracer is not tracer:
        tracer.refuse("an array of another trace")
    if not label.whole and not _is_argument(label):
        a.refuse("an index that depends on values", "an argument that holds whole numbers, as it is")
    for name in variables(label.expr):
        if name in tracer.program.variables and name not in tracer.program.equations:
            tracer.labels.setdefault(name, place())
    if count == 1:
        return make(label, {((), ()): 1}, (*label.axes, 1))
    dims = squeezed(label.axes)
    outer = tuple(i for i in label.indices if i is not None)
    inner = tuple((-1 - k, d) for k, d in enumerate(dims))
    expr = rename(label.expr, dict(zip(outer, inner, strict=True)))
    own = bare_name(expr, inner)
    value = Value(expr, dims, orientation_of(len(dims)), own or "")
    source = Call("onehot", (own,)) if own is not None else None
    rank = len(dims) + 1
    found = tracer.scope.operation("onehot", (value,), (*dims, count), orientation_of(rank), (count,), source).expr
    term = single(found)
    assert term is not None
    name = str(term[0][0][0][0][1])
    known = tracer.program.variables[name]
    tracer.program.variables[name] = replace(known, facts=("one-hot",))
    axes = (*label.axes, count)
    places = tuple((-1 - k, d) for k, d in enumerate(axes) if d != 1)
    return make(label, rename(found, dict(zip(known.indices, places, strict=True))), axes)


def _is_argument(label: Traced) -> bool:
    if not is_bare(label.expr):
        return False
    (name,) = variables(label.expr)
    return name in label.tracer.program.variables and name not in label.tracer.program.equations


METHODS["__getitem__"] = take
