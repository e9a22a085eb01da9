"""Monomials: the kinds of pieces that an expression is made of, and the canonical form of one.

`monomial` is the only place where a product gets its form: equal factors become a power, Kronecker deltas over summed
indices are carried out, index relations are settled, and bound indices are numbered by structure alone. What the tuples
mean is said in `expr`.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import count

from chainrule.algebra.canonical import canonical_bound
from chainrule.algebra.relations import settled
from chainrule.dims import Dim

__all__ = ["Atom", "Expr", "Factor", "Index", "Monomial", "Rational", "apart", "fresh_bound", "monomial", "number"]

Rational = int | Fraction
Index = tuple[int, Dim]
Atom = tuple[str, "str | int | Fraction | tuple[tuple[str, int], ...]", tuple[Index, ...]]
Factor = tuple[Atom, Rational]
Monomial = tuple[tuple[Factor, ...], tuple[Index, ...]]
Expr = dict[Monomial, Rational]

_fresh = count(1_000_000)


def fresh_bound(dim: Dim) -> Index:
    """A bound index that occurs nowhere else."""
    return (next(_fresh), dim)


def number(value: Rational) -> Rational:
    """A rational in its simplest type: an int where it is whole."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def monomial(coefficient: Rational, factors: Iterable[Factor], bound: Iterable[Index]) -> Expr:
    """Σ_bound coefficient · Π factors in canonical form; deltas over bound indices are carried out.

    The result has one monomial, or none when the coefficient is 0.
    """
    if not coefficient:
        return {}
    powers: dict[Atom, Rational] = {}
    deltas = None
    related = False
    for atom, exponent in factors:
        if atom[0] == "δ":
            deltas = [*(deltas or ()), atom]
            continue
        if atom[0] == "rel":
            related = True
        if atom in powers:
            exponent = exponent + powers[atom]
        powers[atom] = exponent
    bound = set(bound)
    if deltas:
        coefficient, powers = _carry_out_deltas(coefficient, powers, deltas, bound)
    while related:
        known = _settle_relations(powers)
        if known is None:
            return {}
        powers, deltas = known
        related = bool(deltas)
        if deltas:
            deltas += [atom for atom in powers if atom[0] == "δ"]
            powers = {atom: e for atom, e in powers.items() if atom[0] != "δ"}
            coefficient, powers = _carry_out_deltas(coefficient, powers, deltas, bound)
    kept: list[Factor] = []
    for atom, exponent in powers.items():
        if not exponent:
            continue
        if type(exponent) is not int:
            exponent = number(exponent)
        if atom[0] == "n" and type(exponent) is int:
            coefficient = coefficient * Fraction(Fraction(str(atom[1])) ** exponent)
            continue
        kept.append((atom, exponent))
    if bound:
        seen: set[Index] = set()
        for atom, _ in kept:
            seen.update(atom[2])
        unused = bound - seen
        if unused:
            bound -= unused
            for index in unused:
                if isinstance(index[1], int):
                    coefficient = coefficient * index[1]
                else:
                    kept = _times(kept, ("#", index[1], ()), 1)
        factors_, bound_ = canonical_bound(kept, bound)
    else:
        kept.sort()
        factors_, bound_ = tuple(kept), ()
    return {(factors_, bound_): number(coefficient)}


def _settle_relations(powers: dict[Atom, Rational]) -> tuple[dict[Atom, Rational], list[Atom]] | None:
    """Relations in their normal form, each once, and the deltas that some of them are; None where one never holds."""
    out: dict[Atom, Rational] = {}
    deltas: list[Atom] = []
    for atom, exponent in powers.items():
        if atom[0] != "rel":
            out[atom] = exponent
        elif exponent:
            if exponent < 0:
                raise ValueError("an index relation has no inverse")
            known = settled(str(atom[1]), atom[2])
            if known is None:
                return None
            for new in known:
                if new[0] == "δ":
                    deltas.append(new)
                else:
                    out[new] = 1
    return out, deltas


def _times(factors: list[Factor], atom: Atom, exponent: Rational) -> list[Factor]:
    powers = dict(factors)
    powers[atom] = number(powers.get(atom, 0) + exponent)
    return [(a, e) for a, e in powers.items() if e]


def _carry_out_deltas(
    coefficient: Rational, powers: dict[Atom, Rational], deltas: list[Atom], bound: set[Index]
) -> tuple[Rational, dict[Atom, Rational]]:
    """Replace a bound index by its partner; keep the deltas between two free indices, once each."""
    rest: list[tuple[Index, Index]] = []
    pending = [atom[2] for atom in deltas]
    replaced: dict[Index, Index] = {}

    def find(index: Index) -> Index:
        while index in replaced:
            index = replaced[index]
        return index

    for left, right in pending:
        left, right = find(left), find(right)
        if left == right:
            continue
        if left in bound:
            replaced[left] = right
            bound.discard(left)
        elif right in bound:
            replaced[right] = left
            bound.discard(right)
        else:
            rest.append((left, right))
    # A chain of deltas between free indices: one representative, so δ_ij δ_jk and δ_ik δ_jk are one form.
    groups: dict[Index, Index] = {}

    def root(index: Index) -> Index:
        while index in groups:
            index = groups[index]
        return index

    for left, right in rest:
        first, second = sorted((root(find(left)), root(find(right))), reverse=True)
        if first != second:
            groups[second] = first
    mapping = {index: root(find(index)) for index in (*replaced, *groups)}
    out: dict[Atom, Rational] = {}
    for (head, name, indices), exponent in powers.items():
        atom: Atom = (head, name, tuple([mapping.get(i, i) for i in indices]))
        out[atom] = out.get(atom, 0) + exponent
    for index in groups:
        partner = root(index)
        out["δ", "", (min(index, partner), max(index, partner))] = 1
    return coefficient, out


def apart(monomial_: Monomial) -> Monomial:
    """The same monomial with bound indices that occur nowhere else."""
    factors, bound = monomial_
    if not bound:
        return monomial_
    mapping = {index: (next(_fresh), index[1]) for index in bound}
    return (
        tuple([((h, n, tuple([mapping.get(i, i) for i in ix])), e) for (h, n, ix), e in factors]),
        tuple(mapping.values()),
    )
