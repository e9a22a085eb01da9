"""One picture of a run: how it went (loss, accuracy), where it errs (confusion matrix), and what it misread.

Blue is training and right answers, orange is testing and wrong ones, in every panel. The figure is drawn
without pyplot, so no window system and no global state of matplotlib is touched.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.training.checkpoint import Record
from chainrule.training.data import Dataset, Labels
from chainrule.training.files import write_atomically
from chainrule.training.optional import optional

__all__ = ["confusion_matrix", "save_picture"]

BLUE, ORANGE, INK, GREY, FAINT = "#2166ac", "#d95f0e", "#222222", "#6b6b6b", "#e6e6e6"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib and has Greek letters, arrows and accents
    "font.size": 10.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
MISREAD = 10  # at most, in one row
MOST_COUNTED = 20  # classes; with more of them the numbers in the cells cannot be read
MOST_LABELLED = 30


def confusion_matrix(true: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): row i, column j is how many samples of class i were taken for class j."""
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def save_picture(
    path: Path, records: Sequence[Record], data: Dataset, predicted: Labels, classes: int, title: str = ""
) -> None:
    """Draw a run as a PNG at `path`: `records` of its epochs, `predicted` (m,) for the test part of `data`.

    Raises `ChainruleError` if matplotlib is not installed or the file cannot be written.
    """
    matplotlib = optional("matplotlib")
    figures, backend = optional("matplotlib.figure"), optional("matplotlib.backends.backend_agg")
    wrong = np.flatnonzero(predicted != data.y_test)
    strip = bool(data.image and len(wrong))
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE, "backend": "agg"}):
        figure = figures.Figure(figsize=(12.5, 8.6 if strip else 6.7), dpi=130, facecolor="white", layout="constrained")
        backend.FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.10, wspace=0.03, hspace=0.05)
        upper, lower = figure.subfigures(2, 1, height_ratios=(3.7, 1)) if strip else (figure.subfigures(1, 1), None)
        left, right = upper.subfigures(1, 2, width_ratios=(1, 1.12))
        above, below = left.subplots(2, 1, sharex=True)
        _loss(above, records)
        _accuracy(below, records)
        _confusion(right.subplots(), confusion_matrix(data.y_test, predicted, classes))
        if lower is not None:
            _misread(lower, data, predicted, wrong)
        share = 1 - len(wrong) / len(data.y_test)
        name = f"{title} on {data.name}" if title else data.name
        figure.suptitle(
            f"{name}: {_percent(share)} right on {len(data.y_test):,} test samples ({len(wrong):,} wrong)",
            fontsize=14, fontweight="bold", x=0.012, ha="left",
        )  # fmt: skip
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())


def _percent(share: float) -> str:
    """One digit, rounded down: 1,999 of 2,000 is 99.9%, not 100.0%."""
    return f"{math.floor(share * 1000 + 1e-6) / 10:.1f}%"


def _epochs(axes: Any, records: Sequence[Record]) -> list[int]:
    """Prepare the axis of epochs, shared by both curves; the numbers of the epochs."""
    numbers = [record.epoch for record in records]
    last = max(numbers)
    axes.set_xlim(1 - 0.02 * last, last * 1.02 if last > 1 else 2)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    return numbers


def _marker(records: Sequence[Record]) -> str:
    """A line through one or two points cannot be seen: mark them."""
    return "o" if len(records) < 3 else ""


def _loss(axes: Any, records: Sequence[Record]) -> None:
    losses = [record.loss for record in records]
    axes.plot(_epochs(axes, records), losses, color=BLUE, linewidth=2, marker=_marker(records))
    if min(losses) > 0 and max(losses) > 20 * min(losses):
        axes.set_yscale("log")  # otherwise everything after the first epochs is one flat line
        axes.set_ylabel("mean loss (log)")
    else:
        axes.set_ylabel("mean loss")
    axes.set_title(f"Training loss: {losses[-1]:.4g} at the end")
    axes.tick_params(labelbottom=False)


def _accuracy(axes: Any, records: Sequence[Record]) -> None:
    train, test = [record.train_accuracy for record in records], [record.test_accuracy for record in records]
    numbers = _epochs(axes, records)
    marker = _marker(records)
    axes.plot(numbers, train, color=BLUE, linewidth=2, marker=marker, label=f"training {_percent(train[-1])}")
    axes.plot(numbers, test, color=ORANGE, linewidth=2, marker=marker, label=f"test {_percent(test[-1])}")
    lowest = min(*train, *test)
    room = max(1 - lowest, 0.02)
    axes.set_ylim(lowest - 0.06 * room, 1 + 0.06 * room)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.{1 if room < 0.05 else 0}%}" if value < 1.0001 else "")
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy")
    axes.set_title("Accuracy")
    axes.legend(loc="lower right", frameon=True, framealpha=0.9, edgecolor="none")


def _confusion(axes: Any, counts: NDArray[np.int64]) -> None:
    """Right answers in blue by the share of their class, errors in orange by number, zeros left white.

    One scale for both would show nothing: the diagonal is a hundred times larger than the errors.
    """
    colours = optional("matplotlib").colormaps
    classes = len(counts)
    diagonal = np.eye(classes, dtype=bool)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    errors = np.where(diagonal, 0, counts)
    image = np.ones((classes, classes, 4))
    # the pale and the darkest ends of both maps are cut off: a cell must stand out, its number stay readable
    image[errors > 0] = colours["Oranges"](0.18 + 0.5 * errors[errors > 0] / max(errors.max(), 1))
    right = diagonal & (counts > 0)
    image[right] = colours["Blues"](0.15 + 0.7 * share[right])
    axes.imshow(image, interpolation="nearest")
    if classes <= MOST_COUNTED:
        digits = len(str(counts.max()))
        size = min(11.0, 110 / classes, 285 / (classes * digits))
        for i, j in zip(*np.nonzero(counts), strict=True):
            dark = i == j and share[i, j] > 0.45
            axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", fontsize=size, color="white" if dark else INK)
    every = max(1, -(-classes // MOST_LABELLED))
    axes.set_xticks(range(0, classes, every))
    axes.set_yticks(range(0, classes, every))
    if classes <= MOST_COUNTED:
        axes.set_xticks(np.arange(-0.5, classes), minor=True)
        axes.set_yticks(np.arange(-0.5, classes), minor=True)
        axes.grid(which="minor", color=FAINT, linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Test samples by true and predicted class")


def _misread(figure: Any, data: Dataset, predicted: Labels, wrong: NDArray[np.intp]) -> None:
    """Up to `MISREAD` images of the test part that were misread, spread over the classes in order of appearance."""
    shown = _spread(wrong, data.y_test[wrong], MISREAD)
    rest = f"{len(shown)} of {len(wrong)} misread" if len(wrong) > len(shown) else "Misread"
    figure.suptitle(f"{rest} (true → predicted)", fontsize=11.5, fontweight="bold", x=0.012, ha="left")
    panels = figure.subplots(1, MISREAD, squeeze=False)[0]  # always as many, so that one image is not drawn huge
    for axes in panels:
        axes.set_axis_off()
    for axes, index in zip(panels, shown, strict=False):
        axes.imshow(data.x_test[index].reshape(data.image), cmap="gray_r", interpolation="nearest")
        axes.set_axis_on()
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color=FAINT)
        axes.set_xlabel(f"{data.y_test[index]} → {predicted[index]}", color=ORANGE, fontsize=12, fontweight="bold")


def _spread(indices: NDArray[np.intp], labels: Labels, most: int) -> list[int]:
    """Up to `most` of `indices`, taking one of each class in turn, sorted by class."""
    queues = {label: list(indices[labels == label]) for label in np.unique(labels)}
    taken: list[tuple[int, int]] = []
    while len(taken) < most and any(queues.values()):
        for label, queue in queues.items():
            if queue and len(taken) < most:
                taken.append((int(label), int(queue.pop(0))))
    return [index for _, index in sorted(taken)]
