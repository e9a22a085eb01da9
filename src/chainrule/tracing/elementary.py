"""Elementwise functions that are defined by others: roots, inverse functions, entropies, angles."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from chainrule.algebra.expr import multiply
from chainrule.tracing.array import Traced, make, wrap
from chainrule.tracing.tables import register
from chainrule.tracing.tracer import number_expr
from chainrule.tracing.ufuncs import (
    apply,
    chosen,
    compare,
    log,
    logaddexp,
    minus,
    negative,
    number,
    over,
    plus,
    raised,
    sqrt,
    square,
    times,
)

__all__: list[str] = []


def sum_of(a: Traced, value: float, sign: int = 1) -> Traced:
    """A number plus (or minus) a."""
    return (plus if sign > 0 else minus)(wrap(a.tracer, value), a)


@register("cbrt")
def cbrt(a: Traced) -> Traced:
    """The cube root, of negative numbers too."""
    return times(apply("sgn", a), raised(apply("abs", a), Fraction(1, 3)))


@register("hypot")
def hypot(a: Traced, b: Traced) -> Traced:
    """√(a² + b²)."""
    return sqrt(plus(square(a), square(b)))


@register("arcsin")
def arcsin(a: Traced) -> Traced:
    """arctan(a / √(1 − a²))."""
    return apply("arctan", over(a, sqrt(sum_of(square(a), 1, -1))))


@register("arccos")
def arccos(a: Traced) -> Traced:
    """π/2 − arcsin a."""
    return sum_of(arcsin(a), math.pi / 2, -1)


@register("arctanh")
def arctanh(a: Traced) -> Traced:
    """½ log((1 + a)/(1 − a))."""
    return times(wrap(a.tracer, 0.5), apply("log", over(sum_of(a, 1), sum_of(a, 1, -1))))


@register("arcsinh")
def arcsinh(a: Traced) -> Traced:
    """sgn(a) log(|a| + √(1 + a²)), which loses no digits."""
    size = apply("abs", a)
    return times(apply("sgn", a), apply("log", plus(size, sqrt(sum_of(square(a), 1)))))


@register("arccosh")
def arccosh(a: Traced) -> Traced:
    """log(a + √(a² − 1))."""
    return apply("log", plus(a, sqrt(minus(square(a), wrap(a.tracer, 1)))))


@register("arctan2")
def arctan2(a: Traced, b: Traced) -> Traced:
    """The angle of (b, a), away from (0, 0), by the smaller of the two quotients, so that none is divided by 0.

    Where |b| ≥ |a| it is arctan(a/b), and π further where b < 0; elsewhere ±π/2 − arctan(b/a), with the sign of a.
    """
    zero = wrap(a.tracer, 0)
    flat = compare(apply("abs", b), apply("abs", a), ">=")
    turned = chosen(compare(a, zero, "<"), wrap(a.tracer, -math.pi), wrap(a.tracer, math.pi))
    near = plus(apply("arctan", over(a, b)), times(number(compare(b, zero, "<")), turned))
    steep = minus(times(apply("sgn", a), wrap(a.tracer, math.pi / 2)), apply("arctan", over(b, a)))
    return chosen(flat, near, steep)


@register(np.sinc)
def sinc(a: Traced) -> Traced:
    """sin(π a)/(π a), away from 0."""
    angle = times(wrap(a.tracer, math.pi), a)
    return over(apply("sin", angle), angle)


@register("xlog1py")
def xlog1py(a: Traced, b: Traced) -> Traced:
    """a log(1 + b), of b above −1."""
    return times(a, log(plus(b, wrap(a.tracer, 1))))


@register("erfc")
def erfc(a: Traced) -> Traced:
    """1 − erf a."""
    return sum_of(apply("erf", a), 1, -1)


@register("logit")
def logit(a: Traced) -> Traced:
    """log(a / (1 − a))."""
    return apply("log", over(a, sum_of(a, 1, -1)))


@register("log_expit")
def log_expit(a: Traced) -> Traced:
    """log σ(a) = −softplus(−a)."""
    return negative(apply("softplus", negative(a)))


@register("xlogy")
def xlogy(a: Traced, b: Traced) -> Traced:
    """a log b, of positive b."""
    return times(a, log(b))


@register("entr")
def entr(a: Traced) -> Traced:
    """−a log a, of positive a."""
    return negative(times(a, log(a)))


@register("rel_entr")
def rel_entr(a: Traced, b: Traced) -> Traced:
    """a log(a/b), of positive a and b."""
    return times(a, log(over(a, b)))


@register("kl_div")
def kl_div(a: Traced, b: Traced) -> Traced:
    """a log(a/b) − a + b, of positive a and b."""
    return plus(minus(rel_entr(a, b), a), b)


@register("ndtr")
def ndtr(a: Traced) -> Traced:
    """The normal distribution: ½ (1 + erf(a/√2))."""
    half = wrap(a.tracer, 0.5)
    return times(half, sum_of(apply("erf", over(a, wrap(a.tracer, math.sqrt(2)))), 1))


@register("logaddexp2")
def logaddexp2(a: Traced, b: Traced) -> Traced:
    """log₂(2ᵃ + 2ᵇ)."""
    scale_by = wrap(a.tracer, math.log(2))
    return over(logaddexp(times(a, scale_by), times(b, scale_by)), scale_by)


@register("deg2rad", "radians")
def radians(a: Traced) -> Traced:
    """a π / 180."""
    return make(a, multiply(a.expr, number_expr(math.pi / 180)), a.axes, row=a.row)


@register("rad2deg", "degrees")
def degrees(a: Traced) -> Traced:
    """a 180 / π."""
    return make(a, multiply(a.expr, number_expr(180 / math.pi)), a.axes, row=a.row)


@register("copysign")
def copysign(a: Traced, b: Traced) -> Traced:
    """|a| with the sign of b; that of 0 is +."""
    size = apply("abs", a)
    return chosen(compare(b, wrap(b.tracer, 0), ">="), size, negative(size))
