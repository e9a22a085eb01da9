"""Quotients of functions in derivatives: sinh/cosh is tanh, exp(x)/(1 + exp(x)) is σ(x), 1 − σ(−x) is σ(x)."""

import numpy as np
import pytest

import chainrule as cr

A = "input A : m × n\ninput b : m\nparam x : n\n"


@pytest.mark.parametrize(
    ("loss", "gradient"),
    [
        ("sum(log(cosh(A*x-b)))", "Aᵀ tanh(A x − b)"),
        ("sum(log(cos(A*x)))", "−Aᵀ tan(A x)"),
        ("sum(log(1+exp(A*x-b)))", "Aᵀ σ(A x − b)"),
        ("sum(log(exp(-b.*(A*x))+1))", "−Aᵀ (b ∘ σ(−A x ∘ b))"),
        ("-sum(log(sigmoid(-A*x)))", "Aᵀ σ(A x)"),
        ("sum(log(1+exp(A*x).*b))", "Aᵀ ((b ∘ exp(A x)) ./ (1 + b ∘ exp(A x)))"),  # no σ
        ("sum(log(2+exp(A*x)))", "Aᵀ (exp(A x) ./ (2 + exp(A x)))"),
    ],
)
def test_a_quotient_is_written_as_the_function_that_it_is(loss, gradient):
    derivation = cr.parse(A + f"J = {loss}\n", "matlab").derive(["x"])
    assert derivation.gradients["x"].text == gradient
    if "cos(" not in loss:  # log cos has a value only where cos > 0
        assert derivation.verify(sizes={"m": 3, "n": 5}).ok
    else:
        step = derivation.compile()
        rng = np.random.default_rng(1)
        arrays = {"A": 0.2 * rng.standard_normal((3, 5)), "b": np.zeros(3), "x": rng.standard_normal(5)}
        expected = -arrays["A"].T @ np.tan(arrays["A"] @ arrays["x"])
        np.testing.assert_allclose(step(**arrays)[1]["x"].ravel(), expected, rtol=1e-12)


def test_names_of_the_user_stay():
    text = "param x : n\ne = exp(x)\ns = 1 + e\nJ = sum(log(s))\n"
    assert cr.parse(text).derive(["x"]).gradients["x"].text == "e ./ s"


def test_large_arguments_do_not_overflow():
    step = cr.parse("param x : n\nJ = sum(log(1 + exp(x)))\n").derive().compile()
    with np.errstate(over="raise", invalid="raise"):
        loss, gradients = step(x=np.array([-800.0, 800.0]))
    assert loss == 800
    np.testing.assert_array_equal(gradients["x"], [0, 1])
