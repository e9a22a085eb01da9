"""Arrays made of others, and parts of arrays: [A, B; C, D], zeros in a gap of it, A[:,1:k] and A[2,:]."""

from __future__ import annotations

import re
from typing import NamedTuple

from chainrule.dims import Dim, display_name
from chainrule.notation.tree import Node, names_in, num
from chainrule.sizes import plus, spoken

__all__ = ["Cut", "block_rows", "blocks", "cut", "position_text", "zeros"]


class Cut(NamedTuple):
    """Positions start, start + 1, … of an axis, counted from 0: `length` of them; None: one entry, and no axis."""

    start: Dim
    length: Dim | None


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


def zeros(rows: Dim, cols: Dim) -> Node:
    """An array of zeros, which fills a gap."""
    return num(0) if rows == 1 == cols else Node("zeros", (), None, rows, cols)


def cut(whole: Node, cuts: tuple[Cut | None, ...], rows: Dim, cols: Dim) -> Node:
    """A part of an array; None: all of an axis."""
    letters = tuple(":" if c is None else _positions(c) for c in cuts)
    if whole.op == "sym":
        return Node("at", (), (str(whole.data), *letters), rows, cols)
    if whole.op == "at":  # of one step of a sequence: h[t,1:k]
        return Node("at", (), (*names_in(whole), *letters), rows, cols)
    return Node("entry", (whole,), letters, rows, cols)


def _positions(part: Cut) -> str:
    first = position_text(plus(part.start, 1))
    return first if part.length is None else f"{first}:{position_text(plus(part.start, part.length))}"


def position_text(dim: Dim) -> str:
    """A position as it stands in brackets: 3, K+1, 2K.

    >>> position_text(plus("2*K", 1)), position_text("H*d")
    ('2K+1', 'H*d')
    """
    text = spoken(dim, display_name)
    text = text[1:-1] if text.startswith("(") else text
    return re.sub(r"(?<![\w)])(\d+)\*(?=[^\W\d])", r"\1", text.replace(" ", ""))
