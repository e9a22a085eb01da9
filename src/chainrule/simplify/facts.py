"""What declared facts of matrices say of single entries, sums and determinants; of products, `simplify.matrices` does.

    T[i,j] = 0 where j > i                T lower triangular: declared, a Cholesky factor, an inverse or product of such
    T[i,j] 1[j ≤ i] = T[i,j]              such a mask says nothing more; the opposite one leaves the diagonal
    Σₖ A[i,k] B[k,i] = A[i,i] B[i,i]      both lower, or both upper triangular
    T⁻¹[i,i] = 1/T[i,i]                   T triangular or diagonal
    Σⱼ Q[i,j]² = 1, (det Q)² = 1          Q orthogonal; log |det Q| = 0
    Σₖ L[i,k] L[j,k] = A[i,j]             L = cholesky(A), A symmetric
    Σₖ L⁻¹[k,i] L⁻¹[k,j] = A⁻¹[i,j]
    (−1)ᵏ (−1)ᵏ = 1                       k integer

A term with two indices a, b of a triangular factor knows b ≤ a. Where b ≤ a and a ≤ b the two are one; where a < b too
there is nothing. To add a rule: a function of a term that gives an equal one and the name whose fact it used, called in
`simplify_facts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from chainrule.algebra.expr import (
    Atom,
    Expr,
    Factor,
    Index,
    Monomial,
    Rational,
    add,
    fresh_bound,
    monomial,
    multiply,
    rename,
    single,
    size,
)
from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.relations import INDICATORS, relation_of
from chainrule.functions.operations import auxiliary, defined_by
from chainrule.simplify.matrices import is_orthogonal, is_symmetric

__all__ = ["join_triangles", "simplify_facts", "simplify_integers", "triangle_of"]

LOWER, UPPER = "lower", "upper"
DEEPEST = 3  # definitions that are looked through
_DECLARED = {
    "lower triangular": frozenset({LOWER}),
    "upper triangular": frozenset({UPPER}),
    "diagonal": frozenset({LOWER, UPPER}),
}

# a ≤ b, whether it is <, and the name whose fact says so ("" for an index relation)
Order = tuple[Index, Index, bool, str]
# what follows of two indices: whether a < b, and the names whose facts were used
Known = dict[tuple[Index, Index], tuple[bool, frozenset[str]]]


def triangle_of(program: Program, name: str, depth: int = 0) -> frozenset[str]:
    """Of a square matrix: whether it is known to be lower, upper, or (both) diagonal."""
    variable = program.variables.get(name)
    if variable is None or len(variable.dims) != 2 or variable.dims[0] != variable.dims[1]:
        return frozenset()
    declared = frozenset[str]().union(*(_DECLARED.get(fact, frozenset()) for fact in variable.facts))
    if declared or depth > DEEPEST or variable.kind in ("signal", "gradient"):
        return declared
    operation = defined_by(program, name)
    if operation is not None:
        if operation.op == "inv":
            return triangle_of(program, operation.args[0], depth + 1)
        if operation.op == "qrr":
            return frozenset({UPPER})
        return frozenset({LOWER}) if operation.op in ("cholesky", "half triangle") else frozenset()
    value = program.expression(name)
    if not value or len(value) > 6:
        return frozenset()
    i, j = variable.indices
    found = frozenset({LOWER, UPPER})
    for factors, _ in value:
        below = _closure(_orders(factors, program, depth + 1, True))
        delta = any(atom[0] == "δ" and {i, j} == set(atom[2]) for atom, _ in factors)
        mine = {side for side, pair in ((LOWER, (j, i)), (UPPER, (i, j))) if delta or pair in below}
        found &= mine
        if not found:
            break
    return found


def _orders(factors: tuple[Factor, ...], program: Program, depth: int, every: bool = False) -> list[tuple[Order, Atom]]:
    """What each factor says of the order of two indices, for where the term is not 0."""
    found: list[tuple[Order, Atom]] = []
    for atom, exponent in factors:
        head, name, indices = atom
        if head == "rel":
            comparison, offset, coefficients = relation_of(str(name))
            near = comparison == "≤" and isinstance(offset, int) and offset <= 0 and set(coefficients) == {1, -1}
            if near and len(indices) == 2 and indices[0][1] == indices[1][1]:
                low, high = indices if coefficients[0] == 1 else indices[::-1]
                found.append(((low, high, offset != 0, ""), atom))
            continue
        if head in INDICATORS or not isinstance(name, str) or len(indices) != 2 or exponent < 0:
            continue
        if head or indices[0] == indices[1] or indices[0][1] != indices[1][1]:
            continue
        for side in sorted(triangle_of(program, name, depth)):
            row, column = indices
            low, high = (column, row) if side == LOWER else (row, column)
            found.append(((low, high, False, name), atom))
    return found if every else [o for o in found if not _alone(o[1], found)]


def _alone(atom: Atom, orders: list[tuple[Order, Atom]]) -> bool:
    """A diagonal matrix that nothing else stands beside: D x is shorter than diag(D) ∘ x."""
    mine = [order for order, holder in orders if holder == atom]
    pair = set(mine[0][:2])
    return len(mine) == 2 and all(holder == atom for order, holder in orders if set(order[:2]) == pair)


def _closure(orders: list[tuple[Order, Atom]]) -> Known:
    """All a ≤ b that follow."""
    known: Known = {}
    for (low, high, strict, subject), _ in orders:
        before = known.get((low, high))
        if before is None or (strict and not before[0]):
            known[low, high] = (strict, frozenset({subject} - {""}))
    grown = True
    while grown and len(known) < 64:
        grown = False
        for (a, b), (s, m) in list(known.items()):
            for (c, d), (t, n) in list(known.items()):
                if b == c and a != d:
                    old = known.get((a, d))
                    if old is None or ((s or t) and not old[0]):
                        known[a, d] = (s or t, m | n)
                        grown = True
    return known


def simplify_facts(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """The term after the first rule that applies, with the name that justifies it."""
    for rule in (_half_triangle, _diagonal_of_inverse, _triangles, _orthogonal, _cholesky):
        found = rule(key, program)
        if found is not None:
            return found
    return None


def _diagonal_of_inverse(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """T⁻¹[i,i] becomes 1/T[i,i]."""
    factors, bound = key
    for atom, exponent in factors:
        head, name, indices = atom
        if head or len(indices) != 2 or indices[0] != indices[1]:
            continue
        operation = defined_by(program, str(name))
        if operation is None or operation.op != "inv" or not triangle_of(program, operation.args[0]):
            continue
        rest = [f for f in factors if f[0] != atom]
        return monomial(1, [*rest, (("", operation.args[0], indices), -exponent)], bound), operation.args[0]
    return None


def _triangles(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """Masks that say nothing more, indices that are one, and what is 0."""
    factors, bound = key
    orders = _orders(factors, program, 0)
    if len(orders) < 2 or not any(subject for (_, _, _, subject), _ in orders):
        return None
    known = _closure(orders)
    for (a, b), (strict, subjects) in known.items():
        back = known.get((b, a))
        if back is not None and (strict or back[0]):
            return {}, _both(subjects, back[1])
    for order, atom in orders:
        if order[3]:
            continue
        others = _closure([o for o in orders if o[1] != atom])
        implied = others.get(order[:2])
        if implied is not None and (implied[0] or not order[2]):
            return monomial(1, [f for f in factors if f[0] != atom], bound), _both(implied[1])
    masked = {i for (low, high, _, subject), _ in orders if not subject for i in (low, high)}
    for (a, b), (_, subjects) in known.items():
        back = known.get((b, a))
        if back is None or not (subjects | back[1]) or not ({a, b} & set(bound) or {a, b} <= masked):
            continue
        pair: Factor = (("δ", "", (min(a, b), max(a, b))), 1)
        rest = [f for f in factors if f[0][0] != "rel" or set(f[0][2]) != {a, b}]
        made = monomial(1, [*rest, pair], bound)
        if key not in made:
            return made, _both(subjects, back[1])
    return None


def _both(*subjects: frozenset[str]) -> str:
    return " ".join(sorted(frozenset[str]().union(*subjects)))


def _orthogonal(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """Σⱼ Q[i,j]² = 1; log |det Q| = 0; an even power of det Q is 1."""
    factors, bound = key
    for atom, exponent in factors:
        head, name, indices = atom
        if head or not isinstance(name, str):
            continue
        if not indices:
            operation = defined_by(program, name)
            if (
                operation is None
                or operation.op not in ("det", "logdet")
                or not is_orthogonal(program, operation.args[0])
            ):
                continue
            if operation.op == "logdet" and exponent > 0:
                return {}, operation.args[0]
            if operation.op == "det" and exponent % 2 == 0:
                return monomial(1, [f for f in factors if f[0] != atom], bound), operation.args[0]
            continue
        if exponent == 2 and len(set(indices)) == 2 and is_orthogonal(program, name):
            rest = [f for f in factors if f[0] != atom]
            for summed in indices:
                if summed in bound and not any(summed in a[2] for a, _ in rest):
                    left = [i for i in bound if i != summed]
                    other = next(i for i in indices if i != summed)
                    if other in left and not any(other in a[2] for a, _ in rest):  # Σᵢ 1 is the size
                        left.remove(other)
                        return multiply(monomial(1, rest, left), size(other[1])), name
                    return monomial(1, rest, left), name
    return None


def _cholesky(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """Σₖ L[i,k] L[j,k] becomes A[i,j], and Σₖ L⁻¹[k,i] L⁻¹[k,j] becomes A⁻¹[i,j]."""
    for atom, _ in key[0]:
        found = _factor_of(program, atom)
        if found is None:
            continue
        of, inverse = found
        summed, free_ = (atom[2][0], atom[2][1]) if inverse else (atom[2][1], atom[2][0])
        if summed not in key[1] or summed == free_:
            continue
        for other in _with_inner(key, atom, program):
            (inner, inner_bound), coefficient = other
            same = [
                (a, e) for a, e in inner if a[:2] == atom[:2] and a[2][0 if inverse else 1] == summed
            ]  # fmt: skip
            count = sum(e for _, e in same)
            if count != 2 or any(e < 0 for _, e in same):
                continue
            rest = [f for f in inner if f not in same]
            ends = [a[2][1 if inverse else 0] for a, e in same for _ in range(int(e))]
            if any(summed in a[2] for a, _ in rest) or summed in ends:
                continue
            name = auxiliary(program, "inv", (of,), program.variables[of].dims) if inverse else of
            made: Factor = (("", name, (ends[0], ends[1])), 1)
            left = [i for i in inner_bound if i != summed]
            return {k: c * coefficient for k, c in monomial(1, [*rest, made], left).items()}, of
    return None


def _factor_of(program: Program, atom: Atom) -> tuple[str, bool] | None:
    """A, and whether it is the inverse, where an entry is of the Cholesky factor of a symmetric A or its inverse."""
    head, name, indices = atom
    if head or not isinstance(name, str) or len(indices) != 2:
        return None
    operation, inverse = defined_by(program, name), False
    if operation is not None and operation.op == "inv":
        operation, inverse = defined_by(program, operation.args[0]), True
    if operation is None or operation.op != "cholesky" or not is_symmetric(program, operation.args[0]):
        return None
    return operation.args[0], inverse


def _with_inner(key: Monomial, atom: Atom, program: Program) -> Iterator[tuple[Monomial, Rational]]:
    """The term, and the term with an unnamed product that holds the same matrix written out."""
    yield key, 1
    for other, exponent in key[0]:
        if other == atom or other[0] or exponent != 1 or not is_anonymous(str(other[1])):
            continue
        value = program.expression(str(other[1]))
        term = single(value) if value else None
        if term is None or all(a[:2] != atom[:2] for a, _ in term[0][0]):
            continue
        own = program.variables[str(other[1])].indices
        marks = {i: (-700 - k, i[1]) for k, i in enumerate(key[1])}  # summed indices, while two terms meet
        written = rename({term[0]: term[1]}, dict(zip(own, (marks.get(i, i) for i in other[2]), strict=True)))
        rest = tuple(((h, n, tuple(marks.get(i, i) for i in ix)), e) for (h, n, ix), e in key[0] if (h, n, ix) != other)
        back = {mark: index for index, mark in marks.items()}
        whole = multiply({(rest, ()): 1}, written)
        for (factors, bound), coefficient in whole.items():
            apart = {i: fresh_bound(i[1]) for i in bound}
            names = {**back, **apart}
            moved = tuple(((h, n, tuple(names.get(i, i) for i in ix)), e) for (h, n, ix), e in factors)
            yield (moved, (*key[1], *apart.values())), coefficient


def _half_triangle(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """The mask of a Cholesky factor's derivative is 1/2 on the diagonal."""
    factors, bound = key
    for atom, exponent in factors:
        operation = defined_by(program, str(atom[1])) if not atom[0] and len(set(atom[2])) == 1 else None
        if operation is not None and operation.op == "half triangle" and isinstance(exponent, int):
            return monomial(Fraction(1, 2) ** exponent, [f for f in factors if f[0] != atom], bound), ""
    return None


def join_triangles(expression: Expr, program: Program) -> Expr:
    """H[k,l] R + H[l,k] R = R, for the mask H of a Cholesky factor's derivative: the two triangles of a symmetric R."""
    for key, coefficient in expression.items():
        factors, bound = key
        for atom, exponent in factors:
            operation = defined_by(program, str(atom[1])) if not atom[0] and len(set(atom[2])) == 2 else None
            if operation is None or operation.op != "half triangle" or exponent != 1:
                continue
            rest = [f for f in factors if f[0] != atom]
            ((turned, scale),) = monomial(coefficient, [*rest, ((*atom[:2], atom[2][::-1]), 1)], bound).items()
            if turned != key and expression.get(turned) == scale:
                left = {k: c for k, c in expression.items() if k not in (key, turned)}
                return join_triangles(add(left, monomial(coefficient, rest, bound)), program)
    return expression


def simplify_integers(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """An even power of (−1)ᵏ is 1, and |(−1)ᵏ| too, where k is a whole number."""
    factors, bound = key
    for atom, exponent in factors:
        power, size_ = atom, False
        for _ in range(3):  # the name of |%| of the name of a power
            if power[0] == "abs" and isinstance(power[1], str):
                power, size_ = ("", power[1], power[2]), True
            if power[0] or not isinstance(power[1], str) or not is_anonymous(power[1]):
                break
            power = _inside(program, power)
        if power[0] != "pow" or not isinstance(power[1], tuple) or not (size_ or exponent % 2 == 0):
            continue
        (base, rank), (by, _) = power[1]
        declared = program.variables.get(by)
        if rank or program.expression(base) != {((), ()): -1} or declared is None or "integer" not in declared.facts:
            continue
        rest = [f for f in factors if f[0] != atom]
        if any(i in bound and not any(i in a[2] for a, _ in rest) for i in atom[2]):
            continue  # a sum over nothing else is a size
        return monomial(1, rest, bound), by
    return None


def _inside(program: Program, atom: Atom) -> Atom:
    """What an unnamed value is, where that is one factor."""
    value = program.expression(str(atom[1]))
    term = single(value) if value else None
    if term is None or term[0][1] or term[1] != 1 or len(term[0][0]) != 1 or term[0][0][0][1] != 1:
        return atom
    head, name, places = term[0][0][0][0]
    put = dict(zip(program.variables[str(atom[1])].indices, atom[2], strict=True))
    return (head, name, tuple(put.get(i, i) for i in places))
