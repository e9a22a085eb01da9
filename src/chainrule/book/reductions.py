"""Sums, means and norms: their adjoints repeat what they summed."""

from __future__ import annotations

from chainrule.book.record import Identity, register

__all__: list[str] = []

ADJOINT = "the adjoint of summing is repeating"


def _add(name: str, title: str, program: str, wrt: str, numerator: str = "", shape: str = "", upstream: str = "",
         source: str = ADJOINT) -> None:  # fmt: skip
    register(Identity(name, title, program, wrt, numerator, shape, upstream=upstream, source=source))


_add("sum", "the sum of a column", "input x : n\ns = sum(x)", "x", "ones(n)ᵀ", "ones(n)")
_add("sum of a row", "the sum of a row", "input x : 1 × n\ns = sum(x)", "x", "ones(n)ᵀ", "ones(n)ᵀ")
_add("mean", "the mean of a column", "input x : n\ns = mean(x)", "x", "ones(n)ᵀ/n", "ones(n)/n")
_add("sum of a matrix", "the sum of all entries", "input X : m × n\ns = sum(X)", "X", "", "δ ones(m) ones(n)ᵀ", "δ")
_add("mean of a matrix", "the mean of all entries", "input X : m × n\ns = mean(X)", "X", "",
     "δ ones(m) ones(n)ᵀ/(m n)", "δ")  # fmt: skip
_add("row sums", "the sum of each row", "input X : m × n\ns = rowsum(X)", "X", "", "δᵀ ones(n)ᵀ", "δ")
_add("row means", "the mean of each row", "input X : m × n\ns = rowmean(X)", "X", "", "δᵀ ones(n)ᵀ/n", "δ")
_add("column sums", "the sum of each column", "input X : m × n\ns = colsum(X)", "X", "", "ones(m) δ", "δ")
_add("column means", "the mean of each column", "input X : m × n\ns = colmean(X)", "X", "", "ones(m) δ/m", "δ")
_add("norm", "the Euclidean norm", "input x : n\nr = norm(x)", "x", "xᵀ/r", "x/r",
     source="where x is not 0")  # fmt: skip
_add("unit vector", "a vector divided by its norm", "input x : n\nr = norm(x)\nu = x/r", "x", "(I − u uᵀ)/r",
     source="where x is not 0; the projection off u, divided by the length")  # fmt: skip
