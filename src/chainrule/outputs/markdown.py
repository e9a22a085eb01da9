"""A derivation as Markdown that GitHub, Jupyter and VS Code show alike.

Between dollar signs GitHub still reads Markdown: a backslash before punctuation is lost there, and an underscore may
begin emphasis. So formulas are written without either trap (`\\cr` ends a line, a blank stands before each underscore),
and tables hold no bars.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chainrule.dims import format_shape
from chainrule.notation.latex import name_to_latex
from chainrule.notation.prose import formula_to_latex, sentence_parts
from chainrule.outputs.latex import names_of
from chainrule.outputs.latex_rows import align, equation_rows, gradient_rows, proof_rows
from chainrule.outputs.story import GRADIENTS_SAID, SIGNALS_SAID, check_layout, check_level, conditions, proofs

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient
    from chainrule.network import Network

__all__ = ["block", "derivation_markdown", "gradient_markdown", "inline", "network_markdown", "sentence", "words"]

WIDTH = 80.0  # letters in a line

_SAFE = [
    (re.compile(r"^ *%.*\n", re.MULTILINE), ""),
    (re.compile(r" ?\\\\(?:\*|\[\w+\])?(?=\n)"), r" \\cr"),
    (re.compile(r"\\text\{\\footnotesize \$(.*?)\$\}"), r"{\\small \1}"),
    (re.compile(r"\\begin\{align\*\}"), r"\\begin{aligned}"),
    (re.compile(r"\\end\{align\*\}"), r"\\end{aligned}"),
    (re.compile(r"\\!"), ""),
    (re.compile(r"\\, *"), r"\\thinspace "),
    (re.compile(r"\\_"), r"\\rule{.4em}{.04em}"),
    (re.compile(r"\\([lr])Vert"), r"\\Vert"),
    (re.compile(r"\s*_(?=\{|\w)"), " _"),
    (re.compile(r" < "), r" \\lt "),
    (re.compile(r" > "), r" \\gt "),
]


def derivation_markdown(derivation: Derivation, explain: int = 0, layout: str = "both") -> str:
    """A page: the network, the formulas with their sizes, and what the level of detail adds."""
    check_layout(layout)
    check_level(explain)
    net, names = derivation.network, names_of(derivation.network)
    out = [f"# {words(net.title or 'A network')}: gradients of {inline(name_to_latex(derivation.loss))}"]
    out += network_markdown(net)
    parts = [("Error signals", SIGNALS_SAID, list(derivation.signals.values()))]
    parts.append(("Gradients", GRADIENTS_SAID[layout], list(derivation.gradients.values())))
    for heading, said, group in parts:
        if not group:
            continue
        out += [f"## {heading}", f"{said[:1].upper()}{said[1:]}."]
        if explain:
            out += [part for g in group for part in gradient_markdown(derivation, g, explain, layout)]
        else:
            rows = [("", gradient_rows(derivation, g, 0, layout, sizes=True)) for g in group]
            out.append(block(align(rows, names, WIDTH, page=True)))
    used = conditions(derivation, explain)
    if used:
        out += ["## Conditions used", "\n".join(f"- {sentence(text, names)}" for text in used)]
    found = proofs(derivation, explain)
    out += ["## Proofs"] if found else []
    for proof in found:
        here = f", here: {sentence(proof.detail, names)}" if proof.detail else ""
        out += [f"**{words(proof.identity)}**{here}", block(align([("", proof_rows(proof))], names, WIDTH, page=True))]
    return "\n\n".join(out) + "\n"


def gradient_markdown(derivation: Derivation, gradient: Gradient, explain: int, layout: str) -> list[str]:
    """Why, and the formula with its steps."""
    names = names_of(derivation.network)
    rows = gradient_rows(derivation, gradient, explain, layout, sizes=True)
    reason = [sentence(gradient.reason, names) + "."] if explain and gradient.reason else []
    return [*reason, block(align([("", rows)], names, WIDTH, page=True))]


def network_markdown(net: Network) -> list[str]:
    """What is declared, and the equations."""
    names = names_of(net)
    table = ["| | name | size |", "|---|---|---|"]
    for name, item in net.declarations.items():
        shape = inline(formula_to_latex(format_shape(net.dims[name]))) if net.dims[name] else "scalar"
        facts = "".join(f", {words(f)}" for f in item.facts)
        table.append(f"| {item.kind} | {inline(name_to_latex(name))} | {shape}{facts} |")
    said = [sentence(note, names) + "." for note in net.repeats]
    shown = ["\n".join(table)] if len(table) > 2 else []
    return ["## The network", *shown, block(align([("", equation_rows(net))], names, WIDTH, page=True)), *said]


def safe(latex: str) -> str:
    """LaTeX that means the same after Markdown has read it."""
    for pattern, by in _SAFE:
        latex = pattern.sub(by, latex)
    return latex


def block(latex: str) -> str:
    """A displayed formula."""
    return f"$$\n{safe(latex)}\n$$"


def inline(latex: str) -> str:
    """A formula in a line."""
    return f"${safe(latex).strip()}$"


def sentence(text: str, names: set[str]) -> str:
    """Words with formulas between them."""
    return "".join(inline(piece) if math else words(piece) for math, piece in sentence_parts(text, names))


def words(text: str) -> str:
    """Words whose signs Markdown would read as its own."""
    return re.sub(r"([\\`*_\[\]<>#|$~])", r"\\\1", text)
