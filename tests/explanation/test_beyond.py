"""Steps of what is beyond gradients: each Jacobian, Hessian and product is told, and each step holds by itself."""

from __future__ import annotations

import contextlib
import random
import re
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.cli import app
from chainrule.errors import ChainruleWarning
from chainrule.explanation.checking import check_steps
from chainrule.explanation.steps import Formula
from chainrule.explanation.told import check_told
from chainrule.outputs.beyond import beyond_html, beyond_json, beyond_latex, beyond_markdown, beyond_text
from random_programs import write_program

ONE_LAYER = Path(__file__).parents[2] / "examples" / "one_layer.net"
LOGISTIC = """
param X : N × D
input w : D
label y : N
const λ : scalar
z = X w
p = sigmoid(z)
J = BCE(y, p) + λ/2 norm(w)^2
"""
ROWS = """
input X : N × D
label Y : N × K, one-hot
param W : D × M
param b : 1 × M
param U : M × K
H = tanh(X W + b)
Θ = H U
J = mean(CE(Y, softmax(Θ)))
"""
ATTENTION = """
input Q : n × d
input K : n × d
input V : n × d
S = Q Kᵀ/sqrt(d)
P = softmax(S)
O = P V
J = sum(O.^2)
"""
LAYER_NORM = "input x : n\nconst g : n\nm = mean(x)\nv = mean((x-m).^2)\ny = g ∘ (x - m)/sqrt(v + 1)\nJ = sum(y.^3)"
SOLVE = "param A : n × n\nparam x : n\nb = inv(A) x\nJ = norm(b)^2 + logdet(Aᵀ A)"
GELU = "param W : k × n\ninput x : n\nlabel y : k\nz = W x\nh = gelu(z)\nJ = MSE(y, h)"

# program, of, wrt
JACOBIANS = [
    ("one layer", "θ", "x"), ("one layer", "θ", "W"), ("one layer", "ŷ", "U"), ("one layer", "J", "x"),
    ("rows", "Θ", "b"), ("rows", "Θ", "W"), ("attention", "O", "Q"), ("layer norm", "y", "x"), ("solve", "b", "x"),
    ("solve", "b", "A"), ("gelu", "h", "W"), ("gelu", "h", "x"),
]  # fmt: skip
HESSIANS = [
    ("one layer", "b1"), ("one layer", "W"), ("one layer", "x"), ("logistic", "w"), ("rows", "b"), ("rows", "U"),
    ("attention", "Q"), ("layer norm", "x"), ("solve", "x"), ("gelu", "x"),
]  # fmt: skip
PROGRAMS = {
    "one layer": ONE_LAYER.read_text(encoding="utf-8"), "logistic": LOGISTIC, "rows": ROWS, "attention": ATTENTION,
    "layer norm": LAYER_NORM, "solve": SOLVE, "gelu": GELU,
}  # fmt: skip


def rules(steps) -> list[tuple[str, str]]:
    return [(s.after, s.rule) for s in steps]


@pytest.mark.parametrize(("name", "of", "wrt"), JACOBIANS)
def test_every_step_of_a_jacobian_holds(name: str, of: str, wrt: str) -> None:
    found = cr.parse(PROGRAMS[name]).jacobian(wrt, of)
    report = found.check_steps()
    assert report.ok, report
    assert report.count
    assert not report.skipped
    assert found.steps[0].rule in ("chain rule", "linear", "2.1") or found.steps[0].identity
    assert found.steps[-1].right.node == found.told[-1].right


@pytest.mark.parametrize(("name", "wrt"), HESSIANS)
def test_every_step_of_a_hessian_holds(name: str, wrt: str) -> None:
    found = cr.parse(PROGRAMS[name]).hessian(wrt)
    report = found.check_steps()
    assert report.ok, report
    assert not report.skipped
    assert found.steps[-1].right.node == found.told[-1].right
    assert len(found.told) > 1  # the gradient comes first


@pytest.mark.parametrize(("name", "wrt"), HESSIANS)
def test_every_step_of_a_product_holds(name: str, wrt: str) -> None:
    net = cr.parse(PROGRAMS[name])
    for found in (net.hessian_product(wrt), net.directional(wrt)):
        report = found.check_steps()
        assert report.ok, report
        assert not report.skipped
        assert found.told[-1].steps[-1].after == found.text


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_too(seed: int) -> None:
    """None crashes, none has a wrong step: Hessians of vectors, products and directional derivatives of matrices."""
    net = cr.parse(write_program(random.Random(seed).randrange))
    names = [
        v.name for v in net.program.variables.values() if v.kind in ("param", "input") and "integer" not in v.facts
    ]
    for name in names[:2]:
        asks = [net.hessian_product, net.directional]
        asks += [net.hessian] if len(net.program.variables[name].dims) < 2 else []
        for ask in asks:
            with contextlib.suppress(cr.ChainruleError), warnings.catch_warnings():  # J does not depend on it
                warnings.simplefilter("ignore", ChainruleWarning)
                found = ask(name)
                assert found.check_steps().wrong is None
                assert beyond_text(found, 2)


def test_names_on_the_way_mean_one_thing() -> None:
    """What a lemma named was taken for what the Hessian had named before."""
    net = cr.parse(
        "input x1 : K\nparam x2 : D\nparam W3 : D × D\nh1 = softmax(outer(x1.^3, W3 @ x2))\nJ = sum(logsumexp(h1))"
    )
    assert net.hessian("x2").check_steps().ok


def test_one_call_writes_every_format() -> None:
    found = cr.load(ONE_LAYER).jacobian("x", "θ")
    assert found.explained() == beyond_text(found, 1)
    assert found.explained(2, "latex") == beyond_latex(found, 2)
    shown = cr.load(ONE_LAYER).hessian_product("W")._repr_mimebundle_()
    assert "dŷ = ŷ ∘ (dθ − dθᵀ ŷ)" in shown["text/plain"]
    assert shown["text/html"].count("comes about") == 10
    with pytest.raises(cr.ChainruleError, match="no format"):
        found.explained(1, "rtf")


def test_a_jacobian_is_derived_as_on_paper() -> None:
    steps = cr.load(ONE_LAYER).jacobian("x", "θ").steps
    assert rules(steps) == [
        ("∂θ/∂h ∂h/∂z ∂z/∂x", "chain rule"),
        ("U ∂h/∂z ∂z/∂x", "2.1"),
        ("U diag(relu′(z)) ∂z/∂x", "2.4"),
        ("(U ∘ relu′(z)ᵀ) ∂z/∂x", "diagonal product"),
        ("(U ∘ sgn(h)ᵀ) ∂z/∂x", "derivative of relu"),
        ("(U ∘ sgn(h)ᵀ) W", "2.1"),
        ("U diag(sgn(h)) W", "multiplied out"),
    ]


def test_the_hessian_of_logistic_regression_is_derived_as_on_paper() -> None:
    steps = rules(cr.parse(LOGISTIC).hessian("w").steps)
    assert steps[0] == ("∂(∂J/∂w)/∂w + ∂(∂J/∂w)/∂δ₁ ∂δ₁/∂p ∂p/∂z ∂z/∂w", "chain rule")
    assert ("λ I + Xᵀ diag(σ′(z)) ∂z/∂w", "2.4") in steps
    assert steps[-1][0] == "Xᵀ diag(p ∘ (1 − p)) X + λ I"


def test_entries_are_summed_over_what_is_between_and_not_over_what_is_differentiated() -> None:
    """The letter of the output's entry is free: ∂θ[i]/∂h[m], and not a sum over all of θ."""
    first = cr.load(ONE_LAYER).jacobian("W", "θ").steps[0]
    assert first.before == "∂θ[i]/∂W[j,k]"
    assert first.after == "sum(n, sum(m, ∂θ[i]/∂h[m] ∂h[m]/∂z[n] ∂z[n]/∂W[j,k]))"


def test_no_letter_means_two_things() -> None:
    """A sum inside of an entry takes none of the letters that stand around it."""
    for step in cr.load(ONE_LAYER).hessian("W").steps:
        free = set(re.findall(r"(?<![\w(])[ijkl](?=[],])", re.sub(r"sum\((\w+), ", "", step.before))) & set("ijkl")
        assert "sum(k" not in step.after or "∂W[k,l]" not in step.after, (free, step)


def test_a_product_with_the_hessian_goes_forwards() -> None:
    found = cr.parse(LOGISTIC).hessian_product("w")
    told = {one.steps[0].before: rules(one.steps) for one in found.told if one.steps}
    assert told["dz"] == [("∂z/∂w dw", "chain rule"), ("X dw", "2.1")]
    assert told["dp"][0] == ("∂p/∂z dz", "chain rule")
    assert told["dp"][1] == ("diag(σ′(z)) dz", "2.4")
    assert told["∂²J/∂w² dw"][-1][0] == "λ dw + (dδ₁ X)ᵀ"


def test_a_wrong_step_is_found() -> None:
    """The check is no formality: a sign, a transposed factor or a missing term in one step fails it."""
    net = cr.load(ONE_LAYER)
    found = net.jacobian("x", "θ")
    one = found.told[-1]
    for k, step in enumerate(one.steps):
        (term,) = step.right.state
        wrong = Formula(step.right.node, (replace(term, value={key: 2 * c for key, c in term.value.items()}),))
        steps = (*one.steps[:k], replace(step, right=wrong), *one.steps[k + 1 :])
        assert check_told([replace(one, steps=steps)]).wrong is steps[k]
    product = net.hessian_product("W").told[-1]
    last = product.steps[-1]
    (push,) = last.right.state
    wrong = Formula(last.right.node, (replace(push, value={k: -c for k, c in push.value.items()}),))
    where = product.where
    report = check_steps(where.forward, where.work, where.of, [replace(last, right=wrong)], 0, where.outer)
    assert report.wrong is not None


def test_a_step_through_sgn_says_that_it_has_no_slope() -> None:
    found = cr.load(ONE_LAYER).hessian_product("W")
    assert any(s.rule == "no slope" and "∂δ₂/∂h = 0" in s.detail for s in found.steps)


def test_what_depends_on_nothing_is_said() -> None:
    found = cr.parse("input x : n\nparam w : n\ny = 2 w").jacobian("x", "y")
    assert found.steps == ()
    assert found.told[-1].reason == "y does not depend on x: it is exactly 0"


def test_through_a_loop_the_equations_are_said() -> None:
    net = cr.parse(
        "input x : T × D\nparam A : H × H\nparam B : H × D\ninput h0 : H\nh[0] = h0\n"
        "h[t] = tanh(A h[t-1] + B x[t]) for t = 1..T\ns = h[T]\nJ = sum(s)"
    )
    found = net.jacobian("h0", "s")
    assert found.told[-1].steps == ()
    assert found.told[-1].reason.startswith("linear in c, so for every one at once: Δ₁[t] = ")
    assert "Δ₁[" in beyond_text(found)
    assert check_told(found.told).ok


@pytest.mark.parametrize("explain", [0, 1, 2, 3])
def test_every_format_says_the_same(explain: int) -> None:
    net = cr.load(ONE_LAYER)
    for value in (net.jacobian("x", "θ"), net.hessian("b1"), net.hessian_product("W"), net.gauss_newton_product("W")):
        told = [one.left for one in value.told]
        text, page = beyond_text(value, explain), beyond_html(value, explain)
        markdown, latex = beyond_markdown(value, explain), beyond_latex(value, explain)
        assert page.count("<article") == len(told)
        for math in re.findall(r"<math.*?</math>", page, re.DOTALL):
            ET.fromstring(math)
        assert ("chain rule" in text) is ("chain rule" in latex) is ("chain rule" in markdown) is (explain > 0)
        assert latex.count(r"\begin{align*}") == latex.count(r"\end{align*}") >= len(told)
        assert ("Proof of" in text) is (explain == 3)
        assert sum(len(f["steps"]) for f in beyond_json(value)["formulas"]) == sum(len(t.steps) for t in value.told)
        assert "<script" not in page


def test_the_commands() -> None:
    runner = CliRunner()

    def run(*arguments: str) -> str:
        done = runner.invoke(app, [*arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    net = str(ONE_LAYER)
    assert "each of 7 steps checked" in run("jacobian", net, "--of", "θ", "--wrt", "x", "--explain", "1")
    assert "∂(∂J/∂b1)/∂h" in run("jacobian", net, "--hessian", "--wrt", "b1", "--explain", "2")
    assert r"\documentclass" in run(
        "jacobian", net, "--of", "θ", "--wrt", "x", "--format", "latex", "--document", "--explain", "3"
    )
    assert "∂²J/∂W² dW = dδ₂ᵀ xᵀ" in run("curvature", "hessian-product", net, "--wrt", "W")
    assert "dθ" in run("curvature", "directional", net, "--wrt", "x,W", "--of", "θ", "--explain", "1")
    kinds = "gauss-newton gauss-newton-product fisher fisher-product sample-gradients sample-norms"
    for kind in kinds.split():
        assert "W" in run("curvature", kind, net, "--wrt", "W", "--explain", "1")
    assert "K-FAC" in run("curvature", "kronecker-factors", net, "--wrt", "W", "--format", "markdown")
    assert "def " in run("curvature", "hessian-product", net, "--wrt", "W", "--target", "numpy")
    wrong = runner.invoke(app, ["curvature", "sample-norms", net, "--wrt", "W", "--of", "θ"])
    assert isinstance(wrong.exception, cr.ChainruleError)
