"""Brackets: a sum that is a factor becomes a local anonymous equation.

Notation writes it out in its place, and code computes it once. The same sum gets the same name where it was defined a
moment ago; a bracket is not put around what is a sum with a number anyway: a + 1 − y.
"""

from __future__ import annotations

from itertools import islice

from chainrule.algebra.expr import Expr, Factor, Index, add, free, rename, scale
from chainrule.algebra.program import Program, Variable, is_anonymous

__all__ = ["bracket", "only"]

RECENT = 6  # brackets that are looked back at


def bracket(inside: Expr, indices: tuple[Index, ...], program: Program, orientation: str) -> Expr:
    """A local name for a sum, over those of the free indices that occur in it."""
    inside = _flat(inside, program)
    occurring = tuple(
        i for i in sorted({i for (fs, _) in inside for (_, _, ix), _ in fs for i in ix if i[0] < 0}, reverse=True)
    )
    own = free([i[1] for i in occurring])
    here = rename(inside, dict(zip(occurring, own, strict=True)))
    for equation in islice(reversed(program.equations.values()), RECENT):  # the same bracket once
        same = is_anonymous(equation.name) and equation.value == here
        if same and program.variables[equation.name].indices == own:
            return {((((("", equation.name, occurring)), 1),), ()): 1}
    name = program.fresh_name()
    kind = ("scalar", "column", "matrix")[len(own)] if len(own) < 3 else "tensor"
    if len(own) == 1 and (orientation == "row" or (orientation == "matrix" and occurring[0][0] == -2)):
        kind = "row"
    program.define(Variable(name, tuple(i[1] for i in own), kind), here)
    return {((((("", name, occurring)), 1),), ()): 1}


def _flat(inside: Expr, program: Program) -> Expr:
    """The sum without a bracket that holds a number: a + 1 − y for a + (1 − y), p − 1 for −(1 − p)."""
    out: Expr = {}
    for (factors, bound), coefficient in inside.items():
        value = _bracketed(factors[0], program) if len(factors) == 1 and abs(coefficient) == 1 and not bound else None
        out = add(out, {(factors, bound): coefficient} if value is None else scale(value, coefficient))
    return out if len(out) > 1 else inside


def _bracketed(factor: Factor, program: Program) -> Expr | None:
    """The sum of a number and other terms that an unnamed factor stands for, and that is not read as a call."""
    (head, name, places), exponent = factor
    equation = program.equations.get(str(name)) if exponent == 1 and not head and is_anonymous(str(name)) else None
    if equation is None or hasattr(equation.source, "args") or not isinstance(equation.value, dict):
        return None
    if ((), ()) not in equation.value or len(set(places)) != len(places):
        return None
    return rename(equation.value, dict(zip(program.variables[equation.name].indices, places, strict=True)))


def only(expression: Expr) -> tuple[Factor, ...]:
    """The factors of an expression of one term."""
    ((factors, _),) = expression
    return factors
