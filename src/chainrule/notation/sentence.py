"""Sentences that hold formulas: “row i is δ₂'s, a row, so δ₂ᵀ”.

A `Sentence` is its text, so whoever wants text has it; and it knows its pieces, words and trees of notation, so that
LaTeX and MathML write the formulas as mathematics. Make one with `say`; joining by `+` or `str.join` gives plain text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from chainrule.notation.mathml import inner_mathml
from chainrule.notation.phrases import inlined
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node

__all__ = ["Sentence", "joined", "pieces", "say", "sentence_to_html"]


class Sentence(str):
    """Text that knows which of its pieces are formulas. Two are equal where their texts are."""

    __slots__ = ("parts",)
    parts: tuple[str | Node, ...]


def say(*parts: str | Node) -> Sentence:
    """A sentence from words, formulas and other sentences, as they follow on one another.

    >>> from chainrule.notation.tree import sym
    >>> say(sym("delta2"), " is known")
    'δ₂ is known'
    """
    flat: list[str | Node] = []
    for piece in (piece for part in parts for piece in pieces(part)):
        if flat and isinstance(piece, str) and isinstance(flat[-1], str):
            flat[-1] += piece
        elif piece:
            flat.append(piece)
    out = Sentence("".join(to_text(p) if isinstance(p, Node) else p for p in flat))
    out.parts = tuple(flat)
    return out


def joined(sign: str, sentences: Iterable[str | Node]) -> Sentence:
    """Sentences with a sign between them."""
    out: list[str | Node] = []
    for sentence in sentences:
        out += [sign, sentence] if out else [sentence]
    return say(*out)


def pieces(part: str | Node) -> Iterator[str | Node]:
    """Words and formulas; of plain text, the text."""
    if isinstance(part, Sentence):
        yield from part.parts
    else:
        yield part


def sentence_to_html(text: str) -> str:
    """Words, with each formula as MathML."""
    shown = [f"<math>{inner_mathml(inlined(p))}</math>" if isinstance(p, Node) else escape(p) for p in pieces(text)]
    return "".join(shown)
