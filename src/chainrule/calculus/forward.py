"""Forward mode on programs: the tangent of every equation, for a direction in the given variables.

ż = Σ ∂z/∂v · v̇ over what z uses: a Jacobian-vector product for the whole program in one pass.
"""

from __future__ import annotations

from chainrule.algebra.expr import Expr, add, fresh_bound, monomial
from chainrule.algebra.program import Program, Variable
from chainrule.calculus.partial import local_derivatives
from chainrule.calculus.reverse import relevant_equations
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge

__all__ = ["tangent_name", "tangents"]


def tangent_name(name: str) -> str:
    """The name of a tangent: d of the name."""
    return f"d{name}"


def tangents(program: Program, of: str, wrt: list[str]) -> Program:
    """The program continued with tangents: `d{v}` is declared for v in `wrt`, and defined for what depends on it."""
    out = program.copy()
    knowledge = Knowledge(program)
    knowledge.program = out
    on_path = relevant_equations(program, of, wrt)
    for name in wrt:
        source = program.variables[name]
        out.declare(Variable(tangent_name(name), source.dims, source.orientation, "input"))
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
                moved.append((("", tangent_name(argument), place), 1))
                total = add(total, monomial(coefficient, moved, apart.values()))
        out.define(Variable(tangent_name(equation.name), own.dims, own.orientation), simplify(total, knowledge))
    return out
