"""Constant arrays: an array of numbers that a program holds, such as a mask or a table of positions.

A constant is an equation without arguments, `Operation("constant", (), (ConstantArray(array),))`: it has a name and a
value, takes no array when the program runs, and nothing is differentiated by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.algebra.program import Operation, Program
from chainrule.functions.operations import OperationRecord, register_operation

__all__ = ["ConstantArray"]

SHOWN = 64  # numbers that are written out where an equation is read


class ConstantArray:
    """The numbers of a constant, never changed. Equal arrays are equal keys. `text` is how it is read."""

    __slots__ = ("_key", "array")

    def __init__(self, array: Any) -> None:
        import numpy as np

        self.array = np.array(array, dtype=np.float64)  # a copy: the user may go on to change theirs
        self.array.flags.writeable = False
        self._key = (self.array.shape, self.array.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConstantArray) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def text(self) -> str:
        """[[1, 0], [0.5, 2]]; only the shape where there are many numbers."""
        if self.array.size > SHOWN:
            return f"[a constant, {' × '.join(map(str, self.array.shape))}]"
        return repr(_plain(self.array.tolist()))

    def __str__(self) -> str:
        """All numbers, as Python code."""
        return repr(_plain(self.array.tolist()))

    __repr__ = __str__


def _plain(values: Any) -> Any:
    """Whole numbers without their .0."""
    if isinstance(values, list):
        return [_plain(v) for v in values]
    return int(values) if values == int(values) and abs(values) < 1e15 else values


def _value(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    return operation.attributes[0].array


register_operation(OperationRecord("constant", _value, None, numpy="np.array({a0}, {dtype})", source="numbers"))
