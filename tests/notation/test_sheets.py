"""Arrays of three axes are written as the matrices that they hold, X[n], and read back so."""

import re

import numpy as np
import pytest

import chainrule as cr

SIZES = {"B": 3, "T": 5, "D": 7, "K": 11, "H": 13}

TRANSFORMER = """
input X : B × T × D
label Y : B × T × K
param Wq : D × D
param Wk : D × D
param Wv : D × H
param U : H × K
param b : K
Q = X Wq
K1 = X Wk
V = X Wv
S[n,i,j] = sum(k, Q[n,i,k] K1[n,j,k])/sqrt(D)
P = softmax(S)
O[n,i,h] = sum(j, P[n,i,j] V[n,j,h])
J = mean(CE(Y, softmax(O U + b)))
"""

NETWORKS = {
    "transformer": TRANSFORMER,
    "batch of layers": """
        input X : B × T × D
        param E : T × D
        param W : D × H
        param b : H
        param v : H
        A = relu((X + E) W + b)
        s = A v
        J = sum(s.^2)
    """,
    "sums over the batch": "input X : B × T × D\nm = mean(X, over=B)\nJ = sum((X - m).^2 ∘ X)",
    "softmax over the batch": "input X : B × T × D\nparam W : D × D\nJ = sum(softmax(X W, over=first) ∘ X)",
    "a definition over all": "def part(u) = u / sum(u)\ninput X : B × T × D\nJ = sum(part(exp(X)) ∘ X)",
    "a definition by number": "def f(u) = u ./ sum(u, over=1)\ninput X : B × T × D\nJ = sum(f(exp(X)) ∘ X)",
    "heads in the middle": """
        input X : T × D
        param W : D × H × K
        Z[t,h,k] = sum(d, X[t,d] W[d,h,k])
        J = sum(tanh(Z).^2)
    """,
    "two orders": "input X : B × T × D\nparam W : T × B × D\nZ[t,b,d] = X[b,t,d] W[t,b,d]\nJ = sum(Z.^2)",
    "n is taken": "input X : n × m × k\nparam s : k\nparam u : m\nJ = sum((X s).^2 ∘ 2) + sum(X ∘ u)",
}


def _arrays(net):
    rng = np.random.default_rng(7)
    sizes = {**SIZES, "n": 3, "m": 5, "k": 7}
    shapes = {n: tuple(sizes.get(d, d) for d in net.dims[n]) for n in (*net.inputs, *net.parameters)}
    return {n: rng.standard_normal(s[:-1] if s[-1:] == (1,) else s) for n, s in shapes.items()}


def _values(net, derivation):
    """Every formula, read again in the names of the network and of the signals before it."""
    declared = [
        line
        for line in str(net).splitlines()
        if line.startswith(("input", "label", "param", "const", "def", "function"))
    ]
    equations = [line for line in str(net).splitlines() if " = " in line and not line.startswith("def")]
    program = "\n".join([*declared, *equations])
    arrays = _arrays(net)
    for gradient in (*derivation.signals.values(), *derivation.gradients.values()):
        letters = gradient.written.indices
        name = gradient.name if gradient.name in derivation.signals else f"G_{gradient.of}"
        dims = net.dims.get(gradient.of, ())
        if len(letters) == 1:
            program += f"\n{name}[{letters[0]}] = {gradient.text} for {letters[0]} = 1..{dims[0] if dims else 'B'}"
        elif letters:
            program += f"\n{name}[{','.join(letters)}] = {gradient.text}"
        else:
            program += f"\n{name} = {gradient.text}"
    return cr.parse(program).evaluate(**arrays), arrays


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_written_at_one_matrix_is_read_back_with_the_same_values(name):
    net = cr.parse(NETWORKS[name])
    derivation = net.derive()
    values, arrays = _values(net, derivation)
    _, expected = derivation.compile("numpy")(**arrays)
    for wrt, value in expected.items():
        assert np.allclose(np.squeeze(values[f"G_{wrt}"]), np.squeeze(value), rtol=1e-10, atol=1e-12), wrt


def test_a_transformer_with_a_batch_reads_as_one_without():
    found = cr.parse(TRANSFORMER).derive()
    shown = {n: g.text for n, g in (*found.signals.items(), *found.gradients.items())}
    assert shown["U"] == "sum(n, O[n]ᵀ Δ₁[n])"
    assert shown["Wq"] == "sum(n, X[n]ᵀ Δ₇[n])"
    assert "Δ₄[n] = ∂J/∂S[n] = P[n] ∘ (Δ₃[n] − rowsum(Δ₃[n] ∘ P[n]))" in found.text()
    assert not re.search(r"\[\w,\w", found.text())  # no index notation is left
    assert found.gradients["X"].shape == ("B", "T", "D")


def test_the_letter_is_no_name_and_no_size_of_the_network():
    found = cr.parse(NETWORKS["n is taken"]).derive()
    (letter,) = found.gradients["X"].written.indices
    assert letter not in ("n", "m", "k", "s", "u", "X")


def test_an_array_of_two_orders_is_left_in_index_notation():
    found = cr.parse(NETWORKS["two orders"]).derive()
    assert found.gradients["W"].text.count("[") >= 2
    assert len(found.gradients["W"].written.indices) == 3


def test_claims_about_arrays_of_matrices_are_checked():
    net = cr.parse(NETWORKS["batch of layers"])
    assert cr.check(net, "∂J/∂W = sum(n, (X[n] + E)ᵀ Δ₁[n])").ok
    assert not cr.check(net, "∂J/∂W = sum(n, X[n]ᵀ Δ₁[n])").ok


def test_the_steps_are_told_at_one_matrix_too():
    text = "input X : B × T × D\nlabel Y : B × T × K\nparam W : D × K\nparam b : K\nJ = mean(CE(Y, softmax(X W + b)))"
    found = cr.parse(text).derive()
    assert "∂CE(Y[n], softmax(X[n] W + bᵀ))/∂softmax(X[n] W + bᵀ)" in found.text(1)
    steps = [line for line in found.text(1).splitlines() if "row i runs over" not in line and "i runs over" not in line]
    assert not re.search(r"\[\w,\w", "\n".join(steps))  # but for the entries that say where a transpose comes from
