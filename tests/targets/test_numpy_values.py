"""Compiled NumPy code gives what the reference evaluation gives: networks by hand, and random programs."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.algebra.program import Program
from chainrule.targets.numpy import compile_numpy
from plan.builders import PROGRAMS, SIZES, draw, random_program
from targets import judging
from targets.judging import outputs_of


def compare(program: Program, dtype: str, tolerance: float, plain: bool, seed: int = 0) -> int:
    """Compile, run twice, compare all outputs that can be judged; gives their number."""
    outputs = outputs_of(program)
    data = draw(program, seed=seed)
    step = compile_numpy(program, outputs, dtype=dtype, plain=plain)
    given = {name: array.astype(dtype) for name, array in data.items()}
    with np.errstate(all="ignore"):
        step(**given)
        result = step(**given)
    return judging.compare(program, data, SIZES, result, tolerance, step.source)


@pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_networks(name: str, plain: bool) -> None:
    compare(PROGRAMS[name](), "float64", 1e-12, plain)
    compare(PROGRAMS[name](), "float32", 1e-5, plain)


@pytest.mark.parametrize("block", range(10))
def test_random_programs(block: int) -> None:
    compare_random_programs(range(20 * block, 20 * block + 20))


def compare_random_programs(seeds: range) -> None:
    """Of an output in ten nothing is known: it is computed from what is not finite."""
    count = sum(
        compare(random_program(seed), "float64", 1e-10, plain, seed) for seed in seeds for plain in (False, True)
    )
    assert count > 5 * len(seeds)


@pytest.mark.long
@pytest.mark.parametrize("block", range(40))
def test_many_random_programs(block: int) -> None:
    compare_random_programs(range(1000 + 50 * block, 1000 + 50 * block + 50))


def test_what_the_reference_cannot_judge_is_left_out() -> None:
    """The sine of an infinite number is NaN; a product with it was 0 to the reference and NaN in the code."""
    program = random_program(1345)
    assert compare(program, "float64", 1e-10, False, 1345) < len(outputs_of(program))
