"""Structural operators, built from index relations: slices, windows, concatenations, reshapes, running sums.

Each function takes an expression over the free indices −1, −2, … of `dims` (a variable, or anything else: all of these
are linear) and gives the expression and the sizes of the result. So every way in (the language, traced functions)
builds them alike, and none needs a derivative of its own: the relation is a constant factor.

Positions count from 0 here. What lies outside of an array is 0. Sizes of results are worked out from those of the
arguments (`chainrule.sizes`). Raises DimensionError where sizes cannot fit. To add one: say which index of the
argument goes with which indices of the result, as an equation.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.algebra.expr import Expr, Index, add, bare, free, fresh_bound, multiply, rename
from chainrule.algebra.relations import Atom, relation
from chainrule.dims import Dim, display_dim
from chainrule.errors import DimensionError
from chainrule.sizes import minus, never_negative, plus, polynomial, quotient, times

__all__ = [
    "AWAY",
    "Array",
    "concat_of",
    "cumsum_of",
    "entry_of",
    "flat_terms",
    "flip_of",
    "kron_of",
    "pad_of",
    "placed",
    "related",
    "reshape_of",
    "shift_of",
    "slice_of",
    "window_length",
    "windows_of",
]

Array = tuple[Expr, tuple[Dim, ...]]
AWAY = -700_000  # free indices that an argument has while it is put in its place


def related(comparison: str, terms: Sequence[tuple[Dim, Index]], offset: Dim = 0) -> Expr:
    """The factor 1[Σ c·i comparison offset]."""
    return bare(relation(comparison, terms, offset))


def placed(array: Array, at: Sequence[Index | None], relations: Sequence[Atom], inner: dict[int, Index]) -> Expr:
    """`array` with its axis k at the free index at[k], or summed as inner[k] (where at[k] is None), times relations."""
    value, dims = array
    mapping: dict[Index, Index] = {}
    for k, dim in enumerate(dims):
        chosen = at[k]
        mapping[-(k + 1), dim] = inner[k] if chosen is None else chosen
    summed = [inner[k] for k in range(len(dims)) if at[k] is None]
    out = rename(value, {i: (AWAY - k, i[1]) for k, i in enumerate(mapping)})
    out = rename(out, {(AWAY - k, i[1]): new for k, (i, new) in enumerate(mapping.items())})
    for atom in relations[:-1]:
        out = multiply(out, bare(atom))
    return multiply(out, bare(relations[-1]), summed) if relations else rename(out, {}, summed)


def _through(array: Array, axis: int, new: Sequence[Dim], terms: Sequence[Dim], offset: Dim, sign: str = "=") -> Array:
    """The axis replaced by axes of sizes `new`, with old index = Σ terms·new indices + offset (or ≤)."""
    value, dims = array
    result = (*dims[:axis], *new, *dims[axis + 1 :])
    own = free(result)
    inner = {axis: fresh_bound(dims[axis])}
    at: list[Index | None] = [None if k == axis else own[k if k < axis else k - 1 + len(new)] for k in range(len(dims))]
    parts = [(minus(0, c), own[axis + k]) for k, c in enumerate(terms)]
    return placed((value, dims), at, [relation(sign, [(1, inner[axis]), *parts], offset)], inner), result


def slice_of(array: Array, axis: int, start: Dim, length: Dim, step: int = 1) -> Array:
    """x[start], x[start + step], …: `length` of them. Raises DimensionError where one is known to lie outside."""
    if step == 0:
        raise DimensionError("a slice with step 0", "a step of at least 1")
    dim = array[1][axis]
    last = plus(start, times(step, minus(length, 1)))
    for place in (start, last):
        if never_negative(polynomial(minus(-1, place))) or never_negative(polynomial(minus(place, dim))):
            raise DimensionError(
                f"a slice from {display_dim(plus(start, 1))} to {display_dim(plus(last, 1))} of something that has "
                f"{display_dim(dim)} entries",
                f"positions from 1 to {display_dim(dim)}",
            )
    return _through(array, axis, [length], [step], start)


def entry_of(array: Array, axis: int, place: Dim) -> Array:
    """The entry at a position: the axis is gone."""
    return _through(array, axis, [], [], place)


def shift_of(array: Array, axis: int, by: Dim) -> Array:
    """y[t] = x[t − by], 0 where there is none: the sizes stay."""
    return _through(array, axis, [array[1][axis]], [1], minus(0, by))


def flip_of(array: Array, axis: int) -> Array:
    """The axis from its end."""
    return _through(array, axis, [array[1][axis]], [-1], minus(array[1][axis], 1))


def pad_of(array: Array, axis: int, before: Dim, after: Dim) -> Array:
    """Zeros before and after."""
    return _through(array, axis, [plus(array[1][axis], before, after)], [1], minus(0, before))


def window_length(dim: Dim, window: Dim, stride: Dim = 1, dilation: Dim = 1, padding: Dim = 0) -> Dim:
    """(n + 2p − d(k − 1) − 1)//s + 1: how many windows fit."""
    room = minus(plus(dim, times(2, padding)), plus(times(dilation, minus(window, 1)), 1))
    if never_negative(polynomial(minus(-1, room))):
        raise DimensionError(
            f"a window of {display_dim(window)} does not fit into {display_dim(dim)} entries", "a smaller window"
        )
    return plus(quotient(room, stride), 1)


def windows_of(
    array: Array, axis: int, window: Dim, stride: Dim = 1, dilation: Dim = 1, padding: Dim = 0
) -> Array:  # fmt: skip
    """x̃[…, i, a, …] = x[…, s i + d a − p, …]: the axis becomes (number of windows, window)."""
    count = window_length(array[1][axis], window, stride, dilation, padding)
    return _through(array, axis, [count, window], [stride, dilation], minus(0, padding))


def cumsum_of(array: Array, axis: int) -> Array:
    """y[i] = Σ x[k] over k ≤ i."""
    return _through(array, axis, [array[1][axis]], [1], 0, "≤")


def concat_of(arrays: Sequence[Array], axis: int, rank: int | None = None) -> Array:
    """One behind the other along an axis. Raises DimensionError where other sizes differ.

    rank: how many axes the result has; an array with one fewer has no such axis, and is one entry along it.
    """
    rank = len(arrays[0][1]) if rank is None else rank
    full = [(*dims[:axis], 1, *dims[axis:]) if len(dims) == rank - 1 else dims for _, dims in arrays]
    total = plus(*(dims[axis] for dims in full))
    result = (*full[0][:axis], total, *full[0][axis + 1 :])
    out: Expr = {}
    before: Dim = 0
    for (value, own), dims in zip(arrays, full, strict=True):
        if len(dims) != rank or any(dims[k] != full[0][k] for k in range(rank) if k != axis):
            shapes = ", ".join(" × ".join(map(display_dim, d)) for _, d in arrays)
            raise DimensionError(f"pieces of sizes {shapes} cannot be joined", "the other sizes must be the same")
        if len(own) == rank:
            part, _ = _through((value, own), axis, [total], [1], minus(0, before))
        else:
            places = free(result)
            at = [place for k, place in enumerate(places) if k != axis]
            part = placed((value, own), at, [], {})
            part = multiply(part, related("=", [(1, places[axis])], before))
        out = add(out, part)
        before = plus(before, dims[axis])
    return out, result


def flat_terms(indices: Sequence[Index]) -> list[tuple[Dim, Index]]:
    """The position of an entry in row-major order, as terms: i·(m n) + j·n + k."""
    terms: list[tuple[Dim, Index]] = []
    stride: Dim = 1
    for index in reversed(indices):
        terms.insert(0, (stride, index))
        stride = times(stride, index[1])
    return terms


def reshape_of(array: Array, new: Sequence[Dim]) -> Array:
    """The same entries in row-major order. Raises DimensionError where it is not known that there are as many."""
    value, dims = array
    new = tuple(new)
    have, want = times(*dims), times(*new)
    if have != want:
        raise DimensionError(
            f"{display_dim(have)} entries cannot be put into {' × '.join(map(display_dim, new)) or 'a scalar'}, which "
            f"has {display_dim(want)}",
            f"a size declared as {' '.join(map(str, new))}" if len(dims) == 1 else "sizes with the same product",
        )
    own = free(new)
    inner = {k: fresh_bound(dim) for k, dim in enumerate(dims)}
    at: list[Index | None] = [None] * len(dims)
    relations: list[Atom] = []
    i = j = 0
    while i < len(dims) or j < len(new):
        if i < len(dims) and j < len(new) and dims[i] == new[j]:
            at[i] = own[j]
            i, j = i + 1, j + 1
            continue
        ends = next(
            ((p, q) for p in range(i, len(dims) + 1) for q in range(j, len(new) + 1)
             if (p > i or q > j) and times(*dims[i:p]) == times(*new[j:q])),
            (len(dims), len(new)),
        )  # fmt: skip
        p, q = ends
        old_terms = flat_terms([inner[k] for k in range(i, p)])
        new_terms = flat_terms(own[j:q])
        relations.append(relation("=", [*old_terms, *((minus(0, c), index) for c, index in new_terms)]))
        i, j = p, q
    return placed((value, dims), at, relations, inner), new


def kron_of(left: Array, right: Array) -> Array:
    """K[i,j] = Σ A[a,b] B[c,d] 1[i = p a + c] 1[j = q b + d], and so for any number of axes, from the last."""
    dims = [left[1], right[1]]
    rank = max(map(len, dims))
    padded = [(*[1] * (rank - len(d)), *d) for d in dims]
    result = tuple(times(a, b) for a, b in zip(*padded, strict=True))
    own = free(result)
    inner = [[fresh_bound(d) for d in side] for side in dims]
    factors: list[Expr] = []
    summed: list[Index] = []
    for (value, sizes), mine in zip((left, right), inner, strict=True):
        moved = rename(value, {(-(k + 1), dim): (AWAY - k, dim) for k, dim in enumerate(sizes)})
        factors.append(rename(moved, {(AWAY - k, dim): mine[k] for k, dim in enumerate(sizes)}))
        summed += mine
    out = multiply(factors[0], factors[1])
    for k in range(rank):
        terms: list[tuple[Dim, Index]] = [(-1, own[k])]
        a, b = k - (rank - len(dims[0])), k - (rank - len(dims[1]))
        if a >= 0:
            terms.append((dims[1][b] if b >= 0 else 1, inner[0][a]))
        if b >= 0:
            terms.append((1, inner[1][b]))
        over = [i for i in summed if k == rank - 1]
        out = multiply(out, related("=", terms), over)
    return out, result
