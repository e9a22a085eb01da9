"""What all terms of a sum share, taken out: scalars, factors of free indices, and whole contractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from chainrule.algebra.expr import Atom, Factor, Index, Rational
from chainrule.algebra.relations import INDICATORS
from chainrule.plan.numbers import ONE, Coefficient

__all__ = ["Term", "common_scalar", "take_out"]

# array factors, summed indices, scalar
Term = tuple[list[Factor], set[Index], Coefficient]


def take_out(terms: list[Term], keep: Callable[[Factor], bool]) -> tuple[list[Factor], list[Term]]:
    """Factors that all terms share, and the terms without them. `keep`: those that must stay where they are.

    Those of summed indices only where all terms sum over the same: Σ_n a_n b_n + Σ_n a_n c_n = Σ_n a_n (b_n + c_n).
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
    if not one_sum or deltas or not _widens(common, terms):
        common = {atom: e for atom, e in common.items() if all(index[0] < 0 for index in atom[2])}
    for atom in [a for a, e in common.items() if keep((a, e))]:
        del common[atom]
    if not common:
        return [], terms
    rest: list[Term] = []
    for factors, indices, coefficient in terms:
        left = [(atom, e - common.get(atom, 0)) for atom, e in factors]
        rest.append(([(atom, e) for atom, e in left if e], indices, coefficient))
    return list(common.items()), rest


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
