"""Offsets, slices, lookups and calls that move entries about, in the language: gradients, and formulas read back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.dims import display_name
from chainrule.errors import ChainruleError, DimensionError, LanguageError, UnsupportedError
from chainrule.language.elaborate import elaborate_expression, known_functions
from chainrule.language.parser import parse_expression
from chainrule.notation.index import letters_for
from chainrule.reference import evaluate_expression, evaluate_program
from chainrule.sizes import value_of

PROGRAMS = {
    "convolution": "input x : n\nparam w : k\ny[i] = sum(a, w[a] x[i+a-1])\nJ = sum(y.^3)",
    "strided": "input x : n\nparam w : k\ny[i] = sum(a, w[a] x[2i+a-2])\nJ = sum(sin(y))",
    "difference": "input x : T\ny[t] = x[t] - x[t-1]\nJ = sum(y.^2)",
    "slice": "input x : 7\nz = x[2:4]\nJ = zᵀ z + x[7]^3",
    "columns": "input X : N × 6\nA = X[:, 2:4]\nB = X[:,5]\nC = X[2,:]\nJ = sum(A.^2) + sum(B.^3) + C Cᵀ + X[1,1]^2",
    "embedding": "param E : V × D\nlabel ids : T, integer\nH = E[ids]\nJ = sum(H.^3)",
    "entries": "param E : V × D\nlabel ids : T, integer\nH[t,j] = E[ids[t],j]^2\nJ = sum(sin(H))",
    "concat": "input a : N\ninput b : M\nc = concat(a, b)\nJ = sum(c.^3)",
    "beside": "input A : N × p\ninput B : N × q\nC = concat(A, B, over=columns)\nJ = sum(C.^3)",
    "kron": "param A : 2 × 3\nparam B : p × q\nK = kron(A, B)\nJ = sum(K.^3)",
    "kron of vectors": "param a : p\nparam b : q\nK = kron(a, b)\nJ = sum(K.^3)",
    "cumsum": "input X : T × D\nY = cumsum(X)\nJ = sum(Y.^3)",
    "reshape": "input Q : T × (4 d)\nR = reshape(Q, T, 4, d)\nJ = sum(R.^3)",
    "pad and flip": "input x : n\ny = flip(pad(x, 2, 1))\nw[i] = y[i] y[i+1]\nJ = sum(w.^2)",
    "causal": "input S : T × T\nM[t,s] = S[t,s] 1[s ≤ t]\nJ = sum(M.^3)",
    "labels": "input z : T × K\nlabel c : T, integer\nJ = sum(logsumexp(z)) - sum(onehot(c, K) ∘ z)",
    "definition": "def every(x, s=2)[i] = x[s*(i-1)+1]\ninput x : 9\ny = every(x) + every(x, s=2)\nJ = sum(y.^3)",
    "sizes": "input x : N × (H d)\nconst q : H\nR = reshape(x, N, H, d)\nJ = sum(sin(R))",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_hold_and_formulas_read_back(name: str) -> None:
    net = cr.parse(PROGRAMS[name])
    assert str(cr.parse(str(net))) == str(net)
    derivation = net.derive()
    report = derivation.verify()
    assert report.ok, report
    rng = np.random.default_rng(0)
    values = {}
    for declared in net.declarations.values():
        shape = tuple(value_of(d, report.sizes) for d in declared.shape)
        integer = "integer" in declared.facts
        values[declared.name] = rng.integers(0, 3, shape) if integer else rng.standard_normal(shape)
    known = net.evaluate(**values)
    loss, gradients = derivation.compile()(**values)
    assert loss == pytest.approx(float(known[net.loss]))
    program = derivation.program.copy()
    for wrt, gradient in derivation.gradients.items():
        if "[" not in gradient.text or "%" in gradient.text:
            continue
        own = net.program.variables[wrt].indices
        names = letters_for(len(own), {display_name(n) for n in derivation.program.variables})
        tree = parse_expression(gradient.text, functions=known_functions(), variables=frozenset(program.variables))
        value = elaborate_expression(program, tree, letters=dict(zip(names, own, strict=True)))
        found = evaluate_program(program, {n: np.asarray(v, float) for n, v in values.items()}, report.sizes)
        again = evaluate_expression(value.expr, own, found, report.sizes, program.functions)
        np.testing.assert_allclose(again, np.reshape(gradients[wrt], again.shape), rtol=1e-9, atol=1e-9)


def test_positions_count_from_1_and_both_ends_belong_to_a_slice() -> None:
    net = cr.parse(
        "input x : 7\ninput X : 5 × 7\na = x[2:4]\nb = X[2,:]\nc = X[:,7]\nJ = x[1] + sum(a) + sum(b) + sum(c)"
    )
    x, X = np.arange(7.0), np.arange(35.0).reshape(5, 7)
    known = net.evaluate(x=x, X=X)
    np.testing.assert_array_equal(known["a"], x[1:4])
    np.testing.assert_array_equal(known["b"], X[1])
    np.testing.assert_array_equal(known["c"], X[:, 6])


def test_a_convolution_reads_as_it_is_written_by_hand() -> None:
    text = "input x : N × C × n\nparam W : O × C × k\ny[b,o,i] = sum(c, sum(a, W[o,c,a] x[b,c,i+a-1]))\nJ = sum(y.^2)/2"
    gradients = cr.parse(text).derive().gradients
    assert gradients["x"].text == "sum(l, sum(m, W[l,j,m] y[i,l,k−m+1]))"
    assert gradients["W"].text == "sum(l, sum(m, x[l,j,k+m−1] y[l,i,m]))"


def test_integers_are_labels_in_float32_too() -> None:
    net = cr.parse("param E : V × D\nlabel ids : T, integer\nJ = sum(E[ids].^2)")
    assert list(net.derive().gradients) == ["E"]
    ids = np.array([3, 0, 3, 1])
    table = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    _, gradients = net.derive().compile(dtype="float32")(E=table, ids=ids)
    tensor = torch.tensor(table, requires_grad=True)
    (tensor[torch.tensor(ids)] ** 2).sum().backward()
    assert tensor.grad is not None
    np.testing.assert_allclose(gradients["E"], tensor.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("input x : 5\nJ = x[6]", DimensionError, "5 entries"),
        ("input x : 5\ny = x[4:2]\nJ = sum(y)", DimensionError, "empty"),
        ("input x : 5\ny = x[3:8]\nJ = sum(y)", DimensionError, "slice from 3 to 8"),
        ("input x : n\ny[i] = x[i-1]\nJ = sum(y)", UnsupportedError, "runs over"),
        ("input x : n\ny = reshape(x, H, d)\nJ = sum(y)", ChainruleError, "size"),
        ("input x : D\nconst q : H × d\ny = reshape(x, H, d)\nJ = sum(y)", DimensionError, "cannot be put into"),
        ("param E : V × D\ninput t : T\nJ = sum(E[t])", LanguageError, "whole numbers"),
        ("input x : n\ny = windows(x, 3, step=2)\nJ = sum(y)", LanguageError, "no option step"),
        ("def f(x, s=1)[i] = x[s*i]\ninput x : 9\nJ = sum(f(x, t=2))", LanguageError, "no option t"),
        ("input a : N\ninput B : N × M\nJ = sum(concat(a, B))", DimensionError, "one kind"),
    ],
)
def test_refusals(text: str, error: type[ChainruleError], words: str) -> None:
    with pytest.raises(error, match=words):
        cr.parse(text)


def test_numpy_slices_are_refused_where_they_mean_something_else() -> None:
    with pytest.raises(LanguageError, match="numpy"):
        cr.parse("input x : 5\ny = x[0:3]\nJ = sum(y)", dialect="numpy")


def test_what_lies_outside_is_said_to_be_0() -> None:
    assert any("0 where" in said for said in cr.parse(PROGRAMS["difference"]).repeats)
