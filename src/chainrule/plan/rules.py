"""Constructors that know a few equalities of floating-point code: the numerically stable form, found by structure.

Each rule looks at what a node *is*, never at what it is called:

    log(exp x) = x                          log(a / b), log(a b) = log a ∓ log b   where one of them is an exponential
    1 / (1 + exp x) = σ(−x)                 exp x · σ(−x) = σ(x)
    log(1 + exp x) = softplus(x)            log σ(x) = −softplus(−x)     log(1 − σ(x)) = −softplus(x)
    log(1 ± x) = log1p(±x)                  (1 + exp x)⁻ⁿ = σ(−x)ⁿ
    sgn(relu x) = (relu x > 0)              step(x) = (x > 0)            as masks

To add one: extend the constructor of its outermost operation.
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.algebra.expr import Rational
from chainrule.dims import Dim
from chainrule.errors import UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.plan.graph import MAPS, Graph, Node, Operand
from chainrule.plan.masked import Masks, is_mask
from chainrule.plan.numbers import MINUS_ONE, ONE, Coefficient

__all__ = ["Builder", "hint"]

_POSITIVE_MAPS = frozenset({"exp", "sigmoid", "softplus", "cosh"})


class Builder:
    """Constructors of nodes on a graph. All take and give operands over one common set of result axes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.masks = Masks(graph)

    # -- scalars ------------------------------------------------------------------------------------------------

    def number(self, coefficient: Coefficient) -> Operand:
        """A number as an operand without axes."""
        return Operand(self.graph.make("number", (), (), (coefficient,)), ())

    def scale(self, coefficient: Coefficient, operand: Operand) -> Operand:
        """coefficient · operand."""
        if coefficient == ONE:
            return operand
        operand = self.real(operand)
        node = operand.node
        if node.op == "number":
            return Operand(self.number(coefficient * node.attributes[0]).node, operand.axes)
        if node.op == "scale":
            return Operand(self.scale(coefficient * node.attributes[0], node.operands[0]).node, operand.axes)
        if coefficient == MINUS_ONE and node.op == "subtract":
            left, right = node.operands
            return Operand(self._binary("subtract", right, left, node.dims), operand.axes)
        return Operand(
            self.graph.make("scale", (node.whole,), node.dims, (coefficient,), hint=hint(node, "scaled")), operand.axes
        )

    def negative(self, operand: Operand) -> Operand:
        """−operand."""
        return self.scale(MINUS_ONE, operand)

    # -- elementwise functions ----------------------------------------------------------------------------------

    def real(self, operand: Operand) -> Operand:
        """A mask as an array of zeros and ones; anything else as it is."""
        node = operand.node
        if node.dtype != "bool":
            return operand
        inner = node.operands[0].node
        return Operand(self.graph.make("map", (inner.whole,), node.dims, ("step",), hint=node.hint), operand.axes)

    def map(self, function: str, operand: Operand) -> Operand:
        """An elementwise function by the name of its record. Raises UnsupportedError where there is none."""
        if function not in FUNCTIONS and function not in MAPS:
            raise UnsupportedError(
                f"{function} is an unknown function: it has no code",
                hint=f"define it in the program: def {function}(u) = …",
            )
        if function == "log":
            return self.log(operand)
        node = operand.node
        if function == "step" or (function == "sgn" and node.is_map("relu")):
            return self._map("positive", self.real(operand), dtype="bool", called=hint(node, "mask"))
        operand = self.real(operand)
        return self._map(function, operand, called=hint(operand.node, function))

    def below_limit(self, operand: Operand) -> Operand:
        """The operand, but no more than what has a finite exponential."""
        operand = self.real(operand)
        return self._map("below", operand, called=hint(operand.node, "bounded"))

    def _map(self, function: str, operand: Operand, *more: Rational, dtype: str = "float", called: str = "") -> Operand:
        node = operand.node
        return Operand(self.graph.make("map", (node.whole,), node.dims, (function, *more), dtype, called), operand.axes)

    def log(self, operand: Operand) -> Operand:
        """log, in the form that neither overflows nor loses its argument."""
        operand = self.real(operand)
        node = operand.node
        if node.is_map("exp"):
            return Operand(node.operands[0].node, operand.axes)
        if node.is_map("sigmoid"):
            return self.negative(self.map("softplus", self.negative(Operand(node.operands[0].node, operand.axes))))
        if node.is_map("reciprocal") and self.is_positive(node):
            return self.negative(self.log(Operand(node.operands[0].node, operand.axes)))
        exponent = self._one_plus_exp(node)
        if exponent is not None:
            return Operand(self.map("softplus", exponent).node, operand.axes)
        if node.op == "subtract" and self._is_one(node.operands[0].node) and node.operands[1].node.is_map("sigmoid"):
            inner = node.operands[1].node.operands[0].node
            return Operand(self.negative(self.map("softplus", inner.whole)).node, operand.axes)
        if node.op in ("multiply", "divide"):
            left, right = node.operands
            known = self._is_exponential(left.node) or self._is_exponential(right.node)
            if known and self.is_positive(left.node) and self.is_positive(right.node):
                join = "add" if node.op == "multiply" else "subtract"
                made = self._sum(join, self.log(left), self.log(right), node.dims).node
                made.hint = made.hint or hint(node, "log")
                return Operand(made, operand.axes)
        small = self._one_plus(node)
        if small is not None:
            return Operand(self._map("log1p", small, called=hint(node, "log")).node, operand.axes)
        return self._map("log", operand, called=hint(node, "log"))

    def power(self, operand: Operand, exponent: Rational) -> Operand:
        """operand ** exponent, by products, roots and reciprocals where it can be."""
        exponent = Fraction(exponent)
        node = operand.node
        if exponent == 1:
            return operand
        if node.dtype == "bool":
            return operand
        if node.op == "number" and exponent.denominator == 1:
            value = node.attributes[0] if exponent > 0 else node.attributes[0].inverse()
            total = ONE
            for _ in range(abs(int(exponent))):
                total = total * value
            return self.number(total)
        if node.is_map("exp"):
            return self.map("exp", self.scale(Coefficient(exponent), Operand(node.operands[0].node, operand.axes)))
        if exponent < 0 and self._one_plus_exp(node) is not None:
            return self.power(self._reciprocal(operand), -exponent)
        if exponent < 0:
            positive = self.power(operand, -exponent)
            return self._reciprocal(positive)
        if exponent == 2:
            return self._map("square", operand, called=hint(node, "squared"))
        if exponent == Fraction(1, 2):
            return self._map("sqrt", operand, called=hint(node, "sqrt"))
        if exponent.denominator <= 2 and exponent <= 8:
            half = self.power(operand, Fraction(1, 2)) if exponent.denominator == 2 else None
            whole = int(exponent)
            if half is not None:
                return self.multiply(self.power(operand, whole), half)
            root = self.power(operand, whole // 2)
            square = self._map("square", root, called=hint(node, "power"))
            return square if whole % 2 == 0 else self.multiply(square, operand)
        return self._map("power", operand, exponent, called=hint(node, "power"))

    def _reciprocal(self, operand: Operand) -> Operand:
        node = operand.node
        exponent = self._one_plus_exp(node)
        if exponent is not None:
            return Operand(self.map("sigmoid", self.negative(exponent)).node, operand.axes)
        if node.is_map("reciprocal"):
            return Operand(node.operands[0].node, operand.axes)
        return self._map("reciprocal", operand, called=hint(node, "inv"))

    # -- two operands -------------------------------------------------------------------------------------------

    def _binary(self, op: str, left: Operand, right: Operand, dims: tuple[Dim, ...]) -> Node:
        return self.graph.make(op, (left, right), dims)

    def _join(self, left: Operand, right: Operand) -> tuple[tuple[int, ...], tuple[Dim, ...], Operand, Operand]:
        """Number the axes that the two cover from 0; gives these axes, their sizes and both operands on them.

        They lie as in the operand that has them all, so that memory is walked through in order.
        """
        axes = tuple(sorted({*left.axes, *right.axes}))
        whole = {operand.axes for operand in (left, right) if len(operand.axes) == len(axes)}
        if len(whole) == 1:
            (axes,) = whole
        place = {axis: k for k, axis in enumerate(axes)}
        size = dict(zip(left.axes, left.node.dims, strict=True)) | dict(zip(right.axes, right.node.dims, strict=True))
        return (
            axes,
            tuple(size[axis] for axis in axes),
            Operand(left.node, tuple(place[a] for a in left.axes)),
            Operand(right.node, tuple(place[a] for a in right.axes)),
        )

    def _commute(self, left: Operand, right: Operand) -> tuple[Operand, Operand]:
        """One order for a product, so that a b and b a are one node: the operand that fills the result goes first."""
        key_left = (-len(left.axes), left.node.dtype == "bool", left.node.number, left.axes)
        key_right = (-len(right.axes), right.node.dtype == "bool", right.node.number, right.axes)
        return (left, right) if key_left <= key_right else (right, left)

    def multiply(self, left: Operand, right: Operand) -> Operand:
        """The elementwise product, broadcast over the axes of both; what a mask sets to 0 is 0 (`plan.masked`)."""
        for zero, other in ((left, right), (right, left)):
            guards = self.masks.guards(zero, other)
            if not guards:
                continue
            whole = (zero.node.dtype == "bool" or is_mask(zero.node)) and set(zero.axes) <= set(other.axes)
            made = other if whole else self._multiply(left, right)
            for guard in guards:
                made = self.masks.chosen(guard, made)
            return made
        return self._multiply(left, right)

    def _multiply(self, left: Operand, right: Operand) -> Operand:
        if left.node.dtype == "bool" and right.node.dtype == "bool":
            if left == right:
                return left
            left = self.real(left)
        for first, second in ((left, right), (right, left)):
            if first.node.op == "number":
                return self.scale(first.node.attributes[0], second)
            if first.node.op == "scale" and first.node.attributes[0] == MINUS_ONE and not first.node.name:
                return self.negative(self.multiply(Operand(first.node.operands[0].node, first.axes), second))
            if first.node.is_map("exp") and second.node.is_map("sigmoid") and first.axes == second.axes:
                exponent = first.node.operands[0]
                if self.negative(exponent) == second.node.operands[0]:
                    return Operand(self.map("sigmoid", exponent).node, first.axes)
        axes, dims, left, right = self._join(left, right)
        for first, second in ((left, right), (right, left)):
            if second.node.is_map("reciprocal") and first.node.dtype == "float":
                divisor = Operand(second.node.operands[0].node, second.axes)
                return Operand(self._binary("divide", first, divisor, dims), axes)
        left, right = self._commute(left, right)
        if left == right:
            return Operand(self._map("square", left.node.whole, called=hint(left.node, "squared")).node, axes)
        return Operand(self._binary("multiply", left, right, dims), axes)

    def add(self, left: Operand, right: Operand) -> Operand:
        """The sum, broadcast; x + (−y) is x − y."""
        return self._signed(self.real(left), self.real(right), False)

    def subtract(self, left: Operand, right: Operand) -> Operand:
        """The difference, broadcast."""
        return self._signed(self.real(left), self.real(right), True)

    def _signed(self, left: Operand, right: Operand, minus: bool) -> Operand:
        if right.node.op == "scale" and right.node.attributes[0] == MINUS_ONE:
            inner = right.node.operands[0].node
            return self._signed(left, Operand(inner, right.axes), not minus)
        if not minus and left.node.op == "scale" and left.node.attributes[0] == MINUS_ONE:
            return self._signed(right, Operand(left.node.operands[0].node, left.axes), True)
        if left.node.op == "number" and right.node.op == "number":
            a, b = left.node.attributes[0], right.node.attributes[0]
            if a.is_rational and b.is_rational:
                return self.number(Coefficient(a.value - b.value if minus else a.value + b.value))
        axes, dims, left, right = self._join(left, right)
        if not minus and self.graph.find("add", (right, left)) is not None:
            left, right = right, left
        return Operand(self._sum("subtract" if minus else "add", left, right, dims).node, axes)

    def _sum(self, op: str, left: Operand, right: Operand, dims: tuple[Dim, ...]) -> Operand:
        if right.node.op == "scale" and right.node.attributes[0] == MINUS_ONE:
            op = "subtract" if op == "add" else "add"
            right = Operand(right.node.operands[0].node, right.axes)
        return self._binary(op, left, right, dims).whole

    # -- what is known of a node --------------------------------------------------------------------------------

    def is_positive(self, node: Node) -> bool:
        """True where the values are certainly > 0 (False: unknown)."""
        if node.op == "map":
            if node.attributes[0] in _POSITIVE_MAPS:
                return True
            return node.attributes[0] in ("reciprocal", "sqrt", "square") and self.is_positive(node.operands[0].node)
        if node.op == "number":
            return bool(node.attributes[0].value > 0)
        if node.op == "scale":
            return bool(node.attributes[0].value > 0) and self.is_positive(node.operands[0].node)
        if node.op in ("add", "multiply", "divide", "sum", "contract", "broadcast", "copy", "diagonal"):
            return all(self.is_positive(operand.node) for operand in node.operands)
        return False

    def _is_exponential(self, node: Node) -> bool:
        """True where log of it is simpler than it is: an exponential, or a product or quotient with one."""
        if node.op == "map":
            return node.attributes[0] in ("exp", "sigmoid")
        return node.op in ("multiply", "divide") and any(self._is_exponential(o.node) for o in node.operands)

    def _is_one(self, node: Node) -> bool:
        return node.op == "number" and node.attributes[0] == ONE

    def _one_plus(self, node: Node) -> Operand | None:
        """x (or −x) where the node is 1 + x (or 1 − x)."""
        if node.op == "subtract" and self._is_one(node.operands[0].node):
            return self.negative(node.operands[1])
        if node.op == "add":
            for one, other in (node.operands, node.operands[::-1]):
                if self._is_one(one.node):
                    return other
        return None

    def _one_plus_exp(self, node: Node) -> Operand | None:
        """x where the node is 1 + exp(x)."""
        if node.op == "add":
            for one, other in (node.operands, node.operands[::-1]):
                if self._is_one(one.node) and other.node.is_map("exp"):
                    return other.node.operands[0].node.whole
        return None


def hint(node: Node, suffix: str) -> str:
    """What to call a node that is made from `node`: the stem of its name and what was done ("Θ|exp")."""
    stem = node.name or node.hint.split("|")[0]
    return f"{stem}|{suffix}" if stem else suffix
