"""Chunks: a plan that goes through a row-like index a few rows at a time, so that no array has all rows at once.

Nothing here knows what a loss is. An axis of an argument is followed through the graph (`chainrule.plan.row_index`).
A node that sums over rows grows in a loop; sums, and whole uses of a value, are barriers: what needs them comes in a
later loop, or after the last. A value that is needed beyond its loop is written into a full array block by block; all
others exist for the rows at hand only. The logits of a large vocabulary go away like this, because (ŷ − y)/N at some
rows needs those rows.

Of all axes of arguments, the one after which the least memory is needed is taken; which one that is, is guessed from
sizes that plans assume, or said by the user. `split` raises UnsupportedError where no index saves anything.

Nodes that only such a plan has; a target whose plans are made with a request must spell them and `Plan.chunks`:

    zeros                       a full array (or scalar) of zeros, before a loop
    empty                       a full array that a loop fills
    rows        axis            in a loop: the rows at hand of the operand, a view along this axis
    accumulate                  in a loop: base + value, in the base's memory
    put         axis            in a loop: value, written into the rows at hand of the base; a no-op where the value's
                                block is a view of the base (`Block.view`)

Inside a loop nodes have the size `Chunks.symbol` where others have the index's size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.algebra.program import is_anonymous
from chainrule.dims import Dim, canonical_name
from chainrule.errors import ChainruleError, UnsupportedError
from chainrule.plan.graph import LOOP_STEPS, Node, Operand
from chainrule.plan.loop_rows import Obstacle, loop_by_rows
from chainrule.plan.row_index import RowIndex, follow_index

__all__ = ["CHUNK_OPS", "Chunks", "Request", "candidates", "read_request", "split"]

CHUNK_OPS = frozenset({"zeros", "empty", "rows", "accumulate", "put"})
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: rows of a chunk, or bytes for the workspace; and by which size (None: any)."""

    count: int | None
    memory: int | None
    dim: str | None = None


@dataclass(frozen=True, slots=True)
class Chunks:
    """How a plan goes through an index.

    dim: the index's size.  symbol: the number of rows at hand, a size inside the loops.  count: rows of a chunk, or
    None: as many as let the workspace fit into `memory` bytes.  loops: (first, after the last) positions among the
    steps; nothing else is repeated.  without: the workspace's blocks, (sizes, dtype), that the plan would have with no
    chunks.
    """

    dim: Dim
    symbol: str
    count: int | None
    memory: int | None
    loops: tuple[tuple[int, int], ...]
    without: tuple[tuple[tuple[Dim, ...], str], ...] = ()

    def loop_of(self, position: int) -> int | None:
        """The number of the loop that a step is in."""
        return next((k for k, (first, last) in enumerate(self.loops) if first <= position < last), None)


def read_request(chunk: int | Mapping[str, int] | None, memory: str | int | None) -> Request | None:
    """`chunk=512`, `chunk={"N": 512}` or `memory="64MB"`; None where neither is given. Raises ChainruleError."""
    if chunk is None and memory is None:
        return None
    if chunk is not None and memory is not None:
        raise ChainruleError("chunk says how many rows at once, memory says how much space: one of them", "chunk=512")
    if chunk is not None:
        items: list[tuple[str | None, object]] = list(chunk.items()) if isinstance(chunk, Mapping) else [(None, chunk)]
        if len(items) != 1:
            raise ChainruleError("one index is gone through in chunks", 'chunk={"N": 512}')
        ((dim, count),) = items
        if not isinstance(count, int) or count is True or count < 1:
            raise ChainruleError(f"a chunk has at least one row, not {count!r}", "chunk=512")
        return Request(count, None, dim)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(memory))
    if match is None or match.group(2).upper() not in _UNITS:
        raise ChainruleError(f"{memory!r} is no amount of memory", 'memory="64MB"')
    size = int(float(match.group(1)) * _UNITS[match.group(2).upper()])
    if size < 1:
        raise ChainruleError("memory=0 leaves no room", 'memory="64MB"')
    return Request(None, size)


# -- which loop a node belongs to -------------------------------------------------------------------------------------


class _Stages:
    """stage[n]: the loop of a node that has the index; ready[n]: before which loop a whole value is there."""

    def __init__(self, steps: Sequence[Node], kept: set[Node], index: RowIndex) -> None:
        self.steps, self.kept, self.index = steps, kept, index
        self.stage: dict[Node, int] = {}
        self.ready: dict[Node, int] = {}
        self._not_before: dict[Node, int] = {}
        self._users: dict[Node, list[tuple[Node, int]]] = _users(steps)
        self._number()
        while self._sink() or self._hoist():
            self._number()

    def _number(self) -> None:
        self.stage, self.ready = {}, {}
        for node in self.steps:
            looped = self.index.of(node) is not None
            first = self._not_before.get(node, 0)
            for k, operand in enumerate(node.operands):
                other = operand.node
                if looped and self.index.aligned(node, k):
                    first = max(first, self.stage[other])
                else:
                    first = max(first, self.ready.get(other, 0))
            if looped:
                self.stage[node] = first
            self.ready[node] = first + 1 if looped else first

    def is_whole(self, node: Node) -> bool:
        """True where all rows are kept: it is a result, or needed beyond its loop."""
        if node in self.kept:
            return True
        return any(
            not self.index.aligned(user, k) or self.stage[user] != self.stage[node]
            for user, k in self._users.get(node, ())
        )

    def _in_loop(self, node: Node) -> bool:
        return node in self.stage and node in self.index.rows

    def _hoist(self) -> bool:
        """What is whole anyway and made of whole values needs no loop."""
        for node in self.steps:
            if node not in self.stage or (node in self.index.rows and not self.is_whole(node)):
                if node not in self.index.loops or not self._is_whole_loop(node):
                    continue
                for other in (node, *(o.node for o in node.operands if o.node.op == "sequence")):
                    self.index.rows.pop(other, None)
                for user, _ in self._users[node]:
                    self.index.rows.pop(user, None)
                del self.index.loops[node]
                return True
            if node.op in LOOP_STEPS:
                continue
            inner = [o.node for o in node.operands if self._in_loop(o.node) and self.stage[o.node] == self.stage[node]]
            if not inner:
                self.index.rows.pop(node, None)
                self.index.sums.pop(node, None)
                return True
        return False

    def _is_whole_loop(self, loop: Node) -> bool:
        """True where all that a loop over steps reads and computes is whole anyway."""
        if not all(self.is_whole(user) for user, _ in self._users[loop]):
            return False
        return not any(
            o.node.op != "sequence" and self._in_loop(o.node) and self.stage[o.node] == self.stage[loop]
            for o in loop.operands
        )

    def _sink(self) -> bool:
        """What only later loops use, and what can be made there as well, is made there."""
        for node in reversed(self.steps):
            if not self._in_loop(node) or node in self.kept:
                continue
            uses = self._users.get(node, [])
            if not uses or not all(user in self.stage and self.index.aligned(user, k) for user, k in uses):
                continue
            later = min(self.stage[user] for user, _ in uses)
            if later > self.stage[node] and self._movable(node):
                self._not_before[node] = later
                return True
        return False

    def _movable(self, node: Node) -> bool:
        for operand in node.operands:
            other = operand.node
            if not self._in_loop(other) or self.stage[other] < self.stage[node]:
                continue
            if other in self.kept or {user for user, _ in self._users[other]} != {node} or not self._movable(other):
                return False
        return True


def _users(steps: Iterable[Node]) -> dict[Node, list[tuple[Node, int]]]:
    users: dict[Node, list[tuple[Node, int]]] = {}
    for node in steps:
        for k, operand in enumerate(node.operands):
            users.setdefault(operand.node, []).append((node, k))
    return users


# -- the new steps ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Split:
    """Steps with loops, and the outputs' nodes among them."""

    steps: list[Node]
    outputs: dict[str, Node]
    chunks: Chunks


class _Writer:
    """Writes the steps anew: whole values before and after loops, rows inside."""

    def __init__(self, stages: _Stages, symbol: str, first_number: int) -> None:
        self.stages, self.index, self.symbol = stages, stages.index, symbol
        self.steps: list[Node] = []
        self.loops: list[tuple[int, int]] = []
        self.whole: dict[Node, Node] = {}
        self._number = first_number

    def write(self) -> None:
        last = max((*self.stages.stage.values(), *self.stages.ready.values()), default=0)
        for stage in range(last + 1):
            for node in self.stages.steps:
                if node not in self.stages.stage and self.stages.ready[node] == stage:
                    operands = tuple(Operand(self._outside(o.node), o.axes) for o in node.operands)
                    self.whole[node] = self._emit(node, operands, node.dims, name=node.name, hint=node.hint)
            members = [node for node in self.stages.steps if self.stages.stage.get(node) == stage]
            if members:
                self._loop(members)

    def _outside(self, node: Node) -> Node:
        return node if node.op in ("input", "number") else self.whole[node]

    def _emit(
        self, like: Node, operands: tuple[Operand, ...], dims: tuple[Dim, ...], op: str = "",
        attributes: tuple[object, ...] | None = None, name: str = "", hint: str = "",
    ) -> Node:  # fmt: skip
        made = Node(
            self._number, op or like.op, operands, like.attributes if attributes is None else attributes, dims,
            like.dtype, name, hint, like.equation,
        )  # fmt: skip
        self._number += 1
        self.steps.append(made)
        return made

    def _loop(self, members: list[Node]) -> None:
        bases: dict[Node, Node] = {}
        for node in members:
            if node in self.index.sums:
                bases[node] = self._emit(node, (), node.dims, "zeros", (), hint=f"{_stem(node)}|sum")
            elif self.stages.is_whole(node):
                bases[node] = self._emit(node, (), node.dims, "empty", (), hint=_stem(node))
        first = len(self.steps)
        views = self._views(members)
        parts: dict[Node, Node] = {}
        for node in members:
            operands = []
            for k, operand in enumerate(node.operands):
                axis = self.index.sliced(node, k)
                if self.index.aligned(node, k) and operand.node in parts:
                    inner = parts[operand.node]
                elif axis is not None:
                    inner = views[operand.node, axis]
                else:
                    inner = self._outside(operand.node)
                operands.append(Operand(inner, operand.axes))
            if node in self.index.loops:
                by_rows = loop_by_rows(node, self.index.loops[node], self.symbol)
                parts[node] = self._emit(node, tuple(operands), (), attributes=(by_rows,))
                continue
            if node in self.index.sums:
                part = self._emit(node, tuple(operands), node.dims, hint=f"{_stem(node)}|part")
                both = (bases[node].whole, part.whole)
                self.whole[node] = self._emit(node, both, node.dims, "accumulate", (), node.name, node.hint)
                continue
            axis = self.index.rows[node]
            dims = (*node.dims[:axis], self.symbol, *node.dims[axis + 1 :])
            if node not in bases:
                parts[node] = self._emit(node, tuple(operands), dims, name=node.name, hint=node.hint)
                continue
            parts[node] = self._emit(node, tuple(operands), dims, hint=f"{_stem(node)}|rows")
            both = (bases[node].whole, parts[node].whole)
            self.whole[node] = self._emit(node, both, node.dims, "put", (axis,), node.name, node.hint)
        self.loops.append((first, len(self.steps)))

    def _views(self, members: list[Node]) -> dict[tuple[Node, int], Node]:
        """The rows at hand of whole values that the loop reads."""
        views: dict[tuple[Node, int], Node] = {}
        inside = set(members)
        for node in members:
            for k, operand in enumerate(node.operands):
                axis = self.index.sliced(node, k)
                if axis is None or (self.index.aligned(node, k) and operand.node in inside):
                    continue
                if (operand.node, axis) not in views:
                    source = self._outside(operand.node)
                    dims = (*source.dims[:axis], self.symbol, *source.dims[axis + 1 :])
                    hint = f"{source.name or _stem(operand.node)}|rows"
                    views[operand.node, axis] = self._emit(source, (source.whole,), dims, "rows", (axis,), hint=hint)
        return views


def _stem(node: Node) -> str:
    stem = node.name or node.hint.split("|")[0]
    return stem or ("" if is_anonymous(node.equation) else node.equation)


def candidates(
    steps: Sequence[Node], outputs: Mapping[str, Node], request: Request
) -> tuple[list[Split], list[Obstacle]]:
    """A split for each axis of an argument along which one can go, equal ones once, and loops that were in the way.

    Loops over steps that can run for some rows alone do so in one split, and for all rows in another.
    """
    users = _users(steps)
    inputs = list(dict.fromkeys(o.node for node in steps for o in node.operands if o.node.op == "input"))
    wanted = None if request.dim is None else canonical_name(request.dim)
    taken = {dim for node in (*steps, *inputs) for dim in node.dims}
    symbol = "rows"
    while symbol in taken:
        symbol += "_"
    found: list[Split] = []
    obstacles: list[Obstacle] = []
    seen: set[frozenset[tuple[Node, int]]] = set()
    ways = (True, False) if any(node.op == "loop" for node in steps) else (False,)
    number = max((node.number for node in steps), default=0) + 1
    for node in inputs:
        for axis, dim in enumerate(node.dims):
            if wanted is not None and (not isinstance(dim, str) or canonical_name(dim) != wanted):
                continue
            for through_loops in ways:
                index = follow_index(node, axis, users, through_loops)
                obstacles += [o for o in index.obstacles if str(o) not in map(str, obstacles)]
                key = frozenset((*index.rows.items(), *index.sums.items()))
                if key in seen:
                    continue
                seen.add(key)
                stages = _Stages(steps, set(outputs.values()), index)
                writer = _Writer(stages, symbol, number)
                writer.write()
                if writer.loops:
                    results = {name: writer.whole[node] for name, node in outputs.items()}
                    chunks = Chunks(dim, symbol, request.count, request.memory, tuple(writer.loops))
                    found.append(Split(writer.steps, results, chunks))
    return found, obstacles


def split(
    request: Request,
    options: Sequence[tuple[Split, float]],
    whole: float,
    without: Sequence[tuple[tuple[Dim, ...], str]],
    obstacles: Sequence[Obstacle] = (),
) -> Split:
    """The split that needs the least memory (options: each with what it needs). Raises where none saves any.

    `obstacles`: loops that need all rows, to be named then.
    """
    best = min(options, key=lambda option: (option[1], len(option[0].chunks.loops)), default=None)
    if best is None or best[1] >= whole:
        where = f"the index of size {request.dim}" if request.dim is not None else "any index"
        reason = "".join(f"; {obstacle}" for obstacle in obstacles[:3])
        raise UnsupportedError(
            f"going through {where} in chunks would save no memory: no large value exists by rows alone{reason}",
            "compile without chunk= and memory=",
        )
    chosen = best[0]
    return Split(chosen.steps, chosen.outputs, replace(chosen.chunks, without=tuple(without)))
