"""The dimension line: under each factor of a formula its size, as the note does."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.dims import Dim
from chainrule.notation.parts import position_text
from chainrule.notation.tree import Node

__all__ = ["shape_text", "size_line", "size_text"]


def size_text(rows: Dim, cols: Dim) -> str:
    """(1×D_h), ((D+E)×2K)."""
    return shape_text((rows, cols))


def shape_text(shape: Sequence[Dim]) -> str:
    """(1×D_h), ((D+E)×2K), (B×T×D), (1×1) of a scalar: how a size stands in brackets beside a formula."""
    return f"({'×'.join(map(_dim, shape or (1, 1)))})"


def _dim(dim: Dim) -> str:
    text = position_text(dim)
    return f"({text})" if isinstance(dim, str) and any(sign in text for sign in "+-/") else text


def size_line(node: Node) -> str:
    """(1×N_c)(N_c×D_h) ∘ (1×D_h): the sizes of the factors, with the signs that join them."""
    if node.op == "sum":
        out = ""
        for sign, part in zip(node.data, node.args, strict=True):  # type: ignore[call-overload]
            text = size_line(part)
            out += (text if sign > 0 else "−" + text) if not out else (" + " if sign > 0 else " − ") + text
        return out
    if node.op == "had":
        return " ∘ ".join(size_line(a) if a.op != "sum" else f"[{size_line(a)}]" for a in node.args)
    if node.op == "ediv":
        return " ./ ".join(size_line(a) if a.op not in ("sum", "had") else f"[{size_line(a)}]" for a in node.args)
    if node.op == "prod":
        parts = [a for a in node.args if a.op != "num" and not (a.rows == 1 == a.cols)]
        if not parts:
            return size_text(1, 1)
        return "".join(size_line(a) if a.op not in ("sum", "had", "ediv") else size_text(a.rows, a.cols) for a in parts)
    if node.op == "div":
        return size_line(node.args[0])
    if node.op == "T" and node.args[0].op == "prod":
        return f"[{size_line(node.args[0])}]ᵀ"
    return size_text(node.rows, node.cols)
