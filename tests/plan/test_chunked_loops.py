"""Chunks in programs with loops over steps: the same numbers, a loop run for the rows at hand, a refusal by name."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError, ChainruleError, UnsupportedError
from chainrule.verification import sample
from loop_programs import PROGRAMS
from random_loops import program as random_loop

SIZES = {"T": 4, "D": 3, "H": 5, "N": 7, "K": 2, "E": 11, "M": 6, "S": 13}
LSTM = """
input X : T × N × D
label y : N, integer
param W : D × (4H)
param V : H × (4H)
param b : 1 × (4H)
param s : N × H
param U : H × K
h[0] = s
z[t] = X[t] W + h[t-1] V + b                                              for t = 1..T
c[t] = sigmoid(z[t,:,1:H]) ∘ c[t-1] + sigmoid(z[t,:,H+1:2H]) ∘ tanh(z[t,:,2H+1:3H]) for t = 1..T
h[t] = sigmoid(z[t,:,3H+1:4H]) ∘ tanh(c[t])                               for t = 1..T
J = mean(CE(onehot(y, K), softmax(h[T] U)))
"""
STEPS = """
input x : T × D
label y : T × K, one-hot
param A : H × H
param B : H × D
param U : K × H
h[t] = tanh(A h[t-1] + B x[t]) for t = 1..T
L[t] = L[t-1] + CE(y[t], softmax(U h[t])) for t = 1..T
J = L[T]
"""
# Rows that lie in the last axis, an initial value for each, and an attention over S places in each step.
MEMORY = """
input X : T × D × N
param A : D × D
param M : S × D
param s : N × D
h[0] = s
h[t] = tanh(h[t-1] A + X[t]ᵀ + softmax(h[t-1] Mᵀ, over=cols) M) for t = 1..T
J = sum(t, norm(h[t])^2)
"""
BLOCKS = """
input X : N × D
label Y : N × K, one-hot
param W : L × D × D
param V : L × D × D
param U : D × K
H[0] = X
H[l] = H[l-1] + softmax(H[l-1] W[l] H[l-1]ᵀ, over=cols) H[l-1] V[l] for l = 1..L
J = mean(CE(Y, softmax(H[L] U)))
"""


def arrays(net: Any, seed: int = 0, **sizes: int) -> dict[str, np.ndarray]:
    known = {**SIZES, "L": 3, **sizes}
    used = {s: n for s, n in known.items() if any(s in str(v.dims) for v in net.program.variables.values())}
    return sample(net.program, used, np.random.default_rng(seed), spread=0.5)


def same(got: Any, want: Any, rtol: float = 1e-9) -> None:
    assert got[0] == pytest.approx(want[0], rel=rtol, abs=1e-12)
    for name, value in want[1].items():
        scale = max(1.0, float(np.abs(value).max()))
        np.testing.assert_allclose(got[1][name], value, rtol=rtol, atol=1e-1 * rtol * scale, err_msg=name)


def runs_by_rows(step: Any) -> bool:
    """True where a loop over steps is run for the rows at hand."""
    plan = step.plan
    return any(n.op == "loop" and plan.chunks.loop_of(k) is not None for k, n in enumerate(plan.steps))


def check_every_way(text: str, seed: int, chosen: list[int], count: Counter[bool], target: str = "numpy",
                    chunks: Sequence[int] = (2,), **options: Any) -> None:  # fmt: skip
    net = cr.parse(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a parameter may not be used
        derivation = net.derive()
    values = arrays(net, seed)
    whole = derivation.compile()
    given = {name: values[name] for name in whole.names}
    want = whole(**given)
    for chosen[0] in range(30):
        for rows in chunks:
            try:
                step = derivation.compile(target, dtype="float64", chunk=rows, **options)
            except UnsupportedError as error:
                if "that was the last" in str(error):
                    return
                raise
            for _ in range(2):  # the second call finds the memory of the first
                same(step(**given), want)
        count[runs_by_rows(step)] += 1


@pytest.mark.parametrize("options", [{}, {"plain": True}], ids=["memory", "plain"])
def test_random_loops_in_chunks(options: dict[str, bool], every_way: list[int]) -> None:
    """Rows of a batch and entries of a state, which a loop runs by or needs whole; more rows than there are too."""
    count: Counter[bool] = Counter()
    for seed in (2, 12) if options else (0, 4, 5):
        check_every_way(random_loop(np.random.default_rng(seed)), seed, every_way, count, chunks=(2, 100), **options)
    assert count[False] > 1


@pytest.mark.parametrize("name", ["batch rows h0 CE", "batch cols", "GRU batch rows", "a layer norm in a step", "RK4"])
def test_loops_in_chunks(name: str, every_way: list[int]) -> None:
    count: Counter[bool] = Counter()
    check_every_way(PROGRAMS[name], 1, every_way, count, chunks=(1, 2, 7, 50))
    assert count[True] == (0 if name == "RK4" else 1)


@pytest.mark.long
@pytest.mark.parametrize("target", ["numpy", "c"])
def test_many_random_loops_in_chunks(target: str, every_way: list[int]) -> None:
    count: Counter[bool] = Counter()
    for seed in range(1000, 1200 if target == "numpy" else 1030):
        chunks = (1, 2, 7, 100) if target == "numpy" else (2,)
        try:
            text = random_loop(np.random.default_rng(seed))
            check_every_way(text, seed, every_way, count, target, chunks)
        except ChainruleError:
            continue
    assert count[True] > 10
    assert count[False] > 10


@pytest.mark.long
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_all_loops_in_chunks(name: str, target: str, every_way: list[int]) -> None:
    check_every_way(PROGRAMS[name], 1, every_way, Counter(), target, (1, 2, 7, 50) if target == "numpy" else (2,))


CASES = {"lstm": (LSTM, "N", True), "steps": (STEPS, "T", False), "memory": (MEMORY, "N", True)}


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("name", CASES)
def test_sequence_models(name: str, target: str) -> None:
    """An LSTM of a batch runs by its rows; a head goes along the steps."""
    text, dim, by_rows = CASES[name]
    derivation = cr.parse(text).derive()
    values = arrays(derivation.network)
    step = derivation.compile(target, dtype="float64", chunk={dim: 2})
    same(step(**{n: values[n] for n in step.names}), derivation.compile()(**{n: values[n] for n in step.names}))
    assert step.plan.chunks is not None
    assert runs_by_rows(step) is by_rows


def test_blocks_whose_tokens_meet_are_whole_and_their_head_is_not(every_way: list[int]) -> None:
    count: Counter[bool] = Counter()
    check_every_way(BLOCKS, 1, every_way, count)
    assert count[False] > 1
    assert not count[True]


def test_no_sequence_has_the_whole_batch() -> None:
    """States, gates and their gradients: of each step, for the rows at hand; embedded code and threads too."""
    net = cr.parse(LSTM)
    derivation = net.derive(["W", "V", "b", "s", "U"])
    sizes = {s: SIZES[s] for s in "TNDHK"}
    values = arrays(net)
    want = derivation.compile()(**values)
    for options in ({"threads": 2}, {"embedded": True, "sizes": sizes}):
        step = derivation.compile("c", dtype="float64", chunk=3, **options)
        same(step(**values), want)
        assert not any({"N", "T"} <= {*map(str, arena.dims)} for arena in step._made.workspace.blocks.values())
    report = step.memory_report(**sizes)
    assert "with N gone through 3 rows at a time" in report
    limited = derivation.compile("c", dtype="float64", memory="12kB")
    same(limited(**values), want)
    with pytest.raises(ArrayError, match="are not enough"):
        derivation.compile("numpy", memory="1kB").memory_report(**sizes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "input X : T × N × D\nparam A : D × D\nh[t] = tanh(h[t-1] A + X[t] - mean(h[t-1], over=rows)) for t = 1..T"
            "\nJ = norm(h[T])^2",
            "the loop of h over t adds up over N in each step",
        ),
        (
            "input X : T × N × D\nparam A : N × N\nh[t] = cumsum(A h[t-1] + X[t]) for t = 1..T\nJ = norm(h[T])^2",
            "the loop of h over t",
        ),
    ],
)
def test_a_loop_that_needs_all_rows_is_named(text: str, said: str) -> None:
    derivation = cr.parse(text).derive()
    with pytest.raises(UnsupportedError, match="would save no memory") as caught:
        derivation.compile("c", chunk={"N": 2})
    assert said in str(caught.value)
    assert "%" not in str(caught.value)


def test_labels_that_are_numbers_of_classes() -> None:
    """A lookup of each row's label goes by rows, and so does what is added up at labels."""
    net = cr.parse(
        "input w : N, integer\nlabel y : N, integer\nparam E : K × D\nparam U : D × K\n"
        "J = mean(CE(onehot(y, K), softmax(onehot(w, K) E U)))"
    )
    derivation = net.derive()
    values = arrays(net)
    want = derivation.compile()(**values)
    for target in ("numpy", "c"):
        step = derivation.compile(target, dtype="float64", chunk=3)
        same(step(**values), want)
        assert not any({"N", "K"} <= {*map(str, block.dims)} for block in step.plan.blocks)
