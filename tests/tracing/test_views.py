"""Which functions of NumPy give a view and which a copy: a write through what they give is seen where NumPy's is."""

import numpy as np
import pytest

import chainrule as cr
from traced_functions import agrees

W = np.arange(9.0).reshape(3, 3)
MADE = {
    "real": np.real, "array without a copy": lambda x: np.array(x, copy=None), "conj": lambda x: x.conj(),
    "conjugate": np.conjugate, "concatenate one": lambda x: np.concatenate([x]), "block": lambda x: np.block([[x]]),
    "stack one": lambda x: np.stack([x])[0],
    "r_": lambda x: np.r_[x], "c_": lambda x: np.c_[x],
    "einsum, turned": lambda x: np.einsum("ij->ji", x), "einsum, diagonal": lambda x: np.einsum("ii->i", x),
    "einsum, a product": lambda x: np.einsum("ij,->ij", x, 1.0), "einsum, a sum": lambda x: np.einsum("ij->i", x),
    "astype": lambda x: x.astype(float), "astype without a copy": lambda x: x.astype("float64", copy=False),
    "meshgrid": lambda x: np.meshgrid(x[0], x[1])[0], "ndmin": lambda x: np.array(x, ndmin=3)[0],
    "contiguous": lambda x: np.ascontiguousarray(x[:]), "flip": np.flip, "rot90": np.rot90,
    "squeeze": lambda x: x[None].squeeze(),
    "list": lambda x: list(x)[1], "transpose": lambda x: x.mT, "positive": lambda x: +x,
}  # fmt: skip


def written_after(make):
    def function(x):
        y = make(x)
        y *= 2
        y[0] += 1
        return np.sum(x**2 * W) + np.sum(y**3)

    return function


def written_before(make):
    def function(x):
        y = make(x)
        x *= 2
        x[0] += 1
        return np.sum(x**2 * W) + np.sum(y**3)

    return function


@pytest.mark.parametrize("order", [written_after, written_before])
@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
def test_views_and_copies(make, order):
    agrees(order(make), {"x": (3, 3)}, points=1)


def into(place):
    def function(x):
        y = np.zeros((3, 3))
        place(y)[...] = x[0]
        return np.sum(y**2 * W) + x.sum()

    return function


@pytest.mark.parametrize(
    "place",
    [
        lambda y: np.einsum("ii->i", y), lambda y: np.real(y)[0], lambda y: y.astype(float, copy=False)[0],
        lambda y: np.array(y, copy=None)[0], lambda y: np.ascontiguousarray(y.T)[0], lambda y: y.reshape(9)[::4],
        lambda y: np.ascontiguousarray(y)[0], lambda y: np.concatenate([y])[0], lambda y: y.T.ravel()[:3],
    ],
)  # fmt: skip
def test_into_an_array_of_numbers(place):
    agrees(into(place), {"x": (3, 3)}, points=1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.fromiter((v for v in x[0]), float).sum(), lambda x: np.sum(x.real**2 * W),
        lambda x: (x[range(2)] ** 2).sum() + (x[:, range(1, 3)] ** 3).sum(),
        lambda x: np.sum(np.array([x[0], x[1]], ndmin=3)[0, 1] ** 2),
    ],
)  # fmt: skip
def test_other_ways_in(function):
    agrees(function, {"x": (3, 3)}, points=1)


def reshaped(x):
    x.shape = (9,)
    return x.sum()


def flat(x):
    y = np.zeros((3, 3))
    y.flat[:3] = x[0]
    return y.sum()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (reshaped, "x.shape = "), (flat, ".flat"), (lambda x: x.imag.sum(), ".imag"),
        (lambda x: x.strides[0], ".strides"),
        (lambda x: np.fromiter(list(x[0]), np.float32).sum(), "float32"),
        (lambda x: np.ascontiguousarray(x, np.float32).sum(), "another dtype"),
    ],
)  # fmt: skip
def test_refused(function, words):
    with pytest.raises(cr.UnsupportedError, match=words):
        cr.trace(function, x=(3, 3))
