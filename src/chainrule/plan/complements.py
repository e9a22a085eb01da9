"""Sums that cancel, spelled as one function that does not: exp(t) − 1 is expm1(t), 1 − tanh(t)² is a slope of tanh.

Two terms of a sum that differ by a factor g(t) alone are one term with another function of t, where g comes close to
±1 and the sum would lose its digits:

    f exp(t) − f = f expm1(t)
    f − f tanh(t)² = f tanh_slope(t)          f ± f tanh(t) = 2 f σ(±2t)
    f ± f erf(t) = f erfc(∓t)                 f − f σ(t) = f σ(−t)
    f softplus(t) − f y t = f y softplus(−t) + f (1 − y) softplus(t)          for a label y

    f (a + b) σ(t) − f a = f b σ(t) − f a σ(−t)             f a − f y (a + b) = f a (1 − y) − f y b for a label y

f is whatever else the terms have; g may have a name (h = tanh(z)). In the derivative of σ itself, σ − σ², f holds σ:
there nothing is spelled anew, for 1 − σ costs less. To add one: a line in `COMPLEMENTS`, with what builds it.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from fractions import Fraction

from chainrule.algebra.expr import Factor, Index
from chainrule.algebra.program import Program
from chainrule.plan.factoring import Term
from chainrule.plan.graph import Operand
from chainrule.plan.numbers import ONE, Coefficient, coefficient_of
from chainrule.plan.rules import Builder
from chainrule.simplify.complements import Parted

__all__ = ["BUILD", "complemented", "function_of", "groups"]

TWO = Coefficient(Fraction(2))


@dataclass(frozen=True, slots=True)
class Complement:
    """f · g(t)^exponent and sign · f together are ± f · head(t), where `leads` says whose coefficient it has."""

    function: str
    exponent: int
    sign: int  # of the term without g, relative to the one with it
    head: str
    leads: str  # "with" or "without" g


COMPLEMENTS = (
    Complement("exp", 1, -1, "expm1", "with"),
    Complement("tanh", 2, -1, "tanh_slope", "without"),
    Complement("tanh", 1, 1, "1 + tanh", "without"),
    Complement("tanh", 1, -1, "1 - tanh", "without"),
    Complement("erf", 1, 1, "1 + erf", "without"),
    Complement("erf", 1, -1, "1 - erf", "without"),
    Complement("sigmoid", 1, -1, "1 - sigmoid", "without"),
)
_FUNCTIONS = frozenset(c.function for c in COMPLEMENTS)


def _doubled_sigmoid(builder: Builder, operand: Operand) -> Operand:
    return builder.scale(TWO, builder.map("sigmoid", builder.scale(TWO, builder.real(operand))))


# How each head is built from t.
BUILD: dict[str, Callable[[Builder, Operand], Operand]] = {
    "expm1": lambda builder, t: builder.map("expm1", t),
    "tanh_slope": lambda builder, t: builder.map("tanh_slope", t),
    "1 + tanh": _doubled_sigmoid,
    "1 - tanh": lambda builder, t: _doubled_sigmoid(builder, builder.negative(t)),
    "1 + erf": lambda builder, t: builder.map("erfc", builder.negative(t)),
    "1 - erf": lambda builder, t: builder.map("erfc", t),
    "softplus of -": lambda builder, t: builder.map("softplus", builder.negative(builder.real(t))),
    "1 -": lambda builder, y: builder.subtract(builder.number(ONE), y),
    "1 - sigmoid": lambda builder, t: builder.map("sigmoid", builder.negative(t)),
}


def function_of(program: Program, factor: Factor) -> tuple[str, str, tuple[Index, ...]] | None:
    """(g, t, indices) where the factor's base is g(t[indices]), g of one variable: written so, or a name defined so."""
    (head, name, indices), _ = factor
    if not isinstance(name, str):
        return None
    if head != "":
        return head, name, indices
    expression = program.expression(name)
    if expression is None or len(expression) != 1:
        return None
    (((factors, bound), coefficient),) = expression.items()
    if coefficient != 1 or bound or len(factors) != 1:
        return None
    (inner_head, t, inner), exponent = factors[0]
    if inner_head in ("", "δ", "#", "n") or exponent != 1 or not isinstance(t, str):
        return None
    if len(set(inner)) != len(inner) or len(inner) != len(indices):
        return None
    return inner_head, t, tuple(indices[-i[0] - 1] for i in inner)


def complemented(
    program: Program, terms: list[Term], keep: Callable[[Factor], bool], known: Container[str]
) -> list[Term]:
    """The terms, each pair that cancels as one. `keep`: factors that must stay as they are.

    `known`: names that have a value. What goes into h[t] = tanh(…) in a loop has none outside of it.
    """
    terms = _entropies(program, terms, known)
    found = True
    while found and len(terms) > 1:
        found = False
        for position, term in enumerate(terms):
            for factor in term[0]:
                made = _partner(program, terms, position, factor, keep, known)
                if made is not None:
                    other, joined = made
                    lead = min(position, other)
                    terms = [joined if k == lead else t for k, t in enumerate(terms) if k != max(position, other)]
                    found = True
                    break
            if found:
                break
    return terms


def groups(terms: list[Term], pair: Parted) -> list[list[Term]]:
    """The terms in groups that are added up each by itself: what cancels, what is left of the bracket, the others."""
    factors, bound, coefficient = terms[pair.whole]
    left = [f for f in factors if f not in (pair.bracket, pair.mask)]
    kept: list[Term] = []
    for (own, _), value in pair.rest.items():
        number, arrays = coefficient_of(value, own)
        kept.append(([*left, pair.mask, *arrays], bound, coefficient * number))
    others = terms[pair.other][0]
    cancelling: list[Term] = [([*others, pair.mask], bound, coefficient), terms[pair.other]]
    rest = [t for k, t in enumerate(terms) if k not in (pair.whole, pair.other)]
    return [group for group in (kept, cancelling, rest) if group]


def _partner(
    program: Program,
    terms: list[Term],
    position: int,
    factor: Factor,
    keep: Callable[[Factor], bool],
    known: Container[str],
) -> tuple[int, Term] | None:
    """The position of the term without the factor, and the two as one."""
    atom, exponent = factor
    if exponent not in (1, 2, 3):
        return None
    seen = function_of(program, factor)
    if seen is None or seen[0] not in _FUNCTIONS or seen[1] not in known or keep(factor):
        return None
    function, t, indices = seen
    factors, bound, coefficient = terms[position]
    for rule in COMPLEMENTS:
        if rule.function != function or exponent < rule.exponent:
            continue
        rest = [(a, e - rule.exponent if a == atom else e) for a, e in factors]
        rest = [(a, e) for a, e in rest if e]
        if function == "sigmoid" and any(_is(program, r, seen) for r in rest):
            continue
        for other, (others, summed, scalar) in enumerate(terms):
            if other == position or summed != bound or scalar != (coefficient if rule.sign > 0 else -coefficient):
                continue
            if dict(others) == dict(rest):
                lead = coefficient if rule.leads == "with" else scalar
                return other, ([*rest, ((rule.head, t, indices), 1)], bound, lead)
    return None


def _entropies(program: Program, terms: list[Term], known: Container[str]) -> list[Term]:
    """Cross-entropies of a sigmoid by its logits: at y = 1 and large t, softplus(t) and t agree in many digits."""
    terms = list(terms)
    for position, (factors, bound, coefficient) in enumerate(terms):
        for factor in factors:
            seen = function_of(program, factor) if factor[1] == 1 else None
            if seen is None or seen[0] != "softplus" or seen[1] not in known:
                continue
            rest = dict(f for f in factors if f is not factor)
            for other, (others, summed, scalar) in enumerate(terms):
                extra = [f for f in others if f[0] not in rest]
                plain = [f for f in extra if f == (("", *seen[1:]), 1)]
                label = [f for f in extra if f not in plain]
                if other == position or summed != bound or scalar != -coefficient or len(plain) != 1 or len(label) != 1:
                    continue
                (head, y, indices), exponent = label[0]
                if len(others) != len(rest) + 2 or any(rest.get(a, e) != e for a, e in others):
                    continue
                if head or exponent != 1 or not isinstance(y, str) or program.variables[y].kind != "label":
                    continue
                terms[other] = ([*rest.items(), label[0], (("softplus of -", *seen[1:]), 1)], bound, coefficient)
                terms[position] = ([*rest.items(), (("1 -", y, indices), 1), factor], bound, coefficient)
                return _entropies(program, terms, known)
    return terms


def _is(program: Program, factor: Factor, seen: tuple[str, str, tuple[Index, ...]]) -> bool:
    return function_of(program, factor) == seen
