"""What depends on the order of entries: sort, median, quantiles, running extremes.

The k-th smallest of n entries is Σᵢ 1[entry i has k smaller ones] xᵢ: comparisons of all pairs, so that nothing new has
to be differentiated. Where entries are equal the first is counted first, as a stable sort does. This takes n²
comparisons, and n has to be a number. To add a function: write it with `sort`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.tracing.array import ACCUMULATED, Traced, known_size, wrap
from chainrule.tracing.extremes import largest, smallest
from chainrule.tracing.linear import arrays_of
from chainrule.tracing.shaping import expand_dims
from chainrule.tracing.sums import axes_of
from chainrule.tracing.tables import FUNCTION_TABLE, register
from chainrule.tracing.ufuncs import compare, number, plus, times

__all__ = ["median", "quantile", "sort"]

MOST = 64  # entries that are compared with each other


def _last(a: Any, axis: Any, name: str) -> tuple[Traced, int, int]:
    """The array with the axis behind, flat where there is none; the axis, and the number of entries."""
    (x,) = arrays_of(a)
    if axis is None or not x.axes:
        x, axis = FUNCTION_TABLE[np.ravel](x), 0
    (axis,) = axes_of(x, axis)
    count = known_size(x, x.axes[axis], f"np.{name}")
    if count > MOST:
        x.refuse(f"np.{name} of {count} entries, all compared with each other", f"at most {MOST}")
    return FUNCTION_TABLE[np.moveaxis](x, axis, -1), axis, count


@register(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Traced:
    """The entries along an axis, from the smallest."""
    x, axis, count = _last(a, axis, "sort")
    mine, others = x[..., :, None], x[..., None, :]
    before = number(compare(mine, others, ">"))
    ties = times(number(compare(mine, others, "==")), wrap(x.tracer, np.tri(count, k=-1)))
    rank = FUNCTION_TABLE[np.sum](plus(before, ties), axis=-1)
    place = number(compare(rank[..., None, :], wrap(x.tracer, np.arange(count, dtype=float)[:, None]), "=="))
    out = FUNCTION_TABLE[np.sum](times(place, x[..., None, :]), axis=-1)
    done: Traced = FUNCTION_TABLE[np.moveaxis](out, -1, axis)
    return done


def _between(a: Any, q: float, axis: Any, keepdims: bool, name: str) -> Traced:
    """What stands at the share q of the sorted entries, between two neighbours in proportion."""
    if axis is None:
        (x,) = arrays_of(a)
        if keepdims and len(x.axes) > 1:
            x.refuse(f"np.{name} of all entries with keepdims")
        a, axis = FUNCTION_TABLE[np.ravel](x), 0
    x, axis, count = _last(a, axis, name)
    ordered = sort(x)
    low, part = divmod(q * (count - 1), 1)
    out: Traced = ordered[..., int(low)]
    if part:
        above: Traced = ordered[..., int(low) + 1]
        out = plus(times(out, wrap(x.tracer, 1 - part)), times(above, wrap(x.tracer, part)))
    return expand_dims(out, axis) if keepdims else out


@register(np.median)
def median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Traced:
    """The middle entry, or the mean of the two middle ones."""
    return _between(a, 0.5, axis, keepdims, "median")


@register(np.quantile)
def quantile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Traced:
    """What a share q of the entries is below."""
    if method != "linear" or not isinstance(q, (int, float)) or not 0 <= q <= 1:
        arrays_of(a)[0].refuse("np.quantile with other than one number q and the method linear", "one q at a time")
    return _between(a, float(q), axis, keepdims, "quantile")


@register(np.percentile)
def percentile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Traced:
    """What q of a hundred entries are below."""
    if method != "linear" or not isinstance(q, (int, float)) or not 0 <= q <= 100:
        arrays_of(a)[0].refuse("np.percentile with other than one number q and the method linear", "one q at a time")
    return _between(a, q / 100, axis, keepdims, "percentile")


def _running(pick: Any, name: str) -> Any:
    def ours(a: Any, axis: Any = 0) -> Traced:
        x, axis, count = _last(a, axis, name)
        parts = [pick(x[..., : k + 1], -1) for k in range(count)]
        out: Traced = FUNCTION_TABLE[np.stack](parts, axis=axis)
        return out

    return ours


for _name, _pick in (("maximum", largest), ("minimum", smallest)):
    _key = f"{_name}.accumulate"
    ACCUMULATED[_name] = _key
    FUNCTION_TABLE[_key] = _running(_pick, _key)
