"""Batch lifting: a program written for one sample becomes a program for N samples, by one more index.

Every name that depends on data (inputs, labels) gets the sample's index in front, so a vector becomes a row per sample;
parameters stay. The loss is the sum or the mean over samples.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from chainrule.algebra.expr import Expr, Factor, Index, add, monomial, multiply, size, sum_over, variable
from chainrule.algebra.loops import LAG, dependent
from chainrule.algebra.program import Operation, Program, Steps, Variable
from chainrule.algebra.relations import CONSTANTS
from chainrule.dims import Dim, canonical_name
from chainrule.errors import UnsupportedError
from chainrule.functions.operations import OPERATIONS

__all__ = ["lift"]


def lift(
    program: Program, loss: str, batch: Dim, reduction: str = "sum", rename: bool = False
) -> tuple[Program, dict[str, str]]:
    """The program over a batch, and the new name of each old one. `rename`: x becomes X where that name is free."""
    if reduction not in ("sum", "mean"):
        raise UnsupportedError(f"there is no reduction {reduction!r} over a batch", 'reduction="sum" or "mean"')
    data = dependent(program, (v.name for v in program.variables.values() if v.kind in ("input", "label")))
    if loss not in data:
        raise UnsupportedError(f"{loss} does not depend on any input or label: there is nothing to batch")
    taken = {canonical_name(n) for n in program.variables}
    names: dict[str, str] = {}
    for name in program.variables:
        upper = _capital(name)
        if rename and name in data and name != loss and program.variables[name].dims and upper not in taken:
            names[name] = upper
            taken.add(upper)
        else:
            names[name] = name
    used = dict(names)  # what the formulas mean: behind the loss, its value for each sample
    out = program.copy()
    out.variables, out.equations = {}, {}
    for var in program.variables.values():
        if var.name not in program.equations:
            out.declare(_lifted(var, names[var.name], batch) if var.name in data else var)
    for equation in program:
        var = program.variables[equation.name]
        if isinstance(equation.value, Operation):
            value: Expr | Operation = equation.value
            if equation.name in data:
                value = _lift_operation(equation.value, program, data, used)
        elif equation.name in data:
            value = _lift_expression(equation.value, data, used, batch)
        if equation.name not in data:
            out.define(var, equation.value, equation.source)
            continue
        if equation.name == loss:
            used[loss] = sample = out.fresh_name()
            out.define(Variable(sample, (batch, *var.dims), "column"), value, _renamed_source(equation.source, names))
            own = (-1, batch)
            total = sum_over(variable(sample, (own,)), [own])
            if reduction == "mean":
                total = multiply(total, size(batch, -1))
            out.define(Variable(loss, (), "scalar"), total)
        else:
            source = _renamed_source(equation.source, names)
            out.define(_lifted(var, names[equation.name], batch), value, source)
    return out, names


def _lift_operation(operation: Operation, program: Program, data: set[str], names: dict[str, str]) -> Operation:
    """The operation on every sample. Raises UnsupportedError where it knows none, or only some arguments have them."""
    record = OPERATIONS[operation.op]
    shared = operation.args[:1] if operation.op == LAG else operation.args  # an initial value may be one for all
    if record.lift is None or not all(argument in data for argument in shared):
        raise UnsupportedError(
            f"a batch of {operation.op} is not supported yet", "write the network for a batch, with its index"
        )
    ranks = tuple(len(program.variables[argument].dims) for argument in operation.args)
    arguments = tuple(names[argument] for argument in operation.args)
    return Operation(operation.op, arguments, record.lift(operation.attributes, ranks))


def _renamed_source(source: Any, names: dict[str, str]) -> Any:
    if source is None or not hasattr(source, "args"):
        return None
    if source.over or any(a not in names for a in source.args):
        return None  # over=rows means another axis once there is one more
    return source.with_args(tuple(names[a] for a in source.args))


def _lifted(var: Variable, name: str, batch: Dim) -> Variable:
    orientation = ("column", "matrix", "tensor")[min(len(var.dims), 2)]
    steps = var.steps
    if steps is not None and steps.sheet:
        steps = None  # four axes are no matrices in a row
    elif steps is not None:
        steps = Steps(steps.letter, steps.axis + 1, ("column", "matrix", "tensor")[min(len(var.dims) - 1, 2)])
    return Variable(name, (batch, *var.dims), orientation, var.kind, var.facts, steps)


def _lift_expression(value: Expr, data: set[str], names: dict[str, str], batch: Dim) -> Expr:
    sample: Index = (-1, batch)
    result: Expr = {}
    for (factors, bound), coefficient in value.items():
        moved: list[Factor] = []
        for (head, name, indices), exponent in factors:
            shifted = tuple((i[0] - 1, i[1]) if i[0] < 0 else i for i in indices)
            if isinstance(name, tuple):
                start = 0
                parts: list[tuple[str, int]] = []
                flat: list[Index] = []
                for argument, arity in name:
                    mine = shifted[start : start + arity]
                    start += arity
                    if argument in data:
                        mine = (sample, *mine)
                    parts.append((names[argument], len(mine)))
                    flat += mine
                moved.append(((head, tuple(parts), tuple(flat)), exponent))
            elif head not in CONSTANTS and name in data:
                moved.append(((head, names[str(name)], (sample, *shifted)), exponent))
            else:
                moved.append(((head, names.get(str(name), name) if head not in CONSTANTS else name, shifted), exponent))
        result = add(result, monomial(coefficient, moved, bound))
    return result


def _capital(name: str) -> str:
    """x is X, ŷ is Ŷ, z1 is Z1; longer words stay."""
    stem = name.rstrip("0123456789₀₁₂₃₄₅₆₇₈₉")
    letters = [c for c in unicodedata.normalize("NFD", canonical_name(stem)) if not unicodedata.combining(c)]
    return canonical_name(name).upper() if len(letters) == 1 else name
