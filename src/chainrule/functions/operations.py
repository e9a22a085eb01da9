"""Operations on whole arrays that are not polynomials: an unknown vector function, and (as records) what comes later.

A record knows how to evaluate its operation and what it sends back: `vjp` gives, for each argument, the expression
that the upstream signal turns into. It may ask the builder for auxiliary names (the Jacobian of an unknown function).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainrule.algebra.expr import Expr, Index
from chainrule.algebra.program import Operation, Program

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["OPERATIONS", "OperationRecord", "register_operation"]

# derivative(program, name, argument, out_indices, argument_indices) -> ∂name[out]/∂argument[argument_indices]
Partial = Callable[[Program, str, int, tuple[Index, ...], tuple[Index, ...]], Expr]


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """An operation: `evaluate(operation, arrays, program, sizes)` and `partial` (its Jacobian as an expression).

    numpy: a template with {} for each argument, or what makes it from the operation.
    """

    name: str
    evaluate: Callable[[Operation, Sequence[Any], Program, Mapping[str, int]], Any]
    partial: Partial | None
    numpy: str | Callable[[Operation], str] | None = None
    source: str = ""


OPERATIONS: dict[str, OperationRecord] = {}


def register_operation(record: OperationRecord) -> OperationRecord:
    """Add a record. Raises ValueError where the name is taken."""
    if record.name in OPERATIONS:
        raise ValueError(f"operation {record.name} is registered already")
    OPERATIONS[record.name] = record
    return record
