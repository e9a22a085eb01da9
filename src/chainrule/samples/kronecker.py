"""K-FAC: the Kronecker factors of a layer.

K-FAC (Martens and Grosse, 2015) approximates the Fisher block of W, where ∂J/∂W[i,j] = δ[i] a[j], by the second moments
of the two sides, (Σ δᵀδ/N) ⊗ (Σ a aᵀ/N).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chainrule.algebra.expr import (
    Expr,
    Factor,
    Index,
    Rational,
    add,
    monomial,
    multiply,
    rename,
    single,
    size,
)
from chainrule.algebra.expr import variable as bare_variable
from chainrule.algebra.loops import dependent
from chainrule.algebra.program import Variable
from chainrule.calculus.lift import lift
from chainrule.calculus.reverse import differentiate
from chainrule.curvature import Derived
from chainrule.dims import Dim, display_name
from chainrule.errors import UnsupportedError
from chainrule.explanation.told import Told
from chainrule.notation import tree
from chainrule.notation.sentence import say
from chainrule.samples.gradients import sum_by_name
from chainrule.samples.losses import Rows, batch_of, in_rows, lifted_to, names_of
from chainrule.telling import free_name, gradients_told

if TYPE_CHECKING:
    from chainrule.network import Network

__all__ = ["kronecker_factors"]


APPROXIMATED = "the Fisher block is approximated by the second moments of the two sides of ∂J/∂W[i,j] = δ[i] a[j]"


def _parts(value: Expr, wrt: str, rank: int, front: int = 0) -> tuple[Rational, list[Factor], list[Factor]]:
    """The two sides of ∂J/∂W[i,j] = a[i] b[j], behind `front` indices that both have. Raises UnsupportedError."""
    if len(value) != 1 or rank != 2:
        raise UnsupportedError(
            f"the gradient at {display_name(wrt)} is no product of two vectors", "a linear layer's W"
        )
    ((factors, bound), coefficient) = next(iter(value.items()))
    sides: list[list[Factor]] = [[], []]
    reach = [{-1 - front}, {-2 - front}]
    shared = set(range(-front, 0))
    left = list(factors)
    changed = True
    while changed:
        changed = False
        for factor in list(left):
            mine = {i[0] for i in factor[0][2]} - shared
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


def kronecker_factors(network: Network, wrt: str, given: Dim | None = None) -> tuple[Derived, Derived]:
    """K-FAC's two factors for the matrix of a linear layer: the means over a batch of a aᵀ and δᵀ δ.

    Where ∂J/∂W[i,j] = δ[i] a[j], the Fisher block of W is approximated by their Kronecker product (Martens and Grosse,
    2015). Raises UnsupportedError where the gradient is no such product.
    """
    loss, batch = network.scalar_loss(), batch_of(network, given)
    rows = in_rows(network, wrt, batch)
    if rows is not None:
        return _factors_of_rows(network, wrt, batch, rows)
    backward = differentiate(network.program, loss, [wrt])
    own = network.program.variables[wrt]
    program = backward.program
    coefficient, left, right = _parts(sum_by_name(program, backward.adjoints[wrt]), wrt, len(own.dims))
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
        name = free_name(lifted, f"{letter}_{wrt}")
        lifted.define(Variable(name, (dim, dim), "matrix"), total)
        one = Derived(network, lifted, name, tree.call(letter, (tree.sym(wrt),), 1, 1))
        side_said = "inputs" if letter == "A" else "error signals"
        one.teller = partial(_factor_told, network, wrt, one)
        one.assumptions = lifted_to(network, batch)
        one.said = say("K-FAC at ", tree.sym(wrt), f": the second moment of the {side_said}")
        out.append(one)
    return out[1], out[0]


def _factor_told(network: Network, wrt: str, factor: Derived) -> tuple[Told, ...]:
    return (*gradients_told(network.derive(wrt)), factor.plainly(reason=APPROXIMATED))


def _factor_told_rows(rows: Rows, factor: Derived) -> tuple[Told, ...]:
    return (*rows.told, factor.plainly(reason=APPROXIMATED))


def _factors_of_rows(network: Network, wrt: str, batch: Dim, rows: Rows) -> tuple[Derived, Derived]:
    """K-FAC of a layer of a network in rows, Z = X W + b: the side that depends on the labels is the signal's."""
    program, own = rows.program, network.program.variables[wrt]
    value = sum_by_name(program, rows.value)
    coefficient, *sides = _parts(value, wrt, len(own.dims), 1)
    labels = dependent(program, [v.name for v in program.variables.values() if v.kind == "label"])
    labels |= {v.name for v in program.variables.values() if v.kind == "label"}
    depends = [any(n in labels for atom, _ in side for n in names_of(atom)) for side in sides]
    if depends[0] == depends[1]:
        depends = [True, False]  # W x: rows are the signal's
    numbers = [f for f in sides[0] if not f[0][2]]
    sides[0] = [f for f in sides[0] if f[0][2]]
    sides[depends.index(True)] += numbers
    out: dict[str, Derived] = {}
    for position, (side, is_signal) in enumerate(zip(sides, depends, strict=True)):
        index: Index = (-2 - position, own.dims[position])
        bound = {i for (_, _, ix), _ in side for i in ix if i[0] >= 0}
        factor = rename(monomial(coefficient if is_signal else 1, side, bound), {index: (-2, index[1])})
        if not any((-1, batch) in ix for (factors, _) in factor for (_, _, ix), _ in factors):
            raise UnsupportedError(f"the gradient at {display_name(wrt)} does not depend on the sample on both sides")
        name = program.fresh_name()
        program.define(Variable(name, (batch, index[1]), "matrix"), factor)
        term, n = single(factor), (0, batch)
        ((atom, exponent), *more) = term[0][0] if term is not None else ((("", "", ()), 0),)
        if term is not None and not more and exponent == term[1] == 1 and atom[2] == ((-1, batch), (-2, index[1])):
            name = name if atom[0] else str(atom[1])
        letter = "S" if is_signal else "A"
        both = multiply(bare_variable(name, (n, (-1, index[1]))), bare_variable(name, (n, (-2, index[1]))), (n,))
        target = free_name(program, f"{letter}_{wrt}")
        program.define(Variable(target, (index[1], index[1]), "matrix"), multiply(both, size(batch, -1)))
        found = Derived(network, program, target, tree.call(letter, (tree.sym(wrt),), 1, 1))
        kind = "error signals" if is_signal else "inputs"
        found.teller = partial(_factor_told_rows, rows, found)
        found.said = say("K-FAC at ", tree.sym(wrt), f": the second moment of the {kind}")
        found.assumptions = rows.conditions
        out[letter] = found
    return out["A"], out["S"]
