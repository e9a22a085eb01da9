"""The equal form of a forward program that has the shorter backward pass: the same values, and what it saves."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.algebra.program import Program
from chainrule.api import elaborate, known_functions, parse_program
from chainrule.errors import ChainruleError
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_program
from chainrule.simplify.forward import shorter_to_differentiate
from random_programs import write_program

# program: what all its signals and gradients are
FOUND = {
    "a product that is used twice": (
        "param X : n × d\nparam w : d\nlabel y : n\nJ = sum(softplus(X w)) − yᵀ X w",
        {"δ₁ = ∂J/∂(X w)": "(σ(X w) − y)ᵀ", "∂J/∂X": "δ₁ᵀ wᵀ", "∂J/∂w": "(δ₁ X)ᵀ"},
    ),
    "a product that the user named, and wrote again": (
        "param X : n × d\nparam w : d\nlabel y : n\nθ = X w\nJ = sum(softplus(X w)) − yᵀ X w",
        {"δ₁ = ∂J/∂θ": "(σ(θ) − y)ᵀ", "∂J/∂X": "δ₁ᵀ wᵀ", "∂J/∂w": "(δ₁ X)ᵀ"},
    ),
    "one entry of a product": (
        "param W : K × d\nparam v : d\nlabel o : scalar, integer\nJ = logsumexp(W v) − W[o] v",
        {"δ₁ = ∂J/∂(W v)": "(softmax(W v) − onehot(o, K))ᵀ", "∂J/∂W": "δ₁ᵀ vᵀ", "∂J/∂v": "(δ₁ W)ᵀ"},
    ),
    "entries of a product of matrices": (
        "param W : K × d\nparam V : n × d\nlabel c : n, integer\nS = V Wᵀ\nJ = sum(logsumexp(S)) − sum(V ∘ W[c])",
        {"Δ₁ = ∂J/∂S": "softmax(S) − onehot(c, K)", "∂J/∂W": "Δ₁ᵀ V", "∂J/∂V": "Δ₁ W"},
    ),
    "the vector of a product occurs by itself too": (
        "param A : n × n\ninput x : n\nJ = xᵀ A x + norm(A x)^2",
        {"δ₁ = ∂J/∂(A x)": "(x + 2 A x)ᵀ", "∂J/∂A": "δ₁ᵀ xᵀ", "∂J/∂x": "A x + (δ₁ A)ᵀ"},
    ),
    "a matrix is not multiplied by a vector that it was spared": (
        "param A : n × n\nparam B : n × n\ninput x : n\nJ = norm(A B)^2 + sum(sin(A B x))",
        {
            "δ₁ = ∂J/∂(A B x)": "cos(A B x)ᵀ", "Δ₂ = ∂J/∂(A B)": "2 A B", "∂J/∂A": "(δ₁ᵀ xᵀ + Δ₂) Bᵀ",
            "∂J/∂B": "Aᵀ (δ₁ᵀ xᵀ + Δ₂)", "∂J/∂x": "(δ₁ A B)ᵀ",
        },
    ),
    "a difference behind a minus": (
        "param a : n\nparam b : n\nconst β : scalar\nJ = sum(softplus(−β (a − b)))",
        {"δ₁ = ∂J/∂(b − a)": "β σ(β (b − a))ᵀ", "∂J/∂a": "−δ₁ᵀ", "∂J/∂b": "δ₁ᵀ"},
    ),
    "a difference that is also used without it": (
        "param a : n\nparam b : n\nconst β : scalar\nJ = sum(softplus(−β (a − b))) + sum(sin(a − b))",
        {
            "δ₁ = ∂J/∂(a − b)": "(cos(a − b) − β σ(β (b − a)))ᵀ", "∂J/∂a": "δ₁ᵀ", "∂J/∂b": "−δ₁ᵀ",
        },
    ),
    "a difference with a name": (
        "param a : n\nparam b : n\nconst β : scalar\nd = a − b\nJ = sum(softplus(−β d))",
        {"δ₁ = ∂J/∂d": "−β σ(−β d)ᵀ", "∂J/∂a": "δ₁ᵀ", "∂J/∂b": "−δ₁ᵀ"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_the_backward_pass_is(name: str) -> None:
    text, wanted = FOUND[name]
    derivation = cr.parse(text).derive()
    found = (*derivation.signals.values(), *derivation.gradients.values())
    assert {g.symbol: g.text for g in found} == wanted
    assert derivation.verify().ok
    report = derivation.check_steps()
    assert report.ok, report


def programs(text: str) -> tuple[Program, Program]:
    """As it was read, and in the form that is differentiated."""
    program = elaborate(parse_program(text, "whiteboard", known_functions())).program
    return program, shorter_to_differentiate(program)


def test_the_same_values_and_the_same_names() -> None:
    """Of random programs, and of those above: nothing is computed that is another number."""
    texts = [text for text, _ in FOUND.values()]
    texts += [write_program(random.Random(seed).randrange) for seed in range(60)]
    changed = 0
    for text in texts:
        try:
            before, after = programs(text)
        except ChainruleError:
            continue
        assert list(before.equations) == list(after.equations)
        if after is before:
            continue
        changed += 1
        sizes = choose_sizes(before)
        point = sample(before, sizes, np.random.default_rng(0))
        mine, theirs = (evaluate_program(p, point, sizes) for p in (after, before))
        turned = {n for n in before.equations if n.startswith("%")}
        for name in before.equations.keys() - turned:
            np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-12, atol=1e-12, err_msg=text)
    assert changed >= len(FOUND) - 3


def test_a_square_of_a_difference_keeps_its_sign() -> None:
    """−d[i] d[j] is no multiple of d: turning d over there would turn over the whole."""
    derivation = cr.parse("param a : n\nparam b : n\nJ = sum(exp(−outer(a − b, a − b)))").derive()
    assert derivation.verify().ok


def test_a_loop_is_left_as_it_is() -> None:
    text = (
        "input x : T × D\nparam A : H × H\nparam B : H × D\n"
        "h[t] = tanh(A h[t-1] + B x[t]) for t = 1..T\nS = x Bᵀ\nJ = sum(h) + sum(sin(S)) + sum(x Bᵀ)"
    )
    before, after = programs(text)
    assert after is before
    assert cr.parse(text).derive().verify().ok


def test_a_traced_function_is_read_so_too() -> None:
    def loss(X, w, y):  # type: ignore[no-untyped-def]
        return np.sum(np.log1p(np.exp(X @ w))) - y @ (X @ w)

    derivation = cr.trace(loss, X=(5, 3), w=(3,), y=(5,), labels="y").derive()
    assert [s.text for s in derivation.signals.values()] == ["(σ(X w) − y)ᵀ"]
    assert derivation.gradients["w"].text == "(δ₁ X)ᵀ"
    assert derivation.verify().ok


@pytest.mark.parametrize("target", ["numpy", "torch", "jax"])
def test_one_entry_of_a_product_in_code(target: str) -> None:
    """A scalar that is looked up in a vector: what a label picks has no axes then."""
    derivation = cr.parse(FOUND["one entry of a product"][0]).derive()
    rng = np.random.default_rng(3)
    W, v = rng.normal(size=(7, 3)), rng.normal(size=3)
    A, b = (torch.tensor(x, requires_grad=True) for x in (W, v))
    (torch.logsumexp(A @ b, 0) - (A @ b)[5]).backward()
    loss, gradients = derivation.compile(target)(o=np.array(5), W=W, v=v)
    for name, wanted in {"W": A.grad, "v": b.grad}.items():
        np.testing.assert_allclose(np.asarray(gradients[name]), wanted.numpy(), rtol=1e-12)
    assert np.isfinite(float(loss))


def test_a_row_of_labels_takes_no_square_of_memory() -> None:
    """onehot(o, K) was a row of np.eye(K): 3 GB of them for 20,000 words."""
    step = cr.parse(FOUND["one entry of a product"][0]).derive().compile("numpy")
    arrays = {"W": np.ones((20_000, 3)), "v": np.ones(3), "o": np.array(17)}
    step(**arrays)
    tracemalloc.start()
    try:
        step(**arrays)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6
