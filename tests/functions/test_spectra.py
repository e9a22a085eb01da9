"""Eigenvalues, singular values, QR: against torch, the forms of the literature, second derivatives, what repeats."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import DimensionError
from functions.oracle import compare

L = torch.linalg


def half(a):
    return (a + a.T) / 2


def hyperbolic(a):
    values, vectors = L.eigh(a)
    return vectors @ torch.diag(torch.tanh(values)) @ vectors.T


def svd(x):
    return L.svd(x, full_matrices=False)


CASES = {
    "eigenvalues": (
        "param A : D × D\nconst c : D\nλ = eigvalsh(A)\nJ = sum(c ∘ sin(λ))",
        lambda A, c: (c * torch.sin(L.eigvalsh(half(A)))).sum(),
    ),
    "eigenvectors": (
        "param A : D × D\nconst b : D\nV = eigvecsh(A)\nJ = sum((Vᵀ b).^4)",
        lambda A, b: ((L.eigh(half(A))[1].T @ b) ** 4).sum(),
    ),
    "a function of a matrix": (
        "param A : D × D\nconst B : D × D\nJ = sum(B ∘ (eigvecsh(A) diag(tanh(eigvalsh(A))) eigvecsh(A)ᵀ))",
        lambda A, B: (B * hyperbolic(half(A))).sum(),
    ),
    "singular values": (
        "param X : 5 × 3\nconst c : 3\nJ = sum(c ∘ svdvals(X).^3)", lambda X, c: (c * L.svdvals(X) ** 3).sum()
    ),
    "left vectors": (
        "param X : 5 × 3\nconst b : 5\nJ = sum((svdu(X)ᵀ b).^4)", lambda X, b: ((svd(X)[0].T @ b) ** 4).sum()
    ),
    "left vectors, wide": (
        "param X : 3 × 5\nconst b : 3\nJ = sum((svdu(X)ᵀ b).^4)", lambda X, b: ((svd(X)[0].T @ b) ** 4).sum()
    ),
    "right vectors": (
        "param X : 5 × 3\nconst b : 3\nJ = sum((svdv(X)ᵀ b).^4)", lambda X, b: ((svd(X)[2] @ b) ** 4).sum()
    ),
    "right vectors, wide": (
        "param X : 3 × 5\nconst b : 5\nJ = sum((svdv(X)ᵀ b).^4)", lambda X, b: ((svd(X)[2] @ b) ** 4).sum()
    ),
    "orthonormal columns": (
        "param X : 5 × 3\nconst B : 5 × 3\nJ = sum(B ∘ qrq(X).^2)", lambda X, B: (L.qr(X)[0] ** 2 * B).sum()
    ),
    "orthogonal": (
        "param X : D × D\nconst B : D × D\nJ = sum(B ∘ qrq(X).^2)", lambda X, B: (L.qr(X)[0] ** 2 * B).sum()
    ),
    "upper triangle": (
        "param X : 5 × 3\nconst B : 3 × 3\nJ = sum(B ∘ qrr(X).^2)", lambda X, B: (L.qr(X)[1] ** 2 * B).sum()
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_like_torch(case) -> None:
    compare(*case, {"D": 5} if " D" in case[0] else {}, tolerance=1e-8)


FORMS = {
    "eigenvalues": ("param A : D × D\nconst c : D\nV = eigvecsh(A)\nJ = cᵀ eigvalsh(A)", "A", "V diag(c) Vᵀ"),
    "nuclear norm": ("param X : 5 × 3\nU = svdu(X)\nV = svdv(X)\nJ = sum(svdvals(X))", "X", "U Vᵀ"),
    "a sum of eigenvalues is the trace": ("param A : D × D\nJ = sum(eigvalsh(A))", "A", "I"),
    "positive": ("param A : D × D, positive definite\nconst V : D × D\nJ = sum(abs(eigvalsh(A)))", "A", "I"),
    "Vᵀ V": ("const A : D × D\nparam x : D\nV = eigvecsh(A)\nJ = xᵀ Vᵀ V x", "x", "2 x"),
}


@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS.keys())
def test_form(case) -> None:
    text, name, form = case
    assert cr.parse(text).derive().gradients[name].text == form


SECOND = {
    "the largest eigenvalue": "λ = eigvalsh(X + Xᵀ)\nJ = λ[3]^2",
    "nuclear norm": "J = sum(svdvals(X))",
    "eigenvectors": "J = sum(eigvecsh(X + Xᵀ).^4)",
    "orthogonal": "J = sum(qrq(X).^3)",
    "cholesky": "J = sum(cholesky(X Xᵀ + I).^3)",
}


@pytest.mark.parametrize("text", SECOND.values(), ids=SECOND.keys())
def test_second_derivatives(text) -> None:
    net = cr.parse("param X : 3 × 3\n" + text)
    x = np.random.default_rng(3).standard_normal((3, 3))
    step, hessian = net.derive().compile(), net.hessian("X").compile()(X=x)
    for place in np.ndindex(3, 3):
        e = np.zeros((3, 3))
        e[place] = 1e-6
        slope = (step(X=x + e)[1]["X"] - step(X=x - e)[1]["X"]) / 2e-6
        assert hessian[(..., *place)] == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("target", ["numpy", "torch", "c"])
def test_values_that_repeat_are_right_or_refused(target) -> None:
    values = cr.parse("param A : D × D\nJ = sum(eigvalsh(A).^3)").derive().compile(target, dtype="float64")
    assert np.asarray(values(A=2 * np.eye(3))[1]["A"]) == pytest.approx(12 * np.eye(3))
    vectors = cr.parse("param A : D × D\nJ = sum(eigvecsh(A).^4)").derive().compile(target, dtype="float64")
    with pytest.raises(ValueError, match="are equal: their vectors have no derivative"):
        vectors(A=2 * np.eye(3))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("param X : N × D\nJ = sum(svdvals(X))", "which size is the smaller one"),
        ("param X : 3 × 5\nJ = sum(qrq(X))", "at least as many rows as columns"),
        ("param X : 3 × 5\nJ = sum(eigvalsh(X))", "a square matrix"),
    ],
)
def test_sizes_that_do_not_fit(text, words) -> None:
    with pytest.raises(DimensionError, match=words):
        cr.parse(text)
