"""Grids, windows and pieces: meshgrid, vander, sliding windows, piecewise, apply_along_axis, gradient, interp."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.tracing.array import Traced, known_size, make, wrap
from chainrule.tracing.axes import selected
from chainrule.tracing.choices import where
from chainrule.tracing.joining import broadcast_to, concatenate, stack
from chainrule.tracing.linear import arrays_of
from chainrule.tracing.selectors import selector
from chainrule.tracing.shaping import moveaxis, reshape
from chainrule.tracing.tables import register
from chainrule.tracing.ufuncs import minus, raised, times

__all__: list[str] = []


@register(np.meshgrid)
def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True) -> tuple[Traced, ...]:
    """Each vector along its own axis, repeated along the others."""
    parts = arrays_of(*xi)
    rank = len(parts)
    order = [1, 0, *range(2, rank)] if indexing == "xy" and rank > 1 else list(range(rank))
    placed = [reshape(p, tuple(-1 if k == at else 1 for k in range(rank))) for p, at in zip(parts, order, strict=True)]
    axes = placed[0].tracer.common(*(p.axes for p in placed))
    grids = placed if sparse else [broadcast_to(p, axes) for p in placed]
    return tuple(make(g, g.expr, g.axes) for g in grids) if copy else tuple(grids)


@register(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Traced:
    """Powers of a vector side by side, the highest first."""
    count = known_size(x, x.axes[0], "np.vander") if N is None else int(N)
    powers = range(count) if increasing else range(count - 1, -1, -1)
    one = wrap(x.tracer, np.ones(known_size(x, x.axes[0], "np.vander")))
    return stack([raised(x, Fraction(k)) if k else one for k in powers], 1)


@register(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None) -> Traced:
    """All windows along axes, as new axes behind; a copy, which NumPy's is not: it cannot be written into there."""
    sizes = [window_shape] if isinstance(window_shape, int) else list(window_shape)
    along = range(len(x.axes)) if axis is None else [axis] if isinstance(axis, int) else axis
    out: Traced = x
    for size, k in zip(sizes, along, strict=True):
        at = k % len(x.axes)
        dim = known_size(x, out.axes[at], "a sliding window")
        if size > dim:
            raise ValueError("window shape cannot be larger than input array shape")
        starts = np.arange(dim - size + 1)
        out = selected(out, at, selector(x.tracer, starts[:, None] + np.arange(size), dim))
        out = moveaxis(out, at + 1, -1)
    return out


@register(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any) -> Traced:
    """The function whose condition holds last; where none does, the one that is left over, or 0."""
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    functions = list(funclist)
    rest = functions.pop() if len(functions) == len(conditions) + 1 else 0
    if len(functions) != len(conditions):
        raise ValueError("one function for each condition, and one for what is left")
    values = [f(x) if callable(f) else f for f in (rest, *functions)]
    out: Any = values[0]
    for condition, value in zip(conditions, values[1:], strict=True):
        out = where(condition, value, out)
    found: Traced = out
    return found


@register(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Traced:
    """A function of each line along an axis."""
    moved = moveaxis(arr, axis, -1)
    lead = [known_size(arr, d, "np.apply_along_axis") for d in moved.axes[:-1]]
    rows = [func1d(moved[at], *args, **kwargs) for at in np.ndindex(*lead)]
    parts = arrays_of(*rows)
    if not lead:
        return parts[0]
    inner = parts[0].axes
    whole = reshape(stack(parts, 0), (*lead, *inner))
    first = axis % len(arr.axes)
    out: Traced = moveaxis(whole, range(len(lead), len(whole.axes)), range(first, first + len(inner)))
    return out


@register(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Traced:
    """Differences of the neighbours on both sides, by two steps; at the ends of one."""
    if len(f.axes) != 1 or len(varargs) > 1 or edge_order != 1 or (varargs and np.ndim(varargs[0])):
        f.refuse("np.gradient of other than a vector with even steps is not traced yet")
    if known_size(f, f.axes[0], "np.gradient") < 2:
        raise ValueError("Shape of array too small to calculate a numerical gradient")
    middle = times(minus(f[2:], f[:-2]), wrap(f.tracer, 0.5)) if f.axes[0] != 2 else None
    parts = [minus(f[1:2], f[:1]), *([middle] if middle is not None else []), minus(f[-1:], f[-2:-1])]
    out = concatenate(parts, 0)
    return out / varargs[0] if varargs else out


@register(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Traced:
    """Between known places, of values: a weighted sum of the two neighbours."""
    if isinstance(x, Traced) or isinstance(xp, Traced) or (left, right, period) != (None, None, None):
        next(v for v in (x, xp, fp) if isinstance(v, Traced)).refuse("np.interp at places that are not known numbers")
    count = known_size(fp, fp.axes[0], "np.interp")
    table = np.stack([np.interp(x, xp, row) for row in np.eye(count)], axis=-1)
    out: Traced = wrap(fp.tracer, table) @ fp
    return out
