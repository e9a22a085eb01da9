"""A derivation: the gradients of a network's loss, their error signals, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chainrule.algebra.expr import free, rename
from chainrule.algebra.expr import variable as algebra_variable
from chainrule.algebra.program import Variable, is_anonymous
from chainrule.calculus.reverse import Backward, differentiate
from chainrule.calculus.tied import TIED, tied
from chainrule.dims import Dim, canonical_name, display_name
from chainrule.errors import DimensionError, UnsupportedError
from chainrule.explanation.chain import Explainer
from chainrule.explanation.steps import Step
from chainrule.explanation.writing import APART
from chainrule.notation.binding import ATOM
from chainrule.notation.latex import name_to_latex, to_latex
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node, at
from chainrule.notation.written import Written
from chainrule.reaching import reason_of
from chainrule.simplify.knowledge import Knowledge
from chainrule.simplify.shortest import shortest

if TYPE_CHECKING:
    from chainrule.explanation.checking import StepReport
    from chainrule.network import Network
    from chainrule.verification import Report

__all__ = ["Derivation", "Gradient", "Step"]


class Gradient:
    """The gradient, or error signal, at one name.

    name: ∂J/∂W or δ₁.  of: what it is the gradient at.  text, latex: the right-hand side; a signal's in numerator
    layout (a row at a vector), a gradient's in the parameter's shape.  numerator: the gradient in numerator layout.
    shape: rows and columns.  reason: one line on where it comes from.
    """

    def __init__(self, derivation: Derivation, name: str, of: str) -> None:
        self.name = name
        self.of = of
        self._derivation = derivation
        program = derivation.program
        self._variable = program.variables[name]
        value = program.equations[name].value
        assert isinstance(value, dict)
        self.expression = value
        variable = self._variable
        self.written = Written(
            program, derivation.notation, value, variable.dims, variable.orientation, variable.steps
        )  # fmt: skip

    @property
    def text(self) -> str:
        """The right-hand side."""
        return self.written.text

    @property
    def latex(self) -> str:
        """The right-hand side in LaTeX."""
        return self.written.latex

    @property
    def mathml(self) -> str:
        """The right-hand side in MathML."""
        from chainrule.notation.mathml import to_mathml

        return to_mathml(self.written.tree)

    @property
    def variable(self) -> Variable:
        """The program's variable."""
        return self._variable

    @property
    def shape(self) -> tuple[Dim, ...]:
        """Rows and columns as on paper."""
        return self._variable.shape

    @property
    def sizes(self) -> str:
        """The dimension line: (1×N_c)(N_c×D_h) ∘ (1×D_h)."""
        return self.written.size_line

    @cached_property
    def numerator(self) -> str:
        """In numerator layout: the derivative of a scalar is a row; at a matrix m × n it is n × m."""
        return (self.turned or self.written).text

    @property
    def numerator_node(self) -> Node | None:
        """The same as a tree, or None where it has no matrix notation."""
        return (self.turned or self.written).node

    @cached_property
    def turned(self) -> Written | None:
        """In numerator layout, or None where that is the formula itself or, beyond matrices, has no rows."""
        program, dims = self._derivation.program, self._variable.dims
        if self._variable.kind == "signal" or self.of in self._derivation.backward.zero:
            return None
        steps = self._variable.steps
        if steps is not None:
            if steps.orientation != "column" or self.written.node is None:
                return None
            row = replace(steps, orientation="row")
            return Written(program, self._derivation.notation, self.expression, dims, "", row)
        if len(dims) == 1 and self._variable.orientation != "row" and self.written.node is not None:
            return Written(program, self._derivation.notation, self.expression, dims, "row")
        if len(dims) == 2 and self.written.node is not None:
            i, j = free(dims)
            turned = rename(self.expression, {i: (-2, i[1]), j: (-1, j[1])})
            return Written(program, self._derivation.notation, turned, (dims[1], dims[0]), "matrix")
        return None

    @cached_property
    def tied(self) -> Written | None:
        """At a matrix with a fact such as symmetric: the gradient where only matrices with the fact are moved.

        None where nothing ties the entries, and for a triangular matrix also where it is a part of the gradient.
        """
        own = self._derivation.network.program.variables[self.of]
        facts = [f for f in own.facts if f in TIED]
        if not facts or len(own.dims) != 2 or self.of in self._derivation.backward.zero:
            return None
        program = self._derivation.program.copy()
        knowledge = Knowledge(self._derivation.network.program)
        knowledge.program = program
        value = self._derivation.backward.adjoints[self.of]
        found = tied(program, knowledge, own, value, facts[0])
        if found is None:
            return None
        shown = shortest(found, own.indices, knowledge, program, "matrix")
        return Written(program, MatrixNotation(program), shown, own.dims, "matrix")

    @property
    def reason(self) -> str:
        """Where it comes from, in one line."""
        return self._derivation.reason(self)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The derivation of this formula, from the chain rule to its final form."""
        return self._derivation.steps(self)

    @property
    def whole(self) -> dict[str, str]:
        """The formula by itself, under its own name, then the signals that it uses more than once, each with its text.

        A signal that is used once is written out in its place.
        """
        from chainrule.outputs.whole import whole

        return whole(self._derivation, self)

    @property
    def symbol(self) -> str:
        """The left-hand side: δ₁ = ∂J/∂θ, or ∂J/∂W, with indices where the formula has them."""
        return self._derivation.symbol(self)

    def __str__(self) -> str:
        return f"{self.symbol} = {self.text}"

    def __repr__(self) -> str:
        return f"<Gradient {self}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """How a notebook shows it."""
        from chainrule.outputs.notebook import gradient_bundle

        return gradient_bundle(self._derivation, self)


class Derivation:
    """All gradients of a loss. `signals` and `gradients` are ordered mappings from names to `Gradient`."""

    def __init__(self, network: Network, wrt: list[str], signal_names: Mapping[str, str] | None = None) -> None:
        self.network = network
        self.loss = network.scalar_loss()
        self.wrt = wrt
        self.signal_names = dict(signal_names or {})  # the user's, by the variable that a signal belongs to
        self.backward: Backward = differentiate(network.program, self.loss, wrt, signal_names=self.signal_names)
        self.program = self.backward.program
        self.notation = MatrixNotation(self.program)
        self._steps: dict[str, tuple[Step, ...]] = {}

    def no_dependence(self, name: str) -> str:
        """What is said of a name on which the loss does not depend."""
        return f"{display_name(self.loss)} does not depend on {display_name(name)}: its gradient is exactly 0"

    @cached_property
    def signals(self) -> Any:
        """Error signals by name (δ₁ or delta1), from the loss backwards."""
        from chainrule.contents import NameMap

        return NameMap({display_name(s): Gradient(self, s, of) for s, of in self.backward.signals.items()})

    @cached_property
    def gradients(self) -> Any:
        """Gradients by the name that they are taken at, in the shape of it."""
        from chainrule.contents import NameMap

        return NameMap({of: Gradient(self, g, of) for of, g in self.backward.gradients.items()})

    def rename(self, names: Mapping[str, str]) -> Derivation:
        """The same derivation under other names: {"δ₂": "e", "W": "A", "D_h": "H"} for signals, variables, sizes and
        functions of the program's own; in every output, in the steps and in compiled code.

        Any spelling of an old name will do. All are renamed at once, so {"a": "b", "b": "a"} swaps two.
        Raises UnknownNameError for a name that there is not, and LanguageError for a new one that is no name, that is
        in use, or that is a function's.
        """
        chosen = self.network.check_names(names, self.backward.signals)
        here = {old: new for old, new in chosen.items() if old not in self.backward.signals}
        signals = {here.get(of, of): chosen.get(s, s) for s, of in self.backward.signals.items()}
        wrt = [here.get(name, name) for name in self.wrt]
        return Derivation(self.network.renamed(here), wrt, signals)

    def describe(self, name: str) -> str:
        """A name as people read it; an anonymous one by what it stands for, in brackets."""
        if not is_anonymous(name) and self.program.variables[name].steps is None:
            return display_name(name)
        node = self.describe_node(name)
        return to_text(node) if node.op in APART or not is_anonymous(name) else f"({to_text(node)})"

    def describe_node(self, name: str, letters: tuple[str, ...] = ()) -> Node:
        """The same as a tree: the name, or one entry of it, or what an anonymous one stands for."""
        variable = self.program.variables[name]
        if variable.steps is not None and (not letters or letters == (variable.steps.letter,)):
            with suppress(Irreducible):
                return self.notation.step_node(name, variable.steps.letter)
        if not is_anonymous(name):
            return at(name, letters)
        with suppress(Irreducible):  # as the steps call it: gelu(O W1), and not what that is made of
            if not letters and (call := self.notation.spelled(name)) is not None:
                return call
        value = self.program.expression(name)
        if value is None:  # an operation: written as a call
            value = algebra_variable(name, variable.indices)
        return Written(self.program, self.notation, value, variable.dims, variable.orientation).tree

    def symbol(self, gradient: Gradient) -> str:
        """The left-hand side of a formula."""
        letters = gradient.written.indices
        at = f"[{','.join(letters)}]" if letters else ""
        own = self.program.variables[gradient.of]
        of = f"∂{display_name(self.loss)}/∂{self.describe(gradient.of)}"
        if own.steps is not None:
            if own.steps.sheet and is_anonymous(gradient.of) and not self._has_matrix(gradient.of):
                return f"{display_name(gradient.name)}{at}"
            if letters == (own.steps.letter,):  # one step, whose letter stands in the name already
                return f"{display_name(gradient.name)}{at} = {of}" if gradient.name in self.backward.signals else of
            of = f"∂{display_name(self.loss)}/∂{display_name(gradient.of)}"
        if gradient.name in self.backward.signals:
            return f"{display_name(gradient.name)}{at} = {of}" if not at else f"{display_name(gradient.name)}{at}"
        return of + at

    def _has_matrix(self, name: str) -> bool:
        """Whether what an unnamed array of three axes stands for can be written at one of its matrices."""
        try:
            self.notation.step_node(name, self.program.variables[name].steps.letter)  # type: ignore[union-attr]
        except Irreducible:
            return False
        return True

    def latex_symbol(self, gradient: Gradient) -> str:
        """The left-hand side in LaTeX."""
        letters = gradient.written.indices
        below = to_latex(self.describe_node(gradient.of, letters), ATOM)
        of = rf"\frac{{\partial {name_to_latex(self.loss)}}}{{\partial {below}}}"
        if gradient.name in self.backward.signals:
            return f"{to_latex(at(gradient.name, letters))} = {of}"
        return of

    def reason(self, gradient: Gradient) -> str:
        """One line: where each transpose and each sum comes from, and how the two layouts are related."""
        return reason_of(self, gradient)

    @cached_property
    def explainer(self) -> Explainer:
        """What writes the steps."""
        return Explainer(self.network.program, self.backward, {e.name: e.whole for e in self.network.equations})

    def steps(self, gradient: Gradient) -> tuple[Step, ...]:
        """The derivation of one formula, from the chain rule to its final form."""
        if gradient.of in self.backward.zero:
            return ()
        if gradient.name not in self._steps:
            self._steps[gradient.name] = self.explainer.steps(gradient.name, gradient.of)
        return self._steps[gradient.name]

    def check_steps(self, seed: int = 0) -> StepReport:
        """Each step of every formula by itself: both sides in float64 at a random point."""
        from chainrule.explanation.checking import check_steps

        steps = [step for g in (*self.signals.values(), *self.gradients.values()) for step in g.steps]
        return check_steps(self.network.program, self.explainer.work, self.loss, steps, seed)

    def __repr__(self) -> str:
        return (
            f"<Derivation of {display_name(self.loss)}: {len(self.signals)} signals, {len(self.gradients)} gradients>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """How a notebook shows it."""
        from chainrule.outputs.notebook import derivation_bundle

        return derivation_bundle(self)

    # -- outputs ---------------------------------------------------------------------------------------------------

    def text(self, explain: int = 0, layout: str = "both") -> str:
        """Signals, gradients and their sizes, as plain text.

        explain: 0 the results, 1 their steps, 2 finer steps, 3 also the proof of each identity.
        layout: "shape" (a gradient has its parameter's shape), "numerator" (a row at a vector) or "both".
        Every output takes these two; another value raises ChainruleError.
        """
        from chainrule.outputs.text import derivation_text

        return derivation_text(self, explain, layout)

    def latex(self, explain: int = 0, document: bool = False, layout: str = "both") -> str:
        """All formulas as an amsmath `align*` block, or as a document for pdflatex or lualatex."""
        from chainrule.outputs.latex import derivation_latex

        return derivation_latex(self, explain, document, layout)

    def markdown(self, explain: int = 0, layout: str = "both") -> str:
        """A page for GitHub or a notebook: the equations, the formulas and their sizes."""
        from chainrule.outputs.markdown import derivation_markdown

        return derivation_markdown(self, explain, layout)

    def html(self, explain: int = 1, layout: str = "both", report: Report | None = None) -> str:
        """A self-contained page with MathML: see `outputs.html.derivation_html`."""
        from chainrule.outputs.html import derivation_html

        return derivation_html(self, explain, report, layout)

    def picture(self, standalone: bool = True) -> str:
        """The network with its sizes, and the signals that flow back, as SVG; standalone: a file by itself."""
        from chainrule.picture import network_svg

        texts = {e.name: str(e) for e in self.network.equations}
        texts |= {of: self.describe(of)[1:-1] for of in self.backward.signals.values() if is_anonymous(of)}
        title = f"{self.network.title or 'The network'}: its equations, and the error signals flowing back"
        return network_svg(self.network.program, self.backward, texts, title, standalone)

    def to_json(self, report: Report | None = None, layout: str = "both") -> dict[str, Any]:
        """The derivation as data; its fields are those of the published schema, `chainrule.outputs.json.schema()`."""
        from chainrule.outputs.json import derivation_json

        return derivation_json(self, report, layout)

    def verify(self, seed: int = 0, sizes: dict[str, int] | None = None) -> Report:
        """Every gradient against central differences in float64 on random data of distinct prime sizes."""
        from chainrule.verification import verify_gradients

        return verify_gradients(self.network.program, self.program, self.loss, self.backward.gradients, seed, sizes)

    def compile(
        self, target: str = "numpy", batch: Dim | bool | None = None, dtype: str = "float64",
        reduction: str = "sum", **options: Any,
    ) -> Any:  # fmt: skip
        """A step: `step(**arrays) -> (loss, {name: gradient})`, with its readable `.source`.

        batch: "N" (or True) lifts a program that was written for one sample; the loss is then the sum (or, with
        reduction="mean", the mean) over the batch. dtype: float64 or float32. Options are the target's.
        Raises UnsupportedError for a target that does not exist.
        """
        from chainrule.compilation import compile_step

        if batch is not None and batch is not False:
            size = "N" if batch is True else batch
            if isinstance(size, str) and canonical_name(size) in map(canonical_name, self.signal_names.values()):
                raise DimensionError(f"{size} is the name of a signal already", "another name for the batch size")
            lifted = self.network.lift(size, reduction, rename=False)
            return Derivation(lifted, self.wrt, self.signal_names).compile(target, None, dtype, **options)
        if reduction != "sum":
            raise UnsupportedError(
                f"reduction={reduction!r} is over a batch, and there is none", 'batch="N", or a mean in the network'
            )
        return compile_step(target, self, dtype, **options)
