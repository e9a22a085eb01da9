"""Where the arrays of one step of a loop lie: parts of the arrays of all steps, with gaps between their rows.

x[t] of an array T × N × D is a block of memory; of N × T × D its rows are T·D apart; of D × T it has no two neighbours.
A language with pointers reads and writes them where they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.plan.graph import Node
from chainrule.plan.loops import LoopPlan

__all__ = ["Slice", "slices_of"]


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of operand `number` of a loop: axis k is its axis `axes[k]`, and it is taken at the step along `at`.

    few: an axis of the array of which there are only some rows (`rows` of a chunk), or None.
    """

    number: int
    axes: tuple[int, ...]
    at: tuple[int, ...]
    rank: int
    few: int | None = None

    @property
    def breaks(self) -> frozenset[int]:
        """Axes that are not one with the axis before them: there is a gap between its rows."""
        own = self.axes
        return frozenset(k for k in range(1, len(own)) if own[k] != own[k - 1] + 1 or own[k] == self.few)

    @property
    def dense(self) -> bool:
        """True where neighbours along the last axis are neighbours in memory."""
        return not self.axes or self.axes[-1] == self.rank - 1

    @property
    def whole(self) -> bool:
        """True where it lies in memory as an array of its own does."""
        return self.dense and not self.breaks


def slices_of(node: Node) -> dict[Node, Slice]:
    """Of a loop: for each array that a step takes or gives (not for its lags), where it lies."""
    (loop,) = node.attributes
    assert isinstance(loop, LoopPlan)
    nodes = [*(o.node for step in loop.plan.steps for o in step.operands), *loop.plan.outputs.values()]
    found: dict[Node, Slice] = {}
    for inner in nodes:
        taken = loop.taken.get(inner.attributes[0]) if inner.op == "input" else None
        if taken is not None:
            operand = node.operands[taken.number]
            lies = {axis: k for k, axis in enumerate(operand.axes)}  # an axis as the loop sees it → as it lies
            kept = tuple(lies[a] for a in range(len(operand.axes)) if a not in taken.places)
            at = tuple(lies[a] for a in taken.places)
            few = operand.node.attributes[0] if operand.node.op == "rows" else None
            found[inner] = Slice(taken.number, kept, at, operand.node.rank, few)
    for store in loop.stores:
        rank = node.operands[store.number].node.rank
        kept = tuple(a for a in range(rank) if a != store.axis)
        found[loop.plan.outputs[store.output]] = Slice(store.number, kept, (store.axis,), rank)
    return found
