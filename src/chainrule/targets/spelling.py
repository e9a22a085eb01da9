"""Text of generated code: literals, views of operands, subscripts, for languages that write arrays as NumPy does.

Text comes with its binding strength, so that brackets are decided in one place (`bracket`). A target's own spelling of
functions is a subclass, beside the target.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod

from chainrule.dims import Dim
from chainrule.plan import Coefficient, Form, Node, Operand

__all__ = [
    "ATOM", "COMPARE", "MATMUL", "POWER", "PRODUCT", "SUM", "UNARY", "ArraySpelling", "Text", "bracket", "exact_number",
]  # fmt: skip

Text = tuple[str, int]  # and how strongly it binds
COMPARE, SUM, MATMUL, PRODUCT, UNARY, POWER, ATOM = 10, 20, 25, 30, 40, 50, 100

LETTERS = "ijklmnopqrstuvwxyzabcdefgh"


def bracket(text: Text, strength: int) -> str:
    """The text, in brackets if it binds less than `strength`."""
    return text[0] if text[1] >= strength else f"({text[0]})"


class ArraySpelling:
    """Spells nodes. `value(node)` gives the text of a node (its name, or an expression), `size_names` that of a size.

    `dtype` is the name of the step's floats. `sizes_used` collects the sizes that the text needs.
    """

    def __init__(self, value: Callable[[Node], Text], dtype: str, size_names: dict[str, str]) -> None:
        self.value = value
        self.dtype = dtype
        self.size_names = size_names
        self.sizes_used: set[str] = set()

    # -- numbers ------------------------------------------------------------------------------------------------

    def size(self, dim: Dim) -> str:
        """A size: a local variable or a literal."""
        if isinstance(dim, str):
            self.sizes_used.add(dim)
            return self.size_names[dim]
        return str(dim)

    def shape(self, dims: tuple[Dim, ...]) -> str:
        """A tuple of sizes; one size alone as it is."""
        return f"({', '.join(map(self.size, dims))})" if len(dims) != 1 else self.size(dims[0])

    def coefficient(self, c: Coefficient) -> Text:
        """A scalar: 2, 0.5, 1 / N, 2 / (N * D), D ** -0.5."""
        above: list[Text] = []
        below: list[Text] = []
        value = c.value
        if value.denominator & (value.denominator - 1) == 0 and value.denominator <= 1024 and value.denominator > 1:
            above.append((repr(float(abs(value))), ATOM))
        else:
            if abs(value.numerator) != 1:
                above.append((_whole(abs(value.numerator)), ATOM))
            if value.denominator != 1:
                below.append((_whole(value.denominator), ATOM))
        powers = [(self.size(d), e) for d, e in c.sizes]
        powers += [(str(n) if n.denominator == 1 else f"({n})", e) for n, e in c.roots]
        for base, exponent in powers:
            if exponent.denominator != 1:
                above.append((f"{base} ** {exact_number(exponent)}", POWER))
                continue
            side = above if exponent > 0 else below
            side.append((base, ATOM) if abs(exponent) == 1 else (f"{base} ** {abs(exponent)}", POWER))
        sign = "-" if value < 0 else ""
        top = " * ".join(t for t, _ in above) or "1"
        if below:
            under = below[0][0] if len(below) == 1 else "(" + " * ".join(t for t, _ in below) + ")"
            return f"{sign}{top} / {under}", PRODUCT
        strength = PRODUCT if len(above) > 1 else above[0][1] if above else ATOM
        return sign + top, min(strength, UNARY) if sign else strength

    def scaled(self, c: Coefficient, x: Text) -> Text:
        """c · x for reading: -x, x / N, 0.5 * x."""
        if c == Coefficient(Fraction(-1)):
            return "-" + bracket(x, UNARY), UNARY
        if c.value < 0:  # the sign in front of everything: -x / N
            text = self.scaled(-c, x)
            return f"-{bracket(text, PRODUCT)}", UNARY if text[1] > UNARY else PRODUCT
        inverse = c.inverse() if c.value in (1, Fraction(1, c.value.denominator)) else None
        if inverse is not None and c.value.denominator & (c.value.denominator - 1) and not c.sizes:
            return f"{bracket(x, PRODUCT)} / {bracket(self.coefficient(inverse), POWER)}", PRODUCT
        if inverse is not None and c.sizes and not c.roots and all(e < 0 for _, e in c.sizes):
            return f"{bracket(x, PRODUCT)} / {bracket(self.coefficient(inverse), POWER)}", PRODUCT
        return f"{bracket(self.coefficient(c), PRODUCT)} * {bracket(x, PRODUCT + 1)}", PRODUCT

    # -- operands -----------------------------------------------------------------------------------------------

    def operand(self, operand: Operand, rank: int) -> Text:
        """An operand as it is broadcast in a result of `rank` axes: Z, A.T, v[:, None]."""
        node, axes = operand
        text = self.value(node)
        order = sorted(range(len(axes)), key=lambda k: axes[k])
        if order != list(range(len(axes))):
            text = self.transposed(text, tuple(order))
        present = sorted(axes)
        if not present or present == list(range(rank - len(present), rank)):
            return text
        pattern = [":" if k in present else "None" for k in range(present[0], rank)]
        while len(pattern) > 1 and pattern[0] == "None":
            pattern.pop(0)
        if len(pattern) > 2 and pattern == [":"] * (len(pattern) - 1) + ["None"]:
            pattern = ["...", "None"]
        return f"{bracket(text, ATOM)}[{', '.join(pattern)}]", ATOM

    def transposed(self, text: Text, order: tuple[int, ...]) -> Text:
        """A transposed view."""
        if order == tuple(range(len(order))):
            return text
        if order == tuple(reversed(range(len(order)))):
            return f"{bracket(text, ATOM)}.T", ATOM
        return f"{bracket(text, ATOM)}.transpose({', '.join(map(str, order))})", ATOM

    def arranged(self, operand: Operand, wanted: tuple[int, ...]) -> Text:
        """An operand with its axes in the order `wanted`."""
        return self.transposed(self.value(operand.node), tuple(operand.axes.index(a) for a in wanted))

    # -- contractions -------------------------------------------------------------------------------------------

    def gemm_sides(self, node: Node, form: Form) -> tuple[Text, Text]:
        """Both operands of a dot, gemv, gemm or batched product: (batch, left, summed) and (batch, summed, right)."""
        left, right = node.operands
        return (
            self.arranged(left, (*form.batch, *form.left, *form.summed)),
            self.arranged(right, (*form.batch, *form.summed, *form.right)),
        )

    def einsum(self, node: Node) -> str:
        """The subscripts of a contraction."""
        left, right = (("".join(LETTERS[a] for a in o.axes)) for o in node.operands)
        return f'"{left},{right}->{LETTERS[: node.rank]}"'

    def product(self, dims: tuple[Dim, ...]) -> str:
        """A product of sizes."""
        if all(isinstance(d, int) for d in dims):
            return str(prod(d for d in dims if isinstance(d, int)))
        return " * ".join(self.size(d) for d in dims)

    def diagonal_subscripts(self, operand_axes: tuple[int, ...]) -> str:
        """Einsum subscripts that view a diagonal: "ii->i"."""
        inside = "".join(LETTERS[a] for a in operand_axes)
        return f'"{inside}->{"".join(LETTERS[a] for a in sorted(set(operand_axes)))}"'


def _whole(number: int) -> str:
    """A whole number; as a float where frameworks have no integer for it."""
    return str(number) if number < 2**31 else repr(float(number))


def exact_number(value: Fraction | int) -> str:
    """A rational as the code writes it: 2, 0.5, (1 / 3)."""
    value = Fraction(value)
    if value.denominator == 1:
        return _whole(value.numerator) if value > 0 else str(value.numerator)
    if value.denominator & (value.denominator - 1) == 0:
        return repr(float(value))
    return f"({value.numerator} / {value.denominator})"
