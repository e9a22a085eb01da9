"""argmax, argmin, argsort: whole numbers that a traced array may be indexed with, as with labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.algebra.expr import Index, rename
from chainrule.language.values import Value, orientation_of
from chainrule.tracing.array import Traced, make
from chainrule.tracing.linear import arrays_of
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, register
from chainrule.tracing.ufuncs import negative

__all__: list[str] = []


def positions(op: str, a: Traced, axis: Any, keepdims: bool = False) -> Traced:
    """Of an operation along one axis, which it keeps (argsort) or takes away (argmax)."""
    (x,) = arrays_of(a)
    if axis is None:
        x, axis = FUNCTION_TABLE[np.ravel](x), 0
    axis = axis % len(x.axes)
    if 1 in x.axes or x.tracer.is_held(x.expr):
        x.refuse(f"np.{op} of an array with axes of size 1, or of what holds a maximum", "an array without them")
    tracer = x.tracer
    dims = x.axes if op == "argsort" else tuple(d for k, d in enumerate(x.axes) if k != axis)
    value = Value(tracer.name(x.expr), x.axes, orientation_of(len(x.axes)))
    found = tracer.scope.operation(op, (value,), dims, orientation_of(len(dims)), ((axis,),))
    moved: dict[Index, Index] = {}
    out = make(x, rename(found.expr, moved), dims)
    out.whole = True
    if keepdims and op != "argsort":
        out = FUNCTION_TABLE[np.expand_dims](out, axis)
        out.whole = True
    return out


@register(np.argmax)
def argmax(a: Any, axis: Any = None, *, keepdims: Any = False) -> Traced:
    """The place of the largest entry."""
    return positions("argmax", a, axis, bool(keepdims))


@register(np.argmin)
def argmin(a: Any, axis: Any = None, *, keepdims: Any = False) -> Traced:
    """The place of the smallest entry."""
    (x,) = arrays_of(a)
    return positions("argmax", negative(x), axis, bool(keepdims))


@register(np.argsort)
def argsort(a: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Traced:
    """The places of the entries from the smallest on."""
    return positions("argsort", a, axis)


METHODS.update(argmax=argmax, argmin=argmin, argsort=argsort)
