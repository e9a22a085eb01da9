"""Which operations share one pass over memory: from the steps of a plan to loops, as an expert would nest them.

Every elementwise step, sum, maximum and vector product is a *statement* inside loops; a matrix product or an operation
on whole arrays is a *call* between them. Three rules make passes few:

    a value that is used once, elementwise, is written out where it is used (`Tree`: no memory, no pass);
    a statement joins the loops of what it reads, where each of its iterations needs only what the same iteration made;
    after a reduction over an inner axis a new inner loop begins inside the same outer one (softmax: three per row).

A mask is never stored. A value that only its own outer iteration needs is stored for one iteration (a row), one that
only its innermost loop needs not at all: `Kernel.stored` says which axes of a value need memory.

Where a plan goes through an index in chunks (`plan.chunking`), the steps of each of its loops are a `Region`, fused by
itself; `accumulate` and `put` write into the memory of their base (`Kernel.root`), a product that is added directly
(`Call.into`).

`fuse` knows no target; what it gives is described in `chainrule.plan.kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.dims import Dim
from chainrule.plan.build import Plan
from chainrule.plan.graph import ELEMENTWISE, Node, Operand
from chainrule.plan.kernel import WRITES, Axis, Call, Item, Kernel, Loop, Region, Statement, Tree, iteration
from chainrule.plan.products import Product, matrix_product
from chainrule.plan.slices import Slice
from chainrule.plan.wide import WIDE, WIDENED

__all__ = ["fuse"]

_POINTWISE = ELEMENTWISE | {"broadcast", "copy", "diagonal", "embed", "add_embed"}
_CHEAP = 3  # operations in a row: so many are computed again where their result is needed
_SMALL = 20_000  # multiply-adds: below this, a loop that the compiler knows the size of is faster than a BLAS call


def fuse(
    plan: Plan, size: Callable[[Dim], int | None], slices: Mapping[Node, Slice] | None = None
) -> Kernel:  # fmt: skip
    """The loops of a plan. `size` gives the value of a size where it is known when the code is written, else None.

    `slices`: of a plan that is one step of a loop, the arrays that are parts of others.
    """
    fusion = _Fusion(plan, size, slices or {})
    starts = dict(plan.chunks.loops) if plan.chunks is not None else {}
    end = -1
    for position, node in enumerate(plan.steps):
        if position in starts:
            end = starts[position]
            fusion.enter()
        if node not in fusion.inline:
            fusion.place(node)
        if position == end - 1:
            fusion.leave()
    stored = fusion.storage()
    return Kernel(plan, fusion.items, fusion.statements, stored, size, fusion.root)


class _Fusion:
    def __init__(self, plan: Plan, size: Callable[[Dim], int | None], slices: Mapping[Node, Slice]) -> None:
        self.plan = plan
        self.size = size
        self.slices = slices
        self.root: dict[Node, Node] = {}
        self.users: dict[Node, list[Node]] = {}
        for node in plan.steps:
            for operand in node.operands:
                self.users.setdefault(operand.node, []).append(node)
            if node.op in WRITES or node.op == "computed":
                base = node.operands[0].node
                self.root[node] = self.root.get(base, base)
        self.outputs = {*plan.outputs.values(), *self.root, *self.root.values()}
        self.products = {n: self._product(n) for n in plan.steps if n.op == "contract"}
        self.inline = {node for node in plan.steps if self._inlined(node)}
        self.items: list[Item] = []
        self.statements: dict[Node, Statement] = {}
        self.at: dict[Node, int] = {}  # the index of a node's item
        self._axes = 0
        self._outside: tuple[list[Item], dict[Node, int]] | None = None

    def enter(self) -> None:
        """What follows is a region."""
        self._outside = (self.items, self.at)
        self.items, self.at = [], {}

    def leave(self) -> None:
        """The region is complete; outside it is one item."""
        assert self._outside is not None
        items, at = self._outside
        at |= dict.fromkeys(self.at, len(items))
        items.append(Region(self.items))
        self.items, self.at, self._outside = items, at, None

    # -- what is a loop, what is a call, what is written out -----------------------------------------------------

    def _product(self, node: Node) -> Product | None:
        """A matrix product that is worth a call. What is wide never is: it reads each entry once."""
        if node.dtype == WIDE:
            return None
        product = matrix_product(node, self.slices)
        if product is None:
            return None
        dims = self._dims(node)
        volume = 1
        for group in (product.rows, product.columns, product.inner):
            sizes = [self.size(dims[label]) for label in group]
            known = [s for s in sizes if s is not None]
            if len(known) == len(sizes):
                extent = 1
                for s in known:
                    extent *= s
                if extent == 1:
                    return None
                volume = volume * extent if volume else 0
            else:
                volume = 0
        return None if 0 < volume <= _SMALL else product

    @staticmethod
    def _dims(node: Node) -> dict[int, Dim]:
        dims: dict[int, Dim] = dict(enumerate(node.dims))
        for operand in iteration(node)[2]:
            dims |= dict(zip(operand.axes, operand.node.dims, strict=True))
        return dims

    def _is_call(self, node: Node) -> bool:
        return node.op in ("opaque", "loop") or self.products.get(node) is not None

    def _inlined(self, node: Node) -> bool:
        """Written out where it is used: a mask, an argument as float64, or what one elementwise step of the same extent
        uses."""
        if node.op not in _POINTWISE or node in self.outputs:
            return False
        users = self.users.get(node, [])
        if any(self._is_call(user) or user.op == "rows" for user in users):  # rows are a view of what lies in memory
            return False
        if node.dtype == "bool" or (node.is_map(WIDENED) and not node.rank):
            return True
        if self._is_cheap(node) or (node.is_map(WIDENED) and node.operands[0].node.op == "input"):
            return all(self._has_extent_of(node, user) for user in users)
        return len(users) == 1 and not node.name and self._has_extent_of(node, users[0])

    def _has_extent_of(self, node: Node, user: Node) -> bool:
        """True where `user` needs the node once for each of its entries, and no more often."""
        result, reduced, operands = iteration(user)
        dims = self._dims(user)
        extent = {label for label in (*result, *reduced) if self.size(dims[label]) != 1}
        seen = [o for o in operands if o.node is node]
        return len(seen) == 1 and extent <= set(seen[0].axes)

    def _is_cheap(self, node: Node, operations: int = _CHEAP) -> bool:
        """True for float64 that is a few products and sums of arguments and of arrays with fewer axes.

        To read it from memory takes longer than to compute it again.
        """
        if node.dtype != WIDE or node.op not in ("add", "subtract", "multiply", "scale") or not operations:
            return False
        inner = [o.node for o in node.operands if len(o.axes) == node.rank and o.node.op != "number"]
        inner = [n for n in inner if not (n.is_map(WIDENED) and n.operands[0].node.op == "input")]
        return bool(node.rank) and all(self._is_cheap(n, operations - 1) for n in inner)

    # -- placing -------------------------------------------------------------------------------------------------

    def place(self, node: Node) -> None:
        if node.op in ("rows", "empty", "sequence"):  # a view, and memory that others write into
            return
        if node.op == "computed":  # there once its loop has run
            self.at[node] = self.at[node.operands[1].node]
            return
        if node.op == "accumulate" and self._added(node):
            return
        if self._is_call(node):
            self.items.append(Call(node, self.products.get(node)))
            self.at[node] = len(self.items) - 1
            return
        result, reduced, operands = iteration(node)
        tree = Tree(node, result, tuple(self._tree(o.node, o.axes) for o in operands))
        dims = self._dims(node)
        labels = tuple(label for label in self._order(node, result, reduced, operands) if self.size(dims[label]) != 1)
        statement = Statement(node, tree, labels, dims, result, tuple(r for r in reduced if r in labels))
        self.statements[node] = statement
        self._join(statement)

    def _added(self, node: Node) -> bool:
        """A matrix product that is added to a sum is added by the call itself."""
        value = node.operands[1]
        if self.products.get(value.node) is None or len(self.users[value.node]) != 1:
            return False
        index = self.at[value.node]
        call = self.items[index]
        if value.axes != tuple(range(node.rank)) or not isinstance(call, Call):
            return False
        call.into = self.root[node]
        self.at[node] = index
        return True

    def _tree(self, node: Node, labels: tuple[int, ...]) -> Tree:
        if node.op in ("input", "number") or node not in self.inline:
            return Tree(node, labels, (), node.op != "number")
        _, _, operands = iteration(node)
        return Tree(node, labels, tuple(self._tree(o.node, tuple(labels[a] for a in o.axes)) for o in operands))

    def _order(
        self, node: Node, result: tuple[int, ...], reduced: tuple[int, ...], operands: tuple[Operand, ...]
    ) -> tuple[int, ...]:
        """In which order to nest the labels, from outside: so that memory is walked through in order.

        The innermost one is the last axis of most of the arrays; the result's own order otherwise, and summed labels
        where the array that has them has them.
        """
        if not reduced:
            return result
        arrays = [o.axes for o in operands if o.axes] + ([result] if result else [])
        labels = sorted({*result, *reduced})
        strides: dict[int, int] = {
            label: sum(2 ** (len(axes) - axes.index(label)) if label in axes else 1 for axes in arrays)
            for label in labels
        }
        if node.op == "contract":
            last = {label: sum(bool(axes) and axes[-1] == label for axes in arrays) for label in labels}
            inner = max(labels, key=lambda label: (last[label], label not in reduced, label))
            rest = [label for label in labels if label != inner]
            return (*sorted(rest, key=lambda label: (-strides[label], label)), inner)
        return operands[0].axes

    def _join(self, statement: Statement) -> None:
        """Put a statement into the loops of what it reads, or into new ones at the end."""
        first = -1
        for leaf in statement.tree.leaves():
            first = max(first, self.at.get(leaf.node, -1))
        if statement.labels:
            order = (
                [first, *range(len(self.items) - 1, first, -1)] if first >= 0 else range(len(self.items) - 1, -1, -1)
            )
            for index in order:
                item = self.items[index]
                if isinstance(item, Loop):
                    axes = self._match(statement, item)
                    if axes is not None:
                        statement.axes = axes
                        self.at[statement.node] = index
                        self._descend(statement, item, 0)
                        return
        self.at[statement.node] = len(self.items)
        self._open(statement, self.items, 0)

    def _match(self, statement: Statement, loop: Loop) -> dict[int, Axis] | None:
        """Label → loop variable as the statement would run inside `loop`; None where it cannot or should not."""
        inside = list(loop.statements())
        produced = {s.node: s for s in inside}
        axes: dict[int, Axis] = {}
        linked = False
        for leaf in statement.tree.leaves():
            maker = produced.get(leaf.node)
            if maker is not None:
                # complete in each iteration of the loop, and used in the same iteration
                if maker.opening == 0 or not self._link(axes, leaf.labels, [maker.axes.get(a) for a in maker.result]):
                    return None
                linked = True
        if not linked:
            for other in inside:
                for theirs in other.tree.leaves():
                    for leaf in statement.tree.leaves():
                        if leaf.node is theirs.node and not linked and leaf.labels:
                            trial: dict[int, Axis] = {}
                            places = [other.axes.get(label) for label in theirs.labels]
                            if self._link(trial, leaf.labels, places) and trial.get(statement.labels[0]) is loop.axis:
                                axes, linked = trial, True
        fits = linked and axes.get(statement.labels[0]) is loop.axis
        axes = {label: axis for label, axis in axes.items() if label in statement.labels}
        return axes if fits and len(set(axes.values())) == len(axes) else None

    @staticmethod
    def _link(axes: dict[int, Axis], labels: tuple[int, ...], places: list[Axis | None]) -> bool:
        for label, axis in zip(labels, places, strict=True):
            if axis is None:
                continue
            if axes.setdefault(label, axis) is not axis:
                return False
        return True

    def _descend(self, statement: Statement, loop: Loop, depth: int) -> None:
        """Put a statement inside a loop over its label number `depth`."""
        statement.loops.append(loop)
        depth += 1
        needed = {leaf.node for leaf in statement.tree.leaves()}
        last = -1
        for index, item in enumerate(loop.body):
            inside = [item] if isinstance(item, Statement) else list(item.statements())
            if any(s.node in needed for s in inside):
                last = index
        if depth == len(statement.labels):  # as soon as it can be computed, so that later loops may use it
            last += 1
            while last < len(loop.body) and isinstance(loop.body[last], Statement):
                last += 1
            loop.body.insert(last, statement)
            return
        axis = statement.axes.get(statement.labels[depth])
        for index in range(max(last, 0), len(loop.body)):
            item = loop.body[index]
            if isinstance(item, Loop) and item.axis is axis and self._aligned(statement, item, len(statement.loops)):
                self._descend(statement, item, depth)
                return
        self._open(statement, loop.body, depth)

    def _aligned(self, statement: Statement, loop: Loop, depth: int) -> bool:
        """True where everything that the statement reads from inside `loop` is complete in each of its iterations."""
        produced = {s.node: s for s in loop.statements()}
        for leaf in statement.tree.leaves():
            maker = produced.get(leaf.node)
            if maker is None:
                continue
            if maker.opening <= depth:
                return False
            own = [statement.axes.get(a) for a in leaf.labels]
            theirs = [maker.axes.get(a) for a in maker.result]
            if own != theirs or loop.axis not in own:
                return False
        return True

    def _open(self, statement: Statement, body: list[Any], depth: int) -> None:
        """New loops for the labels from number `depth` on."""
        for label in statement.labels[depth:]:
            axis = statement.axes.get(label)
            if axis is None:
                axis = statement.axes[label] = Axis(self._axes, statement.dims[label])
                self._axes += 1
            loop = Loop(axis)
            statement.loops.append(loop)
            body.append(loop)
            body = loop.body
        body.append(statement)

    # -- memory --------------------------------------------------------------------------------------------------

    def storage(self) -> dict[Node, tuple[int, ...]]:
        """Which axes of each value need memory: those of loops that do not surround all its uses."""
        shared: dict[Node, int] = {node: s.opening for node, s in self.statements.items()}
        for statement in self.statements.values():
            for leaf in statement.tree.leaves():
                maker = self.statements.get(leaf.node)
                if maker is not None:
                    depth = 0
                    for mine, theirs in zip(statement.loops, maker.loops, strict=False):
                        if mine is not theirs:
                            break
                        depth += 1
                    shared[leaf.node] = min(shared[leaf.node], depth)
        stored: dict[Node, tuple[int, ...]] = {}
        for node, statement in self.statements.items():
            depth = shared[node]
            if node in self.outputs or any(self._is_call(u) or u.op == "rows" for u in self.users.get(node, [])):
                depth = 0
            around = {loop.axis for loop in statement.loops[:depth]}
            own = [statement.axes.get(label) for label in statement.result]
            # an array that a reduction adds to, entry by entry, needs its inner axes
            stored[node] = tuple(k for k, axis in enumerate(own) if axis is not None and axis not in around)
        for node in self.plan.steps:
            if self._is_call(node) or node in self.root or node.op in ("empty", "zeros", "sequence"):
                stored[node] = tuple(range(node.rank))
        return stored
