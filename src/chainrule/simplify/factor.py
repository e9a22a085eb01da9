"""Factoring: what is common to terms is written once.

The result is again an expression; the sum in brackets becomes a local anonymous equation, which notation writes out in
its place and code computes once. Compared are weighted symbols, not lengths of text.
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.algebra.expr import (
    Atom,
    Expr,
    Factor,
    Index,
    Rational,
    add,
    free,
    monomial,
    number,
    rename,
)
from chainrule.algebra.program import Program, Variable
from chainrule.simplify.knowledge import Knowledge

__all__ = ["factored"]


def factored(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr:
    """An equal expression in which common factors stand before a bracket; brackets are defined in `program`."""
    if len(expression) < 2:
        return expression
    common = _common(expression)
    whole = {k: Fraction(v) for k, v in expression.items()}
    content = _content(list(whole.values()))
    if common or (content != 1 and content != -1):
        inside: Expr = {}
        for (factors, bound), value in expression.items():
            powers = dict(factors)
            for atom, exponent in common.items():
                powers[atom] = powers.get(atom, 0) - exponent
            inside = add(inside, monomial(number(value / content), powers.items(), bound))
        if _pays(common, content, expression):
            if len(inside) < 2:
                return expression
            inside = factored(inside, indices, knowledge, program, orientation)
            bracket = _bracket(inside, indices, program, orientation)
            return monomial(number(content), [*common.items(), *_only(bracket)], ())
    return _by_group(expression, indices, knowledge, program, orientation)


def _pays(common: dict[Atom, Rational], content: Fraction, expression: Expr) -> bool:
    return bool(common) or content.denominator != 1 or abs(content) != 1


def _content(values: list[Fraction]) -> Fraction:
    """The rational that all coefficients share, with the sign of most of them."""
    from math import gcd, lcm

    top, bottom = 0, 1
    for v in values:
        top = gcd(top, v.numerator)
        bottom = lcm(bottom, v.denominator)
    negative = all(v < 0 for v in values)
    return Fraction(top, bottom) * (-1 if negative else 1)


def _common(expression: Expr) -> dict[Atom, Rational]:
    """Factors without summed indices that every term has, with the exponent that all share."""
    shared: dict[Atom, Rational] | None = None
    for factors, _ in expression:
        mine = {a: e for a, e in factors if a[0] != "δ" and all(i[0] < 0 for i in a[2])}
        if shared is None:
            shared = mine
            continue
        merged: dict[Atom, Rational] = {}
        for atom, e in shared.items():
            other = mine.get(atom)
            if other is None or (e > 0) != (other > 0):
                continue
            merged[atom] = min(e, other) if e > 0 else max(e, other)
        shared = merged
        if not shared:
            break
    return shared or {}


def _by_group(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr:
    """The largest factor that some of the terms share, if any."""
    if len(expression) < 3:
        return expression
    counts: dict[Atom, list[tuple[tuple[Factor, ...], tuple[Index, ...]]]] = {}
    for key in expression:
        for atom, exponent in key[0]:
            if atom[0] not in ("#", "n", "δ") and exponent > 0 and all(i[0] < 0 for i in atom[2]):
                counts.setdefault(atom, []).append(key)
    best = max(
        ((atom, keys) for atom, keys in counts.items() if 1 < len(keys) < len(expression)),
        key=lambda item: (len(item[1]) * knowledge.weight(item[0]), str(item[0])),
        default=None,
    )
    if best is None:
        return expression
    chosen = {key: expression[key] for key in best[1]}
    rest = {key: v for key, v in expression.items() if key not in chosen}
    done = factored(chosen, indices, knowledge, program, orientation)
    if len(done) != 1:
        return expression
    return add(done, factored(rest, indices, knowledge, program, orientation))


def _bracket(inside: Expr, indices: tuple[Index, ...], program: Program, orientation: str) -> Expr:
    """A local name for a sum, over those of the free indices that occur in it."""
    occurring = tuple(
        i for i in sorted({i for (fs, _) in inside for (_, _, ix), _ in fs for i in ix if i[0] < 0}, reverse=True)
    )
    own = free([i[1] for i in occurring])
    name = program.fresh_name()
    kind = ("scalar", "column", "matrix")[len(own)] if len(own) < 3 else "tensor"
    if len(own) == 1 and (orientation == "row" or (orientation == "matrix" and occurring[0][0] == -2)):
        kind = "row"
    program.define(
        Variable(name, tuple(i[1] for i in own), kind), rename(inside, dict(zip(occurring, own, strict=True)))
    )
    return {((((("", name, occurring)), 1),), ()): 1}


def _only(expression: Expr) -> tuple[Factor, ...]:
    ((factors, _),) = expression
    return factors
