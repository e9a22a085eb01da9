"""The workspace of a C step: how large it is, how many rows of a chunk fit into it, and what chunks save.

`Workspace` writes the functions `step_workspace` and, where memory is limited, `step_chunk`. Every block begins at a
cache line. What a chunk has by rows grows with it, the rest is fixed: the rows that fit follow by one division.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod

from chainrule.dims import Dim
from chainrule.errors import ArrayError
from chainrule.plan import Plan
from chainrule.plan.memory import blocks_text, bytes_text
from chainrule.plan.sharing import Arena
from chainrule.sizes import value_of
from chainrule.targets.text import occurs

__all__ = ["TOO_SMALL", "Workspace", "wrapped"]

TOO_SMALL = "the memory is not enough for one row at a time"
_LINE = 16  # numbers: a block is a multiple of it


@dataclass(frozen=True, slots=True)
class Workspace:
    """blocks: by name.  without: those that a step without chunks has.  size: the text of a size.

    computed: lines that work out sizes; dynamic: symbols that are arguments; known: those that are numbers.
    notes: what stands behind a block.
    """

    plan: Plan
    blocks: Mapping[str, Arena]
    without: tuple[Arena, ...]
    function: str
    real: str
    names: Mapping[str, str]
    size: Callable[[Dim], str]
    dynamic: tuple[str, ...]
    computed: tuple[str, ...]
    known: Mapping[str, int]
    embedded: bool
    notes: Mapping[str, str]

    # -- as text -------------------------------------------------------------------------------------------------

    def extent(self, dims: tuple[Dim, ...]) -> str:
        """How many numbers a block has."""
        factors = [self.rows if self._by_rows(d) else self.size(d) for d in dims if not (isinstance(d, int) and d == 1)]
        return " * ".join(factors) or "1"

    def padded(self, arena: Arena) -> str:
        """How many numbers a block takes, with all its copies."""
        text, many = f"PAD({self.extent(arena.dims)})", _copies(arena)
        return text if many == 1 else f"{many} * {text}"

    def _by_rows(self, dim: Dim) -> bool:
        return self.plan.chunks is not None and dim == self.plan.chunks.symbol

    @property
    def rows(self) -> str:
        """How many rows at a time: a number where it is known, or the name of what holds it."""
        chunks = self.plan.chunks
        assert chunks is not None
        total = self.known.get(chunks.dim) if isinstance(chunks.dim, str) else chunks.dim
        if total is None or (chunks.count is None and not self._all_known()):
            return "chunk"
        return str(self.rows_at_once(self.known))

    def chunk_lines(self) -> list[str]:
        """The line that says how many rows at a time."""
        chunks = self.plan.chunks
        if chunks is None:
            return []
        rows, total = self.rows, self.size(chunks.dim)
        if rows == "chunk" and chunks.count is None:
            rows = f"{self.function}_chunk({', '.join(self.names[d] for d in self.dynamic)})"
        elif rows == "chunk":
            rows = f"{total} < {chunks.count} ? {total} : {chunks.count}"
        return [f"const size_t chunk = {rows};"]

    def lines(self) -> list[str]:
        """The functions that say how large the workspace is; where it is static, the workspace itself."""
        if not self.blocks:
            return []
        if self.embedded:
            return [*(f"static {self.real} {name}[{self.extent(arena.dims)}];{self.notes[name]}"
                      for name, arena in self.blocks.items()), ""]  # fmt: skip
        limited = self.plan.chunks is not None and self.plan.chunks.count is None and self.rows == "chunk"
        terms = " + ".join(map(self.padded, self.blocks.values()))
        chunk = self.chunk_lines() if limited or occurs("chunk", terms) else []
        refusal = ["if (!chunk)", "    return (size_t)-1;"] if limited else []
        lines = ["#define PAD(n) (((size_t)(n) + 15) / 16 * 16) /* whole cache lines */", ""]
        if refusal:
            lines += self._fitting()
        what = f"/* How many numbers the workspace of `{self.function}` must have room for."
        what += " (size_t)-1: one row at a time takes too much. */" if refusal else " */"
        return [*lines, what, *self._one(f"size_t {self.function}_workspace", [*chunk, *refusal], f"return {terms};")]

    def _one(self, head: str, lines: list[str], result: str) -> list[str]:
        """A function of the sizes."""
        parameters = ", ".join(f"size_t {self.names[d]}" for d in self.dynamic) or "void"
        rest = "\n".join([*lines, result])
        computed = [line for line in self.computed if occurs(line.split()[2], rest)]
        rest = "\n".join([*computed, rest])
        unused = [self.names[d] for d in self.dynamic if not occurs(self.names[d], rest)]
        declared = [f"{head}({parameters});"] if not head.startswith("static") else []
        return [
            *declared, f"{head}({parameters})", "{", *("    " + line for line in [*computed, *lines]),
            *(f"    (void){name};" for name in unused), *wrapped(result, "        ", "    "), "}", "",
        ]  # fmt: skip

    def _fitting(self) -> list[str]:
        """The function that says how many rows fit."""
        chunks = self.plan.chunks
        assert chunks is not None
        assert chunks.memory is not None
        fixed: list[str] = []
        each: list[str] = []
        waste = 0
        for arena in self.blocks.values():
            inner = tuple(d for d in arena.dims if not self._by_rows(d))
            if inner == arena.dims:
                fixed.append(self.padded(arena))
            else:
                each.append(self.extent((_copies(arena), *inner)))
                waste += (_LINE - 1) * _copies(arena)
        fixed += [str(waste)] if waste else []
        total = self.size(chunks.dim)
        numbers = chunks.memory // self._width
        lines = [
            *wrapped(f"const size_t fixed = {' + '.join(fixed) or 0};", "    "),
            *wrapped(f"const size_t each = {' + '.join(each) or 1};", "    "),
            f"const size_t fit = fixed < {numbers}u ? ({numbers}u - fixed) / each : 0;",
        ]
        what = f"/* As many rows as keep the workspace within {bytes_text(chunks.memory)}. */"
        return [
            what,
            *self._one(f"static size_t {self.function}_chunk", lines, f"return fit < {total} ? fit : {total};"),
        ]

    def saving(self) -> str:
        """A sentence on what chunks save."""
        chunks = self.plan.chunks
        if chunks is None:
            return ""
        many = f"{chunks.count} rows" if chunks.count is not None else \
            f"as many rows as keep the workspace within {bytes_text(chunks.memory or 0)}"  # fmt: skip
        rows = str(chunks.count) if chunks.count is not None else "rows"
        held = [(tuple(rows if self._by_rows(d) else d for d in a.dims), "") for a in self.blocks.values()]
        whole = blocks_text((arena.dims, "") for arena in self.without)
        return (
            f"Goes through {chunks.dim} in chunks of {many}. The workspace holds {blocks_text(held)}; "
            f"with all {chunks.dim} rows at once it would be {whole}."
        )

    # -- as numbers ----------------------------------------------------------------------------------------------

    @property
    def _width(self) -> int:
        return 4 if self.real == "float" else 8

    def _all_known(self) -> bool:
        dims = {d for arena in self.blocks.values() for d in arena.dims if isinstance(d, str) and not self._by_rows(d)}
        return dims <= self.known.keys()

    @staticmethod
    def _numbers(dims: Iterable[Dim], sizes: Mapping[str, int], whole_lines: bool = True) -> int:
        numbers = prod(value_of(d, sizes) for d in dims)
        return numbers + -numbers % _LINE if whole_lines else numbers

    def bytes(self, sizes: Mapping[str, int], whole_lines: bool = True) -> int:
        """What the workspace takes."""
        if self.plan.chunks is not None:
            sizes = {**sizes, self.plan.chunks.symbol: self.rows_at_once(sizes)}
        return self._width * sum(
            _copies(arena) * self._numbers(arena.dims, sizes, whole_lines) for arena in self.blocks.values()
        )

    def rows_at_once(self, sizes: Mapping[str, int]) -> int:
        """The rows of a chunk. Raises ArrayError where one does not fit."""
        chunks = self.plan.chunks
        assert chunks is not None
        total = value_of(chunks.dim, sizes)
        if chunks.count is not None:
            return min(chunks.count, total)
        assert chunks.memory is not None
        fixed, each = 0, 0
        for arena in self.blocks.values():
            inner = [d for d in arena.dims if not self._by_rows(d)]
            if len(inner) == len(arena.dims):
                fixed += _copies(arena) * self._numbers(inner, sizes)
            else:
                fixed += _copies(arena) * (_LINE - 1)
                each += _copies(arena) * prod(value_of(d, sizes) for d in inner)
        fit = (chunks.memory // self._width - fixed) // max(each, 1)
        if fit < 1:
            least = bytes_text(self._width * (fixed + each))
            raise ArrayError(f"{bytes_text(chunks.memory)} are not enough: one row at a time takes {least}")
        return min(fit, total)

    def report(self, sizes: Mapping[str, int]) -> str:
        """What the workspace takes for given sizes, and what chunks save."""
        chunks = self.plan.chunks
        took = f"workspace {bytes_text(self.bytes(sizes))}"
        if chunks is None:
            return took
        whole = self._width * sum(_copies(arena) * self._numbers(arena.dims, sizes) for arena in self.without)
        return (
            f"{took} with {chunks.dim} gone through {self.rows_at_once(sizes)} rows at a time, "
            f"{bytes_text(whole)} with all at once"
        )


def _copies(arena: Arena) -> int:
    """How many blocks of the workspace's own type it takes."""
    return arena.copies * (2 if arena.wide else 1)


def wrapped(text: str, rest: str, first: str = "") -> list[str]:
    """Lines of at most 116 characters."""
    return textwrap.wrap(text, 116, initial_indent=first, subsequent_indent=rest, break_long_words=False,
                         break_on_hyphens=False)  # fmt: skip
