"""Per sample: the gradient of each sample's loss, its squared norm, and the Kronecker factors of a layer (K-FAC).

Private training clips each sample's gradient, for which its norm alone is needed, and no gradient formed: where
∂J/∂W[i,j] = δ[i] a[j], it is ‖δ‖² ‖a‖², because the sum over i and j falls apart. K-FAC (Martens and Grosse, 2015)
approximates the Fisher block of W by the second moments of the two sides, (Σ δᵀδ/N) ⊗ (Σ a aᵀ/N).

A network is written for one sample, and lifted to N of them; or in rows, where N is one of its sizes. Then the loss of
a sample is what J is the sum or the mean of over N, found from J's equation, and its gradient is a Jacobian's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from chainrule.algebra.expr import (
    Atom,
    Expr,
    Factor,
    Index,
    Rational,
    add,
    fresh_bound,
    monomial,
    multiply,
    rename,
    single,
    size,
)
from chainrule.algebra.expr import variable as bare_variable
from chainrule.algebra.loops import dependent
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.algebra.renaming import Renaming, renamed_program
from chainrule.calculus.jacobian import jacobian
from chainrule.calculus.lift import lift
from chainrule.calculus.reverse import differentiate
from chainrule.curvature import Derived, free_name
from chainrule.dims import Dim, display_dim, display_name
from chainrule.errors import UnsupportedError
from chainrule.explanation.told import Told
from chainrule.jacobians import Jacobian
from chainrule.notation import phrases, tree
from chainrule.notation.sentence import say
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge
from chainrule.simplify.shortest import shortest
from chainrule.telling import gradients_told

if TYPE_CHECKING:
    from chainrule.network import Network

__all__ = ["kronecker_factors", "sample_gradients", "sample_norms"]


FALLS_APART = "where the gradient is δ[i] a[j], the sum of its squares falls apart: ‖δ‖² ‖a‖²"
ONE_EACH = "every vector that depends on the sample becomes a row for each"
APPROXIMATED = "the Fisher block is approximated by the second moments of the two sides of ∂J/∂W[i,j] = δ[i] a[j]"


# -- in rows ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """The gradients of all samples' losses, over N first, in `program`. conditions: what is said of the losses."""

    program: Program
    name: str
    value: Expr
    conditions: tuple[str, ...]
    told: tuple[Told, ...]


def _in_rows(network: Network, wrt: str, batch: Dim) -> _Rows | None:
    """None where N is no size of the network, which is written for one sample then."""
    if not any(batch in v.dims for v in network.program.variables.values()):
        network.check_batch(batch)
        return None
    program, loss = network.program, network.scalar_loss()
    losses = _Losses(program, batch)
    found = losses.of(loss)
    if not found:
        raise UnsupportedError(f"{display_name(loss)} is no sum over the {display_dim(batch)} samples")
    mean = all((("#", batch, ()), -1) in factors for factors, _ in found)
    if mean:
        found = multiply(found, size(batch))
    work = program.copy()
    term = single(found)
    ((atom, exponent), *others) = term[0][0] if term is not None else ((("", "", ()), 0),)
    bare = term is not None and term[1] == 1 == exponent and not others and not term[0][1] and not atom[0]
    name = str(atom[1])
    if not bare or work.variables[name].dims != (batch,):
        name = work.fresh_name()
        work.define(Variable(name, (batch,), "column"), found)
    if is_anonymous(name):
        given = free_name(work, "c")
        work, name = renamed_program(work, Renaming({name: given})), given
        work.interior.discard(name)
    part = Jacobian(network.with_program(work), wrt, name)
    got = jacobian(work, name, wrt)
    j, n = tree.sym(loss), display_dim(batch)
    conditions = [
        say(j, f" is the {'mean' if mean else 'sum'} of the losses of the {n} samples; each is taken by itself")
    ]
    if losses.besides:
        conditions.append(say("what ", j, " holds besides the samples (a penalty) is no part of it"))
    return _Rows(got.program, got.name, got.expression, tuple(conditions), part.told)


class _Losses:
    """The loss of each sample: the terms of the sum over `batch`, its index free. besides: J has other terms too."""

    def __init__(self, program: Program, batch: Dim) -> None:
        self.program = program
        self.batch = batch
        given = (v.name for v in program.variables.values() if v.kind in ("input", "label"))
        self.data = dependent(program, [*given]) | {
            v.name for v in program.variables.values() if batch in v.dims and v.name not in program.equations
        }
        self.data |= dependent(program, self.data)
        self.besides = False

    def of(self, name: str) -> Expr:
        """Raises UnsupportedError where `name` is no sum over the samples."""
        value = self.program.expression(name)
        if value is None:
            raise self._refused(name)
        out: Expr = {}
        for (factors, bound), coefficient in value.items():
            moving = [f for f in factors if any(n in self.data for n in _names(f[0]))]
            if not moving:
                self.besides = True
                continue
            own = [i for i in bound if i[1] == self.batch]
            if len(own) == 1 and all(own[0] in atom[2] for atom, _ in moving):
                left = tuple(i for i in bound if i != own[0])
                out = add(out, rename({(factors, left): coefficient}, {own[0]: (-1, self.batch)}))
                continue
            inner = self._root(moving[0]) if len(moving) == 1 and not own else None
            if inner is None:
                raise self._refused(name)
            rest = monomial(coefficient * inner[1], [f for f in factors if f != moving[0]], bound)
            out = add(out, multiply(self.of(inner[0]), rest))
        return out

    def _root(self, factor: Factor) -> tuple[str, Rational] | None:
        """A number with a name, (√s)² too: the name whose sum it is, and the number in front."""
        (head, name, indices), exponent = factor
        front: Rational = 1
        for _ in range(4):
            if head or indices or not isinstance(name, str):
                return None
            if exponent == 1:
                return name, front
            value = self.program.expression(name)
            term = single(value) if value else None
            if term is None or term[0][1] or len(term[0][0]) != 1 or term[1] != 1:
                return None
            ((head, name, indices), power) = term[0][0][0]
            exponent = exponent * power
        return None

    def _refused(self, name: str) -> UnsupportedError:
        return UnsupportedError(
            f"{display_name(name)} is no sum over the {display_dim(self.batch)} samples: none has a loss of its own",
            "the network written for one sample, or another --batch",
        )


def _names(atom: Atom) -> tuple[str, ...]:
    head, name, _ = atom
    if isinstance(name, tuple):
        return tuple(n for n, _ in name)
    return (str(name),) if head not in ("#", "n", "δ", "rel") else ()


# -- what is asked for -----------------------------------------------------------------------------------------------


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


def sample_norms(network: Network, wrt: str, batch: Dim = "N") -> Derived:
    """‖∂J_n/∂wrt‖² for every sample n of a batch, no gradient formed."""
    loss = network.scalar_loss()
    rows = _in_rows(network, wrt, batch)
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
    found.said = said
    reason = FALLS_APART if len(own.dims) == 2 else ""
    found.teller = lambda: (*gradients_told(network.derive(wrt)), found.plainly(reason=reason))
    return found


def _squared(program: Program, value: Expr, own: Variable, front: int) -> Expr:
    """Σ value² over the indices of `own`, which stand behind `front` others."""
    value = _sum_by_name(program, value)
    summed = {(-1 - front - k, d): fresh_bound(d) for k, d in enumerate(own.dims)}
    return rename(multiply(value, value), summed, tuple(summed.values()))


def sample_gradients(network: Network, wrt: str, batch: Dim = "N") -> Derived:
    """∂J_n/∂wrt for every sample n of a batch, one behind the other."""
    loss = network.scalar_loss()
    symbol = phrases.worded(tree.sym(loss), f"∂{display_name(loss)}/∂{display_name(wrt)} per sample")
    rows = _in_rows(network, wrt, batch)
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
    found.said = say("the gradient of each sample by ", tree.sym(wrt))
    found.teller = lambda: (*gradients_told(network.derive(wrt)), found.plainly(reason=ONE_EACH))
    return found


def _sum_by_name(program: Program, value: Expr) -> Expr:
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


def kronecker_factors(network: Network, wrt: str, batch: Dim = "N") -> tuple[Derived, Derived]:
    """K-FAC's two factors for the matrix of a linear layer: the means over a batch of a aᵀ and δᵀ δ.

    Where ∂J/∂W[i,j] = δ[i] a[j], the Fisher block of W is approximated by their Kronecker product (Martens and Grosse,
    2015). Raises UnsupportedError where the gradient is no such product.
    """
    loss = network.scalar_loss()
    rows = _in_rows(network, wrt, batch)
    if rows is not None:
        return _factors_of_rows(network, wrt, batch, rows)
    backward = differentiate(network.program, loss, [wrt])
    own = network.program.variables[wrt]
    program = backward.program
    coefficient, left, right = _parts(_sum_by_name(program, backward.adjoints[wrt]), wrt, len(own.dims))
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
        one.said = say("K-FAC at ", tree.sym(wrt), f": the second moment of the {side_said}")
        out.append(one)
    return out[1], out[0]


def _factor_told(network: Network, wrt: str, factor: Derived) -> tuple[Told, ...]:
    return (*gradients_told(network.derive(wrt)), factor.plainly(reason=APPROXIMATED))


def _factor_told_rows(rows: _Rows, factor: Derived) -> tuple[Told, ...]:
    return (*rows.told, factor.plainly(reason=APPROXIMATED))


def _factors_of_rows(network: Network, wrt: str, batch: Dim, rows: _Rows) -> tuple[Derived, Derived]:
    """K-FAC of a layer of a network in rows, Z = X W + b: the side that depends on the labels is the signal's."""
    program, own = rows.program, network.program.variables[wrt]
    value = _sum_by_name(program, rows.value)
    coefficient, *sides = _parts(value, wrt, len(own.dims), 1)
    labels = dependent(program, [v.name for v in program.variables.values() if v.kind == "label"])
    labels |= {v.name for v in program.variables.values() if v.kind == "label"}
    depends = [any(n in labels for atom, _ in side for n in _names(atom)) for side in sides]
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
