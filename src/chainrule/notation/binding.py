"""How strongly formulas bind, and how much reading they take: what every writer asks of a node.

Binding strength decides brackets, here and nowhere else, for text, LaTeX and MathML.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from chainrule.notation.tree import Node, names_in

__all__ = [
    "ATOM",
    "HADAMARD",
    "NEGATION",
    "POSTFIX",
    "PRODUCT",
    "SUM",
    "cost",
    "flat_below",
    "has_quotient",
    "strength",
]

SUM, HADAMARD, PRODUCT, NEGATION, POSTFIX, ATOM = 1, 2, 3, 4, 5, 6


def flat_below(node: Node) -> Node:
    """What stands above or below a fraction line: its own fractions are written on one level."""
    if node.op in ("partial", "div"):
        return replace(node, args=tuple(map(flat_below, node.args)), data="/")
    return replace(node, args=tuple(map(flat_below, node.args))) if node.args else node


def has_quotient(node: Node) -> bool:
    """True where an elementwise quotient is a factor of it: then it stands beside 1/n, not above n."""
    return node.op == "ediv" or (node.op in ("prod", "had", "T", "sum") and any(map(has_quotient, node.args)))


def strength(node: Node) -> int:
    """How strongly the outermost operation of a node binds."""
    if node.op in ("rel", "range", "stepwise"):
        return SUM - 1
    if node.op in ("worded", "foreign"):
        return strength(node.args[0])
    if node.op == "sum":
        return SUM
    if node.op in ("had", "ediv"):
        return HADAMARD
    if node.op == "raised":
        return POSTFIX
    if node.op in ("prod", "div"):
        return PRODUCT
    if node.op in ("T", "pow", "^"):
        if node.op == "pow" and node.args[0].rows == 1 == node.args[0].cols and Fraction(str(node.data)) < 0:
            return PRODUCT
        return POSTFIX
    if node.op == "num" and Fraction(str(node.data)).denominator != 1:
        return PRODUCT
    return ATOM


def cost(node: Node) -> float:
    """How much reading a formula takes, in weighted symbols."""
    own = {"sym": 1.0, "num": 0.8, "ones": 1.0, "eye": 1.0, "zeros": 0.8, "T": 1.0, "diag": 1.5, "call": 1.0, "fn": 0.8,
           "pow": 0.8, "^": 0.8, "div": 0.4, "norm": 1.2, "sigma": 1.5, "lookup": 0.2, "iverson": 1.6,
           "partial": 0.4}.get(node.op, 0.0)  # fmt: skip
    if node.op == "entry":
        own = 0.2 * len(names_in(node))
    if node.op == "at":
        own = 0.9 + 0.2 * len(names_in(node))
    if node.op in ("ediv", "rel"):
        own = 0.5
    if node.op == "blocks":
        own = 0.3 * len(node.args)
    if node.op in ("sum", "had"):
        own = 0.3 * (len(node.args) - 1) + 0.3 * (
            node.op == "sum" and isinstance(node.data, tuple) and node.data[:1] == (-1,)
        )
    total = own + sum(cost(a) for a in node.args)
    if node.op in ("T", "pow") and strength(node.args[0]) < POSTFIX:
        total += 0.5
    if node.op in ("prod", "div"):
        total += sum(0.5 for a in node.args if strength(a) < PRODUCT)
    if node.op == "had":
        total += sum(0.5 for a in node.args if strength(a) < HADAMARD)
    return total
