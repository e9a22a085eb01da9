"""Which names are functions, and which words cannot be names at all.

`f (x)` is a call if f is a function and a product if it is not; what is declared anywhere in the text decides,
so the order of statements does not matter. A name that the text declares as a variable is one, even if a
built-in function has that name.
"""

from __future__ import annotations

import re
from functools import lru_cache

from chainrule.dims import canonical_name
from chainrule.errors import LanguageError, Span
from chainrule.language.tokens import CODE_WORDS, Token

__all__ = ["refused", "resolve_calls"]

_QUOTES = {"'": "′", "′": "′", "″": "′′"}
_BEHIND = re.compile(r"\s*([=\[:,;#]|$)", re.MULTILINE)


@lru_cache(maxsize=64)
def _canonical(found: frozenset[str]) -> frozenset[str]:
    return frozenset(map(canonical_name, found))


def resolve_calls(
    lines: list[list[Token]],
    openings: list[tuple[list[Token], int]],
    functions: frozenset[str],
    variables: frozenset[str],
    always_call: bool,
) -> None:
    """Turns NAME into FNAME where a name before a bracket is a function; primes go into its text (f′).

    A name that nothing declares is taken as a function if the bracket follows at once (or `always_call`:
    a dialect without products by juxtaposition): whoever looks names up later reports it.
    """
    if not openings:
        return
    defined, declared, sizes = _declared(lines)
    called = _canonical(functions | defined)
    known = _canonical(variables | declared | (sizes - functions)) - _canonical(frozenset(defined))
    for line, index in reversed(openings):
        first = index
        while line[first].kind == "TRANSPOSE" and line[first].text in _QUOTES and first:
            first -= 1
        name = line[first]
        if name.kind != "NAME":
            continue
        if first < index and line[index].end != line[index + 1].start:
            continue  # W' (x + y)
        if line[0].kind == "DEF":
            if first == 1:
                line[1] = Token("FNAME", name.text, name.start, name.end)
                continue
            if any(name.text == token.text for token in line[3 : _closing(line)]):
                continue  # the definition's own parameter
        key = _key(name.text)
        if key in known:
            continue
        if key in called or always_call or line[index].end == line[index + 1].start:
            primes = "".join(_QUOTES[token.text] for token in line[first + 1 : index + 1])
            line[first : index + 1] = [Token("FNAME", name.text + primes, name.start, line[index].end)]


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return canonical_name(name)


def _closing(line: list[Token]) -> int:
    return next((k for k, token in enumerate(line) if token.kind == "RPAR"), len(line))


def _declared(lines: list[list[Token]]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Functions, variables (with running indices) and sizes that the statements introduce."""
    functions, variables, sizes = set(), set(), set()
    for line in lines:
        kind = line[0].kind
        if kind == "NAME":
            if len(line) > 1 and line[1].kind in ("EQUALS", "LSQB"):
                variables.add(line[0].text)
            if len(line) > 3 and line[-6:-5] and line[-6].kind == "FOR":
                variables.add(line[-5].text)
        elif kind == "DECLARE":
            words = [token.text for token in line if token.kind == "NAME"]
            variables.update(words[:1])
            sizes.update(words[1:])
        elif kind in ("FUNCTION", "DEF") and len(line) > 1:
            functions.add(line[1].text)
            if kind == "FUNCTION":
                variables.update(token.text for token in line[2:] if token.kind == "NAME")
    return frozenset(functions), frozenset(variables), frozenset(sizes)


def refused(source: str, name: str, start: int, end: int, first: bool) -> LanguageError:
    """Why `name` cannot be a name. `first`: it begins a statement."""
    span = Span(source, start, end)
    if first and name in CODE_WORDS and not _BEHIND.match(source, end):
        return LanguageError(
            f"this looks like Python code: a program is a list of equations, and {name} is no word of it",
            "z = W x + b",
            span,
        )
    if name.startswith("__"):
        plain = name.strip("_")
        return LanguageError(
            f"{name} cannot be a name: double underscores have a meaning in Python",
            plain if plain and plain not in CODE_WORDS else "another name",
            span,
        )
    return LanguageError(
        f"{name} cannot be a name: it is a word of Python, and the code made from this program uses your names",
        f"{name}_ or {name[0]}",
        span,
    )
