"""What the simplifier did, in words: each application of a rule with what justified it and what it assumes."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.algebra.program import Program
from chainrule.notation.sentence import joined, say
from chainrule.notation.tree import Node
from chainrule.simplify.engine import RULES
from chainrule.simplify.knowledge import Application
from chainrule.simplify.matrices import MATRIX_FACTS

__all__ = ["describe_application"]

STATEMENTS = {rule.name: rule.statement for rule in RULES} | {
    "substitution": "an equation is used to write one name with others",
}


def describe_application(
    application: Application, program: Program, text: Callable[[str], Node], equation: Callable[[str], Node]
) -> tuple[str, str, tuple[str, ...]]:
    """(rule, detail, conditions) of one application."""
    subject = application.subject
    if application.rule == "constant sum":
        return _constant_sum(subject, program, text)
    if application.rule == "substitution":
        return application.rule, joined("; ", map(equation, subject.split(" "))), ()
    if application.rule == "matrix facts":
        known = program.variables[subject].facts if subject in program.variables else ()
        told = tuple(say(text(subject), f" is {fact}") for fact in known if fact in MATRIX_FACTS)[:1]
        return application.rule, told[0] if told else STATEMENTS.get(application.rule, ""), told
    if subject in program.variables:
        return application.rule, say(equation(subject)), ()
    return application.rule, STATEMENTS.get(application.rule, ""), ()


def _constant_sum(name: str, program: Program, text: Callable[[str], Node]) -> tuple[str, str, tuple[str, ...]]:
    variable = program.variables[name]
    shown = text(name)
    facts = [f for f in variable.facts if f in ("one-hot", "rows sum to 1")]
    many = "each row of " if len(variable.dims) > 1 else "the entries of "
    sums = "sums" if len(variable.dims) > 1 else "sum"
    said = say(many, shown, f" {sums} to ")
    if facts:
        condition = say(shown, " is one-hot: ", said, "1") if facts == ["one-hot"] else say(said, "1")
        return "constant sum", say(said, "1"), (condition,)
    return "constant sum", say(said, "a constant, as its equation shows"), ()
