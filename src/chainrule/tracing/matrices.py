"""numpy.linalg: inverse, determinant, solve, pseudoinverse. Each is an operation of the engine, as in the language.

Of a stack of matrices, (B, n, n), each matrix is taken by itself, so B has to be a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.algebra.expr import Expr, free_indices, rename, variables
from chainrule.algebra.program import is_anonymous
from chainrule.errors import DimensionError
from chainrule.language import ast
from chainrule.language.pieces import bare_name, is_bare
from chainrule.language.values import Value, orientation_of
from chainrule.tracing.array import Traced, known_size, make
from chainrule.tracing.linear import arrays_of
from chainrule.tracing.tables import FUNCTION_TABLE, register
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.ufuncs import apply, plus

__all__: list[str] = []

MOST = 64  # matrices of a stack: each is an operation of its own


class SlogdetResult(NamedTuple):
    """As NumPy's."""

    sign: Traced
    logabsdet: Traced


def operation(name: str, *arrays: Traced) -> Traced:
    """One of the language's matrix calls. What holds a maximum is a name that holds one."""
    tracer = arrays[0].tracer
    for a in arrays:
        if 1 in a.axes or len(a.axes) > 2:
            a.refuse(f"np.linalg.{name} of an array with axes of size 1, or of many matrices, is not traced yet")
    values = []
    for a in arrays:
        expr = tracer.name(a.expr)
        known = bare_name(expr, tuple(i for i in a.indices if i is not None))
        text = known if known is not None and not is_anonymous(known) else ""
        values.append(Value(expr, a.axes, orientation_of(len(a.axes)), text))
    method: Callable[..., Value] = getattr(tracer.scope, f"call_{name}")
    try:
        found = method(ast.Call(name, ()), *values)
    except DimensionError as error:
        arrays[0].refuse(error.message, error.hint)
    if any(tracer.is_held(a.expr) for a in arrays):
        tracer.taint(found.expr)
    return make(arrays[0], found.expr, found.dims)


def many(a: Any) -> bool:
    """True for a stack of matrices."""
    return isinstance(a, Traced) and len(a.axes) > 2


def each(function: Callable[..., Any], name: str, a: Traced, *others: Traced) -> Any:
    """A function of matrices at every matrix of a stack, (B, n, n); what it gives, stacked. A tuple gives a tuple."""
    tracer = a.tracer
    leads = [tuple(known_size(x, d, f"np.linalg.{name}") for d in x.axes[:-2]) for x in (a, *others)]
    lead = tuple(int(d) for d in np.broadcast_shapes(*leads))
    if math.prod(lead) > MOST:
        tracer.refuse(f"np.linalg.{name} of {math.prod(lead)} matrices", f"at most {MOST} matrices")
    made = []
    for place in np.ndindex(*lead):
        at = [place[len(place) - len(own) :] for own in leads]
        places = [tuple(0 if d == 1 else k for k, d in zip(where, own, strict=True))
                  for where, own in zip(at, leads, strict=True)]  # fmt: skip
        made.append(function(*(_one(x, k) for x, k in zip((a, *others), places, strict=True))))
    if isinstance(made[0], tuple):
        return type(made[0])(*(_stack(list(parts), lead) for parts in zip(*made, strict=True)))
    return _stack(made, lead)


def _one(a: Traced, place: tuple[int, ...]) -> Traced:
    """One matrix of a stack, under a name: A₁ of A, or M₁."""
    if not place:
        return a
    tracer = a.tracer
    stem = bare_name(a.expr, tuple(i for i in a.indices if i is not None))
    part: Traced = a[place]
    expr = tracer.name(part.expr)
    name = bare_name(expr, tuple(i for i in part.indices if i is not None))
    if name is not None and is_anonymous(name) and name not in tracer.names:
        wanted = stem if stem is not None and not is_anonymous(stem) else "M"
        tracer.names[name] = tracer.free_name(wanted + "".join(str(k + 1) for k in place))
    return make(part, expr, part.axes)


def _stack(parts: list[Traced], lead: tuple[int, ...]) -> Traced:
    out: Traced = FUNCTION_TABLE[np.stack](parts)
    return out if len(lead) == 1 else FUNCTION_TABLE[np.reshape](out, (*lead, *parts[0].shape))


def square(a: Any, name: str) -> Traced:
    """The one argument, a square matrix. Refuses another."""
    (x,) = arrays_of(a)
    if len(x.axes) == 2 and x.axes[0] != x.axes[1]:
        x.tracer.refuse(f"np.linalg.{name} of a matrix of {x.axes[0]} × {x.axes[1]}", "a square one", DimensionError)
    if len(x.axes) != 2:
        x.refuse(f"np.linalg.{name} of an array of {len(x.axes)} axes is not traced yet", "a matrix, or a stack")
    return x


@register(np.linalg.inv)
def inv(a: Any) -> Any:
    """The inverse."""
    if many(a):
        return each(inv, "inv", a)
    return operation("inv", square(a, "inv"))


@register(np.linalg.det)
def det(a: Any) -> Any:
    """The determinant."""
    if many(a):
        return each(det, "det", a)
    return operation("det", square(a, "det"))


@register(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The sign of the determinant, and the logarithm of its absolute value."""
    if many(a):
        return each(slogdet, "slogdet", a)
    x = square(a, "slogdet")
    return SlogdetResult(apply("sgn", operation("det", x)), operation("logdet", x))


@register(np.linalg.pinv)
def pinv(a: Any) -> Any:
    """The pseudoinverse."""
    if many(a):
        return each(pinv, "pinv", a)
    (x,) = arrays_of(a)
    if len(x.axes) != 2:
        x.refuse(f"np.linalg.pinv of an array of {len(x.axes)} axes is not traced yet", "a matrix")
    return operation("pinv", x)


@register(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """x with a x = b; of stacks, b is one vector only where it has one axis."""
    x, y = arrays_of(a, b)
    if many(x) and len(y.axes) == 1:
        return each(lambda one: solve(one, y), "solve", x)
    if len(x.axes) > 1 and len(y.axes) > 1 and (many(x) or many(y)):
        return each(solve, "solve", x, y)
    square(x, "solve")
    if len(y.axes) == 2 and y.axes[1] == 1:
        return solve(x, y[:, 0])[:, None]
    if len(y.axes) not in (1, 2) or y.axes[0] != x.axes[0]:
        x.tracer.refuse(
            f"np.linalg.solve of shapes ({', '.join(map(str, x.axes))}) and ({', '.join(map(str, y.axes))})",
            "as many rows on the right as the matrix has", DimensionError,
        )  # fmt: skip
    return operation("solve", x, y)


@register(np.linalg.cholesky)
def cholesky(a: Any, *, upper: bool = False) -> Any:
    """The lower triangle L with L Lᵀ = a."""
    if many(a):
        return each(lambda one: cholesky(one, upper=upper), "cholesky", a)
    out = operation("cholesky", symmetric(square(a, "cholesky"), upper))
    return out.T if upper else out


def symmetric(x: Traced, upper: bool = False) -> Traced:
    """The symmetric matrix that NumPy reads where it takes one: of another it is the lower triangle, or the upper."""
    if is_symmetric(x.tracer, x.expr):
        return x
    kept = FUNCTION_TABLE[np.triu if upper else np.tril]
    return plus(kept(x), kept(x, 1 if upper else -1).T)


def is_symmetric(tracer: Tracer, expr: Expr) -> bool:
    """True where a matrix is known to be its transpose."""
    turned = rename(expr, {i: (-3 - i[0], i[1]) for i in free_indices(expr)})
    if turned == expr:
        return True
    if not is_bare(expr):
        return False
    (name,) = variables(expr)
    value = tracer.program.expression(name)
    return "symmetric" in tracer.program.variables[name].facts or (value is not None and is_symmetric(tracer, value))
