"""The shortest of several equal forms, compared after factoring: with the name of a product, or with the product.

A name that folds a product may hide what the rest has in common with it: o ∘ tanh(c) as h hides o ∘ (1 − tanh(c)²), and
shows o − h ∘ tanh(c). Neither is shorter in general, so both are worked out; so is 1 − σ(x) for σ(−x). `shortest` gives
the form that takes less reading; what only the others needed is removed from the program again.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.algebra.expr import Expr, Index, atom_variables, rename, substitute, variables
from chainrule.algebra.program import Program, is_anonymous
from chainrule.simplify.branches import into_branches
from chainrule.simplify.complements import parted, with_complements
from chainrule.simplify.engine import simplify
from chainrule.simplify.factor import factored
from chainrule.simplify.knowledge import LONGEST, Application, Knowledge

__all__ = ["shortest", "written_cost"]

TRIES = 3  # names that are written out, one at a time
LARGEST = 12  # terms of an expression for which that is tried


def shortest(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str,
    trail: list[Application] | None = None,
) -> Expr:  # fmt: skip
    """An equal expression, factored; brackets are defined in `program`. `trail`: takes what else was done."""
    best = factored(expression, indices, knowledge, program, orientation)
    if 1 < len(expression) <= LARGEST:
        best, taken = _tried(best, expression, indices, knowledge, program, orientation)
        if trail is not None:
            trail += taken
    inside = into_branches(best, program) if knowledge.masks else None
    if inside is None:
        return best
    if trail is not None:
        trail.append(Application("branches", "", best, inside))
    return inside


def _tried(
    best: Expr, expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> tuple[Expr, list[Application]]:
    """The shortest of the factored forms, and what led to it."""
    least: float | None = None
    taken: list[Application] = []
    for how in _others(expression, knowledge, program):
        if least is None:
            least = written_cost(program, knowledge, best)
        mark = set(program.equations)
        other = factored(how.after, indices, knowledge, program, orientation)
        cost = written_cost(program, knowledge, other)
        if cost < least - 1e-9 and (how.rule != "complement" or _computed_well(other, program)):
            best, least, taken = other, cost, [how]
        _tidy(program, mark, best)
    return best, taken


def _others(expression: Expr, knowledge: Knowledge, program: Program) -> Iterator[Application]:
    """Equal forms, not factored, with the rule that gives each."""
    for name in _foldable(expression, knowledge, program):
        longer = _without(expression, name, knowledge, program)
        if longer is not None:
            yield Application("substitution", name, expression, longer)
    written = with_complements(expression, program) if knowledge.ratios else None
    if written is not None:
        yield Application("complement", "", expression, written)


def _computed_well(value: Expr, program: Program) -> bool:
    """True where plans find what cancels; a factor of the whole does not matter."""
    terms = [(factors, bound, c) for (factors, bound), c in value.items()]
    if parted(program, terms, lambda c: -c) is not None:
        return True
    inner = [program.expression(n) for n in variables(value) if len(value) == 1 and is_anonymous(n)]
    return any(v is not None and len(v) > 1 and _computed_well(v, program) for v in inner)


def _foldable(expression: Expr, knowledge: Knowledge, program: Program) -> list[str]:
    """Names of products that share something with the rest of the expression."""
    occurring = variables(expression)
    found = []
    for name in occurring:
        value = program.expression(name)
        if value is None or len(value) != 1 or is_anonymous(name):
            continue
        ((factors, bound), _) = next(iter(value.items()))
        if bound or len(factors) < 2 or program.variables[name].kind in ("signal", "gradient"):
            continue
        if set(variables(value)) & (occurring.keys() - {name}):
            found.append(name)
    return found[:TRIES]


def _without(expression: Expr, name: str, knowledge: Knowledge, program: Program) -> Expr | None:
    """The expression with the product for its name, simplified as if there were no name; None if nothing changes."""
    value, own = program.expression(name), program.variables[name].indices
    assert value is not None

    def put(at: tuple[Index, ...]) -> Expr:
        return rename(value, dict(zip(own, at, strict=True)))

    try:
        written = substitute(expression, name, put)
    except ValueError:
        return None
    outer = (knowledge.blocked, knowledge.memory, knowledge.record)
    knowledge.blocked, knowledge.memory, knowledge.record = outer[0] | {name}, {}, None
    try:
        return simplify(written, knowledge)
    finally:
        knowledge.blocked, knowledge.memory, knowledge.record = outer


def _tidy(program: Program, before: set[str], chosen: Expr) -> None:
    """Remove the anonymous names that were defined since `before` and that the chosen form does not use."""
    needed: set[str] = set()
    pending = [*variables(chosen)]
    while pending:
        name = pending.pop()
        if name in needed or name not in program.equations:
            continue
        needed.add(name)
        pending += program.equations[name].arguments
    for name in [n for n in program.equations if n not in before and n not in needed]:
        del program.equations[name], program.variables[name]


def written_cost(program: Program, knowledge: Knowledge, value: Expr) -> float:
    """The weight of an expression with its brackets written out, however long they are."""
    total = knowledge.cost(value)
    for factors, _ in value:
        for atom, _ in factors:
            for inner in atom_variables(atom):
                if is_anonymous(inner) and knowledge.name_weight(inner) >= LONGEST:
                    own = program.expression(inner)
                    total += (1.0 if own is None else written_cost(program, knowledge, own)) - knowledge.name_weight(
                        inner
                    )
    return total
