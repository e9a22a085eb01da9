"""A derivation as plain text, and the same as styled lines for a terminal.

A line is a list of (text, style); `chainrule.cli` prints it with colour, `plain` without. There is one writer, so a
file, a pipe and a terminal say the same.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from chainrule.dims import Dim, display_name, format_shape
from chainrule.notation.sizes import shape_text
from chainrule.outputs.story import (
    GRADIENTS_SAID,
    SIGNALS_SAID,
    Chain,
    Proof,
    chains,
    check_layout,
    check_level,
    conditions,
    forms,
    proofs,
)

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient
    from chainrule.explanation.steps import Formula
    from chainrule.network import Network

__all__ = [
    "Line", "chain_lines", "chain_sizes", "derivation_lines", "derivation_text", "formula_lines", "pad", "plain",
    "program_lines", "proof_lines", "said_size", "size", "sizes_said", "text_width", "title",
]  # fmt: skip

Line = list[tuple[str, str]]  # pieces of text with their styles

WIDE = 44  # a longer formula does not push the reasons of its neighbours to the right


def derivation_text(derivation: Derivation, explain: int = 0, layout: str = "both") -> str:
    """Signals, gradients and their sizes; their steps, conditions and proofs as `explain` says."""
    return plain(derivation_lines(derivation, explain, layout)).rstrip("\n")


def plain(lines: list[Line]) -> str:
    """The lines without their styles."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


def title(text: str, note: str = "") -> Line:
    """A heading, with a remark behind it."""
    return [(text, "bold"), (f"  {note}" if note else "", "dim")]


def text_width(text: str) -> int:
    """Columns that a text takes: a combining mark takes none."""
    return sum(not unicodedata.combining(c) for c in text)


def pad(text: str, width: int) -> str:
    """The text with blanks behind it, `width` columns in all."""
    return text + " " * (width - text_width(text))


def program_lines(net: Network) -> list[Line]:
    """Declarations and equations with the size of every name: the dimension table."""
    rows: list[tuple[str, str, str]] = []
    for name, item in net.declarations.items():
        facts = "".join(f", {f}" for f in item.facts)
        rows.append((item.kind, display_name(name), format_shape(net.dims[name]) + facts))
    lines: list[Line] = []
    name_width = max((text_width(r[1]) for r in rows), default=0)
    for kind, name, shape in rows:
        lines.append([(f"  {kind:<6} ", "dim"), (pad(name, name_width), "cyan"), (f"  {shape}", "")])
    lines.append([])
    equations = [(str(e), format_shape(e.shape)) for e in net.equations]
    width = min(max((text_width(t) for t, _ in equations), default=0), 60)
    for text, shape in equations:
        lines.append([("  " + pad(text, width), ""), (f"    {shape}", "dim")])
    lines.extend([(f"  {note}", "dim")] for note in net.repeats)
    return lines


def derivation_lines(derivation: Derivation, explain: int = 0, layout: str = "both") -> list[Line]:
    """Signals and gradients with their sizes, and what the level of detail adds."""
    check_layout(layout)
    check_level(explain)
    lines: list[Line] = []
    if derivation.signals:
        lines.append(title("Error signals", SIGNALS_SAID))
        for signal in derivation.signals.values():
            lines += formula_lines(derivation, signal, explain, layout)
        if lines[-1]:
            lines.append([])
    lines.append(title("Gradients", GRADIENTS_SAID[layout]))
    if not derivation.gradients:
        lines.append([("  none: no parameter and no input is declared", "dim")])
    for gradient in derivation.gradients.values():
        lines += formula_lines(derivation, gradient, explain, layout)
    used = conditions(derivation, explain)
    parts = [[title("Conditions used"), *([(f"  {text}", "")] for text in used)]] if used else []
    parts += [[title(f"Proof of {p.identity}", p.detail), *proof_lines(p)] for p in proofs(derivation, explain)]
    while not lines[-1]:
        lines.pop()
    return [*lines, *(line for part in parts for line in ([], *part))]


def size(shape: tuple[Dim, ...]) -> str:
    """(D_h×D_x); a scalar is (1×1)."""
    return shape_text(shape)


def said_size(shape: tuple[Dim, ...]) -> str:
    """(D_h×D_x), or the word scalar."""
    return size(shape) if shape else "scalar"


def sizes_said(own: str, factors: str) -> str:
    """(D_h×D_x) = (D_h×1)(1×D_x)."""
    return own if factors in (own, "") else f"{own} = {factors}"


def formula_lines(derivation: Derivation, gradient: Gradient, explain: int, layout: str) -> list[Line]:
    """One signal or gradient: its formula and sizes, and from level 1 its reason and steps."""
    symbol = gradient.symbol
    main, *others = forms(derivation, gradient, layout)
    lines: list[Line] = [[("  " + symbol, "cyan"), (" = ", ""), (main.written.text, "bold")]]
    if gradient.of in derivation.backward.zero:
        return [*lines, [(f"    {gradient.reason}", "dim")]]
    indent = " " * (text_width(symbol) + 5)
    told = chains(gradient.steps, explain) if explain else []
    ends_so = told and told[-1].lines[-1].right.text == main.written.text  # then its sizes stand at its end
    if main.written.node is not None and not ends_so:
        lines.append([(indent + sizes_said(size(main.written.shape), main.written.size_line), "dim")])
    for other in others:
        sizes = size(other.written.shape)
        lines.append([(f"{indent}{other.layout}: ", "dim"), (other.written.text, ""), (f"  {sizes}", "dim")])
    if explain:
        if gradient.reason:
            lines.append([(f"    {gradient.reason}", "dim")])
        for chain in told:
            lines += chain_lines(chain)
        lines.append([])
    return lines


def chain_lines(chain: Chain) -> list[Line]:
    """left = right, because; the next lines begin with the =."""
    return _equalities(
        [(chain.left.text if not k else "", x.right.text, x.because, x.depth) for k, x in enumerate(chain.lines)],
        chain_sizes(chain.lines[-1].right),
    )


def chain_sizes(formula: Formula) -> str:
    """The dimension line beneath a chain; entries and scalars have none."""
    node = formula.node
    return "" if node.rows == 1 == node.cols else sizes_said(size((node.rows, node.cols)), formula.sizes)


def proof_lines(proof: Proof) -> list[Line]:
    """The lines of a proof with their reasons."""
    return _equalities([(x.left.text if x.left else "", x.right.text, x.rule, 0) for x in proof.lines])


def _equalities(rows: list[tuple[str, str, str, int]], sizes: str = "") -> list[Line]:
    """Lines with their = beneath each other, and their reasons too."""
    left_width = max(text_width(left) for left, *_ in rows)
    widths = [text_width(right) + 2 * depth for _, right, _, depth in rows]
    right_width = max((w for w in widths if w <= WIDE), default=WIDE)
    lines: list[Line] = []
    for left, right, because, depth in rows:
        shown = pad(" " * 2 * depth + "= " + right, right_width + 2)
        lines.append([("      " + pad(left, left_width) + " ", "cyan"), (shown, ""), (f"   {because}", "dim")])
    if sizes:
        lines.append([(" " * (left_width + 9) + sizes, "dim")])
    return lines
