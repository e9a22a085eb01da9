"""What the simplifier did, in words: each application of a rule with what justified it and what it assumes."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.algebra.program import Program, is_anonymous
from chainrule.simplify.engine import RULES
from chainrule.simplify.knowledge import Application
from chainrule.simplify.matrices import MATRIX_FACTS

__all__ = ["describe_application"]

STATEMENTS = {rule.name: rule.statement for rule in RULES} | {
    "substitution": "an equation is used to write one name with others",
}


def describe_application(
    application: Application, program: Program, text: Callable[[str], str], equation: Callable[[str], str]
) -> tuple[str, str, tuple[str, ...]]:
    """(rule, detail, conditions) of one application."""
    subject = application.subject
    if application.rule == "constant sum":
        return _constant_sum(subject, program, text)
    if application.rule == "substitution":
        used = [equation(name) for name in subject.split(" ")]
        return application.rule, "; ".join(used), ()
    if application.rule == "matrix facts":
        facts = (
            [f for f in program.variables[subject].facts if f in MATRIX_FACTS] if subject in program.variables else []
        )
        told = tuple(f"{text(subject)} is {fact}" for fact in facts[:1])
        return application.rule, told[0] if told else STATEMENTS.get(application.rule, ""), told
    if subject in program.variables:
        said = equation(subject)
        return application.rule, said if not is_anonymous(subject) else f"{said}", ()
    return application.rule, STATEMENTS.get(application.rule, ""), ()


def _constant_sum(name: str, program: Program, text: Callable[[str], str]) -> tuple[str, str, tuple[str, ...]]:
    variable = program.variables[name]
    shown = text(name)
    facts = [f for f in variable.facts if f in ("one-hot", "rows sum to 1")]
    many = "each row of " if len(variable.dims) > 1 else "the entries of "
    sums = "sums" if len(variable.dims) > 1 else "sum"
    if facts:
        condition = (
            f"{shown} is one-hot: {many}{shown} {sums} to 1" if facts == ["one-hot"] else f"{many}{shown} {sums} to 1"
        )
        return "constant sum", f"{many}{shown} {sums} to 1", (condition,)
    return "constant sum", f"{many}{shown} {sums} to a constant, as its equation shows", ()
