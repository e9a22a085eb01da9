"""Writing names out: an expression in which anonymous names that stand for sums and products are multiplied out."""

from __future__ import annotations

from chainrule.algebra.expr import Expr, Index, rename, substitute, variables
from chainrule.algebra.program import Program, is_anonymous

__all__ = ["expanded"]

LARGEST = 400  # terms


def expanded(expression: Expr, program: Program) -> Expr:
    """An equal expression, with every anonymous name written out where powers allow it."""
    done: set[str] = set()
    while True:
        name = next((n for n in variables(expression) if is_anonymous(n) and n not in done), None)
        if name is None:
            return expression
        done.add(name)
        value = program.expression(name)
        if value is None:
            continue
        own = program.variables[name].indices

        def put(at: tuple[Index, ...], value: Expr = value, own: tuple[Index, ...] = own) -> Expr:
            return rename(value, dict(zip(own, at, strict=True)))

        try:
            longer = substitute(expression, name, put)
        except ValueError:
            continue
        if len(longer) > LARGEST:
            return expression
        done.discard(name)
        expression = longer
        if name in variables(expression):
            done.add(name)
