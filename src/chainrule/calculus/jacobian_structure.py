"""What kind of array a Jacobian is: read off its terms, nothing is computed.

For a matrix: zero, identity, scaled identity, diagonal, diagonal plus rank one, outer product, of rank r at most,
symmetric. For more axes, of a matrix or by one: identity, diagonal (entry by entry), transposition, Kronecker
product, block diagonal (a block for each index that output and input share). With vec taken column by column,
∂vec(A X B)/∂vec(X) is Bᵀ ⊗ A.

"general" says that nothing was found, not that there is nothing. To add a kind: a function that takes the terms and
gives it, called in `find_structure` before those that say less.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from chainrule.algebra.expr import Expr, Factor, Index, Monomial, free, monomial, rename, single
from chainrule.algebra.program import Program
from chainrule.dims import Dim
from chainrule.simplify.matrices import is_symmetric_value

__all__ = ["Structure", "find_structure"]


@dataclass(frozen=True, slots=True)
class Structure:
    """kind: in words.  left, right: for a Kronecker product left ⊗ right, each over its own free indices.

    outside: of left and right, "output" where the first of its indices is the output's.
    """

    kind: str
    left: tuple[Expr, tuple[Index, ...]] | None = None
    right: tuple[Expr, tuple[Index, ...]] | None = None
    outside: tuple[str, ...] = ()


def find_structure(program: Program, expression: Expr, dims: tuple[Dim, ...], outer: int) -> Structure:
    """The structure of an array whose first `outer` axes are the output's."""
    if not expression:
        return Structure("zero")
    indices = free(dims)
    if len(dims) == 2 and outer == 1:
        return Structure(_matrix(program, expression, indices))
    if len(dims) > 2 and outer:
        pairs = list(zip(indices[:outer], indices[outer:], strict=False))
        if 2 * outer == len(dims) and all(all(_delta(key, *pair) for pair in pairs) for key in expression):
            only = {_pair(*pair) for pair in pairs}
            plain = all({a for a, _ in key[0]} == only and not key[1] for key in expression)
            return Structure("identity" if plain and list(expression.values()) == [1] else "diagonal")
        if 2 * outer == len(dims) == 4:
            i, j, k, m = indices
            if set(expression) == {(tuple(sorted(((_pair(i, m), 1), (_pair(j, k), 1)))), ())}:
                return Structure("transposition" if list(expression.values()) == [1] else "scaled transposition")
        kronecker = _kronecker(expression, indices, outer)
        if kronecker is not None:
            return kronecker
        for own in indices[:outer]:
            for other in indices[outer:]:
                if all(_delta(key, own, other) for key in expression):
                    return Structure(f"block diagonal, a block for each of the {own[1]}")
    return Structure("general")


def _pair(first: Index, second: Index) -> tuple[str, str, tuple[Index, Index]]:
    return ("δ", "", (min(first, second), max(first, second)))


def _delta(key: Monomial, first: Index, second: Index) -> bool:
    return any(a == _pair(first, second) for a, _ in key[0])


def _matrix(program: Program, expression: Expr, indices: tuple[Index, ...]) -> str:
    i, j = indices
    if i[1] == j[1]:
        deltas = [_delta(key, i, j) for key in expression]
        if all(deltas):
            if expression == {(((_pair(i, j), 1),), ()): 1}:
                return "identity"
            scalar = all(not any(a[2] and a[0] != "δ" for a, _ in factors) for factors, _ in expression)
            return "scaled identity" if scalar else "diagonal"
        rest = [key for key, d in zip(expression, deltas, strict=True) if not d]
        if any(deltas) and len(rest) == 1 and _apart(rest[0], i, j):
            return "diagonal plus rank one"
    if all(_apart(key, i, j) for key in expression):
        return "outer product" if len(expression) == 1 else f"of rank {len(expression)} at most"
    return "symmetric" if is_symmetric_value(program, expression, indices) else "general"


def _groups(key: Monomial) -> tuple[list[Factor], list[tuple[set[Index], list[Factor]]]]:
    """Scalars, and the factors that indices connect, each group with its indices."""
    scalars: list[Factor] = []
    groups: list[tuple[set[Index], list[Factor]]] = []
    for factor in key[0]:
        mine = set(factor[0][2])
        if not mine:
            scalars.append(factor)
            continue
        met = [g for g in groups if g[0] & mine]
        groups = [g for g in groups if not g[0] & mine]
        groups.append((mine.union(*(g[0] for g in met)), [f for g in met for f in g[1]] + [factor]))
    return scalars, groups


def _apart(key: Monomial, i: Index, j: Index) -> bool:
    """True where no chain of factors connects the two: a column times a row."""
    return not any({i, j} <= group for group, _ in _groups(key)[1])


def _kronecker(expression: Expr, indices: tuple[Index, ...], outer: int) -> Structure | None:
    """One term, whose factors connect rows with rows and columns with columns only; a vector may stand for either."""
    term = single(expression)
    if term is None or outer > 2 or len(indices) - outer > 2:
        return None
    scalars, groups = _groups(term[0])
    for rows, columns in product(*(_ways(axes) for axes in (indices[:outer], indices[outer:]))):
        right_at, left_at = [i for i in (rows[0], columns[0]) if i], [i for i in (rows[1], columns[1]) if i]
        right: list[Factor] = list(scalars)
        left: list[Factor] = []
        fits = True
        for inside, factors in groups:
            touched = {i for i in inside if i[0] < 0}
            side = right if touched <= set(right_at) else left if touched <= set(left_at) else None
            if side is None:
                fits = False
                break
            side += factors
        if fits and right_at and left_at:
            outside = tuple("output" if ix[k] else "" for k, ix in ((1, rows), (0, rows)))
            return Structure("Kronecker product", _part(left, left_at, 1), _part(right, right_at, term[1]), outside)
    return None


def _ways(axes: tuple[Index, ...]) -> list[tuple[Index | None, Index | None]]:
    """(row index, column index) of a matrix, or of a vector as a column and as a row."""
    return [(axes[0], axes[1])] if len(axes) == 2 else [(axes[0], None), (None, axes[0])]


def _part(factors: list[Factor], at: list[Index], coefficient: object) -> tuple[Expr, tuple[Index, ...]]:
    bound = {i for a, _ in factors for i in a[2] if i[0] >= 0}
    own = free([i[1] for i in at])
    whole = monomial(coefficient, factors, bound)  # type: ignore[arg-type]
    return rename(whole, dict(zip(at, own, strict=True))), own
