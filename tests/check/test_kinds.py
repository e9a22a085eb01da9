"""Each kind of mistake, in several networks: it is called wrong, by its name, and what is suggested is right."""

from __future__ import annotations

import warnings

import pytest

import chainrule as cr
from chainrule.check.context import context_of
from chainrule.check.formulas import formulas_behind, scenes_of
from chainrule.check.mistakes import MISTAKES, Mistake, register
from chainrule.check.targets import Target, gradient_target, signal_target
from chainrule.check.trees import places, tidy
from chainrule.check.verdict import Session, judge
from chainrule.errors import ChainruleError, DimensionError
from chainrule.language.parser import parse_expression
from chainrule.language.printer import print_expression
from chainrule.language.scope import known_functions
from check.programs import PROGRAMS

SQUARE = (
    "input x : D\nlabel y : D\nparam W : D × D\nparam V : D × D\nz = W x\nh = tanh(z)\no = V h\nJ = norm(o − y)^2/2"
)
CASES = [
    # program, claim, kind, words of the diagnosis
    (SQUARE, "∂J/∂h = δ₁ Vᵀ", "transpose", "Vᵀ has a transpose too much"),
    (SQUARE, "∂J/∂W = δ₂ᵀ x", "transpose", "x needs a transpose"),
    (SQUARE, "∂J/∂W = xᵀ δ₂ᵀ", "order", "the factors xᵀ and δ₂ᵀ are swapped"),
    ("rows", "∂J/∂Z = Uᵀ Δ₁ ∘ sgn(H)", "order", "Uᵀ and Δ₁ are swapped"),
    ("tied", "∂J/∂o = y − o", "sign", "the sign is wrong"),
    (SQUARE, "∂J/∂z = δ₁ V ∘ (1 + h.^2)ᵀ", "sign", "the sign of h.^2 is wrong"),
    ("linreg", "∂J/∂w = Xᵀ r/N", "factor", "a factor 2 is missing"),
    ("linreg", "∂J/∂w = 2 Xᵀ r", "factor", "a factor 1/N is missing"),
    ("linreg", "∂J/∂b = sum(r)", "factor", "a factor 2/N is missing"),
    ("ridge", "∂J/∂w = Xᵀ r/N + λ w", "factor", "a factor 2 is missing at the term λ w"),
    ("rows", "∂J/∂Θ = Ŷ − Y", "factor", "a factor 1/N is missing"),
    ("deep_rows", "∂J/∂Z1 = Δ₂ W2ᵀ", "activation", "the factor sigmoid′(Z1) is missing"),
    ("deep_rows", "∂J/∂Z1 = Δ₂ W2ᵀ ∘ A1", "activation", "sigmoid′(Z1)"),
    ("deep_rows", "∂J/∂Z2 = Δ₁ W3ᵀ ∘ tanh′(Z1 W2)", "activation", "tanh′(Z2)"),
    ("deep_rows", "∂J/∂Z2 = Δ₁ W3ᵀ ∘ tanh′(A2)", "activation", "the factor is tanh′(Z2), not tanh′(A2)"),
    (SQUARE, "∂J/∂W = (δ₁ V)ᵀ xᵀ", "activation", "the factor tanh′(z) is missing"),
    (SQUARE, "∂J/∂V = (δ₁ ∘ tanh′(z)ᵀ)ᵀ hᵀ", "activation", "too much"),
    ("attention", "∂J/∂S = P ∘ (Δ₁ − P ∘ Δ₁)", "sum", "the sum over the M columns is missing"),
    ("logistic", "∂J/∂b = δ₁", "sum", "the sum over the N entries is missing"),
    ("rows", "∂J/∂b1 = rowsum(Δ₂)", "sum", "the wrong axis"),
    ("deep", "∂J/∂W2 = δ₃ᵀ h1ᵀ", "signal", "δ₂ is the one at z2"),
    ("logistic", "∂J/∂w = Xᵀ (p − X w)/N", "name", "X w stands where y should"),
    ("tied", "∂J/∂W = h δ₁", "path", "W"),
    ("resid", "∂J/∂h = δ₂ U", "path", "h"),
    ("shared_bias", "∂J/∂b = 1ᵀ Δ₂", "path", "b"),
    ("resid", "∂J/∂x = δ₄ W", "path", "x"),
    ("rows_reg", "∂J/∂W = Xᵀ Δ₂", "path", "norm(W)^2"),
    ("logistic_reg", "∂J/∂w = (Xᵀ (p − y) + λ w)/N", "normalisation", "λ w is added inside of the factor"),
    ("softmax_reg", "∂J/∂W = Xᵀ Δ₁ + λ W/N", "normalisation", "at the term λ W/N"),
    ("rows_reg", "∂J/∂W = Xᵀ Δ₂ + λ Wᵀ", "transpose", "W"),
    ("rows_reg", "∂J/∂W = (Δ₂ᵀ X) + λ W", "layout", "Δ₂ᵀ X needs a transpose"),
    (SQUARE, "∂J/∂z = δ₁ V (1 − h.^2)ᵀ", "elementwise", "where it is ∘, elementwise"),
    ("one_layer", "∂J/∂W = (U δ₁ ∘ sgn(h)) xᵀ", "transpose", "U needs a transpose"),
    ("rms", "∂J/∂x = r ∘ (γ ∘ g)", "path", ""),
    ("linreg", "∂J/∂w = 2 Xᵀ r/N + w", "term", "the term w is too much"),
    ("cosine", "∂J/∂a = b/(n m)", "path", "a"),
    ("quad", "∂J/∂x = A x + b", "path", "x"),
    ("poisson", "∂J/∂z = μᵀ/N", "path", ""),
]  # fmt: skip


def network(name: str) -> cr.Network:  # type: ignore[name-defined]
    return cr.parse(PROGRAMS.get(name, name))


@pytest.mark.parametrize(("name", "claim", "kind", "words"), CASES, ids=[c[1] for c in CASES])
def test_a_mistake_is_named(name: str, claim: str, kind: str, words: str) -> None:
    net = network(name)
    verdict = cr.check(net, claim)
    assert not verdict.ok
    assert verdict.kind == kind, str(verdict)
    assert words in verdict.diagnosis, str(verdict)
    if verdict.suggestion:
        assert cr.check(net, verdict.suggestion).ok, verdict.suggestion


def test_labels_may_be_one_hot_or_sum_to_one() -> None:
    net = cr.parse("input Z : N × K\nlabel Y : N × K\nP = softmax(Z)\nJ = mean(CE(Y, P))")
    verdict = cr.check(net, "∂J/∂Z = (P − Y)/N")
    assert verdict.kind == "label"
    assert "each row of Y sum to 1" in verdict.diagnosis
    squares = cr.parse("input z : K\nlabel y : K\nJ = sum(y.^2 ∘ z)")
    verdict = cr.check(squares, "∂J/∂z = y")
    assert verdict.kind == "label"
    assert "y is one-hot" in verdict.diagnosis


def test_a_symmetric_matrix_is_a_condition() -> None:
    verdict = cr.check(cr.parse("input x : D\nconst A : D × D\nJ = xᵀ A x"), "∂J/∂x = 2 A x")
    assert not verdict.ok
    assert verdict.kind == "condition"
    assert "right only if A is symmetric" in verdict.diagnosis
    assert cr.check(cr.parse("input x : D\nconst A : D × D, symmetric\nJ = xᵀ A x"), "∂J/∂x = 2 A x").ok


TIED = "param A : n × n, {fact}\ninput x : n\nJ = xᵀ A x + norm(A)^2"


@pytest.mark.parametrize(
    ("fact", "claim", "said"),
    [
        ("symmetric", "x xᵀ + 2 A", "where each entry of A moves by itself"),
        ("symmetric", "2 (x xᵀ + 2 A) - I ∘ (x xᵀ + 2 A)", "where A[i,j] and A[j,i] are one number; entry by entry"),
        ("positive definite", "2 (x xᵀ + 2 A) - I ∘ (x xᵀ + 2 A)", "where A[i,j] and A[j,i] are one number"),
        ("diagonal", "diag(x.^2) + 2 A", "where its diagonal alone moves"),
        ("lower triangular", "tril(x xᵀ) + 2 A", "where its lower triangle alone moves"),
        ("upper triangular", "triu(x xᵀ) + 2 A", "where its upper triangle alone moves"),
        ("orthogonal", "(x xᵀ − A x xᵀ A)/2", "along the orthogonal matrices"),
    ],
)
def test_both_gradients_by_a_matrix_of_tied_entries_are_right(fact: str, claim: str, said: str) -> None:
    verdict = cr.check(cr.parse(TIED.format(fact=fact)), f"∂J/∂A = {claim}")
    assert verdict.ok, verdict.diagnosis
    assert said in verdict.diagnosis
    free = cr.check(cr.parse(TIED.format(fact="mask").replace(", mask", "")), f"∂J/∂A = {claim}")
    assert free.ok == (claim == "x xᵀ + 2 A")  # where nothing is tied there is one gradient


@pytest.mark.parametrize(
    ("fact", "claim"),
    [
        ("symmetric", "2 (x xᵀ + 2 A)"),  # the diagonal twice
        ("symmetric", "x xᵀ + A"),
        ("lower triangular", "triu(x xᵀ) + 2 A"),
        ("orthogonal", "x xᵀ − A x xᵀ A"),
    ],
)
def test_neither_of_the_two_is_wrong(fact: str, claim: str) -> None:
    assert not cr.check(cr.parse(TIED.format(fact=fact)), f"∂J/∂A = {claim}").ok


def test_two_mistakes_are_both_named() -> None:
    verdict = cr.check(network("deep_rows"), "∂J/∂W2 = −A1 Δ₂")
    assert set(verdict.kinds) == {"sign", "transpose"}
    assert verdict.suggestion == "∂J/∂W2 = A1ᵀ Δ₂"


def test_what_no_mistake_explains_is_still_wrong() -> None:
    verdict = cr.check(network("one_layer"), "∂J/∂z = sin(z)ᵀ")
    assert not verdict.ok
    assert verdict.kind == "unknown"
    assert verdict.expected == "δ₁ U ∘ sgn(h)ᵀ"


def test_sizes_that_clash_beyond_repair_are_said() -> None:
    verdict = cr.check(network("one_layer"), "∂J/∂z = x x x + U")
    assert not verdict.ok
    assert verdict.kind == "dimensions"
    assert "wrong dimensions" in verdict.diagnosis


def test_a_number_is_no_size() -> None:
    """N = 3 at the points that are tried first: a literal 3 must not pass for it."""
    net = network("rows")
    assert "N" in net.derive().verify().sizes
    for number in (2, 3, 5, 7, 11):
        assert not cr.check(net, f"∂J/∂Θ = (Ŷ − Y)/{number}").ok


def test_a_mask_that_is_often_one_is_not_forgotten() -> None:
    """With one hidden unit relu′ is 1 at half of all points; some of those tried must tell."""
    net = cr.parse("input x : D\nparam w : D\ns = wᵀ x\nJ = relu(s)")
    assert not cr.check(net, "∂J/∂w = x").ok
    assert cr.check(net, "∂J/∂w = sgn(J) x").ok


def test_undecided_is_not_guessed() -> None:
    net = cr.parse("input x : D\nJ = sum(x)")
    verdict = cr.check(net, "∂J/∂x = log(−exp(x))")
    assert not verdict.ok
    assert verdict.kind == "undecided"
    assert verdict.verdict == "undecided"


def test_a_derivation_that_fails_its_own_test_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.check.context import Context

    monkeypatch.setattr(Context, "trusted", lambda self, name: False)
    verdict = cr.check(network("one_layer"), "∂J/∂z = δ₁ U")
    assert verdict.kind == "undecided"
    assert "central differences" in verdict.diagnosis


# -- the catalogue -------------------------------------------------------------------------------------------------

NETWORKS = ["one_layer", "col_tanh", "rows_reg", "deep_rows", "tied", "resid_rows", "logistic_reg", "attention", "gate"]


def committed(kind: str, name: str) -> list[tuple[str, Target, str]]:
    """Claims that a mistake makes of the right formulas of a network, where it changes the value or the sizes."""
    net = network(name)
    context = context_of(net)
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cr.ChainruleWarning)
        derivation = net.derive()
    targets = [gradient_target(context, n) for n in derivation.gradients]
    targets += [signal_target(context, s) for s in derivation.backward.signals]
    for target in targets:
        session = Session(context)
        scene = scenes_of(session, target, target.forms)[0]
        formula = formulas_behind(context, target).get("")
        for place in places(formula) if formula is not None else ():
            for change in MISTAKES[kind].commit(place, scene):
                text = print_expression(tidy(place.put(change.node)))
                try:
                    tree = parse_expression(text, "whiteboard", known_functions(), context.user_names)
                    if judge(session.read(tree), target, target.forms).status == "right":
                        continue
                except DimensionError:
                    pass
                except ChainruleError:
                    continue
                out.append((target.symbol, target, text))
    return list({(s, t): (s, target, t) for s, target, t in out}.values())


@pytest.mark.parametrize("kind", [k for k, m in MISTAKES.items() if m.commit is not MISTAKES["path"].commit])
def test_registering_a_mistake_tests_it(kind: str) -> None:
    """Made in right formulas, it is called wrong every time, and by its name nearly every time."""
    named, made = 0, 0
    for name in NETWORKS:
        net = network(name)
        claims = committed(kind, name)
        for left, _, text in claims[:: max(1, len(claims) // 12)]:
            verdict = cr.check(net, f"{left} = {text}")
            assert not verdict.ok, str(verdict)
            made += 1
            named += kind in verdict.kinds
    assert made >= 10
    assert named >= (0.9 if kind not in ("factor", "name", "term") else 0.5) * made  # a missing U ∘ … has many names


def test_every_mistake_says_what_it_is() -> None:
    for kind, mistake in MISTAKES.items():
        assert mistake.kind == kind
        assert mistake.statement.endswith(".")
        assert mistake.offends


def test_a_kind_is_registered_once() -> None:
    with pytest.raises(ValueError, match="registered already"):
        register(Mistake("sign", "Again.", MISTAKES["sign"].undo, MISTAKES["sign"].commit))
