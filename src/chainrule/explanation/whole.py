"""The derivation of a Jacobian or a Hessian, step by step, in the way in which a gradient has one.

∂θ/∂x = ∂θ/∂h ∂h/∂z ∂z/∂x: the chain is taken from its left end, as from the loss, but what is known of it carries the
indices of an entry of θ (`Writer.outer`), so it is a matrix at a vector. Nothing has a signal: where ways part and meet
at a station without a name, its own Jacobian is derived first. The Hessian is the Jacobian of the gradient, whose
equations, signals among them, are the stations of the chain.

Through a loop a product with it has steps, which is then taken for all directions at once (`Jacobian.told`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.algebra.expr import Expr, free, rename
from chainrule.algebra.program import Program
from chainrule.calculus.jacobian import JacobianProgram, jacobian
from chainrule.calculus.reverse import Backward
from chainrule.explanation.chain import Explainer
from chainrule.explanation.steps import Formula, State, Step, Term
from chainrule.notation.index import index_node
from chainrule.notation.tree import Node

__all__ = ["JacobianExplainer"]


class JacobianExplainer(Explainer):
    """Writes the derivation of one Jacobian of `forward`. equations: for the reasons.  letters: of an entry."""

    def __init__(
        self, forward: Program, found: JacobianProgram, equations: Mapping[str, Node], letters: Sequence[str]
    ) -> None:
        super().__init__(forward, Backward(found.program, found.of), equations, letters)
        self._found = found

    def all_steps(self) -> tuple[Step, ...]:
        """From the chain rule to the final form."""
        return self.steps(self._found.name, self._found.wrt)

    def _adjoint(self, anchor: str) -> Expr:
        part = self.forward.copy()
        part._counter = self.work._counter  # what it names must not have another meaning here
        found = jacobian(part, self._found.of, anchor)
        self.work._counter = max(self.work._counter, found.program._counter)
        for name, equation in found.program.equations.items():
            if name not in self.work.equations and name != found.name:
                self.work.define(found.program.variables[name], equation.value)
        return self._placed(found.expression, anchor)

    def _placed(self, expression: Expr, at: str) -> Expr:
        """A Jacobian with the indices that the steps use: `outer`, then those of the name itself."""
        own = self.work.variables[at]
        indices = (*self.writer.outer, *own.indices)
        return rename(expression, dict(zip(free([dim for _, dim in indices]), indices, strict=True)))

    def _finish(self, steps: list[Step], now: Formula, name: str, of: str, state: State = ()) -> tuple[Step, ...]:
        """Collect the terms, and write them as the result is written."""
        told = super()._finish(steps, now, "", of, state)
        if not name:
            return told
        now = told[-1].right if told else now
        final = self.work.equations[name].value
        assert isinstance(final, dict)
        own = self.work.variables[name]
        if len(own.dims) > 2 and self.writer.outer:
            node = index_node(self.work, final, own.indices, list(self.writer.letters)[: len(own.dims)])
        else:
            node = self.writer.value_node(final, own.dims, own.orientation)
        last = Formula(node, state=(Term(self._placed(final, of), of, ()),))
        if last.node != now.node:
            steps.append(Step(now, last, "factored", {}, "", "what the terms share is written once"))
        return tuple(steps)
