"""A derivation as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.dims import format_shape

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient

__all__ = ["derivation_text"]


def derivation_text(derivation: Derivation, explain: int = 0) -> str:
    """Signals, gradients and their sizes."""
    lines = []
    if derivation.signals:
        lines.append("Error signals (numerator layout: a row at a vector)")
        for g in derivation.signals.values():
            lines += _lines(derivation, g, explain)
        lines.append("")
    lines.append("Gradients (in the shape of the parameter)")
    for g in derivation.gradients.values():
        lines += _lines(derivation, g, explain)
    return "\n".join(lines)


def _lines(derivation: Derivation, gradient: Gradient, explain: int) -> list[str]:
    symbol = gradient.symbol
    lines = [f"  {symbol} = {gradient.text}"]
    if gradient.of in derivation.backward.zero:
        return [*lines, f"    because {gradient.reason}"]
    sizes = gradient.sizes
    shape = format_shape(gradient.shape)
    own = "(" + shape.replace(" ", "") + ")" if gradient.shape else "(1×1)"
    if sizes:
        lines.append(f"  {' ' * len(symbol)}   {own if sizes == own else f'{own} = {sizes}'}")
    if explain:
        lines.append(f"    {gradient.reason}")
        lines += [f"    {s.rule}: {s.after}" for s in gradient.steps]
    return lines
