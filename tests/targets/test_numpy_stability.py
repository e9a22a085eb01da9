"""Numbers that a naive spelling cannot take: logits of ±1e4 in float32, both ends of a sigmoid, a zero label."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.algebra.program import Program
from chainrule.targets.numpy import Step, compile_numpy
from plan.builders import Builder, one_layer_rows, softmax_jacobian

pytestmark = pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
FLOAT = np.float32


def run(program: Program, outputs: list[str], plain: bool, **arrays: np.ndarray) -> dict[str, np.ndarray]:
    """Run in float32 with every floating-point warning an error, underflow aside."""
    step: Step = compile_numpy(program, outputs, dtype="float32", plain=plain)
    with np.errstate(all="raise", under="ignore"):
        return step(**{name: np.asarray(array, FLOAT) for name, array in arrays.items()})


def softmax_of(text: str) -> Program:
    """Cross-entropy of rows of logits, with softmax over the index that `text` leaves out."""
    b = Builder(n="N", m="N", k="K", j="K")
    b.declare("T", "nk")
    b.declare("Y", "nk")
    b.define("E", "nk", "exp(T)[n,k]")
    if text == "rows":
        b.define("s", "n", "E[n,j]")
        b.define("P", "nk", "E[n,k] s[n]^-1")
        b.define("L", "n", "log(s)[n]")
    else:
        b.define("s", "k", "E[m,k]")
        b.define("P", "nk", "E[n,k] s[k]^-1")
        b.define("L", "k", "log(s)[k]")
    b.define("%1", "nk", "log(P)[n,k]")
    b.define("J", "", "-1 Y[n,k] %1[n,k]")
    b.define("A", "nk", "P[n,k]", "-1 Y[n,k]")
    return b.program


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_softmax_and_cross_entropy_of_huge_logits(plain: bool, axis: str) -> None:
    T = np.array([[1e4, 0, -1e4], [-1e4, -1e4, 9990], [3.0, 1e4, 1e4]])
    Y = np.eye(3)
    got = run(softmax_of(axis), ["P", "L", "J", "A"], plain, T=T, Y=Y)
    along = 1 if axis == "rows" else 0
    m = T.max(along, keepdims=True)
    u = np.exp(T - m)
    P = u / u.sum(along, keepdims=True)
    L = np.log(u.sum(along)) + m.squeeze(along)
    logs = T - m - np.log(u.sum(along, keepdims=True))
    np.testing.assert_allclose(got["P"], P, rtol=1e-6, atol=0 if axis == "rows" else 1e-30)
    np.testing.assert_allclose(got["L"], L, rtol=1e-6)
    np.testing.assert_allclose(got["J"], -(Y * logs).sum(), rtol=1e-6)
    np.testing.assert_allclose(got["A"], P - Y, rtol=1e-6, atol=1e-7)  # 1 − p in float32


def test_a_softmax_in_which_everything_is_written_in_one_term(plain: bool) -> None:
    b = Builder(n="N", m="N", k="K", j="K", h="H")
    b.declare("T", "nk")
    b.declare("V", "kh")
    b.define("s", "n", "exp(T)[n,j]")
    b.define("O", "nh", "exp(T)[n,k] V[k,h] s[n]^-1")  # weights, normalised at the end
    b.define("U", "nh", "exp(T)[n,k] V[k,h]")
    b.define("Q", "nh", "U[n,h] s[n]^-1")
    T = np.array([[1e4, 1e4, -1e4], [-1e4, -1e4, -9999]])
    V = np.arange(6.0).reshape(3, 2)
    got = run(b.program, ["O", "Q"], plain, T=T, V=V)
    u = np.exp(T - T.max(1, keepdims=True))
    want = u @ V / u.sum(1, keepdims=True)
    np.testing.assert_allclose(got["O"], want, rtol=1e-6)
    np.testing.assert_allclose(got["Q"], want, rtol=1e-6)


def test_both_softmaxes_of_one_array(plain: bool) -> None:
    """Over rows and over columns of the same scores: each has its own shift."""
    b = Builder(n="N", m="N", k="K", j="K")
    b.declare("T", "nk")
    b.define("r", "n", "exp(T)[n,j]")
    b.define("c", "k", "exp(T)[m,k]")
    b.define("R", "nk", "exp(T)[n,k] r[n]^-1")
    b.define("C", "nk", "exp(T)[n,k] c[k]^-1")
    T = np.array([[1e4, 0.0], [-1e4, -1e4]])
    got = run(b.program, ["R", "C"], plain, T=T)
    np.testing.assert_allclose(got["R"], [[1, 0], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(got["C"], [[1, 1], [0, 0]], atol=1e-30)


def logistic_of(kind: str) -> Program:
    """p and its logarithms, three ways of writing it."""
    b = Builder(n="N")
    b.declare("z", "n")
    if kind == "sigmoid":
        b.define("p", "n", "sigmoid(z)[n]")
    elif kind == "1/(1+exp(-z))":
        b.define("%1", "n", "-1 z[n]")
        b.define("%2", "n", "exp(%1)[n]")
        b.define("%3", "n", "1", "%2[n]")
        b.define("p", "n", "%3[n]^-1")
    else:  # exp(z)/(1+exp(z))
        b.define("%2", "n", "exp(z)[n]")
        b.define("%3", "n", "1", "%2[n]")
        b.define("p", "n", "%2[n] %3[n]^-1")
    b.define("q", "n", "1", "-1 p[n]")
    b.define("a", "n", "log(p)[n]")
    b.define("b", "n", "log(q)[n]")
    b.define("c", "n", "softplus(z)[n]")
    return b.program


@pytest.mark.parametrize("kind", ["sigmoid", "1/(1+exp(-z))", "exp(z)/(1+exp(z))"])
def test_logistic_functions_at_both_ends(plain: bool, kind: str) -> None:
    z = np.array([-1e4, -80.0, -20.0, -1.0, 0.0, 1.0, 20.0, 80.0, 1e4])
    got = run(logistic_of(kind), ["p", "a", "b", "c"], plain, z=z)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(got["p"], 1 / (1 + np.exp(-z)), rtol=1e-5, atol=1e-37)
    np.testing.assert_allclose(got["a"], -np.logaddexp(0, -z), rtol=1e-5, atol=1e-37)
    np.testing.assert_allclose(got["b"], -np.logaddexp(0, z), rtol=1e-5, atol=1e-37)
    np.testing.assert_allclose(got["c"], np.logaddexp(0, z), rtol=1e-5, atol=1e-37)


def test_the_network_of_the_note_with_huge_parameters(plain: bool) -> None:
    """The label picks the wrong class with probability 0: the loss is large, not NaN, and 0 · log 0 does not appear."""
    generator = np.random.default_rng(0)
    X, W = generator.standard_normal((4, 3)), 1e4 * generator.standard_normal((3, 5))
    U = generator.standard_normal((5, 2))
    Y = np.eye(2)[[0, 1, 0, 1]]
    program = one_layer_rows()
    step = compile_numpy(program, ["J", "∂J/∂W"], loss="J", dtype="float32", plain=plain)
    arrays = {"X": X, "Y": Y, "W": W, "b1": np.zeros(5), "U": U, "b2": np.zeros(2)}
    with np.errstate(all="raise", under="ignore"):
        loss, gradients = step(**{name: array.astype(FLOAT) for name, array in arrays.items()})
    H = np.maximum(X @ W, 0)
    T = H @ U
    logs = T - T.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    assert loss == pytest.approx(-(Y * logs).sum() / 4, rel=1e-4)
    assert np.isfinite(gradients["W"]).all()


def test_log_sum_exp_of_a_vector(plain: bool) -> None:
    got = run(softmax_jacobian(), ["L", "ŷ", "A"], plain, θ=np.array([1e4, 1e4 - 1, -1e4]))
    assert got["L"] == pytest.approx(1e4 + np.log(1 + np.exp(-1)), rel=1e-6)
    assert np.isfinite(got["A"]).all()


def test_a_sum_of_exponentials_by_itself_is_not_shifted(plain: bool) -> None:
    """A Poisson loss Σ exp(θ) − y θ: nothing divides by the sum, so nothing is gained by a maximum."""
    b = Builder(k="K")
    b.declare("θ", "k")
    b.declare("y", "k")
    b.define("J", "", "exp(θ)[k]", "-1 y[k] θ[k]")
    step = compile_numpy(b.program, ["J"], plain=plain)
    assert "max" not in step.source
    θ, y = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.0, 3.0])
    assert step(θ=θ, y=y)["J"] == pytest.approx((np.exp(θ) - y * θ).sum())
