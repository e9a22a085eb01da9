"""Plain stochastic gradient descent: shuffle, cut into batches, step against the gradient, look, repeat.

`descend` is the loop and nothing else: it yields after every epoch, and the caller decides what to print and
what to save. The order of samples in epoch e depends on (seed, e) alone, and parameters change in place, so a
run that stops after any epoch can be continued bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ChainruleError
from chainrule.training.checkpoint import Record
from chainrule.training.data import Dataset, Labels
from chainrule.training.network import Arrays, Compiled, Roles

__all__ = ["Settings", "descend", "predict_labels"]

CHUNK = 4096  # samples in one forward pass when predicting: bounds the memory, costs nothing


@dataclass(frozen=True)
class Settings:
    """How to descend: step length `rate`, samples in a `batch`, `epochs` in total, `seed` of all randomness.

    The defaults take the one-layer network to about 0.98 test accuracy on the digits set in a second.
    """

    epochs: int = 40
    rate: float = 0.2
    batch: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ChainruleError(f"the rate must be a positive number, not {self.rate}")
        for name, least in (("epochs", 1), ("batch", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ChainruleError(f"{name} must be at least {least}, not {getattr(self, name)}")


def descend(
    network: Compiled, found: Roles, parameters: Arrays, data: Dataset, classes: int, settings: Settings, done: int = 0
) -> Iterator[Record]:
    """Change `parameters` in place, epoch by epoch; yield a `Record` after each of epochs done + 1 … epochs.

    The last batch of an epoch holds what is left over. Its mean gradient takes a full step, as is usual.
    Raises `ChainruleError` as soon as the loss, or a parameter, is not finite.
    """
    one_hot = np.eye(classes, dtype=np.float32)
    for epoch in range(done + 1, settings.epochs + 1):
        start = time.perf_counter()
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(data.y_train))
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # reported below, in words
            for first in range(0, len(order), settings.batch):
                chosen = order[first : first + settings.batch]
                batch = {
                    found.input: shaped(data.x_train[chosen], data, found),
                    found.label: one_hot[data.y_train[chosen]],
                }
                loss, gradients = network.step(**batch, **parameters)
                if not math.isfinite(loss):
                    raise _diverged(f"the loss became {loss}", epoch, settings)
                total += loss * len(chosen)
                for name, value in parameters.items():
                    value -= settings.rate * gradients[name]
        for name, value in parameters.items():
            if not np.isfinite(value).all():
                raise _diverged(f"the parameter {name} is no longer finite", epoch, settings)
        train, test = (
            float(np.mean(predict_labels(network, found, parameters, x, data) == y))
            for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test))
        )
        yield Record(epoch, total / len(order), train, test, time.perf_counter() - start)


def predict_labels(
    network: Compiled,
    found: Roles,
    parameters: Mapping[str, NDArray[np.float32]],
    x: NDArray[np.float32],
    data: Dataset,
) -> Labels:
    """The class (n,) with the largest prediction for each row of `x` (n, D)."""
    parts = [
        network.predict(**{found.input: shaped(x[first : first + CHUNK], data, found)}, **parameters).argmax(axis=-1)
        for first in range(0, len(x), CHUNK)
    ]
    return np.concatenate(parts).astype(np.int64)


def shaped(x: NDArray[np.float32], data: Dataset, found: Roles) -> NDArray[np.float32]:
    """Rows `x` (n, D) as the network takes them: (n, D), or (n, height, width) if it reads images."""
    return x.reshape(len(x), *data.image) if found.images and data.image else x


def _diverged(what: str, epoch: int, settings: Settings) -> ChainruleError:
    return ChainruleError(
        f"{what} in epoch {epoch} with rate {settings.rate:g}", hint=f"lower the rate: {settings.rate / 10:g}"
    )
