"""Gauss-Newton and Fisher: what a loss curves through the output of a network, the network itself taken as linear.

G = (∂f/∂w)ᵀ (∂²J/∂f²) (∂f/∂w) for the output f. For a vector it is a matrix; for a matrix W an array over W's indices
twice, which is said in index notation. Its product with a direction is not formed for that: the tangent of the output,
df, goes through the loss's own curvature, v = ∂²J/∂f² df, and back as a gradient does, G dW = ∂(vᵀ f)/∂W with v held.
What J holds of w besides f (a penalty) is no part of it, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from chainrule.algebra.expr import Index, atom_variables, free, multiply, rename
from chainrule.algebra.expr import variable as bare_variable
from chainrule.algebra.loops import arrange, is_lag, loop_members
from chainrule.algebra.program import Equation, Program, Variable, is_anonymous
from chainrule.algebra.renaming import Renaming, renamed_expression, renamed_program
from chainrule.calculus.forward import tangent_name, tangents
from chainrule.calculus.jacobian import JacobianProgram, jacobian
from chainrule.calculus.reverse import differentiate, relevant_equations
from chainrule.curvature import Derived
from chainrule.dims import display_name
from chainrule.errors import UnsupportedError
from chainrule.explanation.chain import Explainer
from chainrule.explanation.told import Told, Where
from chainrule.notation import phrases, tree
from chainrule.notation.sentence import say
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge
from chainrule.simplify.shortest import shortest
from chainrule.telling import (
    equations_of,
    flowing_back_told,
    free_name,
    gradients_told,
    held_product,
    signal_names,
    tangents_told,
)

if TYPE_CHECKING:
    from chainrule.network import Network

__all__ = ["fisher", "fisher_product", "gauss_newton", "gauss_newton_product"]


def _output(network: Network, of: str | None, wrt: str) -> tuple[Network, str]:
    """What is linearised: by default the name of the first signal, the logits. Raises where it is none of `wrt`'s.

    Logits without a name get one, and what a loop computes one for what is read of it behind the loop; so the network
    comes with them.
    """
    if of is not None:
        output = network.name(of)
    else:
        signals = network.derive().backward.signals
        if not signals:
            raise UnsupportedError("there is no error signal to take the output from", "of= the network's output")
        output = next(iter(signals.values()))
        if output in loop_members(network.program):
            output = _read_of_loops(network)
    if wrt not in relevant_equations(network.program, output, [wrt]):
        raise UnsupportedError(
            f"the output {display_name(output)} does not depend on {display_name(wrt)}", "of= an output that does"
        )
    if output in loop_members(network.program):
        return _behind_its_loop(network, output)
    if not is_anonymous(output):
        return network, output
    name = free_name(network.program, "f")
    program = renamed_program(network.program, Renaming({output: name}))
    program.interior.discard(name)
    again = network.with_program(program)
    return again, name


def _read_of_loops(network: Network) -> str:
    """The one sequence of a loop that the loss reads. Raises UnsupportedError where it reads several."""
    program, loops = network.program, loop_members(network.program)
    found: dict[str, None] = {}
    stack, seen = [network.scalar_loss()], set[str]()
    while stack:
        name = stack.pop()
        if name in loops:
            found[name] = None
        elif name not in seen and name in program.equations:
            seen.add(name)
            stack += program.equations[name].arguments
    if len(found) == 1:
        return next(iter(found))
    raise UnsupportedError("the loss reads several sequences of loops: which is the output?", "of= the output")


def _behind_its_loop(network: Network, output: str) -> tuple[Network, str]:
    """f[t] = h[t] behind the loop, which all read that stand there: ∂J/∂f is without what later steps make of h[t]."""
    program, loops = network.program.copy(), loop_members(network.program)
    inside = {n for n, number in loops.items() if number == loops[output]}
    if any(e.name not in inside and output in _lagged(program, e.arguments) for e in program):
        said = f"what stands behind the loop reads earlier steps of the output {display_name(output)} too"
        raise UnsupportedError(said, f"{display_name(output)} in an equation of its own: f[t] = … for t = 1..T, of= f")
    own, name = program.variables[output], free_name(program, "f")
    renamed = Renaming({output: name})
    equations: dict[str, Equation] = {}
    waiting = set(inside)
    for equation in program:
        waiting.discard(equation.name)
        if equation.name in inside or output not in equation.arguments:
            equations[equation.name] = equation
        else:
            value = equation.value
            moved = (
                renamed_expression(value, renamed)
                if isinstance(value, dict)
                else replace(value, args=tuple(name if a == output else a for a in value.args))
            )
            equations[equation.name] = replace(equation, value=moved, source=None)
        if not waiting and name not in equations:
            equations[name] = Equation(name, bare_variable(output, own.indices))
    program.variables[name] = replace(own, name=name)
    program.equations = equations
    program.reordered()
    return network.with_program(program), name


def _lagged(program: Program, names: Iterable[str]) -> set[str]:
    """The sequences of which these names are earlier steps."""
    return {program.equations[n].arguments[0] for n in names if is_lag(program.equations.get(n))}


def _middle(network: Network, output: str) -> JacobianProgram:
    """∂²J/∂output², everything below the output held: over the output's indices, twice."""
    backward = differentiate(network.program, network.scalar_loss(), [output])
    return jacobian(backward.program, backward.gradients[output], output)


def _besides(network: Network, output: str, wrt: str) -> tuple[str, ...]:
    """What is said where J depends on `wrt` in another way too."""
    loss = network.scalar_loss()
    without = network.program.copy()
    if output not in without.equations:
        return ()
    without.equations.pop(output)
    without.reordered()
    if wrt not in relevant_equations(without, loss, [wrt]):
        return ()
    names = tree.sym(loss), tree.sym(wrt), tree.sym(output)
    return (say("what ", names[0], " holds of ", names[1], " besides ", names[2], " (a penalty) is no part of it"),)


def gauss_newton(network: Network, wrt: str, of: str | None = None) -> Derived:
    """The Gauss-Newton matrix (∂f/∂wrt)ᵀ (∂²J/∂f²) (∂f/∂wrt) for the output f = `of`, over `wrt`'s indices twice."""
    network = network.without_matrix_facts(wrt)
    network, output = _output(network, of, wrt)
    own, out = network.program.variables[wrt], network.program.variables[output]
    curved = _middle(network, output)
    middle = curved.expression
    found = jacobian(curved.program, output, wrt)
    program = found.program
    knowledge = Knowledge(network.program)
    knowledge.program = program
    count, rank = len(out.dims), len(own.dims)
    a: tuple[Index, ...] = tuple((-700 - k, d) for k, d in enumerate(out.dims))
    b: tuple[Index, ...] = tuple((-800 - k, d) for k, d in enumerate(out.dims))
    inner = [(-1 - count - k, d) for k, d in enumerate(own.dims)]
    first, second = (
        dict(zip(inner, ((-1 - k - shift, d) for k, d in enumerate(own.dims)), strict=True)) for shift in (0, rank)
    )
    left = rename(found.expression, dict(zip(out.indices, a, strict=True)) | first)
    right = rename(found.expression, dict(zip(out.indices, b, strict=True)) | second)
    both = dict(zip(free((*out.dims, *out.dims)), (*a, *b), strict=True))
    value = multiply(multiply(left, rename(middle, both), a), right, b)
    value = simplify(value, knowledge)
    dims = (*own.dims, *own.dims)
    kind = {0: "scalar", 2: "matrix"}.get(len(dims), "tensor")
    name = free_name(program, f"G_{wrt}")
    program.define(Variable(name, dims, kind), shortest(value, free(dims), knowledge, program, kind))
    result = Derived(network, program, name, tree.call("G", (tree.sym(wrt),), 1, 1))
    result.said = say("the Gauss-Newton matrix of ", tree.sym(wrt), " through ", tree.sym(output))
    result.assumptions = _besides(network, output, wrt)

    def told() -> Iterable[Told]:
        from chainrule.jacobians import Hessian, Jacobian

        part, whole = Jacobian(network, wrt, output), Hessian(network, output)
        yield from part.told
        yield from whole.told
        said = whole.left_node
        turned = Node("T", (phrases.bracketed(part.left_node),)) if count else part.left_node
        over = "" if count == 1 == rank else ", summed over the entries of the output"
        product_said = say("it is ", Node("prod", (turned, said, part.left_node)), over)
        yield result.plainly(reason=product_said)

    result.teller = told
    return result


def gauss_newton_product(network: Network, wrt: str, of: str | None = None) -> Derived:
    """The Gauss-Newton matrix of `wrt`, of any shape, times the direction d{wrt}; it is not formed."""
    network = network.without_matrix_facts(wrt)
    network, output = _output(network, of, wrt)
    loss = network.scalar_loss()
    out = network.program.variables[output]
    pushed = tangents(network.program, output, [wrt])
    curved = differentiate(pushed, loss, [output])
    gradient = curved.gradients[output]
    after = tangents(curved.program, gradient, [output], given=True)
    found = after.equations.pop(tangent_name(gradient), None)
    known = free_name(after, "v")
    value = found.value if found is not None else {}
    after.variables.pop(tangent_name(gradient), None)
    # Back: the gradient of Σ v ∘ f, v held.
    held, product = held_product(after, output, known)
    names = signal_names(held, product, wrt)
    backward = differentiate(held, product, [wrt], signal_names=names)
    program = backward.program.copy()
    result = free_name(program, f"G_{wrt}_d{wrt}")
    last = program.equations.pop(backward.gradients[wrt])
    program.variables.pop(last.name)
    program.variables[known] = Variable(known, out.dims, out.orientation, steps=out.steps)
    order = list(program)
    first_back = next((k for k, e in enumerate(order) if e.name not in after.equations), len(order))
    order.insert(first_back, Equation(known, value))
    program.equations = {e.name: e for e in order}
    program.reordered()
    own = network.program.variables[wrt]
    program.define(Variable(result, own.dims, own.orientation), last.value)
    if product not in relevant_equations(program, result, [known]):  # vᵀ f itself is needed where f is a softmax
        del program.equations[product], program.variables[product]
        program.reordered()
    arrange(program)
    direction = tree.sym(tangent_name(wrt))
    symbol = tree.product([tree.call("G", (tree.sym(wrt),), 1, 1), direction])
    answer = Derived(network, program, result, symbol)
    answer.said = say(
        "the Gauss-Newton matrix of ", tree.sym(wrt), " through ", tree.sym(output), ", times a direction"
    )
    answer.assumptions = _besides(network, output, wrt)
    curvature_node = tree.product([tree.second(loss, output), tree.sym(tangent_name(output))])

    def told() -> Iterable[Told]:
        yield from tangents_told(network, network.program, pushed, [wrt], {})
        yield from gradients_told(network.derive(output))
        middle = after.copy()
        middle.define(Variable(tangent_name(gradient), out.dims, out.orientation), value)
        yield from _curved_told(network, curved.program, middle, output, gradient, known, curvature_node)
        explainer = Explainer(held, backward, equations_of(network, held))
        where = Where(held, explainer.work, product)
        yield from flowing_back_told(backward, explainer, where, known)
        reason = say("the gradient of ", explainer.writer.node(product), ", ", tree.sym(known), " held")
        yield answer.plainly(explainer.steps(backward.gradients[wrt], wrt), where, reason)

    answer.teller = told
    return answer


def _curved_told(
    network: Network, forward: Program, work: Program, output: str, gradient: str, known: str, said: Node
) -> Iterable[Told]:
    """The gradient by the output, its tangent, and that this is v."""
    for one in tangents_told(network, forward, work, [output], {gradient: said}):
        left = one.left
        if left == said or (left.args and left.args[0] == said):
            steps = network.program.variables[output].steps
            left = tree.equal(tree.at(known, () if steps is None else (steps.letter,)), left)
        yield Told(left, one.right, one.shape, one.steps, one.where, one.reason)


def _label_matters(network: Network, output: str) -> bool:
    """Whether ∂²J/∂f² depends on a label."""
    found = _middle(network, output)
    program, middle = found.program, found.expression
    reached = {v.name for v in network.program.variables.values() if v.kind == "label"}
    names = {name for factors, _ in middle for atom, _ in factors for name in atom_variables(atom)}
    for equation in program:  # the continued program: a gradient's name hides the label as well
        if any(a in reached for a in equation.arguments):
            reached.add(equation.name)
    return bool(names & reached)


def _as_fisher(network: Network, output: str, found: Derived, symbol: Node) -> Derived:
    """The same value as the Fisher information. Raises UnsupportedError where the label's distribution would matter."""
    if _label_matters(network, output):
        said = f"the curvature by {display_name(output)} depends on the label, whose distribution is not said"
        raise UnsupportedError(said, "of= the logits, or gauss_newton")
    loss = display_name(network.scalar_loss())
    found.symbol_node, found.symbol = symbol, to_text(symbol)
    found.assumptions = (f"{loss} is a negative log-likelihood of the label", *found.assumptions)
    return found


def fisher(network: Network, wrt: str, of: str | None = None) -> Derived:
    """The Fisher information of `wrt`, where it is the Gauss-Newton matrix: ∂²J/∂f² must not depend on the label.

    That holds for exponential families in their natural parameters: cross-entropy by logits, binary cross-entropy by
    logits, squared error. Elsewhere it is refused, since the label's distribution is not said.
    """
    network, output = _output(network, of, wrt)
    found = _as_fisher(network, output, gauss_newton(network, wrt, output), tree.call("F", (tree.sym(wrt),), 1, 1))
    found.said = say(
        "the Fisher information of ", tree.sym(wrt), ", the Gauss-Newton matrix through ", tree.sym(output)
    )
    return found


def fisher_product(network: Network, wrt: str, of: str | None = None) -> Derived:
    """The Fisher information times the direction d{wrt}, not formed; refused where `fisher` is."""
    network, output = _output(network, of, wrt)
    symbol = tree.product([tree.call("F", (tree.sym(wrt),), 1, 1), tree.sym(tangent_name(wrt))])
    found = _as_fisher(network, output, gauss_newton_product(network, wrt, output), symbol)
    found.said = say("the Fisher information of ", tree.sym(wrt), " through ", tree.sym(output), ", times a direction")
    return found
