"""A fused plan: loops, the statements inside them, and calls between them (made by `chainrule.plan.fusion`).

What a target walks through to write its text, and what memory (`sharing`) and threads (`teams`) are worked out from.
To add an operation: say which labels it iterates over in `iteration`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chainrule.dims import Dim
from chainrule.plan.build import Plan
from chainrule.plan.graph import Node, Operand
from chainrule.plan.products import Product

__all__ = ["WRITES", "Axis", "Call", "Item", "Kernel", "Loop", "Region", "Statement", "Tree", "iteration"]

WRITES = ("accumulate", "put")  # into the memory of their first operand


@dataclass(eq=False, slots=True)
class Axis:
    """A loop variable: statements that have the same one run through it together."""

    number: int
    dim: Dim


@dataclass(eq=False, slots=True)
class Tree:
    """A node as an expression: its operands are trees (written out in its place) or values read from `places`.

    labels: of each axis of the node, in terms of the statement that it stands in.
    """

    node: Node
    labels: tuple[int, ...]
    operands: tuple[Tree, ...] = ()
    read: bool = False

    def leaves(self) -> Iterator[Tree]:
        """The values that are read."""
        if self.read:
            yield self
        for operand in self.operands:
            yield from operand.leaves()


@dataclass(eq=False, slots=True)
class Statement:
    """One node inside loops. axes: its label → loop variable (labels of size 1 have none).

    result: the labels of the node's own axes; `reduced`: those that it sums (or takes the maximum) over.
    loops: the loops around it, from outside.
    """

    node: Node
    tree: Tree
    labels: tuple[int, ...]
    dims: dict[int, Dim]
    result: tuple[int, ...]
    reduced: tuple[int, ...]
    axes: dict[int, Axis] = field(default_factory=dict)
    loops: list[Loop] = field(default_factory=list)

    @property
    def opening(self) -> int:
        """How many of its loops are outside of the reduction: its value is complete there."""
        summed = {self.axes[label] for label in self.reduced if label in self.axes}
        return next((k for k, loop in enumerate(self.loops) if loop.axis in summed), len(self.loops))


@dataclass(eq=False, slots=True)
class Loop:
    """for axis in …: body."""

    axis: Axis
    body: list[Loop | Statement] = field(default_factory=list)

    def statements(self) -> Iterator[Statement]:
        """All statements inside, in order."""
        for item in self.body:
            if isinstance(item, Loop):
                yield from item.statements()
            else:
                yield item


@dataclass(eq=False, slots=True)
class Call:
    """A matrix product, or an operation on whole arrays or a loop over steps (product: None).

    into: the array to which it is added.
    """

    node: Node
    product: Product | None = None
    into: Node | None = None


@dataclass(eq=False, slots=True)
class Region:
    """What is repeated for a few rows at a time."""

    items: list[Item]


Item = Loop | Statement | Call | Region


@dataclass(slots=True)
class Kernel:
    """The loops of a whole plan. stored: node → its axes (positions) that need memory; () is a local variable.

    root: of what lies in another's memory, that other.
    """

    plan: Plan
    items: list[Item]
    statements: dict[Node, Statement]
    stored: dict[Node, tuple[int, ...]]
    small: Callable[[Dim], int | None]
    root: dict[Node, Node]


def iteration(node: Node) -> tuple[tuple[int, ...], tuple[int, ...], tuple[Operand, ...]]:
    """Labels of the result's axes, labels reduced over, and the operands in terms of these labels."""
    if node.op in ("sum", "max"):
        operand = node.operands[0].node
        kept = tuple(k for k in range(operand.rank) if k not in node.attributes)
        return kept, tuple(node.attributes), (operand.whole,)
    result = tuple(range(node.rank))
    if node.op == "contract":
        summed = tuple(sorted({a for o in node.operands for a in o.axes if a >= node.rank}))
        return result, summed, node.operands
    if node.op in WRITES:
        return result, (), node.operands[1:]
    if node.op in ("embed", "add_embed"):  # the value's axes are groups of the result's: the first axis of each
        (follow,) = node.attributes
        *base, value = node.operands
        return result, (), (*base, Operand(value.node, tuple(follow.index(group) for group in value.axes)))
    return result, (), node.operands
