"""The network that is timed, its sizes and its data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NETWORK", "PARAMETERS", "SIZES", "Size", "data"]

Array = NDArray[np.float32]

NETWORK = """\
# The one-layer network of the note, for a batch: rows are samples (one_layer_rows.net).
input X  : N × D_x
label Y  : N × N_c, one-hot
param W  : D_x × D_h
param b1 : 1 × D_h
param U  : D_h × N_c
param b2 : 1 × N_c

Z = X W + b1
H = relu(Z)
Θ = H U + b2
Ŷ = softmax(Θ)
J = mean(CE(Y, Ŷ))
"""
PARAMETERS = ("W", "b1", "U", "b2")


@dataclass(frozen=True)
class Size:
    """Samples in a batch and the width of each layer."""

    batch: int
    inputs: int
    hidden: int
    classes: int

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.inputs}-{self.hidden}-{self.classes}"


SIZES = {
    "a": Size(1, 64, 32, 10),
    "b": Size(1, 784, 128, 10),
    "c": Size(64, 784, 128, 10),
    "d": Size(1024, 784, 512, 10),
}


def data(size: Size, seed: int = 0) -> dict[str, Array]:
    """float32 arrays by name; labels are one-hot, parameters of the usual scale."""
    generator = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> Array:
        return (scale * generator.standard_normal(shape)).astype(np.float32)

    return {
        "X": normal(size.batch, size.inputs),
        "Y": np.eye(size.classes, dtype=np.float32)[generator.integers(size.classes, size=size.batch)],
        "W": normal(size.inputs, size.hidden, scale=size.inputs**-0.5),
        "b1": normal(size.hidden, scale=0.1),
        "U": normal(size.hidden, size.classes, scale=size.hidden**-0.5),
        "b2": normal(size.classes, scale=0.1),
    }
