"""Masks: what comparisons, signs and `where` say of each other, entry by entry.

    sgn(relu(x)) = [x > 0]                        a function of a function of the table COMPOSED
    [6 − max(x, 0) > 0] = [x < 6]                 a comparison with what is clipped is one with what was there before
    m where(m, a, b) = m a                        under its own mask only one branch is left; (1 − m) where(m, a, b) too
    x sgn(x) = |x|, x [x > 0] = relu(x)           a product of the table PRODUCTS, where the program has |x|, relu(x)
    m² = m                                        for a name that stands for a mask

Each holds at kinks as well, with the values that the records take there: sgn(0) = 0, step(0) = 0. To add one, extend a
table, or write a function that takes a term and gives an equal, shorter one.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from chainrule.algebra.expr import (
    UNIT,
    Atom,
    Expr,
    Factor,
    Index,
    Monomial,
    add,
    constant,
    monomial,
    number,
    rename,
    scale,
    single,
    variable,
)
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.functions import FUNCTIONS

__all__ = ["Extremum", "complement_of", "extremum", "has_masks", "is_mask", "named", "seen", "simplify_masks"]

PIECEWISE = frozenset({"relu", "abs", "sgn", "step", "nonneg", "iszero", "where"})  # functions that bring masks in
# f(g(x)) = h(x): (f, g) -> h
COMPOSED = {
    ("sgn", "relu"): "step",
    ("step", "relu"): "step",
    ("relu", "relu"): "relu",
    ("abs", "relu"): "relu",
    ("abs", "abs"): "abs",
    ("iszero", "abs"): "iszero",
    ("iszero", "sgn"): "iszero",
    ("sgn", "sgn"): "sgn",
}
# f(x) · g(x) = h(x), where g or h may be x itself ("")
PRODUCTS = {
    ("sgn", ""): "abs",
    ("sgn", "abs"): "",
    ("step", ""): "relu",
    ("step", "relu"): "relu",
}

# maximum or minimum, and its two arguments with their indices
Extremum = tuple[str, tuple[str, tuple[Index, ...]], tuple[str, tuple[Index, ...]]]


def has_masks(program: Program) -> bool:
    """True where any of these rules may apply: a function with a mask in its derivative, or labels of 0 and 1."""
    if any("one-hot" in v.facts for v in program.variables.values()):
        return True
    values = (equation.value for equation in program)
    return any(
        a[0] in PIECEWISE for value in values if isinstance(value, dict) for factors, _ in value for a, _ in factors
    )


def seen(program: Program, atom: Atom) -> Atom:
    """The atom, or what it is a name for: step(d) for a name m = step(d)."""
    if atom[0] or not isinstance(atom[1], str):
        return atom
    value = program.expression(atom[1])
    term = single(value) if value else None
    if term is None or term[1] != 1 or term[0][1] or len(term[0][0]) != 1 or term[0][0][0][1] != 1:
        return atom
    head, name, places = term[0][0][0][0]
    if head in ("δ", "#", "n") or not head:
        return atom
    put = dict(zip(program.variables[atom[1]].indices, atom[2], strict=True))
    return (head, name, tuple(put.get(i, i) for i in places))


def is_mask(program: Program, atom: Atom) -> bool:
    """True where every entry is known to be 0 or 1."""
    head = seen(program, atom)[0]
    if head in FUNCTIONS:
        return FUNCTIONS[head].idempotent
    variable_ = program.variables.get(str(atom[1])) if not atom[0] else None
    return variable_ is not None and "one-hot" in variable_.facts


def complement_of(program: Program, atom: Atom) -> Atom | None:
    """m where the atom is iszero(m), or a name for 1 − m, of a mask m."""
    head, name, indices = seen(program, atom)
    value = program.expression(str(name)) if not head and is_anonymous(str(name)) else None
    if value is not None and len(value) == 2 and value.get(UNIT) == 1:
        term = single({k: v for k, v in value.items() if k != UNIT})
        if term is not None and term[1] == -1 and not term[0][1] and len(term[0][0]) == 1 and term[0][0][0][1] == 1:
            head_, inner_, places = term[0][0][0][0]
            put = dict(zip(program.variables[str(name)].indices, indices, strict=True))
            found: Atom = (head_, inner_, tuple(put.get(i, i) for i in places))
            return found if not head_ and is_mask(program, found) else None
    if head != "iszero" or not isinstance(name, str):
        return None
    inner: Atom = ("", name, indices)
    return inner if is_mask(program, inner) else None


def extremum(program: Program, atom: Atom) -> Extremum | None:
    """maximum(a, b) where the atom is where(a − b > 0, a, b); the same for minimum."""
    head, names, indices = atom
    if head != "where" or not isinstance(names, tuple):
        return None
    places, start = [], 0
    for _, arity in names:
        places.append(indices[start : start + arity])
        start += arity
    mask = seen(program, ("", names[0][0], places[0]))
    if mask[0] != "step" or not isinstance(mask[1], str):
        return None
    difference = _value(program, mask[1], mask[2])
    (first, second) = ((names[1][0], places[1]), (names[2][0], places[2]))
    for a, b in product(*((variable(*side), _value(program, *side)) for side in (first, second))):
        if difference == add(a, scale(b, -1)):
            return "maximum", first, second
        if difference == add(b, scale(a, -1)):
            return "minimum", first, second
    return None


def _value(program: Program, name: str, indices: tuple[Index, ...]) -> Expr:
    """What an anonymous name stands for at these indices; any other name as it is."""
    value = program.expression(name) if is_anonymous(name) else None
    if value is None or any(bound for _, bound in value):
        return variable(name, indices)
    return rename(value, dict(zip(program.variables[name].indices, indices, strict=True)))


def simplify_masks(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """The term after the first rule that applies, with the function that justifies it."""
    factors, bound = key
    for position, (atom, exponent) in enumerate(factors):
        if atom[0] in ("δ", "#", "n"):
            continue
        plain = seen(program, atom)
        rest = (*factors[:position], *factors[position + 1 :])
        if not atom[0] and exponent > 1 and is_mask(program, atom):
            return monomial(1, [*rest, (atom, 1)], bound), plain[0] or str(atom[1])
        if plain[0] not in FUNCTIONS:
            continue
        inner = _inner(program, plain)
        composed = COMPOSED.get((plain[0], inner[0])) if inner is not None else None
        if composed is not None and inner is not None:
            return monomial(1, [*rest, ((composed, inner[1], inner[2]), exponent)], bound), plain[0]
        if plain[0] == "step":
            clipped = _clipped(program, plain)
            if clipped is not None:
                return _times(rest, clipped, bound), "step"
        if exponent != 1:
            continue
        done = _under_mask(program, atom, plain, rest, bound) or _product(program, plain, rest, bound)
        if done is not None:
            return done, plain[0]
    return None


def _times(rest: tuple[Factor, ...], value: Expr, bound: tuple[Index, ...]) -> Expr:
    out: Expr = {}
    for (factors, _), coefficient in value.items():
        out = add(out, monomial(coefficient, [*rest, *factors], bound))
    return out


def _inner(program: Program, plain: Atom) -> Atom | None:
    """The atom that an unnamed argument stands for; a named one stays, for it is shorter."""
    name = plain[1]
    if not isinstance(name, str) or not is_anonymous(name):
        return None
    found = seen(program, ("", name, plain[2]))
    return found if found[0] in FUNCTIONS and isinstance(found[1], str) else None


def _product(program: Program, plain: Atom, rest: tuple[Factor, ...], bound: tuple[Index, ...]) -> Expr | None:
    """f(x) g(x) = h(x)."""
    for position, (other, exponent) in enumerate(rest):
        if exponent < 1 or other[0] in ("δ", "#", "n") or Fraction(exponent).denominator != 1:
            continue
        partner = seen(program, other)
        for candidate in (other, partner):
            if candidate[1:] != plain[1:] or (plain[0], candidate[0]) not in PRODUCTS:
                continue
            made = PRODUCTS[plain[0], candidate[0]]
            if made and made != candidate[0] and not _occurs(program, made, plain[1]):
                continue  # a function that the program has not would hide what cancels
            left = [*rest[:position], *rest[position + 1 :]]
            if exponent > 1:
                left.append((other, exponent - 1))
            keep = other if made == candidate[0] else (made, plain[1], plain[2])
            return monomial(1, [*left, (keep, 1)], bound)
    return None


def _occurs(program: Program, head: str, name: object) -> bool:
    """True where some equation has head(name)."""
    values = (equation.value for equation in program)
    return any(
        a[:2] == (head, name) for value in values if isinstance(value, dict) for factors, _ in value for a, _ in factors
    )


def _under_mask(
    program: Program, atom: Atom, plain: Atom, rest: tuple[Factor, ...], bound: tuple[Index, ...]
) -> Expr | None:
    """m where(m, a, b) = m a."""
    if not FUNCTIONS[plain[0]].idempotent:
        return None
    complement = complement_of(program, atom)
    for position, (other, exponent) in enumerate(rest):
        choice = seen(program, other)
        if choice[0] != "where" or not isinstance(choice[1], tuple) or exponent < 1:
            continue
        start, places = 0, []
        for _, arity in choice[1]:
            places.append(choice[2][start : start + arity])
            start += arity
        condition = seen(program, ("", choice[1][0][0], places[0]))
        if condition == plain:
            taken = 1
        elif complement is not None and condition == seen(program, complement):
            taken = 2
        else:
            continue
        left = [*rest[:position], *rest[position + 1 :], (atom, 1)]
        branch: Factor = (("", choice[1][taken][0], places[taken]), exponent)
        return _times(tuple(left), _written_out(program, branch), bound)
    return None


def _written_out(program: Program, branch: Factor) -> Expr:
    """A branch; an unnamed one by what it stands for, where its exponent allows it."""
    atom, exponent = branch
    value = _value(program, str(atom[1]), atom[2]) if exponent == 1 else None
    return value if value is not None else {((branch,), ()): 1}


def _clipped(program: Program, plain: Atom) -> Expr | None:
    """[α max(t, c) + β > 0] for numbers α, β, c: a comparison of t with −β/α, or always or never true."""
    name = plain[1]
    value = program.expression(name) if isinstance(name, str) and is_anonymous(name) else None
    if value is None or not 1 <= len(value) <= 2 or any(k != UNIT for k in value if not k[0]):
        return None
    slope_terms = [k for k in value if k != UNIT]
    if len(slope_terms) != 1 or slope_terms[0][1] or len(slope_terms[0][0]) != 1 or slope_terms[0][0][0][1] != 1:
        return None
    slope, offset = Fraction(value[slope_terms[0]]), Fraction(value.get(UNIT, 0))
    clip = seen(program, slope_terms[0][0][0][0])
    limit = _limit(program, clip)
    if limit is None:
        return None
    kind, inner, bound_at = limit
    threshold = -offset / slope
    above = slope > 0  # the comparison is: clipped > threshold
    if kind == "maximum":
        decided = (above and bound_at > threshold, not above and bound_at >= threshold)
    else:
        decided = (not above and bound_at < threshold, above and bound_at <= threshold)
    if any(decided):
        return constant(1) if decided[0] else {}
    turn = 1 if above else -1  # a comparison with 0 is the same for any positive multiple
    plain_comparison = add(scale(inner, turn), constant(number(offset / abs(slope))))
    own = program.variables[str(name)]
    new = named(program, plain_comparison, own)
    return {(((("step", new, plain[2]), 1),), ()): 1}


def _limit(program: Program, clip: Atom) -> tuple[str, Expr, Fraction] | None:
    """(maximum or minimum, the free side, the number on the other side)."""
    if clip[0] == "relu" and isinstance(clip[1], str):
        return "maximum", _value(program, clip[1], clip[2]), Fraction(0)
    found = extremum(program, clip)
    if found is None:
        return None
    kind, first, second = found
    a, b = _value(program, *first), _value(program, *second)
    for side, other in ((a, b), (b, a)):
        if set(other) <= {UNIT}:
            return kind, side, Fraction(other.get(UNIT, 0))
    return None


def named(program: Program, value: Expr, like: Variable) -> str:
    """An anonymous name for an expression over the indices of `like`: the one that it has already, or a new one."""
    for equation in program:
        if equation.value == value and program.variables[equation.name].dims == like.dims:
            return equation.name
    name = program.fresh_name()
    program.define(Variable(name, like.dims, like.orientation), value)
    return name
