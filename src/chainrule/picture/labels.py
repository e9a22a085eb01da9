"""Names and short formulas as SVG text: italic letters, subscripts, and how wide they come out at most.

Which font a reader has is not known, so widths are those of a wide one; a narrower font leaves a little room.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from html import escape

from chainrule.dims import canonical_name
from chainrule.notation.mathml_names import name_parts

__all__ = ["Label", "label"]

_TOKEN = re.compile(r"[^\W\d_](?:\w|[\u0300-\u036f])*|\d+(?:\.\d+)?(?:e-?\d+)?|ᵀ|\s+|.")
_NARROW = set("iljtfrI.,;:'|!()[]{} ·")
_WIDE = set("mwMWQOGD@%—…∑")


def _width(text: str) -> float:
    total = 0.0
    for char in text:
        if unicodedata.combining(char):
            continue
        total += 0.42 if char in _NARROW else 0.95 if char in _WIDE else 0.74 if char.isupper() else 0.65
    return total


@dataclass(frozen=True, slots=True)
class Label:
    """SVG `<tspan>`s, and how wide they are at most."""

    svg: str
    width: float


def label(text: str, size: float, known: frozenset[str], widest: float = float("inf")) -> Label:
    """A formula as text of this font size; cut with … where it is wider than `widest`. Names in `known` are marked."""
    pieces: list[tuple[str, float]] = []
    shift = 0.0
    total = 0.0
    found = _TOKEN.findall(text)
    written = (_parts(t, known, call=after.startswith("(")) for t, after in zip(found, [*found[1:], ""], strict=True))
    tokens = [(parts, size * sum(w for _, _, w in parts)) for parts in written]
    whole = sum(width for _, width in tokens)
    for parts, width in tokens:
        if whole > widest and total + width > widest - size:
            pieces.append((_moved("…", -shift), size))
            break
        for body, level, w in parts:
            pieces.append((_moved(body, size * level - shift), size * w))
            shift = size * level
        total += width
    return Label("".join(svg for svg, _ in pieces), sum(w for _, w in pieces))


def _moved(body: str, by: float) -> str:
    return body.replace("<tspan", f'<tspan dy="{by:.3g}"', 1) if by and body.startswith("<tspan") else (
        f'<tspan dy="{by:.3g}">{body}</tspan>' if by else body
    )  # fmt: skip


def _parts(token: str, known: frozenset[str], call: bool = False) -> list[tuple[str, float, float]]:
    """(SVG, how far below the line, width) of each part of a token; call: a bracket follows, so f_1 but layer_norm."""
    if token == "ᵀ":
        return [('<tspan class="script">⊤</tspan>', -0.4, 0.55)]
    if not token[0].isalpha():
        return [(escape(token if token.strip() else " "), 0.0, _width(token))]
    canonical = canonical_name(token)
    stem, parts = name_parts(token)
    below = ",".join(parts)
    if call and len(stem) > 1 and canonical not in known:
        return [(f"<tspan>{escape(token)}</tspan>", 0.0, _width(token))]
    name = f' data-name="{escape(canonical)}"' if canonical in known else ""
    letters = sum(not unicodedata.combining(c) for c in unicodedata.normalize("NFD", stem))
    style = ' class="letter"' if letters == 1 else ""  # a longer word is upright
    out = [(f"<tspan{style}{name}>{escape(stem)}</tspan>", 0.0, _width(stem))]
    if below:
        out.append((f'<tspan class="script"{name}>{escape(below)}</tspan>', 0.25, 0.75 * _width(below)))
    return out
