"""Cost is linear in the number of equations: counted, not timed (`benchmarks/scaling.py` prints times).

The counting is done in a process of its own: what other tests left in memory would be counted as work saved, or done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.scaling import mlp

import chainrule as cr

ROOT = Path(__file__).resolve().parents[1]
COUNT = """
import gc, json, sys
from benchmarks.scaling import mlp
import chainrule as cr

def calls(text):
    counts = [0]
    def count(frame, event, argument):
        if event == "call":
            counts[0] += 1
    gc.disable()
    sys.setprofile(count)
    net = cr.parse(text)
    parsed, counts[0] = counts[0], 0
    derivation = net.derive()
    derived = counts[0]
    sys.setprofile(None)
    factors = sum(len(f) for e in derivation.program if isinstance(e.value, dict) for f, _ in e.value)
    return parsed, derived, factors

residual = json.loads(sys.argv[1])
cr.parse(mlp(140, residual)).derive()  # names are remembered between calls, so all of them are met once before
print(json.dumps([calls(mlp(n, residual)) for n in (20, 60, 140)]))
"""


@pytest.mark.parametrize("residual", [False, True])
def test_work_per_layer_does_not_grow(residual: bool) -> None:
    """How many Python functions parsing and deriving call, and how many factors the backward pass has."""
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, json.dumps(residual)], env=environment, capture_output=True, check=True
    )
    base, small, large = json.loads(done.stdout)
    for low, middle, high in zip(base, small, large, strict=True):
        assert (high - middle) / 80 <= 1.02 * (middle - low) / 40


@pytest.mark.parametrize("residual", [False, True])
def test_one_signal_and_two_gradients_a_layer(residual: bool) -> None:
    small, large = (cr.parse(mlp(n, residual)).derive() for n in (20, 60))
    assert len(large.program.equations) - len(small.program.equations) == 40 * (
        len(cr.parse(mlp(11, residual)).derive().program.equations)
        - len(cr.parse(mlp(10, residual)).derive().program.equations)
    )
