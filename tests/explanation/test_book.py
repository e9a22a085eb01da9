"""The book of identities: each record is right, proved line by line, and used where it fits; a wrong one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.book import BOOK, Identity
from chainrule.errors import ChainruleError, UnknownNameError
from chainrule.explanation.entries import IdentityError, check, entry, load_book
from chainrule.explanation.pattern import pattern_of
from chainrule.explanation.proof_check import check_proof

ROOT = Path(__file__).parents[2]


@pytest.fixture
def book() -> Iterator[None]:
    """The book as it was is put back afterwards."""
    before = dict(BOOK)
    yield
    BOOK.clear()
    BOOK.update(before)


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("name", BOOK)
def test_an_identity_is_what_the_engine_finds(name: str) -> None:
    verdict = check(BOOK[name])
    assert verdict.ok
    assert verdict.error < 1e-12
    # A symmetric S is known to be so in values only: its canonical form is that of any matrix.
    assert verdict.as_formulas or "symmetric" in BOOK[name].program


@pytest.mark.parametrize("name", BOOK)
def test_a_proof_holds_line_by_line(name: str) -> None:
    pattern = pattern_of(BOOK[name])
    error = check_proof(pattern.program, pattern.of, pattern.wrt, set(pattern.between), BOOK[name].upstream)
    assert error < 1e-6
    assert len(entry(name).proof) >= 2


@pytest.mark.parametrize("name", BOOK)
def test_an_identity_is_found_in_its_own_program(name: str) -> None:
    pattern = pattern_of(BOOK[name])
    match = pattern.find(pattern.program, pattern.of, pattern.wrt, set(pattern.between))
    assert match is not None
    assert match.names[pattern.wrt] == pattern.wrt


@pytest.mark.parametrize("name", BOOK)
def test_a_wrong_identity_is_refused_with_a_counterexample(name: str) -> None:
    """Twice the right answer, in each layout that it has."""
    right = BOOK[name]
    for layout in ("numerator", "shape"):
        text = getattr(right, layout)
        if not text:
            continue
        fields = {"title": right.title, "program": right.program, "wrt": right.wrt, "upstream": right.upstream}
        with pytest.raises(IdentityError, match="but the derivative is"):
            cr.register_identity(name="wrong", **fields, **{layout: f"2 ({text})"})
    assert "wrong" not in BOOK


def test_the_note_proves_its_fifth_identity_like_this() -> None:
    """Section 2, (5): ∂z_k/∂W_ij = Σ_l x_l ∂W_kl/∂W_ij = … = 1[k = i] x_j, and from there ∂J/∂W = δᵀ xᵀ."""
    lines = [(line.left.text if line.left else "", line.right.text) for line in entry("2.5").proof]
    assert lines == [
        ("∂z[k]/∂W[i,j]", "∂(sum(l, W[k,l] x[l]))/∂W[i,j]"),
        ("", "sum(l, (∂W[k,l]/∂W[i,j]) x[l])"),
        ("", "sum(l, 1[k = i] 1[l = j] x[l])"),
        ("", "1[k = i] x[j]"),
        ("∂J/∂W[i,j]", "sum(k, δ[k] (∂z[k]/∂W[i,j]))"),
        ("", "sum(k, 1[k = i] δ[k] x[j])"),
        ("", "δ[i] x[j]"),
        ("∂J/∂W", "δᵀ xᵀ"),
    ]


@pytest.mark.parametrize("number", ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7"])
def test_the_notes_identities_are_in_the_book(number: str) -> None:
    assert "Computing Neural Network Gradients" in BOOK[number].source
    assert next(iter(cr.identities())) == "2.1"


def test_a_new_identity_explains_without_further_work(book: None) -> None:
    text = "param W : k × n\ninput x : n\nz = W x\nh = z.^3\nJ = sum(h)"
    before = cr.parse(text).derive("x").signals["δ₁"] if cr.parse(text).derive("x").signals else None
    assert before is None or "cube" not in [s.rule for s in before.steps]
    cr.register_identity(
        name="cube", title="x³, entry by entry", program="input x : n\nz = x.^3", wrt="x", numerator="diag(3 x.^2)",
    )  # fmt: skip
    derivation = cr.parse(text).derive("x")
    rules = [s.rule for g in (*derivation.signals.values(), *derivation.gradients.values()) for s in g.steps]
    assert "cube" in rules
    assert entry("cube").used_in(derivation)
    assert derivation.check_steps().ok
    assert "cube" in derivation.text(explain=3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"numerator": "Wᵀ"}, "is n × m, but the derivative in numerator layout is m × n"),
        ({"numerator": "V"}, "the name V is not known"),
        ({"program": "z = W x"}, "not known"),
        ({"wrt": "q"}, "speaks of q"),
        ({"numerator": "", "shape": ""}, "states no answer"),
        ({"name": "2.1"}, "is in the book already"),
    ],
)
def test_what_cannot_be_an_identity(book: None, fields: dict[str, str], words: str) -> None:
    whole = {
        "name": "own",
        "title": "",
        "program": "param W : m × n\ninput x : n\nz = W x",
        "wrt": "x",
        "numerator": "W",
    }
    with pytest.raises(ChainruleError, match=words.replace("(", r"\(")):
        cr.register_identity(**{**whole, **fields})
    assert "own" not in BOOK


OWN = """
[[identity]]
name = "{name}"
title = "a part of x"
program = "input x : n\\nz = x/{divisor}"
wrt = "x"
numerator = "I/2"
source = "school"
"""


def test_a_book_of_ones_own(book: None, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN.format(name="half", divisor=2), encoding="utf-8")
    assert [i.name for i in load_book(path)] == ["half"]
    assert entry("half").check().ok
    path.write_text(OWN.format(name="third", divisor=3), encoding="utf-8")
    with pytest.raises(IdentityError, match="third is wrong"):
        load_book(path)
    path.write_text('[[identity]]\nname = "third"\nanswer = "I"\n', encoding="utf-8")
    with pytest.raises(ChainruleError, match="no field answer"):
        load_book(path)
    with pytest.raises(ChainruleError, match="no book of identities"):
        load_book(tmp_path / "nothing.toml")


def test_an_unknown_name_says_what_is_near() -> None:
    with pytest.raises(UnknownNameError, match=r"2\.7"):
        entry("2.77")


def test_the_book_is_a_function_of_the_front() -> None:
    assert isinstance(cr.identities()["2.1"].identity, Identity)
    assert cr.Identity is Identity
