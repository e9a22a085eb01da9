"""Which axis of a result each axis of an operand is, and along which axes an operation is done row by row.

This is all that chunks (`chainrule.plan.row_index`, `chainrule.plan.loop_rows`) know about operations. To add one: say
in `follows` where its operands' axes go, and in `by_rows` along which axes of the result each row needs only such rows
of its operands. What is not said counts as needed whole, so nothing can go wrong by leaving it out.
"""

from __future__ import annotations

from chainrule.plan.graph import ELEMENTWISE, Node
from chainrule.plan.relations import Dense, Overlap, Pick, Put, Take, Window

__all__ = ["by_rows", "follows"]

_FOLLOWED = ELEMENTWISE | {"sum", "max", "contract", "broadcast", "copy", "diagonal", "embed", "add_embed"}


def follows(node: Node, k: int) -> tuple[int | None, ...]:
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
    if node.op == "opaque":
        return tuple(_through(node, k, place) for place in operand.axes)
    if node.op in _FOLLOWED or (node.op == "computed" and not k):
        return operand.axes
    return (None,) * operand.node.rank


def by_rows(node: Node, axis: int) -> bool:
    """True where each row of the node along the axis needs only such rows of its operands as `follows` says."""
    if node.op in ("embed", "add_embed"):
        return bool(node.attributes[0].count(node.attributes[0][axis]) == 1)
    if node.op == "diagonal":
        return node.operands[0].axes.count(axis) == 1
    if node.op == "opaque":
        return _stays(node, axis)
    return node.op in _FOLLOWED or node.op == "input"


def _record(node: Node) -> object:
    """What a lookup, a window or the like is; None for other operations on whole arrays."""
    attributes = node.attributes[2]
    return attributes[0] if len(attributes) == 1 else None


def _through(node: Node, k: int, place: int) -> int | None:
    """Where axis `place` of operand k, as an operation on whole arrays sees it, is in the result (as in `follows`)."""
    record, rank = _record(node), node.rank
    if node.attributes[1] == "lag":
        axis = int(node.attributes[2][1])
        if k:  # the initial value: one for all samples has no axes in front
            place += rank - 1 - len(node.operands[k].axes)
            return place + (place >= axis)
        return None if place == axis else place
    if isinstance(record, Window | Take) and not k:
        count = len(record.counts) if isinstance(record, Window) else node.operands[1].node.rank
        return None if place == record.axis else place if place < record.axis else place + count - 1
    if isinstance(record, Take):
        return record.axis + place
    if isinstance(record, Pick):
        return place if place < rank else None
    if isinstance(record, Overlap | Put):
        count = len(record.counts) if isinstance(record, Overlap) else node.operands[1].node.rank
        if place >= count:
            return place - count + 1
        return rank + place if isinstance(record, Put) else None
    if isinstance(record, Dense):
        return place
    return None


def _stays(node: Node, axis: int) -> bool:
    """`by_rows` for operations on whole arrays."""
    record = _record(node)
    if node.attributes[1] == "lag":
        return bool(axis != node.attributes[2][1])
    if isinstance(record, Window):
        return not record.axis <= axis < record.axis + len(record.counts)
    if isinstance(record, Overlap | Put):
        return axis > 0
    if isinstance(record, Dense):
        return bool(node.operands) and axis < node.rank - 1
    return isinstance(record, Take | Pick)
