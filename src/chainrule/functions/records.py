"""The record of an elementwise function, and the registry of all of them.

A record says everything that is known of a function: its derivative (in terms of its argument x or of its output y,
whichever is shorter), its kinks and the value taken there, its range, how it is written and how NumPy spells it.
Adding a function is adding one record; the tests are parametrised over the registry, so it is checked at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

__all__ = ["FUNCTIONS", "Function", "PartialTerm", "register"]

# One term of a derivative: coefficient and factors (head, letter, exponent), letter being x (x2, x3) or y.
PartialTerm = tuple[Fraction, tuple[tuple[str, str, Fraction], ...]]


@dataclass(frozen=True, slots=True)
class Function:
    """An elementwise function.

    name: as in the language.  derivative: one text per argument, a sum of products of x, x2, x3, y and functions of
    them, such as "y - y^2".  numpy: the expression in NumPy with {x} (and {x2}, {x3}) for the arguments.
    ufunc: the NumPy ufunc that computes it in one call with `out=`, where there is one.
    helpers: Python functions that `numpy` calls, as text.
    kinks: arguments at which the derivative jumps; `at_kink` says what is taken there.
    domain: the open interval on which it is defined.  nonnegative / positive: of its values.
    idempotent_on_nonnegative: f² = f for x ≥ 0 (sgn); idempotent: f² = f always (step).
    absorbs: f(x)·x = x for x ≥ 0.  source: where the formula stands in the literature.
    """

    name: str
    derivative: tuple[str, ...]
    numpy: str
    text: str = ""
    latex: str = ""
    ufunc: str | None = None
    kinks: tuple[float, ...] = ()
    at_kink: str = ""
    domain: tuple[float, float] = (float("-inf"), float("inf"))
    nonnegative: bool = False
    positive: bool = False
    idempotent: bool = False
    idempotent_on_nonnegative: bool = False
    source: str = ""
    helpers: tuple[str, ...] = ()

    @property
    def arity(self) -> int:
        """The number of arguments."""
        return len(self.derivative)

    def partial(self, argument: int = 0) -> tuple[PartialTerm, ...]:
        """The derivative by an argument, as terms; empty where it is zero."""
        return _parse_partial(self.derivative[argument])


FUNCTIONS: dict[str, Function] = {}


def register(function: Function) -> Function:
    """Add a record. Raises ValueError where the name is taken."""
    if function.name in FUNCTIONS:
        raise ValueError(f"function {function.name} is registered already")
    FUNCTIONS[function.name] = function
    return function


_FACTOR = re.compile(
    r"(?:(?P<head>[^\W\d]\w*'*)\((?P<inner>x[23]?|y)\)|(?P<letter>x[23]?|y)|(?P<number>\d+(?:/\d+)?))"
    r"(?:\^(?P<exp>-?\d+(?:/\d+)?))?$"
)


@cache
def _parse_partial(text: str) -> tuple[PartialTerm, ...]:
    terms: list[PartialTerm] = []
    sign, coefficient = 1, Fraction(1)
    factors: list[tuple[str, str, Fraction]] = []
    tokens = text.split()
    for position, token in enumerate([*tokens, "+"]):
        if token in ("+", "-"):
            if position and (factors or coefficient):
                terms.append((sign * coefficient, tuple(factors)))
            sign, coefficient, factors = (1 if token == "+" else -1), Fraction(1), []
            continue
        match = _FACTOR.match(token)
        if match is None:
            raise ValueError(f"not a derivative: {text!r} at {token!r}")
        exponent = Fraction(match["exp"] or 1)
        if match["number"]:
            coefficient *= Fraction(match["number"]) ** int(exponent)
        elif match["letter"]:
            factors.append(("", match["letter"], exponent))
        else:
            factors.append((match["head"], match["inner"], exponent))
    return tuple(term for term in terms if term[0])
