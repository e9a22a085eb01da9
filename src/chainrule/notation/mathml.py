"""Formulas as MathML (the Core that browsers draw): the same tree as text and LaTeX, with the same brackets.

Every name carries `data-name`, its canonical spelling, so that a page can light it up wherever it occurs. A new kind of
node is one writer and one line in `_WRITERS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from html import escape

from chainrule.notation.binding import ATOM, HADAMARD, POSTFIX, PRODUCT, SUM, flat_below, has_quotient, strength
from chainrule.notation.mathml_names import (
    COMMA,
    letter_to_mathml,
    name_parts,
    name_to_mathml,
    partial_to_mathml,
    row,
    stem_to_mathml,
    text_to_mathml,
)
from chainrule.notation.parts import block_rows
from chainrule.notation.text import FUNCTION_TEXT, number_text
from chainrule.notation.tree import Node, compared, names_in

__all__ = ["inner_mathml", "to_mathml"]

FENCES = {"norm": "‖", "abs": "|"}  # functions that are written as bars around their argument
LETTERS = {"normal_cdf": "Φ", "normal_pdf": "φ"}  # text has a word for them, since Φ and φ may be the user's names
TIMES = '<mo lspace="0" rspace="0.12em">&#x2062;</mo>'  # invisible; a hair of space keeps the factors apart
WIDE_TIMES = TIMES.replace("0.12em", "0.22em")  # beside fractions and before words
SIGNS = {"sum": "∑", "prod": "∏"}
APPLY = "<mo>&#x2061;</mo>"
MARK = re.compile(r' data-name="[^"]*"')
TRANSPOSED = "<mi>⊤</mi>"


def to_mathml(node: Node) -> str:
    """A `<math>` element."""
    return f"<math>{inner_mathml(node)}</math>"


def inner_mathml(node: Node, at_least: int = 0) -> str:
    """What stands inside `<math>`: one element; in brackets where it binds less strongly than `at_least`."""
    if node.op == "group":  # brackets that only text needs
        return inner_mathml(node.args[0], at_least)
    body = _WRITERS[node.op](node)
    level = node.op in ("partial", "div") and node.data == "/"  # (1/N) u, though a/N + b
    binds = HADAMARD if node.op == "sigma" or level else strength(node)  # what follows a sum would be read as summed
    if binds >= at_least or (_is_fraction(node) and at_least < POSTFIX):
        return body  # a fraction line groups by itself, except below an exponent
    return _fenced(body, _is_tall(node))


def _at(node: Node) -> str:
    """One entry, W_ij: the letters stand behind a subscript that the name has already."""
    assert isinstance(node.data, tuple)
    name, *letters = map(str, node.data)
    short = all(len(x) == 1 and not x.isdigit() for x in letters)
    return name_to_mathml(name, ("" if short else COMMA).join(map(letter_to_mathml, letters)))


def _entry(node: Node) -> str:
    """One entry of a formula: its letters are a subscript of the whole."""
    return (
        f"<msub>{row(inner_mathml(node.args[0], ATOM))}{row(COMMA.join(map(letter_to_mathml, names_in(node))))}</msub>"
    )


def _partial(node: Node) -> str:
    top, bottom = (inner_mathml(a, ATOM) for a in node.args)
    if node.data == "/":
        slope = '<mo lspace="0" rspace="0">∂</mo>'
        return row(f'{slope}{top}<mo lspace="0" rspace="0">/</mo>{slope}{bottom}')
    return partial_to_mathml(top, bottom)


def _second(node: Node) -> str:
    top, first, second = (inner_mathml(a, ATOM) for a in node.args)
    two, slope = "<mn>2</mn>", "<mo>∂</mo>"
    below = f"{slope}<msup>{first}{two}</msup>" if first == second else slope + first + slope + second
    return f"<mfrac>{row(f'<msup>{slope}{two}</msup>{top}')}{row(below)}</mfrac>"


def _op(text: str) -> str:
    return f"<mo>{text}</mo>"


def _fenced(body: str, tall: bool, left: str = "(", right: str = ")") -> str:
    """Brackets, which grow only around what is taller than a line."""
    grow = "" if tall else ' stretchy="false"'
    return row(f'<mo form="prefix"{grow}>{left}</mo>{body}<mo form="postfix"{grow}>{right}</mo>')


def _is_fraction(node: Node) -> bool:
    if node.op in ("pow", "^"):
        return _is_reciprocal(node)
    if node.op in ("partial", "div"):
        return node.data != "/"
    return node.op == "ediv" or (node.op == "num" and "/" in number_text(Fraction(str(node.data))))


def _is_reciprocal(node: Node) -> bool:
    return Fraction(str(node.data)) == -1 and node.args[0].rows == 1 == node.args[0].cols


def _is_tall(node: Node) -> bool:
    return _is_fraction(node) or node.op == "sigma" or any(_is_tall(a) for a in node.args)


def _fraction(top: str, bottom: str) -> str:
    return f"<mfrac>{top}{bottom}</mfrac>"


def _div(node: Node) -> str:
    top, bottom = node.args
    if node.op == "div" and node.data == "/":
        slash = '<mo lspace="0" rspace="0">/</mo>'
        return row(inner_mathml(top, PRODUCT) + slash + inner_mathml(bottom, POSTFIX))
    if node.op == "div" and has_quotient(top):
        one = _fraction("<mn>1</mn>", inner_mathml(flat_below(bottom)))
        return row(one + WIDE_TIMES + inner_mathml(top, PRODUCT))
    return _fraction(inner_mathml(flat_below(top)), inner_mathml(flat_below(bottom)))


def _number(value: Fraction) -> str:
    text = number_text(abs(value))
    if "e-" in text:
        mantissa, _, exponent = text.partition("e-")
        power = f"<msup><mn>10</mn>{row(_op('−') + f'<mn>{exponent}</mn>')}</msup>"
        body = power if mantissa == "1" else f"<mn>{mantissa}</mn>{_op('·')}{power}"
    elif "/" in text:
        top, _, bottom = text.partition("/")
        body = f'<mstyle displaystyle="false">{_fraction(f"<mn>{top}</mn>", f"<mn>{bottom}</mn>")}</mstyle>'
    else:
        body = f"<mn>{text}</mn>"
    return body if value >= 0 else row('<mo form="prefix">−</mo>' + body)


def _sym(node: Node) -> str:
    name = str(node.data)
    if name.startswith("∂"):
        top, bottom = name[1:].split("/∂")
        return partial_to_mathml(name_to_mathml(top), name_to_mathml(bottom))
    return name_to_mathml(name)


def _sum(node: Node) -> str:
    out = ""
    for sign, part in zip(node.data, node.args, strict=True):  # type: ignore[call-overload]
        form = "infix" if out else "prefix"
        if out or sign < 0:
            out += f'<mo form="{form}">{"+" if sign > 0 else "−"}</mo>'
        out += inner_mathml(part, HADAMARD)
    return row(out)


def _prod(node: Node) -> str:
    parts = []
    for a in node.args:
        body = inner_mathml(a, PRODUCT)
        parts.append(_fenced(body, _is_tall(a)) if a.op == "prod" else body)
    out = parts[0]
    for before, part, a in zip(node.args, parts[1:], node.args[1:], strict=False):
        wide = _is_fraction(before) or _is_fraction(a) or a.op in ("diag", "call", "fn", "sigma")
        wide = wide or _is_word(before) or _is_word(a)
        out += (_op("·") if before.op == a.op == "num" else WIDE_TIMES if wide else TIMES) + part
    return row(out)


def _is_word(node: Node) -> bool:
    """A name of several letters, or its transpose: it stands apart from its neighbours."""
    if node.op == "T":
        return _is_word(node.args[0])
    return node.op == "sym" and len(name_parts(str(node.data))[0]) > 1 and str(node.data)[:1] != "∂"


def _had(node: Node) -> str:
    return row('<mo form="infix">∘</mo>'.join(inner_mathml(a, PRODUCT) for a in node.args))


def _pow(node: Node) -> str:
    base, exponent = node.args[0], Fraction(str(node.data))
    if exponent == Fraction(1, 2):
        return f"<msqrt>{inner_mathml(base)}</msqrt>"
    if _is_reciprocal(node):
        return _fraction("<mn>1</mn>", inner_mathml(base))
    circle = "" if base.rows == 1 == base.cols or base.op == "norm" else '<mo lspace="0" rspace="0">∘</mo>'
    sign = '<mo form="prefix">−</mo>' if exponent < 0 else ""
    whole = f"<mn>{abs(exponent.numerator)}</mn>"
    part = f'<mo lspace="0" rspace="0">/</mo><mn>{exponent.denominator}</mn>' if exponent.denominator != 1 else ""
    return f"<msup>{inner_mathml(base, ATOM)}{row(circle + sign + whole + part)}</msup>"


def _transposed(node: Node) -> str:
    inner = node.args[0]
    if inner.op == "call" and inner.data == "inv":
        return _inverse(inner, TRANSPOSED)
    if inner.op == "sym" and not str(inner.data).startswith("∂"):
        return name_to_mathml(str(inner.data), above=TRANSPOSED)
    return f"<msup>{inner_mathml(inner, ATOM if inner.op == 'pow' else POSTFIX)}{TRANSPOSED}</msup>"


def _inverse(node: Node, above: str = "") -> str:
    """X⁻¹ or, with a transpose sign above, X⁻ᵀ; X⁺ for the pseudoinverse."""
    sign = "<mo>+</mo>" if node.data == "pinv" else '<mo form="prefix">−</mo>' + (above or "<mn>1</mn>")
    return f"<msup>{inner_mathml(node.args[0], ATOM)}{row(sign)}</msup>"


def _call(node: Node) -> str:
    name = str(node.data)
    if name in ("inv", "pinv") and len(node.args) == 1:
        return _inverse(node)
    if name == "sqrt":
        return f"<msqrt>{inner_mathml(node.args[0])}</msqrt>"
    if name in FENCES and len(node.args) == 1:
        return _fenced(inner_mathml(node.args[0]), _is_tall(node), FENCES[name], FENCES[name])
    bare = name.rstrip("'")
    head = stem_to_mathml({**FUNCTION_TEXT, **LETTERS}.get(bare, bare), "")
    if primes := len(name) - len(bare):
        head = row(f"{head}<mo lspace='0' rspace='0'>{'′' * primes}</mo>")
    inside = COMMA.join(inner_mathml(a) for a in node.args)
    return row(head + APPLY + _fenced(inside, any(map(_is_tall, node.args))))


def _diag(node: Node) -> str:
    return row("<mi>diag</mi>" + APPLY + _fenced(inner_mathml(node.args[0]), _is_tall(node)))


def _blocks(node: Node) -> str:
    """Arrays beside and beneath each other."""
    rows = ("".join(f"<mtd>{inner_mathml(part)}</mtd>" for part in row) for row in block_rows(node))
    table = "".join(f"<mtr>{row}</mtr>" for row in rows)
    return _fenced(f"<mtable>{table}</mtable>", True, "[", "]")


def _sigma(node: Node) -> str:
    """Σ over a letter, or a mean or a maximum."""
    letter, what, last = names_in(node)
    sign = f"<mo>{SIGNS[what]}</mo>" if what in SIGNS else f"<mi>{what}</mi>"
    below = letter_to_mathml(letter)
    if last:
        below = (
            row(f"{below}<mo>=</mo><mn>1</mn>") if what in SIGNS else row(f"{below}<mo>≤</mo>{letter_to_mathml(last)}")
        )
    over = f"<munderover>{sign}{below}{letter_to_mathml(last)}</munderover>" if last and what in SIGNS else ""
    space = "" if what in SIGNS else APPLY
    return row((over or f"<munder>{sign}{below}</munder>") + space + inner_mathml(node.args[0], HADAMARD))


def _iverson(node: Node) -> str:
    """1[i = j]."""
    first, sign, second = compared(node)
    return row(
        "<mn>𝟏</mn>" + _fenced(f"{letter_to_mathml(first)}<mo>{sign}</mo>{letter_to_mathml(second)}", False, "[", "]")
    )


def _stepwise(node: Node) -> str:
    """A right-hand side and its steps, (t = 1, …, T)."""
    letter, *bounds = names_in(node)
    low, high = (f"<mn>{x}</mn>" if x.isdigit() else name_to_mathml(x) for x in bounds)
    run = f"{letter_to_mathml(letter)}<mo>=</mo>{low}<mo>,</mo><mo>…</mo><mo>,</mo>{high}"
    return row(inner_mathml(node.args[0]) + '<mspace width="2em"></mspace>' + _fenced(run, False))


def _range(node: Node) -> str:
    """k = 1, …, N."""
    assert isinstance(node.data, tuple)
    letter, size = map(str, node.data)
    end = f"<mn>{size}</mn>" if size.isdigit() else name_to_mathml(size)
    return row(f"{letter_to_mathml(letter)}<mo>=</mo><mn>1</mn>{COMMA}<mo>…</mo>{COMMA}{end}")


def _ones(node: Node) -> str:
    return "<mn>𝟏</mn>" if node.cols == 1 else f"<msup><mn>𝟏</mn>{TRANSPOSED}</msup>"


def _rel(node: Node) -> str:
    sign = {"<=": "≤", ">=": "≥", "==": "="}.get(str(node.data), str(node.data))
    left, right = (inner_mathml(a, SUM) for a in node.args)
    return row(f'{left}<mo form="infix">{escape(sign)}</mo>{right}')


def _raised(node: Node) -> str:
    circle = '<mo lspace="0" rspace="0">∘</mo>' if node.data else ""
    return f"<msup>{inner_mathml(node.args[0], ATOM)}{row(circle + inner_mathml(node.args[1]))}</msup>"


_WRITERS: dict[str, Callable[[Node], str]] = {
    "sym": _sym, "sum": _sum, "prod": _prod, "had": _had, "pow": _pow, "T": _transposed, "diag": _diag, "ones": _ones,
    "num": lambda n: _number(Fraction(str(n.data))),
    "div": _div, "ediv": _div,
    "norm": lambda n: _fenced(inner_mathml(n.args[0]), _is_tall(n), "‖", "‖"),
    "fn": _call, "call": _call,
    "at": _at, "entry": _entry,
    "blocks": _blocks,
    "lookup": lambda n: row(inner_mathml(n.args[0], ATOM) + _fenced(inner_mathml(n.args[1]), False, "[", "]")),
    "sigma": _sigma, "iverson": _iverson, "^": _pow,
    "partial": _partial,
    "foreign": lambda n: MARK.sub("", inner_mathml(n.args[0])),
    "bracketed": lambda n: _fenced(inner_mathml(n.args[0]), _is_tall(n)),
    "worded": lambda n: inner_mathml(n.args[0]), "range": _range,
    "stepwise": _stepwise,
    "second": _second, "rel": _rel, "raised": _raised,
    "bracket": lambda n: row("<mn>𝟏</mn>" + _fenced(inner_mathml(n.args[0]), _is_tall(n), "[", "]")),
    "group": lambda n: inner_mathml(n.args[0]),
    "zeros": lambda n: "<mn>0</mn>",
    "eye": lambda n: "<mi>I</mi>",
    "option": lambda n: text_to_mathml("{} {}".format(*names_in(n))),
    "raw": lambda n: text_to_mathml(str(n.data)),
}  # fmt: skip
