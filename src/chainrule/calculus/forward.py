"""Forward mode on programs: the tangent of every equation, for a direction in the given variables.

ż = Σ ∂z/∂v · v̇ over what z uses: a Jacobian-vector product for the whole program in one pass. Through a loop it is a
loop in the same direction, for the tangent of a lag is the lag of the tangent: dh[t] = … A dh[t-1] ….
"""

from __future__ import annotations

from chainrule.algebra.expr import Expr, Index, add, fresh_bound, monomial, multiply, variable
from chainrule.algebra.loops import arrange, is_lag, loop_members
from chainrule.algebra.program import Equation, Operation, Program, Variable, is_anonymous
from chainrule.calculus.partial import local_derivatives
from chainrule.calculus.reverse import LARGE, relevant_equations
from chainrule.dims import display_name
from chainrule.errors import UnsupportedError
from chainrule.functions.sequences import lag_variable, unit_variable
from chainrule.simplify.engine import simplify
from chainrule.simplify.factor import factored
from chainrule.simplify.knowledge import Knowledge

__all__ = ["lag_tangent", "tangent_name", "tangents"]


def tangent_name(name: str) -> str:
    """The name of a tangent: d of the name; what has no name has none here."""
    return f"%d{name[1:]}" if is_anonymous(name) else f"d{name}"


def tangents(program: Program, of: str, wrt: list[str], short: bool = True, given: bool = False) -> Program:
    """The program continued with tangents: `d{v}` is declared for v in `wrt`, and defined for what depends on it.

    short: False where nobody reads them, so that each is a plain sum of products.  given: the program has d{v} for v in
    `wrt` already.
    """
    out = program.copy()
    knowledge = Knowledge(program)
    knowledge.program = out
    on_path = _moving(program, wrt) & relevant_equations(program, of, wrt)
    for name in (*wrt, *on_path):
        if tangent_name(name) in program.variables and not (given and name in wrt):
            raise UnsupportedError(
                f"the direction of {name} would be called {tangent_name(name)}, which the program has already",
                "another name in the network",
            )
    loops = loop_members(program)
    for name in wrt:
        if name in loops:
            raise UnsupportedError(
                f"a direction of {display_name(name)}, whose steps a loop computes from each other",
                "a direction of what the loop reads: a parameter, an input, the value before the first step",
            )
        source = program.variables[name]
        if given and tangent_name(name) in program.variables:
            continue
        out.declare(Variable(tangent_name(name), source.dims, source.orientation, "input", steps=source.steps))
    carried = {a for e in program if is_lag(e) for a in e.arguments}  # whose tangent is looked at from other steps
    inline: dict[str, Expr] = {}  # tangents of what has no name are written out, so that the rules see through them
    for equation in program:
        if equation.name not in on_path or equation.name in wrt:
            continue
        own = program.variables[equation.name]
        if is_lag(equation):
            inline[equation.name] = lag_tangent(out, equation, {*on_path, *wrt})
            continue
        total: Expr = {}
        for argument in dict.fromkeys(equation.arguments):
            if argument not in on_path and argument not in wrt:
                continue
            for coefficient, factors, bound, target in local_derivatives(out, equation, argument):
                apart = {i: fresh_bound(i[1]) for i in bound}
                moved = [((h, n, tuple(apart.get(i, i) for i in ix)), e) for (h, n, ix), e in factors]
                place = tuple(apart.get(i, i) for i in target)
                at = program.variables[argument].indices
                tangent = inline.get(argument)
                if tangent is None:
                    tangent = variable(tangent_name(argument), at)
                for (inner, inner_bound), c in _placed(tangent, at, place).items():
                    part = monomial(coefficient * c, [*moved, *inner], [*apart.values(), *inner_bound])
                    total = add(total, part)
        value = simplify(total, knowledge)
        small = sum(len(factors) for factors, _ in value) <= LARGE
        if is_anonymous(equation.name) and equation.name not in carried and small:
            inline[equation.name] = value
            if equation.name != of:
                continue
        name = tangent_name(equation.name)
        shown = factored(value, own.indices, knowledge, out, own.orientation) if short else value
        out.define(Variable(name, own.dims, own.orientation, steps=own.steps), shown)
    arrange(out)
    return out


def _moving(program: Program, wrt: list[str]) -> set[str]:
    """Names with a tangent: not those that depend on `wrt` through steps alone, whose slope is 0."""
    found, before = set(wrt), 0
    while len(found) > before:
        before = len(found)
        for equation in program:
            for argument in equation.arguments if equation.name not in found else ():
                whole = isinstance(equation.value, Operation)
                if argument in found and (whole or local_derivatives(program, equation, argument)):
                    found.add(equation.name)
                    break
    return found


def lag_tangent(out: Program, lag: Equation, on_path: set[str]) -> Expr:
    """The tangent of an earlier step: the earlier step of the tangent, before the first that of the initial value."""
    assert isinstance(lag.value, Operation)
    (source, *first), (offset, axis) = lag.value.args, lag.value.attributes
    own = out.variables[lag.name]
    start = first[0] if first and first[0] in on_path else None
    if source in on_path:
        name = lag_variable(
            out, tangent_name(source), own, axis, offset, None if start is None else tangent_name(start)
        )
        return variable(name, own.indices)
    if start is None:
        return {}
    time, letter = own.indices[axis], own.steps.letter if own.steps is not None else "t"
    unit = unit_variable(out, 0 if offset < 0 else -1, time[1], letter)
    rest = [i for k, i in enumerate(own.indices) if k != axis]
    before = variable(tangent_name(start), tuple(rest[len(rest) - len(out.variables[start].dims) :]))
    return multiply(variable(unit, (time,)), before)


def _placed(tangent: Expr, source: tuple[Index, ...], place: tuple[Index, ...]) -> Expr:
    """The tangent at other indices, its summed ones kept apart."""
    out: Expr = {}
    where = dict(zip(source, place, strict=True))
    for (factors, bound), value in tangent.items():
        names = where | {i: fresh_bound(i[1]) for i in bound}
        moved = tuple(((h, n, tuple(names.get(i, i) for i in ix)), e) for (h, n, ix), e in factors)
        out[moved, tuple(names[i] for i in bound)] = value
    return out
