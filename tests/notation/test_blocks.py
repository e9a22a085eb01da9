"""Slices and blocks in derivatives, as the literature writes them; each is read back and has the program's value."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DimensionError

sys.path.insert(0, str(Path(__file__).parent))
from test_read_back import assert_read_back, sizes_of

# program, name, its gradient
FORMS = {
    "an array joined of two": (
        "input X : N × D\ninput Y : N × E\nparam W : (D + E) × K\nH = [X, Y]\nJ = sum(tanh(H W))",
        {"X": "Δ₂[:,1:D]", "Y": "Δ₂[:,D+1:D+E]", "W": "Hᵀ Δ₁"},
    ),
    "an LSTM with one matrix for four gates": (
        "input x : N × D\ninput c0 : N × K\nparam W : D × (4 K)\ninput G : N × K\na = x W\n"
        "i = σ(a[:,1:K])\nf = σ(a[:,K+1:2 K])\no = σ(a[:,2 K+1:3 K])\nu = tanh(a[:,3 K+1:4 K])\n"
        "c = f ∘ c0 + i ∘ u\nh = o ∘ tanh(c)\nJ = sum(G ∘ h)",
        {"W": "xᵀ Δ₂", "c0": "Δ₁ ∘ f"},
    ),
    "a rotary embedding by halves": (
        "input q : N × (2 d)\ninput c : N × d\ninput s : N × d\nlabel G : N × (2 d)\nx = q[:,1:d]\n"
        "y = q[:,d+1:2 d]\nr = [x ∘ c − y ∘ s, x ∘ s + y ∘ c]\nJ = sum(G ∘ r)",
        {"q": "[c ∘ G[:,1:d] + s ∘ G[:,d+1:2d], c ∘ G[:,d+1:2d] − s ∘ G[:,1:d]]"},
    ),
    "differences of neighbours": (
        "param x : n\nd = x[2:n] − x[1:n−1]\nJ = norm(d)^2",
        {"x": "2 ([0; d] − [d; 0])"},
    ),
    "a column beneath another": (
        "param x : n\nparam y : m\nparam W : k × (n + m)\nz = [x; y]\nJ = norm(W z)^2",
        {"y": "δ₂[n+1:m+n]ᵀ", "W": "δ₁ᵀ zᵀ"},
    ),
    "a matrix of blocks": (
        "param A : n × n\nparam B : n × m\nparam C : m × m\nJ = logdet([A, B; Bᵀ, C])",
        {"A": "Δ₁[1:n,1:n]", "B": "Δ₁[1:n,n+1:m+n] + Δ₁[n+1:m+n,1:n]ᵀ"},
    ),
    "parts of a matrix": (
        "param W : k × (n + m)\ninput x : n\ninput y : m\nJ = norm(W[:,1:n] x + W[:,n+1:n+m] y)^2",
        {"W": "δ₁ᵀ [x; y]ᵀ", "y": "(δ₁ W[:,n+1:m+n])ᵀ"},
    ),
    "a bias that is an entry": (
        "input X : N × D\nparam w : (D + 1)\nlabel y : N\nr = X w[2:D+1] + w[1] − y\nJ = norm(r)^2",
        {"w": "2 [1ᵀ r; Xᵀ r]"},
    ),
    "entries": ("param x : 3\nJ = x[2] x[3] + x[1]^2", {"x": "[2 x[1]; x[3]; x[2]]"}),
    "zeros around": ("param x : n\ninput g : (n + 4)\nJ = gᵀ pad(x, 2)", {"x": "g[3:n+2]"}),
    "a slice of a slice": (
        "param x : (n + 3)\ny = tanh(x)[2:n+2]\nJ = norm(y[2:n])^2",
        {"x": "2 [zeros(2); y[2:n] ∘ (1 − tanh(x[3:n+1]).^2); zeros(2)]"},
    ),
    "a row of blocks": (
        "param a : 1 × n\nparam b : 1 × m\ninput W : (n + m) × k\nh = tanh([a, b] W)\nJ = norm(h)^2",
        {"a": "δ₂[1:n]", "W": "[a, b]ᵀ δ₁"},
    ),
    "a corner": (
        "param A : (n + 2) × (m + 3)\nJ = norm(A[3:n+2,1:m])^2",
        {"A": "[zeros(2, m), zeros(2, 3); 2 A[3:n+2,1:m], zeros(n, 3)]"},
    ),
    "the last rows": ("param A : (n + 2) × m\nJ = norm(A[3:n+2,:])^2", {"A": "[zeros(2, m); 2 A[3:n+2,:]]"}),
}


@pytest.mark.parametrize("name", FORMS)
def test_blocks_and_slices(name: str) -> None:
    text, wanted = FORMS[name]
    derivation = cr.parse(text).derive()
    assert {of: derivation.gradients[of].text for of in wanted} == wanted
    assert derivation.verify().ok
    assert_read_back(derivation, sizes_of(derivation.program))


def test_the_signal_at_joined_gates_is_one_array_of_blocks() -> None:
    derivation = cr.parse(FORMS["an LSTM with one matrix for four gates"][0]).derive()
    assert derivation.signals["Δ₂"].text == (
        "[Δ₁ ∘ i ∘ u ∘ (1 − i), Δ₁ ∘ c0 ∘ f ∘ (1 − f), G ∘ h ∘ (1 − o), Δ₁ ∘ i ∘ (1 − u.^2)]"
    )
    assert derivation.signals["Δ₂"].latex.startswith(r"\begin{bmatrix} \Delta_{1} \circ i \circ u")
    assert "<mtable>" in derivation.signals["Δ₂"].mathml


def test_jacobians_of_parts() -> None:
    net = cr.parse("input x : n\nparam A : k × n\nparam B : m × n\ny = [A x; tanh(B x)]")
    jacobian = net.jacobian("x")
    assert jacobian.text == "[A; B ∘ (1 − tanh(B x).^2)]"
    assert cr.parse("input x : n\ninput y : m\nz = [x; y]").jacobian("y").text == "[zeros(n, m); I]"


@pytest.mark.parametrize(
    ("formula", "rows"),
    [
        ("[A; r]", [[1, 2, 3], [4, 5, 7], [11, 13, 17]]),
        ("[r; r]", [[11, 13, 17], [11, 13, 17]]),
        ("[x, A]", [[19, 1, 2, 3], [23, 4, 5, 7]]),
        ("[x[2]; x; 0]", [23, 19, 23, 0]),
        ("[5, r]", [5, 11, 13, 17]),
        ("(A Aᵀ)[:,2]", [35, 90]),
        ("xᵀ [A, x]", [111, 153, 218, 890]),
        ("2 [A, zeros(2, k + 1)]", [[2, 4, 6, 0, 0], [8, 10, 14, 0, 0]]),
    ],
)  # fmt: skip
def test_blocks_of_rows_columns_and_numbers(formula: str, rows: list[object]) -> None:
    net = cr.parse(f"input A : 2 × 3\ninput r : 1 × 3\ninput x : 2\ninput s : k\nz = {formula}\nJ = sum(z) + sum(s)")
    values = net.evaluate(A=[[1, 2, 3], [4, 5, 7]], r=[[11, 13, 17]], x=[19, 23], s=[1.0])
    np.testing.assert_array_equal(np.squeeze(values["z"]), rows)
    again = cr.parse(str(net))
    assert str(again) == str(net)


@pytest.mark.parametrize("formula", ["[x, x]", "[x[1], x[2]]", "[A; x]", "[A, r]"])
def test_what_says_two_things_or_does_not_fit_is_refused(formula: str) -> None:
    with pytest.raises(DimensionError):
        cr.parse(f"input A : 2 × 3\ninput r : 1 × 3\ninput x : 2\nJ = sum({formula})")


def test_what_may_reach_outside_stays_in_index_notation() -> None:
    gradient = cr.parse("param x : n\nJ = norm(x[2:4])^2").derive().gradients["x"]
    assert gradient.written.node is None  # n may be 3, and then x[4] is 0
