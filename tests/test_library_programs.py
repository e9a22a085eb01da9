"""Random programs over the whole library: the loss and every gradient are torch's, or the program is refused."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.language.scope import known_functions
from chainrule.library import entries
from chainrule.reference import evaluate_program
from library_programs import Program, judge, write_program

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A random program."""
    return write_program(lambda count: draw(st.integers(0, count - 1)))


def run(count: int, **options: object) -> Counter[str]:
    """What became of that many programs; a wrong one raises."""
    found: Counter[str] = Counter()

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=CHECKS, **options)
    @given(programs())
    def judged(program: Program) -> None:
        found[judge(program).status] += 1

    judged()
    return found


def test_random_programs_over_the_library_are_right() -> None:
    found = run(150, derandomize=True)
    assert found["fine"] > 0.9 * found.total(), found


@pytest.mark.long
def test_many_random_programs_over_the_library_are_right() -> None:
    found = run(2500)
    assert found["fine"] > 0.9 * found.total(), found


# Functions of the language that the programs do not call by name, with the reason.
NOT_CALLED = {
    "indicator": "written 1[a > b]",
    "ismax": "its derivative is taken as 0: what the derivative of a maximum is made of",
    "ismin": "its derivative is taken as 0: what the derivative of a minimum is made of",
    "prod_others": "what the derivative of a product is made of",
    "cumprod_others": "what the derivative of a running product is made of",
    **dict.fromkeys(("tril", "triu", "halftril"), "compared with PyTorch in tests/functions/test_triangles.py"),
    **dict.fromkeys(
        ("eigvalsh", "eigvecsh", "svdvals", "svdu", "svdv", "qrq", "qrr", "gaps"),
        "compared with PyTorch in tests/functions/test_spectra.py: singular values want sizes that can be compared",
    ),
}


def test_every_function_is_in_the_random_programs() -> None:
    """Those of the library and those of the language; a part of another definition goes with that one."""
    called: set[str] = set()
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        called |= set(re.findall(r"(\w+)\(", write_program(lambda count, rng=rng: int(rng.integers(count))).text))
    known = entries()
    parts = {n for n, e in known.items() if not e.given and any(f"{n}(" in o.text for o in known.values() if o != e)}
    assert parts & set(known) - called >= {"slide1d", "head_softmax"}
    assert known_functions() - called - parts == set(NOT_CALLED)
    assert set(NOT_CALLED) & called == set()


@pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
def test_a_gradient_that_is_a_number_has_the_type_of_the_others(plain: bool) -> None:
    """It was a Python int."""
    net = cr.parse("param w : scalar\ninput x : D\nparam v : scalar\nJ = w + D^2 v + sum(x)")
    for dtype in (np.float32, np.float64):
        step = net.derive().compile(plain=plain, dtype=dtype.__name__)
        _, gradients = step(w=dtype(2), x=np.ones(3, dtype), v=dtype(1))
        assert (gradients["w"], gradients["v"]) == (1, 9)
        assert {type(gradients["w"]), type(gradients["v"])} == {dtype}


def test_a_root_of_nothing_is_nothing() -> None:
    """norm(a − a) was refused as a division by zero."""
    net = cr.parse("input a : n\ninput b : n\nJ = norm(a - a)^2 + norm(b)^2")
    assert net.evaluate(a=np.ones(3), b=np.ones(3))["J"] == pytest.approx(3)


@pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
@pytest.mark.parametrize(
    ("text", "value", "slope"),
    [
        ("leaky_relu(x, 2)", [-2.0, 3.0], [2.0, 1.0]),  # np.where(c, 1, 2) was an array of integers
        ("iszero(2) x + step(2) x", [-1.0, 3.0], [1.0, 1.0]),
        ("maximum(x, 2)", [2.0, 3.0], [0.0, 1.0]),
    ],
)
def test_numbers_in_functions_are_floats(text: str, value: list[float], slope: list[float], plain: bool) -> None:
    for dtype in (np.float32, np.float64):
        x = np.array([-1, 3], dtype)
        derivation = cr.parse(f"param x : n\nJ = sum(sin({text}))").derive()
        loss, gradients = derivation.compile(plain=plain, dtype=dtype.__name__)(x=x)
        assert loss == pytest.approx(np.sin(value).sum(), rel=1e-6)
        assert gradients["x"].dtype == dtype
        np.testing.assert_allclose(gradients["x"], np.cos(value) * slope, rtol=1e-6)


@pytest.mark.parametrize("plain", [False, True], ids=["buffers", "plain"])
def test_a_gradient_that_a_comparison_chooses_is_a_float(plain: bool) -> None:
    """It was an int64: np.where(…, 1, 0)."""
    derivation = cr.parse("param x : scalar\nparam w : scalar\nJ = maximum(x, 2 - x) + w").derive()
    _, gradients = derivation.compile(plain=plain)(x=3.0, w=1.0)
    assert gradients["x"] == 1
    assert np.asarray(gradients["x"]).dtype == np.float64


@pytest.mark.parametrize("text", ["log_softmax(logsumexp(W))", "logsumexp(W) + log_softmax(x)", "x - logsumexp(W)"])
def test_logarithms_of_sums_beside_arrays_of_other_shapes(text: str) -> None:
    """The rule that pairs t with log Σ exp(t) looked at the indices of what was not t."""
    net = cr.parse(f"param W : n × n\nparam x : n\nJ = sum(sin({text})) + sum(x)")
    arrays = {"W": np.arange(9.0).reshape(3, 3) / 7, "x": np.array([0.3, -1, 2])}
    derivation = net.derive()
    loss, gradients = derivation.compile()(**arrays)
    assert loss == pytest.approx(net.evaluate(**arrays)["J"], rel=1e-12)
    known = evaluate_program(derivation.program, arrays, {"n": 3})
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, known[derivation.backward.gradients[name]], rtol=1e-9, atol=1e-12)
