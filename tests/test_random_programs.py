"""Random programs: whatever is written, the answer is right and can be read back, or it is refused with a reason."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.errors import ChainruleWarning
from random_programs import check, write_program

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The text of a program."""
    return write_program(lambda count: draw(st.integers(0, count - 1)))


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        yield


def _run(text: str, counts: Counter[str]) -> None:
    outcome = check(text)
    counts[outcome.status] += 1
    counts["formulas"] += outcome.formulas
    counts["without a matrix form"] += outcome.irreducible


def _enough(counts: Counter[str]) -> None:
    """The generator is worth something only while most of its programs are answered."""
    answered, refused = counts["fine"], counts["parse refused"] + counts["derive refused"] + counts["not finite"]
    assert answered > 5 * refused, counts


def test_random_programs_are_answered_rightly_or_refused() -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=CHECKS)
    @given(programs())
    def run(text: str) -> None:
        _run(text, counts)

    run()
    _enough(counts)


@pytest.mark.long
def test_many_random_programs_are_answered_rightly_or_refused() -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=2500, deadline=None, database=None, suppress_health_check=CHECKS)
    @given(programs())
    def run(text: str) -> None:
        _run(text, counts)

    run()
    _enough(counts)


# Programs on which chainrule once broke a promise, each with what was wrong.
REGRESSIONS = {
    "a folded name with a coefficient: the coefficient was inverted, and the gradient wrong by a power of it": """
param W : H × D, positive
z = 0.5 (softplus(W)).^(−1/2)
J = sum(z)
""",
    "1[j = i] in a printed formula could not be read back": """
param W : D × D
z[i] = W[i,i]
J = sum(z)
""",
    "J^2 1[j = i] and 2 1[j = i] were two numbers side by side": """
param W : H × H
z = tr(W) / H
J = tanh(z)
""",
    "an equation that is zero has no term to write": """
input x : 1 × H
param W : D × H
z1 = x xᵀ
z2 = W + (1[W < W] ∘ W)
J = z1^2 + sum(sin(z2))
""",
    "a column times a row before the matrix that gives both a size": """
param x : D
param W : D × D
h = (W − sum(W, over=rows)) σ(x)
z[i] = exp(h[i])
J = norm(z)
""",
    "the same where a bracket with a row stands behind a column": """
input W3 : H × H
param W4 : K × H
h2 = tanh(W4) rowmean(W3)
J = norm(h2)^2
""",
    "nested sums that use one letter for indices of different ranges": """
param W : H × K
const c : D × H
z = silu(norm1(c W))
J = z^2
""",
    "x 1ᵀ A was read from the left, where 1ᵀ has no size": """
param x : D
input W : H × D
z = diag(Wᵀ (W x))
J = mean(z)
""",
    "I/2 could not be read back": """
param x : D
input W : D × D, symmetric
h = 1/2 x
J = norm(h)^2 + sum(W)
""",
    "a number in the middle of a product: (h c h)^2 3 (c + cᵀ)": """
param x : D
const c : D × D
h[i] = tanh(x[i]) + tanh(x[i])
J = sum(h) − ((hᵀ c h)^3)
""",
    "x + s I: a column beside an identity whose size is not known": """
param x : D, nonnegative
z[i] = sum(j, tanh(x[i]) x[j])
J = norm(z)
""",
    "a column and a row added before there is a matrix": """
const c : H × D
param W : D × D
z[i] = sum(k, sum(j, sin(c[i,j]) W[k,k])) + sum(k, sum(j, c[i,j] tanh(W[j,k])))
J = sum(z.^2)
""",
    "a sum of an outer product with ones": """
input W4 : D × D
param W5 : H × D
h2[i,j] = sum(l, sum(k, W4[i,i] W4[k,j] W5[l,k]))
J = sum(h2)
""",
    "a name whose right-hand side is repeated over its indices was taken as a name for the scalar": """
param s : scalar
param x : D
z = ones(D) s^2
h = x exp(s^2)
J = sum(z) + sum(tanh(s^2) h)
""",
    "the same in a gradient that is read back": """
param W : D × D
param x : D
h[i] = sum(k, sum(j, W[i,j] x[k]^2))
J = sum(h)
""",
    "a factor taken out inside a bracket used the marker indices of the bracket: the gradient was wrong": """
input W : D × D
param V : D × D
input u : 1 × D
h = sin(W^3)
q = V ∘ hᵀ
J = sum(sin(q)) + sum(h uᵀ)
""",
    "a power of nothing at all": """
param x : D
param s : scalar
J = sum(x ∘ (x - x).^2) + sum(2.^(s x)) + s
""",
    "an unknown function of something that is repeated": """
param s : scalar
function f : D -> H
J = sum(f(ones(D) s))
""",
    "a loss of 1e10 drowned the differences, and verification called a right gradient wrong": """
const c : K
param W3 : N × D
param W5 : H × H, positive
z1 = cᵀ c
h2 = (sum(−W3))^3
z3 = 1[W5 >= 0]
J = z1 − h2^2 − norm(z3)^2
""",
}


@pytest.mark.parametrize("text", REGRESSIONS.values(), ids=REGRESSIONS.keys())
def test_what_once_went_wrong(text: str) -> None:
    assert check(text).status == "fine"
