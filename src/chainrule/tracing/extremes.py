"""Maxima, minima, products, and what is asked of all entries: NumPy functions that know their axes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.algebra.expr import free_indices, variable
from chainrule.tracing.array import Traced, known_size, make, wrap
from chainrule.tracing.sums import axes_of, left_over, total
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, register
from chainrule.tracing.ufuncs import compare, maximum, minimum, minus, number, times

__all__ = ["largest", "smallest"]


def extreme(a: Traced, op: str, axis: Any, keepdims: bool) -> Traced:
    """The maximum or minimum along axes: held back as long as it may cancel."""
    chosen = axes_of(a, axis)
    indices = tuple(i for k in chosen for i in a.index(k))
    if not indices:
        return left_over(a, a.expr, chosen, keepdims)
    name, own = a.tracer.atom_name(a.expr)
    a.expr = variable(name, own)  # what the maximum is taken of has this name wherever the array is used
    indices = tuple(i for i in indices if i in own)  # it may be constant along some
    return left_over(a, a.tracer.extreme(op, a.expr, indices) if indices else a.expr, chosen, keepdims)


@register(np.max, np.amax)
def largest(a: Any, axis: Any = None, keepdims: bool = False, *, initial: Any = None) -> Traced:
    """The maximum along axes."""
    out = extreme(a, "max", axis, keepdims)
    return out if initial is None else maximum(out, wrap(a.tracer, initial))


@register(np.min, np.amin)
def smallest(a: Any, axis: Any = None, keepdims: bool = False, *, initial: Any = None) -> Traced:
    """The minimum along axes."""
    out = extreme(a, "min", axis, keepdims)
    return out if initial is None else minimum(out, wrap(a.tracer, initial))


@register(np.prod)
def product_of(a: Any, axis: Any = None, keepdims: bool = False, *, initial: Any = None) -> Traced:
    """The product along axes."""
    chosen = axes_of(a, axis)
    indices = [i for k in chosen for i in a.index(k)]
    expr = a.tracer.name(a.expr)
    inside = tuple(i for i in indices if i in free_indices(expr))
    constant_along = multiply_sizes([i for i in indices if i not in inside])
    expr = a.tracer.reduction("prod", expr, inside) if inside else expr
    if constant_along != 1:
        expr = a.tracer.to_power(expr, Fraction(known_size(a, constant_along, "np.prod")))
    out = left_over(a, expr, chosen, keepdims)
    return out if initial is None else times(out, wrap(a.tracer, initial))


def multiply_sizes(indices: list[Any]) -> Any:
    """The number of entries along indices; a name where one has only a name."""
    count = 1
    for _, dim in indices:
        if isinstance(dim, str):
            return dim
        count *= dim
    return count


@register(np.cumprod)
def cumprod(a: Any, axis: Any = None) -> Traced:
    """Running products."""
    if axis is None:
        a, axis = FUNCTION_TABLE[np.ravel](a), 0
    (k,) = axes_of(a, axis)
    index = a.index(k)
    expr = a.tracer.name(a.expr)
    if not index:
        return make(a, a.expr, a.axes)
    if index[0] not in free_indices(expr):
        a.refuse("np.cumprod of what is the same along the axis")
    name, own = a.tracer.atom_name(expr)
    out = a.tracer.running("cumprod", name, own, own.index(index[0]))
    return make(a, out, a.axes)


@register(np.ptp)
def spread(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """max − min."""
    return minus(largest(a, axis, keepdims), smallest(a, axis, keepdims))


@register(np.any)
def any_of(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """Whether some entry is true: the largest of the mask."""
    if not a.flag:
        a = compare(a, wrap(a.tracer, 0), "!=")
    out = compare(total(number(a), axis, keepdims), wrap(a.tracer, 0), ">")
    return out


@register(np.all)
def all_of(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """Whether no entry is false."""
    if not a.flag:
        a = compare(a, wrap(a.tracer, 0), "!=")
    return compare(total(minus(wrap(a.tracer, 1), number(a)), axis, keepdims), wrap(a.tracer, 0), "==")


@register(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Traced:
    """How many entries are not zero."""
    if not a.flag:
        a = compare(a, wrap(a.tracer, 0), "!=")
    return total(number(a), axis, keepdims)


METHODS.update(max=largest, min=smallest, prod=product_of, cumprod=cumprod, any=any_of, all=all_of)
if hasattr(np.ndarray, "ptp"):  # NumPy 2 has it no more: code that asks goes the other way
    METHODS["ptp"] = spread
