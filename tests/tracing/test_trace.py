"""A NumPy function and its network give the same numbers, and the network's gradients are right."""

import numpy as np
import pytest

import chainrule as cr
from traced_functions import FUNCTIONS, SHAPES, TABLE, network, rng, softmax


@pytest.mark.parametrize(("function", "shapes"), FUNCTIONS)
def test_the_network_is_the_function_and_its_gradient_is_right(function, shapes):
    net = cr.trace(function, **shapes)
    derivation = net.derive()
    step = derivation.compile()
    for _ in range(3):
        arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        value = function(**arrays)
        assert net.evaluate(**arrays)[net.loss] == pytest.approx(value, rel=1e-11, abs=1e-11)
        loss, gradients = step(**arrays)
        assert loss == pytest.approx(value, rel=1e-11, abs=1e-11)
        for name, array in arrays.items():
            direction = rng.standard_normal(array.shape)
            h = 1e-5
            sides = [function(**{**arrays, name: array + s * h * direction}) for s in (1, -1)]
            slope = float(np.sum(np.reshape(gradients[name], array.shape) * direction))
            assert slope == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-5, abs=1e-5)
    assert derivation.text(explain=1)
    assert str(net)


def test_names_sizes_and_rows_come_from_the_code():
    net = cr.trace(network, labels="Y", facts={"Y": "one-hot"}, **SHAPES)
    assert [e.name for e in net.equations] == ["H", "P", "J"]
    assert net.parameters == ["W1", "b1", "W2", "X"]
    assert net.dims["b1"] == (1, "H_1")
    assert net.dims["H"] == ("N", "H_1")
    d = net.derive()
    assert d.verify().ok
    assert d.gradients["b1"].shape == (1, "H_1")
    assert "exp" not in d.gradients["W2"].text


def test_named_sizes_work_with_any_number():
    net = cr.trace(network, labels="Y", facts={"Y": "one-hot"}, **SHAPES)
    for n, d, h, k in ((2, 3, 5, 7), (3, 2, 7, 5)):
        shapes = {"W1": (d, h), "b1": (h,), "W2": (h, k), "X": (n, d)}
        values = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        values["Y"] = np.eye(k)[rng.integers(0, k, n)]
        assert net.evaluate(**values)["J"] == pytest.approx(network(**values), rel=1e-12)


def test_a_rebound_name_gets_a_number():
    def f(x):
        h = np.tanh(x)
        h = np.tanh(h)
        h = np.tanh(h)
        return h @ h

    assert [e.name for e in cr.trace(f, x=(3,)).equations] == ["h", "h1", "h2", "J"]


def test_vectors_are_columns_unless_the_code_shows_rows():
    assert cr.trace(lambda x, A: x @ A @ x, x=(3,), A=(3, 3)).dims["x"] == (3, 1)
    assert cr.trace(lambda W, x: W @ x, x=(3,), W=(2, 3)).dims["x"] == (3, 1)
    assert cr.trace(lambda W, x: x @ W, x=(3,), W=(3, 2)).dims["x"] == (1, 3)


def test_wrt_and_labels():
    net = cr.trace(lambda W, x: np.sum(W @ x), wrt="W", W=(2, 3), x=(3,))
    assert net.parameters == ["W"]
    assert net.declarations["x"].kind == "input"
    assert list(net.derive().gradients) == ["W"]
    assert list(net.derive(["x"]).gradients) == ["x"]


def test_closed_over_arrays_are_named_constants():
    net = cr.trace(lambda x: np.sum((TABLE @ x) ** 2), x=(3,))
    assert "TABLE" in [e.name for e in net.equations]
    assert list(net.declarations) == ["x"]


def test_a_constant_that_is_changed_later_stays_as_it_was():
    c = np.array([1.0, 2.0, 3.0])
    net = cr.trace(lambda x: c @ x, x=(3,))
    c[0] = 100
    assert net.evaluate(x=np.ones(3))[net.loss] == 6


def test_a_function_that_returns_an_array_has_a_jacobian():
    net = cr.trace(softmax, x=(5,))
    assert net.loss is None
    x = rng.standard_normal(5)
    p = softmax(x)
    np.testing.assert_allclose(net.jacobian("x").evaluate(x=x), np.diag(p) - np.outer(p, p), atol=1e-12)


def test_softmax_and_its_like_are_called_so():
    def f(x, y):
        return -np.sum(y * np.log(softmax(x)))

    net = cr.trace(f, labels="y", facts={"y": "one-hot"}, x=(5,), y=(5,))
    assert net.derive().gradients["x"].text == "softmax(x) − y"
    assert cr.trace(lambda x: np.log(np.exp(x).sum()), x=(5,)).derive().gradients["x"].text == "softmax(x)"


@pytest.mark.parametrize("shape", [(1,), (1, 1), (3, 1, 5), (1, 5), (5, 1), (2, 3, 5)])
def test_axes_of_size_one_stay_with_the_user(shape):
    def f(x):
        return np.sum(x**3) + x.sum() ** 2

    step = cr.trace(f, x=shape).derive().compile()
    x = rng.standard_normal(shape)
    loss, gradients = step(x=x)
    assert loss == pytest.approx(f(x))
    np.testing.assert_allclose(np.reshape(gradients["x"], shape), 3 * x**2 + 2 * x.sum())


def test_large_bounds_lose_no_digits():
    net = cr.trace(lambda x, y: np.sum(np.maximum(x, -1e15) + np.minimum(x, y)), x=(3,), y=(3,))
    x = np.array([0.1, 0.2, 0.3])
    assert net.evaluate(x=x, y=np.full(3, 1e15))[net.loss] == pytest.approx(2 * x.sum(), rel=1e-12)


def test_the_code_is_stable_where_the_function_is():
    def f(x, y):
        return -np.sum(y * np.log(softmax(x)))

    step = cr.trace(f, labels="y", facts={"y": "one-hot"}, x=(5,), y=(5,)).derive().compile()
    x, y = np.array([1e4, -1e4, 3.0, 0.0, 2.0]), np.eye(5)[2]
    loss, gradients = step(x=x, y=y)
    assert loss == pytest.approx(1e4 - 3)
    np.testing.assert_allclose(gradients["x"], np.eye(5)[0] - y, atol=1e-12)


def by_type(x):
    if type(x) is np.ndarray and issubclass(type(x[0]), np.floating):
        return (3 * x * {np.ndarray: 2, float: 1}[type(x)]).sum()
    return x.sum()


def test_type_says_what_isinstance_says():
    net = cr.trace(by_type, x=(3,))
    assert net.derive().gradients["x"].text == "6 ones(3)"
    assert "type" not in globals()


def making_classes(x):
    made = type("Made", (), {"twice": lambda self, v: 2 * v})

    class Meta(type):
        """A class of classes."""

    class Other(metaclass=Meta):
        """A class of it."""

    assert isinstance(made, type)
    assert type(Other) is Meta
    assert issubclass(Meta, type)
    return made().twice(x).sum()


def test_inside_a_traced_function_type_makes_classes():
    assert cr.trace(making_classes, x=(3,)).derive().gradients["x"].text == "2 ones(3)"
