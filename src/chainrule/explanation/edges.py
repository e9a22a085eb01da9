"""One link of the chain: the Jacobian of an equation by a name that it uses, and the identity that says so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from chainrule.algebra.expr import Expr, atom_variables
from chainrule.algebra.program import Program
from chainrule.algebra.relations import CONSTANTS
from chainrule.book import BOOK
from chainrule.calculus.jacobian import jacobian
from chainrule.explanation.pattern import Match, Pattern, pattern_of
from chainrule.functions import FUNCTIONS

__all__ = ["Edge", "elementwise_head", "identities_for", "local_jacobian"]

# (orientation of what is differentiated, of what it is differentiated by, stations on the way)
Kind = tuple[str, str, int]


@dataclass(frozen=True)
class Edge:
    """∂of/∂wrt of one equation, or of several in a row. jacobian: over the indices of `of`, then those of `wrt`."""

    of: str
    wrt: str
    jacobian: Expr
    head: str  # f where of = f(wrt) elementwise, else ""
    matches: tuple[Match, ...]  # one for each term that depends on `wrt`, or one for all; empty: no identity says it


def elementwise_head(program: Program, of: str, wrt: str) -> str:
    """f where the equation of `of` is f(wrt), entry by entry; else ""."""
    value = program.expression(of)
    if value is None or len(value) != 1:
        return ""
    ((factors, bound), coefficient) = next(iter(value.items()))
    if bound or coefficient != 1 or len(factors) != 1 or factors[0][1] != 1:
        return ""
    (head, name, indices), _ = factors[0]
    if not head or head in CONSTANTS or name != wrt:
        return ""
    if head in FUNCTIONS and FUNCTIONS[head].arity != 1:
        return ""
    return head if indices == program.variables[of].indices else ""


def local_jacobian(
    program: Program, work: Program, of: str, wrt: str, between: set[str]
) -> tuple[Expr, tuple[tuple[str, str], ...]]:
    """∂of/∂wrt with all else held, found by the engine; names that it needs are added to `work`.

    With it the rules that used facts, each with the name whose fact it is.
    """
    part = Program()
    part.variables = {n: v for n, v in program.variables.items() if n not in program.equations or n in between}
    used = [e for e in program if e.name in between]  # that of `wrt` too: it says what an anonymous name stands for
    for equation in used:
        for name in equation.arguments:
            part.variables.setdefault(name, program.variables[name])
    part.equations = {e.name: e for e in used}
    part.functions, part.interior = program.functions, program.interior
    part._counter = work._counter
    found = jacobian(part, of, wrt, one_step=True)
    work._counter = max(work._counter, found.program._counter)
    for name, equation in found.program.equations.items():
        if name not in part.equations and name != found.name and name not in work.equations:
            work.define(found.program.variables[name], equation.value)
    return found.expression, found.assumed


def identities_for(kind: Kind, jacobians: bool) -> list[Pattern]:
    """The patterns of the book between names of these orientations, over so many equations."""
    return _by_kind(kind, jacobians, len(BOOK))


@cache
def _by_kind(kind: Kind, jacobians: bool, _size: int) -> list[Pattern]:
    found = []
    for identity in BOOK.values():
        if bool(identity.upstream) == jacobians:
            continue
        pattern = pattern_of(identity)
        if (*pattern.kind, pattern.depth) == kind:
            found.append(pattern)
    return found


def find_identities(
    program: Program, of: str, wrt: str, between: set[str], depth: int, signals: bool = True
) -> tuple[Match, ...]:
    """The identities that give ∂of/∂wrt: one for all terms, or one for each; () where the book has none.

    signals: also those that say what becomes of the derivative of a scalar.
    """
    own, other = program.variables[of], program.variables[wrt]
    kind = (own.orientation, other.orientation, depth)
    patterns = [*identities_for(kind, True), *(identities_for(kind, False) if signals else ())]
    for scaled in (False, True):
        for pattern in patterns:
            whole = pattern.find(program, of, wrt, between, scaled=scaled)
            if whole is not None:
                return (whole,)
    value = program.expression(of)
    if value is None or depth != 1:
        return ()
    terms = [k for k in value if any(v in between for a, _ in k[0] for v in atom_variables(a))]
    single = [
        next((m for p in patterns if (m := p.find(program, of, wrt, between, term, True)) is not None), None)
        for term in terms
    ]
    return tuple(m for m in single if m is not None) if len(terms) > 1 and all(single) else ()
