"""An index followed through the graph: which axis of each node it is, and which nodes sum over it.

A node has the index as an axis where each of its rows needs only the same rows of those operands that have it. To add
an operation: say in `_follows` which axis of the result each axis of an operand is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.plan.graph import ELEMENTWISE, Node

__all__ = ["RowIndex", "follow_index"]

_FOLLOWED = ELEMENTWISE | {"sum", "max", "contract", "broadcast", "copy", "diagonal", "embed", "add_embed"}


def _follows(node: Node, k: int) -> tuple[int | None, ...]:
    """For each axis of operand k: the result's axis that it is; rank + j: summed; None: needed as a whole."""
    operand = node.operands[k]
    if node.op in ("sum", "max"):
        kept = [a for a in range(operand.node.rank) if a not in node.attributes]
        summed = node.op == "sum"
        return tuple(
            kept.index(a) if a in kept else node.rank + a if summed else None for a in range(operand.node.rank)
        )
    if node.op in ("embed", "add_embed") and k == len(node.operands) - 1:
        follow = node.attributes[0]
        return tuple(follow.index(label) if follow.count(label) == 1 else None for label in operand.axes)
    if node.op == "diagonal":
        return tuple(a if operand.axes.count(a) == 1 else None for a in operand.axes)
    if node.op in _FOLLOWED:
        return operand.axes
    return (None,) * operand.node.rank


def _by_rows(node: Node, axis: int) -> bool:
    """True where each row of the node along the axis needs only such rows of its operands as `_follows` says."""
    if node.op in ("embed", "add_embed"):
        return bool(node.attributes[0].count(node.attributes[0][axis]) == 1)
    if node.op == "diagonal":
        return node.operands[0].axes.count(axis) == 1
    return node.op in _FOLLOWED or node.op == "input"


@dataclass(slots=True)
class RowIndex:
    """Where the index is in each node that has it.

    rows: which axis of a node is the index.  sums: which index of a node (as `_follows` counts) is it, summed.
    """

    rows: dict[Node, int]
    sums: dict[Node, int]

    def of(self, node: Node) -> int | None:
        """The index in a node's own count, or None where it has none."""
        return self.rows.get(node, self.sums.get(node))

    def sliced(self, node: Node, k: int) -> int | None:
        """The axis of operand k of which only the rows at hand are needed; None: all of it is."""
        own = self.of(node)
        if own is None or node.op == "input":
            return None
        follows = _follows(node, k)
        return follows.index(own) if own in follows else None

    def aligned(self, node: Node, k: int) -> bool:
        """True where operand k is a value by rows and is needed just so."""
        operand = node.operands[k].node
        axis = self.sliced(node, k)
        return axis is not None and operand.op != "input" and self.rows.get(operand) == axis


def follow_index(seed: Node, axis: int, users: Mapping[Node, list[tuple[Node, int]]]) -> RowIndex:
    """The index that is an argument's axis, in all nodes that it reaches: first towards the results."""
    index = RowIndex({}, {})
    down, up = deque([(seed, axis)]), deque[tuple[Node, int]]()

    def upwards(node: Node, own: int) -> None:
        for k, operand in enumerate(node.operands):
            follows = _follows(node, k)
            if own in follows and _by_rows(operand.node, follows.index(own)):
                up.append((operand.node, follows.index(own)))

    while down or up:
        node, own = down.popleft() if down else up.popleft()
        if index.of(node) is not None:
            continue
        index.rows[node] = own
        upwards(node, own)
        for user, k in users.get(node, ()):
            place = _follows(user, k)[own]
            if place is None or index.of(user) is not None:
                continue
            if place >= user.rank:
                index.sums[user] = place
                upwards(user, place)
            elif _by_rows(user, place):
                down.append((user, place))
    return index
