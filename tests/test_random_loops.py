"""Random programs with loops (`random_loops`): gradients, code and steps, none wrong; and the cases that were wrong."""

from __future__ import annotations

import numpy as np
import pytest

from random_loops import check, program


@pytest.mark.parametrize("seed", range(12))
def test_no_random_loop_is_wrong(seed: int) -> None:
    check(program(np.random.default_rng(seed)), seed, steps=seed % 4 == 0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 400))
def test_no_random_loop_is_wrong_in_the_long_run(seed: int) -> None:
    check(program(np.random.default_rng(seed)), seed, steps=seed % 4 == 0)
