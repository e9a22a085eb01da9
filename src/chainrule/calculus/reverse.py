"""Reverse mode on programs: the backward pass of a program is a program.

Adjoints run from the loss backwards. One that more than one thing needs gets a name, δ₁, δ₂, … (Δ at a matrix); one
that is needed once is written out in its place, so that softmax and cross-entropy collapse. Names keep cost linear in
the number of equations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from chainrule.algebra.expr import (
    ONE,
    Expr,
    Monomial,
    add,
    atom_variables,
    is_constant,
    single,
    variable,
    variables,
)
from chainrule.algebra.loops import arrange, dependent, has_loops, is_lag, loop_members
from chainrule.algebra.program import Equation, Operation, Program, Steps, Variable, is_anonymous
from chainrule.calculus.partial import contribution, local_derivatives
from chainrule.calculus.sequences import initial_part, shifted
from chainrule.dims import canonical_name
from chainrule.errors import UnsupportedError
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Application, Knowledge
from chainrule.simplify.shortest import shortest, written_cost

__all__ = ["Backward", "differentiate", "relevant_equations"]

LARGE = 24  # factors: an adjoint above this gets a name by itself
TRIES = 4  # names that are tried for being worth it
ROUNDS = 8  # passes until the adjoints of a loop are what they were taken for


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
    trails: dict[str, list[Application]] = field(default_factory=dict)  # of a formula: what led to its shortest form


def relevant_equations(program: Program, target: str, leaves: Iterable[str]) -> set[str]:
    """Names on a path from one of `leaves` to `target`."""
    needed, stack = {target}, [target]
    while stack:
        equation = program.equations.get(stack.pop())
        for argument in equation.arguments if equation is not None else ():
            if argument not in needed:
                needed.add(argument)
                stack.append(argument)
    return dependent(program, leaves) & needed


def differentiate(
    program: Program, loss: str, wrt: list[str], signal_names: Mapping[str, str] | None = None
) -> Backward:
    """The backward pass of `loss` with respect to the variables `wrt`, as a program.

    signal_names: what the signal at a variable is called, where it is not to be numbered; free in the program.
    An adjoint that goes on in two ways from a station of its own (X̂ in a layer norm) gets a name where the whole is
    shorter with it: both are worked out and compared, for the simplifier may need to see what the name would hide.
    Where one gradient alone is asked for, an adjoint at a place without a name is written out if that is shorter.
    """
    given = signal_names or {}
    plain = _backward(program, loss, wrt, frozenset(), given)
    if len(wrt) == 1 and any(is_anonymous(of) and of not in given for of in plain.signals.values()):
        written_out = _backward(program, loss, wrt, frozenset(), given, in_place=True)
        if _length(program, written_out) < _length(program, plain) - 1e-9:
            return written_out
    leaves = [v.name for v in program.variables.values() if v.kind in ("param", "input")]
    forks = _forks(program, relevant_equations(program, loss, {*leaves, *wrt}), plain)
    if not forks:
        return plain
    every = list(dict.fromkeys((*leaves, *wrt)))  # so that δ₁ is the same whatever is asked for
    whole = plain if set(every) == set(wrt) else _backward(program, loss, every, frozenset(), {})
    chosen = _worth_naming(program, loss, every, forks, whole)
    return _backward(program, loss, wrt, chosen, given) if chosen else plain


def _forks(program: Program, on_path: set[str], plain: Backward) -> frozenset[str]:
    """Unnamed stations from which the adjoint goes on in two ways, and is more than a name."""
    named = set(plain.signals.values())
    found = []
    for equation in program:
        name = equation.name
        if name not in on_path or name in named or name in program.interior or name == plain.loss:
            continue
        adjoint = plain.adjoints.get(name, {})
        compound = len(adjoint) > 1 or any(len([f for f in key[0] if f[0][2]]) > 1 for key in adjoint)
        if compound and len(_stations(program, name, on_path)) > 1:
            found.append(name)
    return frozenset(found)


def _stations(program: Program, name: str, on_path: set[str]) -> set[str]:
    """What a name uses, looking through the inside of definitions."""
    found: set[str] = set()
    for argument in program.equations[name].arguments:
        if argument in on_path:
            found |= _stations(program, argument, on_path) if argument in program.interior else {argument}
    return found


def _worth_naming(
    program: Program, loss: str, wrt: list[str], forks: frozenset[str], plain: Backward
) -> frozenset[str]:
    """Those of the forks whose names make the backward pass shorter as a whole: one after the other, the best first.

    Many forks, such as those of the layer norms of a transformer, are tried all together.
    """
    least, chosen = _length(program, plain), frozenset[str]()
    left = [forks] if len(forks) > TRIES else [frozenset((n,)) for n in program.equations if n in forks]
    for _ in range(TRIES):
        best: tuple[float, frozenset[str]] | None = None
        for kind in left[:TRIES]:
            found = _backward(program, loss, wrt, chosen | kind, {})
            uses = _uses(found)
            idle = {of for signal, of in found.signals.items() if of in kind and uses.get(signal, 0) < 2}
            if idle == kind:
                continue
            if idle:
                kind -= idle
                found = _backward(program, loss, wrt, chosen | kind, {})
            length = _length(program, found)
            if length < least - 1e-9 and (best is None or length < best[0]):
                best = (length, kind)
        if best is None:
            break
        least, chosen = best[0], chosen | best[1]
        left = [kind for kind in left if not kind & chosen]
    return chosen


def _uses(found: Backward) -> dict[str, int]:
    """How often each signal stands in the formulas of a backward pass."""
    counts: dict[str, int] = {}
    for equation in found.program:
        if isinstance(equation.value, dict):
            for factors, _ in equation.value:
                for atom, _ in factors:
                    for name in atom_variables(atom):
                        counts[name] = counts.get(name, 0) + 1
    return counts


def _length(program: Program, found: Backward) -> float:
    """How much reading all formulas of a backward pass take."""
    knowledge = Knowledge(program)
    knowledge.program = found.program
    names = (*found.signals, *found.gradients.values())
    values = [found.program.equations[n].value for n in names]
    return sum(written_cost(found.program, knowledge, v) if isinstance(v, dict) else 1.0 for v in values)


def _backward(
    program: Program, loss: str, wrt: list[str], forks: frozenset[str], given: Mapping[str, str], in_place: bool = False
) -> Backward:
    """One backward pass, in which the adjoints of `forks` have names too; in_place: those at unnamed places none.

    In a loop the adjoint of an earlier step is needed before it is known. So the pass is made again with what came out,
    until the same comes out; an adjoint that cannot be written for the next step, or holds itself, gets a name.
    """
    if not has_loops(program):
        return _pass(program, loss, wrt, forks, given, _Carried(), in_place)
    carried = _Carried()
    for _ in range(ROUNDS):
        found = _pass(program, loss, wrt, forks | carried.named, given, carried, in_place)
        if carried.settled():
            arrange(found.program)
            return found
    raise UnsupportedError("the adjoints of this loop did not settle", "the steps written out: h1 = …, h2 = …")


@dataclass(slots=True)
class _Carried:
    """What flows back from the steps behind: for each lag its adjoint as the last pass found it.

    named: variables whose adjoint must have a name.  unknown: markers that stand for what the first pass does not know.
    """

    adjoints: dict[str, Expr] = field(default_factory=dict)
    found: dict[str, Expr] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    unknown: dict[str, str] = field(default_factory=dict)

    def back(self, out: Program, lag: Equation, own: Variable) -> Expr:
        """The contribution of a lag to the adjoint of what it is a lag of."""
        known = self.adjoints.get(lag.name)
        if known is not None:
            part = _behind(out, lag, known, self) if known else {}
            if part is not None:
                return part
            self.named |= {lag.name}
        marker = f"%back{len(self.unknown)}"
        self.unknown[marker] = lag.arguments[0]
        out.declare(Variable(marker, own.dims, own.orientation, "signal", steps=own.steps))
        return variable(marker, own.indices)

    def settled(self) -> bool:
        """Take over what a pass has found; True where it is what was assumed."""
        held = {self.unknown[n] for e in self.found.values() for n in variables(e) if n in self.unknown}
        same = self.found == self.adjoints and not self.unknown and not held
        self.named |= held
        self.adjoints = {} if held else self.found
        self.found, self.unknown = {}, {}
        return same


def _behind(out: Program, lag: Equation, adjoint: Expr, carried: _Carried) -> Expr | None:
    """The adjoint of a lag at the step where it is used; None where it cannot be written so."""
    assert isinstance(lag.value, Operation)
    offset, axis = lag.value.attributes
    variable_ = out.variables[lag.name]
    return shifted(out, adjoint, variable_.indices[axis], -offset, carried.variables)


def _lag_parts(
    out: Program, lag: Equation, adjoint: Expr, in_loop: bool, carried: _Carried
) -> list[tuple[str, Expr]]:  # fmt: skip
    """What flows from a lag to what it is a lag of, and to its initial value."""
    assert isinstance(lag.value, Operation)
    source, *first = lag.value.args
    parts: list[tuple[str, Expr]] = []
    if not in_loop:
        part = _behind(out, lag, adjoint, carried) if adjoint else {}
        assert part is not None
        parts.append((source, part))
    if first:
        parts.append((first[0], initial_part(out, adjoint, lag)))
    return parts


def _row_steps(own: Variable) -> Steps | None:
    """The steps of a signal: rows where those of its variable are columns."""
    if own.steps is None or own.steps.orientation != "column":
        return own.steps
    return replace(own.steps, orientation="row")


def _pass(
    program: Program, loss: str, wrt: list[str], forks: frozenset[str], given: Mapping[str, str], carried: _Carried,
    in_place: bool,
) -> Backward:  # fmt: skip
    """One pass from the loss to the leaves."""
    loops = loop_members(program)
    lags: dict[str, list[Equation]] = {}  # of what a loop computes, by its name
    for equation in program:
        if is_lag(equation) and equation.name in loops:
            lags.setdefault(equation.arguments[0], []).append(equation)
    knowledge = Knowledge(program)
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
        if name not in on_path:
            continue
        own = program.variables[name]
        for lag in lags.get(name, ()):
            if lag.name in on_path:
                pending[name] = add(pending.get(name, {}), carried.back(out, lag, own))
        if name not in pending:
            continue
        raw = pending.pop(name)
        adjoint = simplify(raw, knowledge) if name != loss else raw
        result.raw[name] = raw
        shared, uses = named.get(name, (False, 1))
        if in_place and is_anonymous(name) and name not in given:
            shared, uses = False, 1
        backward_lag = is_lag(equation) and name not in loops
        if adjoint and (
            name in forks
            or _deserves_name(adjoint, shared, uses)
            or (backward_lag and _behind(out, equation, adjoint, carried) is None)
        ):
            counter += 1
            letter = "Δ" if len(own.dims) - (own.steps is not None) >= 2 else "δ"
            while canonical_name(f"{letter}{counter}") in taken:
                counter += 1
            signal = given.get(name, f"{letter}{counter}")
            orientation = "row" if len(own.dims) == 1 else own.orientation
            out.define(
                Variable(signal, own.dims, orientation, "signal", steps=_row_steps(own)),
                shortest(adjoint, own.indices, knowledge, out, orientation, result.trails.setdefault(signal, [])),
            )
            result.signals[signal] = name
            adjoint = variable(signal, own.indices)
        result.adjoints[name] = adjoint
        if name in wanted:
            _gradient(result, name, adjoint, knowledge)
        if is_lag(equation):
            if name in loops:
                carried.found[name] = adjoint
                carried.variables |= {s: out.variables[s] for s in result.signals}
            for argument, part in _lag_parts(out, equation, adjoint, name in loops, carried):
                if argument in on_path:
                    pending[argument] = add(pending.get(argument, {}), part)
            continue
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
    trail = result.trails.setdefault(gradient, [])
    result.program.define(
        Variable(gradient, variable_.dims, variable_.orientation, "gradient", steps=variable_.steps),
        shortest(adjoint, variable_.indices, knowledge, result.program, variable_.orientation, trail),
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
        arguments = equation.arguments[:1] if is_lag(equation) else equation.arguments  # an initial value is no fork
        for argument in arguments:
            if argument in on_path:
                targets |= reach.get(argument, frozenset((argument,)))
        shared = len(targets) > 1
        uses = sum(fan.get(a, 1) for a in arguments if a in on_path)
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
