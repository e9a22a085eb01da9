"""What is known of the text while a rule of the grammar builds its piece of the tree, and how numbers are read."""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from typing import Any

from chainrule.errors import LanguageError, Span
from chainrule.language.tokens import Token

__all__ = ["MAX_DIGITS", "Context", "Values", "integer_of", "value_of"]

MAX_DIGITS = 300  # a longer literal is no number of a network, and exact arithmetic with it would take forever

Values = list[Any]


class Context:
    """What the actions must know about the text."""

    __slots__ = ("dialect", "source")

    def __init__(self, source: str, dialect: str) -> None:
        self.source = source
        self.dialect = dialect

    def error(self, message: str, hint: str | None, begin: int, end: int) -> LanguageError:
        """The error to raise, with a caret under the stretch of text."""
        return LanguageError(message, hint, Span(self.source, begin, end))


def integer_of(c: Context, token: Token) -> int:
    """A whole number. Raises LanguageError for another one, or for one of too many digits."""
    if not token.text.isdecimal() or len(token.text) > MAX_DIGITS:
        raise c.error(f"a whole number is needed here, not {token.text[:20]}", None, token.start, token.end)
    return int(token.text)


def value_of(text: str) -> Fraction:
    """The number that a text says: 0.1 is 1/10 exactly, and ½ is a half."""
    return Fraction(unicodedata.normalize("NFKC", text).replace("⁄", "/"))
