"""Through loops: tangents, Jacobians, products with Hessians and Hessians, against torch and central differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import chainrule as cr
from chainrule.algebra.program import Program
from chainrule.errors import UnsupportedError
from chainrule.reference import evaluate_program
from loop_programs import PROGRAMS
from test_loop_programs import at_a_point
from test_recurrences import BOTH_WAYS, LAST, LSTM, RNN, STACKED, arrays

Array = NDArray[np.float64]
STATE = LAST.replace("J = CE", "q = h[T]\nJ = CE")


def differences(f: Callable[[Array], Array], x: Array, step: float = 1e-6) -> Array:
    """∂f/∂x by central differences: the sizes of f, then those of x."""
    columns = []
    for k in range(x.size):
        by = np.zeros(x.size)
        by[k] = step
        by = by.reshape(x.shape)
        columns.append((np.asarray(f(x + by)) - np.asarray(f(x - by))) / (2 * step))
    return np.reshape(np.stack(columns, axis=-1), (*columns[0].shape, *x.shape))


def last_state(v: dict[str, torch.Tensor]) -> torch.Tensor:
    h = v["h0"]
    for x in v["x"]:
        h = torch.tanh(v["A"] @ h + v["B"] @ x)
    return h


def tensors(values: dict[str, Array]) -> dict[str, torch.Tensor]:
    return {k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()}


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("wrt", ["h0", "A", "B", "x"])
def test_the_jacobian_of_the_last_state_is_torchs(wrt: str, steps: int) -> None:
    net = cr.parse(STATE)
    values = arrays(net, steps)
    v = tensors(values)
    wanted = torch.autograd.functional.jacobian(lambda p: last_state({**v, wrt: p}), v[wrt])
    found = net.jacobian(wrt, "q")
    np.testing.assert_allclose(found.evaluate(**values), wanted.numpy(), rtol=1e-10, atol=1e-13)
    code = found.compile()
    np.testing.assert_allclose(code(**{n: values[n] for n in code.names}), wanted.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("wrt", ["h0", "A", "x"])
def test_second_order_is_torchs(wrt: str) -> None:
    net = cr.parse(STATE)
    values = arrays(net, 4)
    v = tensors(values)

    def loss(p: torch.Tensor) -> torch.Tensor:
        known = {**v, wrt: p}
        return -(v["y"] * torch.log_softmax(known["U"] @ last_state(known), 0)).sum()

    direction = np.random.default_rng(7).normal(size=values[wrt].shape)
    hessian = torch.autograd.functional.hessian(loss, v[wrt]).numpy()
    product = np.tensordot(hessian, direction, direction.ndim)
    found = net.hessian_product(wrt)
    given = {**values, f"d{wrt}": direction}
    np.testing.assert_allclose(found.evaluate(**given), product, rtol=1e-9, atol=1e-12)
    code = found.compile(plain=True)
    np.testing.assert_allclose(code(**{n: given[n] for n in code.names}), product, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(net.hessian(wrt).evaluate(**values), hessian, rtol=1e-9, atol=1e-12)


def test_formulas() -> None:
    net = cr.parse(STATE)
    assert net.jacobian("h0", "q").equations == (
        "Δ₁[t] = (1[t = T] I + Δ₁[t+1] A) ∘ (1 − (h[t].^2)ᵀ)",
        "∂q/∂h0 = Δ₁[1] A",
    )
    tangent = net.directional("h0").equations
    assert tangent[:2] == ("dh[t] = A dh[t−1] ∘ (1 − h[t].^2)", "dh[0] = dh0")
    product = cr.parse(RNN).hessian_product("A").equations
    assert product[-1] == "∂²J/∂A² dA = sum(t, δ₂[t]ᵀ dh[t−1]ᵀ) + sum(t, dδ₂[t]ᵀ h[t−1]ᵀ)"
    assert "dh[t] = (A dh[t−1] + dA h[t−1]) ∘ (1 − h[t].^2)" in product
    assert str(net.jacobian("h0", "q")).splitlines()[-1] == "∂q/∂h0 = Δ₁[1] A"


@pytest.mark.parametrize(
    "name",
    ["batch rows", "batch rows h0 CE", "norm in step", "elementwise max", "delta rule", "kalman cov", "RK4",
     "t as number", "birnn concat", "Adam corrected", "tr states", "a layer norm in a step", "running mean",
     "a formula before the first step", "predict next"],
)  # fmt: skip
def test_products_against_differences(name: str) -> None:
    net = cr.parse(PROGRAMS[name])
    sizes, values = at_a_point(net, 3)
    derivation = net.derive()
    wrt = next(n for n in (*net.parameters, *net.inputs) if not net.program.variables[n].facts)
    direction = np.random.default_rng(1).normal(size=values[wrt].shape)

    def at(t: float) -> tuple[Array, Array]:
        known = evaluate_program(derivation.program, {**values, wrt: values[wrt] + t * direction}, sizes)
        return known["J"], known[derivation.backward.gradients[wrt]]

    (up, up_), (down, down_) = at(1e-5), at(-1e-5)
    given = {**values, f"d{wrt}": direction}
    for found, wanted in (
        (net.directional(wrt), (up - down) / 2e-5), (net.hessian_product(wrt), (up_ - down_) / 2e-5),
    ):  # fmt: skip
        value = found.evaluate(**given)
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(wanted).max()))
        code = found.compile()
        np.testing.assert_allclose(code(**{n: given[n] for n in code.names}), value, rtol=1e-9, atol=1e-11)
        assert "%" not in "".join(found.equations)
        report = found.check_steps()
        assert report.ok, f"{report}\n{found.explained(1)}"
        assert report.count > 2
        assert "%" not in found.explained(1)


@pytest.mark.parametrize(
    ("name", "of"),
    [("kalman cov", "P"), ("delta rule", "S"), ("EMA", "m"), ("GD unrolled", "w"), ("second order", "y"),
     ("down", "G"), ("newton-schulz", "X"), ("elementwise max", "h"), ("running mean", "m")],
)  # fmt: skip
def test_jacobians_and_hessians_against_differences(name: str, of: str) -> None:
    net = cr.parse(PROGRAMS[name])
    sizes, values = at_a_point(net, 3)
    derivation = net.derive()
    wrt = min((n for n in (*net.parameters, *net.inputs)), key=lambda n: values[n].size)
    for found, program, value in (
        (net.jacobian(wrt, of), net.program, of),
        (net.hessian(wrt), derivation.program, derivation.backward.gradients[wrt]),
    ):

        def at(x: Array, program: Program = program, value: str = value) -> Array:
            return evaluate_program(program, {**values, wrt: x}, sizes)[value]

        wanted = differences(at, values[wrt])
        got = found.evaluate(**values)
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * max(1.0, np.abs(wanted).max()))
        code = found.compile()
        np.testing.assert_allclose(code(**{n: values[n] for n in code.names}), got, rtol=1e-9, atol=1e-11)


def test_gauss_newton_through_a_loop() -> None:
    net = cr.parse(STATE)
    values = arrays(net, 3)
    v = tensors(values)
    jacobian = torch.autograd.functional.jacobian(lambda p: v["U"] @ last_state({**v, "h0": p}), v["h0"])
    p = torch.softmax(v["U"] @ last_state(v), 0)
    wanted = jacobian.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian
    np.testing.assert_allclose(net.gauss_newton("h0").evaluate(**values), wanted.numpy(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(("text", "wrt"), [(LSTM, "V_f"), (BOTH_WAYS, "q")])
def test_gates_and_both_directions(text: str, wrt: str) -> None:
    net = cr.parse(text)
    values = arrays(net, 3)
    direction = np.random.default_rng(2).normal(size=values[wrt].shape)
    gradient = net.derive([wrt]).compile()

    def along(t: float) -> Array:
        moved = {**values, wrt: values[wrt] + t * direction}
        return np.asarray(gradient(**{n: moved[n] for n in gradient.names})[1][wrt])

    wanted = (along(1e-5) - along(-1e-5)) / 2e-5
    found = net.hessian_product(wrt).evaluate(**values, **{f"d{wrt}": direction})
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_a_direction_of_what_a_loop_computes_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="whose steps a loop computes"):
        cr.parse(LAST).directional("h")


def outputs_of_the_rnn(v: dict[str, torch.Tensor]) -> torch.Tensor:
    h, found = torch.zeros(len(v["A"]), dtype=torch.float64), []
    for x in v["x"]:
        h = torch.tanh(v["A"] @ h + v["B"] @ x + v["b"])
        found.append(v["U"] @ h + v["c"])
    return torch.stack(found)


def states_of_two_layers(v: dict[str, torch.Tensor]) -> torch.Tensor:
    h, g = (torch.zeros(len(v[n]), dtype=torch.float64) for n in ("A1", "A2"))
    found = []
    for x in v["x"]:
        h = torch.tanh(v["A1"] @ h + v["B1"] @ x)
        g = torch.tanh(v["A2"] @ g + v["B2"] @ h)
        found.append(g)
    return torch.stack(found)


Outputs = Callable[[dict[str, torch.Tensor]], torch.Tensor]
Loss = Callable[[dict[str, torch.Tensor], torch.Tensor], torch.Tensor]
# The text, what of it is linearised, the loss of that, and by what.
OUTPUTS: dict[str, tuple[str, Outputs, Loss, tuple[str, ...]]] = {
    "logits of every step": (
        RNN, outputs_of_the_rnn, lambda v, o: -(v["y"] * torch.log_softmax(o, 1)).sum() / len(o),
        ("A", "B", "b", "U", "x"),
    ),
    "logits of the last step": (
        LAST, lambda v: v["U"] @ last_state(v), lambda v, f: -(v["y"] * torch.log_softmax(f, 0)).sum(),
        ("A", "B", "h0", "U", "x"),
    ),
    "a state that the loop computes": (
        STACKED, states_of_two_layers, lambda _, g: (g[-1] ** 4).sum() + (g[-1] ** 2).sum(),
        ("A1", "B1", "A2", "B2", "x"),
    ),
}  # fmt: skip
CASES = [
    (name, wrt, steps)
    for name, (*_, by) in OUTPUTS.items()
    for wrt in by
    for steps in ((1, 2, 7) if wrt == by[0] else (5,))
]


@pytest.mark.parametrize(("name", "wrt", "steps"), CASES)
def test_gauss_newton_products_are_torchs(name: str, wrt: str, steps: int) -> None:
    text, output, loss, _ = OUTPUTS[name]
    if text == STACKED:
        text = text.replace("J = norm(g[T])^2", "J = norm(g[T])^2 + norm(g[T] ∘ g[T])^2")
        assert "∘ g[T]" in text
    net = cr.parse(text)
    values = arrays(net, steps)
    v = tensors(values)
    direction = np.random.default_rng(steps).normal(size=values[wrt].shape)
    f, df = torch.autograd.functional.jvp(lambda p: output({**v, wrt: p}), v[wrt], torch.tensor(direction))
    curved = torch.autograd.functional.hvp(lambda o: loss(v, o), f, df)[1]
    wanted = torch.autograd.functional.vjp(lambda p: output({**v, wrt: p}), v[wrt], curved)[1].numpy()
    found = net.gauss_newton_product(wrt)
    given = {**values, f"d{wrt}": direction}
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found.evaluate(**given), wanted, rtol=1e-9, atol=1e-11 * max(1, scale))
    code = found.compile()
    np.testing.assert_allclose(code(**{n: given[n] for n in code.names}), wanted, rtol=1e-9, atol=1e-11 * max(1, scale))
    assert found.check_steps().ok
    assert "%" not in found.explained(1)


def test_the_steps_of_a_tangent_go_through_the_step_before() -> None:
    tangent = cr.parse(STATE).directional("h0")
    (first, *_), *_ = (one.steps for one in tangent.told)
    assert first.left.text == "dh[t]"
    assert first.right.text == (
        "∂h[t]/∂(A h[t−1] + B x[t]) ∂(A h[t−1] + B x[t])/∂h[t−1] dh[t−1]"
    )  # fmt: skip
    assert first.detail == "dh[t−1] was computed before"
    product = cr.parse(RNN).hessian_product("A").explained(1)
    assert "∂(δ₁[t] U + δ₂[t+1] A)/∂δ₂[t+1] dδ₂[t+1]" in product
    assert "lag(" not in product


@pytest.mark.parametrize(("wrt", "of"), [("h0", "q"), ("A", "q"), ("x", "h")])
def test_the_steps_of_a_jacobian_are_those_of_a_product(wrt: str, of: str) -> None:
    found = cr.parse(STATE).jacobian(wrt, of)
    report = found.check_steps()
    assert report.ok, str(report)
    assert report.count > 8
    told = found.explained(1)
    assert "c held" in told
    assert "for every one at once: Δ₁[t" in told
    assert "%" not in told
    assert "lag(" not in told
    assert found.steps


def test_the_steps_of_a_hessian_are_those_of_a_product() -> None:
    found = cr.parse(STATE).hessian("h0")
    report = found.check_steps()
    assert report.ok, str(report)
    told = found.explained(1)
    assert "dh[t−1] was computed before" in told
    assert "linear in dh0, so for every one at once" in told


def test_a_gauss_newton_product_goes_forwards_and_back() -> None:
    product = cr.parse(RNN).gauss_newton_product("A")
    assert product.equations == (
        "dh[t] = (1 − h[t].^2) ∘ (A dh[t−1] + dA h[t−1])",
        "do[t] = U dh[t]",
        "dδ₁[t] = (softmax(o[t]) ∘ (do[t] − softmax(o[t])ᵀ do[t]))ᵀ/T",
        "v[t] = dδ₁[t]ᵀ",
        "Γ₁[t] = (v[t]ᵀ U + Γ₁[t+1] A) ∘ (1 − (h[t].^2)ᵀ)",
        "G(A) dA = sum(t, Γ₁[t]ᵀ h[t−1]ᵀ)",
    )
    fisher = cr.parse(RNN).fisher_product("A")
    assert fisher.equations[-2:] == (product.equations[-2], product.equations[-1].replace("G(A)", "F(A)"))


@pytest.mark.parametrize("target", ["c", "torch", "jax"])
def test_a_gauss_newton_product_compiles(target: str) -> None:
    net = cr.parse(RNN)
    values = arrays(net, 5)
    product = net.gauss_newton_product("A")
    values["dA"] = np.random.default_rng(3).normal(size=values["A"].shape)
    code = product.compile(target)
    found = np.asarray(code(**{n: values[n] for n in code.names}))
    np.testing.assert_allclose(found, product.evaluate(**values), rtol=1e-10, atol=1e-12)


def test_the_output_of_a_gauss_newton_product_must_be_one_thing() -> None:
    net = cr.parse(BOTH_WAYS)
    with pytest.raises(UnsupportedError, match="several sequences of loops"):
        net.gauss_newton_product("A")
    shifted = cr.parse(LAST.replace("J = CE", "K = sum(t, norm(h[t-1])^2) + norm(h)^2\nJ = K + CE"))
    with pytest.raises(UnsupportedError, match="earlier steps of the output h"):
        shifted.gauss_newton_product("A", of="h")
