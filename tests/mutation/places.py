"""The right formulas that are spoiled, and what can be said of the pieces in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chainrule.dims import canonical_name, display_name
from chainrule.language import ast
from mutation.oracle import Subject
from mutation.trees import (
    Path,
    everywhere,
    is_sum,
    places,
)

WRITTEN_OUT = ("activation", "label", "normalisation", "sum", "sign")  # tried where signals are written out
TURNED = ("transpose", "order", "sign", "signal", "sum", "path", "layout", "elementwise")  # and in numerator layout


@dataclass(frozen=True)
class Place:
    """A right formula: `left` = node, the derivative at `of`. `kinds`: what is tried on it."""

    subject: Subject
    left: str
    of: str
    node: ast.Expr
    kinds: tuple[str, ...] = ()
    other: ast.Expr | None = None  # a gradient in numerator layout


def right_formulas(s: Subject) -> Iterator[Place]:
    """Every signal and gradient; gradients also with their signals written out, and in numerator layout."""
    derivation = s.derivation
    for k, (name, g) in enumerate(derivation.signals.items()):
        anonymous = g.of.startswith("%")
        left = name if anonymous or k % 2 else f"dJ/d{display_name(g.of)}"
        yield Place(s, left, g.of, s.parse(g.text))
    written_out = {canonical_name(name): s.parse(g.text) for name, g in derivation.signals.items()}

    def signal(node: ast.Expr) -> ast.Expr | None:
        return written_out.get(canonical_name(node.name)) if isinstance(node, ast.Name) else None

    for name, g in derivation.gradients.items():
        node = s.parse(g.text)
        yield Place(s, f"dJ/d{name}", g.of, node, other=s.parse(g.numerator))
        inlined = untwisted(everywhere(node, signal))
        if inlined != node:
            yield Place(s, f"dJ/d{name}", g.of, inlined, kinds=WRITTEN_OUT)
        if g.numerator != g.text:
            yield Place(s, f"dJ/d{name}", g.of, s.parse(g.numerator), kinds=TURNED)


def untwisted(node: ast.Expr) -> ast.Expr:
    """(Aᵀ)ᵀ as A, everywhere."""

    def simpler(node: ast.Expr) -> ast.Expr | None:
        if isinstance(node, ast.Transpose) and isinstance(node.operand, ast.Transpose):
            return untwisted(node.operand.operand)
        return None

    return everywhere(node, simpler)


def signal_names(s: Subject) -> list[str]:
    return list(s.derivation.signals)


def is_one(node: ast.Expr) -> bool:
    """1ᵀ, which sums."""
    return isinstance(node, ast.Transpose) and isinstance(node.operand, ast.Number)


def outer_sums(s: Subject, node: ast.Expr, path: Path = ()) -> Iterator[tuple[Path, ast.Expr]]:
    """The sums that the formula is, apart from transposes, numbers and divisions around them."""
    match node:
        case ast.Binary("+" | "-", _, _):
            yield path, node
        case ast.Transpose(operand) | ast.Negate(operand):
            yield from outer_sums(s, operand, (*path, 0))
        case ast.Binary("/" | "./", left, _):
            yield from outer_sums(s, left, (*path, 0))
        case ast.Binary("∘", left, right) if is_quotient(left):  # A ∘ y.^−1 is A ./ y
            yield from outer_sums(s, right, (*path, 1))
        case ast.Binary("@", left, right):
            if s.kind(left) == "scalar":
                yield from outer_sums(s, right, (*path, 1))
            elif is_sum(left):
                yield (*path, 0), left


def is_quotient(node: ast.Expr) -> bool:
    """y.^−1, or its transpose."""
    base = node.operand if isinstance(node, ast.Transpose) else node
    return isinstance(base, ast.Binary) and base.op == ".^"


def constant(s: Subject, node: ast.Expr) -> bool:
    """True for numbers and sizes."""
    return all(
        isinstance(n, ast.Number | ast.Binary | ast.Call) or (isinstance(n, ast.Name) and n.name in s.symbols)
        for _, n in places(node)
    )


def uses(s: Subject, name: str) -> int:
    """How often the equations of the program use a name."""
    return sum(
        isinstance(node, ast.Name) and canonical_name(node.name) == canonical_name(name)
        for equation in s.equations
        for _, node in places(equation.value)
    )
