"""Elementwise functions by name, as numbers: what a record says in NumPy, evaluated in float64.

The reference evaluates programs with them, and the check of claims single factors. What the records call by name comes
from the standard library here, number by number: it is not the code that steps are made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.functions.records import FUNCTIONS

__all__ = ["apply_function", "unknown_value"]

Array = NDArray[np.float64]


def apply_function(head: str, arrays: list[Array], functions: Mapping[str, Any]) -> Array:
    """An elementwise function by name, known or (with its primes) unknown; relu' is the derivative of relu."""
    if head in FUNCTIONS:
        return np.asarray(_value(head)(*arrays))
    if head.endswith("'") and head[:-1] in FUNCTIONS:
        return _derivative(head[:-1], arrays[0])
    return unknown_value(head, arrays[0])


def _derivative(head: str, x: Array) -> Array:
    """f′(x), as the record of f says it."""
    letters = {"x": x, "y": apply_function(head, [x], {})}
    total = np.zeros_like(x)
    for coefficient, factors in FUNCTIONS[head].partial():
        product = np.full_like(x, float(coefficient))
        for function, letter, exponent in factors:
            value = letters[letter] if not function else apply_function(function, [letters[letter]], {})
            product = product * (value ** int(exponent) if exponent == int(exponent) else value ** float(exponent))
        total = total + product
    return np.asarray(total)


_SPACE = {
    "np": np,
    "_erf": lambda x, complement=False: np.vectorize(math.erfc if complement else math.erf, otypes=[float])(x),
    "_exp_minus_square": lambda x, scale=1: np.exp(-scale * x * x),
    "_normal_cdf": lambda x: 0.5 * np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2)),
}
_values: dict[str, Any] = {}


def _value(head: str) -> Any:
    if head not in _values:
        record = FUNCTIONS[head]
        letters = ["x", "x2", "x3"][: record.arity]
        body = record.numpy.format(**{letter: letter for letter in letters})
        _values[head] = eval(f"lambda {', '.join(letters)}: {body}", _SPACE)
    return _values[head]


def unknown_value(head: str, x: Array) -> Array:
    """A smooth stand-in for an unknown elementwise function f, f′, f″ …: sin(a x + b), a and b from the name."""
    name = head.rstrip("'")
    order = len(head) - len(name)
    seed = sum((k + 1) * ord(c) for k, c in enumerate(name))
    a, b = 0.7 + (seed % 7) / 10, (seed % 11) / 5
    return np.asarray(a**order * np.sin(a * x + b + order * np.pi / 2))
