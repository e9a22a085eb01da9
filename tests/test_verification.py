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
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_program
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
    network = derivation.network.program
    sizes = choose_sizes(network)
    known = evaluate_program(derivation.program, sample(network, sizes, np.random.default_rng(seed)), sizes)
    for name in derivation.gradients:
        gradient = derivation.backward.gradients[name]
        value = derivation.program.expression(gradient)
        if value and np.any(known[gradient]):  # 1[W > W] ∘ W is 0 whatever W is
            program = derivation.program.copy()
            program.define(program.variables[gradient], change(value))
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


TIES = {
    "zeros of a triangle": "param L : n × n, lower triangular\nJ = sum(tanh(max(L, over=rows)))",
    "zeros of a diagonal": "param S : n × n, diagonal\nJ = sum(sin(min(S, over=columns) + 0.5))",
    "both ways": "param L : n × n, lower triangular\nJ = sum(max(L, over=rows) + sin(min(2 L, over=columns))ᵀ)",
    "relu of a triangle": "param L : n × n, lower triangular\nJ = sum(sin(relu(L)))",
    "abs of a diagonal": "param S : n × n, diagonal\nparam w : n\nJ = wᵀ abs(S) w",
}


@pytest.mark.parametrize("text", TIES.values(), ids=TIES)
@pytest.mark.parametrize("seed", range(2))
def test_kinks_at_which_a_fact_holds_a_program_are_left_out(text: str, seed: int) -> None:
    """Entries that are 0 in every triangular matrix tie in its maximum: there is no derivative, and it was WRONG."""
    derivation = cr.parse(text).derive()
    report = derivation.verify(seed)
    assert report.ok, report
    assert report.skipped
    assert "differences at kinks left out" in str(report)
    assert derivation.check_steps(seed).wrong is None


@pytest.mark.parametrize("change", [c for c in CHANGES if c != "one more"])
def test_a_wrong_gradient_beside_ties_is_called_wrong(change: str) -> None:
    for text in TIES.values():
        assert [str(r) for r in spoiled(text, CHANGES[change]) if r.ok] == []


def test_a_gradient_of_which_every_difference_meets_a_kink_is_not_judged() -> None:
    """It was called verified: nothing had been compared."""
    text = "param L : n × n, lower triangular\nparam w : scalar\nz = L[1,2]\nJ = w + abs(z)"
    report = cr.parse(text).derive(["z", "w"]).verify()
    assert not report.ok
    assert "not verified: every difference meets a kink (z)" in str(report)


def test_entries_that_are_equal_because_they_are_the_same_are_no_tie() -> None:
    report = cr.parse("param w : n\nJ = sum(max(outer(w, 1 + 0 w), over=columns))").derive().verify()
    assert report.ok
    assert not report.skipped


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_gradient_beside_labels_that_are_looked_up_is_called_wrong(change: str) -> None:
    """It stopped: labels were moved by a rounding, and were no whole numbers any more."""
    text = "label c : T, integer\nparam E : V × D\nparam W : D × K\nJ = CE_labels(c, tanh(E[c]) W)"
    reports = spoiled(text, CHANGES[change])
    assert len(reports) == 2
    assert all("WRONG" in str(report) for report in reports)


def test_sizes_are_large_enough_for_wide_windows() -> None:
    """A window of 3 with dilation 2 is wider than 3, the smallest prime: verify stopped at a size of -1."""
    text = "param x : 2 × 3 × H\nparam W : 3 × 3 × 3\nJ = sum(sin(conv1d(x, W, stride=1, padding=0, dilation=2)))"
    report = cr.parse(text).derive().verify()
    assert report.ok
    assert report.sizes == {"H": 5}
