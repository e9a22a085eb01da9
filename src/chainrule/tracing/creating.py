"""Arrays made like another, copies, other types, and what is asked of a shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.tracing.array import Traced, make, wrap
from chainrule.tracing.axes import viewing
from chainrule.tracing.linear import arrays_of
from chainrule.tracing.memory import fresh, view_of
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, SAME, register
from chainrule.tracing.ufuncs import compare, plus

__all__: list[str] = []


def like(a: Traced, value: float) -> Traced:
    """One number in the shape of a, to be written into."""
    if all(isinstance(d, int) for d in a.axes) and a.axes:
        return fresh(a.tracer, np.full([int(d) for d in a.axes], value))
    return plus(make(a, {}, a.axes), wrap(a.tracer, value))


@register(np.zeros_like)
def zeros_like(a: Any) -> Traced:
    """Zeros in the shape of a."""
    return like(a, 0.0)


@register(np.ones_like)
def ones_like(a: Any) -> Traced:
    """Ones in the shape of a."""
    return like(a, 1.0)


@register(np.empty_like)
def empty_like(prototype: Any) -> Traced:
    """No numbers yet, in the shape of a."""
    if not all(isinstance(d, int) for d in prototype.axes):
        prototype.refuse("np.empty_like with named sizes", "np.zeros_like")
    return like(prototype, np.nan)


@register(np.full_like)
def full_like(a: Any, fill_value: Any) -> Traced:
    """One value in the shape of a."""
    if not isinstance(a, Traced):
        (out,) = arrays_of(fill_value)
        spread: Traced = FUNCTION_TABLE[np.broadcast_to](out, np.shape(a))
        return spread
    if isinstance(fill_value, (int, float)):
        return like(a, float(fill_value))
    out = plus(make(a, {}, a.axes), wrap(a.tracer, fill_value))
    if out.axes != a.axes:
        a.refuse("np.full_like with a value of a larger shape")
    return out


@register(np.shape)
def shape(a: Any) -> tuple[Any, ...]:
    """The shape."""
    result: tuple[Any, ...] = a.shape
    return result


@register(np.ndim)
def ndim(a: Any) -> int:
    """How many axes."""
    return len(a.axes)


@register(np.size)
def size_of(a: Any, axis: int | None = None) -> Any:
    """How many entries."""
    return a.size if axis is None else a.shape[axis]


@register(np.copy)
def copy(a: Any) -> Traced:
    """The array: nothing is ever written into it."""
    return make(a, a.expr, a.axes, a.flag, a.row)


@register(np.real)
@viewing(np.real)
def real(val: Any) -> Traced:
    """The array: its numbers are real."""
    return make(val, val.expr, val.axes, val.flag, val.row)


def conj(a: Traced) -> Traced:
    """The array itself, as NumPy gives it: its numbers are real."""
    return a


def astype(
    a: Traced, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: Any = True
) -> Traced:
    """To float: as it is; a mask becomes 0 and 1. To whole numbers: only a mask."""
    kind = np.dtype(dtype).kind
    if np.dtype(dtype) == np.float64 and not copy and not a.flag:
        return view_of(a, None if a.pieced else make(a, a.expr, a.axes, row=a.row), lambda at: at)
    if np.dtype(dtype) == np.float64 or (kind in "iu" and a.flag) or (kind == "b" and a.flag):
        return make(a, a.expr, a.axes, kind == "b", a.row)
    if kind != "b":
        a.refuse(f"astype({np.dtype(dtype)}) drops what does not fit into it", "astype(float)")
    return compare(a, wrap(a.tracer, 0), "!=")


METHODS.update(copy=copy, conj=conj, conjugate=conj, astype=astype)
SAME.update(("conj", "conjugate", np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.full_like, np.empty_like))
