"""The derivation of a product with a direction, step by step: dz = ∂z/∂x dx, one equation after the other.

A directional derivative is the chain rule taken from the other end: the tangent of every equation is the sum, over what
it uses, of a Jacobian times a tangent that is known. A product with the Hessian is the same for the equations of the
gradient, a product with the Gauss-Newton matrix goes forwards and then back. Each link is stated as in a gradient's
derivation: the identity, the Jacobian that it gives here, the product, and what the simplifier makes of it.

An equation whose tangent has no form in matrices gets one step. In a loop the tangent of an earlier step is the earlier
step of the tangent, dh[t−1], which is known when dh[t] is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from chainrule.algebra.expr import Expr, add, delta, multiply, rename, variable
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Program, Steps, Variable, is_anonymous
from chainrule.calculus.forward import lag_tangent, tangent_name
from chainrule.explanation.edges import elementwise_head
from chainrule.explanation.graph import Graph
from chainrule.explanation.links import Links
from chainrule.explanation.stage import Stage, add_step
from chainrule.explanation.steps import Formula, Push, Step
from chainrule.explanation.writing import Writer, side_by_side, split_signs
from chainrule.functions import FUNCTIONS
from chainrule.notation import tree
from chainrule.notation.index import index_node, letters_for
from chainrule.notation.matrix import Irreducible
from chainrule.notation.sentence import joined, say
from chainrule.notation.text import FUNCTION_TEXT
from chainrule.notation.tree import Node
from chainrule.simplify.knowledge import Knowledge

__all__ = ["TangentExplainer"]

MOST_WAYS = 8  # from an equation to what has a tangent with a name; beyond that it gets one step
Pushes = tuple[Push, ...]


class TangentExplainer:
    """Writes the derivations of tangents. forward: the program with the directions declared.

    work: the same with the tangents' equations.  equations: of the names in `forward`, for the reasons.
    ends: what the tangent of a name is called, where that is not d and the name.
    """

    def __init__(
        self, forward: Program, work: Program, equations: Mapping[str, Node], ends: Mapping[str, Node]
    ) -> None:
        self.forward = forward = with_steps(forward)
        self.ends = ends
        self.work = with_steps(work)
        knowledge = Knowledge(forward)
        knowledge.program = self.work
        last = [e.name for e in forward if not forward.variables[e.name].dims] or [next(iter(forward.equations))]
        self.writer = Writer(self.work, knowledge, last[-1], equations)
        self.writer.signals = False
        self.links = Links(forward, knowledge, self.writer)

    def steps(self, name: str) -> tuple[Step, ...]:
        """The derivation of the tangent of `name`."""
        ways = self._ways(name)
        try:
            if 0 < len(ways) <= MOST_WAYS:
                return self._derived(name, ways)
        except Irreducible:
            pass
        start, last = self._ends(name)
        return (Step(start, last, "total differential", {}, "", say(self.writer.equation(name), " in all its parts")),)

    # -- the ways to what has a tangent -----------------------------------------------------------------------------

    def _ways(self, name: str) -> list[tuple[str, ...]]:
        """From an equation to each name that has a tangent, over the stations that have none."""
        found: list[tuple[str, ...]] = []
        for argument in self._uses(name):
            if self._moves(argument):
                found.append((name, argument))
            elif argument in self.forward.equations and not is_lag(self.forward.equations[argument]):
                found += [(name, *way) for way in self._ways(argument)]
            if len(found) > MOST_WAYS:
                break
        return found

    def _uses(self, name: str) -> Sequence[str]:
        """The stations that an equation uses, looking through the inside of definitions."""
        found: dict[str, None] = {}
        for argument in dict.fromkeys(self.forward.equations[name].arguments):
            inside = argument in self.forward.interior and not self._moves(argument)
            found.update(dict.fromkeys(self._uses(argument) if inside else [argument]))
        return list(found)

    def _moves(self, name: str) -> bool:
        """True where a name has a tangent; an earlier step has that of its sequence, or of its initial value."""
        equation = self.forward.equations.get(name)
        if equation is not None and is_lag(equation):
            return any(map(self._moves, equation.arguments))
        return tangent_name(name) in self.work.variables

    # -- the steps ---------------------------------------------------------------------------------------------------

    def _ends(self, name: str) -> tuple[Formula, Formula]:
        """Both ends: the tangent's name, and its right-hand side as the result has it."""
        own = self.work.variables[name]
        tangent = tangent_name(name)
        value = self.work.equations[tangent].value
        assert isinstance(value, dict)
        start = Formula(self._symbol(name), (Push((name,), variable(tangent, own.indices)),))
        try:
            node = self.writer.notation.write(value, own.dims, own.orientation, own.steps)
        except Irreducible:
            letters = letters_for(len(own.dims), self.work.shown_names())
            node = index_node(self.work, value, own.indices, letters)
            whole = self.ends.get(name)
            left = tree.at(tangent, letters) if whole is None else tree.entry(whole, letters) if letters else whole
            start = replace(start, node=left)
        return start, Formula(node, (Push((name,), value),))

    def _symbol(self, name: str) -> Node:
        own = self.work.variables[name]
        if own.steps is not None and name not in self.ends:
            return self.writer.node(tangent_name(name))
        rows, cols = own.shape if len(own.shape) == 2 else (1, 1)
        return self.ends.get(name) or tree.sym(tangent_name(name), rows, cols)

    def _derived(self, name: str, ways: list[tuple[str, ...]]) -> tuple[Step, ...]:
        start, last = self._ends(name)
        state: Pushes = tuple(Push(way, self._known(way[-1])) for way in ways)
        steps: list[Step] = []
        told = ["one term for each name that it uses, summed"] if len(ways) > 1 else []
        told += [
            say(self.writer.shown_node(p.value, own.dims, own.orientation, own.steps), " was computed before")
            for p in state
            if is_lag(self.forward.equations.get(p.stations[-1])) and (own := self.work.variables[p.stations[-1]])
        ]
        now = self._push(steps, start, state, Stage({}, "chain rule", joined("; ", told)))
        for position in range(len(state)):
            while len(state[position].stations) > 1:
                *rest, of, wrt = state[position].stations
                place = self.writer.partial_node(of, wrt)
                for stage in self._stages(of, wrt, state[position].value):
                    assert not callable(stage.shown)
                    new = Push((*rest, of), stage.value, stage.shown)
                    state = (*state[:position], new, *state[position + 1 :])
                    now = self._push(steps, now, state, replace(stage, place=str(place)), position)
        if len(state) > 1:
            total = Push((name,), add(*(p.value for p in state)))
            now = self._push(steps, now, (total,), Stage({}, "collected", "like terms are added"))
            stage = self.links.simplified(total.value)
            now = self._push(steps, now, (Push((name,), stage.value),), stage)
        if now.node != last.node:
            steps.append(Step(now, last, "factored", {}, "", "what the terms share is written once"))
        return tuple(steps)

    def _known(self, name: str) -> Expr:
        equation = self.forward.equations.get(name)
        if equation is not None and is_lag(equation):
            return lag_tangent(self.work, equation, {a for a in equation.arguments if self._moves(a)})
        return variable(tangent_name(name), self.work.variables[name].indices)

    def _push(self, steps: list[Step], now: Formula, state: Pushes, stage: Stage, position: int = 0) -> Formula:
        """The next formula, of these terms; the stage changes the one at `position`."""

        def with_value(value: Expr) -> Formula:
            inner = replace(state[position], value=value, shown=None)
            whole = (*state[:position], inner, *state[position + 1 :])
            return Formula(self._node(whole), whole)

        return add_step(steps, now, Formula(self._node(state), state), stage, with_value)

    def _stages(self, of: str, wrt: str, value: Expr) -> list[Stage]:
        """What becomes of ∂of/∂wrt times a tangent."""
        links, writer = self.links, self.writer
        own, other = self.work.variables[of], self.work.variables[wrt]
        graph = Graph(self.forward, of, wrt, set())
        between = graph.between(of, wrt)
        matches = links.identities(of, wrt, between)
        first = links.reason(of, wrt, matches, graph)
        columns = own.steps is None is other.steps and {own.orientation, other.orientation} <= {"column", "scalar"}
        head = elementwise_head(self.forward, of, wrt)
        if head:
            slope: Expr = {((((head + "'", wrt, other.indices), 1),), ()): 1}
            raw = multiply(slope, value)
            stages = []
            if columns and own.dims:
                (i,) = own.indices
                shown = self._beside(multiply(slope, delta(i, (-2, i[1]))), (i[1], i[1]), value, other)
                detail = say(writer.equation(of), " gives ", tree.equal(
                    writer.partial_node(of, wrt), tree.diag(links.slope(head, wrt))))  # fmt: skip
                stages.append(replace(first, value=raw, shown=shown, detail=detail))
                said = "a diagonal matrix on the left is an elementwise product with its diagonal"
                stages.append(Stage(raw, "diagonal product", said))
            else:
                stages.append(replace(first, value=raw))
            record = FUNCTIONS.get(head)
            if record is not None:
                found = links.slope_terms(head, of, wrt)
                written = writer.value(found, own.dims, own.orientation, own.steps)
                said = say(tree.equal(links.slope(head, wrt), written))
                condition = (record.at_kink,) if record.at_kink else ()
                detail = say(said, f"; {record.at_kink}" if record.at_kink else "")
                raw = multiply(found, value)
                stages.append(
                    Stage(raw, f"derivative of {FUNCTION_TEXT.get(head, head)}", detail, conditions=condition)
                )
            return [*stages, *self._simplified(raw)]
        found = links.jacobian(of, wrt, between)
        conditions = tuple(dict.fromkeys((*first.conditions, *links.assumed(of, wrt))))
        first = replace(first, conditions=conditions)
        if not found:
            return [links.no_slope(of, wrt, conditions)]
        raw = _applied(found, value, own, other)
        if not columns:
            return [replace(first, value=raw), *self._simplified(raw)]
        shown = self._beside(found, (*own.dims, *other.dims), value, other)
        stages = [replace(first, value=raw, shown=shown, detail=links.says(of, wrt, found, own, other))]
        return [*stages, Stage(raw, "multiplied out", "the product of the two"), *self._simplified(raw)]

    def _simplified(self, raw: Expr) -> list[Stage]:
        stage = self.links.simplified(raw)
        return [] if stage.value == raw else [stage]

    # -- writing -----------------------------------------------------------------------------------------------------

    def _beside(self, found: Expr, dims: tuple[object, ...], value: Expr, other: Variable) -> Node:
        """A Jacobian times a tangent, side by side."""
        kind = "matrix" if len(dims) == 2 else "scalar" if not dims else "row" if other.dims else "column"
        left = self.writer.shown_node(found, dims, kind)  # type: ignore[arg-type]
        return side_by_side([left, self.writer.shown_node(value, other.dims, other.orientation, other.steps)])

    def _node(self, state: Pushes) -> Node:
        """Raises Irreducible where a tangent has no form in matrices."""
        terms: list[tuple[int, Node]] = []
        for push in [p for p in state if p.value] or state[:1]:
            own = self.work.variables[push.stations[-1]]
            node = push.shown or self.writer.shown_node(push.value, own.dims, own.orientation, own.steps)
            links = [self.writer.partial_node(a, b) for a, b in pairwise(push.stations)]
            if not links:
                terms += split_signs(node)
                continue
            product = side_by_side([*links, node])
            first = self.work.variables[push.stations[0]]
            over_time = own.steps is not None and not own.steps.sheet and first.steps is None
            terms.append((1, tree.sigma(own.steps.letter, product) if own.steps is not None and over_time else product))
        return tree.sum_of(terms)


def with_steps(program: Program) -> Program:
    """A copy in which unnamed sequences say so too, and are written at one step like the others."""
    out = program.copy()
    for equation in out:
        own = out.variables[equation.name]
        if not is_anonymous(equation.name) or own.steps is not None or not own.dims or len(own.dims) > 2:
            continue
        letters: dict[str, None] = {}
        row = False
        for factors, _ in equation.value if isinstance(equation.value, dict) else ():
            for (_, name, indices), _ in factors:
                inner = out.variables.get(name) if isinstance(name, str) else None
                if inner is None or inner.steps is None or inner.steps.sheet or not indices:
                    continue
                if indices[inner.steps.axis] == own.indices[0]:
                    letters[inner.steps.letter] = None
                    row = row or inner.steps.orientation == "row"
        if len(letters) == 1:
            orientation = ("scalar", "row" if row else "column")[len(own.dims) - 1]
            steps = Steps(next(iter(letters)), 0, orientation)
            out.variables[equation.name] = replace(own, steps=steps)
    return out


def _applied(found: Expr, value: Expr, own: Variable, other: Variable) -> Expr:
    """Σ over the indices of `other`: Jacobian · value, over the free indices of `own`."""
    count = len(own.dims)
    marks = {i: (-700 - k, i[1]) for k, i in enumerate(other.indices)}
    moved = rename(found, {(-1 - count - k, d): (-700 - k, d) for k, d in enumerate(other.dims)})
    return multiply(moved, rename(value, marks), tuple(marks.values()))
