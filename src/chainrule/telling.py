"""What is told on the way to a value beyond gradients: signals, gradients, tangents, each formula with its steps.

A Hessian begins with the gradient, a product with it goes on with the tangent of every name; a product with the
Gauss-Newton matrix takes tangents up to the output. Each part is told here once, for `jacobians` and `curvature`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from chainrule.algebra.expr import multiply, sum_over, variable
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.calculus.forward import tangent_name
from chainrule.calculus.reverse import Backward, differentiate
from chainrule.dims import canonical_name
from chainrule.explanation.chain import Explainer
from chainrule.explanation.tangent import TangentExplainer
from chainrule.explanation.told import Told, Where
from chainrule.notation import tree
from chainrule.notation.matrix import MatrixNotation
from chainrule.notation.sentence import say
from chainrule.notation.tree import Node
from chainrule.notation.written import Written

if TYPE_CHECKING:
    from chainrule.derivation import Derivation
    from chainrule.network import Network

__all__ = [
    "equations_of",
    "flowing_back_told",
    "free_name",
    "gradients_told",
    "held_product",
    "signal_names",
    "tangents_told",
]


def equations_of(network: Network, program: Program) -> dict[str, Node]:
    """The named equations of `program`, the network's and those beyond, δ₁ = (ŷ − y)ᵀ, for the reasons of steps."""
    notation = MatrixNotation(program)
    found = {e.name: e.whole for e in network.equations}
    for equation in program:
        name, own = equation.name, program.variables[equation.name]
        if name in network.program.equations or not isinstance(equation.value, dict) or is_anonymous(name):
            continue
        written = Written(program, notation, equation.value, own.dims, own.orientation, own.steps)
        if own.kind == "gradient" and name.startswith("∂"):
            loss, by = name.removeprefix("∂").split("/∂", 1)
            left = tree.partial(tree.sym(loss), tree.at(by, written.indices if own.steps is None else ()))
        else:
            left = tree.at(name, written.indices)
        found[name] = tree.equal(left, written.tree)
    return found


def gradients_told(derivation: Derivation) -> Iterable[Told]:
    """The signals and gradients of a derivation."""
    network = derivation.network
    for gradient in (*derivation.signals.values(), *derivation.gradients.values()):
        letters, steps = gradient.written.indices, gradient.steps
        left = tree.partial(tree.sym(derivation.loss), derivation.describe_node(gradient.of, letters))
        if gradient.name in derivation.backward.signals:
            left = tree.equal(tree.at(gradient.name, letters), left)
        where = Where(network.program, derivation.explainer.work, derivation.loss)
        yield Told(left, gradient.written.tree, gradient.shape, steps, where, gradient.reason)


def tangents_told(
    network: Network, forward: Program, work: Program, wrt: Iterable[str], ends: Mapping[str, Node]
) -> Iterable[Told]:
    """The formulas of all tangents that `work` has beyond `forward`, with their steps.

    ends: what the tangent of a name is called, where that is not d and the name.
    """
    with_directions = forward.copy()
    for name in wrt:
        if tangent_name(name) not in with_directions.variables:
            with_directions.declare(work.variables[tangent_name(name)])
    explainer = TangentExplainer(with_directions, work, equations_of(network, forward), ends)
    notation = MatrixNotation(work)
    for equation in forward:
        name, own = equation.name, forward.variables[equation.name]
        tangent = tangent_name(name)
        found = work.equations.get(tangent)
        if found is None or tangent in forward.equations or not isinstance(found.value, dict):
            continue
        if is_anonymous(name):
            continue  # written out where it is used
        written = Written(work, notation, found.value, own.dims, own.orientation, own.steps)
        left = ends.get(name)
        if left is None:
            left = tree.at(tangent, written.indices)
        where = Where(with_directions, explainer.work, name)
        yield Told(left, written.tree, own.shape, explainer.steps(name), where)


def free_name(program: Program, name: str) -> str:
    """The name, with an underscore for each time that the program has it."""
    taken = {canonical_name(n) for n in program.variables}
    while canonical_name(name) in taken:
        name += "_"
    return name


def held_product(program: Program, output: str, known: str) -> tuple[Program, str]:
    """The program with Σ known ∘ output at its end, `known` declared and held; and what that scalar is called."""
    held, out = program.copy(), program.variables[output]
    held.declare(Variable(known, out.dims, out.orientation, "const", steps=out.steps))
    product = held.fresh_name()
    inner = multiply(variable(known, out.indices), variable(output, out.indices))
    held.define(Variable(product, (), "scalar"), sum_over(inner, out.indices))
    return held, product


def signal_names(held: Program, product: str, wrt: str) -> dict[str, str]:
    """γ₁, γ₂, …: what flows back from a product is no error signal of the loss."""
    found = differentiate(held, product, [wrt])
    names: dict[str, str] = {}
    taken = {canonical_name(n) for n in held.variables}
    for number, of in enumerate(found.signals.values(), 1):
        letter = "Γ" if len(held.variables[of].dims) >= 2 else "γ"
        name = f"{letter}{number}"
        while canonical_name(name) in taken:
            name += "_"
        names[of] = name
    return names


def flowing_back_told(
    backward: Backward, explainer: Explainer, where: Where, known: str
) -> Iterable[Told]:  # fmt: skip
    """The signals of a product with `known`, which is held, each with its steps."""
    notation = MatrixNotation(backward.program)
    for signal, of in backward.signals.items():
        own = backward.program.variables[signal]
        value = backward.program.equations[signal].value
        assert isinstance(value, dict)
        written = Written(backward.program, notation, value, own.dims, own.orientation, own.steps)
        left = tree.at(signal, written.indices)
        reason = say("what flows back to ", explainer.writer.node(of), ", ", tree.sym(known), " held")
        yield Told(left, written.tree, own.shape, explainer.steps(signal, of), where, reason)
