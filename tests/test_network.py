"""The public interface: names in any spelling, values, batches, Jacobians as code, data for other tools."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus.forward import tangent_name, tangents
from chainrule.network import Network
from chainrule.reference import evaluate_program

NETWORK = """
input x     : D
label y_hat : K, one-hot
param W1    : H × D
param U     : K × H
h = tanh(W1 x)
theta = U h
p = softmax(theta)
loss = CE(y_hat, p)
"""


@pytest.fixture
def net() -> Network:
    return cr.parse(NETWORK)


def values(seed: int = 0, batch: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.standard_normal((*batch, 3)),
        "y_hat": np.eye(5)[rng.integers(0, 5, batch)],
        "W1": rng.standard_normal((7, 3)),
        "U": rng.standard_normal((5, 7)),
    }


def test_names_keep_the_users_spelling_and_are_found_in_any(net: Network) -> None:
    assert list(net.derive().gradients) == ["x", "W1", "U"]
    assert net.dims["ŷ"] == net.dims["y_hat"] == ("K", 1)
    assert net.derive(["W_1"]).gradients["W₁"].shape == ("H", "D")


def test_unknown_name_is_refused(net: Network) -> None:
    with pytest.raises(cr.UnknownNameError, match="W2"):
        net.derive(["W2"])


def test_evaluate_takes_columns_with_or_without_their_axis(net: Network) -> None:
    flat = net.evaluate(**values())
    given = values()
    given["x"] = given["x"][:, None]
    np.testing.assert_array_equal(net.evaluate(**given)["loss"], flat["loss"])
    e = np.exp(flat["theta"])
    np.testing.assert_allclose(flat["p"], e / e.sum(), rtol=1e-12)


def test_compiled_step_equals_the_reference(net: Network) -> None:
    derivation = net.derive()
    loss, gradients = derivation.compile("numpy")(**values())
    known = evaluate_program(derivation.program, values(), {"D": 3, "K": 5, "H": 7})
    assert loss == pytest.approx(float(known["loss"]), rel=1e-12)
    for name, gradient in derivation.backward.gradients.items():
        np.testing.assert_allclose(gradients[name], known[gradient], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_batch_is_the_samples_one_by_one(net: Network, reduction: str) -> None:
    derivation = net.derive(net.parameters)
    one = derivation.compile("numpy")
    step = derivation.compile("numpy", batch="N", reduction=reduction)
    data = values(1, (11,))
    loss, gradients = step(**data)
    singles = [one(**{**data, "x": x, "y_hat": y}) for x, y in zip(data["x"], data["y_hat"], strict=True)]
    share = 11 if reduction == "mean" else 1
    assert loss == pytest.approx(sum(s[0] for s in singles) / share, rel=1e-10)
    for name in net.parameters:
        np.testing.assert_allclose(gradients[name], sum(s[1][name] for s in singles) / share, rtol=1e-9, atol=1e-12)


def test_forward_mode_agrees_with_reverse_mode(net: Network) -> None:
    derivation = net.derive()
    known = evaluate_program(derivation.program, values(), {"D": 3, "K": 5, "H": 7})
    direction = {name: np.random.default_rng(9).standard_normal(values()[name].shape) for name in ("x", "W1", "U")}
    program = tangents(net.program, "loss", list(direction))
    given = {**values(), **{tangent_name(n): v for n, v in direction.items()}}
    found = evaluate_program(program, given, {"D": 3, "K": 5, "H": 7})[tangent_name("loss")]
    expected = sum((known[g] * direction[n]).sum() for n, g in derivation.backward.gradients.items())
    assert found == pytest.approx(expected, rel=1e-10)


def test_jacobian_and_hessian_compile(net: Network) -> None:
    jacobian = net.jacobian("x", "theta")
    exact = jacobian.evaluate(**values())
    assert exact.shape == (5, 3)
    run = jacobian.compile("numpy")
    needed = {n: v for n, v in values().items() if n in ("x", "W1", "U")}
    np.testing.assert_allclose(run(**needed), exact, rtol=1e-10)
    hessian = net.hessian("theta")
    assert hessian.text == "diag(p) − p pᵀ"


def test_loss_that_does_not_depend_warns_and_is_exactly_zero() -> None:
    net = cr.parse("input x : D\nparam V : K × D\nJ = norm(x)^2")
    with pytest.warns(cr.ChainruleWarning, match="J does not depend on V"):
        gradient = net.derive().gradients["V"]
    assert gradient.text == "0"
    assert "does not depend" in gradient.reason


def test_no_scalar_is_refused() -> None:
    with pytest.raises(cr.DimensionError, match="must be a scalar"):
        cr.parse("input x : D\nz = 2 x").derive()


def test_json_is_complete(net: Network) -> None:
    derivation = net.derive()
    data = json.loads(json.dumps(derivation.to_json(derivation.verify())))
    assert {"loss", "dims", "equations", "signals", "gradients", "verification"} <= set(data)
    assert {"name", "of", "text", "latex", "shape", "steps"} <= set(data["signals"][0])
    assert {"wrt", "text", "latex", "numerator", "shape", "reason", "steps"} <= set(data["gradients"][0])
    assert data["verification"]["ok"] is True


def test_printed_network_reads_back(net: Network) -> None:
    assert str(cr.parse(str(net))) == str(net)


def test_weight_used_twice_has_one_term_for_each_use() -> None:
    derivation = cr.parse("param W : n × n\ninput x : n\nh = tanh(W x)\nk = W h\nJ = norm(k)^2 / 2").derive("W")
    assert derivation.gradients["W"].text.count(" + ") == 1
    assert "one term for each use" in derivation.gradients["W"].reason
    assert derivation.verify().ok


@pytest.mark.parametrize("name", ["mathml", "latex", "text", "numerator"])
def test_every_notation_is_written(net: Network, name: str) -> None:
    derivation = net.derive()
    for gradient in (*derivation.signals.values(), *derivation.gradients.values()):
        assert getattr(gradient, name)


def test_verification_finds_a_wrong_sign(net: Network) -> None:
    from dataclasses import replace

    derivation = net.derive()
    name = derivation.backward.gradients["U"]
    equation = derivation.program.equations[name]
    derivation.program.equations[name] = replace(equation, value={k: -v for k, v in equation.value.items()})
    report = derivation.verify()
    assert not report.ok
    assert report.errors["U"] > 1
    assert report.errors["W1"] < 1e-6


@pytest.mark.parametrize("batch", [None, "N"])
def test_a_step_refuses_labels_that_break_their_declared_fact(net: Network, batch: str | None) -> None:
    step = net.derive().compile("numpy", batch=batch)
    data = values(2, () if batch is None else (4,))
    step(**data)
    with pytest.raises(cr.ArrayError, match="y_hat is declared one-hot, but a row of it sums to 2"):
        step(**{**data, "y_hat": 2 * data["y_hat"]})
