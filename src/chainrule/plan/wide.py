"""What a float32 step computes in float64, where its digits would be lost and are there to be had.

An array that the caller gives is exact, and so is what follows from it in float64; what comes out of a matrix product
in float32 has lost those digits already. So: nodes that depend on arguments by elementwise functions, sums and
products of entries alone are *exact*. Where one of them is *risky*, it is `wide`, and so is what is exact on the way to
it and from it on:

    a sum or difference of terms whose signs are not known, one of which is computed     softmax(z) − y, x − mean(x)
    a sum over entries whose signs are not known                                         Σ δ x̂
    an exponential of what is computed                                                   exp(z − max z)

A loss by logits, a normalisation of an input, are computed in float64 and rounded once; in a network whose logits come
from a product nothing changes. Where a wide node meets others, a node in between converts: `map widened` or `map
rounded`. Both are for targets that ask for it (`build_plan(precise=…)`), as `plan.precise` is.

A user asks for more or less of it: `precise=True` is this, False is float32 throughout, "all" is float64 throughout,
products too, for arguments and results in float32. That needs no nodes of its own: a target writes its float64 code,
converts what comes in and rounds what goes out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from chainrule.errors import UnsupportedError
from chainrule.functions.operations import OPERATIONS
from chainrule.plan.graph import Graph, Node, Operand
from chainrule.plan.precise import PRECISE, amplifies, nonnegative
from chainrule.plan.relations import STRUCTURAL
from chainrule.plan.rules import Builder

__all__ = ["EVERYTHING", "PRECISE_OPTION", "ROUNDED", "WIDE", "WIDENED", "Precise", "precision", "widened"]

Precise = bool | Literal["all"]
EVERYTHING = "all"
PRECISE_OPTION = (
    "False: float32 throughout, also where digits are lost that float64 would keep; "
    '"all": float64 throughout, products too, for arrays of float32'
)

WIDE, WIDENED, ROUNDED = "wide", "widened", "rounded"
_ENTRYWISE = frozenset({
    "map", "scale", "add", "subtract", "multiply", "divide", "apply", "sum", "max", "contract", "diagonal", "broadcast",
    "copy", "embed", "add_embed",
})  # fmt: skip
_PICKS = frozenset({"max", "diagonal", "broadcast", "copy", "embed"})  # their values are those of their operand
_CHOICES = frozenset({"onehot", "max", "min", "ismax", "ismin"})


def precision(precise: Precise, dtype: str) -> Precise:
    """What is wide in a step of that dtype. Raises UnsupportedError for what is none of True, False and "all"."""
    if precise not in (True, False, EVERYTHING) or not isinstance(precise, bool | str):
        raise UnsupportedError(f"precise={precise!r} is not known", 'True, False, or "all" for float64 throughout')
    return precise if dtype == "float32" else False


def widened(
    steps: Sequence[Node], results: dict[str, Node], graph: Graph, builder: Builder, more: Iterable[Node] = (),
    given: Collection[str] | None = None,
) -> tuple[list[Node], dict[str, Node]]:  # fmt: skip
    """The steps (operands first) and outputs with wide nodes. Nodes change in place. `more`: others that are wide.

    `given`: the arguments that are exact; None: all are. One step of a loop takes what was computed as an argument too.
    """
    leaves, exact, wide = _sorted_out(steps, builder, given)
    wide.update(more)
    if not wide:
        return list(steps), results
    for node in reversed(steps):  # what is on the way to a wide node
        if node in wide:
            wide |= {o.node for o in node.operands if o.node in exact and o.node not in leaves}
    for node in steps:  # and from it on
        if node in exact and any(o.node in wide for o in node.operands):
            wide.add(node)
    for node in wide:
        if node.dtype == "float":
            node.dtype = WIDE
    made: list[Node] = []
    first: list[Node] = []  # of arguments that are used with more axes: loops are not interrupted by them
    outputs, names = dict(results), {node: name for name, node in results.items()}
    placed: set[Node] = set()

    def converted(operand: Operand, function: str, dtype: str, user: Node) -> Operand:
        node = operand.node
        other = graph.make("map", (node.whole,), node.dims, (function,), dtype, node.name or node.hint)
        if other not in placed:
            other.equation = user.equation
            placed.add(other)
            (first if node.op == "input" and node.rank < user.rank else made).append(other)
        return Operand(other, operand.axes)

    for node in steps:
        if node.dtype == WIDE and node.op == "divide":
            _multiply(node, graph, made)
        operands = []
        for operand in node.operands:
            other = operand.node
            if node.dtype == WIDE and other.dtype == "float" and other.op != "number":
                operand = converted(operand, WIDENED, WIDE, node)
            elif node.dtype == "float" and other.dtype == WIDE:
                operand = converted(operand, ROUNDED, "float", node)
            operands.append(operand)
        node.operands = tuple(operands)
        made.append(node)
        if node.dtype == WIDE and node in names:
            output = converted(node.whole, ROUNDED, "float", node).node
            output.name, node.name, node.hint = node.name, "", node.hint or node.name
            outputs[names[node]] = output
    return [*first, *made], outputs


def _multiply(node: Node, graph: Graph, made: list[Node]) -> None:
    """A quotient by an array with fewer axes as a product with its reciprocal: exact enough in float64, and faster."""
    left, right = node.operands
    if len(right.axes) >= node.rank or right.node.op == "number" or right.node.dtype != WIDE:
        return
    inverse = graph.make("map", (right.node.whole,), right.node.dims, ("reciprocal",), WIDE, f"{right.node.hint}_inv")
    inverse.dtype = WIDE  # it may be one that nothing needed
    if inverse not in made:
        inverse.equation = node.equation
        made.append(inverse)
    node.op, node.operands = "multiply", (left, Operand(inverse, right.axes))


def _sorted_out(
    steps: Sequence[Node], builder: Builder, given: Collection[str] | None
) -> tuple[set[Node], set[Node], set[Node]]:
    """Nodes whose values are those of arguments, nodes that are exact (those too), and those that are risky."""
    leaves: set[Node] = set()
    exact: set[Node] = set()
    risky: set[Node] = set()
    for node in steps:
        for operand in node.operands:
            known = operand.node.op == "input" and (given is None or operand.node.attributes[0] in given)
            if known or operand.node.op == "number":
                leaves.add(operand.node)
                exact.add(operand.node)
        operands = [o.node for o in node.operands]
        if node.op == "opaque":
            chosen = node.attributes[1] in STRUCTURAL or node.attributes[1] in _CHOICES & OPERATIONS.keys()
            if chosen and node.attributes[1] not in ("put", "overlap") and leaves.issuperset(operands):
                leaves.add(node)
                exact.add(node)
            continue
        if node.op not in _ENTRYWISE or not exact.issuperset(operands) or not operands:
            continue
        if node.op == "contract" and not _goes_through_once(node, leaves):
            continue
        exact.add(node)
        if leaves.issuperset(operands) and (node.op in _PICKS or node.dtype == "bool" or _doubles(node)):
            leaves.add(node)
        elif _is_risky(node, leaves, builder):
            risky.add(node)
    return leaves, exact, risky


def _goes_through_once(node: Node, leaves: set[Node]) -> bool:
    """True for a sum of products that reads each entry of its larger operand once, but for a given matrix."""
    (left, right), every = node.operands, {a for o in node.operands for a in o.axes}
    whole = [o.node for o in (left, right) if set(o.axes) == every]
    return len(whole) == 2 or any(n not in leaves for n in whole)


def _doubles(node: Node) -> bool:
    """True for a product with a power of two, which is exact."""
    if node.op != "scale" or not node.attributes[0].is_rational:
        return False
    value = abs(node.attributes[0].value)
    return all(n & (n - 1) == 0 for n in (value.numerator, value.denominator))


def _is_risky(node: Node, leaves: set[Node], builder: Builder) -> bool:
    operands = [o.node for o in node.operands]
    if node.op in ("sum", "contract"):
        if node.op == "contract" and operands[0] is operands[1] and node.operands[0] == node.operands[1]:
            return False
        return not all(nonnegative(n, builder) for n in operands)
    if node.op in ("add", "subtract", "add_embed"):
        if leaves.issuperset(operands):
            return False
        first, second = operands[0], operands[-1]
        if first.op == "number" and second.op == "map" and second.attributes[0] != PRECISE:
            return False  # 1 − σ(x): exact to a rounding, where it is written so
        return node.op == "subtract" or not all(nonnegative(n, builder) for n in operands)
    return amplifies(node, operands, None)
