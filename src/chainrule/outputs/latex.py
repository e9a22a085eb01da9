"""A derivation in LaTeX: an `align*` block to paste into a paper, or a document for pdflatex or lualatex.

Blocks need amsmath only. At level 0 all formulas are one block; with steps, each formula has its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.dims import display_name, format_shape
from chainrule.notation.latex import name_to_latex
from chainrule.notation.prose import escaped, formula_to_latex, sentence_to_latex
from chainrule.outputs.latex_rows import Row, align, equation_rows, gradient_rows, proof_rows
from chainrule.outputs.story import GRADIENTS_SAID, SIGNALS_SAID, check_layout, check_level, conditions, proofs
from chainrule.sizes import symbols_of

if TYPE_CHECKING:
    from chainrule.derivation import Derivation
    from chainrule.network import Network

__all__ = ["BLOCK", "PREAMBLE", "derivation_latex", "names_of", "network_latex"]

BLOCK, PAGE = 60.0, 78.0  # letters in a line of an article, and of our document

PREAMBLE = r"""% Compiles with pdflatex and with lualatex.
\documentclass[11pt]{article}
\usepackage{amsmath}
\usepackage{longtable}
\usepackage[a4paper,margin=22mm]{geometry}
\setlength{\parindent}{0pt}
\setlength{\jot}{5pt}
\setlength{\LTpre}{2pt}
\setlength{\LTpost}{0pt}
\setlength{\parskip}{4pt plus 1pt}
\allowdisplaybreaks
\begin{document}
"""


def names_of(net: Network) -> set[str]:
    """What counts as a name in a sentence: names and sizes."""
    dims = {d for shape in net.dims.values() for dim in shape for d in symbols_of(dim)}
    names = {*net.dims, *dims}
    return names | {display_name(n) for n in names}


def derivation_latex(
    derivation: Derivation, explain: int = 0, document: bool = False, layout: str = "both"
) -> str:  # fmt: skip
    """The formulas, and what the level of detail adds, as an `align*` block or a whole document."""
    check_layout(layout)
    check_level(explain)
    names = names_of(derivation.network) | {display_name(s) for s in derivation.signals}
    if document:
        return PREAMBLE + "\n\n".join(_document(derivation, explain, layout, names)) + "\n\\end{document}\n"
    groups: list[tuple[str, list[Row]]] = []
    parts = [("error signals, " + SIGNALS_SAID, derivation.signals)]
    parts.append(("gradients, " + GRADIENTS_SAID[layout], derivation.gradients))
    for said, formulas in parts:
        own = [("", gradient_rows(derivation, g, explain, layout)) for g in formulas.values()]
        groups += [(f"% {said}", own[0][1]), *own[1:]] if own else []
    groups += [(f"% proof of {p.identity}", proof_rows(p)) for p in proofs(derivation, explain)]
    out = [align([g], names, BLOCK) for g in groups] if explain else [align(groups, names, BLOCK)]
    used = conditions(derivation, explain)
    if used:
        out.append("Conditions used: " + "; ".join(sentence_to_latex(c, names) for c in used) + ".")
    return "\n\n".join(out)


# -- the document ------------------------------------------------------------------------------------------------------


def _document(derivation: Derivation, explain: int, layout: str, names: set[str]) -> list[str]:
    net = derivation.network
    out = [rf"\section*{{{escaped(net.title or 'A network')}: gradients of ${name_to_latex(derivation.loss)}$}}"]
    out += network_latex(net, names)
    parts = [("Error signals", SIGNALS_SAID, list(derivation.signals.values()))]
    parts.append(("Gradients", GRADIENTS_SAID[layout], list(derivation.gradients.values())))
    for heading, said, group in parts:
        if not group:
            continue
        out.append(rf"\subsection*{{{heading}}}" + f"\n{said[:1].upper()}{said[1:]}.")
        if explain:
            for gradient in group:
                reason = sentence_to_latex(gradient.reason, names) + "." if gradient.reason else r"\strut"
                rows = gradient_rows(derivation, gradient, explain, layout, sizes=True)
                out.append(reason + "\n" + align([("", rows)], names, PAGE))
        else:
            told = [("", gradient_rows(derivation, g, 0, layout, sizes=True)) for g in group]
            out[-1] += "\n" + align(told, names, PAGE)
    used = conditions(derivation, explain)
    if used:
        items = "\n".join(rf"  \item {sentence_to_latex(text, names)}" for text in used)
        out.append("\\subsection*{Conditions used}\n\\begin{itemize}\n" + items + "\n\\end{itemize}")
    found = proofs(derivation, explain)
    if found:
        out.append(r"\subsection*{Proofs}")
    for proof in found:
        head = rf"\textbf{{{escaped(proof.identity)}}}" + (
            f", here: {sentence_to_latex(proof.detail, names)}" if proof.detail else ""
        )
        out.append(head + "\n" + align([("", proof_rows(proof))], names, PAGE))
    return out


def network_latex(net: Network, names: set[str]) -> list[str]:
    """What is declared, and the equations."""
    out = [r"\subsection*{The network}"]
    rows = []
    for name, item in net.declarations.items():
        facts = "".join(f", {f}" for f in item.facts)
        said = f"${formula_to_latex(format_shape(net.dims[name]))}$" if net.dims[name] else "scalar"
        rows.append(rf"  {item.kind} & ${name_to_latex(name)}$ & {said}{escaped(facts)} \\")
    if rows:
        table = "\\begin{longtable}[l]{@{}lll}\n" + "\n".join(rows) + "\n\\end{longtable}\n"
        out.append(table + "\\noindent Its equations:")
    out[-1] += "\n" + align([("", equation_rows(net))], names, PAGE)
    out += [sentence_to_latex(note, names) + "." for note in net.repeats]
    return out
