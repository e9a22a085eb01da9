"""Formulas as MathML, for a page: the same tree as text and LaTeX, with the same brackets."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from html import escape

from chainrule.dims import display_name
from chainrule.notation.text import FUNCTION_TEXT, number_text
from chainrule.notation.tree import ATOM, HADAMARD, POSTFIX, PRODUCT, SUM, Node, names_in, strength

__all__ = ["to_mathml"]


def to_mathml(node: Node) -> str:
    """A `<math>` element."""
    return f"<math>{_inner(node)}</math>"


def _row(content: str) -> str:
    return f"<mrow>{content}</mrow>"


def _op(text: str) -> str:
    return f"<mo>{text}</mo>"


def _inner(node: Node, at_least: int = 0) -> str:
    if node.op == "group":
        return _inner(node.args[0], at_least)
    text = _write(node)
    fraction = node.op in ("div", "partial")
    binds = (POSTFIX - 1) if fraction else HADAMARD if node.op == "sigma" else strength(node)
    return _row(_op("(") + text + _op(")")) if binds < at_least else text


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
    if op in ("pow", "^"):
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
    if op in _ENTRIES:
        return _ENTRIES[op](node)
    name = str(node.data)
    bare = name.rstrip("'")
    shown = FUNCTION_TEXT.get(bare, bare) + "′" * (len(name) - len(bare))
    return _row(f"<mi>{escape(shown)}</mi>" + _op("(") + _op(",").join(_inner(a) for a in args) + _op(")"))


# -- index notation ------------------------------------------------------------------------------------------------


def _letter(letter: object) -> str:
    text = str(letter)
    return _name(text) if text.isidentifier() else f"<mtext>{escape(text)}</mtext>"


def _at(node: Node) -> str:
    """W_ij: the letters stand behind a subscript that the name has already."""
    name, *letters = names_in(node)
    shown = _name(name)
    short = all(len(x) == 1 and not x.isdigit() for x in letters)
    below = ("" if short else "<mo>,</mo>").join(map(_letter, letters))
    if shown.startswith("<msub>"):  # <msub> base subscript </msub>
        base, own = shown[len("<msub>") : -len("</msub>")].split("</mi>", 1)
        return f"<msub>{base}</mi>{_row(f'{own}<mo>,</mo>{below}')}</msub>"
    return f"<msub>{shown}{_row(below)}</msub>"


def _sigma(node: Node) -> str:
    return _row(f"<munder><mo>∑</mo>{_letter(node.data)}</munder>" + _inner(node.args[0], HADAMARD))


def _iverson(node: Node) -> str:
    first, second = names_in(node)
    return _row(f"<mn>𝟏</mn>{_op('[')}{_letter(first)}{_op('=')}{_letter(second)}{_op(']')}")


def _partial(node: Node) -> str:
    top, bottom = (_row("<mo>∂</mo>" + _inner(a, ATOM)) for a in node.args)
    return f"<mfrac>{top}{bottom}</mfrac>"


def _rel(node: Node) -> str:
    sign = {"<=": "≤", ">=": "≥", "==": "="}.get(str(node.data), str(node.data))
    return _row(_inner(node.args[0], SUM) + _op(escape(sign)) + _inner(node.args[1], SUM))


def _raised(node: Node) -> str:
    circle = _op("∘") if node.data else ""
    return f"<msup>{_inner(node.args[0], ATOM)}{_row(circle + _inner(node.args[1]))}</msup>"


_ENTRIES: dict[str, Callable[[Node], str]] = {
    "at": _at, "sigma": _sigma, "iverson": _iverson, "partial": _partial, "rel": _rel, "raised": _raised,
    "bracket": lambda n: _row(f"<mn>𝟏</mn>{_op('[')}{_inner(n.args[0])}{_op(']')}"),
    "raw": lambda n: f"<mtext>{escape(str(n.data))}</mtext>",
}  # fmt: skip
