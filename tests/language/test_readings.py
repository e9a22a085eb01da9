"""Texts that people read in two ways: read as nearly all mean them, or refused with both readings in the hint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.errors import ChainruleError

Array = NDArray[np.float64]
SHAPES = {"A": ("N × D", (3, 5)), "S": ("D × D", (5, 5)), "x": ("D", (5,)), "y": ("N", (3,)), "r": ("1 × D", (5,)),
          "e": ("D", (5,)), "e1": ("D", (5,)), "s": ("scalar", ()), "t": ("scalar", ())}  # fmt: skip
DECLARED = "\n".join(f"input {name} : {sizes}" for name, (sizes, _) in SHAPES.items())
RNG = np.random.default_rng(34)
VALUES: dict[str, Array] = {name: RNG.uniform(0.5, 2, shape) for name, (_, shape) in SHAPES.items()}
A, S, x, y, r, e, e1, s, t = VALUES.values()


def value(text: str, dialect: str = "whiteboard") -> Array:
    found: Array = cr.parse(f"{DECLARED}\nq = {text}", dialect).evaluate(**VALUES)["q"]
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A 1", A.sum(1)),
        ("A · 1", A.sum(1)),
        ("1ᵀ A 1", A.sum()),
        ("1' A' 1", A.sum()),
        ("xᵀ 1", x.sum()),
        ("r 1", r.sum()),
        ("diag(A 1) A", A.sum(1)[:, None] * A),
        ("A ∘ (y 1ᵀ)", A * y[:, None]),
        ("A - 2 (y 1ᵀ)", A - 2 * y[:, None]),
        ("A + exp(s) (1 xᵀ) ", A + np.exp(s) * x),
        ("x 1", x),
        ("s 1", s),
        ("x ./ (S e)", x / (S @ e)),
        ("(x ./ S) e", (x[:, None] / S) @ e),
        ("S e ./ x", (S @ e) / x),
        ("x ./ e ∘ e1", x / e * e1),
        ("1/2x", x / 2),
        ("s/2 t", s / 2 * t),
        ("s/2‖x‖²", s / 2 * (x @ x)),
        ("s/2(t + 1)", s / 2 * (t + 1)),
        ("1e-5 x", 1e-5 * x),
        ("2 e1", 2 * e1),
        ("2e2 x", 200 * x),
        ("‖x‖₂", np.linalg.norm(x)),
        ("‖A‖_F", np.linalg.norm(A)),
        ("s^2^3", s**8),
    ],
)  # fmt: skip
def test_taken(text: str, wanted: Array) -> None:
    found = value(text)
    assert found.shape == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("x 1ᵀ", "x ones(n)ᵀ"),
        ("sum(x 1ᵀ)", "x ones(n)ᵀ"),
        ("sum(2 (x 1ᵀ) + 1)", "x ones(n)ᵀ"),
        ("tr((x 1ᵀ) S)", "x ones(n)ᵀ"),
        ("yᵀ (y 1ᵀ)", "x ones(n)ᵀ"),
        ("1 xᵀ", "ones(n) xᵀ"),
        ("(1 xᵀ) S", "ones(n) xᵀ"),
        ("[y 1ᵀ, A]", "x ones(n)ᵀ"),
        ("x ./ S e", "(x ./ y) z or x ./ (y z)"),
        ("x ./ S @ e", "(x ./ y) z or x ./ (y z)"),
        ("s/2t", "s/(2 t)"),
        ("exp(-s^2/2t^2)", "s/(2 t)"),
        ("1e-5x", "1 e - 5x"),
        ("2e1", "2 e1 for the product"),
        ("‖A‖₂", "‖A‖_F"),
        ("||A||_2^2", "‖A‖_F"),
        ("exp x", "exp(x)"),
        ("S/S", "S ./ S (elementwise), or S inv(S)"),
        ("x ⊗ y", "kron(A, B)"),
    ],
)
def test_refused_with_both_readings(text: str, hint: str) -> None:
    with pytest.raises(ChainruleError) as caught:
        value(text)
    assert hint in (caught.value.hint or "")


def test_a_number_is_a_number_where_no_name_looks_like_a_part_of_it() -> None:
    assert cr.parse("input x : D\nq = 2e1 x").evaluate(x=[1.0, 3.0])["q"].tolist() == [20, 60]


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("A / A", lambda: A / A),
        ("x / sum(x)", lambda: x / x.sum()),
        ("A / A @ x", lambda: A / A @ x),
        ("s / 2 * x", lambda: s / 2 * x),
    ],
)
def test_numpy_divides_entries(text: str, function: Callable[[], Array]) -> None:
    np.testing.assert_allclose(value(text, "numpy"), function(), rtol=1e-12)


@pytest.mark.parametrize("text", ["S + x", "x * S", "S / x", "S - x"])
def test_a_column_beside_a_square_matrix_in_numpy(text: str) -> None:
    with pytest.raises(ChainruleError, match="NumPy repeats") as caught:
        value(text, "numpy")
    assert "x.T for every row, x @ ones(1, D) for every column" in (caught.value.hint or "")
    np.testing.assert_allclose(value("S + x.T", "numpy"), S + x)
    np.testing.assert_allclose(value("S + x @ ones(1, D)", "numpy"), S + x[:, None])


@pytest.mark.parametrize("text", ["2^3^2", "x.^2.^s", "s^-2^2"])
def test_powers_of_powers_in_matlab(text: str) -> None:
    with pytest.raises(ChainruleError, match="MATLAB takes the left one first"):
        value(text, "matlab")
    assert value("(2^3)^2*s", "matlab") == 64 * s


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sum(A)", "sum(A) is of all entries; what MATLAB gives, a row, is colsum(A)"),
        ("mean(A*S)", "mean(A*S) is of all entries; what MATLAB gives, a row, is colmean(A*S)"),
        ("max(A)", "max(A) is of all entries; what MATLAB gives, a row, is max(A, over=rows)"),
        ("norm(A)", "norm(A) is Frobenius's norm; in MATLAB norm(A) is the largest singular value"),
    ],
)
def test_what_matlab_means_otherwise_is_said(text: str, said: str) -> None:
    net = cr.parse(f"{DECLARED}\nJ = {text}", "matlab")
    assert net.repeats == [said]


@pytest.mark.parametrize(
    "text", ["sum(x)", "sum(A, axis=0)*e", "norm(x)", "sum(colsum(A))", "sum(sum(A))", "max(max(A))", "tr(S)"]
)
def test_and_nothing_where_both_mean_the_same(text: str) -> None:
    said = cr.parse(f"{DECLARED}\nq = {text}", "matlab").repeats
    assert said == []


def test_a_recurrence_without_its_range() -> None:
    with pytest.raises(ChainruleError) as caught:
        cr.parse("input x : T × D\nparam A : D × D\nh[t] = tanh(x[t] + A h[t-1])\nJ = sum(h[T])")
    assert "for t = 1..T behind the equation" in (caught.value.hint or "")


def test_class_numbers_are_no_weights_of_a_cross_entropy() -> None:
    """One number a row meets one for each class inside the definition: refused, or said where it may be meant."""
    text = "input X : N × K\nlabel t : N{}\nJ = mean(CE(t, softmax(X)))"
    with pytest.raises(ChainruleError, match="one whole number a row") as raised:
        cr.parse(text.format(", integer"))
    assert "CE_labels(t, z)" in str(raised.value.hint)
    assert cr.parse(text.format("")).repeats == ["t (N × 1) is repeated over K columns"]
    assert not cr.parse(text.format(" × K")).repeats
