"""Spectral functions of matrices: eigenvalues and eigenvectors of symmetric ones, singular values and vectors, QR.

    A = V diag(λ) Vᵀ     eigvalsh(A) = λ, from the smallest;  eigvecsh(A) = V;  A is read as (A + Aᵀ)/2
    X = U diag(s) Vᵀ     svdvals(X) = s, from the largest;  svdu(X) = U;  svdv(X) = V
    X = Q R              qrq(X) = Q, of as many rows as X;  qrr(X) = R, upper triangular

Values have the vectors in their derivatives, and vectors have `gaps(λ)`, 1/(λ[j] − λ[i]), in theirs; gaps differentiate
to their own squares. So there are derivatives of every order. Where values repeat, vectors have no derivative: then
`gaps` has no value, and code refuses. (A single value has none there either; what comes out is that of one choice of
vectors, as in NumPy's answer, and right for what does not depend on the choice.)

To add a function: its value, its Jacobian in terms of these, its NumPy spelling; `targets` have theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from chainrule.algebra.expr import Expr, Index, add, bare, delta, fresh_bound, monomial, multiply, scale, variable
from chainrule.algebra.program import Operation, Program
from chainrule.algebra.relations import relation
from chainrule.functions.matrices import inverse_of, together
from chainrule.functions.operations import OperationRecord, auxiliary, named_value, register_operation

__all__: list[str] = []

Indices = tuple[Index, ...]
_HALF = Fraction(1, 2)


def _lift(attributes: tuple[Any, ...], ranks: tuple[int, ...]) -> tuple[Any, ...]:
    return attributes


def _value(compute: Callable[[Any], Any]) -> Callable[..., Any]:
    """Evaluates where every entry is finite."""

    def evaluate(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
        import numpy as np

        try:
            return compute(np.nan_to_num(arrays[0])) + 0 * np.sum(arrays[0])
        except np.linalg.LinAlgError:
            return np.full(np.shape(compute(np.zeros(np.shape(arrays[0])))), np.nan)

    return evaluate


def _eigh(part: int) -> Callable[[Any], Any]:
    def compute(a: Any) -> Any:
        import numpy as np

        return np.linalg.eigh((a + a.swapaxes(-1, -2)) / 2)[part]

    return compute


def _svd(part: int) -> Callable[[Any], Any]:
    def compute(a: Any) -> Any:
        import numpy as np

        found = np.linalg.svd(a, full_matrices=False)
        return found[2].swapaxes(-1, -2) if part == 2 else found[part]

    return compute


def _qr(part: int) -> Callable[[Any], Any]:
    def compute(a: Any) -> Any:
        import numpy as np

        return np.linalg.qr(a)[part]

    return compute


def _argument(program: Program, name: str) -> str:
    operation = program.equations[name].value
    assert isinstance(operation, Operation)
    return operation.args[0]


def _partner(program: Program, name: str, op: str, dims: tuple[Any, ...]) -> str:
    """Another function of the same matrix, over `dims` behind the axes of the stack."""
    of = _argument(program, name)
    return auxiliary(program, op, (of,), (*program.variables[of].dims[:-2], *dims))


def _factors(*atoms: tuple[str, Indices]) -> list[Any]:
    return [(("", name, at), 1) for name, at in atoms]


# -- symmetric matrices ----------------------------------------------------------------------------------------------


def _eigenvalues_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """∂λᵢ/∂A[k,m] = V[k,i] V[m,i]."""
    *front, i = own
    *source, k, m = inner
    v = _partner(program, name, "eigvecsh", (i[1], i[1]))
    pair = monomial(1, _factors((v, (*front, k, i)), (v, (*front, m, i))), [])
    return multiply(pair, together(tuple(front), tuple(source)))


def _eigenvectors_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """dV = V (F ∘ Vᵀ dA V) with F = gaps(λ), dA symmetric."""
    *front, a, i = own
    *source, k, m = inner
    gaps = auxiliary(program, "gaps", (_partner(program, name, "eigvalsh", (i[1],)),), program.variables[name].dims)
    total: Expr = {}
    for p, q in ((k, m), (m, k)):
        j = fresh_bound(i[1])
        parts = _factors((name, (*front, a, j)), (gaps, (*front, j, i)), (name, (*front, p, j)), (name, (*front, q, i)))
        total = add(total, monomial(1, parts, [j]))
    return scale(multiply(total, together(tuple(front), tuple(source))), _HALF)


def _gaps(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    values = np.asarray(arrays[0])
    difference = values[..., None, :] - values[..., :, None]
    itself = np.eye(values.shape[-1], dtype=bool)
    near = np.abs(difference) <= 1e-14 * np.abs(values).max(-1)[..., None, None]
    return np.where(itself, 0.0, 1 / np.where(itself | near, np.nan, difference))


def _gaps_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """∂F[j,i]/∂λ[k] = −F[j,i]² (1[k = i] − 1[k = j])."""
    *front, j, i = own
    *source, k = inner
    squared = monomial(1, [(("", name, own), 2)], [])
    change = add(delta(k, j), scale(delta(k, i), -1))
    return multiply(multiply(squared, change), together(tuple(front), tuple(source)))


# -- singular values -------------------------------------------------------------------------------------------------


def _singular_values_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """∂sᵢ/∂X[k,m] = U[k,i] V[m,i]."""
    *front, i = own
    *source, k, m = inner
    u = _partner(program, name, "svdu", (k[1], i[1]))
    v = _partner(program, name, "svdv", (m[1], i[1]))
    pair = monomial(1, _factors((u, (*front, k, i)), (v, (*front, m, i))), [])
    return multiply(pair, together(tuple(front), tuple(source)))


def _singular_vectors_partial(left: bool) -> Callable[..., Expr]:
    def partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
        """dU = U (F ∘ (P S + S Pᵀ)) + (I − U Uᵀ) dX V S⁻¹ with P = Uᵀ dX V, F = gaps(s²); V from dXᵀ likewise."""
        *front, a, i = own
        *source, k, m = inner
        rows, columns = (k, m) if left else (m, k)  # dX or dXᵀ
        rank = i[1]
        others = _partner(program, name, "svdv" if left else "svdu", (columns[1], rank))
        s = _partner(program, name, "svdvals", (rank,))
        dims = program.variables[s].dims
        square = monomial(1, [(("", s, program.variables[s].indices), 2)], [])
        gaps = auxiliary(program, "gaps", (named_value(program, square, dims),), (*dims, rank))
        total: Expr = {}
        for p, q, held in ((rows, columns, "i"), (columns, rows, "j")):
            j = fresh_bound(rank)
            first, second = (name, others) if held == "i" else (others, name)
            parts = _factors(
                (name, (*front, a, j)), (gaps, (*front, j, i)), (first, (*front, p, j)), (second, (*front, q, i)),
                (s, (*front, i if held == "i" else j)),
            )  # fmt: skip
            total = add(total, monomial(1, parts, [j]))
        if rows[1] != rank:
            j = fresh_bound(rank)
            outside = add(
                delta(a, rows), monomial(-1, _factors((name, (*front, a, j)), (name, (*front, rows, j))), [j])
            )
            divided = [(("", others, (*front, columns, i)), 1), (("", s, (*front, i)), -1)]
            total = add(total, multiply(outside, monomial(1, divided, [])))
        return multiply(total, together(tuple(front), tuple(source)))

    return partial


# -- QR --------------------------------------------------------------------------------------------------------------


def _turning(program: Program, q: str, r: str, a: Index, i: Index, front: Indices, k: Index, m: Index) -> Expr:
    """Ω[a,i] of dX = 1 at [k,m]: the skew part of Qᵀ dX R⁻¹, its lower triangle and what that makes above it."""
    total: Expr = {}
    for row, column, sign in ((a, i, 1), (i, a, -1)):
        below = bare(relation("≤", [(1, column), (-1, row)], -1))
        inside = multiply(variable(q, (*front, k, row)), inverse_of(program, r, m, column, front))
        total = add(total, scale(multiply(below, inside), sign))
    return total


def _q_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """dQ = Q Ω + (I − Q Qᵀ) dX R⁻¹."""
    *front, a, i = own
    *source, k, m = inner
    r = _partner(program, name, "qrr", (i[1], i[1]))
    j: Index = (-700_001, i[1])
    total = multiply(variable(name, (*front, a, j)), _turning(program, name, r, j, i, tuple(front), k, m), [j])
    if a[1] != i[1]:
        b = fresh_bound(i[1])
        outside = add(delta(a, k), monomial(-1, _factors((name, (*front, a, b)), (name, (*front, k, b))), [b]))
        total = add(total, multiply(outside, inverse_of(program, r, m, i, tuple(front))))
    return multiply(total, together(tuple(front), tuple(source)))


def _r_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """dR = Qᵀ dX − Ω R."""
    *front, i, b = own
    *source, k, m = inner
    q = _partner(program, name, "qrq", (k[1], i[1]))
    j: Index = (-700_001, i[1])
    turning = _turning(program, q, name, i, j, tuple(front), k, m)
    total = multiply(variable(q, (*front, k, i)), delta(m, b))
    total = add(total, scale(multiply(turning, variable(name, (*front, j, b)), [j]), -1))
    return multiply(total, together(tuple(front), tuple(source)))


_EIGH = '''\
def _eigh(a):
    """Eigenvalues and eigenvectors of (a + aᵀ) / 2."""
    return np.linalg.eigh((a + a.swapaxes(-1, -2)) / 2)
'''
_GAPS = '''\
def _gaps(values):
    """1 / (values[i] - values[j]) at [j, i], 0 at j = i: vectors of values that repeat have no derivative."""
    difference = values[..., None, :] - values[..., :, None]
    itself = np.eye(values.shape[-1], dtype=bool)
    least = 8 * np.finfo(values.dtype).eps * np.abs(values).max(-1)[..., None, None]
    if np.any((np.abs(difference) <= least) & ~itself):
        raise np.linalg.LinAlgError("two eigenvalues or singular values are equal: their vectors have no derivative")
    return np.where(itself, 0, 1 / np.where(itself, 1, difference))
'''
_DISTINCT = "no two {} are equal"
for _record in (
    OperationRecord(
        "eigvalsh", _value(_eigh(0)), _eigenvalues_partial, "_eigh({0})[0]", "Magnus 1985", _EIGH, _lift,
        "the matrix is symmetric; what is not is averaged; " + _DISTINCT.format("eigenvalues"),
    ),
    OperationRecord(
        "eigvecsh", _value(_eigh(1)), _eigenvectors_partial, "_eigh({0})[1]", "Magnus 1985", _EIGH, _lift,
        "the matrix is symmetric; what is not is averaged; " + _DISTINCT.format("eigenvalues"),
    ),
    OperationRecord("gaps", _gaps, _gaps_partial, "_gaps({0})", "1/(λ[j] − λ[i])", _GAPS, _lift),
    OperationRecord(
        "svdvals", _value(_svd(1)), _singular_values_partial, "np.linalg.svd({0}, compute_uv=False)",
        "Townsend 2016", "", _lift, _DISTINCT.format("singular values"),
    ),
    OperationRecord(
        "svdu", _value(_svd(0)), _singular_vectors_partial(True), "np.linalg.svd({0}, full_matrices=False)[0]",
        "Townsend 2016", "", _lift, _DISTINCT.format("singular values"),
    ),
    OperationRecord(
        "svdv", _value(_svd(2)), _singular_vectors_partial(False),
        "np.linalg.svd({0}, full_matrices=False)[2].swapaxes(-1, -2)", "Townsend 2016", "", _lift,
        _DISTINCT.format("singular values"),
    ),
    OperationRecord(
        "qrq", _value(_qr(0)), _q_partial, "np.linalg.qr({0})[0]", "Walter and Lehmann 2010", "", _lift,
        "the columns are independent",
    ),
    OperationRecord(
        "qrr", _value(_qr(1)), _r_partial, "np.linalg.qr({0})[1]", "Walter and Lehmann 2010", "", _lift,
        "the columns are independent",
    ),
):  # fmt: skip
    register_operation(_record)
