"""An index followed through the graph: which axis of each node it is, and which nodes sum over it.

A node has the index as an axis where each of its rows needs only the same rows of those operands that have it
(`chainrule.plan.row_axes`).

A loop over steps (`chainrule.plan.loops`) has the index where all its steps can be run for some rows alone
(`chainrule.plan.loop_rows`); where not, it is an obstacle, and its arrays are whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from chainrule.plan.graph import Node
from chainrule.plan.loop_rows import LoopRows, Obstacle, follow_loop
from chainrule.plan.row_axes import by_rows, follows

__all__ = ["RowIndex", "follow_index"]


@dataclass(slots=True)
class RowIndex:
    """Where the index is in each node that has it.

    rows: which axis of a node is the index; −1 for a loop that runs for the rows at hand: see `loops`.
    sums: which index of a node (as `follows` counts) is it, summed.  obstacles: loops that need all rows.
    """

    rows: dict[Node, int]
    sums: dict[Node, int]
    loops: dict[Node, LoopRows] = field(default_factory=dict)
    obstacles: list[Obstacle] = field(default_factory=list)

    def of(self, node: Node) -> int | None:
        """The index in a node's own count, or None where it has none."""
        return self.rows.get(node, self.sums.get(node))

    def sliced(self, node: Node, k: int) -> int | None:
        """The axis of operand k of which only the rows at hand are needed; None: all of it is."""
        own = self.of(node)
        if own is None or node.op == "input":
            return None
        if node.op == "loop":
            return self.loops[node].axes.get(k)
        places = follows(node, k)
        return places.index(own) if own in places else None

    def aligned(self, node: Node, k: int) -> bool:
        """True where operand k is a value by rows and is needed just so."""
        operand = node.operands[k].node
        if operand.op == "loop":  # a sequence by rows has been computed by it
            return node in self.rows and operand in self.rows
        axis = self.sliced(node, k)
        return axis is not None and operand.op != "input" and self.rows.get(operand) == axis


def follow_index(
    seed: Node, axis: int, users: Mapping[Node, list[tuple[Node, int]]], through_loops: bool = True
) -> RowIndex:
    """The index that is an argument's axis, in all nodes that it reaches: first towards the results.

    Without `through_loops` loops are left alone: what they read and compute is whole.
    """
    index = RowIndex({}, {})
    down, up = deque([(seed, axis)]), deque[tuple[Node, int]]()

    def upwards(node: Node, own: int) -> None:
        for k, operand in enumerate(node.operands):
            places = follows(node, k)
            if own in places:
                back(operand.node, places.index(own))

    def back(node: Node, own: int) -> None:
        if node.op == "computed" and through_loops and node not in index.rows:
            loop = node.operands[1].node
            enter(loop, next(k for k, o in enumerate(loop.operands) if o.node is node.operands[0].node), own)
        elif by_rows(node, own):
            up.append((node, own))

    def enter(loop: Node, number: int, own: int) -> None:
        if loop in index.rows or not through_loops:
            return
        found = follow_loop(loop, number, own)
        if isinstance(found, Obstacle):
            index.obstacles.append(found)
            return
        index.rows[loop], index.loops[loop] = -1, found
        for k, place in found.axes.items():
            other = loop.operands[k].node
            if other.op == "sequence":
                down.append((other, place))
            else:
                back(other, place)

    while down or up:
        node, own = down.popleft() if down else up.popleft()
        if index.of(node) is not None:
            continue
        index.rows[node] = own
        upwards(node, own)
        for user, k in users.get(node, ()):
            if user.op == "loop":
                enter(user, k, own)
                continue
            if user.op == "computed":  # of a sequence of a loop that was entered
                down.append((user, own))
                continue
            place = follows(user, k)[own]
            if place is None or index.of(user) is not None:
                continue
            if place >= user.rank:
                index.sums[user] = place
                upwards(user, place)
            elif by_rows(user, place):
                down.append((user, place))
    return index
