"""Functions that write into arrays: the network is the function, with NumPy's views, copies and orders of writes."""

import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import UnsupportedError
from traced_functions import agrees, softmax


def relu_in_place(x):
    out = x.copy()
    out[out < 0] = 0
    return np.sum(out**3)


def rows_one_by_one(x):
    out = np.zeros((5, 3))
    for i in range(5):
        out[i] = np.tanh(x[i]) * (i + 1)
    return np.sum(out**2)


def entries_one_by_one(x):
    out = np.empty((3, 5))
    for i in range(3):
        for j in range(5):
            out[i, j] = x[j, i] ** 2 if i != j else x[i, i]
    return np.sum(out * np.arange(15.0).reshape(3, 5))


def recurrence_into_an_array(x):
    h = np.zeros((6, 3))
    for t in range(5):
        h[t + 1] = np.tanh(x[t] + 0.5 * h[t])
    return np.sum(h[1:] ** 2) + h[-1] @ h[2]


def overlap_add(x):
    out = np.zeros(7)
    for i in range(3):
        out[i : i + 3] += x[i] * 2
        out[2 * i] -= x[i, 0] * x[i, 1]
    return np.sum(out**3)


def write_into_views(x):
    y = x * 1.5
    row, column, turned = y[1], y[:, 0], y.T
    y[1, 0] = 7 * x[0, 0]
    row[2] = x[4, 1] ** 2
    turned[1] += 1
    flat = np.zeros((2, 3)).reshape(6)
    flat[4] = x[0, 1]
    return np.sum(row * x[0]) + column @ x[:, 2] ** 2 + np.sum(y**2 * x) + flat[4] * 2


def views_are_read_late(x):
    y = x + 0
    part = y[2:4]
    copy = y[[2, 3]]
    y *= 2
    part[0] = x[0]
    return np.sum(part**3) + np.sum(copy * y[2:4]) + np.sum(y)


def aliases(x):
    a = x[0] * 2
    b = a
    b += x[1]
    return np.sum(a * b) + np.sum(a**3)


def arguments_change(x):
    first = x[0] @ x[1]
    x[0] = x[1] * 2
    x /= 2
    return first + np.sum(x**3)


def normalise_in_place(x):
    x = x - x.max(axis=1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=1, keepdims=True)
    return np.sum(x[:, 0] * np.log(x[:, 1]))


def augmented_products(x):
    s = x.sum(0)
    t = s
    t *= 3
    u = np.ones(3)
    u -= s / 2
    u **= 2
    return s @ u + t[1]


def max_pool(x):
    out = np.zeros((2, 1))
    for i in range(2):
        out[i, 0] = np.max(x[2 * i : 2 * i + 3])
    return np.sum(out**2)


def mask_from_numbers(x):
    mask = np.zeros((5, 3))
    mask[0, 1] = mask[2:, 2] = 1.0
    mask[mask == 0] = 0.25
    if mask[0, 0] > 0:
        x = x * 2
    return np.sum(x**2 * mask) + float(mask.sum())


def list_of_parts(x):
    parts = []
    for r in x:
        parts.append(r @ r)  # noqa: PERF401  (as people write it)
    return np.sum(np.array(parts) ** 2) + np.array([x[0, 0], 2.0, x[1, 1]]) @ np.arange(3.0)


def diagonal_written(x):
    a = x[:3] @ x[2:].T
    a[np.arange(3), np.arange(3)] = 0
    b = np.zeros((3, 3))
    np.fill_diagonal(b, 2.0)
    a[np.triu_indices(3, 1)] *= 3
    return np.sum(a**2) + np.sum(a * b + b)


def swapped_halves(x):
    out = np.zeros_like(x)
    out[::2], out[1::2] = x[2:], x[:2]
    out[:, ::-1] += x
    return np.sum(out**3 * np.arange(3))


def added_at(x):
    out = np.zeros((4, 3))
    np.add.at(out, [1, 3, 1, 0, 1], x)
    np.subtract.at(out, (np.array([0, 0]), np.array([1, 1])), x[:2, 0])
    return np.sum(out**3)


def transposed_target(x):
    out = np.zeros((3, 5))
    out.T[...] = x
    out.fill(1.0)
    out[:] = out + x.T
    np.copyto(out[0], x[:, 1])
    return np.sum(out**3)


def filled_block(x):
    out = np.full((4, 6, 2), 0.5)
    out[1:3, ::3, 1] = x[:2, :2]
    out[3, [0, 2, 5], 0] = x[4]
    return np.sum(out**2 * np.arange(48.0).reshape(4, 6, 2))


A = {"x": (5, 3)}
WRITERS = [
    relu_in_place, rows_one_by_one, entries_one_by_one, recurrence_into_an_array, overlap_add, write_into_views,
    views_are_read_late, aliases, arguments_change, normalise_in_place, augmented_products, max_pool, mask_from_numbers,
    list_of_parts, diagonal_written, swapped_halves, added_at, transposed_target, filled_block,
]  # fmt: skip


@pytest.mark.parametrize("function", WRITERS)
def test_a_function_that_writes(function):
    agrees(function, A)


def integer_labels(x, y):
    n = x.shape[0]
    p = softmax(x)
    return -np.log(p[np.arange(n), y]).mean()


def svm(x, y):
    n = len(x)
    margins = np.maximum(0, x - x[np.arange(n), y][:, None] + 1)
    margins[np.arange(n), y] = 0
    return margins.sum() / n


def softmax_gradient_by_hand(x, y):
    d = softmax(x)
    d[np.arange(len(x)), y] -= 1
    d /= len(x)
    return np.sum(d**2 * np.arange(3))


def embedding(x, y):
    return np.sum(x[y] ** 2 * np.arange(3)) + np.sum(x[y][..., 1])


def one_hot_of_labels(x, y):
    t = np.zeros((5, 3))
    t[np.arange(5), y] = 1
    return np.sum(t * x**2) + np.sum(np.eye(3)[y] * x) + np.sum((y[:, None] == np.arange(3)) * x)


def scatter_back(x, y):
    out = np.zeros((3, 3))
    np.add.at(out, y, x)
    return np.sum(out**3)


def along_an_axis(x, y):
    return np.sum(np.take_along_axis(x, y[:, None], axis=1) ** 2) + np.sum(np.take(x, y, axis=1) ** 2)


@pytest.mark.parametrize(
    "function",
    [integer_labels, svm, softmax_gradient_by_hand, embedding, one_hot_of_labels, scatter_back, along_an_axis],
)
def test_indices_that_are_labels(function):
    agrees(function, {**A, "y": (5,)}, {"y": 3}, wrt="x")


def test_an_argument_that_is_an_index_is_a_label():
    net = cr.trace(integer_labels, x=(5, 3), y=(5,))
    assert net.declarations["y"].kind == "label"
    assert list(net.derive().gradients) == ["x"]
    with pytest.raises(UnsupportedError, match="whole numbers"):
        cr.trace(integer_labels, wrt=["x", "y"], x=(5, 3), y=(5,))
    assert net.derive().gradients["x"].text == "(p − onehot(y))/5"


def test_a_label_out_of_range_is_an_error_and_a_negative_one_counts_from_the_end():
    net = cr.trace(embedding, wrt="x", x=(5, 3), y=(4,))
    x = np.random.default_rng(0).standard_normal((5, 3))
    y = np.array([-1, 0, -5, 2])
    assert net.evaluate(x=x, y=y)[net.loss] == pytest.approx(embedding(x, y))
    step = net.derive().compile()
    assert step(x=x, y=y)[0] == pytest.approx(embedding(x, y))
    for call in (net.evaluate, step):
        with pytest.raises((IndexError, cr.ChainruleError)):
            call(x=x, y=np.array([0, 1, 2, 5]))
        with pytest.raises((IndexError, cr.ChainruleError)):
            call(x=x, y=np.array([0, 1, 2, 0.5]))


def duplicates(x):
    out = np.zeros(3)
    out[[0, 0, 1]] = x[0]
    return out.sum()


def labels_twice(x, y):
    out = np.zeros((3, 3))
    out[y] = x
    return out.sum()


def labels_twice_added(x, y):
    out = np.zeros((3, 3))
    out[y] += x
    return out.sum()


def given_away(x):
    out = np.zeros(3)
    numbers = list(map(float, np.frombuffer(memoryview(out.__array__()), dtype=float)))
    out[0] = x[0, 0]
    return out.sum() + sum(numbers)


def never_written(x):
    out = np.empty(3)
    out[0] = x[0, 0]
    return out.sum()


def truth_values(x):
    mask = x > 0
    mask[0] = x[0]
    return np.sum(mask * x)


def reshaped_copy(x):
    y = np.tanh(x.T)
    z = y.reshape(15)
    z[0] = 1
    return y.sum()


NUMBERS = np.zeros(3)


def into_the_users_array_in_place(x):
    total = NUMBERS
    total += x[0]
    return total.sum()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (duplicates, "one place twice"), (given_away, "went elsewhere"), (never_written, "NaN"),
        (truth_values, "truth values"), (reshaped_copy, "reshaped"),
        (into_the_users_array_in_place, "np.add writes"),
        (lambda x: np.zeros(3, dtype=int).__setitem__(0, x[0, 0]), "value"),
    ],
)  # fmt: skip
def test_a_write_that_cannot_be_known_is_refused(function, words):
    with pytest.raises(UnsupportedError, match=words):
        cr.trace(function, **A)


@pytest.mark.parametrize("function", [labels_twice, labels_twice_added])
def test_a_write_at_labels_that_may_be_equal_is_refused(function):
    with pytest.raises(UnsupportedError, match="may be equal"):
        cr.trace(function, wrt="x", x=(5, 3), y=(5,))


def test_a_read_only_view_is_not_written():
    with pytest.raises(ValueError, match="read-only"):
        cr.trace(lambda x: np.broadcast_to(x, (2, 5, 3)).__setitem__(0, 1.0), **A)
    with pytest.raises(cr.DimensionError, match="do not fit"):
        cr.trace(lambda x: x.__setitem__(0, np.ones(4)), **A)


def test_an_array_of_numbers_from_elsewhere_is_not_written():
    def f(x):
        NUMBERS[0] = x[0, 0]
        return NUMBERS.sum()

    with pytest.raises((UnsupportedError, ValueError)) as caught:
        cr.trace(f, **A)
    assert isinstance(caught.value.__cause__ or caught.value, UnsupportedError)


def test_named_sizes_are_written_whole():
    def f(x, w):
        z = x @ w
        z -= z.max(axis=1, keepdims=True)
        total = np.zeros((x.shape[0], w.shape[1]))
        total += np.exp(z)
        total /= total.sum(axis=1, keepdims=True)
        return np.sum(total**2)

    net = cr.trace(f, x=("N", "D"), w=("D", "K"))
    rng = np.random.default_rng(0)
    arrays = {"x": rng.standard_normal((5, 3)), "w": rng.standard_normal((3, 2))}
    assert net.evaluate(**arrays)[net.loss] == pytest.approx(f(**arrays))

    def part(x):
        row = x[0:]
        x *= 2
        return row.sum()

    with pytest.raises(UnsupportedError, match="named sizes"):
        cr.trace(part, x=("N", "D"))


def test_numpy_is_as_before_after_a_trace_and_after_an_error():
    zeros = np.zeros

    def fails(x):
        assert isinstance(np.zeros(3), cr.tracing.array.Traced)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cr.trace(fails, **A)
    assert np.zeros is zeros
    assert type(np.zeros(3)) is np.ndarray
    assert globals()["np"] is __import__("numpy")


def test_other_threads_get_numbers_while_a_function_is_traced():
    inside, done = threading.Event(), threading.Event()
    found = []

    def other():
        inside.wait(10)
        found.append(type(np.zeros(3)))
        done.set()

    def f(x):
        inside.set()
        assert done.wait(10)
        out = np.zeros(3)
        out[0] = x[0, 0]
        return out.sum()

    thread = threading.Thread(target=other)
    thread.start()
    cr.trace(f, **A)
    thread.join()
    assert found == [np.ndarray]


def test_traces_in_two_threads_do_not_disturb_each_other():
    def f(x):
        out = np.zeros((5, 3))
        for i in range(5):
            out[i] = np.tanh(x[i])
        return np.sum(out**2)

    failures = []

    def many():
        try:
            for _ in range(3):
                cr.trace(f, **A)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=many) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert type(np.zeros(3)) is np.ndarray
