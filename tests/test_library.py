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
from library_oracles import TORCH
from test_library_shapes import SIZES, point

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
    tensors = {n: torch.tensor(a, requires_grad=n in free) for n, a in arrays.items() if n not in ("δ", "Δ")}
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
    ("leaky_relu", "u"): "δ ∘ where(u > 0, 1, a)",
    ("elu", "u"): "δ ∘ where(u > 0, 1, a exp(u))",
    ("selu", "u"): "1.0507009873554805 (δ ∘ where(u > 0, 1, 1.6732632423543772 exp(u)))",
    ("gelu", "u"): "δ ∘ (Φ + u ∘ φ)",
    ("silu", "u"): "δ ∘ (z_ ∘ (1 − s) + s)",
    ("mish", "u"): "δ ∘ (σ(u) ∘ (u − t ∘ z_) + t)",
    ("log_sigmoid", "u"): "δ ∘ σ(−u)",
    ("softsign", "u"): "δ ./ (1 + abs(u)).^2",
    ("hard_sigmoid", "u"): "(δ ∘ (u > −3) ∘ (u < 3))/6",
    ("hard_tanh", "u"): "δ ∘ (u > −1) ∘ (u < 1)",
    ("hard_swish", "u"): "δ ∘ (h + (u ∘ (u > −3) ∘ (u < 3))/6)",
    ("softmax", "t"): "p ∘ (δ − pᵀ δ)",
    ("log_softmax", "t"): "δ − (1ᵀ δ) p",
    ("attention", "V"): "Pᵀ Δ",
    ("lstm_memory", "c"): "δ ∘ f",
    ("lstm_output", "c"): "δ ∘ (o − t ∘ z_)",
    ("huber", "p"): "minimum(maximum(p − y, −d), d)",
    ("hinge", "p"): "−y ∘ (y ∘ p < 1)",
    ("multiclass_svm", "S"): "M − Y ∘ rowsum(M)",
    ("cosine", "a"): "(b/norm(b) − c a/norm(a))/norm(a)",
    ("gaussian_nll", "m"): "(m − y) ./ v",
    ("layer_norm", "X"): "r ∘ (G − X̂ ∘ rowmean(X̂ ∘ G) − rowmean(G))",
    ("batch_norm", "X"): "r ∘ (G − X̂ ∘ colmean(X̂ ∘ G) − colmean(G))",
    ("rms_norm", "X"): "r ∘ (G − X̂ ∘ rowmean(X̂ ∘ G))",
    ("weight_norm", "v"): "(g δ − J_ u)/norm(v)",
}


@pytest.mark.parametrize(("name", "wrt"), BACKWARD, ids=[f"{n} by {w}" for n, w in BACKWARD])
def test_the_backward_pass_is_written_so(name: str, wrt: str) -> None:
    assert SHOWN[name].derivation.gradients[wrt].text == BACKWARD[name, wrt]


@pytest.mark.parametrize(("name", "wrt"), BACKWARD, ids=[f"{n} by {w}" for n, w in BACKWARD])
def test_the_backward_pass_is_read_back(name: str, wrt: str) -> None:
    claim = f"∂J_/∂{wrt} = {BACKWARD[name, wrt]}"
    assert cr.check(SHOWN[name].derivation.network, claim).ok


def test_no_function_is_longer_than_in_the_literature() -> None:
    count, short, longer = summary(list(SHOWN.values()))
    assert longer == []
    assert count == short == len(SHOWN)


def test_sizes_are_counted_without_brackets() -> None:
    assert symbols("δ₁ U ∘ sgn(h)ᵀ") == symbols("((δ₁ U) ∘ (sgn(h))ᵀ)")


def test_names_of_the_library_are_free_for_variables() -> None:
    assert "L1" in entries()
    assert cr.parse("input x : n\nL1 = sum(x)\nJ = L1 (xᵀ x)").derive().gradients["x"].text == "2 L1 x + norm(x)^2"
