"""Functions over a letter, ranges that are said, entries of formulas, and blocks: read, evaluated, printed again."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DimensionError, LanguageError
from chainrule.language.parser import parse_expression
from chainrule.language.printer import print_expression
from chainrule.language.scope import known_functions

RNG = np.random.default_rng(0)
A, B, C = (RNG.standard_normal(s) for s in ((3, 5), (3, 7), (2, 5)))
S = RNG.standard_normal((3, 3)) + 4 * np.eye(3)
X = RNG.standard_normal((3, 5, 2))

VALUES = {
    "Y[i] = max(k, A[i,k])": ("Y", A.max(1)),
    "Y[k] = min(i, A[i,k])": ("Y", A.min(0)),
    "Y[i] = prod(k, A[i,k])": ("Y", A.prod(1)),
    "Y[i,k] = ismax(l = k, A[i,l])": ("Y", (A.max(1, keepdims=True) == A).astype(float)),
    "Y[i] = max(k = 1..2, A[i,k+1])": ("Y", A[:, 1:3].max(1)),
    "Y[i] = mean(k = 1..3, A[i,k+1])": ("Y", A[:, 1:4].mean(1)),
    "Y[j,i] = inv(S)[i,j]": ("Y", np.linalg.inv(S).T),
    "Y[i,j] = (A Cᵀ)[i,j] + A[i,1]": ("Y", A @ C.T + A[:, :1]),
    "Y[i,j] = max(k, X[i,k,j]^2)": ("Y", (X**2).max(1)),
    "Y = [A, B]": ("Y", np.hstack([A, B])),
    "Y = [A; C]": ("Y", np.vstack([A, C])),
    "Y = [A, B; 2 A, −B]": ("Y", np.block([[A, B], [2 * A, -B]])),
    "Y = ([A; C])ᵀ": ("Y", np.vstack([A, C]).T),
}
DECLARED = """param A : n × m
param B : n × k
param C : p × m
param S : n × n
param X : n × m × p
"""


@pytest.mark.parametrize("line", VALUES)
def test_values(line: str) -> None:
    name, wanted = VALUES[line]
    net = cr.parse(f"{DECLARED}{line}\nJ = sum({name})")
    np.testing.assert_allclose(net.evaluate(A=A, B=B, C=C, S=S, X=X)[name], wanted, rtol=1e-12)
    assert str(cr.parse(str(net))) == str(net)


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChainruleWarning")
@pytest.mark.parametrize("line", [v for v in VALUES if "ismax" not in v])
def test_gradients_hold(line: str) -> None:
    report = cr.parse(f"{DECLARED}{line}\nJ = sum(tanh({VALUES[line][0]}))").derive().verify()
    assert report.ok, report


TEXTS = {
    "sum(k=1..3,A[i,k])": "sum(k = 1..3, A[i,k])",
    "ismax(l=k, A[i,l])": "ismax(l = k, A[i,l])",
    "max(a, b)": "max(a, b)",
    "inv(S)[i,j]": "inv(S)[i,j]",
    "(A B)[i,j+1]": "(A B)[i,j+1]",
    "[A,B;C,D]": "[A, B; C, D]",
    "([A, B])'": "[A, B]ᵀ",
    "W ([A, B])": "W ([A, B])",
    "W1 ([A, B].^2)": "W1 ([A, B].^2)",
    "Wᵀ ([A, B])": "Wᵀ [A, B]",
    "10 ([A, B])": "10 [A, B]",
    "1 ([A, B])": "1 ([A, B])",
    "W.^2 ([A, B])": "W.^2 [A, B]",
    "W.^1 ([A, B])": "W.^1 ([A, B])",
    "W ([x; h])": "W [x; h]",
    "W ([x; h])ᵀ": "W [x; h]ᵀ",
    "W1 ([x; h]) + ([x; h])": "W1 [x; h] + [x; h]",
    "[A, B] x": "[A, B] x",
    "[a + b, c] ∘ d": "[a + b, c] ∘ d",
}


@pytest.mark.parametrize("text", TEXTS)
def test_text(text: str) -> None:
    node = parse_expression(text, functions=known_functions())
    assert print_expression(node) == TEXTS[text]
    assert parse_expression(TEXTS[text], functions=known_functions()) == node


def test_two_names_are_a_maximum_of_two() -> None:
    """max(l, x[i,l]) goes over l only where l is no name."""
    net = cr.parse("param l : n\nparam x : n × n\ny = max(l, diag(x))\nJ = sum(y)")
    x = RNG.standard_normal((4, 4))
    np.testing.assert_allclose(net.evaluate(l=np.zeros(4), x=x)["y"], np.maximum(0, np.diag(x)))


REFUSED = {
    "Y[i] = sum(k = 2..4, A[i,k])": (LanguageError, "runs from 1"),
    "Y[i] = sum(k = 1..9, A[i,k])": (DimensionError, "sizes do not agree"),
    "Y = [A, C]": (DimensionError, "cannot be joined"),
    "Y = [A]": (LanguageError, "say nothing"),
    "x = [1, 2]": (DimensionError, "matrices or rows"),
    "Y[i] = inv(S)[i]": (DimensionError, "2 indices"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str) -> None:
    kind, said = REFUSED[line]
    with pytest.raises(kind, match=said):
        cr.parse(f"{DECLARED}{line}\nJ = 1 sum(A)")


def test_they_are_renamed_and_shown_in_latex() -> None:
    net = cr.parse(f"{DECLARED}D = [A, B]\nE[i] = max(k, A[i,k]) + inv(S)[i,1]\nJ = sum(D) + sum(E)")
    renamed = str(net.rename({"A": "P", "S": "T"}))
    assert "[P, B]" in renamed
    assert "max(k, P[i,k]) + inv(T)[i,1]" in renamed
    latex = {e.name: e.latex for e in net.equations}
    assert r"\begin{bmatrix} A & B \end{bmatrix}" in latex["D"]
    assert r"\max_{k} A_{ik}" in latex["E"]
