"""Errors that a user sees: what is wrong, where in their text, and what to try next.

Every error that chainrule raises on purpose is a `ChainruleError`. It carries a message, an optional
hint ("what to try") and an optional `Span` into the user's text, and renders all three with a caret:

    sizes do not agree: W is D_h × D_x, but y is N_c × 1
      7 | z = W y + b1
        |     ^^^
      try: W x, or declare y : D_x
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

__all__ = [
    "ArrayError",
    "ChainruleError",
    "ChainruleWarning",
    "DimensionError",
    "LanguageError",
    "Span",
    "UnknownNameError",
    "UnsupportedError",
]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the user's text: `start` to `end` (offsets, end exclusive) of `source`."""

    source: str
    start: int
    end: int

    @property
    def line(self) -> int:
        """Line number, from 1."""
        return self.source.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Column number, from 1."""
        return self.start - (self.source.rfind("\n", 0, self.start) + 1) + 1

    @property
    def text(self) -> str:
        """The text that the span covers."""
        return self.source[self.start : self.end]

    def to(self, other: Span | None) -> Span:
        """The span from the beginning of this one to the end of `other`."""
        return self if other is None else Span(self.source, min(self.start, other.start), max(self.end, other.end))

    def render(self) -> str:
        """The user's line with a caret under the span (the first line of it, if it covers several)."""
        begin = self.source.rfind("\n", 0, self.start) + 1
        stop = self.source.find("\n", self.start)
        line = self.source[begin : stop if stop >= 0 else len(self.source)]
        first, last = self.start - begin, max(self.start + 1, min(self.end, begin + len(line))) - begin
        shown, offset = line, 0
        if len(line) > 160:  # a window around the span: an error must stay readable on any input
            offset = max(0, first - 60)
            shown = line[offset : offset + 160]
            first, last = first - offset, min(last - offset, 160)
        number = str(self.line)
        pad = " " * len(number)
        shown = shown.replace("\t", " ").rstrip("\r")
        gap = " " * _width(shown[:first])
        caret = "^" * max(1, _width(shown[first:last]))
        return f"  {number} | {shown}\n  {pad} | {gap}{caret}"


def _width(text: str) -> int:
    """Columns that `text` takes in a terminal: a combining mark takes none."""
    return sum(not unicodedata.combining(char) for char in text)


class ChainruleError(Exception):
    """Something that the user can mend: `message`, `hint` (what to try) and `span` (where)."""

    def __init__(self, message: str, hint: str | None = None, span: Span | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.span = span

    def __str__(self) -> str:
        parts = [self.message]
        if self.span is not None:
            parts.append(self.span.render())
        if self.hint:
            parts.append(f"  try: {self.hint}")
        return "\n".join(parts)


class LanguageError(ChainruleError):
    """The text is not a program of the whiteboard language."""


class UnknownNameError(ChainruleError):
    """A name that nothing declares or defines."""


class DimensionError(ChainruleError):
    """Sizes that cannot agree."""


class UnsupportedError(ChainruleError):
    """Understood, but outside what chainrule can answer correctly: refused rather than guessed."""


class ArrayError(ChainruleError, ValueError):
    """An array of a wrong shape or dtype, or with NaN, was given to a program."""


class ChainruleWarning(UserWarning):
    """Correct but probably not meant: for example a parameter on which the loss does not depend."""
