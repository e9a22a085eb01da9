"""Labelled samples to train on: the digits set, a `.npz` file, or a directory of IDX files.

Every source ends in one `Dataset`: float32 rows, integer labels, a part for training and a part for
testing. All features are shifted and scaled by one pair of numbers, the mean and the standard deviation of
the training part, so that the default rate suits pixels of any range and a picture stays a picture.

To add a source, write a function that returns `_prepare(...)` of its raw arrays and name it in `load_data`:
the checks (NaN, sizes, labels) are made there, once for all sources.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ChainruleError
from chainrule.training.optional import optional

__all__ = ["Dataset", "load_data", "split"]

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

TEST_SHARE = 0.2
SPLIT_SEED = 0  # the same for every run, so that test accuracies of different runs can be compared
SOURCES = "--data digits, a .npz file with arrays X and y, or a directory with IDX files"
WANTED = ("X", "y", "X_test", "y_test")
SMALLEST_IMAGE = 7  # 49 features in a row may well be an image; the 4 of the iris set are not one of 2 × 2


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled samples, checked and scaled.

    `x_train` (n, D) and `x_test` (m, D) are float32 with `(raw − shift) / scale` in them; `y_train` (n,) and
    `y_test` (m,) are labels 0 … classes − 1. `image` is (height, width) if the D features are a grey image.
    """

    name: str
    x_train: Floats
    y_train: Labels
    x_test: Floats
    y_test: Labels
    classes: int
    image: tuple[int, int] | None
    shift: float
    scale: float

    @property
    def features(self) -> int:
        """How many numbers a sample has."""
        return int(self.x_train.shape[1])

    @property
    def fingerprint(self) -> str:
        """A hash of all samples and labels: a run is resumed only on the data on which it began."""
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def __str__(self) -> str:
        return (
            f"{self.name}: {len(self.x_train):,} samples to train on, {len(self.x_test):,} to test on, "
            f"{self.features} features, {self.classes} classes"
        )


def load_data(source: str | Path) -> Dataset:
    """The data set that `source` names: `digits`, a `.npz` file, or a directory with IDX files.

    Raises `ChainruleError` for a source that does not exist or cannot be read, and for bad contents: NaN,
    sizes that do not agree, labels out of range, arrays that are missing.
    """
    if str(source) == "digits":
        return _digits()
    path = Path(source)
    if path.is_dir():
        return _idx(path)
    if path.is_file():
        return _npz(path)
    raise ChainruleError(f"no data: {source} is neither a file nor the name of a set", hint=SOURCES)


def split(labels: Labels, share: float = TEST_SHARE, seed: int = SPLIT_SEED) -> NDArray[np.bool_]:
    """A mask (n,), true for the test part: `share` of every class, drawn by `seed`.

    A class with one or two samples is kept for training: it could not be learnt otherwise.
    """
    generator = np.random.default_rng(seed)
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        test[members[: round(share * len(members))]] = True
    return test


# ---------------------------------------------------------------------------------------------- sources


def _digits() -> Dataset:
    """scikit-learn's 1,797 digits, 8 × 8 pixels, in the split that its own examples use.

    How hard 360 samples are depends on which they are: the one-layer network with the defaults of training got
    0.981 on average over ten splits and seeds, between 0.972 and 0.989. Ten seeds on this split: 0.961 to 0.981.
    """
    raw = optional("sklearn.datasets").load_digits()
    labels = raw.target.astype(np.int64)
    divide = optional("sklearn.model_selection").train_test_split
    _, chosen = divide(np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=SPLIT_SEED)
    test = np.zeros(len(labels), dtype=bool)
    test[chosen] = True
    return _prepare("digits", raw.images[~test], labels[~test], raw.images[test], labels[test])


def _npz(path: Path) -> Dataset:
    """Arrays X (n, D) or (n, height, width) and y (n,) or one-hot (n, C); optional X_test and y_test."""
    arrays = _read_npz(path)
    missing = [name for name in ("X", "y") if name not in arrays]
    if missing:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise ChainruleError(
            f"{path} has no array named {' and none named '.join(missing)}; it has {found}",
            hint="np.savez(file, X=samples, y=labels)",
        )
    if ("X_test" in arrays) != ("y_test" in arrays):
        alone, absent = ("X_test", "y_test") if "X_test" in arrays else ("y_test", "X_test")
        raise ChainruleError(f"{path} has {alone} but no {absent}", hint=f"add {absent}, or leave both out")
    return _prepare(path.name, arrays["X"], arrays["y"], arrays.get("X_test"), arrays.get("y_test"))


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a `.npz` file that matter here. Pickled objects are refused: they could run code."""
    hint = "np.savez(file, X=samples, y=labels) writes one"
    with path.open("rb") as file:  # opened here, because NumPy leaves the file open where it finds a broken archive
        try:
            loaded = np.load(file, allow_pickle=False)
        except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ChainruleError(f"{path} is not a .npz file", hint=hint) from error
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ChainruleError(f"{path} holds one bare array (.npy), X and y are needed", hint=hint)
        with loaded:
            arrays = {}
            for name in loaded.files:
                try:
                    arrays[name] = loaded[name] if name in WANTED else np.empty(0)
                except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
                    why = "it holds Python objects" if "pickle" in str(error) else "the file is damaged"
                    raise ChainruleError(f"cannot read the array {name} in {path}: {why}", hint=hint) from error
    return arrays


def _idx(directory: Path) -> Dataset:
    """MNIST's files: `*-images-idx3-ubyte` with `*-labels-idx1-ubyte`, plain or `.gz`, train and/or t10k."""
    parts = {}
    for prefix in ("train", "t10k"):
        images, labels = (_find(directory, f"{prefix}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
        if images and labels:
            parts[prefix] = (_read_idx(images, 3), _read_idx(labels, 1))
    if not parts:
        raise ChainruleError(
            f"{directory} has no IDX files (train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz)", hint=SOURCES
        )
    first, *rest = parts.values()
    return _prepare(directory.resolve().name, *first, *(rest[0] if rest else (None, None)))


def _find(directory: Path, name: str) -> Path | None:
    return next((path for path in (directory / f"{name}.gz", directory / name) if path.is_file()), None)


def _read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """One IDX file of bytes: two zeros, the type 8, the rank, the sizes as 4-byte big-endian, the data."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ChainruleError(f"cannot read {path}: {error}") from error
    header = 4 + 4 * rank
    if len(content) < header or content[:4] != bytes((0, 0, 8, rank)):
        raise ChainruleError(f"{path} is not an IDX file of bytes with {rank} dimensions")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", count=rank, offset=4))
    if len(content) - header != math.prod(shape):
        raise ChainruleError(f"{path} is damaged: {math.prod(shape)} values announced, {len(content) - header} found")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


# ----------------------------------------------------------------------------------------------- checks


def _prepare(
    name: str, x: NDArray[Any], y: NDArray[Any], x_test: NDArray[Any] | None, y_test: NDArray[Any] | None
) -> Dataset:
    """Check raw arrays, split off a test part if there is none, and scale."""
    samples, labels = _samples(name, "X", x), _labels(name, "y", y)
    _same_length(name, "X", x, "y", y)
    classes = _classes(name, labels if y_test is None else np.append(labels, _labels(name, "y_test", y_test)))
    if x_test is None or y_test is None:
        test = split(labels)
        samples, others, labels, other_labels = samples[~test], samples[test], labels[~test], labels[test]
        if not len(other_labels):
            raise ChainruleError(
                f"{name}: {len(labels)} samples are too few to set some aside for testing",
                hint="give more samples, or a test part as X_test and y_test",
            )
    else:
        others, other_labels = _samples(name, "X_test", x_test), _labels(name, "y_test", y_test)
        _same_length(name, "X_test", x_test, "y_test", y_test)
        if x_test.shape[1:] != x.shape[1:]:
            raise ChainruleError(
                f"{name}: samples have different sizes: X is {_size(x)}, X_test is {_size(x_test)}",
                hint="all but the first size must agree",
            )
    shift = float(samples.mean())
    scale = float(samples.std()) or 1.0  # constant features cannot be scaled, and need not be
    with np.errstate(over="ignore", invalid="ignore"):
        train, rest = (((part - shift) / scale).astype(np.float32) for part in (samples, others))
    if not (np.isfinite(train).all() and np.isfinite(rest).all()):
        raise ChainruleError(f"{name}: the features span more than float32 can hold", hint="scale them first")
    return Dataset(name, train, labels, rest, other_labels, classes, _image(x), shift, scale)


def _samples(name: str, key: str, array: NDArray[Any]) -> NDArray[np.float64]:
    """`array` as finite float64 rows (n, D); images (n, height, width) are laid out row by row."""
    if array.dtype.kind not in "biuf":
        raise ChainruleError(f"{name}: {key} holds {array.dtype}, numbers are needed")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ChainruleError(
            f"{name}: {key} is {_size(array)}; one row of features for each sample is needed",
            hint="a shape (samples, features), or (samples, height, width) for grey images",
        )
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(int(index) for index in np.argwhere(~finite)[0])
        count = int(array.size - np.count_nonzero(finite))
        raise ChainruleError(
            f"{name}: {key}[{', '.join(map(str, place))}] is {array[place]}; "
            f"{count} of {array.size} values are not finite",
            hint="remove or fill in such samples",
        )
    return array.reshape(len(array), -1).astype(np.float64)


def _labels(name: str, key: str, array: NDArray[Any]) -> Labels:
    """`array` as labels (n,): whole numbers from 0, given as (n,), (n, 1) or one-hot (n, C)."""
    if array.dtype.kind not in "biuf":
        raise ChainruleError(
            f"{name}: {key} holds {array.dtype}, whole numbers are needed",
            hint="names, y = np.unique(names, return_inverse=True) numbers the classes",
        )
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise ChainruleError(
            f"{name}: {key} is {_size(array)}", hint="a shape (samples,), or one-hot (samples, classes)"
        )
    if array.ndim == 2 and array.shape[1] > 1:
        good = np.isin(array, (0, 1)).all(axis=1) & (array.sum(axis=1) == 1)
        if not good.all():
            raise ChainruleError(f"{name}: row {int(np.argmin(good))} of {key} is not one-hot (one 1, else 0)")
        labels: Labels = array.argmax(axis=1).astype(np.int64)
        return labels
    flat = array.reshape(-1)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(flat) & (flat >= 0) & (flat == np.floor(flat)) & (flat < 2**53)
    if not good.all():
        place = int(np.argmin(good))
        raise ChainruleError(
            f"{name}: {key}[{place}] is {flat[place]}; labels are whole numbers from 0",
            hint="number the classes 0, 1, 2, … without gaps",
        )
    return flat.astype(np.int64)


def _classes(name: str, labels: Labels) -> int:
    """How many classes all `labels` together need; refused if that is one, or more than there are samples."""
    classes = int(labels.max()) + 1
    if classes < 2:
        raise ChainruleError(f"{name}: every label is 0; at least two classes are needed")
    if classes > len(labels):  # a stray 10⁹ would otherwise become a 10⁹-wide one-hot
        raise ChainruleError(
            f"{name}: label {classes - 1} is out of range for {len(labels)} samples",
            hint="number the classes 0, 1, 2, … without gaps",
        )
    return classes


def _same_length(name: str, first: str, x: NDArray[Any], second: str, y: NDArray[Any]) -> None:
    if len(x) != len(y):
        raise ChainruleError(f"{name}: {first} has {len(x)} samples, {second} has {len(y)} labels")


def _size(array: NDArray[Any]) -> str:
    return " × ".join(map(str, array.shape)) if array.ndim else "a single number"


def _image(x: NDArray[Any]) -> tuple[int, int] | None:
    """Height and width of a sample: given by a shape (n, h, w), or guessed for rows that make a square."""
    if x.ndim == 3:
        return int(x.shape[1]), int(x.shape[2])
    side = math.isqrt(x.shape[1])
    return (side, side) if side * side == x.shape[1] and side >= SMALLEST_IMAGE else None
