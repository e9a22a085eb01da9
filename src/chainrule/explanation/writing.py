"""How the formulas of a derivation are written: states as trees of notation, symbols for the links still to come."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from chainrule.algebra.expr import ONE, Expr, free
from chainrule.algebra.program import Program, is_anonymous
from chainrule.dims import Dim
from chainrule.explanation.steps import Formula, State, Term
from chainrule.notation import tree
from chainrule.notation.index import index_node, letters_for
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.tree import Node
from chainrule.simplify.factor import factored
from chainrule.simplify.knowledge import Knowledge

__all__ = ["Writer", "side_by_side", "split_signs"]


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

    def value(self, value: Expr, dims: tuple[Dim, ...], orientation: str) -> Node:
        return self.value_node(factored(value, free(dims), self.knowledge, self.work, orientation), dims, orientation)

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
        links = [self.partial_node(a, b) for a, b in pairwise(stations)]
        if term.value is None:
            return [(1, tree.product([self.partial_node(self.loss, term.at), *links]))]
        own = self.work.variables[term.at]
        orientation = "row" if len(own.dims) == 1 else own.orientation
        node = term.shown or self.shown_node(term.value, own.dims, orientation)
        if not term.rest:
            return split_signs(node)
        if term.value == ONE and term.shown is None:
            return [(1, side_by_side(links))]
        ((sign, body),) = split_signs(node, whole=True)
        return [(sign, side_by_side([body, *links]))]

    def shown_node(self, value: Expr, dims: tuple[Dim, ...], orientation: str) -> Node:
        shown = factored(value, free(dims), self.knowledge, self.work, orientation)
        return self.notation.write(shown, dims, orientation)

    def value_node(self, value: Expr, dims: tuple[Dim, ...], orientation: str) -> Node:
        try:
            return self.notation.write(value, dims, orientation)
        except Irreducible:
            letters = letters_for(len(dims), self.work.shown_names())
            return index_node(self.work, value, free(dims), letters)

    def partial_node(self, of: str, wrt: str) -> Node:
        rows = [self.work.variables[n].dims for n in (of, wrt)]
        sizes = [d[0] if len(d) == 1 else 1 for d in rows]
        return tree.partial(self.node(of), self.node(wrt), *sizes)

    def node(self, name: str) -> Node:
        """A name, or what an unnamed station stands for."""
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
