"""How much memory a plan needs beside its arguments and results, as a formula of sizes, as bytes and as words.

The workspace is what `Plan.blocks` has beyond outputs, and what a step of each loop makes. A plan in chunks has blocks
by rows, whose size follows that of a chunk, and fixed ones; `row_bytes` and `fixed_bytes` say how many bytes each
takes, so that a target can compute how many rows fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from chainrule.algebra.program import Program
from chainrule.dims import Dim, canonical_name
from chainrule.errors import ArrayError
from chainrule.plan.build import Plan
from chainrule.plan.loops import arrays_of_a_step
from chainrule.sizes import symbols_of, value_of

__all__ = [
    "Amounts", "blocks_text", "bytes_text", "fixed_bytes", "given_sizes", "memory_report", "row_bytes",
    "rows_at_once", "workspace_text",
]  # fmt: skip

# Products of sizes, each with how many bytes there are of it: 8 × N_c + 1 × D_h is {("N_c",): 8, ("D_h",): 1}.
Amounts = dict[tuple[Dim, ...], int]
_Block = tuple[tuple[Dim, ...], str]


def _amounts(blocks: Iterable[_Block], itemsize: int) -> Amounts:
    total: Amounts = {}
    for dims, dtype in blocks:
        symbols: tuple[Dim, ...] = tuple(sorted(d for d in dims if isinstance(d, str)))
        factor = prod(d for d in dims if isinstance(d, int)) * {"bool": 1, "wide": 8}.get(dtype, itemsize)
        total[symbols] = total.get(symbols, 0) + factor
    return total


def _workspace(plan: Plan) -> list[_Block]:
    return [*((block.dims, block.dtype) for block in plan.blocks if not block.fresh), *arrays_of_a_step(plan.steps)]


def row_bytes(plan: Plan, itemsize: int) -> Amounts:
    """Bytes of the workspace for each row of a chunk."""
    symbol = plan.chunks.symbol if plan.chunks is not None else None
    by_rows = [(tuple(d for d in dims if d != symbol), t) for dims, t in _workspace(plan) if symbol in dims]
    return _amounts(by_rows, itemsize)


def fixed_bytes(plan: Plan, itemsize: int) -> Amounts:
    """Bytes of the workspace however many rows a chunk has."""
    symbol = plan.chunks.symbol if plan.chunks is not None else None
    return _amounts([(dims, t) for dims, t in _workspace(plan) if symbol not in dims], itemsize)


def _value(amounts: Amounts, sizes: Mapping[str, int]) -> int:
    return sum(factor * prod(value_of(d, sizes) for d in dims) for dims, factor in amounts.items())


def rows_at_once(plan: Plan, sizes: Mapping[str, int], itemsize: int) -> int:
    """The rows of a chunk for these sizes. Raises ArrayError where the workspace does not fit with a single row."""
    chunks = plan.chunks
    assert chunks is not None
    total = value_of(chunks.dim, sizes)
    if chunks.count is not None:
        return min(chunks.count, total)
    assert chunks.memory is not None
    fixed, each = _value(fixed_bytes(plan, itemsize), sizes), _value(row_bytes(plan, itemsize), sizes)
    fit = (chunks.memory - fixed) // max(each, 1)
    if fit < 1:
        raise ArrayError(
            f"{bytes_text(chunks.memory)} are not enough: one row at a time takes {bytes_text(fixed + each)}"
        )
    return min(fit, total)


def given_sizes(program: Program, sizes: Mapping[str, Any]) -> dict[str, int]:
    """Numbers for sizes as the program spells them. Raises ArrayError for what is no size of it, or no number."""
    declared = {s for v in program.variables.values() for d in v.dims for s in symbols_of(d)}
    spelled = {canonical_name(dim): dim for dim in sorted(declared)}
    found = {}
    for name, number in sizes.items():
        dim = spelled.get(canonical_name(name))
        if dim is None:
            raise ArrayError(f"{name} is not a size of this program", f"its sizes: {', '.join(sorted(declared))}")
        if type(number) is not int or number < 1:
            raise ArrayError(f"the size {name} = {number!r} must be a whole number from 1 on")
        found[dim] = number
    return found


def memory_report(plan: Plan, sizes: Mapping[str, int], itemsize: int) -> str:
    """What the workspace takes for given sizes, and what chunks save."""
    chunks = plan.chunks
    dims = {d for own, _ in _workspace(plan) for d in own if isinstance(d, str)}
    if chunks is not None:
        dims = (dims - {chunks.symbol}) | ({chunks.dim} if isinstance(chunks.dim, str) else set())
        dims |= {d for sizes_, _ in chunks.without for d in sizes_ if isinstance(d, str)}
    missing = sorted({s for d in dims for s in symbols_of(d)} - sizes.keys())
    if missing:
        raise ArrayError(f"the memory depends on {', '.join(missing)}", f"{missing[0]}=512")
    if chunks is None:
        return f"workspace {bytes_text(_value(_amounts(_workspace(plan), itemsize), sizes))}"
    count = rows_at_once(plan, sizes, itemsize)
    fixed, each = _value(fixed_bytes(plan, itemsize), sizes), _value(row_bytes(plan, itemsize), sizes)
    without = _value(_amounts(chunks.without, itemsize), sizes)
    return (
        f"workspace {bytes_text(fixed + count * each)} with {chunks.dim} gone through {count} rows at a time, "
        f"{bytes_text(without)} with all at once"
    )


def workspace_text(plan: Plan) -> str:
    """One line for a comment: what is held with chunks, and what would be without."""
    chunks = plan.chunks
    assert chunks is not None
    rows = str(chunks.count) if chunks.count is not None else "rows"
    held = [(tuple(rows if d == chunks.symbol else d for d in dims), t) for dims, t in _workspace(plan)]
    return f"Holds {blocks_text(held)}; with all {chunks.dim} rows at once it would be {blocks_text(chunks.without)}."


def blocks_text(blocks: Iterable[_Block]) -> str:
    """Blocks by their sizes, the largest rank first."""
    count: dict[tuple[Dim, ...], int] = {}
    for dims, _ in blocks:
        count[dims] = count.get(dims, 0) + 1
    parts = [
        (f"{n} × " if n > 1 else "") + f"({', '.join(map(str, dims))}{',' if len(dims) == 1 else ''})"
        for dims, n in sorted(count.items(), key=lambda item: -len(item[0]))
    ]
    return ", ".join(parts) if parts else "nothing"


def bytes_text(amount: int) -> str:
    """64 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if amount >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount} bytes"
