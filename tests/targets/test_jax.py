"""The JAX target: custom_vjp under jit, vmap and grad, in float32 and float64, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError, UnsupportedError
from targets.corpus import entry

jax = pytest.importorskip("jax")
jnp = jax.numpy

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
ROWS = cr.load(ROOT / "examples" / "one_layer_rows.net")
STEP = ROWS.derive().compile("jax", dtype="float32")


def arrays(dtype: str = "float32") -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    N, D, H, K = 5, 7, 11, 3
    made = {
        "X": rng.standard_normal((N, D)), "Y": np.eye(K)[rng.integers(0, K, N)], "W": rng.standard_normal((D, H)),
        "b1": rng.standard_normal(H), "U": rng.standard_normal((H, K)), "b2": rng.standard_normal(K),
    }  # fmt: skip
    return {name: array.astype(dtype) for name, array in made.items()}


def traced() -> list[jax.Array]:
    given = arrays()
    return [jnp.asarray(given[name]) for name in STEP.names]


def test_the_golden_source_is_what_is_written() -> None:
    """For a reader to see. CHAINRULE_GOLDEN=write writes it anew."""
    text = cr.load(ROOT / "examples" / "one_layer.net").derive().compile("jax").source
    path = GOLDEN / "one_layer_jax.py.txt"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_jit_vmap_and_grad() -> None:
    given = traced()
    W, X, Y = (STEP.names.index(name) for name in "WXY")
    wanted = ROWS.derive().compile("numpy")(**arrays("float64"))[1]
    gradient = jax.jit(jax.grad(STEP.function, argnums=W))(*given)
    np.testing.assert_allclose(gradient, wanted["W"], rtol=1e-4, atol=1e-5)
    rows = list(given)
    rows[X], rows[Y] = given[X][:, None], given[Y][:, None]
    axes = [0 if k in (X, Y) else None for k in range(len(given))]
    each = jax.jit(jax.vmap(jax.grad(STEP.function, argnums=W), in_axes=axes))(*rows)
    assert each.shape == (5, 7, 11)
    np.testing.assert_allclose(each.mean(0), wanted["W"], rtol=1e-4, atol=1e-5)
    inside = jax.jit(jax.grad(lambda w: STEP.function(*given[:W], w, *given[W + 1 :]) ** 2))(given[W])
    loss = ROWS.derive().compile("numpy")(**arrays("float64"))[0]
    np.testing.assert_allclose(inside, 2 * loss * wanted["W"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["library/log_softmax", "extra/diagonals"])
def test_a_gradient_of_a_gradient_is_right(name: str) -> None:
    """Against central differences of the gradient, in float64."""
    found = entry(name)
    with jax.enable_x64(True):
        step = found.step("jax", "float64")
        given = [jnp.asarray(np.squeeze(found.arrays[n])) for n in step.names]
        wanted = step.names.index(step.gradients[0])
        gradient = jax.grad(step.function, argnums=wanted)
        rng = np.random.default_rng(0)
        direction = jnp.asarray(rng.standard_normal(given[wanted].shape))
        weight = jnp.asarray(rng.standard_normal(given[wanted].shape))

        def at(x: jax.Array) -> jax.Array:
            return (gradient(*given[:wanted], x, *given[wanted + 1 :]) * weight).sum()

        h = 1e-5
        value, slope = jax.jit(at), jax.jit(jax.grad(at))
        ahead, behind = (float(value(given[wanted] + sign * h * direction)) for sign in (1, -1))
        second = float((np.asarray(slope(given[wanted])) * np.asarray(direction)).sum())
    assert abs(second - (ahead - behind) / (2 * h)) < 1e-7 * max(1, abs(second))


def test_a_gradient_that_was_not_derived_is_refused_and_not_taken_for_zero() -> None:
    given = traced()
    with pytest.raises(NotImplementedError, match="no gradient was derived at Y"):
        jax.jit(jax.grad(STEP.function, argnums=STEP.names.index("Y")))(*given)


def test_gradients_that_hold_for_symmetric_matrices_only_are_differentiated_once() -> None:
    net = cr.parse("param A : D × D, symmetric\ninput x : D\nJ = sum((A x).^3)")
    step = net.derive().compile("jax", dtype="float32")
    A, x = jnp.asarray(np.eye(3), "float32"), jnp.asarray(np.arange(3), "float32")
    given = [A if name == "A" else x for name in step.names]
    k = step.names.index("x")
    first = jax.jit(jax.grad(step.function, argnums=k))
    np.testing.assert_allclose(first(*given), [0, 3, 12])
    with pytest.raises(NotImplementedError, match="hold for A as declared only"):
        jax.jit(jax.grad(lambda v: first(*given[:k], v, *given[k + 1 :]).sum()))(x)


def test_float64_is_float64_or_an_error() -> None:
    assert not jax.config.jax_enable_x64
    step = ROWS.derive().compile("jax")
    loss, gradients = step(**arrays("float64"))
    wanted, reference = ROWS.derive().compile("numpy")(**arrays("float64"))
    assert abs(loss - wanted) < 1e-14
    assert all(gradients[n].dtype == np.float64 for n in gradients)
    np.testing.assert_allclose(gradients["W"], reference["W"], atol=1e-15)
    gradients["W"][0, 0] = 1  # a result is the caller's
    assert not jax.config.jax_enable_x64  # and the setting is as it was
    with pytest.raises(ArrayError, match="float32, and the step was compiled for float64") as caught:
        step(**dict(zip(STEP.names, traced(), strict=True)))
    assert "jax_enable_x64" in str(caught.value)


def test_jax_arrays_stay_jax_arrays_in_their_shapes() -> None:
    given = dict(zip(STEP.names, traced(), strict=True))
    loss, gradients = STEP(**{**given, "b1": given["b1"][None, :]})
    assert isinstance(loss, jax.Array)
    assert gradients["b1"].shape == (1, 11)
    number, found = STEP(**arrays())
    assert isinstance(number, float)
    assert isinstance(found["W"], np.ndarray)
    np.testing.assert_allclose(found["W"], gradients["W"], rtol=1e-6)
    traced_step = jax.jit(lambda W: STEP(**{**given, "W": W})[1]["W"])
    np.testing.assert_allclose(traced_step(given["W"]), found["W"], rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_a_step_need_not_be_jitted() -> None:
    plain = ROWS.derive().compile("jax", dtype="float32", jit=False)
    np.testing.assert_allclose(plain(**arrays())[1]["W"], STEP(**arrays())[1]["W"], rtol=1e-5, atol=1e-6)


def test_an_array_that_does_not_fit_is_refused() -> None:
    given = dict(zip(STEP.names, traced(), strict=True))
    with pytest.raises(ArrayError, match="W is 11 × 7, but it must be D_x × D_h"):
        STEP(**{**given, "W": given["W"].T})
    with pytest.raises(ArrayError, match="row of it sums to"):
        STEP(**{**given, "Y": given["Y"] * 2})
    with pytest.raises(ArrayError, match="X is float64"):
        STEP(**{**arrays(), "X": arrays("float64")["X"]})
    with pytest.raises(UnsupportedError, match="no JAX code for dtype 'int8'"):
        ROWS.derive().compile("jax", dtype="int8")


def test_compiling_loads_jax_only_where_it_is_asked_for() -> None:
    program = (
        "import chainrule as cr, sys; from chainrule.targets import registry; registry.names()\n"
        "d = cr.parse('param w : D\\nJ = sum(w)').derive(); d.compile('numpy')\n"
        "print([m for m in ('jax', 'torch') if m in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
