"""Loops over steps gone through by rows: where an index is in a loop, and the loop for some rows alone.

A loop can run for a few rows at a time, all its steps for these, where no step needs other rows: then its sequences
exist for the rows at hand only. `follow_loop` follows an index from one operand of a loop through one step, and from
the states to the lags that the next step takes; what it gives is complete, or the obstacle in the loop: a step that
adds up over the index or needs all of it, or an index along which the steps go. `loop_by_rows` is the loop whose step
has the size of the rows at hand.

To add an operation: `chainrule.plan.row_axes` says how an index goes through it, here too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chainrule.algebra.program import is_anonymous
from chainrule.dims import Dim
from chainrule.plan.graph import Node, Operand
from chainrule.plan.loops import LoopPlan
from chainrule.plan.row_axes import by_rows, follows
from chainrule.plan.schedule import assign_memory

__all__ = ["LoopRows", "Obstacle", "follow_loop", "loop_by_rows"]


@dataclass(frozen=True, slots=True)
class LoopRows:
    """axes: of each operand of a loop that has the index, by its number, which of its own axes it is.

    inner: of the nodes of one step.
    """

    axes: dict[int, int]
    inner: dict[Node, int]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a loop from being run for some rows alone, in words that follow its name."""

    loop: Node
    why: str

    def __str__(self) -> str:
        (plan,) = self.loop.attributes
        assert isinstance(plan, LoopPlan)
        names = [name for name in plan.names if not is_anonymous(name)] or list(plan.names[:1])
        return f"the loop of {', '.join(names[:3])} over {plan.letter} {self.why}"


class _Stop(Exception):
    """The index cannot go through the loop."""


class _Inside:
    """Follows one index through the step of a loop until everything that has it is known."""

    def __init__(self, node: Node) -> None:
        (self.loop,) = node.attributes
        assert isinstance(self.loop, LoopPlan)
        self.node = node
        self.seen: dict[int, int] = {}  # operand → its axis as the loop sees it
        self.rows: dict[Node, int] = {}
        self.todo: list[Node] = []
        steps = self.loop.plan.steps
        self.users: dict[Node, list[tuple[Node, int]]] = {}
        self.inputs: dict[str, Node] = {}
        for step in steps:
            for k, operand in enumerate(step.operands):
                self.users.setdefault(operand.node, []).append((step, k))
                if operand.node.op == "input":
                    self.inputs[operand.node.attributes[0]] = operand.node
        for output in self.loop.plan.outputs.values():
            if output.op == "input":
                self.inputs[output.attributes[0]] = output
        self.results = {s.output: s for s in self.loop.stores}

    def operand(self, number: int, axis: int) -> None:
        """Operand `number` has the index along `axis`, as the loop sees it."""
        if self.seen.setdefault(number, axis) != axis:
            raise _Stop(f"needs one array along two of its axes {self._dim(number, axis)}")
        for name, taken in self.loop.taken.items():
            if taken.number == number:
                self._argument(name, number, taken.places, axis)
        for name, lag in self.loop.lags.items():
            if lag.number == number:
                self._argument(name, number, (lag.axis,), axis)
            if lag.first == number:  # one for all samples has no axes in front
                lacking = len(lag.dims) - len(self.node.operands[number].axes)
                if name in self.inputs:
                    self.reach(self.inputs[name], axis + lacking)
        for name, store in self.results.items():
            if store.number == number:
                if axis == store.axis:
                    raise _Stop(f"goes along {self._dim(number, axis)} itself")
                self.reach(self.loop.plan.outputs[name], axis - (axis > store.axis))

    def _argument(self, name: str, number: int, places: tuple[int, ...], axis: int) -> None:
        if axis in places:
            raise _Stop(f"goes along {self._dim(number, axis)} itself")
        kept = [a for a in range(len(self.node.operands[number].axes)) if a not in places]
        if name in self.inputs:
            self.reach(self.inputs[name], kept.index(axis))

    def _dim(self, number: int, axis: int) -> Dim:
        own = self.node.operands[number]
        return own.node.dims[own.axes.index(axis)]

    def reach(self, node: Node, axis: int) -> None:
        """A node of the step has the index."""
        if node in self.rows:
            if self.rows[node] != axis:
                raise _Stop(f"needs one array along two of its axes {node.dims[axis]}")
            return
        if not by_rows(node, axis):
            raise _Stop(f"needs all of {node.dims[axis]} in each step{_for(node)}")
        self.rows[node] = axis
        self.todo.append(node)

    def run(self) -> None:
        """Follow what was reached, towards results and back."""
        while self.todo:
            node = self.todo.pop()
            axis = self.rows[node]
            for k, operand in enumerate(node.operands):
                places = follows(node, k)
                if axis in places:
                    self.reach(operand.node, places.index(axis))
            for user, k in self.users.get(node, ()):
                place = follows(user, k)[axis]
                if place is None:
                    raise _Stop(f"needs all of {node.dims[axis]} in each step{_for(user)}")
                if place >= user.rank:
                    raise _Stop(f"adds up over {node.dims[axis]} in each step{_for(user)}")
                self.reach(user, place)
            if node.op == "input":
                self._outwards(node.attributes[0], axis)
            for name, output in self.loop.plan.outputs.items():
                if output is node and name in self.results:
                    store = self.results[name]
                    self.operand(store.number, axis + (axis >= store.axis))

    def _outwards(self, name: str, axis: int) -> None:
        """What an argument of the step is part of has the index too."""
        if name in self.loop.taken:
            taken = self.loop.taken[name]
            kept = [a for a in range(len(self.node.operands[taken.number].axes)) if a not in taken.places]
            self.operand(taken.number, kept[axis])
        if name in self.loop.lags:
            lag = self.loop.lags[name]
            self.operand(lag.number, axis + (axis >= lag.axis))
            if lag.first is not None:
                rank = len(self.node.operands[lag.first].axes)
                own = axis - (len(lag.dims) - rank)
                if own >= 0:
                    self.operand(lag.first, own)


def _for(node: Node) -> str:
    name = node.name or node.equation
    return "" if is_anonymous(name) or name.startswith("%") else f", for {name}"


def follow_loop(node: Node, number: int, axis: int) -> LoopRows | Obstacle:
    """Where the index is in a loop that has it along an axis (the array's own) of operand `number`."""
    inside = _Inside(node)
    try:
        inside.operand(number, node.operands[number].axes[axis])
        inside.run()
    except _Stop as stop:
        return Obstacle(node, str(stop))
    axes = {k: node.operands[k].axes.index(seen) for k, seen in inside.seen.items()}
    return LoopRows(axes, inside.rows)


def loop_by_rows(node: Node, rows: LoopRows, symbol: str) -> LoopPlan:
    """The loop of a node, for `symbol` rows."""
    (loop,) = node.attributes
    assert isinstance(loop, LoopPlan)
    plan = loop.plan
    made: dict[Node, Node] = {}

    def own(old: Node) -> Node:
        if old not in made:
            operands = tuple(Operand(own(o.node), o.axes) for o in old.operands)
            dims = _with(old.dims, rows.inner.get(old), symbol)
            made[old] = Node(
                old.number, old.op, operands, old.attributes, dims, old.dtype, old.name, old.hint, old.equation
            )  # fmt: skip
        return made[old]

    steps = [own(step) for step in plan.steps]
    outputs = {name: own(output) for name, output in plan.outputs.items()}
    block, overwrites, blocks = assign_memory(steps, [n for n in outputs.values() if n.rank], False)
    inner = replace(plan, steps=tuple(steps), outputs=outputs, block=block, overwrites=overwrites, blocks=tuple(blocks))
    lags = {}
    for name, lag in loop.lags.items():
        seen = node.operands[lag.number].axes[rows.axes[lag.number]] if lag.number in rows.axes else None
        lags[name] = replace(lag, dims=_with(lag.dims, seen - (seen > lag.axis) if seen is not None else None, symbol))
    return LoopPlan(loop.letter, loop.dim, loop.backwards, inner, loop.taken, lags, loop.stores, loop.names)


def _with(dims: tuple[Dim, ...], axis: int | None, symbol: str) -> tuple[Dim, ...]:
    return dims if axis is None else (*dims[:axis], symbol, *dims[axis + 1 :])
