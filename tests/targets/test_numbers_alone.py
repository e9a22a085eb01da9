"""Functions of several numbers have the step's dtype: np.where(mask, 1, 2) alone would be whole numbers."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.reference import evaluate_program
from chainrule.targets import registry

PROGRAMS = {
    "a branch between two numbers": "param w : K\nz = (leaky_relu(w, 2))ᵀ\nJ = sum(sin(z))\n",
    "a gradient that is such a branch": "param w : K\nJ = sum(leaky_relu(w, 0.1))\n",
    "a maximum of numbers": "param w : scalar\nh = w - w\nJ = maximum(h, minimum(w, w))\n",
    "log-softmax of a log-sum-exp": "param W : H × H, symmetric\nz = log_softmax(Wᵀ)\nh = log_softmax(logsumexp(W))\n"
    "J = sum(sin(z)) + sum(sin(h))\n",
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", registry.names())
@pytest.mark.parametrize("name", PROGRAMS)
def test_loss_and_gradients_are_floats_and_the_references(name: str, target: str, dtype: str) -> None:
    if registry.find(target).missing:
        pytest.skip(f"{target} is not installed")
    net = cr.parse(PROGRAMS[name])
    d = net.derive()
    (variable,) = d.gradients
    rng = np.random.default_rng(3)
    shape = tuple(5 for _ in net.program.variables[variable].dims)
    value = rng.standard_normal(shape)
    value = np.asarray((value + value.T) / 2 if value.ndim == 2 else value, dtype)
    loss, gradients = d.compile(target, dtype=dtype)(**{variable: value})
    wanted = evaluate_program(d.program, {variable: value.astype(np.float64)}, {"K": 5, "H": 5})
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    assert loss == pytest.approx(float(wanted[d.loss]), rel=tolerance, abs=tolerance)
    got = np.asarray(gradients[variable])
    assert got.dtype == dtype
    np.testing.assert_allclose(got, wanted[d.backward.gradients[variable]], rtol=tolerance, atol=tolerance)
