"""Programs that hold what the corpus does not: every function, operation and step that a plan may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

TEXTS = {
    "elementwise": """
        input x : D
        param u : D
        param v : D, positive
        a = sin(u) + cos(u ∘ x) + tan(u ./ 4) + arctan(u) + erf(u) + sinh(u) + cosh(u) + abs(u) + softplus(u)
        b = tanh(u) + relu(u) + sigmoid(x ∘ u) + log(v) + sqrt(v) + v.^(5/2) + v.^(1/3) + u.^3 + exp(u)
        J = sum(a + b + log(1 + v ∘ v))
        """,
    "choices": """
        param u : D
        param v : D, positive
        param w : D
        J = sum(where(u > 0, u ∘ w, exp(u)) + pow(v, w) + max(u) w + (u >= 0) ∘ w + sgn(u) ∘ w)
        """,
    "maxima": """
        param X : N × D
        param Y : N × D
        J = sum(max(X, over=rows)) + sum(min(X, over=columns)) + max(X) min(Y) + prod(Y) + sum(prod(X, over=rows))
        """,
    "matrices": """
        param X : D × D
        param y : D
        param Z : N × D
        param S : D × D, positive definite
        J = logdet(X) + det(X) + yᵀ inv(X) y + yᵀ solve(X, y) + sum(pinv(Z)) + sum(cholesky(S)) + tr(X)
        """,
    "diagonals": """
        param X : D × D
        param y : D
        A = diag(y) X diag(y)
        J = sum(A ∘ A) + sum(diag(X) ∘ y) + tr(X X)
        """,
    "tensors": """
        param A : B × T × D
        param W : D × H
        Q[b,t,h] = sum(d, A[b,t,d] W[d,h])
        S[b,t,s] = sum(h, Q[b,t,h] Q[b,s,h])
        J = sum(S ∘ S)
        """,
    "running products": """
        param X : N × D
        const G : N × D
        J = sum(G ∘ cumprod(X, over=rows))
        """,
    "spectra": """
        param A : D × D
        param X : 5 × 3
        param Y : 3 × 5
        const b : D
        J = sum((eigvecsh(A)ᵀ b).^4) + sum(eigvalsh(A).^3) + sum(svdvals(X)) + sum(svdu(Y).^4) + sum(svdv(Y).^4)
        """,
    "orthogonal": """
        param X : 5 × 3
        param Z : D × D
        const B : 5 × 3
        J = sum(B ∘ qrq(X)) + sum(qrr(X).^3) + sum(qrq(Z).^4)
        """,
    "none of its own": """
        param x : D
        param s : scalar
        J = sum(x) + 3
        """,
}


def labels(a: Any, y: Any) -> Any:
    return np.sum(a[np.arange(5), y] ** 2)


def places(s: Any, x: Any) -> Any:
    return np.sum(np.take_along_axis(x, np.argsort(s, axis=1), 1)[:, 0] ** 3) + np.sum(x[s.argmax(axis=0)] ** 2)


# A function to trace, its shapes, and arrays for it.
TRACED: dict[str, tuple[Callable[..., Any], dict[str, tuple[int, ...]], dict[str, Any]]] = {
    "labels": (
        labels,
        {"a": (5, 3), "y": (5,)},
        {"a": np.arange(15).reshape(5, 3) / 7 - 1, "y": np.array([2, 0, -1, 1, 2])},
    ),
    "places": (
        places,
        {"s": (5, 3), "x": (5, 3)},
        {"s": np.arange(15).reshape(5, 3) % 4 / 3, "x": np.sin(np.arange(15)).reshape(5, 3)},
    ),
}
