"""The outcome as tables: for a terminal (rich) and as Markdown, from the same rows.

Times are medians of turns with their quartiles; a ratio says how many times as long as the fastest generated step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.bench.record import Line, Outcome, Run

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Row", "amount", "best_peer", "duration", "markdown", "rich_table", "rows", "summary"]

KINDS = {"ours": "generated", "peer": "", "bound": "only the products"}


@dataclass(frozen=True)
class Row:
    """A line of a run's table, as text."""

    name: str
    kind: str
    median: str
    spread: str
    ratio: str
    first: str
    peak: str
    remark: str


def duration(seconds: float) -> str:
    """A time with three digits: 0.54 µs, 29.1 µs, 18.4 ms, 2.31 s."""
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds)} s"


def amount(size: float) -> str:
    """Bytes with three digits: 412 MB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= 0.9995 * factor:
            return f"{_digits(size / factor)} {unit}"
    return f"{size:.0f} B"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def rows(run: Run) -> list[Row]:
    """Those that were timed, the fastest first; then those that were not, with the reason."""
    ours = run.ours
    found = []
    for line in run.timed():
        assert line.median is not None
        assert line.low is not None
        assert line.high is not None
        ratio = f"{line.median / ours.median:.2f}" if ours is not None and ours.median else ""
        first = duration(line.first_call) if line.first_call is not None else ""
        found.append(
            Row(
                line.name, KINDS[line.kind], duration(line.median), f"{duration(line.low)} … {duration(line.high)}",
                ratio, first, amount(line.peak) if line.peak is not None else "", line.note,
            )
        )  # fmt: skip
    left = [line for line in run.lines if line.median is None]
    return found + [Row(x.name, KINDS[x.kind], "—", "", "", "", "", x.excluded or "not timed") for x in left]


def heading(run: Run) -> str:
    """a: batch 1, 64-32-10; float32, 1 thread"""
    return f"{run.key}: {run.title}; {run.dtype}, {run.threads} thread{'s' if run.threads > 1 else ''}"


COLUMNS = ("contender", "", "median", "quartiles", "ratio", "first call", "peak above inputs", "")


def rich_table(run: Run) -> Table:
    """For a terminal."""
    from rich.table import Table

    table = Table(title=heading(run), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column, side in zip(COLUMNS, ("left", "left", *["right"] * 5, "left"), strict=True):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    for row in rows(run):
        cells = (row.name, row.kind, row.median, row.spread, row.ratio, row.first, row.peak, row.remark)
        style = "red" if row.median == "—" else "green" if row.kind == "generated" else ""
        table.add_row(*cells, style=style)
    return table


def markdown(run: Run) -> list[str]:
    """The same as Markdown."""
    lines = [f"**{heading(run)}**", "", "| contender | median | quartiles | ratio | first call | peak above inputs | |"]
    lines.append("|---|---:|---:|---:|---:|---:|---|")
    for row in rows(run):
        name = f"**{row.name}**" if row.kind == "generated" else f"{row.name} ({row.kind})" if row.kind else row.name
        cells = (name, row.median, row.spread, row.ratio, row.first, row.peak, row.remark)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def best_peer(run: Run) -> Line | None:
    """The fastest of the others."""
    return next(iter(run.timed("peer")), None)


def summary(outcome: Outcome) -> list[list[str]]:
    """One line for each run: the fastest generated step, and how many times as long each of the others takes."""
    names = list(dict.fromkeys(line.name for run in outcome.runs for line in run.lines if line.kind == "peer"))
    head = ["row", "threads", "generated", "", *names, "the products alone"]
    table = [head]
    for run in outcome.runs:
        ours = run.ours
        if ours is None or not ours.median:
            continue
        bound = next(iter(run.timed("bound")), None)
        cells = [f"{run.key}: {run.title}", str(run.threads), duration(ours.median), ours.name]
        for name in names:
            line = run.line(name)
            cells.append(f"{line.median / ours.median:.2f} ×" if line is not None and line.median else "")
        cells.append(f"{bound.median / ours.median:.2f} ×" if bound is not None and bound.median else "")
        table.append(cells)
    return table
