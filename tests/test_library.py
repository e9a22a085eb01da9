"""The library: its derivations hold, large logits stay finite, and formulas are as short as the literature's.

That values and gradients are PyTorch's is tested in `test_library_shapes`.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  (as everybody calls it)

import chainrule as cr
from chainrule.catalogue import catalogue, summary, symbols
from chainrule.library import entries
from chainrule.reference import evaluate_program
from library_oracles import TORCH
from test_library_shapes import SIZES, point, sizes_of

SHOWN = {e.entry.name: e for e in catalogue()}


@pytest.mark.parametrize(
    "text", ["elu(u, 1)", "elu(u, 0.5)", "selu(u)", "leaky_relu(u, 0.25)", "relu(u)", "softsign(u)", "silu(u)"]
)
def test_derivatives_at_zero_are_torchs(text: str) -> None:
    """elu(u, 1) is smooth at 0, with slope 1; it was 0, for it was written with relu(u) and relu(−u)."""
    u = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    name, number = text.partition("(")[0], {"elu(u, 1)": [1.0], "elu(u, 0.5)": [0.5], "leaky_relu(u, 0.25)": [0.25]}
    getattr(F, name)(u, *number.get(text, [])).sum().backward()
    _, gradients = cr.parse(f"input u : n\nJ = sum({text})").derive().compile()(u=u.detach().numpy())
    np.testing.assert_allclose(gradients["u"], u.grad.numpy(), rtol=1e-12)


# Each step is checked at sizes that are distinct primes: with arrays of four axes and more that takes too much memory.
WIDE = frozenset({
    "conv2d", "conv3d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "grouped_conv1d", "grouped_query_attention",
    "batch_norm2d", "depthwise_conv2d",
})  # fmt: skip


@pytest.mark.parametrize("name", [n for n in SHOWN if n not in WIDE])
def test_the_derivation_of_a_library_function_holds(name: str) -> None:
    report = SHOWN[name].derivation.check_steps()
    assert report.wrong is None, report


FAMILIES = ("activations", "losses", "exponentials")
OVERFLOW = (
    "gelu",
    "gelu_tanh",
    "poisson_nll",
    "KL",
    "gaussian_nll",
    "swiglu",
)  # as in torch


@pytest.mark.parametrize("name", [n for n in SHOWN if SHOWN[n].entry.family in FAMILIES and n not in OVERFLOW])
def test_large_logits_stay_finite_in_float32(name: str) -> None:
    """Where torch is finite, so is the generated code, at inputs of ±10,000."""
    found = SHOWN[name]
    values = point(found, SIZES[0])
    free = list(found.derivation.gradients)
    for n in free:
        values[n] = np.where(np.arange(values[n].size).reshape(values[n].shape) % 2, 1e4, -1e4)
    arrays = {n: np.asarray(v, dtype=np.float32) for n, v in values.items()}
    tensors = {n: torch.tensor(a, requires_grad=n in free) for n, a in arrays.items() if n not in ("δ", "Δ", "J0")}
    out = TORCH[name](*(tensors[p] for p in found.entry.parameters))
    upstream = arrays.get("δ", arrays.get("Δ"))
    (out if upstream is None else (torch.tensor(upstream) * out).sum()).backward()
    _, gradients = found.derivation.compile("numpy", dtype="float32")(**arrays)
    for wrt in free:
        wanted = tensors[wrt].grad.numpy()
        finite = np.isfinite(wanted)
        assert np.isfinite(gradients[wrt][finite]).all(), (wrt, gradients[wrt], wanted)
        np.testing.assert_allclose(gradients[wrt][finite], wanted[finite], rtol=1e-3, atol=1e-5)


# The backward pass of each function, with the literature's names: a change here is one that a reader of papers sees.
BACKWARD = {
    ("leaky_relu", "u"): "where(u > 0, δ, a δ)",
    ("elu", "u"): "δ ∘ where(u > 0, 1, a exp(u))",
    ("selu", "u"): "1.0507009873554805 (δ ∘ where(u > 0, 1, 1.6732632423543772 exp(u)))",
    ("gelu", "u"): "δ ∘ (Φ + u ∘ φ)",
    ("silu", "u"): "δ ∘ (y ∘ (1 − s) + s)",
    ("mish", "u"): "δ ∘ (u ∘ s ∘ (1 − t.^2) + t)",
    ("log_sigmoid", "u"): "δ ∘ σ(−u)",
    ("softsign", "u"): "δ ./ (1 + abs(u)).^2",
    ("hard_sigmoid", "u"): "(δ ∘ (u > −3) ∘ (u < 3))/6",
    ("hard_tanh", "u"): "δ ∘ (u > −1) ∘ (u < 1)",
    ("hard_swish", "u"): "δ ∘ (hard_sigmoid(u) + (u ∘ (u > −3) ∘ (u < 3))/6)",
    ("softmax", "t"): "y ∘ (δ − yᵀ δ)",
    ("log_softmax", "t"): "δ − (1ᵀ δ) softmax(t)",
    ("attention", "V"): "Pᵀ Δ",
    ("lstm_memory", "c"): "δ ∘ f",
    ("lstm_output", "c"): "δ ∘ (o − t ∘ y)",
    ("huber", "p"): "clip(p − y, −d, d)",
    ("hinge", "p"): "−y ∘ (y ∘ p < 1)",
    ("multiclass_svm", "S"): "M − Y ∘ rowsum(M)",
    ("cosine", "a"): "(b/norm(b) − c a/norm(a))/norm(a)",
    ("gaussian_nll", "m"): "(m − y) ./ v",
    ("layer_norm", "X"): "r ∘ (G − X̂ ∘ rowmean(X̂ ∘ G) − rowmean(G))",
    ("batch_norm", "X"): "r ∘ (G − X̂ ∘ colmean(X̂ ∘ G) − colmean(G))",
    ("rms_norm", "X"): "r ∘ (G − X̂ ∘ rowmean(X̂ ∘ G))",
    ("weight_norm", "v"): "(g δ − (yᵀ δ) v/norm(v))/norm(v)",
    ("swiglu", "V"): "δ₁ᵀ xᵀ",
    ("tied_logits", "E"): "Δᵀ E[ids] + onehot(ids, V)ᵀ Δ E",
    ("skip_gram", "v"): "(δ₁ U)ᵀ",
    ("negative_sampling", "v"): "(δ₁ U[ids] − δ₂ U[o])ᵀ",
    ("weighted_BCE_logits", "z"): "s ∘ (a + 1 − y) − a",
    ("dpo", "w"): "−δ₁ᵀ",
    ("dpo", "l"): "δ₁ᵀ",
}


@pytest.mark.parametrize(("name", "wrt"), BACKWARD, ids=[f"{n} by {w}" for n, w in BACKWARD])
def test_the_backward_pass_is_written_so(name: str, wrt: str) -> None:
    assert SHOWN[name].derivation.gradients[wrt].text == BACKWARD[name, wrt]


@pytest.mark.parametrize(("name", "wrt"), BACKWARD, ids=[f"{n} by {w}" for n, w in BACKWARD])
def test_the_backward_pass_is_read_back(name: str, wrt: str) -> None:
    claim = f"∂J/∂{wrt} = {BACKWARD[name, wrt]}"
    assert cr.check(SHOWN[name].derivation.network, claim).ok


def test_the_signals_of_the_literature_are_found() -> None:
    """What the papers name e, d b and e again: the softmax minus the label, δ ∘ g, the preference that is wrong."""
    signals = {name: {s.symbol: s.text for s in SHOWN[name].derivation.signals.values()} for name in SHOWN}
    assert signals["skip_gram"] == {"δ₁ = ∂J/∂(U v)": "(softmax(U v) − onehot(o, V))ᵀ"}
    assert signals["swiglu"]["δ₁ = ∂J/∂b"] == "(δ ∘ g)ᵀ"
    assert signals["dpo"] == {"δ₁ = ∂J/∂(rw + l − w − rl)": "β σ(β (rw + l − w − rl))ᵀ/n"}


def test_no_backward_pass_is_longer_than_in_the_literature() -> None:
    """No list of exceptions: a function that is longer has to be made shorter by a rule, not by its name."""
    count, longer = summary(SHOWN.values())
    assert longer == []
    assert count == len(SHOWN)


def test_names_that_only_the_literature_has_are_not_counted_out() -> None:
    """Every gradient has a published line, with its source; what a formula is shortened with stands in the sample."""
    for found in SHOWN.values():
        assert found.entry.published, found.entry.name
        named = {left.partition("[")[0] for left, _ in found.entry.literature}
        assert set(found.derivation.gradients) <= named, found.entry.name


@pytest.mark.parametrize("name", SHOWN)
def test_what_the_literature_has_is_the_gradient(name: str) -> None:
    """A published formula that is wrong, or that leaves something out, would be no measure."""
    found = SHOWN[name]
    sizes = sizes_of(name)[0]
    values = point(found, sizes)
    program, published = found.published()
    theirs = evaluate_program(program, values, sizes)
    ours = evaluate_program(found.derivation.program, values, sizes)
    for wrt, gradient in found.derivation.backward.gradients.items():
        np.testing.assert_allclose(theirs[published[wrt]], ours[gradient], rtol=1e-9, atol=1e-11, err_msg=wrt)


def test_sizes_are_counted_without_brackets() -> None:
    assert symbols("δ₁ U ∘ sgn(h)ᵀ") == symbols("((δ₁ U) ∘ (sgn(h))ᵀ)") == 5
    assert symbols("(Wᵀ δ)ᵀ") == symbols("W δ")  # whether a signal is a row or a column is a matter of layout


def test_names_of_the_library_are_free_for_variables() -> None:
    assert "L1" in entries()
    assert cr.parse("input x : n\nL1 = sum(x)\nJ = L1 (xᵀ x)").derive().gradients["x"].text == "2 L1 x + xᵀ x"
