"""Factoring: what is common to terms is written once.

The result is again an expression; the sum in brackets becomes a local anonymous equation, which notation writes out in
its place and code computes once. Compared are weighted symbols, not lengths of text.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd

from chainrule.algebra.expr import (
    Atom,
    Expr,
    Factor,
    Index,
    Monomial,
    Rational,
    add,
    bare,
    fresh_bound,
    monomial,
    multiply,
    number,
    rename,
)
from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.relations import CONSTANTS, INDICATORS, RELATION
from chainrule.simplify.brackets import bracket, only
from chainrule.simplify.branches import find_branches
from chainrule.simplify.chunks import lookups_parted, shared, split
from chainrule.simplify.knowledge import Knowledge

__all__ = ["factored"]

LONGEST_DENOMINATOR = 10_000
PLACE = 70_000  # how far away the index of what stands at some positions is, while that is factored
MOST_TERMS = 12  # of a sum in which shared numbers are looked for


def factored(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr:
    """An equal expression in which common factors stand before a bracket; brackets are defined in `program`."""
    if len(expression) < 2:
        return expression
    diagonal = _by_delta(expression, indices, knowledge, program, orientation)
    if diagonal is not None:
        return diagonal
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
            made = bracket(inside, indices, program, orientation)
            return monomial(number(content), [*common.items(), *only(made)], ())
    return _by_group(expression, indices, knowledge, program, orientation)


def _by_delta(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr | None:
    """diag(a) + diag(b) is diag(a + b): what stands beside the same 1[i = j] is one vector."""
    counts: dict[Factor, int] = {}
    for factors, _ in expression:
        if any(a[2] and a[0] not in INDICATORS and any(i[0] < 0 for i in a[2]) for a, _ in factors):
            for factor in factors:
                if factor[0][0] in INDICATORS and len(factor[0][2]) > 1 and all(i[0] < 0 for i in factor[0][2]):
                    counts[factor] = counts.get(factor, 0) + 1
    delta = next((factor for factor, count in counts.items() if count > 1), None)
    if delta is None:
        return None
    beside: Expr = {}
    rest: Expr = {}
    for (factors, bound), value in expression.items():
        if delta in factors:
            beside = add(beside, monomial(value, [f for f in factors if f != delta], bound))
        else:
            rest[factors, bound] = value
    beside = factored(beside, indices, knowledge, program, "matrix")
    if len(beside) > 1:
        beside = bracket(beside, indices, program, "matrix")
    ((factors, bound), value) = next(iter(beside.items()))
    made = monomial(value, [delta, *factors], bound)
    return add(made, factored(rest, indices, knowledge, program, orientation)) if rest else made


def _by_place(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr | None:
    """What stands at the same positions, 1[j = k + o] with a free j, is one sum: σ − σ² at the first entries of a."""
    groups: dict[Atom, Expr] = {}
    rest: Expr = {}
    number_ = min((i[0] for fs, _ in expression for (_, _, ix), _ in fs for i in ix), default=0) - PLACE
    for (factors, bound), value in expression.items():
        places = [a for a, _ in factors if a[0] == RELATION and any(i[0] < 0 for i in a[2])]
        inner = [i for a in places for i in a[2] if i[0] >= 0]
        if len(places) != 1 or len(inner) != 1 or sum(i[0] < 0 for i in places[0][2]) != 1:
            rest[factors, bound] = value
            continue
        here = (number_, inner[0][1])
        head, name, places_ = places[0]
        place: Atom = (head, name, tuple(here if i == inner[0] else i for i in places_))
        left = [((h, n, tuple(here if i == inner[0] else i for i in ix)), e) for (h, n, ix), e in factors]
        left = [f for f in left if f[0] != place]
        if any(i == here for (_, _, ix), _ in left for i in ix):
            groups[place] = add(groups.get(place, {}), monomial(value, left, [i for i in bound if i != inner[0]]))
        else:
            rest[factors, bound] = value
    if all(len(group) < 2 for group in groups.values()):
        return None
    out = factored(rest, indices, knowledge, program, orientation)
    for place, group in groups.items():
        inside = factored(group, indices, knowledge, program, "matrix")
        if len(inside) > 1:
            inside = bracket(inside, indices, program, "matrix")
        here = next(i for i in place[2] if i[0] == number_)
        index = fresh_bound(here[1])
        out = add(out, rename(multiply(inside, bare(place)), {here: index}, [index]))
    return out


def _scalar_parts(key: Monomial) -> dict[Monomial, tuple[frozenset[int], float]]:
    """The parts of a term that are numbers by themselves, such as aᵀ x: in canonical form, with their positions."""
    factors, bound = key
    found: dict[Monomial, tuple[frozenset[int], float]] = {}
    left = {p for p, (a, _) in enumerate(factors) if any(i[0] >= 0 for i in a[2])}
    while left:
        part, indices = {min(left)}, set(factors[min(left)][0][2])
        grown = True
        while grown:
            more = {p for p in left - part if indices & set(factors[p][0][2])}
            grown = bool(more)
            part |= more
            indices.update(i for p in more for i in factors[p][0][2])
        left -= part
        if all(i[0] >= 0 for i in indices):
            (name,) = monomial(1, [factors[p] for p in sorted(part)], [i for i in bound if i in indices])
            found.setdefault(name, (frozenset(part), 0.0))
    return found


def _by_scalar(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr | None:
    """(bᵀx) A x + (bᵀx) Aᵀ x is (bᵀx) (A x + Aᵀ x): a number that several terms share, all of them or the most."""
    if len(expression) > MOST_TERMS:
        return None
    holders: dict[Monomial, list[Monomial]] = {}
    places: dict[tuple[Monomial, Monomial], frozenset[int]] = {}
    for key in expression:
        for part, (positions, _) in _scalar_parts(key).items():
            holders.setdefault(part, []).append(key)
            places[part, key] = positions
    best = max(
        (part for part, keys in holders.items() if len(keys) > 1),
        key=lambda part: ((len(holders[part]) - 1) * knowledge.cost({part: 1}), str(part)),
        default=None,
    )
    if best is None:
        return None
    inside: Expr = {}
    for key in holders[best]:
        (factors, bound), taken = key, places[best, key]
        used = {i for p in taken for i in factors[p][0][2]}
        kept = [f for p, f in enumerate(factors) if p not in taken]
        inside = add(inside, monomial(expression[key], kept, [i for i in bound if i not in used]))
    rest = {key: value for key, value in expression.items() if key not in holders[best]}
    if len(inside) < 2:
        return None
    inside = factored(inside, indices, knowledge, program, orientation)
    if len(inside) > 1:
        inside = bracket(inside, indices, program, orientation)
    made = multiply(inside, {best: 1})
    return add(made, factored(rest, indices, knowledge, program, orientation)) if rest else made


def _pays(common: dict[Atom, Rational], content: Fraction, expression: Expr) -> bool:
    return bool(common) or content.denominator != 1 or abs(content) != 1


def _content(values: list[Fraction]) -> Fraction:
    """The rational that all coefficients share, with their sign: 1/2 of 3/2 and 1/2, but 1 of 1 and 1/10."""
    top, bottom = 0, 0
    for v in values:
        top = gcd(top, v.numerator)
        bottom = gcd(bottom, v.denominator)
    negative = all(v < 0 for v in values)
    if top == 1 and bottom > LONGEST_DENOMINATOR:  # 0.6931 + 3.1416 x, not 0.0001 (6931 + 31416 x)
        return Fraction(-1 if negative else 1)
    return Fraction(top, bottom) * (-1 if negative else 1)


def _is_slice(atom: Atom) -> bool:
    """True for 1[k = i + o] with a summed index: the term has x[i+o]."""
    return atom[0] == RELATION and any(i[0] >= 0 for i in atom[2])


def _common(expression: Expr) -> dict[Atom, Rational]:
    """Factors without summed indices that every term has, with the exponent that all share."""
    shared: dict[Atom, Rational] | None = None
    # diag(ŷ) − ŷ ŷᵀ stays: beside a delta only scalars are taken out.
    deltas = any(a[0] in INDICATORS and not _is_slice(a) for factors, _ in expression for a, _ in factors)
    for factors, _ in expression:
        mine = {
            a: e for a, e in factors
            if a[0] not in INDICATORS and all(i[0] < 0 for i in a[2]) and not (deltas and a[2])
        }  # fmt: skip
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
    placed = _by_place(expression, indices, knowledge, program, orientation)
    if placed is not None:
        return placed
    chosen_ = _by_mask(expression, indices, knowledge, program, orientation) if knowledge.masks else None
    if chosen_ is not None:
        return chosen_
    binomial = _binomial(expression)
    if binomial is not None:
        whole, inside = binomial
        first = bracket(factored(whole, indices, knowledge, program, orientation), indices, program, orientation)
        second = bracket(inside, indices, program, orientation)
        return monomial(1, [*only(first), *only(second)], ())
    done_ = _by_scalar(expression, indices, knowledge, program, orientation)
    if done_ is None:
        done_ = _by_chunk(expression, indices, knowledge, program, orientation)
    if done_ is not None or len(expression) < 3:
        return done_ if done_ is not None else expression
    counts: dict[Atom, list[tuple[tuple[Factor, ...], tuple[Index, ...]]]] = {}
    for key in expression:
        for atom, exponent in key[0]:
            if atom[0] not in CONSTANTS and exponent > 0 and all(i[0] < 0 for i in atom[2]):
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


def _by_mask(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr | None:
    """m a + (1 − m) b is where(m, a, b), for a mask m."""

    def name(side: Expr) -> tuple[str, tuple[Index, ...]]:
        inner = factored(side, indices, knowledge, program, orientation)
        ((((_, own, places), _),), _) = next(iter(bracket(inner, indices, program, orientation)))
        return str(own), places

    found = find_branches(expression, program, name)
    if found is None:
        return None
    made, rest = found
    return add(made, factored(rest, indices, knowledge, program, orientation)) if rest else made


def _binomial(expression: Expr) -> tuple[Expr, Expr] | None:
    """S + c aᵉ S = S ∘ (1 + c aᵉ), where S has several terms: S, and the second factor. None: it is no such sum."""
    if len(expression) < 4 or len(expression) % 2 or any(a[0] in INDICATORS for fs, _ in expression for a, _ in fs):
        return None
    counts: dict[Factor, int] = {}
    for factors, _ in expression:
        for factor in factors:
            if factor[0][0] not in CONSTANTS and factor[0][2] and all(i[0] < 0 for i in factor[0][2]):
                counts[factor] = counts.get(factor, 0) + 1
    for (atom, exponent), count in counts.items():
        if 2 * count != len(expression):
            continue
        plain: Expr = {}
        with_it: Expr = {}
        for (factors, bound), value in expression.items():
            if (atom, exponent) in factors:
                rest = [f for f in factors if f != (atom, exponent)]
                with_it = add(with_it, monomial(value, rest, bound))
            else:
                plain[factors, bound] = value
        if with_it.keys() != plain.keys():
            continue
        ratios = {number(Fraction(with_it[key]) / Fraction(plain[key])) for key in plain}
        if len(ratios) == 1:
            return plain, add({((), ()): 1}, {((((atom, exponent),)), ()): ratios.pop()})
    return None


def _by_chunk(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr | None:
    """A product that some terms share through summed indices: B X + Bᵀ X = (B + Bᵀ) X."""
    keys = list(expression)
    if len(keys) > 12:
        return None
    best: tuple[float, frozenset[int], list[tuple[Monomial, dict[Index, Index], frozenset[int]]]] | None = None
    for k, first in enumerate(keys):
        found: dict[frozenset[int], list[tuple[Monomial, dict[Index, Index], frozenset[int]]]] = {}
        for other in keys[k + 1 :]:
            for mine, theirs, mapping in shared(first, other):
                group = found.setdefault(mine, [])
                if all(o != other for o, _, _ in group):
                    group.append((other, mapping, theirs))
        for mine, group in found.items():
            gain = len(group) * (sum(knowledge.factor_cost(*first[0][p]) for p in mine) - 0.4)
            gain -= sum(lookups_parted(*t, program) for t in ((first, mine), *((o, theirs) for o, _, theirs in group)))
            if gain > 0 and (best is None or gain > best[0]):
                plan = split(first, mine, group)
                if plan is not None:
                    best = (gain, mine, [(first, {}, mine), *group])
    if best is None:
        return None
    _, _, members = best
    first, _, mine = members[0]
    chunk = [first[0][p] for p in sorted(mine)]
    plan = split(first, mine, members[1:])
    assert plan is not None
    interface, remainders = plan
    # Free indices that occur nowhere yet: `expression` may itself be what a bracket holds, with markers of its own.
    low = min((i[0] for fs, _ in expression for (_, _, ix), _ in fs for i in ix), default=0)
    markers = {index: (min(low, -499) - 1 - n, index[1]) for n, index in enumerate(sorted(interface))}
    inside: Expr = {}
    for (key, _, _), (factors, bound) in zip(members, remainders, strict=True):
        moved = [((h, n, tuple(markers.get(i, i) for i in ix)), e) for (h, n, ix), e in factors]
        inside = add(inside, monomial(expression[key], moved, [i for i in bound if i not in markers]))
    if len(inside) < 2:
        return None
    occurring = {i for (fs, _) in inside for (_, _, ix), _ in fs for i in ix if i[0] < 0}
    if not set(markers.values()) <= occurring or len(occurring) > 2:
        return None
    inside = factored(inside, tuple(sorted(occurring, reverse=True)), knowledge, program, "matrix")
    outside: Rational = 1
    if len(inside) == 1:  # −3 (A + B): the number stands before everything
        ((key, outside),) = inside.items()
        inside = {key: 1}
    made = bracket(inside, indices, program, orientation)
    ((((head, name, ix), _),), _) = next(iter(made))
    back = {marker: index for index, marker in markers.items()}
    whole = [*chunk, ((head, name, tuple(back.get(i, i) for i in ix)), 1)]
    summed = {i for (_, _, ix), _ in whole for i in ix if i[0] >= 0}
    result = monomial(outside, whole, summed)
    rest = {key: v for key, v in expression.items() if all(key != m for m, _, _ in members)}
    if not rest:
        return result
    whole_sum = add(result, factored(rest, indices, knowledge, program, orientation))
    if len(whole_sum) > 1 and any(is_anonymous(str(atom[1])) for atom in _common(whole_sum)):
        return factored(whole_sum, indices, knowledge, program, orientation)  # a ∘ (1 − h²) + b ∘ (1 − h²)
    return whole_sum
