"""Products: matrices with matrices, transposes, elementwise products, repeated rows and columns, quadratic forms."""

from __future__ import annotations

from chainrule.book.record import Identity, register

__all__: list[str] = []

COOKBOOK = "The Matrix Cookbook (Petersen and Pedersen, 2012)"
GILES = "An extended collection of matrix derivative results (Giles, 2008)"


def _vjp(name: str, title: str, program: str, wrt: str, shape: str, numerator: str = "", source: str = GILES) -> None:
    upstream = "Δ" if "Δ" in shape else "δ"
    register(Identity(name, title, program, wrt, numerator, shape, upstream=upstream, source=source))


def _jacobian(name: str, title: str, program: str, wrt: str, numerator: str, source: str = COOKBOOK) -> None:
    register(Identity(name, title, program, wrt, numerator, source=source))


MATRICES = "input X : N × m\nparam W : m × n\nZ = X W"
_vjp("matrix product, left", "a product of matrices, by the left one", MATRICES, "X", "Δ Wᵀ")
_vjp("matrix product, right", "a product of matrices, by the right one", MATRICES, "W", "Xᵀ Δ")
SECOND = "input X : N × n\nparam W : m × n\nZ = X Wᵀ"
_vjp("product with a transpose, left", "X Wᵀ, by X", SECOND, "X", "Δ W")
_vjp("product with a transpose, right", "X Wᵀ, by W", SECOND, "W", "Δᵀ X")
FIRST = "input X : m × N\nparam W : m × n\nZ = Xᵀ W"
_vjp("product of a transpose, left", "Xᵀ W, by X", FIRST, "X", "W Δᵀ")
_vjp("product of a transpose, right", "Xᵀ W, by W", FIRST, "W", "X Δ")
_vjp("transpose", "the transpose of a matrix", "input X : m × n\nZ = Xᵀ", "X", "Δᵀ")
_jacobian("transposed matrix times a column", "Wᵀ x, by x", "param W : m × n\ninput x : m\nz = Wᵀ x", "x", "Wᵀ")
_vjp("transposed matrix times a column, by the matrix", "Wᵀ x, by W", "param W : m × n\ninput x : m\nz = Wᵀ x", "W",
     "x δ")  # fmt: skip
_jacobian("a row times a transposed matrix", "x Wᵀ, by x", "param W : m × n\ninput x : 1 × n\nz = x Wᵀ", "x", "W")
_vjp("a row times a transposed matrix, by the matrix", "x Wᵀ, by W", "param W : m × n\ninput x : 1 × n\nz = x Wᵀ", "W",
     "δᵀ x")  # fmt: skip
_vjp("outer product, left", "u vᵀ, by u", "input u : m\ninput v : n\nZ = u vᵀ", "u", "Δ v")
_vjp("outer product, right", "u vᵀ, by v", "input u : m\ninput v : n\nZ = u vᵀ", "v", "Δᵀ u")

_vjp("repeated row", "a row that is added to every row", "input X : N × m\nparam b : 1 × m\nZ = X + b", "b", "1ᵀ Δ",
     source="the adjoint of repeating is summing")  # fmt: skip
_vjp("repeated column", "a column that is added to every column", "input X : m × N\nparam b : m\nZ = X + b", "b",
     "rowsum(Δ)", source="the adjoint of repeating is summing")  # fmt: skip
_vjp("a matrix by itself", "what is added goes through", "input X : m × n\nZ = X", "X", "Δ")

_jacobian("elementwise product", "a ∘ x, by x", "param a : n\ninput x : n\nz = a ∘ x", "x", "diag(a)")
_jacobian("elementwise product of rows", "a ∘ x, by x", "param a : 1 × n\ninput x : 1 × n\nz = a ∘ x", "x", "diag(a)")
_vjp("elementwise product of matrices", "A ∘ X, by X", "param A : m × n\ninput X : m × n\nZ = A ∘ X", "X", "Δ ∘ A")
SCALED = "param g : 1 × n\ninput X : m × n\nZ = g ∘ X"
_vjp("rows scaled by a row, by the row", "g ∘ X with a row g, by g", SCALED, "g", "colsum(Δ ∘ X)")
_vjp("rows scaled by a row, by the matrix", "g ∘ X with a row g, by X", SCALED, "X", "Δ ∘ g")
COLUMN = "param g : m\ninput X : m × n\nZ = g ∘ X"
_vjp("columns scaled by a column, by the column", "g ∘ X with a column g, by g", COLUMN, "g", "rowsum(Δ ∘ X)")
_vjp("columns scaled by a column, by the matrix", "g ∘ X with a column g, by X", COLUMN, "X", "Δ ∘ g")
_jacobian("scalar multiple, by the vector", "c x, by x", "param c : scalar\ninput x : n\nz = c x", "x", "c I")
_jacobian("scalar multiple, by the scalar", "c x, by c", "param c : scalar\ninput x : n\nz = c x", "c", "x")
_vjp("scalar multiple of a matrix, by the matrix", "c X, by X", "param c : scalar\ninput X : m × n\nZ = c X", "X",
     "c Δ")  # fmt: skip
_vjp("scalar multiple of a matrix, by the scalar", "c X, by c", "param c : scalar\ninput X : m × n\nZ = c X", "c",
     "sum(Δ ∘ X)")  # fmt: skip

_jacobian("inner product", "aᵀ x, by x", "param a : n\ninput x : n\ns = aᵀ x", "x", "aᵀ")
_jacobian("inner product of rows", "a xᵀ, by x", "param a : 1 × n\ninput x : 1 × n\ns = a xᵀ", "x", "a")
_jacobian("bilinear form, left", "xᵀ A y, by x", "input x : m\nparam A : m × n\ninput y : n\ns = xᵀ A y", "x",
          "(A y)ᵀ")  # fmt: skip
_vjp("bilinear form, matrix", "xᵀ A y, by A", "input x : m\nparam A : m × n\ninput y : n\ns = xᵀ A y", "A", "δ x yᵀ",
     source=COOKBOOK)  # fmt: skip
_jacobian("quadratic form of a symmetric matrix", "xᵀ S x with S = Sᵀ, by x",
          "input x : n\nconst S : n × n, symmetric\ns = xᵀ S x", "x", "2 xᵀ S")  # fmt: skip
_jacobian("quadratic form", "xᵀ A x, by x", "input x : n\nconst A : n × n\ns = xᵀ A x", "x", "xᵀ (A + Aᵀ)")
_jacobian("squared norm", "xᵀ x, by x", "input x : n\ns = xᵀ x", "x", "2 xᵀ")
_vjp("squared Frobenius norm", "the sum of squares of a matrix", "input X : m × n\ns = sum(X.^2)", "X", "2 δ X",
     source=COOKBOOK)  # fmt: skip
_vjp("trace of a product", "tr(A X), by X", "param A : m × n\ninput X : n × m\ns = tr(A X)", "X", "δ Aᵀ",
     source=COOKBOOK)  # fmt: skip
_vjp("trace", "tr(X), by X", "input X : n × n\ns = tr(X)", "X", "δ I", source=COOKBOOK)
_vjp("inner product of matrices", "the sum of A ∘ X, by X", "param A : m × n\ninput X : m × n\ns = sum(A ∘ X)", "X",
     "δ A")  # fmt: skip
_jacobian("repeated scalar", "a scalar that is added to every entry", "input x : n\nparam b : scalar\nz = x + b", "b",
          "ones(n)", source="the adjoint of repeating is summing")  # fmt: skip
_vjp("repeated scalar, matrix", "a scalar that is added to every entry", "input X : m × n\nparam b : scalar\nZ = X + b",
     "b", "sum(Δ)", source="the adjoint of repeating is summing")  # fmt: skip
