"""Contenders take turns, so that a busy moment of the machine meets all of them.

Each lives in a process of its own, because two pools of threads in one process (OpenBLAS's and OpenMP's) get in each
other's way. They are started one after the other, compared, and timed in rounds. In each round another one begins and
the rest come in another order; with several threads nobody begins before those of the one before have gone to sleep.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from time import perf_counter, sleep
from typing import Any

import numpy as np

from chainrule.bench.case import Case, Contender
from chainrule.bench.record import Line, Run
from chainrule.bench.worker import Prepared, work

__all__ = ["ASLEEP", "judge", "let_sleep", "measure"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS", "GOTO_NUM_THREADS",
)  # fmt: skip
PAUSE = 60e-3  # seconds between turns with several threads: an idle pool spins for a while before it sleeps
ASLEEP = 1.0  # seconds that are waited for it at most, where the system says which threads run
MOST = 4.0  # a run may take this many times the seconds of its case before it ends with fewer turns

Say = Callable[[str], None]


def measure(
    case: Case, contenders: Sequence[Contender], threads: int, *, quick: bool = False, say: Say = lambda _: None
) -> Run:
    """One run of a case: every contender that can run here, found equal or excluded, then timed in turns."""
    lines = {c.name: Line(c.name, c.kind) for c in contenders}
    processes: list[BaseProcess] = []
    with _pipes(case, contenders, threads, lines, say, processes) as pipes:
        _compare(case, pipes, lines)
        racing = [name for name in pipes if not lines[name].excluded]
        times: dict[str, list[float]] = {name: [] for name in racing}
        seconds, least = (case.seconds / 8, 3) if quick else (case.seconds, case.turns)
        start = perf_counter()
        turn = 0
        order = Random(0)  # the same in every run
        while racing and (perf_counter() - start < seconds or turn < least):
            if turn >= 3 and perf_counter() - start > MOST * seconds:
                break
            first = racing[turn % len(racing)]
            rest = [name for name in racing if name != first]
            for name in (first, *order.sample(rest, len(rest))):
                if threads > 1:
                    let_sleep([process.pid for process in processes])
                took, peak = _ask(pipes[name], "turn")
                times[name].append(took)
                if lines[name].peak is None:
                    lines[name].peak = peak
            turn += 1
    for name, values in times.items():
        lines[name].set_times(values)
    return Run(case.key, case.title, threads, case.dtype, dict(case.sizes), list(lines.values()))


def let_sleep(processes: Collection[int | None]) -> None:
    """Waits until no thread of these processes runs: a pool that spins would take a processor from the next one."""
    sleep(PAUSE)
    until = perf_counter() + ASLEEP
    while any(map(_runs, processes)) and perf_counter() < until:
        sleep(PAUSE / 6)


def _runs(pid: int | None) -> bool:
    """Whether a thread of the process is on a processor or waits for one; False where the system does not say."""
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            if thread.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] == "R":
                return True
    return False


def _ask(pipe: Connection, what: str) -> Any:
    pipe.send(what)
    answer = pipe.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextmanager
def _pipes(
    case: Case,
    contenders: Sequence[Contender],
    threads: int,
    lines: Mapping[str, Line],
    say: Say,
    processes: list[BaseProcess],
) -> Iterator[dict[str, Connection]]:
    """A pipe to the process of each contender that can run here, by name. What cannot is excluded, with the reason.

    processes: those that it starts are appended.
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))  # pools read it when they start
    context = get_context("spawn")
    pipes: dict[str, Connection] = {}
    begun: list[Connection] = []

    def begin(contender: Contender) -> Connection:
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, case, contender, threads), daemon=True)
        process.start()
        theirs.close()
        processes.append(process)
        return ours

    try:
        for contender in contenders:
            if contender.missing:
                lines[contender.name].excluded = f"{' and '.join(contender.missing)} is not installed"
        here = [contender for contender in contenders if not contender.missing]
        for k, contender in enumerate(here):
            line = lines[contender.name]
            say(f"{case.key}, {threads} thread{'s' if threads > 1 else ''}: starting {contender.name}")
            # with one thread the next one may import on another processor while this one makes its first steps
            ahead = 2 if threads == 1 else 1
            begun += [begin(one) for one in here[len(begun) : k + ahead]]
            ours = begun[k]
            try:
                about: Prepared | Exception | str = ours.recv()
                if about == "there":
                    ours.send("go")
                    about = ours.recv()
            except EOFError:
                processes[k].join(5)
                about = RuntimeError(f"its process ended with status {processes[k].exitcode}")
            if isinstance(about, Exception):
                line.excluded = str(about)
                ours.close()
                continue
            assert not isinstance(about, str)
            line.first_call, line.peak, line.note = about["first_call"], about["peak"], about["note"]
            pipes[contender.name] = ours
        yield pipes
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for pipe in begun:
            pipe.close()
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.terminate()


def _compare(case: Case, pipes: Mapping[str, Connection], lines: Mapping[str, Line]) -> None:
    """Everything against the judge, one result at a time: results may be large."""
    order = sorted(pipes, key=lambda name: lines[name].kind != "peer")  # an independent library judges
    want: Mapping[str, Any] | None = None
    judging = ""
    for name in order:
        try:
            got = _ask(pipes[name], "values")
        except (RuntimeError, ImportError, EOFError) as error:
            lines[name].excluded = str(error) or "its process ended"
            continue
        if got is None:
            continue
        if "accuracy" in got:
            lines[name].note = f"test accuracy {100 * float(got['accuracy']):.2f} %"
        if want is None:
            want, judging = got, name
            lines[name].difference = 0.0
            continue
        difference, where = judge(want, got, case.options.get("zero", ()))
        lines[name].difference = difference
        if not difference <= case.tolerance:
            lines[name].excluded = f"{where} differs from {judging}'s: relative difference {difference:.1e}"


def judge(want: Mapping[str, Any], got: Mapping[str, Any], zero: Collection[str] = ()) -> tuple[float, str]:
    """The largest difference relative to the largest entry, and where; infinite where something is missing.

    zero: names whose values are exactly 0 but for rounding; they are compared to the largest entry of all.
    """
    worst, where = 0.0, ""
    arrays = {name: np.asarray(value, np.float64) for name, value in want.items()}
    largest = max((float(np.abs(a).max(initial=0.0)) for n, a in arrays.items() if n != "loss"), default=0.0)
    for name, left in arrays.items():
        if name not in got:
            return float("inf"), name
        right = np.asarray(got[name], np.float64)
        if left.size != right.size or not (np.isfinite(left).all() and np.isfinite(right).all()):
            return float("inf"), name
        scale = largest if name in zero else float(np.abs(left).max(initial=0.0))
        difference = float(np.abs(right.reshape(left.shape) - left).max(initial=0.0)) / (scale or 1.0)
        if not difference <= worst:
            worst, where = difference, name
    return worst, where
