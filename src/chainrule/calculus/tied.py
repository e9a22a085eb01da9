"""The gradient by a matrix whose entries are tied, from the one in which each entry moves by itself.

∂J/∂A is given entry by entry, as automatic differentiation and most of the literature have it. Who moves only matrices
that obey the fact needs another: for G = ∂J/∂A

    symmetric           G + Gᵀ − diag(diag(G))     A[i,j] and A[j,i] are one number (Matrix Cookbook, eq. 138)
    diagonal            the diagonal of G          nothing else may move
    lower triangular    the lower triangle of G    (and upper)
    orthogonal          (G − Q Gᵀ Q)/2             its part along the rotations

`tied` gives the expression, simplified where it can be; a new fact is one more branch, and a word in TIED.
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.algebra.expr import Expr, add, delta, monomial, multiply, rename, scale, variable
from chainrule.algebra.program import Program, Variable
from chainrule.algebra.relations import relation
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge

__all__ = ["TIED", "tied", "tied_said", "tied_value"]

# the facts that tie the entries of a matrix to each other
TIED = ("symmetric", "positive definite", "orthogonal", "diagonal", "lower triangular", "upper triangular")

SAID = {
    "symmetric": "where A[i,j] and A[j,i] are one number",
    "positive definite": "where A[i,j] and A[j,i] are one number",
    "diagonal": "where its diagonal alone moves",
    "lower triangular": "where its lower triangle alone moves",
    "upper triangular": "where its upper triangle alone moves",
    "orthogonal": "along the orthogonal matrices",
}


def tied_said(fact: str, name: str) -> str:
    """What moves, in words."""
    return SAID[fact].replace("A[", f"{name}[")


def tied_value(own: Variable, value: Expr, fact: str) -> Expr:
    """The gradient where only matrices with the fact are moved, as it is defined."""
    i, j = own.indices
    turned = rename(value, {i: j, j: i})
    if fact in ("symmetric", "positive definite"):
        return add(add(value, turned), scale(multiply(value, delta(i, j)), -1))
    if fact == "diagonal":
        return multiply(value, delta(i, j))
    if fact == "orthogonal":
        k, m = (-600, i[1]), (-601, i[1])
        inner = rename(value, {i: m, j: k})  # Gᵀ[k,m]
        around = multiply(multiply(variable(own.name, (i, k)), inner, (k,)), variable(own.name, (m, j)), (m,))
        return scale(add(value, scale(around, -1)), Fraction(1, 2))
    low, high = (j, i) if fact == "lower triangular" else (i, j)
    return multiply(value, monomial(1, [(relation("≤", [(1, low), (-1, high)]), 1)], ()))


def tied(program: Program, knowledge: Knowledge, own: Variable, value: Expr, fact: str) -> Expr | None:
    """The same, simplified; None where it has no shorter form than in words."""
    found = simplify(tied_value(own, value, fact), knowledge)
    triangular = fact in ("lower triangular", "upper triangular")
    if triangular and any(atom[0] == "rel" for factors, _ in found for atom, _ in factors):
        return None
    return found
