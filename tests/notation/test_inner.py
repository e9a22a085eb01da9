"""Inner arrays that have no matrix notation get a name where a formula would write them out again and again."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import LanguageError

HEADS = """
input X : T × E
param Wq : E × H × d
param Wk : E × H × d
param Wv : E × H × e
param Wo : H × e × E
const s : scalar
O = multi_head_attention(X, Wq, Wk, Wv, Wo, s)
J = norm(O)^2
"""


def test_inner_arrays_of_attention_have_names_and_equations() -> None:
    net = cr.parse(HEADS)
    equations = {e.name: str(e) for e in net.equations}
    assert equations["Q"] == "Q[i,j,k] = sum(l, X[i,l] Wq[l,j,k])"
    assert equations["P"] == "P[m] = A1[m] ./ rowsum(A1[m])"
    assert net.inner == ("Q", "K", "A1", "P", "V", "O1")
    gradients = net.derive().gradients
    assert gradients["Wo"].text == "2 sum(l, O1[l,i,j] O[l,k])"
    assert max(len(g.text) for g in gradients.values()) < 130  # it was 800


def test_the_names_are_values_and_may_stand_in_a_claim() -> None:
    net = cr.parse(HEADS)
    rng = np.random.default_rng(0)
    sizes = {"T": 5, "E": 3, "H": 2, "d": 7, "e": 11}
    arrays = {n: np.asarray(rng.standard_normal([sizes[str(d)] for d in v.shape])) for n, v in net.declarations.items()}
    known = net.evaluate(**arrays)
    np.testing.assert_allclose(known["Q"], np.einsum("il,ljk->ijk", arrays["X"], arrays["Wq"]), rtol=1e-12)
    np.testing.assert_allclose(known["P"].sum(-1), np.ones((2, 5)), rtol=1e-12)
    assert cr.check(net, "∂J/∂Wo[i,j,k] = 2 sum(l, O1[l,i,j] O[l,k])").ok
    assert not cr.check(net, "∂J/∂Wo[i,j,k] = 2 sum(l, V[l,i,j] O[l,k])").ok


def test_names_avoid_the_users() -> None:
    net = cr.parse(HEADS.replace("X : T × E", "A : T × E").replace("(X,", "(A,"))
    assert net.inner[2] == "B1"
    taken = cr.parse(HEADS.replace("const s", "const A1").replace(", s)", ", A1)"))
    assert taken.inner[2] == "A2"
    named = cr.parse(HEADS.replace("const s", "const Q").replace(", s)", ", Q)"))
    assert named.inner[0] == "Q1"


def test_they_can_be_renamed_and_stay_so() -> None:
    net = cr.parse(HEADS)
    renamed = net.rename({"P": "S", "X": "Z", "T": "N"})
    assert renamed.inner == ("Q", "K", "A1", "S", "V", "O1")
    assert "Z[i,l]" in str(renamed.equations[0])
    assert "S[j,l,i]" in " ".join(s.text for s in renamed.derive().signals.values())
    with pytest.raises(LanguageError):
        net.rename({"X": "P"})


PLAIN = {
    "matrices are written out in their place": "param A : n × m\nparam B : m × n\nJ = norm(tanh(A B) A)^2",
    "what is only added up is never shown": (
        "param A : n × m × p\nparam b : n\nS[i] = b[i] + sum(j, sum(k, A[i,j,k]))\nJ = norm(S)^2"
    ),
    "a moved entry is written with its place": "param x : n × m × p\nparam W : k\nJ = sum(conv1d(x, ones(2, m, k)))",
}


@pytest.mark.parametrize("case", [c for c in PLAIN if "moved" not in c])
def test_nothing_else_is_named(case: str) -> None:
    assert cr.parse(PLAIN[case]).inner == ()


def test_padding_has_no_name() -> None:
    """x[b,c,k−1] says it better than a name for the padded array."""
    assert cr.parse("input x : N × C × n\nparam W : O × C × k\nJ = sum(conv1d(x, W, padding=1).^2)").inner == ()


def test_sums_over_several_axes_that_are_constant_are_found() -> None:
    """The entries of a group are centred over two axes together, over neither by itself."""
    text = "input x : N × C × n\nm[b] = mean(c, mean(i, x[b,c,i]))\ny[b,c,i] = x[b,c,i] - m[b]\nw = sum(y)\nJ = w^2"
    assert cr.parse(text).derive().gradients["x"].text == "0"


NORMS = """
param X : N × D
param g : 1 × D
param b : 1 × D
const G : N × D
"""


def test_what_a_definition_is_made_of_has_its_name_in_the_literature() -> None:
    """Without the names the gradient at X had 190 characters, and X − rowmean(X) stood four times in it."""
    net = cr.parse(NORMS + "H = layer_norm(X, g, b, 1e-5)\nJ = sum(G ∘ tanh(H))")
    assert net.inner == ("r", "X̂")
    equations = {e.name: e.text for e in net.equations}
    assert equations["r"] == "1 ./ sqrt(rowmean((X − rowmean(X)).^2) + 1e-5)"
    assert equations["X̂"] == "r ∘ (X − rowmean(X))"
    derivation = net.derive()
    assert derivation.signals["Δ₂"].of == "X̂"
    assert derivation.gradients["X"].text == "r ∘ (Δ₂ − X̂ ∘ rowmean(Δ₂ ∘ X̂) − rowmean(Δ₂))"
    assert derivation.gradients["g"].text == "colsum(Δ₁ ∘ X̂)"
    assert derivation.verify().ok
    assert derivation.check_steps().wrong is None


def test_several_of_them_are_numbered_and_avoid_names() -> None:
    net = cr.parse(NORMS + "A = layer_norm(X, g, b, 1e-5)\nH = rms_norm(A, g, 1e-6)\nJ = sum(G ∘ H)")
    assert net.inner == ("r1", "X̂1", "r2", "X̂2")
    taken = cr.parse(NORMS.replace("param b", "param r") + "H = layer_norm(X, g, r, 1e-5)\nJ = sum(G ∘ H)")
    assert taken.inner == ("r1", "X̂")
    size = cr.parse(NORMS.replace("N × D", "r × D") + "H = layer_norm(X, g, b, 1e-5)\nJ = sum(G ∘ H)")
    assert size.inner == ("r1", "X̂")
    assert all(net.derive().verify().ok for net in (net, taken, size))


def test_what_the_user_named_keeps_that_name() -> None:
    mine = "s = 1 ./ sqrt(rowmean((X - rowmean(X)).^2) + 1e-5)\nZ = (X - rowmean(X)) ∘ s\n"
    net = cr.parse(NORMS + mine + "H = layer_norm(X, g, b, 1e-5)\nJ = sum(G ∘ H)")
    assert net.inner == ()
    assert "Z ∘ rowmean(" in net.derive().gradients["X"].text


def test_an_array_of_matrices_says_it_for_one_matrix() -> None:
    net = cr.parse("param X : B × T × D\nparam g : D\nparam b : D\nH = layer_norm(X, g, b, 1e-5)\nJ = sum(sin(H))")
    equations = [str(e) for e in net.equations]
    assert equations[0] == "r[n] = 1 ./ sqrt(rowmean((X[n] − rowmean(X[n])).^2) + 1e-5)"
    assert equations[1] == "X̂[n] = r[n] ∘ (X[n] − rowmean(X[n]))"
    assert net.derive().gradients["X"].text == "r[n] ∘ (Δ₁[n] − X̂[n] ∘ rowmean(Δ₁[n] ∘ X̂[n]) − rowmean(Δ₁[n]))"


def test_the_weights_of_an_attention_and_the_gates_of_a_cell() -> None:
    attention = cr.parse(
        "param Q : N × d\nparam K : M × d\nparam V : M × e\nO = attention(Q, K, V, 1/sqrt(d))\nJ = sum(sin(O))"
    ).derive()
    texts = {s.of: s.text for s in attention.signals.values()}
    assert texts["P"] == "cos(O) Vᵀ"
    assert "P ∘ (Δ₁ − rowsum(Δ₁ ∘ P))" in texts.values()
    shapes = "".join(f"param W{g} : m × n\nparam U{g} : m × m\n" for g in "zrn")
    gru = cr.parse(f"input x : n\ninput h : m\n{shapes}y = gru_cell(x, h, Wz, Uz, Wr, Ur, Wn, Un)\nJ = sum(sin(y))")
    assert sorted(gru.inner) == ["k", "r", "z"]
    assert max(len(g.text) for g in gru.derive().signals.values()) < 45  # it was 120


def test_batch_norm_of_images_is_as_short_in_a_network() -> None:
    net = cr.parse(
        "param Z : N × C × H × W\nparam g : C\nparam b : C\nconst G : N × C × H × W\n"
        "J = sum(G ∘ batch_norm2d(Z, g, b, 1e-5))"
    )
    assert net.inner[:3] == ("A1", "r", "X̂")
    assert net.derive().gradients["Z"].text == (
        "g[j] r[j] (G[i,j,k,l] − X̂[i,j,k,l] mean(m, mean(n, mean(p, G[n,j,m,p] X̂[n,j,m,p])))"
        " − mean(m, mean(n, mean(p, G[n,j,m,p]))))"
    )


@pytest.mark.parametrize("activation", ["gelu", "silu", "mish", "gelu_tanh"])
def test_the_argument_of_an_activation_that_shows_it_often_is_z(activation: str) -> None:
    net = cr.parse(
        f"input X : N × D\nparam W : D × K\nparam c : 1 × K\ninput G : N × K\nJ = sum(G ∘ {activation}(X W + c))"
    )
    assert net.inner == ("Z",)
    assert str(net.equations[0]) == "Z = X W + c"
    derivation = net.derive()
    (signal,) = [s for s in derivation.signals.values() if s.of == "Z"]
    assert "X W" not in signal.text
    assert derivation.gradients["W"].text == "Xᵀ Δ₁"
    assert derivation.verify().ok


@pytest.mark.parametrize(
    "formula",
    [
        "sum(tanh(W x + c))",
        "sum(relu(W x + c))",
        "sum(silu(c))",
        "sum(silu(2 c))",
        "CE(c, softmax(W x))",
        "norm(W x + c)^2",
    ],
)
def test_other_arguments_have_no_name_of_ours(formula: str) -> None:
    assert cr.parse(f"input x : n\nparam W : m × n\nparam c : m\nJ = {formula}").inner == ()


def test_several_arguments_are_numbered_and_avoid_the_users_z() -> None:
    net = cr.parse("input x : n\nparam W : n × n\nparam z : n\nJ = sum(silu(W x + z)) + sum(gelu(Wᵀ x))")
    assert net.inner == ("z1", "z2")
    assert net.derive().verify().ok
