"""Formulas as MathML, for a page: the same tree as text and LaTeX, with the same brackets."""

from __future__ import annotations

from fractions import Fraction
from html import escape

from chainrule.dims import display_name
from chainrule.notation.text import FUNCTION_TEXT, number_text
from chainrule.notation.tree import ATOM, HADAMARD, POSTFIX, PRODUCT, Node, strength

__all__ = ["to_mathml"]


def to_mathml(node: Node) -> str:
    """A `<math>` element."""
    return f"<math>{_inner(node)}</math>"


def _row(content: str) -> str:
    return f"<mrow>{content}</mrow>"


def _op(text: str) -> str:
    return f"<mo>{text}</mo>"


def _inner(node: Node, at_least: int = 0) -> str:
    text = _write(node)
    return _row(_op("(") + text + _op(")")) if strength(node) < at_least and node.op != "div" else text


def _name(name: str) -> str:
    shown = display_name(name)
    stem = shown.rstrip("0123456789₀₁₂₃₄₅₆₇₈₉")
    digits = shown[len(stem) :].translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
    base, _, below = stem.partition("_")
    if digits and stem:
        below = below + digits if below else digits
    body = f"<mi>{escape(base or shown)}</mi>"
    return f"<msub>{body}<mtext>{escape(below)}</mtext></msub>" if below and base else body


def _write(node: Node) -> str:
    args = node.args
    op = node.op
    if op == "sym":
        return _name(str(node.data))
    if op == "num":
        return f"<mn>{number_text(Fraction(str(node.data)))}</mn>"
    if op == "sum":
        out = ""
        for sign, part in zip(node.data, args, strict=True):  # type: ignore[call-overload]
            out += (_op("+") if sign > 0 else _op("−")) if out or sign < 0 else ""
            out += _inner(part, HADAMARD)
        return _row(out)
    if op == "had":
        return _row(_op("∘").join(_inner(a, PRODUCT) for a in args))
    if op == "prod":
        return _row(_op("&#x2062;").join(_inner(a, PRODUCT) for a in args))
    if op == "div":
        return f"<mfrac>{_inner(args[0])}{_inner(args[1])}</mfrac>"
    if op == "pow":
        exponent = Fraction(str(node.data))
        if exponent == Fraction(1, 2):
            return f"<msqrt>{_inner(args[0])}</msqrt>"
        circle = "" if args[0].rows == 1 == args[0].cols or args[0].op == "norm" else _op("∘")
        return f"<msup>{_inner(args[0], ATOM)}{_row(f'{circle}<mn>{exponent}</mn>')}</msup>"
    if op == "T":
        return f"<msup>{_inner(args[0], POSTFIX)}<mi>⊤</mi></msup>"
    if op == "norm":
        return _row(_op("‖") + _inner(args[0]) + _op("‖"))
    if op == "ones":
        return "<mn>𝟏</mn>" if node.cols == 1 else "<msup><mn>𝟏</mn><mi>⊤</mi></msup>"
    if op == "eye":
        return "<mi>I</mi>"
    if op == "diag":
        return _row("<mi>diag</mi>" + _op("(") + _inner(args[0]) + _op(")"))
    name = str(node.data)
    bare = name.rstrip("'")
    shown = FUNCTION_TEXT.get(bare, bare) + "′" * (len(name) - len(bare))
    return _row(f"<mi>{escape(shown)}</mi>" + _op("(") + _op(",").join(_inner(a) for a in args) + _op(")"))
