"""From what the user wrote to what is meant: the targets of claims, and derivatives that stand as factors."""

from __future__ import annotations

from dataclasses import replace

from chainrule.algebra.program import Variable
from chainrule.check.context import Context
from chainrule.check.reading import Claim, Derivative
from chainrule.check.steps import of_a_step
from chainrule.check.targets import Form, Target, gradient_target, jacobian_target, signal_target, value_target
from chainrule.check.trees import places, renamed
from chainrule.check.verdict import Read, Session
from chainrule.dims import display_name
from chainrule.errors import DimensionError, UnknownNameError, UnsupportedError
from chainrule.language import ast

__all__ = ["READINGS", "aliased", "as_target", "derivatives_in", "is_gradient", "target_of"]

READINGS = ("signal", "shape", "numerator")  # how ∂J/∂v is laid out where it stands as a factor
ONE_ENTRY = "one entry of it: ∂z[k]/∂W[i,j] = 1[k = i] x[j]"


def target_of(context: Context, claim: Claim, session: Session) -> Target:
    """What a claim is about. Names that reading its left side makes are added to the session."""
    about = claim.about
    if isinstance(about, Derivative):
        target = derivative_target(context, about)
    elif isinstance(about, str):
        if about in context.signal_at.values():
            target = signal_target(context, about)
        else:
            target = value_target(session.program, about)
    else:
        used = session.fork()
        read = used.read(aliased(context, used, claim, about))
        session.program = read.program.copy()
        target = as_target(read, claim.left)
    step = of_a_step(context, target, claim)
    session.catch_up()
    if step is not None:
        return step
    _check_letters(claim, target)
    return target


def derivative_target(context: Context, derivative: Derivative) -> Target:
    """∂J/∂W, ∂z/∂x or ∂²J/∂w²."""
    for name in (derivative.top, derivative.below):
        if name not in context.net.program.variables:
            what = "a signal" if name in context.signal_at.values() else "a name of your own"
            raise UnknownNameError(
                f"{display_name(name)} is {what}: no derivative of it is known", "a name of the network"
            )
    if derivative.second:
        if derivative.top != context.net.loss:
            raise UnsupportedError(f"second derivatives of {display_name(derivative.top)}", "of the loss: ∂²J/∂w²")
        return jacobian_target(context, derivative.top, derivative.below, second=True)
    if derivative.top == context.net.loss:
        return gradient_target(context, derivative.below)
    return jacobian_target(context, derivative.top, derivative.below)


def as_target(read: Read, text: str) -> Target:
    """The value of a formula, for others to be compared with."""
    value = read.value
    orientation = "matrix" if value.orientation == "identity" else value.orientation
    form = Form("both", orientation, tuple(range(len(value.dims))))
    return Target(text, "value", "", "", read.program, value.expr, value.dims, (form,))


def derivatives_in(claim: Claim, node: ast.Expr) -> list[Derivative]:
    """The derivatives that stand as factors in one formula of a claim."""
    names = set()
    for place in places(node):
        if isinstance(place.node, ast.Name):
            names.add(place.node.name)
        elif isinstance(place.node, ast.Indexed):
            names.add(place.node.base.name)
    return [d for symbol, d in claim.derivatives.items() if symbol in names]


def is_gradient(context: Context, derivative: Derivative) -> bool:
    """True for ∂J/∂v of the loss, which has two layouts."""
    return not derivative.second and derivative.top == context.net.loss


def aliased(
    context: Context, session: Session, claim: Claim, node: ast.Expr, reading: str = READINGS[0]
) -> ast.Expr:  # fmt: skip
    """The formula with every derivative that stands in it as a factor a name of the session.

    reading: "signal" (a row at a vector, of the matrix's shape at a matrix, as error signals are), or a layout. Each
    reading has a name of its own, since what is defined by one must not change its meaning with another.
    """
    names = {}
    for derivative in derivatives_in(claim, node):
        name = derivative.symbol
        if reading != READINGS[0] and is_gradient(context, derivative):
            name = names[derivative.symbol] = f"{derivative.symbol} in {reading} layout"
        _alias(context, session, derivative, reading, node, name)
    return renamed(node, names) if names else node


def _alias(
    context: Context, session: Session, derivative: Derivative, reading: str, node: ast.Expr, name: str
) -> None:  # fmt: skip
    target = derivative_target(context, derivative)
    session.catch_up()
    whole = any(isinstance(p.node, ast.Name) and p.node.name == derivative.symbol for p in places(node))
    if len(target.dims) > 2 and whole:
        raise UnsupportedError(
            f"{derivative.symbol} has {len(target.dims)} indices: it is no matrix, and a product with it has no one "
            "meaning", ONE_ENTRY,
        )  # fmt: skip
    form = target.forms[0]
    if len(target.forms) > 1 and (reading == "numerator" or (reading == "signal" and len(target.dims) == 1)):
        form = target.forms[1]
    dims = tuple(target.dims[k] for k in form.order)
    steps = context.program.variables[derivative.below].steps if is_gradient(context, derivative) else None
    if steps is not None and form is target.forms[0]:  # ∂J/∂h[t], a row at a column as error signals are
        row = steps.orientation == "column" and reading == READINGS[0]
        steps = replace(steps, orientation="row" if row else steps.orientation)
    else:
        steps = None
    if name not in session.program.variables:
        session.program.define(Variable(name, dims, form.orientation, steps=steps), target.arranged(form))


def _check_letters(claim: Claim, target: Target) -> None:
    count = len(target.dims)
    if claim.letters is not None and len(claim.letters) != count:
        hint = f"[{','.join('ijklmnpq'[:count])}]" if count else f"{target.symbol} = …"
        raise DimensionError(f"{target.symbol} has {count} indices, not {len(claim.letters)}", hint, claim.span)
    if claim.letters is None and count > 2:
        raise UnsupportedError(f"{target.symbol} has {count} indices: it is no matrix", ONE_ENTRY, claim.span)
