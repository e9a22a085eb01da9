"""Operations on whole arrays that are not polynomials: inverses, determinants, maxima, an unknown vector function.

A record knows how to evaluate its operation and its Jacobian, an expression in indices (`partial`), which may use
*auxiliary* names: `auxiliary(program, "inv", ("X",), …)` finds or defines the equation inv(X). So reverse mode, forward
mode and Jacobians need to know nothing about operations, and a derivative of a derivative is found in the same way.

Registering a record tests it (`tests/functions`): its derivative against differences, its code against its value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainrule.algebra.expr import Expr, Index
from chainrule.algebra.program import Operation, Program, Variable
from chainrule.dims import Dim

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["OPERATIONS", "OperationRecord", "auxiliary", "defined_by", "named_value", "register_operation"]

# partial(program, name, argument, out_indices, argument_indices) -> ∂name[out]/∂argument[argument_indices]
Partial = Callable[[Program, str, int, tuple[Index, ...], tuple[Index, ...]], Expr]
# lift(attributes, ranks of the arguments before) -> attributes with one more index in front of every argument
Lift = Callable[[tuple[Any, ...], tuple[int, ...]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """An operation.

    evaluate: (operation, arrays, program, sizes) -> array.  partial: its Jacobian as an expression; None: not known.
    numpy: its code, with {0}, {1} … for the arguments, {a0}, {a1} … for attributes, {d0} … for the sizes of the result
    and {dtype} for the floats.  helpers: Python functions that the code calls, as text.
    lift: for a batch, where one more index in front changes nothing but the attributes; None: no batch.
    condition: where the formula holds, in words.
    chooses: the operation that says which entries of the argument the value depends on, where those are chosen.
    pointwise: `evaluate` carries along one more axis in front of its arguments, for many points at once.
    """

    name: str
    evaluate: Callable[[Operation, Sequence[Any], Program, Mapping[str, int]], Any]
    partial: Partial | None
    numpy: str | None = None
    source: str = ""
    helpers: str = ""
    lift: Lift | None = None
    condition: str = ""
    pointwise: bool = False
    chooses: str = ""


OPERATIONS: dict[str, OperationRecord] = {}


def register_operation(record: OperationRecord) -> OperationRecord:
    """Add a record. Raises ValueError where the name is taken."""
    if record.name in OPERATIONS:
        raise ValueError(f"operation {record.name} is registered already")
    OPERATIONS[record.name] = record
    return record


def auxiliary(
    program: Program, op: str, args: tuple[str, ...], dims: tuple[Dim, ...], attributes: tuple[Any, ...] = (),
    like: str = "",
) -> str:  # fmt: skip
    """The name of `op(args)` in `program`: the one that it has already, else an anonymous one, defined at the end.

    like: of a vector, the name whose orientation it has, ismax(w) is a row where w is one; else it is a column.
    """
    operation = Operation(op, args, attributes)
    known = program.operations.get((operation, dims))
    if known is not None and known in program.equations and program.equations[known].value == operation:
        return known
    name = program.fresh_name()
    orientation = ("scalar", "column", "matrix")[len(dims)] if len(dims) < 3 else "tensor"
    if like and len(dims) == 1:
        orientation = program.variables[like].orientation
    program.define(Variable(name, dims, orientation), operation)
    return name


def named_value(program: Program, value: Expr, dims: tuple[Dim, ...]) -> str:
    """The name of an expression over `dims`: the one that it has already, else an anonymous one, defined at the end."""
    for equation in program:
        if equation.value == value and program.variables[equation.name].dims == dims:
            return equation.name
    name = program.fresh_name()
    orientation = ("scalar", "column", "matrix")[len(dims)] if len(dims) < 3 else "tensor"
    program.define(Variable(name, dims, orientation), value)
    return name


def defined_by(program: Program, name: str) -> Operation | None:
    """The operation that defines `name`, or None where it is declared or an expression."""
    equation = program.equations.get(name)
    return equation.value if equation is not None and isinstance(equation.value, Operation) else None
