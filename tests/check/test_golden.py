"""The mistakes of the golden table G5, each with what must be said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import chainrule as cr

EXAMPLES = Path(__file__).parents[2] / "examples"
ONE_LAYER = cr.load(EXAMPLES / "one_layer.net")
ROWS = cr.load(EXAMPLES / "one_layer_rows.net")
NO_FACT = cr.parse("input θ : n\nlabel y : n\nŷ = softmax(θ)\nJ = CE(y, ŷ)")
COLUMN = cr.parse("input x : D\nparam W : K × D\nz = W x")
ROW = cr.parse("input x : 1 × D\nparam W : D × K\nz = x W")


@pytest.mark.parametrize(
    ("net", "claim", "kind", "words", "mended"),
    [
        (ONE_LAYER, "∂J/∂z = δ₁ U ∘ sgn(h)", "transpose",
         ["wrong dimensions", "(1×D_h) ∘ (D_h×1)", "sgn(h) needs a transpose"], "∂J/∂z = δ₁ U ∘ sgn(h)ᵀ"),
        (ONE_LAYER, "∂J/∂W = δ₁ᵀ xᵀ", "signal",
         ["N_c × D_x", "the wrong error signal", "δ₂ is the one at z"], "∂J/∂W = δ₂ᵀ xᵀ"),
        (ONE_LAYER, "∂J/∂z = δ₁ U", "activation",
         ["right dimensions, wrong value", "the factor relu′(z) is missing"], "∂J/∂z = δ₁ U ∘ relu′(z)ᵀ"),
        (ONE_LAYER, "∂J/∂θ = y − ŷ", "sign",
         ["the sign is wrong", "written as a column", "an error signal is a row", "(ŷ − y)ᵀ"], "∂J/∂θ = ŷ − y"),
        (ROWS, "∂J/∂b1 = Δ₂", "sum",
         ["N × D_h", "1 × D_h", "the sum over the N rows is missing"], "∂J/∂b1 = 1ᵀ Δ₂"),
        (ROWS, "∂J/∂W = Xᵀ Δ₂ / N", "factor",
         ["a factor 1/N too much", "Δ₁ has it already"], "∂J/∂W = Xᵀ Δ₂"),
        (NO_FACT, "∂J/∂θ = ŷ − y", "label",
         ["right only if the entries of y sum to 1", "nothing says so"], ""),
        (COLUMN, "(∂z/∂x)[i,j] = ∂z[i]/∂x[i]", "index",
         ["the column index is j, not i"], "(∂z/∂x)[i,j] = ∂z[i]/∂x[j]"),
        (ROW, "∂z/∂x = W", "transpose",
         ["D × K", "K × D", "W needs a transpose", "identity 2.2"], "∂z/∂x = Wᵀ"),
    ],
)  # fmt: skip
def test_the_mistake_is_named(net: cr.Network, claim: str, kind: str, words: list[str], mended: str) -> None:  # type: ignore[name-defined]
    verdict = cr.check(net, claim)
    assert not verdict.ok
    assert not verdict
    assert verdict.kind == kind
    for word in words:
        assert word in verdict.diagnosis
    assert verdict.suggestion == mended
    if mended:
        assert cr.check(net, mended).ok


def test_the_gradient_in_the_other_layout() -> None:
    """x δ₂ is the gradient in numerator layout: right there, and said so loudly; wrong where shape layout is asked."""
    either = cr.check(ONE_LAYER, "∂J/∂W = x δ₂")
    assert either.ok
    assert either.layout == "numerator"
    for words in ("in numerator layout only", "D_x × D_h", "the transpose of the gradient in shape layout", "δ₂ᵀ xᵀ"):
        assert words in either.diagnosis
    asked = cr.check(ONE_LAYER, "∂J/∂W = x δ₂", layout="shape")
    assert not asked.ok
    assert asked.kinds == ("layout", "transpose")
    assert asked.expected == "δ₂ᵀ xᵀ"
    assert cr.check(ONE_LAYER, "∂J/∂W = x δ₂", layout="numerator").ok
    assert not cr.check(ONE_LAYER, "∂J/∂W = δ₂ᵀ xᵀ", layout="numerator").ok


def test_a_condition_is_said_and_its_absence_too() -> None:
    verdict = cr.check(NO_FACT, "∂J/∂θ = ŷ − y")
    assert verdict.how == "right only if the entries of y sum to 1, and nothing says so"
    assert cr.check(NO_FACT, "∂J/∂θ = (1ᵀ y) ŷ − y").ok
    known = cr.parse("input θ : n\nlabel y : n, rows sum to 1\nŷ = softmax(θ)\nJ = CE(y, ŷ)")
    assert cr.check(known, "∂J/∂θ = ŷ − y").ok


def test_the_note_derives_the_second_signal_step_by_step() -> None:
    verdict = cr.check(
        ONE_LAYER,
        "∂J/∂z = ∂J/∂θ ∂θ/∂h ∂h/∂z = δ1 ∂θ/∂h ∂h/∂z = δ1 U ∂h/∂z = δ1 U diag(relu′(z)) = δ1 U ∘ relu′(z)ᵀ"
        " = δ1 U ∘ sgn(h)ᵀ",
    )
    assert verdict.ok
    assert len(verdict.lines) == 6
    assert all(line.how == "equal as formulas" for line in verdict.lines)


def test_a_step_is_named() -> None:
    """Where the claim departs is a step of the derivation of the formula in question."""
    verdict = cr.check(ONE_LAYER, "∂J/∂z = δ₁ U")
    steps = ONE_LAYER.derive().signals["δ₂"].steps
    assert verdict.step is not None
    assert (verdict.step.rule, verdict.step.after) in [(s.rule, s.after) for s in steps]
    assert "sgn(h)" in verdict.step.after or "relu′(z)" in verdict.step.after


def test_golden_gradients_are_right_in_every_spelling() -> None:
    for claim in (
        "dJ/dW = δ2ᵀ xᵀ",
        "dJ_dW = delta_2' x'",
        "∂J/∂W = δ₂ᵀ xᵀ",
        "dW = delta2.T x.T",
        "∂J / ∂W = δ_2^T x^T",
    ):
        verdict = cr.check(ONE_LAYER, claim)
        assert verdict.ok, str(verdict)
        assert verdict.layout == "shape"
        assert verdict.how == "equal as formulas"
