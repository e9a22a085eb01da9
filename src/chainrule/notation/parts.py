"""Arrays made of others: blocks beside and beneath each other."""

from __future__ import annotations

from chainrule.dims import Dim
from chainrule.notation.tree import Node
from chainrule.sizes import plus

__all__ = ["block_rows", "blocks"]


def blocks(rows: list[list[Node]]) -> Node:
    """[A, B; C, D]: arrays beside and beneath each other; `data` holds how many stand in each row."""
    first = rows[0]
    beneath = all(row[0].cols == first[0].cols for row in rows)
    height: Dim = plus(*(row[0].rows for row in rows))
    width: Dim = plus(*(part.cols for part in first)) if beneath else 1
    return Node("blocks", tuple(part for row in rows for part in row), tuple(map(len, rows)), height, width)


def block_rows(node: Node) -> list[tuple[Node, ...]]:
    """The rows of such blocks."""
    rows, start = [], 0
    assert isinstance(node.data, tuple)
    for count in node.data:
        rows.append(node.args[start : start + int(count)])
        start += int(count)
    return rows
