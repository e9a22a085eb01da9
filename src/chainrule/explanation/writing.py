"""How the formulas of a derivation are written: states as trees of notation, symbols for the links still to come."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise

from chainrule.algebra.expr import ONE, Expr, free
from chainrule.algebra.loops import LAG, is_lag
from chainrule.algebra.program import Operation, Program, Steps, Variable, is_anonymous
from chainrule.dims import Dim
from chainrule.explanation.steps import Formula, State, Term
from chainrule.notation import tree
from chainrule.notation.index import index_node, letters_for
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.sequences import step_letter
from chainrule.notation.tree import Node
from chainrule.simplify.factor import factored
from chainrule.simplify.knowledge import Knowledge

__all__ = ["Writer", "row_steps", "side_by_side", "split_signs"]


class Writer:
    """Writes in the names of one program, `work`. `equations`: each of the user's equations."""

    def __init__(self, work: Program, knowledge: Knowledge, loss: str, equations: Mapping[str, Node]) -> None:
        self.work = work
        self.knowledge = knowledge
        self.loss = loss
        self.equations = equations
        self.notation = MatrixNotation(work)

    def equation(self, name: str) -> Node:
        return self.equations[name] if name in self.equations else self.node(name)

    def value(self, value: Expr, dims: tuple[Dim, ...], orientation: str, steps: Steps | None = None) -> Node:
        shown = factored(value, free(dims), self.knowledge, self.work, orientation)
        return self.value_node(shown, dims, orientation, steps)

    def formula(self, state: State, of: str) -> Formula:
        nodes: list[tuple[int, Node]] = []
        try:
            for term in state:
                nodes += self._term_nodes(term)
            node = tree.sum_of(nodes) if nodes else tree.num(0)
        except Irreducible:
            node = self._index_formula(state, of)
        return Formula(node, state)

    def _term_nodes(self, term: Term) -> list[tuple[int, Node]]:
        stations = (term.at, *term.rest)
        letters, summed = self._step_letters(stations)
        seen = [(n, x) for n, x in zip(stations, letters, strict=True) if not is_lag(self.work.equations.get(n))]
        if is_lag(self.work.equations.get(term.at)) and term.value is None:
            seen.insert(0, (term.at, letters[0]))
        links = [self.partial_node(a, b, x, y) for (a, x), (b, y) in pairwise(seen)]
        if term.value is None:
            product = tree.product([self.partial_node(self.loss, term.at, None, letters[0]), *links])
            return [(1, _summed(product, summed))]
        own = self.work.variables[term.at]
        orientation = "row" if len(own.dims) == 1 else own.orientation
        node = term.shown or self.shown_node(term.value, own.dims, orientation, row_steps(own, letters[0]))
        if not term.rest:
            return split_signs(node)
        if term.value == ONE and term.shown is None:
            return [(1, _summed(side_by_side(links), summed))]
        if not links and summed is None:
            return split_signs(node)
        ((sign, body),) = split_signs(node, whole=True)
        return [(sign, _summed(side_by_side([body, *links]), summed))]

    def _step_letters(self, stations: tuple[str, ...]) -> tuple[list[str | None], str | None]:
        """At which step each station of a chain stands, and the letter over which the chain is summed, if it is.

        From an earlier step h[t-1] to h the chain goes one step on: what used h[t-1] stands at t + 1.
        """
        last = self.work.variables[stations[-1]].steps
        letters: list[str | None] = [last.letter if last is not None else None]
        summed = None
        for name, after in reversed(list(pairwise(stations))):
            own, equation = self.work.variables[name], self.work.equations.get(name)
            before = letters[0]
            if own.steps is None:
                letters.insert(0, None)
            elif equation is not None and isinstance(equation.value, Operation) and equation.value.op == LAG:
                offset, axis = equation.value.attributes
                if after != equation.value.args[0]:  # its initial value: only the first step uses that
                    letters.insert(0, "1" if offset < 0 else str(own.dims[axis]))
                else:
                    letters.insert(0, step_letter(before or own.steps.letter, -offset))
            elif self.work.variables[after].steps is None:
                letters.insert(0, own.steps.letter)
                summed = own.steps.letter
            else:
                letters.insert(0, before)
        return letters, summed

    def shown_node(
        self, value: Expr, dims: tuple[Dim, ...], orientation: str, steps: Steps | None = None
    ) -> Node:  # fmt: skip
        shown = factored(value, free(dims), self.knowledge, self.work, orientation)
        return self.notation.write(shown, dims, orientation, steps)

    def value_node(
        self, value: Expr, dims: tuple[Dim, ...], orientation: str, steps: Steps | None = None
    ) -> Node:  # fmt: skip
        try:
            return self.notation.write(value, dims, orientation, steps)
        except Irreducible:
            letters = letters_for(len(dims), self.work.shown_names())
            return index_node(self.work, value, free(dims), letters)

    def partial_node(self, of: str, wrt: str, top: str | None = None, bottom: str | None = None) -> Node:
        """∂of/∂wrt; top, bottom: at which steps."""
        sizes = [d[0] if len(d) == 1 else 1 for d in map(self._step_dims, (of, wrt))]
        return tree.partial(self.node(of, top), self.node(wrt, bottom), *sizes)

    def _step_dims(self, name: str) -> tuple[Dim, ...]:
        own = self.work.variables[name]
        return tuple(d for k, d in enumerate(own.dims) if own.steps is None or k != own.steps.axis)

    def node(self, name: str, letter: str | None = None) -> Node:
        """A name, or what an unnamed station stands for; of a sequence one step, `letter` or its own letter."""
        if name.endswith("]"):  # a step already, in the match of an identity
            return tree.sym(name)
        steps = self.work.variables[name].steps
        if steps is not None:
            with suppress(Irreducible):
                return self.notation.step_node(name, letter or steps.letter)
        own = self.work.variables[name]
        if not is_anonymous(name):
            shape = own.shape if len(own.shape) == 2 else (1, 1)
            return tree.sym(name, *shape)
        spelled = self.notation.spelled(name)
        if spelled is not None:
            return spelled
        value = self.work.expression(name)
        return tree.sym("·") if value is None else self.value_node(value, own.dims, own.orientation)

    def _index_formula(self, state: State, of: str) -> Node:
        """Where there is no form in matrices: index notation, with a letter for each index of each station."""
        own = self.work.variables[of]
        taken = self.work.shown_names()
        total: list[tuple[int, Node]] = []
        for term in state:
            letters = letters_for(26, taken)
            stations = (term.at, *term.rest)
            names: dict[str, list[str]] = {}
            last = letters[: len(own.dims)]
            pool = letters[len(own.dims) :]
            for station in stations:
                count = len(self.work.variables[station].dims)
                names[station] = last if station == stations[-1] else pool[:count]
                pool = pool if station == stations[-1] else pool[count:]
            parts = [tree.partial(self._entry(a, names[a]), self._entry(b, names[b]))
                     for a, b in pairwise(stations)]  # fmt: skip
            if term.value is None:
                parts.insert(0, tree.partial(self.node(self.loss), self._entry(term.at, names[term.at])))
            elif term.value != ONE or not parts:
                at = self.work.variables[term.at]
                parts.insert(0, index_node(self.work, term.value, at.indices, names[term.at]))
            body = side_by_side(parts)
            for station in stations[:-1]:
                for letter in reversed(names[station]):
                    body = tree.sigma(letter, body)
            total.append((1, body))
        return tree.sum_of(total)

    def _entry(self, name: str, letters: list[str]) -> Node:
        return tree.at(name, letters) if not is_anonymous(name) else self.node(name)


def _summed(node: Node, letter: str | None) -> Node:
    return node if letter is None else tree.sigma(letter, node)


def row_steps(own: Variable, letter: str | None = None) -> Steps | None:
    """How the adjoint of a sequence is written: a row at each step where the sequence has columns."""
    if own.steps is None:
        return None
    orientation = "row" if own.steps.orientation == "column" else own.steps.orientation
    return Steps(letter or own.steps.letter, own.steps.axis, orientation)


def side_by_side(parts: list[Node]) -> Node:
    """A product of Jacobians: with matrices it is a contraction, which juxtaposition says as it does on paper."""
    flat = [p for p in parts if not (p.op == "num" and p.data == 1)]
    if len(flat) < 2:
        return flat[0] if flat else tree.num(1)
    first = flat[0].args if flat[0].op == "prod" else flat[:1]
    return Node("prod", (*first, *flat[1:]), None, flat[0].rows, flat[-1].cols)


def split_signs(node: Node, whole: bool = False) -> list[tuple[int, Node]]:
    """The terms of a sum with their signs; with `whole`, a sum stays one (in brackets), only a lone minus goes out."""
    if node.op != "sum":
        return [(1, node)]
    signs = node.data
    assert isinstance(signs, tuple)
    if whole and len(node.args) > 1:
        return [(1, node)]
    return list(zip(signs, node.args, strict=True))
