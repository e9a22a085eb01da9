"""Recurrences of symbolic length: backpropagation through time against torch's, as formulas, as code, and refused."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.algebra.loops import Loop, stages
from chainrule.errors import ChainruleError, UnsupportedError
from chainrule.explanation.checking import check_steps
from chainrule.points import sample
from chainrule.reference import evaluate_program

RNN = """
input x : T × D_x
label y : T × N_c, one-hot
param A : D_h × D_h
param B : D_h × D_x
param b : D_h
param U : N_c × D_h
param c : N_c
h[t] = tanh(A h[t-1] + B x[t] + b)  for t = 1..T
o[t] = U h[t] + c  for t = 1..T
J = mean(t, CE(y[t], softmax(o[t])))
"""
LAST = """
input x : T × D_x
label y : N_c, one-hot
param A : D_h × D_h
param B : D_h × D_x
param h0 : D_h
param U : N_c × D_h
h[0] = h0
h[t] = tanh(A h[t-1] + B x[t])  for t = 1..T
J = CE(y, softmax(U h[T]))
"""
GATES = "".join(f"param W_{g} : H × D\nparam V_{g} : H × H\nparam b_{g} : H\n" for g in "ifog")
LSTM = f"""
input x : T × D
const G : T × H
{GATES}
param h0 : H
param c0 : H
h[0] = h0
c[0] = c0
i[t] = sigmoid(W_i x[t] + V_i h[t-1] + b_i)  for t = 1..T
f[t] = sigmoid(W_f x[t] + V_f h[t-1] + b_f)  for t = 1..T
o[t] = sigmoid(W_o x[t] + V_o h[t-1] + b_o)  for t = 1..T
g[t] = tanh(W_g x[t] + V_g h[t-1] + b_g)  for t = 1..T
c[t] = f[t] ∘ c[t-1] + i[t] ∘ g[t]  for t = 1..T
h[t] = o[t] ∘ tanh(c[t])  for t = 1..T
J = sum(G ∘ h)
"""
GRU = f"""
input x : T × D
const G : T × H
{"".join(f"param W_{g} : H × D{chr(10)}param V_{g} : H × H{chr(10)}" for g in "zrn")}
z[t] = sigmoid(W_z x[t] + V_z h[t-1])  for t = 1..T
r[t] = sigmoid(W_r x[t] + V_r h[t-1])  for t = 1..T
n[t] = tanh(W_n x[t] + r[t] ∘ (V_n h[t-1]))  for t = 1..T
h[t] = (1 - z[t]) ∘ n[t] + z[t] ∘ h[t-1]  for t = 1..T
J = sum(G ∘ h)
"""
STACKED = """
input x : T × D
param A1 : H × H
param B1 : H × D
param A2 : K × K
param B2 : K × H
h[t] = tanh(A1 h[t-1] + B1 x[t])  for t = 1..T
g[t] = tanh(A2 g[t-1] + B2 h[t])  for t = 1..T
J = norm(g[T])^2 + norm(A2)^2
"""
BOTH_WAYS = """
input x : T × D
param A : H × H
param B : H × D
param C : H × H
param q : H
h[t] = tanh(A h[t-1] + B x[t])  for t = 1..T
g[T+1] = q
g[t] = tanh(C g[t+1] + A h[t])  for t = T..1
O = h Cᵀ
J = sum(O ∘ g) + norm(g[1])^2
"""
SCALAR = """
input g : T
param β : scalar
param v0 : scalar
v[0] = v0
v[t] = β v[t-1] + g[t]  for t = 1..T
J = sum(t, v[t]^2) + v[T]
"""
LINEAR = """
input u : T × M
param A : N × N
param B : N × M
param C : P × N
const G : T × P
x[t] = A x[t-1] + B u[t]  for t = 1..T
y[t] = C x[t]  for t = 1..T
J = sum(t, (y[t] - G[t])ᵀ (y[t] - G[t]))
"""

Tensors = dict[str, torch.Tensor]


def rnn(v: Tensors) -> torch.Tensor:
    h, total = torch.zeros(len(v["A"])), torch.zeros(())
    for x, y in zip(v["x"], v["y"], strict=True):
        h = torch.tanh(v["A"] @ h + v["B"] @ x + v["b"])
        total = total - (y * torch.log_softmax(v["U"] @ h + v["c"], 0)).sum()
    return total / len(v["x"])


def last(v: Tensors) -> torch.Tensor:
    h = v["h0"]
    for x in v["x"]:
        h = torch.tanh(v["A"] @ h + v["B"] @ x)
    return -(v["y"] * torch.log_softmax(v["U"] @ h, 0)).sum()


def lstm(v: Tensors) -> torch.Tensor:
    h, c, total = v["h0"], v["c0"], torch.zeros(())
    for x, weight in zip(v["x"], v["G"], strict=True):
        z = {k: v[f"W_{k}"] @ x + v[f"V_{k}"] @ h + v[f"b_{k}"] for k in "ifog"}
        c = torch.sigmoid(z["f"]) * c + torch.sigmoid(z["i"]) * torch.tanh(z["g"])
        h = torch.sigmoid(z["o"]) * torch.tanh(c)
        total = total + weight @ h
    return total


def gru(v: Tensors) -> torch.Tensor:
    h, total = torch.zeros(len(v["V_n"])), torch.zeros(())
    for x, weight in zip(v["x"], v["G"], strict=True):
        z = torch.sigmoid(v["W_z"] @ x + v["V_z"] @ h)
        r = torch.sigmoid(v["W_r"] @ x + v["V_r"] @ h)
        n = torch.tanh(v["W_n"] @ x + r * (v["V_n"] @ h))
        h = (1 - z) * n + z * h
        total = total + weight @ h
    return total


def stacked(v: Tensors) -> torch.Tensor:
    h, g = torch.zeros(len(v["A1"])), torch.zeros(len(v["A2"]))
    for x in v["x"]:
        h = torch.tanh(v["A1"] @ h + v["B1"] @ x)
        g = torch.tanh(v["A2"] @ g + v["B2"] @ h)
    return (g**2).sum() + (v["A2"] ** 2).sum()


def both_ways(v: Tensors) -> torch.Tensor:
    h, forwards = torch.zeros(len(v["A"])), []
    for x in v["x"]:
        h = torch.tanh(v["A"] @ h + v["B"] @ x)
        forwards.append(h)
    g, total = v["q"], torch.zeros(())
    for h in reversed(forwards):
        g = torch.tanh(v["C"] @ g + v["A"] @ h)
        total = total + (v["C"] @ h) @ g
    return total + (g**2).sum()


def scalar(v: Tensors) -> torch.Tensor:
    value, total = v["v0"], torch.zeros(())
    for g in v["g"]:
        value = v["β"] * value + g
        total = total + value**2
    return total + value


def linear(v: Tensors) -> torch.Tensor:
    x, total = torch.zeros(len(v["A"])), torch.zeros(())
    for u, wanted in zip(v["u"], v["G"], strict=True):
        x = v["A"] @ x + v["B"] @ u
        total = total + ((v["C"] @ x - wanted) ** 2).sum()
    return total


NETWORKS: dict[str, tuple[str, Callable[[Tensors], torch.Tensor]]] = {
    "rnn": (RNN, rnn), "last": (LAST, last), "lstm": (LSTM, lstm), "gru": (GRU, gru), "stacked": (STACKED, stacked),
    "both_ways": (BOTH_WAYS, both_ways), "scalar": (SCALAR, scalar), "linear": (LINEAR, linear),
}  # fmt: skip


def arrays(net: cr.Network, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
    sizes = sorted({d for v in net.program.variables.values() for d in v.dims if isinstance(d, str)} - {"T"})
    chosen = dict(zip(sizes, (3, 7, 5, 11), strict=False)) | {"T": steps}
    return sample(net.program, chosen, np.random.default_rng(seed), spread=0.7)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", NETWORKS)
def test_against_torch(name: str, steps: int) -> None:
    """The formulas by the reference interpreter, and both variants of the code."""
    text, loss = NETWORKS[name]
    net = cr.parse(text)
    derivation = net.derive()
    values = arrays(net, steps)
    tensors = {n: torch.tensor(v, requires_grad=n in derivation.gradients) for n, v in values.items()}
    torch.set_default_dtype(torch.float64)
    try:
        wanted = loss(tensors)
    finally:
        torch.set_default_dtype(torch.float32)
    wanted.backward()
    given, sizes = net.check_arrays(values)
    known = evaluate_program(derivation.program, given, sizes)
    found = [(known["J"], {of: known[g] for of, g in derivation.backward.gradients.items()})]
    for plain in (True, False):
        step = derivation.compile(plain=plain)
        found += [step(**{n: values[n] for n in step.names}) for _ in range(2)]
    for value, gradients in found:
        np.testing.assert_allclose(value, wanted.item(), rtol=1e-11)
        for of, gradient in gradients.items():
            grad = tensors[of].grad
            expected = np.zeros_like(values[of]) if grad is None else grad.numpy()
            np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12, err_msg=of)


FORMULAS = {
    "rnn": {
        "δ₁": "(softmax(o[t]) − y[t])ᵀ/T", "δ₂": "(δ₁[t] U + δ₂[t+1] A) ∘ (1 − (h[t].^2)ᵀ)",
        "x": "(δ₂[t] B)ᵀ", "A": "sum(t, δ₂[t]ᵀ h[t−1]ᵀ)", "B": "sum(t, δ₂[t]ᵀ x[t]ᵀ)", "b": "sum(t, δ₂[t]ᵀ)",
        "U": "sum(t, δ₁[t]ᵀ h[t]ᵀ)", "c": "sum(t, δ₁[t]ᵀ)",
    },
    "last": {
        "δ₁": "(softmax(U h[T]) − y)ᵀ", "δ₂": "(1[t = T] δ₁ U + δ₂[t+1] A) ∘ (1 − (h[t].^2)ᵀ)",
        "h0": "(δ₂[1] A)ᵀ", "U": "δ₁ᵀ h[T]ᵀ",
    },
    "lstm": {
        "δ₁": "G[t]ᵀ + δ₃[t+1] V_g + δ₄[t+1] V_o + δ₅[t+1] V_f + δ₆[t+1] V_i",
        "δ₂": "δ₁[t] ∘ (o[t] − h[t] ∘ tanh(c[t]))ᵀ + δ₂[t+1] ∘ f[t+1]ᵀ", "δ₄": "δ₁[t] ∘ h[t]ᵀ ∘ (1 − o[t]ᵀ)",
        "V_f": "sum(t, δ₅[t]ᵀ h[t−1]ᵀ)",
    },
    "gru": {
        "δ₁": "G[t]ᵀ + δ₁[t+1] ∘ z[t+1]ᵀ + (δ₂[t+1] ∘ r[t+1]ᵀ) V_n + δ₃[t+1] V_r + δ₄[t+1] V_z",
        "V_n": "sum(t, (δ₂[t]ᵀ ∘ r[t]) h[t−1]ᵀ)",
    },
    "scalar": {"δ₁": "2 v[t] + 1[t = T] + β δ₁[t+1]", "g": "δ₁[t]", "β": "sum(t, v[t−1] δ₁[t])", "v0": "β δ₁[1]"},
    "linear": {"δ₂": "δ₁[t] C + δ₂[t+1] A", "A": "sum(t, δ₂[t]ᵀ x[t−1]ᵀ)", "u": "(δ₂[t] B)ᵀ"},
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_backpropagation_through_time_as_formulas(name: str) -> None:
    derivation = cr.parse(NETWORKS[name][0]).derive()
    for of, wanted in FORMULAS[name].items():
        found = derivation.signals[of] if of.startswith("δ") else derivation.gradients[of]
        assert "".join(found.text.split()) == "".join(wanted.split()), of


def test_what_a_signal_is_called_and_in_which_order_it_is_computed() -> None:
    derivation = cr.parse(RNN).derive()
    signal = derivation.signals["δ₂"]
    assert str(signal).startswith("δ₂[t] = ∂J/∂(A h[t−1] + B x[t] + b) = ")
    assert "computed for t = T..1, where δ₂[T+1] is 0" in signal.reason
    assert "because A is used in each step" in derivation.gradients["A"].reason
    assert str(derivation.gradients["x"]).startswith("∂J/∂x[t] = ")
    assert "h[0] is 0, since no value is given" in derivation.network.repeats


@pytest.mark.parametrize("name", NETWORKS)
def test_verified_and_written_in_every_way(name: str) -> None:
    net = cr.parse(NETWORKS[name][0])
    derivation = net.derive()
    report = derivation.verify()
    assert report.ok, str(report)
    assert cr.parse(str(net)).derive().text() == derivation.text()
    text = derivation.text(explain=1)
    assert "%" not in text
    assert not re.search(r"%[\w-]", derivation.latex(1))
    assert derivation.html(1).count("<math") > 10
    assert "%" not in json.dumps(derivation.to_json())
    assert derivation.markdown(1)
    assert derivation.picture().startswith("<svg")
    assert all(g.mathml for g in (*derivation.signals.values(), *derivation.gradients.values()))


@pytest.mark.parametrize("name", ["rnn", "last", "linear"])
def test_printed_gradients_are_read_back_as_right(name: str) -> None:
    net = cr.parse(NETWORKS[name][0])
    for of, gradient in net.derive().gradients.items():
        if net.program.variables[of].steps is None:
            claim = cr.check(net, f"∂J/∂{of} = {gradient.text}")
            assert claim.ok, (of, claim.diagnosis)


def test_an_earlier_step_is_the_same_wherever_it_stands() -> None:
    """After the loop h[t-1] at t = 1 is h0 too, not 0."""
    net = cr.parse(LAST.replace("J = CE(y, softmax(U h[T]))", "J = CE(y, softmax(U h[T])) + sum(t, norm(h[t-1])^2)"))
    values = arrays(net, 2)
    known = net.evaluate(**values)
    h0, h1 = values["h0"], known["h"][0]
    other = cr.parse(LAST).evaluate(**values)["J"]
    assert known["J"] - other == pytest.approx(h0 @ h0 + h1 @ h1, rel=1e-12)
    assert net.derive().verify().ok
    with pytest.raises(UnsupportedError, match="offset of -2"):
        cr.parse(LAST + "K = J + sum(t, norm(h[t-2])^2)")


@pytest.mark.parametrize("name", NETWORKS)
def test_each_step_of_the_derivation_holds_by_itself(name: str) -> None:
    report = cr.parse(NETWORKS[name][0]).derive().check_steps()
    assert report.ok, str(report)
    assert report.count > 8
    assert not report.skipped


def test_the_chain_goes_through_the_next_step() -> None:
    steps = cr.parse(RNN).derive().signals["δ₂"].steps
    said = [step.right.text for step in steps]
    assert said[0] == (
        "∂J/∂o[t] ∂o[t]/∂h[t] + ∂J/∂(A h[t] + B x[t+1] + b) ∂(A h[t] + B x[t+1] + b)/∂h[t]"
    )  # fmt: skip
    assert "δ₁[t] U + δ₂[t+1] A" in said
    assert steps[-1].right.text == "(δ₁[t] U + δ₂[t+1] A) ∘ (1 − (h[t].^2)ᵀ)"
    gradient = cr.parse(RNN).derive().gradients["A"].steps
    assert gradient[0].right.text == "sum(t, ∂J/∂(A h[t−1] + B x[t] + b) ∂(A h[t−1] + B x[t] + b)/∂A)"
    assert [step.identity for step in gradient][-1] == "2.5"


def test_the_steps_say_which_term_comes_from_where_and_why_there_is_a_sum() -> None:
    derivation = cr.parse(RNN).derive()
    chain, known, *_ = derivation.signals["δ₂"].steps
    assert chain.detail.endswith("h[t] is used by o[t] of step t, and by (A h[t] + B x[t+1] + b) of step t+1")
    assert known.rule == "δ₁[t], δ₂[t+1] are known"
    assert known.detail.endswith("δ₂[t+1] = ∂J/∂(A h[t] + B x[t+1] + b), computed before")
    diagonal = next(s for s in derivation.signals["δ₂"].steps if s.rule == "2.4")
    assert diagonal.right.text == "(δ₁[t] U + δ₂[t+1] A) diag(tanh′(A h[t−1] + B x[t] + b))"
    gradient = derivation.gradients["A"].steps[0]
    assert gradient.detail == "A is used in every step t: what each of them gives is summed"


STARTS = {
    "rnn": ("δ₂", "δ₂[T] = δ₁[T] U ∘ (1 − (h[T].^2)ᵀ)"),
    "last": ("δ₂", "δ₂[T] = δ₁ U ∘ (1 − (h[T].^2)ᵀ)"),
    "lstm": ("δ₂", "δ₂[T] = δ₁[T] ∘ (o[T] − h[T] ∘ tanh(c[T]))ᵀ"),
    "scalar": ("δ₁", "δ₁[T] = 2 v[T] + 1"),
}


def test_a_step_beside_its_input_in_one_vector() -> None:
    """tanh(W [h[t-1]; x[t]]), as many papers write it, is tanh(A h[t-1] + B x[t]) for W = [A, B]."""
    text = "input x : T × D\nparam W : H × (H + D)\nh[t] = tanh(W [h[t-1]; x[t]]) for t = 1..T\nJ = norm(h[T])^2"
    net = cr.parse(text)
    assert cr.parse(str(net)).derive().verify().ok
    apart = cr.parse(
        "input x : T × D\nparam A : H × H\nparam B : H × D\nh[t] = tanh(A h[t-1] + B x[t]) for t = 1..T\n"
        "J = norm(h[T])^2"
    )
    rng = np.random.default_rng(0)
    a, b, x = rng.normal(size=(3, 3)), rng.normal(size=(3, 5)), rng.normal(size=(7, 5))
    loss, found = net.derive().compile()(x=x, W=np.hstack([a, b]))
    wanted, gradients = apart.derive().compile()(x=x, A=a, B=b)
    np.testing.assert_allclose(loss, wanted, rtol=1e-12)
    np.testing.assert_allclose(found["W"], np.hstack([gradients["A"], gradients["B"]]), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["x"], gradients["x"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", STARTS)
def test_the_step_that_is_computed_first_is_said_and_right(name: str) -> None:
    net = cr.parse(NETWORKS[name][0])
    signal, said = STARTS[name]
    assert net.derive().signals[signal].reason.endswith(f"is 0, so {said}")
    assert cr.check(net, said).ok
    assert not cr.check(net, said.replace("[T] =", "[1] =")).ok


def test_a_loop_of_the_backward_pass_that_runs_forwards_begins_at_its_first_step() -> None:
    net = cr.parse("input x : T × D\nparam A : D × D\ng[t] = tanh(A g[t+1] + x[t]) for t = T..1\nJ = norm(g[1])^2")
    signal = next(s for s in net.derive().signals.values() if "computed" in s.reason)
    assert "computed for t = 1..T, where δ₁[0] is 0, so δ₁[1] = 2 (g[1] ∘ (1 − g[1].^2))ᵀ" in signal.reason


def test_what_does_not_vanish_has_no_first_step_of_its_own() -> None:
    """Where the earlier step stands inside of a function nothing is said of it."""
    net = cr.parse("input x : T\nparam a : scalar\nq[t] = exp(a q[t-1]) + x[t] for t = 1..T\nJ = sum(q)")
    reasons = [s.reason for s in net.derive().signals.values()]
    assert all("[T] = " not in r or cr.check(net, r[r.index(", so ") + 5 :]).ok for r in reasons)


def test_a_wrong_step_is_found() -> None:
    derivation = cr.parse(RNN).derive()
    step = next(s for s in derivation.signals["δ₂"].steps if s.right.text == "δ₁[t] U + δ₂[t+1] A")
    wrong = replace(step.right, state=step.left.state[:1])  # without what comes from the next step
    report = check_steps(
        derivation.network.program, derivation.explainer.work, "J", [replace(step, right=wrong)]
    )  # fmt: skip
    assert not report.ok


def test_wrong_claims_are_wrong() -> None:
    net = cr.parse(RNN)
    assert not cr.check(net, "∂J/∂A = sum(t, δ₂[t]ᵀ h[t]ᵀ)").ok  # h of the same step
    assert not cr.check(net, "∂J/∂b = δ₂[1]ᵀ").ok
    assert not cr.check(net, "∂J/∂A = sum(t, δ₂[t+1]ᵀ h[t-1]ᵀ)").ok
    assert cr.check(net, "∂J/∂A = sum(t, δ₂[t+1]ᵀ h[t]ᵀ)").ok  # the sum over the same pairs, for h[0] is 0
    assert cr.check(net, "∂J/∂B = δ₂ᵀ x").ok  # all steps as matrices


@pytest.mark.parametrize("name", ["rnn", "last", "lstm", "both_ways", "scalar"])
def test_a_batch_is_the_sum_over_its_samples(name: str) -> None:
    net = cr.parse(NETWORKS[name][0])
    derivation = net.derive()
    one, many = derivation.compile(), derivation.compile(batch="N_b")
    values = [arrays(net, 5, seed) for seed in range(3)]
    data = [n for n in one.names if net.program.variables[n].kind in ("input", "label")]
    shared = {n: values[0][n] for n in one.names if n not in data}
    loss, found = many(**shared, **{n: np.stack([v[n] for v in values]) for n in data})
    alone = [one(**shared, **{n: v[n] for n in data}) for v in values]
    np.testing.assert_allclose(loss, sum(value for value, _ in alone), rtol=1e-11)
    for of in found:
        each = [gradients[of] for _, gradients in alone]
        wanted = np.stack(each) if of in data else sum(each)
        np.testing.assert_allclose(found[of], wanted, rtol=1e-9, atol=1e-12, err_msg=of)
    if name in ("last", "scalar"):
        assert net.lift("N_b").derive().verify().ok


def test_code_is_a_loop_with_products_around_it() -> None:
    source = cr.parse(RNN).derive().compile(plain=True).source
    assert "for t in range(T):" in source
    assert "for t in reversed(range(T)):" in source
    assert "t1 = x @ B.T + b" in source  # for all steps at once
    assert "h[t] = np.tanh(A @ h_before + t1[t])" in source
    assert "dA = δ2.T @ _lag(h, -1, 0)" in source


def test_equations_that_go_round_are_one_loop_and_others_are_not() -> None:
    program = cr.parse(LSTM).program
    loops = [stage for stage in stages(program) if isinstance(stage, Loop)]
    assert len(loops) == 1
    assert not loops[0].backwards
    assert {"i", "f", "o", "g", "c", "h"} <= {e.name for e in loops[0].equations}
    program = cr.parse(LINEAR).derive().program
    loops = [stage for stage in stages(program) if isinstance(stage, Loop)]
    assert [[e.name for e in loop.body] for loop in loops] == [["x"], ["δ2"]]
    assert [loop.backwards for loop in loops] == [False, True]


def test_a_loop_that_does_not_go_round_is_one_product() -> None:
    net = cr.parse("input x : T × D\nparam W : H × D\ny[t] = tanh(W x[t])  for t = 1..T\nJ = sum(y)")
    assert not any(isinstance(stage, Loop) for stage in stages(net.program))
    assert "for t" not in net.derive().compile(plain=True).source.replace("for t = 1..T", "")
    assert net.derive().verify().ok


def test_a_loop_backwards_is_the_loop_forwards_on_turned_data() -> None:
    turned = RNN.replace("h[t-1]", "h[t+1]").replace("for t = 1..T\no", "for t = T..1\no")
    there, back = cr.parse(RNN), cr.parse(turned)
    values = arrays(there, 5)
    loss, found = there.derive().compile()(**values)
    other, wanted = back.derive().compile()(**{n: v[::-1] if n in "xy" else v for n, v in values.items()})
    assert loss == pytest.approx(other, rel=1e-12)
    for of in found:
        turned_back = wanted[of][::-1] if of == "x" else wanted[of]
        np.testing.assert_allclose(found[of], turned_back, rtol=1e-10, atol=1e-13)


CIRCLE = """
input x : T × D
param A : D × D
u[t] = sin(A v[t-1]) for t = 1..T
v[t] = sin(A w[t-1]) for t = 1..T
w[t] = sin(A z[t-1]) for t = 1..T
z[t] = sin(A u[t-1] + x[t]) for t = 1..T
J = sum(u)
"""


def test_a_loop_is_followed_around_as_often_as_it_takes() -> None:
    """x reaches u through three equations that stand below it: two rounds said that J does not depend on x."""
    net = cr.parse(CIRCLE)
    derivation = net.derive()
    assert derivation.gradients["x"].text == "δ₁[t]ᵀ"
    assert derivation.verify(sizes={"T": 6, "D": 3}).ok
    assert net.lift("N_b").derive().verify(sizes={"T": 5, "D": 3, "N_b": 2}).ok


def test_what_a_step_adds_to_a_diagonal_is_stored() -> None:
    """Δ[t] = … + s I is written by two statements: the second changed a copy of what was stored."""
    net = cr.parse(
        "input X : T × D × D\nparam A : D × D\n"
        "H[t] = tanh(A H[t-1] + X[t]) + tr(H[t-1]) A for t = 1..T\nJ = norm(H[T])^2"
    )
    derivation = net.derive()
    values = arrays(net, 4)
    known = evaluate_program(derivation.program, values, {"T": 4, "D": len(values["A"])})
    for plain in (True, False):
        _, found = derivation.compile(plain=plain)(**values)
        for of, gradient in derivation.backward.gradients.items():
            np.testing.assert_allclose(found[of], known[gradient], rtol=1e-10)


def test_the_step_before_the_first_is_its_initial_value() -> None:
    net = cr.parse(LAST.replace("J = CE(y, softmax(U h[T]))", "J = CE(y, softmax(U h[T])) + norm(h[0])^2"))
    values = arrays(net, 2)
    more = net.evaluate(**values)["J"] - cr.parse(LAST).evaluate(**values)["J"]
    assert more == pytest.approx(values["h0"] @ values["h0"], rel=1e-12)
    back = cr.parse(BOTH_WAYS.replace("+ norm(g[1])^2", "+ norm(g[T+1])^2"))
    values = arrays(back, 2)
    known = back.evaluate(**values)
    assert known["J"] == pytest.approx((known["O"] * known["g"]).sum() + values["q"] @ values["q"], rel=1e-12)
    assert cr.parse(RNN.replace("J = mean", "J = norm(h[0])^2 + mean")).derive().verify().ok  # which is 0


def test_the_number_of_a_step() -> None:
    derivation = cr.parse(
        "input x : T\nparam γ : scalar\nm[t] = γ m[t-1]/t + x[t] for t = 1..T\nJ = sum(t, γ^(t-1) m[t])"
    ).derive()
    assert derivation.signals["δ₁"].text == "pow(γ, t − 1) + δ₂[t+1]"
    assert derivation.gradients["γ"].text == ("sum(t, (t − 1) pow(γ, t − 1) m[t]/γ) + sum(t, m[t−1] δ₁[t]/t)")
    assert derivation.verify().ok
    assert derivation.rename({"T": "L"}).verify().ok
    assert "J = sum(t, γ^(t − 1) m[t])" in str(derivation.network)
    entry = cr.parse("input X : N × D\nparam w : D\ny[i,j] = X[i,j] w[j]/(i + j)\nJ = sum(y ∘ y)").derive()
    assert entry.gradients["X"].text == "2 w[j] y[i,j]/(i + j)"
    assert entry.verify().ok


MORE = {
    "two steps back": "input x : T × D\nparam A : D × D\nparam B : D × D\n"
    "h[t] = sin(A h[t-1] + B h[t-2] + x[t] + x[t-1]) for t = 1..T\nJ = norm(h)^2",
    "quotients": "input x : T × D\nparam a : D\ns[t] = 2 + exp(x[t]) for t = 1..T\n"
    "h[t] = a ∘ (x[t] + h[t-1]) ./ s[t] for t = 1..T\nJ = norm(h)^2",
    "a state divides": "input x : T × D\nparam h0 : D\nh[0] = h0\n"
    "h[t] = x[t] ./ (2 + h[t-1] ∘ h[t-1]) for t = 1..T\nJ = sum(h) + norm(h[1])^2",
    "a logarithm of the state": "input x : T × D\nparam h0 : D\nh[0] = h0\n"
    "h[t] = log(3 + h[t-1] ∘ h[t-1]) ∘ x[t] for t = 1..T\nJ = norm(h)^2",
    "sums that have no factor": "input x : T × D\nh[t] = h[t-1] + x[t] for t = 1..T\nJ = norm(h)^2",
    "a probability that goes round": "input x : T × D\nparam A : D × D\np[t] = softmax(A p[t-1] + x[t]) for t = 1..T\n"
    "J = sum(t, x[t]ᵀ p[t]) + norm(p[T])^2",
    "a matrix at each step": "input x : T × D × E\nparam A : D × D\n"
    "H[t] = tanh(A H[t-1] + x[t]) for t = 1..T\nJ = sum(t, norm(H[t])^2)",
    "rows": "input x : T × D\nparam A : D × D\nr[t] = tanh(r[t-1] A + x[t]ᵀ) for t = 1..T\nJ = sum(t, r[t] x[t])",
    "sizes that are numbers": "input x : 4 × 4\nparam A : 4 × 4\nh[t] = tanh(A h[t-1] + x[t]) for t = 1..4\n"
    "J = norm(h[4])^2 + norm(h[2])^2",
    "weights shared with what is outside": "input x : T × D\nparam A : D × D\n"
    "h[t] = tanh(A h[t-1] + x[t]) for t = 1..T\nJ = norm(A h[T])^2 + norm(A)^2",
    "two loops, the second on the first": "input x : T × D\nparam A : D × D\n"
    "h[t] = tanh(A h[t-1] + x[t]) for t = 1..T\ng[t] = sin(Aᵀ g[t+1] + h[t] ∘ h[t]) for t = T..1\nJ = sum(g ∘ h)",
    "a sum of matrices that lies transposed": "input x : T × D\nparam A : D × D\nparam B : D × D\n"
    "u[t] = A v[t+1] + B v[t+1] + x[t] for t = T..1\n"
    "v[t] = sigmoid(where(v[t+1] > 0, u[t], 0.1 v[t+1]) + x[t]) for t = T..1\nJ = sum((u Aᵀ) ∘ u) + norm(v[1])^2",
    "several arguments": "input x : T × D\nparam h0 : D\nh[0] = h0\n"
    "h[t] = maximum(h[t-1], x[t]) + 0.5 where(h[t-1] > 0, x[t], h[t-1]) for t = 1..T\nJ = norm(h)^2",
    "numbers of steps": "input x : T × D\nparam A : D × D\nparam γ : scalar, positive\n"
    "h[t] = tanh(A h[t-1]/t + γ^t x[t]) for t = 1..T\nJ = sum(t, norm(h[t])^2/(1 + t))",
    "two lengths": "input x : T × D\ninput y : S × D\nparam A : D × D\nh[t] = tanh(A h[t-1] + x[t]) for t = 1..T\n"
    "g[0] = h[T]\ng[s] = tanh(A g[s-1] + y[s]) for s = 1..S\nJ = norm(g[S])^2",
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_against_central_differences(name: str) -> None:
    net = cr.parse(MORE[name])
    derivation = net.derive()
    report = derivation.verify(seed=3)
    assert report.ok, f"{report}\n{derivation.text()}"
    sizes = report.sizes
    values = sample(net.program, sizes, np.random.default_rng(1), spread=0.5)
    known = evaluate_program(derivation.program, values, sizes)
    for plain in (True, False):
        step = derivation.compile(plain=plain)
        _, found = step(**{n: values[n] for n in step.names})
        for of, gradient in derivation.backward.gradients.items():
            np.testing.assert_allclose(found[of], known[gradient], rtol=1e-9, atol=1e-11)
    assert "%" not in derivation.text(explain=1)


CRF = """
input E : T × K
param P : K × K
a[t,j] = E[t,j] + log(sum(i, exp(a[t-1,i] + P[i,j])))  for t = 1..T
J = log(sum(j, exp(a[T,j])))
"""
FILTERS = """
input x : T × D
param k : R
const M : R × R
h[t,i] = tanh(sum(a, k[a] h[t-1,i+a-2]) + x[t,i])  for t = 1..T
g[t,a,i] = M[a,a] h[t,i] + 0.5 g[t-1,a,i]  for t = 1..T
J = sum(t, sum(a, sum(i, k[a] g[t,a,i]^2)))
"""


def log_partition(v: Tensors) -> torch.Tensor:
    a = torch.zeros(len(v["P"]), dtype=torch.float64)
    for e in v["E"]:
        a = e + torch.logsumexp(a[:, None] + v["P"], 0)
    return torch.logsumexp(a, 0)


def filters(v: Tensors) -> torch.Tensor:
    size, width, total = v["x"].shape[1], len(v["k"]), torch.zeros(())
    h, g = torch.zeros(size, dtype=torch.float64), torch.zeros(width, size, dtype=torch.float64)
    shift = [torch.diag(torch.ones(size - abs(a - 1), dtype=torch.float64), a - 1) for a in range(width)]
    for x in v["x"]:
        h = torch.tanh(sum(k * (s @ h) for k, s in zip(v["k"], shift, strict=True)) + x)
        g = torch.diag(v["M"])[:, None] * h + 0.5 * g
        total = total + (v["k"][:, None] * g**2).sum()
    return total


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize(("text", "loss"), [(CRF, log_partition), (FILTERS, filters)], ids=["crf", "filters"])
def test_a_step_entry_by_entry(text: str, loss: Callable[[Tensors], torch.Tensor], steps: int) -> None:
    """a[t,j] = …: the letters of an entry stand behind the step's."""
    net = cr.parse(text)
    derivation = net.derive()
    values = sample(net.program, {"T": steps, "K": 5, "D": 7, "R": 3}, np.random.default_rng(1), spread=0.7)
    v = {k: torch.tensor(a, dtype=torch.float64, requires_grad=True) for k, a in values.items()}
    wanted = loss(v)
    wanted.backward()
    for plain in (True, False):
        step = derivation.compile(plain=plain)
        value, found = step(**{n: values[n] for n in step.names})
        np.testing.assert_allclose(value, wanted.item(), rtol=1e-12)
        for name, gradient in found.items():
            np.testing.assert_allclose(gradient, v[name].grad.numpy(), rtol=1e-9, atol=1e-12)  # type: ignore[union-attr]
    assert derivation.check_steps().ok
    assert cr.parse(str(net)).derive().text() == derivation.text()


def test_a_forward_algorithm_has_a_softmax_in_its_backward_pass() -> None:
    derivation = cr.parse(CRF).derive()
    assert derivation.signals["δ₁"].text == "1[t = T] softmax(a[T])ᵀ + 1ᵀ Δ₂[t+1]"
    assert derivation.signals["Δ₂"].text == "δ₁[t]ᵀ ∘ softmax(a[t−1]ᵀ + Pᵀ)"
    assert cr.check(cr.parse(CRF), "Δ₂[t] = δ₁[t]ᵀ ∘ softmax(a[t-1]ᵀ + Pᵀ)").ok
    assert cr.check(cr.parse(CRF), "∂J/∂P = sum(t, Δ₂[t]ᵀ)").ok
    assert not cr.check(cr.parse(CRF), "∂J/∂P = sum(t, Δ₂[t])", layout="shape").ok


LAYERS = """
input X : N × D
param Q : L × D × D
param K : L × D × D
param V : L × D × D
H[0] = X
H[l] = H[l-1] + softmax(H[l-1] Q[l] (H[l-1] K[l])ᵀ, over=cols) H[l-1] V[l] for l = 1..L
J = sum(H[L].^2)
"""
ATTENDED = """
input x : S × D
input y : T × H
param A : H × H
param B : H × D
param C : H × H
e[s] = tanh(A e[s-1] + B x[s]) for s = 1..S
d[0] = e[S]
c[t] = eᵀ softmax(e d[t-1]) for t = 1..T
d[t] = tanh(C d[t-1] + c[t]) for t = 1..T
J = sum(t, norm(d[t] - y[t])^2)
"""
SELECTIVE = """
input u : T × M
param a : N
param W : N × M
const w : M
d[t] = softplus(wᵀ u[t]) for t = 1..T
S[t] = outer(exp(d[t] a), ones(M)) ∘ S[t-1] + d[t] W ∘ outer(ones(N), u[t]) for t = 1..T
J = sum(t, norm(S[t])^2)
"""


def test_what_has_no_name_is_written_out_at_another_step() -> None:
    """Where the signal beside it is 0 beyond the last step: as a matrix formula, and read back as right."""
    selective = cr.parse(SELECTIVE)
    assert selective.derive().signals["Δ₁"].text == "2 S[t] + Δ₁[t+1] ∘ exp(d[t+1] a)"
    assert cr.check(selective, "Δ₁[t] = 2 S[t] + Δ₁[t+1] ∘ (exp(d[t+1] a) ones(M)ᵀ)").ok
    assert not cr.check(selective, "Δ₁[t] = 2 S[t] + Δ₁[t+1] ∘ (exp(d[t] a) ones(M)ᵀ)").ok
    attended = cr.parse(ATTENDED)
    signals = {of: s.text for of, s in attended.derive().signals.items()}
    assert any("δ₃[t+1] e" in text or "δ₄[t+1] e" in text or "δ₂[t+1] e" in text for text in signals.values()), signals
    assert any("[t,s] d[t−1]ᵀ)" in text for text in signals.values()), signals
    assert not any("][" in text for text in signals.values()), signals


@pytest.mark.parametrize("text", [LAYERS, ATTENDED, SELECTIVE], ids=["layers", "attended", "selective"])
def test_layers_and_two_sequences(text: str) -> None:
    net = cr.parse(text)
    derivation = net.derive()
    assert derivation.verify().ok
    report = derivation.check_steps()
    assert report.ok, str(report)
    assert not report.skipped
    assert "lag(" not in derivation.text(explain=1)


def test_an_index_form_has_the_last_step_as_it_is() -> None:
    text = "input x : T × D\nparam A : D × D\nh[t] = tanh(cumsum(A h[t-1]) + x[t]) for t = 1..T\nJ = norm(h[T])^2"
    signal = cr.parse(text).derive().signals["δ₁"]
    assert "2 · 1[t = T] h[T,i] (1 − h[t,i]^2)" in signal.text


def random_network(rng: np.random.Generator) -> str:
    """Two or three sequences that use each other's earlier steps, at random."""
    names = "uvw"[: rng.integers(2, 4)]
    functions = ("tanh", "sin", "sigmoid", "")
    lines = ["input x : T × D", "param a : D", "param A : D × D", "param B : D × D"]
    steps = []
    for k, name in enumerate(names):
        terms = []
        for _ in range(rng.integers(1, 4)):
            usable = [f"{n}[t-1]" for n in names] + [f"{n}[t]" for n in names[:k]] + ["x[t]"]
            one, two = rng.choice(usable, 2)
            terms.append(
                rng.choice([f"A {one}", f"B {one}", f"a ∘ {one}", f"{one} ∘ {two}", f"0.5 {one}", f"x[t-1] ∘ {one}"])
            )
        steps.append(f"{name}[t] = {rng.choice(functions)}({' + '.join(terms)} + 0.3 x[t])  for t = 1..T")
    used = [n for n in names if any(f"{n}[t-1]" in step for step in steps)]
    lines += [f"param s{n} : D\n{n}[0] = s{n}" for n in used if rng.random() < 0.5]
    lines += steps
    ends = [f"norm({n})^2" if rng.random() < 0.5 else f"a ᵀ {n}[T]".replace(" ᵀ", "ᵀ") for n in names]
    return "\n".join([*lines, f"J = {' + '.join(ends)} + sum(t, x[t]ᵀ {names[-1]}[t])"])


@pytest.mark.parametrize("seed", range(16))
def test_random_recurrences(seed: int) -> None:
    text = random_network(np.random.default_rng(seed))
    net = cr.parse(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a parameter may not be used
        derivation = net.derive()
    report = derivation.verify(seed=seed, sizes={"T": 4, "D": 3})
    assert report.ok, f"{report}\n{text}\n{derivation.text()}"
    values = sample(net.program, {"T": 4, "D": 3}, np.random.default_rng(seed), spread=0.5)
    known = evaluate_program(derivation.program, values, {"T": 4, "D": 3})
    step = derivation.compile()
    _, found = step(**{n: values[n] for n in step.names})
    for of, gradient in derivation.backward.gradients.items():
        np.testing.assert_allclose(found[of], known[gradient], rtol=1e-8, atol=1e-10)


def test_the_gradient_at_a_state_is_with_all_that_follows() -> None:
    derivation = cr.parse(RNN).derive(["h", "A"])
    assert derivation.gradients["h"].text == "(δ₁[t] U + δ₂[t+1] A)ᵀ"
    assert derivation.verify().ok


def test_renamed() -> None:
    derivation = cr.parse(LAST).derive().rename({"T": "L", "h": "s", "δ₂": "e"})
    assert derivation.gradients["U"].text == "δ₁ᵀ s[L]ᵀ"
    assert derivation.signals["e"].text == "(1[t = L] δ₁ U + e[t+1] A) ∘ (1 − (s[t].^2)ᵀ)"
    assert derivation.verify().ok


LOOP = "input x : T × D\nparam A : D × D\nparam q : D\n"
REFUSED = {
    "a later step": ("h[t] = A h[t+1] + x[t] for t = 1..T\nJ = sum(h)", "computed later in the loop"),
    "the step itself": ("h[t] = A h[t] + x[t] for t = 1..T\nJ = sum(h)", "used before it is computed"),
    "an order that cannot be": (
        "u[t] = A w[t] + x[t] for t = 1..T\nw[t] = A u[t-1] + x[t] for t = 1..T\nJ = sum(u)",
        "used before it is computed",
    ),
    "no size": ("h[t] = A h[t-1] for t = 1..S\nJ = sum(h)", "size S of the loop"),
    "an unknown state": ("h[t] = h[t-1] ∘ h[t-1] for t = 1..T\nJ = sum(h)", "size of a step of h could not be found"),
    "another beginning": ("h[t] = A h[t-1] + x[t] for t = 2..T\nJ = sum(h)", "begins at step 1"),
    "one step": ("h[t] = A h[t-1] + q for t = 1..1\nJ = sum(h)", "a loop of one step"),
    "two indices": ("h[i,t] = A[i,t] h[i,t-1] for t = 1..T\nJ = sum(h)", "its index first"),
    "a letter twice": ("h[t,t] = A[t,t] h[t-1] for t = 1..T\nJ = sum(h)", "cannot be the letter"),
    "a letter that is a size": ("h[t,D] = x[t,D] for t = 1..T\nJ = sum(h)", "cannot be the letter"),
    "a letter of no size": ("h[t,i] = sum(t, x[t,1]) for t = 1..T\nJ = sum(h)", "could not be found"),
    "an initial value that is not used": ("h[0] = q\nJ = sum(A q)", "no loop after it"),
    "an initial value that no step uses": ("h[0] = q\nh[t] = A x[t] for t = 1..T\nJ = sum(h)", "is not used"),
    "an initial value at the other end": ("h[0] = q\nh[t] = A h[t+1] + x[t] for t = T..1\nJ = sum(h)", "other end"),
    "an initial value of another size": ("h[0] = 1\nh[t] = A h[t-1] + x[t] for t = 1..T\nJ = sum(h)", "taken for"),
    "a value between": ("h[1] = q\nh[t] = A h[t-1] + x[t] for t = 1..T\nJ = sum(h)", "h[1]"),
    "an initial value two steps back": ("h[0] = q\nh[t] = A h[t-2] + x[t] for t = 1..T\nJ = sum(h)", "offset of -2"),
    "a maximum in the loop": ("h[t] = x[t] max(h[t-1]) for t = 1..T\nJ = sum(h)", "max"),
    "a step that does not exist": ("h[t] = A h[t-1] + x[t] for t = 1..T\nJ = sum(h[3])", "steps 1..T"),
    "a name as index": ("h[q] = A h[q-1] for q = 1..T\nJ = sum(h)", "q is a name already"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_loudly(name: str) -> None:
    text, said = REFUSED[name]
    with pytest.raises(ChainruleError) as caught:
        cr.parse(LOOP + text).derive().compile()
    assert said in str(caught.value)
    assert "%" not in str(caught.value)
