"""The plan: what a compiled program does, in order, with its memory. It contains no mathematics any more.

A target reads `steps` (nodes of `chainrule.plan.graph`, each after what it uses), asks `block` where an array lives and
`overwrites` which operand it replaces, and spells them. Everything that two targets would decide alike is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from math import prod

from chainrule.algebra.loops import Loop, has_loops, stages
from chainrule.algebra.program import Equation, Program, is_anonymous
from chainrule.dims import Dim
from chainrule.errors import UnknownNameError, UnsupportedError
from chainrule.plan.chunking import Chunks, Request, Split, candidates, split
from chainrule.plan.graph import VIEWS, Node, Operand
from chainrule.plan.loops import arrays_of_a_step, define_loop, hoisted, one_step_taken, sizes_of_nodes, sunk
from chainrule.plan.lower import Lowering
from chainrule.plan.precise import cancelling, made_precise
from chainrule.plan.schedule import Block, assign_memory
from chainrule.plan.wide import widened
from chainrule.sizes import is_derived, linear, symbols_of

__all__ = ["Plan", "build_plan"]

_ROWS = 64.0  # rows of a chunk, where memory is guessed


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered program of array operations.

    program: where it comes from.  arguments: names of the arrays it takes.  sizes: where each symbolic size is read,
    (argument, axis).  derived: sizes that no array has, in an order in which they can be worked out: from its own
    expression (None), or (whole, rest, slope): (whole − rest) // slope.
    steps: the operations in order, without inputs and numbers.  outputs: name → node; two outputs never share memory,
    and none is an argument's.  block: memory by node (nodes without axes have none).
    overwrites: which operand a node replaces in place.  blocks: all memory; those that are `fresh` belong to outputs.
    chunks: which steps are repeated for a few rows at a time, or None (`chainrule.plan.chunking`).
    """

    program: Program
    arguments: tuple[str, ...]
    sizes: dict[str, tuple[str, int]]
    steps: tuple[Node, ...]
    outputs: dict[str, Node]
    derived: dict[str, tuple[str, Dim, Dim] | None]
    block: dict[Node, Block]
    overwrites: dict[Node, int]
    blocks: tuple[Block, ...]
    chunks: Chunks | None = None

    def uses(self) -> dict[Node, int]:
        """How often each node is an operand or an output."""
        count: dict[Node, int] = {}
        for node in self.steps:
            for operand in node.operands:
                count[operand.node] = count.get(operand.node, 0) + 1
        for node in self.outputs.values():
            count[node] = count.get(node, 0) + 1
        return count


# The sizes of the arrays that a target keeps for a plan, where it fuses steps: what chunks save is judged by them.
_Workspace = Callable[[Plan], Iterable[tuple[Dim, ...]]]


def build_plan(
    program: Program, outputs: Sequence[str], *, reuse: bool = True, chunk: Request | None = None, sink: bool = False,
    precise: str = "", workspace: _Workspace | None = None,
) -> Plan:  # fmt: skip
    """The plan that computes `outputs` (names of equations) from the declared variables.

    `reuse`: update in place and share memory. `chunk`: go through an index a few rows at a time. `sink`: a
    step of a loop costs nothing by itself, so it computes what is elementwise (`plan.loops.sunk`). `precise`: what
    would lose digits in float32 is float64 (`plan.precise`, `plan.wide`); "functions": those of one array are one step
    each, "nodes": they are nodes as all others, "": nothing is. `workspace`: of a target that fuses steps, what it
    keeps of a plan. Raises UnknownNameError for an output without an equation and UnsupportedError for what has no
    code, or no such index.
    """
    return _build(program, outputs, reuse, None, chunk, sink, precise, workspace)


def _build(
    program: Program, outputs: Sequence[str], reuse: bool, given: Collection[str] | None, chunk: Request | None = None,
    sink: bool = False, precise: str = "", workspace: _Workspace | None = None,
) -> Plan:  # fmt: skip
    """`given`: for one step of a loop, whose sizes the plan around it knows: the arguments that are the user's."""
    for name in outputs:
        if name not in program.equations:
            raise UnknownNameError(f"{name} has no equation", hint="outputs are " + ", ".join(program.equations))
    if has_loops(program):
        program = hoisted(one_step_taken(program, outputs))
    lowering = Lowering(program)
    needed = _needed(program, outputs)
    for name in program.variables:
        if name not in program.equations:
            lowering.declare(name)
    parts = [s for s in stages(program) if any(n in needed for n in _computes(s))]
    for stage in sunk(program, parts, outputs) if sink else parts:
        if isinstance(stage, Loop):
            _define_loop(lowering, stage, needed, outputs, reuse, precise)
        else:
            lowering.define(stage)
    results = _own_outputs(lowering, outputs)
    live = _live(results)
    ordered = [n for n in lowering.graph.nodes if n in live]
    mode = "nodes" if precise and given is not None else precise  # a step has no functions beside it
    if mode == "functions" and made_precise(ordered, results.values(), lowering.builder):
        live = _live(results)
    steps = [node for node in lowering.graph.nodes if node in live and node.op not in ("input", "number")]
    chunks = None
    if mode:
        found = cancelling(steps, results.values(), lowering.builder) if mode == "nodes" else ()
        inner = [n for whole, _, cone in found for n in (*cone, whole)]
        steps, results = widened(steps, results, lowering.graph, lowering.builder, inner, given)
        live.update(steps)
    if chunk is not None:
        best = _split(program, steps, results, chunk, reuse, lowering, workspace)
        steps, results, chunks = best.steps, best.outputs, best.chunks
        live.update(steps)
    sizes = sizes_of_nodes(live) - ({chunks.symbol} if chunks is not None else set())
    arguments = [name for name in program.variables if name not in program.equations and _input(lowering, name) in live]
    sources: dict[str, tuple[str, int]] = {}
    derived: dict[str, tuple[str, Dim, Dim] | None] = {}
    if given is None:
        arguments, sources, derived = _size_sources(program, arguments, sizes)
    chunk_loops = chunks.loops if chunks is not None else ()
    block, overwrites, blocks = assign_memory(steps, [n for n in results.values() if n.rank], reuse, chunk_loops)
    return Plan(
        program, tuple(arguments), sources, tuple(steps), results, derived, block, overwrites, tuple(blocks), chunks
    )  # fmt: skip


def _live(results: dict[str, Node]) -> set[Node]:
    live: set[Node] = set()
    stack = list(results.values())
    while stack:
        node = stack.pop()
        if node not in live:
            live.add(node)
            stack += [operand.node for operand in node.operands]
    return live


def _split(
    program: Program, steps: list[Node], results: dict[str, Node], request: Request, reuse: bool, lowering: Lowering,
    workspace: _Workspace | None,
) -> Split:  # fmt: skip
    """The best way to go through an index in chunks."""

    def memory(blocks: Iterable[tuple[Dim, ...]], symbol: str = "") -> float:
        return float(sum(prod(_ROWS if dim == symbol else lowering.guess(dim) for dim in dims) for dims in blocks))

    def blocks(steps: list[Node], outputs: dict[str, Node], chunks: Chunks | None) -> list[Block]:
        loops = chunks.loops if chunks is not None else ()
        return list(assign_memory(steps, [n for n in outputs.values() if n.rank], reuse, loops)[2])

    def sizes(steps: list[Node], outputs: dict[str, Node], chunks: Chunks | None) -> Iterable[tuple[Dim, ...]]:
        if workspace is None:
            return [*(b.dims for b in blocks(steps, outputs, chunks)), *(dims for dims, _ in arrays_of_a_step(steps))]
        return workspace(Plan(program, (), {}, tuple(steps), outputs, {}, {}, {}, (), chunks))

    found, obstacles = candidates(steps, results, request)
    options = [
        (option, memory(sizes(option.steps, option.outputs, option.chunks), option.chunks.symbol)) for option in found
    ]
    without = [(block.dims, block.dtype) for block in blocks(steps, results, None) if not block.fresh]
    without += arrays_of_a_step(steps)
    return split(request, options, memory(sizes(steps, results, None)), without, obstacles)


def _define_loop(
    lowering: Lowering, loop: Loop, needed: set[str], outputs: Sequence[str], reuse: bool, precise: str
) -> None:
    """Lower a loop, and those of its lags that something outside of it uses."""
    inside = {e.name for e in loop.equations}
    users = [e for e in lowering.program if e.name in needed and e.name not in inside]
    outside = {*outputs, *(a for e in users for a in e.arguments)}
    lags = [lag for lag in loop.lags if lag.name in outside]
    outside |= {lag.arguments[0] for lag in lags}
    define_loop(lowering, loop, outside,
                lambda step, names, given: _build(step, names, False, given, precise=precise))  # fmt: skip
    for lag in lags:
        lowering.define(lag)


def _computes(part: Equation | Loop) -> list[str]:
    return [e.name for e in part.equations] if isinstance(part, Loop) else [part.name]


def _needed(program: Program, outputs: Sequence[str]) -> set[str]:
    needed, stack = set(), list(outputs)
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            if name in program.equations:
                stack.extend(program.equations[name].arguments)
    return needed


def _input(lowering: Lowering, name: str) -> Node:
    return lowering.operand(name).node


def _own_outputs(lowering: Lowering, outputs: Sequence[str]) -> dict[str, Node]:
    """One node per output, of the output's own sizes, shared with no other output and no argument."""
    results: dict[str, Node] = {}
    taken: set[Node] = set()
    for name in outputs:
        lowering.graph.equation = name
        operand = lowering.builder.real(lowering.operand(name))
        dims = lowering.program.variables[name].dims
        node = operand.node
        own = operand.axes == tuple(range(len(dims))) and node.op not in ("input", "number", *VIEWS)
        if not dims:
            if node.op in ("input", "number"):
                node = _copy(lowering, operand, dims, len(results))
        elif not own or node in taken:
            node = _copy(lowering, operand, dims, len(results))
        taken.add(node)
        if not node.name and not is_anonymous(name):
            node.name = name
        results[name] = node
    return results


def _copy(lowering: Lowering, operand: Operand, dims: tuple[Dim, ...], number: int) -> Node:
    op = "copy" if len(operand.axes) == len(dims) else "broadcast"
    return lowering.graph.make(op, (operand,), dims, (f"output {number}",))


def _size_sources(
    program: Program, arguments: list[str], sizes: set[str]
) -> tuple[list[str], dict[str, tuple[str, int]], dict[str, tuple[str, Dim, Dim] | None]]:
    """Where each size is read from; an argument is added where only it knows a size. Then what is worked out."""
    sources: dict[str, tuple[str, int]] = {}
    declared = [name for name in program.variables if name not in program.equations]
    shown = {d for name in declared for d in program.variables[name].dims if isinstance(d, str)}
    derived: dict[str, tuple[str, Dim, Dim] | None] = {}
    for size in sorted(d for d in sizes - shown if is_derived(d)):  # no array has it: from its symbols
        derived[size] = None
        sizes = sizes | symbols_of(size).keys()
    for symbol in sorted(s for s in sizes - shown if not is_derived(s)):  # only a size worked out from it is there
        found = _found_in(symbol, sorted(d for d in shown if is_derived(d)), shown)
        if found is not None:
            whole, others = found
            rest, slope = linear(whole, symbol)
            derived = {symbol: (whole, rest, slope), **derived}
            sizes = (sizes - {symbol}) | {whole, *others}
    for name in [*arguments, *(n for n in declared if n not in arguments)]:
        for axis, dim in enumerate(program.variables[name].dims):
            if isinstance(dim, str) and dim in sizes and dim not in sources:
                sources[dim] = (name, axis)
                if name not in arguments:
                    arguments.append(name)
    unknown = sorted(sizes - sources.keys() - derived.keys())
    if unknown:
        raise UnsupportedError(
            f"no array has the size {unknown[0]}, so the code could not know it",
            hint=f"declare a variable with it, or a number in its place: {unknown[0]} = 10",
        )
    return [name for name in declared if name in arguments], sources, derived


def _found_in(symbol: str, wholes: list[str], shown: set[str]) -> tuple[str, set[str]] | None:
    """A size that an array has from which `symbol` follows, and the other symbols that it needs."""
    for whole in wholes:
        others = set(symbols_of(whole)) - {symbol}
        if symbol in symbols_of(whole) and others <= shown and linear(whole, symbol) != (0, 0):
            return whole, others
    return None
