"""A value beyond gradients in every format: a Jacobian, a Hessian, a product with one, what curvature is made of.

Each is told as a derivation is: the formulas on the way, each with its steps, then what they assume and the proofs. All
formats take `explain` as those of a derivation do. The text of level 0 has the formulas alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

from chainrule.errors import ChainruleError
from chainrule.explanation.told import Told
from chainrule.notation.latex import to_latex
from chainrule.notation.lines import width
from chainrule.notation.mathml import inner_mathml
from chainrule.notation.prose import escaped, sentence_to_latex
from chainrule.notation.sentence import sentence_to_html
from chainrule.notation.text import to_text
from chainrule.outputs.html.formulas import chain_list
from chainrule.outputs.html.names import unmarked
from chainrule.outputs.json import steps_json
from chainrule.outputs.latex import BLOCK, PREAMBLE, names_of, network_latex
from chainrule.outputs.latex_rows import Row, align, chain_rows, proof_rows
from chainrule.outputs.markdown import block, network_markdown, sentence, words
from chainrule.outputs.story import chains, check_level, conditions, proofs
from chainrule.outputs.text import Line, chain_lines, plain, program_lines, proof_lines, said_size, title

if TYPE_CHECKING:
    from chainrule.explanation.checking import StepReport
    from chainrule.network import Network

__all__ = [
    "Beyond",
    "beyond_html",
    "beyond_json",
    "beyond_latex",
    "beyond_lines",
    "beyond_markdown",
    "beyond_text",
    "written_as",
]


class Beyond(Protocol):
    """What can be written so. said: what it is, in words.  assumptions: beyond what the steps say."""

    @property
    def network(self) -> Network: ...
    @property
    def told(self) -> Sequence[Told]: ...
    @property
    def said(self) -> str: ...
    @property
    def assumptions(self) -> tuple[str, ...]: ...
    def check_steps(self, seed: int = 0) -> StepReport: ...


def beyond_lines(value: Beyond, explain: int) -> list[Line]:
    """Styled lines for a terminal: what it is made of, and the value."""
    check_level(explain)
    net = value.network
    lines: list[Line] = [title(net.title or "network", value.said), *program_lines(net), []]
    for one in value.told:
        lines.append([("  " + to_text(one.left), "cyan"), (" = ", ""), (to_text(one.right), "bold")])
        if not explain:
            continue
        if one.reason:
            lines.append([(f"    {one.reason}", "dim")])
        lines += [line for chain in chains(one.steps, explain) for line in chain_lines(chain)]
        lines.append([])
    used = _assumed(value, explain)
    while not lines[-1]:
        lines.pop()
    lines += [[], title("Conditions used"), *([(f"  {text}", "")] for text in used)] if used else []
    for proof in proofs(value, explain):
        lines += [[], title(f"Proof of {proof.identity}", proof.detail), *proof_lines(proof)]
    return lines


def beyond_text(value: Beyond, explain: int = 1) -> str:
    """The same as plain text."""
    return plain(beyond_lines(value, explain)).rstrip("\n")


def _assumed(value: Beyond, explain: int) -> list[str]:
    return list(dict.fromkeys((*value.assumptions, *conditions(value, explain))))


def _rows(one: Told, explain: int) -> list[Row]:
    left, told = (to_latex(one.left), width(one.left)), chains(one.steps, explain)
    rows = []
    if not (len(told) == 1 and told[0].left.node == one.left and told[0].lines[-1].right.node == one.right):
        rows.append(Row(*left, one.right, note=said_size(one.shape)))
    for chain in told:
        rows += chain_rows(chain, to_latex(chain.left.node), width(chain.left.node))
    return rows


def beyond_latex(value: Beyond, explain: int = 1, document: bool = False) -> str:
    """`align*` blocks to paste, or with `document` a whole one."""
    check_level(explain)
    names = names_of(value.network)
    out = [align([("", _rows(one, explain))], names, BLOCK) for one in value.told]
    used = _assumed(value, explain)
    if used:
        out.append("Conditions used: " + "; ".join(sentence_to_latex(c, names) for c in used) + ".")
    out += [align([(f"% proof of {p.identity}", proof_rows(p))], names, BLOCK) for p in proofs(value, explain)]
    if not document:
        return "\n\n".join(out)
    head = rf"\section*{{{escaped(value.network.title or 'A network')}: {sentence_to_latex(value.said, names)}}}"
    parts = [head, *network_latex(value.network, names), *out]
    return PREAMBLE + "\n\n".join(parts) + "\n\\end{document}\n"


def beyond_markdown(value: Beyond, explain: int = 1) -> str:
    """A page for GitHub or a notebook."""
    check_level(explain)
    names = names_of(value.network)
    out = [f"# {words(value.network.title or 'A network')}: {sentence(value.said, names)}"]
    out += network_markdown(value.network)
    out.append("## The derivation" if explain else "## The formulas")
    for one in value.told:
        out += [sentence(one.reason, names) + "."] if explain and one.reason else []
        out.append(block(align([("", _rows(one, explain))], names, 80.0, page=True)))
    used = _assumed(value, explain)
    if used:
        out += ["## Conditions used", "\n".join(f"- {sentence(text, names)}" for text in used)]
    found = proofs(value, explain)
    out += ["## Proofs"] if found else []
    for proof in found:
        out += [f"**{words(proof.identity)}**", block(align([("", proof_rows(proof))], names, 80.0, page=True))]
    return "\n\n".join(out) + "\n"


def beyond_html(value: Beyond, explain: int = 1) -> str:
    """A self-contained page with MathML, nothing fetched."""
    check_level(explain)
    css = resources.files("chainrule.outputs.html").joinpath("page.css").read_text(encoding="utf-8")
    name = escape(value.network.title or "A network")
    articles = "\n".join(_article(one, explain) for one in value.told)
    used = "".join(f"<li>{sentence_to_html(text)}</li>\n" for text in _assumed(value, explain))
    conditions_ = f'<h2>Conditions used</h2>\n<ul class="conditions">\n{used}</ul>\n' if used else ""
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{name}: {escape(value.said)}</title>
<link rel="icon" href="data:,">
<style>
{css}</style>
</head>
<body>
<header><div class="head"><h1>{name}</h1>
<p class="lead">{sentence_to_html(value.said)}</p></div></header>
<main>
<h2>The network</h2>
<pre>{escape(str(value.network).strip())}</pre>
<h2>The derivation</h2>
{articles}
{conditions_}</main>
</body>
</html>
"""
    return unmarked(page)


def _article(one: Told, explain: int) -> str:
    steps = ""
    if explain and one.steps:
        count = f"{len(one.steps)} step{'s' if len(one.steps) > 1 else ''}"
        steps = f"""<details class="steps" open><summary>How it comes about <span class="count">{count}</span></summary>
{chain_list(one.steps, explain)}
</details>"""
    reason = f'<p class="reason scroll">{sentence_to_html(one.reason)}</p>' if one.reason and explain else ""
    formula = f"{inner_mathml(one.left)}<mo>=</mo>{inner_mathml(one.right)}"
    return f"""<article class="formula">
<div class="scroll result"><math display="block">{formula}</math>
<p class="sizes">{escape(said_size(one.shape))}</p></div>
{reason}{steps}
</article>"""


def written_as(value: Beyond, explain: int = 1, form: str = "text") -> str:
    """In one of the formats. Raises ChainruleError for another."""
    forms = {"text": beyond_text, "latex": beyond_latex, "markdown": beyond_markdown, "html": beyond_html}
    if form not in forms:
        raise ChainruleError(f"there is no format {form!r}", f"one of: {', '.join(forms)}")
    return forms[form](value, explain)


def beyond_json(value: Beyond) -> dict[str, Any]:
    """The formulas as data, with all their steps."""
    return {
        "said": value.said,
        "formulas": [
            {"left": to_text(one.left), "text": to_text(one.right), "left_latex": to_latex(one.left),
             "latex": to_latex(one.right), "shape": list(one.shape), "reason": one.reason,
             "steps": steps_json(one.steps)} for one in value.told
        ],
        "conditions": _assumed(value, 1),
    }  # fmt: skip
