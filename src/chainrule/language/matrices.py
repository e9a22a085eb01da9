"""Calls on matrices: inverse, determinant, solve, Cholesky factor, eigenvalues, singular values, QR.

Each checks its sizes and becomes an operation (a record in `functions.matrices` or `functions.spectra`), or an
expression in indices.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.algebra.expr import multiply, single, variable
from chainrule.dims import Dim
from chainrule.errors import DimensionError
from chainrule.functions.operations import auxiliary
from chainrule.language import ast
from chainrule.language.pieces import Call
from chainrule.language.structure import Structure
from chainrule.language.values import Value, transpose
from chainrule.sizes import minus, never_negative, polynomial

__all__ = ["MATRIX_CALLS", "Matrices"]

MATRIX_CALLS = frozenset({
    "inv", "det", "logdet", "solve", "pinv", "cholesky", "eigvalsh", "eigvecsh", "svdvals", "svdu", "svdv", "qrq",
    "qrr", "gaps", "halftril",
})  # fmt: skip


class Matrices(Structure):
    """Reads calls on matrices; `call_<name>(node, *arguments)`."""

    def square(self, what: str, value: Value, node: ast.Expr) -> Value:
        if value.orientation == "scalar":
            raise DimensionError(f"{value.says()}: {what} takes a square matrix", f"1 / {value.text}", node.span)
        if value.orientation == "identity":
            raise DimensionError("the size of I is not known here", "eye(D)", node.span)
        if value.orientation != "matrix" or value.dims[0] != value.dims[1]:
            raise DimensionError(f"{value.says()}: {what} takes a square matrix", f"{what} of A Aᵀ, say", node.span)
        return value

    def turned(self, value: Value) -> Value | None:
        """Xᵀ where the value is the transpose of a name X, else None."""
        term = single(value.expr)
        if term is None or value.orientation != "matrix":
            return None
        (factors, bound), coefficient = term
        i, j = value.indices
        plain = coefficient == 1 and not bound and len(factors) == 1 and factors[0][1] == 1
        if plain and factors[0][0][0] == "" and factors[0][0][2] == (j, i):
            return transpose(value)
        return None

    def inverse(self, value: Value) -> Value:
        if value.orientation == "identity":
            return value
        turned = self.turned(value)
        if turned is not None:
            return replace(transpose(self.inverse(replace(turned, text=""))), text="")
        return self.operation("inv", (value,), value.dims, "matrix", source=Call("inv", (value.text,)))

    def call_inv(self, node: ast.Call, value: Value) -> Value:
        return self.inverse(value if value.orientation == "identity" else self.square("inv", value, node))

    def of_square(self, op: str, node: ast.Call, value: Value) -> Value:
        value = self.square(op, value, node)
        value = self.turned(value) or value  # the determinant of Xᵀ is that of X
        return self.operation(op, (value,), (), "scalar", source=Call(op, (value.text,)))

    def call_det(self, node: ast.Call, value: Value) -> Value:
        return self.of_square("det", node, value)

    def call_logdet(self, node: ast.Call, value: Value) -> Value:
        return self.of_square("logdet", node, value)

    def call_solve(self, node: ast.Call, matrix: Value, right: Value) -> Value:
        matrix = self.square("solve", matrix, node)
        if right.orientation not in ("column", "matrix") or right.dims[0] != matrix.dims[0]:
            raise DimensionError(
                f"sizes do not agree: solve(A, b) needs as many rows in b as A has; {matrix.says()}, {right.says()}",
                f"solve({matrix.text}, {right.text}ᵀ)" if right.orientation == "row" else None,
                node.span,
            )
        source = Call("solve", (matrix.text, right.text))
        return self.operation("solve", (matrix, right), right.dims, right.orientation, source=source)

    def call_pinv(self, node: ast.Call, value: Value) -> Value:
        if value.orientation != "matrix":
            raise DimensionError(
                f"{value.says()}: pinv takes a matrix", f"{value.text}ᵀ/norm({value.text})^2", node.span
            )
        turned = self.turned(value)
        if turned is not None:
            return replace(transpose(self.call_pinv(node, turned)), text="")
        return self.operation("pinv", (value,), value.dims[::-1], "matrix", source=Call("pinv", (value.text,)))

    def call_cholesky(self, node: ast.Call, value: Value) -> Value:
        value = self.square("cholesky", value, node)
        return self.operation("cholesky", (value,), value.dims, "matrix", source=Call("cholesky", (value.text,)))

    def call_halftril(self, node: ast.Call, value: Value) -> Value:
        """The lower triangle with half of the diagonal: Φ in the derivative of a Cholesky factor."""
        value = self.square("halftril", value, node)
        mask = auxiliary(self.program, "half triangle", (), value.dims)
        return replace(value, expr=multiply(value.expr, variable(mask, value.indices)), text="")

    def call_eigvalsh(self, node: ast.Call, value: Value) -> Value:
        value = self.square("eigvalsh", value, node)
        return self.operation("eigvalsh", (value,), value.dims[1:], "column", source=Call("eigvalsh", (value.text,)))

    def call_eigvecsh(self, node: ast.Call, value: Value) -> Value:
        value = self.square("eigvecsh", value, node)
        return self.operation("eigvecsh", (value,), value.dims, "matrix", source=Call("eigvecsh", (value.text,)))

    def call_gaps(self, node: ast.Call, value: Value) -> Value:
        if len(value.dims) != 1:
            raise DimensionError(f"{value.says()}: gaps takes a vector", "gaps(eigvalsh(A))", node.span)
        dims = (value.dims[0], value.dims[0])
        return self.operation("gaps", (value,), dims, "matrix", source=Call("gaps", (value.text,)))

    def rank_of(self, op: str, node: ast.Call, value: Value) -> Dim:
        """The smaller size of a matrix: as many singular values there are. Refuses sizes that cannot be compared."""
        if value.orientation != "matrix":
            raise DimensionError(f"{value.says()}: {op} takes a matrix", None, node.span)
        rows, columns = value.dims
        if rows == columns:
            return rows
        if isinstance(rows, int) and isinstance(columns, int):
            return min(rows, columns)
        for smaller, larger in (value.dims, value.dims[::-1]):
            if never_negative(polynomial(minus(larger, smaller))):
                return smaller
        what = f"{value.says()}: {op} has to know which size is the smaller one"
        raise DimensionError(what, "sizes as numbers, or a square matrix", node.span)

    def of_matrix(self, op: str, node: ast.Call, value: Value, rows: Dim | None) -> Value:
        rank = self.rank_of(op, node, value)
        dims: tuple[Dim, ...] = (rank,) if rows is None else (rows, rank)
        kind = "column" if rows is None else "matrix"
        return self.operation(op, (value,), dims, kind, source=Call(op, (value.text,)))

    def call_svdvals(self, node: ast.Call, value: Value) -> Value:
        return self.of_matrix("svdvals", node, value, None)

    def call_svdu(self, node: ast.Call, value: Value) -> Value:
        return self.of_matrix("svdu", node, value, value.dims[0] if value.dims else None)

    def call_svdv(self, node: ast.Call, value: Value) -> Value:
        return self.of_matrix("svdv", node, value, value.dims[-1] if value.dims else None)

    def tall(self, op: str, node: ast.Call, value: Value) -> None:
        if self.rank_of(op, node, value) != value.dims[1]:
            raise DimensionError(
                f"{value.says()}: {op} is differentiated for matrices with at least as many rows as columns",
                f"{op} of a part of it", node.span,
            )  # fmt: skip

    def call_qrq(self, node: ast.Call, value: Value) -> Value:
        self.tall("qrq", node, value)
        return self.of_matrix("qrq", node, value, value.dims[0])

    def call_qrr(self, node: ast.Call, value: Value) -> Value:
        self.tall("qrr", node, value)
        return self.of_matrix("qrr", node, value, value.dims[1])
