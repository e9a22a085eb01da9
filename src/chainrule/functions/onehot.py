"""Labels that are whole numbers, as rows with a single 1: what indexing by a label is in terms of products.

onehot(y)[…, k] is 1 where y[…] is k: E[ids] is Σₖ onehot(ids)[t,k] E[k,j], a[n, y[n]] is Σₖ a[n, k] onehot(y)[n, k].
Its adjoint, adding rows up where they came from, needs no rule: the array is constant. Its rows sum to 1, which the
simplifier finds in the fact that its name carries. Plans look entries up and form the array only where it stands by
itself (`chainrule.plan.relations`).

Attributes: how many classes there are, and "from 0" where a negative number is refused, as in the language; in traced
functions it counts from the end, as in NumPy. What is out of range, or not whole, is an error when the program runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chainrule.algebra.expr import Expr, Index
from chainrule.algebra.program import Operation, Program
from chainrule.dims import Dim
from chainrule.errors import ArrayError
from chainrule.functions.operations import OperationRecord, auxiliary, register_operation
from chainrule.sizes import value_of

__all__ = ["counts_from_0", "onehot_of"]

STRICT = "from 0"


def onehot_of(program: Program, ids: str, classes: Dim) -> str:
    """The name of onehot(ids) in `program`, with one more axis of size `classes`; defined if it is new."""
    dims = (*program.variables[ids].dims, classes)
    name = auxiliary(program, "onehot", (ids,), dims, (classes, STRICT))
    known = program.variables[name]
    if "one-hot" not in known.facts:
        program.variables[name] = replace(known, facts=(*known.facts, "one-hot"))
    return name


def counts_from_0(operation: Operation) -> bool:
    """True where a negative label is refused."""
    return STRICT in operation.attributes


def _value(operation: Operation, arrays: Sequence[Any], program: Program, sizes: Mapping[str, int]) -> Any:
    import numpy as np

    count = value_of(operation.attributes[0], sizes)
    numbers = np.asarray(arrays[0])
    whole = numbers.astype(np.intp)
    if counts_from_0(operation):
        if (whole != numbers).any() or (whole.size and not 0 <= whole.min() <= whole.max() < count):
            raise ArrayError(
                f"{operation.args[0]} must hold whole numbers from 0 to {count - 1}",
                "labels counted from 0; what is to be left out gets a weight of 0",
            )
    elif (whole != numbers).any() or (whole.size and not -count <= whole.min() <= whole.max() < count):
        raise IndexError(f"labels must be whole numbers below {count}")
    return (whole[..., None] % count == np.arange(count)).astype(np.float64)  # np.eye would take count² entries


def _flat(program: Program, of: str, number: int, own: tuple[Index, ...], inner: tuple[Index, ...]) -> Expr:
    """Nothing is differentiated by a label."""
    return {}


_HELPER = '''\
def _onehot(labels, count, dtype):
    """Rows with a 1 at the label. A label that is no whole number below the count is an error."""
    numbers = np.asarray(labels).astype(np.intp)
    if (numbers != labels).any() or (np.abs(numbers + 0.5) > count).any():
        raise IndexError(f"labels must be whole numbers below {count}")
    return (numbers[..., None] % count == np.arange(count)).astype(dtype)
'''

register_operation(
    OperationRecord("onehot", _value, _flat, "_onehot({0}, {last}, {dtype})", helpers=_HELPER, source="labels",
                    condition="nothing is differentiated by a label", lift=lambda attributes, ranks: attributes)
)  # fmt: skip
