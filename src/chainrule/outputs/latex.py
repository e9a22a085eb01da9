"""A derivation in LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.derivation import Derivation

__all__ = ["derivation_latex"]


def derivation_latex(derivation: Derivation, explain: int = 0, document: bool = False, layout: str = "both") -> str:
    """All formulas as an amsmath `align*` block."""
    formulas = (*derivation.signals.values(), *derivation.gradients.values())
    rows = [rf"  {derivation.latex_symbol(g)} &= {g.latex}" for g in formulas]
    return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"
