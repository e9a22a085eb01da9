"""`docs/benchmarks.md`, written from an outcome: what was timed and how, where others are ahead, all runs."""

from __future__ import annotations

from chainrule.bench.reasons import reason
from chainrule.bench.record import Outcome, Run
from chainrule.bench.table import amount, best_peer, duration, markdown, summary

__all__ = ["page"]

INTRODUCTION = """\
# Benchmarks

Written by `make bench` (`chainrule bench --write docs/benchmarks.md`); do not edit. `chainrule bench FILE` times a
network of yours in the same way.

One step is the loss and its gradients, unless a row says otherwise, from the same inputs each time. Every contender
runs in a process of its own with pinned threads; they take turns in one run, in each round another one begins. Results
are compared first, against an independent library, and what differs is not timed. Times are medians of turns with their
quartiles. *Ratio* is to the fastest generated step: more than 1 is slower than it. *First call* is from the source of
the network to the end of the first step. *Peak* is the most memory that a step holds beside its inputs, by the
process's own account; what a compiler leaves behind is in it. *The products* are the step's matrix products alone, by
the same target, on arrays that lie ready: what no step can be faster than.
"""


def page(outcome: Outcome, picture: str | None) -> str:
    """The page as Markdown. `picture`: where the drawing lies, seen from the page."""
    about = dict(outcome.machine)
    where = ("processor", "cores", "system")
    versions = ", ".join(f"{name} {number}" for name, number in about.items() if name not in where)
    lines = [INTRODUCTION, f"Measured on {outcome.when[:10]} on {about['cores']} cores of {about['processor']} "
             f"({about['system']}): {versions}.", ""]  # fmt: skip
    if picture is not None:
        lines += [f"![How many times as long each contender takes as the fastest generated step]({picture})", ""]
    lines += ["## Summary", "", *_grid(summary(outcome)), ""]
    lines += ["## Where another is ahead", "", *_behind(outcome), ""]
    lines += ["## Memory and first calls", "", *_memory(outcome), "", "## All runs", ""]
    for run in outcome.runs:
        lines += [*markdown(run), ""]
    return "\n".join(lines).rstrip() + "\n"


def _grid(cells: list[list[str]]) -> list[str]:
    head, *body = cells
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in body]


def _behind(outcome: Outcome) -> list[str]:
    """Each run in which a peer is faster than every generated step, with the reason where one is known."""
    lines = []
    for run in outcome.runs:
        ours, peer = run.ours, best_peer(run)
        if ours is None or peer is None or not ours.median or not peer.median or ours.median <= peer.median:
            continue
        many = f"{run.threads} thread{'s' if run.threads > 1 else ''}"
        lines.append(
            f"* {run.key}, {many}: {peer.name} takes {peer.median / ours.median:.2f} of the time of {ours.name}. "
            f"{reason(run.key, peer.name)}".rstrip()
        )
    return lines or ["Nowhere in this outcome."]


def _memory(outcome: Outcome) -> list[str]:
    """The rows in which memory matters, and the time to the first result."""
    cells = [["row", "threads", "contender", "first call", "peak above inputs"]]
    for run in outcome.runs:
        if run.key not in ("c", "f", "attention", "gpt2_block"):
            continue
        for line in run.timed("ours", "peer"):
            first = duration(line.first_call) if line.first_call is not None else ""
            peak = amount(line.peak) if line.peak is not None else ""
            cells.append([_short(run), str(run.threads), line.name, first, peak])
    return _grid(cells)


def _short(run: Run) -> str:
    return run.key
