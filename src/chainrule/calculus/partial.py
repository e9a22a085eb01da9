"""The partial derivatives of one equation, as contributions to the adjoints of what it uses.

For an equation a[I] = Σ terms and an adjoint E[I] = ∂J/∂a[I], every occurrence v[K] in a term adds
Σ_I E · ∂term/∂v[K] to ∂J/∂v, where K becomes the free indices of ∂J/∂v and every other index is summed. A variable that
occurs twice, or with a repeated index (v[i,i]), needs no special case: there are two contributions, or a delta.
"""

from __future__ import annotations

from chainrule.algebra.expr import (
    Atom,
    Expr,
    Factor,
    Index,
    Rational,
    add,
    fresh_bound,
    monomial,
)
from chainrule.algebra.loops import LAG
from chainrule.algebra.program import Equation, Operation, Program
from chainrule.algebra.relations import CONSTANTS
from chainrule.errors import UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.functions.operations import OPERATIONS

__all__ = ["contribution", "local_derivatives"]

MARK = -300_000  # the first index of an operation's argument while its Jacobian is made

# A local derivative: coefficient, factors, bound indices of the term, indices K of the occurrence.
Local = tuple[Rational, list[Factor], tuple[Index, ...], tuple[Index, ...]]


def local_derivatives(program: Program, equation: Equation, name: str) -> list[Local]:
    """∂(right-hand side)/∂name, one entry per occurrence; the free indices are the equation's own."""
    variable = program.variables[equation.name]
    if isinstance(equation.value, Operation):
        return _operation_derivatives(program, equation, name)
    out: list[Local] = []
    sole = len(equation.value) == 1
    for (factors, bound), coefficient in equation.value.items():
        for position, (atom, exponent) in enumerate(factors):
            head, inner, indices = atom
            if head == "" and inner == name:
                rest = [*factors[:position], *factors[position + 1 :]]
                if exponent != 1:
                    rest.append((atom, exponent - 1))
                out.append((coefficient * exponent, rest, bound, indices))
            elif head and head not in CONSTANTS:
                rest = [*factors[:position], *factors[position + 1 :]]
                if exponent != 1:
                    rest.append((atom, exponent - 1))
                alone = sole and not rest and coefficient == 1 and exponent == 1
                output: Atom = ("", equation.name, variable.indices) if alone else atom
                arguments = inner if isinstance(inner, tuple) else ((str(inner), len(indices)),)
                start = 0
                for number, (argument, arity) in enumerate(arguments):
                    mine = indices[start : start + arity]
                    start += arity
                    if argument == name:
                        for c, extra in _chain(head, number, arguments, indices, output):
                            out.append((coefficient * exponent * c, [*rest, *extra], bound, mine))
    return out


def _chain(
    head: str, number: int, arguments: tuple[tuple[str, int], ...], indices: tuple[Index, ...], output: Atom
) -> list[tuple[Rational, list[Factor]]]:
    """The derivative of an elementwise function by its argument `number`, as products of atoms."""
    if head not in FUNCTIONS:  # an unknown function: f′
        return [(1, [((head + "'", arguments[0][0], indices), 1)])]
    places: dict[str, Atom] = {"y": output}
    start = 0
    for letter, (argument, arity) in zip(("x", "x2", "x3"), arguments, strict=False):
        places[letter] = ("", argument, indices[start : start + arity])
        start += arity
    out: list[tuple[Rational, list[Factor]]] = []
    for coefficient, factors in FUNCTIONS[head].partial(number):
        product: list[Factor] = []
        for function, letter, exponent in factors:
            place = places[letter]
            if function and place[0]:
                raise UnsupportedError(f"{function} of {place[0]}: the inner value has no name")
            product.append(((function or place[0], place[1], place[2]), exponent))
        out.append((coefficient, product))
    return out


def _operation_derivatives(program: Program, equation: Equation, name: str) -> list[Local]:
    operation = equation.value
    assert isinstance(operation, Operation)
    record = OPERATIONS[operation.op]
    if operation.op == LAG:
        raise UnsupportedError(
            "derivatives of derivatives, Jacobians and directions through a loop are not supported yet",
            "the gradient of a loss, or the steps written out: h1 = …, h2 = …",
        )
    if record.partial is None:
        raise UnsupportedError(f"the derivative of {operation.op} is not supported yet")
    out: list[Local] = []
    own = program.variables[equation.name].indices
    for number, argument in enumerate(operation.args):
        if argument != name:
            continue
        # Markers among the free indices: the Jacobian may hold sums of its own, whose indices are the numbers from 0.
        inner = tuple((MARK - k, dim) for k, dim in enumerate(program.variables[argument].dims))
        for (factors, bound), coefficient in record.partial(program, equation.name, number, own, inner).items():
            out.append((coefficient, list(factors), (*bound, *inner), inner))
    return out


def contribution(adjoint: Expr, own: tuple[Index, ...], local: Local) -> Expr:
    """Σ_own adjoint · local, over the free indices −1, −2, … of the variable that `local` differentiates by.

    `own` are the free indices of the equation; other free indices of the adjoint (a Jacobian's seed) stay as they are.
    """
    coefficient, factors, bound, target = local
    inner = {i: fresh_bound(i[1]) for i in (*own, *bound)}
    place: dict[Index, Index] = {}
    deltas: list[Factor] = []
    for position, index in enumerate(target, 1):
        new: Index = (-position, index[1])
        if index in place:
            first = place[index]
            deltas.append((("δ", "", (min(first, new), max(first, new))), 1))
        else:
            place[index] = new
    mapping = {i: place.get(i, inner[i]) for i in inner}
    summed = [mapping[i] for i in inner if i not in place]
    local_factors = [((h, n, tuple([mapping.get(i, i) for i in ix])), e) for (h, n, ix), e in factors] + deltas
    result: Expr = {}
    for (own_factors, own_bound), value in adjoint.items():
        apart = {i: fresh_bound(i[1]) for i in own_bound}
        whole = {**mapping, **apart} if apart else mapping
        mine = [((h, n, tuple([whole.get(i, i) for i in ix])), e) for (h, n, ix), e in own_factors]
        part = monomial(value * coefficient, [*mine, *local_factors], [*apart.values(), *summed])
        result = add(result, part) if result else part
    return result
