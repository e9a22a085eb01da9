"""Unknown vector functions: f : D → K, of which only the Jacobian ∂f/∂x is written, never known.

To evaluate programs that hold one (verification), a smooth stand-in is used: sin(M x + b), M and b from the name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.algebra.expr import Expr, Index, variable
from chainrule.algebra.program import Operation, Program, Variable, is_anonymous
from chainrule.errors import UnsupportedError
from chainrule.functions.operations import OperationRecord, register_operation
from chainrule.sizes import value_of

__all__: list[str] = []


def _coefficients(name: str, rows: int, cols: int) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(sum((k + 1) * ord(c) for k, c in enumerate(name)))
    return rng.standard_normal((rows, cols)), rng.standard_normal(rows)


def _parts(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> tuple[Any, ...]:
    import numpy as np

    name = operation.attributes[0]
    _, codomain = program.functions[name]
    x = np.atleast_1d(arrays[0])
    rows = 1
    for dim in codomain:
        rows *= value_of(dim, sizes)
    m, b = _coefficients(name, rows, x.size)
    squeezed = not codomain or codomain in ((1,), (1, 1))
    return m, m @ x + b, squeezed, np.ndim(arrays[0]) == 0


def _value(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    _, inner, scalar_out, _ = _parts(operation, arrays, program, sizes)
    return np.sin(inner)[0] if scalar_out else np.sin(inner)


def _jacobian(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    m, inner, scalar_out, scalar_in = _parts(operation, arrays, program, sizes)
    full = np.cos(inner)[:, None] * m
    full = full[0] if scalar_out else full
    return full[..., 0] if scalar_in else full


def _partial(program: Program, name: str, number: int, own: tuple[Index, ...], inner: tuple[Index, ...]) -> Expr:
    """∂f/∂x under its own name, defined when it is first needed."""
    equation = program.equations[name]
    operation = equation.value
    assert isinstance(operation, Operation)
    (argument,) = operation.args
    function = operation.attributes[0]
    source = program.equations[argument].source if is_anonymous(argument) else None
    below = getattr(source, "function", None) or (argument if not is_anonymous(argument) else "·")
    jacobian = f"∂{function}/∂{below}"
    if jacobian not in program.variables:
        dims = tuple(i[1] for i in (*own, *inner))
        orientation = ("scalar", "column" if own else "row", "matrix")[len(dims)]
        program.define(Variable(jacobian, dims, orientation), Operation("unknown jacobian", (argument,), (function,)))
    elif program.equations[jacobian].arguments != (argument,):
        raise UnsupportedError(f"{function} is applied to two things that are both called {below}", "name them apart")
    return variable(jacobian, (*own, *inner))


register_operation(OperationRecord("unknown", _value, _partial, source="a function of which nothing is known"))
register_operation(OperationRecord("unknown jacobian", _jacobian, None))
