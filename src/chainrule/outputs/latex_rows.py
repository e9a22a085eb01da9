"""The rows of a derivation in LaTeX, and how they are set in an `align*` block.

Rows are collected first and set afterwards, when it is known how wide the columns are: long formulas are broken over
lines, and reasons stand at the right, or beneath where there is no room. Widths are counted in letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.notation.latex import to_latex
from chainrule.notation.lines import broken, width
from chainrule.notation.prose import formula_to_latex, sentence_to_math, wrapped
from chainrule.notation.tree import partial, sym
from chainrule.outputs.story import Chain, Proof, chains, forms
from chainrule.outputs.text import chain_sizes, said_size, size, sizes_said

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient
    from chainrule.network import Network
    from chainrule.notation.tree import Node

__all__ = ["Row", "align", "chain_rows", "equation_rows", "gradient_rows", "proof_rows"]

NOTE = 0.5  # of a line, at most, for a reason
SIZES = 60  # letters in a dimension line
TOGETHER = 24  # lines that stay on one page
LEFT = 18  # letters at the left of the = sign
INDENT = r"\phantom{=}\ "


@dataclass
class Row:
    """One row: left = formula, and a note. `formula` is a tree, or LaTeX with its width in letters."""

    left: str = ""
    left_width: float = 0.0
    formula: Node | str = ""
    formula_width: float = 0.0
    note: str = ""
    sign: str = "= "
    depth: int = 0
    small_width: float = 0.0  # of a line in small type, which need not widen its column
    beside: tuple[str, Node] | None = None  # a label and a second formula, at the right


def gradient_rows(
    derivation: Derivation, gradient: Gradient, explain: int, layout: str, sizes: bool = False
) -> list[Row]:  # fmt: skip
    """A formula with its steps, in the layouts asked for; `sizes`: also the dimension line."""
    symbol = derivation.latex_symbol(gradient)
    symbol_width = 0.6 * len(gradient.symbol)
    rows: list[Row] = []
    if symbol_width > LEFT and " = " in symbol:  # the adjoint of what has no name: the signal alone stands at the left
        of = partial(sym(derivation.loss), derivation.describe_node(gradient.of))
        rows, symbol, symbol_width = [Row(symbol.split(" = ", 1)[0], 3.0, of)], "", 3.0
    main, *others = forms(derivation, gradient, layout)
    told = chains(gradient.steps, explain)
    node = main.written.tree
    if gradient.of in derivation.backward.zero:
        return [*rows, Row(symbol, symbol_width, node, note=gradient.reason)]
    ends_so = bool(told) and told[-1].lines[-1].right.text == main.written.text  # then its sizes stand at its end
    begins_so = bool(told) and told[0].left.text == gradient.symbol.rsplit(" = ", 1)[-1]
    if not (ends_so and begins_so and len(told) == 1):
        rows.append(Row(symbol, symbol_width, node))
        if (sizes or explain) and main.written.node is not None and not ends_so:
            rows += _sizes_rows(sizes_said(size(main.written.shape), main.written.size_line))
    for chain in told:
        left = (symbol, symbol_width) if not rows and symbol else (to_latex(chain.left.node), width(chain.left.node))
        rows += chain_rows(chain, *left)
    for other in others:
        shown = other.written.tree
        label = rf"\text{{{other.layout} layout:}}"
        if not explain and not sizes:
            rows[-1].beside = (label, shown)
            continue
        said = r"\quad " + _small(size(other.written.shape))
        if width(shown) < 40:
            rows.append(Row(formula=rf"{label}\ {to_latex(shown)}{said}", small_width=width(shown) + 24, sign=INDENT))
        else:
            rows += [Row(formula=label + said, small_width=24, sign=INDENT), Row(formula=shown, sign=INDENT)]
    return rows


def chain_rows(chain: Chain, left: str, left_width: float) -> list[Row]:
    """left = right, because; then the dimension line."""
    rows = [Row(formula=x.right.node, note=x.because, depth=x.depth) for x in chain.lines]
    rows[0].left, rows[0].left_width = left, left_width
    sizes = chain_sizes(chain.lines[-1].right)
    return [*rows, *_sizes_rows(sizes)] if sizes else rows


def _sizes_rows(sizes: str) -> list[Row]:
    """The dimension line, small; a long one is broken before a sign."""
    lines = [""]
    for part in re.split(r"(?= [+−∘] )", sizes):
        if lines[-1] and len(lines[-1]) + len(part) > SIZES:
            lines.append("")
        lines[-1] += part
    return [Row(formula=_small(x.strip()), small_width=0.75 * len(x), sign=INDENT) for x in lines]


def _small(sizes: str) -> str:
    return rf"\text{{\footnotesize ${formula_to_latex(sizes).strip()}$}}"


def equation_rows(net: Network) -> list[Row]:
    """The user's equations with their sizes."""
    return [Row(e.latex_name, 0.9 * len(e.name), e.node or e.latex, note=said_size(e.shape)) for e in net.equations]


def proof_rows(proof: Proof) -> list[Row]:
    """The lines of a proof, with their reasons."""
    return [
        Row(to_latex(x.left.node) if x.left else "", width(x.left.node) if x.left else 0.0, x.right.node, note=x.rule)
        for x in proof.lines
    ]


def align(groups: Iterable[tuple[str, list[Row]]], names: set[str], limit: float, page: bool = False) -> str:
    """Rows as an `align*` block of at most about `limit` letters; each group may have a comment line before it.

    page: for MathJax and KaTeX, which know Unicode in words and not every command of TeX.
    """
    groups = list(groups)
    rows = [row for _, group in groups for row in group]
    left = max((row.left_width for row in rows), default=0.0)
    wrap = int(NOTE * limit)
    notes = max((min(len(row.note), wrap) for row in rows), default=0)
    beside = max((width(row.beside[1]) + 18 for row in rows if row.beside), default=0.0)
    small = max((row.small_width for row in rows), default=0.0)
    own = max((row.formula_width or width_of(row.formula) for row in rows if not row.small_width), default=0.0)
    right = max(beside, 0.85 * notes + 4 if notes else 0.0)
    apart = small + left + 4 <= left + min(own, 30) + right if notes else False  # small lines reach below the notes
    apart = apart and not page
    own = own if apart else max(own, small)
    at_right = left + min(own, 40) + right + 4 <= limit
    room = limit - left - 4 - (right if at_right else 0)
    out: list[str] = []
    for comment, group in groups:
        rows_ = [_set(row, room, wrap if at_right else 0, apart and at_right, names, page) for row in group]
        count = sum(map(len, rows_))
        if count:
            end = r" \\[4pt]" if count > 1 else r" \\"  # what belongs together is seen, and stays on a page
            stay = " \\\\*\n" if count <= TOGETHER else " \\\\\n"  # unless it would fill one
            body = stay.join(" \\\\*\n".join(lines) for lines in rows_)
            out.append((f"  {comment}\n" if comment else "") + body + end)
    return "\\begin{align*}\n" + "\n".join(out).removesuffix("[4pt]").removesuffix(r" \\") + "\n\\end{align*}"


def width_of(formula: Node | str) -> float:
    """The width of a formula; LaTeX says its width itself."""
    return 0.0 if isinstance(formula, str) else width(formula)


def _set(row: Row, room: float, wrap: int, apart: bool, names: set[str], page: bool) -> list[str]:
    """The lines of one row: the formula broken to fit, its note beside it in `wrap` letters a line, or (0) beneath."""
    parts = [row.formula] if isinstance(row.formula, str) else broken(row.formula, room - 2 * row.depth)
    if row.small_width and apart:
        parts = [rf"\rlap{{$\displaystyle {parts[0]}$}}"]
    indent = r"\quad " * row.depth
    shown = [f"  {row.left} &{indent}{row.sign}{parts[0]}"]
    shown += [rf"  &{indent}\quad {{}} {part}" for part in parts[1:]]
    if row.beside:
        label, second = row.beside
        if wrap:
            shown[0] += f" & {label} & {to_latex(second)}"
        else:
            first, *others = broken(second, room - 18)
            shown.append(rf"  &{INDENT}{label}\ {first}")
            shown += [rf"  &{INDENT}\qquad {{}} {part}" for part in others]
    if row.note:
        parts_of_note = wrapped(row.note, wrap or int(0.8 * room)) or [""]
        notes = [sentence_to_math(part, names, page) for part in parts_of_note]
        if wrap:
            shown += ["  &"] * (len(notes) - len(shown))
            shown[: len(notes)] = [f"{a} && {b}" for a, b in zip(shown, notes, strict=False)]
        else:
            shown += [rf"  &\qquad\qquad {note}" for note in notes]
    return shown
