"""Declared facts: each shortens formulas, is said where it is used, and does nothing where it is not declared."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation import Derivation
from chainrule.errors import UnsupportedError
from chainrule.language.facts import FACTS
from chainrule.simplify.knowledge import Knowledge

# fact, program with the fact as {}, by, gradient with it, without it, what is said: each fact in at least two formulas
CASES = [
    ("symmetric", "const A : n × n{}\nparam x : n\nJ = xᵀ A x", "x",
     "2 A x", "(A + Aᵀ) x", "A is symmetric"),
    ("symmetric", "const A : n × n{}\nparam x : n\nJ = sqrt(xᵀ A x)", "x",
     "A x/J", "(A + Aᵀ) x/(2 J)", "A is symmetric"),
    ("symmetric", "const A : n × n{}\nparam x : n\nJ = xᵀ A A x", "x",
     "2 A A x", "A A x + Aᵀ Aᵀ x", "A is symmetric"),
    ("symmetric", "const A : n × n{}\nparam x : n\nconst b : n\nr = A x - b\nJ = rᵀ r + xᵀ A x", "x",
     "2 A (x + r)", "(A + Aᵀ) x + 2 Aᵀ r", "A is symmetric"),
    ("positive definite", "const A : n × n{}\nparam x : n\nJ = xᵀ inv(A) x", "x",
     "2 inv(A) x", "(inv(A) + inv(A)ᵀ) x", "A is positive definite"),
    ("positive definite", "const A : n × n{}\nparam x : n\nL = cholesky(A)\nJ = norm(Lᵀ x)^2", "x",
     "2 A x", "2 L Lᵀ x", "A is positive definite"),
    ("positive definite", "const A : n × n{}\nparam s : scalar\nJ = s abs(det(A))", "s",
     "det(A)", "abs(det(A))", "A is positive definite"),
    ("positive definite", "param A : n × n{}\nJ = sum(log(diag(cholesky(A))))", "A",
     "inv(A)/2", "inv(cholesky(A))ᵀ inv(cholesky(A))/2", "A is positive definite"),
    ("diagonal", "const A : n × n{}\nconst B : n × n{}\nparam x : n\nconst y : n\nJ = yᵀ A B x + yᵀ B A x", "x",
     "2 A B y", "(A B + B A)ᵀ y", "A is diagonal, B is diagonal"),
    ("diagonal", "const D : n × n{}\nparam s : n\nJ = tr(inv(D) diag(s))", "s",
     "1 ./ diag(D)", "diag(inv(D))", "D is diagonal"),
    ("diagonal", "const D : n × n{}\nparam x : n\nJ = xᵀ D x", "x",
     "2 D x", "(D + Dᵀ) x", "D is diagonal"),
    ("orthogonal", "const Q : n × n{}\nparam x : n\nJ = norm(Q x)^2", "x",
     "2 x", "2 Qᵀ Q x", "Q is orthogonal"),
    ("orthogonal", "const Q : n × n{}\nparam x : n\nJ = norm(Q x)", "x",
     "x/J", "Qᵀ Q x/J", "Q is orthogonal"),
    ("orthogonal", "const Q : n × n{}\nparam x : n\nconst a : n\nJ = aᵀ inv(Q) x", "x",
     "Q a", "inv(Q)ᵀ a", "Q is orthogonal"),
    ("orthogonal", "const Q : n × n{}\nparam x : n\nJ = xᵀ rowsum(Q.^2)", "x",
     "ones(n)", "rowsum(Q.^2)", "Q is orthogonal"),
    ("orthogonal", "const Q : n × n{}\nparam s : scalar\nJ = s det(Q)^2", "s",
     "1", "det(Q)^2", "Q is orthogonal"),
    ("one-hot", "label y : n{}\nparam x : n\nconst a : n\nJ = sum(y.^2 ∘ x) + sum(y) aᵀ x", "x",
     "y + a", "y.^2 + (1ᵀ y) a", "y is one-hot: the entries of y sum to 1"),
    ("one-hot", "label y : n{}\nparam θ : n\nJ = CE(y, softmax(θ))", "θ",
     "softmax(θ) − y", "(1ᵀ y) softmax(θ) − y", "y is one-hot: the entries of y sum to 1"),
    ("one-hot", "label Y : m × n{}\nparam Θ : m × n\nJ = sum(CE(Y, softmax(Θ)))", "Θ",
     "softmax(Θ) − Y", "rowsum(Y) ∘ softmax(Θ) − Y", "Y is one-hot: each row of Y sums to 1"),
    ("rows sum to 1", "const P : m × n{}\nparam x : m\nJ = xᵀ rowsum(P)", "x",
     "ones(m)", "rowsum(P)", "each row of P sums to 1"),
    ("rows sum to 1", "const P : n × n{}\nparam x : n\nJ = xᵀ P P ones(n)", "x",
     "ones(n)", "P rowsum(P)", "each row of P sums to 1"),
    ("rows sum to 1", "label y : n{}\nparam θ : n\nJ = CE(y, softmax(θ))", "θ",
     "softmax(θ) − y", "(1ᵀ y) softmax(θ) − y", "the entries of y sum to 1"),
    ("stochastic", "const P : m × n{}\nparam x : m\nJ = sum(abs(P)ᵀ x)", "x",
     "ones(m)", "rowsum(abs(P))", "P is nonnegative, each row of P sums to 1"),
    ("stochastic", "const P : m × n{}\nparam x : m\nJ = xᵀ relu(P) ones(n)", "x",
     "ones(m)", "rowsum(relu(P))", "P is nonnegative, each row of P sums to 1"),
    ("positive", "param x : n{}\nconst a : n\nJ = aᵀ (x ∘ abs(x))", "x",
     "2 (a ∘ x)", "2 (a ∘ abs(x))", "x is positive"),
    ("positive", "param x : n{}\nconst a : n\nJ = aᵀ sqrt(x.^2)", "x",
     "a", "(a ∘ x) ./ sqrt(x.^2)", "x is positive"),
    ("positive", "const w : n{}\nparam x : n\nJ = sum(relu(w ∘ x))", "x",
     "w ∘ (x > 0)", "w ∘ (w ∘ x > 0)", "w is positive"),
    ("positive", "param x : n{}\nJ = norm1(x)", "x",
     "ones(n)", "sgn(x)", "x is positive"),
    ("nonnegative", "const w : n{}\nparam x : n\nJ = relu(w)ᵀ x", "x",
     "w", "relu(w)", "w is nonnegative"),
    ("nonnegative", "const w : n{}\nparam x : n\nJ = xᵀ sqrt(w.^2)", "x",
     "w", "sqrt(w.^2)", "w is nonnegative"),
    ("nonnegative", "const w : n{}\nparam x : n\nJ = xᵀ abs(w)", "x",
     "w", "abs(w)", "w is nonnegative"),
    ("mask", "const M : m × n{}\nconst A : m × n\nparam X : m × n\nJ = norm(M ∘ (X − A))^2", "X",
     "2 (M ∘ (X − A))", "2 (M ∘ M ∘ (X − A))", "M is a mask"),
    ("mask", "const M : m × n{}\nparam X : m × n\nJ = sum(M.^3 ∘ relu(X))", "X",
     "M ∘ (X > 0)", "M.^3 ∘ (X > 0)", "M is a mask"),
    ("mask", "const m : n{}\nparam x : n\nR = m ∘ tanh(x)\nJ = norm(R)^2", "x",
     "2 (R ∘ (1 − tanh(x).^2))", "2 (R ∘ (m − R ∘ tanh(x)))", "m is a mask"),
    ("lower triangular", "const L : n × n{}\nparam s : n\nJ = tr(inv(L) diag(s))", "s",
     "1 ./ diag(L)", "diag(inv(L))", "L is lower triangular"),
    ("lower triangular", "const L : n × n{}\nparam x : n\ny[i] = sum(j, 1[j <= i] L[i,j] x[j])\nJ = sum(y)", "x",
     "(1ᵀ L)ᵀ", "colsum(tril(L))ᵀ", "L is lower triangular"),
    ("lower triangular", "const L : n × n{}\nconst M : n × n{}\nparam s : n\nJ = tr(L M diag(s))", "s",
     "diag(L) ∘ diag(M)", "diag(L M)", "L is lower triangular, M is lower triangular"),
    ("upper triangular", "const L : n × n{}\nparam s : n\nJ = tr(inv(L) diag(s))", "s",
     "1 ./ diag(L)", "diag(inv(L))", "L is upper triangular"),
    ("upper triangular", "const R : n × n{}\nparam x : n\ny[i] = sum(j, 1[j <= i] R[i,j] x[j])\nJ = sum(y)", "x",
     "diag(R)", "colsum(tril(R))ᵀ", "R is upper triangular"),
    ("upper triangular", "const R : n × n{}\nconst M : n × n{}\nparam s : n\nJ = tr(R diag(s) M)", "s",
     "diag(M) ∘ diag(R)", "diag(M R)", "M is upper triangular, R is upper triangular"),
    ("integer", "const k : n{}\nparam x : n\nJ = sum(((-1).^k ∘ x).^2)", "x",
     "2 x", "2 (x ∘ pow(−1, k).^2)", "k is integer"),
    ("integer", "const k : n{}\nparam x : n\nJ = xᵀ abs((-1).^k)", "x",
     "ones(n)", "abs(pow(−1, k))", "k is integer"),
]  # fmt: skip
IDS = [f"{fact}-{k}" for k, (fact, *_) in enumerate(CASES)]
SIZES = {"n": 5, "m": 3}
MADE = {
    "symmetric": lambda a: a + a.T,
    "positive definite": lambda a: a @ a.T + np.eye(len(a)),
    "diagonal": lambda a: np.diag(np.diag(a)),
    "orthogonal": lambda a: np.linalg.qr(a)[0],
    "lower triangular": lambda a: np.tril(a) + 3 * np.eye(len(a)),
    "upper triangular": lambda a: np.triu(a) + 3 * np.eye(len(a)),
    "one-hot": lambda a: np.eye(a.shape[-1])[np.argmax(a, -1)],
    "mask": lambda a: np.where(a > 0, 1.0, 0.0),
    "rows sum to 1": lambda a: np.exp(a) / np.exp(a).sum(-1, keepdims=True),
    "positive": lambda a: np.abs(a) + 0.1,
    "nonnegative": np.abs,
    "integer": lambda a: np.round(3 * a),
}


def arrays_of(net: cr.Network) -> dict[str, np.ndarray]:
    """Random arrays that obey the declared facts and nothing more."""
    rng = np.random.default_rng(5)
    arrays = {}
    for name, item in net.declarations.items():
        array = rng.standard_normal([SIZES[str(d)] for d in item.shape])
        for known in item.facts:
            if not (known == "nonnegative" and "rows sum to 1" in item.facts):
                array = MADE[known](array)
        arrays[name] = np.asarray(array)
    return arrays


def weight(derivation: Derivation, wrt: str) -> float:
    """How much reading the gradient takes, in symbols."""
    return Knowledge(derivation.program).cost(derivation.gradients[wrt].expression)


def test_every_fact_is_in_the_table() -> None:
    """A new fact needs formulas that it shortens."""
    counted = {fact: sum(f == fact for f, *_ in CASES) for fact in FACTS}
    assert min(counted.values()) >= 2, counted


@pytest.mark.parametrize(("fact", "text", "wrt", "short", "long", "said"), CASES, ids=IDS)
def test_a_fact_shortens_and_is_said(fact: str, text: str, wrt: str, short: str, long: str, said: str) -> None:
    derivation = cr.parse(text.replace("{}", f", {fact}")).derive(wrt)
    assert derivation.gradients[wrt].text == short
    told = derivation.text(explain=2)
    for condition in said.split(", "):
        assert f"  {condition}" in told.split("Conditions used")[1].splitlines()
    assert derivation.check_steps().ok
    assert derivation.verify().ok
    plain = cr.parse(text.replace("{}", "")).derive(wrt)
    assert weight(derivation, wrt) < weight(plain, wrt)


@pytest.mark.parametrize(("fact", "text", "wrt", "short", "long", "said"), CASES, ids=IDS)
def test_unknown_is_not_false(fact: str, text: str, wrt: str, short: str, long: str, said: str) -> None:
    derivation = cr.parse(text.replace("{}", "")).derive(wrt)
    assert derivation.gradients[wrt].text == long
    assert not any(condition in derivation.text(explain=2) for condition in said.split(", "))
    if fact != "integer":  # (−1)ᵏ has no value between whole numbers
        assert derivation.verify().ok


@pytest.mark.parametrize(("fact", "text", "wrt", "short", "long", "said"), CASES, ids=IDS)
def test_with_the_fact_both_formulas_are_the_gradient(
    fact: str, text: str, wrt: str, short: str, long: str, said: str
) -> None:
    arrays = arrays_of(cr.parse(text.replace("{}", f", {fact}")))
    plain = text.replace("{}", "")
    _, gradients = cr.parse(plain).derive(wrt).compile()(**arrays)
    for formula in (short, long):
        left = "read_[i]" if "[k,i]" in formula else "read_"
        read = cr.parse(f"{plain}\n{left} = {formula}").evaluate(**arrays)["read_"]
        np.testing.assert_allclose(read, gradients[wrt], rtol=1e-9, atol=1e-12)


TIED = {
    "symmetric": ["A", "logdet(A)", "2 inv(A) − diag(diag(inv(A)))"],
    "positive definite": ["A", "norm(A x)^2", "2 (A x xᵀ + x xᵀ A − diag(A x ∘ x))"],
    "diagonal": ["A", "norm(A x)^2", "2 diag(A x ∘ x)"],
    "lower triangular": ["A", "logdet(A)", "diag(1 ./ diag(A))"],
    "upper triangular": ["A", "det(A)", "J diag(1 ./ diag(A))"],
    "orthogonal": ["A", "tr(A B)", "(Bᵀ − A B A)/2"],
}


@pytest.mark.parametrize("fact", TIED)
def test_where_the_entries_are_tied(fact: str) -> None:
    """The gradient moves each entry by itself, and says so; the one along matrices with the fact stands beside it."""
    name, loss, wanted = TIED[fact]
    plain = f"param A : n × n{{}}\nconst B : n × n\nconst x : n\nJ = {loss}"
    net = cr.parse(plain.format(f", {fact}"))
    gradient = net.derive(name).gradients[name]
    assert gradient.tied is not None
    assert gradient.tied.text == wanted
    assert f"A is {fact}, and each entry is differentiated as if it could move by itself" in gradient.reason
    assert gradient.reason.endswith(wanted)
    arrays = arrays_of(net)
    free = cr.parse(plain.format(""))
    tied = free.evaluate(**arrays) | cr.parse(f"{plain.format('')}\nread_ = {wanted}").evaluate(**arrays)
    rng = np.random.default_rng(7)
    A, step = arrays["A"], 1e-5
    for _ in range(5):  # along a line of matrices that obey the fact
        move = rng.standard_normal(A.shape)
        if fact == "orthogonal":
            turn = move - move.T
            move = A @ turn
            at = lambda t: A @ np.linalg.solve(np.eye(5) - t / 2 * turn, np.eye(5) + t / 2 * turn)  # noqa: B023, E731
            slope = float((tied["read_"] * move).sum())
        else:
            move = {"symmetric": move + move.T, "positive definite": move + move.T, "diagonal": np.diag(np.diag(move)),
                    "lower triangular": np.tril(move), "upper triangular": np.triu(move)}[fact]  # fmt: skip
            at = lambda t: A + t * move  # noqa: B023, E731
            own = np.tril(move) if "definite" in fact or fact == "symmetric" else move  # one of the two is the number
            slope = float((tied["read_"] * own).sum())
        there = [float(free.evaluate(**{**arrays, "A": at(t)})["J"]) for t in (step, -step)]
        assert (there[0] - there[1]) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_a_part_of_the_gradient_is_called_so() -> None:
    gradient = cr.parse("param L : n × n, lower triangular\nconst x : n\nJ = norm(L x)^2").derive().gradients["L"]
    assert gradient.tied is None
    assert gradient.reason.endswith("where its lower triangle alone moves it is that part of it")
    assert cr.parse("param W : n × n\nconst x : n\nJ = norm(W x)^2").derive().gradients["W"].tied is None


def test_a_triangle_is_inferred() -> None:
    """Inverses, products and Cholesky factors of triangular matrices are triangular."""
    text = "const L : n × n, lower triangular\nconst M : n × n, lower triangular\nparam s : n\nJ = tr({} diag(s))"
    for formula, wanted in {
        "inv(L) M": "diag(M) ./ diag(L)",
        "L inv(L) M": "diag(M)",
        "L M inv(L)": "diag(M)",
    }.items():
        assert cr.parse(text.format(formula)).derive().gradients["s"].text == wanted, formula


def test_a_power_of_what_may_be_negative_has_no_known_sign() -> None:
    """|bᵏ| is not bᵏ: (−1)³ is −1. (It was taken for positive.)"""
    net = cr.parse("const b : n\nconst k : n\nparam x : n\nJ = sum(abs(b.^k) ∘ x)")
    assert net.derive().gradients["x"].text == "abs(pow(b, k))"
    _, found = net.derive().compile()(b=-np.ones(3), k=np.array([1.0, 2, 3]), x=np.ones(3))
    np.testing.assert_allclose(found["x"], 1)
    positive = cr.parse("const b : n, positive\nconst k : n\nparam x : n\nJ = sum(abs(b.^k) ∘ x)")
    assert positive.derive().gradients["x"].text == "pow(b, k)"


@pytest.mark.parametrize(
    "ask",
    [
        lambda net: net.derive("k"),
        lambda net: net.jacobian("k"),
        lambda net: net.hessian("k"),
        lambda net: net.directional("k"),
        lambda net: net.hessian_product("k"),
        lambda net: net.gauss_newton_product("k", "z"),
    ],
)
def test_whole_numbers_are_not_differentiated_by(ask) -> None:
    net = cr.parse("param k : n, integer\nparam x : n\nz = k ∘ x\nJ = sum(z.^2)")
    with pytest.raises(UnsupportedError, match="k is integer: between whole numbers"):
        ask(net)
    assert list(net.derive().gradients) == ["x"]


def test_a_derivative_of_a_derivative_does_not_use_what_ties_the_entries() -> None:
    """∂J/∂A = 2 A for A = Aᵀ only at such A; its product with a direction moves each entry by itself."""
    text = "param A : n × n{}\nconst x : n\nJ = xᵀ A A x"
    symmetric, plain = (cr.parse(text.format(f)) for f in (", symmetric", ""))
    arrays = arrays_of(symmetric) | {"dA": np.random.default_rng(1).standard_normal((5, 5))}
    for ask in ("hessian_product", "hessian"):
        given = {k: v for k, v in arrays.items() if ask != "hessian" or k != "dA"}
        found, wanted = (getattr(net, ask)("A").evaluate(**given) for net in (symmetric, plain))
        np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_entries_of_a_triangular_matrix_move_by_themselves() -> None:
    gradient = cr.parse("param L : n × n, lower triangular\nconst x : n\nJ = norm(L x)^2").derive().gradients["L"]
    assert gradient.text == "2 L x xᵀ"
    assert "L is lower triangular, and each entry is differentiated as if it could move by itself" in gradient.reason


def test_whole_numbers_are_numbers() -> None:
    assert cr.parse("const k : n, integer\nparam x : n\nJ = kᵀ abs(x)").derive().gradients["x"].text == "k ∘ sgn(x)"
