"""What becomes of one link of the chain: its Jacobian, the identity that states it, what the product simplifies to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from chainrule.algebra.expr import Expr, add, delta, multiply, rename, variable
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Equation, Operation, Program, Variable, is_anonymous
from chainrule.book import BOOK
from chainrule.calculus.sequences import initial_part, shifted
from chainrule.dims import display_name
from chainrule.explanation.edges import elementwise_head, find_identities, local_jacobian
from chainrule.explanation.graph import Graph
from chainrule.explanation.pattern import Match
from chainrule.explanation.proof import proof_of, prove
from chainrule.explanation.rules import describe_application
from chainrule.explanation.stage import Stage
from chainrule.explanation.stated import statement
from chainrule.explanation.steps import ProofLine
from chainrule.explanation.writing import Writer, side_by_side, split_signs
from chainrule.functions import FUNCTIONS
from chainrule.notation import tree
from chainrule.notation.matrix import Irreducible
from chainrule.notation.sentence import joined, say
from chainrule.notation.text import FUNCTION_TEXT, to_text
from chainrule.notation.tree import Node
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Application, Knowledge

__all__ = ["Links", "bindings_of", "conditions_of"]


class Links:
    """The links of one program, each worked out once."""

    def __init__(self, forward: Program, knowledge: Knowledge, writer: Writer) -> None:
        self.forward = forward
        self.knowledge = knowledge
        self.writer = writer
        self.work = writer.work
        self._jacobians: dict[tuple[str, str], Expr] = {}
        self._assumed: dict[
            tuple[str, str], tuple[str, ...]
        ] = {}  # what a Jacobian assumes, as its simplification says
        self._stages: dict[tuple[str, str, frozenset[object]], list[Stage]] = {}

    def stages_of(self, of: str, wrt: str, value: Expr, graph: Graph) -> list[Stage]:
        key = (of, wrt, frozenset(value.items()))
        if key not in self._stages:
            self._stages[key] = self._find_stages(of, wrt, value, graph)
        return self._stages[key]

    def _find_stages(self, of: str, wrt: str, value: Expr, graph: Graph) -> list[Stage]:
        equation = self.forward.equations[of]
        if is_lag(equation):
            return [self._next_step(equation, wrt, value)]
        between = graph.between(of, wrt)
        matches = self.identities(of, wrt, between)
        head = elementwise_head(self.forward, of, wrt)
        own, other = self.work.variables[of], self.work.variables[wrt]
        first = self.reason(of, wrt, matches, graph)
        if head:
            return self._elementwise(head, of, wrt, value, first)
        found = self.jacobian(of, wrt, between)
        assumed = tuple(dict.fromkeys((*first.conditions, *self._assumed[of, wrt])))
        first = replace(first, conditions=assumed)
        if not found:
            return [self.no_slope(of, wrt, assumed)]
        stages: list[Stage] = []
        raw = self._contract(value, found, own, other)
        if len(own.dims) <= 1 and len(other.dims) <= 1 and own.steps is None and other.steps is None:
            shown = self._product_node(value, own, found, other)
            stages.append(replace(first, value=raw, shown=shown, detail=self.says(of, wrt, found, own, other)))
            stages.append(Stage(raw, "multiplied out", "the product of the two"))
        else:
            stages.append(replace(first, value=raw))
        stages.extend(self._simplification(raw))
        return stages

    def identities(self, of: str, wrt: str, between: set[str]) -> tuple[Match, ...]:
        """The identities of the book that state the link; of a sequence, at one step."""
        own, other = self.work.variables[of], self.work.variables[wrt]
        if own.steps is None:
            if other.steps is not None:
                return ()
            return find_identities(self.forward, of, wrt, between, 1, self.writer.signals)
        if between != {of, wrt}:
            return ()
        step = self.writer.notation.at_step(own.steps.letter, own.dims[own.steps.axis], own.steps.sheet)
        projection = step.projection
        try:
            here = projection.defined(of)
            there = wrt if other.steps is None else projection.step(wrt, (other.steps.axis,))
        except LookupError:
            return ()
        return find_identities(projection.program, here, there, {here, there}, 1)

    def _next_step(self, equation: Equation, wrt: str, value: Expr) -> Stage:
        """From an earlier step to the sequence itself: the signal of the next step is what flows back."""
        operation = equation.value
        assert isinstance(operation, Operation)
        offset, axis = operation.attributes
        if wrt != operation.args[0]:
            detail = say(self.writer.node(wrt), " is the value before the first step")
            return Stage(initial_part(self.work, value, equation), "first step", detail)
        own = self.work.variables[equation.name]
        moved = shifted(self.work, value, own.indices[axis], -offset, {})
        if moved is None:  # under a name of its own, whose next step is always there
            name = self.work.fresh_name()
            self.work.define(replace(own, name=name), value)
            moved = shifted(self.work, variable(name, own.indices), own.indices[axis], -offset, {})
        assert moved is not None
        return Stage(moved, "next step", "")

    def _elementwise(self, head: str, of: str, wrt: str, value: Expr, first: Stage) -> list[Stage]:
        own = self.work.variables[wrt]
        prime = head + "'"
        slope: Expr = {((((prime, wrt, own.indices), 1),), ()): 1}
        stages: list[Stage] = []
        if len(own.dims) == 1 and own.steps is None:
            (i,) = own.indices
            diagonal = multiply(slope, delta(i, (-2, i[1])))
            shown = self._product_node(value, own, diagonal, own)
            said = tree.equal(self.writer.partial_node(of, wrt), tree.diag(self.slope(head, wrt)))
            detail = say(self.writer.equation(of), " gives ", said)
            stages.append(replace(first, value=multiply(value, slope), shown=shown, detail=detail))
            rule = "diagonal product"
            detail = say("a diagonal matrix on the right is an elementwise product with its diagonal")
            stages.append(Stage(multiply(value, slope), rule, detail))
        elif own.steps is not None and own.steps.orientation == "column":
            stages += self._elementwise_step(head, of, wrt, value, multiply(value, slope), first)
        else:
            stages.append(replace(first, value=multiply(value, slope)))
        record = FUNCTIONS.get(head)
        if record is not None:
            found = self.slope_terms(head, of, wrt)
            slope_is = tree.equal(self.slope(head, wrt), self.writer.value(found, own.dims, own.orientation, own.steps))
            condition = (record.at_kink,) if record.at_kink else ()
            detail = say(slope_is, f"; {record.at_kink}" if record.at_kink else "")
            raw = multiply(value, found)
            shown_head = f"derivative of {FUNCTION_TEXT.get(head, head)}"
            stages.append(Stage(raw, shown_head, detail, conditions=condition))
            stages.extend(self._simplification(raw))
        return stages

    def _elementwise_step(
        self, head: str, of: str, wrt: str, value: Expr, product: Expr, first: Stage
    ) -> list[Stage]:  # fmt: skip
        """The same at one step of a sequence, whichever step that is."""
        writer = self.writer
        own = self.work.variables[wrt]

        def beside(letter: str | None) -> Node:
            ((sign, body),) = split_signs(writer.adjoint_node(value, own, letter), whole=True)
            node = side_by_side([body, tree.diag(self.slope(head, wrt, letter))])
            return node if sign > 0 else tree.sum_of([(-1, node)])

        def entrywise(letter: str | None) -> Node:
            ((sign, body),) = split_signs(writer.adjoint_node(value, own, letter), whole=True)
            node = tree.hadamard([body, tree.transpose(self.slope(head, wrt, letter))])
            return node if sign > 0 else tree.sum_of([(-1, node)])

        said = tree.equal(writer.partial_node(of, wrt), tree.diag(self.slope(head, wrt)))
        detail = say(writer.equation(of), " gives ", said)
        turned = say("a diagonal matrix on the right is an elementwise product with its diagonal")
        return [
            replace(first, value=product, shown=beside, detail=detail),
            Stage(product, "diagonal product", turned, shown=entrywise),
        ]

    def slope(self, head: str, wrt: str, letter: str | None = None) -> Node:
        """f′ at a name."""
        inner = self.writer.node(wrt, letter)
        return Node("fn", (inner,), head + "'", inner.rows, inner.cols)

    def slope_terms(self, head: str, of: str, wrt: str) -> Expr:
        """f′ as its record has it, in terms of the output where that is shorter."""
        own = self.work.variables[wrt]
        total: Expr = {}
        for coefficient, factors in FUNCTIONS[head].partial():
            product: Expr = {((), ()): coefficient}
            for function, letter, exponent in factors:
                name = of if letter == "y" else wrt
                atom: Expr = {((((function, name, own.indices), exponent),), ()): 1}
                product = multiply(product, atom)
            total = add(total, product)
        return total

    def jacobian(self, of: str, wrt: str, between: set[str]) -> Expr:
        """∂of/∂wrt of one equation, simplified."""
        if (of, wrt) not in self._jacobians:
            raw, assumed = local_jacobian(self.forward, self.work, of, wrt, between)
            stage = self.simplified(raw)
            self._jacobians[of, wrt] = stage.value
            told = [self._conditions(rule, subject) for rule, subject in assumed]
            self._assumed[of, wrt] = (*(c for conditions in told for c in conditions), *stage.conditions)
        return self._jacobians[of, wrt]

    def no_slope(self, of: str, wrt: str, conditions: tuple[str, ...]) -> Stage:
        """A link that goes through steps alone, such as sgn."""
        said = tree.equal(self.writer.partial_node(of, wrt), tree.num(0))
        detail = say(said, ", wherever it exists: ", self.writer.equation(of))
        return Stage({}, "no slope", detail, conditions=conditions)

    def assumed(self, of: str, wrt: str) -> tuple[str, ...]:
        """What a Jacobian that was asked for assumes."""
        return self._assumed[of, wrt]

    def _conditions(self, rule: str, subject: str) -> tuple[str, ...]:
        """What an application of a rule assumes."""
        applied = Application(rule, subject, {}, {})
        return describe_application(applied, self.work, self.writer.node, self.writer.equation)[2]

    def _contract(self, value: Expr, found: Expr, own: Variable, other: Variable) -> Expr:
        """Σ over the indices of `own`: value · jacobian, over the free indices of `other`."""
        count = len(own.dims)
        marks = {(-1 - k, d): (-700 - k, d) for k, d in enumerate(own.dims)}
        moved = rename(found, {**marks, **{(-1 - count - k, d): (-1 - k, d) for k, d in enumerate(other.dims)}})
        return multiply(rename(value, marks), moved, tuple(marks.values()))

    def _product_node(self, value: Expr, own: Variable, found: Expr, other: Variable) -> Node | None:
        """(∂J/∂of so far) times the Jacobian, side by side, not multiplied out; None without matrices."""
        try:
            return self._side_by_side(value, own, found, other)
        except Irreducible:
            return None

    def _side_by_side(self, value: Expr, own: Variable, found: Expr, other: Variable) -> Node:
        dims = (*own.dims, *other.dims)
        kind = "matrix" if len(dims) == 2 else "scalar" if not dims else "column" if own.dims else "row"
        jacobian = self.writer.shown_node(found, dims, kind)
        if value == self.writer.start:
            return jacobian
        ((sign, body),) = split_signs(self.writer.adjoint_node(value, own), whole=True)
        node = side_by_side([body, jacobian])
        return node if sign > 0 else tree.sum_of([(-1, node)])

    def _simplification(self, raw: Expr) -> Iterable[Stage]:
        stage = self.simplified(raw)
        return [] if stage.value == raw else [stage]

    def simplified(self, raw: Expr) -> Stage:
        """What the simplifier makes of it, each application of a rule recorded."""
        self.knowledge.record = []
        try:
            value = simplify(raw, self.knowledge)
            applications = self.knowledge.record
        finally:
            self.knowledge.record = None
        within = tuple(
            (a.after, *describe_application(a, self.work, self.writer.node, self.writer.equation)) for a in applications
        )
        conditions = tuple(dict.fromkeys(c for *_, cs in within for c in cs))
        told = tuple(dict.fromkeys(detail for _, _, detail, _ in within))
        return Stage(value, "simplified", joined("; ", told), conditions=conditions, within=within)

    def reason(self, of: str, wrt: str, matches: tuple[Match, ...], graph: Graph) -> Stage:
        """What states a link: identities, or a rule of calculus in general words."""
        if not matches:
            detail = say(self.writer.equation(of), ", differentiated by ", self.writer.node(wrt))
            local = partial(prove, self.forward, of, wrt, graph.between(of, wrt))
            return Stage({}, self._general_rule(of, wrt), detail, prover=local)
        names = list(dict.fromkeys(m.identity.name for m in matches))
        conditions = tuple(dict.fromkeys(c for m in matches for c in conditions_of(m, self.facts(m))))
        detail = joined("; ", (self.writer.equation(of), *dict.fromkeys(statement(m.identity) for m in matches)))
        cited = ", ".join(names)

        def prover() -> tuple[ProofLine, ...]:
            return tuple(line for name in names for line in proof_of(BOOK[name]))

        return Stage({}, cited, detail, cited, bindings_of(matches[0]), conditions, prover=prover)

    def _general_rule(self, of: str, wrt: str) -> str:
        """The rule of calculus by which an equation is differentiated that no identity of the book covers."""
        equation = self.forward.equations[of]
        value = equation.value
        if not isinstance(value, dict):
            return "Jacobian"
        if elementwise_head(self.forward, of, wrt):
            return "elementwise function"
        uses = [[(a, e) for a, e in key[0] if a[1] == wrt] for key in value]
        used = [u for u in uses if u]
        if not used:  # it is used inside of a definition
            return f"derivative of {getattr(equation.source, 'function', to_text(self.writer.node(of)))}"
        if all(len(u) == 1 and u[0][1] == 1 and u[0][0][0] == "" for u in used):
            return "linear"
        return "power rule" if len(used) == 1 and len(used[0]) == 1 else "product rule"

    def facts(self, match: Match) -> Callable[[str], str]:
        return lambda letter: to_text(self.writer.node(match.names[letter])) if letter in match.names else letter

    def says(self, of: str, wrt: str, found: Expr, own: Variable, other: Variable) -> str:
        """z = W x + b gives ∂z/∂x = W."""
        dims = (*own.dims, *other.dims)
        orientation = "matrix" if len(dims) == 2 else "scalar" if not dims else "column" if own.dims else "row"
        answer = tree.equal(self.writer.partial_node(of, wrt), self.writer.value(found, dims, orientation))
        return say(self.writer.equation(of), " gives ", answer)


def bindings_of(match: Match) -> dict[str, str]:
    """The identity's letters and what they are here."""
    return {letter: display_name(name) for letter, name in match.names.items() if not is_anonymous(name)
            and not is_anonymous(letter)}  # fmt: skip


def conditions_of(match: Match, shown: Callable[[str], str]) -> tuple[str, ...]:
    """The identity's conditions in the names of this program."""
    return tuple(_renamed(c, shown) for c in match.identity.conditions)


def _renamed(text: str, shown: Callable[[str], str]) -> str:
    return " ".join(shown(word) if word.isidentifier() and len(word) == 1 else word for word in text.split(" "))
