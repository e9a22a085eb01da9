"""HIPS autograd: NumPy code differentiated operation by operation. It compiles nothing."""

from __future__ import annotations

from typing import Any

from chainrule.bench.case import Arrays, Case, Contender, Ready
from chainrule.bench.translated import loss_function

__all__ = ["CONTENDERS", "one_layer", "program"]


def one_layer(case: Case, arrays: Arrays, threads: int) -> Ready:
    """The network of the note, for rows."""
    import autograd.numpy as np
    from autograd import value_and_grad

    X, Y = arrays["X"], arrays["Y"]
    N = X.dtype.type(len(X))

    def loss(parameters: Any) -> Any:
        W, b1, U, b2 = parameters
        T = np.dot(np.maximum(np.dot(X, W) + b1, 0), U) + b2
        T = T - np.max(T, axis=1, keepdims=True)
        return (np.sum(np.log(np.sum(np.exp(T), axis=1))) - np.sum(T * Y)) / N

    names = ("W", "b1", "U", "b2")
    step = value_and_grad(loss)
    parameters = tuple(arrays[name] for name in names)
    return Ready(lambda: step(parameters), lambda r: {"loss": r[0], **dict(zip(names, r[1], strict=True))})


def program(case: Case, arrays: Arrays, threads: int) -> Ready:
    """Any program: its own NumPy code, run with autograd's NumPy."""
    import autograd.numpy
    from autograd import value_and_grad

    loss = loss_function(case, autograd.numpy)

    def of(parameters: Any) -> Any:
        return loss({**arrays, **parameters})

    step = value_and_grad(of)
    parameters = {name: arrays[name] for name in case.wrt}
    return Ready(lambda: step(parameters), lambda r: {"loss": r[0], **r[1]})


CONTENDERS = {
    "one_layer": (Contender("autograd", "peer", f"{__name__}:one_layer", ("autograd",)),),
    "program": (Contender("autograd", "peer", f"{__name__}:program", ("autograd",)),),
}
