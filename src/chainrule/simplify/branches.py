"""Branches: m a + (1 − m) b, and m (a − b) + b, are where(m, a, b) for a mask m; x where(m, 1, s) is where(m, x, s x).

It is shorter, and no branch that overflows is multiplied by 0. The indices of m are free ones: a summed index is
another in each term. A name x goes into the branches where one is 1 and the other a scalar: that is shorter by a sign.
Both hold for numbers that are not finite as well: where(m, x, s x) is x · 1 or s · x, of which one was taken before.
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.algebra.expr import ONE, Atom, Expr, Index, add, monomial, multiply, single, variable
from chainrule.algebra.program import Program, is_anonymous
from chainrule.simplify.masks import complement_of, is_mask, named, seen

__all__ = ["find_branches", "into_branches"]

# gives a name, with indices, to an expression
Name = Callable[[Expr], tuple[str, tuple[Index, ...]]]


def find_branches(expression: Expr, program: Program, name: Name) -> tuple[Expr, Expr] | None:
    """(where(m, a, b), the other terms) for the first mask m by which terms can be parted; None where there is none."""
    for factors, _ in expression:
        for atom, exponent in factors:
            if exponent != 1 or any(i[0] >= 0 for i in atom[2]):
                continue
            mask = complement_of(program, atom)
            parted = _by_complement(expression, atom, mask, program) if mask is not None else None
            if parted is not None and mask is not None:
                there, elsewhere, rest = parted
                made = _choice(mask, there, elsewhere, name)
                return (made, rest) if made is not None else None
    for factors, _ in expression:
        for atom, exponent in factors:
            if exponent != 1 or any(i[0] >= 0 for i in atom[2]):
                continue
            if not atom[0] and is_anonymous(str(atom[1])) and is_mask(program, atom):
                sides = _by_difference(expression, atom)
                made = _choice(atom, *sides, name) if sides is not None else None
                if made is not None:
                    return made, {}
    return None


def _by_complement(expression: Expr, atom: Atom, mask: Atom, program: Program) -> tuple[Expr, Expr, Expr] | None:
    """The terms with m, those with 1 − m, and the others; None unless there are both."""
    other = seen(program, mask)
    there: Expr = {}
    elsewhere: Expr = {}
    rest: Expr = {}
    for (own, bound), value in expression.items():
        held = next((a for a, e in own if e == 1 and a in (mask, other)), None)
        if (atom, 1) in own:
            elsewhere = add(elsewhere, monomial(value, [f for f in own if f[0] != atom], bound))
        elif held is not None:
            there = add(there, monomial(value, [f for f in own if f[0] != held], bound))
        else:
            rest[own, bound] = value
    return (there, elsewhere, rest) if there and elsewhere else None


def _by_difference(expression: Expr, atom: Atom) -> tuple[Expr, Expr] | None:
    """m (a − b) + b: a and b, where a is shorter than a − b."""
    inside: Expr = {}
    outside: Expr = {}
    for (own, bound), value in expression.items():
        if (atom, 1) in own:
            inside = add(inside, monomial(value, [f for f in own if f[0] != atom], bound))
        else:
            outside[own, bound] = value
    there = add(inside, outside)
    return (there, outside) if outside and len(there) < len(inside) else None


def _choice(mask: Atom, there: Expr, elsewhere: Expr, name: Name) -> Expr | None:
    """where(mask, there, elsewhere); None where a branch has some of the mask's indices, but not all."""
    names, places = [str(mask[1])], [mask[2]]
    for side in (there, elsewhere):
        occurring = {i for (fs, _) in side for (_, _, ix), _ in fs for i in ix if i[0] < 0}
        if occurring and occurring != set(mask[2]):
            return None
        own, at = _bare(side) or name(side)
        names.append(own)
        places.append(at)
    pairs = tuple((own, len(at)) for own, at in zip(names, places, strict=True))
    return monomial(1, [(("where", pairs, tuple(i for at in places for i in at)), 1)], ())


def into_branches(expression: Expr, program: Program) -> Expr | None:
    """where(m, x, s x) for x where(m, 1, s), where x is the name of an array and s a scalar; None for another thing."""
    term = single(expression)
    if term is None or term[0][1]:
        return None
    (factors, bound), coefficient = term
    arrays = [f for f in factors if f[0][2]]
    if len(arrays) != 2:
        return None
    for ((head, name, places), power), ((other, x, at), exponent) in (arrays, arrays[::-1]):
        choice = seen(program, (head, name, places)) if head or is_anonymous(str(name)) else (head, name, places)
        if choice[0] != "where" or power != 1 or other or exponent != 1 or is_anonymous(str(x)):
            continue
        assert isinstance(choice[1], tuple)
        (mask, count), *sides = choice[1]
        if choice[2] != at or len(set(at)) != len(at) or count != len(at):
            return None
        branches = [program.expression(side) if is_anonymous(side) else variable(side) for side, _ in sides]
        one = [value == ONE for value in branches]
        scale_ = branches[one.index(False)] if sum(one) == 1 else None
        scalar = scale_ is not None and len(scale_) == 1 and all(not own for _, own in sides)
        if not scalar or scale_ is None or any(summed for _, summed in scale_):
            return None
        own = program.variables[str(x)]
        scaled = named(program, multiply(scale_, variable(str(x), own.indices)), own)
        names = ((mask, count), *(((str(x) if here else scaled), count) for here in one))
        made: Atom = ("where", names, at * 3)
        return monomial(coefficient, [*(f for f in factors if f not in arrays), (made, 1)], bound)
    return None


def _bare(side: Expr) -> tuple[str, tuple[Index, ...]] | None:
    """The name that a branch is, if it is one."""
    term = single(side)
    if term is None or term[1] != 1 or term[0][1] or len(term[0][0]) != 1 or term[0][0][0][1] != 1:
        return None
    (head, name, places), _ = term[0][0][0]
    return (name, places) if head == "" and isinstance(name, str) and len(set(places)) == len(places) else None
