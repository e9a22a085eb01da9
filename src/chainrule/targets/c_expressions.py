"""C text for numbers and trees of elementwise operations. Text comes with its binding strength (`bracket`).

To add a function: its spelling in `_FUNCTIONS` (what `math.h` or an operator gives) or a helper of its own in
`c_helpers`, which is then written into the files that use it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from chainrule.dims import Dim
from chainrule.errors import UnsupportedError
from chainrule.plan import Coefficient
from chainrule.plan.kernel import Tree
from chainrule.plan.wide import ROUNDED, WIDE, WIDENED
from chainrule.targets.c_helpers import WIDER, helper_names

__all__ = ["ATOM", "CSpelling", "Text", "bracket", "has_function"]

Text = tuple[str, int]
CHOICE, COMPARE, SUM, PRODUCT, UNARY, ATOM = 5, 10, 20, 30, 40, 100

# {x}, {x2}, {x3}: an argument that binds as tightly as an atom; {f}: the suffix of math.h's float functions; {r}: the
# type; {one}, {zero}: literals. The strength of the result stands behind it. Arguments that occur more than once must
# be names or literals: such functions are helpers.
_FUNCTIONS: dict[str, tuple[str, int]] = {
    "exp": ("exponential({x})", ATOM),
    "log": ("log{f}({x})", ATOM),
    "sqrt": ("sqrt{f}({x})", ATOM),
    "abs": ("fabs{f}({x})", ATOM),
    "tanh": ("hyperbolic_tangent({x})", ATOM),
    "sin": ("sin{f}({x})", ATOM),
    "cos": ("cos{f}({x})", ATOM),
    "tan": ("tan{f}({x})", ATOM),
    "arctan": ("atan{f}({x})", ATOM),
    "erf": ("erf{f}({x})", ATOM),
    "erfc": ("erfc{f}({x})", ATOM),
    "expm1": ("expm1{f}({x})", ATOM),
    "log1p": ("log1p{f}({x})", ATOM),
    "tanh_slope": ("tanh_slope({x})", ATOM),
    "sinh": ("sinh{f}({x})", ATOM),
    "cosh": ("cosh{f}({x})", ATOM),
    "pow": ("pow{f}({x}, {x2})", ATOM),
    "reciprocal": ("{one} / {x}", PRODUCT),
    "step": ("({x} > {zero} ? {one} : {zero})", ATOM),
    "iszero": ("({x} == {zero} ? {one} : {zero})", ATOM),
    "nonneg": ("({x} >= {zero} ? {one} : {zero})", ATOM),
    "where": ("({x} != {zero} ? {x2} : {x3})", ATOM),
    "relu": ("relu({x})", ATOM),
    "sgn": ("sign({x})", ATOM),
    "square": ("square({x})", ATOM),
    "sigmoid": ("sigmoid({x})", ATOM),
    "softplus": ("softplus({x})", ATOM),
    "arctan_slope": ("arctan_slope({x})", ATOM),
    "erf_slope": ("erf_slope({x})", ATOM),
    "normal_cdf": ("normal_cdf({x})", ATOM),
    "normal_pdf": ("normal_pdf({x})", ATOM),
}


def has_function(name: str) -> bool:
    """True where the elementwise function has C code."""
    return name in _FUNCTIONS or name in ("power", "below", "positive")


def bracket(text: Text, strength: int) -> str:
    """The text, in brackets if it binds less than `strength`."""
    return text[0] if text[1] >= strength else f"({text[0]})"


class CSpelling:
    """Spells expressions. `read(tree)` gives the text of a value that is read, `size` that of a size,
    `index(label)` that of a loop variable. `helpers` collects the helper functions that the text needs.
    """

    def __init__(
        self, dtype: str, read: Callable[[Tree], Text], size: Callable[[Dim], str], index: Callable[[int], str | None]
    ) -> None:
        self.single = dtype == "float32"
        self.wide = False  # what is spelled is float64, in a step of float32
        self.read = read
        self.size = size
        self.index = index
        self.helpers: set[str] = set()

    @property
    def real(self) -> str:
        """The type of what is spelled."""
        return "float" if self.single and not self.wide else "double"

    @property
    def suffix(self) -> str:
        """Of its literals and of math.h's functions."""
        return "f" if self.single and not self.wide else ""

    def helper(self, name: str) -> str:
        """A helper function by its name for what is spelled; it will be written into the file."""
        if self.wide and name in helper_names():
            name += WIDER
        self.helpers.add(name)
        return name

    # -- numbers ------------------------------------------------------------------------------------------------

    def literal(self, value: Fraction | int) -> Text:
        """A number of the step's type; a fraction that has no short decimal form as a quotient."""
        value = Fraction(value)
        if value < 0:
            text = self.literal(-value)
            return f"-{bracket(text, UNARY)}", UNARY if text[1] > UNARY else PRODUCT
        if value.denominator == 1 and value.numerator < 10**15:
            return f"{value.numerator}.0{self.suffix}", ATOM
        if value.denominator & (value.denominator - 1) == 0 and Fraction(repr(float(value))) == value:
            return f"{float(value)!r}{self.suffix}", ATOM
        top, under = (repr(float(n)) for n in (value.numerator, value.denominator))
        return f"{top}{self.suffix} / {under}{self.suffix}", PRODUCT

    def coefficient(self, c: Coefficient) -> Text:
        """A scalar: 0.5f, 1.0f / (float)N, sqrtf((float)D)."""
        above: list[str] = []
        below: list[str] = []
        sign = "-" if c.value < 0 else ""
        value = abs(c.value)
        number = self.literal(value)
        if value != 1:
            if number[1] == ATOM:
                above.append(number[0])
            else:
                above.append(self.literal(value.numerator)[0])
                below.append(self.literal(value.denominator)[0])
        powers = [(f"({self.real}){self.size(d)}", e) for d, e in c.sizes]
        powers += [(bracket(self.literal(n), UNARY), e) for n, e in c.roots]
        for base, exponent in powers:
            side, exponent = (above, exponent) if exponent > 0 else (below, -exponent)
            whole = exponent.numerator // exponent.denominator
            rest = exponent - whole
            if whole > 4 or rest not in (0, Fraction(1, 2)):
                side.append(f"pow{self.suffix}({base}, {self.literal(exponent)[0]})")
                continue
            side += [base] * whole
            if rest:
                side.append(f"sqrt{self.suffix}({base})")
        top = " * ".join(above) or self.literal(1)[0]
        if below:
            under = below[0] if len(below) == 1 else "(" + " * ".join(below) + ")"
            return f"{sign}{top} / {under}", PRODUCT
        strength = PRODUCT if len(above) > 1 else ATOM
        return sign + top, min(strength, UNARY) if sign else strength

    # -- trees --------------------------------------------------------------------------------------------------

    def text(self, tree: Tree) -> Text:
        """The value of a tree where it stands."""
        node = tree.node
        if node.op == "number":
            return self.coefficient(node.attributes[0])
        if tree.read:
            return self.read(tree)
        return self.compute(tree)

    def compute(self, tree: Tree) -> Text:
        """One step, of its operands. Reductions: what is added up."""
        before, self.wide = self.wide, tree.node.dtype == WIDE
        text = self._computed(tree)
        self.wide = before
        return text

    def _computed(self, tree: Tree) -> Text:
        node, operands = tree.node, tree.operands
        if node.op == "zeros":
            return self.literal(0)
        if node.op in ("sum", "max", "copy", "broadcast", "diagonal", "accumulate", "put"):
            return self.text(operands[0])
        if node.op == "scale":
            return self._scaled(node.attributes[0], self.text(operands[0]))
        if node.op == "contract":
            left, right = (self.text(o) for o in operands)
            return f"{bracket(left, PRODUCT)} * {bracket(right, UNARY)}", PRODUCT
        if node.op == "multiply":
            for mask, other in (operands, operands[::-1]):
                if mask.node.dtype == "bool":
                    zero = self.literal(0)[0]
                    return f"({self._condition(mask)} ? {bracket(self.text(other), COMPARE)} : {zero})", ATOM
        if node.op in ("add", "subtract", "multiply", "divide"):
            left, right = (self.text(o) for o in operands)
            strength = SUM if node.op in ("add", "subtract") else PRODUCT
            sign = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}[node.op]
            return f"{bracket(left, strength)} {sign} {bracket(right, strength + 1)}", strength
        if node.op == "map" and node.attributes[0] in ("power", "below"):
            x = self.text(operands[0])[0]
            if node.attributes[0] == "power":
                return f"pow{self.suffix}({x}, {self.literal(node.attributes[1])[0]})", ATOM
            return f"{self.helper('smaller')}({x}, {'88' if self.suffix else '709'}.0{self.suffix})", ATOM
        if node.op == "map" and node.attributes[0] in (WIDENED, ROUNDED):
            return f"({self.real}){bracket(self.text(operands[0]), UNARY)}", UNARY
        if node.op in ("map", "apply"):
            return self._function(node.attributes[0], operands)
        if node.op in ("embed", "add_embed"):
            return self._diagonal(tree)
        raise UnsupportedError(f"{node.op} has no C code", hint='compile it with target "numpy"')

    def _condition(self, mask: Tree) -> str:
        """A mask: x > 0."""
        if mask.node.is_map("positive"):
            return f"{bracket(self.text(mask.operands[0]), SUM)} > {self.literal(0)[0]}"
        if mask.node.op == "multiply":
            return " && ".join(self._condition(o) for o in mask.operands)
        raise UnsupportedError(f"a mask of {mask.node.op} has no C code", hint='compile it with target "numpy"')

    def _scaled(self, c: Coefficient, x: Text) -> Text:
        if c == Coefficient(Fraction(-1)):
            return f"-{bracket(x, UNARY + 1)}", UNARY
        return f"{bracket(self.coefficient(c), PRODUCT)} * {bracket(x, UNARY)}", PRODUCT

    def _function(self, name: str, operands: tuple[Tree, ...]) -> Text:
        if name == "where" and operands[0].node.dtype == "bool":
            texts = [bracket(self.text(o), COMPARE) for o in operands[1:]]
            return f"({self._condition(operands[0])} ? {texts[0]} : {texts[1]})", ATOM
        if name not in _FUNCTIONS:
            raise UnsupportedError(
                f"the function {name} has no C code", hint='compile it with target "numpy", or write it with others'
            )
        template, strength = _FUNCTIONS[name]
        head, mark, rest = template.partition("(")
        template = self.helper(head) + mark + rest
        inner = ATOM if strength != ATOM or template.startswith("(") else 0
        letters = {
            "x" if k == 0 else f"x{k + 1}": bracket(self.text(operand), inner) for k, operand in enumerate(operands)
        }
        zero, one = self.literal(0)[0], self.literal(1)[0]
        return template.format(f=self.suffix, r=self.real, one=one, zero=zero, **letters), strength

    def _diagonal(self, tree: Tree) -> Text:
        """The value where the axes of each group are equal; elsewhere 0, or the base."""
        (follow,) = tree.node.attributes
        *base, value = tree.operands
        first: dict[int, int] = {}
        conditions = []
        for axis, group in enumerate(follow):
            if group in first:
                a, b = (self.index(tree.labels[k]) for k in (first[group], axis))
                if a != b:
                    conditions.append(f"{a or 0} == {b or 0}")
            else:
                first[group] = axis
        text = self.text(value)
        if conditions:
            text = f"({' && '.join(conditions)} ? {bracket(text, COMPARE)} : {self.literal(0)[0]})", ATOM
        if not base:
            return text
        return f"{bracket(self.text(base[0]), SUM)} + {bracket(text, PRODUCT)}", SUM
