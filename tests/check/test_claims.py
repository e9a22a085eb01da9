"""Chains of equalities, derivations with names of one's own, Jacobians, Hessians, index notation, and spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

import chainrule as cr
from check.programs import PROGRAMS

EXAMPLES = Path(__file__).parents[2] / "examples"
ONE_LAYER = cr.load(EXAMPLES / "one_layer.net")
ROWS = cr.load(EXAMPLES / "one_layer_rows.net")
COLUMN = cr.parse("input x : D\nparam W : K × D\nz = W x")


# -- chains --------------------------------------------------------------------------------------------------------


def test_the_first_wrong_link_of_a_chain_is_said() -> None:
    verdict = cr.check(ONE_LAYER, "∂J/∂z = δ1 ∂θ/∂h ∂h/∂z = δ1 U = δ1 U ∘ sgn(h)ᵀ")
    assert [line.ok for line in verdict.lines] == [True, False, True]
    assert verdict.kind == "activation"
    assert "the step from δ1 ∂θ/∂h ∂h/∂z is wrong" in verdict.diagnosis


def test_a_link_that_equals_the_wrong_one_inherits_its_mistake() -> None:
    verdict = cr.check(ONE_LAYER, "∂J/∂z = δ1 U = (Uᵀ δ1ᵀ)ᵀ = δ1 U ∘ sgn(h)ᵀ")
    assert [line.kind for line in verdict.lines] == ["activation", "inherited", ""]
    assert "equal to δ1 U" in verdict.lines[1].diagnosis


def test_a_chain_may_begin_with_a_formula() -> None:
    assert cr.check(ONE_LAYER, "δ₁ ∂θ/∂h = δ₁ U").ok
    assert not cr.check(ONE_LAYER, "δ₁ ∂θ/∂h = δ₁").ok


# -- derivations ---------------------------------------------------------------------------------------------------


def test_a_right_derivation_with_names_of_its_own() -> None:
    verdict = cr.check(
        ONE_LAYER,
        """
        g = ŷ − y                       # the well-known one
        m = z > 0
        ∂J/∂θ = gᵀ
        ∂J/∂z = gᵀ U ∘ mᵀ
        dW = (Uᵀ g ∘ m) xᵀ;  ∂J/∂b1 = Uᵀ g ∘ m
        """,
    )
    assert verdict.ok, str(verdict)
    assert len(verdict.lines) == 6
    assert verdict.diagnosis == "all 6 lines are right"


def test_later_lines_only_inherit_the_mistake_of_an_earlier_one() -> None:
    verdict = cr.check(ONE_LAYER, "∂J/∂z = δ₁ U\n∂J/∂W = (δ₁ U)ᵀ xᵀ\n∂J/∂x = (δ₁ U W)ᵀ\n∂J/∂b2 = δ₁ᵀ\n∂J/∂U = h δ₁ x")
    assert not verdict.ok
    assert [line.kind for line in verdict.lines] == ["activation", "inherited", "inherited", "", "factor"]
    assert verdict.diagnosis.startswith("line 1 is wrong: ")
    assert "lines 2, 3: wrong only because of it" in verdict.diagnosis
    assert "line 5: not right either" in verdict.diagnosis
    assert "right only if line 1 (∂J/∂z = δ₁ U) were" in verdict.lines[1].diagnosis


def test_a_mistake_at_a_name_without_a_signal_is_inherited_too() -> None:
    verdict = cr.check(ONE_LAYER, "∂J/∂h = −δ₁ U\n∂J/∂z = −δ₁ U ∘ sgn(h)ᵀ")
    assert [line.kind for line in verdict.lines] == ["sign", "inherited"]


def test_an_own_mistake_is_not_excused_by_an_earlier_one() -> None:
    verdict = cr.check(ONE_LAYER, "∂J/∂z = δ₁ U\n∂J/∂W = −δ₂ᵀ xᵀ")
    assert [line.kind for line in verdict.lines] == ["activation", "sign"]


def test_a_name_that_is_defined_again_is_a_claim() -> None:
    verdict = cr.check(ONE_LAYER, "g = ŷ − y\ng = softmax(θ) − y\ng = ŷ")
    assert [line.ok for line in verdict.lines] == [True, True, False]
    assert verdict.lines[2].expected == "ŷ − y"


def test_names_of_one_claim_do_not_stay() -> None:
    cr.check(ONE_LAYER, "g = ŷ − y\n∂J/∂θ = gᵀ")
    with pytest.raises(cr.UnknownNameError):
        cr.check(ONE_LAYER, "∂J/∂θ = gᵀ")


# -- derivatives as factors, Jacobians, Hessians -------------------------------------------------------------------


def test_a_gradient_as_a_factor_is_read_in_either_layout() -> None:
    assert cr.check(ONE_LAYER, "∂J/∂W = (∂J/∂z)ᵀ xᵀ").ok
    turned = cr.check(ONE_LAYER, "∂J/∂W = ∂J/∂z xᵀ")
    assert turned.ok
    assert "∂J/∂z is read in the shape of what it is taken at" in turned.diagnosis
    assert not cr.check(ONE_LAYER, "∂J/∂W = ∂J/∂θ xᵀ").ok


def test_a_definition_keeps_its_meaning_when_a_factor_is_read_otherwise() -> None:
    net = cr.parse(PROGRAMS["square_tied"])
    verdict = cr.check(net, "a = ∂J/∂W x\n∂J/∂W = (∂J/∂W)ᵀ\na = ∂J/∂W x")
    assert verdict.lines[0].ok
    assert verdict.lines[2].ok


@pytest.mark.parametrize(
    ("program", "claim", "ok"),
    [
        ("θ", "∂ŷ/∂θ = diag(ŷ) − ŷ ŷᵀ", True),
        ("θ", "∂ŷ/∂θ = diag(ŷ) − ŷᵀ ŷ", False),
        ("θ", "∂ŷ/∂θ = diag(ŷ) + ŷ ŷᵀ", False),
        ("θ", "∂ŷ[i]/∂θ[j] = ŷ[i] (1[i = j] − ŷ[j])", True),
        ("θ", "∂ŷ[i]/∂θ[j] = ŷ[i] (1[i = j] − ŷ[i])", False),
        ("θ", "dŷ/dθ = I", False),
        ("x", "∂z/∂x = I", True),
    ],
)
def test_jacobians(program: str, claim: str, ok: bool) -> None:
    text = {"θ": "input θ : n\nŷ = softmax(θ)", "x": "input x : D\nz = x"}[program]
    assert cr.check(cr.parse(text), claim).ok is ok


def test_index_notation() -> None:
    assert cr.check(COLUMN, "∂z[k]/∂W[i,j] = 1[k=i] x[j]").ok
    verdict = cr.check(COLUMN, "∂z[k]/∂W[i,j] = 1[k=i] x[i]")
    assert not verdict.ok
    assert verdict.suggestion == "∂z[k]/∂W[i,j] = 1[k = i] x[j]"
    assert not cr.check(COLUMN, "∂z[k]/∂W[i,j] = x[j]").ok
    assert cr.check(ONE_LAYER, "∂J/∂W[i,j] = δ₂[i] x[j]").ok
    wrong = cr.check(ONE_LAYER, "∂J/∂W[i,j] = δ₁[i] x[j]")
    assert wrong.kind == "signal"
    assert cr.check(ROWS, "∂J/∂b1[j] = sum(n, Δ₂[n,j])").ok
    assert cr.check(ROWS, "∂J/∂b1[j] = −sum(n, Δ₂[n,j])").kind == "sign"
    assert cr.check(ROWS, "∂J/∂b1[j] = 2 sum(n, Δ₂[n,j])").kind == "factor"


def test_hessians() -> None:
    net = cr.parse(PROGRAMS["logistic"])
    assert cr.check(net, "∂²J/∂w² = Xᵀ diag(p ∘ (1 − p)) X/N").ok
    assert cr.check(net, "d2J/dw2 = Xᵀ diag(p ∘ (1 − p)) X/N").ok
    verdict = cr.check(net, "∂²J/∂w² = Xᵀ diag(p ∘ (1 − p)) X")
    assert verdict.kind == "factor"
    assert "1/N" in verdict.diagnosis


def test_a_derivative_of_a_definition_is_found() -> None:
    text = "def bump(u) = exp(−u.^2)\ninput x : D\nlabel y : D\nz = x\nh = silu(z)\nq = bump(h)\nJ = norm(q − y)^2"
    net = cr.parse(text)
    assert cr.check(net, "∂h/∂z = diag(silu′(z))").ok
    assert cr.check(net, "∂q/∂h = diag(bump'(h))").ok
    assert not cr.check(net, "∂h/∂z = diag(silu(z))").ok
    assert "silu′(z) is missing" in cr.check(net, "∂J/∂z = ∂J/∂h").diagnosis
    with pytest.raises(cr.UnsupportedError, match="softmax is not elementwise"):
        cr.check(net, "∂h/∂z = diag(softmax′(z))")


def test_values_of_the_forward_pass_may_be_claimed() -> None:
    assert cr.check(ONE_LAYER, "J = −sum(y ∘ log(ŷ))").ok
    assert cr.check(ONE_LAYER, "h = max(z, 0)").ok
    assert not cr.check(ONE_LAYER, "h = z").ok


def test_labels_and_constants_have_gradients_too() -> None:
    assert cr.check(ONE_LAYER, "∂J/∂y = −log(ŷ)").ok
    assert cr.check(ONE_LAYER, "∂J/∂y = log(ŷ)").kind == "sign"


def test_a_gradient_that_is_zero() -> None:
    net = cr.parse("input x : D\nparam w : D\nparam v : D\nJ = wᵀ x")
    assert cr.check(net, "∂J/∂v = 0").ok
    assert not cr.check(net, "∂J/∂v = x").ok


def test_a_lifted_network() -> None:
    lifted = ONE_LAYER.lift("N")
    assert cr.check(lifted, "∂J/∂W = Δ₂ᵀ X").ok
    assert cr.check(lifted, "∂J/∂b1 = Δ₂").kind == "sum"


def test_code_dialects() -> None:
    assert cr.check(ROWS, "dJ_dW = X.T @ Delta2", dialect="numpy").ok
    assert cr.check(ROWS, "dJ_dZ = (Delta1 @ U.T) * sgn(H)", dialect="numpy").ok
    assert cr.check(ROWS, "dJ_dW = X' * Delta2", dialect="matlab").ok
    assert cr.check(ROWS, "dJ_dW = X * Delta2", dialect="matlab").kind == "transpose"


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "error", "words", "caret"),
    [
        ("δ2ᵀ xᵀ", cr.LanguageError, "there is no = in it", "δ2ᵀ xᵀ"),
        ("dJ/dW =", cr.LanguageError, "the right side of = is missing", None),
        ("= δ2", cr.LanguageError, "the left side of = is missing", None),
        ("", cr.LanguageError, "there is no claim", None),
        ("∂J/∂Q = δ2", cr.UnknownNameError, "the name Q is not known", "Q"),
        ("dJ/dQ = δ2", cr.UnknownNameError, "the name Q is not known", "Q"),
        ("∂J/∂W = ∂θ/∂h δ3ᵀ xᵀ", cr.UnknownNameError, "the name δ3 is not known", "δ3"),
        ("∂J/∂z = δ₁ ∂θ/∂U ∂h/∂z", cr.UnsupportedError, "∂θ/∂U has 3 indices", None),
        ("∂z/∂W = x", cr.UnsupportedError, "∂z/∂W has 3 indices", "∂z/∂W = x"),
        ("∂δ₂/∂x = W", cr.UnknownNameError, "δ₂ is a signal", None),
        ("∂²z/∂x² = 0", cr.UnsupportedError, "second derivatives of z", None),
        ("∂J/∂W[i] = δ₂[i]", cr.DimensionError, "∂J/∂W has 2 indices, not 1", "∂J/∂W[i] = δ₂[i]"),
        ("∂J/∂W[i,i] = δ₂[i]", cr.LanguageError, "an index stands twice", "i,i"),
        ("g[i] = δ₂[i]", cr.UnknownNameError, "the name g is not known", "g"),
        ("∂J/∂W = δ2ᵀ xᵀ)", cr.LanguageError, "closes nothing", ")"),
        ("g = ŷ − y\n∂J/∂θ = g q", cr.UnknownNameError, "the name q is not known", "q"),
    ],
)
def test_a_claim_that_cannot_be_read(claim: str, error: type[cr.ChainruleError], words: str, caret: str | None) -> None:
    with pytest.raises(error) as raised:
        cr.check(ONE_LAYER, claim)
    assert words in raised.value.message
    if caret is not None:
        assert raised.value.span is not None
        assert raised.value.span.text == caret
        assert raised.value.span.source == claim


def test_signals_are_offered_where_one_is_unknown() -> None:
    with pytest.raises(cr.UnknownNameError) as raised:
        cr.check(ONE_LAYER, "∂J/∂W = δ9ᵀ xᵀ")
    assert "its signals are δ₁, δ₂" in (raised.value.hint or "")


def test_a_layout_that_does_not_exist() -> None:
    with pytest.raises(cr.ChainruleError, match="there is no layout 'denominator'"):
        cr.check(ONE_LAYER, "∂J/∂W = δ₂ᵀ xᵀ", layout="denominator")


def test_a_network_without_a_loss() -> None:
    assert cr.check(COLUMN, "∂z/∂x = W").ok
    with pytest.raises(cr.UnknownNameError, match="the name J is not known"):
        cr.check(COLUMN, "∂J/∂x = W")


def test_the_front_stays_light_and_callable() -> None:
    """`chainrule.check` is a package and a function; whichever is met first, it can be called."""
    import subprocess
    import sys

    code = (
        "import sys, chainrule as cr; assert 'chainrule.check' not in sys.modules;"
        "import chainrule.check.result; n = cr.parse('input x : D\\nJ = xᵀ x');"
        "assert cr.check(n, 'dJ/dx = 2 x').ok; from chainrule import check; assert check(n, 'dJ/dx = 2 x').ok"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
