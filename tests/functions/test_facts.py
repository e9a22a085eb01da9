"""Declared facts: each shortens a formula, is said where it is used, and does nothing where it is not declared."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

# fact -> (program with the fact as {}, name, gradient with it, without it, what is said)
FACTS = {
    "symmetric": ("const A : n × n{}\nparam x : n\nJ = xᵀ A x", "x", "2 A x", "(A + Aᵀ) x", "A is symmetric"),
    "positive definite": (
        "const A : n × n{}\nparam x : n\nJ = xᵀ inv(A) x", "x", "2 inv(A) x", "(inv(A) + inv(A)ᵀ) x",
        "A is positive definite",
    ),
    "diagonal": (
        "const A : n × n{}\nconst B : n × n, diagonal\nparam x : n\nconst y : n\nJ = yᵀ A B x + yᵀ B A x", "x",
        "2 A B y", "(B Aᵀ + Aᵀ B) y", "A is diagonal",
    ),
    "orthogonal": (
        "const Q : n × n{}\nparam x : n\nJ = norm(Q x)^2", "x", "2 x", "2 Qᵀ Q x", "Q is orthogonal",
    ),
    "one-hot": (
        "label y : n{}\nparam x : n\nconst a : n\nJ = sum(y.^2 ∘ x) + sum(y) aᵀ x", "x", "y + a", "y.^2 + (1ᵀ y) a",
        "y is one-hot",
    ),
    "rows sum to 1": (
        "const P : m × n{}\nparam x : m\nJ = xᵀ rowsum(P)", "x", "ones(m)", "rowsum(P)", "each row of P sums to 1",
    ),
    "positive": (
        "param x : n{}\nconst a : n\nJ = aᵀ (x ∘ abs(x))", "x", "2 (a ∘ x)", "2 (a ∘ abs(x))", "x is positive",
    ),
    "nonnegative": (
        "const w : n{}\nparam x : n\nJ = relu(w)ᵀ x", "x", "w", "relu(w)", "w is nonnegative",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_shortens_and_is_said(fact: str) -> None:
    text, wrt, wanted, _, said = FACTS[fact]
    derivation = cr.parse(text.format(f", {fact}")).derive(wrt)
    assert derivation.gradients[wrt].text == wanted
    assert said in derivation.text(explain=2)
    assert derivation.check_steps().wrong is None


@pytest.mark.parametrize("fact", FACTS)
def test_unknown_is_not_false(fact: str) -> None:
    text, wrt, _, wanted, said = FACTS[fact]
    derivation = cr.parse(text.format("")).derive(wrt)
    assert derivation.gradients[wrt].text == wanted
    assert said not in derivation.text(explain=2)
    assert derivation.verify().ok


@pytest.mark.parametrize("fact", FACTS)
def test_with_the_fact_the_two_formulas_have_one_value(fact: str) -> None:
    text, _, short, long, _ = FACTS[fact]
    net = cr.parse(text.format(f", {fact}"))
    rng = np.random.default_rng(5)
    sizes = {"n": 5, "m": 3}
    arrays = {}
    for name, item in net.declarations.items():
        shape = [sizes[str(d)] for d in item.shape]
        array = rng.standard_normal(shape)
        for known in item.facts:
            made = {
                "symmetric": lambda a: a + a.T,
                "positive definite": lambda a: a @ a.T + np.eye(len(a)),
                "diagonal": lambda a: np.diag(np.diag(a)),
                "orthogonal": lambda a: np.linalg.qr(a)[0],
                "one-hot": lambda a: np.eye(len(a))[2],
                "rows sum to 1": lambda a: np.exp(a) / np.exp(a).sum(1, keepdims=True),
                "positive": lambda a: np.abs(a) + 0.1,
                "nonnegative": lambda a: np.maximum(a, 0),
            }[known]
            array = made(array)
        arrays[name] = array
    values = [
        cr.parse(f"{text.format('')}\nread_ = {formula}").evaluate(**arrays)["read_"] for formula in (short, long)
    ]
    np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-12)


def test_entries_of_a_triangular_matrix_move_by_themselves() -> None:
    gradient = cr.parse("param L : n × n, lower triangular\nconst x : n\nJ = norm(L x)^2").derive().gradients["L"]
    assert gradient.text == "2 L x xᵀ"
    assert "L is lower triangular, and each entry is differentiated as if it could move by itself" in gradient.reason


def test_whole_numbers_are_numbers() -> None:
    assert cr.parse("const k : n, integer\nparam x : n\nJ = kᵀ abs(x)").derive().gradients["x"].text == "k ∘ sgn(x)"
