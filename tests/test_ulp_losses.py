"""Softmaxes and losses against 50 digits of mpmath, as `test_ulp` has it for functions: logits up to ±1e4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import mpmath as mp
import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  (as everybody calls it)

import chainrule as cr
from chainrule.targets.numpy import compile_numpy
from test_ulp import LIMIT, Dual, absolute, dual, exp, half, log, log1p, softplus, sqrt, ulps

Truth = Callable[[list[Dual], dict[str, list[mp.mpf]]], Dual]
LOGITS = (
    [0, 0, 0], [1, 2, 3], [10, -10, 0.5], [1e4, -1e4, 0], [50, 0, -50], [88, -88, 1e-3], [-20, -20.5, -21],
    [30, 0.1, 0.2], [1e-6, 2e-6, -1e-6], [-1e4, -1e4, -1e4], [20, 0, 0], [1e4, 1e4, 9999], [-100, -200, -300],
)  # fmt: skip
ONE = tuple([v] for v in (0, 1e-6, 0.3, -0.3, 1, -1, 5, -5, 20, -20, 40, -40, 88.5, -88.5, 100, -100, 1e3, 1e4, -1e4))
SHARES = ([1e-6], [1e-3], [0.1], [0.5], [0.9], [0.999], [1 - 2**-20])


def total(xs: Sequence[Dual]) -> Dual:
    return sum(xs, dual(0))


def logsumexp(xs: list[Dual]) -> Dual:
    """x + log(1 + Σ of what is smaller): it does not cancel."""
    k = max(range(len(xs)), key=lambda i: xs[i].v)
    return xs[k] + log1p(total([exp(x - xs[k]) for i, x in enumerate(xs) if i != k]))


def bce(xs: list[Dual], c: dict[str, list[mp.mpf]]) -> Dual:
    weights = c.get("w", [1] * len(xs))
    return total([y * w * softplus(-x) + (1 - y) * softplus(x) for x, y, w in zip(xs, c["y"], weights, strict=True)])


@dataclass
class Loss:
    """text: of the loss of x; c: the constants by name, with their declarations."""

    text: str
    truth: Truth
    torch: Callable[[torch.Tensor, dict[str, torch.Tensor]], torch.Tensor]
    points: Sequence[list[float]] = LOGITS
    c: dict[str, list[float]] = field(default_factory=dict)
    facts: str = ""


def weighted(f: Callable[[list[Dual]], list[Dual]]) -> Truth:
    return lambda xs, c: total([g * z for g, z in zip(c["g"], f(xs), strict=True)])


LOSSES = {
    "softmax": Loss(
        "sum(g ∘ softmax(x))", weighted(lambda xs: [exp(x - logsumexp(xs)) for x in xs]),
        lambda x, c: (c["g"] * torch.softmax(x, 0)).sum(), c={"g": [0, 1, 0]},
    ),
    "log_softmax": Loss(
        "sum(g ∘ log_softmax(x))", weighted(lambda xs: [x - logsumexp(xs) for x in xs]),
        lambda x, c: (c["g"] * torch.log_softmax(x, 0)).sum(), c={"g": [1, 0, 0]},
    ),
    "logsumexp": Loss("logsumexp(x)", lambda xs, c: logsumexp(xs), lambda x, c: torch.logsumexp(x, 0)),
    "CE_logits": Loss(
        "CE_logits(y, x)", lambda xs, c: logsumexp(xs) - xs[1],
        lambda x, c: F.cross_entropy(x, torch.tensor(1)), c={"y": [0, 1, 0]}, facts=", one-hot",
    ),
    "CE of softmax": Loss(
        "CE(y, softmax(x))", lambda xs, c: logsumexp(xs) - xs[0],
        lambda x, c: F.cross_entropy(x, torch.tensor(0)), c={"y": [1, 0, 0]}, facts=", one-hot",
    ),
    "BCE": Loss(
        "BCE(y, x)", lambda xs, c: log1p(xs[0] * -1) * -1,
        lambda x, c: F.binary_cross_entropy(x, c["y"], reduction="sum"), SHARES, {"y": [0]},
    ),
    "dpo": Loss(
        "dpo(x, l, r, s, 1)", lambda xs, c: softplus((xs[0] - c["r"][0] - (c["l"][0] - c["s"][0])) * -1),
        lambda x, c: -F.logsigmoid((x - c["r"]) - (c["l"] - c["s"])).mean(), ONE,
        {"l": [0.5], "r": [0.25], "s": [-0.5]},
    ),
    "huber": Loss(
        "huber(y, x, 1)",
        lambda xs, c: (lambda r: r * r * half if abs(r.v) < 1 else absolute(r) - half)(xs[0] - c["y"][0]),
        lambda x, c: F.huber_loss(x, c["y"], reduction="sum"), ONE, {"y": [0.25]},
    ),
    "gaussian_nll": Loss(
        "gaussian_nll(y, x, v)",
        lambda xs, c: (log(dual(c["v"][0])) + (xs[0] - c["y"][0]) * (xs[0] - c["y"][0]) / c["v"][0]) * half,
        lambda x, c: F.gaussian_nll_loss(x, c["y"], c["v"], reduction="sum", eps=1e-12), ONE, {"y": [2], "v": [0.5]},
    ),
    "norm": Loss("norm(x)", lambda xs, c: sqrt(total([x * x for x in xs])), lambda x, c: x.norm(), LOGITS[1:]),
    **{
        f"BCE_logits, y = {y}": Loss(
            "BCE_logits(y, x)", bce, lambda x, c: F.binary_cross_entropy_with_logits(x, c["y"], reduction="sum"),
            ONE, {"y": [y]},
        )
        for y in (0, 1, 0.25)
    },
    **{
        f"BCE of sigmoid, y = {y}": Loss(
            "BCE(y, sigmoid(x))", bce, lambda x, c: F.binary_cross_entropy_with_logits(x, c["y"], reduction="sum"),
            ONE, {"y": [y]},
        )
        for y in (0, 1)
    },
    **{
        f"weighted_BCE_logits, y = {y}": Loss(
            "weighted_BCE_logits(y, x, w)", bce,
            lambda x, c: F.binary_cross_entropy_with_logits(x, c["y"], pos_weight=c["w"], reduction="sum"),
            ONE, {"y": [y], "w": [2.5]},
        )
        for y in (0, 1)
    },
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_where_torch_is_within_four_ulp(name: str, dtype: type) -> None:
    loss = LOSSES[name]
    declared = [f"{'label' if c == 'y' else 'const'} {c} : n{loss.facts}" for c in loss.c]
    derivation = cr.parse("\n".join(["input x : n", *declared, f"J = {loss.text}"])).derive()
    gradient = derivation.backward.gradients["x"]
    step = compile_numpy(derivation.program, [derivation.loss, gradient], dtype=dtype.__name__)
    reached = 0
    for point in loss.points:
        x, c = np.array(point, dtype), {k: np.array(v, dtype) for k, v in loss.c.items()}
        with np.errstate(all="ignore"):
            ours = step(**{k: v for k, v in {"x": x, **c}.items() if k in step.names})
        tensor = torch.tensor(x, requires_grad=True)
        theirs = loss.torch(tensor, {k: torch.tensor(v) for k, v in c.items()})
        theirs.backward()
        exact = [mp.mpf(float(v)) for v in x]
        given = {k: [mp.mpf(float(v)) for v in a] for k, a in c.items()}
        slopes = [loss.truth([Dual(v, mp.mpf(i == k)) for i, v in enumerate(exact)], given).d for k in range(len(x))]
        for what, mine, other, right in (
            ("value", [ours[derivation.loss]], [theirs.item()], [loss.truth([Dual(v) for v in exact], given).v]),
            ("gradient", ours[gradient], tensor.grad.numpy(), slopes),
        ):
            near = ulps(np.array(other, dtype), right, dtype) <= LIMIT
            off = ulps(np.array(mine, dtype), right, dtype)
            reached += int(near.sum())
            assert not (near & (off > LIMIT)).any(), (what, point, off)
    assert reached > len(loss.points) / 2
