"""Operations on whole arrays in C: equal to NumPy's code, which the tests of the functions compare with torch."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError
from chainrule.targets.c import compile_c
from plan.builders import Builder

PROGRAMS = {
    "matrices": """
        param A : D × D
        param B : D × K
        param b : D
        param X : N × D
        const C : D × N
        S = A Aᵀ + I
        R = cholesky(S)
        Y = inv(Aᵀ)
        K1 = sum(sin(R)) + logdet(S) + det(A)^2 + sum(Y.^2)
        J = K1 + norm(solve(A A, B))^2 + sum(solve(Sᵀ, b)) + sum(pinv(X) ∘ C)
    """,
    "wide": "param X : D × N\nconst C : N × D\nJ = sum(pinv(X) ∘ C)",
    "reductions": """
        param X : N × D
        param u : D
        m = max(X, over=rows)
        l = min(X, over=columns)
        p = prod(X, over=columns)
        J = sum(sin(m)) + norm(l)^2 + sum(cos(p)) + prod(u) + max(u)^2 + min(X)
    """,
}
SIZES = {"N": 7, "D": 5, "K": 3}


def point(net: cr.Network, seed: int = 0, ties: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, declared in net.program.variables.items():
        if name not in net.program.equations:
            array = rng.standard_normal([SIZES[str(d)] for d in declared.dims])
            arrays[name] = np.round(array) if ties else array
    return arrays


@pytest.mark.parametrize("name", PROGRAMS)
def test_like_numpy(name: str) -> None:
    net = cr.parse(PROGRAMS[name])
    derivation = net.derive()
    step, expected = derivation.compile("c", dtype="float64"), derivation.compile("numpy")
    for seed in range(3):
        arrays = point(net, seed, ties=name == "reductions" and seed == 2)  # zeros and several that are largest
        loss, gradients = step(**arrays)
        want, wanted = expected(**arrays)
        assert loss == pytest.approx(want, rel=1e-10)
        for key, array in wanted.items():
            np.testing.assert_allclose(gradients[key], array, rtol=1e-9, atol=1e-9 * np.abs(array).max(), err_msg=key)


def test_a_rank_that_is_not_full_is_seen() -> None:
    step = cr.parse("param X : N × D\nconst C : D × N\nJ = sum(pinv(X) ∘ C)").derive().compile("c", dtype="float64")
    rng = np.random.default_rng(5)
    X = rng.standard_normal((7, 2)) @ rng.standard_normal((2, 5))
    C = rng.standard_normal((5, 7))
    assert step(X=X, C=C)[0] == pytest.approx(float((np.linalg.pinv(X) * C).sum()), rel=1e-10)


def test_a_singular_matrix_gives_no_number() -> None:
    step = cr.parse("param A : D × D\nJ = sum(inv(A))").derive().compile("c", dtype="float64")
    with pytest.raises(ArrayError, match="not finite"):
        step(A=np.ones((3, 3)))


def test_numbers_that_are_not_pass_through_a_maximum() -> None:
    step = compile_c(cr.parse("param X : N × D\nm = max(X, over=columns)\nJ = sum(m)").program, ["m"], dtype="float64")
    X = np.array([[1.0, np.nan, 2.0], [3.0, 5.0, 4.0]])
    np.testing.assert_array_equal(step(X=X)["m"], [np.nan, 5.0])


def test_functions_are_within_four_units_in_the_last_place() -> None:
    """Of the value in float64, over all of float32's exponents where they are finite."""
    mpmath = pytest.importorskip("mpmath")
    b = Builder(n="N")
    b.declare("x", "n")
    for name in ("exp", "tanh", "sigmoid", "softplus", "erf"):
        b.define(name[:3], "n", f"{name}(x)[n]")
    exact = {
        "exp": mpmath.exp, "tan": mpmath.tanh, "sig": lambda x: 1 / (1 + mpmath.exp(-x)),
        "sof": lambda x: mpmath.log(1 + mpmath.exp(x)), "erf": mpmath.erf,
    }  # fmt: skip
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-80, 80, 60), rng.standard_normal(60), 10.0 ** rng.uniform(-20, 0, 30)])
    for dtype in ("float32", "float64"):
        x = points.astype(dtype)
        result = compile_c(b.program, list(exact), dtype=dtype)(x=x)
        with mpmath.workdps(50):
            for name, function in exact.items():
                want = np.array([float(function(mpmath.mpf(float(v)))) for v in x])
                unit = np.spacing(np.abs(want.astype(dtype)))
                assert (np.abs(result[name].astype(np.float64) - want) / unit).max() <= 4, (name, dtype)


def test_exponentials_at_the_ends_of_the_range() -> None:
    b = Builder(n="N")
    b.declare("x", "n")
    b.define("y", "n", "exp(x)[n]")
    for dtype in ("float32", "float64"):
        top = float(np.log(np.finfo(dtype).max))
        x = np.array([0, top * 0.9999, top * 1.001, -top * 1.1, -3 * top, np.inf, -np.inf, np.nan], dtype)
        got = compile_c(b.program, ["y"], dtype=dtype)(x=x)["y"]
        with np.errstate(over="ignore", under="ignore"):
            want = np.exp(x)
        np.testing.assert_allclose(got, want, rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).smallest_subnormal)


def test_arrays_may_be_called_as_the_variables_of_operations_are() -> None:
    """Each name stands for the user's array in every loop, not for what an operation declares there."""
    for name in ("a0", "i0", "best"):
        net = cr.parse(f"param {name} : N × D\nJ = sum(max({name}, over=rows)) + sum(prod({name}, over=columns))")
        values = {name: np.arange(1.0, 7.0).reshape(2, 3)}
        loss, gradients = net.derive().compile("c")(**values)
        wanted, expected = net.derive().compile()(**values)
        assert loss == pytest.approx(wanted)
        np.testing.assert_allclose(gradients[name], expected[name], rtol=1e-14)
