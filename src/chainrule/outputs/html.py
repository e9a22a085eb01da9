"""A derivation as a self-contained page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from chainrule.dims import format_shape

if TYPE_CHECKING:
    from chainrule.derivation import Derivation
    from chainrule.verification import Report

__all__ = ["derivation_html"]


def derivation_html(
    derivation: Derivation, explain: int = 1, layout: str = "both", report: Report | None = None
) -> str:
    """A page with MathML."""
    rows = "".join(
        f"<tr><th>{escape(g.symbol)}</th><td>{g.mathml}</td><td>{escape(format_shape(g.shape))}</td></tr>"
        for g in (*derivation.signals.values(), *derivation.gradients.values())
    )
    return f"<!doctype html><meta charset=utf-8><title>{escape(derivation.loss)}</title><table>{rows}</table>"
