"""Recurrences in PyTorch, JAX and C: differentiated by what differentiates there, and written as one would."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.plan import build_plan
from chainrule.points import choose_sizes
from chainrule.reference import evaluate_program
from chainrule.targets.passes import seeded
from targets.corpus import entry
from targets.test_c_steps import sanitized

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).resolve().parents[2]
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
    """The second derivative in a direction is the difference of gradients."""
    jax = pytest.importorskip("jax")
    found = entry("loop/two steps back")
    assert found.derivation is not None
    step, plain = found.step("jax", "float64"), found.step("numpy", "float64")
    x = step.names.index("x")
    arrays = {name: np.asarray(found.arrays[name], np.float64) for name in step.names}
    direction = np.random.default_rng(2).standard_normal(arrays["x"].shape)

    def gradient(far: float) -> np.ndarray:
        return plain(**{**arrays, "x": arrays["x"] + far * direction})[1]["x"]

    with jax.enable_x64(True):
        given = [jax.numpy.asarray(array) for array in arrays.values()]
        at_x = jax.grad(step.function, argnums=x)
        many = jax.numpy.stack([given[x], given[x] + direction])
        batch = jax.jit(jax.vmap(at_x, in_axes=[0 if k == x else None for k in range(len(given))]))
        first = batch(*given[:x], many, *given[x + 1 :])
        second = jax.jit(jax.grad(lambda *p: (at_x(*p) * direction).sum(), argnums=x))(*given)
    np.testing.assert_allclose(first, [gradient(0), gradient(1)], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(second, (gradient(1e-5) - gradient(-1e-5)) / 2e-5, rtol=1e-6, atol=1e-8)
    assert "jax.lax.scan(" in step.source


@pytest.mark.parametrize(("target", "suffix"), [("c", "c"), ("torch", "py"), ("jax", "py")])
def test_the_golden_source_is_what_is_written(target: str, suffix: str) -> None:
    """For a reader to see. CHAINRULE_GOLDEN=write writes it anew."""
    pytest.importorskip("jax")
    text = cr.load(ROOT / "examples" / "lstm.net").derive().compile(target, dtype="float32").source
    path = GOLDEN / f"lstm_{target}.{suffix}.txt"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


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
    for target in ("torch", "jax", "c"):
        loss, found = derivation.compile(target, dtype="float64")(**arrays)
        np.testing.assert_allclose(loss, wanted, rtol=1e-12)
        for name, value in found.items():
            np.testing.assert_allclose(value, gradients[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "steps", "known"),
    [
        ("loop/gru", 1, True), ("loop/both_ways over a batch", 5, False), ("loop/two steps back", 1, False),
        pytest.param("loop/lstm over a batch", 5, True, marks=pytest.mark.long),
        pytest.param("loop/scalar over a batch", 5, False, marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_c_stays_inside_its_arrays(name: str, steps: int, known: bool, tmp_path: Path) -> None:
    """For one step too, where no step has an earlier one, with sizes that are known and that are not."""
    found = entry(name)
    sizes = {**choose_sizes(found.program), "T": steps}
    sanitized(found.program, list(found.outputs), sizes, "float64", known, tmp_path)


@pytest.mark.parametrize("name", ["loop/last over a batch", "loop/two steps back"])
def test_embedded_c_has_loops(name: str) -> None:
    found = entry(name)
    assert found.derivation is not None
    sizes = choose_sizes(found.program)
    step = found.derivation.compile("c", dtype="float64", sizes=sizes, embedded=True)
    arrays = {key: np.asarray(value, np.float64) for key, value in found.arrays.items()}
    wanted = found.expected(arrays)
    loss, gradients = step(**{key: arrays[key] for key in step.names})
    np.testing.assert_allclose(loss, wanted["loss"], rtol=1e-11)
    for key, value in gradients.items():
        np.testing.assert_allclose(value.reshape(np.shape(wanted[key])), wanted[key], rtol=1e-9, atol=1e-12)


def test_a_loop_in_c_reads_rows_where_they_lie() -> None:
    net = cr.parse("""
        input X : T × N × D
        param A : K × K
        param B : D × K
        H[t] = tanh(H[t-1] A + X[t] B)  for t = 1..T
        J = sum(t, norm(H[t])^2)
        """)
    source = net.derive(["A"]).compile("c", dtype="float32").source
    assert (
        """
    for (size_t t = 0; t < T; t++) {
        const float *const H_before = t > 0 ? H + (t - 1) * N * K : zeros;
"""
        in source
    )
    assert "for (size_t t = T; t-- > 0;) {" in source
    assert source.count("gemm(0, 0, T * N, ") == 1  # X[t] B for all steps at once


def test_in_c_a_step_computes_what_is_elementwise() -> None:
    """No array of all steps is made for 1 − h[t]² and x[t−1]; the other languages make one, with one call."""
    net = cr.parse("""
        input x : T × D
        param A : D × D
        h[t] = tanh(A h[t-1] + x[t] ∘ x[t-1])  for t = 1..T
        J = sum(h)
        """)
    found = net.derive(["A"])
    plan = build_plan(found.program, (found.loss, *found.backward.gradients.values()), sink=True)
    inside = [step.op for step in plan.steps]
    assert inside.count("loop") == 2
    assert inside.count("opaque") == 1  # h[t−1] for all steps, for ∂J/∂A; not x[t−1]
    source = found.compile("c", dtype="float32").source
    assert "(1.0f - square(h[t * D + d])) * " in source
    assert "const float *const x_before = t > 0 ? x + (t - 1) * D : zeros;" in source
    assert "1 - h ** 2" in found.compile("torch").source


def test_what_is_computed_stably_together_stays_together() -> None:
    """A softmax and 1 − σ(x) that a loop alone uses keep the form in which nothing overflows and no digit is lost."""
    net = cr.parse("""
        input x : T × D
        param a : D
        e[t] = exp(x[t])  for t = 1..T
        p[t] = e[t] / sum(e[t])  for t = 1..T
        q[t] = 1 - sigmoid(x[t] / 20)  for t = 1..T
        h[t] = p[t] ∘ q[t] ∘ h[t-1] + a  for t = 1..T
        J = sum(h)
        """)
    rng = np.random.default_rng(1)
    arrays = {"x": 700 + 100 * rng.random((5, 3)), "a": 1 + rng.random(3)}
    derivation = net.derive()
    wanted, gradients = derivation.compile()(**arrays)
    assert 0 < np.abs(gradients["x"]).max() < 1e-12
    for target in ("c", "torch", "jax"):
        loss, found = derivation.compile(target, dtype="float64")(**arrays)
        np.testing.assert_allclose(loss, wanted, rtol=1e-14)
        np.testing.assert_allclose(found["x"], gradients["x"], rtol=1e-9, atol=1e-12 * np.abs(gradients["x"]).max())


def test_a_step_is_taken_of_each_sequence_and_not_of_their_sum() -> None:
    """∂J/∂h0 = (δ₂[1] W + δ₃[1] V)ᵀ has no product over all steps."""
    net = cr.parse("""
        input x : T × D
        param V : D × D
        param W : D × D
        param h0 : D
        h[0] = h0
        u[t] = tanh(V h[t-1] + x[t])  for t = 1..T
        h[t] = u[t] ∘ sigmoid(W h[t-1])  for t = 1..T
        J = norm(h)^2
        """)
    derivation = net.derive(["h0"])
    assert "dh0 = t3 @ δ2 @ W + t3 @ δ3 @ V\n" in derivation.compile("numpy", plain=True).source
    rng = np.random.default_rng(3)
    arrays = {n: rng.standard_normal(s) for n, s in (("x", (5, 3)), ("V", (3, 3)), ("W", (3, 3)), ("h0", (3,)))}
    given, sizes = net.check_arrays(arrays)
    known = evaluate_program(derivation.program, given, sizes)
    gradient = derivation.compile("c", dtype="float64")(**arrays)[1]["h0"]
    np.testing.assert_allclose(gradient, known[derivation.backward.gradients["h0"]], rtol=1e-12)
