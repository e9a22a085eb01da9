"""Index notation is one tree: text that can be read back, LaTeX and MathML say the same."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

import chainrule as cr
from chainrule.catalogue import CatalogueEntry, catalogue
from chainrule.notation import tree
from chainrule.notation.index import index_node, letters_for
from chainrule.notation.latex import entry_to_latex, to_latex
from chainrule.notation.mathml import to_mathml
from chainrule.notation.phrases import group
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node, at, iverson, partial, sigma, sym

WKL_WIJ = partial(at("W", "kl"), at("W", "ij"))
JACOBIAN = partial(sym("θ"), sym("h"), "N_c", "D_h")

FORMULAS: dict[str, tuple[Node, str, str]] = {
    "the note's proof of 2.5": (
        sigma("l", tree.product([at("x", "l"), WKL_WIJ])),
        "sum(l, x[l] ∂W[k,l]/∂W[i,j])",
        r"\sum_{l} x_{l} \frac{\partial W_{kl}}{\partial W_{ij}}",
    ),
    "a delta": (
        tree.product([iverson("k", "i"), at("x", "j")]),
        "1[k = i] x[j]",
        r"\mathbf{1}[k = i] x_{j}",
    ),
    "a number before a delta": (
        tree.product([tree.num(2), iverson("k", "i")]),
        "2 · 1[k = i]",
        r"2 \mathbf{1}[k = i]",
    ),
    "the chain rule": (
        tree.product([sym("δ₁", 1, "N_c"), JACOBIAN, partial(sym("h"), sym("z"), "D_h", "D_h")]),
        "δ₁ ∂θ/∂h ∂h/∂z",
        r"\delta_{1} \frac{\partial \theta}{\partial h} \, \frac{\partial h}{\partial z}",
    ),
    "the transpose of a Jacobian": (
        tree.transpose(JACOBIAN),
        "(∂θ/∂h)ᵀ",
        r"\left(\frac{\partial \theta}{\partial h}\right)^\top",
    ),
    "a power of a derivative": (
        tree.power(partial(sym("J"), sym("a")), 2),
        "(∂J/∂a)^2",
        r"\left(\frac{\partial J}{\partial a}\right)^{2}",
    ),
    "a sum in a product is held together": (
        tree.product([sigma("k", at("a", "k")), at("x", "j")]),
        "sum(k, a[k]) x[j]",
        r"\left(\sum_{k} a_{k}\right) x_{j}",
    ),
    "a sum at the end of a product reaches no further": (
        tree.product([at("x", "j"), sigma("k", at("a", "k"))]),
        "x[j] sum(k, a[k])",
        r"x_{j} \sum_{k} a_{k}",
    ),
    "a sum of sums": (
        tree.sum_of([(1, sigma("k", at("a", "k"))), (-1, at("b", "i"))]),
        "sum(k, a[k]) − b[i]",
        r"\sum_{k} a_{k} - b_{i}",
    ),
    "a sum over a sum": (
        sigma("k", tree.sum_of([(1, at("a", "k")), (1, at("b", "k"))])),
        "sum(k, a[k] + b[k])",
        r"\sum_{k} \left(a_{k} + b_{k}\right)",
    ),
    "brackets that only text has": (
        tree.product([group(tree.divide(tree.num(1), sym("n"))), at("x", "i")]),
        "(1/n) x[i]",
        r"\frac{1}{n} x_{i}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_text_and_latex(name: str) -> None:
    node, text, latex = FORMULAS[name]
    assert to_text(node) == text
    assert to_latex(node) == latex


@pytest.mark.parametrize("name", FORMULAS)
def test_mathml_is_well_formed_and_names_the_same_things(name: str) -> None:
    node, text, _ = FORMULAS[name]
    root = ET.fromstring(to_mathml(node))
    shown = "".join(root.itertext())
    names = {c for c in text.replace("sum(", "") if c.isalpha() and c != "ᵀ"} - {"₁"}
    assert names <= set(shown)
    for fraction in root.iter("mfrac"):
        assert len(fraction) == 2
    for script in (*root.iter("msub"), *root.iter("msup"), *root.iter("munder")):
        assert len(script) == 2


def test_entries_join_letters_where_that_is_clear() -> None:
    assert entry_to_latex("W", "ij") == "W_{ij}"
    assert entry_to_latex("W", ["i", "k1"]) == "W_{i,k_{1}}"
    assert entry_to_latex("f", ["1", "2"]) == "f_{1,2}"
    assert entry_to_latex("θ_out", "i") == r"\theta_{\mathrm{out},i}"
    assert entry_to_latex("y_hat", ["n", "k"]) == r"\hat{y}_{nk}"


ATTENTION_HEADS = """
param A : B × H × N × N
input V : B × H × N × D
O[b,h,i,d] = sum(j, A[b,h,i,j] V[b,h,j,d])
J = sum(O)
"""


def test_a_formula_without_a_matrix_form_is_latex_and_mathml_too() -> None:
    gradient = cr.parse(ATTENTION_HEADS).derive().gradients["V"]
    assert gradient.written.node is None
    assert r"\text" not in gradient.latex
    assert r"\sum_{" in gradient.latex
    assert "mtext" not in gradient.mathml
    ET.fromstring(gradient.mathml)


def test_the_tree_of_an_unknown_functions_jacobian() -> None:
    net = cr.parse("function f : scalar -> 2\nfunction g : 2 -> 2\ninput x : scalar\nv = g(f(x))")
    found = net.jacobian("x", "v")
    letters = letters_for(1, {"x"})
    node = index_node(found.program, found.expression, found.program.variables[found.name].indices, letters)
    assert to_text(node) == "sum(k, (∂g[i]/∂f[k]) (∂f[k]/∂x))"
    assert to_latex(node) == (r"\sum_{k} \frac{\partial g_{i}}{\partial f_{k}} \frac{\partial f_{k}}{\partial x}")


ALONG_AXES = {
    "J = sum(max(x, over=last).^2)": "2 max(l, x[i,j,l]) ismax(l = k, x[i,j,l])",
    "J = sum(prod(x, over=last).^2)": "2 prod(l, x[i,j,l]) prod_others(l = k, x[i,j,l])",
    "J = sum(max_pool1d(x, 2, 2).^2)": (
        "2 sum(l, sum(m = 1..2, 1[k = m+2l-2] max(n = 1..2, x[i,j,n+2l−2]) ismax(n = m, x[i,j,n+2l−2])))"
    ),
}


@pytest.mark.parametrize("loss", ALONG_AXES)
def test_what_goes_along_an_axis_is_written_with_its_letter(loss: str) -> None:
    """It was %1[i,j], a name of ours that says nothing."""
    gradient = cr.parse(f"param x : B × C × L\n{loss}").derive().gradients["x"]
    assert gradient.text == ALONG_AXES[loss]
    assert r"\operatorname{ismax}" in gradient.latex or "prod" in gradient.latex
    assert "%" not in gradient.latex + gradient.mathml


def test_an_entry_of_an_operation_says_of_which() -> None:
    net = cr.parse("param A : n × n\nL = cholesky(A Aᵀ + eye(n))\nJ = sum(L[1,:])")
    gradient = net.derive().gradients["A"]
    assert "inv(L)[k,i]" in gradient.text
    assert "(1[k ≤ l] − (1/2) 1[k = l])" in gradient.text  # the lower triangle, half of its diagonal
    assert "%" not in gradient.text + gradient.latex + gradient.mathml


def test_half_the_log_determinant_needs_no_entry_of_a_factor() -> None:
    """Σₖ L⁻¹[k,i] L⁻¹[k,j] is an entry of inv(A)."""
    net = cr.parse("param A : n × n\nL = cholesky(A Aᵀ + eye(n))\nJ = 2 sum(log(diag(L)))")
    assert net.derive().gradients["A"].text == "2 inv(A Aᵀ + I) A"


@pytest.mark.parametrize("entry", catalogue(), ids=lambda e: e.entry.name)
def test_no_formula_of_the_library_shows_a_name_of_ours(entry: CatalogueEntry) -> None:
    shown = [*entry.derivation.signals.values(), *entry.derivation.gradients.values()]
    assert shown
    for formula in shown:
        assert "%" not in formula.text + formula.latex + formula.mathml
