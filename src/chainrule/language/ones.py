"""Vectors of ones whose length nobody states: 1ᵀ x, A 1, and x 1ᵀ + 1 yᵀ.

Beside a vector or a matrix that has the size, a 1 is as long as that: 1ᵀ A is the row of column sums, A 1 the column of
row sums. In x 1ᵀ only a neighbour can say how many ones there are; until one does the value is marked `spread`, which
elementwise operations keep, and what needs the size refuses it (`settled`): sum(x 1ᵀ) is not sum(x).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from chainrule.algebra.expr import constant
from chainrule.errors import DimensionError
from chainrule.language import ast
from chainrule.language.values import Value, in_brackets

__all__ = ["as_vectors", "kept_spread", "makes_spread", "settled"]

ONE = ast.Number(Fraction(1))
ONES = ast.Transpose(ONE)
ALONG_A_SIDE = ("matrix", "row", "tensor")


def as_vectors(node: ast.Binary, left: Value, right: Value) -> tuple[Value, Value]:
    """The sides of a product, with 1ᵀ before and 1 behind an array read as ones that are as long as it is."""
    if node.left == ONES and right.orientation in ("column", "matrix"):
        left = Value(constant(1), right.dims[:1], "row", "1ᵀ")
    if node.right == ONE and left.orientation in ALONG_A_SIDE:
        right = Value(constant(1), left.dims[-1:], "column", "1")
    if "scalar" not in (left.orientation, right.orientation):
        settled(left)
        settled(right)
    return left, right


def makes_spread(node: ast.Binary, left: Value, right: Value) -> bool:
    """True for x 1ᵀ and 1 yᵀ."""
    behind = node.right == ONES and left.orientation == "column"
    return behind or (node.left == ONE and right.orientation == "row")


def kept_spread(value: Value, left: Value, right: Value) -> Value:
    """The value of an operation on two, marked where it is still not known how often it is repeated."""
    if value.spread or not (left.spread or right.spread) or value.orientation in ("matrix", "tensor"):
        return value
    return replace(value, spread=True)


def settled(value: Value) -> Value:
    """The value itself. Raises DimensionError where the number of its ones is not known."""
    if not value.spread:
        return value
    ones = "1ᵀ" if value.orientation == "column" else "1"
    hint = "x ones(n)ᵀ with the size that is meant" if value.orientation == "column" else "ones(n) xᵀ, or xᵀ alone"
    raise DimensionError(
        f"how long {ones} is in {in_brackets(value.text) or 'this'} is not known here", hint, value.span
    )
