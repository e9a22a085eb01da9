"""Symbols found from the values of sizes that are worked out from them: N + M = 7 with N = 3 sets M."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.sizes.arithmetic import symbols_of, value_of
from chainrule.sizes.polynomials import Dim, collected, parts_of, polynomial, spelled

__all__ = ["linear", "settle", "solved"]


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
        if key.count(symbol) > 1 or any(parts_of(s) is not None and symbol in symbols_of(s) for s in key):
            return 0, 0
        if symbol in key:
            left = list(key)
            left.remove(symbol)
            slope[tuple(left)] = c
        else:
            rest[key] = c
    return spelled(collected(rest)), spelled(collected(slope))


def solved(dim: str, symbol: str, got: int, sizes: Mapping[str, int]) -> int | None:
    """The value of `symbol` with which `dim` is `got`, where it stands in it as a factor only; None: there is none."""
    slope, rest = 0, 0
    for key, c in polynomial(dim):
        if any(parts_of(s) is not None and symbol in symbols_of(s) for s in key) or key.count(symbol) > 1:
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
