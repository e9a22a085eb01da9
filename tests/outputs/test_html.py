"""The page as text: what stands on it, how large it is, and that nothing of the user's gets out of its place."""

import json
import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.derivation import Derivation, Gradient
from chainrule.explanation.steps import Formula, ProofLine, Step
from chainrule.notation import tree
from chainrule.notation.sentence import pieces
from chainrule.outputs.html import derivation_html
from networks import EXAMPLES, NAMES, derivation, mlp

VOID = {"meta", "link", "br", "input"}


class Page(HTMLParser):
    """Checks that every element is closed, and collects texts, ids and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.headings: list[int] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.ids += [found["id"]] if found.get("id") else []
        self.links += [v for k, v in attrs if k in ("src", "href") and v]
        if found.get("data-name"):
            self.names.add(str(found["data-name"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_well_formed_and_fetches_nothing(name: str) -> None:
    text = derivation(name).html()
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    within = [link[1:] for link in page.links if link.startswith("#")]
    assert page.links == ["data:,", *(f"#{anchor}" for anchor in within)]
    assert within == re.findall(r'<h2 id="(\w+)"', text)
    assert page.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", text)


@pytest.mark.parametrize("name", NAMES)
def test_every_symbol_on_the_page_is_described(name: str) -> None:
    found = derivation(name)
    text = found.html()
    described = json.loads(re.search(r'id="names">(.*?)</script>', text, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert Page(text).names <= set(described)
    for declared, item in found.network.declarations.items():
        assert "".join(f", {fact}" for fact in item.facts) in described[declared]


def words_of(sentence: str) -> list[str]:
    """What stands between the formulas, which are MathML on a page."""
    return [" ".join(piece.split()) for piece in pieces(sentence) if isinstance(piece, str)]


def test_everything_is_on_the_page() -> None:
    found = derivation("one_layer")
    page = Page(found.html(1, report=found.verify()))
    for gradient in (*found.signals.values(), *found.gradients.values()):
        assert all(words in page.text for words in words_of(gradient.reason))
        own = "×".join(map(str, gradient.shape))
        line = f"({own}) = {gradient.sizes}" if gradient.sizes != f"({own})" else f"({own})"
        assert line.replace("_", "").replace("ᵀ", "⊤") in page.text
        for step in gradient.steps:
            assert all(words in page.text for words in words_of(step.rule))
    assert "gradient-W" in page.ids
    assert "signal-delta2" in page.ids
    assert str(found.verify()) in page.text
    assert str(found.network).split("\n")[1] in page.text


def test_a_failed_verification_is_not_dressed_up() -> None:
    found = derivation("one_layer")
    report = found.verify()
    wrong = type(report)(False, 0.5, report.sizes)
    text = derivation_html(found, 1, wrong)
    assert 'class="verdict wrong"' in text
    assert "WRONG" in Page(text).text
    assert "verdict" not in re.sub(r"<style>.*?</style>", "", found.html(), flags=re.DOTALL)


def test_explain_0_leaves_the_steps_out() -> None:
    found = derivation("one_layer")
    assert "chain rule" not in Page(found.html(0)).text
    assert "chain rule" in Page(found.html(1)).text


@pytest.mark.parametrize("layout", ["both", "shape", "numerator"])
def test_the_layout_to_begin_with(layout: str) -> None:
    text = derivation("one_layer").html(layout=layout)
    assert f'<body data-layout="{layout}">' in text
    assert re.findall(r'value="(\w+)" checked', text) == [layout]


def test_another_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="both, shape, numerator"):
        derivation("one_layer").html(layout="rows")


def test_names_cannot_leave_their_place() -> None:
    net = cr.parse("param w : n\nJ = w' w")
    net.title = "</title><script>alert(1)</script>&\"'"
    text = net.derive().html()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    Page(text)


def step(left: str, right: str, **more: Any) -> Step:
    return Step(Formula(tree.sym(left)), Formula(tree.sym(right)), more.pop("rule", "a rule"), **more)


class Proved(Step):
    """A step with a proof, which the engine makes for real ones."""

    proof = (  # type: ignore[assignment]
        ProofLine(Formula(tree.sym("p")), Formula(tree.sym("q")), "definition"),
        ProofLine(None, Formula(tree.sym("r")), "the sum over l has one term"),
    )


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> Derivation:
    inner = step("a", "c", rule="inner rule", conditions=("y sums to 1",))
    steps = (
        step("a", "b", rule="first rule", detail="because <b> is known", identity="2.1", conditions=("relu′(0) is 0",)),
        step("b", "c", rule="second rule", within=(inner,), conditions=("y sums to 1",)),
        Proved(Formula(tree.sym("u")), Formula(tree.sym("v")), "another chain"),
    )
    monkeypatch.setattr(Gradient, "steps", steps)
    return cr.parse("param w : n\nJ = w' w").derive()


def test_steps_are_a_chain_of_equalities(explained: Derivation) -> None:
    """A left-hand side is written where a chain begins: a = b = c, then u = v."""
    text = re.sub(r"</?m(?:ath|row)>", "", explained.html(1))
    chain = text[text.index('<ol class="chain">') :]
    assert re.findall(r'<div class="scroll">(<mo>=</mo>)?<mi[^>]*>(\w)</mi>', chain) == [
        ("", "a"), ("<mo>=</mo>", "b"), ("<mo>=</mo>", "c"), ("", "a"), ("<mo>=</mo>", "c"), ("", "u"),
        ("<mo>=</mo>", "v"), ("", "p"), ("<mo>=</mo>", "q"), ("<mo>=</mo>", "r"),
    ]  # fmt: skip


def test_each_step_says_rule_identity_detail_and_condition(explained: Derivation) -> None:
    page = Page(explained.html(1))
    assert "first rule 2.1 because <b> is known relu′(0) is 0" in page.text
    assert "inner rule" in page.text
    assert "the sum over l has one term" in page.text


@pytest.mark.parametrize(("explain", "finer", "proof"), [(1, False, False), (2, True, False), (3, True, True)])
def test_detail_is_folded_until_it_is_asked_for(explained: Derivation, explain: int, finer: bool, proof: bool) -> None:
    text = explained.html(explain)
    assert ('<details class="finer" open>' in text, '<details class="proof" open>' in text) == (finer, proof)
    assert text.count('<details class="finer"') == text.count('<details class="proof"') == 1


def test_conditions_are_collected_once(explained: Derivation) -> None:
    text = explained.html(1)
    section = text[text.index('<h2 id="conditions">') : text.index("</ul>", text.index('<h2 id="conditions">'))]
    assert re.findall(r"<li>(.*?) <span", section) == ["relu′(0) is 0", "y sums to 1"]
    assert section.count("used for ∂J/∂w") == 2
    assert "Conditions used" not in explained.html(0)


def test_a_formula_in_index_notation_says_its_indices() -> None:
    """∂J/∂A has no matrix form with four indices; the page writes the entry [i, j, k, l]."""
    found = cr.parse("param A : m × n × k × p\nS[i,j] = sum(k, sum(l, A[i,j,k,l]))\nJ = sum(S .^ 2)").derive()
    text = found.html()
    assert found.gradients["A"].written.node is None
    assert '<msub><mi data-name="A">A</mi><mrow><mi>i</mi>' in text or '<mi>i</mi><mo separator="true">' in text
    Page(text)


def test_twelve_layers_take_less_than_two_seconds_and_two_megabytes() -> None:
    net = cr.parse(mlp(12))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        text = net.derive().html(1)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 2
    assert len(text.encode()) < 2_000_000


def test_the_command_writes_the_page() -> None:
    from chainrule.cli import app

    found = CliRunner().invoke(app, ["derive", str(EXAMPLES / "one_layer.net"), "--format", "html"])
    assert found.exit_code == 0
    assert "verified" in Page(found.output).text


def test_the_letters_of_an_identity_are_not_the_networks() -> None:
    """The W in the proof of 2.1 is this network's U there; it must not light up as W, and what it is is said."""
    text = derivation("one_layer").html(1)
    article = text[text.index('id="signal-delta2"') : text.index("</article>", text.index('id="signal-delta2"'))]
    proof = article[article.index('<details class="proof"') : article.index("</details>")]
    assert ">W</mi>" in proof
    assert "data-name" not in proof
    assert "W is U" in re.sub(r"<[^>]*>", "", proof)
    assert 'data-name="U"' in article
