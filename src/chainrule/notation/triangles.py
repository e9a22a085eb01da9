"""Triangles of matrices: tril(M), triu(M, 1), and halftril(M), the lower triangle with half of the diagonal.

In the algebra each is a product with a constant matrix, an index relation 1[j ≤ i + k] or the mask of a Cholesky
factor's derivative. `Reduction` takes such a factor for an edge; where it lies beside a matrix the two are written as
one call, where only vectors meet it, as the triangle of their outer product. What it cannot be written into is left to
index notation.
"""

from __future__ import annotations

from chainrule.algebra.expr import Index
from chainrule.algebra.relations import relation_of
from chainrule.notation import tree
from chainrule.notation.forms import Edge, Irreducible
from chainrule.notation.tree import Node

__all__ = ["applied_triangles", "bracketed", "half_triangle", "is_triangle", "triangle"]

_OPPOSITE = {"tril": "triu", "triu": "tril"}


def triangle(name: str, indices: tuple[Index, ...]) -> Edge:
    """An index relation between two indices of one term as an edge. Raises Irreducible for any other relation."""
    comparison, offset, coefficients = relation_of(name)
    if comparison != "≤" or not isinstance(offset, int) or len(indices) != 2 or set(coefficients) != {1, -1}:
        raise Irreducible
    small, large = indices if coefficients[0] == 1 else indices[::-1]  # small ≤ large + offset
    if small == large:
        raise Irreducible
    return _edge(large, small, ("tril", offset), ("triu", -offset))


def half_triangle(indices: tuple[Index, ...]) -> Edge:
    """The mask with 1 below the diagonal and 1/2 on it as an edge."""
    row, column = indices
    if row == column:
        raise Irreducible
    return _edge(row, column, ("halftril", 0), ("halftriu", 0))


def _edge(row: Index, column: Index, forward: tuple[str, int], backward: tuple[str, int]) -> Edge:
    (_, m), (_, n) = row, column
    return Edge(row, column, Node("triangle", (), forward, m, n), Node("triangle", (), backward, n, m))


def is_triangle(edge: Edge) -> bool:
    """True for such an edge."""
    return edge.forward.op == "triangle"


def applied_triangles(masks: list[Edge], start: Index, forward: Node, backward: Node) -> tuple[Node, Node]:
    """A matrix between two indices, from either side, with what the masks leave of it."""
    for mask in masks:
        data: tuple[str, int] = mask.leaving(start).data  # type: ignore[assignment]
        word, k = data
        if word == "halftriu":  # there is no word for it: the transpose of the lower one
            backward = _called("halftril", 0, backward)
            forward = tree.transpose(backward)
        else:
            opposite = _OPPOSITE.get(word)
            forward = _called(word, k, forward)
            backward = _called(opposite, -k, backward) if opposite else tree.transpose(forward)
    return forward, backward


def bracketed(terms: list[tuple[int, Node]]) -> list[tuple[int, Node]]:
    """Products around triangles with the same factors on both sides under one bracket: A (tril(X) + Y) B.

    Elsewhere the algebra does so; here a mask ties the two indices in the middle, and it sees no common factor.
    """
    if len(terms) < 2 or not all(node.op == "prod" and any(map(_holds_triangle, node.args)) for _, node in terms):
        return terms
    lists = [node.args for _, node in terms]
    least = min(map(len, lists)) - 1
    first = next((k for k in range(least) if any(a[k] != lists[0][k] for a in lists)), least)
    last = next((k for k in range(least - first) if any(a[-1 - k] != lists[0][-1 - k] for a in lists)), least - first)
    if not first and not last:
        return terms
    middle = [(s, tree.product(list(a[first : len(a) - last]))) for (s, _), a in zip(terms, lists, strict=True)]
    sign = 1 if any(s > 0 for s, _ in middle) else -1
    whole = tree.sum_of(sorted(((s * sign, n) for s, n in middle), key=lambda t: -t[0]))
    return [(sign, tree.product([*lists[0][:first], whole, *lists[0][len(lists[0]) - last :]]))]


def _holds_triangle(node: Node) -> bool:
    if node.op == "T":
        return _holds_triangle(node.args[0])
    return node.op == "call" and node.data in ("tril", "triu", "halftril")


def _called(word: str, k: int, node: Node) -> Node:
    return tree.call(word, (node, tree.num(k)) if k else (node,), node.rows, node.cols)
