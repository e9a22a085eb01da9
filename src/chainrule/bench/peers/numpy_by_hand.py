"""NumPy written by hand: every array allocated once, results overwritten by the next step."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.bench.case import Arrays, Case, Contender, Ready

__all__ = ["CONTENDERS", "one_layer"]


def one_layer(case: Case, arrays: Arrays, threads: int) -> Ready:
    """The network of the note, for rows."""
    X, Y, W, b1, U, b2 = (arrays[name] for name in ("X", "Y", "W", "b1", "U", "b2"))
    N = len(X)
    H = np.empty((N, W.shape[1]), X.dtype)
    D2 = np.empty_like(H)
    M = np.empty(H.shape, bool)
    T = np.empty_like(Y)
    P = np.empty_like(Y)
    m = np.empty((N, 1), X.dtype)
    gradients = {name: np.empty_like(arrays[name]) for name in ("W", "b1", "U", "b2")}
    dW, db1, dU, db2 = gradients.values()
    XT, UT, HT = X.T, U.T, H.T

    def run() -> Any:
        np.dot(X, W, out=H)
        np.add(H, b1, out=H)
        np.maximum(H, 0, out=H)
        np.dot(H, U, out=T)
        np.add(T, b2, out=T)
        np.maximum.reduce(T, axis=1, keepdims=True, out=m)
        np.subtract(T, m, out=T)
        np.exp(T, out=P)
        np.add.reduce(P, axis=1, keepdims=True, out=m)
        np.divide(P, m, out=P)
        np.log(m, out=m)
        np.subtract(T, m, out=T)
        loss = -float(np.vdot(Y, T)) / N
        np.subtract(P, Y, out=P)
        np.multiply(P, 1 / N, out=P)
        np.dot(HT, P, out=dU)
        np.add.reduce(P, axis=0, out=db2)
        np.dot(P, UT, out=D2)
        np.greater(H, 0, out=M)
        np.multiply(D2, M, out=D2)
        np.dot(XT, D2, out=dW)
        np.add.reduce(D2, axis=0, out=db1)
        return loss

    return Ready(run, lambda loss: {"loss": loss, **gradients})


CONTENDERS = {"one_layer": (Contender("NumPy by hand", "peer", f"{__name__}:one_layer"),)}
