"""The outcome of a benchmark as data: what was measured, on what, and with which versions.

The JSON has no names of machines or people. `SCHEMA` goes up when fields change their meaning.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError

__all__ = ["SCHEMA", "Line", "Outcome", "Run", "machine"]

SCHEMA = 1
PACKAGES = ("chainrule", "numpy", "scipy-openblas32", "torch", "jax", "pytensor", "numba", "autograd")


@dataclass
class Line:
    """One contender of a run.

    kind: ours, peer or bound.  median, low, high, best: seconds a step; low and high are the quartiles of turns.
    first_call: seconds from source to the end of the first step.  peak: bytes above inputs.  difference: from the
    judge's results, relative.  excluded: why it was not timed, or "".
    """

    name: str
    kind: str
    median: float | None = None
    low: float | None = None
    high: float | None = None
    best: float | None = None
    turns: int = 0
    first_call: float | None = None
    peak: int | None = None
    difference: float | None = None
    excluded: str = ""
    note: str = ""

    def set_times(self, seconds: list[float]) -> None:
        """Median, quartiles and minimum of the turns."""
        self.low, self.median, self.high = (float(q) for q in np.percentile(seconds, [25, 50, 75]))
        self.best, self.turns = min(seconds), len(seconds)


@dataclass
class Run:
    """One case with one number of threads."""

    key: str
    title: str
    threads: int
    dtype: str
    sizes: dict[str, int]
    lines: list[Line]

    def timed(self, *kinds: str) -> list[Line]:
        """Contenders that were timed, the fastest first."""
        chosen = [line for line in self.lines if line.median is not None and (not kinds or line.kind in kinds)]
        return sorted(chosen, key=lambda line: line.median or 0.0)

    def line(self, name: str) -> Line | None:
        """The contender of that name, if it was timed."""
        return next((line for line in self.lines if line.name == name and line.median is not None), None)

    @property
    def ours(self) -> Line | None:
        """The fastest of the generated ones."""
        return next(iter(self.timed("ours")), None)


@dataclass
class Outcome:
    """A whole benchmark."""

    when: str
    machine: dict[str, str]
    runs: list[Run] = field(default_factory=list)

    @classmethod
    def now(cls) -> Outcome:
        """An empty one, of this moment and machine."""
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), machine())

    def save(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"schema": SCHEMA, **asdict(self)}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Outcome:
        """From JSON. Raises ChainruleError for another schema or no such file."""
        try:
            content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if content.get("schema") != SCHEMA:
                raise ChainruleError(f"{path} has schema {content.get('schema')}, this version reads {SCHEMA}")
            runs = [
                Run(r["key"], r["title"], r["threads"], r["dtype"], r["sizes"], [Line(**x) for x in r["lines"]])
                for r in content["runs"]
            ]
            return cls(content["when"], content["machine"], runs)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            told = f"{path} is no outcome of a benchmark: {error}"
            raise ChainruleError(told, "chainrule bench --json FILE") from None


def machine() -> dict[str, str]:
    """Processor, cores and versions."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
        processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {"processor": processor, "cores": str(cores), "system": platform.system(),
             "python": platform.python_version()}  # fmt: skip
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
