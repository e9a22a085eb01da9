"""verify: right gradients are never called wrong, wrong ones are, and what differences cannot judge is said so."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule.algebra.expr import Expr, add, constant, scale
from chainrule.errors import ChainruleWarning
from chainrule.verification import Report, verify_gradients
from library_programs import write_program

STEEP = """param W : D × K
input z : D × K
input u : 1 × K
h = exp({} (W ∘ z) uᵀ)
J = sum(sin(h))
"""


@pytest.mark.parametrize("factor", ["1", "20", "100"])
@pytest.mark.parametrize("seed", range(3))
def test_a_loss_that_is_steep_at_most_points_is_verified_at_a_calm_one(factor: str, seed: int) -> None:
    """h ≈ 1e16: differences over all steps agree on something near 0, and the right gradient was called WRONG."""
    assert cr.parse(STEEP.format(factor)).derive().verify(seed).ok


def test_a_loss_that_is_steep_everywhere_is_not_judged() -> None:
    report = cr.parse("param w : n\nJ = sum(sin(exp(60) ∘ w + exp(40 + w)))").derive().verify()
    assert not report.ok
    assert "too steep for differences" in str(report)
    assert "not verified" in str(report)


def spoiled(text: str, change: Callable[[Expr], Expr], seed: int = 0) -> list[Report]:
    """The reports on a program with one of its gradients changed, for each of them that is not 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        derivation = cr.parse(text).derive()
    reports = []
    for name in derivation.gradients:
        gradient = derivation.backward.gradients[name]
        value = derivation.program.expression(gradient)
        if value:
            program = derivation.program.copy()
            program.define(program.variables[gradient], change(value))
            network = derivation.network.program
            reports.append(verify_gradients(network, program, derivation.loss, {name: gradient}, seed))
    return reports


CHANGES: dict[str, Callable[[Expr], Expr]] = {
    "doubled": lambda value: scale(value, 2),
    "the other sign": lambda value: scale(value, -1),
    "a thousandth more": lambda value: add(value, scale(value, Fraction(1, 1000))),
    "a million times": lambda value: scale(value, 10**6),
    "nothing": lambda value: scale(value, 0),
    "one more": lambda value: add(value, constant(1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_gradient_of_a_steep_loss_is_called_wrong(change: str) -> None:
    for factor in ("1", "20"):
        reports = spoiled(STEEP.format(factor), CHANGES[change])
        assert reports
        assert all("WRONG" in str(report) for report in reports), [str(r) for r in reports]


@pytest.mark.parametrize("change", CHANGES)
def test_wrong_gradients_of_random_programs_are_called_wrong(change: str) -> None:
    judged = 0
    for seed in range(40, 60):
        rng = np.random.default_rng(seed)
        program = write_program(lambda count, rng=rng: int(rng.integers(count)))
        for report in spoiled(program.text, CHANGES[change], seed):
            judged += "WRONG" in str(report)
            assert not report.ok, program.text
            assert "too steep" not in str(report), program.text
    assert judged > 25
