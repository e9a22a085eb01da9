"""Formulas as MathML (the Core that browsers draw): the same tree as text and LaTeX, with the same brackets.

Every name carries `data-name`, its canonical spelling, so that a page can light it up wherever it occurs. A new kind of
node is one writer and one line in `_WRITERS`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from html import escape

from chainrule.dims import ACCENT_NAMES, canonical_name
from chainrule.notation.text import FUNCTION_TEXT, number_text
from chainrule.notation.tree import (
    ATOM,
    HADAMARD,
    POSTFIX,
    PRODUCT,
    SUM,
    Node,
    block_rows,
    compared,
    flat_below,
    has_quotient,
    names_in,
    strength,
)
from chainrule.sizes import is_derived, written

__all__ = ["inner_mathml", "name_parts", "name_to_mathml", "partial_to_mathml", "text_to_mathml", "to_mathml"]

ACCENT_SIGNS = {"hat": "^", "bar": "¯", "tilde": "~", "dot": "˙"}
FENCES = {"norm": "‖", "abs": "|"}  # functions that are written as bars around their argument
LETTERS = {"normal_cdf": "Φ", "normal_pdf": "φ"}  # text has a word for them, since Φ and φ may be the user's names
TIMES = '<mo lspace="0" rspace="0.12em">&#x2062;</mo>'  # invisible; a hair of space keeps the factors apart
WIDE_TIMES = TIMES.replace("0.12em", "0.22em")  # beside fractions and before words
COMMA = '<mo separator="true">,</mo>'
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


def text_to_mathml(text: str) -> str:
    """Text that is no formula."""
    return f"<mtext>{escape(text)}</mtext>"


def name_to_mathml(name: str, indices: str = "", above: str = "") -> str:
    """A name: ŷ is a y below a hat, b1 a b with the subscript 1, a longer word upright.

    indices, above: MathML to stand below it, behind its own subscript, and above its subscript.
    """
    if is_derived(name):
        return f"<mrow><mo>(</mo>{_size_expression(name)}<mo>)</mo></mrow>"
    stem, below = name_parts(name)
    tag = f' data-name="{escape(canonical_name(name))}"'
    parts = [_stem(s, "") for s in below] + ([indices] if indices else [])
    if not parts:
        return f"<msup>{_stem(stem, tag)}{above}</msup>" if above else _stem(stem, tag)
    kind = "msubsup" if above else "msub"
    return f"<{kind}{tag}>{_stem(stem, '')}{_row(COMMA.join(parts))}{above}</{kind}>"


def _size_expression(name: str) -> str:
    """A size that is worked out from others: N + M."""
    text = written(name, lambda symbol: f"\0{symbol}\0")
    out = ""
    for place, part in enumerate(text.split("\0")):
        if place % 2:
            out += name_to_mathml(part)
            continue
        for word in re.findall(r"//|\d+|[^\s\d]", part):
            out += f"<mn>{word}</mn>" if word.isdigit() else f"<mo>{escape(word)}</mo>"
    return out


def name_parts(name: str) -> tuple[str, list[str]]:
    """A name's letters, and what stands below them.

    >>> name_parts("b1"), name_parts("D_x"), name_parts("theta")
    (('b', ['1']), ('D', ['x']), ('θ', []))
    """
    base, *below = canonical_name(name).split("_")
    stem = base.rstrip("0123456789")
    if not stem:
        return base, [s for s in below if s]
    return stem, [s for s in (base[len(stem) :], *below) if s]


def _letter(letter: str) -> str:
    """An index: a letter, or i + 1."""
    if letter.isdigit():
        return f"<mn>{letter}</mn>"
    if letter.isidentifier():
        return f"<mi>{escape(letter)}</mi>"
    parts = re.findall(r"\d+|[^\W\d]\w*|//|[^\s\w]", letter)
    if "".join(parts) != letter.replace(" ", ""):
        return text_to_mathml(letter)
    return _row("".join(map(_piece, parts)))


def _piece(part: str) -> str:
    """A number, a name or a sign of an index such as 2i+a-1."""
    if part.isdigit():
        return f"<mn>{part}</mn>"
    return name_to_mathml(part) if part.isidentifier() else f"<mo>{escape(part.replace('-', '−'))}</mo>"


def _at(node: Node) -> str:
    """One entry, W_ij: the letters stand behind a subscript that the name has already."""
    assert isinstance(node.data, tuple)
    name, *letters = map(str, node.data)
    short = all(len(x) == 1 and not x.isdigit() for x in letters)
    return name_to_mathml(name, ("" if short else COMMA).join(map(_letter, letters)))


def _entry(node: Node) -> str:
    """One entry of a formula: its letters are a subscript of the whole."""
    return f"<msub>{_row(inner_mathml(node.args[0], ATOM))}{_row(COMMA.join(map(_letter, names_in(node))))}</msub>"


def partial_to_mathml(top: str, bottom: str) -> str:
    """∂top/∂bottom as a fraction; both are MathML."""
    return f"<mfrac>{_row('<mo>∂</mo>' + top)}{_row('<mo>∂</mo>' + bottom)}</mfrac>"


def _partial(node: Node) -> str:
    top, bottom = (inner_mathml(a, ATOM) for a in node.args)
    if node.data == "/":
        slope = '<mo lspace="0" rspace="0">∂</mo>'
        return _row(f'{slope}{top}<mo lspace="0" rspace="0">/</mo>{slope}{bottom}')
    return partial_to_mathml(top, bottom)


def _second(node: Node) -> str:
    top, first, second = (inner_mathml(a, ATOM) for a in node.args)
    two, slope = "<mn>2</mn>", "<mo>∂</mo>"
    below = f"{slope}<msup>{first}{two}</msup>" if first == second else slope + first + slope + second
    return f"<mfrac>{_row(f'<msup>{slope}{two}</msup>{top}')}{_row(below)}</mfrac>"


def _stem(stem: str, tag: str) -> str:
    """Letters with their accents; one element, which carries `tag`."""
    letters: list[tuple[str, list[str]]] = []
    for char in unicodedata.normalize("NFD", stem):
        if char in ACCENT_NAMES and letters:
            letters[-1][1].append(ACCENT_SIGNS[ACCENT_NAMES[char]])
        else:
            letters.append((char, []))
    if stem.isdigit():
        return f"<mn{tag}>{stem}</mn>"
    if not any(accents for _, accents in letters):
        return f"<mi{tag}>{escape(stem)}</mi>"
    pieces = []
    for char, accents in letters:
        piece = f"<mi>{escape(char)}</mi>"
        for accent in accents:
            own = tag if len(letters) == 1 and accent is accents[-1] else ""
            piece = f'<mover accent="true"{own}>{piece}<mo stretchy="false">{accent}</mo></mover>'
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else f"<mrow{tag}>{''.join(pieces)}</mrow>"


def _row(content: str) -> str:
    return f"<mrow>{content}</mrow>"


def _op(text: str) -> str:
    return f"<mo>{text}</mo>"


def _fenced(body: str, tall: bool, left: str = "(", right: str = ")") -> str:
    """Brackets, which grow only around what is taller than a line."""
    grow = "" if tall else ' stretchy="false"'
    return _row(f'<mo form="prefix"{grow}>{left}</mo>{body}<mo form="postfix"{grow}>{right}</mo>')


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
        return _row(inner_mathml(top, PRODUCT) + slash + inner_mathml(bottom, POSTFIX))
    if node.op == "div" and has_quotient(top):
        one = _fraction("<mn>1</mn>", inner_mathml(flat_below(bottom)))
        return _row(one + WIDE_TIMES + inner_mathml(top, PRODUCT))
    return _fraction(inner_mathml(flat_below(top)), inner_mathml(flat_below(bottom)))


def _number(value: Fraction) -> str:
    text = number_text(abs(value))
    if "e-" in text:
        mantissa, _, exponent = text.partition("e-")
        power = f"<msup><mn>10</mn>{_row(_op('−') + f'<mn>{exponent}</mn>')}</msup>"
        body = power if mantissa == "1" else f"<mn>{mantissa}</mn>{_op('·')}{power}"
    elif "/" in text:
        top, _, bottom = text.partition("/")
        body = f'<mstyle displaystyle="false">{_fraction(f"<mn>{top}</mn>", f"<mn>{bottom}</mn>")}</mstyle>'
    else:
        body = f"<mn>{text}</mn>"
    return body if value >= 0 else _row('<mo form="prefix">−</mo>' + body)


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
    return _row(out)


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
    return _row(out)


def _is_word(node: Node) -> bool:
    """A name of several letters, or its transpose: it stands apart from its neighbours."""
    if node.op == "T":
        return _is_word(node.args[0])
    return node.op == "sym" and len(name_parts(str(node.data))[0]) > 1 and str(node.data)[:1] != "∂"


def _had(node: Node) -> str:
    return _row('<mo form="infix">∘</mo>'.join(inner_mathml(a, PRODUCT) for a in node.args))


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
    return f"<msup>{inner_mathml(base, ATOM)}{_row(circle + sign + whole + part)}</msup>"


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
    return f"<msup>{inner_mathml(node.args[0], ATOM)}{_row(sign)}</msup>"


def _call(node: Node) -> str:
    name = str(node.data)
    if name in ("inv", "pinv") and len(node.args) == 1:
        return _inverse(node)
    if name == "sqrt":
        return f"<msqrt>{inner_mathml(node.args[0])}</msqrt>"
    if name in FENCES and len(node.args) == 1:
        return _fenced(inner_mathml(node.args[0]), _is_tall(node), FENCES[name], FENCES[name])
    bare = name.rstrip("'")
    head = _stem({**FUNCTION_TEXT, **LETTERS}.get(bare, bare), "")
    if primes := len(name) - len(bare):
        head = _row(f"{head}<mo lspace='0' rspace='0'>{'′' * primes}</mo>")
    inside = COMMA.join(inner_mathml(a) for a in node.args)
    return _row(head + APPLY + _fenced(inside, any(map(_is_tall, node.args))))


def _diag(node: Node) -> str:
    return _row("<mi>diag</mi>" + APPLY + _fenced(inner_mathml(node.args[0]), _is_tall(node)))


def _blocks(node: Node) -> str:
    """Arrays beside and beneath each other."""
    rows = ("".join(f"<mtd>{inner_mathml(part)}</mtd>" for part in row) for row in block_rows(node))
    table = "".join(f"<mtr>{row}</mtr>" for row in rows)
    return _fenced(f"<mtable>{table}</mtable>", True, "[", "]")


def _sigma(node: Node) -> str:
    """Σ over a letter, or a mean or a maximum."""
    letter, what, last = names_in(node)
    sign = f"<mo>{SIGNS[what]}</mo>" if what in SIGNS else f"<mi>{what}</mi>"
    below = _letter(letter)
    if last:
        below = _row(f"{below}<mo>=</mo><mn>1</mn>") if what in SIGNS else _row(f"{below}<mo>≤</mo>{_letter(last)}")
    over = f"<munderover>{sign}{below}{_letter(last)}</munderover>" if last and what in SIGNS else ""
    space = "" if what in SIGNS else APPLY
    return _row((over or f"<munder>{sign}{below}</munder>") + space + inner_mathml(node.args[0], HADAMARD))


def _iverson(node: Node) -> str:
    """1[i = j]."""
    first, sign, second = compared(node)
    return _row("<mn>𝟏</mn>" + _fenced(f"{_letter(first)}<mo>{sign}</mo>{_letter(second)}", False, "[", "]"))


def _stepwise(node: Node) -> str:
    """A right-hand side and its steps, (t = 1, …, T)."""
    letter, *bounds = names_in(node)
    low, high = (f"<mn>{x}</mn>" if x.isdigit() else name_to_mathml(x) for x in bounds)
    run = f"{_letter(letter)}<mo>=</mo>{low}<mo>,</mo><mo>…</mo><mo>,</mo>{high}"
    return _row(inner_mathml(node.args[0]) + '<mspace width="2em"></mspace>' + _fenced(run, False))


def _range(node: Node) -> str:
    """k = 1, …, N."""
    assert isinstance(node.data, tuple)
    letter, size = map(str, node.data)
    end = f"<mn>{size}</mn>" if size.isdigit() else name_to_mathml(size)
    return _row(f"{_letter(letter)}<mo>=</mo><mn>1</mn>{COMMA}<mo>…</mo>{COMMA}{end}")


def _ones(node: Node) -> str:
    return "<mn>𝟏</mn>" if node.cols == 1 else f"<msup><mn>𝟏</mn>{TRANSPOSED}</msup>"


def _rel(node: Node) -> str:
    sign = {"<=": "≤", ">=": "≥", "==": "="}.get(str(node.data), str(node.data))
    left, right = (inner_mathml(a, SUM) for a in node.args)
    return _row(f'{left}<mo form="infix">{escape(sign)}</mo>{right}')


def _raised(node: Node) -> str:
    circle = '<mo lspace="0" rspace="0">∘</mo>' if node.data else ""
    return f"<msup>{inner_mathml(node.args[0], ATOM)}{_row(circle + inner_mathml(node.args[1]))}</msup>"


_WRITERS: dict[str, Callable[[Node], str]] = {
    "sym": _sym, "sum": _sum, "prod": _prod, "had": _had, "pow": _pow, "T": _transposed, "diag": _diag, "ones": _ones,
    "num": lambda n: _number(Fraction(str(n.data))),
    "div": _div, "ediv": _div,
    "norm": lambda n: _fenced(inner_mathml(n.args[0]), _is_tall(n), "‖", "‖"),
    "fn": _call, "call": _call,
    "at": _at, "entry": _entry,
    "blocks": _blocks,
    "lookup": lambda n: _row(inner_mathml(n.args[0], ATOM) + _fenced(inner_mathml(n.args[1]), False, "[", "]")),
    "sigma": _sigma, "iverson": _iverson, "^": _pow,
    "partial": _partial,
    "foreign": lambda n: MARK.sub("", inner_mathml(n.args[0])),
    "bracketed": lambda n: _fenced(inner_mathml(n.args[0]), _is_tall(n)),
    "worded": lambda n: inner_mathml(n.args[0]), "range": _range,
    "stepwise": _stepwise,
    "second": _second, "rel": _rel, "raised": _raised,
    "bracket": lambda n: _row("<mn>𝟏</mn>" + _fenced(inner_mathml(n.args[0]), _is_tall(n), "[", "]")),
    "group": lambda n: inner_mathml(n.args[0]),
    "eye": lambda n: "<mi>I</mi>",
    "option": lambda n: text_to_mathml("{} {}".format(*names_in(n))),
    "raw": lambda n: text_to_mathml(str(n.data)),
}  # fmt: skip
