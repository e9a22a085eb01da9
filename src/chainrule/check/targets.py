"""What a claim is about: a gradient, a signal, a Jacobian, a Hessian, or a value; and the layouts in which it is right.

A target holds the right answer as an expression over its indices. Each `Form` is one way to lay it out as a matrix: its
axes in an order, with an orientation. A gradient has two, shape and numerator; they are one at a row and at a scalar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.algebra.expr import Expr, free, rename, variable
from chainrule.algebra.program import Program, Steps
from chainrule.check.context import Context
from chainrule.derivation import Gradient
from chainrule.dims import Dim, display_name, format_shape
from chainrule.notation.matrix import MatrixNotation
from chainrule.notation.written import Written

if TYPE_CHECKING:
    from chainrule.jacobians import Jacobian

__all__ = ["Form", "Target", "gradient_target", "jacobian_target", "signal_target", "value_target"]


@dataclass(frozen=True)
class Form:
    """One layout: `layout` is shape, numerator or both; `order` says which axis of the target stands where."""

    layout: str
    orientation: str
    order: tuple[int, ...]


@dataclass
class Target:
    """The right answer.

    symbol: ∂J/∂W.  of, wrt: what is differentiated by what.  kind: gradient, signal, jacobian, hessian or value.
    program: where the names of `expression` are defined.  rests_on: names whose formulas lie behind it, itself first.
    steps: the claim is about one step δ₂[t] of a sequence, whose first axis is time; forms are laid out as a step is.
    fixed: it is about one step with a number, δ₂[T].
    """

    symbol: str
    kind: str
    of: str
    wrt: str
    program: Program
    expression: Expr
    dims: tuple[Dim, ...]
    forms: tuple[Form, ...]
    gradient: Gradient | None = None
    jacobian: Jacobian | None = None
    signal: str = ""
    steps: Steps | None = None
    fixed: bool = False

    def shape(self, form: Form) -> str:
        """Its size on paper, D_h × D_x."""
        dims = tuple(self.dims[k] for k in form.order)
        if self.steps is not None:
            dims = dims[1:]
        if form.orientation == "column":
            dims = (*dims, 1)
        elif form.orientation == "row":
            dims = (1, *dims)
        return format_shape(dims)

    def arranged(self, form: Form) -> Expr:
        """The answer over the axes of a form."""
        if form.order == tuple(range(len(self.dims))):
            return self.expression
        own = free(self.dims)
        new = free(tuple(self.dims[k] for k in form.order))
        return rename(self.expression, {own[k]: new[position] for position, k in enumerate(form.order)})

    def written(self, form: Form) -> Written:
        """The right formula in a form."""
        dims = tuple(self.dims[k] for k in form.order)
        steps = Steps(self.steps.letter, 0, form.orientation) if self.steps is not None else None
        return Written(self.program, MatrixNotation(self.program), self.arranged(form), dims, form.orientation, steps)


def _gradient_forms(dims: tuple[Dim, ...], orientation: str) -> tuple[Form, ...]:
    if not dims:
        return (Form("both", "scalar", ()),)
    if len(dims) == 1:
        if orientation == "row":
            return (Form("both", "row", (0,)),)
        return (Form("shape", "column", (0,)), Form("numerator", "row", (0,)))
    if len(dims) == 2:
        return (Form("shape", "matrix", (0, 1)), Form("numerator", "matrix", (1, 0)))
    return (Form("shape", "tensor", tuple(range(len(dims)))),)


def gradient_target(context: Context, name: str) -> Target:
    """∂J/∂name."""
    derivation = context.derivation
    assert derivation is not None
    variable_ = context.program.variables[name]
    signal = context.signal_at.get(name, "")
    gradient: Gradient | None
    if signal:
        value = context.program.equations[signal].value
        assert isinstance(value, dict)
        gradient = derivation.signals[signal]
    elif name in context.gradients:
        value, gradient = context.gradients[name], derivation.gradients[name]
    else:
        value, own = context.derived(name)
        gradient = context.explained(name, own)
    symbol = f"∂{display_name(derivation.loss)}/∂{display_name(name)}"
    forms = _gradient_forms(variable_.dims, variable_.orientation)
    return Target(
        symbol,
        "gradient",
        derivation.loss,
        name,
        context.program,
        value,
        variable_.dims,
        forms,
        gradient,
        signal=signal,
    )


def signal_target(context: Context, signal: str) -> Target:
    """δ₂ itself: a row at a vector, of the matrix's shape at a matrix."""
    assert context.derivation is not None
    of = context.derivation.backward.signals[signal]
    variable_ = context.program.variables[signal]
    value = context.program.equations[signal].value
    assert isinstance(value, dict)
    layout = {"row": "numerator", "scalar": "both"}.get(variable_.orientation, "shape")
    if context.program.variables[of].orientation == "row":
        layout = "both"
    forms = (Form(layout, variable_.orientation, tuple(range(len(variable_.dims)))),)
    gradient = context.derivation.signals[signal]
    return Target(
        display_name(signal), "signal", context.derivation.loss, of, context.program, value, variable_.dims, forms,
        gradient, signal=signal,
    )  # fmt: skip


def jacobian_target(context: Context, of: str, wrt: str, second: bool = False) -> Target:
    """∂of/∂wrt in numerator layout, or the second derivative of the loss."""
    found: Jacobian = context.net.hessian(wrt) if second else context.net.jacobian(wrt, of)
    value = found.program.equations[found.name].value
    assert isinstance(value, dict)
    dims = found.dims
    outer = len(dims) - len(context.program.variables[wrt].dims)
    symbol = str(found).split(" = ")[0]
    if not second and not outer:
        forms = _gradient_forms(dims, context.program.variables[wrt].orientation)
    elif len(dims) > 2:
        forms = (Form("numerator", "tensor", tuple(range(len(dims)))),)
    else:
        orientation = found.program.variables[found.name].orientation
        forms = (Form("both" if second else "numerator", orientation, tuple(range(len(dims)))),)
    value = context.adopt(found.program, value)
    kind = "hessian" if second else "jacobian"
    return Target(symbol, kind, of, wrt, context.program, value, dims, forms, jacobian=found)


def value_target(program: Program, name: str) -> Target:
    """The value of a name: of the forward pass, or one of the user's own."""
    variable_ = program.variables[name]
    form = Form("both", variable_.orientation or "scalar", tuple(range(len(variable_.dims))))
    value = program.expression(name) or variable(name, variable_.indices)
    return Target(display_name(name), "value", name, "", program, value, variable_.dims, (form,))
