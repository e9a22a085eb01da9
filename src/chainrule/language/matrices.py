"""Calls on matrices: inverse, determinant, solve, Kronecker product, Cholesky factor.

Each checks its sizes and becomes an operation (a record in `functions.matrices`) or an expression in indices.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.algebra.expr import single
from chainrule.errors import DimensionError
from chainrule.language import ast
from chainrule.language.scope import Call
from chainrule.language.structure import Structure
from chainrule.language.values import Value, transpose

__all__ = ["MATRIX_CALLS", "Matrices"]

MATRIX_CALLS = frozenset({"inv", "det", "logdet", "solve", "pinv", "cholesky"})


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
