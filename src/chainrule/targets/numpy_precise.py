"""The text of functions that float32 steps compute in float64 (`chainrule.plan.precise`): one Python function each."""

from __future__ import annotations

from chainrule.plan import Node
from chainrule.plan.precise import Composite
from chainrule.plan.wide import ROUNDED, WIDENED
from chainrule.targets.numpy_expressions import ATOM, Spelling, bracket
from chainrule.targets.spelling import PRODUCT, SUM, Text

__all__ = ["name_of", "text_of"]

_AT_ONCE = 4096
_SIGNS = {"add": ("+", SUM), "subtract": ("-", SUM), "multiply": ("*", PRODUCT), "divide": ("/", PRODUCT)}


def name_of(composite: Composite) -> str:
    """What the function is called."""
    return f"_precise{composite.number}"


def text_of(composite: Composite) -> str:
    """A function that takes an array and, as a ufunc does, `out`."""
    names: dict[Node, str] = {composite.leaf: "x1"}

    def value(node: Node) -> Text:
        while node.is_map(WIDENED) or node.is_map(ROUNDED):  # all of it is float64 here
            node = node.operands[0].node
        return spelling.coefficient(node.attributes[0]) if node.op == "number" else (names[node], ATOM)

    spelling = Spelling(value, "np.float64", {})
    lines = [
        f"def {name_of(composite)}(x, out=None):",
        '    """A function whose terms cancel where it is small: in float64, rounded once."""',
        "    whole, made = x.reshape(-1), np.empty(x.size, x.dtype)",
        f"    for start in range(0, x.size, {_AT_ONCE}):  # few at a time stay in the cache",
        f"        x1 = whole[start : start + {_AT_ONCE}].astype(np.float64)",
    ]
    for number, node in enumerate(composite.nodes, 1):
        operands = [value(o.node) for o in node.operands]
        if node.op == "map":
            text = spelling.map_text(node, operands[0])[0]
        elif node.op == "scale":
            text = spelling.scaled(node.attributes[0], operands[0])[0]
        else:
            sign, strength = _SIGNS[node.op]
            text = f"{bracket(operands[0], strength)} {sign} {bracket(operands[1], strength + 1)}"
        names[node] = f"y{number}"
        lines.append(f"        {names[node]} = {text}")
    lines += [
        f"        made[start : start + {_AT_ONCE}] = {names[composite.nodes[-1]]}",
        "    if out is None:",
        "        return made.reshape(x.shape)",
        "    out[...] = made.reshape(x.shape)",
        "    return out",
    ]
    return "\n".join([*lines, ""])
