"""Lines that are wrong only because an earlier one is.

A wrong line about ∂J/∂v is remembered by its values. Whatever lies behind v then follows from it: the gradient at w
changes by (claimed − right) ∂v/∂w, and a later line that equals the changed gradient inherits the mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.expr import Expr, free, multiply, rename, sum_over, variable
from chainrule.algebra.program import Variable
from chainrule.calculus.reverse import differentiate, relevant_equations
from chainrule.check.points import Points, value_of
from chainrule.check.targets import Form, Target
from chainrule.check.verdict import Read, Session, matching
from chainrule.reference import evaluate_program

__all__ = ["WrongLine", "inherited_from", "remembered"]

Array = NDArray[np.float64]
GAP, MARK = "claimed − right", "what follows"
TOLERANCE = 1e-8


@dataclass(frozen=True)
class WrongLine:
    """An earlier wrong line: its number and text, what it is about, and claimed − right at all points."""

    number: int
    text: str
    at: str
    gaps: list[Array]


def remembered(session: Session, read: Read, target: Target, number: int, text: str) -> WrongLine | None:
    """What to keep of a wrong line; None where it has not the size of what it is about, or is about something else."""
    if target.kind not in ("gradient", "signal") or target.of != session.context.net.loss:
        return None
    for form in target.forms:
        value = matching(read.value, target, form)
        if value is None:
            continue
        own, mine = free(value.dims), free(target.dims)
        claimed: Expr = rename(value.expr, {own[p]: mine[k] for p, k in enumerate(form.order)})
        gaps = []
        for points in session.points:
            forked = points.fork()
            right = value_of(session.program, forked, target.expression, mine)
            gaps.append(value_of(read.program, forked, claimed, mine) - right)
        return WrongLine(number, text, target.wrt, gaps)
    return None


def inherited_from(session: Session, read: Read, target: Target, wrong: list[WrongLine]) -> WrongLine | None:
    """The earlier line by whose mistake a claim would be right."""
    if target.kind not in ("gradient", "signal") or target.of != session.context.net.loss:
        return None
    for line in reversed(wrong):
        if line.at != target.wrt:
            changes = _changes(session, target, line)
            if changes is not None and any(_equal(session, read, target, form, changes) for form in target.forms):
                return line
    return None


def _changes(session: Session, target: Target, line: WrongLine) -> list[Array] | None:
    """(claimed − right) ∂v/∂w at all points; None where w does not reach v."""
    program = session.context.net.program.copy()
    if target.wrt not in relevant_equations(program, line.at, [target.wrt]):
        return None
    at = program.variables[line.at]
    program.variables = {GAP: Variable(GAP, at.dims, at.orientation, "const"), **program.variables}
    product = multiply(variable(GAP, at.indices), variable(line.at, at.indices))
    program.define(Variable(MARK, (), "scalar"), sum_over(product, at.indices))
    backward = differentiate(program, MARK, [target.wrt])
    name = backward.gradients[target.wrt]
    out = []
    for points, gap in zip(session.points, line.gaps, strict=True):
        forward = {n: a for n, a in points.known.items() if n in session.context.net.program.variables}
        out.append(evaluate_program(backward.program, {**forward, GAP: gap}, points.sizes, [name])[name])
    return out


def _equal(session: Session, read: Read, target: Target, form: Form, changes: list[Array]) -> bool:
    value = matching(read.value, target, form)
    if value is None:
        return False
    own, mine = free(value.dims), free(target.dims)
    claimed = rename(value.expr, {own[p]: mine[k] for p, k in enumerate(form.order)})
    return all(
        _close(session, read, target, claimed, points, change)
        for points, change in zip(session.points, changes, strict=True)
    )


def _close(session: Session, read: Read, target: Target, claimed: Expr, points: Points, change: Array) -> bool:
    forked = points.fork()
    indices = free(target.dims)
    wanted = value_of(session.program, forked, target.expression, indices) + change
    got = value_of(read.program, forked, claimed, indices)
    scale = float(np.abs(wanted).max(initial=0.0)) + 1e-300
    return bool(np.isfinite(scale) and (np.abs(got - wanted) <= TOLERANCE * scale).all())
