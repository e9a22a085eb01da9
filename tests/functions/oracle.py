"""A program beside the same function in torch: formulas and compiled code against torch's gradients, in float64.

A case is a program and a function of torch tensors, by the names of the program. Adding one is one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

import chainrule as cr
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_program

__all__ = ["compare"]


def compare(
    text: str, function: Callable[..., Any], sizes: Mapping[str, int] | None = None, seed: int = 0,
    values: Mapping[str, Any] | None = None, tolerance: float = 1e-9,
) -> None:  # fmt: skip
    """Loss and every gradient: reference evaluation of the formulas, buffers and plain code, all against torch."""
    net = cr.parse(text)
    assert str(cr.parse(str(net))) == str(net)
    derivation = net.derive()
    chosen = choose_sizes(net.program, sizes)
    arrays = sample(net.program, chosen, np.random.default_rng(seed))
    arrays |= {k: np.asarray(v, dtype=np.float64) for k, v in (values or {}).items()}
    tensors = {
        n: torch.tensor(a, dtype=torch.float64, requires_grad=n in derivation.gradients) for n, a in arrays.items()
    }
    loss = function(**tensors)
    loss.backward()
    known = evaluate_program(derivation.program, arrays, chosen)
    _close(known[net.loss], loss.detach().numpy(), "the loss", tolerance)
    expected = {n: (t.grad if t.grad is not None else torch.zeros_like(t)).numpy() for n, t in tensors.items()}
    for name, gradient in derivation.backward.gradients.items():
        _close(known[gradient], expected[name], f"{derivation.gradients[name]}", tolerance)
    for plain in (False, True):
        step = derivation.compile("numpy", plain=plain)
        for _ in range(2):  # the second call finds memory that the first one has filled
            value, gradients = step(**{n: arrays[n].copy() for n in step.names})
            _close(value, loss.detach().numpy(), "the loss in code", tolerance)
            for name in gradients:
                _close(gradients[name], expected[name], f"the code of {name}:\n{step.source}", tolerance)


def _close(got: Any, wanted: Any, what: str, tolerance: float) -> None:
    assert np.shape(got) == np.shape(wanted), what
    error = np.abs(got - wanted).max(initial=0.0)
    assert error <= tolerance * max(1.0, np.abs(wanted).max(initial=0.0)), f"{what}: off by {error}"
