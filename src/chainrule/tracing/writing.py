"""Writes: out[i] = …, out[i] += …, x -= …, np.add.at, out=. Each changes what the array holds, as NumPy does.

A write at known places is kept by the memory (`memory`). A write at places that a label or a mask says is a choice of
the whole array: at P[np.arange(N), y] it is P ∘ (1 − H) + H ∘ …, where H is made of one-hot rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.algebra.expr import constant
from chainrule.tracing.array import Traced, leaves, make, numbers_of, wrap
from chainrule.tracing.choices import where
from chainrule.tracing.indexing import Keys, is_traced_index, known_key
from chainrule.tracing.memory import remember, scattered
from chainrule.tracing.operators import OPERATORS
from chainrule.tracing.picked import Picked
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, SAME, register
from chainrule.tracing.ufuncs import minus, negative, number, plus, times

__all__: list[str] = []


def assign(target: Traced, value: Traced) -> Traced:
    """Everything in `target` becomes `value`."""
    value = wrap(target.tracer, value)
    value = spread(target, value, target.axes)
    if target.shared and target.memory is None:
        target.refuse(
            "a write into an array that has named sizes and of which parts are held", "whole numbers as sizes"
        )
    if value.flag != target.flag:
        if target.flag:
            target.refuse("numbers written into an array of truth values", "mask.astype(float)")
        value = number(value)
    if target.memory is None:
        target.expr, target.row, target.named, target.whole = value.expr, value.row, None, value.whole
        return target
    if not target.places.flags.writeable:
        raise ValueError("assignment destination is read-only")
    _sure(target)
    target.memory.write(target.places, value)
    return target


def _sure(target: Traced) -> None:
    memory = target.memory
    if memory is not None and memory.unsure:
        target.refuse("a write into an array that was reshaped, where NumPy may have made a copy", "a copy before")


def spread(target: Traced, value: Traced, axes: tuple[Any, ...]) -> Traced:
    """A value over the axes that it is written to."""
    if value.axes == axes:
        return value
    if len(value.axes) > len(axes):
        extra = len(value.axes) - len(axes)
        if any(d != 1 for d in value.axes[:extra]):
            raise ValueError(f"could not broadcast input array from shape {value.axes} into shape {axes}")
        value = value[(0,) * extra]
    if value.tracer.common(value.axes, axes) != axes:
        raise ValueError(f"could not broadcast input array from shape {value.axes} into shape {axes}")
    if value.data is not None:
        from chainrule.tracing.memory import fresh

        return fresh(value.tracer, np.broadcast_to(value.data, axes))
    out: Traced = FUNCTION_TABLE[np.broadcast_to](value, axes)
    return out


def write(target: Traced, key: Any, value: Any) -> None:
    """target[key] = value."""
    tracer = target.tracer
    if isinstance(value, Traced) and _is_change(target, key, value):  # P[k] += v: read at k and written at k
        add_at(target, key, value.origin[3], once=True)
        return
    if target.flag:
        target.refuse("a write into an array of truth values is not traced yet", "np.where, or mask.astype(float)")
    if not isinstance(value, Traced) and isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
        target.refuse(f"a write of {value.dtype}")
    keys = known_key(key)
    if is_traced_index(keys):
        _write_by_label(target, keys, wrap(tracer, value))
        return
    if isinstance(keys, Traced):
        if isinstance(value, Picked):
            if value.whole.axes != target.axes or not value.same_mask(keys):
                target.refuse("a write of entries that another mask says", "np.where(mask, a, b)")
            assign(target, where(_over(keys, target), value.whole, target))
            return
        _write_by_mask(target, keys, wrap(tracer, value))
        return
    if isinstance(value, Picked):
        value.refuse("a write")
    memory = remember(target)
    if memory is None:
        if keys is Ellipsis or (isinstance(keys, slice) and keys == slice(None)):
            assign(target, wrap(tracer, value))
            return
        target.refuse("a write into a part of an array with named sizes", "whole numbers as sizes")
    places = target.places[keys]
    if isinstance(value, Traced) and value.memory is memory and np.array_equal(value.places, places):
        return  # out[i] += v has written already
    if not target.places.flags.writeable:
        raise ValueError("assignment destination is read-only")
    _sure(target)
    places = np.asarray(places)
    if not isinstance(value, Traced) and (isinstance(value, np.ndarray) or np.ndim(value) == 0):
        from chainrule.tracing.memory import fresh

        written = fresh(tracer, np.broadcast_to(np.asarray(value, dtype=np.float64), places.shape))
    else:
        written = spread(target, number(wrap(tracer, value)), places.shape)
    memory.write(places, written)


def _is_change(target: Traced, key: Any, value: Traced) -> bool:
    """True where the value is target[key] plus something, and the target is still as it was."""
    if value.origin is None or value.origin[3] is None:
        return False
    array, read, state, _ = value.origin
    now = target.version if target.memory is not None else target.expr
    return array is target and read is key and (now == state if target.memory is not None else now is state)


def _write_by_mask(target: Traced, mask: Traced, value: Traced) -> None:
    if not mask.flag:
        target.refuse("a write at places that depend on values", "a mask: x[x < 0] = 0")
    if value.axes:
        target.refuse("a write of an array at places that depend on values", "np.where(mask, a, b)")
    assign(target, spread(target, where(_over(mask, target), value, target), target.axes))


def _over(mask: Traced, target: Traced) -> Traced:
    """A mask of the first axes, over all of them."""
    while len(mask.axes) < len(target.axes):
        mask = mask[..., None]
    return mask


def _hot(keys: Keys) -> Traced:
    """1 where something is written."""
    ones = make(keys.array, constant(1), keys.shape)
    return keys.put(ones)


def _write_by_label(target: Traced, key: Any, value: Traced) -> None:
    keys = Keys(target, key)
    if keys.slices:
        target.refuse("a write at labels inside a slice is not traced yet", "out[np.arange(N), y] = …")
    if not keys.distinct():
        target.refuse("a write at labels that may be equal", "np.add.at, or another axis with np.arange")
    hot = _hot(keys)
    rest = times(target, minus(wrap(target.tracer, 1), hot))
    assign(target, plus(rest, keys.put(spread(target, number(value), keys.shape))))


def add_at(target: Traced, key: Any, value: Traced, once: bool = False) -> None:
    """target[key] += value; what is named twice gets both, or is refused."""
    keys = known_key(key)
    if is_traced_index(keys):
        found = Keys(target, keys)
        if once and not found.distinct():
            target.refuse("a write at labels that may be equal", "np.add.at, or another axis with np.arange")
        if found.slices:
            target.refuse("a write at labels inside a slice is not traced yet", "out[np.arange(N), y] += …")
        assign(target, plus(target, found.put(spread(target, number(value), found.shape))))
        return
    memory = remember(target)
    if memory is None:
        target.refuse("a write into a part of an array with named sizes", "whole numbers as sizes")
    places = np.asarray(target.places[keys])
    if once and np.unique(places).size != places.size:
        target.refuse("a write to one place twice", "np.add.at")
    value = spread(target, number(value), places.shape)
    _add_places(target, places, value)


def _add_places(target: Traced, places: Any, value: Traced) -> None:
    memory = target.memory
    assert memory is not None
    memory.check()
    _sure(target)
    whole = memory.whole()
    memory.write(memory.every, plus(whole, scattered(value, places, memory.shape)))


def ufunc_at(target: Traced, name: str, array: Any, key: Any, value: Any = None) -> None:
    """np.add.at and np.subtract.at."""
    if name not in ("add", "subtract") or value is None:
        target.refuse(f"np.{name}.at is not traced yet")
    if not isinstance(array, Traced):
        target.refuse(f"np.{name}.at writes into an array", "np.zeros made inside the function")
    value = wrap(array.tracer, value)
    add_at(array, key, value if name == "add" else negative(value))


def fill(target: Traced, value: Any) -> None:
    """All entries become one number."""
    write(target, Ellipsis, value)


def _in_place(ours: Callable[[Traced, Traced], Traced], sign: str) -> Callable[[Traced, Any], Any]:
    def method(self: Traced, other: Any) -> Any:
        self.look()
        if not self.axes and self.memory is None and self.origin is None:  # a number: the name gets a new one
            return getattr(self, DUNDERS[sign])(other)
        if numbers_of((self, other)) is not None:
            return assign(self, getattr(self, DUNDERS[sign])(other))
        value = wrap(self.tracer, other)
        if self.origin is not None:
            array, key, held, change = self.origin
            if sign in ("+", "-"):
                step = value if sign == "+" else negative(value)
                step = spread(self, step, self.axes)
                out = make(self, ours(self, value).expr, self.axes, False, self.row)
                out.origin = (array, key, held, step if change is None else plus(change, step))
                return out
            return ours(self, value)
        if sign in ("+", "-") and self.memory is not None and self.memory.overlaps(self.places):
            value = spread(self, number(value), self.axes)
            _add_places(self, self.places, value if sign == "+" else negative(value))
            return self
        return assign(self, getattr(self, DUNDERS[sign])(other))

    return method


DUNDERS = {"+": "__add__", "-": "__sub__", "*": "__mul__", "/": "__truediv__", "**": "__pow__", "@": "__matmul__",
           "&": "__and__", "|": "__or__", "^": "__xor__"}  # fmt: skip
for _name, (_sign, _ours) in OPERATORS.items():
    setattr(Traced, f"__i{_name}__", _in_place(_ours, _sign))
SAME.update((np.copyto, np.putmask, np.fill_diagonal))
METHODS.update({"__setitem__": write, "assign": assign, "ufunc_at": ufunc_at, "fill": fill})


@register(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """dst[...] = src, or only where a condition holds."""
    if not isinstance(dst, Traced):
        found = next(v for v in leaves([src, where]) if isinstance(v, Traced))
        found.refuse("np.copyto writes into an array that was made outside", "a copy of it, made by the function")
    write(dst, Ellipsis, src if where is True else FUNCTION_TABLE[np.where](where, src, dst))


@register(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """a[...] = values where a mask holds."""
    if np.ndim(values) and np.shape(values) != np.shape(a):
        a.refuse("np.putmask with values of another shape", "a[...] = np.where(mask, values, a)")
    copyto(a, values, where=mask)


@register(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any) -> None:
    """The diagonal of a matrix becomes a number."""
    n = min(len(a), a.shape[1])
    write(a, (np.arange(n), np.arange(n)), val)
