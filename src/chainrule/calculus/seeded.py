"""Jacobians and Hessians through loops: a product with a direction, for all directions at once.

A gradient of Σ c ∘ f is linear in c, and a tangent is linear in the direction. So where c stands in their equations a
Kronecker delta takes its place, and every name that depends on c gets c's indices as well: from δ[t+1] A, a row that
belongs to c, comes Δ[t+1] A, a matrix with a row for each entry of f. Loops stay loops, and reverse mode need not be
written twice. Every equation is checked to be linear in c; what is not is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.algebra.expr import (
    Expr,
    Factor,
    Index,
    add,
    atom_variables,
    delta,
    free,
    monomial,
    multiply,
    sum_over,
    variable,
)
from chainrule.algebra.loops import LAG, arrange, dependent, is_lag, loop_members
from chainrule.algebra.program import Equation, Operation, Program, Steps, Variable, is_anonymous
from chainrule.calculus.forward import tangent_name, tangents
from chainrule.calculus.reverse import differentiate, relevant_equations
from chainrule.dims import canonical_name
from chainrule.errors import UnsupportedError
from chainrule.functions.sequences import lag_variable
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge
from chainrule.simplify.shortest import shortest

__all__ = ["ForAll", "by_forward_mode", "by_reverse_mode", "goes_through_a_loop"]

SEED = "%seed"
PRODUCTS = "a product with a direction: net.directional(…), net.hessian_product(…)"


@dataclass(frozen=True, slots=True)
class ForAll:
    """`program` defines `name` = `expression` (which is written shorter there); assumed: rules that used facts."""

    program: Program
    name: str
    expression: Expr
    assumed: tuple[tuple[str, str], ...]


def goes_through_a_loop(program: Program, of: str, wrt: str) -> bool:
    """True where a loop, or another step of a sequence, lies between the two."""
    loops = loop_members(program)
    on_path = relevant_equations(program, of, [wrt])
    return any(name in loops or is_lag(program.equations.get(name)) for name in on_path)


def by_reverse_mode(program: Program, of: str, wrt: str) -> ForAll:
    """∂of/∂wrt by Δ[t] = ∂of/∂h[t], from the last step on."""
    work = program.copy()
    output = program.variables[of]
    work.declare(Variable(SEED, output.dims, output.orientation, "const", steps=output.steps))
    loss = work.fresh_name()
    both = multiply(variable(SEED, output.indices), variable(of, output.indices))
    work.define(Variable(loss, (), "scalar"), sum_over(both, output.indices))
    found = differentiate(work, loss, [wrt])
    return _ForAll(found.program, SEED, program, in_front=True).result(found.gradients[wrt], f"∂{of}/∂{wrt}")


def by_forward_mode(program: Program, of: str, wrt: str) -> ForAll:
    """The same by tangents: dh[t] = ∂h[t]/∂wrt, from the first step on; of a gradient it is the Hessian."""
    work = tangents(program, of, [wrt], short=False)
    name = tangent_name(of)
    if name not in work.equations:
        own = program.variables[of]
        work.define(Variable(name, own.dims, own.orientation, steps=own.steps), {})
    return _ForAll(work, tangent_name(wrt), program, in_front=False).result(name, f"∂{of}/∂{wrt}")


@dataclass(slots=True)
class _Name:
    """A name that depends on the seed: what it is called with the seed's indices, which stand from `at` on."""

    called: str
    at: int


class _ForAll:
    """The equations of `work` that depend on `seed`, for all its entries. in_front: before the indices of a step."""

    def __init__(self, work: Program, seed: str, origin: Program, in_front: bool) -> None:
        self.work = work
        self.seed = seed
        self.extra = work.variables[seed].dims
        self.in_front = in_front
        self.moving = dependent(work, [seed]) - {seed}
        self.names: dict[str, _Name] = {}
        self.out = work.copy()
        for name in (seed, *self.moving):
            self.out.variables.pop(name)
            self.out.equations.pop(name, None)
        self.out.reordered()
        self.knowledge = Knowledge(origin)
        self.knowledge.program = self.out
        self.origin = origin

    def result(self, name: str, target: str) -> ForAll:
        """The program that ends in `target`, which is `name` for all entries of the seed."""
        needed = relevant_equations(self.work, name, list(self.work.variables))
        taken = {canonical_name(n) for n in self.work.variables}
        for equation in self.work:
            if equation.name in self.moving and equation.name in needed and equation.name != name:
                self.names[equation.name] = self._renamed(equation, taken)
        for equation in self.work:
            if equation.name in self.names:
                self._define(equation)
        own = self.work.variables[name]
        at = 0 if self.in_front else len(own.dims)
        self.names[name] = _Name(target, at)
        dims = (*own.dims[:at], *self.extra, *own.dims[at:])
        below = len(own.dims) if self.in_front else len(self.extra)  # indices of what is differentiated by
        kind = ("scalar", "row" if below else "column", "matrix")[len(dims)] if len(dims) < 3 else "tensor"
        value: Expr = {}
        if name in self.moving:
            value = simplify(self._value(self.work.equations[name].value, own, at), self.knowledge)
        shown = shortest(value, free(dims), self.knowledge, self.out, kind)
        self.out.define(Variable(target, dims, kind, "gradient"), shown)
        kept = {*self.origin.equations, *relevant_equations(self.out, target, list(self.out.variables))}
        for unused in [n for n in self.out.equations if n not in kept]:
            self.out.equations.pop(unused)
            self.out.variables.pop(unused)
        self.out.reordered()
        arrange(self.out)
        return ForAll(self.out, target, value, tuple(self.knowledge.assumed))

    def _renamed(self, equation: Equation, taken: set[str]) -> _Name:
        """δ₁ is Δ₁ now, where it has become a matrix."""
        name, own = equation.name, self.work.variables[equation.name]
        at = len(own.dims) if not self.in_front else int(self._has_time(equation))
        if own.steps is not None and own.steps.axis:
            raise UnsupportedError(f"a Jacobian through {name}, whose first axis is not time", PRODUCTS)
        if is_anonymous(name):
            return _Name(f"{name}*", at)
        called = name.replace("δ", "Δ") if self.extra else name
        if called != name and canonical_name(called) in taken:
            called = name
        taken.add(canonical_name(called))
        return _Name(called, at)

    def _has_time(self, equation: Equation) -> bool:
        """True where the first axis is the time's; what has no name may not say so itself."""
        own = self.work.variables[equation.name]
        if own.steps is not None or not own.dims or isinstance(equation.value, Operation):
            return own.steps is not None
        for factors, _ in equation.value:
            for (_, name, indices), _ in factors:
                inner = self.work.variables.get(name) if isinstance(name, str) else None
                if inner is not None and inner.steps is not None and indices:
                    return indices[inner.steps.axis] == own.indices[0]
        return False

    def _define(self, equation: Equation) -> None:
        own, found = self.work.variables[equation.name], self.names[equation.name]
        dims = (*own.dims[: found.at], *self.extra, *own.dims[found.at :])
        rest = len(dims) - (own.steps is not None)
        new = "scalar" if not rest else "matrix" if rest == 2 else "tensor"
        if rest == 1:
            one = own.steps.orientation if own.steps is not None else own.orientation
            new = one if not self.extra else "column" if self.in_front else "row"
        steps = Steps(own.steps.letter, 0, new) if own.steps is not None else None
        kind = new if steps is None else ("column", "matrix", "tensor")[min(rest, 2)]
        made = Variable(found.called, dims, kind, own.kind, (), steps)
        if isinstance(equation.value, Operation):
            source, *first = equation.value.args
            if self.seed in (source, *first):  # the direction itself at another step, or before the first
                source, *first = (self._identity() if n == self.seed else n for n in (source, *first))
            if equation.value.op != LAG or source not in self.names or any(f not in self.names for f in first):
                raise UnsupportedError(f"a Jacobian through {equation.value.op} in a loop", PRODUCTS)
            offset, axis = equation.value.attributes
            start = self.names[first[0]].called if first else None
            found.called = lag_variable(self.out, self.names[source].called, made, axis, offset, start)
            return
        value = simplify(self._value(equation.value, own, found.at), self.knowledge)
        if not is_anonymous(made.name):
            value = shortest(value, made.indices, self.knowledge, self.out, made.orientation)
        self.out.define(made, value)

    def _identity(self) -> str:
        """A name for the direction itself, for all its entries: 1 where the entry is its own."""
        name, count = "%all", len(self.extra)
        if name not in self.names:
            at = count if not self.in_front else int(self.work.variables[self.seed].steps is not None)
            dims = (*self.extra[:at], *self.extra, *self.extra[at:])
            value: Expr = {((), ()): 1}
            for k, d in enumerate(self.extra):
                own = k if k < at else k + count
                value = multiply(value, delta((-1 - own, d), (-1 - at - k, d)))
            kind = ("scalar", "column", "matrix", "tensor")[min(len(dims), 3)]
            self.out.define(Variable(name, dims, kind), value)
            self.names[name] = _Name(name, at)
        return name

    def _value(self, value: Expr | Operation, own: Variable, at: int) -> Expr:
        """An expression for all entries of the seed, whose indices are free now."""
        assert isinstance(value, dict)
        count = len(self.extra)
        seeds: tuple[Index, ...] = tuple((-1 - at - k, d) for k, d in enumerate(self.extra))
        shift = {i: (i[0] - count, i[1]) for k, i in enumerate(own.indices) if k >= at}
        out: Expr = {}
        for (factors, bound), coefficient in value.items():
            kept: list[Factor] = []
            times: Expr = {((), ()): 1}
            found = 0
            for (head, name, indices), exponent in factors:
                moved = tuple(shift.get(i, i) for i in indices)
                known = self.names.get(str(name)) if not head else None
                if (not head and name == self.seed) or known is not None:
                    found += 1
                    if exponent != 1:
                        found = 2
                    if known is not None:
                        kept.append((("", known.called, (*moved[: known.at], *seeds, *moved[known.at :])), 1))
                    else:
                        for place, seed in zip(moved, seeds, strict=True):
                            times = multiply(times, delta(place, seed))
                    continue
                if any(n in self.moving or n == self.seed for n in atom_variables((head, name, indices))):
                    found = 2
                kept.append(((head, name, moved), exponent))
            if found != 1:
                raise UnsupportedError("this Jacobian through a loop: an equation is no sum of products", PRODUCTS)
            out = add(out, _product(monomial(coefficient, kept, ()), times, bound))
        return out


def _product(left: Expr, right: Expr, bound: tuple[Index, ...]) -> Expr:
    """The product, summed over `bound`."""
    out: Expr = {}
    for (one, _), a in left.items():
        for (two, _), b in right.items():
            out = add(out, monomial(a * b, [*one, *two], bound))
    return out
