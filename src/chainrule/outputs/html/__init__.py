"""A derivation as one self-contained page: MathML, style and script inside, nothing fetched.

`page.html` is the frame, `page.css` and `page.js` are set into it as they stand; the parts are written by `formulas`
(signals, gradients, their steps) and `names` (what each symbol is, the tables). The page is complete without its
script, which adds the switches, the lighting up of symbols and the unfolding for print.
"""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from chainrule.algebra.loops import has_loops
from chainrule.dims import display_name
from chainrule.outputs.html.formulas import conditions_section, formula_article
from chainrule.outputs.html.names import Names
from chainrule.outputs.html.tables import declarations_table, equations_table
from chainrule.picture.svg import picture_css

if TYPE_CHECKING:
    from chainrule.derivation import Derivation
    from chainrule.verification import Report

__all__ = ["derivation_html"]

AROUND = " What a step takes from another step of a loop, a name at t−1 or t+1, comes along a dashed edge."
CONTENTS = "<!-- contents -->"
_SECTION = re.compile(r'<h2 id="([\w-]+)">(.*?)</h2>')
LAYOUTS = ("both", "shape", "numerator")


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def derivation_html(
    derivation: Derivation, explain: int = 1, report: Report | None = None, layout: str = "both"
) -> str:
    """A page with every equation, error signal and gradient, their sizes and their steps.

    explain: 0 leaves the steps out; 1 shows them with their details folded; 2 unfolds the finer steps, 3 the proofs.
    report: what `Derivation.verify` gave, for the line at the end.  layout: what shows first, `both`, `shape` or
    `numerator`. Raises ValueError for another layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout is one of {', '.join(LAYOUTS)}, not {layout!r}")
    network = derivation.network
    names = Names(derivation)
    title = network.title or f"Network with loss {display_name(derivation.loss)}"
    data = json.dumps(names.descriptions(), ensure_ascii=False).replace("</", "<\\/")
    page = Template(_file("page.html")).substitute(
        title=escape(title),
        loss=names.mathml(derivation.loss),
        css=_file("page.css") + picture_css() + names.signal_css(),
        script=_file("page.js"),
        layout=layout,
        contents=CONTENTS,
        **{f"check_{name}": "checked" if name == layout else "" for name in LAYOUTS},
        declarations=declarations_table(network, names),
        equations=equations_table(network, names),
        repeats="".join(f'<p class="note">{escape(note)}</p>' for note in network.repeats),
        picture=derivation.picture(standalone=False),
        around=AROUND if has_loops(network.program) else "",
        program=escape(str(network).strip()),
        signals=_signals(derivation, names, explain),
        gradients=_gradients(derivation, names, explain),
        conditions=conditions_section(derivation, explain),
        verification=_verification(report),
        names=data,
    )
    return names.only_known(page.replace(CONTENTS, _contents(page)))


def _contents(page: str) -> str:
    """Links to the sections that the page has."""
    links = " ".join(f'<a href="#{anchor}">{title}</a>' for anchor, title in _SECTION.findall(page))
    return f'<nav aria-label="On this page">{links}</nav>'


def _signals(derivation: Derivation, names: Names, explain: int) -> str:
    if not derivation.signals:
        return ""
    articles = "\n".join(formula_article(g, derivation, names, explain) for g in derivation.signals.values())
    return f"""<section aria-labelledby="signals">
<h2 id="signals">Error signals</h2>
<p class="lead">What flows back through the network: the derivative of the loss by an inner value, named where more than
one formula needs it. Written in numerator layout: a row at a vector, and at a matrix in the matrix’s shape.</p>
{articles}
</section>"""


def _gradients(derivation: Derivation, names: Names, explain: int) -> str:
    if not derivation.gradients:
        return '<p class="lead">None: no parameter and no input is declared.</p>'
    return "\n".join(formula_article(g, derivation, names, explain) for g in derivation.gradients.values())


def _verification(report: Report | None) -> str:
    if report is None:
        return ""
    kind = "right" if report.ok else "wrong"
    sign = "✓" if report.ok else "✗"
    return f"""<section aria-labelledby="verification">
<h2 id="verification">Verification</h2>
<p class="verdict {kind}"><span aria-hidden="true">{sign} </span>{escape(str(report))}</p>
</section>"""
