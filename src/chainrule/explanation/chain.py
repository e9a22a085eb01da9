"""The derivation of a formula, step by step: from the chain rule to its final form, as the engine goes.

A *state* is a sum of terms ± (∂J/∂a so far) · ∂a/∂b · ∂b/∂c …: what is known already, as an expression, and the links
of the chain that are still to come, as symbols. Each step takes the next link: its Jacobian (found by the engine on the
equations of that link alone) and the identity of the book that states it, the product, and what the simplifier makes
of it, rule by rule. Nothing is written for an example; where no identity is known the step says so in general words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from chainrule.algebra.expr import Expr, add, variable
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Program
from chainrule.calculus.reverse import Backward
from chainrule.explanation.edges import find_identities
from chainrule.explanation.graph import Graph, Path
from chainrule.explanation.links import Links, bindings_of, conditions_of
from chainrule.explanation.pattern import Match
from chainrule.explanation.proof import proof_of
from chainrule.explanation.rules import describe_application
from chainrule.explanation.stage import Stage, add_step
from chainrule.explanation.stated import statement
from chainrule.explanation.steps import Formula, State, Step, Term
from chainrule.explanation.writing import APART, Writer, row_steps
from chainrule.notation import phrases, tree
from chainrule.notation.sentence import joined, say
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node
from chainrule.simplify.knowledge import Knowledge

__all__ = ["Explainer"]


class Explainer:
    """Writes derivations of one backward pass. `equations`: the user's, for the reasons.

    letters: the first that are taken where an entry must be written; see `Writer`.
    """

    def __init__(
        self, forward: Program, backward: Backward, equations: Mapping[str, Node], letters: Sequence[str] = ()
    ) -> None:
        self.forward = forward
        self.backward = backward
        self.loss = backward.loss
        self.work = backward.program.copy()  # continued with what is shown on the way
        self.knowledge = Knowledge(forward)
        self.knowledge.program = self.work
        self.writer = Writer(self.work, self.knowledge, self.loss, equations, letters)
        self.links = Links(forward, self.knowledge, self.writer)
        self.signals = {of: signal for signal, of in backward.signals.items()}
        self._lemmas: dict[str, tuple[Step, ...]] = {}

    def steps(self, name: str, of: str) -> tuple[Step, ...]:
        """The derivation of the signal or gradient `name` at the variable `of`."""
        known = {n for n in self.signals if n != of or name not in self.backward.signals}
        if of in known:  # a gradient at a name that has a signal is that signal
            return self._from_signal(name, of)
        graph = Graph(self.forward, self.loss, of, known)
        return self._derive(name, of, graph)

    def _from_signal(self, name: str, of: str) -> tuple[Step, ...]:
        signal = self.signals[of]
        value = variable(signal, self.work.variables[signal].indices)
        start = self.writer.formula((Term(None, of, ()),), of)
        here = self.writer.formula((Term(value, of, ()),), of)
        known = say(self.writer.node(signal), " is known")
        steps = [Step(start, here, known, {}, start.text, self._known(of))]
        return self._finish(steps, here, name, of)

    def _derive(self, name: str, of: str, graph: Graph) -> tuple[Step, ...]:
        paths = graph.paths()
        if not paths:
            return ()
        lemmas: list[Step] = []
        for anchor in dict.fromkeys(p[0] for p in paths):
            if anchor != self.loss and anchor not in graph.signals and anchor != of:
                lemmas += self._lemma(anchor, graph)
        start = self.writer.formula((Term(None, of, ()),), of)
        state: State = tuple(self._first_term(p) for p in paths)
        steps: list[Step] = []
        now = self._push(steps, start, state, of, Stage({}, "chain rule", self._chain_detail(paths, of)))
        known: State = tuple(self._known_term(t, graph) for t in state)
        if known != state:
            now = self._push(steps, now, known, of, self._known_stage(state))
        state = known
        for position in range(len(state)):
            now, state = self._follow(steps, now, state, position, of, graph)
        return (*lemmas, *self._finish(steps, now, name, of, state))

    def _known_stage(self, state: State) -> Stage:
        """Which signals are known, and of which step: that of another step of a loop was computed before."""
        found = {t.at: self.writer.letter_of(t.at, t.rest) for t in state if t.at != self.loss}
        names = [
            self.writer.node(self.signals[a], letter)
            if a in self.signals
            else self.writer.partial_node(self.loss, a, None, letter)
            for a, letter in found.items()
        ]
        rule = say(joined(", ", names), " is known" if len(names) == 1 else " are known")
        detail = joined("; ", (self._known(a, letter) for a, letter in found.items() if a in self.signals))
        return Stage({}, rule, detail)

    def _lemma(self, anchor: str, graph: Graph) -> tuple[Step, ...]:
        """The adjoint of an unnamed station that is reached in several ways, first."""
        if anchor not in self._lemmas:
            self._lemmas[anchor] = ()
            again = {graph.target} & self.signals.keys()  # known too: in a loop it comes at another step
            inner = Graph(self.forward, self.loss, anchor, graph.signals | again)
            self._lemmas[anchor] = self._derive("", anchor, inner)
        return self._lemmas[anchor]

    def _first_term(self, path: Path) -> Term:
        anchor, *rest = path
        return Term(self.writer.start if anchor == self.loss else None, anchor, tuple(rest))

    def _known_term(self, term: Term, graph: Graph) -> Term:
        if term.value is not None:
            return term
        if term.at in graph.signals or (term.at == graph.target and term.at in self.signals):
            signal = self.signals[term.at]
            return replace(term, value=variable(signal, self.work.variables[signal].indices))
        return replace(term, value=self._adjoint(term.at))

    def _adjoint(self, anchor: str) -> Expr:
        """The derivative by a station that is no signal, worked out before."""
        return self.backward.adjoints.get(anchor, {})  # {}: it is exactly 0

    def _known(self, of: str, letter: str | None = None) -> str:
        """δ₁ = ∂J/∂θ, or δ₁[t] = ∂J/∂o[t] where it is a sequence; `letter`: the step."""
        signal = self.writer.node(self.signals[of], letter)
        said = say(tree.equal(signal, self.writer.partial_node(self.loss, of, None, letter)))
        steps = self.work.variables[of].steps
        later = steps is not None and letter not in (None, steps.letter)
        return say(said, ", computed before") if later else said

    def _chain_detail(self, paths: list[Path], of: str) -> str:
        """What is said of the sum; a loss that holds `of` itself has ∂J/∂x on both sides, as two things."""
        shared = self._shared(paths, of)
        if len(paths) < 2:
            return shared
        end = phrases.group(self.writer.node(self.loss)) if self.writer.outer else "the loss"
        said = say(
            "one term for each way to ", end, ", summed", self._at_which_steps(paths, of), shared and "; " + shared
        )
        if any(tuple(path) == (self.loss, of) for path in paths):
            loss = self.writer.node(self.loss)
            return say(
                said,
                "; ",
                self.writer.partial_node(self.loss, of),
                " among them is by the equation of ",
                loss,
                " alone",
            )
        return said

    def _shared(self, paths: list[Path], of: str) -> str:
        """Why there is a sum over t: the same array is used in every step."""
        letters = [letter for path in paths if (letter := self.writer.summed_letter(path)) is not None]
        if not letters or len(set(letters)) > 1:
            return ""
        return say(
            self.writer.node(of), " is used in every step ", tree.sym(letters[0]), ": what each of them gives is summed"
        )

    def _at_which_steps(self, paths: list[Path], of: str) -> str:
        """In a loop: which ways go through the same step, and which through the step after it."""
        own = self.work.variables[of].steps
        if own is None or own.sheet:
            return ""
        told: dict[str, list[Node]] = {}
        for path in paths:
            users = [k for k in range(len(path) - 1) if not is_lag(self.work.equations.get(path[k]))]
            if not users:  # it is the earlier step whose derivative has a name
                return ""
            at = users[-1]
            letter = self.writer.letter_of(path[at], path[at + 1 :])
            told.setdefault(letter or "", []).append(self.writer.node(path[at], letter))
        if set(told) <= {own.letter}:
            return ""
        parts = [
            say(joined(" and ", (phrases.bracketed(n) if n.op not in APART else n for n in nodes)),
                f" of step {where}" if where else "")
            for where, nodes in told.items()
        ]  # fmt: skip
        return say(": ", self.writer.node(of), " is used by ", joined(", and by ", parts))

    def _follow(
        self, steps: list[Step], now: Formula, state: State, position: int, of: str, graph: Graph
    ) -> tuple[Formula, State]:
        """Take every link of one term, the longest known stretch first."""
        while state[position].rest:
            term = state[position]
            match, length = self._stretch(term, graph)
            if match is not None and length > 1:
                fine: list[Step] = []
                inner, inner_state = now, state
                for _ in range(length):
                    inner, inner_state = self._link(fine, inner, inner_state, position, of, graph)
                if fine:
                    now = fine[-1].right
                    state = inner_state
                    steps.append(self._cited(fine, match, term, length))
                continue
            now, state = self._link(steps, now, state, position, of, graph)
        return now, state

    def _stretch(self, term: Term, graph: Graph) -> tuple[Match | None, int]:
        stations = (term.at, *term.rest)
        for length in range(len(term.rest), 1, -1):
            between: set[str] = set()
            for a, b in pairwise(stations):
                between |= graph.between(a, b)
            found = find_identities(self.forward, term.at, stations[length], between, length, self.writer.signals)
            if len(found) == 1:
                return found[0], length
        return None, 1

    def _cited(self, fine: list[Step], match: Match, term: Term, length: int) -> Step:
        stations = (term.at, *term.rest)[: length + 1]
        place = " ".join(to_text(self.writer.partial_node(a, b)) for a, b in pairwise(stations))
        found = tuple(dict.fromkeys(c for s in fine for c in s.conditions))
        conditions = found or conditions_of(match, self.links.facts(match))
        return Step(
            fine[0].left, fine[-1].right, match.identity.name, bindings_of(match), place, statement(match.identity),
            match.identity.name, conditions, tuple(fine), lambda: proof_of(match.identity),
        )  # fmt: skip

    def _link(
        self, steps: list[Step], now: Formula, state: State, position: int, of: str, graph: Graph
    ) -> tuple[Formula, State]:
        term = state[position]
        assert term.value is not None
        wrt, *rest = term.rest
        place = to_text(self.writer.partial_node(term.at, wrt))
        for stage in self.links.stages_of(term.at, wrt, term.value, graph):
            new = Term(stage.value, wrt, tuple(rest), stage.shown)
            state = (*state[:position], new, *state[position + 1 :])
            now = self._push(steps, now, state, of, replace(stage, place=stage.place or place), position)
        return now, state

    def _push(self, steps: list[Step], now: Formula, state: State, of: str, stage: Stage, position: int = 0) -> Formula:
        """The next formula, of these terms; the stage changes the one at `position`."""

        def with_value(value: Expr) -> Formula:
            term = replace(state[position], value=value)
            return self.writer.formula((*state[:position], term, *state[position + 1 :]), of)

        return add_step(steps, now, self.writer.formula(state, of), stage, with_value)

    def _finish(self, steps: list[Step], now: Formula, name: str, of: str, state: State = ()) -> tuple[Step, ...]:
        """Collect the terms, simplify, factor, and turn into the layout of the result."""
        variable_ = self.forward.variables[of]
        values = [t.value for t in state if t.value is not None]
        if len(values) > 1:
            total = add(*values)
            whole: State = (Term(total, of, ()),)
            now = self._push(steps, now, whole, of, Stage(total, "collected", "like terms are added"))
            stage = self.links.simplified(total)
            whole = (Term(stage.value, of, ()),)
            now = self._push(steps, now, whole, of, stage)
            values = [stage.value]
        if not name:
            return tuple(steps)
        for applied in self.backward.trails.get(name, ()):
            rule, detail, conditions = describe_application(applied, self.work, self.writer.node, self.writer.equation)
            there: State = (Term(applied.after, of, ()),)
            now = self._push(steps, now, there, of, Stage(applied.after, rule, detail, conditions=conditions))
        result = self.work.variables[name]
        final = self.work.equations[name].value
        assert isinstance(final, dict)
        row = "row" if len(variable_.dims) == 1 else variable_.orientation
        steps_of = row_steps(variable_)
        shown = self.writer.value_node(final, variable_.dims, row, steps_of)
        numerator = Formula(shown, state=(Term(final, of, ()),))
        if numerator.node != now.node:
            rule = "factored" if values else "written out"
            detail = "what the terms share is written once" if values else ""
            steps.append(Step(now, numerator, rule, {}, "", detail))
            now = numerator
        turned = result.steps.orientation if result.steps is not None else result.orientation
        if turned == "column":
            column = self.writer.value_node(final, variable_.dims, "column", result.steps)
            in_shape = Formula(column, state=(Term(final, of, ()),))
            if in_shape.node != now.node:
                detail = "the gradient has the shape of the parameter: the row is turned into a column"
                steps.append(Step(now, in_shape, "shape layout", {}, "", detail))
        return tuple(steps)
