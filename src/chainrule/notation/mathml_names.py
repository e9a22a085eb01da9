"""Names, indices and sizes as MathML: ŷ is a y below a hat, b1 a b with the subscript 1, i + 1 a row of signs.

Every name carries `data-name`, its canonical spelling, so that a page can light it up wherever it occurs.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

from chainrule.dims import ACCENT_NAMES, canonical_name
from chainrule.sizes import is_derived, written

__all__ = [
    "COMMA", "letter_to_mathml", "name_parts", "name_to_mathml", "partial_to_mathml", "row", "stem_to_mathml",
    "text_to_mathml",
]  # fmt: skip

ACCENT_SIGNS = {"hat": "^", "bar": "¯", "tilde": "~", "dot": "˙"}
COMMA = '<mo separator="true">,</mo>'


def text_to_mathml(text: str) -> str:
    """Text that is no formula."""
    return f"<mtext>{escape(text)}</mtext>"


def name_to_mathml(name: str, indices: str = "", above: str = "") -> str:
    """A name: ŷ is a y below a hat, b1 a b with the subscript 1, a longer word upright.

    indices, above: MathML to stand below it, behind its own subscript, and above its subscript.
    """
    if is_derived(name):
        return f"<mrow><mo>(</mo>{_size_expression(name)}<mo>)</mo></mrow>"
    stem, below = name_parts(name)
    tag = f' data-name="{escape(canonical_name(name))}"'
    parts = [stem_to_mathml(s, "") for s in below] + ([indices] if indices else [])
    if not parts:
        return f"<msup>{stem_to_mathml(stem, tag)}{above}</msup>" if above else stem_to_mathml(stem, tag)
    kind = "msubsup" if above else "msub"
    return f"<{kind}{tag}>{stem_to_mathml(stem, '')}{row(COMMA.join(parts))}{above}</{kind}>"


def _size_expression(name: str) -> str:
    """A size that is worked out from others: N + M."""
    text = written(name, lambda symbol: f"\0{symbol}\0")
    out = ""
    for place, part in enumerate(text.split("\0")):
        if place % 2:
            out += name_to_mathml(part)
            continue
        for word in re.findall(r"//|\d+|[^\s\d]", part):
            out += f"<mn>{word}</mn>" if word.isdigit() else f"<mo>{escape(word)}</mo>"
    return out


def name_parts(name: str) -> tuple[str, list[str]]:
    """A name's letters, and what stands below them.

    >>> name_parts("b1"), name_parts("D_x"), name_parts("theta")
    (('b', ['1']), ('D', ['x']), ('θ', []))
    """
    base, *below = canonical_name(name).split("_")
    stem = base.rstrip("0123456789")
    if not stem:
        return base, [s for s in below if s]
    return stem, [s for s in (base[len(stem) :], *below) if s]


def letter_to_mathml(letter: str) -> str:
    """An index: a letter, or i + 1."""
    if letter.isdigit():
        return f"<mn>{letter}</mn>"
    if letter.isidentifier():
        return f"<mi>{escape(letter)}</mi>"
    parts = re.findall(r"\d+|[^\W\d]\w*|//|[^\s\w]", letter)
    if "".join(parts) != letter.replace(" ", ""):
        return text_to_mathml(letter)
    return row("".join(map(_piece, parts)))


def _piece(part: str) -> str:
    """A number, a name or a sign of an index such as 2i+a-1."""
    if part.isdigit():
        return f"<mn>{part}</mn>"
    return name_to_mathml(part) if part.isidentifier() else f"<mo>{escape(part.replace('-', '−'))}</mo>"


def partial_to_mathml(top: str, bottom: str) -> str:
    """∂top/∂bottom as a fraction; both are MathML."""
    return f"<mfrac>{row('<mo>∂</mo>' + top)}{row('<mo>∂</mo>' + bottom)}</mfrac>"


def stem_to_mathml(stem: str, tag: str) -> str:
    """Letters with their accents; one element, which carries `tag`."""
    letters: list[tuple[str, list[str]]] = []
    for char in unicodedata.normalize("NFD", stem):
        if char in ACCENT_NAMES and letters:
            letters[-1][1].append(ACCENT_SIGNS[ACCENT_NAMES[char]])
        else:
            letters.append((char, []))
    if stem.isdigit():
        return f"<mn{tag}>{stem}</mn>"
    if not any(accents for _, accents in letters):
        return f"<mi{tag}>{escape(stem)}</mi>"
    pieces = []
    for char, accents in letters:
        piece = f"<mi>{escape(char)}</mi>"
        for accent in accents:
            own = tag if len(letters) == 1 and accent is accents[-1] else ""
            piece = f'<mover accent="true"{own}>{piece}<mo stretchy="false">{accent}</mo></mover>'
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else f"<mrow{tag}>{''.join(pieces)}</mrow>"


def row(content: str) -> str:
    """Elements that stay together."""
    return f"<mrow>{content}</mrow>"
