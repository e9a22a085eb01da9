"""The scalars of a term: numbers, norms, sizes, in front of it or below a fraction line."""

from __future__ import annotations

from fractions import Fraction

from chainrule.algebra.expr import Rational
from chainrule.notation import tree
from chainrule.notation.tree import Node

__all__ = ["squared_norm", "with_scalars"]


def squared_norm(vector: Node) -> tuple[Node, Fraction]:
    """Σ of a column's squares, with its exponent: xᵀ x of a name, ‖A x − b‖² of a formula, not written twice."""
    if vector.op == "sym":
        return tree.product([tree.transpose(vector), vector]), Fraction(1)
    return Node("norm", (vector,)), Fraction(2)


def _multiply(inner: Fraction, outer: Fraction) -> bool:
    """True where (b^inner)^outer is b^(inner · outer), of a negative b too: √(b²) is |b|."""
    return outer.denominator == 1 or inner.numerator % 2 == 1


def with_scalars(node: Node, scalars: list[tuple[Node, Fraction]], coefficient: Rational) -> Node:
    """coefficient · scalars · node, with negative powers below a fraction line."""
    value = Fraction(coefficient)
    tops: list[Node] = []
    bottoms: list[Node] = []
    merged: dict[Node, Fraction] = {}
    for base, e in scalars:
        if base.op == "pow" and not isinstance(base.data, str) and _multiply(Fraction(str(base.data)), e):
            base, e = base.args[0], e * Fraction(str(base.data))
        if base.op == "num" and e == 1:
            value *= Fraction(str(base.data))
            continue
        merged[base] = merged.get(base, Fraction(0)) + e
    for base, e in merged.items():
        if e > 0:
            tops.append(tree.power(base, e))
        elif e < 0:
            bottoms.append(tree.power(base, -e))
    trivial = node.op == "num" and node.data == 1
    if node.op == "ediv" and node.args[0].op == "num" and node.args[0].data == 1:  # m (1 ./ x) is m ./ x
        above = with_scalars(node.args[0], scalars, coefficient)
        if above.op in ("num", "sym", "prod", "call", "norm"):
            return tree.quotient(above, node.args[1])
    decimal = value.denominator > 12 and 10**6 % value.denominator == 0
    if value.denominator != 1 and not decimal and (value.numerator == 1 or bottoms):
        bottoms.insert(0, tree.num(value.denominator))
        value = Fraction(value.numerator)
    parts: list[Node] = []
    if value != 1 or (trivial and not tops):
        parts.append(tree.num(value))
    parts += tops
    if not trivial:
        parts.append(node)
    top = tree.product(parts)
    for bottom in [tree.product(bottoms)] if bottoms else []:
        top = tree.divide(top, bottom)
    return top
