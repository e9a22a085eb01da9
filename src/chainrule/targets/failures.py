"""What is said where an operation on matrices has no value for arrays that are all right: one place for all targets.

NumPy raises in the middle of a step (`no_value`). C goes on with NaN: where the loss does not show it, its results are
looked at (`may_fail` says in which steps, `not_there` what is wrong). An operation that may fail needs its name here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.errors import ArrayError
from chainrule.plan import Plan
from chainrule.targets.arrays import ArrayChecker

__all__ = ["may_fail", "no_value", "not_there"]

_REASONS = {
    "gaps": "two eigenvalues or singular values are equal: their vectors have no derivative",
    **dict.fromkeys(("inv", "solve"), "a matrix that is inverted is singular"),
    "cholesky": "a matrix whose Cholesky factor is taken is not positive definite",
}


def may_fail(plan: Plan) -> tuple[str, ...]:
    """Why results of the plan may have no value, the likeliest reason first; () where it has no such operation."""
    found: set[str] = set()
    plans = [plan]
    for other in plans:
        for node in other.steps:
            if node.op == "loop":
                plans.append(node.attributes[0].plan)
            elif node.op == "opaque":
                found.add(node.attributes[1])
    return tuple(dict.fromkeys(reason for name, reason in _REASONS.items() if name in found))


def not_there(
    checker: ArrayChecker, arrays: list[Any], values: Mapping[str, Any], reasons: tuple[str, ...]
) -> ArrayError | None:
    """Why a gradient is not finite though the loss is; None where all are."""
    for key, value in values.items():
        if not np.isfinite(value).all():
            if not all(np.isfinite(array).all() for array in arrays):
                return checker.explain_not_finite(arrays, f"the gradient of {key}")
            return ArrayError(
                f"the gradient of {key} is not finite though the loss is, as where {', or '.join(reasons)}"
            )
    return None


def no_value(checker: ArrayChecker, arrays: list[Any], error: Exception) -> ArrayError:
    """What NumPy's own error in a step (LinAlgError; IndexError of a label) says to the user."""
    if not all(np.isfinite(array).all() for array in arrays):
        return checker.explain_not_finite(arrays, "a matrix")
    if isinstance(error, IndexError):
        labels = [name for name in checker.arguments if "integer" in checker.variables[name].facts]
        return ArrayError(f"{labels[0]}: {error}" if len(labels) == 1 else str(error))
    said = str(error)
    return ArrayError(f"a matrix operation has no value here: {said[:1].lower()}{said[1:]}")
