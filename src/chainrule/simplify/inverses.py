"""Inverses of sums and multiples that meet what they are made of, so that the inverse can be done without.

    inv(t A) A = I/t                     a multiple of one matrix
    inv(I + u vᵀ) u = u/(1 + vᵀ u)       a change of rank one, and vᵀ inv(I + u vᵀ) from the other side

    X pinv(X) X = X, XᵀX pinv(X) = Xᵀ    of three in a row, X and pinv(X) in any order and turned: the one that is
                                         there twice is left (Penrose's four conditions)

where 1 + vᵀ u is det(I + u vᵀ), and has its name where the program has that determinant: so the derivative of
det(I + u vᵀ) by u is v. A rule is added as a function of (the factor that is an inverse, what it inverts, the term).
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.algebra.expr import Atom, Expr, Factor, Index, Monomial, Rational, monomial, number, single
from chainrule.algebra.program import Operation, Program, Variable, is_anonymous
from chainrule.functions.operations import defined_by

__all__ = ["simplify_inverses"]

Side = tuple[str, str]  # a vector: the function of it, and its name


def simplify_inverses(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """The term after the first of these rules that applies, with the name that justifies it."""
    for atom, exponent in key[0]:
        if atom[0] != "" or exponent != 1 or len(atom[2]) != 2 or not isinstance(atom[1], str):
            continue
        operation = defined_by(program, atom[1])
        if operation is None or operation.op not in ("inv", "pinv"):
            continue
        for rule in (_multiple, _rank_one) if operation.op == "inv" else (_penrose,):
            done = rule(atom, operation.args[0], key, program)
            if done is not None:
                return done, operation.args[0]
    return None


def _meets(atom: Atom, other: Atom, key: Monomial) -> list[tuple[int, int]]:
    """The places (in the one, in the other) of a summed index that both have once, and nothing else has."""
    factors, bound = key
    found = []
    for mine, index in enumerate(atom[2]):
        holders = [a for a, _ in factors if index in a[2]]
        if index in bound and holders in ([atom, other], [other, atom]):
            found += [(mine, k) for k, i in enumerate(other[2]) if i == index and other[2].count(i) == 1]
    return found if atom[2][0] != atom[2][1] else []


def _multiple(atom: Atom, inverted: str, key: Monomial, program: Program) -> Expr | None:
    """inv(t A)[i,k] A[k,j] becomes 1[i = j]/t."""
    value = program.expression(inverted)
    term = single(value) if value else None
    if term is None or not is_anonymous(inverted) or term[0][1]:
        return None
    own = program.variables[inverted].indices
    matrices = [f for f in term[0][0] if f[0][2]]
    if len(matrices) != 1 or matrices[0][1] != 1 or matrices[0][0][0] != "" or matrices[0][0][2] != own:
        return None
    base = matrices[0][0][:2]
    below: list[Factor] = [(a, -e) for a, e in term[0][0] if not a[2]]
    for other, exponent in key[0]:
        if other[:2] != base or exponent != 1:
            continue
        for mine, theirs in _meets(atom, other, key):
            if mine == theirs:
                continue
            left, right = atom[2][1 - mine], other[2][1 - theirs]
            rest = [f for f in key[0] if f[0] not in (atom, other)]
            same: list[Factor] = [(("δ", "", (min(left, right), max(left, right))), 1)] if left != right else []
            bound = [i for i in key[1] if i != atom[2][mine]]
            return monomial(number(1 / Fraction(term[1])), [*rest, *same, *below], bound)
    return None


def _rank_one(atom: Atom, inverted: str, key: Monomial, program: Program) -> Expr | None:
    """inv(I + u vᵀ)[i,k] u[k] becomes u[i]/(1 + vᵀ u)."""
    found = _change(inverted, program)
    if found is None:
        return None
    coefficient, sides = found[0], [found[1], found[2]]
    for place, (head, name) in enumerate(sides):  # u stands at the columns of the inverse, v at its rows
        for other, exponent in key[0]:
            if other[:2] != (head, name) or exponent != 1 or (1 - place, 0) not in _meets(atom, other, key):
                continue
            rest = [f for f in key[0] if f[0] not in (atom, other)]
            moved: Factor = ((head, name, (atom[2][place],)), 1)
            whole: Factor = (("", _determinant(inverted, coefficient, sides, program), ()), -1)
            return monomial(1, [*rest, moved, whole], [i for i in key[1] if i != atom[2][1 - place]])
    return None


def _penrose(atom: Atom, inverted: str, key: Monomial, program: Program) -> Expr | None:
    """pinv(X) X pinv(X) becomes pinv(X), and so for the others."""
    names = (inverted, str(atom[1]))
    edges = [a for a, e in key[0] if a[0] == "" and a[1] in names and e == 1]

    def rows_first(edge: Atom) -> tuple[Index, Index]:
        return (edge[2][0], edge[2][1]) if edge[1] == inverted else (edge[2][1], edge[2][0])

    def joined(edge: Atom, other: Atom) -> list[int]:
        """Where two of them meet: 0 at the rows of X, 1 at its columns."""
        mine, theirs = rows_first(edge), rows_first(other)
        places = {edge[2][k] for k, _ in _meets(edge, other, key)}
        return [side for side in (0, 1) if mine[side] == theirs[side] and mine[side] in places]

    for middle in edges:
        for first in edges:
            for last in edges:
                if len({first, middle, last}) < 3 or len({a[1] for a in (first, middle, last)}) < 2:
                    continue
                if joined(first, middle) != [0] or joined(middle, last) != [1]:
                    continue
                row, column = rows_first(last)[0], rows_first(first)[1]
                twice = inverted if [a[1] for a in (first, middle, last)].count(inverted) == 2 else str(atom[1])
                left: Factor = (("", twice, (row, column) if twice == inverted else (column, row)), 1)
                rest = [f for f in key[0] if f[0] not in (first, middle, last)]
                gone = set(rows_first(middle))
                return monomial(1, [*rest, left], [i for i in key[1] if i not in gone])
    return None


def _change(name: str, program: Program) -> tuple[Rational, Side, Side] | None:
    """c, u and v where `name` is I + c u vᵀ; None where it is nothing of the kind."""
    value = program.expression(name)
    if value is None or len(value) != 2:
        return None
    first, second = program.variables[name].indices
    identity: Monomial = (((("δ", "", tuple(sorted((first, second)))), 1),), ())
    if value.get(identity) != 1:
        return None
    ((factors, bound), coefficient) = next((k, c) for k, c in value.items() if k != identity)
    if bound or len(factors) != 2 or any(e != 1 or len(a[2]) != 1 for a, e in factors):
        return None
    at: dict[Index, Side] = {a[2][0]: (a[0], a[1]) for a, _ in factors if isinstance(a[1], str)}
    return (coefficient, at[first], at[second]) if at.keys() == {first, second} else None


def _determinant(name: str, coefficient: Rational, sides: list[Side], program: Program) -> str:
    """The name of 1 + c vᵀ u: that of the determinant where there is one, else one of its own."""
    known = program.operations.get((Operation("det", (name,), ()), ()))
    if known is not None and known in program.equations:
        return known
    index: Index = (0, program.variables[name].dims[0])
    summed = monomial(coefficient, [((head, inner, (index,)), 1) for head, inner in sides], [index])
    value: Expr = {((), ()): 1, **summed}
    for equation in program:
        if is_anonymous(equation.name) and equation.value == value:
            return equation.name
    fresh = program.fresh_name()
    program.define(Variable(fresh, (), "scalar"), value)
    return fresh
