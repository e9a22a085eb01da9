"""Steps: a derivation as data.

A derivation of one formula is a tuple of `Step`s. Each goes from one formula to an equal one by a named rule. Steps of
level 1 are the chain rule and one identity each; `within` holds the finer steps (level 2: the algebra) that lead from
the same `before` to the same `after`; `proof` (level 3) is the proof of the identity in index notation. Steps are made
by the engine (`explanation.chain`), never by hand; outputs only choose among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from chainrule.algebra.expr import Expr, Index, Monomial, Rational
from chainrule.notation.latex import to_latex
from chainrule.notation.mathml import to_mathml
from chainrule.notation.sizes import size_line
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node

__all__ = ["Entry", "Formula", "ProofLine", "State", "Step", "Term"]


@dataclass(frozen=True)
class Term:
    """What is known so far of ∂J/∂at (None: nothing, it is a symbol), and the stations that are still to come."""

    value: Expr | None
    at: str
    rest: tuple[str, ...]
    shown: Node | None = field(default=None, compare=False, repr=False)  # how the value is written, where that is said


State = tuple[Term, ...]
# Terms as they stand, deltas and sums not carried out, and the indices of the entry.
Entry = tuple[tuple[tuple[Monomial, Rational], ...], tuple[Index, ...]]


@dataclass(frozen=True)
class Formula:
    """A formula as a tree, with what it stands for, so that it can be evaluated: in a derivation a sum of terms, in a
    proof one entry in index notation.

    text, latex, mathml: how it is written.  sizes: the size of each factor, (1×N_c)(N_c×D_h).
    """

    node: Node
    state: State = field(default=(), compare=False, repr=False)
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


@dataclass(frozen=True)
class ProofLine:
    """One line of a proof in index notation: `left` (only where it changes) = `right`, because of `rule`."""

    left: Formula | None
    right: Formula
    rule: str


@dataclass(frozen=True)
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

    @cached_property
    def proof(self) -> tuple[ProofLine, ...]:
        """The proof in index notation from the definition of the derivative: of the identity in its own letters, or,
        where none is cited, of this step's Jacobian. Empty for a step of algebra."""
        return self.prover() if self.prover is not None else ()
