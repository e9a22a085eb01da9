"""Claims about one step of a sequence, and sequences of the user's own: right, wrong, and with which numbers."""

from __future__ import annotations

import re

import pytest

import chainrule as cr
from chainrule.errors import ChainruleError
from test_recurrences import BOTH_WAYS, GRU, LAST, LINEAR, LSTM, RNN, SCALAR, STACKED

RIGHT = [
    "δ2[t] = (δ1[t] U + δ2[t+1] A) ∘ (1 − (h[t].^2)ᵀ)",
    "δ2[s] = (δ1[s] U + δ2[s+1] A) ∘ (1 − (h[s].^2)ᵀ)",
    "δ2[t] = δ1[t] U − δ1[t] U ∘ (h[t].^2)ᵀ + (δ2[t+1] A) ∘ (1 − (h[t].^2)ᵀ)",
    "δ1[t] = (softmax(o[t]) − y[t])ᵀ/T",
    "δ2[t] = ∂J/∂h[t] ∘ (1 − (h[t].^2)ᵀ)",
    "∂J/∂h[t] = (δ1[t] U + δ2[t+1] A)ᵀ",
    "∂J/∂h[t] = δ1[t] U + δ2[t+1] A",
    "∂J/∂x[t] = Bᵀ δ2[t]ᵀ",
    "o[t] = U h[t] + c",
    "δ2[T] = δ1[T] U ∘ (1 − (h[T].^2)ᵀ)",
    "∂J/∂h[T] = Uᵀ δ1[T]ᵀ",
    "δ1[1] = (softmax(o[1]) − y[1])ᵀ/T",
    "g[t] = (δ1[t] U + g[t+1] A) ∘ (1 − (h[t].^2)ᵀ)\n∂J/∂A = sum(t, g[t]ᵀ h[t-1]ᵀ)\nδ2[t] = g[t]",
    "g[t] = δ1[t] U + (g[t+1] ∘ (1 − (h[t+1].^2)ᵀ)) A\n∂J/∂b = sum(t, (g[t] ∘ (1 − (h[t].^2)ᵀ))ᵀ)\n∂J/∂h[t] = g[t]ᵀ",
]
WRONG = {
    "δ2[t] = (δ1[t] U + δ2[t-1] A) ∘ (1 − (h[t].^2)ᵀ)": ("step", "the wrong step: δ₂[t+1], not δ₂[t−1]"),
    "δ2[t] = (δ1[t] U + δ2[t+1] A) ∘ (1 − (h[t-1].^2)ᵀ)": ("step", "the wrong step: h[t], not h[t−1]"),
    "δ2[t] = (δ1[t] U − δ2[t+1] A) ∘ (1 − (h[t].^2)ᵀ)": ("sign", "the sign of a term is wrong"),
    "δ2[t] = (δ1[t] U + δ1[t] U + δ2[t+1] A) ∘ (1 − (h[t].^2)ᵀ)": ("term", "too much"),
    "δ2[t] = (δ1[t] U + δ2[t+1] Aᵀ) ∘ (1 − (h[t].^2)ᵀ)": ("transpose", "Aᵀ|A is not to be transposed"),
    "δ2[t] = (δ1[t] Uᵀ + δ2[t+1] A) ∘ (1 − (h[t].^2)ᵀ)": ("transpose", "U is not to be transposed"),
    "δ2[t] = δ1[t] U ∘ (1 − (h[t].^2)ᵀ)": ("unknown", r"at t = 1 of \d an entry is -?\d.*, and -?\d.* is right"),
    "∂J/∂h[t] = (δ1[t] U)ᵀ": ("unknown", r"at t = 1 of \d an entry is"),
    "∂J/∂x[t] = Bᵀ δ2[t+1]ᵀ": ("step", "δ₂[t], not δ₂[t+1]"),
    "∂J/∂x[t] = B δ2[t]ᵀ": ("transpose", "B is to be transposed"),
    "h[t] = tanh(A h[t] + B x[t] + b)": ("step", "h[t−1], not h[t]"),
    "δ2[T] = δ1[T] U": (None, "wrong value"),
    "δ2[1] = δ2[T]": (None, "wrong value"),
    "g[t] = (δ1[t] U + g[t+1] A) ∘ (1 − (h[t].^2)ᵀ)\n∂J/∂A = sum(t, g[t]ᵀ h[t]ᵀ)": (None, "line 2 is wrong"),
    "g[t] = δ1[t] U + g[t+1] A\nδ2[t] = g[t]": (None, "line 2 is wrong"),
}


@pytest.mark.parametrize("claim", RIGHT)
def test_right(claim: str) -> None:
    found = cr.check(cr.parse(RNN), claim)
    assert found.ok, found.diagnosis


@pytest.mark.parametrize("claim", WRONG)
def test_wrong(claim: str) -> None:
    kind, said = WRONG[claim]
    found = cr.check(cr.parse(RNN), claim)
    assert not found.ok
    assert kind is None or found.kind == kind, found.diagnosis
    assert said in found.diagnosis or re.search(said, found.diagnosis), found.diagnosis
    if found.suggestion:
        assert cr.check(cr.parse(RNN), found.suggestion).ok


@pytest.mark.parametrize("text", [RNN, LAST, LSTM, GRU, STACKED, BOTH_WAYS, LINEAR, SCALAR])
def test_every_printed_step_is_read_back_as_right(text: str) -> None:
    net = cr.parse(text)
    derivation = net.derive()
    for name, gradient in derivation.signals.items():
        steps = gradient.variable.steps
        if steps is not None:
            found = cr.check(net, f"{name}[{steps.letter}] = {gradient.text}")
            assert found.ok, (name, gradient.text, found.diagnosis)
    for of, gradient in derivation.gradients.items():
        steps = net.program.variables[of].steps
        if steps is not None and gradient.text != "0":
            found = cr.check(net, f"∂J/∂{of}[{steps.letter}] = {gradient.text}")
            assert found.ok, (of, gradient.text, found.diagnosis)


def test_before_the_first_step_is_the_initial_value() -> None:
    net = cr.parse(LAST)
    assert cr.check(net, "h[t] = tanh(A h[t-1] + B x[t])").ok  # h[0] is h0
    assert cr.check(net, "∂J/∂h0 = Aᵀ δ2[1]ᵀ").ok
    assert not cr.check(net, "∂J/∂h0 = Aᵀ δ2[T]ᵀ").ok
    assert cr.check(net, "δ2[t] = (1[t = T] δ1 U + δ2[t+1] A) ∘ (1 − (h[t].^2)ᵀ)").ok
    assert not cr.check(net, "δ2[t] = (δ1 U + δ2[t+1] A) ∘ (1 − (h[t].^2)ᵀ)").ok


def test_refused() -> None:
    net = cr.parse(RNN)
    for claim in ("q[t] = U", "δ2[2] = δ2[1]", "J[t] = 0"):
        with pytest.raises(ChainruleError):
            cr.check(net, claim)
