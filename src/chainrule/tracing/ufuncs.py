"""NumPy's elementwise functions on traced arrays. To add one, add a line to `SIMPLE`, or a function with its names.

Comparisons give masks of 0 and 1. A choice is arithmetic with masks: max(a, b) = b + relu(a − b).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from chainrule.algebra.expr import Expr, add, constant, is_constant, rename, scale, single
from chainrule.functions import FUNCTIONS
from chainrule.tracing.array import Traced, make, wrap
from chainrule.tracing.infinity import is_infinite
from chainrule.tracing.recognition import log_of_abs_det, log_of_choice, log_of_sigmoid, one_plus_exp, softplus_joined
from chainrule.tracing.tables import register

__all__ = [
    "apply",
    "chosen",
    "compare",
    "log",
    "logaddexp",
    "maximum",
    "minimum",
    "minus",
    "negative",
    "number",
    "over",
    "plus",
    "positive",
    "raised",
    "simple",
    "sqrt",
    "square",
    "times",
    "to_the",
]


SIMPLE = {  # ufunc -> the record of the same function
    "exp": "exp", "sin": "sin", "cos": "cos", "tan": "tan", "arctan": "arctan", "sinh": "sinh", "cosh": "cosh",
    "tanh": "tanh", "absolute": "abs", "fabs": "abs", "sign": "sgn", "expit": "sigmoid", "erf": "erf",
    }  # fmt: skip


def aligned(*arrays: Traced) -> tuple[list[Expr], tuple[Any, ...], int]:
    """Expressions over the common axes, these axes, and whether the result (a vector) is shown as a row."""
    axes = arrays[0].tracer.common(*(a.axes for a in arrays))
    moved = []
    row = 0
    for array in arrays:
        offset = len(axes) - len(array.axes)
        if len(array.axes) == 1 and array.axes[0] != 1:
            if len(axes) > 1:
                array.vote(1)  # repeated over the rows of a matrix
            else:
                row = row or array.row
        mapping = {i: (i[0] - offset, i[1]) for i in array.indices if i is not None} if offset else {}
        moved.append(rename(array.expr, mapping) if mapping else array.expr)
    if row and sum(len(a.axes) == 1 for a in arrays) > 1:
        for array in arrays:
            array.vote(row)
    return moved, axes, row


def apply(head: str, array: Traced) -> Traced:
    """An elementwise function of one array."""
    if head not in FUNCTIONS:
        array.refuse(f"{head} is not differentiated yet")
    if array.row:
        array.vote(array.row)
    return make(array, array.tracer.apply(head, array.expr), array.axes, row=array.row)


def simple(head: str) -> Callable[[Traced], Traced]:
    """An elementwise function by the name of its record."""
    return lambda array: apply(head, array)


for _ufunc, _head in SIMPLE.items():
    register(_ufunc)(simple(_head))


@register("add")
def plus(a: Traced, b: Traced) -> Traced:
    """a + b."""
    if a.flag and b.flag:
        a.refuse("a sum of two truth values, which NumPy takes as “or”", "a.astype(float) + b")
    (x, y), axes, row = aligned(a, b)
    return make(a, softplus_joined(a.tracer, add(x, y)), axes, row=row)


@register("subtract")
def minus(a: Traced, b: Traced) -> Traced:
    """a − b."""
    if a.flag and b.flag:
        a.refuse("a difference of two truth values", "a.astype(float) - b")
    (x, y), axes, row = aligned(a, b)
    return make(a, add(x, scale(y, -1)), axes, row=row)


@register("multiply")
def times(a: Traced, b: Traced) -> Traced:
    """a ∘ b."""
    (x, y), axes, row = aligned(a, b)
    out = make(a, a.tracer.product(x, y), axes, a.flag and b.flag, row)
    out.voters = (*a.voters, *b.voters) if len(axes) == 1 else ()
    return out


@register("divide")
def over(a: Traced, b: Traced) -> Traced:
    """a / b."""
    (x, y), axes, row = aligned(a, b)
    return make(a, a.tracer.product(x, a.tracer.to_power(y, Fraction(-1))), axes, row=row)


@register("negative")
def negative(a: Traced) -> Traced:
    """−a."""
    if a.flag:
        a.refuse("the negative of a truth value", "~a")
    out = make(a, scale(a.expr, -1), a.axes, row=a.row)
    out.voters = a.voters
    return out


@register("positive", "conjugate")
def positive(a: Traced) -> Traced:
    """+a."""
    return make(a, a.expr, a.axes, a.flag, a.row)


def raised(a: Traced, exponent: Fraction) -> Traced:
    """a to a number."""
    return make(a, a.tracer.to_power(a.expr, exponent), a.axes, row=a.row)


@register("power", "float_power")
def to_the(a: Traced, b: Traced) -> Traced:
    """aᵇ."""
    if is_constant(b.expr):
        term = single(b.expr)
        if not b.expr:
            return make(a, constant(1), a.tracer.common(a.axes, b.axes))
        if term is not None and term[0] == ((), ()):
            return raised(a if not b.axes else plus(a, make(a, {}, b.axes)), Fraction(term[1]))
    (x, y), axes, row = aligned(a, b)
    return make(a, a.tracer.apply("pow", x, y), axes, row=row)


@register("square")
def square(a: Traced) -> Traced:
    """a²."""
    return raised(a, Fraction(2))


@register("sqrt")
def sqrt(a: Traced) -> Traced:
    """√a."""
    return raised(a, Fraction(1, 2))


@register("reciprocal")
def reciprocal(a: Traced) -> Traced:
    """1/a."""
    return raised(a, Fraction(-1))


@register("log")
def log(a: Traced) -> Traced:
    """log a; log(1 + exp(t)) is softplus(t)."""
    chosen_one = log_of_choice(a.tracer, a.expr)
    if chosen_one is None:
        chosen_one = log_of_sigmoid(a.tracer, a.expr)
    if chosen_one is None:
        chosen_one = log_of_abs_det(a.tracer, a.expr)
    if chosen_one is not None:
        return make(a, chosen_one, a.axes, row=a.row)
    inner = one_plus_exp(a.tracer, a.expr)
    return apply("log", a) if inner is None else apply("softplus", make(a, inner, a.axes, row=a.row))


@register("log1p")
def log1p(a: Traced) -> Traced:
    """log(1 + a)."""
    return log(plus(a, wrap(a.tracer, 1)))


@register("expm1")
def expm1(a: Traced) -> Traced:
    """exp(a) − 1."""
    return minus(apply("exp", a), wrap(a.tracer, 1))


def _log_to(base: int) -> Callable[[Traced], Traced]:
    def ours(a: Traced) -> Traced:
        out = log(a)
        return make(a, scale(out.expr, Fraction(repr(1 / math.log(base)))), out.axes, row=out.row)

    return ours


register("log2")(_log_to(2))


register("log10")(_log_to(10))


@register("exp2")
def exp2(a: Traced) -> Traced:
    """2ᵃ."""
    return to_the(wrap(a.tracer, 2), a)


@register("logaddexp")
def logaddexp(a: Traced, b: Traced) -> Traced:
    """log(exp a + exp b) = b + softplus(a − b)."""
    if b.expr and not a.expr:
        a, b = b, a
    return plus(b, apply("softplus", minus(a, b)))


@register("maximum", "fmax")
def maximum(a: Traced, b: Traced) -> Traced:
    """The greater of two: b + relu(a − b) where b is a small number, else by a mask, so that no digit is lost."""
    if is_constant(a.expr):
        a, b = b, a
    if is_infinite(b.expr) < 0:
        return make(a, a.expr, a.axes, row=a.row) if len(a.axes) >= len(b.axes) else plus(a, make(b, {}, b.axes))
    if _small(b):
        return plus(b, apply("relu", minus(a, b)))
    return chosen(compare(a, b, ">"), a, b)


@register("minimum", "fmin")
def minimum(a: Traced, b: Traced) -> Traced:
    """The smaller of two: b − relu(b − a) where b is a small number, else by a mask."""
    if is_constant(a.expr):
        a, b = b, a
    if is_infinite(b.expr) > 0:
        return make(a, a.expr, a.axes, row=a.row) if len(a.axes) >= len(b.axes) else plus(a, make(b, {}, b.axes))
    if _small(b):
        return minus(b, apply("relu", minus(b, a)))
    return chosen(compare(a, b, "<"), a, b)


def _small(b: Traced) -> bool:
    """True for one number to which others are added without losing more than a digit or two."""
    return not b.expr or (b.expr.keys() == {((), ())} and abs(Fraction(b.expr[(), ()])) <= 10)


def chosen(mask: Traced, a: Traced, b: Traced) -> Traced:
    """a where the mask is 1, b where it is 0."""
    mask = number(mask)
    rest = add(constant(1), scale(mask.expr, -1))
    rest = rest if is_constant(rest) else mask.tracer.name(rest)  # as one factor: b − c b would lose digits
    return plus(times(mask, a), times(make(mask, rest, mask.axes, row=mask.row), b))


def number(a: Traced) -> Traced:
    """Truth values as 0 and 1."""
    return make(a, a.expr, a.axes, False, a.row) if a.flag else a


def compare(a: Traced, b: Traced, sign: str) -> Traced:
    """A mask of 0 and 1. At equal numbers it is exactly what NumPy says."""
    a, b = number(a), number(b)
    difference = minus(a, b) if sign in (">", "<=") else minus(b, a)
    if is_constant(difference.expr) and len(difference.expr) < 2:
        ((key, value),) = difference.expr.items() if difference.expr else [(((), ()), 0)]
        if key == ((), ()):
            truth = {">": value > 0, "<": value > 0, ">=": value <= 0, "<=": value <= 0, "==": value == 0,
                     "!=": value != 0}[sign]  # fmt: skip
            return make(a, constant(int(truth)), difference.axes, True)
    mask = apply("iszero" if sign in ("==", "!=") else "step", difference)
    expr = add(constant(1), scale(mask.expr, -1)) if sign in (">=", "<=", "!=") else mask.expr
    return make(a, expr, mask.axes, True, mask.row)
