"""Formulas of indices, 2i + a: what they are made of, and how far their letters run.

What a letter runs over follows from where it stands alone (w[a]); a letter that only stands in sums (x[i+a−1]) runs as
far as every entry lies inside. Letters count from 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chainrule.algebra.expr import Expr
from chainrule.dims import Dim, canonical_name
from chainrule.errors import LanguageError, Span, UnsupportedError
from chainrule.language import ast
from chainrule.language.printer import print_expression
from chainrule.language.sequences import Sequences
from chainrule.sizes import minus, never_negative, plus, polynomial, quotient, times

__all__ = ["Affine", "Formulas", "Reach", "at_most", "whole_of"]


@dataclass(slots=True)
class Affine:
    """Σ coefficients·letters + constant, all counted from 1."""

    terms: dict[str, Dim] = field(default_factory=dict)
    constant: Dim = 0


@dataclass(slots=True)
class Reach:
    """An index whose letters may not be known yet: Σ terms + low … high must lie in 1 … dim.

    target: in 1[k = 2i+a], the letter k, which runs as far as the sum goes.
    """

    terms: dict[str, Dim]
    low: Dim
    high: Dim
    dim: Dim
    span: Span | None
    target: str | None = None

    def without(self, letter: str, dim: Dim) -> Reach:
        """The same after a letter is known to run over `dim`."""
        c = self.terms[letter]
        one, all_ = c, times(c, dim)
        first, last = (one, all_) if _positive(c) else (all_, one)
        rest = {k: v for k, v in self.terms.items() if k != letter}
        return Reach(rest, plus(self.low, first), plus(self.high, last), self.dim, self.span, self.target)

    def range_of(self, letter: str) -> Dim:
        """As far as the only letter may run. Raises UnsupportedError where not even the first entry lies inside."""
        c = self.terms[letter]
        below, above = plus(self.low, c), plus(self.high, c)  # at the first position of the letter
        positive = _positive(c)
        first_inside = never_negative(polynomial(minus(below, 1))) if positive else at_most(above, self.dim)
        if not first_inside or not (positive or _positive(minus(0, c))):
            raise UnsupportedError(
                f"what {letter} runs over is not known: it stands in sums only, and they reach outside of the array",
                f"an array with the index {letter} alone, or pad(x, …) first", self.span,
            )  # fmt: skip
        room = minus(self.dim, self.high) if positive else minus(self.low, 1)
        return quotient(room, c if positive else minus(0, c))


def _positive(c: Dim) -> bool:
    return never_negative(polynomial(minus(c, 1)))


def at_most(a: Dim, b: Dim) -> bool:
    """True where a ≤ b for all sizes from 1; False: not known."""
    return never_negative(polynomial(minus(b, a)))


class Formulas(Sequences):
    """Reads formulas of indices."""

    def is_letter(self, name: str) -> bool:
        """True for what is no array and no size, so that it is an index."""
        if name in self.index_scope or name in self.bound:
            return True
        return not self.is_variable(name) and (bool(self.scopes) or name not in self.dims)

    def is_variable(self, name: str) -> bool:
        """True for a name that cannot be an index: among indices a definition knows its arguments alone."""
        return name in self.scopes[-1] if self.scopes else canonical_name(name) in self.names

    def affine(self, node: ast.Expr) -> Affine | None:
        """A formula of letters, whole numbers and sizes; None where it is none."""
        if isinstance(node, ast.Number):
            return Affine({}, int(node.value)) if node.value.denominator == 1 else None
        if isinstance(node, ast.Name):
            if self.is_letter(node.name):
                return Affine({node.name: 1}, 0)
            known = self.size_value(node)
            return None if known is None else Affine({}, known)
        if isinstance(node, ast.Negate):
            inner = self.affine(node.operand)
            return None if inner is None else _scaled(inner, -1)
        if not isinstance(node, ast.Binary):
            return None
        left, right = self.affine(node.left), self.affine(node.right)
        if left is None or right is None:
            return None
        if node.op in ("+", "-"):
            right = right if node.op == "+" else _scaled(right, -1)
            terms = dict(left.terms)
            for letter, c in right.terms.items():
                terms[letter] = plus(terms.get(letter, 0), c)
            return Affine(terms, plus(left.constant, right.constant))
        if node.op in ("@", "*", "∘") and not (left.terms and right.terms):
            number, other = (left, right) if not left.terms else (right, left)
            return _scaled(other, number.constant)
        return None

    def size_value(self, node: ast.Name) -> Dim | None:
        """A size, or an argument of a definition that is a whole number."""
        if self.scopes:
            value = self.scopes[-1].get(node.name)
            return whole_of(value.expr) if value is not None and value.orientation == "scalar" else None
        return node.name if node.name in self.dims and canonical_name(node.name) not in self.names else None

    def whole(self, node: ast.Expr, what: str) -> Dim:
        """A whole number or a size, worked out from others. Raises LanguageError for anything else."""
        found = self.affine(node)
        if found is None or found.terms:
            raise LanguageError(
                f"{what} must be a whole number or a size, not {print_expression(node)}", None, node.span
            )
        return found.constant

    # -- ranges ---------------------------------------------------------------------------------------------------

    def reach(self, ref: ast.IndexRef, dim: Dim) -> Reach | None:
        """An index that is no letter alone, for which ranges must be found; None for a lookup or a slice."""
        found = self.offset(ref)
        if found is None or ref.kind == "slice":
            return None
        return Reach(dict(found.terms), found.constant, found.constant, dim, ref.span)

    def reach_of_letter(self, node: ast.Expr) -> Reach | None:
        """k in 1[k = 2i+a]."""
        if not isinstance(node, ast.Binary) or node.op not in ("=", "=="):
            return None
        for letter, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(letter, ast.Name) and self.is_letter(letter.name):
                found = self.affine(other)
                if found is not None and found.terms and letter.name not in found.terms:
                    return Reach(dict(found.terms), found.constant, found.constant, 0, node.span, letter.name)
        return None

    def offset(self, ref: ast.IndexRef) -> Affine | None:
        """The formula of an index; None for a lookup."""
        if ref.kind == "sum":
            assert ref.first is not None
            return self.affine(ref.first)
        if ref.name is None:
            return Affine({}, ref.offset)
        found = self.affine(ast.Name(ref.name, ref.span))
        return None if found is None else Affine(found.terms, plus(found.constant, ref.offset))


def _scaled(value: Affine, factor: Dim) -> Affine:
    return Affine({k: times(c, factor) for k, c in value.terms.items()}, times(value.constant, factor))


def whole_of(expr: Expr) -> Dim | None:
    """A scalar of whole numbers and sizes as a size; None where it is none."""
    total: Dim = 0
    for (factors, bound), coefficient in expr.items():
        if bound or not isinstance(coefficient, int):
            return None
        part: Dim = coefficient
        for (head, name, _), exponent in factors:
            if head != "#" or not isinstance(exponent, int) or exponent < 1:
                return None
            for _ in range(exponent):
                part = times(part, str(name))
        total = plus(total, part)
    return total
