"""NumPy text for plan nodes: elementwise functions and products. Shared by both variants of the NumPy target."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.functions import FUNCTIONS
from chainrule.plan import Node, Operand
from chainrule.plan.wide import ROUNDED, WIDE, WIDENED
from chainrule.targets.spelling import (
    ATOM,
    COMPARE,
    MATMUL,
    POWER,
    PRODUCT,
    SUM,
    UNARY,
    ArraySpelling,
    Text,
    bracket,
    exact_number,
)

__all__ = ["ATOM", "MATMUL", "PRODUCT", "SUM", "UNARY", "Call", "Spelling", "Text", "bracket"]

Call = tuple[str, list[str]]  # a function that takes out=, and its arguments

_UFUNCS = {
    "relu": ("np.maximum", "{x}, 0"),
    "square": ("np.square", "{x}"),
    "sqrt": ("np.sqrt", "{x}"),
    "reciprocal": ("np.divide", "1, {x}"),
    "positive": ("np.greater", "{x}, 0"),
    "step": ("np.greater", "{x}, 0"),
    "softplus": ("np.logaddexp", "{x}, 0"),
    "expm1": ("np.expm1", "{x}"),
    "log1p": ("np.log1p", "{x}"),
    "sigmoid": ("_sigmoid", "{x}"),
    "tanh_slope": ("_tanh_slope", "{x}"),
}


class Spelling(ArraySpelling):
    """Spells nodes in NumPy. `dtype` is NumPy's name of the floats of the node at hand: the step's, or float64."""

    def __init__(self, value: Callable[[Node], Text], dtype: str, size_names: dict[str, str]) -> None:
        super().__init__(value, dtype, size_names)
        self.own_dtype = dtype

    def at(self, node: Node) -> None:
        """What is spelled next is that node."""
        self.dtype = self.type_of(WIDE) if node.dtype == WIDE else self.own_dtype

    def type_of(self, dtype: str) -> str:
        """NumPy's name of what a node's dtype is."""
        return {"bool": "bool", WIDE: "np.float64"}.get(dtype, self.own_dtype)

    # -- functions ----------------------------------------------------------------------------------------------

    def argument(self, operand: Operand, rank: int) -> Text:
        """An operand of a function: a number has the step's type there, for np.where(c, 1, 2) would be of integers."""
        text = self.operand(operand, rank)
        return (f"{self.dtype}({text[0]})", ATOM) if operand.node.op == "number" else text

    def map_call(self, node: Node, x: str) -> Call | None:
        """An elementwise function as one ufunc call, or None where it takes more."""
        function = node.attributes[0]
        if function == "power":
            return "np.power", [x, exact_number(node.attributes[1])]
        if function == "below":
            return "np.minimum", [x, self.exponent_limit]
        if function == "precise":
            return f"_precise{node.attributes[1].number}", [x]
        if function in (WIDENED, ROUNDED):
            return None
        if function in _UFUNCS:
            name, arguments = _UFUNCS[function]
            return name, [arguments.format(x=x)]
        record = FUNCTIONS[function]
        return (record.ufunc, [x]) if record.ufunc else None

    def map_text(self, node: Node, x: Text) -> Text:
        """An elementwise function for reading."""
        function = node.attributes[0]
        atom = bracket(x, ATOM)
        if function == "square":
            return f"{atom} ** 2", POWER
        if function == "power":
            return f"{atom} ** {exact_number(node.attributes[1])}", POWER
        if function == "reciprocal":
            return f"1 / {bracket(x, PRODUCT + 1)}", PRODUCT
        if function == "positive":
            return f"{bracket(x, SUM)} > 0", COMPARE
        if function in (WIDENED, ROUNDED):
            return (f"{atom}.astype({self.dtype})" if node.rank else f"{self.dtype}({x[0]})"), ATOM
        if function == "step":
            return f"np.greater({x[0]}, 0).astype({self.dtype})", ATOM
        call = self.map_call(node, x[0])
        if call is not None:
            return f"{call[0]}({', '.join(call[1])})", ATOM
        return FUNCTIONS[function].numpy.format(x=atom), SUM

    @property
    def exponent_limit(self) -> str:
        """The largest whole number whose exponential is finite."""
        return "88" if self.dtype.endswith("float32") else "709"

    # -- contractions -------------------------------------------------------------------------------------------

    def grouped_side(self, operand: Operand, own: tuple[int, ...], summed: tuple[int, ...], left: bool) -> str | None:
        """An operand with several own or summed axes as a matrix (own, summed), transposed for the right side.

        None where its axes do not lie so that a reshape is enough.
        """
        axes = operand.axes
        first_own = axes == (*own, *summed)
        if not first_own and axes != (*summed, *own):
            return None
        size = dict(zip(axes, operand.node.dims, strict=True))
        groups = (own, summed) if first_own else (summed, own)
        text = self.value(operand.node)
        if len(own) != 1 or len(summed) != 1:
            # one group takes the rest (−1): the other has sizes that are known by name
            shape = [self.product(tuple(size[a] for a in group)) for group in groups if group]
            if len(shape) == 2:
                shape[0 if len(groups[0]) >= len(groups[1]) else 1] = "-1"
            else:
                shape = ["-1"]
            text = f"{bracket(text, ATOM)}.reshape({', '.join(shape)})", ATOM
        transpose = bool(own) and (first_own != left)
        return self.transposed(text, (1, 0))[0] if transpose else text[0]
