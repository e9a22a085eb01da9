"""How the formulas of a derivation are written: states as trees of notation, symbols for the links still to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

from chainrule.algebra.expr import ONE, Expr, delta, free, multiply, rename
from chainrule.algebra.loops import LAG, is_lag
from chainrule.algebra.program import Operation, Program, Steps, Variable, is_anonymous
from chainrule.calculus.jacobian import output_indices
from chainrule.dims import Dim
from chainrule.explanation.steps import Formula, State, Term
from chainrule.notation import phrases, tree
from chainrule.notation.index import index_node, letters_for
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.sequences import step_letter
from chainrule.notation.tree import Node
from chainrule.simplify.factor import factored
from chainrule.simplify.knowledge import Knowledge

__all__ = ["APART", "Writer", "row_steps", "side_by_side", "split_signs"]

APART = ("sym", "at", "call", "fn")  # what needs no brackets in a sentence or behind ∂


class Writer:
    """Writes in the names of one program, `work`. `equations`: each of the user's equations.

    loss: what is differentiated. Where that is no scalar, every value has the indices of its entry (`outer`) as well:
    a matrix where both have one index; with more it is written in index notation, its first letters those given.
    """

    def __init__(
        self, work: Program, knowledge: Knowledge, loss: str, equations: Mapping[str, Node],
        letters: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.work = work
        self.knowledge = knowledge
        self.loss = loss
        self.equations = equations
        self.notation = MatrixNotation(work)
        self.letters = letters
        dims = work.variables[loss].dims
        self.outer = output_indices(dims)
        self.signals = not dims  # whether identities that say what becomes of ∂J/∂z may be cited
        self.start: Expr = ONE  # the derivative of what is differentiated by itself
        for own, other in zip(free(dims), self.outer, strict=True):
            self.start = multiply(self.start, delta(own, other))

    def equation(self, name: str) -> Node:
        return self.equations[name] if name in self.equations else self.node(name)

    def value(self, value: Expr, dims: tuple[Dim, ...], orientation: str, steps: Steps | None = None) -> Node:
        shown = factored(value, free(dims), self.knowledge, self.work, orientation)
        return self.value_node(shown, dims, orientation, steps)

    def formula(self, state: State, of: str) -> Formula:
        nodes: list[tuple[int, Node]] = []
        shown = tuple(t for t in state if t.value != {}) or state[:1]  # a term that is exactly 0 is left out
        try:
            if len(self.outer) + len(self.work.variables[of].dims) > 2 and self.outer:
                raise Irreducible("an entry has more than two indices")
            for term in shown:
                nodes += self._term_nodes(term)
            node = tree.sum_of(nodes) if nodes else tree.num(0)
        except Irreducible:
            node = self._index_formula(shown, of)
        return Formula(node, state)

    def _term_nodes(self, term: Term) -> list[tuple[int, Node]]:
        stations = (term.at, *term.rest)
        letters, summed = self._step_letters(stations)
        seen = [(n, x) for n, x in zip(stations, letters, strict=True) if not is_lag(self.work.equations.get(n))]
        if is_lag(self.work.equations.get(term.at)) and term.value is None:
            seen.insert(0, (term.at, letters[0]))
        links = [self.partial_node(a, b, x, y) for (a, x), (b, y) in pairwise(seen)]
        if term.value is None:
            product = tree.product([self.total_node(term.at, letters[0]), *links])
            return [(1, _summed(product, summed))]
        own = self.work.variables[term.at]
        shown = term.shown(letters[0]) if callable(term.shown) else term.shown
        node = shown or self.adjoint_node(term.value, own, letters[0])
        if not term.rest:
            return split_signs(node)
        if term.value == self.start and term.shown is None:
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

    def letter_of(self, at: str, rest: tuple[str, ...]) -> str | None:
        """At which step the first station of a chain stands; None where it is no sequence."""
        return self._step_letters((at, *rest))[0][0]

    def summed_letter(self, stations: tuple[str, ...]) -> str | None:
        """The letter over which a chain is summed: its last station is used in every step."""
        return self._step_letters(stations)[1]

    def adjoint_node(self, value: Expr, own: Variable, letter: str | None = None) -> Node:
        """The derivative by `own` as far as it is known: a row at a vector. Raises Irreducible."""
        if not self.outer:
            orientation = "row" if len(own.dims) == 1 else own.orientation
            return self.shown_node(value, own.dims, orientation, row_steps(own, letter))
        indices = (*self.outer, *own.indices)
        dims = tuple(dim for _, dim in indices)
        if len(dims) > 2:
            raise Irreducible("an entry has more than two indices")
        inside = rename(value, dict(zip(indices, free(dims), strict=True)))
        return self.shown_node(inside, dims, "matrix" if len(dims) == 2 else "column")

    def total_node(self, wrt: str, letter: str | None = None) -> Node:
        """What is differentiated, by `wrt`, through everything: ∂J/∂x, or ∂²J/∂x² where it is ∂J/∂x already."""
        loss, *by = self.loss.removeprefix("∂").split("/∂")
        if by == [wrt] and self.work.variables[self.loss].kind == "gradient":
            return Node("second", (tree.sym(loss), self.node(wrt), self.node(wrt)))
        return self.partial_node(self.loss, wrt, None, letter)

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
        if own.kind == "gradient" and name.startswith("∂"):
            top, bottom = name.removeprefix("∂").split("/∂", 1)
            return phrases.bracketed(tree.partial(tree.sym(top), tree.sym(bottom)))
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
            letters = list(dict.fromkeys([*self.letters, *letters_for(26, taken)]))
            stations = (term.at, *term.rest)
            names: dict[str, list[str]] = {}
            first, letters = letters[: len(self.outer)], letters[len(self.outer) :]
            last = letters[: len(own.dims)]
            pool = letters[len(own.dims) :]
            value, ties = self._tied(term)  # entries that are an entry of what is differentiated
            for station in stations:
                count = len(self.work.variables[station].dims)
                names[station] = last if station == stations[-1] else pool[:count]
                pool = pool if station == stations[-1] else pool[count:]
            names[term.at] = [first[ties[k]] if k in ties else c for k, c in enumerate(names[term.at])]
            parts = [tree.partial(self._entry(a, names[a]), self._entry(b, names[b]))
                     for a, b in pairwise(stations)]  # fmt: skip
            if term.value is None:
                parts.insert(0, self._total_entry(term.at, first, names[term.at]))
            elif value != ONE or not parts:
                indices = (*self.outer, *self.work.variables[term.at].indices)
                plain = free([dim for _, dim in indices])  # as the result is written
                inside = rename(value, dict(zip(indices, plain, strict=True)))
                around = [letter for own_letters in names.values() for letter in own_letters]
                parts.insert(0, index_node(self.work, inside, plain, [*first, *names[term.at]], around))
            body = side_by_side(parts)
            for station in stations[:-1]:
                for letter in reversed(names[station]):
                    body = tree.sigma(letter, body) if letter not in first else body
            total.append((1, body))
        return tree.sum_of(total)

    def _tied(self, term: Term) -> tuple[Expr, dict[int, int]]:
        """The value of a term without the deltas that tie an entry of its station to one of what is differentiated.

        The ties: which of the station's indices is which of the outer ones. Only where a chain goes on from there.
        """
        ties: dict[int, int] = {}
        value = term.value if term.value is not None else {}
        own = self.work.variables[term.at].indices
        for k, index in enumerate(own if value and term.rest else ()):
            for m, outer in enumerate(self.outer):
                tie = (("δ", "", (min(index, outer), max(index, outer))), 1)
                if m not in ties.values() and all(tie in factors for factors, _ in value):
                    cut = {(tuple(f for f in factors if f != tie), bound): c for (factors, bound), c in value.items()}
                    value = rename(cut, {index: outer})
                    ties[k] = m
                    break
        return value, ties

    def _entry(self, name: str, letters: list[str]) -> Node:
        if is_anonymous(name) or self.work.variables[name].kind == "gradient":
            return tree.entry(self.node(name), letters) if self.outer and letters else self.node(name)
        return tree.at(name, letters)

    def _total_entry(self, wrt: str, outer: list[str], letters: list[str]) -> Node:
        whole = self.total_node(wrt)
        if whole.op == "second":
            return Node("second", (whole.args[0], self._entry(wrt, outer), self._entry(wrt, letters)))
        return tree.partial(self._entry(self.loss, outer), self._entry(wrt, letters))


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
