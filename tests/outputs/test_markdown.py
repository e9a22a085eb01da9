"""Markdown: formulas that a Markdown reader leaves alone, at every level and in every layout."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import chainrule as cr
from chainrule.derivation import Derivation
from chainrule.outputs.markdown import block, inline, sentence

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.net"))
MATH = re.compile(r"\$\$\n(.*?)\n\$\$|(?<![\\$])\$([^$\n]+)\$", re.DOTALL)


def formulas(page: str) -> list[str]:
    return [a or b for a, b in MATH.findall(page)]


def as_read(page: str) -> str:
    """The text of the page after a reader has taken Markdown's signs for what they are."""
    out = ""
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        for child in token.children or []:
            out += {"softbreak": "\n", "hardbreak": "<br>\n"}.get(child.type, child.content or f"<{child.tag}>")
        out += "\n"
    return out.strip()


def assert_survives(page: str) -> None:
    read = re.sub(r"[ \t]*\n[ \t]*", "\n", as_read(page))
    found = formulas(page)
    assert found
    for formula in found:
        assert re.sub(r"[ \t]*\n[ \t]*", "\n", formula.strip()) in read, formula
        assert formula.count("{") == formula.count("}")
        assert not re.search(r"\\[^A-Za-z \n]", formula), formula
        assert not re.search(r"(?<! )_", formula), formula
        assert formula.count(r"\begin{aligned}") == formula.count(r"\end{aligned}")
        assert formula.count(r"\left") == formula.count(r"\right")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@pytest.mark.parametrize("explain", [0, 1])
def test_examples_survive_a_markdown_reader(path: Path, explain: int) -> None:
    assert_survives(cr.load(path).derive().markdown(explain))


def test_odd_names_and_titles_survive() -> None:
    net = cr.parse("""
input  x̂2 : D_x
label  ŷ_true : K, one-hot
param  W_out : K × D_x
param  _b : K
const  λ : scalar
θ_out = W_out x̂2 + _b
p̄ = softmax(θ_out)
loss = CE(ŷ_true, p̄) + λ/2 norm(W_out)^2 + sum(1[x̂2 > 0] ∘ x̂2)
""")
    net.title = "a *bold* _name_ [x](y) `code` $5 & <b>"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cr.ChainruleWarning)
        page = net.derive().markdown(1)
    assert_survives(page)
    assert as_read(page).splitlines()[0].startswith("a *bold* _name_ [x](y) `code` $5 & <b>: gradients of")


@pytest.mark.parametrize("level", [1, 2, 3])
def test_steps_conditions_and_proofs(explained: Derivation, level: int) -> None:
    page = explained.markdown(level)
    assert_survives(page)
    assert r"&= \delta _{1} U \frac{\partial h}{\partial z} && \text{2.1 (}" in page
    assert (r"\text{diagonal product}" in page) == (level >= 2)
    assert page.count("- $\\operatorname{relu}'(0)$ is taken as 0\n") == 1
    assert page.count("**2.1**") == (level == 3)


def test_layouts_are_said() -> None:
    derivation = cr.load(EXAMPLES[0]).derive()
    assert "Numerator layout: a row at a vector, transposed at a matrix." in derivation.markdown(layout="numerator")
    assert r"\text{numerator layout:}" in derivation.markdown()
    assert r"\text{numerator layout:}" not in derivation.markdown(layout="shape")


def test_pieces() -> None:
    assert block("\\begin{align*}\n a &= b \\\\\n c &= d\n\\end{align*}") == (
        "$$\n\\begin{aligned}\n a &= b \\cr\n c &= d\n\\end{aligned}\n$$"
    )
    assert inline(r"\hat{y}_{i} \, x_{j}") == r"$\hat{y} _{i} \thinspace x _{j}$"
    assert sentence("δ₁ is a_b", {"x"}) == r"$\delta _{1}$ is a\_b"
