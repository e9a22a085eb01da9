"""Inverse, determinant, solve, Cholesky: values against torch, and the forms of the textbooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import DimensionError
from functions.oracle import compare

L = torch.linalg
CASES = {
    "logdet": ("param X : D × D\nJ = logdet(X)", lambda X: L.slogdet(X)[1]),
    "det": ("param X : D × D\nJ = det(X)^2", lambda X: L.det(X) ** 2),
    "det of a power": ("param X : D × D\nJ = det(X^3)", lambda X: L.det(X @ X @ X)),
    "det of a transpose": ("param X : D × D\nJ = tanh(det(Xᵀ))", lambda X: torch.tanh(L.det(X))),
    "inverse": (
        "param X : D × D\nconst A : D × D\nY = inv(X)\nJ = sum(A ∘ Y.^2)", lambda X, A: (A * L.inv(X) ** 2).sum()
    ),
    "inverse of a transpose": (
        "param X : D × D\nconst A : D × D\nJ = sum(A ∘ X⁻ᵀ)", lambda X, A: (A * L.inv(X.T)).sum()
    ),
    "powers below zero": (
        "param X : D × D\nconst A : D × D\nJ = tr(A X^(-3))", lambda X, A: torch.trace(A @ L.matrix_power(X, -3))
    ),
    "solve, one right side": (
        "param A : D × D\nparam b : D\nJ = sum(tanh(solve(A, b)))", lambda A, b: torch.tanh(L.solve(A, b)).sum()
    ),
    "solve, many right sides": (
        "param A : D × D\nparam B : D × K\nX = solve(A, B)\nJ = norm(X)^2", lambda A, B: (L.solve(A, B) ** 2).sum()
    ),
    "solve with a product": (
        "param A : D × D\nparam B : D × K\nX = solve(A A + I, A B)\nJ = sum(sin(X))",
        lambda A, B: torch.sin(L.solve(A @ A + torch.eye(len(A)), A @ B)).sum(),
    ),
    "gram": ("param X : N × D\nJ = log(det(Xᵀ X))", lambda X: torch.logdet(X.T @ X)),
    "projection": (
        "param X : N × D\nconst y : N\nJ = norm(y - X inv(Xᵀ X) Xᵀ y)^2",
        lambda X, y: ((y - X @ L.inv(X.T @ X) @ X.T @ y) ** 2).sum(),
    ),
    "pseudoinverse": ("param A : N × D\nconst B : D × N\nJ = sum(pinv(A) ∘ B)", lambda A, B: (L.pinv(A) * B).sum()),
    "cholesky": (
        "param A : D × D\nconst B : D × D\nS = A Aᵀ + I\nR = cholesky(S)\nJ = sum(sin(R) ∘ B)",
        lambda A, B: (torch.sin(L.cholesky(A @ A.T + torch.eye(len(A)))) * B).sum(),
    ),
    "gaussian log-likelihood": (
        "param Σ : D × D, positive definite\nparam m : D\nconst x : D\n"
        "J = 1/2 logdet(Σ) + 1/2 (x - m)ᵀ inv(Σ) (x - m)",
        lambda Σ, m, x: 0.5 * L.slogdet(Σ)[1] + 0.5 * (x - m) @ L.inv(Σ) @ (x - m),
    ),
}  # fmt: skip
SIZES = [{}, {"D": 2, "K": 4, "N": 7}, {"D": 5, "K": 3, "N": 11}]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_like_torch(case, sizes) -> None:
    text, function = case
    chosen = {k: v for k, v in sizes.items() if k in cr.parse(text).dims.__repr__()}
    compare(text, function, chosen, tolerance=1e-8)


FORMS = {
    "logdet": ("param X : D × D\nJ = logdet(X)", "X", "inv(X)ᵀ"),
    "log of det": ("param X : D × D\nJ = log(det(X))", "X", "inv(X)ᵀ"),
    "det of a power": ("param X : D × D\nJ = det(X^3)", "X", "3 J inv(X)ᵀ"),
    "bilinear": ("param X : D × D\nconst a : D\nconst b : D\nJ = aᵀ inv(X) b", "X", "−inv(X)ᵀ a (inv(X) b)ᵀ"),
    "upstream": ("param X : D × D\nconst G : D × D\nY = inv(X)\nJ = sum(G ∘ Y)", "X", "−Yᵀ G Yᵀ"),
    "gram": ("param X : N × D\nJ = log(det(Xᵀ X))", "X", "2 pinv(X)ᵀ"),
    "symmetric": ("const A : D × D, symmetric\nparam x : D\nJ = xᵀ A x", "x", "2 A x"),
    "not symmetric": ("const A : D × D\nparam x : D\nJ = xᵀ A x", "x", "(A + Aᵀ) x"),
    "orthogonal": ("const Q : D × D, orthogonal\nparam x : D\nJ = xᵀ Qᵀ Q x", "x", "2 x"),
    "inverse of a rotation": ("const Q : D × D, orthogonal\nparam x : D\nconst a : D\nJ = aᵀ inv(Q) x", "x", "Q a"),
    "inverse times itself": ("const A : D × D\nparam x : D\nJ = xᵀ inv(A) A x", "x", "2 x"),
    "Cholesky factor, Murray 2016, eq. 10": (
        "param A : D × D, symmetric\nconst G : D × D\nL = cholesky(A)\nJ = sum(G ∘ L)", "A",
        "inv(L)ᵀ (halftril(Lᵀ G) + halftril(Lᵀ G)ᵀ) inv(L)/2",
    ),
    "Gaussian likelihood by a Cholesky factor": (
        "param A : D × D\nconst y : D\nL = cholesky(A)\nz = inv(L) y\nJ = 1/2 norm(z)^2 + sum(log(diag(L)))", "A",
        "(inv(L)ᵀ − inv(L)ᵀ z zᵀ) inv(L)/2",
    ),
    "triangles": ("param M : D × D\nconst G : D × D\nJ = sum(tril(M, -1) ∘ G) + sum(triu(M).^2 ∘ G)", "M",
                  "tril(G, -1) + 2 triu(G ∘ M)"),
    "a triangle of an outer product": ("param x : D\nconst G : D × D\nJ = sum(tril(x xᵀ) ∘ G)", "x",
                                       "tril(G) x + triu(Gᵀ) x"),
    "Matrix Cookbook 126": (
        "param X : N × D\nconst B : N × N, symmetric\nconst C : N × N, symmetric\nJ = tr(inv(Xᵀ C X) (Xᵀ B X))", "X",
        "2 (B − C X inv(Xᵀ C X) Xᵀ B) X inv(Xᵀ C X)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS.keys())
def test_form(case) -> None:
    text, name, form = case
    assert cr.parse(text).derive().gradients[name].text == form


def test_the_inverse_is_an_exponent_in_latex() -> None:
    gradient = cr.parse("param X : D × D\nJ = logdet(X)").derive().gradients["X"]
    assert gradient.latex == r"X^{-\top}"
    assert '<mo form="prefix">−</mo><mi>⊤</mi>' in gradient.mathml


def test_solve_never_forms_an_inverse() -> None:
    text = "param A : D × D\nparam b : D\nx = solve(A, b)\nJ = sum(tanh(x))"
    for plain in (False, True):
        source = cr.parse(text).derive().compile(plain=plain).source
        assert "linalg.inv" not in source
        assert "np.linalg.solve(A.T, " in source


def test_a_gradient_at_a_symmetric_matrix_says_its_convention() -> None:
    derivation = cr.parse("param A : D × D, symmetric\nconst x : D\nJ = xᵀ A x").derive()
    assert (
        "A is symmetric, and each entry is differentiated as if it could move by itself"
        in derivation.gradients["A"].reason
    )


def test_the_hessian_at_a_symmetric_matrix_uses_no_symmetry() -> None:
    """tr(A A): with independent entries ∂²J/∂A[i,j]∂A[k,l] = 2 · 1[i = l] 1[j = k], not 2 · 1[i = k] 1[j = l]."""
    for fact in ("", ", symmetric"):
        hessian = cr.parse(f"param A : D × D{fact}\nJ = tr(A A)").hessian("A")
        value = hessian.evaluate(A=np.eye(3))
        assert value[0, 1, 1, 0] == 2
        assert value[0, 1, 0, 1] == 0


@pytest.mark.parametrize(
    "text",
    ["param A : D × K\nJ = det(A)", "param x : D\nJ = sum(inv(x))",
     "param A : D × D\nparam b : K\nJ = sum(solve(A, b))",
     "param A : D × K, symmetric\nJ = sum(A)"],
)  # fmt: skip
def test_sizes_that_do_not_fit(text: str) -> None:
    with pytest.raises(DimensionError):
        cr.parse(text)
