"""Formulas as an author would write them: means, traces, signs. Each is read back and has the value of the program."""

from __future__ import annotations

import pytest

import chainrule as cr

# program, wrt, gradient
SHORT = {
    "a mean over rows of a known size": (
        "input X : 7 × 5\nconst G : 7 × 5\nc = X − rowmean(X)\nJ = sum(G ∘ c)", "X", "G − rowmean(G)",
    ),
    "a mean over columns of a known size": (
        "input X : 7 × 5\nconst G : 7 × 5\nc = X − colmean(X)\nJ = sum(G ∘ c)", "X", "G − colmean(G)",
    ),
    "no mean where the size is another": (
        "input X : 7 × 5\nconst G : 7 × 5\nJ = sum(X ∘ (rowsum(G)/7))", "X", "(rowsum(G)/7) ones(5)ᵀ",
    ),
    "a trace": ("param A : n × n\nJ = tr(A)^2", "A", "2 tr(A) I"),
    "a trace of a product": ("param s : scalar\nconst A : m × n\nconst B : n × m\nJ = s tr(A B)", "s", "tr(A B)"),
    "a sum of products is no trace": (
        "param s : scalar\nconst A : m × n\nconst B : m × n\nJ = s sum(A ∘ B)", "s", "sum(A ∘ B)",
    ),
    "a sign inside brackets": (
        "param m : n\nlabel y : n\nconst v : n, positive\nJ = sum((y − m).^2 ./ v)/2", "m", "(m − y) ./ v",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORT)
def test_short_form(name: str) -> None:
    text, wrt, wanted = SHORT[name]
    derivation = cr.parse(text).derive(wrt)
    found = derivation.gradients[wrt].text
    assert found == wanted
    assert derivation.verify().ok
    assert cr.check(cr.parse(text), f"∂J/∂{wrt} = {found}").ok


# program, wrt, the formula by itself: signals that are used once are written out, others stand beside it
WHOLE = {
    "a signal inside": (
        "param X : m × n\ninput b : n\ninput c : m\nconst D : m × m\nJ = (X b + c)ᵀ D (X b + c)", "X",
        ["(D + Dᵀ) (X b + c) bᵀ"],
    ),
    "a sign before the term": (
        "param X : m × n\nconst C : m × m, positive definite\nconst B : m × m, symmetric\n"
        "J = tr(inv(Xᵀ C X) (Xᵀ B X))", "X", ["2 (B − C X inv(Xᵀ C X) Xᵀ B) X inv(Xᵀ C X)"],
    ),
    "a signal that is used twice keeps its name": (
        "input S : m × n\nconst A : n × k\nconst G : m × k\nP = softmax(S)\nO = P A\nJ = sum(G ∘ O)", "S",
        ["P ∘ (Δ₁ − rowsum(Δ₁ ∘ P))", "G Aᵀ"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_formula_by_itself(name: str) -> None:
    text, wrt, wanted = WHOLE[name]
    gradient = cr.parse(text).derive(wrt).gradients[wrt]
    assert list(gradient.whole.values()) == wanted
    if len(wanted) == 1:
        assert cr.check(cr.parse(text), f"∂J/∂{wrt} = {wanted[0]}").ok


# program, wrt, gradient: where a common factor is not taken out, or goes inside
LEFT_INSIDE = {
    "a name goes into the branches": (
        "input u : n\nconst a : scalar\nconst G : n\nJ = sum(G ∘ where(u > 0, u, a u))", "u", "where(u > 0, G, a G)",
    ),
    "and a number": ("input u : n\nconst G : n\nJ = sum(G ∘ where(u > 0, u, −u/4))", "u", "where(u > 0, G, −G/4)"),
    "not where a branch is an array": (
        "input u : n\nconst a : n\nconst G : n\nJ = sum(G ∘ where(u > 0, u, a ∘ u))", "u", "G ∘ where(u > 0, 1, a)",
    ),
    "not two of them": (
        "input u : n\nconst a : scalar\nconst G : n\nconst H : n\nJ = sum(G ∘ H ∘ where(u > 0, u, a u))", "u",
        "G ∘ H ∘ where(u > 0, 1, a)",
    ),
    "what is looked up stays beside its label": (
        "label i : T, integer\nparam E : V × D\nconst B : T × V\nJ = sum(B ∘ (E[i] Eᵀ))", "E",
        "onehot(i, V)ᵀ B E + Bᵀ E[i]",
    ),
    "columns that labels choose have no such notation": (
        "label i : T, integer\nparam E : D × V\nconst B : T × V\nJ = sum(B ∘ ((onehot(i, V) Eᵀ) E))", "E",
        "E (Bᵀ onehot(i, V) + onehot(i, V)ᵀ B)",
    ),
    "what only one term looks up": (
        "label i : T, integer\nparam x : D\nconst B : T\nconst c : V\nconst E : V × D\nJ = Bᵀ (E[i] x) + cᵀ E x", "x",
        "E[i]ᵀ B + Eᵀ c",
    ),
    "a bracket in a bracket": (
        "input z : n\nlabel y : n\nconst w : n\nJ = sum(z ∘ z ∘ ((1 − y) + w ∘ y))/2", "z", "z ∘ (1 + w ∘ y − y)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_INSIDE)
def test_what_stays_inside(name: str) -> None:
    text, wrt, wanted = LEFT_INSIDE[name]
    derivation = cr.parse(text).derive(wrt)
    found = derivation.gradients[wrt].text
    assert found == wanted
    assert derivation.verify().ok
    assert derivation.check_steps().ok
    assert cr.check(cr.parse(text), f"∂J/∂{wrt} = {found}").ok
