"""A whole run: data in, checks, epochs with a checkpoint after each, a picture at the end.

Everything that can be wrong is found before anything is written: the first file appears after the first epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ChainruleError
from chainrule.training.checkpoint import (
    Checkpoint,
    Record,
    check_shapes,
    network_hash,
    read_checkpoint,
    save_checkpoint,
)
from chainrule.training.data import Dataset, load_data
from chainrule.training.files import check_directory
from chainrule.training.loop import Settings, descend, predict_labels
from chainrule.training.network import MakeForward, Network, compile_network, find_sizes, initialise, roles
from chainrule.training.optional import require
from chainrule.training.pictures import confusion_matrix, save_picture
from chainrule.training.progress import progress

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Outcome", "train"]

CHECKPOINT = "parameters.safetensors"
PICTURE = "training.png"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run left: `parameters` by name, a `Record` per epoch, `confusion` counts (true, predicted), files."""

    parameters: dict[str, NDArray[np.float32]]
    records: tuple[Record, ...]
    confusion: NDArray[np.int64]
    data: Dataset
    settings: Settings
    sizes: dict[str, int]
    resumed: int  # epochs that had been done before
    checkpoint: Path
    picture: Path

    @property
    def test_accuracy(self) -> float:
        """The share of the test part that is classified rightly, 0 to 1, after the last epoch."""
        return float(np.trace(self.confusion) / self.confusion.sum())


def train(
    net: Network,
    data: str | Path | Dataset = "digits",
    *,
    epochs: int | None = None,
    rate: float | None = None,
    batch: int | None = None,
    seed: int | None = None,
    out: str | Path = "run",
    resume: bool = False,
    sizes: Mapping[str, int] | None = None,
    constants: Mapping[str, float] | None = None,
    forward: MakeForward | None = None,
    target: str = "numpy",
    title: str = "",
    console: Console | None = None,
    show: bool = True,
    on_start: Callable[[Dataset, Settings, dict[str, int]], None] | None = None,
    on_epoch: Callable[[Record], None] | None = None,
) -> Outcome:
    """Train `net` on `data` by plain stochastic gradient descent and leave a checkpoint and a picture in `out`.

    Args:
        net: the network, written for one sample (x : D_x, y : N_c) or for a batch (X : N × D_x, Y : N × N_c).
        data: "digits", a `.npz` file, a directory of IDX files (see `load_data`), or a `Dataset`.
        epochs: passes over the data in total, those before a resumption included. Defaults are in `Settings`;
            after `resume` rate, batch, seed, sizes and constants are those of the checkpoint unless given.
        rate: the step length, without a unit.
        batch: samples in a step.
        seed: of the start values and the order of samples; runs with the same seed are the same bit for bit.
        out: the directory for `parameters.safetensors` (after each epoch) and `training.png` (at the end).
        resume: go on from the checkpoint in `out`.
        sizes: hidden sizes by symbol, such as {"D_h": 32}; those that nothing determines are 64.
        constants: a number for each declared scalar `const`.
        forward: makes a compiled forward pass as `net.forward` does: `forward(names, batch=…, dtype=…)`.
        target: what the step is compiled to: "numpy", "c" (see `compile`).
        title: the network's name in the picture, for example the file's.
        console: where to show progress (rich); `show=False` shows nothing.
        on_start: called once with data, settings and sizes when all checks have passed.
        on_epoch: called with each epoch's `Record` after its checkpoint is on the disk.

    Raises:
        ChainruleError: data, network or options that do not fit, a missing package, a file that cannot be
            written, a checkpoint of another run, a loss that is not finite.
    """
    require("safetensors", "matplotlib")
    directory = Path(out)
    check_directory(directory)
    path = directory / CHECKPOINT
    found = roles(net)
    samples = data if isinstance(data, Dataset) else load_data(data)
    identity, fingerprint = network_hash(net), samples.fingerprint
    before = read_checkpoint(path, identity, fingerprint) if resume else None

    settings = _settings(before, epochs=epochs, rate=rate, batch=batch, seed=seed)
    values = dict(constants) if constants else dict(before.constants) if before else {}
    numbers = find_sizes(net, found, samples, {**(before.sizes if before else {}), **(sizes or {})})
    parameters = initialise(net, found, numbers, settings.seed)
    if before:
        check_shapes(path, before, {name: value.shape for name, value in parameters.items()})
        parameters = before.parameters
    network = compile_network(net, found, values, forward, target)
    label = net.declarations[found.label].shape[-1]
    classes = numbers[label] if isinstance(label, str) else label
    records = before.records if before else ()
    done = len(records)
    if on_start:
        on_start(samples, settings, numbers)

    def save(record: Record) -> None:
        nonlocal records
        records = (*records, record)
        save_checkpoint(
            path,
            Checkpoint(
                parameters=parameters,
                records=records,
                network=identity,
                data=fingerprint,
                seed=settings.seed,
                rate=settings.rate,
                batch=settings.batch,
                sizes=numbers,
                constants=values,
                shift=samples.shift,
                scale=samples.scale,
            ),
        )
        if on_epoch:
            on_epoch(record)

    steps = descend(network, found, parameters, samples, classes, settings, done)
    if show and done < settings.epochs:
        with progress(settings.epochs, done, console) as display:
            for record in steps:
                save(record)
                display(record)
    else:
        for record in steps:
            save(record)

    predicted = predict_labels(network, found, parameters, samples.x_test, samples)
    picture = directory / PICTURE
    save_picture(picture, records, samples, predicted, classes, title)
    confusion = confusion_matrix(samples.y_test, predicted, classes)
    return Outcome(parameters, records, confusion, samples, settings, numbers, done, path, picture)


def _settings(before: Checkpoint | None, **given: float | None) -> Settings:
    """The defaults, overridden by the checkpoint's, overridden by what is given."""
    base = Settings()
    if before:
        if given["seed"] not in (None, before.seed):
            raise ChainruleError(
                f"the checkpoint was begun with seed {before.seed}, not {given['seed']}", hint="leave out --seed"
            )
        base = replace(base, rate=before.rate, batch=before.batch, seed=before.seed)
    chosen = {name: value for name, value in given.items() if value is not None}
    return replace(base, **chosen)  # type: ignore[arg-type]
