"""Forward mode on programs: the tangent of every equation, for a direction in the given variables.

ż = Σ ∂z/∂v · v̇ over what z uses: a Jacobian-vector product for the whole program in one pass.
"""

from __future__ import annotations

from chainrule.algebra.expr import Expr, Index, add, fresh_bound, monomial, variable
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.calculus.partial import local_derivatives
from chainrule.calculus.reverse import LARGE, relevant_equations
from chainrule.errors import UnsupportedError
from chainrule.simplify.engine import simplify
from chainrule.simplify.factor import factored
from chainrule.simplify.knowledge import Knowledge

__all__ = ["tangent_name", "tangents"]


def tangent_name(name: str) -> str:
    """The name of a tangent: d of the name; what has no name has none here."""
    return f"%d{name[1:]}" if is_anonymous(name) else f"d{name}"


def tangents(program: Program, of: str, wrt: list[str]) -> Program:
    """The program continued with tangents: `d{v}` is declared for v in `wrt`, and defined for what depends on it."""
    out = program.copy()
    knowledge = Knowledge(program)
    knowledge.program = out
    on_path = relevant_equations(program, of, wrt)
    for name in (*wrt, *on_path):
        if tangent_name(name) in program.variables:
            raise UnsupportedError(
                f"the direction of {name} would be called {tangent_name(name)}, which the program has already",
                "another name in the network",
            )
    for name in wrt:
        source = program.variables[name]
        out.declare(Variable(tangent_name(name), source.dims, source.orientation, "input"))
    inline: dict[str, Expr] = {}  # tangents of what has no name are written out, so that the rules see through them
    for equation in program:
        if equation.name not in on_path or equation.name in wrt:
            continue
        own = program.variables[equation.name]
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
        if is_anonymous(equation.name) and sum(len(factors) for factors, _ in value) <= LARGE:
            inline[equation.name] = value
            if equation.name != of:
                continue
        name = tangent_name(equation.name)
        shown = factored(value, own.indices, knowledge, out, own.orientation)
        out.define(Variable(name, own.dims, own.orientation), shown)
    return out


def _placed(tangent: Expr, source: tuple[Index, ...], place: tuple[Index, ...]) -> Expr:
    """The tangent at other indices, its summed ones kept apart."""
    out: Expr = {}
    where = dict(zip(source, place, strict=True))
    for (factors, bound), value in tangent.items():
        names = where | {i: fresh_bound(i[1]) for i in bound}
        moved = tuple(((h, n, tuple(names.get(i, i) for i in ix)), e) for (h, n, ix), e in factors)
        out[moved, tuple(names[i] for i in bound)] = value
    return out
