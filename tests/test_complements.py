"""1 − σ(x) for σ(−x) where that is shorter, and labels that are 1: the text is short, and the code keeps its digits.

a σ(z) − a is nearly 0 at large z, and so is s − y (q + s) at y = 1. Generated code must not compute them so.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest

import chainrule as cr

LIMIT = 4.0
HEAD = "label y : n\ninput z : n\nconst w : n\nconst g : n\nconst c : scalar\n"
Number = mp.mpf
Truth = Callable[[Number, Number, Number, Number, Number], Number]


def sigmoid(x: Number) -> Number:
    return 1 / (1 + mp.exp(-x))


def slope(y: Number, z: Number, w: Number) -> Number:
    return (1 - y) * sigmoid(z) - w * y * sigmoid(-z)


WEIGHTED = "(1 - y) ∘ softplus(z) + w ∘ y ∘ softplus(-z)"
# program: the gradient at z, and its value
LOSSES: dict[str, tuple[str, Truth]] = {
    f"s = sigmoid(z)\na = w ∘ y\nJ = sum({WEIGHTED})": (
        "s ∘ (a + 1 − y) − a", lambda y, z, w, g, c: slope(y, z, w),
    ),
    f"s = sigmoid(z)\na = w ∘ y\nJ = c sum({WEIGHTED})": (
        "c (s ∘ (a + 1 − y) − a)", lambda y, z, w, g, c: c * slope(y, z, w),
    ),
    f"J = sum({WEIGHTED})": (
        "σ(z) ∘ (1 − y) − w ∘ y ∘ σ(−z)", lambda y, z, w, g, c: slope(y, z, w),
    ),
    "J = -sum(w ∘ y ∘ log(sigmoid(z)) + (1 - y) ∘ log(1 - sigmoid(z)))": (
        "σ(z) ∘ (1 + w ∘ y − y) − w ∘ y", lambda y, z, w, g, c: slope(y, z, w),
    ),
    "J = sum(softplus(z) ∘ (y ∘ w + 1 - y)) - sum(w ∘ y ∘ z)": (
        "σ(z) ∘ (w ∘ y + 1 − y) − w ∘ y", lambda y, z, w, g, c: slope(y, z, w),
    ),
    "s = sigmoid(z)\nJ = sum((1 - y) ∘ softplus(z) + c y ∘ softplus(-z))": (
        "s − y ∘ (c σ(−z) + s)", lambda y, z, w, g, c: slope(y, z, c),
    ),
    "s = sigmoid(z - g)\nJ = sum((1 - y) ∘ softplus(z - g) + w ∘ y ∘ softplus(g - z))": (
        "s − y ∘ (w ∘ σ(g − z) + s)", lambda y, z, w, g, c: slope(y, z - g, w),
    ),
}  # fmt: skip
LOGITS = np.concatenate([np.linspace(-30, 30, 31), [0.1, -0.2, 3.25, -7.75, 60, -60]]).astype(np.float32)


@pytest.mark.parametrize("program", LOSSES, ids=range(len(LOSSES)))
def test_the_text_is_short(program: str) -> None:
    derivation = cr.parse(HEAD + program).derive(["z"])
    assert derivation.gradients["z"].text == LOSSES[program][0]
    assert derivation.verify().ok
    assert derivation.check_steps().ok


@pytest.mark.parametrize("program", LOSSES, ids=range(len(LOSSES)))
def test_the_code_keeps_its_digits(program: str) -> None:
    truth = LOSSES[program][1]
    step = cr.parse(HEAD + program).derive(["z"]).compile("numpy", dtype="float32")
    n = LOGITS.size
    rng = np.random.default_rng(0)
    w, g = (rng.uniform(0.5, 3, n).astype(np.float32) for _ in range(2))
    c = np.float32(1.75)
    if "z - g" in program:
        g = np.full(n, 0.25, np.float32)  # z − g is exact, or its own rounding would show
    for y in (np.zeros(n), np.ones(n), np.arange(n) % 2):
        found = step(y=y.astype(np.float32), z=LOGITS, w=w, g=g, c=c)[1]["z"]
        for k in range(n):
            with mp.workdps(50):
                wanted = truth(*(Number(float(v[k])) for v in (y, LOGITS, w, g)), Number(float(c)))
                unit = float(np.spacing(np.float32(abs(float(wanted)))))
                off = abs(Number(float(found[k])) - wanted) / unit
            assert off < LIMIT, (float(LOGITS[k]), float(y[k]), float(found[k]), float(wanted))


def test_the_complement_is_a_step() -> None:
    derivation = cr.parse(HEAD + next(iter(LOSSES))).derive(["z"])
    steps = derivation.gradients["z"].steps
    (step,) = [s for s in steps if s.rule == "complement"]
    assert (step.before, step.after) == ("(s ∘ (1 − y) − a ∘ σ(−z))ᵀ", "(s ∘ (a + 1 − y) − a)ᵀ")


def test_a_gate_times_itself_is_left_alone() -> None:
    """silu′ = s ∘ (1 − g) + g: there 1 − s is exact enough, and σ(−a) would be one exponential more."""
    text = "input a : n\nconst δ : n\ns = sigmoid(a)\ng = a ∘ s\nJ = δᵀ g"
    source = cr.parse(text).derive().compile("numpy").source
    assert source.count("_sigmoid(") == 2  # its definition, and one call
