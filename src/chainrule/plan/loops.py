"""Loops in a plan: arrays for the sequences, and a plan of their own for one step.

    sequence    name                  memory for a sequence that a loop fills
    loop        LoopPlan              runs it; operands: the sequences, then what it reads (as it lies: A.T it may be)
    computed    name                  a sequence once its loop has run (a view of it: the operands are the two)

What does not change while a loop runs, B x[t] + b, is taken out and computed for all steps at once (`hoisted`).
The other way, what is elementwise and used in the loop alone, 1 − h[t]², goes in where a step costs nothing (`sunk`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from chainrule.algebra.expr import Expr, Index, Monomial, free_indices, rename, substitute, variable
from chainrule.algebra.loops import Loop, is_lag, one_step, stages
from chainrule.algebra.program import Equation, Operation, Program, Variable, is_anonymous
from chainrule.algebra.relations import CONSTANTS
from chainrule.dims import Dim
from chainrule.plan.graph import Node, Operand
from chainrule.plan.relations import sizes_of

if TYPE_CHECKING:
    from chainrule.plan.build import Plan
    from chainrule.plan.lower import Lowering

__all__ = [
    "Lag", "LoopPlan", "Store", "Taken", "arrays_of_a_step", "define_loop", "hoisted", "one_step_taken",
    "sizes_of_nodes", "sunk",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step reads: operand `number` of the loop, whole, or at this step along the axes `places`."""

    number: int
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lag:
    """What a step takes from an earlier one: operand `number` at t + offset; without such a step `first`, or zeros.

    first: the operand with the initial value, or None.  dims: the sizes of one step.
    """

    number: int
    axis: int
    offset: int
    first: int | None
    dims: tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """An output of the step, by name, and the sequence (operand `number`) that it goes into at t along `axis`."""

    output: str
    number: int
    axis: int


@dataclass(eq=False, slots=True)
class LoopPlan:
    """One loop: `plan` computes one step; its arguments are the keys of `taken` and `lags`.

    names: the equations that it computes, as the program calls them.
    """

    letter: str
    dim: Dim
    backwards: bool
    plan: Plan
    taken: dict[str, Taken]
    lags: dict[str, Lag]
    stores: tuple[Store, ...]
    names: tuple[str, ...]

    def sizes(self) -> set[str]:
        """All symbolic sizes that a target needs to know to write it."""
        sizes = {d for dims in ((self.dim,), *(lag.dims for lag in self.lags.values())) for d in dims}
        found = {d for d in sizes if isinstance(d, str)}
        nodes = {*self.plan.steps, *(o.node for n in self.plan.steps for o in n.operands)}
        return found | sizes_of_nodes(nodes)


def one_step_taken(program: Program, outputs: Collection[str]) -> Program:
    """The program where Σ_t 1[t = T] (A[t] + B[t]) takes its step of A and of B, and not of a sum made of all steps.

    That is where a sum without a name is used there alone: the adjoint of an initial value, δ₂[1] V + δ₃[1] W.
    """
    uses: dict[str, int] = {}
    for equation in program:
        value = equation.value
        for argument in [n for k in value for n in _occurrences(k)] if isinstance(value, dict) else equation.arguments:
            uses[argument] = uses.get(argument, 0) + 1
    out = program
    for equation in program:
        for factors, bound in equation.value if isinstance(equation.value, dict) else ():
            plain = {str(name): indices for (head, name, indices), exponent in factors if head == "" and exponent == 1}
            taken = {i for name, indices in plain.items() if _is_unit(program, name) for i in indices}
            for name, indices in plain.items():
                inner = program.expression(name)
                alone = is_anonymous(name) and uses.get(name) == 1 and name not in outputs
                if inner is None or not alone or not taken & {*indices} & {*bound}:
                    continue
                put = partial(_renamed, inner, program.variables[name].indices)
                out = program.copy() if out is program else out
                whole = out.expression(equation.name)
                assert whole is not None
                out.define(out.variables[equation.name], substitute(whole, name, put), equation.source)
    return out


def _renamed(expression: Expr, own: tuple[Index, ...], at: tuple[Index, ...]) -> Expr:
    return rename(expression, dict(zip(own, at, strict=True)))


def _is_unit(program: Program, name: str) -> bool:
    operation = program.equations[name].value if name in program.equations else None
    return isinstance(operation, Operation) and operation.op == "unit"


def hoisted(program: Program) -> Program:
    """The program with what does not change in a loop in front of it, where that is any work."""
    parts = stages(program)
    if not any(isinstance(part, Loop) for part in parts):
        return program
    out = program.copy()
    out.equations = {}
    for part in parts:
        if not isinstance(part, Loop):
            out.equations[part.name] = part
            continue
        inside = {e.name for e in part.equations}
        bodies = []
        for equation in part.body:
            assert isinstance(equation.value, dict)
            steady = {k: c for k, c in equation.value.items() if not _names(k) & inside}
            time = out.variables[equation.name].indices[part.axes[equation.name]]
            work = any(bound or len(factors) > 1 for factors, bound in steady)
            own = out.variables[equation.name]
            whole = free_indices(steady) == set(own.indices)
            if not work or not whole or len(steady) == len(equation.value) or time not in free_indices(steady):
                bodies.append((equation.name, equation.value))
                continue
            name = out.fresh_name()
            out.define(Variable(name, own.dims, own.orientation, steps=own.steps), steady)
            moving: Expr = {k: c for k, c in equation.value.items() if k not in steady}
            bodies.append((equation.name, {**moving, **variable(name, own.indices)}))
        for lag in part.lags:
            out.equations[lag.name] = lag
        for name, value in bodies:
            out.define(out.variables[name], value, program.equations[name].source)
    return out


def sunk(program: Program, parts: Sequence[Equation | Loop], outputs: Collection[str]) -> list[Equation | Loop]:
    """The parts of a program, where elementwise equations and lags that one loop alone uses are computed in it.

    An array of all steps is then neither written nor read. Only what is made of arguments and of what loops compute
    goes in: for the rest it matters how it is computed together with what it is made of (`plan.shifts`, `complements`).
    """
    given = {n for n in program.variables if n not in program.equations or is_lag(program.equations[n])}
    given |= {e.name for part in parts if isinstance(part, Loop) for e in part.equations}
    allowed = {p.name for p in parts if not isinstance(p, Loop) and not is_lag(p)} - {*outputs}
    while True:
        out, moved = _sunk(program, parts, allowed)
        lost = {e.name for e in moved if not {*e.arguments} <= given | {m.name for m in moved}}
        if not lost:
            return [_with_lags(program, part) if isinstance(part, Loop) else part for part in out]
        allowed -= lost


def _with_lags(program: Program, loop: Loop) -> Loop:
    """The loop with all lags that it uses step by step, of whatever they are an earlier step."""
    own = {e.name for e in loop.equations}
    for name in dict.fromkeys(argument for equation in loop.body for argument in equation.arguments):
        lag = program.equations.get(name)
        if lag is not None and is_lag(lag) and name not in own:
            axis = _axis_of_steps(program, lag, loop)
            if axis is not None:
                loop = Loop((lag, *loop.equations), loop.dim, loop.backwards, {**loop.axes, name: axis})
    return loop


def _sunk(
    program: Program, parts: Sequence[Equation | Loop], allowed: Collection[str]
) -> tuple[list[Equation | Loop], list[Equation]]:
    """The parts with those of the equations `allowed` moved into a loop that can be, and which these are."""
    users: dict[str, set[int]] = {}
    for number, part in enumerate(parts):
        for equation in part.equations if isinstance(part, Loop) else (part,):
            for argument in equation.arguments:
                users.setdefault(argument, set()).add(number)
    out = list(parts)
    gone: dict[int, Equation] = {}
    for number in range(len(parts) - 1, -1, -1):
        loop = out[number]
        if not isinstance(loop, Loop):
            continue
        for before in range(number - 1, -1, -1):
            part = out[before]
            if isinstance(part, Loop) or part.name not in allowed or users.get(part.name) != {number}:
                continue
            axis = _axis_of_steps(program, part, loop)
            if axis is None:
                continue
            inside = (*loop.lags, part, *loop.body)
            loop = out[number] = Loop(inside, loop.dim, loop.backwards, {**loop.axes, part.name: axis})
            gone[before] = part
            for argument in part.arguments:
                users[argument] = (users[argument] - {before}) | {number}
    return [part for number, part in enumerate(out) if number not in gone], list(gone.values())


def _axis_of_steps(program: Program, equation: Equation, loop: Loop) -> int | None:
    """Which axis of an equation outside the loop is the loop's, where it can be computed step by step; else None."""
    own = program.variables[equation.name]
    found: set[int | None] = set()
    for user in loop.body:
        assert isinstance(user.value, dict)
        time = program.variables[user.name].indices[loop.axes[user.name]]
        for factors, _ in user.value:
            for (head, name, indices), _ in factors:
                at = 0
                for argument, count in name if isinstance(name, tuple) else ((name, len(indices)),):
                    if head not in CONSTANTS and argument == equation.name:
                        places = [k for k, index in enumerate(indices[at : at + count]) if index == time]
                        found.add(places[0] if len(places) == 1 else None)
                    at += count
    if any(equation.name in lag.arguments for lag in loop.lags) or len(found) != 1:
        return None
    (axis,) = found
    if axis is None or own.dims[axis] != loop.dim:
        return None
    if is_lag(equation):
        assert isinstance(equation.value, Operation)
        return axis if equation.value.attributes[1] == axis else None
    if not isinstance(equation.value, dict):
        return None
    time = own.indices[axis]
    for factors, bound in equation.value:
        plain = all(head == "" and exponent > 0 and int(exponent) == exponent for (head, _, _), exponent in factors)
        if bound or not plain:
            return None
    return axis if time in free_indices(equation.value) else None


def _names(key: Monomial) -> set[str]:
    return set(_occurrences(key))


def _occurrences(key: Monomial) -> list[str]:
    """The names in a term, each as often as it stands there."""
    found: list[str] = []
    for (head, name, _), _ in key[0]:
        if isinstance(name, tuple):
            found += [str(n) for n, _ in name]
        elif head not in CONSTANTS:
            found.append(str(name))
    return found


def define_loop(
    lowering: Lowering, loop: Loop, outside: Collection[str],
    plan_step: Callable[[Program, list[str], Collection[str]], Plan],
) -> None:  # fmt: skip
    """Lower a loop; `outside`: names that something outside of it uses.

    `plan_step` plans one step: its program, its outputs, and which of its arguments are the user's.
    """
    program, graph = lowering.program, lowering.graph
    letter = next((s.letter for e in loop.equations if (s := program.variables[e.name].steps) is not None), "t")
    sources = {e.arguments[0] for e in loop.lags}
    kept = [e.name for e in loop.body if e.name in outside or e.name in sources]
    graph.equation = next((e.name for e in loop.body if not is_anonymous(e.name)), loop.body[0].name)
    operands: list[Operand] = []
    number: dict[str, int] = {}
    sequences: dict[str, Node] = {}
    for name in kept:
        node = graph.make("sequence", (), program.variables[name].dims, (name,))
        node.name = "" if is_anonymous(name) else name
        node.hint = node.hint or "steps"
        sequences[name] = node
        number[name] = len(operands)
        operands.append(node.whole)

    def operand(name: str) -> int:
        if name not in number:
            number[name] = len(operands)
            operands.append(lowering.array(name))
        return number[name]

    step, taken = _step_program(program, loop, letter, operand)
    lags: dict[str, Lag] = {}
    for equation in loop.lags:
        assert isinstance(equation.value, Operation)
        source, *first = equation.value.args
        offset, axis = equation.value.attributes
        dims = tuple(d for k, d in enumerate(program.variables[source].dims) if k != axis)
        called = f"{equation.name}[{letter}]"
        if called in step.variables:
            lags[called] = Lag(operand(source), axis, offset, operand(first[0]) if first else None, dims)
    given = {name for name, found in taken.items() if operands[found.number].node.op == "input"}
    plan = plan_step(step, [f"{name}[{letter}]" for name in kept], given)
    stores = tuple(Store(f"{name}[{letter}]", number[name], loop.axes[name]) for name in kept)
    taken = {name: found for name, found in taken.items() if name in plan.arguments}
    names = tuple(e.name for e in loop.body)
    run = graph.make(
        "loop", tuple(operands), (), (LoopPlan(letter, loop.dim, loop.backwards, plan, taken, lags, stores, names),)
    )
    for name, node in sequences.items():
        made = graph.make("computed", (node.whole, Operand(run, ())), node.dims, (name,))
        made.name, made.hint = node.name, node.hint
        lowering.give(name, made.whole)


def _step_program(
    program: Program, loop: Loop, letter: str, operand: Callable[[str], int]
) -> tuple[Program, dict[str, Taken]]:
    """One step as a program: h[t] = tanh(A h[t-1] + …), with what it reads declared."""
    step = Program()
    step.functions = dict(program.functions)
    inside = {e.name for e in loop.equations}
    taken: dict[str, Taken] = {}
    bodies: list[tuple[str, str, Expr]] = []

    def step_name(name: str, places: tuple[int, ...]) -> str:
        plain = places == (loop.axes.get(name, places[0]),)
        called = f"{name}[{letter}]" if plain else f"{name}[{letter}:{','.join(map(str, places))}]"
        if called not in step.variables:
            own = program.variables[name]
            dims = tuple(d for k, d in enumerate(own.dims) if k not in places)
            orientation = own.steps.orientation if own.steps is not None and plain else ""
            kind = "value" if name in inside and not is_lag(program.equations[name]) else "input"
            kinds = ("scalar", "column", "matrix", "tensor")
            facts = own.facts
            step.declare(Variable(called, dims, orientation or kinds[min(len(dims), 3)], kind, facts))
            if name not in inside:
                taken[called] = Taken(operand(name), places)
        return called

    for equation in loop.body:
        assert isinstance(equation.value, dict)
        own = program.variables[equation.name]
        axis = loop.axes[equation.name]
        value = one_step(equation.value, own.indices, axis, step_name)
        bodies.append((equation.name, step_name(equation.name, (axis,)), value))
    for _, called, value in bodies:
        for factors, _ in value:
            for (head, name, _), _ in factors:
                plain = () if head in CONSTANTS else name if isinstance(name, tuple) else ((str(name), 0),)
                for argument, _ in plain:
                    if argument not in step.variables:
                        step.declare(program.variables[argument])
                        taken[argument] = Taken(operand(argument), ())
        step.define(step.variables[called], value)
    return step, taken


def arrays_of_a_step(nodes: Iterable[Node]) -> list[tuple[tuple[Dim, ...], str]]:
    """The arrays that one step of each loop among nodes makes, by sizes and dtype: each step makes the same ones."""
    loops = [node.attributes[0] for node in nodes if node.op == "loop"]
    return [(block.dims, block.dtype) for loop in loops for block in loop.plan.blocks]


def sizes_of_nodes(nodes: Iterable[Node]) -> set[str]:
    """All symbolic sizes of nodes, in numbers and inside of loops."""
    sizes: set[str] = set()
    for node in nodes:
        sizes.update(d for d in node.dims if isinstance(d, str))
        sizes.update(sizes_of(node))
        for attribute in node.attributes:
            for dim, _ in getattr(attribute, "sizes", ()) if not isinstance(attribute, LoopPlan) else ():
                sizes.add(dim)
            if isinstance(attribute, LoopPlan):
                sizes |= attribute.sizes()
    return sizes
