"""Derivations as data: the note's own, every example's, and that each step holds by itself."""

from __future__ import annotations

import random
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.derivation import Derivation
from chainrule.errors import ChainruleError, ChainruleWarning
from chainrule.explanation.checking import check_steps
from chainrule.explanation.steps import Formula, State, Step
from random_programs import write_program

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.net"))
ONE_LAYER = Path(__file__).parents[2] / "examples" / "one_layer.net"

MORE = {
    "tied weights": "param W : n × n\ninput x : n\nh = tanh(W x)\nk = W h\nJ = norm(k)^2 / 2",
    "residual": "param W : n × n\ninput x : n\nh = x + relu(W x)\nk = h + sigmoid(W h)\nJ = sum(k)",
    "regularised": """
input X : N × D
label Y : N × K, one-hot
param W : D × K
const λ : scalar
Θ = X W
J = mean(CE(Y, softmax(Θ))) + λ/2 norm(W)^2""",
    "logistic": "param X : N × D\ninput w : D\nlabel y : N\np = sigmoid(X w)\nJ = BCE(y, p)",
    "squared error": "param W : k × n\ninput x : n\nlabel y : k\np = W x\nJ = MSE(y, p)",
    "unknown functions": "function f : scalar -> scalar\nparam W : k × n\ninput x : n\nz = W x\nJ = sum(f(z))",
    "unknown vector functions": "function f : n -> k\nfunction g : k -> 2\ninput x : n\nJ = sum(g(f(x)))",
    "quadratic": "input x : n\nconst A : n × n\nJ = xᵀ A x",
    "three indices": "param A : n × m\nparam B : m × k\nS[i,j,l] = A[i,j] B[j,l]\nJ = sum(S.^2)",
    "own definition": "def swish(u) = u ∘ sigmoid(u)\nparam W : k × n\ninput x : n\nz = W x\nJ = sum(swish(z))",
    "in one line": "param W : k × n\ninput x : n\nlabel y : k, one-hot\nJ = CE(y, softmax(W relu(x)))",
    "row network": "param W : n × k\ninput x : 1 × n\nlabel y : 1 × k, one-hot\nJ = CE(y, softmax(x W))",
    "nothing known of y": "input θ : n\nlabel y : n\nŷ = softmax(θ)\nJ = CE(y, ŷ)",
}  # fmt: skip


def networks() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in EXAMPLES} | MORE


def chain(steps: tuple[Step, ...]) -> list[tuple[str, str]]:
    return [(s.after, s.rule) for s in steps]


def formulas(derivation: Derivation) -> list:
    return [*derivation.signals.values(), *derivation.gradients.values()]


def test_the_second_signal_is_derived_as_on_paper() -> None:
    """G2, step for step."""
    signal = cr.load(ONE_LAYER).derive().signals["δ₂"]
    assert signal.steps[0].before == "∂J/∂z"
    assert chain(signal.steps) == [
        ("∂J/∂θ ∂θ/∂h ∂h/∂z", "chain rule"),
        ("δ₁ ∂θ/∂h ∂h/∂z", "δ₁ is known"),
        ("δ₁ U ∂h/∂z", "2.1"),
        ("δ₁ U diag(relu′(z))", "2.4"),
        ("δ₁ U ∘ relu′(z)ᵀ", "diagonal product"),
        ("δ₁ U ∘ sgn(h)ᵀ", "derivative of relu"),
    ]
    assert signal.steps[-1].detail == "relu′(z) = sgn(h); relu′(0) is taken as 0"
    assert signal.steps[-1].conditions == ("relu′(0) is taken as 0",)
    assert signal.steps[-1].right.sizes == "(1×N_c)(N_c×D_h) ∘ (1×D_h)"
    assert signal.steps[2].bindings == {"W": "U", "x": "h", "z": "θ"}


def test_softmax_and_cross_entropy_collapse_at_level_2() -> None:
    signal = cr.load(ONE_LAYER).derive().signals["δ₁"]
    assert chain(signal.steps) == [("∂J/∂ŷ ∂ŷ/∂θ", "chain rule"), ("(ŷ − y)ᵀ", "2.7")]
    fine = signal.steps[1].within
    assert [rule for _, rule in chain(fine)] == [
        "2.7 (cross-entropy)", "2.7 (softmax)", "multiplied out", "constant sum",
    ]  # fmt: skip
    assert fine[-2].after == "((1ᵀ y) ŷ − y)ᵀ"
    assert signal.steps[1].conditions == ("y is one-hot: the entries of y sum to 1",)


def test_a_label_without_facts_keeps_its_sum() -> None:
    steps = cr.parse(MORE["nothing known of y"]).derive("θ").gradients["θ"].steps
    assert "2.7 (any y)" in [s.rule for s in steps]
    assert all(not s.conditions for s in steps)


@pytest.mark.parametrize("name", ["one_layer", "one_layer_rows"])
def test_every_gradient_of_the_notes_networks_cites_identities(name: str) -> None:
    derivation = cr.parse(networks()[name]).derive()
    for gradient in derivation.gradients.values():
        assert any(s.identity for s in gradient.steps), gradient
        assert gradient.steps[0].rule == "chain rule"


@pytest.mark.parametrize("name", networks())
def test_each_step_holds_by_itself(name: str) -> None:
    derivation = cr.parse(networks()[name]).derive()
    report = derivation.check_steps()
    assert report.ok, report
    assert report.count >= len(derivation.gradients)
    assert report.max_relative_error < 1e-6


@pytest.mark.parametrize("name", networks())
def test_steps_follow_on_one_another_and_end_in_the_formula(name: str) -> None:
    for formula in formulas(cr.parse(networks()[name]).derive()):
        steps = formula.steps
        assert steps
        for before, after in pairwise(steps):
            assert before.right.node == after.left.node or after.rule == "chain rule"
        for step in steps:
            if step.within:
                assert (step.within[0].before, step.within[-1].after) == (step.before, step.after)
        assert steps[-1].after == formula.text


def broken(step: Step) -> Step:
    """The same step with twice its right side."""
    state: State = tuple(
        replace(t, value={k: 2 * v for k, v in t.value.items()}) for t in step.right.state if t.value is not None
    )
    return replace(step, right=Formula(step.right.node, state))


@pytest.mark.parametrize("name", ["one_layer", "layer_norm", "tied weights"])
def test_a_wrong_step_is_found_wherever_it_stands(name: str) -> None:
    """Also between right ones, so that the result is right: it cannot hide."""
    derivation = cr.parse(networks()[name]).derive()
    steps = [s for f in formulas(derivation) for s in f.steps]
    tried = 0
    for position, step in enumerate(steps):
        if not all(t.value for t in step.right.state):
            continue
        wrong = broken(step)
        mutated = [*steps[:position], wrong, *steps[position + 1 :]]
        report = check_steps(derivation.network.program, derivation.explainer.work, derivation.loss, mutated)
        assert report.wrong is wrong, (step.before, step.after)
        assert not report.ok
        tried += 1
    assert tried >= 6


def check_random(seed: int) -> int:
    source = random.Random(seed)
    try:
        derivation = cr.parse(write_program(source.randrange)).derive()
    except ChainruleError:
        return 0
    report = derivation.check_steps()
    assert report.wrong is None, (seed, str(report))
    for formula in formulas(derivation):
        if formula.steps and formula.of not in derivation.backward.zero:
            assert formula.steps[-1].after == formula.text, seed
    return report.count


def test_steps_of_random_programs_hold() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        assert sum(check_random(seed) for seed in range(120)) > 1000


def test_steps_without_a_number_warn_of_nothing() -> None:
    """NumPy's warning of a slice that is all NaN came through."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ChainruleWarning)
        assert check_random(10_317) > 0


@pytest.mark.long
def test_steps_of_many_random_programs_hold() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        assert sum(check_random(seed) for seed in range(10_000, 12_000)) > 20_000


def test_deep_networks_are_explained_in_linear_time() -> None:
    """One derivation a layer, none longer than in a shallow network."""

    def steps_of(depth: int) -> list[int]:
        lines = ["input x : n", *(f"param W{k} : n × n" for k in range(depth)), "h0 = x"]
        lines += [f"h{k + 1} = h{k} + tanh(W{k} h{k})" for k in range(depth)]
        derivation = cr.parse("\n".join([*lines, f"J = sum(h{depth})"])).derive()
        return sorted(len(f.steps) for f in formulas(derivation))

    assert steps_of(12)[-1] == steps_of(4)[-1]


@pytest.mark.parametrize(
    ("network", "name", "said"),
    [
        ("one_layer", "W", ["row i is δ₂'s, a row, so δ₂ᵀ", "column j is x's, a column, so xᵀ"]),
        ("one_layer", "U", ["in numerator layout it is the transpose, h δ₁"]),
        ("one_layer", "b1", ["in numerator layout it is the row δ₂"]),
        ("one_layer_rows", "b1", ["the sum over k = 1..N is there because b1 is used for each of them"]),
        ("one_layer_rows", "W", ["row i runs over X's columns, so Xᵀ", "k = 1..N joins Δ₂ (rows) and X (rows)"]),
        ("tied weights", "W", ["W is used in k and (W x): one term for each use, summed"]),
    ],
)
def test_why_this_transpose(network: str, name: str, said: list[str]) -> None:
    reason = cr.parse(networks()[network]).derive(name).gradients[name].reason
    for words in said:
        assert words in reason
    assert "\n" not in reason


def test_the_heading_calls_an_unnamed_place_as_the_steps_do() -> None:
    text = "input X : T × D\nparam W : D × F\nparam V : F × D\nR = X + gelu(X W) V\nJ = MSE(X, R)"
    told = cr.parse(text).derive().text(1)
    assert "= ∂J/∂gelu(Z) = " in told
    assert "gelu(Z) reaches J through" in told
    assert "normal_cdf(Z)) reaches" not in told


def test_a_loss_that_holds_the_name_itself_says_which_derivative_is_its_own() -> None:
    """∂J/∂X = ∂J/∂X + … would say that the rest is 0."""
    text = "input X : T × D\nparam W : D × D\nR = tanh(X W)\nJ = MSE(X, R)"
    steps = cr.parse(text).derive().gradients["X"].steps
    (chain,) = [s for s in steps if s.rule == "chain rule"]
    assert "∂J/∂X among them is by the equation of J alone" in chain.detail
