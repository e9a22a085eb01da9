"""Cutting a long network into columns that stand side by side, as a text is set in columns.

A cut is made where few values cross it. A value that crosses is drawn again, as a ghost, at the head of the column that
uses it, and its users as ghosts at the foot of its own column, so that no edge runs from column to column.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.picture.graph import Graph, Use

__all__ = ["columns", "depths"]

TALLEST = 9  # rows of equations in a column
SHORTEST = 5


def depths(graph: Graph) -> dict[str, int]:
    """The row of each equation: one below the lowest equation that it uses. Nothing for what is declared."""
    row: dict[str, int] = {}
    before: dict[str, list[str]] = {}
    for use in graph.uses:
        before.setdefault(use.target, []).append(use.source)
    for key, box in graph.boxes.items():
        if not box.is_leaf:
            row[key] = 1 + max((row[s] for s in before.get(key, ()) if s in row), default=-1)
    return row


def columns(graph: Graph) -> list[Graph]:
    """The graph in columns of at most `TALLEST` rows; the graph itself where it is no taller."""
    row = depths(graph)
    height = max(row.values(), default=0) + 1
    if height <= TALLEST + 1:
        return [graph]
    crossing = [0] * (height + 1)  # crossing[k]: values that rows above k hand to row k or below
    for source in {u.source for u in graph.uses if u.source in row}:
        for k in range(row[source] + 1, max(row[u.target] for u in graph.uses if u.source == source) + 1):
            crossing[k] += 1
    cuts = [0]
    while height - cuts[-1] > TALLEST:
        count = -(-(height - cuts[-1]) // TALLEST)  # columns still to come
        even = (height - cuts[-1]) / count
        choices = range(cuts[-1] + SHORTEST, min(cuts[-1] + TALLEST, height - 1) + 1)
        cuts.append(min(choices, key=lambda k: (crossing[k], abs(k - cuts[-1] - even))))
    return [_part(graph, row, start, end) for start, end in zip(cuts, [*cuts[1:], height], strict=True)]


def _part(graph: Graph, row: dict[str, int], start: int, end: int) -> Graph:
    inside = {key for key, r in row.items() if start <= r < end}
    part = Graph()
    uses = []
    for use in graph.uses:
        if use.target in inside:
            uses.append(use)
        elif use.source in inside:
            uses.append(Use(use.source, "▸" + use.target, use.back))
    needed = {u.source for u in uses} | inside
    first_row: dict[str, int] = {}
    for use in graph.uses:
        first_row[use.source] = min(first_row.get(use.source, row[use.target]), row[use.target])
    for key, box in graph.boxes.items():
        elsewhere = box.is_leaf and first_row.get(key, 0) < start  # a leaf is drawn in full where it is used first
        if key in needed or (box.is_leaf and key not in first_row and start == 0):
            part.boxes[key] = replace(box, ghost=elsewhere or not (box.is_leaf or key in inside))
    for use in uses:
        if use.target.startswith("▸"):
            part.boxes[use.target] = replace(graph.boxes[use.target[1:]], ghost=True)
    part.uses = uses
    part.again = [use for use in graph.again if use.target in inside]
    return part
