"""A derivation as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.dims import format_shape
from chainrule.notation.latex import name_to_latex

if TYPE_CHECKING:
    from chainrule.derivation import Derivation

__all__ = ["derivation_markdown"]


def derivation_markdown(derivation: Derivation, explain: int = 0, layout: str = "both") -> str:
    """A short page: the equations, the formulas and their sizes."""
    out = ["## Equations", ""]
    out += [f"- ${name_to_latex(e.name)} = {e.latex}$" for e in derivation.network.equations]
    for title, group in (("Error signals", derivation.signals), ("Gradients", derivation.gradients)):
        out += ["", f"## {title}", "", "| formula | size |", "|---|---|"]
        out += [
            f"| ${derivation.latex_symbol(g)} = {g.latex}$ | {format_shape(g.shape)} |".replace(
                r"\lVert", r"\Vert"
            ).replace(r"\rVert", r"\Vert")
            for g in group.values()
        ]
    return "\n".join(out) + "\n"
