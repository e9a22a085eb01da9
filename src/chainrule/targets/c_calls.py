"""C for what is a call between loops: matrix products, and operations on whole arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chainrule.dims import Dim
from chainrule.errors import UnsupportedError
from chainrule.plan import Node
from chainrule.plan.kernel import Axis, Call
from chainrule.plan.relations import STRUCTURAL
from chainrule.plan.sharing import Arena
from chainrule.targets.c_operations import has_operation, operation_lines
from chainrule.targets.c_recurrences import Part
from chainrule.targets.c_relations import relation_lines
from chainrule.targets.c_site import Site

if TYPE_CHECKING:
    from chainrule.targets.c_loops import LoopWriter

__all__ = ["operation_call_lines", "product_lines"]


def product_lines(writer: LoopWriter, call: Call) -> list[str]:
    """A matrix product, in loops over the axes that it does not know."""
    node, product = call.node, call.product
    assert product is not None
    left, right = node.operands[product.left], node.operands[product.right]
    dims = dict(enumerate(node.dims))
    for operand in node.operands:
        dims |= dict(zip(operand.axes, operand.node.dims, strict=True))
    outer = [label for label in product.outer if writer.kernel.small(dims[label]) != 1]
    variables = {label: writer.letter(Axis(-1, dims[label])) for label in outer}
    summed = [label for label in outer if label >= node.rank]

    def extent(labels: tuple[int, ...]) -> str:
        texts = [writer.size(dims[label]) for label in labels if writer.kernel.small(dims[label]) != 1]
        return " * ".join(texts) or "1"

    def array(axes: tuple[int, ...], own: Node) -> str:
        """Where the matrix begins."""
        part = writer.lies(own)
        labelled = dict(zip(part.axes, axes, strict=True))
        terms = []
        for k in range(len(part.dims)):
            parts = [part.begins[k]] if k in part.begins else []
            parts += [variables[labelled[k]]] if labelled.get(k) in variables else []
            if parts:
                index = f"({' + '.join(parts)})" if len(parts) > 1 else parts[0]
                terms.append(" * ".join([index, *_after(writer, part.dims, k)]))
        return " + ".join([part.pointer, *terms])

    def leading(axes: tuple[int, ...], own: Node, group: tuple[int, ...]) -> str:
        part = writer.lies(own)
        return " * ".join(_after(writer, part.dims, part.axes[axes.index(group[-1])])) or "1"

    result = tuple(range(node.rank))
    target = call.into or node
    lead_left = leading(left.axes, left.node, product.inner if product.transpose_left else product.rows)
    lead_right = leading(right.axes, right.node, product.columns if product.transpose_right else product.inner)
    keep = "0"
    if summed:
        keep = " || ".join(f"{variables[label]} > 0" for label in summed)
    if call.into is not None:
        keep = "1"
    arguments = ", ".join([
        str(int(product.transpose_left)), str(int(product.transpose_right)),
        extent(product.rows), extent(product.columns), extent(product.inner),
        array(left.axes, left.node), lead_left, array(right.axes, right.node), lead_right,
        keep, array(result, target), leading(result, target, product.rows),
    ])  # fmt: skip
    writer.needs("gemm")
    by = writer.division.by[node] if writer.division is not None else ""
    function = f"gemm_{by}(team, " if by in ("rows", "columns") else "gemm("
    if by in ("rows", "columns"):
        writer.needs(f"gemm_{by}")
    lines: list[str] = []
    for label in outer:
        letter = variables[label]
        first, last = ("first", "last") if by == "outer" and label == outer[0] else ("0", writer.size(dims[label]))
        lines.append("    " * len(lines) + f"for (size_t {letter} = {first}; {letter} < {last}; {letter}++)")
    lines.append("    " * len(lines) + f"{function}{arguments});")
    return writer.part_of_team(dims[outer[0]], lines) if by == "outer" else lines


def _after(writer: LoopWriter, dims: tuple[Dim, ...], axis: int) -> list[str]:
    """The sizes of the axes that lie behind `axis` in memory: its stride."""
    return [writer.size(d) for d in dims[axis + 1 :] if writer.kernel.small(d) != 1]


def operation_call_lines(writer: LoopWriter, node: Node) -> list[str]:
    """An operation on whole arrays. Raises UnsupportedError where it has no code."""
    name = node.attributes[1]
    structural = name in STRUCTURAL
    if not structural and not has_operation(name):
        raise UnsupportedError(
            f"{node.name or 'a value'} is computed by {name}, for which there is no C code",
            hint='compile it with target "numpy"',
        )

    def entry(k: int, indices: Mapping[int, str]) -> str:
        operand = node.operands[k]
        return _flat(writer, operand.node, [indices[axis] for axis in operand.axes])

    used: list[str] = []

    def scratch(dims: tuple[Dim, ...]) -> str:
        """A block that this operation has for itself while it runs; the next ones take it over."""
        block = next((b for b in writer.scratch if b not in used and writer.blocks[b].dims == dims), None)
        if block is None:
            block = writer.names_taken.take("scratch")
            writer.blocks[block] = Arena(dims)
            writer.scratch.append(block)
        used.append(block)
        return block

    site = Site(
        node, writer.real, writer.spelling.suffix, entry,
        lambda indices: _flat(writer, node, [indices[axis] for axis in range(node.rank)]),
        writer.size, scratch, writer.needs,
    )  # fmt: skip
    lines = relation_lines(site) if structural else operation_lines(site)
    if not node.rank:
        lines.insert(0, f"{writer.real} {writer.names[node]};")
    return lines


def _flat(writer: LoopWriter, node: Node, indices: list[str]) -> str:
    """An entry of an array, by an index for each axis."""
    if node.op == "number":
        return writer.spelling.coefficient(node.attributes[0])[0]
    if not node.rank:
        return writer.scalar(node)
    part = writer.lies(node) if node.op == "rows" or node in writer.parts else None
    return (part or Part(writer.pointer(node), node.dims, tuple(range(node.rank)), {})).entry(writer.size, indices)
