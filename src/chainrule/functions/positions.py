"""Where entries stand: argmax and argsort, whole numbers that are used as indices.

Their values jump and are constant in between, so the derivative is 0 wherever there is one: in x[argsort(x)] the order
is given by the data, and the gradient goes back to where each entry came from. Attributes: the axis, as a tuple of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.algebra.expr import Expr, Index
from chainrule.algebra.program import Operation, Program
from chainrule.functions.operations import OperationRecord, register_operation

__all__: list[str] = []


def _value(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    ((axis,),) = operation.attributes
    if operation.op == "argmax":
        return np.argmax(arrays[0], axis=axis).astype(np.float64)
    return np.argsort(arrays[0], axis=axis, kind="stable").astype(np.float64)


def _flat(program: Program, of: str, number: int, own: tuple[Index, ...], inner: tuple[Index, ...]) -> Expr:
    """0 wherever there is a derivative."""
    return {}


def _lift(attributes: tuple[Any, ...], ranks: tuple[int, ...]) -> tuple[Any, ...]:
    return (tuple(axis + 1 for axis in attributes[0]),)


_WHERE = "the order of the entries does not change; its derivative is 0"
register_operation(
    OperationRecord(
        "argmax",
        _value,
        _flat,
        "np.argmax({0}, axis={a0}[0]).astype({dtype})",
        lift=_lift,
        condition=_WHERE,
        chooses="argmax",
    )
)
register_operation(
    OperationRecord(
        "argsort", _value, _flat, 'np.argsort({0}, axis={a0}[0], kind="stable").astype({dtype})', lift=_lift,
        condition=_WHERE, chooses="argsort",
    )
)  # fmt: skip
