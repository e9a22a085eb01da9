"""Functions of matrices: inverse, determinant, its logarithm, solve, pseudoinverse, Cholesky factor.

Each takes a stack of matrices as well: all axes but the last two are samples. To add one: its value, its Jacobian as an
expression (with other operations as auxiliary names), its NumPy spelling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from chainrule.algebra.expr import (
    Expr,
    Index,
    Rational,
    add,
    delta,
    fresh_bound,
    monomial,
    multiply,
    scale,
    single,
    variable,
)
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.functions.operations import OperationRecord, auxiliary, register_operation
from chainrule.sizes import value_of

__all__ = ["inverse_of", "together"]

Indices = tuple[Index, ...]
_SINGULAR = 1e14  # a condition number beyond which float64 knows nothing of the inverse


def inverse_of(program: Program, name: str, rows: Index, columns: Index, front: Indices = ()) -> Expr:
    """X⁻¹[rows, columns] for X = `name`; of a product of square matrices, the product of inverses in reverse order."""
    if not front:
        chain = _square_factors(program, name)
        if chain is not None:
            coefficient, scalars, factors = chain
            result: Expr = monomial(1 / Fraction(coefficient), [(a, -e) for a, e in scalars], ())
            at = rows
            for k, (factor, turned) in enumerate(reversed(factors)):
                to = columns if k == len(factors) - 1 else (-900_000 - k, rows[1])
                pair = (to, at) if turned else (at, to)
                result = multiply(result, inverse_of(program, factor, *pair), [at] if k else [])
                at = to
            return result
    inverse = auxiliary(program, "inv", (name,), program.variables[name].dims)
    return variable(inverse, (*front, rows, columns))


def _square_factors(program: Program, name: str) -> tuple[Rational, list[Any], list[tuple[str, bool]]] | None:
    """An unnamed product c · A B C of square matrices: c, scalar factors, and (name, transposed) from the left."""
    value = program.expression(name) if is_anonymous(name) else None
    term = single(value) if value else None
    if term is None:
        return None
    (factors, bound), coefficient = term
    scalars = [f for f in factors if not f[0][2]]
    matrices = [f for f in factors if f[0][2]]
    rows, columns = program.variables[name].indices
    if len(matrices) != len(bound) + 1 or any(i[1] != rows[1] for i in (*bound, columns)):
        return None
    if any(a[0] != "" or len(a[2]) != 2 or e != 1 for a, e in matrices):
        return None
    chain: list[tuple[str, bool]] = []
    at, left = rows, [a for a, _ in matrices]
    while left:
        atom = next((a for a in left if at in a[2]), None)
        if atom is None or atom[2][0] == atom[2][1]:
            return None
        left.remove(atom)
        turned = atom[2][1] == at
        at = atom[2][0] if turned else atom[2][1]
        chain.append((str(atom[1]), turned))
    return (coefficient, scalars, chain) if at == columns else None


def together(own: Indices, inner: Indices) -> Expr:
    """1[own = inner] for axes that are only carried along (samples)."""
    result: Expr = {((), ()): 1}
    for i, j in zip(own, inner, strict=True):
        result = multiply(result, delta(i, j))
    return result


def _lift(attributes: tuple[Any, ...], ranks: tuple[int, ...]) -> tuple[Any, ...]:
    return attributes


# -- inverse and determinant -----------------------------------------------------------------------------------------


def _inv(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    # singular, up to rounding: no value rather than a wrong one, and whoever samples a point takes another
    if not np.isfinite(arrays[0]).all() or np.any(np.linalg.cond(arrays[0]) > _SINGULAR):
        return np.full(np.shape(arrays[0]), np.nan)
    return np.linalg.inv(arrays[0])


def _inv_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    *front, i, j = own
    *source, k, m = inner
    product = multiply(variable(name, (*front, i, k)), variable(name, (*front, m, j)))
    return scale(multiply(product, together(tuple(front), tuple(source))), -1)


def _det(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    return np.linalg.det(arrays[0])


def _det_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    (argument,) = program.equations[name].arguments
    *source, k, m = inner
    inverse = inverse_of(program, argument, m, k, own)
    return multiply(multiply(variable(name, own), inverse), together(own, tuple(source)))


def _logdet(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    return np.linalg.slogdet(arrays[0])[1]


def _logdet_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    (argument,) = program.equations[name].arguments
    *source, k, m = inner
    return multiply(inverse_of(program, argument, m, k, own), together(own, tuple(source)))


# -- solve -----------------------------------------------------------------------------------------------------------


def _solve(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    if not np.isfinite(arrays[0]).all() or np.linalg.cond(arrays[0]) > _SINGULAR:
        return np.full(np.shape(arrays[1]), np.nan)
    return np.linalg.solve(*arrays)


def _solve_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """∂(A⁻¹ B)[i, …]/∂B[k, …] = A⁻¹[i, k];  ∂(A⁻¹ B)[i, …]/∂A[k, m] = −A⁻¹[i, k] (A⁻¹ B)[m, …]."""
    matrix, _ = program.equations[name].arguments
    i, *rest = own
    if number == 1:
        k, *columns = inner
        return multiply(inverse_of(program, matrix, i, k), together(tuple(rest), tuple(columns)))
    k, m = inner
    return scale(multiply(inverse_of(program, matrix, i, k), variable(name, (m, *rest))), -1)


# -- pseudoinverse and Cholesky --------------------------------------------------------------------------------------


def _pinv(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    if not np.isfinite(arrays[0]).all():
        return np.full(np.shape(arrays[0])[::-1], np.nan)
    return np.linalg.pinv(arrays[0])


def _pinv_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """dP = −P dX P + P Pᵀ dXᵀ (I − X P) + (I − P X) dXᵀ Pᵀ P, where the rank of X does not change (Golub, Pereyra)."""
    (x,) = program.equations[name].arguments
    i, j = own
    k, m = inner

    def p(a: Index, b: Index) -> Expr:
        return variable(name, (a, b))

    def gram(a: Index, b: Index, turned: bool) -> Expr:  # P Pᵀ or Pᵀ P
        s = fresh_bound(k[1] if turned else m[1])
        left, right = ((a, s), (b, s)) if turned else ((s, a), (s, b))
        return monomial(1, [(("", name, left), 1), (("", name, right), 1)], [s])

    def projector(a: Index, b: Index, rows: bool) -> Expr:  # I − X P (rows of X) or I − P X
        s = fresh_bound(m[1] if rows else k[1])
        pair = (
            [(("", x, (a, s)), 1), (("", name, (s, b)), 1)] if rows else [(("", name, (a, s)), 1), (("", x, (s, b)), 1)]
        )
        return add(delta(a, b), monomial(-1, pair, [s]))

    first = scale(multiply(p(i, k), p(m, j)), -1)
    second = multiply(gram(i, m, True), projector(k, j, True))
    third = multiply(projector(i, m, False), gram(k, j, False))
    return add(first, second, third)


def _cholesky(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    a = np.asarray(arrays[0])
    try:
        return np.linalg.cholesky((a + a.swapaxes(-1, -2)) / 2)
    except np.linalg.LinAlgError:
        return np.full(a.shape, np.nan)


def _cholesky_partial(program: Program, name: str, number: int, own: Indices, inner: Indices) -> Expr:
    """dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ the lower triangle with half of the diagonal; A is read as (A + Aᵀ)/2 (Murray 2016)."""
    i, j = own
    k, m = inner
    inverse = auxiliary(program, "inv", (name,), program.variables[name].dims)
    half = auxiliary(program, "half triangle", (), program.variables[name].dims)
    a = fresh_bound(i[1])
    total: Expr = {}
    for p, q in ((k, m), (m, k)):
        factors = [
            (("", name, (i, a)), 1), (("", half, (a, j)), 1), (("", inverse, (a, p)), 1), (("", inverse, (j, q)), 1)
        ]  # fmt: skip
        total = add(total, monomial(Fraction(1, 2), factors, [a]))
    return total


def _half_triangle(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    name = next(n for n, e in program.equations.items() if e.value == operation)
    (dim, _) = program.variables[name].dims
    size = value_of(dim, sizes)
    return np.tri(size) - 0.5 * np.eye(size)


_INVERTIBLE = "the matrix is invertible"
register_operation(
    OperationRecord(
        "inv", _inv, _inv_partial, "np.linalg.inv({0})", "Matrix Cookbook, eq. 59", lift=_lift, condition=_INVERTIBLE,
    )
)  # fmt: skip
register_operation(
    OperationRecord(
        "det", _det, _det_partial, "np.linalg.det({0})", "Matrix Cookbook, eq. 49", lift=_lift, condition=_INVERTIBLE,
    )
)  # fmt: skip
register_operation(
    OperationRecord(
        "logdet", _logdet, _logdet_partial, "np.linalg.slogdet({0})[1]", "log |det X|; Matrix Cookbook, eq. 57",
        lift=_lift, condition=_INVERTIBLE,
    )
)  # fmt: skip
register_operation(
    OperationRecord("solve", _solve, _solve_partial, "np.linalg.solve({0}, {1})", "A⁻¹ b", condition=_INVERTIBLE)
)
register_operation(
    OperationRecord(
        "pinv", _pinv, _pinv_partial, "np.linalg.pinv({0})", "Golub and Pereyra 1973", condition="the rank is constant",
    )
)  # fmt: skip
register_operation(
    OperationRecord(
        "cholesky", _cholesky, _cholesky_partial, "_cholesky({0})", "Murray 2016, Differentiation of the Cholesky",
        helpers='''\
def _cholesky(a):
    """L with L Lᵀ = (a + aᵀ) / 2."""
    return np.linalg.cholesky((a + a.swapaxes(-1, -2)) / 2)
''',
        condition="the matrix is positive definite; what is not symmetric in it is averaged",
    )
)  # fmt: skip
register_operation(
    OperationRecord(
        "half triangle", _half_triangle, None, "(np.tri({d0}, dtype={dtype}) - 0.5 * np.eye({d0}, dtype={dtype}))"
    )
)
