"""What all terms of a sum share, taken out: scalars, factors of free indices, and whole contractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from chainrule.algebra.expr import Atom, Factor, Index, Rational
from chainrule.algebra.relations import INDICATORS
from chainrule.plan.numbers import ONE, Coefficient

__all__ = ["Term", "common_scalar", "outside", "take_out"]

# array factors, summed indices, scalar
Term = tuple[list[Factor], set[Index], Coefficient]


def take_out(terms: list[Term], keep: Callable[[Factor], bool]) -> tuple[list[Factor], list[Term]]:
    """Factors that all terms share, and the terms without them. `keep`: those that must stay where they are.

    Those of summed indices only where all terms sum over the same: Σ_n a_n b_n + Σ_n a_n c_n = Σ_n a_n (b_n + c_n);
    and only as many of them that what is added inside has no more axes than what it is made of (see `outside`).
    """
    common = dict(terms[0][0])
    for factors, _, _ in terms[1:]:
        mine = dict(factors)
        for atom, exponent in list(common.items()):
            other = mine.get(atom, 0)
            if not other or (other > 0) != (exponent > 0):
                del common[atom]
            else:
                common[atom] = min(exponent, other) if exponent > 0 else max(exponent, other)
    one_sum = all(indices == terms[0][1] for _, indices, _ in terms)
    deltas = any(atom[0] in INDICATORS for factors, _, _ in terms for atom, _ in factors)
    if one_sum and not deltas and _widens(common, terms):
        common = _narrow(common, terms)
    else:
        common = {atom: e for atom, e in common.items() if all(index[0] < 0 for index in atom[2])}
    for atom in [a for a, e in common.items() if keep((a, e))]:
        del common[atom]
    if not common:
        return [], terms
    return list(common.items()), _without(common, terms)


def outside(common: list[Factor], terms: list[Term]) -> set[Index]:
    """Which summed indices a sum around the common factors has: all, or those of the factors, the rest being inside.

    Σ_nk X_nd (A_nk U_kh + B_nk U_kh) adds matrices of n and h where k is summed inside, else arrays of n, k, h.
    """
    mine = {index for atom, _ in common for index in atom[2]} & terms[0][1]
    return terms[0][1] if not mine or not _is_wide(terms, terms[0][1]) else mine


def _is_wide(terms: list[Term], bound: set[Index]) -> bool:
    """True where what is added has more axes than each of its factors, if the sum over `bound` is around it."""
    axes = {i for factors, sums, _ in terms for atom, _ in factors for i in atom[2] if i not in sums - bound}
    return len(axes) > max((len(set(atom[2])) for factors, _, _ in terms for atom, _ in factors), default=0)


def _narrow(common: dict[Atom, Rational], terms: list[Term]) -> dict[Atom, Rational]:
    """The common factors, or those without which what is added inside would be an array of more axes."""
    summed = [atom for atom in common if terms[0][1] & set(atom[2])]
    if not summed or not _is_wide(_without(common, terms), terms[0][1]):
        return common
    for chosen in summed:
        fewer = {atom: e for atom, e in common.items() if atom == chosen or atom not in summed}
        rest = _without(fewer, terms)
        if _widens(fewer, terms) and not _is_wide(rest, outside(list(fewer.items()), rest)):
            return fewer
    return common


def _without(common: dict[Atom, Rational], terms: list[Term]) -> list[Term]:
    """The terms without what is taken out."""
    rest: list[Term] = []
    for factors, indices, coefficient in terms:
        left = [(atom, e - common.get(atom, 0)) for atom, e in factors]
        rest.append(([(atom, e) for atom, e in left if e], indices, coefficient))
    return rest


def _widens(common: dict[Atom, Rational], terms: list[Term]) -> bool:
    """True where each term without `common` has fewer indices: taking it out then saves whole contractions."""
    shared = {index for atom in common for index in atom[2]}
    rests = [{i for atom, e in factors if e != common.get(atom) for i in atom[2]} for factors, _, _ in terms]
    return all(shared - rest for rest in rests)


def common_scalar(terms: list[Term]) -> tuple[Coefficient, list[Term]]:
    """A scalar that all terms share (sizes and roots; the rational where all have the same), and the terms without."""
    first = terms[0][2]
    if any((c.sizes, c.roots) != (first.sizes, first.roots) for _, _, c in terms):
        return ONE, terms
    value = abs(first.value) if all(abs(c.value) == abs(first.value) for _, _, c in terms) else Fraction(1)
    if all(c.value < 0 for _, _, c in terms):
        value = -value
    shared = Coefficient(value, first.sizes, first.roots)
    inverse = shared.inverse()
    return shared, [(f, b, c * inverse) for f, b, c in terms]
