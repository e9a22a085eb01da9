"""Operations on sequences: the earlier steps of one, and the indicator of a step.

`lag` is how a recurrence uses what it has computed: lag(h)[t] = h[t − 1], with 0, or an initial value, where there is
no such step. `unit` is the vector 1[t = k], by which h[T] = Σₜ 1[t = T] h[t] is a sum like any other.
`count` is the vector 1, 2, …, T: what the index is as a number, in γ^t or x[t]/t.
Attributes of lag: the offset and the axis of time; of unit: the step, counted from 0, or −1 for the last, and the size;
of count: the size.
The adjoint of a lag is a lag in the other direction: `chainrule.calculus.sequences` knows that, no Jacobian does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.algebra.loops import LAG
from chainrule.algebra.program import Operation, Program, Steps, Variable
from chainrule.dims import Dim
from chainrule.functions.operations import OperationRecord, register_operation
from chainrule.sizes import value_of

__all__ = ["COUNT", "UNIT", "count_variable", "initial_rows", "lag_variable", "unit_variable"]

COUNT, UNIT = "count", "unit"


def _lag(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    offset, axis = operation.attributes
    name = operation.args[0]
    x = np.asarray(arrays[0])
    at = axis - len(program.variables[name].dims)  # from the end: there may be an axis of many points in front
    moved = np.moveaxis(x, at, 0)
    shape = moved.shape[1:]
    first = initial_rows(program, operation, arrays[1]) if len(arrays) > 1 else None
    if first is not None:
        shape = np.broadcast_shapes(shape, first.shape)
    out = np.zeros((len(moved), *shape))
    if abs(offset) < len(moved):
        shifted = moved[max(offset, 0) : len(moved) + min(offset, 0)]
        rows = slice(max(-offset, 0), len(moved) - max(offset, 0))
        out[rows] = shifted.reshape(len(shifted), *[1] * (len(shape) + 1 - moved.ndim), *moved.shape[1:])
    if first is not None:
        out[0 if offset < 0 else -1] = first
    return np.moveaxis(out, 0, at)


def initial_rows(program: Program, operation: Operation, first: Any) -> Any:
    """The initial value of a lag in the rank of one step: one for all samples of a batch is seen as many."""
    import numpy as np

    array = np.asarray(first)
    own = len(program.variables[operation.args[1]].dims)
    missing = len(program.variables[operation.args[0]].dims) - 1 - own
    return array.reshape((*array.shape[: array.ndim - own], *[1] * missing, *array.shape[array.ndim - own :]))


def _unit(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    step, dim = operation.attributes
    out = np.zeros(value_of(dim, sizes))
    out[step] = 1.0
    return out


def _count(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    (dim,) = operation.attributes
    return np.arange(1.0, value_of(dim, sizes) + 1)


def _lift(attributes: tuple[Any, ...], ranks: tuple[int, ...]) -> tuple[Any, ...]:
    offset, axis = attributes
    return (offset, axis + 1)


_LAG = '''\
def _lag(x, offset, axis, first=None):
    """x one step (or -offset steps) earlier along the axis; before the first step `first`, or 0."""
    moved = np.moveaxis(x, axis, 0)
    out = np.zeros_like(moved)
    if abs(offset) < len(moved):
        out[max(-offset, 0) : len(moved) - max(offset, 0)] = moved[max(offset, 0) : len(moved) + min(offset, 0)]
    if first is not None:
        out[0 if offset < 0 else -1] = first
    return np.moveaxis(out, 0, axis)
'''
_UNIT = '''\
def _unit(size, step, dtype):
    """1 at one step, 0 elsewhere."""
    out = np.zeros(size, dtype)
    out[step] = 1
    return out
'''

register_operation(OperationRecord(LAG, _lag, None, "_lag({0}, {a0}, {a1})", helpers=_LAG, lift=_lift, pointwise=True))
register_operation(OperationRecord(COUNT, _count, None, "np.arange(1, {d0} + 1).astype({dtype})", pointwise=True))
register_operation(OperationRecord(UNIT, _unit, None, "_unit({d0}, {a0}, {dtype})", helpers=_UNIT, pointwise=True))


def lag_variable(
    program: Program, name: str, source: Variable, axis: int, offset: int, first: str | None = None
) -> str:  # fmt: skip
    """The name of the sequence `name` as it was `-offset` steps before; defined at the end where it is new.

    The name says what it is, so it is the same in every pass over a program.
    """
    operation = Operation(LAG, (name,) if first is None else (name, first), (offset, axis))
    made = f"%{name.lstrip('%')}{offset:+d}" + (f"@{axis}" if axis else "") + (f"|{first}" if first else "")
    while made in program.equations and program.equations[made].value != operation:
        made += "'"
    if made not in program.equations:
        program.define(Variable(made, source.dims, source.orientation, "value", (), source.steps), operation)
    return made


def unit_variable(program: Program, step: int, dim: Dim, letter: str) -> str:
    """The name of the vector 1[t = step], `step` counted from 0, or from −1 at the end."""
    made = f"%{dim}={step}"
    if made not in program.equations:
        variable = Variable(made, (dim,), "column", "value", (), Steps(letter, 0, "scalar"))
        program.define(variable, Operation(UNIT, (), (step, dim)))
    return made


def count_variable(program: Program, dim: Dim, letter: str) -> str:
    """The name of the vector of the numbers 1, 2, …, `dim`."""
    made = f"%1..{dim}"
    if made not in program.equations:
        variable = Variable(made, (dim,), "column", "value", ("positive",), Steps(letter, 0, "scalar"))
        program.define(variable, Operation(COUNT, (), (dim,)))
    return made
