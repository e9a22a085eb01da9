"""Products that a mask sets to 0 where the other factor is no number: where(x > 0, log(x), 0) and its gradient.

In the algebra a branch is a product with a mask, (x > 0) log(x), and 0 times anything is 0. In floating point 0 · ∞ is
no number. So a product of what a mask makes 0 with what may fail where the mask is 0 is computed as a choice:

    where(mask, product, 0)

`zeros` follows a mask through products, quotients and sums to the adjoints that hold it as a factor: in δ/x the zero of
δ wins too. `fails` says what may have no finite value (a logarithm, a quotient, a root) and along which axes that is
decided. Both are about structure, and a choice costs little, so where nothing is known both say yes. Only what varies
along all axes of the mask is guarded by it: a mask of entries is no guard for the standard deviation of a row.
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.functions import FUNCTIONS
from chainrule.plan.graph import Graph, Node, Operand

__all__ = ["Masks"]

_SINGULAR = frozenset({"reciprocal", "log", "log1p", "sqrt", "power"})
_PASSES = frozenset({"map", "scale", "add", "subtract", "multiply", "divide", "apply", "broadcast", "diagonal"})
MOST = 4  # masks that are followed at a time


class Masks:
    """What is known of the nodes of one graph. `positive`, `nonnegative`: what is known of a node's sign."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._zeros: dict[Node, tuple[Operand, ...]] = {}
        self._fails: dict[Node, frozenset[frozenset[int]]] = {}
        self._signs: dict[Node, tuple[bool, bool]] = {}
        self._seen = 0  # nodes that are looked at already

    def _look(self, node: Node) -> None:
        """Look at all nodes up to this one, operands first, so that no chain of them is too long to follow."""
        nodes = self.graph.nodes
        if node.number < self._seen or node.number >= len(nodes) or nodes[node.number] is not node:
            return
        first, self._seen = self._seen, node.number
        for known in nodes[first : node.number]:
            self.sign(known)
            self.zeros(known)
            self.fails(known)

    def zeros(self, node: Node) -> tuple[Operand, ...]:
        """Masks, over axes of the node, where each of which is 0 the node is 0."""
        known = self._zeros.get(node)
        if known is None:
            self._look(node)
            known = self._zeros[node] = tuple(dict.fromkeys(self._found_zeros(node)))[:MOST]
        return known

    def _found_zeros(self, node: Node) -> tuple[Operand, ...]:
        if node.dtype == "bool" or is_mask(node):
            return (self._as_mask(node),)
        if node.op in ("multiply", "contract"):
            found = [m for o in node.operands for m in moved(self.zeros(o.node), o.axes)]
            return tuple(m for m in found if all(a < node.rank for a in m.axes))
        if node.op in ("divide", "scale", "broadcast") or node.is_map("square"):
            return moved(self.zeros(node.operands[0].node), node.operands[0].axes)
        if node.op == "apply" and node.attributes[0] == "where":
            mask, _, other = node.operands
            return (mask,) if other.node.op == "number" and not other.node.attributes[0].value else ()
        if node.op in ("add", "subtract"):
            left, right = (moved(self.zeros(o.node), o.axes) for o in node.operands)
            shared = tuple(m for m in left if m in right)
            if shared or not left or not right or self._opposite(left, right):
                return shared
            return (node.whole,)  # where every term is 0
        return ()

    def _opposite(self, left: tuple[Operand, ...], right: tuple[Operand, ...]) -> bool:
        """True where one of two is always 1: m and 1 − m."""
        for first, second in ((left, right), (right, left)):
            for mask in second:
                if mask.node.op == "subtract" and is_mask(mask.node):
                    inner = mask.node.operands[1]
                    if any(m in first for m in moved(self.zeros(inner.node), mask.axes)):
                        return True
        return False

    def _as_mask(self, node: Node) -> Operand:
        """The mask itself, where it is there, not its numbers 0 and 1."""
        if node.is_map("step"):
            found = self.graph.find("map", (node.operands[0].node.whole,), ("positive",))
            return node.whole if found is None else found.whole
        return node.whole

    def fails(self, node: Node) -> frozenset[frozenset[int]]:
        """For each argument that may be outside a domain: the axes of the node along which it varies."""
        known = self._fails.get(node)
        if known is None:
            self._look(node)
            known = self._fails[node] = self._found_fails(node)
        return known

    def _found_fails(self, node: Node) -> frozenset[frozenset[int]]:
        if node.op not in _PASSES or node.dtype == "bool":
            return frozenset()
        out = {frozenset(o.axes[a] for a in root) for o in node.operands for root in self.fails(o.node)}
        operand = node.operands[-1]
        if node.op == "map" and node.attributes[0] in _SINGULAR:
            root = node.attributes[0] == "sqrt" or (node.attributes[0] == "power" and Fraction(node.attributes[1]) > 0)
            whole = node.attributes[0] == "power" and Fraction(node.attributes[1]).denominator == 1
            if not (self.positive(operand.node) or (root and (whole or self.nonnegative(operand.node)))):
                out.add(frozenset(operand.axes))
        elif node.op == "divide" and not self.positive(operand.node):
            out.add(frozenset(operand.axes))
        elif node.op == "apply" and node.attributes[0] == "pow" and not self.positive(node.operands[0].node):
            out.add(frozenset(range(node.rank)))
        return frozenset(out)

    def sign(self, node: Node) -> tuple[bool, bool]:
        """Whether the values are certainly above 0 (exponentials that vanish apart), and certainly not below 0."""
        known = self._signs.get(node)
        if known is None:
            self._look(node)
            known = self._signs[node] = (self._found_positive(node), self._found_nonnegative(node))
        return known

    def positive(self, node: Node) -> bool:
        """True where the values are certainly above 0."""
        return self.sign(node)[0]

    def nonnegative(self, node: Node) -> bool:
        """True where the values are certainly not below 0."""
        return self.sign(node)[1]

    def _found_positive(self, node: Node) -> bool:
        if node.op == "number":
            return bool(node.attributes[0].value > 0)
        if node.op == "map":
            name = node.attributes[0]
            if name in FUNCTIONS and FUNCTIONS[name].positive:
                return True
            return name in ("reciprocal", "sqrt", "square", "power") and self.positive(node.operands[0].node)
        if node.op == "scale":
            return bool(node.attributes[0].value > 0) and self.positive(node.operands[0].node)
        if node.op == "add":
            return all(self.nonnegative(o.node) for o in node.operands) and any(
                self.positive(o.node) for o in node.operands
            )
        if node.op in ("multiply", "divide", "sum", "contract", "broadcast", "copy", "diagonal"):
            return all(self.positive(o.node) for o in node.operands)
        return False

    def _found_nonnegative(self, node: Node) -> bool:
        if node.op == "map":
            name = node.attributes[0]
            if name in ("square", "sqrt", "positive") or (name in FUNCTIONS and FUNCTIONS[name].nonnegative):
                return True
            return name in ("reciprocal", "power") and self.nonnegative(node.operands[0].node)
        if node.op == "scale":
            return bool(node.attributes[0].value > 0) and self.nonnegative(node.operands[0].node)
        if node.op in ("add", "multiply", "divide", "sum", "contract", "broadcast", "copy", "diagonal"):
            return all(self.nonnegative(o.node) for o in node.operands)
        return self._found_positive(node)

    # -- what is guarded -------------------------------------------------------------------------------------------

    def guards(self, zero: Operand, other: Operand) -> list[Operand]:
        """Masks of `zero`, over the common axes, that are to keep `other` from failing."""
        roots = [frozenset(other.axes[a] for a in root) for root in self.fails(other.node)]
        if not roots:
            return []
        own = moved(self.zeros(other.node), other.axes)
        masks = moved(self.zeros(zero.node), zero.axes)
        return [m for m in masks if m not in own and any(set(m.axes) <= root for root in roots)]

    def chosen(self, mask: Operand, value: Operand) -> Operand:
        """where(mask, value, 0); the mask has no axes that the value has not. Both over common axes."""
        from chainrule.plan.numbers import Coefficient

        place = {axis: k for k, axis in enumerate(value.axes)}
        if mask.node.is_map("step"):
            inner = mask.node.operands[0].node
            mask = Operand(self.graph.make("map", (inner.whole,), inner.dims, ("positive",), "bool"), mask.axes)
        zero = self.graph.make("number", (), (), (Coefficient(Fraction(0)),))
        operands = (Operand(mask.node, tuple(place[a] for a in mask.axes)), value.node.whole, Operand(zero, ()))
        made = self.graph.make("apply", operands, value.node.dims, ("where",), hint=value.node.hint or "chosen")
        return Operand(made, value.axes)


def is_mask(node: Node) -> bool:
    """True for numbers that are 0 or 1: a comparison, or 1 less one."""
    if node.op == "map":
        name = node.attributes[0]
        return name in FUNCTIONS and FUNCTIONS[name].idempotent
    if node.op == "subtract":
        one, mask = node.operands
        return one.node.op == "number" and one.node.attributes[0].value == 1 and is_mask(mask.node)
    return False


def moved(masks: tuple[Operand, ...], axes: tuple[int, ...]) -> tuple[Operand, ...]:
    """Masks over an operand's own axes, over the axes at which it lies."""
    return tuple(Operand(m.node, tuple(axes[a] for a in m.axes)) for m in masks)
