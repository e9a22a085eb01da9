"""Where an operation on whole arrays is computed in C, and how its loops are written: for the files that have code.

`Site` has the arrays, sizes and names at hand; `nested`, `block` and `letter` write loops over its axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.dims import Dim
from chainrule.plan import Node

__all__ = ["Indices", "Site", "block", "indent", "letter", "letters", "nested"]

Indices = dict[int, str]


@dataclass(frozen=True, slots=True)
class Site:
    """Where an operation is computed.

    entry(k, indices): an entry of operand k, indices by the operation's own axes.  result(indices): of the result.
    size: the text of a size.  scratch(dims): a further block of the workspace.  need: asks for a helper function.
    literal: a number of the step's type.
    """

    node: Node
    real: str
    suffix: str
    entry: Callable[[int, Indices], str]
    result: Callable[[Indices], str]
    size: Callable[[Dim], str]
    scratch: Callable[[tuple[Dim, ...]], str]
    need: Callable[[str], bool]

    def dims(self, k: int) -> tuple[Dim, ...]:
        """The sizes of an operand, by the operation's own axes."""
        operand = self.node.operands[k]
        order = sorted(range(len(operand.axes)), key=lambda a: operand.axes[a])
        return tuple(operand.node.dims[a] for a in order)

    def number(self, value: int | float) -> str:
        """A literal."""
        return f"{float(value)!r}{self.suffix}"


def indent(lines: list[str]) -> list[str]:
    """Four columns to the right."""
    return ["    " + line for line in lines]


def nested(site: Site, dims: dict[int, Dim], body: list[str], back: bool = False) -> list[str]:
    """Nested loops over axes; loop variables are i0, i1, … by axis. `back`: from the last entry to the first."""
    for axis, dim in reversed(dims.items()):
        name = letter(axis)
        if back:
            head = f"for (size_t {name} = {site.size(dim)}; {name}-- > 0;)"
        else:
            head = f"for (size_t {name} = 0; {name} < {site.size(dim)}; {name}++)"
        single = len(body) == 1
        body = [head, *indent(body)] if single else [head + " {", *indent(body), "}"]
    return body


def letter(axis: int) -> str:
    """The loop variable of an axis; `c_names` keeps it, and what is declared beside it, from users' arrays."""
    return f"i{axis}"


def letters(count: int) -> Indices:
    """Loop variables for so many axes."""
    return {axis: letter(axis) for axis in range(count)}


def block(lines: list[str]) -> list[str]:
    """Lines whose variables are their own."""
    return lines if lines[0].startswith("for") else ["{", *indent(lines), "}"]
