"""`check_function` and `assert_gradient`: somebody's code against the right gradient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.testing import assert_gradient
from check.programs import PROGRAMS

EXAMPLES = Path(__file__).parents[2] / "examples"
ONE_LAYER = cr.load(EXAMPLES / "one_layer.net")
ROWS = cr.load(EXAMPLES / "one_layer_rows.net")


def softmax(t):
    e = np.exp(t - t.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def backward(x, y, W, b1, U, b2):
    z = W @ x + b1
    h = np.maximum(z, 0)
    d1 = softmax(U @ h + b2) - y
    d2 = (d1 @ U) * (z > 0)
    return {"W": np.outer(d2, x), "b1": d2, "U": np.outer(d1, h), "b2": d1}


def without_relu(x, y, W, b1, U, b2):
    h = np.maximum(W @ x + b1, 0)
    d1 = softmax(U @ h + b2) - y
    return {"W": np.outer(d1 @ U, x), "b1": d1 @ U, "U": np.outer(d1, h), "b2": d1}


def test_a_right_function() -> None:
    verdict = cr.check_function(ONE_LAYER, backward)
    assert verdict.ok, str(verdict)
    assert "float64" in verdict.diagnosis
    assert [line.about for line in verdict.lines] == ["∂J/∂W", "∂J/∂b1", "∂J/∂U", "∂J/∂b2"]


def test_a_missing_derivative_is_found_behind_the_gradient() -> None:
    """There is no formula to edit: the mistake is made in δ₂ and followed to W."""
    verdict = cr.check_function(ONE_LAYER, without_relu)
    assert [line.kind for line in verdict.lines] == ["activation", "activation", "", ""]
    assert "the factor relu′(z) is missing" in verdict.diagnosis
    assert "float64" in verdict.diagnosis


@pytest.mark.parametrize(
    ("net", "f", "wrt", "kind", "words"),
    [
        (ROWS, lambda X, Delta2: X.T @ Delta2 / len(X), "W", "factor", "a factor 1/N too much"),
        (ROWS, lambda X, Delta2: 2 * X.T @ Delta2, "W", "factor", "a factor 2 too much"),
        (ROWS, lambda X, Delta2: -X.T @ Delta2, "W", "sign", "the sign is wrong"),
        (ROWS, lambda Delta2: Delta2, "b1", "sum", "the sum over the N rows is missing"),
        (ROWS, lambda Delta1, U: Delta1 @ U.T, "Z", "activation", "the factor relu′(Z) is missing"),
        (ONE_LAYER, lambda x, delta1: np.outer(delta1, x), "W", "signal", "δ₂ is the one at z"),
        (cr.parse(PROGRAMS["tied"]), lambda x, delta2: np.outer(delta2, x), "W", "path", "W also reaches J through o"),
        (cr.parse(PROGRAMS["resid"]), lambda delta4, W, delta3: delta4 @ W, "x", "path", "x also reaches J"),
        (cr.parse(PROGRAMS["softmax_reg"]), lambda X, W, P, Y, λ: (X.T @ (P - Y) + λ * W) / len(X), "W",
         "normalisation", "a factor 1/N too much at the term λ W"),
        (cr.parse("input z : K\nlabel y : K\np = softmax(z)\nJ = CE(y, p)"), lambda p, y: p - y, "z", "label",
         "right only if the entries of y sum to 1"),
        (ONE_LAYER, lambda x: np.sin(2 * x), "x", "unknown", "no single mistake explains it"),
    ],
)  # fmt: skip
def test_a_wrong_function_is_told_why(net, f, wrt, kind, words) -> None:
    verdict = cr.check_function(net, f, wrt)
    assert not verdict.ok
    assert verdict.kind == kind, str(verdict)
    assert words in verdict.diagnosis


def test_layouts_of_a_function() -> None:
    def turned(x, delta2):
        return np.outer(x, delta2)

    either = cr.check_function(ONE_LAYER, turned, "W")
    assert either.ok
    assert either.layout == "numerator"
    verdict = cr.check_function(ONE_LAYER, turned, "W", layout="shape")
    assert verdict.kinds == ("layout", "transpose")
    with pytest.raises(cr.ChainruleError, match="there is no layout"):
        cr.check_function(ONE_LAYER, turned, "W", layout="rows")


def test_arrays_as_on_paper() -> None:
    """A function for columns D × 1 cannot use flat arrays: it is given what it can use."""

    def columns(x, y, W, b1, U, b2):
        z = W @ x + b1
        h = np.maximum(z, 0)
        e = np.exp(U @ h + b2)
        d1 = (e / e.sum() - y).T
        return ((d1 @ U) * (z > 0).T).T @ x.T

    assert cr.check_function(ONE_LAYER, columns, "W").ok


def test_changing_its_arguments_fools_nobody() -> None:
    def sly(x, y, W, b1, U, b2):
        right = backward(x.copy(), y.copy(), W.copy(), b1.copy(), U.copy(), b2.copy())["W"]
        for array in (x, y, W, b1, U, b2):
            array[...] = 0
        return right

    assert cr.check_function(ONE_LAYER, sly, "W").ok

    def zeros(x, delta2):
        x *= 0
        delta2 *= 0
        return np.outer(delta2, x)

    assert not cr.check_function(ONE_LAYER, zeros, "W").ok


def test_what_a_function_may_return() -> None:
    assert cr.check_function(ROWS, lambda Delta2, Delta1, X, H: (X.T @ Delta2, H.T @ Delta1), ["W", "U"]).ok
    assert cr.check_function(ROWS, lambda Delta2: Delta2.sum(0), "b1").ok
    assert cr.check_function(ROWS, lambda Delta2: Delta2.sum(0, keepdims=True), "b1").ok
    assert cr.check_function(ROWS, lambda Delta2, X: (X.T @ Delta2).tolist(), "W").ok
    everything = cr.check_function(ROWS, lambda **arrays: ROWS.evaluate(**arrays)["Ŷ"].sum(0) * 0, "b2")
    assert everything.verdict == "wrong"
    single = cr.check_function(ROWS, lambda Delta2, X: (X.T @ Delta2).astype(np.float32), "W")
    assert single.ok
    assert "single precision" in single.diagnosis


@pytest.mark.parametrize(
    ("f", "wrt", "words"),
    [
        (lambda q: q, "W", "asks for q, which the network does not have"),
        (lambda x: x @ x @ x, "W", "raised ValueError"),
        (lambda x: None, "W", "gives None for W"),
        (lambda x: "W", "W", "gives a str for W"),
        (lambda x: 1j * x, "W", "no array of real numbers"),
        (lambda x: x, None, "returns one array, but the gradients at W, b1, U, b2 are asked for"),
        (lambda x: (x, x), None, "returns 2 arrays, for 4 names"),
        (lambda x: {"U": x}, "W", "returns nothing for W"),
        (lambda *arrays: arrays, "W", "by position"),
        (len, "W", "asks for obj|by position"),
    ],
)
def test_a_function_that_cannot_be_used(f, wrt, words) -> None:
    with pytest.raises(cr.ChainruleError, match=words):
        cr.check_function(ONE_LAYER, f, wrt)


def test_the_shapes_it_was_called_with_are_said() -> None:
    with pytest.raises(cr.ChainruleError) as raised:
        cr.check_function(ONE_LAYER, lambda x, W: W @ W @ x, "x")
    assert "it was called with x (3,), W (7, 3)" in raised.value.message


def test_nan_is_undecided() -> None:
    verdict = cr.check_function(ONE_LAYER, lambda W: W * np.nan, "W")
    assert verdict.kind == "undecided"


# -- in a test suite -----------------------------------------------------------------------------------------------


def test_assert_gradient_accepts_networks_texts_and_paths() -> None:
    for net in (ONE_LAYER, PROGRAMS["one_layer"], EXAMPLES / "one_layer.net", str(EXAMPLES / "one_layer.net")):
        assert_gradient(net, backward)
    assert_gradient(ROWS, {"b1": lambda Delta2: Delta2.sum(0), "W": lambda X, Delta2: X.T @ Delta2})


def test_assert_gradient_says_what_is_wrong() -> None:
    with pytest.raises(AssertionError) as raised:
        assert_gradient(ROWS, {"b1": lambda Delta2: Delta2, "W": lambda X, Delta2: X.T @ Delta2 / len(X)})
    message = str(raised.value)
    assert "2 gradients of one_layer_rows.net are not right (checked in float64)" in message
    assert "the sum over the N rows is missing" in message
    assert "a factor 1/N too much" in message


def test_assert_gradient_wants_the_shape_of_the_parameter() -> None:
    def turned(x, delta2):
        return np.outer(x, delta2)

    with pytest.raises(AssertionError, match="in numerator layout"):
        assert_gradient(ONE_LAYER, {"W": turned})
    assert_gradient(ONE_LAYER, {"W": turned}, layout=None)


def test_assert_gradient_sets_sizes_seed_and_tolerance() -> None:
    seen = set()

    def watched(X, Delta2):
        seen.add(X.shape)
        return X.T @ Delta2 * (1 + 1e-9)

    assert_gradient(ROWS, {"W": watched}, sizes={"N": 4, "D_x": 6}, seed=3)
    assert seen == {(4, 6)}
    with pytest.raises(AssertionError):
        assert_gradient(ROWS, {"W": watched}, rtol=1e-12)


def test_assert_gradient_hides_its_own_frame() -> None:
    from chainrule import testing

    assert "__tracebackhide__" in testing.assert_gradient.__code__.co_varnames


def test_a_path_that_does_not_exist() -> None:
    with pytest.raises(cr.ChainruleError, match="neither a file nor a network"):
        assert_gradient("nowhere.net", backward)
