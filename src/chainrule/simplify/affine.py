"""Affine relations: q = 1 − p, c = x − m, z = W x + b. Eliminating one of the names may make terms cancel.

For every equation with several terms, each name that stands in it alone can be solved for and substituted. A small beam
of candidates is kept, because the first substitution may lengthen what the second one collapses (logistic forms).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from chainrule.algebra.expr import Expr, Index, add, atom_variables, free, number, rename, scale, substitute, variables
from chainrule.algebra.program import Equation, is_anonymous
from chainrule.simplify.knowledge import Application, Knowledge

__all__ = ["use_affine"]

BEAM, DEPTH, LARGEST = 4, 4, 24


def use_affine(expression: Expr, knowledge: Knowledge, simplify_terms: Callable[[Expr, Knowledge], Expr]) -> Expr:
    """The cheapest equal expression that a few substitutions lead to; the given one if none is cheaper."""
    if len(expression) > LARGEST or not _relevant(expression, knowledge):
        return expression
    best, best_cost = expression, knowledge.cost(expression)
    record, knowledge.record = knowledge.record, None  # what is tried is no step; what is taken is one
    beam: list[tuple[Expr, tuple[str, ...]]] = [(expression, ())]
    path: tuple[str, ...] = ()
    seen = {frozenset(expression.items())}
    for _ in range(DEPTH):
        candidates: list[tuple[float, Expr, tuple[str, ...]]] = []
        for state, used in beam:
            for equation in _relevant(state, knowledge):
                for name, solve in _solvable(equation, state, knowledge):
                    try:
                        new = simplify_terms(substitute(state, name, solve), knowledge)
                    except ValueError:
                        continue
                    mark = frozenset(new.items())
                    if mark in seen or len(new) > LARGEST:
                        continue
                    seen.add(mark)
                    candidates.append((knowledge.cost(new), new, (*used, equation.name)))
        if not candidates:
            break
        candidates.sort(key=lambda c: c[0])
        beam = [c[1:] for c in candidates[:BEAM]]
        if candidates[0][0] < best_cost - 1e-9:
            best_cost, best, path = candidates[0]
    knowledge.record = record
    if record is not None and best is not expression:
        record.append(Application("substitution", " ".join(dict.fromkeys(path)), expression, best))
    return best


def _relevant(expression: Expr, knowledge: Knowledge) -> list[Equation]:
    """Equations that share at least two names with the expression, so that a substitution can make terms meet,
    or hold a name that the user never gave: writing it out may be shorter."""
    names = variables(expression)
    found: dict[str, Equation] = {}
    for name in names:
        for equation in knowledge.affine.get(name, ()):
            if equation.name in found:
                continue
            own = {equation.name, *equation.arguments}
            if len(own & names.keys()) >= 2 or (equation.name in names and is_anonymous(equation.name)):
                found[equation.name] = equation
    return list(found.values())


def _solvable(
    equation: Equation, expression: Expr, knowledge: Knowledge
) -> list[tuple[str, Callable[[tuple[Index, ...]], Expr]]]:
    """Names of the expression that the equation can be solved for, with what replaces them."""
    indices = free(knowledge.program.variables[equation.name].dims)
    assert isinstance(equation.value, dict)
    names = variables(expression)
    out: list[tuple[str, Callable[[tuple[Index, ...]], Expr]]] = []
    if equation.name in names:
        out.append((equation.name, _placer(equation.value, indices)))
    for (factors, bound), coefficient in equation.value.items():
        if bound or len(factors) != 1 or factors[0][1] != 1:
            continue
        (head, name, mine), _ = factors[0]
        if head != "" or name not in names or len(set(mine)) != len(mine) or set(mine) != set(indices):
            continue
        rest = {k: v for k, v in equation.value.items() if k != (factors, bound)}
        if any(name in atom_variables(a) for (fs, _) in rest for a, _ in fs):
            continue
        own: Expr = {(((("", equation.name, indices), 1),), ()): 1}
        solved = scale(add(own, scale(rest, -1)), number(1 / Fraction(coefficient)))
        out.append((str(name), _placer(solved, mine)))
    return out


def _placer(value: Expr, indices: tuple[Index, ...]) -> Callable[[tuple[Index, ...]], Expr]:
    def place(at: tuple[Index, ...]) -> Expr:
        return rename(value, dict(zip(indices, at, strict=True)))

    return place
