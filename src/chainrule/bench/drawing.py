"""The outcome as a picture: for each run, how many times as long everything takes as the fastest generated step.

One line of dots for each run on a logarithmic axis; a bar through a dot spans the quartiles. Left of the line at 1 is
faster than generated code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule.bench.record import Outcome, Run
from chainrule.errors import UnsupportedError

__all__ = ["draw"]

COLOURS = {
    "torch eager": "#d1495b", "torch.compile": "#edae49", "torch.func": "#d1495b", "JAX jit": "#30638e",
    "PyTensor": "#7b5e7b", "Numba by hand": "#3d8168", "autograd": "#8d6a4f", "NumPy by hand": "#6c757d",
    "C by hand": "#b07d2b",
}  # fmt: skip
MARKERS = "osD^vPX*<>"
OURS = "#111111"
BOUND = "#9aa5b1"


def draw(outcome: Outcome, paths: list[Path]) -> None:
    """Write the picture to each path, by its suffix: .svg, .png. Raises UnsupportedError without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        raise UnsupportedError("drawing needs matplotlib", 'pip install "chainrule[plots]"') from None
    matplotlib.use("agg")
    from matplotlib import pyplot

    runs = [run for run in outcome.runs if run.ours is not None]
    style = {"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "chainrule", "axes.linewidth": 0.6}
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(9.5, 1.3 + 0.36 * max(len(runs), 1)), layout="constrained")
        _fill(axes, runs)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            metadata = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=150, metadata=metadata)
        pyplot.close(figure)


def _fill(axes: Any, runs: list[Run]) -> None:
    names = list(dict.fromkeys(line.name for run in runs for line in run.timed("peer")))
    style = {n: (COLOURS.get(n, "#555555"), MARKERS[k % len(MARKERS)]) for k, n in enumerate(names)}
    shown: set[str] = set()
    for height, run in enumerate(runs):
        ours = run.ours
        assert ours is not None
        base = ours.median or 1.0
        axes.axhline(height, color="#e3e6ea", linewidth=0.8, zorder=0)
        for line in run.timed():
            label, colour, marker, size = line.name, *style.get(line.name, (BOUND, "|")), 6.0
            if line.kind == "bound":
                label, marker, size = "the products alone", "|", 10.0
            elif line.kind == "ours":
                label, colour, marker = "generated, the fastest target", OURS, "o"
                if line is not ours:
                    label, colour, size = "generated, other targets", "#8a8a8a", 4.0
            centre, low, high = (float(x or 0) / base for x in (line.median, line.low, line.high))
            axes.plot(
                [centre], [height], marker, color=colour, markersize=size, zorder=3, linestyle="none",
                label=None if label in shown else label, markeredgewidth=1.6 if marker == "|" else 0.0,
            )  # fmt: skip
            axes.plot([low, high], [height, height], color=colour, linewidth=1.2, alpha=0.6, zorder=2)
            shown.add(label)
    axes.axvline(1, color=OURS, linewidth=0.8, zorder=1)
    axes.set_xscale("log")
    axes.set_ylim(len(runs) - 0.4, -0.6)
    axes.set_yticks(range(len(runs)), [_label(run) for run in runs])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.set_xlabel("time of a step, relative to the fastest generated one (less is faster)")
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color="#eef0f2", linewidth=0.8, zorder=0)
    if shown:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)


def _label(run: Run) -> str:
    many = f", {run.threads} threads" if run.threads > 1 else ""
    title = run.title if len(run.title) < 48 else run.title[:46] + "…"
    return f"{run.key}: {title}{many}" if len(run.key) == 1 else f"{title}{many}"
