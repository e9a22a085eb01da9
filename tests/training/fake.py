"""A network written by hand with NumPy alone, so that training is tested without the compiler.

It offers what `chainrule.training.network.Network` asks for: the note's one-layer network, per sample (column
vectors, lifted to a batch) or with rows as samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np


@dataclass(frozen=True)
class Declaration:
    kind: str
    shape: tuple
    orientation: str
    facts: tuple = ()


class OneLayer:
    """θ = U relu(W x + b1) + b2, J = CE(y, softmax(θ)); counts its steps in `steps`."""

    loss = "J"
    parameters = ("W", "b1", "U", "b2")

    def __init__(self, rows=False, features="D_x", classes="N_c", weight_decay=False, text="one layer"):
        self.rows, self.decay, self.text, self.steps = rows, weight_decay, text, 0
        lead, side = (("N",), "matrix") if rows else ((), "column")
        vector = "row" if rows else "column"
        flip = (lambda *shape: shape[::-1]) if rows else (lambda *shape: shape)
        self.x, self.y, self.prediction = ("X", "Y", "Ŷ") if rows else ("x", "y", "ŷ")
        self.declarations = {
            self.x: Declaration("input", (*lead, features), side),
            self.y: Declaration("label", (*lead, classes), side, ("one-hot",)),
            "W": Declaration("param", flip("D_h", features), "matrix"),
            "b1": Declaration("param", ("D_h",), vector),
            "U": Declaration("param", flip(classes, "D_h"), "matrix"),
            "b2": Declaration("param", (classes,), vector),
        }
        if weight_decay:
            self.declarations["λ"] = Declaration("const", (), "scalar")
        shapes = [("z", "D_h"), ("h", "D_h"), ("θ", classes), (self.prediction, classes)]
        column = () if rows else (1,)  # as the core gives it: a computed column has its second size
        self.equations = [SimpleNamespace(name=name, shape=(*lead, size, *column)) for name, size in shapes]
        self.equations.append(SimpleNamespace(name="J", shape=()))

    def __str__(self):
        return self.text

    def _run(self, x, W, b1, U, b2):
        W, U = (W.T, U.T) if self.rows else (W, U)
        z = x @ W.T + b1
        h = np.maximum(z, 0)
        theta = h @ U.T + b2
        theta = theta - theta.max(axis=1, keepdims=True)
        odds = np.exp(theta)
        return z, h, U, odds / odds.sum(axis=1, keepdims=True)

    def derive(self, wrt=None):
        assert tuple(wrt) == self.parameters
        return self

    def compile(self, target, batch, dtype, reduction="mean"):
        assert (target, dtype, reduction) == ("numpy", "float32", "mean")
        assert (batch is None) == self.rows

        def step(**arrays):
            self.steps += 1
            x, y = arrays.pop(self.x), arrays.pop(self.y)
            decay = arrays.pop("λ", 0)
            assert x.dtype == y.dtype == np.float32
            z, h, outer, p = self._run(x, **arrays)
            with np.errstate(divide="ignore"):
                loss = -np.sum(np.log(p[y > 0])) / len(x)
            d2 = (p - y) / np.float32(len(x))
            d1 = (d2 @ outer) * (z > 0)
            weights, outer_weights = d1.T @ x, d2.T @ h
            if self.rows:
                weights, outer_weights = weights.T, outer_weights.T
            weights = weights + decay * arrays["W"]
            return loss, {"W": weights, "b1": d1.sum(0), "U": outer_weights, "b2": d2.sum(0)}

        return step

    def forward(self, names, batch, dtype):
        assert names == [self.prediction]
        assert (batch is None) == self.rows

        def run(**arrays):
            arrays.pop("λ", None)
            return {self.prediction: self._run(arrays.pop(self.x), **arrays)[-1]}

        return run
