"""Cost is linear in the number of equations: counted, not timed (`benchmarks/scaling.py` prints times)."""

from __future__ import annotations

import gc
import sys

import pytest
from benchmarks.scaling import mlp

import chainrule as cr
from chainrule.algebra import canonical
from chainrule.language import names


def _calls(text: str) -> tuple[int, int, int]:
    """How many Python functions parsing and deriving call, and how many factors the backward pass has."""
    counts = [0]

    def count(frame: object, event: str, argument: object) -> None:
        if event == "call":
            counts[0] += 1

    for memory in (canonical._memory.clear, names._canonical.cache_clear, names._key.cache_clear):
        memory()  # what other tests left there would be counted as work saved
    gc.disable()  # others hang functions on the collector, which would be counted too
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        net = cr.parse(text)
        parsed, counts[0] = counts[0], 0
        derivation = net.derive()
        derived = counts[0]
    finally:
        sys.setprofile(before)
        gc.enable()
    factors = sum(len(f) for e in derivation.program if isinstance(e.value, dict) for f, _ in e.value)
    return parsed, derived, factors


@pytest.mark.parametrize("residual", [False, True])
def test_work_per_layer_does_not_grow(residual: bool) -> None:
    cr.parse(mlp(140, residual)).derive()  # names are remembered between calls, so all of them are met once before
    base, small, large = (_calls(mlp(n, residual)) for n in (20, 60, 140))
    for low, middle, high in zip(base, small, large, strict=True):
        assert (high - middle) / 80 <= 1.02 * (middle - low) / 40


@pytest.mark.parametrize("residual", [False, True])
def test_one_signal_and_two_gradients_a_layer(residual: bool) -> None:
    small, large = (cr.parse(mlp(n, residual)).derive() for n in (20, 60))
    assert len(large.program.equations) - len(small.program.equations) == 40 * (
        len(cr.parse(mlp(11, residual)).derive().program.equations)
        - len(cr.parse(mlp(10, residual)).derive().program.equations)
    )
