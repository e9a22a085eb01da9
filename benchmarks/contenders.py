"""What is timed: each contender takes the arrays and gives a function without arguments that does one step.

A step computes the loss and the gradients of the four parameters from the same inputs each time. The gradients are new
arrays at each call, except where the name says otherwise (`in place`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.network import NETWORK, PARAMETERS, Array

__all__ = ["CONTENDERS", "Contender"]

Result = tuple[float, dict[str, Array]]
Contender = Callable[[dict[str, Array]], Callable[[], Any]]


def _generated(**options: Any) -> Contender:
    def prepare(arrays: dict[str, Array]) -> Callable[[], Result]:
        import chainrule

        step = chainrule.parse(NETWORK).derive(PARAMETERS).compile("numpy", dtype="float32", **options)

        def run() -> Result:
            return step(**arrays)  # type: ignore[no-any-return]

        return run

    return prepare


def by_hand(arrays: dict[str, Array]) -> Callable[[], Result]:
    """What an expert writes: every array allocated once, results overwritten by the next call."""
    X, Y, W, b1, U, b2 = (arrays[name] for name in ("X", "Y", "W", "b1", "U", "b2"))
    N = len(X)
    H = np.empty((N, W.shape[1]), np.float32)
    D2 = np.empty_like(H)
    M = np.empty(H.shape, bool)
    T = np.empty_like(Y)
    P = np.empty_like(Y)
    m = np.empty((N, 1), np.float32)
    grads = {name: np.empty_like(arrays[name]) for name in PARAMETERS}
    dW, db1, dU, db2 = grads.values()
    XT, UT, HT = X.T, U.T, H.T

    def run() -> Result:
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
        return loss, grads

    return run


def torch_eager(arrays: dict[str, Array]) -> Callable[[], Any]:
    """The usual training step: forward, backward, gradients set to None each time."""
    import torch

    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    X, W, b1, U, b2 = (tensors[name] for name in ("X", "W", "b1", "U", "b2"))
    target = tensors["Y"].argmax(1)
    parameters = [tensors[name].requires_grad_() for name in PARAMETERS]

    def run() -> Any:
        for parameter in parameters:
            parameter.grad = None
        H = torch.relu(torch.addmm(b1, X, W))
        loss = torch.nn.functional.cross_entropy(torch.addmm(b2, H, U), target)
        loss.backward()
        return loss.item(), {name: tensors[name].grad for name in PARAMETERS}

    return run


CONTENDERS: dict[str, Contender] = {
    "generated": _generated(),
    "generated, in place": _generated(reuse_outputs=True),
    "generated, plain": _generated(plain=True),
    "NumPy by hand, in place": by_hand,
    "torch eager": torch_eager,
}
