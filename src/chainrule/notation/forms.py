"""Forms of a formula while it is written: a vector as a column and as a row, a matrix from either side.

The cheaper of two equal forms is kept here: A x rather than (xᵀ Aᵀ)ᵀ. What is read back wrongly is known here as well:
a column and a row that meet before a matrix does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from chainrule.algebra.expr import Index
from chainrule.dims import Dim
from chainrule.notation import binding, tree
from chainrule.notation.tree import Node

__all__ = [
    "COMPARED",
    "Edge",
    "Irreducible",
    "Vec",
    "applied",
    "cheapest",
    "inverted",
    "is_inverse",
    "kind",
    "matrix_forms",
    "meet_early",
    "same",
    "scaled",
    "shape_of",
]

COMPARED = {"step": ">", "nonneg": ">=", "iszero": "=="}  # masks are written as what they say
OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


class Irreducible(Exception):
    """A term without a form in matrix notation."""


@dataclass(frozen=True, slots=True)
class Vec:
    """A vector, as a column and as a row, whichever reads best in each place; a scalar or matrix is the same twice."""

    col: Node
    row: Node


@dataclass(frozen=True, slots=True)
class Edge:
    """A matrix between two indices: `forward` has `start` as its rows."""

    start: Index
    end: Index
    forward: Node
    backward: Node

    def leaving(self, index: Index) -> Node:
        """The matrix with `index` as its rows."""
        return self.forward if index == self.start else self.backward

    def other(self, index: Index) -> Index:
        """The index at the other end."""
        return self.end if index == self.start else self.start


def shape_of(dims: tuple[Dim, ...], orientation: str) -> tuple[Dim, Dim]:
    """Rows and columns of what has at most two sizes."""
    if not dims:
        return (1, 1)
    if len(dims) == 1:
        return (1, dims[0]) if orientation == "row" else (dims[0], 1)
    return (dims[0], dims[1])


def kind(node: Node) -> str:
    """scalar, column, row, identity or matrix, as it is read back."""
    if node.op == "eye":
        return "identity"
    if node.op in ("prod", "div", "sum"):
        kinds = {kind(a) for a in node.args} - {"scalar"}
        if kinds == {"identity"}:
            return "identity"
    if node.rows == 1 or node.cols == 1:
        return "scalar" if node.rows == node.cols else "row" if node.rows == 1 else "column"
    return "matrix"


def meet_early(ordered: list[tuple[int, Node]]) -> bool:
    """True where a sum, read from the left, adds what has no common size before there is a matrix."""
    have = "scalar"
    for position, (_, node) in enumerate(ordered):
        own = kind(node)
        if "matrix" in (have, own) or not position:
            have = "matrix" if "matrix" in (have, own) else own
        elif "identity" in (have, own):
            if have != own:
                return True
        elif own != "scalar":
            if have not in ("scalar", own):
                return True
            have = own
    return False


def same(node: Node) -> Vec:
    """What is no vector: the same both ways."""
    return Vec(node, node)


def scaled(scalar: Node, node: Node) -> Node:
    """scalar · node; a number below a fraction line stays there."""
    if scalar.op == "div" and scalar.args[1].op == "num":
        return tree.divide(scaled(scalar.args[0], node), scalar.args[1])
    return tree.product([scalar, node])


def is_inverse(node: Node) -> bool:
    """x.^(-1), or its transpose."""
    if node.op == "T":
        return is_inverse(node.args[0])
    return node.op == "pow" and not (node.rows == 1 == node.cols) and Fraction(str(node.data)) < 0


def inverted(node: Node) -> Node:
    """The base of such a power, with the exponent turned over."""
    if node.op == "T":
        return tree.transpose(inverted(node.args[0]))
    return tree.power(node.args[0], -Fraction(str(node.data)))


def cheapest(col: Node, row: Node) -> Vec:
    """A column and a row; where the transpose of the other is cheaper, that."""
    turned_row, turned_col = tree.transpose(row), tree.transpose(col)
    return Vec(
        turned_row if binding.cost(turned_row) < binding.cost(col) - 1e-9 else col,
        turned_col if binding.cost(turned_col) < binding.cost(row) - 1e-9 else row,
    )


def matrix_forms(forward: Node, backward: Node) -> tuple[Node, Node]:
    """A matrix and its transpose, each as written or as the transpose of the other where that is clearly cheaper."""
    turned_b, turned_f = tree.transpose(backward), tree.transpose(forward)
    return (
        turned_b if binding.cost(turned_b) < binding.cost(forward) - 0.6 else forward,
        turned_f if binding.cost(turned_f) < binding.cost(backward) - 0.6 else backward,
    )


def applied(head: str, node: Node) -> Node:
    """An elementwise function of a formula; a mask is a comparison."""
    if head == "iszero" and node.op == "rel" and node.data in OPPOSITE:
        return replace(node, data=OPPOSITE[str(node.data)])
    if head in COMPARED:
        return tree.comparison(node, COMPARED[head])
    return node if head == "" else Node("fn", (node,), head, node.rows, node.cols)
