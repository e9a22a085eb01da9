"""Reductions that are not sums: maximum, minimum and product over axes, and the running product.

Each keeps the other axes. Their Jacobians use auxiliary operations that have names in the language too, so that
formulas can be read back: `ismax(x)` shares a 1 equally among the entries that are largest (as torch's amax does),
`prod_others(x)` holds for each entry the product of all others (so that no 0 is divided by).
Attributes: the axes, a tuple of positions. To add one: its value, its Jacobian, its NumPy spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.algebra.expr import Expr, Index, delta, multiply, variable
from chainrule.algebra.program import Operation, Program
from chainrule.functions.operations import OperationRecord, auxiliary, register_operation

__all__: list[str] = []

Indices = tuple[Index, ...]


def _lift(attributes: tuple[Any, ...], ranks: tuple[int, ...]) -> tuple[Any, ...]:
    return (tuple(axis + 1 for axis in attributes[0]),)


def _value(function: str) -> Callable[..., Any]:
    def evaluate(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
        import numpy as np

        return getattr(np, function)(arrays[0], axis=operation.attributes[0])

    return evaluate


def _through(name: str) -> Callable[..., Expr]:
    """∂out[I]/∂x[J] = aux(x)[J] where J without the reduced axes is I: `name` is the auxiliary operation."""

    def partial(program: Program, of: str, number: int, own: Indices, inner: Indices) -> Expr:
        operation = program.equations[of].value
        assert isinstance(operation, Operation)
        (argument,), (axes,) = operation.args, operation.attributes
        mask = auxiliary(program, name, (argument,), program.variables[argument].dims, (axes,), like=argument)
        result = variable(mask, inner)
        for i, j in zip(own, (index for k, index in enumerate(inner) if k not in axes), strict=True):
            result = multiply(result, delta(i, j))
        return result

    return partial


def _flat(program: Program, of: str, number: int, own: Indices, inner: Indices) -> Expr:
    """A derivative that is 0 wherever there is one."""
    return {}


def _extreme(function: str) -> Callable[..., Any]:
    def evaluate(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
        import numpy as np

        (axes,) = operation.attributes
        best = getattr(np, function)(arrays[0], axis=axes, keepdims=True)
        mask = (arrays[0] == best).astype(np.float64)
        return mask / mask.sum(axis=axes, keepdims=True)

    return evaluate


def _others(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    (axes,) = operation.attributes
    x = np.asarray(arrays[0])
    out = np.empty_like(x)
    for place in np.ndindex(*(x.shape[a] for a in axes)):
        at: list[Any] = [slice(None)] * x.ndim
        for axis, k in zip(axes, place, strict=True):
            at[axis] = k
        without = x.copy()
        without[tuple(at)] = 1.0
        out[tuple(at)] = without.prod(axis=axes)
    return out


def _cumprod(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    return np.cumprod(arrays[0], axis=operation.attributes[0][0])


def _cumprod_partial(program: Program, of: str, number: int, own: Indices, inner: Indices) -> Expr:
    operation = program.equations[of].value
    assert isinstance(operation, Operation)
    (argument,), (axes,) = operation.args, operation.attributes
    (axis,) = axes
    dims = program.variables[argument].dims
    slopes = auxiliary(program, "cumprod_others", (argument,), (*dims, dims[axis]), (axes,))
    result = variable(slopes, (*own, inner[axis]))
    for k, (i, j) in enumerate(zip(own, inner, strict=True)):
        if k != axis:
            result = multiply(result, delta(i, j))
    return result


def _cumprod_others(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    ((axis,),) = operation.attributes
    x = np.moveaxis(np.asarray(arrays[0]), axis, -1)
    out = np.zeros((*x.shape, x.shape[-1]))
    for j in range(x.shape[-1]):
        without = x.copy()
        without[..., j] = 1.0
        out[..., j] = np.where(np.arange(x.shape[-1]) >= j, np.cumprod(without, -1), 0.0)
    return np.moveaxis(out, -2, axis)


_EXTREME = '''\
def {name}(x, axes):
    """1 at the {word} entry along the axes, shared equally where several are; 0 elsewhere."""
    mask = (x == x.{call}(axis=axes, keepdims=True)).astype(x.dtype)
    mask /= mask.sum(axis=axes, keepdims=True)
    return mask
'''
_OTHERS = '''\
def _prod_others(x, axes):
    """For each entry the product of all others along the axes, without a division."""
    kept = [k for k in range(x.ndim) if k not in axes]
    moved = x.transpose(*kept, *axes)
    flat = moved.reshape(*moved.shape[: len(kept)], -1)
    before, after = np.ones_like(flat), np.ones_like(flat)
    np.cumprod(flat[..., :-1], axis=-1, out=before[..., 1:])
    np.cumprod(flat[..., :0:-1], axis=-1, out=after[..., -2::-1])
    return (before * after).reshape(moved.shape).transpose(*np.argsort((*kept, *axes)))
'''
_CUMPROD_OTHERS = '''\
def _cumprod_others(x, axis):
    """Entry [..., i, j]: the product of the entries up to i along the axis, without that at j; 0 where j > i."""
    x = np.moveaxis(x, axis, -1)
    size = x.shape[-1]
    factors = np.where(np.eye(size, dtype=bool), 1, x[..., None, :])
    slopes = np.cumprod(factors, axis=-1) * np.tri(size, dtype=x.dtype).T
    return np.moveaxis(np.swapaxes(slopes, -1, -2), -2, axis)
'''

for _name, _call, _word in (("max", "amax", "largest"), ("min", "amin", "smallest")):
    register_operation(
        OperationRecord(
            _name, _value(_call), _through(f"is{_name}"), f"{{0}}.{_name}(axis={{a0}})", lift=_lift,
            chooses=f"is{_name}",
            condition=f"where several entries are {_word}, the derivative is shared equally among them",
        )
    )  # fmt: skip
    register_operation(
        OperationRecord(
            f"is{_name}", _extreme(_call), _flat, f"_is{_name}({{0}}, {{a0}})", lift=_lift,
            helpers=_EXTREME.format(name=f"_is{_name}", word=_word, call=_name),
            condition="its derivative is taken as 0", chooses=f"is{_name}",
        )
    )  # fmt: skip
register_operation(OperationRecord("prod", _value("prod"), _through("prod_others"), "{0}.prod(axis={a0})", lift=_lift))
register_operation(
    OperationRecord("prod_others", _others, None, "_prod_others({0}, {a0})", helpers=_OTHERS, lift=_lift)
)
register_operation(OperationRecord("cumprod", _cumprod, _cumprod_partial, "np.cumprod({0}, axis={a0}[0])", lift=_lift))
register_operation(
    OperationRecord(
        "cumprod_others", _cumprod_others, None, "_cumprod_others({0}, {a0}[0])", helpers=_CUMPROD_OTHERS, lift=_lift
    )
)
