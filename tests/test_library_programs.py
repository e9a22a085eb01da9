"""Random programs over the whole library: the loss and every gradient are torch's, or the program is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.library import entries
from library_programs import Program, judge, write_program

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A random program."""
    return write_program(lambda count: draw(st.integers(0, count - 1)))


def run(count: int, **options: object) -> Counter[str]:
    """What became of that many programs; a wrong one raises."""
    found: Counter[str] = Counter()

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=CHECKS, **options)
    @given(programs())
    def judged(program: Program) -> None:
        found[judge(program).status] += 1

    judged()
    return found


def test_random_programs_over_the_library_are_right() -> None:
    found = run(150, derandomize=True)
    assert found["fine"] > 0.9 * found.total(), found


@pytest.mark.long
def test_many_random_programs_over_the_library_are_right() -> None:
    found = run(2500)
    assert found["fine"] > 0.9 * found.total(), found


def test_the_generator_knows_the_library() -> None:
    """Every function of the library that it was written for is used sooner or later."""
    used: Counter[str] = Counter()
    for seed in range(400):
        rng = np.random.default_rng(seed)
        used += write_program(lambda count, rng=rng: int(rng.integers(count))).used
    unused = set(entries()) - set(used)
    assert len(used) > 50
    assert not unused & {
        "attention",
        "gru_cell",
        "lstm_memory",
        "layer_norm",
        "multiclass_svm",
        "dpo",
        "info_nce",
        "KL",
    }


@pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
def test_a_gradient_that_is_a_number_has_the_type_of_the_others(plain: bool) -> None:
    """It was a Python int."""
    net = cr.parse("param w : scalar\ninput x : D\nparam v : scalar\nJ = w + D^2 v + sum(x)")
    for dtype in (np.float32, np.float64):
        step = net.derive().compile(plain=plain, dtype=dtype.__name__)
        _, gradients = step(w=dtype(2), x=np.ones(3, dtype), v=dtype(1))
        assert (gradients["w"], gradients["v"]) == (1, 9)
        assert {type(gradients["w"]), type(gradients["v"])} == {dtype}


def test_a_root_of_nothing_is_nothing() -> None:
    """norm(a − a) was refused as a division by zero."""
    net = cr.parse("input a : n\ninput b : n\nJ = norm(a - a)^2 + norm(b)^2")
    assert net.evaluate(a=np.ones(3), b=np.ones(3))["J"] == pytest.approx(3)
