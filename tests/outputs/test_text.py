"""Plain text: chains of steps at each level, both layouts, conditions and proofs once."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.derivation import Derivation

LEVEL_1 = """\
  δ₂ = ∂J/∂z = δ₁ U ∘ sgn(h)ᵀ
    z reaches J through h
      ∂J/∂z = ∂J/∂θ ∂θ/∂h ∂h/∂z     chain rule
            = δ₁ ∂θ/∂h ∂h/∂z        δ₁ is known
            = δ₁ U ∂h/∂z            2.1  (θ = U h + b2 gives ∂θ/∂h = U)
            = δ₁ U diag(relu′(z))   2.4  (h = relu(z) gives ∂h/∂z = diag(relu′(z)))
            = δ₁ U ∘ sgn(h)ᵀ        elementwise
              (1×D_h) = (1×N_c)(N_c×D_h) ∘ (1×D_h)
"""
LEVEL_2 = """\
            = δ₁ U diag(relu′(z))   2.4  (h = relu(z) gives ∂h/∂z = diag(relu′(z)))
              = δ₁ U ∘ relu′(z)ᵀ    diagonal product
              = δ₁ U ∘ sgn(h)ᵀ      relu′(z) = sgn(h)
              (1×D_h) = (1×N_c)(N_c×D_h) ∘ (1×D_h)
"""
PROOF = """\
Proof of 2.1  θ = U h + b2 gives ∂θ/∂h = U
      ∂θ[k]/∂h[i] = sum(l, U[k,l] ∂h[l]/∂h[i])   definition of θ
                  = sum(l, U[k,l] 1[l = i])      ∂h[l]/∂h[i]
                  = U[k,i]                       the sum has one term
"""


def test_level_1_is_a_chain_with_its_dimension_line(explained: Derivation) -> None:
    text = explained.text(explain=1)
    assert LEVEL_1 in text
    assert text.count("relu′(0) is taken as 0") == 1
    assert text.endswith("Conditions used\n  relu′(0) is taken as 0")
    assert "diagonal product" not in text


def test_level_2_has_the_finer_steps_in_place_of_the_coarse_one(explained: Derivation) -> None:
    text = explained.text(explain=2)
    assert LEVEL_2 in text
    assert "elementwise" not in text


def test_level_3_proves_each_identity_once(explained: Derivation) -> None:
    text = explained.text(explain=3) + "\n"
    assert text.endswith(PROOF)
    assert "Proof" not in explained.text(explain=2)


def test_level_0_has_no_steps(explained: Derivation) -> None:
    assert "chain rule" not in explained.text()
    assert "Conditions" not in explained.text()


def test_steps_that_do_not_follow_on_one_another_are_chains_of_their_own(explained: Derivation) -> None:
    steps = explained.signals["δ₂"].steps
    explained.steps = lambda g: [*steps[:2], *steps[3:]] if g.name == "δ2" else []  # type: ignore[method-assign]
    text = explained.text(explain=1)
    assert "      δ₁ U ∂h/∂z = δ₁ U diag(relu′(z))   2.4" in text
    assert "(1×D_h) = (1×N_c)(N_c×D_h)(D_h×D_h)" in text


def line_after(text: str, start: str, count: int) -> str:
    lines = text.splitlines()
    return lines[next(k for k, line in enumerate(lines) if line.startswith(start)) + count].strip()


def test_layouts() -> None:
    derivation = cr.parse("param W : m × n\ninput x : n\nconst a : 1 × m\nJ = a tanh(W x)").derive()
    both, shape, numerator = (derivation.text(layout=x) for x in ("both", "shape", "numerator"))
    assert line_after(both, "  ∂J/∂x", 2).startswith("numerator: ")
    assert line_after(both, "  ∂J/∂x", 2).endswith("(1×n)")
    assert line_after(both, "  ∂J/∂W", 2).endswith("(n×m)")
    assert "numerator: " not in shape
    assert "numerator: " not in numerator
    assert "∂J/∂x = δ₁ W\n          (1×n) = (1×m)(m×n)" in numerator
    assert "∂J/∂x = (δ₁ W)ᵀ\n          (n×1) = [(1×m)(m×n)]ᵀ" in shape
    for text, said in ((both, "shape layout"), (shape, "shape layout"), (numerator, "numerator layout: a row")):
        assert said in text.split("Gradients", 1)[1].splitlines()[0]


def test_scalars_rows_and_tensors_have_no_second_layout() -> None:
    text = cr.parse("""
param s : scalar
param r : 1 × n
input A : k × m × n
B[i,j,l] = s r[l] A[i,j,l]
J = sum(B)
""").derive().text()  # fmt: skip
    assert "numerator: " not in text


def test_an_unknown_layout_or_level_is_refused() -> None:
    derivation = cr.parse("input x : n\nJ = sum(x)").derive()
    with pytest.raises(cr.ChainruleError, match="there is no layout 'rows'"):
        derivation.text(layout="rows")
    with pytest.raises(cr.ChainruleError, match="there is no level of detail 4"):
        derivation.text(explain=4)
