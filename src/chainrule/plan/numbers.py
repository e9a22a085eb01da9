"""The scalar in front of a term: a rational, powers of symbolic sizes and roots of numbers, known once sizes are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chainrule.algebra.expr import Factor, Rational
from chainrule.dims import Dim

__all__ = ["MINUS_ONE", "ONE", "Coefficient", "coefficient_of"]


@dataclass(frozen=True, slots=True)
class Coefficient:
    """value · Π size^exponent · Π number^exponent; sizes and roots are sorted and have no exponent 0."""

    value: Fraction = Fraction(1)
    sizes: tuple[tuple[str, Fraction], ...] = ()
    roots: tuple[tuple[Fraction, Fraction], ...] = ()

    def __mul__(self, other: Coefficient) -> Coefficient:
        return Coefficient(self.value * other.value, _merge(self.sizes, other.sizes), _merge(self.roots, other.roots))

    def __neg__(self) -> Coefficient:
        return Coefficient(-self.value, self.sizes, self.roots)

    def inverse(self) -> Coefficient:
        """1 / self; `value` must not be 0."""
        return Coefficient(
            1 / self.value,
            tuple((d, -e) for d, e in self.sizes),
            tuple((n, -e) for n, e in self.roots),
        )

    def times_size(self, dim: Dim, exponent: Rational = 1) -> Coefficient:
        """self · dim^exponent."""
        if isinstance(dim, str):
            return self * Coefficient(Fraction(1), ((dim, Fraction(exponent)),))
        if Fraction(exponent).denominator == 1:
            return self * Coefficient(Fraction(dim) ** int(exponent))
        return self * Coefficient(Fraction(1), (), ((Fraction(dim), Fraction(exponent)),))

    @property
    def is_rational(self) -> bool:
        """True where neither sizes nor roots occur."""
        return not self.sizes and not self.roots


ONE = Coefficient()
MINUS_ONE = Coefficient(Fraction(-1))


def _merge(
    left: tuple[tuple[Any, Fraction], ...], right: tuple[tuple[Any, Fraction], ...]
) -> tuple[tuple[Any, Fraction], ...]:
    if not left or not right:
        return left or right
    total = dict(left)
    for key, exponent in right:
        total[key] = total.get(key, Fraction(0)) + exponent
    return tuple(sorted((k, e) for k, e in total.items() if e))


def coefficient_of(value: Rational, factors: tuple[Factor, ...]) -> tuple[Coefficient, list[Factor]]:
    """Split a monomial into its scalar (the rational, sizes, roots) and the factors that are arrays."""
    total, rest = Coefficient(Fraction(value)), []
    for atom, exponent in factors:
        if atom[0] == "#":
            total = total.times_size(atom[1], exponent)  # type: ignore[arg-type]
        elif atom[0] == "n":
            total = total * Coefficient(Fraction(1), (), ((Fraction(atom[1]), Fraction(exponent)),))  # type: ignore[arg-type]
        else:
            rest.append((atom, exponent))
    return total, rest
