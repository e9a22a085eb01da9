"""Masks, branches and clipped values: what they are simplified to, and that it is true at every point, with kinks."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

# formula of u and w (a > 0 is a scalar, δ the gradient at it), gradient by u
FORMS = {
    "relu": ("relu(u)", "δ ∘ (u > 0)"),
    "relu of a sum": ("relu(u - w)", "δ ∘ (u > w)"),
    "sign twice": ("u ∘ sgn(sgn(u))", "δ ∘ sgn(u)"),
    "clipped": ("clip(u, -1, 1)", "δ ∘ (u > −1) ∘ (u < 1)"),
    "clipped the other way": ("maximum(minimum(u, 1), -1)", "δ ∘ (u < 1) ∘ (u > −1)"),
    "never below": ("relu(maximum(u, 2) - 1)", "δ ∘ (u > 2)"),
    "always flat": ("relu(minimum(u, 2) - 3)", "0"),
    "against a number": ("clip(u, 1 - a, 1 + a)", "δ ∘ (u + a > 1) ∘ (maximum(u, 1 − a) < a + 1)"),
    "scaled": ("relu(6 - 2 relu(u + 3))", "−2 (δ ∘ (u > −3) ∘ (u < 0))"),
    "maximum of two": ("maximum(u, w)", "δ ∘ (u > w)"),
    "a branch": ("where(u > w, u.^2, a u)", "δ ∘ where(u > w, 2 u, a)"),
    "a branch that is left out": ("where(u > 0, w, exp(u))", "δ ∘ exp(u) ∘ (u ≤ 0)"),
    "softsign": ("u ./ (1 + abs(u))", "δ ./ (1 + abs(u)).^2"),
    "under its mask": ("relu(u) ∘ where(u > 0, u, w)", "2 (δ ∘ relu(u))"),
    "huber": ("clip(u, -a, a) ∘ u - clip(u, -a, a).^2/2", "δ ∘ clip(u, −a, a)"),
}  # fmt: skip
DECLARED = "input u : n\nconst w : n\nconst a : scalar, positive\nconst δ : n\n"


@pytest.mark.parametrize("name", FORMS)
def test_form(name: str) -> None:
    formula, wanted = FORMS[name]
    derivation = cr.parse(f"{DECLARED}J = δᵀ ({formula})").derive()
    assert derivation.gradients["u"].text == wanted
    assert derivation.check_steps().wrong is None


@pytest.mark.parametrize("name", FORMS)
def test_value_of_the_formula_is_that_of_its_text_and_of_differences(name: str) -> None:
    formula, wanted = FORMS[name]
    text = f"{DECLARED}J = δᵀ ({formula})"
    net, derivation = cr.parse(text), cr.parse(text).derive()
    grid = np.array([-4.0, -3, -2.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 3.5])
    rng = np.random.default_rng(3)
    arrays = {"u": grid, "w": rng.permutation(grid) + 0.25, "a": np.array(0.75), "δ": rng.uniform(1, 2, grid.size)}
    _, found = derivation.compile()(**arrays)
    read = cr.parse(f"{DECLARED}z = 0 u + {wanted}").evaluate(**arrays)["z"]
    np.testing.assert_allclose(found["u"], read, rtol=1e-12)
    h = 1e-6
    smooth = ~np.isin(grid, [-3, -1, 0, 1, 2, 3])
    for k in np.flatnonzero(smooth):
        up, down = grid.copy(), grid.copy()
        up[k], down[k] = grid[k] + h, grid[k] - h
        difference = (net.evaluate(**{**arrays, "u": up})["J"] - net.evaluate(**{**arrays, "u": down})["J"]) / (2 * h)
        np.testing.assert_allclose(found["u"][k], difference, rtol=1e-6, atol=1e-7, err_msg=f"at {grid[k]}")


def test_a_named_relu_keeps_its_sign() -> None:
    found = cr.parse(f"{DECLARED}h = relu(u)\nJ = δᵀ h").derive().gradients["u"]
    assert found.text == "δ ∘ sgn(h)"


def test_masks_in_index_notation_are_comparisons() -> None:
    found = cr.parse("input X : m × n × k × p\nconst Y : m × n × k × p\nJ = sum(relu(X - Y))").derive()
    assert found.gradients["X"].text == "X[i,j,k,l] > Y[i,j,k,l]"


def test_no_division_that_the_program_does_not_have() -> None:
    """c = s Σ a b says nothing of Σ a b where s is 0."""
    net = cr.parse("param s : scalar\nconst A : m × n\nconst B : m × n\nJ = s sum(A ∘ B)")
    assert net.derive().gradients["s"].text == "sum(A ∘ B)"
    arrays = {"s": np.array(0.0), "A": np.ones((2, 3)), "B": np.full((2, 3), 2.0)}
    assert net.derive().compile()(**arrays)[1]["s"] == 12


def test_branches_with_broadcast_rows_are_right() -> None:
    text = "input X : 3 × 5\nconst r : 1 × 5\nconst G : 3 × 5\nJ = sum(G ∘ where(X > r, X.^2, r ∘ X))"
    assert cr.parse(text).derive().verify().ok


def test_masks_over_summed_indices_are_not_joined_between_terms() -> None:
    """Two sums may call their indices alike: what is masked in one has nothing to do with the mask of the other."""
    text = "param u : n\nconst w : n\nconst v : n\nJ = sum(where(u > w, u ∘ v, u.^2 ∘ w)) + vᵀ where(u > w, w, u)"
    net = cr.parse(text)
    rng = np.random.default_rng(7)
    arrays = {n: rng.standard_normal(11) for n in ("u", "w", "v", "du")}
    _, gradients = net.derive().compile()(**{n: a for n, a in arrays.items() if n != "du"})
    found = net.directional("u").compile()(**arrays)
    np.testing.assert_allclose(found, gradients["u"] @ arrays["du"], rtol=1e-12)
