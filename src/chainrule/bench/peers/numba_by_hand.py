"""Numba: the same loops written by hand and compiled; products by the BLAS that SciPy brings."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.bench.case import Arrays, Case, Contender, Ready

__all__ = ["CONTENDERS", "one_layer"]


def one_layer(case: Case, arrays: Arrays, threads: int) -> Ready:
    """The network of the note, for rows; elementwise work fused, rows in parallel where there are threads."""
    import numba

    parallel = threads > 1
    numba.set_num_threads(threads)
    prange = numba.prange if parallel else range

    def body(X, Y, W, b1, U, b2, H, P, D, dW, db1, dU, db2):  # type: ignore[no-untyped-def]
        N, K = Y.shape
        M = b1.shape[0]
        np.dot(X, W, H)
        for i in prange(N):
            for j in range(M):
                z = H[i, j] + b1[j]
                H[i, j] = z if z > 0 else np.float32(0)
        np.dot(H, U, P)
        losses = np.zeros(N)
        for i in prange(N):
            top = P[i, 0] + b2[0]
            for k in range(K):
                P[i, k] += b2[k]
                top = max(top, P[i, k])
            total = np.float32(0)
            dot = np.float32(0)
            for k in range(K):
                t = P[i, k] - top
                dot += Y[i, k] * t
                P[i, k] = np.exp(t)
                total += P[i, k]
            losses[i] = np.log(total) - dot
            scale = np.float32(1) / total
            for k in range(K):
                P[i, k] = (P[i, k] * scale - Y[i, k]) / np.float32(N)
        np.dot(H.T, P, dU)
        np.dot(P, U.T, D)
        for j in range(M):
            db1[j] = 0
        for k in range(K):
            db2[k] = 0
        for i in range(N):
            for j in range(M):
                if H[i, j] <= 0:
                    D[i, j] = 0
                db1[j] += D[i, j]
            for k in range(K):
                db2[k] += P[i, k]
        np.dot(X.T, D, dW)
        return losses.sum() / N

    step = numba.njit(fastmath=True, parallel=parallel)(body)
    given = [arrays[name] for name in ("X", "Y", "W", "b1", "U", "b2")]
    X = arrays["X"]
    H, D = np.empty((2, len(X), len(arrays["b1"])), X.dtype)
    gradients = {name: np.empty_like(arrays[name]) for name in ("W", "b1", "U", "b2")}
    everything = (*given, H, np.empty_like(arrays["Y"]), D, *gradients.values())

    def run() -> Any:
        return step(*everything)

    return Ready(run, lambda loss: {"loss": loss, **gradients})


CONTENDERS = {
    "one_layer": (Contender("Numba by hand", "peer", f"{__name__}:one_layer", ("numba", "scipy"), compiles=True),)
}
