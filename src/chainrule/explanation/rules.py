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
    "branches": "where(c, x, s x) = where(c, 1, s) x, entry by entry",
    "complement": "σ(−x) = 1 − σ(x)",
}

SIGNS = ("positive", "nonnegative", "one-hot", "mask")


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
        declared_ = dict.fromkeys(pair for name in subject.split(" ") for pair in _declared(program, name))
        told = tuple(say(text(name), f" is {fact}") for name, fact in declared_)
        return application.rule, joined(", ", told) if told else STATEMENTS.get(application.rule, ""), told
    if application.rule == "known sign":
        declared = [f for f in program.variables[subject].facts if f in SIGNS]
        told = (say(text(subject), f" is {declared[0]}"),) if declared else ()
        if not declared and (behind := _declared(program, subject)):  # det(A) > 0, for A is positive definite
            told = tuple(say(text(name), f" is {fact}") for name, fact in behind)
            return application.rule, told[0], told
        return application.rule, told[0] if told else say(text(subject), " has no negative entry"), told
    facts = getattr(program.variables.get(subject), "facts", ())
    if application.rule in ("mask", "idempotent") and ("one-hot" in facts or "mask" in facts):
        told = (say(text(subject), " is one-hot" if "one-hot" in facts else " is a mask"),)
        return application.rule, say(*told, ": its entries are 0 and 1"), told
    if application.rule == "whole numbers":
        condition = say(text(subject), " is integer")
        return application.rule, say(condition, ": ", STATEMENTS["whole numbers"]), (condition,)
    if subject in program.variables:
        return application.rule, say(equation(subject)), ()
    return application.rule, STATEMENTS.get(application.rule, ""), ()


def _declared(program: Program, name: str, depth: int = 0) -> list[tuple[str, str]]:
    """The declared matrix facts behind a name: its own, or those of what it is made from (inv(A))."""
    own = [f for f in program.variables[name].facts if f in MATRIX_FACTS] if name in program.variables else []
    if own or depth > 3 or name not in program.equations:
        return [(name, own[0])] if own else []
    behind = [pair for a in program.equations[name].arguments for pair in _declared(program, a, depth + 1)]
    return list(dict.fromkeys(behind))


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
