"""The golden answers: formulas that the engine must find by itself, compared as formulas and as numbers."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.reference import evaluate_program

ONE_LAYER = """
input x  : D_x
label y  : N_c, one-hot
param W  : D_h × D_x
param b1 : D_h
param U  : N_c × D_h
param b2 : N_c
z = W x + b1
h = relu(z)
θ = U h + b2
ŷ = softmax(θ)
J = CE(y, ŷ)
"""

ONE_LAYER_ROWS = """
input X  : N × D_x
label Y  : N × N_c, one-hot
param W  : D_x × D_h
param b1 : 1 × D_h
param U  : D_h × N_c
param b2 : 1 × N_c
Z = X W + b1
H = relu(Z)
Θ = H U + b2
Ŷ = softmax(Θ)
J = mean(CE(Y, Ŷ))
"""


def squeezed(text: str) -> str:
    return "".join(text.split())


def assert_formula(found: str, wanted: str) -> None:
    """Equal up to spacing: order, transposes and names count."""
    assert squeezed(found) == squeezed(wanted)


# program, of, wrt, formula in numerator layout
JACOBIANS = {
    "2.1": ("param W : m × n\ninput x : n\nz = W x", "z", "x", "W"),
    "2.2": ("param W : m × n\ninput x : 1 × m\nz = x W", "z", "x", "Wᵀ"),
    "2.3": ("input x : n\nz = x", "z", "x", "I"),
    "2.4": ("function f : scalar -> scalar\ninput x : n\nz = f(x)", "z", "x", "diag(f′(x))"),
    "2.7a": ("input θ : n\nŷ = softmax(θ)", "ŷ", "θ", "diag(ŷ) − ŷ ŷᵀ"),
    "1.2": (
        "function f : scalar -> 2\nfunction g : 2 -> 2\ninput x : scalar\nv = g(f(x))", "v", "x",
        "(∂g/∂f) (∂f/∂x)",
    ),
    "logits": (
        "param W : m × n\nparam U : k × m\ninput x : n\nz = W x\nh = relu(z)\nt = U h", "t", "x", "U diag(sgn(h)) W",
    ),
    "unit vector": ("input x : n\nu = x / norm(x)", "u", "x", "(I − u uᵀ)/norm(x)"),
}  # fmt: skip


@pytest.mark.parametrize("number", JACOBIANS)
def test_jacobian(number: str) -> None:
    text, of, wrt, wanted = JACOBIANS[number]
    assert_formula(cr.parse(text).jacobian(wrt, of).text, wanted)


@pytest.mark.parametrize("number", [n for n in JACOBIANS if n != "2.3"])
def test_jacobian_agrees_with_central_differences(number: str) -> None:
    text, of, wrt, _ = JACOBIANS[number]
    net = cr.parse(text)
    found = net.jacobian(wrt, of)
    rng = np.random.default_rng(3)
    sizes = {"m": 3, "n": 5, "k": 7}
    values = {
        name: rng.standard_normal([d if isinstance(d, int) else sizes[d] for d in item.shape])
        for name, item in net.declarations.items()
    }
    exact = found.evaluate(**values)
    h = 1e-4
    for position in np.ndindex(values[wrt].shape):
        points = []
        for step in (-2, -1, 1, 2):
            moved = values[wrt].copy()
            moved[position] += step * h
            points.append(evaluate_program(net.program, {**values, wrt: moved}, sizes)[of])
        difference = (points[0] - 8 * points[1] + 8 * points[2] - points[3]) / (12 * h)
        np.testing.assert_allclose(exact[(..., *position)], difference, rtol=1e-9, atol=1e-9)


# program, wrt, formula in numerator layout (or None), formula in shape layout
GRADIENTS = {
    "2.5": ("param W : m × n\ninput x : n\nconst δ : 1 × m\nz = W x\nJ = δ z", "W", None, "δᵀ xᵀ"),
    "2.6": ("param W : m × n\ninput x : 1 × m\nconst δ : 1 × n\nz = x W\nJ = δ zᵀ", "W", None, "xᵀ δ"),
    "2.7b": ("input θ : n\nlabel y : n, one-hot\nŷ = softmax(θ)\nJ = CE(y, ŷ)", "θ", "(ŷ − y)ᵀ", "ŷ − y"),
    "2.7c": ("input θ : n\nlabel y : n\nŷ = softmax(θ)\nJ = CE(y, ŷ)", "θ", None, "(1ᵀ y) ŷ − y"),
    "sigmoid": ("input z : n\ninput g : n\np = sigmoid(z)\nJ = gᵀ p", "z", None, "g ∘ p ∘ (1 − p)"),
    "tanh": ("input z : n\ninput g : n\np = tanh(z)\nJ = gᵀ p", "z", None, "g ∘ (1 − p.^2)"),
    "log-sum-exp": ("input x : n\nJ = logsumexp(x)", "x", None, "softmax(x)"),
    "BCE with logits": ("input z : n\nlabel y : n\nJ = BCE(y, sigmoid(z))", "z", None, "σ(z) − y"),
    "BCE of a named p": ("input z : n\nlabel y : n\np = sigmoid(z)\nJ = BCE(y, p)", "z", None, "p − y"),
    "norm": ("input x : n\nJ = norm(x)", "x", None, "x/J"),
    "log det": ("param X : n × n\nJ = logdet(X)", "X", None, "inv(X)ᵀ"),
    "inverse": ("param X : n × n\nconst G : n × n\nJ = sum(G ∘ inv(X))", "X", None, "−inv(X)ᵀ G inv(X)ᵀ"),
    "unit vector": ("input x : n\nconst δ : n\nu = x/norm(x)\nJ = δᵀ u", "x", None, "(δ − J u)/norm(x)"),
    "gelu": ("input x : n\nconst δ : n\nJ = δᵀ gelu(x)", "x", None, "δ ∘ (normal_cdf(x) + x ∘ normal_pdf(x))"),
}


@pytest.mark.parametrize("number", GRADIENTS)
def test_gradient(number: str) -> None:
    text, wrt, numerator, wanted = GRADIENTS[number]
    derivation = cr.parse(text).derive(wrt)
    gradient = derivation.gradients[wrt]
    assert_formula(gradient.text, wanted)
    if numerator is not None:
        assert_formula(gradient.numerator, numerator)
    assert derivation.verify().max_relative_error < 1e-9


def test_entry_of_a_matrix() -> None:
    found = cr.parse("param W : m × n\ninput x : n\nz = W x").jacobian("W[i,j]")
    assert found.text == "the vector with x[j] at i and 0 elsewhere"
    assert_formula(found.entry, "∂z[k]/∂W[i,j] = 1[k = i] x[j]")


def test_chain_rule_entry_by_entry() -> None:
    found = cr.parse("function f : scalar -> 2\nfunction g : 2 -> 2\ninput x : scalar\nv = g(f(x))").jacobian("x", "v")
    assert_formula(found.entries, "(∂g[i]/∂f[1]) (∂f[1]/∂x) + (∂g[i]/∂f[2]) (∂f[2]/∂x)")


def test_cross_entropy_hessian() -> None:
    net = cr.parse("input θ : n\nlabel y : n, one-hot\nŷ = softmax(θ)\nJ = CE(y, ŷ)")
    assert_formula(net.hessian("θ").text, "diag(ŷ) − ŷ ŷᵀ")


def test_logistic_hessian() -> None:
    net = cr.parse("param X : N × D\ninput w : D\nlabel y : N\np = sigmoid(X w)\nJ = BCE(y, p)")
    assert_formula(net.hessian("w").text, "Xᵀ diag(p ∘ (1 − p)) X")


SIGNALS = {
    "one_layer": (ONE_LAYER, {
        "δ₁": ("θ", "(ŷ − y)ᵀ", "1 × N_c"),
        "δ₂": ("z", "δ₁ U ∘ sgn(h)ᵀ", "1 × D_h"),
    }),
    "one_layer_rows": (ONE_LAYER_ROWS, {
        "Δ₁": ("Θ", "(Ŷ − Y)/N", "N × N_c"),
        "Δ₂": ("Z", "Δ₁ Uᵀ ∘ sgn(H)", "N × D_h"),
    }),
}  # fmt: skip

NETWORKS = {
    "one_layer": (ONE_LAYER, {
        "U": ("δ₁ᵀ hᵀ", "N_c × D_h"), "b2": ("δ₁ᵀ", "N_c × 1"), "W": ("δ₂ᵀ xᵀ", "D_h × D_x"),
        "b1": ("δ₂ᵀ", "D_h × 1"), "x": ("(δ₂ W)ᵀ", "D_x × 1"),
    }),
    "one_layer_rows": (ONE_LAYER_ROWS, {
        "U": ("Hᵀ Δ₁", "D_h × N_c"), "b2": ("1ᵀ Δ₁", "1 × N_c"), "W": ("Xᵀ Δ₂", "D_x × D_h"),
        "b1": ("1ᵀ Δ₂", "1 × D_h"), "X": ("Δ₂ Wᵀ", "N × D_x"),
    }),
}  # fmt: skip


# G4: what composite functions must come out as; program, name, signals that the formula uses, formula.
TEXTBOOK = {
    "layer norm": (
        "input X : N × D\nparam γ : 1 × D\nparam β : 1 × D\nconst G : N × D\nc = X − rowmean(X)\nv = rowmean(c.^2)\n"
        "X̂ = c ./ sqrt(v + 1e-5)\nY = γ ∘ X̂ + β\nJ = sum(G ∘ tanh(Y))", "X", {"Δ₂": ("X̂", "Δ₁ ∘ γ")},
        "(Δ₂ − X̂ ∘ rowmean(Δ₂ ∘ X̂) − rowmean(Δ₂)) ./ sqrt(v + 1e-5)",
    ),
    "batch norm": (
        "input X : N × D\nparam γ : 1 × D\nparam β : 1 × D\nconst G : N × D\nc = X − colmean(X)\nv = colmean(c.^2)\n"
        "X̂ = c ./ sqrt(v + 1e-5)\nY = γ ∘ X̂ + β\nJ = sum(G ∘ Y)", "X", {},
        "(γ ∘ (G − X̂ ∘ colmean(G ∘ X̂) − colmean(G))) ./ sqrt(v + 1e-5)",
    ),
    "RMS norm": (
        "input x : D\nparam g : D\nconst δ : D\nr = 1/sqrt(mean(x.^2) + 1e-5)\nx̂ = x r\nJ = δᵀ (g ∘ x̂)", "x", {},
        "r (δ ∘ g − J x̂/D)",
    ),
    "softmax of rows": (
        "input S : N × M\nconst G : N × M\nP = softmax(S)\nJ = sum(G ∘ P)", "S", {}, "P ∘ (G − rowsum(G ∘ P))",
    ),
    "attention": (
        "input Q : N × d\ninput K : M × d\ninput V : M × e\nconst G : N × e\nP = softmax(Q Kᵀ / √d)\nO = P V\n"
        "J = sum(G ∘ O)", "Q", {"Δ₁": ("P", "G Vᵀ")}, "Δ₂ K/sqrt(d)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_form(name: str) -> None:
    text, wrt, signals, wanted = TEXTBOOK[name]
    derivation = cr.parse(text).derive()
    assert_formula(derivation.gradients[wrt].text, wanted)
    for signal, (of, formula) in signals.items():
        assert derivation.signals[signal].of == of
        assert_formula(derivation.signals[signal].text, formula)
    assert derivation.verify().max_relative_error < 1e-8


def test_attention_has_every_gradient_of_the_textbook() -> None:
    derivation = cr.parse(TEXTBOOK["attention"][0]).derive()
    assert_formula(derivation.signals["Δ₁"].text, "G Vᵀ")
    assert_formula(derivation.signals["Δ₂"].text, "P ∘ (Δ₁ − rowsum(Δ₁ ∘ P))")
    assert_formula(derivation.gradients["V"].text, "Pᵀ G")
    assert_formula(derivation.gradients["Q"].text, "Δ₂ K/sqrt(d)")
    assert_formula(derivation.gradients["K"].text, "Δ₂ᵀ Q/sqrt(d)")


def test_a_traced_softmax_classifier_has_the_formulas_of_the_written_one() -> None:
    """Whatever the code names, the backward pass is that of a softmax with cross-entropy."""

    def softmax(z):
        e = np.exp(z - np.max(z))
        return e / np.sum(e)

    def loss(W, b1, U, b2, x, y):
        h = np.maximum(W @ x + b1, 0)
        return -np.sum(y * np.log(softmax(U @ h + b2)))

    shapes = {"W": ("H", "D"), "b1": ("H",), "U": ("C", "H"), "b2": ("C",), "x": ("D",), "y": ("C",)}
    derivation = cr.trace(loss, wrt=["U", "b2", "W", "b1", "x"], facts={"y": "one-hot"}, **shapes).derive()
    assert_formula(derivation.signals["δ₁"].text, "(softmax(U h + b2) − y)ᵀ")
    assert_formula(derivation.signals["δ₂"].text, "δ₁ U ∘ sgn(h)ᵀ")
    assert_formula(derivation.gradients["U"].text, "δ₁ᵀ hᵀ")
    assert_formula(derivation.gradients["W"].text, "δ₂ᵀ xᵀ")


def test_an_unnamed_matrix_and_its_transpose_are_one() -> None:
    text = "const A : m × n\nparam U : m × k\nconst V : k × n\nJ = 1/2 tr((A − U V)ᵀ (A − U V)) + 1/2 tr(Uᵀ U)"
    derivation = cr.parse(text).derive()
    assert list(derivation.gradients["U"].whole.values()) == ["U − (A − U V) Vᵀ"]
    assert derivation.verify().ok


def test_a_symmetric_signal_is_known_to_be_symmetric() -> None:
    text = (
        "param X : m × n\nconst C : m × m, positive definite\nconst B : m × m, symmetric\nJ = tr(inv(Xᵀ C X) (Xᵀ B X))"
    )
    assert "ᵀ +" not in cr.parse(text).derive().gradients["X"].text


def test_an_lstm_step_has_each_gate_once() -> None:
    gates = "".join(f"param W{g} : H × D\nparam U{g} : H × H\n" for g in "ifog")
    lines = "".join(f"{g} = {'tanh' if g == 'g' else 'sigmoid'}(W{g} x + U{g} h0)\n" for g in "ifog")
    text = f"input x : D\ninput h0 : H\ninput c0 : H\n{gates}const dh : H\nconst dc : H\n{lines}"
    net = cr.parse(text + "c = f ∘ c0 + i ∘ g\nh = o ∘ tanh(c)\nJ = dhᵀ h + dcᵀ c")
    derivation = net.derive()
    signals = [s.text for s in derivation.signals.values()]
    assert len(signals) == 5
    assert_formula(signals[0], "(dh ∘ (o − h ∘ tanh(c)) + dc)ᵀ")  # dh ∘ o ∘ (1 − tanh²(c)) + dc
    assert derivation.gradients["x"].text.count("W") == 4
    assert derivation.verify().ok


@pytest.mark.parametrize("name", SIGNALS)
def test_signals(name: str) -> None:
    text, wanted = SIGNALS[name]
    signals = cr.parse(text).derive().signals
    assert list(signals) == list(wanted)
    for signal, (of, formula, shape) in wanted.items():
        assert signals[signal].of == of
        assert_formula(signals[signal].text, formula)
        assert " × ".join(map(str, signals[signal].shape)) == shape


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients(name: str) -> None:
    text, wanted = NETWORKS[name]
    derivation = cr.parse(text).derive()
    assert set(derivation.gradients) == set(wanted)
    for parameter, (formula, shape) in wanted.items():
        assert_formula(derivation.gradients[parameter].text, formula)
        assert " × ".join(map(str, derivation.gradients[parameter].shape)) == shape
    assert derivation.verify().max_relative_error < 1e-9


def test_dimension_line() -> None:
    assert cr.parse(ONE_LAYER).derive().signals["δ₂"].sizes == "(1×N_c)(N_c×D_h) ∘ (1×D_h)"


def test_numerator_layout_of_a_matrix_is_the_transpose() -> None:
    assert_formula(cr.parse(ONE_LAYER).derive().gradients["W"].numerator, "x δ₂")


def test_lifting_to_a_batch() -> None:
    derivation = cr.parse(ONE_LAYER).lift("N").derive()
    assert_formula(derivation.signals["Δ₁"].text, "Ŷ − Y")
    assert_formula(derivation.signals["Δ₂"].text, "Δ₁ U ∘ sgn(H)")
    assert_formula(derivation.gradients["U"].text, "Δ₁ᵀ H")
    assert_formula(derivation.gradients["W"].text, "Δ₂ᵀ X")
    assert derivation.verify().max_relative_error < 1e-9


@pytest.mark.parametrize("text", [ONE_LAYER, ONE_LAYER_ROWS], ids=["one_layer", "one_layer_rows"])
def test_against_torch(text: str) -> None:
    """Torch writes the same network by itself; nothing of ours is in its numbers."""
    torch = pytest.importorskip("torch")
    rows = "Z" in text
    rng = np.random.default_rng(5)
    n, dx, dh, k = 13, 3, 7, 5
    shapes = {"W": (dx, dh), "b1": (dh,), "U": (dh, k), "b2": (k,)} if rows else {
        "W": (dh, dx), "b1": (dh,), "U": (k, dh), "b2": (k,)
    }  # fmt: skip
    values = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    values["X" if rows else "x"] = rng.standard_normal((n, dx) if rows else (dx,))
    values["Y" if rows else "y"] = np.eye(k)[rng.integers(0, k, (n,) if rows else ())]
    tensors = {name: torch.tensor(v, requires_grad=name not in "yY") for name, v in values.items()}
    if rows:
        logits = torch.relu(tensors["X"] @ tensors["W"] + tensors["b1"]) @ tensors["U"] + tensors["b2"]
        loss = torch.nn.functional.cross_entropy(logits, tensors["Y"].argmax(1))
    else:
        logits = tensors["U"] @ torch.relu(tensors["W"] @ tensors["x"] + tensors["b1"]) + tensors["b2"]
        loss = torch.nn.functional.cross_entropy(logits[None], tensors["y"].argmax()[None])
    loss.backward()
    net = cr.parse(text)
    derivation = net.derive()
    arrays, sizes = net.check_arrays(values)
    known = evaluate_program(derivation.program, arrays, sizes)
    np.testing.assert_allclose(known["J"], loss.item(), rtol=1e-9)
    for name, gradient in derivation.backward.gradients.items():
        np.testing.assert_allclose(known[gradient], tensors[name].grad.numpy(), rtol=1e-9, atol=1e-12)
