"""GPT-2 in the whiteboard language: how long deriving takes, how much memory, how long the formulas are.

    python -m benchmarks.gpt2 [--blocks 1,3,6,12,24]

`gpt2(blocks)` is the text: tokens as one-hot rows, an embedding that is also the output head (tied) or not, learned
positions, and in each block a layer norm, causal attention with the heads as an axis of its own, a residual, a second
layer norm, an MLP with gelu and a residual. Each number is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["gpt2"]

ROOT = Path(__file__).resolve().parent.parent
EPSILON = "1e-5"

MEASURE = """
import json, resource, sys, time
from benchmarks.gpt2 import gpt2
import chainrule as cr

text = gpt2(int(sys.argv[1]))
start = time.perf_counter()
net = cr.parse(text)
parsed = time.perf_counter()
derivation = net.derive()
derived = time.perf_counter()
formulas = [g.text for g in (*derivation.signals.values(), *derivation.gradients.values())]
written = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
print(json.dumps({
    "parse": parsed - start, "derive": derived - parsed, "write": written - derived, "peak": peak,
    "formulas": len(formulas), "characters": sum(map(len, formulas)), "longest": max(map(len, formulas)),
}))
"""


def gpt2(blocks: int, first: int = 1, tied: bool = True) -> str:
    """The program; blocks are numbered from `first` (from 10, all their names are equally long)."""
    numbers = range(first, first + blocks)
    lines = ["input C : T × V, one-hot", "label Y : T × V, one-hot", "const M : T × T"]
    lines += ["param E : V × D", "param P : T × D"]
    lines += [declaration for n in numbers for declaration in _parameters(n)]
    lines += ["param γ : 1 × D", "param β : 1 × D", *([] if tied else ["param U : V × D"])]
    before = f"B{first - 1}"
    lines.append(f"{before} = C E + P")
    for n in numbers:
        lines += _block(n, before)
        before = f"B{n}"
    lines += [f"F = layer_norm({before}, γ, β, {EPSILON})", f"Θ = F {'E' if tied else 'U'}ᵀ"]
    return "\n".join([*lines, "Ŷ = softmax(Θ)", "J = mean(CE(Y, Ŷ))"]) + "\n"


def _parameters(n: int) -> list[str]:
    rows = [f"param {name}{n} : 1 × D" for name in ("g", "b", "c", "r", "s", "w")]
    heads = [f"param {name}{n} : H × D × d" for name in ("Wq", "Wk", "Wv")]
    heads += [f"param {name}{n} : H × d" for name in ("bq", "bk", "bv")]
    return [*rows, *heads, f"param Wo{n} : H × d × D", f"param W{n} : D × K", f"param v{n} : 1 × K",
            f"param V{n} : K × D"]  # fmt: skip


def _block(n: int, before: str) -> list[str]:
    heads = [f"{z}{n}[h,i,e] = sum(c, N{n}[i,c] W{z}{n}[h,c,e]) + b{z}{n}[h,e]" for z in ("q", "k", "v")]
    heads = [line.replace(f"v{n}[h,i,e]", f"z{n}[h,i,e]", 1) for line in heads]  # v is the bias of the MLP
    return [
        f"N{n} = layer_norm({before}, g{n}, b{n}, {EPSILON})",
        *heads,
        f"S{n}[h,i,j] = sum(e, q{n}[h,i,e] k{n}[h,j,e])/sqrt(d) + M[i,j]",
        f"A{n}[h,i,j] = exp(S{n}[h,i,j])/sum(j, exp(S{n}[h,i,j]))",
        f"o{n}[h,i,e] = sum(j, A{n}[h,i,j] z{n}[h,j,e])",
        f"t{n}[i,c] = sum(h, sum(e, o{n}[h,i,e] Wo{n}[h,e,c]))",
        f"R{n} = {before} + t{n} + c{n}",
        f"L{n} = layer_norm(R{n}, r{n}, s{n}, {EPSILON})",
        f"G{n} = gelu(L{n} W{n} + v{n})",
        f"B{n} = R{n} + G{n} V{n} + w{n}",
    ]


def measured(blocks: int) -> dict[str, float]:
    """What `MEASURE` prints, from a fresh process."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", MEASURE, str(blocks)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print a table: cost by the number of blocks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", default="1,3,6,12,24", help="numbers of blocks (default: 1,3,6,12,24)")
    options = parser.parse_args()
    print("blocks   parse (s)   derive (s)   write (s)   peak (MB)   formulas   characters   longest")
    for blocks in map(int, options.blocks.split(",")):
        found = measured(blocks)
        print(
            f"{blocks:6}  {found['parse']:10.3f}  {found['derive']:11.3f}  {found['write']:10.3f}"
            f"  {found['peak']:10.1f}  {found['formulas']:9.0f}  {found['characters']:11.0f}  {found['longest']:8.0f}"
        )


if __name__ == "__main__":
    main()
