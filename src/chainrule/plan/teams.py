"""How several threads do a fused plan together: which part of each item is whose, and where they wait for each other.

Every thread goes through the same items. The outermost loop of an item is divided among them, a matrix product by the
rows or the columns of its result. Rows are cut at the same places everywhere; so a thread that reads only the rows that
it made itself goes on without waiting: the forward pass and the error signals of its samples. It waits where it needs
what others made, such as all rows for the gradient of a weight, and before it writes where others may still read.

What an item sums over its divided loop every thread sums for itself (`partial`); then the sums are added up. What one
iteration alone needs every thread has for itself (`own`). `divide` gives None for a plan with an item that knows
neither: operations on whole arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chainrule.dims import Dim
from chainrule.plan.graph import Node
from chainrule.plan.kernel import Axis, Call, Item, Kernel, Loop, Region, Statement
from chainrule.plan.sharing import Arena

__all__ = ["Division", "divide", "volume"]

_FEW = 64  # rows: a product with fewer, and more columns, is divided by columns

# Which part of some memory a thread touches: the sizes of the axes that are divided, and those behind them. Equal ones
# are the same memory in each thread; None is all of it.
_Part = tuple[tuple[Dim, ...], tuple[Dim, ...]] | None


@dataclass(slots=True)
class Division:
    """waits: items (by id) before which all wait.  by: of each product, what is divided: rows, columns or outer.

    own: values that each thread has for itself.  partial: sums over divided loops, by the loop's id.
    """

    waits: set[int] = field(default_factory=set)
    by: dict[Node, str] = field(default_factory=dict)
    own: set[Node] = field(default_factory=set)
    partial: dict[int, list[Statement]] = field(default_factory=dict)


def divide(kernel: Kernel, memory: Mapping[Node, Arena]) -> Division | None:
    """The division of a plan; None where it cannot be divided, or has nothing but single numbers."""
    maker = _Divider(kernel, memory)
    return maker.made if volume(kernel) and maker.run(kernel.items) else None


class _Divider:
    def __init__(self, kernel: Kernel, memory: Mapping[Node, Arena]) -> None:
        self.kernel, self.memory = kernel, memory
        self.made = Division()
        self.given = set(kernel.plan.outputs.values())
        self.touched: list[tuple[object, bool, _Part, bool]] = []  # since all waited: memory, written, part, own

    def run(self, items: list[Item]) -> bool:
        for item in items:
            if isinstance(item, Region):
                self._wait(item)
                if not self.run(item.items):
                    return False
                self._wait(item)
                self.touched.append((None, True, None, False))  # whatever comes next waits for the last chunk
            elif isinstance(item, Call):
                if item.product is None:
                    return False
                self._touch(item, list(self._product(item)))
            elif isinstance(item, Loop):
                self._loop(item)
            elif isinstance(item, Statement):
                self._touch(item, list(self._single(item)))
            else:
                return False  # type: ignore[unreachable]  # a kind of item that is new
        return True

    # -- waiting -------------------------------------------------------------------------------------------------

    def _wait(self, item: Item) -> None:
        self.made.waits.add(id(item))
        self.touched.clear()

    def _touch(self, item: Item, touches: list[tuple[Node, bool, _Part, bool]]) -> None:
        """Go on, or wait first: if memory that this item touches was touched otherwise and one of the two writes."""
        new = [(self._memory(node), written, part, own) for node, written, part, own in touches]
        for memory, written, part, own in new:
            for other, theirs, before, owned in self.touched:
                apart = (own and owned) or (part is not None and part == before)
                if other is None or (memory is other and (written or theirs) and not apart):
                    self._wait(item)
                    break
        self.touched += new

    def _memory(self, node: Node) -> object:
        node = self._owner(node)
        return self.memory.get(node, node)

    def _owner(self, node: Node) -> Node:
        while node.op == "rows":
            node = node.operands[0].node
        return self.kernel.root.get(node, node)

    def _is_stored(self, node: Node) -> bool:
        owner = self._owner(node)
        return owner.op not in ("input", "number") and (bool(self.kernel.stored.get(owner)) or owner in self.given)

    # -- what items touch ----------------------------------------------------------------------------------------

    def _single(self, statement: Statement) -> Iterator[tuple[Node, bool, _Part, bool]]:
        """A statement outside of all loops: every thread computes it, the first one writes it."""
        if statement.node.rank and self._is_stored(statement.node):
            yield statement.node, True, None, False
        for leaf in statement.tree.leaves():
            if leaf.node.rank and self._is_stored(leaf.node):
                yield leaf.node, False, None, False

    def _loop(self, loop: Loop) -> None:
        touches: list[tuple[Node, bool, _Part, bool]] = []
        partial: list[Statement] = []
        inside = list(loop.statements())
        for statement in inside:
            if statement.reduced and statement.opening == 0:
                partial.append(statement)
            elif self._is_private(statement, loop.axis):
                self.made.own.add(statement.node)
        for statement in inside:
            node = statement.node
            if self._is_stored(node):
                if statement in partial:  # it is written before and after all have waited
                    touches.append((node, True, None, False))
                else:
                    touches.append(self._entry(node, statement.result, statement, loop.axis, True))
            touches += [
                self._entry(leaf.node, leaf.labels, statement, loop.axis, False)
                for leaf in statement.tree.leaves() if self._is_stored(leaf.node)
            ]  # fmt: skip
        self._touch(loop, touches)
        if partial:
            self.made.partial[id(loop)] = partial
            self.touched.clear()
            self.touched += [(self._memory(s.node), True, None, False) for s in partial if self._is_stored(s.node)]

    def _is_private(self, statement: Statement, axis: Axis) -> bool:
        stored = self.kernel.stored.get(statement.node, ())
        axes = [statement.axes.get(statement.result[k]) for k in stored]
        return bool(stored) and axis not in axes and self._owner(statement.node) is statement.node and (
            statement.node not in self.given
        )  # fmt: skip

    def _entry(
        self, node: Node, labels: tuple[int, ...], statement: Statement, axis: Axis, written: bool
    ) -> tuple[Node, bool, _Part, bool]:
        if node in self.made.own:
            return node, written, None, True
        part: _Part = None
        if node.op not in ("rows", "put"):
            stored = tuple(range(node.rank)) if node in self.given else self.kernel.stored[self._owner(node)]
            stored = tuple(k for k in stored if self.kernel.small(node.dims[k]) != 1)
            if stored and statement.axes.get(labels[stored[0]]) is axis:
                part = (node.dims[stored[0]],), tuple(node.dims[k] for k in stored[1:])
        return node, written, part, False

    def _product(self, call: Call) -> Iterator[tuple[Node, bool, _Part, bool]]:
        node, product = call.node, call.product
        assert product is not None
        dims: dict[int, Dim] = dict(enumerate(node.dims))
        for operand in node.operands:
            dims |= dict(zip(operand.axes, operand.node.dims, strict=True))
        outer = [label for label in product.outer if self.kernel.small(dims[label]) != 1]
        rows, columns = (self._known(dims, group) for group in (product.rows, product.columns))
        few = rows is not None and rows < _FEW and (columns is None or columns > rows)
        wide = rows is not None and columns is not None and columns > 8 * rows
        by, divided = "rows", product.rows
        if outer and outer[0] < node.rank:
            by, divided = "outer", tuple(outer[:1])
        elif few or wide:
            by, divided = "columns", ()
        self.made.by[node] = by
        divided = tuple(label for label in divided if self.kernel.small(dims[label]) != 1)

        def part(own: Node, axes: tuple[int, ...]) -> _Part:
            axes = tuple(label for label in axes if self.kernel.small(dims[label]) != 1)
            if own.op in ("rows", "put") or not divided or axes[: len(divided)] != divided:
                return None
            return tuple(dims[label] for label in divided), tuple(dims[label] for label in axes[len(divided) :])

        target = call.into or node
        yield target, True, part(target, tuple(range(node.rank))), False
        for operand in node.operands:
            if self._is_stored(operand.node):
                yield operand.node, False, part(operand.node, operand.axes), False

    def _known(self, dims: Mapping[int, Dim], labels: tuple[int, ...]) -> int | None:
        total = 1
        for label in labels:
            size = self.kernel.small(dims[label])
            if size is None:
                return None
            total *= size
        return total


def volume(kernel: Kernel) -> list[tuple[Dim, ...]]:
    """What there is to do: the sizes of each product, and of each nest of loops. Multiplied, they are operations."""
    found: list[tuple[Dim, ...]] = []
    chunks = kernel.plan.chunks

    def add(dims: list[Dim]) -> None:
        found.append(tuple(chunks.dim if chunks is not None and d == chunks.symbol else d for d in dims))

    def visit(items: list[Item]) -> None:
        for item in items:
            if isinstance(item, Region):
                visit(item.items)
            elif isinstance(item, Call):
                sizes: dict[int, Dim] = dict(enumerate(item.node.dims))
                for operand in item.node.operands:
                    sizes |= dict(zip(operand.axes, operand.node.dims, strict=True))
                add(list(sizes.values()))
            elif isinstance(item, Loop):
                for statement in item.statements():
                    add([loop.axis.dim for loop in statement.loops])

    visit(kernel.items)
    return found
