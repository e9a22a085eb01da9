"""Sums, means, variances, maxima, choices and constant arrays: NumPy functions that know their axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.algebra.expr import add, constant, multiply, rename, scale, size, variable
from chainrule.tracing.array import METHODS, Traced, make, register, wrap
from chainrule.tracing.linear import arrays_of, contract
from chainrule.tracing.ufuncs import chosen, compare, maximum, minimum, minus, over, plus, sqrt, square, times

__all__ = ["total"]


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
def total(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """Σ along axes."""
    chosen = axes_of(a, axis)
    expr = a.tracer.total(a.expr, [i for k in chosen for i in a.index(k)])
    return left_over(a, expr, chosen, keepdims)


def count_of(a: Traced, chosen: tuple[int, ...]) -> Any:
    """How many entries lie along axes, as an expression."""
    expr = constant(1)
    for k in chosen:
        expr = multiply(expr, size(a.axes[k]))
    return expr


@register(np.mean)
def mean(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """The mean along axes."""
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


@register(np.max)
def largest(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """The maximum along axes: held back, and refused at the end if it has not cancelled."""
    chosen = axes_of(a, axis)
    indices = tuple(i for k in chosen for i in a.index(k))
    if not indices:
        return left_over(a, a.expr, chosen, keepdims)
    name, own = a.tracer.atom_name(a.expr)
    a.expr = variable(name, own)  # what the maximum is taken of has this name wherever the array is used
    if any(i not in own for i in indices):  # constant along one of them
        indices = tuple(i for i in indices if i in own)
    return left_over(a, a.tracer.hold(a.expr, indices) if indices else a.expr, chosen, keepdims)


@register(np.min)
def smallest(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """−max(−a)."""
    out = largest(make(a, scale(a.expr, -1), a.axes), axis, keepdims)
    return make(a, scale(out.expr, -1), out.axes)


@register(np.ptp)
def spread(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """max − min."""
    return minus(largest(a, axis, keepdims), smallest(a, axis, keepdims))


@register(np.where)
def where(condition: Any, *choices: Any) -> Traced:
    """a where the condition c is true, else b: c ∘ a + (1 − c) ∘ b."""
    if len(choices) != 2:
        condition.refuse("np.where with one argument gives places that depend on values", "np.where(condition, a, b)")
    c, a, b = arrays_of(condition, *choices)
    if not c.flag:
        c = compare(c, wrap(c.tracer, 0), "!=")
    return chosen(c, a, b)


@register(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Traced:
    """Between two bounds."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    (out,) = arrays_of(a) if isinstance(a, Traced) else arrays_of(a, low, high)[:1]
    if low is not None:
        out = maximum(out, wrap(out.tracer, low))
    if high is not None:
        out = minimum(out, wrap(out.tracer, high))
    return out


def triangle(a: Traced, k: int, lower: bool) -> Traced:
    """a, with zeros above or below a diagonal."""
    from chainrule.tracing.array import known_size

    rows, cols = (known_size(a, d, "a triangle") for d in a.axes[-2:])
    mask = np.tri(rows, cols, k if lower else k - 1)
    return times(a, wrap(a.tracer, mask if lower else 1 - mask))


@register(np.tril)
def tril(m: Any, k: int = 0) -> Traced:
    """The lower triangle."""
    return triangle(m, k, True)


@register(np.triu)
def triu(m: Any, k: int = 0) -> Traced:
    """The upper triangle."""
    return triangle(m, k, False)


@register(np.cumsum)
def cumsum(a: Any, axis: Any = None) -> Traced:
    """Running sums: a product with a triangle of ones."""
    from chainrule.tracing.array import known_size
    from chainrule.tracing.linear import LETTERS
    from chainrule.tracing.shaping import ravel

    if axis is None:
        a, axis = ravel(a), 0
    (k,) = axes_of(a, axis)
    ones = wrap(a.tracer, np.tri(known_size(a, a.axes[k], "np.cumsum")))
    letters = LETTERS[: len(a.axes)]
    return contract([ones, a], ["Z" + letters[k], letters], letters.replace(letters[k], "Z"))


@register(np.zeros_like)
def zeros_like(a: Any) -> Traced:
    """Zeros in the shape of a."""
    return make(a, {}, a.axes)


@register(np.ones_like)
def ones_like(a: Any) -> Traced:
    """Ones in the shape of a."""
    return make(a, constant(1), a.axes)


@register(np.full_like)
def full_like(a: Any, fill_value: Any) -> Traced:
    """One number in the shape of a."""
    out = plus(zeros_like(a), wrap(a.tracer, fill_value))
    if out.axes != a.axes:
        a.refuse("np.full_like with a value of a larger shape")
    return out


def plain_norm(x: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """√Σ x²."""
    return sqrt(total(square(x), axis, keepdims))


for _norm in ("vector_norm", "matrix_norm"):  # NumPy 2
    if hasattr(np.linalg, _norm):
        register(getattr(np.linalg, _norm))(plain_norm)


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


def astype(a: Traced, dtype: Any, copy: bool = True) -> Traced:
    """To float: as it is; a mask becomes 0 and 1. To whole numbers: only a mask."""
    kind = np.dtype(dtype).kind
    if np.dtype(dtype) == np.float64 or (kind in "iu" and a.flag) or (kind == "b" and a.flag):
        return make(a, a.expr, a.axes, kind == "b", a.row)
    if kind != "b":
        a.refuse(f"astype({np.dtype(dtype)}) drops what does not fit into it", "astype(float)")
    return compare(a, wrap(a.tracer, 0), "!=")


METHODS.update(
    sum=total, mean=mean, var=var, std=std, max=largest, min=smallest, clip=clip, cumsum=cumsum, copy=copy,
    astype=astype, ptp=spread, conj=copy,
)  # fmt: skip
