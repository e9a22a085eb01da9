"""What Python targets write alike: docstrings, sizes read from shapes, keys of results; and how a text is run."""

from __future__ import annotations

import linecache
import re
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from types import ModuleType
from typing import Any

from chainrule.algebra.program import Program, Variable
from chainrule.dims import Dim
from chainrule.plan import Plan
from chainrule.sizes import spoken
from chainrule.targets.names import Names

__all__ = [
    "LazyNames",
    "argument_lines",
    "join",
    "keys_of",
    "occurs",
    "reference_array",
    "run",
    "shape",
    "size_lines",
    "wrapped",
]

_serial = count(1)


class LazyNames(dict[str, str]):
    """Local names of sizes, taken when they are first needed."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def __missing__(self, dim: str) -> str:
        self[dim] = self._names.take(dim)
        return self[dim]


def reference_array(program: Program, arguments: Mapping[str, str]) -> str:
    """The argument that says dtype and device: a parameter where there is one, since labels may be whole numbers."""
    kinds = {"param": 0, "input": 1, "const": 2}
    order = sorted(arguments, key=lambda name: kinds.get(program.variables[name].kind, 3))
    return arguments[order[0]] if order else ""


def shape(dims: Sequence[Dim]) -> str:
    """(N, D), (D,) or scalar."""
    return f"({', '.join(map(str, dims))}{',' if len(dims) == 1 else ''})" if dims else "scalar"


def occurs(name: str, text: str) -> bool:
    """True where an identifier is used."""
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def wrapped(text: str, width: int = 100) -> list[str]:
    """Lines of at most `width` columns; a no-break space stays in its line."""
    return [line.replace("\u00a0", " ") for line in textwrap.wrap(text, width, break_long_words=False)]


def argument_lines(variables: Mapping[str, Variable], arguments: Mapping[str, str]) -> list[str]:
    """X: (N, D), for a docstring."""
    lines = []
    for name, local in arguments.items():
        lines.append(f"{local}: {shape(variables[name].dims)}" + "".join(f", {f}" for f in variables[name].facts))
    return lines


def size_lines(
    plan: Plan, used: Collection[str], arguments: Mapping[str, str], size: Callable[[str], str]
) -> list[str]:
    """N, D_x = X.shape, for the sizes in use; `arguments` are those that the text at hand has."""
    lines: list[str] = []
    done: set[str] = set()
    derived: list[str] = []
    for dim, found in reversed(plan.derived.items()):
        if dim in used:  # `size` adds what it is worked out from to `used`
            if found is None:
                text = spoken(dim, size)[1:-1]
            else:
                whole, rest, slope = found
                above = size(whole) if rest == 0 else f"({size(whole)} - {spoken(rest, size)})"
                text = f"{above} // {spoken(slope, size)}"
            derived.insert(0, f"{size(dim)} = {text}")
    for dim, (argument, axis) in plan.sizes.items():
        if dim not in used or dim in done:
            continue
        dims = plan.program.variables[argument].dims
        fresh = [d for d in dims if isinstance(d, str) and d in used and plan.sizes[d][0] == argument]
        if fresh == list(dims) and len(dims) > 1 and len(set(dims)) == len(dims):
            lines.append(f"{', '.join(map(size, fresh))} = {arguments[argument]}.shape")
            done.update(fresh)
        else:
            lines.append(f"{size(dim)} = {arguments[argument]}.shape[{axis}]")
            done.add(dim)
    return lines + derived


def keys_of(outputs: Sequence[str], gradients: Mapping[str, str] | None, loss: str | None) -> dict[str, str]:
    """What each output is called in the dictionary: the gradient ∂J/∂W is W; a forward value is itself."""
    given = {output: key for key, output in (gradients or {}).items()}
    keys = {}
    for name in outputs:
        if name != loss:
            stripped = name.split("/∂", 1)[1] if loss is not None and name.startswith("∂") and "/∂" in name else name
            keys[name] = given.get(name, stripped)
    return keys


def join(
    head: str, entries: Sequence[str], tail: str, indent: str = "    ", opens: str = "", closes: str = ""
) -> list[str]:
    """head, entries, tail on one line, or an entry a line where that is too long, then between `opens` and `closes`."""
    line = indent + head + ", ".join(entries) + tail
    if len(line) <= 110:
        return [line]
    return [indent + head + opens, *(f"{indent}    {entry}," for entry in entries), indent + closes + tail]


def run(text: str, name: str, importable: bool = False) -> dict[str, Any]:
    """Run a source text; gives its names. Tracebacks and debuggers know the text.

    importable: for good, as a module, for what looks up a function's module by its name (`torch.compile`).
    """
    serial = next(_serial)
    file = f"<chainrule {name} {serial}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = ModuleType(f"chainrule.generated_{serial}" if importable else "chainrule.generated")
    if importable:
        sys.modules[module.__name__] = module
    exec(compile(text, file, "exec"), module.__dict__)
    return module.__dict__
