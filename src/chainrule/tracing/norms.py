"""Norms of vectors and of matrices, along axes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.tracing.array import Traced, wrap
from chainrule.tracing.extremes import largest, smallest
from chainrule.tracing.sums import axes_of, total
from chainrule.tracing.tables import FUNCTION_TABLE, register
from chainrule.tracing.ufuncs import apply, compare, number, raised, sqrt, square

__all__: list[str] = []


@register(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Traced:
    """Norms of vectors of any order, of matrices: Frobenius, 1, ∞, the largest and the sum of singular values."""
    if axis is None and (ord is None or len(x.axes) == 1):
        axis = tuple(range(len(x.axes)))
    elif axis is None:
        axis = (0, 1) if len(x.axes) == 2 else None
    chosen = axes_of(x, axis)
    if ord is not None and len(chosen) == 2 and ord not in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        x.refuse(
            f"np.linalg.norm of a matrix with ord={ord} is not traced yet", "the Frobenius norm: np.linalg.norm(x)"
        )
    if ord is None or (ord == "fro" and len(chosen) == 2):
        return sqrt(total(square(x), chosen, keepdims))
    if len(chosen) != 2:
        return vector_norm(x, chosen[0], keepdims, ord=ord)
    if ord in ("nuc", 2, -2):
        return _spectral(x, chosen, ord, keepdims)
    first, second = tuple(axis) if abs(ord) == 1 else tuple(axis)[::-1]
    sums = total(apply("abs", x), first, True)
    out = (largest if ord > 0 else smallest)(sums, second, True)
    if not keepdims:
        out = FUNCTION_TABLE[np.squeeze](out, chosen)
    return out


def _spectral(x: Any, chosen: Any, ord: Any, keepdims: bool) -> Traced:
    """Of singular values, which come from the largest."""
    rank = len(x.axes)
    front = [k for k in range(rank) if k not in chosen]
    s = FUNCTION_TABLE[np.linalg.svd](FUNCTION_TABLE[np.transpose](x, (*front, *chosen)), compute_uv=False)
    out: Traced = total(s, -1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
    return FUNCTION_TABLE[np.expand_dims](out, tuple(sorted(chosen))) if keepdims else out


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
