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
from chainrule.tracing.array import Traced, known_size, leaves, make, wrap
from chainrule.tracing.memory import view_of
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, register
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
    for value in leaves(values):
        if isinstance(value, Traced):
            return value.tracer
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
        from chainrule.tracing.sums import total
        from chainrule.tracing.ufuncs import times

        return total(times(a, b), -1)


@register(np.cross)
def cross(a: Any, b: Any, axis: int = -1) -> Traced:
    """The cross product of vectors of three entries."""
    x: Any
    y: Any
    x, y = arrays_of(a, b)
    if axis != -1 or x.axes[-1] != 3 or y.axes[-1] != 3:
        x.refuse("np.cross of other than vectors of three entries along the last axis")
    parts = [x[..., i] * y[..., j] - x[..., j] * y[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    out: Traced = FUNCTION_TABLE[np.stack](parts, -1)
    return out


@register(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Traced:
    """Σⱼ a[k − j] v[j]."""
    x, y = arrays_of(a, v)
    return _slide(x, y, mode, True)


@register(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Traced:
    """Σⱼ a[k + j] v[j]."""
    x, y = arrays_of(a, v)
    return _slide(x, y, mode, False)


def _slide(a: Traced, v: Traced, mode: str, turned: bool) -> Traced:
    """One vector along another: which entries meet where is a constant of zeros and ones."""
    if len(a.axes) != 1 or len(v.axes) != 1:
        raise ValueError("object too deep for desired array")
    n, m = (known_size(x, x.axes[0], "np.convolve" if turned else "np.correlate") for x in (a, v))
    from chainrule.tracing.selectors import selector

    how: Any = np.convolve if turned else np.correlate
    table = np.array([[how(p, q, mode) for q in np.eye(m)] for p in np.eye(n)]) > 0
    count = table.shape[-1]
    sign = -1 if turned else 1
    first = np.argwhere(table)[0]
    start = int(first[0] - sign * first[1] - first[2])  # entry a meets entry b at c where a = start + c ± b
    places = start + np.arange(count)[:, None] + sign * np.arange(m)
    padded = FUNCTION_TABLE[np.pad](a, (max(0, -int(places.min())), max(0, int(places.max()) - n + 1)))
    where = selector(a.tracer, places + max(0, -int(places.min())), padded.axes[0])
    return contract([where, padded, v], ["cba", "a", "b"], "c")


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
    if not isinstance(subscripts, str):  # arrays and lists of numbers, in turn
        given = (subscripts, *operands)
        spelt = ["".join("..." if k is Ellipsis else LETTERS[k] for k in s) for s in given[1::2]]
        last = f"->{''.join('...' if k is Ellipsis else LETTERS[k] for k in given[-1])}" if len(given) % 2 else ""
        subscripts, operands = ",".join(spelt) + last, given[: len(given) // 2 * 2 : 2]
    arrays = arrays_of(*operands)
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
    out = contract(arrays, spelled, output)
    (first, *others), (letters, *_) = arrays, spelled
    if others or set(letters) != set(output):
        return out
    return view_of(first, None if first.pieced else out, lambda at: np.einsum(f"{letters}->{output}", at))


def square_part(a: Traced, offset: int, axis1: int, axis2: int) -> Traced:
    """The part of a whose diagonal is the one with an offset."""
    if not offset and a.axes[axis1] == a.axes[axis2]:
        return a
    rows, cols = (known_size(a, a.axes[k], "a diagonal") for k in (axis1, axis2))
    first, second = max(0, -offset), max(0, offset)
    length = min(rows - first, cols - second)
    if length < 1:
        a.refuse("a diagonal outside the array")
    key = [slice(None)] * len(a.axes)
    key[axis1], key[axis2] = slice(first, first + length), slice(second, second + length)
    return a[tuple(key)]


@register(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Traced:
    """Σᵢ aᵢᵢ."""
    a = square_part(a, offset, axis1, axis2)
    letters = list(LETTERS[: len(a.axes)])
    letters[axis2] = letters[axis1]
    return contract([a], ["".join(letters)], "".join(c for c in letters if c != letters[axis1]))


def diagonal_of(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Traced:
    """The diagonal, as the last axis."""
    a = square_part(a, offset, axis1, axis2)
    letters = list(LETTERS[: len(a.axes)])
    letters[axis2] = letters[axis1]
    return contract([a], ["".join(letters)], "".join(c for c in letters if c != letters[axis1]) + letters[axis1])


@register(np.diag)
def diag(v: Any, k: int = 0) -> Traced:
    """The diagonal of a matrix, or the matrix with a diagonal."""
    from chainrule.algebra.expr import delta, multiply

    if len(v.axes) == 2:
        return diagonal_of(v, k)
    if len(v.axes) != 1:
        v.refuse("np.diag of an array of other than one or two axes")
    if k:
        dim = known_size(v, v.axes[0], "np.diag with an offset")
        table = np.zeros((dim, dim + abs(k), dim + abs(k)))
        at = np.arange(dim)
        table[at, at + max(0, -k), at + max(0, k)] = 1
        return contract([wrap(v.tracer, table), v], ["abc", "a"], "bc")
    dim = v.axes[0]
    if dim == 1:
        return make(v, v.expr, (1, 1))
    return make(v, multiply(v.expr, delta((-1, dim), (-2, dim))), (dim, dim))


@register(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Traced:
    """The matrix with all entries on a diagonal."""
    return diag(FUNCTION_TABLE[np.ravel](v), k)


@register(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Traced:
    """a @ a @ … of n factors; of the inverse where n is negative."""
    count = int(n)
    if count != n or abs(count) > 16:
        a.refuse(f"np.linalg.matrix_power to the {n}", "a whole number up to 16")
    if count == 0:
        return wrap(a.tracer, np.eye(known_size(a, a.axes[-1], "np.linalg.matrix_power")))
    result: Traced = a if count > 0 else FUNCTION_TABLE[np.linalg.inv](a)
    factor = result
    for _ in range(abs(count) - 1):
        result = product(result, factor)
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
    """The Kronecker product."""
    from chainrule.tracing.shaping import expand_dims, reshape

    x, y = arrays_of(a, b)
    rank = max(len(x.axes), len(y.axes))
    x, y = (expand_dims(v, tuple(range(rank - len(v.axes)))) if len(v.axes) < rank else v for v in (x, y))
    if not rank:
        return dot(x, y)
    left, right = LETTERS[:rank], LETTERS[26 : 26 + rank]
    apart = contract([x, y], [left, right], "".join(p + q for p, q in zip(left, right, strict=True)))
    out: Traced = reshape(apart, tuple(_times(p, q, x) for p, q in zip(x.axes, y.axes, strict=True)))
    return out


def _times(a: Dim, b: Dim, array: Traced) -> int:
    if isinstance(a, str) or isinstance(b, str):
        array.refuse("np.kron with named sizes", "whole numbers as sizes")
    return a * b


METHODS.update(dot=dot, trace=trace)
