"""Index relations: the constant factor 1[Σ cₖ iₖ = o], by which slices, shifts, windows and reshapes are said.

Indices count from 0 in here. A relation is an atom ("rel", name, indices) whose name is a text that holds everything
else: the comparison (= or ≤), the offset, one coefficient for each index. Coefficients and offsets are sizes (whole
numbers, which may be negative, or expressions in symbols; see `chainrule.sizes`):

    y[i] = Σₖ 1[k = i + a] x[k]                     a slice; what lies outside is 0
    y[o,i] = Σ_cak W[o,c,a] x[c,k] 1[k = s i + d a − p]   a convolution with stride, dilation and padding
    y[i,j] = Σₖ 1[k = m i + j] x[k]                 a reshape to rows of m
    y[i] = Σₖ 1[k ≤ i] x[k]                         a running sum

Since a relation is constant, the calculus needs no rule for it: the adjoint of a gather is the same relation read the
other way. `settled` is the normal form that `chainrule.algebra.expr.monomial` keeps: repeated indices joined, no
coefficient 0, divided by what all share, one sign; what can only be true or false is gone, and 1[i = j] over one size
is a Kronecker delta. `INDICATORS` and `CONSTANTS` are the heads that other code asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from math import gcd
from typing import NamedTuple

from chainrule.dims import Dim
from chainrule.sizes import minus, never_negative, plus, polynomial, renamed, spelled, times

__all__ = [
    "CONSTANTS",
    "INDICATORS",
    "RELATION",
    "Relation",
    "extremes",
    "in_order",
    "named",
    "place_class",
    "relation",
    "relation_of",
    "renamed_relation",
    "settled",
    "solution",
    "within",
]

Index = tuple[int, Dim]
RELATION = "rel"
INDICATORS = frozenset({"δ", RELATION})  # heads of factors that are 0 or 1 by their indices alone
CONSTANTS = INDICATORS | {"#", "n"}  # heads of factors without a variable


class Relation(NamedTuple):
    """Σ coefficients · indices `comparison` offset."""

    comparison: str
    offset: Dim
    coefficients: tuple[Dim, ...]


@cache
def relation_of(name: str) -> Relation:
    """The relation that an atom's name holds."""
    offset, _, rest = name[1:].partition(":")
    dims = tuple(spelled(polynomial(c)) for c in rest.split(",")) if rest else ()
    return Relation(name[0], spelled(polynomial(offset)), dims)


def named(comparison: str, offset: Dim, coefficients: Iterable[Dim]) -> str:
    """The name of a relation's atom."""
    return f"{comparison}{offset}:{','.join(map(str, coefficients))}"


def renamed_relation(name: str, dim: Callable[[str], Dim]) -> str:
    """The name after symbols of sizes are renamed."""
    old = relation_of(name)
    return named(old.comparison, renamed(old.offset, dim), (renamed(c, dim) for c in old.coefficients))


Atom = tuple[str, str, tuple[Index, ...]]


def relation(comparison: str, terms: Sequence[tuple[Dim, Index]], offset: Dim = 0) -> Atom:
    """The atom 1[Σ c·i comparison offset]; `comparison` is = or ≤. `monomial` brings it into its normal form."""
    return (RELATION, named(comparison, offset, (c for c, _ in terms)), tuple(i for _, i in terms))


def _negated(dim: Dim) -> Dim:
    return minus(0, dim)


def _key(dim: Dim) -> tuple[bool, str]:
    text = str(dim)
    return (text.startswith("-"), text)


@lru_cache(maxsize=20_000)
def settled(name: str, indices: tuple[Index, ...]) -> tuple[Atom, ...] | None:
    """The relation in its normal form: an atom, none where it is always true; None where it is never true."""
    comparison, offset, coefficients = relation_of(name)
    total: dict[Index, Dim] = {}
    for index, c in zip(indices, coefficients, strict=True):
        total[index] = plus(total.get(index, 0), c)
    terms = [(c, i) for i, c in total.items() if c != 0]
    known = _decided(comparison, terms, offset)
    if known is not None:
        return () if known else None
    whole = gcd(*(n for c, _ in terms for _, n in polynomial(c)))
    if whole > 1:
        if any(n % whole for key, n in polynomial(offset) if key):
            pass  # what a symbol is divided by is not known
        else:
            constant = dict(polynomial(offset)).get((), 0)
            if comparison == "=" and constant % whole:
                return None
            offset = spelled(tuple((k, n // whole) for k, n in polynomial(offset) if n // whole))
            terms = [(spelled(tuple((k, n // whole) for k, n in polynomial(c))), i) for c, i in terms]
    if comparison == "=":
        turned = [(_negated(c), i) for c, i in terms]
        both = [(_arranged(terms), offset), (_arranged(turned), _negated(offset))]
        chosen, offset = min(both, key=lambda t: _measure(*t))
        if len(chosen) == 2 and offset == 0:
            (a, i), (b, j) = chosen
            if (a, b) == (1, -1) and i[1] == j[1]:
                return (("δ", "", (min(i, j), max(i, j))),)
    else:
        chosen = _arranged(terms)
    return (relation(comparison, chosen, offset),)


def _arranged(terms: Iterable[tuple[Dim, Index]]) -> list[tuple[Dim, Index]]:
    return sorted(terms, key=lambda t: (_key(t[0]), str(t[1][1]), t[1]))


def _measure(terms: list[tuple[Dim, Index]], offset: Dim) -> tuple[object, ...]:
    return (
        sum(_key(c)[0] for c, _ in terms), [_key(c) for c, _ in terms], _key(offset), [str(i[1]) for _, i in terms],
        [i for _, i in terms],
    )  # fmt: skip


@cache
def _groups(name: str) -> tuple[tuple[int, ...], ...]:
    """Positions with one coefficient, where there are several: their indices may change places."""
    places: dict[Dim, list[int]] = {}
    for k, c in enumerate(relation_of(name).coefficients):
        places.setdefault(c, []).append(k)
    return tuple(tuple(p) for p in places.values() if len(p) > 1)


def in_order(head: str, name: object, indices: tuple[Index, ...]) -> tuple[Index, ...]:
    """The indices of an atom in the order of the normal form, after they were renamed."""
    if head != RELATION or not _groups(str(name)):
        return indices
    out = list(indices)
    for group in _groups(str(name)):
        for place, index in zip(group, sorted((out[k] for k in group), key=lambda i: (str(i[1]), i)), strict=True):
            out[place] = index
    return tuple(out)


def place_class(head: str, name: object, position: int) -> int:
    """The position in an atom, the same for positions that may change places."""
    if head == RELATION:
        for group in _groups(str(name)):
            if position in group:
                return group[0]
    return position


# -- what is known of the range ----------------------------------------------------------------------------------------


def extremes(terms: Iterable[tuple[Dim, Index]]) -> tuple[Dim, Dim] | None:
    """The least and the largest value of Σ c·i over the ranges of the indices; None: not known."""
    low: Dim = 0
    high: Dim = 0
    for c, (_, dim) in terms:
        end = times(c, minus(dim, 1))
        if never_negative(polynomial(c)):
            high = plus(high, end)
        elif never_negative(polynomial(_negated(c))):
            low = plus(low, end)
        else:
            return None
    return low, high


def _decided(comparison: str, terms: Sequence[tuple[Dim, Index]], offset: Dim) -> bool | None:
    """True or False where the relation always or never holds."""
    if not terms and offset == 0:
        return True
    found = extremes(terms)
    if found is None:
        return None
    low, high = found
    above = never_negative(polynomial(minus(minus(low, offset), 1)))  # low > offset
    if above:
        return False
    if comparison == "≤":
        return True if never_negative(polynomial(minus(offset, high))) else None
    return False if never_negative(polynomial(minus(minus(offset, high), 1))) else None


def solution(atom: Atom, index: Index) -> tuple[list[tuple[Dim, Index]], Dim] | None:
    """(terms, o) with index = Σ c·i + o, where an equation has it with coefficient 1 or −1; None where not."""
    comparison, offset, coefficients = relation_of(atom[1])
    if comparison != "=" or atom[2].count(index) != 1:
        return None
    sign = coefficients[atom[2].index(index)]
    if sign not in (1, -1):
        return None
    others = [(c, i) for c, i in zip(coefficients, atom[2], strict=True) if i != index]
    if sign == 1:
        return [(_negated(c), i) for c, i in others], offset
    return others, _negated(offset)


def within(terms: Sequence[tuple[Dim, Index]], offset: Dim, dim: Dim) -> bool:
    """True where Σ c·i + offset always is an index of size `dim` (False: not known)."""
    found = extremes(terms)
    if found is None:
        return False
    low, high = plus(found[0], offset), plus(found[1], offset)
    return never_negative(polynomial(low)) and never_negative(polynomial(minus(minus(dim, 1), high)))
