"""NumPy as one writes it to be read: the value of a plan node as one expression of its operands."""

from __future__ import annotations

from chainrule.functions import FUNCTIONS
from chainrule.plan import Node, contraction_form
from chainrule.targets.numpy_chunks import rows_at_hand
from chainrule.targets.numpy_expressions import ATOM, MATMUL, PRODUCT, SUM, Spelling, Text, bracket
from chainrule.targets.numpy_relations import is_structural, structural_text

__all__ = ["expression", "tensordot"]


def expression(spelling: Spelling, node: Node) -> Text:
    """The value of a node as one expression of its operands."""
    value = spelling.value
    if node.op == "opaque":
        return _opaque(spelling, node)
    first = node.operands[0]
    if node.op == "map":
        return spelling.map_text(node, spelling.argument(first, node.rank))
    if node.op == "scale":
        return spelling.scaled(node.attributes[0], value(first.node))
    if node.op in ("add", "subtract", "multiply", "divide"):
        return _binary(spelling, node)
    if node.op in ("sum", "max"):
        return _reduction(spelling, node)
    if node.op == "contract":
        return _contraction(spelling, node)
    if node.op == "apply":
        return _several(spelling, node)
    if node.op == "diagonal":
        return f"np.einsum({spelling.diagonal_subscripts(first.axes)}, {value(first.node)[0]})", ATOM
    if node.op == "embed":
        return _diagonal(spelling, node)
    if node.op in ("copy", "broadcast"):
        return _full(spelling, node)
    if node.op == "rows":
        return rows_at_hand(value(first.node), node.attributes[0])
    raise AssertionError(node.op)


def _opaque(spelling: Spelling, node: Node) -> Text:
    """An operation as its record spells it: {0} an argument, {a0} an attribute, {d0} a size of the result."""
    if is_structural(node):
        return structural_text(spelling, node)
    template, _, attributes, _ = node.attributes
    arguments = [spelling.operand(o, len(o.axes))[0] for o in node.operands]
    letters = {f"a{k}": a for k, a in enumerate(attributes)}
    letters |= {f"d{k}": spelling.size(d) for k, d in enumerate(node.dims) if f"{{d{k}}}" in template}
    if "{last}" in template:
        letters["last"] = spelling.size(node.dims[-1])
    return template.format(*arguments, dtype=spelling.dtype, **letters), ATOM


def _diagonal(spelling: Spelling, node: Node) -> Text:
    operand = node.operands[0].node
    if operand.op != "number":
        return f"np.diag({spelling.value(operand)[0]})", ATOM
    eye = f"np.eye({spelling.size(node.dims[0])}, dtype={spelling.dtype})", ATOM
    return eye if spelling.value(operand)[0] == "1" else spelling.scaled(operand.attributes[0], eye)


def _full(spelling: Spelling, node: Node) -> Text:
    """A copy, or a value repeated."""
    operand = node.operands[0]
    if not node.rank:  # a number alone: of the step's type, as every other result
        return f"{spelling.dtype}({spelling.value(operand.node)[0]})", ATOM
    seen = spelling.operand(operand, node.rank)
    if node.op == "copy":
        return f"{bracket(seen, ATOM)}.copy()", ATOM
    if operand.node.op == "number":
        return f"np.full({spelling.shape(node.dims)}, {seen[0]}, {spelling.dtype})", ATOM
    return f"np.broadcast_to({seen[0]}, {spelling.shape(node.dims)}).copy()", ATOM


def _binary(spelling: Spelling, node: Node) -> Text:
    left, right = (spelling.operand(operand, node.rank) for operand in node.operands)
    if node.op == "multiply" and node.rank == 2 and [len(o.axes) for o in node.operands] == [1, 1]:
        column, row = sorted(node.operands, key=lambda o: o.axes)
        return f"np.outer({spelling.value(column.node)[0]}, {spelling.value(row.node)[0]})", ATOM
    strength = SUM if node.op in ("add", "subtract") else PRODUCT
    sign = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}[node.op]
    return f"{bracket(left, strength)} {sign} {bracket(right, strength + 1)}", strength


def _reduction(spelling: Spelling, node: Node) -> Text:
    operand = node.operands[0].node
    axes = node.attributes
    x = spelling.value(operand)
    where = "" if len(axes) == operand.rank else f"axis={axes[0] if len(axes) == 1 else axes}"
    if x[1] >= ATOM and x[0].isidentifier():
        return f"{x[0]}.{node.op}({where})", ATOM
    return f"np.{node.op}({x[0]}{', ' if where else ''}{where})", ATOM


def _several(spelling: Spelling, node: Node) -> Text:
    record = FUNCTIONS[node.attributes[0]]
    texts = [bracket(spelling.argument(operand, node.rank), ATOM) for operand in node.operands]
    letters = {"x" if k == 0 else f"x{k + 1}": text for k, text in enumerate(texts)}
    return record.numpy.format(**letters), SUM


def _contraction(spelling: Spelling, node: Node) -> Text:
    form = contraction_form(node)
    kind = form.name
    left, right = node.operands
    if kind in ("dot", "gemv", "gemm") or (kind == "batched" and form.left and form.right):
        return _matmul(*spelling.gemm_sides(node, form))
    if kind == "flat":
        return f"np.vdot({spelling.value(left.node)[0]}, {spelling.arranged(right, left.axes)[0]})", ATOM
    if kind == "grouped":
        if right.axes == (*form.summed, *form.right) and len(right.axes) == 2 and left.axes[-1:] == form.summed:
            return _matmul(spelling.value(left.node), spelling.value(right.node))
        return tensordot(spelling, node), ATOM
    arguments = ", ".join(spelling.value(o.node)[0] for o in node.operands)
    return f"np.einsum({spelling.einsum(node)}, {arguments})", ATOM


def _matmul(left: Text, right: Text) -> Text:
    return f"{bracket(left, MATMUL)} @ {bracket(right, PRODUCT + 1)}", MATMUL


def tensordot(spelling: Spelling, node: Node) -> str:
    """A contraction over several axes that no reshape turns into a matrix product."""
    form = contraction_form(node)
    axes = tuple([operand.axes.index(a) for a in form.summed] for operand in node.operands)
    arguments = ", ".join(spelling.value(operand.node)[0] for operand in node.operands)
    return f"np.tensordot({arguments}, axes={axes})"
