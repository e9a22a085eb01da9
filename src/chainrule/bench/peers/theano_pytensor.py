"""PyTensor: a symbolic graph, its gradient, compiled by its default linker."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.bench.case import Arrays, Case, Contender, Ready

__all__ = ["CONTENDERS", "one_layer"]


def one_layer(case: Case, arrays: Arrays, threads: int) -> Ready:
    """The network of the note, for rows."""
    import pytensor
    import pytensor.tensor as pt

    pytensor.config.floatX = case.dtype
    X, W, U = (pt.matrix(name) for name in ("X", "W", "U"))
    b1, b2 = (pt.vector(name) for name in ("b1", "b2"))
    y = pt.lvector("y")
    H = pt.maximum(pt.dot(X, W) + b1, 0)
    T = pt.special.log_softmax(pt.dot(H, U) + b2, axis=1)
    loss = -pt.mean(T[pt.arange(y.shape[0]), y])
    parameters = [W, b1, U, b2]
    step = pytensor.function([X, y, *parameters], [loss, *pytensor.grad(loss, parameters)])
    step.trust_input = True
    given = [arrays["X"], arrays["Y"].argmax(1).astype(np.int64), *(arrays[n] for n in ("W", "b1", "U", "b2"))]

    def run() -> Any:
        return step(*given)

    return Ready(run, lambda r: dict(zip(("loss", "W", "b1", "U", "b2"), r, strict=True)))


CONTENDERS = {"one_layer": (Contender("PyTensor", "peer", f"{__name__}:one_layer", ("pytensor",)),)}
