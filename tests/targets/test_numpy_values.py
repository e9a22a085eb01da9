"""Compiled NumPy code gives what the reference evaluation gives: networks by hand, and random programs."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.algebra.program import Program, is_anonymous
from chainrule.reference import evaluate_program
from chainrule.targets.numpy import compile_numpy
from plan.builders import PROGRAMS, SIZES, draw, random_program


def outputs_of(program: Program) -> list[str]:
    return [name for name in program.equations if not is_anonymous(name)] or list(program.equations)[-1:]


def compare(program: Program, dtype: str, tolerance: float, plain: bool, seed: int = 0) -> str:
    """Compile, run twice, compare all outputs; gives the source."""
    outputs = outputs_of(program)
    data = draw(program, seed=seed)
    expected = evaluate_program(program, data, SIZES, only=outputs)
    step = compile_numpy(program, outputs, dtype=dtype, plain=plain)
    given = {name: array.astype(dtype) for name, array in data.items()}
    with np.errstate(all="ignore"):
        step(**given)
        result = step(**given)
    for name in outputs:
        want = expected[name]
        if not np.isfinite(want).all() or np.abs(want).max(initial=0) > 1e30:
            continue
        got = np.asarray(result[name], dtype=np.float64)
        assert got.shape == want.shape, (name, step.source)
        scale = max(1.0, float(np.abs(want).max(initial=0)), _largest(program, name, expected))
        assert np.abs(got - want).max(initial=0) <= tolerance * scale, (name, step.source)
    return step.source


def _largest(program: Program, name: str, values: dict[str, np.ndarray]) -> float:
    """The size of what a value is computed from: differences of large numbers lose digits."""
    seen, stack, largest = set(), [name], 0.0
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in values and np.isfinite(values[current]).all():
            largest = max(largest, float(np.abs(values[current]).max(initial=0)))
        if current in program.equations:
            stack += program.equations[current].arguments
    return largest**2


@pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_networks(name: str, plain: bool) -> None:
    compare(PROGRAMS[name](), "float64", 1e-12, plain)
    compare(PROGRAMS[name](), "float32", 1e-5, plain)


@pytest.mark.parametrize("block", range(10))
def test_random_programs(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        program = random_program(seed)
        for plain in (False, True):
            compare(program, "float64", 1e-10, plain, seed)


@pytest.mark.long
@pytest.mark.parametrize("block", range(40))
def test_many_random_programs(block: int) -> None:
    for seed in range(1000 + 50 * block, 1000 + 50 * block + 50):
        program = random_program(seed)
        for plain in (False, True):
            compare(program, "float64", 1e-10, plain, seed)
