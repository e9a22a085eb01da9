"""An expression with the ways to write it: matrices where they reach, else index notation; as text and LaTeX."""

from __future__ import annotations

from functools import cached_property

from chainrule.algebra.expr import Expr, free
from chainrule.algebra.program import Program, Steps, Variable
from chainrule.dims import Dim
from chainrule.notation.index import index_node, letters_for
from chainrule.notation.latex import to_latex
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.sizes import size_line
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node

__all__ = ["Written"]


class Written:
    """An expression with the ways to write it."""

    def __init__(
        self, program: Program, notation: MatrixNotation, expression: Expr, dims: tuple[Dim, ...], orientation: str,
        steps: Steps | None = None,
    ) -> None:  # fmt: skip
        self._program = program
        self._notation = notation
        self._expression = expression
        self._dims = dims
        self._orientation = orientation
        self._steps = steps

    @cached_property
    def node(self) -> Node | None:
        """The formula in matrix notation, or None where it has none."""
        try:
            return self._notation.write(self._expression, self._dims, self._orientation, self._steps)
        except Irreducible:
            return None

    @cached_property
    def indices(self) -> tuple[str, ...]:
        """The letters of its indices where it is written in index notation, else ()."""
        if self.node is not None:
            return () if self._steps is None else (self._steps.letter,)
        return self._letters

    @cached_property
    def _letters(self) -> tuple[str, ...]:
        taken = self._program.shown_names()
        if self._steps is None or self._steps.sheet:
            return tuple(letters_for(len(self._dims), taken))
        letters = letters_for(len(self._dims) - 1, taken | {self._steps.letter})
        letters.insert(self._steps.axis, self._steps.letter)
        return tuple(letters)

    @cached_property
    def index_node(self) -> Node:
        """In index notation: the entry [i, j] of it."""
        return index_node(self._program, self._expression, free(self._dims), list(self._letters))

    @property
    def index_text(self) -> str:
        """The same as text."""
        return to_text(self.index_node)

    @property
    def tree(self) -> Node:
        """The formula: in matrix notation where it has one, else in index notation."""
        return self.node if self.node is not None else self.index_node

    @cached_property
    def text(self) -> str:
        """The right-hand side as text of the whiteboard language."""
        return to_text(self.tree)

    @cached_property
    def latex(self) -> str:
        """The right-hand side in LaTeX."""
        return to_latex(self.tree)

    @property
    def shape(self) -> tuple[Dim, ...]:
        """Rows and columns as on paper; of a sequence, those of one step where it is written so."""
        if self._steps is not None and self.node is not None:
            rest = tuple(d for k, d in enumerate(self._dims) if k != self._steps.axis)
            return Variable("", rest, self._steps.orientation).shape
        return Variable("", self._dims, self._orientation).shape

    @cached_property
    def size_line(self) -> str:
        """The size of each factor, in the formula's order."""
        return size_line(self.node) if self.node is not None else ""
