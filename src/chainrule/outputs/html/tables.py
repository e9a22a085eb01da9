"""The network on a page: what is declared, and the equations, with the size of each name."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from chainrule.notation.mathml import inner_mathml
from chainrule.notation.mathml_names import name_to_mathml, text_to_mathml
from chainrule.notation.tree import Node
from chainrule.outputs.html.names import KINDS, Names

if TYPE_CHECKING:
    from chainrule.contents import NamedEquation
    from chainrule.network import Network

__all__ = ["declarations_table", "equation_parts", "equations_table"]


def declarations_table(network: Network, names: Names) -> str:
    """Name, kind, size and, where something is known of one, facts of everything that is declared."""
    known = any(item.facts for item in network.declarations.values())
    rows = "".join(
        f"<tr><td>{names.mathml(name)}</td><td>{KINDS[item.kind]}</td>"
        f"<td>{names.size(network.dims[name])}</td>"
        + (f"<td>{escape(', '.join(item.facts))}</td>" if known else "")
        + "</tr>\n"
        for name, item in network.declarations.items()
    )
    last = '<th scope="col">known of it</th>' if known else ""
    return f"""<table class="names">
<caption>What is given</caption>
<thead><tr><th scope="col">name</th><th scope="col">what</th><th scope="col">size</th>{last}</tr></thead>
<tbody>
{rows}</tbody>
</table>"""


def equations_table(network: Network, names: Names) -> str:
    """The user's equations in order, each with the size of its left-hand side."""
    rows = "".join(
        f'<tr><td><div class="scroll">{equation_mathml(e)}</div></td><td>{names.size(e.shape)}</td></tr>\n'
        for e in network.equations
    )
    return f"""<table class="equations">
<caption>What is computed</caption>
<thead><tr><th scope="col">equation</th><th scope="col">size</th></tr></thead>
<tbody>
{rows}</tbody>
</table>"""


def equation_mathml(equation: NamedEquation) -> str:
    """name = right-hand side."""
    return f"<math>{''.join(equation_parts(equation))}</math>"


def equation_parts(equation: NamedEquation) -> tuple[str, str, str]:
    """The left-hand side, =, the right-hand side."""
    left = name_to_mathml(equation.name)
    if equation.indices:
        letters = equation.indices[1:-1].split(",")
        below = '<mo separator="true">,</mo>'.join(f"<mi>{escape(i)}</mi>" for i in letters)
        left = f"<msub>{left}<mrow>{below}</mrow></msub>"
    known = equation.node is not None and not _is_raw(equation.node)
    right = inner_mathml(equation.node) if known and equation.node is not None else text_to_mathml(equation.text)
    return left, "<mo>=</mo>", right


def _is_raw(node: Node) -> bool:
    """True where a part of the tree is LaTeX already."""
    return node.op == "raw" or any(_is_raw(a) for a in node.args)
