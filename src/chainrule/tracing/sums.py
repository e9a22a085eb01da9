"""Sums, means, variances and what is made of them: averages, covariances, integrals, polynomials."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from chainrule.algebra.expr import add, constant, multiply, rename, scale, size
from chainrule.tracing.array import Traced, known_size, make, wrap
from chainrule.tracing.choices import where as choice
from chainrule.tracing.linear import arrays_of, contract
from chainrule.tracing.selectors import runner
from chainrule.tracing.tables import METHODS, register
from chainrule.tracing.ufuncs import minus, over, plus, sqrt, square, times

__all__ = ["axes_of", "left_over", "total"]


def axes_of(a: Traced, axis: Any) -> tuple[int, ...]:
    """The axes that are meant, from 0."""
    if axis is None:
        return tuple(range(len(a.axes)))
    chosen = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    rank = len(a.axes)
    for k in chosen:
        if not isinstance(k, (int, np.integer)) or not -rank <= k < rank:
            a.refuse(f"axis {k} of an array with {rank} axes")
    return tuple(sorted({int(k) % rank for k in chosen}))


def left_over(a: Traced, expr: Any, chosen: tuple[int, ...], keepdims: bool) -> Traced:
    """The array of an expression in which the chosen axes have gone."""
    if keepdims:
        return make(a, expr, [1 if k in chosen else d for k, d in enumerate(a.axes)])
    stay = [k for k in range(len(a.axes)) if k not in chosen]
    mapping = {i: (-1 - new, i[1]) for new, k in enumerate(stay) for i in a.index(k)}
    out = make(a, rename(expr, mapping), [a.axes[k] for k in stay])
    if stay == [1] and len(a.axes) == 2:
        out.row = 1
    return out


@register(np.sum)
def total(a: Any, axis: Any = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Traced:
    """Σ along axes."""
    if where is not None or initial is not None:
        out = total(a if where is None else chosen_where(a, where), axis, keepdims)
        return out if initial is None else plus(out, wrap(a.tracer, initial))
    chosen = axes_of(a, axis)
    expr = a.tracer.total(a.expr, [i for k in chosen for i in a.index(k)])
    return left_over(a, expr, chosen, keepdims)


def chosen_where(a: Traced, condition: Any) -> Traced:
    """a where a condition holds, else 0."""
    return choice(condition, a, 0) if isinstance(condition, Traced) else times(a, wrap(a.tracer, condition))


def count_of(a: Traced, chosen: tuple[int, ...]) -> Any:
    """How many entries lie along axes, as an expression."""
    expr = constant(1)
    for k in chosen:
        expr = multiply(expr, size(a.axes[k]))
    return expr


@register(np.mean)
def mean(a: Any, axis: Any = None, keepdims: bool = False, *, where: Any = None) -> Traced:
    """The mean along axes."""
    if where is not None:
        count = total(wrap(a.tracer, np.ones(np.shape(a))), axis, keepdims, where=where)
        return over(total(a, axis, keepdims, where=where), count)
    chosen = axes_of(a, axis)
    out = total(a, chosen, keepdims)
    row = out.row
    out = over(out, make(a, count_of(a, chosen), ()))
    out.row = row
    return out


@register(np.var)
def var(a: Any, axis: Any = None, ddof: Any = 0, keepdims: bool = False) -> Traced:
    """The mean of squared distances from the mean."""
    chosen = axes_of(a, axis)
    squares = total(square(minus(a, mean(a, chosen, True))), chosen, keepdims)
    count = make(a, add(count_of(a, chosen), scale(wrap(a.tracer, ddof).expr, -1)), ())
    return over(squares, count)


@register(np.std)
def std(a: Any, axis: Any = None, ddof: Any = 0, keepdims: bool = False) -> Traced:
    """√var."""
    return sqrt(var(a, axis, ddof, keepdims))


@register(np.average)
def average(a: Any, axis: Any = None, weights: Any = None) -> Traced:
    """The mean, or the weighted one."""
    if weights is None:
        return mean(a, axis)
    x, w = arrays_of(a, weights)
    if isinstance(axis, int) and len(w.axes) == 1:  # weights along this axis
        w = w[tuple(slice(None) if k == axis % len(x.axes) else None for k in range(len(x.axes)))]
    if len(x.axes) != len(w.axes):
        x.refuse("np.average with weights of another shape")
    return over(total(times(x, w), axis), total(w, axis))


@register(np.cumsum)
def cumsum(a: Any, axis: Any = None) -> Traced:
    """Running sums: a product with 1[k ≤ i]."""
    from chainrule.tracing.linear import LETTERS
    from chainrule.tracing.shaping import ravel

    if axis is None:
        a, axis = ravel(a), 0
    (k,) = axes_of(a, axis)
    ones = runner(a.tracer, known_size(a, a.axes[k], "np.cumsum"))
    letters = LETTERS[: len(a.axes)]
    return contract([ones, a], ["Z" + letters[k], letters], letters.replace(letters[k], "Z"))


@register(np.nansum)
def nansum(a: Any, axis: Any = None, keepdims: bool = False) -> NoReturn:
    """Refused: it depends on values which entries are taken."""
    raise a.refusal("np.nansum, which leaves out entries by their value", "np.sum")


@register(np.polyval)
def polyval(p: Any, x: Any) -> Traced:
    """A polynomial by its coefficients, the highest power first."""
    p, x = arrays_of(p, x)
    out = wrap(x.tracer, 0)
    for k in range(known_size(p, p.axes[0], "np.polyval")):
        out = plus(times(out, x), p[k])
    return out


@register(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Traced:
    """The integral by trapezoids."""
    (y,) = arrays_of(y) if x is None else arrays_of(y, x)[:1]
    (k,) = axes_of(y, axis)
    front = (slice(None),) * k
    steps = wrap(y.tracer, dx)
    if x is not None:
        (x,) = arrays_of(x, y)[:1]
        if len(x.axes) != 1:
            y.refuse("np.trapezoid with x of several axes is not traced yet")
        steps = x[1:] - x[:-1]
        steps = steps[(..., *(None,) * (len(y.axes) - 1 - k))]
    both = plus(y[(*front, slice(1, None))], y[(*front, slice(None, -1))])
    return total(times(times(both, steps), wrap(y.tracer, 0.5)), k)


@register(np.cov)
def cov(m: Any, rowvar: bool = True, bias: bool = False, ddof: Any = None) -> Traced:
    """The covariance of the rows (or columns)."""
    x = m if rowvar or len(m.axes) < 2 else m.T
    if len(x.axes) != 2:
        x.refuse("np.cov of other than a matrix is not traced yet")
    centred = minus(x, mean(x, 1, True))
    count = make(x, add(count_of(x, (1,)), constant(-(int(not bias) if ddof is None else int(ddof)))), ())
    return over(contract([centred, centred], ["ik", "jk"], "ij"), count)


@register(np.corrcoef)
def corrcoef(x: Any, rowvar: bool = True) -> Traced:
    """The correlation of the rows (or columns)."""
    shared = cov(x, rowvar)
    spread = sqrt(contract([shared], ["ii"], "i"))
    return over(shared, contract([spread, spread], ["i", "j"], "ij"))


METHODS.update(sum=total, mean=mean, var=var, std=std, cumsum=cumsum)
