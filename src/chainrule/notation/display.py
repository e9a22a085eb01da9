"""How objects show themselves in a notebook: `_repr_mimebundle_` in text, HTML with MathML, and LaTeX.

Jupyter, VS Code and Colab show the HTML; it carries its style inline and takes the notebook's own colours, so that
nothing leaks out of a cell and both light and dark are readable. The LaTeX is one display formula, for what knows no
HTML. An object gives the parts: rows of formulas with what is said of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from chainrule.notation.mathml import MARK

__all__ = ["aligned", "bundle", "details", "heading", "math", "quiet", "table"]

_CELL = "text-align:left;vertical-align:baseline;padding:.28em 1.1em .28em 0;border:0;background:none"
_TABLE = "border-collapse:collapse;border:0;margin:.3em 0 .6em;font-size:1em"
_LARGER = 'style="font-size:1.15em"'  # letters of a formula look smaller than those of the words around it
_QUIET = "opacity:.72;font-size:.92em"


def bundle(text: str, html: str, latex: str) -> dict[str, str]:
    """The parts of an object by their type."""
    larger = MARK.sub("", html).replace("<math>", f"<math {_LARGER}>")
    shown = f'<div style="color:inherit;overflow-x:auto;line-height:1.5">{larger}</div>'
    return {"text/plain": text, "text/html": shown, "text/latex": latex}


def math(*parts: str) -> str:
    """MathML in a line of its own kind: fractions at full size."""
    return f'<math displaystyle="true" {_LARGER}><mrow>{"".join(parts)}</mrow></math>'


def quiet(html: str) -> str:
    """What is said beside a formula."""
    return f'<span style="{_QUIET}">{html}</span>' if html else ""


def heading(html: str, note: str = "") -> str:
    """A line above a table."""
    return f'<div style="margin:.5em 0 .1em"><b>{html}</b> {quiet(escape(note))}</div>'


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells, which are HTML; no lines and no stripes, whatever the notebook does with tables."""
    body = "".join(
        f'<tr style="background:none">{"".join(f"""<td style="{_CELL}">{cell}</td>""" for cell in row)}</tr>'
        for row in rows
    )
    return f'<table style="{_TABLE}"><tbody>{body}</tbody></table>' if body else ""


def details(summary: str, html: str, unfolded: bool = False) -> str:
    """What folds open."""
    opened = " open" if unfolded else ""
    return f'<details{opened}><summary style="cursor:pointer;{_QUIET}">{escape(summary)}</summary>{html}</details>'


def aligned(rows: Iterable[tuple[str, str]]) -> str:
    """left &= right, a row each: one display formula that MathJax and KaTeX know."""
    body = " \\\\\n".join(f"{left} &= {right}" for left, right in rows)
    return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"
