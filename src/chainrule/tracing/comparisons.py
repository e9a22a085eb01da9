"""Comparisons and logic: masks of 0 and 1. At equal numbers they are exactly what NumPy says."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.algebra.expr import add, constant, scale
from chainrule.tracing.array import Traced, make, wrap
from chainrule.tracing.tables import register
from chainrule.tracing.ufuncs import compare, minus, number, plus, times

__all__ = ["both", "comparison", "either", "negation", "one_of"]


def comparison(sign: str) -> Callable[[Traced, Traced], Traced]:
    """The comparison with this sign."""
    return lambda a, b: compare(a, b, sign)


SIGNS = {"greater": ">", "less": "<", "greater_equal": ">=", "less_equal": "<=", "equal": "==", "not_equal": "!="}


for _ufunc, _sign in SIGNS.items():
    register(_ufunc)(comparison(_sign))


def _flags(*arrays: Traced) -> None:
    for a in arrays:
        if not a.flag:
            a.refuse("a logical operation on numbers that are not truth values", "(x > 0) & (y > 0)")


@register("logical_and", "bitwise_and")
def both(a: Traced, b: Traced) -> Traced:
    """a and b."""
    _flags(a, b)
    return times(a, b)


@register("logical_or", "bitwise_or")
def either(a: Traced, b: Traced) -> Traced:
    """a or b: a + b − a b."""
    _flags(a, b)
    x, y = number(a), number(b)
    out = minus(plus(x, y), times(x, y))
    return make(a, out.expr, out.axes, True)


@register("logical_not", "invert")
def negation(a: Traced) -> Traced:
    """not a."""
    _flags(a)
    return make(a, add(constant(1), scale(a.expr, -1)), a.axes, True)


@register("heaviside")
def heaviside(a: Traced, b: Traced) -> Traced:
    """0, b, 1 at negative numbers, 0 and positive ones."""
    zero = wrap(a.tracer, 0)
    return plus(number(compare(a, zero, ">")), times(number(compare(a, zero, "==")), b))


@register("logical_xor", "bitwise_xor")
def one_of(a: Traced, b: Traced) -> Traced:
    """a or b, not both."""
    _flags(a, b)
    return compare(number(a), number(b), "!=")
