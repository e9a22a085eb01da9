"""Python's own functions of numbers, where a traced function calls them: max and min, and those of the module math.

Python would ask a traced number whether it is the greater one, or for its value; it has none, so these stand in while a
function is traced (see `substitutes`). Each takes the tracer and the original first, and leaves numbers to that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.tracing.array import Traced, numbers_of, wrap
from chainrule.tracing.tables import FUNCTION_TABLE
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.ufuncs import apply, maximum, minimum

__all__ = ["BUILTINS", "MATH"]


def _unknown(values: Any) -> bool:
    return any(isinstance(v, Traced) and numbers_of(v) is None for v in values)


def _picked(pick: Callable[[Traced, Traced], Traced], whole: Any) -> Callable[..., Any]:
    """max or min: of several numbers, or of what one argument holds."""

    def ours(tracer: Tracer, original: Any, *args: Any, **options: Any) -> Any:
        given = list(args[0]) if len(args) == 1 else list(args)
        if not _unknown(given):
            return original(*(args if len(args) > 1 else (given,)), **options)
        name = original.__name__
        if options.get("key") is not None or any(isinstance(v, Traced) and v.axes for v in given):
            tracer.refuse(f"{name} of arrays, or with a key", f"np.{name}imum(a, b), np.where")
        parts = [wrap(tracer, v) for v in given]
        if len(parts) < 3:
            return functools.reduce(pick, parts)
        return FUNCTION_TABLE[whole](FUNCTION_TABLE[np.stack](parts))

    return ours


def _number(name: str) -> Callable[..., Any]:
    """A function of the module math, by NumPy's function of the same numbers."""

    def ours(tracer: Tracer, original: Any, *args: Any) -> Any:
        if not _unknown(args):
            return original(*args)
        if any(isinstance(v, Traced) and v.axes for v in args):
            tracer.refuse(f"math.{original.__name__} of an array", f"np.{name}")
        if name == "erf":
            return apply("erf", wrap(tracer, args[0]))
        return getattr(np, name)(*args)

    return ours


def _logarithm(tracer: Tracer, original: Any, x: Any, *base: Any) -> Any:
    if not _unknown((x, *base)):
        return original(x, *base)
    out = _number("log")(tracer, original, x)
    return out / _number("log")(tracer, original, *base) if base else out


BUILTINS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "max": (max, _picked(maximum, np.max)), "min": (min, _picked(minimum, np.min)),
}  # fmt: skip
MATH: dict[str, Callable[..., Any]] = {
    name: _number(numpys)
    for name, numpys in {
        "exp": "exp", "log1p": "log1p", "log2": "log2", "log10": "log10", "expm1": "expm1", "sqrt": "sqrt",
        "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asin": "arcsin",
        "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
        "fabs": "abs", "pow": "power", "atan2": "arctan2", "hypot": "hypot", "erf": "erf", "radians": "deg2rad",
        "degrees": "rad2deg",
    }.items()
} | {"log": _logarithm}  # fmt: skip
