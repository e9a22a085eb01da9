"""NumPy functions as people write them, with the shapes of their arguments; sizes are distinct primes."""

import copy

import numpy as np
import pytest

import chainrule as cr

rng = np.random.default_rng(5)
MASK = np.tril(np.ones((5, 5)))
TABLE = rng.standard_normal((7, 3))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def stable_logsumexp(x):
    m = np.max(x, axis=1, keepdims=True)
    return np.sum(m[:, 0] + np.log(np.sum(np.exp(x - m), axis=1)))


def loop(X, Wx, Wh):
    h = np.zeros(2)
    for t in range(5):
        h = np.tanh(X[t] @ Wx + h @ Wh)
    return h.sum()


def layer_norm(x, gamma):
    m = x.mean(axis=1, keepdims=True)
    s = x.std(axis=-1, keepdims=True)
    return np.sum((gamma * (x - m) / (s + 1e-5)) ** 3)


def gates(a):
    i, f, o = np.split(a, 3, axis=1)
    joined = np.concatenate([np.tanh(i), f], axis=1)
    return np.sum(joined**2) + np.sum(np.stack([o, f]) ** 3)


def causal(Q, K):
    S = Q @ K.T / np.sqrt(3.0) + np.where(np.tril(np.ones((5, 5))) > 0, 0, -1e9)
    return np.sum(softmax(S) ** 2)


def other_axis(x):
    e = np.exp(x - x.max(0, keepdims=True))
    return np.sum((e / e.sum(1, keepdims=True)) ** 2)


A = {"x": (5, 3)}
FUNCTIONS = [
    (lambda x: np.sum(x**3), A),
    (lambda x: x.sum(0) @ np.ones(3), A),
    (lambda x: (x.mean(1) ** 2).sum(), A),
    (lambda x: x.var(0).sum() + np.var(x, axis=1, ddof=1).sum(), A),
    (lambda x: np.sum(np.exp(x) / (1 + np.exp(x)) + np.log1p(np.exp(x)) + 1 / (1 + np.exp(-x))), A),
    (lambda x: np.sum(np.where(x > 0, x, np.expm1(x)) + np.clip(x, -0.5, 0.5)), A),
    (lambda x: np.sum(np.maximum(x, 0.1) * np.minimum(x, 0.3) + abs(x) * np.sign(x)), A),
    (lambda x: np.sum((x >= 0) * x + (x < 0) * 2 * x + (~(x > 1)) * x**2), A),
    (lambda x: np.sum(((x > 0) & (x < 1)) * x + ((x > 0) | (x < -1)) * x**2), A),
    (lambda x: np.linalg.norm(x) + np.linalg.norm(x, axis=1).sum() + np.linalg.norm(x[0], 1), A),
    (lambda x: np.sum(x[1:4] ** 2) + x[0] @ x[-1] + x[:, 1] @ x[:, 2] + x[2, 1] ** 3, A),
    (lambda x: np.sum(x[[0, 2, 2], [1, 0, 2]] ** 2) + np.sum(x[np.arange(5), [0, 1, 2, 0, 1]]), A),
    (lambda x: np.sum(x[[3, 0, 3]] ** 3) + np.sum(x[::-2, None, 1:] ** 2), A),
    (lambda x: np.sum(x.reshape(3, 5) @ x) + np.sum(x.ravel()[2:9] ** 2), A),
    (lambda x: np.sum(np.einsum("ij,kj->ik", x, x) ** 2) + np.einsum("ij,ij", x, x), A),
    (lambda x: np.sum(np.einsum("...i,i", x, TABLE[0]) ** 2) + np.einsum("ii", x.T @ x), A),
    (lambda x: np.sum(np.tensordot(x, x, axes=([0], [0])) ** 2) + np.trace(x.T @ x), A),
    (lambda x: np.sum(np.outer(x[:, 0], x[:, 1]) ** 2) + np.vdot(x, x) + np.inner(x, x).sum(), A),
    (lambda x: np.sum(np.cumsum(x, axis=0) ** 2) + np.sum(np.roll(x, 2, axis=0) * np.flip(x, 0)), A),
    (lambda x: np.sum(np.repeat(x, 2, axis=1) ** 2) + np.sum(np.tile(x, (2, 1)) ** 3), A),
    (lambda x: np.sum(np.pad(x, ((1, 0), (0, 2))) ** 3) + np.sum(np.hstack([x, x]) * np.vstack([x.T, x.T]).T), A),
    (lambda x: np.sum(x.T.swapaxes(0, 1)[..., None] * x[:, None, :]), A),
    (lambda x: np.sum(np.moveaxis(x[None], 0, 2).squeeze() * np.expand_dims(x, (0,))), A),
    (lambda x: np.sum(np.tril(x) ** 2) + np.sum(np.triu(x, 1) ** 3) + np.sum(np.diag(x.T @ x) ** 2), A),
    (lambda x: np.sum(np.diag(x[0]) @ x.T) + np.sum(np.kron(x[:2], x.T[:2]) ** 2), A),
    (lambda x: np.sum(np.exp2(x) + 3**x), A),
    (lambda x: np.sum(np.logaddexp(x, x**2) + np.logaddexp(0, x)), A),
    (lambda x: np.sum(np.sqrt(np.square(x) + 1) ** np.cos(x)), A),
    (lambda x: np.log2(x**2 + 1).sum() + np.log10(x**2 + 2).sum() + np.reciprocal(x**2 + 1).sum(), A),
    (lambda x: np.sum(np.linalg.matrix_power(x.T @ x, 3)) + np.sum(np.linalg.multi_dot([x.T, x, x.T])), A),
    (lambda x: np.sum(np.arctan(x) + np.sinh(x) * np.cosh(x) + np.tan(0.1 * x)), A),
    (lambda x: np.average(x, axis=0, weights=np.array([1.0, 2, 3, 4, 5])) @ TABLE[0], A),
    (lambda x: np.sum(MASK @ x * TABLE[:5]), A),
    (lambda x: np.sum(np.multiply.outer(x[0], x[1]) ** 2) + np.add.reduce(x, axis=0) @ x[0], A),
    (lambda x: len(x) * np.sum(x) / x.size + x.shape[1] * x.ndim, A),
    (lambda x: np.sum(np.stack([r * k for k, r in enumerate(x)], axis=1) ** 2), A),
    (lambda x: np.sum(np.log(softmax(x)) * np.arange(3)), A),
    (lambda x: np.log(np.exp(x - x.max()).sum()) + x.max(), A),
    (lambda x: -np.log(np.sum(np.exp(-(x - x.min())))) + x.min(), A),
    (stable_logsumexp, A),
    (loop, {"X": (5, 3), "Wx": (3, 2), "Wh": (2, 2)}),
    (layer_norm, {"x": (5, 3), "gamma": (3,)}),
    (gates, {"a": (5, 6)}),
    (causal, {"Q": (5, 3), "K": (5, 3)}),
    (lambda x: x.reshape(2, 3, 5).transpose(1, 0, 2).sum(1)[1] @ np.arange(5.0), {"x": (6, 5)}),
    (lambda W, x, c: c * W @ x @ np.array([1.0, -2.0, 0.5]) / (1 + x @ x), {"W": (3, 5), "x": (5,), "c": ()}),
    (lambda x: np.sum(x[:, 1, [0, 2, 2]] ** 2) + np.sum(x[1, [0, 2]] ** 3) + x[0, 1, 3] ** 2, {"x": (2, 3, 5)}),
    (lambda x, y: np.sum(np.maximum(x, y) ** 2 + np.minimum(x, 20 * y)), {"x": (5, 3), "y": (3,)}),
    (lambda x: np.log(np.linalg.det(x.T @ x)) + np.linalg.slogdet(x.T @ x + np.eye(3))[1], A),
    (
        lambda x: (
            np.sum(np.linalg.inv(x.T @ x + np.eye(3)) ** 2) + np.trace(np.linalg.inv(x.T @ x + np.eye(3)) @ x.T @ x)
        ),
        A,
    ),
    (lambda x, b: b @ np.linalg.solve(x.T @ x + 2 * np.eye(3), b), {"x": (5, 3), "b": (3,)}),
    (lambda x: np.sum(np.linalg.solve(x.T @ x + 2 * np.eye(3), x.T) ** 2), A),
    (lambda x: np.linalg.slogdet(x[:3])[0] * np.linalg.det(x[:3]) + np.sum(np.linalg.pinv(x) ** 2), A),
    (lambda a, b: np.sum(a @ b) ** 2, {"a": (2, 5, 3), "b": (3, 7)}),
    (lambda a, b: np.sum((a * b) ** 2), {"a": (5, 1), "b": (1, 3)}),
    (lambda x: x.max() * x.sum() + x.min(0) @ x[0] + np.max(x, axis=1) @ x[:, 1], A),
    (lambda x: np.sum(np.exp(x - x.max())), A),
    (other_axis, A),
    (lambda x: np.prod(x) + np.prod(x[1:3], axis=0).sum() + np.multiply.reduce(x[0]) + np.prod(x**0 * x[:, :1]), A),
    (lambda x: np.sum(np.cumprod(x, axis=1) ** 2) + np.cumprod(x[:2])[4] + np.multiply.accumulate(x[:, 0])[3], A),
    (lambda x: np.linalg.norm(x, np.inf) + np.linalg.norm(x, 1) + np.linalg.norm(x, -1) + np.linalg.norm(x[0], 3), A),
    (lambda x: np.linalg.norm(x, axis=(0, 1)) + np.linalg.norm(x, "fro") + np.linalg.norm(x[0], np.inf), A),
    (lambda x: np.linalg.norm(x, np.inf, axis=1).sum() + np.linalg.norm(x[1], 4) + np.linalg.norm(x[1], 1.5), A),
    (lambda x: np.sum(np.linalg.cholesky(x.T @ x + np.eye(3)) ** 3), A),
    (lambda x: np.sum(np.linalg.matrix_power(x.T @ x + np.eye(3), -2)) + np.linalg.matrix_power(x.T @ x, 0).sum(), A),
    (lambda x: np.convolve(x[:, 0], x[0]).sum() ** 2 + np.sum(np.convolve(x[:, 1], x[:3, 2], "valid") ** 2), A),
    (lambda x: np.sum(np.correlate(x[:, 0], x[:3, 1]) ** 2 * np.arange(3)), A),
    (lambda x: np.sum(np.correlate(x[:, 0], x[:3, 1], "same") ** 3) + np.convolve(x[1], x[:, 0], "same")[1] ** 2, A),
    (lambda x: np.sum(np.cross(x, x[::-1]) ** 2) + np.trace(x, 1) + np.trace(x, offset=-2) ** 2, A),
    (lambda x: np.sum(np.diag(x, -1) ** 2) + np.sum(np.diag(x[0], 1) ** 2 @ x[:4, 0]) + np.diagonal(x, 1).sum(), A),
    (lambda x: np.sum(np.cbrt(x) * x**2) + np.sum(np.hypot(x, 2)) + np.sum(np.arcsinh(x)), A),
    (lambda x: np.sum(np.arcsin(np.tanh(x)) + np.arccos(np.tanh(x)) ** 2 + np.arctanh(np.sin(x) / 2)), A),
    (lambda x: np.sum(np.arccosh(np.cosh(x) + 1) + np.logaddexp2(x, 2 * x)), A),
    (lambda x: np.sum(np.diff(x, axis=0) ** 2) + np.sum(np.diff(x, 2) ** 3) + np.sum(np.rot90(x) @ x), A),
    (lambda x: np.sum(np.pad(x, 1, "reflect") ** 2) + np.sum(np.pad(x, ((0, 2), (1, 0)), "edge") ** 3), A),
    (lambda x: np.sum(np.pad(x, 1, constant_values=2.0) ** 2) + np.sum(np.pad(x, 2, "wrap")[0] ** 2), A),
    (lambda x: np.sum(np.delete(x, 1, 0) ** 2) + np.sum(np.insert(x, 2, x[0] ** 2, axis=0) ** 3), A),
    (lambda x: np.sum(np.dstack([x, x**2])[:, 1] ** 2) + np.sum(np.block([[x, x], [x, 2 * x]]) ** 3), A),
    (lambda x: np.sum(np.select([x > 1, x > 0], [x, x**2], 2 * x)) + np.any(x > 0) * x[0, 0] + np.all(x > -9), A),
    (lambda x: np.count_nonzero(x > 0) * x.sum() + np.sum(x, where=x > 0) + np.mean(x, where=x < 0), A),
    (lambda x: x.max(initial=0.5) + np.sum(x, initial=2.0) + np.sum(x > 0) + (x > 0).mean(), A),
    (lambda x: np.sum(np.rollaxis(x[None], 2) ** 2) + np.sum(x[np.ix_([0, 2], [1, 2])] ** 2), A),
    (lambda x: np.sum(x[MASK[:, :3] > 0] ** 2) + np.sum(x[[True, False, True, True, False]] ** 3), A),
    (lambda x: x[1, :, [0, 2]].sum() ** 2 + np.sum(x[:, None, [0, 1]][..., 0] ** 2), {"x": (2, 3, 5)}),
    (
        lambda x: np.sum(np.kron(x, x[0]) ** 2) + np.sum(np.tril(x) ** 2) + np.sum(np.kron(x[..., 0], x)),
        {"x": (2, 3, 5)},
    ),
    (lambda x: np.sum(np.where(x > 0, np.log(abs(x) + 0.2), np.sqrt(abs(x) + 0.2))), A),
    (lambda x: np.sum(np.where(x > 0, np.log(np.where(x > 0, x + 0.3, 1.0)), x)), A),
    (lambda x: np.sum(np.float32(0.5) * x + np.ones(3, dtype=np.float32) * x + np.array([1, 2, 3]) * x), A),
    (lambda x: sum(np.sum(p) * k for k, p in enumerate(np.array_split(x, [1, 2]))) + np.hsplit(x, 3)[1].sum() ** 2, A),
    (lambda x: np.sum(np.stack(np.broadcast_arrays(x[0], x[:, :1]), -1) ** 2), A),
    (lambda x: np.einsum("ij,ik,il->", x, x, x) + np.einsum("ij->j", x) @ x[0] + np.einsum("ii->i", x[:3]) @ x[1], A),
    (lambda x: np.sum(np.einsum("...j,jk->...k", x, TABLE[:3]) ** 2) + np.sum(np.einsum("ij,ij->ij", x, x) ** 2), A),
    (lambda a, b: np.sum((a @ b) ** 2) + np.sum(np.matmul(a, b[0]) ** 3), {"a": (2, 5, 3), "b": (2, 3, 7)}),
    (lambda x: np.sum([r @ r for r in x]) + np.mean([r.sum() for r in x]) + np.max([x[0, 0], 0.0]), A),
    (lambda x: np.amax(x) + np.amin(x, axis=0).sum() + np.sum(np.diagflat(x[:2]) ** 2), A),
    (lambda x: np.polyval([1.0, 2, 3], x).sum() + np.polyval(x[0], 2.0) + np.sum(np.cov(x.T) ** 2), A),
    (lambda x: np.trapezoid(x[:, 0], dx=0.5) ** 2 + np.trapezoid(x, np.arange(5.0) ** 2, axis=0) @ x[0], A),
    (lambda x: np.sum(np.einsum(x, [0, 1], x, [2, 1], [0, 2]) ** 2), A),
    (lambda x: np.sum(x**2) if isinstance(x, np.ndarray) else np.sum(x), A),
    (lambda x: np.sum(copy.copy(x) * copy.deepcopy(x)) + isinstance(x.sum(), float) * x[0, 0], A),
    (lambda a, b: np.sum(np.tensordot(a, b, ((0, 2), (0, 1))) ** 2) + np.vdot(a, a), {"a": (2, 5, 3), "b": (2, 3, 7)}),
]


def network(W1, b1, W2, X, Y):
    H = np.maximum(0, X @ W1 + b1)
    P = softmax(H @ W2)
    return -np.sum(Y * np.log(P)) / X.shape[0]


SHAPES = {"W1": ("D", "H_1"), "b1": ("H_1",), "W2": ("H_1", "K"), "X": ("N", "D"), "Y": ("N", "K")}


def agrees(function, shapes, labels=None, wrt=None, points=2):
    """Asserts that the network of a function is the function, and its gradient the slope. `labels`: below what."""
    labels = labels or {}
    net = cr.trace(function, wrt=wrt, **shapes)
    step = net.derive().compile()
    draw = np.random.default_rng(7)
    for _ in range(points):
        arrays = {
            name: draw.integers(0, labels[name], shape) if name in labels else draw.standard_normal(shape)
            for name, shape in shapes.items()
        }

        def value(arrays=arrays, **changed):
            return float(function(**{k: np.array(v) for k, v in {**arrays, **changed}.items()}))

        assert net.evaluate(**arrays)[net.loss] == pytest.approx(value(), rel=1e-11, abs=1e-11)
        loss, gradients = step(**arrays)
        assert loss == pytest.approx(value(), rel=1e-11, abs=1e-11)
        for name, array in arrays.items():
            if name in labels:
                continue
            direction = draw.standard_normal(array.shape)
            up, down = (value(**{name: array + h * direction}) for h in (1e-5, -1e-5))
            slope = float(np.sum(np.reshape(gradients[name], array.shape) * direction))
            assert slope == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-5)
