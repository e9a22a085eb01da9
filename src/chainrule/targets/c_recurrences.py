"""Loops over steps in C: a `for` around the statements of one step, which read and write rows where they lie.

for (size_t t = 0; t < T; t++) {
    const float *const h_before = t > 0 ? h + (t - 1) * N * D_h : zeros;
    …
}

What a step takes from an earlier one is a pointer to where that is, where the initial value (or zeros) lies as it does;
else a copy of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chainrule.dims import Dim
from chainrule.errors import UnsupportedError
from chainrule.plan import Lag, LoopPlan, Node
from chainrule.plan.fusion import fuse
from chainrule.plan.sharing import Arena
from chainrule.plan.slices import slices_of
from chainrule.targets.c_expressions import ATOM, bracket

if TYPE_CHECKING:
    from chainrule.targets.c_loops import LoopWriter

__all__ = ["Part", "loop_lines"]


@dataclass(frozen=True, slots=True)
class Part:
    """A value as a part of an array: its axis k is the array's axis `axes[k]`; along others it begins at `begins`.

    dims: of the array.  pointer: its name.
    """

    pointer: str
    dims: tuple[Dim, ...]
    axes: tuple[int, ...]
    begins: Mapping[int, str] = field(default_factory=dict)

    def entry(self, size: Callable[[Dim], str], indices: Sequence[str]) -> str:
        """One entry, by an index for each axis of the value."""
        own = dict(zip(self.axes, indices, strict=True))
        terms = []
        for axis in range(len(self.dims)):
            parts = [*([self.begins[axis]] if axis in self.begins else []), *([own[axis]] if axis in own else [])]
            parts = [part for part in parts if part != "0"]
            if parts:
                index = parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"
                terms.append(" * ".join([index, *map(size, self.dims[axis + 1 :])]))
        return f"{self.pointer}[{' + '.join(terms) or 0}]"


def loop_lines(writer: LoopWriter, node: Node) -> list[str]:
    """The statements of a loop."""
    (loop,) = node.attributes
    assert isinstance(loop, LoopPlan)
    t = writer.names_taken.again(loop.letter)
    parts: dict[Node, Part] = {}
    for inner, part in slices_of(node).items():
        own = node.operands[part.number].node
        if own.op == "number" or not own.rank:
            continue
        parts[inner] = _part(writer, own, part.axes, dict.fromkeys(part.at, t))
    inputs: dict[str, str] = {}
    for name, taken in loop.taken.items():
        own = node.operands[taken.number].node
        if own.op == "number":
            inputs[name] = _value(writer, own)
        elif not own.rank:
            inputs[name] = writer.scalar(own)
    before: list[str] = []
    body: list[str] = []
    for name, lag in loop.lags.items():
        if name in loop.plan.arguments:
            source = node.operands[lag.number].node
            which = "before" if lag.offset < 0 else "after"
            local = writer.names_taken.take(f"{source.name or 'steps'}_{which}")
            inputs[name] = local
            first, lines = _lag(writer, node, loop, lag, t, local)
            before += first
            body += lines
    kernel = fuse(loop.plan, writer.kernel.small, slices_of(node))
    comments = {f"{name}[{loop.letter}]": writer.comments[name] for name in loop.names if name in writer.comments}
    inner_writer = type(writer)(
        kernel, writer.names_taken, inputs, writer.sizes, writer.dtype, comments, parts
    )  # fmt: skip
    inner_writer.spelling.helpers = writer.spelling.helpers
    body += inner_writer.body()
    for store in loop.stores:
        result = loop.plan.outputs[store.output]
        if not result.rank:
            body.append(f"{parts[result].entry(writer.size, [])} = {inner_writer.names[result]};")
    writer.adopt(inner_writer)
    count = writer.size(loop.dim)
    forwards, back = f"size_t {t} = 0; {t} < {count}; {t}++", f"size_t {t} = {count}; {t}-- > 0;"
    head = f"for ({back if loop.backwards else forwards}) {{"
    return [*before, head, *("    " + line for line in body), "}"]


def _lag(
    writer: LoopWriter, node: Node, loop: LoopPlan, lag: Lag, t: str, local: str
) -> tuple[list[str], list[str]]:  # fmt: skip
    """What makes the earlier step known as `local`: lines before the loop, and in each step."""
    source = node.operands[lag.number]
    far = abs(lag.offset)
    there = f"{t} >= {far}" if lag.offset < 0 else f"{t} + {far} < {writer.size(loop.dim)}"
    if lag.offset == -1:
        there = f"{t} > 0"
    other = node.operands[lag.first] if lag.first is not None else None
    if other is not None and far > 1:
        raise UnsupportedError("an initial value for several steps before the first", 'compile("numpy")')
    step = f"({t} - {far})" if lag.offset < 0 else f"({t} + {far})"
    lies = {axis: k for k, axis in enumerate(source.axes)}
    kept = tuple(lies[a] for a in range(len(source.axes)) if a != lag.axis)
    part = _part(writer, source.node, kept, {lies[lag.axis]: step})
    if not lag.dims:
        first = writer.spelling.literal(0)[0] if other is None else _value(writer, other.node)
        return [], [f"const {writer.real} {local} = {there} ? {part.entry(writer.size, [])} : {first};"]
    whole = lies[lag.axis] == 0 and kept == tuple(range(1, source.node.rank)) and _is_block(source.node, 1)
    if whole and (
        other is None
        or (other.axes == tuple(range(len(lag.dims))) and other.node.op != "number" and _is_block(other.node, 0))
    ):
        before, begin = ([], _start(writer, other.node)) if other is not None else writer.zeros(lag.dims)
        at = _start(writer, source.node, {0: step})
        return before, [f"const {writer.real} *const {local} = {there} ? {at} : {begin};"]
    writer.blocks[local] = Arena(lag.dims)
    letters = writer.letters(len(lag.dims))
    if other is None:
        first = writer.spelling.literal(0)[0]
    elif other.node.op == "number" or not other.node.rank:
        first = _value(writer, other.node)
    else:  # one for all samples has no axis for them
        own = letters[len(letters) - other.node.rank :]
        first = _part(writer, other.node, tuple(range(other.node.rank))).entry(
            writer.size, [own[axis] for axis in other.axes]
        )
    target = Part(local, lag.dims, tuple(range(len(lag.dims)))).entry(writer.size, letters)
    lines = [f"{target} = {there} ? {part.entry(writer.size, letters)} : {first};"]
    for letter, dim in reversed(list(zip(letters, lag.dims, strict=True))):
        lines = [f"for (size_t {letter} = 0; {letter} < {writer.size(dim)}; {letter}++)", *("    " + x for x in lines)]
    return [], lines


def _part(writer: LoopWriter, node: Node, axes: tuple[int, ...], begins: Mapping[int, str] | None = None) -> Part:
    """A part of a value, which may itself be the rows at hand of an array."""
    own = writer.lies(node)
    return Part(own.pointer, own.dims, axes, {**own.begins, **(begins or {})})


def _start(writer: LoopWriter, node: Node, begins: Mapping[int, str] | None = None) -> str:
    """Where a value lies, or where a part of it begins."""
    part = _part(writer, node, (), begins)
    terms = [" * ".join([begin, *map(writer.size, part.dims[axis + 1 :])])
             for axis, begin in sorted(part.begins.items())]  # fmt: skip
    return " + ".join([part.pointer, *terms])


def _is_block(node: Node, axis: int) -> bool:
    """True where a value, without its first axes before `axis`, lies in memory as an array of its own does."""
    return node.op != "rows" or node.attributes[0] <= axis


def _value(writer: LoopWriter, node: Node) -> str:
    """A number."""
    if node.op == "number":
        return bracket(writer.spelling.coefficient(node.attributes[0]), ATOM)
    return writer.scalar(node)
