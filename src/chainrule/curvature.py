"""More than gradients: directional derivatives, products with Hessians, Kronecker factors, per-sample gradients.

Each is found by the same engine on the network's program: a tangent is forward mode on the backward pass, and the norm
of each sample's gradient comes from its index structure, without forming it: where ∂J/∂W[i,j] = δ[i] x[j], its squared
norm is ‖δ‖² ‖x‖², because the sum over i and j falls apart. Gauss-Newton and Fisher stand in `gauss_newton`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chainrule.algebra.expr import (
    Expr,
    Factor,
    Index,
    Rational,
    add,
    fresh_bound,
    monomial,
    multiply,
    rename,
    size,
)
from chainrule.algebra.expr import variable as bare_variable
from chainrule.algebra.program import Program, Variable
from chainrule.calculus.forward import tangent_name, tangents
from chainrule.calculus.lift import lift
from chainrule.calculus.reverse import differentiate
from chainrule.dims import Dim, display_name
from chainrule.errors import UnsupportedError
from chainrule.explanation.checking import StepReport
from chainrule.explanation.steps import Step
from chainrule.explanation.told import Told, Where, check_told
from chainrule.jacobians import on_the_way
from chainrule.notation import tree
from chainrule.notation.matrix import MatrixNotation
from chainrule.notation.sentence import joined, say
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node
from chainrule.notation.written import Written
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge
from chainrule.telling import gradients_told, tangents_told

if TYPE_CHECKING:
    from chainrule.network import Network

__all__ = ["Derived", "directional", "hessian_product", "kronecker_factors", "sample_gradients", "sample_norms"]


class Derived:
    """A value that the network's program was continued with.

    symbol: its left-hand side.  text, latex: the right-hand side.  equations: the named values on the way, then this
    one, as text.  shape: rows and columns as on paper.
    """

    def __init__(self, network: Network, program: Program, name: str, symbol: Node) -> None:
        self.symbol_node = symbol
        self.program = program
        self.name = name
        self.symbol = to_text(symbol)
        self.said: str = say(symbol)  # what it is, in words
        self.assumptions: tuple[str, ...] = ()  # what is assumed beyond what the steps say
        self.teller: Callable[[], Iterable[Told]] = lambda: (self.plainly(),)
        self._network = network
        variable = program.variables[name]
        self.shape = variable.shape
        value = program.equations[name].value
        assert isinstance(value, dict)
        self._value = value
        steps = variable.steps
        self.written = Written(program, MatrixNotation(program), value, variable.dims, variable.orientation, steps)

    @property
    def text(self) -> str:
        """The right-hand side."""
        return self.written.text

    @property
    def latex(self) -> str:
        """The right-hand side in LaTeX."""
        return self.written.latex

    @property
    def network(self) -> Network:
        """The network that it belongs to."""
        return self._network

    @cached_property
    def told(self) -> tuple[Told, ...]:
        """What is computed on the way, each formula with its steps, then the value itself."""
        return tuple(self.teller())

    def plainly(self, steps: tuple[Step, ...] = (), where: Where | None = None, reason: str = "") -> Told:
        """The value itself as a formula that is told."""
        letters = self.written.indices if self.written.node is None else ()
        left = tree.entry(self.symbol_node, letters) if letters else self.symbol_node
        return Told(left, self.written.tree, self.shape, steps, where, reason)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of every formula on the way, one after the other."""
        return tuple(step for one in self.told for step in one.steps)

    def check_steps(self, seed: int = 0) -> StepReport:
        """Each step by itself: both sides in float64 at a random point."""
        return check_told(self.told, seed)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What is assumed."""
        return self.assumptions

    @cached_property
    def equations(self) -> tuple[str, ...]:
        """What is computed on the way and was not in the network, then the value itself."""
        return on_the_way(self._network.program, self.program, self.name, self.symbol)

    def evaluate(self, **arrays: Any) -> Any:
        """Its value in float64, by the reference interpreter. Raises ArrayError for a missing or misshapen array."""
        from chainrule.network import Network
        from chainrule.reference import evaluate_program

        values, sizes = Network(self.program, None).check_arrays(arrays)
        return evaluate_program(self.program, values, sizes, [self.name])[self.name]

    def compile(self, target: str = "numpy", dtype: str = "float64", **options: Any) -> Any:
        """A function of the arrays that gives the value; `.source` is its code."""
        from chainrule.compilation import compile_value

        return compile_value(target, self.program, self.name, dtype, **options)

    def __str__(self) -> str:
        return f"{self.symbol} = {self.text}"

    def __repr__(self) -> str:
        return f"<Derived {self}>"


# -- first order: one direction ------------------------------------------------------------------------------------


def directional(network: Network, wrt: list[str], of: str) -> Derived:
    """The derivative of `of` along the directions d{v}, one for each v in `wrt`: a Jacobian-vector product."""
    program = tangents(network.program, of, wrt)
    name = tangent_name(of)
    if name not in program.equations:
        raise UnsupportedError(f"{display_name(of)} does not depend on {', '.join(map(display_name, wrt))}")
    found = Derived(network, program, name, tree.sym(name))
    found.said = say(
        "the derivative of ", tree.sym(of), " along ", joined(", ", (tree.sym(tangent_name(n)) for n in wrt))
    )
    found.teller = lambda: tangents_told(network, network.program, program, wrt, {})
    return found


# -- second order --------------------------------------------------------------------------------------------------


def hessian_product(network: Network, wrt: str) -> Derived:
    """∂²J/∂wrt² times a direction d{wrt} of the shape of `wrt`: forward mode on the backward pass."""
    loss = network.scalar_loss()
    free_ = network.without_matrix_facts(wrt)
    backward = differentiate(free_.program, loss, [wrt])
    gradient = backward.gradients[wrt]
    program = tangents(backward.program, gradient, [wrt])
    name = tangent_name(gradient)
    own = network.program.variables[wrt]
    if name not in program.equations:  # linear in it: the Hessian is 0
        program.define(Variable(name, own.dims, own.orientation), {})
    loss_node, wrt_node = tree.sym(loss), tree.sym(wrt)
    node = tree.product([tree.second(loss, wrt), tree.sym(tangent_name(wrt))])
    found = Derived(network, program, name, node)

    def told() -> Iterable[Told]:
        yield from gradients_told(free_.derive(wrt))
        yield from tangents_told(network, backward.program, program, [wrt], {gradient: node})

    found.said = say("the second derivative of ", loss_node, " by ", wrt_node, ", times a direction")
    found.teller = told
    return found


# -- per sample ----------------------------------------------------------------------------------------------------


def _parts(value: Expr, wrt: str, rank: int) -> tuple[Rational, list[Factor], list[Factor]]:
    """The two sides of ∂J/∂W[i,j] = a[i] b[j]. Raises UnsupportedError where it is no such product."""
    if len(value) != 1 or rank != 2:
        raise UnsupportedError(
            f"the gradient at {display_name(wrt)} is no product of two vectors", "a linear layer's W"
        )
    ((factors, bound), coefficient) = next(iter(value.items()))
    sides: list[list[Factor]] = [[], []]
    reach = [{-1}, {-2}]
    left = list(factors)
    changed = True
    while changed:
        changed = False
        for factor in list(left):
            mine = {i[0] for i in factor[0][2]}
            for side in (0, 1):
                if mine & reach[side]:
                    reach[side] |= {m for m in mine if m >= 0}
                    if mine & reach[1 - side]:
                        raise UnsupportedError(f"the gradient at {display_name(wrt)} is no product of two vectors")
                    sides[side].append(factor)
                    left.remove(factor)
                    changed = True
                    break
    sides[0] += left
    if not sides[1]:
        raise UnsupportedError(f"the gradient at {display_name(wrt)} is no product of two vectors")
    _ = bound
    return coefficient, sides[0], sides[1]


def sample_norms(network: Network, wrt: str, batch: Dim = "N") -> Derived:
    """‖∂J_n/∂wrt‖² for every sample n of a batch, no gradient formed; the network is written for one sample."""
    loss = network.scalar_loss()
    backward = differentiate(network.program, loss, [wrt])
    value = backward.adjoints[wrt]
    own = network.program.variables[wrt]
    program = backward.program
    knowledge = Knowledge(network.program)
    knowledge.program = program
    value = _sum_by_name(program, value)
    summed = {i: fresh_bound(i[1]) for i in own.indices}
    square = rename(multiply(value, value), summed, tuple(summed.values()))
    name = f"n_{wrt}"
    while name in program.variables:
        name += "_"
    program.define(Variable(name, (), "scalar"), simplify(square, knowledge))
    lifted, _names = lift(program, loss, batch, "sum", rename=True)
    variable = lifted.variables[name]
    lifted.variables[name] = Variable(name, variable.dims, "column")
    symbol = tree.worded(tree.sym(name), f"‖∂{display_name(loss)}/∂{display_name(wrt)}‖² per sample")
    found = Derived(network, lifted, name, symbol)
    found.said = say("the squared norm of each sample's gradient by ", tree.sym(wrt), ", no gradient formed")
    return found


def sample_gradients(network: Network, wrt: str, batch: Dim = "N") -> Derived:
    """∂J_n/∂wrt for every sample n of a batch, one behind the other; the network is written for one sample."""
    loss = network.scalar_loss()
    backward = differentiate(network.program, loss, [wrt])
    program, gradient = backward.program, backward.gradients[wrt]
    lifted, names = lift(program, loss, batch, "sum", rename=True)
    name, own = names[gradient], network.program.variables[wrt]
    if len(lifted.variables[name].dims) == len(own.dims):
        raise UnsupportedError(
            f"the gradient at {display_name(wrt)} is the same for every sample", "what depends on inputs or labels"
        )
    symbol = tree.worded(tree.sym(name), f"∂{display_name(loss)}/∂{display_name(wrt)} per sample")
    found = Derived(network, lifted, name, symbol)
    found.said = say("the gradient of each sample by ", tree.sym(wrt))
    return found


def _sum_by_name(program: Program, value: Expr) -> Expr:
    """Where a gradient is a sum times factors that all its terms have, (ŷ − y)[i] x[j], the sum gets a name.

    Squared without one it would fall into the products of all its terms, which take longer than the sum.
    """
    if len(value) < 2:
        return value
    shared = set.intersection(*(set(factors) for factors, _ in value))
    shared = {factor for factor in shared if all(i[0] < 0 for i in factor[0][2])}
    rest: Expr = {}
    for (factors, bound), coefficient in value.items():
        kept = [factor for factor in factors if factor not in shared]
        rest = add(rest, monomial(coefficient, kept, bound))
    indices = sorted({i for factors, _ in rest for (_, _, ix), _ in factors for i in ix if i[0] < 0}, reverse=True)
    own = {index: (-1 - k, index[1]) for k, index in enumerate(indices)}
    name = program.fresh_name()
    kind = {0: "scalar", 1: "column", 2: "matrix"}.get(len(indices), "tensor")
    program.define(Variable(name, tuple(dim for _, dim in indices), kind), rename(rest, own, ()))
    return monomial(1, [*shared, (("", name, tuple(indices)), 1)], ())


def kronecker_factors(network: Network, wrt: str, batch: Dim = "N") -> tuple[Derived, Derived]:
    """K-FAC's two factors for the matrix of a linear layer: the means over a batch of a aᵀ and δᵀ δ.

    Where ∂J/∂W[i,j] = δ[i] a[j], the Fisher block of W is approximated by their Kronecker product (Martens and Grosse,
    2015). Raises UnsupportedError where the gradient is no such product.
    """
    loss = network.scalar_loss()
    backward = differentiate(network.program, loss, [wrt])
    own = network.program.variables[wrt]
    coefficient, left, right = _parts(backward.adjoints[wrt], wrt, len(own.dims))
    program = backward.program
    sides = []
    for factors, position, letter in ((left, 0, "S"), (right, 1, "A")):
        index = own.indices[position]
        moved = [((h, n, tuple((-1, index[1]) if i == index else i for i in ix)), e) for (h, n, ix), e in factors]
        bound = {i for (_, _, ix), _ in moved for i in ix if i[0] >= 0}
        side = program.fresh_name()
        value = monomial(coefficient if position == 0 else 1, moved, bound)
        program.define(Variable(side, (index[1],), "column"), value)
        sides.append((side, letter, index[1]))
    lifted, names = lift(program, loss, batch, "sum", rename=True)
    out = []
    for side, letter, dim in sides:
        n: Index = (0, batch)
        data = len(lifted.variables[names[side]].dims) == 2
        if not data:
            raise UnsupportedError(f"the gradient at {display_name(wrt)} does not depend on the sample on both sides")
        first = bare_variable(names[side], (n, (-1, dim)))
        second = bare_variable(names[side], (n, (-2, dim)))
        value = multiply(multiply(first, second), size(batch, -1))
        total: Expr = {}
        for (both, _bound), c in value.items():
            total = add(total, monomial(c, both, (n,)))
        name = f"{letter}_{wrt}"
        lifted.define(Variable(name, (dim, dim), "matrix"), total)
        one = Derived(network, lifted, name, tree.call(letter, (tree.sym(wrt),), 1, 1))
        side_said = "inputs" if letter == "A" else "error signals"
        one.said = say("K-FAC at ", tree.sym(wrt), f": the second moment of the {side_said}")
        out.append(one)
    return out[1], out[0]
