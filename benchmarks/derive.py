"""How long derivations take in a process that is warm: softmax's Jacobian, attention backward, layer norm backward.

    python -m benchmarks.derive [--rounds 15]

Each round parses and derives from the text and writes every formula, as a user who changes a line would. The cases take
turns; the table has medians with the quartiles behind them, in milliseconds of this process (what others take from the
machine meanwhile is not counted).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

import chainrule as cr

__all__ = ["CASES"]

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def _softmax_jacobian() -> str:
    return cr.parse("input θ : K\nŷ = softmax(θ)").jacobian("θ", "ŷ").text


def _backward(name: str) -> Callable[[], str]:
    text = (EXAMPLES / f"{name}.net").read_text(encoding="utf-8")

    def run() -> str:
        derivation = cr.parse(text).derive()
        return "\n".join(str(g) for g in (*derivation.signals.values(), *derivation.gradients.values()))

    return run


CASES: dict[str, Callable[[], str]] = {
    "softmax Jacobian": _softmax_jacobian,
    "attention backward": _backward("attention"),
    "layer norm backward": _backward("layer_norm"),
    "one layer, all gradients": _backward("one_layer"),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each case is timed (default: 15)")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in CASES}
    sizes = {name: len(case()) for name, case in CASES.items()}  # also warms everything
    for _ in range(max(options.rounds, 3)):
        for name, case in CASES.items():
            start = time.process_time()
            case()
            times[name].append(1e3 * (time.process_time() - start))
    print("case                       median (ms)   quartiles (ms)     characters")
    for name, values in times.items():
        low, middle, high = quantiles(values, n=4)
        print(f"{name:25}  {middle:11.2f}   {low:6.2f} … {high:6.2f}    {sizes[name]:8}")


if __name__ == "__main__":
    main()
