"""A plan in two passes, for frameworks that call the backward pass themselves: which steps are forward, what is kept.

The forward pass is what the loss needs, the backward pass the rest of the gradients. A framework hands the backward
pass a number, ∂J: what arrives at the loss J from behind it (1 where J itself is differentiated; a gradient scaler's
factor, or more of a user's own function). Every signal is linear in it, so it is multiplied in where signals begin
(`seeded`), as small and as early as can be; where a program is not visibly linear, at the end (`Passes.scale_results`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.algebra.expr import Expr, add, atom_variables, multiply
from chainrule.algebra.expr import variable as bare_variable
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Equation, Program, Variable, is_anonymous
from chainrule.plan import LoopPlan, Node, Plan, build_plan
from chainrule.plan.relations import sizes_of
from chainrule.plan.wide import WIDENED

__all__ = ["Passes", "headings", "seeded", "split"]

# Facts that the values of an array must fulfil: what was shortened with them holds for such values only.
TYING = frozenset({
    "one-hot", "rows sum to 1", "symmetric", "positive definite", "orthogonal", "diagonal", "lower triangular",
    "upper triangular",
})  # fmt: skip


def seeded(program: Program, loss: str, gradients: Sequence[str]) -> tuple[Program, str, bool]:
    """The program with ∂J multiplied in where signals begin; the name of ∂J; whether that was possible.

    Each term with no signal in it gets the factor, each with one has it already; a term that holds a signal twice, or
    inside a function, is none of these, and the program is then given back unchanged.
    """
    seed = f"∂{loss}"
    while seed in program.variables:
        seed += "_"
    forward = _ancestors(program, [loss])
    needed = _ancestors(program, gradients) - forward
    backward = [equation for equation in program if equation.name in needed]
    lags = {e.name: e.arguments[0] for e in backward if is_lag(e)}
    certain = {*gradients, *(e.name for e in backward if program.variables[e.name].kind == "signal")}
    carried = {lag for lag, of in lags.items() if of in certain}  # a lag stands before what it is an earlier step of
    while True:
        found = _scaled(program, backward, certain, carried, bare_variable(seed))
        if found is None:
            return program, seed, False
        replaced, scaled = found
        if not (more := {lag for lag, of in lags.items() if of in scaled} - carried):
            break
        carried |= more
    result = program.copy()
    result.variables = {seed: Variable(seed, (), "scalar", "const"), **result.variables}
    for name, value in replaced.items():
        old = result.equations[name]
        result.equations[name] = Equation(name, value, old.source, old.span)
    return result, seed, True


def _scaled(
    program: Program, backward: Sequence[Equation], certain: set[str], carried: set[str], factor: Expr
) -> tuple[dict[str, Expr], set[str]] | None:
    """The equations with ∂J in them, and the names that have it with the lags `carried`; None where not linear."""
    scaled = set(carried)
    replaced: dict[str, Expr] = {}
    for equation in backward:
        if is_lag(equation):
            if len(equation.arguments) > 1 and any(name in scaled for name in equation.arguments):
                return None  # an initial value beside it
            continue
        degrees = _degrees(equation, scaled)
        if degrees is None or (not isinstance(equation.value, dict) and equation.name in certain):
            return None
        if not isinstance(equation.value, dict) or not (equation.name in certain or any(degrees)):
            continue
        scaled.add(equation.name)
        value: Expr = {}
        for (monomial, coefficient), degree in zip(equation.value.items(), degrees, strict=True):
            term: Expr = {monomial: coefficient}
            value = add(value, term if degree else multiply(term, factor))
        replaced[equation.name] = value
    return replaced, scaled


def _degrees(equation: Equation, scaled: set[str]) -> list[int] | None:
    """How many signals each term holds, 0 or 1; None where that is not all there is to say."""
    if not isinstance(equation.value, dict):
        return None if any(name in scaled for name in equation.arguments) else []
    degrees = []
    for factors, _ in equation.value:
        degree = 0
        for atom, exponent in factors:
            if any(name in scaled for name in atom_variables(atom)):
                if atom[0] != "" or exponent != 1:
                    return None
                degree += 1
        if degree > 1:
            return None
        degrees.append(degree)
    return degrees


def _ancestors(program: Program, names: Sequence[str]) -> set[str]:
    found, stack = set(), list(names)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            if name in program.equations:
                stack.extend(program.equations[name].arguments)
    return found


@dataclass(frozen=True, slots=True)
class Passes:
    """A plan in two.

    arguments: arrays of the user, in order.  forward, backward: the steps.  saved: values of the forward pass that the
    backward pass uses.  inputs: arguments that it uses.  only: steps of the backward pass that one gradient alone
    needs, with that gradient.  tied: arrays that are differentiated by and declared to be of a special kind; the
    gradients hold for that kind only, so they are not to be differentiated by such an array again.
    """

    plan: Plan
    loss: str
    gradients: tuple[str, ...]
    seed: str
    scale_results: bool
    arguments: tuple[str, ...]
    forward: tuple[Node, ...]
    backward: tuple[Node, ...]
    saved: tuple[Node, ...]
    inputs: tuple[str, ...]
    only: dict[Node, str]
    tied: tuple[str, ...]

    def why(self, comments: Mapping[str, str]) -> dict[Node, tuple[str, ...]]:
        """For each value of the forward pass, and each argument: what uses it, as the comments say it."""
        titles = headings(self.plan)
        users: dict[Node, dict[str, None]] = {}
        for step in self.backward:
            for operand in step.operands:
                users.setdefault(operand.node, {})[titles[step.equation]] = None
        for name in self.gradients:
            users.setdefault(self.plan.outputs[name], {})[name] = None
        return {node: tuple(comments.get(n, n) for n in named if n) for node, named in users.items()}


def split(program: Program, loss: str, gradients: Mapping[str, str], precise: str = "") -> Passes:
    """The passes of a program. `gradients`: variable → its gradient; `precise`: as for `build_plan`.

    Raises UnsupportedError for what has no code.
    """
    wanted = tuple(gradients.values())
    program, seed, within = seeded(program, loss, wanted)
    plan = build_plan(program, (loss, *wanted), reuse=False, precise=precise)
    needed: set[Node] = set()
    stack = [plan.outputs[loss]]
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack += [operand.node for operand in node.operands]
    for node in plan.steps:  # what a loop of the forward pass computes is there, whoever uses it
        if node.op == "computed" and all(operand.node in needed for operand in node.operands):
            needed.add(node)
    forward = tuple(node for node in plan.steps if node in needed)
    backward = tuple(node for node in plan.steps if node not in needed)
    again = {operand.node for node in backward for operand in node.operands if _is_converted(operand.node)}
    backward = tuple(node for node in plan.steps if node not in needed or node in again)
    used = {operand.node: None for node in backward for operand in node.operands}
    used |= {plan.outputs[name]: None for name in wanted if plan.outputs[name] in needed}
    saved = tuple(node for node in forward if node in used and node not in again)
    sizes = {d for node in backward for d in node.dims if isinstance(d, str)}
    for node in (*backward, *used):
        for attribute in node.attributes:
            if isinstance(attribute, LoopPlan):
                sizes |= attribute.sizes()
            else:
                sizes |= {d for d, _ in getattr(attribute, "sizes", ())}
    read = {str(node.attributes[0]) for node in used if node.op == "input"}
    if plan.derived or any(sizes_of(node) for node in backward):
        sizes |= plan.sizes.keys()
    read |= {plan.sizes[d][0] for d in sizes if d in plan.sizes}
    # a gradient is returned for each array that is differentiated by, also where the loss does not depend on it
    taken = {*plan.arguments, *gradients} - {seed}
    arguments = tuple(name for name in program.variables if name in taken)
    tied = tuple(name for name in gradients if TYING & set(program.variables[name].facts))
    return Passes(
        plan, loss, wanted, seed, not within, arguments, forward, backward, saved,
        tuple(name for name in arguments if name in read), _exclusive(plan, backward, wanted), tied,
    )  # fmt: skip


def _is_converted(node: Node) -> bool:
    """True for an argument in float64: each pass converts it, rather than keep it twice."""
    return node.is_map(WIDENED) and node.operands[0].node.op == "input"


def _exclusive(plan: Plan, backward: Sequence[Node], gradients: Sequence[str]) -> dict[Node, str]:
    """Steps that one gradient alone needs."""
    needs: dict[Node, set[str]] = {node: set() for node in backward}
    for name in gradients:
        if plan.outputs[name] in needs:
            needs[plan.outputs[name]].add(name)
    for node in reversed(backward):
        for operand in node.operands:
            if operand.node in needs:
                needs[operand.node] |= needs[node]
    return {node: next(iter(names)) for node, names in needs.items() if len(names) == 1}


def headings(plan: Plan) -> dict[str, str]:
    """For each equation the named one to which it belongs: an anonymous one belongs to what is named next."""
    found: dict[str, str] = {}
    named = ""
    for equation in reversed(list(plan.program)):
        if not is_anonymous(equation.name):
            named = equation.name
        found[equation.name] = named
    return found
