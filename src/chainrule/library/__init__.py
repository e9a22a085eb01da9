"""The library: composite functions as definitions in the whiteboard language, so that derivatives are found."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

__all__ = ["definition_names", "definition_text"]

_DEF = re.compile(r"^def\s+(\w+)\s*\(", re.MULTILINE)


@lru_cache(maxsize=1)
def _texts() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("*.net")):
        text = path.read_text(encoding="utf-8")
        for match in _DEF.finditer(text):
            stop = text.find("\n", match.start())
            found[match.group(1)] = text[match.start() : stop if stop >= 0 else len(text)]
    return found


def definition_names() -> frozenset[str]:
    """The names that the library defines."""
    return frozenset(_texts())


def definition_text(name: str) -> str:
    """The line that defines `name`."""
    return _texts()[name]
