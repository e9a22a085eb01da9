"""The library: composite functions as definitions in the whiteboard language, so that derivatives are found.

One `.net` file per family. A definition is one line; the comment block above it, if there is one, says where it is
from, how a sample call is declared (and written, where arguments have defaults), what the literature gives a name to,
and for comparison its backward pass as it was published, with its source:

    # rnn_cell: Elman 1990
    #   given: input x : n; input h : m; param W : m × n; param U : m × m; param b : m
    #   literature da: δ ∘ (1 − y.^2)
    #   literature x: Wᵀ da
    #   …
    #   published: Goodfellow, Bengio and Courville 2016, section 10.2.2
    def rnn_cell(x, h, W, U, b) = tanh(W x + U h + b)

A `literature` line is a gradient where it has the name of an argument, else what the literature names on the way; with
indices, X[t,i], it is in index notation. δ or Δ is the gradient at the value of the function, which is called y, or Y
where it is a matrix; a scalar is the loss, J. What an author says in words or as code stands here as the formula that
it means; a formula that nobody seems to have printed is said to be by hand.

A line `usual: e = 1e-5` says what nearly everyone gives for an argument; it is what a call without it is told.

A definition that other definitions are made of may say how its value is called in a network that never wrote it:

    # normalised is X̂
    def normalised(M, e, over=last) = M ∘ root_inverse(M, e, over=over)

or, with - for a name, that it is written out wherever it stands.

A new function is one such entry: `chainrule library` shows it, and the tests differentiate it and evaluate what the
literature has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = [
    "LibraryEntry",
    "definition_names",
    "definition_text",
    "entries",
    "has_axis",
    "inner_name",
    "numbers_axes",
    "usual_values",
]

AXIS = "over"  # among the parameters of a definition: it says an axis, and is no argument
_DEF = re.compile(r"^def\s+(\w+)\s*\(([^)]*)\)", re.MULTILINE)
_ABOVE = re.compile(r"((?:^#[^\n]*\n)+)\Z", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A definition. given: declarations of a sample call, in the language.  where: equations that name what the
    literature names.  literature: (name, with indices or without, formula), the backward pass in the order of its
    computation.  published: where that is from.
    call: the sample call, where it says more than the names of the parameters.
    usual: (name, value) of an argument that nearly everyone gives the same.
    inner: the name of its value, of a definition that others are made of; `notation.inner` gives it.
    """

    name: str
    parameters: tuple[str, ...]
    text: str
    family: str
    source: str = ""
    given: tuple[str, ...] = ()
    literature: tuple[tuple[str, str], ...] = ()
    where: tuple[str, ...] = ()
    call: str = ""
    published: str = ""
    inner: str = ""
    usual: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=1)
def _entries() -> dict[str, LibraryEntry]:
    found: dict[str, LibraryEntry] = {}
    for path in sorted(Path(__file__).parent.glob("*.net")):
        text = path.read_text(encoding="utf-8")
        for match in _DEF.finditer(text):
            stop = text.find("\n", match.start())
            line = text[match.start() : stop if stop >= 0 else len(text)]
            letters = (p.partition("=")[0].strip() for p in match.group(2).split(","))
            parameters = tuple(p for p in letters if p != AXIS)
            above = _ABOVE.search(text[: match.start()])
            found[match.group(1)] = LibraryEntry(
                match.group(1), parameters, line, path.stem, *_read(match.group(1), above.group(1) if above else "")
            )
    return found


Pairs = tuple[tuple[str, str], ...]


def _read(
    name: str, block: str
) -> tuple[
    str, tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...], str, str, str, tuple[tuple[str, str], ...]
]:
    """Source, given, literature, where, call, published, inner and usual of the comment block above a definition."""
    source, call, published, literature = "", "", "", []
    given: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    inner = ""
    usual: Pairs = ()
    for line in block.splitlines():
        inner = inner or line.removeprefix(f"# {name} is ") * line.startswith(f"# {name} is ")
        key, _, value = line.lstrip("# ").partition(":")
        if key == name:
            source = value.strip()
        elif key == "given":
            given = tuple(part.strip() for part in value.split(";"))
        elif key == "where":
            where = tuple(part.strip() for part in value.split(";"))
        elif key == "call":
            call = value.strip()
        elif key == "usual":
            usual = tuple((k.strip(), v.strip()) for k, _, v in (part.partition("=") for part in value.split(";")))
        elif key == "published":
            published = value.strip()
        elif key.startswith("literature "):
            literature.append((key.removeprefix("literature "), value.strip()))
    return source, given, tuple(literature), where, call, published, inner, usual


def entries() -> dict[str, LibraryEntry]:
    """Every definition, by its name."""
    return dict(_entries())


def definition_names() -> frozenset[str]:
    """The names that the library defines."""
    return frozenset(_entries())


def inner_name(name: str) -> str:
    """What the value of an inner definition is called; "" for every other function."""
    entry = _entries().get(name)
    return entry.inner if entry is not None else ""


def usual_values(name: str) -> dict[str, str]:
    """Values that nearly everyone gives for arguments of a function of the library: {"e": "1e-5"}."""
    entry = _entries().get(name)
    return dict(entry.usual) if entry is not None else {}


def has_axis(name: str) -> bool:
    """Whether a call may say along which axis: softmax(S, over=rows)."""
    return re.search(rf"\b{AXIS}=", _entries()[name].text.partition(")")[0]) is not None


def numbers_axes(name: str) -> bool:
    """Whether it may mean another axis of one matrix than of an array of matrices; what is not of the library may."""
    return name not in _entries() or re.search(rf"\b{AXIS}=\d", _entries()[name].text) is not None


def definition_text(name: str) -> str:
    """The line that defines `name`."""
    return _entries()[name].text
