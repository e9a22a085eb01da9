"""Choices: where, clip, select, and the triangles of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.tracing.array import Traced, known_size, wrap
from chainrule.tracing.linear import arrays_of
from chainrule.tracing.tables import METHODS, register
from chainrule.tracing.ufuncs import chosen, compare, maximum, minimum, times

__all__ = ["where"]


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


METHODS.update(clip=clip)
