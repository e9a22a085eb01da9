"""A contender's own process: pinned, prepared, then at the other end of a pipe.

It says "there" when it has imported what it needs, waits for an answer, makes its first steps and says what they took.
Then it answers "values" with the numbers of a step, "turn" with the seconds that one step took, averaged over a turn,
and stops when the pipe is closed.
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

from chainrule.bench.case import Arrays, Case, Contender, Ready

__all__ = ["Prepared", "work"]

TURN = 20e-3  # seconds that a turn repeats a step
LONG = 0.25  # a step that takes longer needs no other one before it that wakes the threads
SLOW = 1.0  # a step that takes longer is made once to be compared, then to be timed: the first turn says its peak

Prepared = dict[str, Any]


def work(pipe: Connection, case: Case, contender: Contender, threads: int) -> None:
    """The process: what it sends is an answer, or the exception that kept it from one."""
    try:
        for package in contender.needs:
            __import__(package)
        arrays = [case.arrays()]
        pipe.send("there")
        pipe.recv()  # until it may go on: imports of others may run beside a contender, its first call may not
        _pin(threads)
        ready, about, repeats, result, base = _prepare(case, contender, threads, arrays)
        pipe.send(about)
        while True:
            if pipe.recv() == "values":
                pipe.send(None if ready.values is None else _numbers(ready.values(result)))
                result = None
            else:
                if about["first_step"] < LONG:
                    ready.run()
                _forget_peak()
                seconds = _seconds(ready.run, repeats)
                peak = None if base is None else _above(base)
                if repeats * seconds < TURN / 4:  # the first steps were slower than they need be
                    repeats = max(1, round(TURN / max(seconds, 1e-7)))
                    seconds = _seconds(ready.run, repeats)
                pipe.send((seconds / ready.share, peak))
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


def _prepare(
    case: Case, contender: Contender, threads: int, given: list[Arrays]
) -> tuple[Ready, Prepared, int, Any, int | None]:
    """The contender, what is known of it, how often a turn repeats a step, the result of the last step, and the memory
    from which a peak that is still to be measured counts.
    """
    arrays = given.pop()  # nobody else keeps them: memory is counted from what the contender has
    start = perf_counter()
    ready = contender.prepare(case, arrays, threads)
    prepared = perf_counter()
    del arrays
    gc.collect()
    before = _memory("VmRSS")
    began = perf_counter()
    result = ready.run()
    first = perf_counter() - began
    slow = first >= SLOW and not contender.compiles
    again: list[float] = []
    while len(again) < 5 and sum(again) < 0.2 and first < LONG:
        again.append(_seconds(ready.run, 1))
    # The highest point of one more step: that of the first ones, in which some contenders compile, is forgotten.
    peak = None
    if not slow:
        result = None
        _forget_peak()
        began = perf_counter()
        result = ready.run()
        again.append(perf_counter() - began)
        peak = _above(before)
    usual = min(again, default=first)
    about = {"first_call": prepared - start + first, "first_step": usual, "peak": peak, "note": ready.note}
    repeats = max(1, round(TURN / max(usual, 1e-7)))
    return ready, about, repeats, result, before if slow else None


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _above(before: int | None) -> int | None:
    """The highest point of this process since it was forgotten, above what was there before the first step."""
    highest = _memory("VmHWM")
    return None if before is None or highest is None else max(0, highest - before)


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
