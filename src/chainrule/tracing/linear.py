"""Products: matmul, dot, outer, tensordot, einsum, trace and what numpy.linalg builds from them.

All are one contraction: axes have letters, letters that the result does not have are summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.algebra.expr import Index, rename
from chainrule.dims import Dim
from chainrule.errors import DimensionError
from chainrule.tracing.array import METHODS, Traced, make, register, wrap
from chainrule.tracing.tracer import Tracer

__all__ = ["contract", "product"]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def contract(arrays: Sequence[Traced], inputs: Sequence[str], output: str) -> Traced:
    """einsum(inputs -> output)."""
    tracer = arrays[0].tracer
    sizes: dict[str, Dim] = {}
    for array, letters in zip(arrays, inputs, strict=True):
        if len(letters) != len(array.axes):
            tracer.refuse(
                f"{len(letters)} letters ({letters}) for an array of {len(array.axes)} axes", None, DimensionError
            )
        for letter, dim in zip(letters, array.axes, strict=True):
            known = sizes.get(letter, 1)
            if 1 not in (known, dim) and known != dim:
                shapes = " and ".join(f"({', '.join(map(str, a.axes))})" for a in arrays)
                tracer.refuse(f"shapes {shapes} do not fit: {known} against {dim}", "a transpose?", DimensionError)
            sizes[letter] = dim if dim != 1 else known
    places: dict[str, Index] = {}
    over: list[Index] = []
    for number, (letter, dim) in enumerate(sizes.items()):
        if letter in output:
            places[letter] = (-1 - output.index(letter), dim)
        else:
            places[letter] = (-900_000 - number, dim)
            over.append(places[letter])
    over = [i for i in over if i[1] != 1]
    result = None
    for position, (array, letters) in enumerate(zip(arrays, inputs, strict=True)):
        mapping = {i: places[letter] for i, letter in zip(array.indices, letters, strict=True) if i is not None}
        moved = rename(array.expr, mapping)
        last = position == len(arrays) - 1
        if result is None:
            result = tracer.total(moved, over) if last else moved
        else:
            result = tracer.product(result, moved, over if last else ())
    assert result is not None
    return make(arrays[0], result, [sizes[letter] for letter in output])


@register("matmul")
def product(a: Traced, b: Traced) -> Traced:
    """a @ b, as NumPy: a vector on the left is a row, on the right a column; axes in front are broadcast."""
    if not a.axes or not b.axes:
        a.refuse("@ of a scalar", "*")
    common = len(a.tracer.common(a.axes[:-2], b.axes[:-2]))
    front = LETTERS[3 : 3 + common]
    left = front[common - max(0, len(a.axes) - 2) :] + ("ab" if len(a.axes) > 1 else "b")
    right = front[common - max(0, len(b.axes) - 2) :] + ("bc" if len(b.axes) > 1 else "b")
    if a.axes[-1] != b.axes[-2 if len(b.axes) > 1 else 0]:
        a.tracer.refuse(
            f"shapes ({', '.join(map(str, a.axes))}) and ({', '.join(map(str, b.axes))}) do not fit for @: "
            f"{a.axes[-1]} against {b.axes[-2 if len(b.axes) > 1 else 0]}", "a transpose?", DimensionError,
        )  # fmt: skip
    out = front + ("a" if len(a.axes) > 1 else "") + ("c" if len(b.axes) > 1 else "")
    result = contract([a, b], [left, right], out)
    if len(a.axes) == 1 and len(b.axes) == 2:  # a row, unless a vector on the right makes it a number
        result.row = 1
        result.voters = (*a.vectors(), *a.voters)
    elif len(a.axes) == 2 and len(b.axes) == 1:
        b.vote(-1)
        result.row = -1
    return result


def tracer_of(*values: Any) -> Tracer:
    """The trace that some of the values belong to."""
    for value in values:
        if isinstance(value, Traced):
            return value.tracer
        if isinstance(value, (list, tuple)):
            for inner in value:
                if isinstance(inner, Traced):
                    return inner.tracer
    raise TypeError("tracer_of() no traced array among the arguments")


def arrays_of(*values: Any) -> list[Traced]:
    """All of them as traced arrays."""
    tracer = tracer_of(*values)
    return [wrap(tracer, v) for v in values]


@register(np.dot)
def dot(a: Any, b: Any) -> Traced:
    """np.dot."""
    from chainrule.tracing.ufuncs import times

    x, y = arrays_of(a, b)
    if not x.axes or not y.axes:
        return times(x, y)
    if len(x.axes) <= 2 and len(y.axes) <= 2:
        return product(x, y)
    left, right = LETTERS[: len(x.axes)], LETTERS[26 : 26 + len(y.axes)]
    joint = -1 if len(y.axes) == 1 else -2
    right = right.replace(right[joint], left[-1])
    return contract([x, y], [left, right], left[:-1] + right.replace(left[-1], ""))


@register(np.inner)
def inner(a: Any, b: Any) -> Traced:
    """Σ over the last axes."""
    x, y = arrays_of(a, b)
    if not x.axes or not y.axes:
        return dot(x, y)
    left, right = LETTERS[: len(x.axes)], LETTERS[26 : 25 + len(y.axes)] + LETTERS[len(x.axes) - 1]
    return contract([x, y], [left, right], left[:-1] + right[:-1])


@register(np.vdot)
def vdot(a: Any, b: Any) -> Traced:
    """Σ of all products."""
    x, y = arrays_of(a, b)
    letters = LETTERS[: len(x.axes)]
    if x.axes != y.axes:
        x.refuse("np.vdot of two shapes", "np.vdot(a, b) of one shape")
    return contract([x, y], [letters, letters], "")


if hasattr(np, "vecdot"):

    @register("vecdot")
    def vecdot(a: Traced, b: Traced) -> Traced:
        """Σ over the last axes, elementwise along the others."""
        from chainrule.tracing.functions import total
        from chainrule.tracing.ufuncs import times

        return total(times(a, b), -1)


@register(np.outer)
def outer(a: Any, b: Any) -> Traced:
    """a bᵀ."""
    from chainrule.tracing.shaping import ravel

    x, y = (ravel(v) for v in arrays_of(a, b))
    return contract([x, y], ["a", "b"], "ab")


@register(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Traced:
    """np.tensordot."""
    x, y = arrays_of(a, b)
    if isinstance(axes, int):
        axes = (list(range(len(x.axes) - axes, len(x.axes))), list(range(axes)))
    first, second = ([s] if isinstance(s, int) else list(s) for s in axes)
    left, right = list(LETTERS[: len(x.axes)]), list(LETTERS[26 : 26 + len(y.axes)])
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    both = set(left) & set(right)
    out = "".join(c for c in (*left, *right) if c not in both)
    return contract([x, y], ["".join(left), "".join(right)], out)


@register(np.einsum)
def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Traced:
    """np.einsum, with letters (and the dots)."""
    arrays = arrays_of(*operands)
    if not isinstance(subscripts, str):
        arrays[0].refuse("np.einsum with lists of numbers", "letters: np.einsum('ij,jk', a, b)")
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    parts = inputs.split(",")
    if len(parts) != len(arrays):
        arrays[0].refuse(f"np.einsum('{subscripts}') of {len(arrays)} arrays", None)
    most = 0
    unused = [c for c in LETTERS if c not in subscripts]
    spelled = []
    for part, array in zip(parts, arrays, strict=True):
        if "..." in part:
            extra = len(array.axes) - len(part.replace("...", ""))
            most = max(most, extra)
            part = part.replace("...", "".join(unused[:20][20 - extra :]))
        spelled.append(part)
    dots = "".join(unused[:20][20 - most :])
    if arrow:
        output = output.replace("...", dots)
    else:
        counts = "".join(parts).replace(".", "")
        output = dots + "".join(sorted(c for c in set(counts) if counts.count(c) == 1))
    return contract(arrays, spelled, output)


@register(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Traced:
    """Σᵢ aᵢᵢ."""
    if offset:
        a.refuse("np.trace with an offset is not traced yet")
    letters = list(LETTERS[: len(a.axes)])
    letters[axis2] = letters[axis1]
    return contract([a], ["".join(letters)], "".join(c for c in letters if c != letters[axis1]))


@register(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Traced:
    """The diagonal, as the last axis."""
    if offset:
        a.refuse("np.diagonal with an offset is not traced yet")
    letters = list(LETTERS[: len(a.axes)])
    if a.axes[axis1] != a.axes[axis2]:
        a.refuse("the diagonal of what is not square")
    letters[axis2] = letters[axis1]
    return contract([a], ["".join(letters)], "".join(c for c in letters if c != letters[axis1]) + letters[axis1])


@register(np.diag)
def diag(a: Any, k: int = 0) -> Traced:
    """The diagonal of a matrix, or the matrix with a diagonal."""
    from chainrule.algebra.expr import delta, multiply

    if k:
        a.refuse("np.diag with an offset is not traced yet")
    if len(a.axes) == 2:
        return diagonal(a)
    if len(a.axes) != 1:
        a.refuse("np.diag of an array of other than one or two axes")
    dim = a.axes[0]
    if dim == 1:
        return make(a, a.expr, (1, 1))
    return make(a, multiply(a.expr, delta((-1, dim), (-2, dim))), (dim, dim))


@register(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Traced:
    """The 2-norm of a vector, the Frobenius norm of a matrix; ord=1 of a vector."""
    from chainrule.tracing.functions import total
    from chainrule.tracing.ufuncs import SIMPLE, apply, sqrt, square

    vector = len(x.axes) == 1 or isinstance(axis, int)
    if ord in (None, "fro") or (ord == 2 and vector):
        return sqrt(total(square(x), axis, keepdims=keepdims))
    if not (ord == 1 and vector):
        x.refuse(f"np.linalg.norm with ord={ord} is not traced yet", "np.linalg.norm(x), or ord=1 of a vector")
    return total(apply(SIMPLE["absolute"], x), axis, keepdims=keepdims)


@register(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Traced:
    """a @ a @ … of n factors."""
    if n not in range(1, 17):
        a.refuse(f"np.linalg.matrix_power to the {n}", "a whole number from 1 to 16")
    result: Traced = a
    for _ in range(n - 1):
        result = product(result, a)
    return result


@register(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Traced:
    """The product of all."""
    first, *rest = arrays_of(*arrays)
    for array in rest:
        first = product(first, array)
    return first


@register(np.kron)
def kron(a: Any, b: Any) -> Traced:
    """The Kronecker product of two matrices, or of two vectors."""
    from chainrule.tracing.shaping import reshape

    x, y = arrays_of(a, b)
    if len(x.axes) != len(y.axes) or len(x.axes) not in (1, 2):
        x.refuse("np.kron of other than two matrices or two vectors")
    rank = len(x.axes)
    left, right = LETTERS[:rank], LETTERS[26 : 26 + rank]
    apart = contract([x, y], [left, right], "".join(p + q for p, q in zip(left, right, strict=True)))
    return reshape(apart, tuple(_times(p, q, x) for p, q in zip(x.axes, y.axes, strict=True)))


def _times(a: Dim, b: Dim, array: Traced) -> int:
    if isinstance(a, str) or isinstance(b, str):
        array.refuse("np.kron with named sizes", "whole numbers as sizes")
    return a * b


METHODS.update(dot=dot, trace=trace, diagonal=diagonal)
