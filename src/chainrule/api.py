"""The front: from text or a file to a `Network`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from chainrule.errors import LanguageError
from chainrule.language.elaborate import elaborate, known_functions
from chainrule.language.parser import parse_program
from chainrule.network import Network

__all__ = ["load", "parse", "trace"]


def parse(text: str, dialect: str = "whiteboard", title: str = "") -> Network:
    """Read a network that is written in the whiteboard language (or its numpy or matlab dialect).

    Raises ChainruleError (with the user's line and a caret) where the text is no program.
    """
    if "\r" in text:  # Windows and old Macintosh line ends
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    elaborated = elaborate(parse_program(text, dialect, known_functions()))
    return Network.read(elaborated, title)


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


def trace(
    function: Callable[..., Any],
    /,
    *,
    wrt: str | Iterable[str] | None = None,
    labels: str | Iterable[str] = (),
    facts: Mapping[str, str | Iterable[str]] | None = None,
    **shapes: Any,
) -> Network:
    """Read a network from an unmodified NumPy function, which is called once with arrays that record what is done.

    shapes: for each argument (3, 4), ("N", "D"), or () for a number; a 1-D array is a vector, as in NumPy.
    wrt: what is to be differentiated by, by default every argument that is no label.  labels: arguments that never are.
    facts: what is known of an argument, {"y": "one-hot"}, in the words of the language.

    Raises UnsupportedError, with the line of the function, for what cannot be recorded.
    """
    from chainrule.tracing import record

    wrt = wrt if wrt is None or isinstance(wrt, str) else list(wrt)
    names = (labels,) if isinstance(labels, str) else tuple(labels)
    program, result = record(function, shapes, wrt, names, facts)
    loss = None if program.variables[result].dims else result
    net = Network(program, loss, None, getattr(function, "__name__", ""))
    if wrt is not None:
        net.wrt = [wrt] if isinstance(wrt, str) else list(wrt)
    return net


def decode(data: bytes, source: str) -> str:
    """The text of a file, whatever the locale says. Raises LanguageError where it is not UTF-8."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig")):
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
    raise LanguageError(f"{source} is not a text file (UTF-8)", "a file in the whiteboard language")
