"""Timing: contenders take turns, so that a busy moment of the machine meets all of them.

Each contender lives in a process of its own, because two pools of threads in one process (OpenBLAS's and OpenMP's) get
in each other's way: on two cores that costs a factor of three and more, whoever's turn it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter, sleep
from typing import Any

import numpy as np

from benchmarks.contenders import CONTENDERS
from benchmarks.network import PARAMETERS, SIZES, Array, data

__all__ = ["measure"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
TURN = 20e-3  # seconds that a turn repeats a step
PAUSE = 60e-3  # seconds between turns with several threads: an idle pool spins for a while before it sleeps


def measure(size: str, threads: int, seconds: float) -> dict[str, Any]:
    """Seconds a step by contender (quartiles over turns), after their results were found equal."""
    with _workers(size, threads) as workers:
        difference = _check_equal({name: _ask(pipe, "result") for name, pipe in workers.items()})
        times: dict[str, list[float]] = {name: [] for name in workers}
        names = list(workers)
        turn, end = 0, perf_counter() + seconds
        while perf_counter() < end or turn < 9:
            for name in names[turn % len(names) :] + names[: turn % len(names)]:  # who follows whom changes too
                if threads > 1:
                    sleep(PAUSE)
                times[name].append(_ask(workers[name], "time"))
            turn += 1
    quartiles = {name: np.percentile(values, [25, 50, 75]).tolist() for name, values in times.items()}
    best = {name: min(values) for name, values in times.items()}
    return {
        "size": size, "threads": threads, "turns": turn, "difference": difference, "seconds": quartiles, "best": best,
    }  # fmt: skip


def _ask(pipe: Connection, what: str) -> Any:
    pipe.send(what)
    answer = pipe.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextmanager
def _workers(size: str, threads: int) -> Iterator[dict[str, Connection]]:
    """A process for each contender that can run here, by name."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))  # pools read it when they start
    context = get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    try:
        for name in CONTENDERS:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, name, size, threads), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            ready = ours.recv()
            if isinstance(ready, ImportError):
                continue
            if isinstance(ready, Exception):
                raise ready
            pipes[name] = ours
        yield pipes
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        for pipe in pipes.values():
            pipe.close()
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.terminate()


def _work(pipe: Connection, name: str, size: str, threads: int) -> None:
    """A worker: prepares its contender, then answers requests until the other side closes."""
    try:
        if name.startswith("torch"):
            import torch

            torch.set_num_threads(threads)
        step = CONTENDERS[name](data(SIZES[size]))
        for _ in range(3):
            step()
        repeats = max(1, round(TURN / min(_time(step, 1) for _ in range(5))))
        pipe.send("ready")
        while True:
            if pipe.recv() == "result":
                pipe.send(_arrays(step()))
            else:
                step()  # wakes the threads and warms the caches
                pipe.send(_time(step, repeats))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        pipe.send(error)


def _time(step: Callable[[], Any], repeats: int) -> float:
    start = perf_counter()
    for _ in range(repeats):
        step()
    return (perf_counter() - start) / repeats


def _arrays(result: tuple[float, dict[str, Any]]) -> tuple[float, dict[str, Array]]:
    loss, gradients = result
    plain = {name: getattr(gradients[name], "numpy", lambda array=gradients[name]: array)() for name in PARAMETERS}
    return float(loss), {name: array.copy() for name, array in plain.items()}


def _check_equal(results: dict[str, tuple[float, dict[str, Array]]]) -> float:
    """The largest difference between contenders, relative to the largest entry. Raises if it is not small."""
    loss, gradients = next(iter(results.values()))
    worst = 0.0
    for name, (other_loss, other) in results.items():
        worst = max(worst, abs(other_loss - loss) / abs(loss))
        for parameter, want in gradients.items():
            got = other[parameter].reshape(want.shape)
            worst = max(worst, float(np.abs(got - want).max() / np.abs(want).max()))
        if not worst < 2e-5:
            raise AssertionError(f"{name} gives something else: relative difference {worst:.1e}")
    return worst
