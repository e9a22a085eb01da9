"""Adjoints of sequences: what flows back from an earlier step, δ[t+1] A.

For l[t] = h[t − 1] the adjoint of h at t gets that of l at t + 1, and 0 after the last step. `shifted` writes an
adjoint one step on: each sequence in it by its own lag in the other direction. Such a product is 0 beyond the last step
if one of its factors is and the others are finite there; where that is not certain there is no such form (None), and
the adjoint gets a name, whose lag is always right.
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.algebra.expr import Expr, Factor, Index, add, monomial, rename, sum_over
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Equation, Operation, Program, Variable
from chainrule.algebra.relations import INDICATORS
from chainrule.functions import FUNCTIONS
from chainrule.functions.sequences import COUNT, lag_variable, unit_variable

__all__ = ["initial_part", "shifted"]


def shifted(
    out: Program, expression: Expr, time: Index, offset: int, later: Mapping[str, Variable]
) -> Expr | None:  # fmt: skip
    """The expression with t + offset in the place of t, 0 where there is no such step; None: not found.

    later: variables of names that the program will have.
    """
    result: Expr = {}
    for (factors, bound), coefficient in expression.items():
        moved: list[Factor] = []
        vanishes = False
        for (head, name, indices), exponent in factors:
            if time not in indices:
                moved.append(((head, name, indices), exponent))
                continue
            if head in INDICATORS or exponent < 0:
                return None
            if head and (head not in FUNCTIONS or isinstance(name, tuple) or not _finite_at_zero(head)):
                return None
            start = 0
            parts: list[tuple[str, int]] = []
            for argument, arity in name if isinstance(name, tuple) else ((str(name), len(indices)),):
                mine = indices[start : start + arity]
                start += arity
                if time not in mine:
                    parts.append((argument, arity))
                    continue
                found = _moved(out, argument, mine, time, offset, later)
                if found is None:
                    return None
                parts.append((found[0], arity))
                vanishes = vanishes or (found[1] and not head)
            moved.append(((head, tuple(parts) if isinstance(name, tuple) else parts[0][0], indices), exponent))
        if not vanishes:
            return None
        result = add(result, monomial(coefficient, moved, bound))
    return result


def _finite_at_zero(head: str) -> bool:
    low, high = FUNCTIONS[head].domain
    return low < 0 < high


def _moved(
    out: Program, name: str, indices: tuple[Index, ...], time: Index, offset: int, later: Mapping[str, Variable]
) -> tuple[str, bool] | None:
    """The name of a sequence `offset` steps on, and whether it is 0 where there is no such step."""
    variable = out.variables[name] if name in out.variables else later[name]
    if indices.count(time) != 1:
        return None
    axis = indices.index(time)
    equation = out.equations.get(name)
    if is_lag(equation):
        assert equation is not None
        assert isinstance(equation.value, Operation)
        source, (before, own) = equation.value.args[0], equation.value.attributes
        if own == axis and before == -offset:
            return source, False
        if own == axis and len(equation.value.args) > 1:
            return None
        if own == axis and before * offset < 0:
            return None
    vanishes = equation is None or not isinstance(equation.value, Operation) or equation.value.op != COUNT
    return lag_variable(out, name, variable, axis, offset), vanishes  # t + 1 is no 0 to a reader


def initial_part(out: Program, adjoint: Expr, lag: Equation) -> Expr:
    """What of the adjoint of a lag belongs to its initial value: that of the first step; over its other indices."""
    assert isinstance(lag.value, Operation)
    offset, axis = lag.value.attributes
    own, first = out.variables[lag.name], out.variables[lag.value.args[1]]
    time, letter = own.indices[axis], own.steps.letter if own.steps is not None else "t"
    unit = unit_variable(out, 0 if offset < 0 else -1, time[1], letter)
    result: Expr = {}
    inner: Index = (1_000_000_000, time[1])
    for (factors, bound), coefficient in adjoint.items():
        moved = [((h, n, tuple(inner if i == time else i for i in ix)), e) for (h, n, ix), e in factors]
        moved.append((("", unit, (inner,)), 1))
        result = add(result, monomial(coefficient, moved, (*bound, inner)))
    result = _without_axis(result, axis)
    dims = [d for k, d in enumerate(own.dims) if k != axis]
    missing = len(dims) - len(first.dims)
    if missing:  # one initial value for all samples of a batch
        result = sum_over(result, [(-1 - k, dims[k]) for k in range(missing)])
        places = {(-1 - k - missing, d): (-1 - k, d) for k, d in enumerate(first.dims)}
        result = rename(result, places)
    return result


def _without_axis(expression: Expr, axis: int) -> Expr:
    """The free indices behind the axis move up by one."""
    result: Expr = {}
    for (factors, bound), coefficient in expression.items():
        moved = [
            ((h, n, tuple((i[0] + 1, i[1]) if i[0] < -axis - 1 else i for i in ix)), e) for (h, n, ix), e in factors
        ]
        result = add(result, monomial(coefficient, moved, bound))
    return result
