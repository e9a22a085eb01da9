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
