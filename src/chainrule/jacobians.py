"""Jacobians and Hessians of a network, written in matrix notation where they have one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chainrule.algebra.expr import Expr, Index, free
from chainrule.algebra.loops import has_loops, is_lag
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.calculus.forward import tangent_name
from chainrule.calculus.jacobian import JacobianProgram, jacobian
from chainrule.calculus.jacobian_structure import find_structure
from chainrule.calculus.reverse import differentiate, relevant_equations
from chainrule.calculus.seeded import goes_through_a_loop
from chainrule.dims import display_name
from chainrule.errors import DimensionError
from chainrule.explanation.chain import Explainer
from chainrule.explanation.steps import Step
from chainrule.explanation.told import Told, Where, check_told
from chainrule.explanation.whole import JacobianExplainer
from chainrule.notation import phrases, tree
from chainrule.notation.binding import POSTFIX
from chainrule.notation.index import index_node, index_text, letters_for
from chainrule.notation.matrix import MatrixNotation
from chainrule.notation.sentence import say
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node
from chainrule.notation.written import Written
from chainrule.telling import equations_of, flowing_back_told, free_name, gradients_told, held_product, signal_names

if TYPE_CHECKING:
    from chainrule.explanation.checking import StepReport
    from chainrule.network import Network

__all__ = ["Hessian", "Jacobian", "on_the_way"]


def on_the_way(known: Program, program: Program, name: str, symbol: str) -> tuple[str, ...]:
    """The named values that `name` needs beyond those of `known`, then itself (called `symbol`), as equations."""
    needed = relevant_equations(program, name, list(program.variables))
    notation = MatrixNotation(program)
    starts: dict[str, str] = {}  # what stands before the first step
    for equation in program:
        if is_lag(equation) and isinstance(equation.value, Operation) and len(equation.value.args) > 1:
            (of, first), (offset, axis) = equation.value.args, equation.value.attributes
            at = "0" if offset < 0 else f"{program.variables[of].dims[axis]}+1"
            starts[of] = f"{display_name(of)}[{at}] = {display_name(first) if not is_anonymous(first) else 'I'}"
    lines = []
    for equation in program:
        if equation.name not in needed or equation.name in known.equations or is_anonymous(equation.name):
            continue
        if not isinstance(equation.value, dict):
            continue
        own = program.variables[equation.name]
        written = Written(program, notation, equation.value, own.dims, own.orientation, own.steps)
        left = symbol if equation.name == name else display_name(equation.name)
        letters = written.indices if equation.name != name or own.steps is not None else ()
        lines.append(f"{left}{f'[{chr(44).join(letters)}]' if letters else ''} = {written.text}")
        if equation.name in starts:
            lines.append(starts[equation.name])
    return tuple(lines)


_ENTRY = re.compile(r"^\s*([^\[\]]+?)\s*\[([^\[\]]*)\]\s*$")


class Jacobian:
    """∂of/∂wrt: the sizes of `of` first, then those of `wrt` (numerator layout).

    text, latex: the formula; in index notation where it has more than two indices.  structure: diagonal, outer
    product, Kronecker product …; see `chainrule.calculus.jacobian_structure`.  entry: one entry in index notation.
    """

    def __init__(self, network: Network, wrt: str, of: str | None = None) -> None:
        entry = _ENTRY.match(wrt)
        self.letters = [p.strip() for p in entry.group(2).split(",")] if entry else []
        self.wrt = network.name_by(entry.group(1) if entry else wrt)
        self.of = network.name(of) if of else [e.name for e in network.program if not is_anonymous(e.name)][-1]
        wanted = len(network.program.variables[self.wrt].dims)
        if entry and len(self.letters) != wanted:
            raise DimensionError(f"{self.wrt} has {wanted} indices, not {len(self.letters)}")
        self._network = network
        self._set(network.program, jacobian(network.program, self.of, self.wrt))

    def _set(self, forward: Program, found: JacobianProgram) -> None:
        self._forward = forward
        self._found = found
        self.program = found.program
        self.name = found.name
        self.expression: Expr = found.expression
        variable = self.program.variables[self.name]
        self.dims = variable.dims
        self.shape = variable.dims
        value = self.program.equations[self.name].value
        assert isinstance(value, dict)
        self._notation = MatrixNotation(self.program)
        self.written = Written(self.program, self._notation, value, variable.dims, variable.orientation)

    @property
    def text(self) -> str:
        """The formula."""
        if self.letters:
            return self._column_of_entry()
        return self.written.text

    @property
    def latex(self) -> str:
        """The formula in LaTeX."""
        return self.written.latex

    @cached_property
    def _names(self) -> list[str]:
        count = len(self.program.variables[self.of].dims)
        taken = self.program.shown_names().union(self.letters)
        outer = (
            [c for c in "ijklmnpqrst" if c not in taken]
            if not self.letters
            else [c for c in "klmnpq" if c not in taken]
        )
        if not self.letters:
            inner = outer[count : count + len(self.dims) - count]
            return outer[:count] + inner
        return outer[:count] + self.letters

    @cached_property
    def entry_nodes(self) -> tuple[Node, Node]:
        """One entry: both sides as trees."""
        names = self._names
        right = index_node(self.program, self.expression, free(self.dims), names)
        count = len(self.program.variables[self.of].dims)
        return self.left_node_at(names[:count], names[count:]), right

    @cached_property
    def entry(self) -> str:
        """One entry: ∂z[k]/∂W[i,j] = 1[i = k] x[j]."""
        left, right = self.entry_nodes
        return f"{to_text(left)} = {to_text(right)}"

    def left_node_at(self, outer: list[str], inner: list[str]) -> Node:
        """The left-hand side for one entry, or (without letters) for the whole."""
        return tree.partial(tree.at(self.of, outer), tree.at(self.wrt, inner))

    @property
    def left_node(self) -> Node:
        """The left-hand side: ∂z/∂x, or ∂z/∂W[i,j]."""
        return self.left_node_at([], self.letters)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """How a notebook shows it."""
        from chainrule.outputs.notebook import jacobian_bundle

        return jacobian_bundle(self)

    def _column_of_entry(self) -> str:
        """∂of/∂wrt[i,j] as a vector: where a delta fixes its place, all other entries are 0."""
        count = len(self.program.variables[self.of].dims)
        if count == 1 and len(self.expression) == 1:
            ((factors, bound), coefficient) = next(iter(self.expression.items()))
            own = free(self.dims)[0]
            deltas = [a for a, _ in factors if a[0] == "δ" and own in a[2]]
            rest = [f for f in factors if f[0] not in deltas]
            if len(deltas) == 1 and not any(own in a[2] for a, _ in rest):
                other = next(i for i in deltas[0][2] if i != own)
                names = dict(zip(free(self.dims), self._names, strict=True))
                term: Expr = {(tuple(rest), bound): coefficient}
                value = index_node(self.program, term, tuple(names), list(names.values()))
                return say("the vector with ", value, " at ", tree.sym(names[other]), " and 0 elsewhere")
        return self.entry.split(" = ", 1)[1]

    @cached_property
    def entries(self) -> str:
        """One entry, with sums over sizes that are small numbers written out."""
        names = self._names
        return _written_out(self, names)

    @cached_property
    def equations(self) -> tuple[str, ...]:
        """The formula, after the named values that it uses and that are not in the network, as Δ₁[t] of a loop."""
        return on_the_way(self._network.program, self.program, self.name, to_text(self.left_node))

    @cached_property
    def structure(self) -> str:
        """What kind of array it is; of a Kronecker product also its factors: "Kronecker product Bᵀ ⊗ A".

        That is the matrix ∂vec(of)/∂vec(wrt), with vec taken column by column.
        """
        found = find_structure(self.program, self.expression, self.dims, len(self.program.variables[self.of].dims))
        if found.left is None or found.right is None:
            return found.kind
        left, right = (
            self._factor(*part, outside) for part, outside in zip((found.left, found.right), found.outside, strict=True)
        )
        return f"{found.kind} {left} ⊗ {right}" if left and right else found.kind

    def _factor(self, expression: Expr, indices: tuple[Index, ...], outside: str) -> str:
        """A factor of a Kronecker product: a matrix, or a row or column where one side is a vector."""
        dims = tuple(i[1] for i in indices)
        kind = "matrix" if len(dims) == 2 else "column" if outside else "row"
        node = Written(self.program, self._notation, expression, dims, kind).node
        return to_text(node, POSTFIX) if node is not None else ""

    @property
    def depends(self) -> bool:
        """Whether `of` depends on `wrt`; where not, the Jacobian is exactly 0."""
        return self.wrt in relevant_equations(self._forward, self.of, [self.wrt])

    @cached_property
    def explainer(self) -> JacobianExplainer:
        """What writes the steps."""
        equations = equations_of(self._network, self._forward)
        return JacobianExplainer(self._forward, self._found, equations, self._names)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The derivation, from the chain rule to the result; through a loop that of a product; none of an exact 0."""
        return tuple(step for one in self.told for step in one.steps) if self._looped else self._own_steps

    @cached_property
    def _looped(self) -> bool:
        """Whether it goes through a loop, where a product with it is what has steps."""
        return self.depends and goes_through_a_loop(self._forward, self.of, self.wrt)

    @cached_property
    def _own_steps(self) -> tuple[Step, ...]:
        return () if not self.depends or self._looped else self.explainer.all_steps()

    @property
    def network(self) -> Network:
        """The network that it belongs to."""
        return self._network

    @property
    def said(self) -> str:
        """What it is, in words."""
        return say("the Jacobian of ", tree.sym(self.of), " by ", tree.sym(self.wrt))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What it assumes beyond what its steps say: facts that were used where there are no steps."""
        return ()

    @cached_property
    def told(self) -> tuple[Told, ...]:
        """What is to be told: the formula with its steps; through a loop what they are for any one product first."""
        return (*(self._product_told() if self._looped else ()), self._told())

    def _product_told(self) -> Iterable[Told]:
        """The gradient of Σ c ∘ f for any c: what is linear in c is then taken for all c at once."""
        known = free_name(self._forward, "c")
        held, product = held_product(self._forward, self.of, known)
        backward = differentiate(held, product, [self.wrt], signal_names=signal_names(held, product, self.wrt))
        explainer = Explainer(held, backward, equations_of(self._network, held))
        where = Where(held, explainer.work, product)
        yield from flowing_back_told(backward, explainer, where, known)
        gradient, own = backward.gradients[self.wrt], held.variables[self.wrt]
        value = backward.program.equations[gradient].value
        assert isinstance(value, dict)
        steps = own.steps
        written = Written(backward.program, MatrixNotation(backward.program), value, own.dims, own.orientation, steps)
        left = tree.partial(phrases.bracketed(explainer.writer.node(product)), tree.at(self.wrt, written.indices))
        reason = say("of ", tree.sym(self.of), " with any ", tree.sym(known), ", which is held")
        yield Told(left, written.tree, own.shape, explainer.steps(gradient, self.wrt), where, reason)

    def _told(self) -> Told:
        left, right = self.left_node_at([], []), self.written.tree
        if self.written.node is None:
            value = self.program.equations[self.name].value
            assert isinstance(value, dict)
            left, right = self.entry_nodes[0], index_node(self.program, value, free(self.dims), self._names)
        explainer = self.explainer
        where = Where(self._forward, explainer.work, self.of, explainer.writer.outer)
        reason = ""
        if not self.depends:
            reason = say(tree.sym(self.of), " does not depend on ", tree.sym(self.wrt), ": it is exactly 0")
        elif self._looped:
            reason = f"linear in {self._any}, so for every one at once: " + "; ".join(self.equations[:-1])
        return Told(left, right, self.shape, self._own_steps, where, reason)

    @property
    def _any(self) -> str:
        """What it is linear in."""
        return display_name(free_name(self._forward, "c"))

    def explained(self, explain: int = 1, form: str = "text") -> str:
        """The formulas with their steps, as text, latex, markdown or html; explain as in `Derivation.text`."""
        from chainrule.outputs.beyond import written_as

        return written_as(self, explain, form)

    def check_steps(self, seed: int = 0) -> StepReport:
        """Each step by itself: both sides in float64 at a random point."""
        return check_told(self.told, seed)

    def evaluate(self, /, **arrays: Any) -> Any:
        """Its value in float64, by the reference interpreter; shape of `of`, then shape of `wrt`."""
        from chainrule.reference import evaluate_program

        values, sizes = self._network.check_arrays(arrays)
        return evaluate_program(self.program, values, sizes, [self.name])[self.name]

    def compile(self, target: str = "numpy", dtype: str = "float64", **options: Any) -> Any:
        """A function of the arrays that gives the Jacobian as an array."""
        from chainrule.compilation import compile_value

        return compile_value(target, self.program, self.name, dtype, **options)

    def __str__(self) -> str:
        formula = f"{to_text(self.left_node)} = {self.text}"
        return "\n".join((*self.equations[:-1], formula)) if has_loops(self.program) else formula

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class Hessian(Jacobian):
    """∂²J/∂wrt²: the Jacobian of the gradient."""

    def __init__(self, network: Network, wrt: str) -> None:
        self.letters = []
        self.wrt = network.name_by(wrt)
        self._network = network
        self._free = network.without_matrix_facts(self.wrt)
        backward = differentiate(self._free.program, network.scalar_loss(), [self.wrt])
        self.of = backward.gradients[self.wrt]
        self._set(backward.program, jacobian(backward.program, self.of, self.wrt))

    @cached_property
    def _names(self) -> list[str]:
        return letters_for(len(self.dims), self.program.shown_names())

    @property
    def said(self) -> str:
        """What it is, in words."""
        loss = self._network.scalar_loss()
        return say("the second derivative of ", tree.sym(loss), " by ", tree.sym(self.wrt))

    @cached_property
    def told(self) -> tuple[Told, ...]:
        """The gradient first, then its Jacobian; through a loop a product with it, then for all directions at once."""
        if self._looped:
            from chainrule.curvature import hessian_product

            return (*hessian_product(self._network, self.wrt).told, self._told())
        return (*gradients_told(self._free.derive(self.wrt)), self._told())

    @property
    def _any(self) -> str:
        return display_name(tangent_name(self.wrt))

    def left_node_at(self, outer: list[str], inner: list[str]) -> Node:
        """∂²J/∂w², or an entry of it: ∂²J/∂w[i]∂w[j]."""
        loss = tree.sym(self._network.scalar_loss())
        return Node("second", (loss, tree.at(self.wrt, outer), tree.at(self.wrt, inner)))


def _written_out(jacobian_: Jacobian, names: list[str]) -> str:
    program = jacobian_.program
    letters = dict(zip(free(jacobian_.dims), names, strict=True))
    parts = []
    if not any(isinstance(i[1], int) and i[1] <= 4 for _, bound in jacobian_.expression for i in bound):
        return jacobian_.entry.partition(" = ")[2]
    for (factors, bound), coefficient in jacobian_.expression.items():
        small = [i for i in bound if isinstance(i[1], int) and i[1] <= 4]
        combos: list[dict[Index, str]] = [{}]
        for index in small:
            combos = [{**c, index: str(v + 1)} for c in combos for v in range(int(index[1]))]
        for combo in combos:
            moved = {index: (-500 - k, index[1]) for k, index in enumerate(small)}
            renamed = tuple(((h, n, tuple(moved.get(x, x) for x in ix)), e) for (h, n, ix), e in factors)
            key = (renamed, tuple(i for i in bound if i not in small))
            table = {**letters, **{moved[i]: combo[i] for i in small}}
            parts.append(index_text(program, {key: coefficient}, tuple(table), list(table.values())))
    return " + ".join(parts).replace("+ −", "− ") if parts else "0"
