"""Renaming: every output under the user's own names, the same numbers, and back again to the same text."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.cli import app
from chainrule.derivation import Derivation
from chainrule.dims import canonical_name, display_name
from chainrule.network import Network
from networks import mlp, residual

EXAMPLES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(Path("examples").glob("*.net"))}
OTHERS = {
    "mlp": mlp(3),
    "residual": residual(2),
    "indices": "input A : m × n\nparam B : n × p\nS[i,j] = sum(k, A[i,k] B[k,j])\nJ = sum(S.^2)",
    "tensor": "param A : D × K × M\ninput B : K × M\nS[i,j,k] = A[i,j,k] B[j,k]\nJ = sum(tanh(S))",
    "definition": "def swish(u) = u ∘ sigmoid(u)\ninput u1 : n\nparam v : n\nz = u1 ∘ v\nJ = sum(swish(z))",
    "unknown": "function f : scalar -> scalar\nfunction g : n -> scalar\nparam w : n\nz = f(w)\nJ = g(z)",
    "repeated": "input X : N × D\nparam b : 1 × D\nparam c : N\nZ = X + b\nV = Z ∘ c\nJ = mean(V.^2)",
    "sizes": "input X : N × D\nparam w : D\nz = X w\nJ = sum(z.^2)/N + 1/2 norm(w)^2",
    "over": "input X : N × D\nparam w : D\ns = sum(X ∘ wᵀ, over=D)\nJ = sum(s.^2)",
}
NETWORKS = EXAMPLES | OTHERS


def sizes_of(net: Network) -> list[str]:
    return list(dict.fromkeys(d for shape in net.dims.values() for d in shape if isinstance(d, str)))


def named(derivation: Derivation, marker: str, seed: int = 0) -> dict[str, str]:
    """A new name, which holds `marker`, for everything: signals, variables, sizes; their alphabetical order is lost."""
    old = [*derivation.backward.signals, *derivation.network.dims, *sizes_of(derivation.network)]
    letters = [a + b for a in "abcdefg" for b in "hijklm"]
    random.Random(seed).shuffle(letters)
    return {name: f"{marker}{letters[k]}" for k, name in enumerate(old)}


def outputs(derivation: Derivation) -> dict[str, str]:
    """Everything that can be written of a derivation."""
    report = derivation.verify()
    assert report.ok
    code = {}
    if not derivation.network.program.functions:  # what is unknown has no code
        code = {"code": derivation.compile("numpy").source, "plain": derivation.compile("numpy", plain=True).source}
    return {
        **{f"text {level} {layout}": derivation.text(level, layout)
           for level in range(4) for layout in ("both", "shape", "numerator")},
        "latex": derivation.latex(3), "document": derivation.latex(3, document=True),
        "markdown": derivation.markdown(3), "html": derivation.html(3, report=report),
        "json": json.dumps(derivation.to_json(report), ensure_ascii=False), "picture": derivation.picture(),
        **code,
        "program": str(derivation.network), "report": str(report), "steps": str(derivation.check_steps()),
        "mathml": "".join(g.mathml for g in (*derivation.signals.values(), *derivation.gradients.values())),
        "repr": repr([*derivation.signals.values(), *derivation.gradients.values(), derivation.network]),
    }  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_no_old_name_is_left_in_any_output(name: str) -> None:
    first = cr.parse(NETWORKS[name]).derive()
    first = first.rename(named(first, "Qzv"))
    second = first.rename(named(first, "Jkw", 1))
    assert all("Qzv" in text for form, text in outputs(first).items() if form != "steps")
    for form, text in outputs(second).items():
        assert "Qzv" not in text, form
    told = second.text(1) + str(second.network)
    assert all(new in told for new in named(first, "Jkw", 1).values())


@pytest.mark.parametrize("name", NETWORKS)
def test_and_back_gives_the_same_text(name: str) -> None:
    before = cr.parse(NETWORKS[name]).derive()
    names = named(before, "Qzv")
    after = before.rename(names).rename({new: old for old, new in names.items()})
    assert outputs(after) == outputs(before)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(4))
def test_a_formula_keeps_its_order(name: str, seed: int) -> None:
    before = cr.parse(NETWORKS[name]).derive()
    names = named(before, "Qzv", seed)
    old = {new: display_name(o) for o, new in names.items()}
    text = re.sub(r"Qzv\w\w", lambda match: old[match.group()], before.rename(names).text(3))
    assert squeezed(text) == squeezed(before.text(3))


def squeezed(text: str) -> list[str]:
    """Lines without their indents: columns are as wide as the names are."""
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("name", [*EXAMPLES, "mlp", "definition", "repeated", "indices"])
def test_the_renamed_program_is_the_one_that_its_text_describes(name: str) -> None:
    net = cr.parse(NETWORKS[name])
    renamed = net.rename({n: f"Qzv{k}a" for k, n in enumerate([*net.dims, *sizes_of(net)])})
    assert renamed.derive().text(3) == cr.parse(str(renamed)).derive().text(3)
    assert renamed.repeats == cr.parse(str(renamed)).repeats


def random_arrays(net: Network) -> dict[str, np.ndarray]:
    primes = dict(zip(sizes_of(net), (3, 5, 7, 11, 13, 17, 19), strict=False))
    rng = np.random.default_rng(2)
    shapes = {n: [d if isinstance(d, int) else primes[d] for d in item.shape] for n, item in net.declarations.items()}
    arrays = {n: rng.standard_normal(shape) for n, shape in shapes.items()}
    hot = [n for n, item in net.declarations.items() if "one-hot" in item.facts]
    return arrays | {n: np.eye(arrays[n].shape[-1])[rng.integers(0, 3, arrays[n].shape[:-1])] for n in hot}


@pytest.mark.parametrize("name", [n for n in NETWORKS if n not in ("unknown", "tensor")])
def test_the_compiled_step_has_the_new_names_and_gives_the_same_numbers(name: str) -> None:
    before = cr.parse(NETWORKS[name]).derive()
    names = named(before, "Qzv", 3)
    after = before.rename(names)
    arrays = random_arrays(before.network)
    loss, gradients = before.compile("numpy")(**arrays)
    step = after.compile("numpy")
    new_loss, new_gradients = step(**{names[n]: a for n, a in arrays.items()})
    np.testing.assert_allclose(new_loss, loss, rtol=1e-12)
    assert [names[n] for n in gradients] == list(new_gradients)
    for n, gradient in gradients.items():
        np.testing.assert_allclose(new_gradients[names[n]], gradient, rtol=1e-10, atol=1e-12)
    for signal in before.signals:
        assert names[before.signals[signal].name] in step.source
    with pytest.raises((TypeError, cr.ChainruleError)):
        step(**arrays)


def one_layer() -> Derivation:
    return cr.parse(EXAMPLES["one_layer"]).derive()


@pytest.mark.parametrize("word", ["np", "gradients", "sizes", "float", "threading", "self", "arrays", "lambda"])
def test_a_signal_may_be_called_what_the_code_uses_itself(word: str) -> None:
    derivation = one_layer()
    arrays = random_arrays(derivation.network)
    _, before = derivation.compile("numpy")(**arrays)
    _, after = derivation.rename({"δ₂": word, "h": word + "_2"}).compile("numpy")(**arrays)
    for name in before:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-12)


def test_a_lifted_step_keeps_the_names_of_the_signals() -> None:
    renamed = one_layer().rename({"δ₂": "e", "D_h": "H", "W": "A"})
    source = renamed.compile("numpy", batch="N").source
    assert "# e = ∂J/∂z" in source
    assert "np.dot(e.T, x)" in source
    assert "delta2" not in source
    with pytest.raises(cr.DimensionError, match="e is the name of a signal already"):
        renamed.compile("numpy", batch="e")


def test_a_lifted_network_is_renamed_too() -> None:
    lifted = cr.parse(EXAMPLES["one_layer"]).lift("N").derive()
    names = named(lifted, "Qzv")
    renamed = lifted.rename(names)
    again = renamed.rename({new: new.replace("Qzv", "Jkw") for new in names.values()})
    for form, text in outputs(again).items():
        assert "Qzv" not in text, form
    assert outputs(renamed.rename({new: old for old, new in names.items()})) == outputs(lifted)
    assert lifted.rename({"X": "Data"}).gradients["W"].text == "Δ₂ᵀ Data"


def test_functions_of_the_program_are_renamed() -> None:
    unknown = cr.parse(OTHERS["unknown"]).derive().rename({"f": "phi", "g": "energy"})
    assert "function φ : scalar → scalar" in str(unknown.network).replace("phi", "φ")
    assert not re.search(r"\b[fg]\b", unknown.text(1).replace("= f(", "").replace("diag(f′", ""))
    swish = cr.parse(OTHERS["definition"]).rename({"swish": "silu2", "u1": "a"})
    assert "def silu2(u) = u ∘ sigmoid(u)" in str(swish)


def test_what_a_definition_binds_is_no_name_of_the_program() -> None:
    net = cr.parse("def f(w, b) = w ∘ b + c\ninput w : n\nconst c : scalar\nb = exp(w)\nJ = sum(f(w, b))")
    renamed = net.rename({"w": "a", "c": "d"})
    assert str(renamed) == "def f(w, b) = w ∘ b + d\ninput a : n\nconst d : scalar\nb = exp(a)\nJ = sum(f(a, b))\n"


def test_any_spelling_of_a_name_will_do() -> None:
    texts = {
        one_layer().rename({signal: "e", theta: "logits", y: "p"}).text(3)
        for signal, theta, y in (("δ₂", "θ", "ŷ"), ("delta2", "theta", "y_hat"), ("delta_2", "ϑ", "y\u0302"))
    }
    assert len(texts) == 1
    assert "e = ∂J/∂z" in texts.pop()


def test_a_renamed_signal_is_still_a_row() -> None:
    renamed = one_layer().rename({"δ₁": "g", "δ₂": "e"})
    assert renamed.signals["e"].text == "g U ∘ sgn(h)ᵀ"
    assert renamed.signals["e"].sizes == "(1×N_c)(N_c×D_h) ∘ (1×D_h)"
    assert renamed.gradients["W"].text == "eᵀ xᵀ"
    assert "row i is e's, a row, so eᵀ" in renamed.gradients["W"].reason


def test_two_names_are_swapped() -> None:
    renamed = one_layer().rename({"δ₁": "δ₂", "δ₂": "δ₁", "b1": "b2", "b2": "b1"})
    assert list(renamed.signals) == ["δ₂", "δ₁"]
    assert renamed.signals["δ₁"].text == "δ₂ U ∘ sgn(h)ᵀ"
    assert renamed.gradients["b1"].text == "δ₂ᵀ"


def test_the_other_signals_keep_their_names() -> None:
    derivation = cr.parse(mlp(3)).derive()
    assert list(derivation.rename({"δ₁": "e"}).signals) == ["e", "δ₂", "δ₃"]
    assert list(derivation.rename({"δ₁": "e"}).rename({"δ₂": "f"}).signals) == ["e", "f", "δ₃"]
    assert list(derivation.rename({"W1": "δ4", "δ₁": "δ₇"}).signals) == ["δ₇", "δ₂", "δ₃"]


def test_nothing_is_renamed_to_itself() -> None:
    derivation = one_layer()
    assert derivation.rename({"W": "W", "δ₂": "delta2"}).text(3) == derivation.text(3)
    assert derivation.network.rename({}) is derivation.network


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"δ₂": "U"}, "δ₂ cannot be renamed to U: that is the name of a variable already"),
        ({"δ₂": "δ1"}, "that is the name of a signal already"),
        ({"W": "delta_1"}, "that is the name of a signal already"),
        ({"W": "D_h"}, "that is the name of a size already"),
        ({"D_x": "x"}, "that is the name of a variable already"),
        ({"z": "y_hat"}, "that is the name of a variable already"),
        ({"W": "A", "U": "A"}, "W and U would both be A"),
        ({"W": "θ1", "U": "theta_1"}, "would both be"),
        ({"D_x": "D", "D_h": "D"}, "D_x and D_h would both be D"),
        ({"θ": "a", "theta": "b"}, "θ is renamed twice"),
        ({"δ₂": "relu"}, "relu is the name of a function"),
        ({"δ₂": "CE"}, "CE is the name of a function"),
        ({"W": "sigma"}, "sigma is the name of a function"),
        ({"W": "I"}, "I has a meaning in formulas already"),
        ({"δ₃": "e"}, "the name δ₃ is not known"),
        ({"W ": "e"}, "the name W  is not known"),
        *(({"δ₂": bad}, "cannot be a name") for bad in (
          "", " ", "3x", "W x", "e'", "eᵀ", "for", "def", "input", "a b", "a.b", "∂", "x;y", "__e", "1", "e\nf",
          "[e]", "minimize")),
    ],
)  # fmt: skip
def test_what_is_refused(names: dict[str, str], message: str) -> None:
    with pytest.raises(cr.ChainruleError, match=re.escape(message)) as refusal:
        one_layer().rename(names)
    assert refusal.value.hint


def test_a_letter_of_the_text_is_refused() -> None:
    """sum(k, A[i,k] B[k,j]) would sum over the variable k."""
    net = cr.parse(OTHERS["indices"])
    for letter in "ijk":
        with pytest.raises(cr.LanguageError, match="is an index or a parameter"):
            net.rename({"A": letter})
    with pytest.raises(cr.LanguageError, match="is an index or a parameter"):
        cr.parse(OTHERS["definition"]).derive().rename({"δ₁": "u"})


@pytest.mark.parametrize(
    ("name", "latex", "mathml"),
    [
        ("grad_z", r"\mathrm{grad}_{z}", "<mi>grad</mi>"),
        ("dLdz", r"\mathrm{dLdz}", "dLdz</mi>"),
        ("ε", r"\varepsilon", "ε</mi>"),
        ("epsilon_2", r"\varepsilon_{2}", "<mn>2</mn>"),
        ("z_bar", r"\bar{z}", "¯</mo>"),
    ],
)
def test_how_a_new_name_looks(name: str, latex: str, mathml: str) -> None:
    renamed = one_layer().rename({"δ₂": name})
    gradient = renamed.gradients["W"]
    assert gradient.latex.startswith(latex + r"^\top")
    assert mathml in gradient.mathml
    assert f'data-name="{canonical_name(name)}"' in renamed.html()
    assert rf"{latex} = \frac{{\partial J}}{{\partial z}}" in renamed.latex()


def test_words_stand_apart_in_latex() -> None:
    assert one_layer().rename({"δ₂": "grad_z"}).gradients["x"].latex == r"\left(\mathrm{grad}_{z} \, W\right)^\top"


def test_a_gradient_that_is_zero_is_said_once() -> None:
    with pytest.warns(cr.ChainruleWarning, match="J does not depend on v"):
        derivation = cr.parse("param w : n\nparam v : n\nJ = norm(w)^2").derive()
    renamed = derivation.rename({"v": "q"})  # a warning would be an error here
    assert renamed.gradients["q"].reason == "J does not depend on q: its gradient is exactly 0"


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, cr.ChainruleError):
        raise done.exception
    assert done.exit_code == 0
    return done.output


def test_the_commands_rename() -> None:
    file = "examples/one_layer.net"
    out = run("derive", file, "--rename", "δ₂=e", "--rename", "W=A")
    assert "∂J/∂A = eᵀ xᵀ" in out
    assert "verified" in out
    assert "grad_theta = " in run("compile", file, "--batch", "N", "--rename", "delta1=grad_theta")
    assert "δ₂" not in run("picture", file, "--rename", "δ₂=e")
    for given, said in (("W", "does not say"), ("W=", "does not say"), ("q=W", "not known"), ("W=U", "already")):
        with pytest.raises(cr.ChainruleError, match=said):
            run("derive", file, "--rename", given)
    with pytest.raises(cr.ChainruleError, match="renamed twice"):
        run("derive", file, "--rename", "W=A", "--rename", "W=B")
