"""GPT-2's shape: the gradients are torch's, each block costs the same and is written the same, memory is small."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.gpt2 import gpt2
from torch.nn import functional as F  # noqa: N812  (as everybody calls it)

import chainrule as cr

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"T": 5, "V": 13, "D": 7, "H": 3, "d": 2, "K": 11}
Tensor = torch.Tensor

# Counts the Python calls of deriving and of writing every formula; names are met once before, as they are remembered.
COUNT = """
import gc, json, resource, sys
from benchmarks.gpt2 import gpt2
import chainrule as cr

def formulas(derivation):
    return [g.text for g in (*derivation.signals.values(), *derivation.gradients.values())]

def calls(blocks):
    text, counts = gpt2(blocks, first=10), [0]
    def count(frame, event, argument):
        if event == "call":
            counts[0] += 1
    gc.disable()
    sys.setprofile(count)
    derivation = cr.parse(text).derive()
    derived, counts[0] = counts[0], 0
    length = sum(map(len, formulas(derivation)))
    sys.setprofile(None)
    gc.enable()
    return derived, counts[0], length

formulas(cr.parse(gpt2(12, first=10)).derive())
found = [calls(n) for n in (4, 8, 12)]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
try:  # Linux counts what the parent held before exec into ru_maxrss; VmHWM is this program's own
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
except FileNotFoundError:
    pass
print(json.dumps([found, peak]))
"""


def in_torch(p: dict[str, Tensor], blocks: int, tied: bool) -> Tensor:
    """The loss, with torch's own layer norm, attention, gelu and cross-entropy."""

    def norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[1:], scale, shift, 1e-5)

    x = p["C"] @ p["E"] + p["P"]
    for n in range(1, blocks + 1):
        inner = norm(x, p[f"g{n}"], p[f"b{n}"])
        q, k, v = (torch.einsum("ic,hce->hie", inner, p[f"W{z}{n}"]) + p[f"b{z}{n}"][:, None] for z in ("q", "k", "v"))
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + torch.einsum("hie,hec->ic", heads, p[f"Wo{n}"]) + p[f"c{n}"]
        x = x + F.gelu(norm(x, p[f"r{n}"], p[f"s{n}"]) @ p[f"W{n}"] + p[f"v{n}"]) @ p[f"V{n}"] + p[f"w{n}"]
    logits = norm(x, p["γ"], p["β"]) @ p["E" if tied else "U"].T
    return F.cross_entropy(logits, p["Y"].argmax(1))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_loss_and_gradients_are_torchs(tied: bool) -> None:
    net = cr.parse(gpt2(2, tied=tied))
    rng = np.random.default_rng(3)
    arrays = {}
    for name, item in net.declarations.items():
        dims = net.program.variables[name].dims
        arrays[name] = 0.7 * rng.standard_normal([SIZES[str(d)] for d in dims])
        if "one-hot" in item.facts:
            arrays[name] = np.eye(SIZES["V"])[rng.integers(0, SIZES["V"], SIZES["T"])]
    arrays["M"] = np.triu(np.full((SIZES["T"], SIZES["T"]), -1e9), 1)
    derivation = net.derive()
    loss, gradients = derivation.compile()(**arrays)
    tensors = {n: torch.tensor(a, requires_grad=n in derivation.gradients) for n, a in arrays.items()}
    wanted = in_torch(tensors, 2, tied)
    wanted.backward()
    assert loss == pytest.approx(wanted.item(), rel=1e-12)
    assert len(gradients) == 2 * 16 + 5 + (not tied)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, tensors[name].grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


def test_every_block_is_written_the_same() -> None:
    """Twelve blocks: the formulas of block n are those of block n − 1 with other numbers."""
    derivation = cr.parse(gpt2(12, first=10)).derive()
    blocks: dict[int, list[str]] = {n: [] for n in range(10, 22)}
    for gradient in (*derivation.signals.values(), *derivation.gradients.values()):
        if gradient.of in derivation.network.inner:  # Z of an activation, numbered by itself
            continue
        number = re.fullmatch(r"[^\W\d]+(\d+)", gradient.of)
        if (
            number and int(number[1]) > 9 and gradient.of != "B21"
        ):  # what the last block gives goes into one thing, not into two
            own = int(number[1])
            shown = re.sub(r"Δ[₀-₉]+", "Δ", f"{gradient.of}: {gradient.text}")
            shown = re.sub(r"\b(r|X̂|Z)\d+", r"\1", shown)  # two layer norms a block, which the network does not name
            blocks[own].append(shown.replace(str(own), "n").replace(str(own + 1), "n+1").replace(str(own - 1), "n-1"))
    first = [line for line in blocks[11] if not line.startswith("Bn:")]
    assert len(first) > 25
    for number, lines in blocks.items():
        assert [line for line in lines if not line.startswith("Bn:")] == first, number
        if number < 21:
            assert [line for line in lines if line.startswith("Bn:")] == [s for s in blocks[11] if s.startswith("Bn:")]
    assert max(len(line) for lines in blocks.values() for line in lines) < 300


def test_each_block_costs_the_same_and_memory_is_small() -> None:
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", COUNT], env=environment, capture_output=True, text=True, check=True)
    (low, middle, high), peak = json.loads(done.stdout)
    for small, medium, large in zip(low, middle, high, strict=True):
        assert large - medium <= 1.05 * (medium - small)  # Δ₁₀₀ is longer than Δ₉₉
    assert peak < 1000  # MB
