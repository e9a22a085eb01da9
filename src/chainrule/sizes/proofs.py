"""What holds for all sizes from 1. Three-valued: False means that it is not known."""

from __future__ import annotations

from functools import cache

from chainrule.sizes.polynomials import Polynomial, added, multiplied, parts_of, scaled

__all__ = ["never_negative"]

LARGEST = 60  # terms of a polynomial for which a proof is tried


@cache
def never_negative(value: Polynomial) -> bool:
    """True where the polynomial is ≥ 0 for all sizes from 1; False: not known."""
    for _ in range(6):
        quotient_ = next((s for key, _ in value for s in key if s.startswith("(")), None)
        if quotient_ is None:
            break
        parts = parts_of(quotient_)
        assert parts is not None
        above, below = parts
        if not never_negative(added(below, (((), -1),))):
            return False
        total: Polynomial = ()
        for key, c in value:  # times `below`, in which below · (a // b) lies from a − b + 1 to a
            if quotient_ not in key:
                total = added(total, multiplied(((key, c),), below))
                continue
            rest = list(key)
            rest.remove(quotient_)
            if any(s.startswith("(") for s in rest):
                return False
            bound = above if c < 0 else added(added(above, scaled(below, -1)), (((), 1),))
            total = added(total, multiplied(((tuple(rest), c),), bound))
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
                part = multiplied(part, (((s,), 1), ((), 1)) if s == symbol else (((s,), 1),))
            moved = added(moved, part)
        value = moved
    return all(c >= 0 for _, c in value)
