"""Claims that are right under a condition which nothing declares: that labels sum to 1, that a matrix is symmetric.

A fact is supposed by drawing points that obey it. A new supposition is a line in `suppositions`.
"""

from __future__ import annotations

from chainrule.check.context import Context
from chainrule.check.search import Found
from chainrule.check.targets import Form, Target
from chainrule.check.verdict import Session, judge
from chainrule.dims import display_name
from chainrule.errors import ChainruleError
from chainrule.language import ast

__all__ = ["condition", "suppositions"]

LABEL_FACTS = (
    ("rows sum to 1", "the entries of {} sum to 1"),
    ("one-hot", "{} is one-hot"),
)


def condition(session: Session, node: ast.Expr, target: Target, forms: tuple[Form, ...], kind: str) -> Found | None:
    """A fact that would make the claim right: of the labels, or (kind "condition") of any other name."""
    context = session.context
    for facts, says in suppositions(context, kind):
        points = context.supposed(facts)
        if not points:
            continue
        supposed = Session(context, points)
        supposed.program = session.program
        try:
            read = supposed.read(node)
        except (ChainruleError, ValueError):
            return None
        verdict = judge(read, target, forms)
        if verdict.status == "right":
            what = f"right only if {says}, and nothing says so"
            return Found(kind, what, 0.6, form=verdict.form, kinds=(kind,))
    return None


def suppositions(context: Context, kind: str) -> list[tuple[dict[str, tuple[str, ...]], str]]:
    """Facts that might be taken for granted, and how to say them: of labels (kind "label"), or of other names."""
    out: list[tuple[dict[str, tuple[str, ...]], str]] = []
    for variable in context.net.program.variables.values():
        shown = display_name(variable.name)
        if kind == "label":
            if variable.kind == "label" and variable.dims and not set(variable.facts) & {"one-hot", "rows sum to 1"}:
                whose = f"each row of {shown}" if len(variable.dims) > 1 else shown
                out += [({variable.name: (*variable.facts, fact)}, says.format(whose)) for fact, says in LABEL_FACTS]
        elif variable.kind in ("input", "param", "const"):
            square = len(variable.dims) == 2 and variable.dims[0] == variable.dims[1]
            new = [("symmetric", "symmetric")] if square else []
            new += [("positive", "positive")]
            out += [
                ({variable.name: (*variable.facts, fact)}, f"{shown} is {word}")
                for fact, word in new if fact not in variable.facts
            ]  # fmt: skip
    return out
