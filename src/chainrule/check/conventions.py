"""The two gradients by a matrix whose entries are tied: both are accepted, and which one a claim is, is said.

At a symmetric A the gradient entry by entry (as automatic differentiation has it) and the one in which A[i,j] and
A[j,i] are one number are two matrices; textbooks have either.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.calculus.tied import TIED, tied_said, tied_value
from chainrule.check.targets import Target
from chainrule.dims import display_name

__all__ = ["entry_by_entry", "tied_target"]


def _fact(target: Target) -> str | None:
    if target.kind != "gradient" or target.steps is not None or target.fixed or len(target.dims) != 2:
        return None
    return next((f for f in target.program.variables[target.wrt].facts if f in TIED), None)


def tied_target(target: Target) -> tuple[Target, str] | None:
    """The right answer where only matrices with the declared fact move, and how that is said; None: nothing is tied."""
    fact = _fact(target)
    if fact is None:
        return None
    own = target.program.variables[target.wrt]
    said = f"right {tied_said(fact, display_name(own.name))}; entry by entry it is "
    return replace(target, expression=tied_value(own, target.expression, fact)), said


def entry_by_entry(target: Target) -> str:
    """What is said of a claim that is right where each entry moves by itself, though some are tied."""
    fact = _fact(target)
    return f"right where each entry of {display_name(target.wrt)} moves by itself; " if fact is not None else ""
