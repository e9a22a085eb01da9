"""What is known of index relations, and the rules that use it: composition, sums that are 1, positions that are unique.

    Σₘ 1[m = i + a] 1[k = m + b] = 1[k = i + a + b]   where i + a always is a position of m
    Σₖ 1[k = i + a] = 1                               where i + a always is a position of k
    Σᵢⱼ 1[k = n i + j] = 1                            j runs over n, and k has a row and a column for each position
    1[n i + j = n k + l] = 1[i = k] 1[j = l]          j and l run over n
    1[k = n i + j] 1[l = n i + j] = 1[k = n i + j] 1[k = l]

Every condition is proved for all sizes (`chainrule.sizes.never_negative`), or the rule is not used: a slice that may
reach outside is not composed, for what lies outside is 0.
"""

from __future__ import annotations

from itertools import permutations

from chainrule.algebra.expr import Atom, Expr, Factor, Index, Monomial, monomial
from chainrule.algebra.relations import relation, relation_of, solution, within
from chainrule.dims import Dim
from chainrule.sizes import minus, never_negative, plus, polynomial, times

__all__ = ["simplify_relations"]

MOST_PAIRS = 4  # of a relation between two positions in row-major order


def simplify_relations(key: Monomial) -> tuple[Expr, str] | None:
    """The term after the first rule that applies; None where none does."""
    factors, bound = key
    atoms = [atom for atom, _ in factors if atom[0] == "rel"]
    for atom in atoms:
        for rule in (_covered, _composed, _split, _subtracted):
            out = rule(atom, factors, bound)
            if out is not None:  # it may be 0
                return out, "="
    return None


def _others(atom: Atom, factors: tuple[Factor, ...]) -> list[Factor]:
    return [f for f in factors if f[0] != atom]


def _covered(atom: Atom, factors: tuple[Factor, ...], bound: tuple[Index, ...]) -> Expr | None:
    """Σ over indices that occur here only and count through every number once: the relation holds exactly once."""
    comparison, offset, coefficients = relation_of(str(atom[1]))
    if comparison != "=":
        return None
    rest = _others(atom, factors)
    used = {i for (_, _, ix), _ in rest for i in ix}
    alone = [(c, i) for c, i in zip(coefficients, atom[2], strict=True) if i in bound and i not in used]
    if not alone:
        return None
    for sign in (1, -1):
        mine = {times(sign, c): (c, i) for c, i in alone}
        length: Dim = 1
        taken: list[Index] = []
        while length in mine:
            _, index = mine.pop(length)
            taken.append(index)
            length = times(length, index[1])
        if not taken:
            continue
        # sign · Σ taken = sign · offset − sign · Σ others, which must lie from 0 to length − 1
        terms = [(times(-sign, c), i) for c, i in zip(coefficients, atom[2], strict=True) if i not in taken]
        if within(terms, times(sign, offset), length):
            return monomial(1, rest, [i for i in bound if i not in taken])
    return None


def _composed(atom: Atom, factors: tuple[Factor, ...], bound: tuple[Index, ...]) -> Expr | None:
    """A summed index that stands in relations only is put into the others, where it never leaves its range."""
    rest = _others(atom, factors)
    for index in atom[2]:
        if index not in bound or any(index in a[2] and a[0] != "rel" for a, _ in rest):
            continue
        solved = solution(atom, index)  # type: ignore[arg-type]
        if solved is None or not within(*solved, index[1]):
            continue
        terms, offset = solved
        moved: list[Factor] = []
        for other, e in rest:
            if index not in other[2]:
                moved.append((other, e))
                continue
            comparison, o, coefficients = relation_of(str(other[1]))
            parts = list(zip(coefficients, other[2], strict=True))
            factor = plus(*(c for c, i in parts if i == index))
            parts = [(c, i) for c, i in parts if i != index] + [(times(factor, c), i) for c, i in terms]
            moved.append((relation(comparison, parts, minus(o, times(factor, offset))), e))
        return monomial(1, moved, [i for i in bound if i != index])
    return None


def _subtracted(atom: Atom, factors: tuple[Factor, ...], bound: tuple[Index, ...]) -> Expr | None:
    """k = n i + j and l = n i + j: the second becomes k = l."""
    comparison, offset, coefficients = relation_of(str(atom[1]))
    if comparison != "=":
        return None
    own = dict(zip(atom[2], coefficients, strict=True))
    for other, e in factors:
        if other[0] != "rel" or other == atom or len(set(own) & set(other[2])) < 2:
            continue
        sign_, o, others = relation_of(str(other[1]))
        for sign in (1, -1) if sign_ == "=" else ():
            total: dict[Index, Dim] = dict(zip(other[2], others, strict=True))
            for index, c in own.items():
                total[index] = plus(total.get(index, 0), times(sign, c))
            terms = [(c, i) for i, c in total.items() if c != 0]
            if len(terms) < len(others):
                new = relation("=", terms, plus(o, times(sign, offset)))
                return monomial(1, [*(f for f in factors if f[0] != other), (new, e)], bound)
    return None


def _split(atom: Atom, factors: tuple[Factor, ...], bound: tuple[Index, ...]) -> Expr | None:
    """Two positions in row-major order are the same: each of their indices is."""
    comparison, offset, coefficients = relation_of(str(atom[1]))
    if comparison != "=" or offset != 0 or len(coefficients) < 4 or len(coefficients) % 2:
        return None
    terms = list(zip(coefficients, atom[2], strict=True))
    positive = [(c, i) for c, i in terms if never_negative(polynomial(c))]
    pairs: list[tuple[Dim, Index, Index]] = []
    for c, i in positive:
        partners = [j for d, j in terms if d == minus(0, c) and all(j != p[2] for p in pairs)]
        if not partners:
            return None
        pairs.append((c, i, partners[0]))
    if 2 * len(pairs) != len(terms) or len(pairs) > MOST_PAIRS:
        return None
    for order in permutations(pairs):  # the least significant first
        below = [0, 0]
        for c, i, j in order:
            if any(not never_negative(polynomial(minus(minus(c, b), 1))) for b in below):
                break
            below = [plus(b, times(c, minus(k[1], 1))) for b, k in zip(below, (i, j), strict=True)]  # type: ignore[misc]
        else:
            single = [(relation("=", [(1, i), (-1, j)]), 1) for _, i, j in pairs]
            return monomial(1, [*_others(atom, factors), *single], bound)
    return None
