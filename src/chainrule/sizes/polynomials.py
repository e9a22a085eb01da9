"""A size as a polynomial with whole coefficients, and its text: the one canonical form of both.

A polynomial is ((symbols), coefficient) pairs, in which a quotient that does not come out even counts as a symbol,
written (a//b). Two sizes are equal where their texts are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

__all__ = [
    "TOKEN", "Dim", "Polynomial", "added", "collected", "divided", "is_derived", "multiplied", "parts_of", "polynomial",
    "scaled", "spelled",
]  # fmt: skip

Dim = int | str
Polynomial = tuple[tuple[tuple[str, ...], int], ...]

TOKEN = re.compile(r"\s*(//|[-+*()]|[^-+*/()\s]+)")
_SIGNS = frozenset("+-*()")


def is_derived(dim: Dim) -> bool:
    """True for a size that is worked out from others."""
    return isinstance(dim, str) and not (_SIGNS.isdisjoint(dim) and "//" not in dim)


@cache
def polynomial(dim: Dim) -> Polynomial:
    """The polynomial of a size or of its text. Raises ValueError for what is none."""
    if isinstance(dim, int):
        return (((), dim),) if dim else ()
    if not is_derived(dim):
        word = dim.strip()
        return polynomial(int(word)) if word.isdecimal() else (((word,), 1),)
    tokens = TOKEN.findall(dim)
    if "".join(tokens) != "".join(dim.split()):
        raise ValueError(f"no size: {dim!r}")
    value, rest = _sum(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"no size: {dim!r}")
    return value


def _sum(tokens: list[str], at: int) -> tuple[Polynomial, int]:
    sign = 1
    if at < len(tokens) and tokens[at] == "-":
        sign, at = -1, at + 1
    value, at = _product(tokens, at)
    value = scaled(value, sign)
    while at < len(tokens) and tokens[at] in "+-":
        sign = 1 if tokens[at] == "+" else -1
        part, at = _product(tokens, at + 1)
        value = added(value, scaled(part, sign))
    return value, at


def _product(tokens: list[str], at: int) -> tuple[Polynomial, int]:
    value, at = _atom(tokens, at)
    while at < len(tokens) and tokens[at] in ("*", "//"):
        other, after = _atom(tokens, at + 1)
        value = multiplied(value, other) if tokens[at] == "*" else divided(value, other)
        at = after
    return value, at


def _atom(tokens: list[str], at: int) -> tuple[Polynomial, int]:
    if at >= len(tokens) or tokens[at] in ("+", "*", "//", ")"):
        raise ValueError("no size")
    if tokens[at] == "(":
        value, at = _sum(tokens, at + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise ValueError("no size: a bracket is missing")
        return value, at + 1
    if tokens[at] == "-":
        value, at = _atom(tokens, at + 1)
        return scaled(value, -1), at
    word = tokens[at]
    return polynomial(int(word) if word.isdecimal() else word), at + 1


def collected(terms: Mapping[tuple[str, ...], int]) -> Polynomial:
    """Terms in their canonical order, without those that are 0."""
    return tuple(sorted(((k, c) for k, c in terms.items() if c), key=lambda t: (-len(t[0]), t[0])))


def added(left: Polynomial, right: Polynomial) -> Polynomial:
    """left + right."""
    total = dict(left)
    for key, c in right:
        total[key] = total.get(key, 0) + c
    return collected(total)


def scaled(value: Polynomial, factor: int) -> Polynomial:
    """The polynomial times a whole number."""
    return tuple((k, c * factor) for k, c in value) if factor else ()


def multiplied(left: Polynomial, right: Polynomial) -> Polynomial:
    """left · right."""
    total: dict[tuple[str, ...], int] = {}
    for a, c in left:
        for b, d in right:
            key = tuple(sorted((*a, *b)))
            total[key] = total.get(key, 0) + c * d
    return collected(total)


def divided(left: Polynomial, right: Polynomial) -> Polynomial:
    """left // right: what comes out even is divided, the rest becomes a symbol of its own."""
    if not right:
        raise ValueError("a size divided by 0")
    if len(right) == 1:
        (below, divisor), even, rest = right[0], {}, {}
        for key, c in left:
            inside = list(key)
            if c % divisor == 0 and all(_taken(inside, s) for s in below):
                even[tuple(inside)] = c // divisor
            else:
                rest[key] = c
        if not below and not (rest.keys() - {()}):
            even[()] = even.get((), 0) + rest.pop((), 0) // divisor
        if not rest:
            return collected(even)
        if not below:
            constant = rest.get((), 0)
            if constant:  # (n − 5)//2 = (n − 1)//2 − 2: the constant lies from 0 to the divisor
                even[()] = even.get((), 0) + constant // divisor
                rest[()] = constant % divisor
        return added(collected(even), _symbol(collected(rest), right))
    return _symbol(left, right)


def _taken(symbols: list[str], symbol: str) -> bool:
    """Take a symbol out of a product; False where it is not in it."""
    if symbol not in symbols:
        return False
    symbols.remove(symbol)
    return True


def _symbol(above: Polynomial, below: Polynomial) -> Polynomial:
    return (((f"({_bracketed(above)}//{_bracketed(below)})",), 1),)


def _bracketed(value: Polynomial) -> str:
    text = str(spelled(value))
    return f"({text})" if len(value) > 1 or "*" in text or text.startswith("-") else text


@cache
def parts_of(symbol: str) -> tuple[Polynomial, Polynomial] | None:
    """Above and below of a quotient; None for a plain symbol."""
    if not symbol.startswith("("):
        return None
    depth = 0
    for place, char in enumerate(symbol):
        depth += (char == "(") - (char == ")")
        if depth == 1 and symbol.startswith("//", place):
            return polynomial(symbol[1:place]), polynomial(symbol[place + 2 : -1])
    return None


@cache
def spelled(value: Polynomial) -> Dim:
    """The size of a polynomial: a number, a symbol, or its canonical text."""
    if not value:
        return 0
    if len(value) == 1:
        ((key, c),) = value
        if not key:
            return c
        if c == 1 and len(key) == 1:
            return key[0]
    ordered = sorted(value, key=lambda t: (t[1] < 0, -len(t[0]), t[0]))
    out = ""
    for key, c in ordered:
        parts = list(key) if abs(c) == 1 and key else [str(abs(c)), *key]
        sign = "-" if c < 0 else "+"
        out += f" {sign} " if out else ("-" if c < 0 else "")
        out += "*".join(parts)
    return out
