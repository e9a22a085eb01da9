"""Memory of a fused plan: which values share a block, by when they live, and which replace another in place.

A value lives from the item (loops or call) that makes it to the last one that reads it. Blocks are taken again once
nothing needs them; inside loops a value may take the block of one whose last reading is at the same place of the same
iteration, or before it. What is stored for one iteration only (a row) lives inside its item.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chainrule.dims import Dim
from chainrule.plan.graph import Node
from chainrule.plan.kernel import Axis, Call, Item, Kernel, Loop, Region, Statement
from chainrule.plan.wide import WIDE

__all__ = ["Arena", "share_memory"]


@dataclass(eq=False, slots=True)
class Arena:
    """A block of the workspace: its sizes, and the values that live in it, one after the other.

    copies: how many there are of it, one for each thread.  wide: of float64 in a step of float32.
    """

    dims: tuple[Dim, ...]
    nodes: list[Node] = field(default_factory=list)
    copies: int = 1
    wide: bool = False


def share_memory(kernel: Kernel) -> dict[Node, Arena]:
    """The block of each value that is stored and not an output."""
    return _Sharing(kernel).run()


class _Sharing:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.given = set(kernel.plan.outputs.values())  # their memory is the caller's
        self.given |= {root for node, root in kernel.root.items() if node in self.given}
        self.given |= {node for node, root in kernel.root.items() if root in self.given}
        self.born: dict[Node, int] = {}
        self.dies: dict[Node, int] = {}
        self.readers: dict[Node, list[tuple[Statement, tuple[int, ...]]]] = {}
        self.order: dict[Node, int] = {}
        self.items: list[Loop | Statement | Call] = []
        self.region: list[int] = []  # of each item: the region that it is in, by the item after its last
        for item in kernel.items:
            self._add(item)
        for index, item in enumerate(self.items):
            if isinstance(item, Call):
                if item.into is not None:
                    self._reads(item.into, index)
                else:
                    self._makes(item.node, index)
                for operand in item.node.operands:
                    self._reads(operand.node, index)
                continue
            for statement in [item] if isinstance(item, Statement) else item.statements():
                self.order[statement.node] = len(self.order)
                self._makes(statement.node, index)
                for leaf in statement.tree.leaves():
                    self._reads(leaf.node, index)
                    self.readers.setdefault(leaf.node, []).append((statement, leaf.labels))

    def _add(self, item: Item) -> None:
        if isinstance(item, Region):
            end = len(self.items) + len(item.items)
            for inner in item.items:
                assert not isinstance(inner, Region)
                self.items.append(inner)
                self.region.append(end)
        else:
            self.items.append(item)
            self.region.append(0)

    def _owner(self, node: Node) -> Node:
        """The value in whose memory a value lies."""
        while node.op == "rows":
            node = node.operands[0].node
        return self.kernel.root.get(node, node)

    def _makes(self, node: Node, index: int) -> None:
        self.born[node] = self.dies[node] = index
        owner = self._owner(node)
        if owner is not node:
            self._reads(owner, index)

    def _reads(self, node: Node, index: int) -> None:
        """What is read in a region and made outside it must stay until the region's end."""
        node = self._owner(node)
        if node.op in ("input", "number"):
            return
        end = self.region[index]
        born = self.born.setdefault(node, index)  # `empty`: when it is first written
        if end and not (self.region[born] == end and node.op != "empty"):
            index = end - 1
        self.dies[node] = max(self.dies.get(node, 0), index)

    def run(self) -> dict[Node, Arena]:
        result: dict[Node, Arena] = {}
        free: list[Arena] = []
        living: list[Node] = []
        made: dict[int, list[Node]] = {}
        for node, index in self.born.items():
            made.setdefault(index, []).append(node)
        for index in range(len(self.items)):
            for node in [n for n in living if self.dies[n] < index]:
                living.remove(node)
                if result[node].nodes[-1] is node:
                    free.append(result[node])
            for node in made.get(index, ()):
                if node in self.given or self._owner(node) is not node or not self.kernel.stored[node]:
                    continue
                dims, wide = tuple(node.dims[k] for k in self.kernel.stored[node]), node.dtype == WIDE
                block = self._in_place(node, living, result) or self._take(free, dims, wide) or Arena(dims, wide=wide)
                block.nodes.append(node)
                result[node] = block
                living.append(node)
        return result

    def _extent(self, dims: tuple[Dim, ...]) -> tuple[int, tuple[str, ...]]:
        """The number of entries: a number, times symbols."""
        total, symbols = 1, []
        for dim in dims:
            size = self.kernel.small(dim)
            if size is None:
                symbols.append(str(dim))
            else:
                total *= size
        return total, tuple(sorted(symbols))

    def _take(self, free: list[Arena], dims: tuple[Dim, ...], wide: bool) -> Arena | None:
        """The smallest free block that is certainly large enough."""
        number, symbols = self._extent(dims)
        same = [b for b in free if b.wide == wide and self._extent(b.dims)[1] == symbols]
        fitting = [b for b in same if self._extent(b.dims)[0] >= number]
        if not fitting:
            return None
        block = min(fitting, key=lambda b: self._extent(b.dims)[0])
        free.remove(block)
        return block

    def _in_place(self, node: Node, living: list[Node], result: dict[Node, Arena]) -> Arena | None:
        statement = self.kernel.statements.get(node)
        if statement is None or statement.reduced:
            return None
        places = self._places(statement, self.kernel.stored[node], statement.result)
        extent = self._extent(tuple(node.dims[k] for k in self.kernel.stored[node]))
        for other in living:
            stored = self.kernel.stored[other]
            readers = [r for r in self.readers.get(other, []) if self.born[r[0].node] == self.born[node]]
            if (
                self.dies[other] == self.born[node]
                and result[other].wide == (node.dtype == WIDE)
                and self.region[self.born[other]] == self.region[self.born[node]]
                and other.op not in ("empty", "zeros")
                and result[other].nodes[-1] is other
                and self._extent(tuple(other.dims[k] for k in stored)) == extent
                and readers
                and all(self.order[r.node] <= self.order[node] for r, _ in readers)
                and all(self._places(r, stored, labels) == places for r, labels in readers)
                and self._private(node, other)
            ):
                return result[other]
        return None

    @staticmethod
    def _places(statement: Statement, stored: tuple[int, ...], labels: tuple[int, ...]) -> list[Axis | None]:
        return [statement.axes.get(labels[k]) for k in stored]

    def _around(self, node: Node) -> list[Loop]:
        """The loops around a value's statement for each iteration of which it is made anew in the same memory."""
        statement = self.kernel.statements.get(node)
        if statement is None:
            return []
        own = {statement.axes.get(statement.result[k]) for k in self.kernel.stored[node]}
        return [loop for loop in statement.loops[: statement.opening] if loop.axis not in own]

    def _private(self, node: Node, other: Node) -> bool:
        """True where no later iteration needs `other` once `node` is in its place."""
        around = self._around(node)
        if not around:
            return True
        return self.born[other] == self.born[node] and self._around(other) == around
