"""Labels that are whole numbers, as rows with a single 1: what indexing by a label is in terms of products.

onehot(y)[…, k] is 1 where y[…] is k, and a[n, y[n]] is Σₖ a[n, k] onehot(y)[n, k]. As in NumPy a negative number
counts from the end, and one that is out of range, or not whole, is an error when the program runs. Attribute: how many
there are.
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

    (count,) = operation.attributes
    numbers = np.asarray(arrays[0])
    whole = numbers.astype(np.intp)
    if (whole != numbers).any():
        raise IndexError(f"labels must be whole numbers below {count}")
    return np.eye(count)[whole]


def _flat(program: Program, of: str, number: int, own: tuple[Index, ...], inner: tuple[Index, ...]) -> Expr:
    """Nothing is differentiated by a label."""
    return {}


_HELPER = '''\
def _onehot(labels, count, dtype):
    """Rows with a 1 at the label. A label that is no whole number below the count is an error."""
    numbers = np.asarray(labels).astype(np.intp)
    if (numbers != labels).any():
        raise IndexError(f"labels must be whole numbers below {count}")
    return np.eye(count, dtype=dtype)[numbers]
'''

register_operation(
    OperationRecord("onehot", _value, _flat, "_onehot({0}, {a0}, {dtype})", helpers=_HELPER, source="labels",
                    condition="nothing is differentiated by a label")
)  # fmt: skip
