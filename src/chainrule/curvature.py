"""More than gradients: values that a network's program is continued with; directional derivatives, Hessian products.

Each is found by the same engine on the network's program: a tangent is forward mode, on the backward pass for second
order. Gauss-Newton and Fisher stand in `gauss_newton`, what belongs to single samples in `samples`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chainrule.algebra.program import Program, Variable
from chainrule.calculus.forward import tangent_name, tangents
from chainrule.calculus.reverse import differentiate
from chainrule.dims import display_name
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
from chainrule.telling import gradients_told, tangents_told

if TYPE_CHECKING:
    from chainrule.network import Network

__all__ = ["Derived", "directional", "hessian_product"]


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

    def explained(self, explain: int = 1, form: str = "text") -> str:
        """The formulas with their steps, as text, latex, markdown or html; explain as in `Derivation.text`."""
        from chainrule.outputs.beyond import written_as

        return written_as(self, explain, form)

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

    def evaluate(self, /, **arrays: Any) -> Any:
        """Its value in float64, by the reference interpreter. Raises ArrayError for a missing or misshapen array."""
        from chainrule.network import Network
        from chainrule.reference import evaluate_program

        values, sizes = Network(self.program, None).check_arrays(arrays)
        return evaluate_program(self.program, values, sizes, [self.name])[self.name]

    def compile(self, target: str = "numpy", dtype: str = "float64", **options: Any) -> Any:
        """A function of the arrays that gives the value; `.source` is its code."""
        from chainrule.compilation import compile_value

        return compile_value(target, self.program, self.name, dtype, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """How a notebook shows it."""
        from chainrule.outputs.notebook import told_bundle

        return told_bundle(self)

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
