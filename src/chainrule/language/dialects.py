"""Where NumPy or MATLAB read the same text in another way than we do, and only the sizes tell.

Signs are settled by `tokens` and powers and quotients by `actions`; what is here needs to know the shapes. What has two
meanings is refused; what has one meaning here and another one there is said.
"""

from __future__ import annotations

from chainrule.errors import DimensionError, Span
from chainrule.language.values import Value, in_brackets

__all__ = ["check_as_numpy", "of_all"]

ALONG = {"sum": "colsum", "mean": "colmean"}


def check_as_numpy(op: str, left: Value, right: Value, span: Span | None) -> None:
    """Refuses x + A for a square A: NumPy adds an array of one axis to every row, and a column to every column."""
    if op == "@":
        return
    for small, big in ((left, right), (right, left)):
        if small.orientation == "column" and big.orientation == "matrix" and big.dims[0] == big.dims[1]:
            text = in_brackets(small.text or "x")
            raise DimensionError(
                f"{small.says()} and {big.says()}: NumPy repeats an array of one axis over the rows, "
                "and a column over the columns",
                f"{text}.T for every row, {text} @ ones(1, {big.dims[1]}) for every column", span,
            )  # fmt: skip


def of_all(function: str, value: Value) -> str:
    """What is said of sum(X) for a matrix in dialect matlab."""
    other = f"{ALONG[function]}({value.text})" if function in ALONG else f"{function}({value.text}, over=rows)"
    return f"{function}({value.text}) is of all entries; what MATLAB gives, a row, is {other}"
