"""A contender's own process: pinned, prepared, then at the other end of a pipe.

It answers "values" with the numbers of a step, "turn" with the seconds that one step took, averaged over a turn, and
stops when the pipe is closed.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from chainrule.bench.case import Case, Contender, Ready

__all__ = ["Prepared", "work"]

TURN = 20e-3  # seconds that a turn repeats a step
LONG = 0.25  # a step that takes longer needs no other one before it that wakes the threads

Prepared = dict[str, Any]


def work(pipe: Connection, case: Case, contender: Contender, threads: int) -> None:
    """The process: what it sends is an answer, or the exception that kept it from one."""
    try:
        _pin(threads)
        ready, about, repeats, result = _prepare(case, contender, threads)
        pipe.send(about)
        while True:
            if pipe.recv() == "values":
                pipe.send(None if ready.values is None else _numbers(ready.values(result)))
                result = None
            else:
                if about["first_step"] < LONG:
                    ready.run()
                pipe.send(_seconds(ready.run, repeats) / ready.share)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except BaseException as error:  # the parent says it: this process has no terminal
        with contextlib.suppress(OSError):
            pipe.send(_sendable(error))


def _sendable(error: BaseException) -> Exception:
    """ImportError where something is missing, else RuntimeError with the first lines of what went wrong."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()] or [""]
    kind = ImportError if isinstance(error, ImportError) else RuntimeError
    return kind(f"{type(error).__name__}: {lines[0]}"[:300])


def _pin(threads: int) -> None:
    """The first `threads` of the processors that this process may use. Pools were told by environment variables."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:threads])


def _prepare(case: Case, contender: Contender, threads: int) -> tuple[Ready, Prepared, int, Any]:
    """The contender, what is known of it, how often a turn repeats a step, and the result of the last step."""
    for package in contender.needs:
        __import__(package)
    arrays = case.arrays()
    start = perf_counter()
    ready = contender.prepare(case, arrays, threads)
    prepared = perf_counter()
    del arrays
    gc.collect()
    before = _memory("VmRSS")
    began = perf_counter()
    ready.run()
    first = perf_counter() - began
    again: list[float] = []
    while len(again) < 5 and sum(again) < 0.2 and first < LONG:
        again.append(_seconds(ready.run, 1))
    # The highest point of one more step: that of the first ones, in which some contenders compile, is forgotten.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    began = perf_counter()
    result = ready.run()
    again.append(perf_counter() - began)
    highest = _memory("VmHWM")
    peak = None if before is None or highest is None else max(0, highest - before)
    about = {
        "first_call": prepared - start + first, "first_step": min(again), "peak": peak, "note": ready.note,
    }  # fmt: skip
    return ready, about, max(1, round(TURN / max(min(again), 1e-7))), result


def _memory(what: str) -> int | None:
    """Bytes, by the kernel's account of this process."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(what + ":"):
                return 1024 * int(line.split()[1])
    return None


def _seconds(step: Callable[[], Any], repeats: int) -> float:
    start = perf_counter()
    for _ in range(repeats):
        step()
    return (perf_counter() - start) / repeats


def _numbers(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: np.array(value) for name, value in values.items()}
