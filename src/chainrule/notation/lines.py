"""A long formula as several lines of LaTeX, broken where a person would break it: at + and −, then at ∘, then between
the factors of a product, and inside brackets only where nothing else helps.

`\\left( … \\right)` cannot be broken, so brackets that a line end falls into are `\\bigl( … \\bigr)`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from chainrule.dims import canonical_name
from chainrule.notation import binding, tree
from chainrule.notation.binding import ATOM, HADAMARD, POSTFIX, PRODUCT, SUM
from chainrule.notation.latex import function_to_latex, sigma_to_latex, to_latex
from chainrule.notation.parts import block_rows
from chainrule.notation.text import FUNCTION_TEXT, to_text
from chainrule.notation.tree import Node, names_in

__all__ = ["broken", "width"]


@dataclass
class Piece:
    """LaTeX that stays together, and about how many letters wide it is; `fresh`: it begins a line."""

    latex: str
    width: float
    fresh: bool = False


def width(node: Node) -> float:
    """About how many letters wide the formula is on paper; a fraction is as wide as its wider half."""
    op, args = node.op, node.args
    if op in ("div", "ediv"):
        return max(width(a) for a in args) + 0.5
    if op == "partial":
        return max(width(a) for a in args) + 1.5
    if op == "sym":
        name = str(node.data)
        return 1.5 + max(map(_letters, name[1:].split("/∂"))) if name.startswith("∂") else _letters(name)
    if op == "at":
        name, *letters = names_in(node)
        return _letters(name) + 0.2 + sum(0.75 * len(x) for x in letters)
    if op == "entry":
        return width(args[0]) + 0.2 + sum(0.75 * len(x) for x in names_in(node))
    if op == "blocks":
        return 2.0 + max(sum(width(a) + 1.5 for a in row) for row in block_rows(node))
    if op in ("ones", "eye", "zeros"):
        return 2.0 if op == "ones" and node.cols != 1 else 1.2
    if op == "iverson":
        return 6.0
    if op == "sum":
        return sum(width(a) for a in args) + 2.6 * (len(args) - 1) + (1.6 if node.data[:1] == (-1,) else 0)  # type: ignore[index]
    if op in ("had", "prod"):
        weak = HADAMARD if op == "had" else PRODUCT
        brackets = sum(1.8 for a in args if strong(a) < weak or (op == "prod" and a.op in ("prod", "sigma")))
        return sum(width(a) for a in args) + (1.8 if op == "had" else 0.2) * (len(args) - 1) + brackets
    if op in ("T", "pow", "^", "raised"):
        exponent = 1.2 if op == "T" else 0.9 * len(str(node.data or "")) + sum(width(a) for a in args[1:])
        circle = 0.9 if op == "pow" and args[0].rows != args[0].cols else 0.0
        return width(args[0]) + exponent + circle + (1.8 if strong(args[0]) < POSTFIX else 0.0)
    if op == "group":
        return width(args[0])
    if op in ("fn", "call", "diag"):
        name = "diag" if op == "diag" else FUNCTION_TEXT.get(str(node.data), str(node.data))
        return 0.9 * len(name) + 1.6 + sum(width(a) + 0.9 for a in args)
    if op == "norm":
        return width(args[0]) + 2.4
    if op == "sigma":
        return 3.0 + width(args[0]) + (1.8 if strong(args[0]) < HADAMARD else 0.0)
    return 0.9 * len(to_text(node))


def _letters(name: str) -> float:
    """The width of a name: capitals are wide, what stands below the line is small."""
    stem = canonical_name(name).rstrip("0123456789")
    base, _, below = stem.partition("_")
    wide = sum(1.9 if c in "MWΩ" else 1.45 if c.isupper() else 0.0 if unicodedata.combining(c) else 1.0 for c in base)
    return wide + 0.75 * (len(below) + len(canonical_name(name)) - len(stem))


def strong(node: Node) -> int:
    """The strength of what text may have in brackets."""
    return binding.strength(node.args[0] if node.op == "group" else node)


def broken(node: Node, limit: float) -> list[str]:
    """The formula as lines of at most about `limit` letters, as far as it can be broken."""
    lines: list[str] = []
    used = 0.0
    for piece in _pieces(node, limit, 0):
        if lines and not piece.fresh and used + piece.width <= limit:
            lines[-1] += " " + piece.latex
            used += piece.width
        else:
            lines.append(piece.latex)
            used = piece.width + (2.0 if len(lines) > 1 else 0.0)
    return lines


def _pieces(node: Node, limit: float, at_least: int) -> list[Piece]:
    if node.op == "group":
        return _pieces(node.args[0], limit, at_least)
    whole = [Piece(to_latex(node, at_least), width(node))]
    writer = _BREAKERS.get(node.op)
    if width(node) <= limit or writer is None:
        return whole
    if binding.strength(node) < at_least:
        return _bracketed(writer(node, limit), r"\bigl(", r"\bigr)")
    return writer(node, limit)


def _bracketed(pieces: list[Piece], front: str, back: str) -> list[Piece]:
    first = pieces[0]
    pieces[0] = Piece(front + " " + first.latex, first.width + 1, first.fresh)
    last = pieces[-1]
    pieces[-1] = Piece(last.latex + " " + back, last.width + 1, last.fresh)
    return pieces


def _joined(parts: list[tuple[str, list[Piece]]], apart: bool = False) -> list[Piece]:
    """The pieces in a row, each part with its sign; `apart`: a part that is broken itself has its lines to itself."""
    out: list[Piece] = []
    broken_before = False
    for sign, pieces in parts:
        first = pieces[0]
        fresh = apart and bool(out) and (len(pieces) > 1 or broken_before)
        out += [Piece(f"{sign} {first.latex}".strip(), first.width + (2 if sign else 0), fresh), *pieces[1:]]
        broken_before = len(pieces) > 1
    return out


def _sum(node: Node, limit: float) -> list[Piece]:
    signs = node.data if isinstance(node.data, tuple) else ()
    parts = []
    for position, (sign, part) in enumerate(zip(signs, node.args, strict=True)):
        shown = "-" if sign < 0 else "+" if position else ""
        parts.append((shown, _pieces(part, limit - 2, HADAMARD)))
    return _joined(parts, apart=True)


def _had(node: Node, limit: float) -> list[Piece]:
    return _joined([(r"\circ" if k else "", _pieces(a, limit - 2, PRODUCT)) for k, a in enumerate(node.args)])


def _prod(node: Node, limit: float) -> list[Piece]:
    parts = []
    for position, a in enumerate(node.args):
        inner = a.args[0] if a.op == "group" else a
        last = position == len(node.args) - 1
        if inner.op == "prod":
            pieces = _bracketed(_pieces(inner, limit - 2, 0), r"\bigl(", r"\bigr)")
        elif inner.op == "sigma" and not last:
            pieces = _bracketed(_pieces(inner, limit - 2, 0), r"\Bigl(", r"\Bigr)")
        else:
            pieces = _pieces(a, limit, PRODUCT)
        parts.append(("", pieces))
    return _joined(parts)


def _div(node: Node, limit: float) -> list[Piece]:
    """1/n (…): a long numerator comes down from the fraction line."""
    top, bottom = node.args
    if width(bottom) > limit:
        return [Piece(to_latex(node), width(node))]
    one = Node("div", (tree.num(1), bottom))
    return [Piece(to_latex(one), width(one)), *_pieces(top, limit, PRODUCT)]


def _applied(node: Node, limit: float) -> list[Piece]:
    name = r"\operatorname{diag}" if node.op == "diag" else function_to_latex(str(node.data))
    pieces: list[Piece] = []
    for position, a in enumerate(node.args):
        inner = _pieces(a, limit - 2, 0)
        if position < len(node.args) - 1:
            inner[-1] = Piece(inner[-1].latex + ",", inner[-1].width + 1)
        pieces += inner
    return _bracketed(pieces, name + r"\bigl(", r"\bigr)")


def _raised(node: Node, limit: float) -> list[Piece]:
    """Transposes and powers of what is in brackets."""
    inner = node.args[0]
    if inner.op == "norm":
        pieces = _norm(inner, limit)
        pieces[-1] = Piece(pieces[-1].latex + f"^{{{node.data}}}", pieces[-1].width + 1, pieces[-1].fresh)
        return pieces
    if strong(inner) >= POSTFIX:
        return [Piece(to_latex(node), width(node))]
    blank = to_latex(Node(node.op, (tree.sym("x", node.rows, node.cols),), node.data, node.rows, node.cols))
    if not blank.startswith("x^") or (node.op == "pow" and Fraction(str(node.data)) == Fraction(1, 2)):
        return [Piece(to_latex(node), width(node))]
    return _bracketed(_pieces(inner, limit - 2, SUM), r"\bigl(", r"\bigr)" + blank[1:])


def _norm(node: Node, limit: float) -> list[Piece]:
    return _bracketed(_pieces(node.args[0], limit - 2, 0), r"\bigl\lVert", r"\bigr\rVert")


def _sigma(node: Node, limit: float) -> list[Piece]:
    return _joined([(sigma_to_latex(node), _pieces(node.args[0], limit - 2, HADAMARD))])


def _partial(node: Node, limit: float) -> list[Piece]:
    """∂J/∂(…) of what has no name, on one level."""
    top, bottom = node.args
    return _bracketed(_pieces(bottom, limit - 8, 0), rf"\partial {to_latex(top, ATOM)} / \partial \bigl(", r"\bigr)")


_BREAKERS = {
    "sum": _sum, "had": _had, "prod": _prod, "div": _div, "ediv": _div,
    "fn": _applied, "call": _applied, "diag": _applied,
    "T": _raised, "pow": _raised, "^": _raised, "sigma": _sigma, "partial": _partial, "norm": _norm,
}  # fmt: skip
