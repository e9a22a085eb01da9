"""The graph between algebra and code: array operations with hash-consing, so that shared work exists once.

A node is one array operation with its sizes. How an operand lies in the result is part of its use, not a node of its
own: `Operand(node, axes)` says that axis k of the node is axis `axes[k]` of the result. So a transposed matrix, a
vector added to each row and a column of weights need no transpose, reshape or broadcast nodes.

Operations (dims: the sizes of the result):

    input      name                        an argument of the step
    number     coefficient                 a scalar known once sizes are
    map        function, attributes…       an elementwise function (a record's name, or square, sqrt, reciprocal, power,
                                           positive: a mask x > 0 of dtype bool; below: the smaller
                                           of x and the largest number with a finite exponential; expm1: exp(x) − 1;
                                           log1p: log(1 + x); tanh_slope: 1 − tanh(x)²;
                                           precise: see `chainrule.plan.precise`;
                                           widened, rounded: to float64 and back, see `chainrule.plan.wide`)
    scale      coefficient                 coefficient · operand
    add, subtract, multiply, divide        two operands, broadcast
    apply      function                    an elementwise function of several operands
    sum, max   reduced axes of the operand
    contract   rank                        two operands; axes ≥ rank of the result are summed
    diagonal   axes of the operand that go to one axis: x[i, i]
    embed      groups                      zeros but for value where all axes of a group are equal: diag(x)
    add_embed  groups                      base + embed(value)
    broadcast, copy                        a full array of its own
    opaque     template, operation,        an operation on whole arrays that a record spells; helpers: the text of
               attributes, helpers         functions that the template calls
    sequence, loop, computed               a loop: see `chainrule.plan.loops`

`node.dtype` is "float" (the step's), "wide" (float64 in a step of float32, where a target asks for it) or "bool" (a
mask, only ever an operand of `multiply`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chainrule.dims import Dim

__all__ = ["ELEMENTWISE", "LOOP_STEPS", "MAPS", "STEPS", "VIEWS", "Graph", "Node", "Operand"]

VIEWS = frozenset({"diagonal", "rows", "computed"})  # their value is the memory of their first operand
ELEMENTWISE = frozenset({"map", "scale", "add", "subtract", "multiply", "divide", "apply"})
# The operations above that a target has to spell, and the functions of `map` that are no records: complete, so that
# what a target lacks can be listed. An operation that is not here is not made.
STEPS = (
    "map", "scale", "add", "subtract", "multiply", "divide", "apply", "sum", "max", "contract", "diagonal", "embed",
    "add_embed", "broadcast", "copy", "opaque", "sequence", "loop", "computed",
)  # fmt: skip
LOOP_STEPS = ("sequence", "loop", "computed")  # see `chainrule.plan.loops`
MAPS = ("square", "sqrt", "reciprocal", "power", "positive", "below", "expm1", "log1p", "tanh_slope")
_KNOWN = frozenset({"input", "number", *STEPS})


class Operand(NamedTuple):
    """A node as it lies in the result: its axis k is the result's axis `axes[k]` (missing axes: broadcast)."""

    node: Node
    axes: tuple[int, ...]


@dataclass(eq=False, slots=True)
class Node:
    """One operation. `name`: the user's, where its value has one; `hint`: what a made-up name may start with.

    `equation`: the equation in whose lowering it was first needed.
    """

    number: int
    op: str
    operands: tuple[Operand, ...]
    attributes: tuple[Any, ...]
    dims: tuple[Dim, ...]
    dtype: str = "float"
    name: str = ""
    hint: str = ""
    equation: str = field(default="")

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.dims)

    @property
    def whole(self) -> Operand:
        """The node as an operand in place."""
        return Operand(self, tuple(range(len(self.dims))))

    def is_map(self, function: str) -> bool:
        """True for the elementwise function of that name."""
        return self.op == "map" and self.attributes[0] == function


class Graph:
    """All nodes, in the order in which they were first needed. `make` returns the same node for the same operation."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.equation = ""
        self._known: dict[tuple[Any, ...], Node] = {}

    def make(
        self,
        op: str,
        operands: tuple[Operand, ...],
        dims: tuple[Dim, ...],
        attributes: tuple[Any, ...] = (),
        dtype: str = "float",
        hint: str = "",
    ) -> Node:
        """The node for an operation, new only if there is none."""
        key: tuple[Any, ...] = (op, tuple((o.node.number, o.axes) for o in operands), attributes)
        if op in ("number", "broadcast", "embed", "input"):
            key = (*key, dims)
        node = self._known.get(key)
        if node is None:
            assert op in _KNOWN, f"{op} is missing from STEPS"
            node = Node(len(self.nodes), op, operands, attributes, dims, dtype, hint=hint, equation=self.equation)
            self.nodes.append(node)
            self._known[key] = node
        return node

    def find(self, op: str, operands: tuple[Operand, ...], attributes: tuple[Any, ...] = ()) -> Node | None:
        """The node for an operation if it exists already."""
        return self._known.get((op, tuple((o.node.number, o.axes) for o in operands), attributes))
