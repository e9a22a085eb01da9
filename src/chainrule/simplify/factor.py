"""Factoring: what is common to terms is written once.

The result is again an expression; the sum in brackets becomes a local anonymous equation, which notation writes out in
its place and code computes once. Compared are weighted symbols, not lengths of text.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from math import gcd

from chainrule.algebra.expr import (
    Atom,
    Expr,
    Factor,
    Index,
    Monomial,
    Rational,
    add,
    free,
    fresh_bound,
    monomial,
    multiply,
    number,
    rename,
    scale,
)
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.algebra.relations import CONSTANTS, INDICATORS
from chainrule.functions.operations import defined_by
from chainrule.simplify.branches import find_branches
from chainrule.simplify.knowledge import Knowledge

__all__ = ["factored"]

RECENT = 6  # brackets that are looked back at
LOOKED_UP, CLASSES = 0.5, 1.1  # by how much onehot(ids) E is longer than E[ids], and onehot(ids, V) than onehot(ids)
LONGEST_DENOMINATOR = 10_000
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
            bracket = _bracket(inside, indices, program, orientation)
            return monomial(number(content), [*common.items(), *_only(bracket)], ())
    return _by_group(expression, indices, knowledge, program, orientation)


def _by_delta(
    expression: Expr, indices: tuple[Index, ...], knowledge: Knowledge, program: Program, orientation: str
) -> Expr | None:
    """diag(a) + diag(b) is diag(a + b): what stands beside the same 1[i = j] is one vector."""
    counts: dict[Factor, int] = {}
    for factors, _ in expression:
        if any(a[2] and a[0] not in INDICATORS and any(i[0] < 0 for i in a[2]) for a, _ in factors):
            for factor in factors:
                if factor[0][0] == "δ" and all(i[0] < 0 for i in factor[0][2]):
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
        beside = _bracket(beside, indices, program, "matrix")
    ((factors, bound), value) = next(iter(beside.items()))
    made = monomial(value, [delta, *factors], bound)
    return add(made, factored(rest, indices, knowledge, program, orientation)) if rest else made


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
        inside = _bracket(inside, indices, program, orientation)
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


def _common(expression: Expr) -> dict[Atom, Rational]:
    """Factors without summed indices that every term has, with the exponent that all share."""
    shared: dict[Atom, Rational] | None = None
    # diag(ŷ) − ŷ ŷᵀ stays: beside a delta only scalars are taken out.
    deltas = any(a[0] in INDICATORS for factors, _ in expression for a, _ in factors)
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
    chosen_ = _by_mask(expression, indices, knowledge, program, orientation) if knowledge.masks else None
    if chosen_ is not None:
        return chosen_
    binomial = _binomial(expression)
    if binomial is not None:
        whole, inside = binomial
        first = _bracket(factored(whole, indices, knowledge, program, orientation), indices, program, orientation)
        second = _bracket(inside, indices, program, orientation)
        return monomial(1, [*_only(first), *_only(second)], ())
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
        ((((_, own, places), _),), _) = next(iter(_bracket(inner, indices, program, orientation)))
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
            for mine, theirs, mapping in _shared(first, other):
                group = found.setdefault(mine, [])
                if all(o != other for o, _, _ in group):
                    group.append((other, mapping, theirs))
        for mine, group in found.items():
            gain = len(group) * (sum(knowledge.factor_cost(*first[0][p]) for p in mine) - 0.4)
            gain -= sum(_lookups_parted(*t, program) for t in ((first, mine), *((o, theirs) for o, _, theirs in group)))
            if gain > 0 and (best is None or gain > best[0]):
                plan = _split(first, mine, group)
                if plan is not None:
                    best = (gain, mine, [(first, {}, mine), *group])
    if best is None:
        return None
    _, _, members = best
    first, _, mine = members[0]
    chunk = [first[0][p] for p in sorted(mine)]
    plan = _split(first, mine, members[1:])
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
    bracket = _bracket(inside, indices, program, orientation)
    ((((head, name, ix), _),), _) = next(iter(bracket))
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


def _shared(first: Monomial, other: Monomial) -> list[tuple[frozenset[int], frozenset[int], dict[Index, Index]]]:
    """Sets of factors (positions in both) that agree under a renaming of the second term's summed indices."""
    out = []
    for p, (atom, e) in enumerate(first[0]):
        if atom[0] in CONSTANTS or not any(i[0] >= 0 for i in atom[2]):
            continue
        for q, (partner, f) in enumerate(other[0]):
            mapping = _agree({}, partner, atom) if e == f else None
            if mapping is None:
                continue
            mine, theirs = {p}, {q}
            grown = True
            while grown:
                grown = False
                for p2, (a2, e2) in enumerate(first[0]):
                    if p2 in mine or a2[0] in CONSTANTS:
                        continue
                    for q2, (b2, f2) in enumerate(other[0]):
                        wider = _agree(mapping, b2, a2) if q2 not in theirs and e2 == f2 else None
                        if wider is not None:
                            mine.add(p2)
                            theirs.add(q2)
                            mapping, grown = wider, True
                            break
            out.append((frozenset(mine), frozenset(theirs), mapping))
    return out


def _lookups_parted(key: Monomial, taken: frozenset[int], program: Program) -> float:
    """How much longer it gets where a name is taken away from the onehot(ids, V) before it: they are written E[ids]."""
    factors, bound = key
    cost = 0.0
    for position, ((head, name, indices), exponent) in enumerate(factors):
        if position in taken or head or exponent != 1 or not indices or indices[-1] not in bound:
            continue
        operation = defined_by(program, str(name))
        if operation is None or operation.op != "onehot" or is_anonymous(operation.args[0]):
            continue
        holders = [p for p, ((_, _, ix), _) in enumerate(factors) if indices[-1] in ix and p != position]
        if len(holders) == 1 and holders[0] in taken and _has_rows(factors[holders[0]], indices[-1]):
            cost += LOOKED_UP + (CLASSES if program.equations[str(name)].source is None else 0)
    return cost


def _has_rows(factor: Factor, index: Index) -> bool:
    """True for a name whose first axis this is: E[ids] are rows, and columns of E have no such notation."""
    (head, name, places), exponent = factor
    return not head and exponent == 1 and places[0] == index and not is_anonymous(str(name))


def _agree(mapping: dict[Index, Index], source: Atom, target: Atom) -> dict[Index, Index] | None:
    if source[:2] != target[:2]:
        return None
    new = dict(mapping)
    for s, t in zip(source[2], target[2], strict=True):
        if s[0] < 0 or t[0] < 0:
            if s != t:
                return None
        elif new.setdefault(s, t) != t:
            return None
    return new if len(set(new.values())) == len(new) else None


def _split(
    first: Monomial, mine: frozenset[int], group: list[tuple[Monomial, dict[Index, Index], frozenset[int]]]
) -> tuple[set[Index], list[tuple[list[Factor], list[Index]]]] | None:
    """The indices that chunk and remainders share, and the remainders in the first term's names; None if none fits."""
    inner = {i for p in mine for i in first[0][p][0][2] if i[0] >= 0}
    remainders: list[tuple[list[Factor], list[Index]]] = []
    interfaces: list[frozenset[Index]] = []
    bare: list[int] = []
    for key, mapping, positions in [(first, {i: i for i in first[1]}, mine), *group]:
        names = dict(mapping)
        for index in key[1]:
            if index not in names:
                names[index] = fresh_bound(index[1])
        rest = [
            ((h, n, tuple(names.get(i, i) for i in ix)), e)
            for p, ((h, n, ix), e) in enumerate(key[0]) if p not in positions
        ]  # fmt: skip
        if any(a[0] in INDICATORS for a, _ in rest):
            return None
        if all(a[0] in ("#", "n") for a, _ in rest):
            bare.append(len(remainders))
        used = {i for (_, _, ix), _ in rest for i in ix if i[0] >= 0}
        interfaces.append(frozenset(used & inner))
        remainders.append((rest, [i for i in names.values() if i in used]))
    others = {face for position, face in enumerate(interfaces) if position not in bare}
    if len(others) != 1:
        return None
    (interface,) = others
    if bare and interface:  # a 1 in the bracket may stand for a summed index, Aᵀ (1 − h²), beside what has all of them
        held = [_held(rest) for position, (rest, _) in enumerate(remainders) if position not in bare]
        if len(bare) > 1 or any(own != held[0] for own in held):
            return None
    return set(interface), remainders


def _held(factors: list[Factor]) -> set[Index]:
    """The indices, summed and free, that these factors have."""
    return {i for (_, _, indices), _ in factors for i in indices}


def _bracket(inside: Expr, indices: tuple[Index, ...], program: Program, orientation: str) -> Expr:
    """A local name for a sum, over those of the free indices that occur in it."""
    inside = _flat(inside, program)
    occurring = tuple(
        i for i in sorted({i for (fs, _) in inside for (_, _, ix), _ in fs for i in ix if i[0] < 0}, reverse=True)
    )
    own = free([i[1] for i in occurring])
    here = rename(inside, dict(zip(occurring, own, strict=True)))
    for equation in islice(reversed(program.equations.values()), RECENT):  # the same bracket once
        same = is_anonymous(equation.name) and equation.value == here
        if same and program.variables[equation.name].indices == own:
            return {((((("", equation.name, occurring)), 1),), ()): 1}
    name = program.fresh_name()
    kind = ("scalar", "column", "matrix")[len(own)] if len(own) < 3 else "tensor"
    if len(own) == 1 and (orientation == "row" or (orientation == "matrix" and occurring[0][0] == -2)):
        kind = "row"
    program.define(Variable(name, tuple(i[1] for i in own), kind), here)
    return {((((("", name, occurring)), 1),), ()): 1}


def _flat(inside: Expr, program: Program) -> Expr:
    """The sum without a bracket that holds a number: a + 1 − y for a + (1 − y), p − 1 for −(1 − p)."""
    out: Expr = {}
    for (factors, bound), coefficient in inside.items():
        value = _bracketed(factors[0], program) if len(factors) == 1 and abs(coefficient) == 1 and not bound else None
        out = add(out, {(factors, bound): coefficient} if value is None else scale(value, coefficient))
    return out if len(out) > 1 else inside


def _bracketed(factor: Factor, program: Program) -> Expr | None:
    """The sum of a number and other terms that an unnamed factor stands for, and that is not read as a call."""
    (head, name, places), exponent = factor
    equation = program.equations.get(str(name)) if exponent == 1 and not head and is_anonymous(str(name)) else None
    if equation is None or hasattr(equation.source, "args") or not isinstance(equation.value, dict):
        return None
    if ((), ()) not in equation.value or len(set(places)) != len(places):
        return None
    return rename(equation.value, dict(zip(program.variables[equation.name].indices, places, strict=True)))


def _only(expression: Expr) -> tuple[Factor, ...]:
    ((factors, _),) = expression
    return factors
