"""The gradient of each sample's loss, and its squared norm.

Private training clips each sample's gradient, for which its norm alone is needed, and no gradient formed: where
∂J/∂W[i,j] = δ[i] a[j], it is ‖δ‖² ‖a‖², because the sum over i and j falls apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.algebra.expr import (
    Expr,
    add,
    fresh_bound,
    monomial,
    multiply,
    rename,
)
from chainrule.algebra.program import Program, Variable
from chainrule.calculus.lift import lift
from chainrule.calculus.reverse import differentiate
from chainrule.curvature import Derived
from chainrule.dims import Dim, display_name
from chainrule.errors import UnsupportedError
from chainrule.notation import phrases, tree
from chainrule.notation.sentence import say
from chainrule.samples.losses import batch_of, in_rows, lifted_to
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge
from chainrule.simplify.shortest import shortest
from chainrule.telling import free_name, gradients_told

if TYPE_CHECKING:
    from chainrule.network import Network

__all__ = ["sample_gradients", "sample_norms", "sum_by_name"]


FALLS_APART = "where the gradient is δ[i] a[j], the sum of its squares falls apart: ‖δ‖² ‖a‖²"
ONE_EACH = "every vector that depends on the sample becomes a row for each"


def sample_norms(network: Network, wrt: str, given: Dim | None = None) -> Derived:
    """‖∂J_n/∂wrt‖² for every sample n of a batch, no gradient formed."""
    loss, batch = network.scalar_loss(), batch_of(network, given)
    rows = in_rows(network, wrt, batch)
    symbol = phrases.worded(tree.sym(loss), f"‖∂{display_name(loss)}/∂{display_name(wrt)}‖² per sample")
    said = say("the squared norm of each sample's gradient by ", tree.sym(wrt), ", no gradient formed")
    if rows is not None:
        knowledge = Knowledge(network.program)
        knowledge.program = rows.program
        name = free_name(rows.program, f"n_{wrt}")
        own = network.program.variables[wrt]
        apart = len(own.dims) == 2
        value = _squared(rows.program, rows.value, own, 1)
        rows.program.define(Variable(name, (batch,), "column"), simplify(value, knowledge))
        found = Derived(network, rows.program, name, symbol)
        found.said, found.assumptions = said, rows.conditions
        found.teller = lambda: (*rows.told, found.plainly(reason=FALLS_APART if apart else ""))
        return found
    backward = differentiate(network.program, loss, [wrt])
    value = backward.adjoints[wrt]
    own = network.program.variables[wrt]
    program = backward.program
    knowledge = Knowledge(network.program)
    knowledge.program = program
    name = free_name(program, f"n_{wrt}")
    program.define(Variable(name, (), "scalar"), simplify(_squared(program, value, own, 0), knowledge))
    lifted, _names = lift(program, loss, batch, "sum", rename=True)
    variable = lifted.variables[name]
    lifted.variables[name] = Variable(name, variable.dims, "column")
    found = Derived(network, lifted, name, symbol)
    found.said, found.assumptions = said, lifted_to(network, batch)
    reason = FALLS_APART if len(own.dims) == 2 else ""
    found.teller = lambda: (*gradients_told(network.derive(wrt)), found.plainly(reason=reason))
    return found


def _squared(program: Program, value: Expr, own: Variable, front: int) -> Expr:
    """Σ value² over the indices of `own`, which stand behind `front` others."""
    value = sum_by_name(program, value)
    summed = {(-1 - front - k, d): fresh_bound(d) for k, d in enumerate(own.dims)}
    return rename(multiply(value, value), summed, tuple(summed.values()))


def sample_gradients(network: Network, wrt: str, given: Dim | None = None) -> Derived:
    """∂J_n/∂wrt for every sample n of a batch, one behind the other."""
    loss, batch = network.scalar_loss(), batch_of(network, given)
    symbol = phrases.worded(tree.sym(loss), f"∂{display_name(loss)}/∂{display_name(wrt)} per sample")
    rows = in_rows(network, wrt, batch)
    if rows is not None:
        found = Derived(network, rows.program, rows.name, symbol)
        found.said, found.assumptions = say("the gradient of each sample by ", tree.sym(wrt)), rows.conditions
        found.teller = lambda: rows.told
        return found
    backward = differentiate(network.program, loss, [wrt])
    program, gradient = backward.program, backward.gradients[wrt]
    lifted, names = lift(program, loss, batch, "sum", rename=True)
    name, own = names[gradient], network.program.variables[wrt]
    if len(lifted.variables[name].dims) == len(own.dims):
        raise UnsupportedError(
            f"the gradient at {display_name(wrt)} is the same for every sample", "what depends on inputs or labels"
        )
    found = Derived(network, lifted, name, symbol)
    found.assumptions = lifted_to(network, batch)
    found.said = say("the gradient of each sample by ", tree.sym(wrt))
    found.teller = lambda: (*gradients_told(network.derive(wrt)), found.plainly(reason=ONE_EACH))
    return found


def sum_by_name(program: Program, value: Expr) -> Expr:
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
    variable = Variable(name, tuple(dim for _, dim in indices), kind)
    knowledge = Knowledge(program)
    program.define(variable, shortest(rename(rest, own, ()), variable.indices, knowledge, program, kind))
    return monomial(1, [*shared, (("", name, tuple(indices)), 1)], ())
