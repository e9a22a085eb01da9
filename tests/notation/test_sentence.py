"""Sentences with formulas: one text, and mathematics where the output knows it."""

import re

import pytest

import chainrule as cr
from chainrule.explanation.stated import answer_node, equation_nodes, statement
from chainrule.notation import phrases, tree
from chainrule.notation.latex import to_latex
from chainrule.notation.prose import sentence_to_latex, sentence_to_math, wrapped
from chainrule.notation.sentence import Sentence, joined, say, sentence_to_html
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node, at, partial, sym

DH = phrases.run_over("k", "D_h")


def test_a_sentence_is_its_text_and_knows_its_formulas() -> None:
    said = say("the sum over ", DH, " joins ", joined(" and ", [sym("W"), say(sym("delta2"), " (rows)")]))
    assert said == "the sum over k = 1..D_h joins W and δ₂ (rows)"
    assert [p for p in said.parts if isinstance(p, str)] == ["the sum over ", " joins ", " and ", " (rows)"]
    assert sentence_to_latex(said) == (
        r"the sum over $k = 1, \dots, D_{h}$ joins $W$ and $\delta_{2}$ (rows)"
    )  # fmt: skip
    html = sentence_to_html(said)
    assert re.sub(r"<[^>]*>", "", html) == "the sum over k=1,…,Dh joins W and δ2 (rows)"
    assert html.count("<math>") == 3


def test_plain_words_are_escaped_and_formulas_are_not_guessed() -> None:
    said = say("a < b & D_h is a word, ", sym("D_h"), " a name")
    assert sentence_to_html(said).startswith("a &lt; b &amp; D_h is a word, <math>")
    assert sentence_to_html("x < y") == "x &lt; y"


def test_fractions_are_on_one_level_in_a_sentence() -> None:
    node = tree.product([tree.divide(tree.num(1), sym("N")), partial(sym("J"), at("z", "i"))])
    assert sentence_to_latex(say(node)) == r"$\left(1/N\right) \left(\partial J/\partial z_{i}\right)$"
    assert r"\frac{1}{N}" in to_latex(node)  # elsewhere it has fraction lines


def test_a_fraction_line_has_no_other_above_it() -> None:
    inner = tree.divide(sym("a"), sym("D"))
    assert to_latex(tree.divide(Node("sum", (sym("b"), inner), (1, -1)), sym("s"))) == r"\frac{b - a/D}{s}"
    quotient = tree.quotient(sym("u", "n", 1), sym("v", "n", 1))
    assert to_latex(tree.divide(quotient, sym("n"))) == r"\frac{1}{n} \frac{u}{v}"


def test_a_note_is_broken_between_its_words_only() -> None:
    said = say("2.1 (", tree.equal(sym("z"), tree.product([sym("W"), sym("x")])), " gives ", sym("W"), ") and so on")
    lines = wrapped(said, 14)
    assert lines == ["2.1 (z = W x", "gives W) and", "so on"]
    assert sentence_to_math(lines[0]) == r"\text{2.1 (}z = W x"
    assert wrapped(said, 3)[1] == "(z = W x"  # what is longer than a line has a line


@pytest.mark.parametrize("name", cr.identities())
def test_an_identity_reads_as_it_is_written(name: str) -> None:
    identity = cr.identities()[name].identity
    assert [to_text(node) for node in equation_nodes(identity)] == list(cr.identities()[name].equations)
    for layout, text in cr.identities()[name].statement.items():
        assert to_text(answer_node(identity, layout)) == text
    if getattr(identity, "shape" if identity.upstream else "numerator"):
        assert isinstance(statement(identity), Sentence)
        assert "data-name" not in sentence_to_html(statement(identity))  # its letters are not the program's


def test_what_was_guessed_before() -> None:
    rows = cr.load("examples/one_layer_rows.net").derive()
    reason = rows.gradients["W"].reason
    assert reason.startswith("∂J/∂W[i,j] = sum(k, Δ₂[k,j] X[k,i])")
    assert sentence_to_latex(reason).startswith(
        r"$\partial J/\partial W_{ij} = \sum_{k} \Delta_{2,kj} X_{ki}$: row $i$ runs over $X$'s columns, so $X^\top$;"
    )
    steps = rows.signals["Δ₁"].steps
    assert steps[1].after == "(1/N) ones(N)ᵀ ∂CE(Y, Ŷ)/∂Ŷ ∂Ŷ/∂Θ"  # not (1ᵀ ∂CE/∂Ŷ): that is no matrix
    assert "1[ = ]" not in rows.text(3)
    assert "D_h" not in re.sub(r'<[^>]*>|"[^"]*"', "", rows.html(3).split("Error signals")[2].split("<script")[0])


def test_the_slope_of_sigmoid_is_written_with_its_letter() -> None:
    derivation = cr.parse("input z : n\nparam w : n\np = sigmoid(z ∘ w)\nJ = sum(p.^2)").derive()
    text = derivation.text(2)
    assert "sigmoid′" not in text
    assert "σ′(z ∘ w)" in text
    assert "sigmoid'" not in derivation.latex(2)


def test_a_long_chain_may_be_broken_over_pages() -> None:
    latex = cr.load("examples/layer_norm.net").derive().latex(3, document=True)
    chain = max(latex.split(r"\begin{align*}"), key=len)
    assert len(re.findall(r"\\\\\n", chain)) > 12
    short = cr.load("examples/one_layer.net").derive().latex(1, document=True)
    assert not re.search(r"\\\\\n   &", short)
