"""Loops over chunks of rows in NumPy: their heads, how many rows there are in a chunk, and what that saves."""

from __future__ import annotations

import textwrap

from chainrule.dims import Dim
from chainrule.plan import Plan
from chainrule.plan.memory import Amounts, fixed_bytes, row_bytes, workspace_text
from chainrule.targets.numpy_expressions import ATOM, Spelling, Text, bracket

__all__ = ["LOCALS", "by_rows", "chunk_lines", "loop_head", "rows_at_hand", "what_it_saves"]

LOCALS = ("chunk", "start", "stop", "fixed", "each")  # names that a loop needs for itself


def by_rows(plan: Plan, dims: tuple[Dim, ...]) -> bool:
    """True for sizes of the rows at hand."""
    return plan.chunks is not None and plan.chunks.symbol in dims


def rows_at_hand(text: Text, axis: int) -> Text:
    """The rows of an array from start to stop."""
    return f"{bracket(text, ATOM)}[{':, ' * axis}start:stop]", ATOM


def loop_head(plan: Plan, spelling: Spelling) -> tuple[list[str], list[str]]:
    """The line that begins a loop, and the first ones in it."""
    chunks = plan.chunks
    assert chunks is not None
    total = spelling.size(chunks.dim)
    return (
        [f"for start in range(0, {total}, chunk):"],
        [f"stop = min(start + chunk, {total})", f"{spelling.size(chunks.symbol)} = stop - start"],
    )


def chunk_lines(plan: Plan, spelling: Spelling) -> list[str]:
    """chunk = min(512, N), or as many rows as fit."""
    chunks = plan.chunks
    if chunks is None:
        return []
    total = spelling.size(chunks.dim)
    if chunks.count is not None:
        return [f"chunk = min({chunks.count}, {total})"]
    itemsize = 4 if spelling.dtype.endswith("float32") else 8
    fixed = _bytes(fixed_bytes(plan, itemsize), spelling)
    each = _bytes(row_bytes(plan, itemsize), spelling)
    return [
        *_sum_lines("fixed", fixed),
        *_sum_lines("each", each or ["1"]),
        f"chunk = min(({chunks.memory} - fixed) // each, {total})",
        "if chunk < 1:",
        f'    raise MemoryError("{chunks.memory} bytes of workspace are not enough for a single row")',
    ]


def _bytes(amounts: Amounts, spelling: Spelling) -> list[str]:
    return [" * ".join([str(factor), *(spelling.size(d) for d in dims)]) for dims, factor in amounts.items()]


def _sum_lines(name: str, terms: list[str]) -> list[str]:
    """name = a + b + …, over several lines where it is long."""
    lines = textwrap.wrap(" + ".join(terms) or "0", 90, break_long_words=False)
    return [f"{name} = {lines[0]}"] if len(lines) == 1 else [f"{name} = (", *("    " + line for line in lines), ")"]


def what_it_saves(plan: Plan) -> str:
    """A sentence for the docstring."""
    chunks = plan.chunks
    assert chunks is not None
    many = f"{chunks.count} rows" if chunks.count is not None else f"as many rows as fit into {chunks.memory} bytes"
    return f"Goes through {chunks.dim} in chunks of {many}. {workspace_text(plan)}"
