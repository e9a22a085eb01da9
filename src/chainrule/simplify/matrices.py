"""What is known of matrices, and the rules that use it: symmetric, orthogonal, inverse.

    A[j,i] = A[i,j]                  A symmetric: declared, or found from its definition (XᵀC X, inv of such a one)
    Σₖ Q[k,i] Q[k,j] = 1[i = j]      Q orthogonal (square), and so for the other index
    Σₖ X⁻¹[i,k] X[k,j] = 1[i = j]    and from the other side
    inv(Q) = Qᵀ                      Q orthogonal
    A B = B A                        A and B diagonal
    X inv(XᵀX) = pinv(X)ᵀ            the columns of X are independent, since XᵀX has an inverse

"positive definite" means symmetric and positive definite, as most of the literature has it. What facts say of single
entries, of a triangular matrix above all, stands in `simplify.facts`.

Facts are three-valued: True, or None where nothing is known.
"""

from __future__ import annotations

from itertools import combinations, product

from chainrule.algebra.expr import Atom, Expr, Factor, Index, Monomial, monomial, multiply, rename, single
from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.relations import INDICATORS
from chainrule.functions.operations import auxiliary, defined_by

__all__ = ["MATRIX_FACTS", "has_matrices", "is_orthogonal", "is_symmetric", "is_symmetric_value", "simplify_matrices"]

SYMMETRIC_FACTS = frozenset({"symmetric", "positive definite", "diagonal"})
MATRIX_FACTS = SYMMETRIC_FACTS | {"orthogonal", "lower triangular", "upper triangular"}
INVERSE_OPERATIONS = frozenset({"inv", "pinv", "det", "logdet", "solve", "cholesky", "eigvalsh", "eigvecsh", "qrr"})
ORTHOGONAL_OPERATIONS = frozenset({"eigvecsh", "svdu", "svdv", "qrq"})  # where the result is square
MOST_FLIPS = 5  # symmetric factors of a term that are tried both ways round


def has_matrices(program: Program) -> bool:
    """True where any of these rules may apply: facts of matrices, or operations in whose derivatives inverses occur."""
    if any(MATRIX_FACTS & set(v.facts) for v in program.variables.values() if v.facts):
        return True
    if any(getattr(e.value, "op", "") in INVERSE_OPERATIONS for e in program):
        return True
    return any(is_symmetric(program, e.name) for e in program if isinstance(e.value, dict))  # XᵀX


def is_symmetric(program: Program, name: str, depth: int = 0) -> bool | None:
    """True where `name` is a symmetric matrix: declared so, or because of how it is defined."""
    variable = program.variables.get(name)
    if variable is None or len(variable.dims) != 2 or variable.dims[0] != variable.dims[1]:
        return None
    if SYMMETRIC_FACTS & set(variable.facts):
        return True
    if depth > 3 or variable.kind == "gradient":
        return None
    operation = defined_by(program, name)
    if operation is not None:
        return is_symmetric(program, operation.args[0], depth + 1) if operation.op in ("inv", "pinv") else None
    value = program.expression(name)
    if value is None or not 0 < len(value) <= 6:
        return None
    return is_symmetric_value(program, value, variable.indices, depth)


def is_symmetric_value(program: Program, value: Expr, indices: tuple[Index, ...], depth: int = 0) -> bool | None:
    """True where an expression over two indices of one size is what it is with the two exchanged."""
    i, j = indices
    if i[1] != j[1] or len(value) > 6:
        return None
    turned = rename(value, {i: j, j: i})
    return True if _settled(value, program, depth + 1) == _settled(turned, program, depth + 1) else None


def is_orthogonal(program: Program, name: str) -> bool | None:
    """True where `name` is orthogonal and square, declared or by what it is: rows and columns are orthonormal."""
    variable = program.variables.get(name)
    if variable is None or len(variable.dims) != 2 or variable.dims[0] != variable.dims[1]:
        return None
    operation = defined_by(program, name)
    found = operation is not None and operation.op in ORTHOGONAL_OPERATIONS
    return True if found or "orthogonal" in variable.facts else None


def _settled(expression: Expr, program: Program, depth: int) -> Expr:
    out: Expr = {}
    for key, coefficient in expression.items():
        best = _best_order(key, program, depth)
        out[best] = out.get(best, 0) + coefficient
    return out


def simplify_matrices(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """The term after the first rule that applies, with the name that justifies it."""
    factors, bound = key
    for atom, exponent in factors:
        if atom[0] != "" or exponent != 1 or len(atom[2]) != 2:
            continue
        name = str(atom[1])
        operation = defined_by(program, name)
        inverse_of = operation.args[0] if operation is not None and operation.op == "inv" else None
        if inverse_of is not None and is_orthogonal(program, inverse_of):
            rest = [(("", inverse_of, atom[2][::-1]), 1), *(f for f in factors if f[0] != atom)]
            return monomial(1, rest, bound), inverse_of
        partner = inverse_of or (name if is_orthogonal(program, name) else None)
        if partner is None:
            continue
        done = _pair(atom, partner, inverse_of is not None, factors, bound, program)
        done = done or _pair_inside(atom, partner, inverse_of is not None, key, program)
        if done is not None:
            return done, partner
        if inverse_of is not None:
            shorter = _pseudoinverse(atom, inverse_of, factors, bound, program)
            if shorter is not None:
                return shorter, inverse_of
    commuted = _commuted(key, program)
    if commuted is not None:
        return commuted
    best = _best_order(key, program, 0)
    if best != key:
        turned = dict.fromkeys(str(a[1]) for a, _ in factors if a not in dict(best[0]) and _may_turn(program, a))
        known = turned or dict.fromkeys(str(a[1]) for a, _ in factors if _may_turn(program, a))
        return {best: 1}, " ".join(known)
    return None


def _may_turn(program: Program, atom: Atom) -> bool:
    return len(set(atom[2])) == 2 and isinstance(atom[1], str) and bool(is_symmetric(program, atom[1]))


def _commuted(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """A B = B A for diagonal A and B: the names in the program's order."""
    factors, bound = key
    diagonal = [
        a for a, e in factors
        if e == 1 and not a[0] and len(a[2]) == 2 and "diagonal" in program.variables[str(a[1])].facts
    ]  # fmt: skip
    for a, b in combinations(diagonal, 2):
        shared = [i for i in a[2] if i in b[2] and _only_in(i, factors, bound, (a, b))]
        if len(shared) != 1:
            continue
        (near,), (far,) = ([i for i in x[2] if i != shared[0]] for x in (a, b))
        order = program.places()
        if ((near[0] >= 0, abs(near[0])) < (far[0] >= 0, abs(far[0]))) == (order[str(a[1])] < order[str(b[1])]):
            continue
        rest = [f for f in factors if f[0] not in (a, b)]
        swapped = [(("", b[1], (near, shared[0])), 1), (("", a[1], (shared[0], far)), 1)]
        made = monomial(1, [*rest, *swapped], bound)
        if set(made) != {key}:
            return made, f"{a[1]} {b[1]}"
    return None


def _only_in(index: Index, factors: tuple[Factor, ...], bound: tuple[Index, ...], atoms: tuple[Atom, Atom]) -> bool:
    """True where an index is summed and occurs once in each of the two atoms, and nowhere else."""
    holders = [a for a, _ in factors if index in a[2]]
    return (
        index in bound
        and len(holders) == 2
        and set(holders) == set(atoms)
        and all(a[2].count(index) == 1 for a in atoms)
    )


def _pair(
    atom: Atom, partner: str, inverse: bool, factors: tuple[Factor, ...], bound: tuple[Index, ...], program: Program
) -> Expr | None:
    """X⁻¹ X or Q Qᵀ becomes a delta."""
    flips = inverse and is_symmetric(program, partner)
    for other, exponent in factors:
        if other[:2] != ("", partner) or exponent != 1 or other == atom:
            continue
        for mine in (0, 1):
            for theirs in (0, 1):
                if atom[2][mine] != other[2][theirs] or not _only_in(atom[2][mine], factors, bound, (atom, other)):
                    continue
                if not flips and (mine == theirs) == inverse:
                    continue  # inv(X)[k,i] X[k,j] is no product of the two, and Q[i,k] Q[k,j] is Q²
                left, right = atom[2][1 - mine], other[2][1 - theirs]
                rest = [f for f in factors if f[0] not in (atom, other)]
                pair: Factor = (("δ", "", (min(left, right), max(left, right))), 1)
                return monomial(1, [*rest, pair] if left != right else rest, [i for i in bound if i != atom[2][mine]])
    return None


def _pair_inside(atom: Atom, partner: str, inverse: bool, key: Monomial, program: Program) -> Expr | None:
    """Qᵀ times an unnamed Q x: the product is written out, and Qᵀ Q becomes a delta."""
    for other, exponent in key[0]:
        if other == atom or other[0] or exponent != 1 or not is_anonymous(str(other[1])):
            continue
        value = program.expression(str(other[1]))
        term = single(value) if value else None
        if term is None or all(a[:2] != ("", partner) for a, _ in term[0][0]):
            continue
        own = program.variables[str(other[1])].indices
        marks = {i: (-700 - k, i[1]) for k, i in enumerate(key[1])}  # summed indices, while two terms meet
        written = rename({term[0]: term[1]}, dict(zip(own, (marks.get(i, i) for i in other[2]), strict=True)))
        rest = tuple(((h, n, tuple(marks.get(i, i) for i in ix)), e) for (h, n, ix), e in key[0] if (h, n, ix) != other)
        whole = multiply({(rest, ()): 1}, written, tuple(marks.values()))
        ((factors, bound), coefficient) = next(iter(whole.items()))
        for again, e in factors:
            if again[:2] == atom[:2] and e == 1:
                done = _pair(again, partner, inverse, factors, bound, program)
                if done is not None:
                    return {k: v * coefficient for k, v in done.items()}
    return None


def _pseudoinverse(
    atom: Atom, gram: str, factors: tuple[Factor, ...], bound: tuple[Index, ...], program: Program
) -> Expr | None:
    """X[i,k] inv(XᵀX)[k,j] becomes pinv(X)[j,i]."""
    value = program.expression(gram)
    term = single(value) if value else None
    if term is None or term[1] != 1 or not is_anonymous(gram) or len(term[0][0]) not in (1, 2) or len(term[0][1]) != 1:
        return None
    atoms = [a for a, e in term[0][0] for _ in range(int(e)) if e in (1, 2)]
    if len(atoms) != 2 or any(a[0] != "" or len(a[2]) != 2 for a in atoms) or atoms[0][1] != atoms[1][1]:
        return None
    x, inner = str(atoms[0][1]), term[0][1][0]
    positions = {a[2].index(inner) for a in atoms if inner in a[2]}
    if len(positions) != 1:
        return None
    (row,) = positions  # where the summed index stands in X: 0 for XᵀX, 1 for X Xᵀ
    for other, exponent in factors:
        if other[:2] != ("", x) or exponent != 1:
            continue
        for mine in (0, 1):
            if other[2][1 - row] == atom[2][mine] and _only_in(atom[2][mine], factors, bound, (atom, other)):
                rest = [f for f in factors if f[0] not in (atom, other)]
                dims = program.variables[x].dims
                inverse = auxiliary(program, "pinv", (x,), dims[::-1])
                far, near = other[2][row], atom[2][1 - mine]
                place = (near, far) if row == 0 else (far, near)
                return monomial(1, [*rest, (("", inverse, place), 1)], [i for i in bound if i != atom[2][mine]])
    return None


def _best_order(key: Monomial, program: Program, depth: int) -> Monomial:
    """The term with the indices of symmetric factors in the one order that is chosen for all equal terms."""
    factors, bound = key
    flips = [
        k for k, ((head, name, ix), _) in enumerate(factors)
        if head not in INDICATORS and isinstance(name, str) and len(set(ix)) == 2 and is_symmetric(program, name, depth)
    ]  # fmt: skip
    if not flips or len(flips) > MOST_FLIPS:
        return key
    best = key
    for choice in product((False, True), repeat=len(flips)):
        turned = dict(zip(flips, choice, strict=True))
        moved = [
            ((h, n, ix[::-1]), e) if turned.get(k) else ((h, n, ix), e) for k, ((h, n, ix), e) in enumerate(factors)
        ]
        (made,) = monomial(1, moved, bound)
        if str(made) < str(best):
            best = made
    return best
