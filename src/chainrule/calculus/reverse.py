"""Reverse mode on programs: the backward pass of a program is a program.

Adjoints run from the loss backwards. One that more than one thing needs gets a name, δ₁, δ₂, … (Δ at a matrix); one
that is needed once is written out in its place, so that softmax and cross-entropy collapse. Names keep cost linear in
the number of equations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chainrule.algebra.expr import ONE, Expr, Monomial, add, atom_variables, is_constant, single, variable
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.calculus.partial import contribution, local_derivatives
from chainrule.dims import canonical_name
from chainrule.simplify.engine import simplify
from chainrule.simplify.factor import factored
from chainrule.simplify.knowledge import Knowledge

__all__ = ["Backward", "differentiate", "relevant_equations"]

LARGE = 24  # factors: an adjoint above this gets a name by itself


@dataclass(slots=True)
class Backward:
    """A backward pass: `program` continues the forward program.

    signals: name of the signal -> the variable it belongs to.  gradients: variable -> name of its gradient.
    adjoints: every variable on the way -> its adjoint as an expression (a signal's is its name).
    zero: variables on which the loss does not depend.
    """

    program: Program
    loss: str
    signals: dict[str, str] = field(default_factory=dict)
    gradients: dict[str, str] = field(default_factory=dict)
    adjoints: dict[str, Expr] = field(default_factory=dict)
    zero: list[str] = field(default_factory=list)
    raw: dict[str, Expr] = field(default_factory=dict)  # adjoint before simplification


def relevant_equations(program: Program, target: str, leaves: Iterable[str]) -> set[str]:
    """Names on a path from one of `leaves` to `target`."""
    depends = set(leaves)
    for equation in program:
        if any(a in depends for a in equation.arguments):
            depends.add(equation.name)
    needed = {target}
    for equation in reversed(program.equations.values()):
        if equation.name in needed:
            needed.update(equation.arguments)
    return depends & needed


def differentiate(
    program: Program, loss: str, wrt: list[str], knowledge: Knowledge | None = None,
    signal_names: Mapping[str, str] | None = None,
) -> Backward:  # fmt: skip
    """The backward pass of `loss` with respect to the variables `wrt`, as a program.

    signal_names: what the signal at a variable is called, where it is not to be numbered; free in the program.
    """
    knowledge = knowledge or Knowledge(program)
    given = signal_names or {}
    result = Backward(program.copy(), loss)
    out = result.program
    knowledge.program = out
    leaves = [v.name for v in program.variables.values() if v.kind in ("param", "input")]
    on_path = relevant_equations(program, loss, wrt)
    named = _worth_a_name(program, relevant_equations(program, loss, {*leaves, *wrt}))
    pending: dict[str, Expr] = {loss: ONE}
    taken = {canonical_name(n) for n in (*program.variables, *given.values())}
    counter = 0
    wanted = set(wrt)
    for equation in reversed(program.equations.values()):
        name = equation.name
        if name not in on_path or name not in pending:
            continue
        raw = pending.pop(name)
        adjoint = simplify(raw, knowledge) if name != loss else raw
        result.raw[name] = raw
        own = program.variables[name]
        if _deserves_name(adjoint, *named.get(name, (False, 1))):
            counter += 1
            letter = "Δ" if len(own.dims) >= 2 else "δ"
            while canonical_name(f"{letter}{counter}") in taken:
                counter += 1
            signal = given.get(name, f"{letter}{counter}")
            orientation = "row" if len(own.dims) == 1 else own.orientation
            out.define(
                Variable(signal, own.dims, orientation, "signal"),
                factored(adjoint, own.indices, knowledge, out, orientation),
            )
            result.signals[signal] = name
            adjoint = variable(signal, own.indices)
        result.adjoints[name] = adjoint
        if name in wanted:
            _gradient(result, name, adjoint, knowledge)
        for argument in dict.fromkeys(equation.arguments):
            if argument not in on_path:
                continue
            for local in local_derivatives(out, equation, argument):
                part = contribution(adjoint, own.indices, local)
                pending[argument] = add(pending[argument], part) if argument in pending else part
    for name in wrt:
        if name in result.gradients:
            continue
        raw = pending.get(name, {})
        result.raw[name] = raw
        adjoint = simplify(raw, knowledge) if raw else raw
        if name not in on_path:
            result.zero.append(name)
        result.adjoints[name] = adjoint
        _gradient(result, name, adjoint, knowledge)
    result.gradients = {name: result.gradients[name] for name in wrt}
    return result


def _gradient(result: Backward, name: str, adjoint: Expr, knowledge: Knowledge) -> None:
    variable_ = result.program.variables[name]
    gradient = f"∂{result.loss}/∂{name}"
    result.program.define(
        Variable(gradient, variable_.dims, variable_.orientation, "gradient"),
        factored(adjoint, variable_.indices, knowledge, result.program, variable_.orientation),
    )
    result.gradients[name] = gradient


def _worth_a_name(program: Program, on_path: set[str]) -> dict[str, tuple[bool, int]]:
    """Which adjoints more than one thing needs, and how often each is used on the way to what has a name."""
    reach: dict[str, frozenset[str]] = {}
    fan: dict[str, int] = {}
    worth: dict[str, tuple[bool, int]] = {}
    for equation in program:
        if equation.name not in on_path:
            continue
        targets: set[str] = set()
        for argument in equation.arguments:
            if argument in on_path:
                targets |= reach.get(argument, frozenset((argument,)))
        shared = len(targets) > 1
        uses = sum(fan.get(a, 1) for a in equation.arguments if a in on_path)
        worth[equation.name] = (shared, uses)
        reach[equation.name] = frozenset((equation.name,)) if shared else frozenset(targets)
        fan[equation.name] = 1 if shared else uses
    return worth


def _deserves_name(adjoint: Expr, shared: bool, uses: int) -> bool:
    if not adjoint or is_constant(adjoint):
        return False
    term = single(adjoint)
    if term is not None:
        (factors, _), _ = term
        names = [name for atom, _ in factors for name in atom_variables(atom)]
        if len(names) <= 1 and not any(is_anonymous(name) for name in names):
            return False  # it has a name: another signal, or what the user called r = o − y
    if shared:
        return True
    if uses > 1 and any(_joins_matrices(key) for key in adjoint):  # a product of matrices that would be written twice
        return True
    return sum(len(factors) for factors, _ in adjoint) > LARGE


def _joins_matrices(key: Monomial) -> bool:
    """True where a summed index joins factors with different free indices: a product, not a sum along a row."""
    factors, bound = key
    for index in bound:
        holders = [{i for i in atom[2] if i[0] < 0} for atom, _ in factors if index in atom[2]]
        if len(holders) > 1 and not any(h >= set().union(*holders) for h in holders):
            return True
    return False
