"""Checkpoints: parameters and all that a run needs to go on as if it had never stopped, in one `.safetensors`.

The tensors are the parameters by their names in the network. The file's metadata, one JSON text under the key
`chainrule`, holds the rest. The position in the random sequence is the number of finished epochs: each epoch
shuffles with a generator of its own, seeded by (seed, epoch), so there is no generator state to save.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ChainruleError
from chainrule.training.files import write_atomically
from chainrule.training.optional import optional

__all__ = ["Checkpoint", "Record", "check_shapes", "network_hash", "read_checkpoint", "save_checkpoint"]

KEY = "chainrule"
VERSION = 1
FRESH = "choose another --out, or train without --resume"


@dataclass(frozen=True)
class Record:
    """One epoch: its number from 1, the mean loss over its batches (each before its update), accuracies, seconds."""

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Checkpoint:
    """A run after `len(records)` epochs. `shift` and `scale`: features are (raw − shift) / scale."""

    parameters: dict[str, NDArray[np.float32]]
    records: tuple[Record, ...]
    network: str
    data: str
    seed: int
    rate: float
    batch: int
    sizes: dict[str, int]
    constants: dict[str, float]
    shift: float
    scale: float

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return len(self.records)


def network_hash(net: object) -> str:
    """A hash of the network's canonical text: layout and comments of the file do not matter."""
    return hashlib.sha256(str(net).encode()).hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path`; a crash at any moment leaves the old file or the new one.

    Raises `ChainruleError` if the file cannot be written or safetensors is not installed.
    """
    # the copy has C order: safetensors writes the bytes of an array as they lie in memory
    tensors = {name: np.array(value, np.float32, order="C") for name, value in checkpoint.parameters.items()}
    state = {item.name: getattr(checkpoint, item.name) for item in fields(checkpoint) if item.name != "parameters"}
    state |= {"version": VERSION, "epoch": checkpoint.epoch, "records": [asdict(item) for item in checkpoint.records]}
    metadata = {KEY: json.dumps(state, ensure_ascii=False)}
    write_atomically(path, optional("safetensors.numpy").save(tensors, metadata=metadata))


def read_checkpoint(path: Path, network: str, data: str) -> Checkpoint:
    """The checkpoint at `path`, if it belongs to this network and data (their hashes).

    Raises `ChainruleError` for a file that is missing or no checkpoint, and for one of another run.
    """
    if not path.is_file():
        raise ChainruleError(f"nothing to resume: there is no {path}", hint="train without --resume first")
    tensors, state = _read(path)
    try:
        if state["version"] != VERSION:
            raise ChainruleError(f"{path} is a checkpoint of version {state['version']}; this is version {VERSION}")
        records = tuple(Record(**item) for item in state["records"])
        rest = {
            item.name: state[item.name] for item in fields(Checkpoint) if item.name not in ("parameters", "records")
        }
        checkpoint = Checkpoint(tensors, records, **rest)
    except (KeyError, TypeError) as error:
        raise ChainruleError(f"{path} is not a checkpoint of chainrule: its metadata is incomplete") from error
    if checkpoint.network != network:
        raise ChainruleError(f"{path} is a checkpoint of another network, or this one has changed since", hint=FRESH)
    if checkpoint.data != data:
        raise ChainruleError(f"{path} was trained on other data", hint=FRESH)
    return checkpoint


def check_shapes(path: Path, checkpoint: Checkpoint, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `ChainruleError` unless the parameters have exactly these names and `shapes`."""
    found = {name: value.shape for name, value in checkpoint.parameters.items()}
    for name in sorted(shapes.keys() | found.keys()):
        if shapes.get(name) != found.get(name):
            ours, theirs = (_format(sizes.get(name)) for sizes in (shapes, found))
            raise ChainruleError(f"{path} does not fit: its {name} is {theirs}, the network's is {ours}", hint=FRESH)


def _read(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
    """Tensors and decoded metadata of a safetensors file."""
    safetensors = optional("safetensors")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: np.array(file.get_tensor(name), np.float32) for name in file.keys()}  # noqa: SIM118
        state = json.loads(metadata.get(KEY, "null"))
    except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
        raise ChainruleError(f"{path} is not a .safetensors file, or it is damaged: {error}") from error
    if not isinstance(state, dict):
        raise ChainruleError(f"{path} is not a checkpoint of chainrule: it has no metadata of a run")
    return tensors, state


def _format(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return "missing"
    return " × ".join(map(str, shape)) or "a scalar"
