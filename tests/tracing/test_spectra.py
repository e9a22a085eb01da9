"""Eigenvalues, singular values and QR as NumPy code has them: values, gradients, targets, what is refused."""

import numpy as np
import pytest

import chainrule as cr
from traced_functions import agrees

C = np.arange(15.0).reshape(5, 3) % 7


def shrunk(X):
    u, s, vt = np.linalg.svd(X, full_matrices=False)
    return np.sum((u * np.maximum(s - 0.5, 0)) @ vt * C)


def whitened(X):
    X = X - X.mean(0)
    w, V = np.linalg.eigh(X.T @ X / 7)
    return np.sum((X @ (V / np.sqrt(w + 1e-3))) ** 4)


def matrix_logarithm(A):
    w, V = np.linalg.eigh(A @ A.T + np.eye(3))
    return np.sum(((V * np.log(w)) @ V.T)[0])


def projected(X):
    q, r = np.linalg.qr(X)
    return np.sum(q * C) + np.log(np.abs(np.diag(r))).sum()


def right_space(X):
    return np.sum((np.linalg.svd(X)[2][:2].T @ np.ones(2)) ** 4)


FUNCTIONS = [
    (lambda A: np.linalg.eigvalsh(A) @ np.array([2.0, 3, 5]) + np.linalg.eigvalsh(A, "U") @ np.ones(3), {"A": (3, 3)}),
    (lambda X: np.linalg.norm(X, 2) + np.linalg.norm(X, "nuc") ** 2 + np.linalg.norm(X, -2) ** 3, {"X": (5, 3)}),
    (lambda X: np.linalg.cond(X) + np.log(np.linalg.cond(X[:3], 1)) + np.linalg.cond(X[:3], -2), {"X": (5, 3)}),
    (lambda X: np.linalg.norm(X, "nuc", axis=(1, 2), keepdims=True).sum() ** 2, {"X": (2, 3, 5)}),
    (lambda X: np.linalg.eigvalsh(X @ X.transpose(0, 2, 1))[:, -1].sum(), {"X": (2, 3, 5)}),
    (lambda A, b: np.linalg.lstsq(A, b)[1].sum() + np.sum(np.linalg.lstsq(A, b)[0] ** 3), {"A": (5, 3), "b": (5,)}),
    (lambda A, b: np.linalg.tensorsolve(A.reshape(2, 3, 2, 3), b)[1, 2], {"A": (6, 6), "b": (2, 3)}),
    (lambda A: np.sum(np.linalg.tensorinv(A.reshape(2, 3, 2, 3) + 9 * np.eye(6).reshape(2, 3, 2, 3))), {"A": (6, 6)}),
    (shrunk, {"X": (5, 3)}), (whitened, {"X": (7, 3)}), (matrix_logarithm, {"A": (3, 3)}), (projected, {"X": (5, 3)}),
    (right_space, {"X": (5, 3)}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "shapes"), FUNCTIONS)
def test_like_numpy(function, shapes):
    agrees(function, shapes)


@pytest.mark.parametrize("target", ["torch", "jax", "c"])
def test_targets(target):
    def every(X, A):
        return shrunk(X) + whitened(X) + projected(X) + matrix_logarithm(A) + np.linalg.norm(X, 2)

    derivation = cr.trace(every, X=(5, 3), A=(3, 3)).derive()
    arrays = {n: np.random.default_rng(5).standard_normal(s) for n, s in {"X": (5, 3), "A": (3, 3)}.items()}
    (wanted, slopes), (loss, gradients) = (
        derivation.compile(target=t, dtype="float64")(**arrays) for t in ("numpy", target)
    )
    assert loss == pytest.approx(wanted, rel=1e-10)
    for name, slope in slopes.items():
        assert np.asarray(gradients[name]) == pytest.approx(slope, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda X: np.linalg.svd(X)[0].sum(), "which no matrix determines"),
        (lambda X: np.linalg.svd(X)[0] @ X, "which no matrix determines"),
        (lambda X: X.sum() * np.linalg.lstsq(X, X)[2], "the rank of a matrix"),
        (lambda X: np.linalg.matrix_rank(X) * X.sum(), "np.linalg.matrix_rank"),
        (lambda X: np.linalg.eig(X[:3])[0].sum(), "np.linalg.eig"),
        (lambda X: np.linalg.qr(X, "complete")[0].sum(), "mode complete"),
        (lambda X: np.linalg.qr(X.T)[0].sum(), "as many rows as columns"),
    ],
)
def test_refused(function, words):
    with pytest.raises((cr.UnsupportedError, cr.DimensionError), match=words):
        cr.trace(function, X=(5, 3))
