"""Formulas as parts of a sentence or a line of text: in its brackets, on one level, in letters of their own."""

from __future__ import annotations

from dataclasses import replace

from chainrule.dims import Dim
from chainrule.notation.tree import Node

__all__ = ["bracketed", "foreign", "group", "inlined", "run_over", "stepwise", "worded"]


def worded(node: Node, text: str) -> Node:
    """A formula that text writes as somebody wrote it."""
    return Node("worded", (node,), text, node.rows, node.cols)


def run_over(letter: str, size: Dim) -> Node:
    """letter = 1..size, what an index runs over."""
    return Node("range", (), (letter, str(size)))


def stepwise(body: Node, letter: str, first: Dim, last: Dim) -> Node:
    """body, for letter = first..last."""
    return Node("stepwise", (body,), (letter, str(first), str(last)), body.rows, body.cols)


def foreign(node: Node) -> Node:
    """A formula in letters of its own: an identity's W is not the program's W, though it looks alike."""
    return Node("foreign", (node,), None, node.rows, node.cols)


def inlined(node: Node) -> Node:
    """A formula for the middle of a sentence: derivatives and quotients are written on one level, ∂z/∂x, a/n."""
    if node.op in ("partial", "div"):
        return replace(node, args=tuple(map(inlined, node.args)), data="/")
    return replace(node, args=tuple(map(inlined, node.args))) if node.args else node


def bracketed(node: Node) -> Node:
    """A formula in brackets, in a sentence."""
    return Node("bracketed", (node,), None, node.rows, node.cols)


def group(node: Node) -> Node:
    """Brackets that only text has."""
    return Node("group", (node,), None, node.rows, node.cols)
