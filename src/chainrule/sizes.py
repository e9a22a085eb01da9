"""Sizes that are worked out from others: N + M of a concatenation, H d of a reshape, (n − k)//s + 1 of a convolution.

A size is a whole number, a symbol, or an expression in symbols, which is a text in one canonical form ("N + M",
"H*d", "(n - 3)//2 + 1"), so two sizes are equal where their texts are. Arithmetic here is exact and on the texts:
`plus`, `minus`, `times`, `quotient`. `value_of` evaluates one, `symbols_of` says what it needs, `never_negative` proves
an inequality for all sizes from 1 (three-valued: False means that it is not known), `solved` finds a symbol.

Inside, a size is a polynomial with whole coefficients: ((symbols), coefficient) pairs, in which a quotient that does
not come out even counts as a symbol, written (a//b).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

__all__ = [
    "Polynomial",
    "is_derived",
    "linear",
    "minus",
    "never_negative",
    "plus",
    "polynomial",
    "quotient",
    "renamed",
    "settle",
    "solved",
    "spelled",
    "spoken",
    "symbols_of",
    "times",
    "value_of",
    "with_derived",
    "written",
]

Dim = int | str
Polynomial = tuple[tuple[tuple[str, ...], int], ...]

_TOKEN = re.compile(r"\s*(//|[-+*()]|[^-+*/()\s]+)")
_SIGNS = frozenset("+-*()")
LARGEST = 60  # terms of a polynomial for which a proof is tried


def is_derived(dim: Dim) -> bool:
    """True for a size that is worked out from others."""
    return isinstance(dim, str) and not (_SIGNS.isdisjoint(dim) and "//" not in dim)


# -- polynomials -------------------------------------------------------------------------------------------------------


@cache
def polynomial(dim: Dim) -> Polynomial:
    """The polynomial of a size or of its text. Raises ValueError for what is none."""
    if isinstance(dim, int):
        return (((), dim),) if dim else ()
    if not is_derived(dim):
        word = dim.strip()
        return polynomial(int(word)) if word.isdecimal() else (((word,), 1),)
    tokens = _TOKEN.findall(dim)
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
    value = _scaled(value, sign)
    while at < len(tokens) and tokens[at] in "+-":
        sign = 1 if tokens[at] == "+" else -1
        part, at = _product(tokens, at + 1)
        value = _added(value, _scaled(part, sign))
    return value, at


def _product(tokens: list[str], at: int) -> tuple[Polynomial, int]:
    value, at = _atom(tokens, at)
    while at < len(tokens) and tokens[at] in ("*", "//"):
        other, after = _atom(tokens, at + 1)
        value = _multiplied(value, other) if tokens[at] == "*" else _divided(value, other)
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
        return _scaled(value, -1), at
    word = tokens[at]
    return polynomial(int(word) if word.isdecimal() else word), at + 1


def _collected(terms: Mapping[tuple[str, ...], int]) -> Polynomial:
    return tuple(sorted(((k, c) for k, c in terms.items() if c), key=lambda t: (-len(t[0]), t[0])))


def _added(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for key, c in right:
        total[key] = total.get(key, 0) + c
    return _collected(total)


def _scaled(value: Polynomial, factor: int) -> Polynomial:
    return tuple((k, c * factor) for k, c in value) if factor else ()


def _multiplied(left: Polynomial, right: Polynomial) -> Polynomial:
    total: dict[tuple[str, ...], int] = {}
    for a, c in left:
        for b, d in right:
            key = tuple(sorted((*a, *b)))
            total[key] = total.get(key, 0) + c * d
    return _collected(total)


def _divided(left: Polynomial, right: Polynomial) -> Polynomial:
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
            return _collected(even)
        if not below:
            constant = rest.get((), 0)
            if constant:  # (n − 5)//2 = (n − 1)//2 − 2: the constant lies from 0 to the divisor
                even[()] = even.get((), 0) + constant // divisor
                rest[()] = constant % divisor
        return _added(_collected(even), _symbol(_collected(rest), right))
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
def _parts(symbol: str) -> tuple[Polynomial, Polynomial] | None:
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


# -- arithmetic on sizes -----------------------------------------------------------------------------------------------


def plus(*dims: Dim) -> Dim:
    """The sum of sizes."""
    total: Polynomial = ()
    for dim in dims:
        total = _added(total, polynomial(dim))
    return spelled(total)


def minus(left: Dim, right: Dim) -> Dim:
    """left − right."""
    return spelled(_added(polynomial(left), _scaled(polynomial(right), -1)))


def times(*dims: Dim) -> Dim:
    """The product of sizes."""
    total: Polynomial = (((), 1),)
    for dim in dims:
        total = _multiplied(total, polynomial(dim))
    return spelled(total)


def quotient(left: Dim, right: Dim) -> Dim:
    """left // right, rounded down."""
    return spelled(_divided(polynomial(left), polynomial(right)))


def symbols_of(dim: Dim) -> dict[str, None]:
    """The symbols that a size is worked out from (its own where it is one)."""
    if isinstance(dim, int):
        return {}
    if not is_derived(dim):
        return {dim: None}
    found: dict[str, None] = {}
    for key, _ in polynomial(dim):
        for symbol in key:
            parts = _parts(symbol)
            if parts is None:
                found[symbol] = None
            else:
                for part in parts:
                    found.update(symbols_of(spelled(part)))
    return found


def value_of(dim: Dim, sizes: Mapping[str, int]) -> int:
    """A size as a number. Raises KeyError for a symbol without a value."""
    if isinstance(dim, int):
        return dim
    if dim in sizes:
        return sizes[dim]
    if not is_derived(dim):
        raise KeyError(dim)
    total = 0
    for key, c in polynomial(dim):
        for symbol in key:
            parts = _parts(symbol)
            if parts is None:
                c *= sizes[symbol]
            else:
                c *= value_of(spelled(parts[0]), sizes) // value_of(spelled(parts[1]), sizes)
        total += c
    return total


def with_derived(dims: Mapping[str, None] | set[str], sizes: Mapping[str, int]) -> dict[str, int]:
    """`sizes` with those of `dims` that are worked out from them."""
    return {**sizes, **{dim: value_of(dim, sizes) for dim in dims if is_derived(dim)}}


def renamed(dim: Dim, name: Callable[[str], Dim]) -> Dim:
    """The size with other symbols."""
    if isinstance(dim, int):
        return dim
    if not is_derived(dim):
        return name(dim)
    total: Polynomial = ()
    for key, c in polynomial(dim):
        part: Polynomial = (((), c),)
        for symbol in key:
            parts = _parts(symbol)
            if parts is None:
                part = _multiplied(part, polynomial(name(symbol)))
            else:
                above, below = (polynomial(renamed(spelled(p), name)) for p in parts)
                part = _multiplied(part, _divided(above, below))
        total = _added(total, part)
    return spelled(total)


def written(dim: Dim, name: Callable[[str], str], times_sign: str = " ") -> str:
    """How a size is read: H d, N + M, (n − 1)//2 + 1."""
    if isinstance(dim, int):
        return str(dim).replace("-", "−")
    if not is_derived(dim):
        return name(dim)
    ordered = sorted(polynomial(dim), key=lambda t: (t[1] < 0, -len(t[0]), t[0]))
    out = ""
    for key, c in ordered:
        shown = []
        for symbol in key:
            parts = _parts(symbol)
            if parts is None:
                shown.append(name(symbol))
                continue
            texts = [written(spelled(p), name, times_sign) for p in parts]
            above, below = (f"({t})" if len(t.split()) > 1 else t for t in texts)
            shown.append(f"{above}//{below}" if len(key) == 1 and abs(c) == 1 else f"({above}//{below})")
        text = times_sign.join(shown if abs(c) == 1 and key else [str(abs(c)), *shown])
        out += (" − " if c < 0 else " + ") if out else ("−" if c < 0 else "")
        out += text
    return out


def spoken(dim: Dim, name: Callable[[str], str]) -> str:
    """A size as Python (or C, but for //), with brackets where it is a sum or a product; names as `name` gives them."""
    if isinstance(dim, int):
        return str(dim)
    if not is_derived(dim):
        return name(dim)
    out = "".join(f" {t} " if t in ("+", "-", "*", "//") else t if t in "()" or t.isdecimal() else name(t)
                  for t in _TOKEN.findall(dim))  # fmt: skip
    return f"({out.replace('( -', '(-').strip()})"


# -- what holds for all sizes ------------------------------------------------------------------------------------------


@cache
def never_negative(value: Polynomial) -> bool:
    """True where the polynomial is ≥ 0 for all sizes from 1; False: not known."""
    for _ in range(6):
        quotient_ = next((s for key, _ in value for s in key if s.startswith("(")), None)
        if quotient_ is None:
            break
        parts = _parts(quotient_)
        assert parts is not None
        above, below = parts
        if not never_negative(_added(below, (((), -1),))):
            return False
        total: Polynomial = ()
        for key, c in value:  # times `below`, in which below · (a // b) lies from a − b + 1 to a
            if quotient_ not in key:
                total = _added(total, _multiplied(((key, c),), below))
                continue
            rest = list(key)
            rest.remove(quotient_)
            if any(s.startswith("(") for s in rest):
                return False
            bound = above if c < 0 else _added(_added(above, _scaled(below, -1)), (((), 1),))
            total = _added(total, _multiplied(((tuple(rest), c),), bound))
        value = total
    else:
        return False
    if len(value) > LARGEST:
        return False
    for symbol in dict.fromkeys(s for key, _ in value for s in key):  # each symbol is 1 + something from 0
        moved: Polynomial = ()
        for key, c in value:
            part: Polynomial = (((), c),)
            for s in key:
                part = _multiplied(part, (((s,), 1), ((), 1)) if s == symbol else (((s,), 1),))
            moved = _added(moved, part)
        value = moved
    return all(c >= 0 for _, c in value)


def settle(pairs: list[tuple[str, int]], sizes: dict[str, int]) -> tuple[str, int] | None:
    """Find the symbols that sizes worked out from others set, and check the rest; `pairs`: a size and its value.

    `sizes` is filled. Returns the first pair that does not agree, None where all do. What stays unknown is left out.
    """
    left = list(pairs)
    while left:
        rest = []
        for dim, got in left:
            unknown = [s for s in symbols_of(dim) if s not in sizes]
            if len(unknown) == 1:
                value = solved(dim, unknown[0], got, sizes)
                if value is None:
                    return dim, got
                sizes[unknown[0]] = value
            elif unknown:
                rest.append((dim, got))
            elif value_of(dim, sizes) != got:
                return dim, got
        if len(rest) == len(left):
            return None
        left = rest
    return None


def linear(dim: Dim, symbol: str) -> tuple[Dim, Dim]:
    """(rest, slope) with dim = rest + slope · symbol; (0, 0) where it is not so."""
    rest: dict[tuple[str, ...], int] = {}
    slope: dict[tuple[str, ...], int] = {}
    for key, c in polynomial(dim):
        if key.count(symbol) > 1 or any(_parts(s) is not None and symbol in symbols_of(s) for s in key):
            return 0, 0
        if symbol in key:
            left = list(key)
            left.remove(symbol)
            slope[tuple(left)] = c
        else:
            rest[key] = c
    return spelled(_collected(rest)), spelled(_collected(slope))


def solved(dim: str, symbol: str, got: int, sizes: Mapping[str, int]) -> int | None:
    """The value of `symbol` with which `dim` is `got`, where it stands in it as a factor only; None: there is none."""
    slope, rest = 0, 0
    for key, c in polynomial(dim):
        if any(_parts(s) is not None and symbol in symbols_of(s) for s in key) or key.count(symbol) > 1:
            return None
        others = [s for s in key if s != symbol]
        for s in others:
            c *= value_of(s, sizes)
        if symbol in key:
            slope += c
        else:
            rest += c
    if not slope or (got - rest) % slope or (got - rest) // slope < 1:
        return None
    return (got - rest) // slope
