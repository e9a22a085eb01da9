"""Inverses that go away where they meet what they are made of; each formula against central differences."""

import numpy as np
import pytest

import chainrule as cr

# program, parameter, what its gradient reads
SHORT = [
    ("param u : 5\ninput v : 5\nJ = det(I + u vᵀ)", "u", "v"),
    ("input u : 5\nparam v : 5\nJ = det(I + u vᵀ)", "v", "u"),
    ("param u : 5\ninput v : 5\nJ = det(I − 3 u vᵀ)", "u", "−3 v"),
    ("param t : scalar\ninput A : 5 × 5, positive definite\nJ = tr(inv(t A))", "t", "−J/t"),
    ("param b : 5\ninput u : 5\ninput v : 5\nJ = bᵀ inv(I + u vᵀ) u", "b", "u/(1 + vᵀ u)"),
    ("param b : 5\ninput u : 5\ninput v : 5\nJ = vᵀ inv(I + u vᵀ) b", "b", "v/(1 + vᵀ u)"),
    ("param b : 5\ninput X : 5 × 3\ninput c : 3\nJ = cᵀ pinv(X) X pinv(X) b", "b", "pinv(X)ᵀ c"),
    ("param c : 3\ninput X : 5 × 3\ninput b : 5\nJ = bᵀ X pinv(X) X c", "c", "Xᵀ b"),
    ("param b : 5\ninput X : 5 × 3\ninput c : 3\nJ = cᵀ Xᵀ X pinv(X) b", "b", "X c"),
    ("param c : 3\ninput X : 5 × 3\ninput d : 3\nJ = dᵀ pinv(X) pinv(X)ᵀ Xᵀ X c", "c", "Xᵀ pinv(X)ᵀ d"),
]


@pytest.mark.parametrize(("text", "name", "expected"), SHORT)
def test_an_inverse_that_meets_what_it_inverts_goes_away(text, name, expected):
    derivation = cr.parse(text).derive([name])
    assert derivation.gradients[name].text == expected
    assert derivation.verify().ok


@pytest.mark.parametrize(
    "text",
    [
        "param A : 3 × 3\ninput u : 3\ninput v : 3\nJ = uᵀ inv(I + u vᵀ) A v + vᵀ inv(I + u vᵀ) A u",
        "param A : 3 × 3\ninput u : 3\ninput v : 3\nJ = vᵀ inv(I + u vᵀ)ᵀ A v + tr(inv(I + u vᵀ)ᵀ A)",
        "param A : 3 × 3\nparam t : scalar\nJ = tr(inv(t A) Aᵀ) + tr(inv(t A)ᵀ A)",
        "param A : 3 × 3\ninput X : 3 × 3\nJ = tr(X X pinv(X) A) + tr(Xᵀ X Xᵀ A) + tr(pinv(X) X X A)",
        "param A : 3 × 5\ninput X : 5 × 3\nJ = tr(X pinv(X) pinv(X)ᵀ A) + tr(A X pinv(X) X A X)",
    ],
)
def test_nothing_goes_away_where_the_transpose_or_another_order_stands(text):
    assert cr.parse(text).derive().verify().ok


def test_a_mask_times_itself_is_itself():
    text = "input M : 5 × 3, mask\ninput A : 5 × 3\nparam U : 5 × 2\nparam V : 3 × 2\nJ = norm(M ∘ (A − U Vᵀ))^2"
    derivation = cr.parse(text).derive(["U"])
    assert derivation.gradients["U"].text == "2 (M ∘ (U Vᵀ − A)) V"
    assert derivation.verify().ok
    named = cr.parse(text.replace("J = norm(M ∘ (A − U Vᵀ))^2", "R = M ∘ (A − U Vᵀ)\nJ = norm(R)^2")).derive(["U"])
    assert named.gradients["U"].text == "−2 R V"


def test_a_mask_is_drawn_of_zeros_and_ones():
    from chainrule.points import sample

    program = cr.parse("input M : 7 × 5, mask\nparam A : 7 × 5\nJ = sum(M ∘ A)").program
    drawn = sample(program, {}, np.random.default_rng(0))["M"]
    assert set(np.unique(drawn)) == {0.0, 1.0}
