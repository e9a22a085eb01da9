"""A named size as a number: what `x.shape[0]` is where the shape of x was given as ("N",).

It stands in formulas and in shapes. Nothing can hang on it, and nothing can count to it: that is refused.
"""

from __future__ import annotations

from typing import Any

from chainrule.algebra.expr import size
from chainrule.tracing.array import Traced
from chainrule.tracing.tables import METHODS
from chainrule.tracing.tracer import Tracer

__all__ = ["Size"]


class Size(Traced):
    """A named size as a number. It can stand in formulas and shapes, not in range() or a comparison with a number."""

    def __init__(self, tracer: Tracer, dim: str) -> None:
        super().__init__(tracer, size(dim), ())
        self.is_size = True
        self.dim = dim

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Size

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.dim)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Size) and other.dim == self.dim:
            return True
        return self.__bool__()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        raise self.refusal(f"the size {self.dim} has no value here, so nothing can hang on it", self._hint)

    def __index__(self) -> int:
        raise self.refusal(f"the size {self.dim} has no value here, so nothing can count to it", self._hint)

    def __int__(self) -> int:
        return self.__index__()

    def __float__(self) -> float:
        return float(self.__index__())

    @property
    def _hint(self) -> str:
        return f"a number in place of {self.dim}"

    def __repr__(self) -> str:
        return self.dim


METHODS["named size"] = Size
