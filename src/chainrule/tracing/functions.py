"""Sums, means, variances, maxima, choices and constant arrays: NumPy functions that know their axes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from chainrule.algebra.expr import add, constant, free_indices, multiply, rename, scale, size, variable
from chainrule.tracing.array import FUNCTION_TABLE, METHODS, SAME, Traced, known_size, make, register, wrap
from chainrule.tracing.linear import arrays_of, contract
from chainrule.tracing.memory import fresh
from chainrule.tracing.selectors import runner
from chainrule.tracing.ufuncs import (
    apply,
    chosen,
    compare,
    maximum,
    minimum,
    minus,
    number,
    over,
    plus,
    raised,
    sqrt,
    square,
    times,
)

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
    return where(condition, a, 0) if isinstance(condition, Traced) else times(a, wrap(a.tracer, condition))


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
    """Running sums: a product with 1[k ≤ i]."""
    from chainrule.tracing.linear import LETTERS
    from chainrule.tracing.shaping import ravel

    if axis is None:
        a, axis = ravel(a), 0
    (k,) = axes_of(a, axis)
    ones = runner(a.tracer, known_size(a, a.axes[k], "np.cumsum"))
    letters = LETTERS[: len(a.axes)]
    return contract([ones, a], ["Z" + letters[k], letters], letters.replace(letters[k], "Z"))


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


@register(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Traced:
    """Norms of vectors of any order, of matrices: Frobenius, 1 and ∞."""
    if axis is None and (ord is None or len(x.axes) == 1):
        axis = tuple(range(len(x.axes)))
    elif axis is None:
        axis = (0, 1) if len(x.axes) == 2 else None
    chosen = axes_of(x, axis)
    if ord is not None and len(chosen) == 2 and ord not in ("fro", 1, -1, np.inf, -np.inf):
        x.refuse(
            f"np.linalg.norm of a matrix with ord={ord} is not traced yet", "the Frobenius norm: np.linalg.norm(x)"
        )
    if ord is None or (ord == "fro" and len(chosen) == 2):
        return sqrt(total(square(x), chosen, keepdims))
    if len(chosen) != 2:
        return vector_norm(x, chosen[0], keepdims, ord=ord)
    first, second = tuple(axis) if abs(ord) == 1 else tuple(axis)[::-1]
    sums = total(apply("abs", x), first, True)
    out = (largest if ord > 0 else smallest)(sums, second, True)
    if not keepdims:
        out = FUNCTION_TABLE[np.squeeze](out, chosen)
    return out


def vector_norm(x: Any, axis: Any = None, keepdims: bool = False, *, ord: Any = 2) -> Traced:
    """(Σ |x|ᵖ)^(1/p)."""
    if ord == 2:
        return sqrt(total(square(x), axis, keepdims))
    if isinstance(ord, str) or ord is None:
        x.refuse(f"a norm of vectors with ord={ord}")
    size_of_entries = apply("abs", x)
    if ord == np.inf:
        return largest(size_of_entries, axis, keepdims)
    if ord == -np.inf:
        return smallest(size_of_entries, axis, keepdims)
    if ord == 1:
        return total(size_of_entries, axis, keepdims)
    if ord == 0:
        return total(number(compare(x, wrap(x.tracer, 0), "!=")), axis, keepdims)
    exponent = Fraction(repr(float(ord)))
    base = x if exponent.denominator == 1 and exponent.numerator % 2 == 0 else size_of_entries
    return raised(total(raised(base, exponent), axis, keepdims), 1 / exponent)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Traced:
    """The norm of the matrices in the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)


for _name, _norm in (("vector_norm", vector_norm), ("matrix_norm", matrix_norm)):  # NumPy 2
    if hasattr(np.linalg, _name):
        register(getattr(np.linalg, _name))(_norm)


@register(np.nansum)
def nansum(a: Any, axis: Any = None, keepdims: bool = False) -> NoReturn:
    """Refused: it depends on values which entries are taken."""
    raise a.refusal("np.nansum, which leaves out entries by their value", "np.sum")


@register(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Traced:
    """The first choice whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    out: Any = default
    for condition, choice in reversed([*zip(condlist, choicelist, strict=True)]):
        out = where(condition, choice, out)
    result: Traced = out
    return result


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
    astype=astype, ptp=spread, conj=copy, prod=product_of, cumprod=cumprod, any=any_of, all=all_of,
)  # fmt: skip
SAME.update((np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.full_like, np.empty_like))
