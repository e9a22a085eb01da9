"""The tables of what NumPy offers: functions, ufuncs by name, methods by name. Each module of this package fills them.

`register` puts a function of ours in; `SAME` holds those that look at the same entries, or give the array itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["FUNCTION_TABLE", "METHODS", "SAME", "UFUNC_TABLE", "register"]

SAME: set[Any] = set()  # functions and methods that look at the same entries, or give the array itself
FUNCTION_TABLE: dict[Any, Callable[..., Any]] = {}  # NumPy function -> ours
UFUNC_TABLE: dict[str, Callable[..., Any]] = {}  # name of a ufunc -> ours
METHODS: dict[str, Callable[..., Any]] = {}  # name of a method -> ours


Ours = TypeVar("Ours", bound=Callable[..., Any])


def register(*functions: Any) -> Callable[[Ours], Ours]:
    """Says that what follows stands in for NumPy functions (objects) or ufuncs (by name)."""

    def keep(ours: Ours) -> Ours:
        for function in functions:
            (UFUNC_TABLE if isinstance(function, str) else FUNCTION_TABLE)[function] = ours
        return ours

    return keep
