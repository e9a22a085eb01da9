"""Jacobians: reverse mode seeded with deltas, so that the result carries the output's indices as well.

∂f/∂x has the indices of f first, then those of x: numerator layout. Second order is the Jacobian of a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.algebra.expr import Expr, Index, add, delta, free, multiply, rename, variable
from chainrule.algebra.program import Program, Variable
from chainrule.calculus.partial import contribution, local_derivatives
from chainrule.calculus.reverse import LARGE, relevant_equations
from chainrule.calculus.seeded import by_forward_mode, by_reverse_mode, goes_through_a_loop
from chainrule.dims import Dim
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge
from chainrule.simplify.shortest import shortest

__all__ = ["JacobianProgram", "jacobian", "output_indices"]

SEED = -101  # the output's indices are −101, −102, … while the adjoints run


@dataclass(frozen=True, slots=True)
class JacobianProgram:
    """`program` defines `name`, whose indices are those of the output and then those of the input.

    assumed: the rules that use facts and were applied, each with the name whose fact it is.
    """

    program: Program
    name: str
    expression: Expr  # before factoring
    of: str
    wrt: str
    assumed: tuple[tuple[str, str], ...] = ()

    @property
    def dims(self) -> tuple[Dim, ...]:
        """Sizes of the output, then of the input."""
        return self.program.variables[self.name].dims


def output_indices(dims: tuple[Dim, ...]) -> tuple[Index, ...]:
    """The indices of the output's entry, apart from those of every name that it is differentiated by."""
    return tuple((SEED - k, dim) for k, dim in enumerate(dims))


def jacobian(program: Program, of: str, wrt: str, one_step: bool = False) -> JacobianProgram:
    """∂of/∂wrt as a program that ends in its definition.

    one_step: of one equation by what stands in it, h[t−1] among them, and not with all that follows around a loop.
    """
    if not one_step and goes_through_a_loop(program, of, wrt):
        mode = by_forward_mode if program.variables[of].kind == "gradient" else by_reverse_mode
        found = mode(program, of, wrt)
        return JacobianProgram(found.program, found.name, found.expression, of, wrt, found.assumed)
    out = program.copy()
    knowledge = Knowledge(program)
    knowledge.program = out
    output, source = program.variables[of], program.variables[wrt]
    seeds = output_indices(output.dims)
    start: Expr = {((), ()): 1}
    for own, seed in zip(output.indices, seeds, strict=True):
        start = multiply(start, delta(own, seed))
    on_path = relevant_equations(program, of, [wrt])
    pending: dict[str, Expr] = {of: start}
    for equation in reversed(program.equations.values()):
        name = equation.name
        if name == wrt:
            break
        if name not in on_path or name not in pending:
            continue
        adjoint = simplify(pending.pop(name), knowledge)
        at = program.variables[name].indices
        if sum(len(f) for f, _ in adjoint) > LARGE:
            adjoint = _name(out, adjoint)
        for argument in dict.fromkeys(equation.arguments):
            if argument in on_path:
                for local in local_derivatives(out, equation, argument):
                    part = contribution(adjoint, at, local)
                    pending[argument] = add(pending[argument], part) if argument in pending else part
    result = simplify(pending.get(wrt, {}), knowledge) if wrt in on_path else {}
    dims = (*output.dims, *source.dims)
    final = free(dims)
    count = len(output.dims)
    mapping = dict(zip(seeds, final[:count], strict=True))
    mapping |= dict(zip(source.indices, final[count:], strict=True))
    result = rename(result, mapping)
    result = simplify(result, knowledge)
    orientation = ("scalar", "column" if output.dims else "row", "matrix")[len(dims)] if len(dims) < 3 else "tensor"
    target = f"∂{of}/∂{wrt}"
    expression = shortest(result, final, knowledge, out, orientation)
    out.define(Variable(target, dims, orientation, "gradient"), expression)
    return JacobianProgram(out, target, result, of, wrt, tuple(knowledge.assumed))


def _name(out: Program, adjoint: Expr) -> Expr:
    """A large adjoint under a name of its own, over all indices that it carries."""
    occurring = tuple(sorted({i for (fs, _) in adjoint for (_, _, ix), _ in fs for i in ix if i[0] < 0}, reverse=True))
    own = free([i[1] for i in occurring])
    name = out.fresh_name()
    kind = ("scalar", "column", "matrix")[len(own)] if len(own) < 3 else "tensor"
    out.define(Variable(name, tuple(i[1] for i in own), kind), rename(adjoint, dict(zip(occurring, own, strict=True))))
    return variable(name, occurring)
