"""Arithmetic on sizes, exact and on their texts; what one needs and what it is with numbers in place of symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.sizes.polynomials import (
    Dim,
    Polynomial,
    added,
    divided,
    is_derived,
    multiplied,
    parts_of,
    polynomial,
    scaled,
    spelled,
)

__all__ = ["minus", "plus", "quotient", "renamed", "symbols_of", "times", "value_of", "with_derived"]


def plus(*dims: Dim) -> Dim:
    """The sum of sizes."""
    total: Polynomial = ()
    for dim in dims:
        total = added(total, polynomial(dim))
    return spelled(total)


def minus(left: Dim, right: Dim) -> Dim:
    """left − right."""
    return spelled(added(polynomial(left), scaled(polynomial(right), -1)))


def times(*dims: Dim) -> Dim:
    """The product of sizes."""
    total: Polynomial = (((), 1),)
    for dim in dims:
        total = multiplied(total, polynomial(dim))
    return spelled(total)


def quotient(left: Dim, right: Dim) -> Dim:
    """left // right, rounded down."""
    return spelled(divided(polynomial(left), polynomial(right)))


def symbols_of(dim: Dim) -> dict[str, None]:
    """The symbols that a size is worked out from (its own where it is one)."""
    if isinstance(dim, int):
        return {}
    if not is_derived(dim):
        return {dim: None}
    found: dict[str, None] = {}
    for key, _ in polynomial(dim):
        for symbol in key:
            parts = parts_of(symbol)
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
            parts = parts_of(symbol)
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
            parts = parts_of(symbol)
            if parts is None:
                part = multiplied(part, polynomial(name(symbol)))
            else:
                above, below = (polynomial(renamed(spelled(p), name)) for p in parts)
                part = multiplied(part, divided(above, below))
        total = added(total, part)
    return spelled(total)
