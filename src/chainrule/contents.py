"""What a network holds, for reading: its declarations, its sizes and its equations, as the user wrote them.

Shapes are those of paper: () a scalar, (D, 1) a column, (1, D) a row, (N, D) a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.algebra.program import Equation, Operation, Program, is_anonymous
from chainrule.dims import Dim, canonical_name, display_name, format_shape
from chainrule.language.elaborate import Elaborated
from chainrule.language.printer import print_expression, print_program
from chainrule.notation import phrases, tree
from chainrule.notation.from_tree import respelled, tree_to_node
from chainrule.notation.index import index_node, letters_for
from chainrule.notation.latex import entry_to_latex, name_to_latex, to_latex
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node

__all__ = ["Declared", "NameMap", "NamedEquation", "declarations_of", "equations_of", "text_of"]

DECLARED = ("input", "label", "param", "const")


class NameMap(Mapping[str, Any]):
    """A mapping whose keys may be spelled in any way: ŷ or y_hat, θ or theta."""

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._items = dict(items)
        self._keys = {canonical_name(k): k for k in items}

    def __getitem__(self, key: str) -> Any:
        if key in self._items:
            return self._items[key]
        try:
            return self._items[self._keys[canonical_name(key)]]
        except KeyError:
            raise KeyError(f"{key} (known: {', '.join(self._items)})") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared name. `shape` has no axes of size 1: a column and a row have one."""

    name: str
    kind: str
    shape: tuple[Dim, ...]
    orientation: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedEquation:
    """One equation of the user, for reading."""

    name: str
    text: str
    latex: str
    shape: tuple[Dim, ...]
    indices: str = ""  # [i,j] where the user wrote S[i,j] = …
    node: Node | None = field(default=None, compare=False, repr=False)  # the right-hand side as a tree

    @property
    def latex_name(self) -> str:
        """The left-hand side in LaTeX: z, or S_{ij}."""
        return entry_to_latex(self.name, self.indices[1:-1].split(",")) if self.indices else name_to_latex(self.name)

    @property
    def whole(self) -> Node:
        """Both sides as a tree, which text writes as the user did."""
        left = tree.at(self.name, self.indices[1:-1].split(",") if self.indices else ())
        return phrases.worded(tree.equal(left, self.node or Node("raw", (), self.text)), str(self))

    def __str__(self) -> str:
        return f"{display_name(self.name)}{self.indices} = {self.text}"


def declarations_of(program: Program) -> dict[str, Declared]:
    """Everything that is declared rather than defined."""
    return {
        v.name: Declared(v.name, v.kind, v.dims, v.orientation, v.facts)
        for v in program.variables.values() if v.kind in DECLARED
    }  # fmt: skip


def equations_of(program: Program, elaborated: Elaborated | None) -> list[NamedEquation]:
    """The user's equations, in order."""
    notation = MatrixNotation(program)
    sources = {e.name: e for e in elaborated.user_equations} if elaborated is not None else {}
    out = []
    for equation in program:
        if is_anonymous(equation.name):
            continue
        variable = program.variables[equation.name]
        source = sources.get(equation.name)
        letters: list[str] = []
        if source is not None:
            node = tree_to_node(source.value, program)
            text = print_expression(respelled(source.value))
            letters = [ref.name or "" for ref in source.indices or ()]
            if source.recurrence is not None:
                run = source.recurrence
                node = phrases.stepwise(node, run.index, run.first, run.last)
                text += f" for {run.index} = {run.first}..{run.last}"
        else:
            node, letters = _written(program, equation, notation)
            text = to_text(node)
        indices = f"[{','.join(letters)}]" if letters else ""
        out.append(NamedEquation(equation.name, text, to_latex(node), variable.shape, indices, node))
    return out


def _written(program: Program, equation: Equation, notation: MatrixNotation) -> tuple[Node, list[str]]:
    """The right-hand side of an equation that the user did not write so, and its letters in index notation."""
    variable = program.variables[equation.name]
    node = notation.spelled(equation.name)
    if isinstance(equation.value, Operation) and equation.value.op == "constant":
        return Node("raw", (), equation.value.attributes[0].text), []
    if node is not None:
        return node, []
    if not isinstance(equation.value, dict):
        try:
            return notation.operated(equation.name) or Node("raw", (), "…"), []
        except Irreducible:
            return Node("raw", (), "…"), []
    try:
        node = notation.write(equation.value, variable.dims, variable.orientation, variable.steps)
        if "][" in to_text(node):  # a step of a step, X[u][n], is no notation
            raise Irreducible
        return node, [] if variable.steps is None else [variable.steps.letter]
    except Irreducible:
        letters = letters_for(len(variable.dims), program.shown_names())
        return index_node(program, equation.value, variable.indices, letters), letters


def text_of(program: Program, elaborated: Elaborated | None) -> str:
    """The program in the whiteboard language: the user's own, or what a trace or a lift made."""
    if elaborated is not None:
        return print_program(elaborated.tree)
    lines = [
        f"{v.kind} {display_name(v.name)} : {format_shape(v.shape)}" + "".join(f", {f}" for f in v.facts)
        for v in program.variables.values() if v.kind in DECLARED
    ]  # fmt: skip
    return "\n".join([*lines, "", *map(str, equations_of(program, None))]) + "\n"
