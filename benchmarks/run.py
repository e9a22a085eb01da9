"""`make bench`: times the generated NumPy step against torch eager and NumPy by hand, and prints the table.

    python benchmarks/run.py [--sizes a,b,c,d] [--threads 1,2] [--seconds 4]

Contenders take turns, each in a process of its own; results are compared before anything is timed.
The table gives medians with the quartiles behind them; the JSON goes to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from benchmarks.network import SIZES  # noqa: E402
from benchmarks.timing import measure  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results"


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
        processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor)
    found = {"processor": processor, "cores": str(os.cpu_count()), "python": platform.python_version()}
    for package in ("numpy", "torch", "chainrule"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def shown(seconds: float) -> str:
    """A time with three digits: 29.1 µs, 18.4 ms."""
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        value = seconds * factor
        if value < 1000:
            return f"{value:.3g} {unit}"
    return f"{seconds:.3g} s"


def table(result: dict[str, Any]) -> list[str]:
    """The lines for one size and number of threads."""
    seconds: dict[str, list[float]] = result["seconds"]
    threads = f"{result['threads']} thread{'s' if result['threads'] > 1 else ''}"
    lines = [f"{result['size']}: {SIZES[result['size']]}, {threads}"]
    torch = seconds.get("torch eager", [0, 0, 0])[1]
    for name, (low, median, high) in seconds.items():
        ratio = f"{torch / median:6.2f} ×" if torch else ""
        spread = f"{shown(low)} … {shown(high)}"
        lines.append(f"    {name:<26}{shown(median):>10}   {spread:<24}{ratio}")
    return lines


def main() -> int:
    """Run, print, write. The exit status is 1 if torch eager is faster than the generated step anywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="a,b,c,d", help="which of a, b, c, d (default: all)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row of the table (default: 4)")
    parser.add_argument("--output", type=Path, default=RESULTS / "latest.json", help="where the JSON goes")
    options = parser.parse_args()
    about = machine()
    print("float32, loss and gradients of W, b1, U, b2; median of turns (quartiles), speed relative to torch eager")
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    results, slower = [], []
    for threads in map(int, options.threads.split(",")):
        for size in options.sizes.split(","):
            result = measure(size, threads, options.seconds)
            results.append(result)
            print("\n".join(["", *table(result)]), flush=True)
            seconds = result["seconds"]
            if "torch eager" in seconds and seconds["generated"][1] > seconds["torch eager"][1]:
                slower.append(f"{size} with {threads} thread(s)")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    content = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": about, "results": results}
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {options.output}")
    if slower:
        print("torch eager was faster at: " + ", ".join(slower))
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
