"""Functions of one array whose terms cancel, for steps in float32: computed in float64 and rounded once.

The slope of silu, σ(x) + x σ(x) (1 − σ(x)), has a zero at −1.28 and loses its digits around it in whatever order it is
computed; so have mish, gelu_tanh and any that a user writes. Elementwise nodes that depend on one array alone are such
a function; where two of its terms may have opposite signs, or an exponential has an argument that is computed (that of
gelu_tanh), it becomes one step, `precise`, of that array. A number minus one function (1 − σ) is left alone: that is
exact to a rounding, and cheap.

Nothing is looked for by name. A target that asks for it (`build_plan(precise="functions")`) spells the function's own
nodes; with "nodes" they are wide nodes, as in `plan.wide`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chainrule.functions import FUNCTIONS
from chainrule.plan.graph import ELEMENTWISE, Node
from chainrule.plan.rules import Builder

__all__ = ["PRECISE", "Composite", "amplifies", "cancelling", "made_precise", "nonnegative"]

PRECISE = "precise"
_EXPONENTIALS = ("exp", "sigmoid", "tanh")


@dataclass(eq=False, frozen=True, slots=True)
class Composite:
    """A function of `leaf`: its nodes, operands first; the last one is its value. `number` tells it from others."""

    number: int
    leaf: Node
    nodes: tuple[Node, ...]


def made_precise(live: Sequence[Node], outputs: Iterable[Node], builder: Builder) -> int:
    """Turn each such function into one step, in place. `live`: the nodes of a plan, operands first. How many."""
    count = 0
    for node, source, cone in cancelling(live, outputs, builder):
        count += 1
        whole = Node(node.number, node.op, node.operands, node.attributes, node.dims, node.dtype)
        node.op, node.operands = "map", (source.whole,)
        node.attributes = (PRECISE, Composite(count, source, (*cone, whole)))
    return count


def cancelling(
    live: Sequence[Node], outputs: Iterable[Node], builder: Builder
) -> Iterator[tuple[Node, Node, tuple[Node, ...]]]:
    """Such functions: the node of each, the array that it is a function of, and the nodes in between."""
    leaf: dict[Node, Node | None] = {}
    cancels: dict[Node, bool] = {}
    users: dict[Node, list[Node]] = {}
    for node in live:
        for operand in node.operands:
            users.setdefault(operand.node, []).append(node)
        leaf[node], cancels[node] = _leaf(node, leaf), False
        if leaf[node] is not None and leaf[node] is not node:
            inner = [o.node for o in node.operands if o.node.op != "number"]
            own = _may_cancel(node, inner, leaf[node], builder) or amplifies(node, inner, leaf[node])
            cancels[node] = own or any(cancels[n] for n in inner)
    kept = set(outputs)
    for node in live:
        if not cancels[node] or node.dtype != "float":
            continue
        inside = [leaf[u] is leaf[node] and leaf[u] is not u for u in users.get(node, [])]
        if all(inside) and inside and node not in kept:
            continue
        source = leaf[node]
        assert source is not None
        yield node, source, tuple(n for n in _cone(node, source) if n is not node)
        cancels[node], leaf[node] = False, node


def _leaf(node: Node, leaf: dict[Node, Node | None]) -> Node | None:
    """The one array that the node is a function of, elementwise; itself where it is computed otherwise."""
    if node.op == "number" or node.rank == 0:
        return None
    if node.op not in ELEMENTWISE or node.op == "apply":
        return node
    found: set[Node] = set()
    for operand in node.operands:
        if operand.node.op == "number":
            if not operand.node.attributes[0].is_rational:
                return node
            continue
        source = leaf.get(operand.node)
        if source is None or operand.axes != tuple(range(node.rank)) or operand.node.dims != node.dims:
            return node
        found.add(source)
    scale = node.attributes[0] if node.op == "scale" else None
    return found.pop() if len(found) == 1 and (scale is None or scale.is_rational) else node


def amplifies(node: Node, inner: Sequence[Node], leaf: Node | None) -> bool:
    """True for an exponential of what is itself computed: an error of its argument is multiplied by it."""
    exponential = node.op == "map" and node.attributes[0] in _EXPONENTIALS
    return exponential and inner[0] is not leaf and inner[0].op in ("add", "subtract", "multiply")


def _may_cancel(node: Node, inner: Sequence[Node], leaf: Node | None, builder: Builder) -> bool:
    if node.op not in ("add", "subtract") or set(inner) == {leaf}:
        return False
    if len(inner) == 1 and inner[0].op not in ("add", "subtract", "multiply", "divide"):
        return False
    return node.op == "subtract" or not all(nonnegative(o.node, builder) for o in node.operands)


def nonnegative(node: Node, builder: Builder) -> bool:
    """True where the values are certainly ≥ 0 (False: unknown)."""
    if node.op == "map":
        function = node.attributes[0]
        known = function in FUNCTIONS and FUNCTIONS[function].nonnegative
        return known or function in ("square", "sqrt", "positive", "step") or builder.is_positive(node)
    if node.op in ("add", "multiply", "divide"):
        return all(nonnegative(o.node, builder) for o in node.operands)
    if node.op == "scale":
        return bool(node.attributes[0].value > 0) and nonnegative(node.operands[0].node, builder)
    return builder.is_positive(node)


def _cone(node: Node, source: Node) -> list[Node]:
    """The nodes between `source` and `node`, operands first."""
    found: dict[Node, None] = {}

    def visit(n: Node) -> None:
        if n in found or n is source or n.op == "number":
            return
        for operand in n.operands:
            visit(operand.node)
        found[n] = None

    visit(node)
    return list(found)
