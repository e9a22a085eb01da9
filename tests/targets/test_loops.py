"""Recurrences in PyTorch, JAX and C: differentiated by what differentiates there, and written as one would."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.targets.passes import seeded
from targets.corpus import entry

CHECKED = ["loop/last", "loop/lstm", "loop/both_ways over a batch", "loop/scalar", "loop/two steps back"]


@pytest.mark.parametrize("name", CHECKED)
def test_torch_agrees_with_first_and_second_derivatives(name: str) -> None:
    found = entry(name)
    step = found.step("torch", "float64")
    given = [torch.tensor(np.asarray(found.arrays[n], np.float64)) for n in step.names]
    for tensor, n in zip(given, step.names, strict=True):
        tensor.requires_grad_(n in step.gradients)
    assert torch.autograd.gradcheck(step.function.apply, given)
    assert torch.autograd.gradgradcheck(step.function.apply, given, fast_mode=True)


@pytest.mark.parametrize("name", [*CHECKED, "loop/gru", "loop/a sum of matrices that lies transposed"])
def test_the_gradient_that_arrives_goes_in_where_signals_begin(name: str) -> None:
    """A lag has it where that has it of which it is an earlier step, though it comes before it."""
    derivation = entry(name).derivation
    assert derivation is not None
    _, _, within = seeded(derivation.program, derivation.loss, list(derivation.backward.gradients.values()))
    assert within


def test_jax_differentiates_batches_and_compiles_loops() -> None:
    jax = pytest.importorskip("jax")
    from jax.test_util import check_grads

    found = entry("loop/two steps back")
    step = found.step("jax", "float64")
    assert "jax.lax.scan(" in step.source
    with jax.enable_x64(True):
        given = [jax.numpy.asarray(found.arrays[n], "float64") for n in step.names]
        check_grads(jax.jit(step.function), given, order=2, modes=["rev"])
        x = step.names.index("x")
        others = [None if k != x else 0 for k in range(len(given))]
        gradient = jax.grad(step.function, argnums=x)
        many = jax.numpy.stack([given[x], 2 * given[x]])
        batch = jax.jit(jax.vmap(gradient, in_axes=others))(*given[:x], many, *given[x + 1 :])
        for one, row in zip(batch, many, strict=True):
            np.testing.assert_allclose(one, gradient(*given[:x], row, *given[x + 1 :]), rtol=1e-10, atol=1e-14)


def test_a_loop_reads_as_one_would_write_it() -> None:
    net = cr.parse("""
        input x : T × D
        param A : H × H
        param B : H × D
        param h0 : H
        h[0] = h0
        h[t] = tanh(A h[t-1] + B x[t])  for t = 1..T
        J = norm(h[T])^2
        """)
    source = net.derive().compile("torch").source
    assert (
        """
    h_steps = []
    for t in range(T):
        h_before = h_steps[-1] if h_steps else h0
        h_t = torch.tanh(A @ h_before + t1[t])
        h_steps.append(h_t)
    h = torch.stack(h_steps)
"""
        in source
    )
    assert "for t in reversed(range(T)):" in source
    pytest.importorskip("jax")
    source = net.derive().compile("jax").source
    assert (
        """
    def h_step(h_before, t1_t):
        h_t = jnp.tanh(A @ h_before + t1_t)
        return h_t, h_t
    _, h = jax.lax.scan(h_step, h0, t1)
"""
        in source
    )
    assert "reverse=True" in source


def test_numbers_of_a_loop_that_no_array_of_the_backward_pass_has() -> None:
    """The size in 1/K is read from an array that is kept for that alone."""
    net = cr.parse("""
        input x : T × D
        input k : K
        param a : D
        h[t] = a ∘ h[t-1] + x[t]/K  for t = 1..T
        J = sum(h) + sum(k)
        """)
    derivation = net.derive(["a", "x"])
    arrays = {"x": np.arange(6.0).reshape(3, 2), "k": np.ones(5), "a": np.array([0.5, 2.0])}
    wanted, gradients = derivation.compile()(**arrays)
    for target in ("torch", "jax"):
        loss, found = derivation.compile(target)(**arrays)
        np.testing.assert_allclose(loss, wanted, rtol=1e-12)
        for name, value in found.items():
            np.testing.assert_allclose(value, gradients[name], rtol=1e-12)
