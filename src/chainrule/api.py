"""The front: from text or a file to a `Network`."""

from __future__ import annotations

import os
from pathlib import Path

from chainrule.errors import LanguageError
from chainrule.language.elaborate import elaborate, known_functions
from chainrule.language.parser import parse_program
from chainrule.network import Network

__all__ = ["load", "parse"]


def parse(text: str, dialect: str = "whiteboard", title: str = "") -> Network:
    """Read a network that is written in the whiteboard language (or its numpy or matlab dialect).

    Raises ChainruleError (with the user's line and a caret) where the text is no program.
    """
    if "\r" in text:  # Windows and old Macintosh line ends
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    elaborated = elaborate(parse_program(text, dialect, known_functions()))
    return Network(elaborated.program, elaborated.loss, elaborated, title)


def load(path: str | os.PathLike[str], dialect: str = "whiteboard") -> Network:
    """Read a network from a file. Raises LanguageError where it cannot be read or is not text."""
    file = Path(path)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise LanguageError(f"there is no file {path}", "the path of a network in the whiteboard language") from None
    except OSError as error:
        hint = "the path of a network in the whiteboard language"
        raise LanguageError(f"{path} cannot be read: {error.strerror}", hint) from None
    return parse(decode(data, str(path)), dialect, file.name)


def decode(data: bytes, source: str) -> str:
    """The text of a file, whatever the locale says. Raises LanguageError where it is not UTF-8."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig")):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
    raise LanguageError(f"{source} is not a text file (UTF-8)", "a file in the whiteboard language")
