"""Contenders that do nothing, too much, or something else; the benchmark starts them in processes of their own."""

from __future__ import annotations

import os
from pathlib import Path
from time import sleep
from typing import Any

from chainrule.bench.case import Arrays, Case, Ready


def _result(arrays: Arrays, factor: float = 1.0) -> dict[str, Any]:
    return {"loss": float(arrays["W"].sum()), "W": factor * arrays["W"]}


def right(case: Case, arrays: Arrays, threads: int) -> Ready:
    return Ready(lambda: _result(arrays), lambda r: r, note=f"threads {os.environ['OMP_NUM_THREADS']}, {_cores()}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def wrong(case: Case, arrays: Arrays, threads: int) -> Ready:
    return Ready(lambda: _result(arrays, 1.001), lambda r: r)


def bound(case: Case, arrays: Arrays, threads: int) -> Ready:
    return Ready(lambda: None, share=0.25)


def refusing(case: Case, arrays: Arrays, threads: int) -> Ready:
    raise ValueError("no such network\nand more about it")


def stumbling(case: Case, arrays: Arrays, threads: int) -> Ready:
    def values(_: Any) -> dict[str, Any]:
        raise ArithmeticError("the result cannot be read")

    return Ready(lambda: None, values)


def ending(case: Case, arrays: Arrays, threads: int) -> Ready:
    os._exit(3)


def hungry(case: Case, arrays: Arrays, threads: int) -> Ready:
    def run() -> dict[str, Any]:
        block = bytearray(60_000_000)
        block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])
        return _result(arrays)

    return Ready(run, lambda r: r)


def writing(case: Case, arrays: Arrays, threads: int, path: str, name: str) -> Ready:
    """Each step takes so long that a turn has one, and leaves its name behind."""

    def run() -> dict[str, Any]:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(name)
        sleep(0.03)
        return _result(arrays)

    return Ready(run, lambda r: r)
