"""Every function of the library, value and gradients, in float32 at logits up to ±1e4, against 50 digits and torch.

Where torch is within 4 units in the last place of the truth, so are we: the functions without a matrix product miss no
number. `python tests/ulp_table.py` prints the table, with more points, for each target.
"""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from exact_values import evaluate, exact
from library_oracles import TORCH
from ulp_table import SCALES, measured

# Sums over products of two arrays in float32: in whose order they are added decides which numbers are within 4 units.
# Of the numbers at which torch is, how many ours are not; and the other way round. NumPy with OpenBLAS, the four scales
# of `python tests/ulp_table.py 3` together: (ours beyond 4 units, of so many, torch's beyond where ours is within).
PRODUCTS = {
    "conv1d": (0, 581, 6), "conv2d": (3, 1848, 5), "conv3d": (262, 11428, 250), "grouped_conv1d": (9, 1011, 10),
    "depthwise_conv1d": (4, 375, 1), "depthwise_conv2d": (3, 1482, 5),
    "conv_transpose1d": (0, 1065, 20), "conv_transpose2d": (28, 6835, 24),
    "attention": (25, 1182, 31), "masked_attention": (17, 1200, 26), "multi_head_attention": (175, 4338, 201),
    "grouped_query_attention": (69, 3745, 92), "swiglu": (6, 363, 7), "kron_product": (8, 2838, 9),
    "matrix_cube": (20, 532, 33), "lora": (1, 282, 5), "rnn_cell": (1, 303, 33), "gru_cell": (16, 610, 102),
    "lstm_memory": (21, 650, 93), "lstm_output": (2, 294, 46), "tied_logits": (15, 2197, 65),
    "skip_gram": (108, 1536, 44), "negative_sampling": (1, 1763, 25), "mixture_of_experts": (18, 3593, 16),
    "residual_block": (0, 562, 0),
}  # fmt: skip
LONG = pytest.mark.long
QUICK = ("attention", "gru_cell", "kron_product", "lora", "lstm_memory", "lstm_output", "matrix_cube", "rnn_cell",
         "skip_gram", "swiglu")  # fmt: skip


@pytest.mark.parametrize("name", [n for n in TORCH if n not in PRODUCTS])
def test_a_function_without_a_matrix_product_misses_no_number(name: str) -> None:
    counted = 0
    for scale in SCALES:
        for what, count in measured(name, scale, range(2)).items():
            assert not count.missed, (what, scale, count.where)
            counted += count.counted
    assert counted > 8


def test_products_are_as_exact_as_torchs() -> None:
    """All together, for one by itself is a matter of a few roundings; and none is lost entirely."""
    counts = [c for name in QUICK for scale in SCALES for c in measured(name, scale, range(2)).values()]
    missed, theirs, counted = (sum(getattr(c, what) for c in counts) for what in ("missed", "theirs", "counted"))
    assert counted > 2000
    assert missed < theirs + counted / 50
    assert not any(c.nan for c in counts)


def test_what_is_listed_as_a_product_is_one() -> None:
    assert set(PRODUCTS) <= set(TORCH)
    assert set(QUICK) <= set(PRODUCTS)


MANY = [n for n in TORCH if n in PRODUCTS and n not in QUICK]  # mpmath takes seconds for each


@pytest.mark.parametrize(
    ("name", "points"), [*((n, 1) for n in TORCH if n not in MANY), *(pytest.param(n, 2, marks=LONG) for n in MANY)]
)
def test_in_float64_throughout_no_number_is_missed(name: str, points: int) -> None:
    """The whole library, products too: `precise="all"` has no exceptions."""
    for scale in SCALES:
        for what, count in measured(name, scale, range(points), precise="all").items():
            assert not count.missed, (what, scale, count.where)


@pytest.mark.parametrize(
    ("target", "name"),
    [("c", "gru_cell"), ("c", "skip_gram"), *((t, n) for t in ("torch", "jax") for n in ("gru_cell", "lora", "mish"))],
)
def test_in_float64_throughout_no_target_misses_one(target: str, name: str) -> None:
    for scale in SCALES:
        for what, count in measured(name, scale, range(2), target=target, precise="all").items():
            assert not count.missed, (what, scale, count.where)


# Slopes of one array, losses and norms of several, sums along each axis, labels. Each is compiled: few, and chosen.
IN_C = ("CE_weighted", "gelu_tanh", "group_norm", "info_nce", "silu", "smoothed_CE")


@pytest.mark.parametrize("name", IN_C)
def test_in_c_no_number_is_missed_either(name: str) -> None:
    for scale in SCALES:
        for what, count in measured(name, scale, range(4), target="c").items():
            assert not count.missed, (what, scale, count.where)


CANCELS = """
input x : n
c = x - mean(x)
z = exp(-c.^2) ∘ c
J = sum(z)
"""


@pytest.mark.parametrize(
    ("target", "options"), [("numpy", {}), ("numpy", {"plain": True}), ("c", {}), ("c", {"threads": 2})]
)
def test_what_follows_from_arguments_is_computed_in_float64(target: str, options: dict[str, object]) -> None:
    """Also for what a user writes: here x − mean(x) cancels, and so does the sum."""
    derivation = cr.parse(CANCELS).derive()
    step = derivation.compile(target, dtype="float32", **options)
    x = (1000 + np.random.default_rng(3).standard_normal(101)).astype(np.float32)
    loss, gradients = step(x=x)
    assert gradients["x"].dtype == np.float32
    truth = evaluate(derivation.program, {"x": x}, {"n": 101})
    for found, right in ((np.float32(loss), truth["J"]), (gradients["x"], truth[derivation.backward.gradients["x"]])):
        unit = np.spacing(np.abs(right.astype(np.float32)))
        assert float(np.max(np.abs(exact(found) - right) / exact(unit))) <= 0.51


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_float32_throughout_can_be_asked_for(target: str) -> None:
    derivation = cr.parse(CANCELS).derive()
    word = {"numpy": "float64", "c": "double"}[target]
    assert word in derivation.compile(target, dtype="float32").source
    assert word not in derivation.compile(target, dtype="float32", precise=False).source


def test_c_for_a_device_stays_in_float32() -> None:
    """Many have no unit for float64."""
    source = cr.parse(CANCELS).derive().compile("c", dtype="float32", embedded=True, sizes={"n": 7}).source
    assert "double" not in source


def test_a_network_stays_in_float32() -> None:
    """What comes out of a matrix product in float32 has lost its digits already."""
    net = cr.parse("""
        label Y : N × K, one-hot
        input X : N × D
        param W : D × H
        param b : 1 × H
        param V : H × K
        param c : 1 × K
        J = mean(CE(Y, softmax(relu(X W + b) V + c))) + 0.01 norm(W)^2
    """)
    derivation = net.derive()
    assert "float64" not in derivation.compile(dtype="float32").source
    assert "float64" not in derivation.compile(dtype="float32", plain=True).source
    assert "double" not in derivation.compile("c", dtype="float32").source


def test_a_step_in_float64_has_nothing_wider() -> None:
    source = cr.parse("label y : n, one-hot\ninput z : n\nJ = CE_logits(y, z)").derive().compile().source
    assert "astype" not in source
