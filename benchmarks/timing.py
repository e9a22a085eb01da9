"""Timing: contenders take turns within one process, so that a busy moment of the machine meets all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.contenders import CONTENDERS
from benchmarks.network import PARAMETERS, SIZES, data

__all__ = ["THREAD_VARIABLES", "measure", "measure_in_own_process"]

ROOT = Path(__file__).resolve().parent.parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
_TURN = 2e-3  # seconds: a turn repeats a step until it takes about this long


def measure_in_own_process(size: str, threads: int, seconds: float) -> dict[str, Any]:
    """`measure` in a fresh process, because thread pools read their size when they start."""
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.timing", size, str(threads), str(seconds)],
        capture_output=True, text=True, env=environment, cwd=ROOT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(size: str, threads: int, seconds: float) -> dict[str, Any]:
    """Seconds a step by contender (quartiles over turns), after their results were found equal."""
    try:
        import torch

        torch.set_num_threads(threads)
    except ImportError:
        pass
    arrays = data(SIZES[size])
    steps = {}
    for name, prepare in CONTENDERS.items():
        try:
            steps[name] = prepare(arrays)
        except ImportError:
            continue
    difference = _check_equal(steps)
    repeats = {name: _repeats(step) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    end = perf_counter() + seconds
    names = list(steps)
    turn = 0
    while perf_counter() < end or turn < 7:
        for name in names[turn % len(names) :] + names[: turn % len(names)]:  # who follows whom changes too
            times[name].append(_time(steps[name], repeats[name]))
        turn += 1
    quartiles = {name: np.percentile(values, [25, 50, 75]).tolist() for name, values in times.items()}
    return {"size": size, "threads": threads, "turns": turn, "difference": difference, "seconds": quartiles}


def _time(step: Callable[[], Any], repeats: int) -> float:
    start = perf_counter()
    for _ in range(repeats):
        step()
    return (perf_counter() - start) / repeats


def _repeats(step: Callable[[], Any]) -> int:
    for _ in range(3):
        step()
    return max(1, round(_TURN / min(_time(step, 1) for _ in range(5))))


def _check_equal(steps: dict[str, Callable[[], Any]]) -> float:
    """The largest difference between contenders, relative to the largest entry. Raises if it is not small."""
    results = {name: step() for name, step in steps.items()}
    loss, gradients = next(iter(results.values()))
    worst = 0.0
    for name, (other_loss, other) in results.items():
        worst = max(worst, abs(other_loss - loss) / abs(loss))
        for parameter in PARAMETERS:
            want = np.asarray(gradients[parameter])
            got = np.asarray(other[parameter]).reshape(want.shape)
            worst = max(worst, float(np.abs(got - want).max() / np.abs(want).max()))
        if not worst < 2e-5:
            raise AssertionError(f"{name} gives something else: relative difference {worst:.1e}")
    return worst


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
