"""Steps: a derivation as data.

A derivation of one formula is a tuple of `Step`s. Each goes from one formula to an equal one by a named rule. Steps of
level 1 are the chain rule and one identity each; `within` holds the finer steps (level 2: the algebra) that lead from
the same `before` to the same `after`; `proof` (level 3) is the proof of the identity in index notation. Steps are made
by the engine (`explanation.chain`), never by hand; outputs only choose among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from chainrule.algebra.expr import Expr, Index, Monomial, Rational
from chainrule.notation.display import aligned, bundle, details, math, quiet, table
from chainrule.notation.latex import to_latex
from chainrule.notation.mathml import inner_mathml, to_mathml
from chainrule.notation.sentence import sentence_to_html
from chainrule.notation.sizes import size_line
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node

__all__ = ["Entry", "Formula", "ProofLine", "Push", "Shown", "State", "Step", "Term", "proof_table", "step_rows"]


# How a value is written: as it is, or at a step that is called by a letter.
Shown = Node | Callable[[str | None], Node] | None


@dataclass(frozen=True)
class Term:
    """What is known so far of ∂J/∂at (None: nothing, it is a symbol), and the stations that are still to come."""

    value: Expr | None
    at: str
    rest: tuple[str, ...]
    shown: Shown = field(default=None, compare=False, repr=False)  # how the value is written, where that is said


@dataclass(frozen=True)
class Push:
    """∂a/∂b ∂b/∂c … times what is known of the tangent of the last of these stations."""

    stations: tuple[str, ...]
    value: Expr
    shown: Node | None = field(default=None, compare=False, repr=False)  # how the value is written, where that is said


State = tuple[Term, ...]
# Terms as they stand, deltas and sums not carried out, and the indices of the entry.
Entry = tuple[tuple[tuple[Monomial, Rational], ...], tuple[Index, ...]]


@dataclass(frozen=True, repr=False)
class Formula:
    """A formula as a tree, with what it stands for, so that it can be evaluated: in a derivation a sum of terms, in a
    proof one entry in index notation.

    text, latex, mathml: how it is written.  sizes: the size of each factor, (1×N_c)(N_c×D_h).
    """

    node: Node
    state: tuple[Term | Push, ...] = field(default=(), compare=False, repr=False)
    entry: Entry | None = field(default=None, compare=False, repr=False)

    @cached_property
    def text(self) -> str:
        """As text of the whiteboard language."""
        return to_text(self.node)

    @cached_property
    def latex(self) -> str:
        """In LaTeX."""
        return to_latex(self.node)

    @cached_property
    def mathml(self) -> str:
        """In MathML."""
        return to_mathml(self.node)

    @cached_property
    def sizes(self) -> str:
        """The dimension line."""
        return size_line(self.node)

    def __repr__(self) -> str:
        return f"<Formula {self.text}>"


@dataclass(frozen=True, repr=False)
class ProofLine:
    """One line of a proof in index notation: `left` (only where it changes) = `right`, because of `rule`."""

    left: Formula | None
    right: Formula
    rule: str

    def __repr__(self) -> str:
        left = f"{self.left.text} " if self.left is not None else ""
        return f"<ProofLine {left}= {self.right.text}   {self.rule}>"


@dataclass(frozen=True, repr=False)
class Step:
    """One step: what stood there, what stands there now, and the rule that allows it.

    rule: a short name, such as "chain rule", "δ₁ is known", "2.1" or "diagonal product".
    detail: the rule as a sentence or formula in this network's names, such as "θ = U h + b2 gives ∂θ/∂h = U".
    bindings: the letters of the identity and what they are here, {"W": "U", "x": "h", "z": "θ"}.
    place: which part was replaced, such as "∂θ/∂h"; for auxiliary results the adjoint they belong to.
    identity: the name of the identity in the book, or "".
    conditions: what is assumed: "y is one-hot, so its entries sum to 1", "relu′(0) is taken as 0".
    within: the same step in finer steps (level 2).  proof: of the identity in index notation (level 3).
    left, right: both sides as formulas.  prover: writes the proof when somebody asks for it.
    """

    left: Formula
    right: Formula
    rule: str
    bindings: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    detail: str = ""
    identity: str = ""
    conditions: tuple[str, ...] = ()
    within: tuple[Step, ...] = ()
    prover: Callable[[], tuple[ProofLine, ...]] | None = field(default=None, compare=False, repr=False)

    @property
    def before(self) -> str:
        """The left side as text."""
        return self.left.text

    @property
    def after(self) -> str:
        """The right side as text."""
        return self.right.text

    def __str__(self) -> str:
        return f"{self.before} = {self.after}   {self.rule}" + (f"  ({self.detail})" if self.detail else "")

    def __repr__(self) -> str:
        return f"<Step {self}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """How a notebook shows it."""
        html = table(step_rows([self]))
        if self.within:
            html += details(f"{len(self.within)} finer steps", table(step_rows(self.within)))
        latex = aligned([(self.left.latex, self.right.latex)])
        return bundle(str(self), html, latex)

    @cached_property
    def proof(self) -> tuple[ProofLine, ...]:
        """The proof in index notation from the definition of the derivative: of the identity in its own letters, or,
        where none is cited, of this step's Jacobian. Empty for a step of algebra."""
        return self.prover() if self.prover is not None else ()


def step_rows(steps: Iterable[Step]) -> list[list[str]]:
    """For a notebook: left = right, rule, detail; the left side only where it is not what stood before."""
    rows: list[list[str]] = []
    before: Formula | None = None
    for step in steps:
        left = math(inner_mathml(step.left.node)) if before is None or before != step.left else ""
        said = sentence_to_html(step.rule)
        if step.detail:
            said += " " + quiet(sentence_to_html(step.detail))
        said += "".join(f" {quiet(sentence_to_html(c))}" for c in step.conditions if c not in step.detail)
        rows.append([left, math("<mo>=</mo>", inner_mathml(step.right.node)), said])
        before = step.right
    return rows


def proof_table(lines: Iterable[ProofLine]) -> list[list[str]]:
    """For a notebook: the lines of a proof with their reasons."""
    return [
        [
            math(inner_mathml(x.left.node)) if x.left is not None else "",
            math("<mo>=</mo>", inner_mathml(x.right.node)),
            quiet(sentence_to_html(x.rule)),
        ]
        for x in lines
    ]
