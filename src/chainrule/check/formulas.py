"""What lies behind a right answer: the formulas that it rests on, as trees, and the points at which they are tried."""

from __future__ import annotations

import numpy as np

from chainrule.algebra.expr import variables
from chainrule.check.context import Context
from chainrule.check.points import Points, evaluate
from chainrule.check.scene import Scene, applied
from chainrule.check.targets import Form, Target
from chainrule.check.verdict import Session
from chainrule.errors import ChainruleError
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from chainrule.language.parser import parse_expression
from chainrule.language.scope import known_functions
from chainrule.notation.matrix import MatrixNotation
from chainrule.notation.written import Written

__all__ = ["formulas_behind", "scenes_of"]


def scenes_of(session: Session, target: Target, forms: tuple[Form, ...], count: int = 3) -> list[Scene]:
    """The search's points: the one where the least is masked first, then others, and one at other sizes."""
    out: list[Scene] = []
    for points in session.points:
        mine = points.fork()
        evaluate(session.program, mine, [e.name for e in session.program])
        evaluate(session.program, mine, variables(target.expression))
        order = sorted(range(points.count), key=lambda k: _telling(session, mine, k), reverse=True)
        take = count - 1 if not out else 1
        out += [Scene(session, target, forms, mine, k) for k in order[:take]]
    return out


def _telling(session: Session, points: Points, number: int) -> tuple[float, int]:
    """How much a point tells: masks should be neither 0 nor 1 everywhere, and signals alive."""
    known = points.at(number, session.program)
    mixed = 0.0
    for equation in session.context.net.program:
        for head, name in applied(equation.value) if isinstance(equation.value, dict) else ():
            if head in FUNCTIONS and FUNCTIONS[head].kinks and known[name].size:
                share = float((known[name] > FUNCTIONS[head].kinks[0]).mean())
                mixed += share * (1 - share)
    signals = session.context.signal_at.values()
    return mixed, sum(int(np.count_nonzero(known[n])) for n in signals if n in known)


def formulas_behind(context: Context, target: Target) -> dict[str, ast.Expr]:
    """The right formulas of the target (under "") and of the signals behind it, in the order of computation."""
    needed: list[str] = []
    todo = list(variables(target.expression))
    while todo:
        name = todo.pop()
        if name in needed:
            continue
        value = context.program.expression(name)
        if value is not None and name not in context.net.program.variables:
            needed.append(name)
            todo += list(variables(value))
    out: dict[str, ast.Expr] = {}
    notation = MatrixNotation(target.program)
    for name in context.program.equations:
        if name in needed and name in context.signal_at.values():
            variable = context.program.variables[name]
            tree = _tree(context, notation, context.program.expression(name), variable.dims, variable.orientation)
            if tree is not None:
                out[name] = tree
    form = target.forms[0]
    dims = tuple(target.dims[k] for k in form.order)
    tree = _tree(context, notation, target.arranged(form), dims, form.orientation)
    if tree is not None:
        out[""] = tree
    return out


def _tree(context: Context, notation: MatrixNotation, value: object, dims: object, orientation: str) -> ast.Expr | None:
    written = Written(context.program, notation, value, dims, orientation)  # type: ignore[arg-type]
    if written.node is None:
        return None
    try:
        return parse_expression(
            written.text, "whiteboard", known_functions() | {d.name for d in context.definitions}, context.user_names
        )
    except ChainruleError:
        return None
