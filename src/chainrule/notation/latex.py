"""Formulas as LaTeX (amsmath): what stands between $ and $."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from fractions import Fraction

from chainrule.dims import ACCENT_NAMES, GREEK_NAMES, canonical_name
from chainrule.functions import FUNCTIONS
from chainrule.notation.binding import (
    ATOM,
    HADAMARD,
    NEGATION,
    POSTFIX,
    PRODUCT,
    SUM,
    flat_below,
    has_quotient,
    strength,
)
from chainrule.notation.parts import block_rows
from chainrule.notation.text import number_text
from chainrule.notation.tree import Node, compared, names_in
from chainrule.sizes import is_derived, written

__all__ = ["entry_to_latex", "function_to_latex", "letter_to_latex", "name_to_latex", "to_latex"]

_CAPITALS = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True))  # Greek letters that LaTeX has as Roman ones
_LETTER_FORMS = {"ε": "varepsilon", "φ": "varphi"}  # the forms that these letters have in text and in MathML
_MARKS = {
    "\u0301": "acute", "\u0300": "grave", "\u0308": "ddot", "\u030c": "check", "\u0306": "breve", "\u030a": "mathring",
} | ACCENT_NAMES  # fmt: skip


RELATIONS = {"=": "=", "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "="}


def name_to_latex(name: str) -> str:
    r"""A name: θ is \theta, ŷ is \hat{y}, b1 is b_{1}, D_x is D_{x}; a longer word is upright.

    >>> name_to_latex("y_hat"), name_to_latex("δ1"), name_to_latex("D_x"), name_to_latex("loss")
    ('\\hat{y}', '\\delta_{1}', 'D_{x}', '\\mathrm{loss}')
    """
    if is_derived(name):
        return f"({written(name, name_to_latex, ' ')})".replace("//", r" \mathbin{/\!/} ").replace("−", "-")
    return _with_subscripts(*_parts(name))


def entry_to_latex(name: str, letters: Iterable[str]) -> str:
    r"""An entry: W_{ij}, with commas where a letter is longer or the name has a subscript of its own.

    >>> entry_to_latex("W", "ij"), entry_to_latex("δ₁", "k"), entry_to_latex("h", ["t-1"])
    ('W_{ij}', '\\delta_{1,k}', 'h_{t-1}')
    """
    stem, subscripts = _parts(name)
    letters = list(letters)
    shown = [letter_to_latex(x) for x in letters]
    short = all(len(x) == 1 and not x.isdigit() for x in letters) or len(letters) == 1
    return _with_subscripts(stem, [*subscripts, "".join(shown) if short else ",".join(shown)])


def _with_subscripts(stem: str, subscripts: list[str]) -> str:
    return stem + ("_{" + ",".join(subscripts) + "}" if subscripts else "")


def _parts(name: str) -> tuple[str, list[str]]:
    base, *subscripts = canonical_name(name).split("_")
    if not base:  # a name that begins with _
        return r"\mathrm{\_" + "".join(_stem(s) for s in subscripts[:1]) + "}", [_stem(s) for s in subscripts[1:]]
    stem = base.rstrip("0123456789")
    if base != stem and stem:
        subscripts.insert(0, base[len(stem) :])
    return _stem(stem or base), [_stem(s) if s else "" for s in subscripts]


def _stem(stem: str) -> str:
    letters: list[tuple[str, list[str]]] = []
    for char in unicodedata.normalize("NFD", stem):
        if char in _MARKS and letters:
            letters[-1][1].append(_MARKS[char])
        else:
            letters.append((char, []))
    pieces = []
    for char, accents in letters:
        piece = char
        if char in GREEK_NAMES:
            piece = "\\" + _LETTER_FORMS.get(char, GREEK_NAMES[char])
        elif char in _CAPITALS:
            piece = rf"\mathrm{{{_CAPITALS[char]}}}"
        elif not char.isascii():  # an alien letter has no place in a formula font: its code, as in generated code
            piece = rf"\mathrm{{u{ord(char):x}}}"
        for accent in accents:
            piece = rf"\{accent}{{{piece}}}"
        pieces.append(piece)
    plain = all(not accents and char.isascii() and char.isalpha() for char, accents in letters)
    if plain and len(letters) > 1:
        return r"\mathrm{" + stem + "}"
    return " ".join(pieces) if any(p.startswith("\\") for p in pieces) and len(pieces) > 1 else "".join(pieces)


def to_latex(node: Node, at_least: int = 0) -> str:
    """The formula; in brackets where it binds less strongly than `at_least`."""
    if node.op == "group":
        return to_latex(node.args[0], at_least)
    text: str = _WRITERS[node.op](node)
    return rf"\left({text}\right)" if _strength(node) < at_least else text


def _strength(node: Node) -> int:
    """As in text, but a fraction needs brackets only below an exponent, and Σ reaches as far as a product does."""
    if node.op in ("partial", "div") and node.data == "/":
        return HADAMARD  # (1/N) u, though a/N + b
    if node.op in ("div", "ediv", "partial") or (node.op == "sym" and str(node.data).startswith("∂")):
        return NEGATION
    return HADAMARD if node.op == "sigma" else strength(node)


SIGNS = {"sum": r"\sum", "prod": r"\prod", "max": r"\max", "min": r"\min"}


def sigma_to_latex(node: Node) -> str:
    """The sign of a sum, a mean or a maximum, with its letter beneath."""
    letter, what, last = names_in(node)
    sign, below = SIGNS.get(what, rf"\operatorname*{{{what}}}"), letter_to_latex(letter)
    if not last:
        return f"{sign}_{{{below}}}"
    if what in ("sum", "prod"):
        return f"{sign}_{{{below}=1}}^{{{letter_to_latex(last)}}}"
    return rf"{sign}_{{1 \le {below} \le {letter_to_latex(last)}}}"


def _num(node: Node) -> str:
    value = Fraction(str(node.data))
    text = number_text(value)
    if "/" in text:
        return rf"\tfrac{{{value.numerator}}}{{{value.denominator}}}"
    if "e-" in text:
        mantissa, exponent = text.split("e-")
        return (rf"{mantissa} \cdot " if mantissa != "1" else "") + rf"10^{{-{exponent}}}"
    return text


def _sum(node: Node) -> str:
    out = ""
    for sign, part in zip(node.data, node.args, strict=True):  # type: ignore[call-overload]
        text = to_latex(part, HADAMARD)
        out += (text if sign > 0 else "-" + text) if not out else (" + " if sign > 0 else " - ") + text
    return out


def _prod(node: Node) -> str:
    out = []
    for position, a in enumerate(node.args):
        if a.op == "ones" and a.rows == 1:
            out.append(r"\mathbf{1}^\top")
            continue
        last = position == len(node.args) - 1
        inner = a.args[0] if a.op == "group" else a
        text = to_latex(a, HADAMARD if inner.op == "sigma" and last else PRODUCT)
        if inner.op == "prod":
            text = rf"\left({text}\right)"
        out.append(text)
    if any(t[0].isdigit() for t in out[1:]):
        return r" \, ".join(out)
    for k in range(len(out) - 1, 0, -1):
        fractions = node.args[k].op == "partial" == node.args[k - 1].op  # their lines need air between them
        if fractions or any(t.startswith(r"\mathrm{") for t in out[k - 1 : k + 1]):  # and so do words: h grad
            out.insert(k, r"\,")
    return " ".join(out)


def _div(node: Node) -> str:
    top, bottom = node.args
    if node.op == "div" and node.data == "/":
        return f"{to_latex(top, PRODUCT)}/{to_latex(bottom, POSTFIX)}"
    if node.op == "div" and has_quotient(top):
        return rf"\frac{{1}}{{{to_latex(flat_below(bottom))}}} {to_latex(top, PRODUCT)}"
    return rf"\frac{{{to_latex(flat_below(top))}}}{{{to_latex(flat_below(bottom))}}}"


def _pow(node: Node) -> str:
    base, exponent = node.args[0], Fraction(str(node.data))
    scalar = base.rows == 1 == base.cols
    if exponent == Fraction(1, 2):
        return rf"\sqrt{{{to_latex(base)}}}"
    if exponent == -1 and scalar:
        return rf"\frac{{1}}{{{to_latex(base)}}}"
    circ = "" if scalar or base.op == "norm" else r"\circ "
    return rf"{to_latex(base, ATOM)}^{{{circ}{_exponent(node)}}}"


def _exponent(node: Node) -> str:
    exponent = Fraction(str(node.data))
    return str(exponent) if exponent.denominator == 1 else f"{exponent.numerator}/{exponent.denominator}"


def _transposed(node: Node) -> str:
    inner = node.args[0]
    if inner.op == "call" and inner.data in INVERSES:
        return _inverse(inner, r"\top")
    return to_latex(inner, ATOM if inner.op in ("T", "pow", "^", "raised") else POSTFIX) + r"^\top"


def _partial(node: Node) -> str:
    top, bottom = (to_latex(a, ATOM) for a in node.args)
    if node.data == "/":
        return rf"\partial {top}/\partial {bottom}"
    return rf"\frac{{\partial {top}}}{{\partial {bottom}}}"


def _run(letter: str, first: str, last: str) -> str:
    """t = 1, …, T."""
    low, high = (x if x.isdigit() else name_to_latex(x) for x in (first, last))
    return rf"{letter_to_latex(letter)} = {low}, \dots, {high}"


def _second(node: Node) -> str:
    top, first, second = (to_latex(a, ATOM) for a in node.args)
    below = rf"\partial {first}^2" if first == second else rf"\partial {first}\,\partial {second}"
    return rf"\frac{{\partial^2 {top}}}{{{below}}}"


def function_to_latex(name: str) -> str:
    """A function's name: \\tanh, \\operatorname{relu}', f."""
    bare = name.rstrip("'")
    record = FUNCTIONS.get(bare)
    if record is not None and record.latex:
        latex = record.latex
    elif bare.isascii() and len(bare) > 1 and not bare[-1].isdigit():  # conv1d, but f_1
        latex = r"\operatorname{" + bare.replace("_", r"\_") + "}"
    else:
        latex = name_to_latex(bare)
    return latex + "'" * (len(name) - len(bare))


INVERSES = {"inv": "-1", "pinv": "+"}  # written as exponents


def _inverse(node: Node, turned: str = "") -> str:
    """X^{-1}, and X^{-\\top} for its transpose; X^{+}, (X^{+})^\\top."""
    base = to_latex(node.args[0], ATOM)
    if node.data == "inv":
        return rf"{base}^{{-{turned or '1'}}}"
    return rf"\left({base}^{{+}}\right)^{turned}" if turned else rf"{base}^{{+}}"


def _call(node: Node) -> str:
    if node.data in INVERSES and len(node.args) == 1:
        return _inverse(node)
    if node.data == "det" and len(node.args) == 1:
        return rf"\det\!\left({to_latex(node.args[0])}\right)"
    if node.data == "logdet" and len(node.args) == 1:
        return rf"\log \left|\det {to_latex(node.args[0], ATOM)}\right|"
    return rf"{function_to_latex(str(node.data))}\!\left({', '.join(to_latex(a) for a in node.args)}\right)"


def _compared(node: Node) -> tuple[str, str, str]:
    first, sign, second = compared(node)
    return letter_to_latex(first), {"=": "=", "≤": r"\le"}[sign], letter_to_latex(second)


def letter_to_latex(letter: object) -> str:
    """An index: k, k_{1}, t-1."""
    text = str(letter)
    if text.isidentifier():
        return name_to_latex(text)
    shown = re.sub(r"[^\W\d]\w*", lambda m: name_to_latex(m.group()), text.replace("−", "-"))
    return shown.replace("//", "/").replace("*", r" \, ")


def _raw(node: Node) -> str:
    from chainrule.notation.prose import formula_to_latex

    return formula_to_latex(str(node.data))


def _jacobian(node: Node) -> str:
    top, bottom = (name_to_latex(part) for part in str(node.data)[1:].split("/∂"))
    return rf"\frac{{\partial {top}}}{{\partial {bottom}}}"


def _sym(node: Node) -> str:
    name = str(node.data)
    return _jacobian(node) if name.startswith("∂") else name_to_latex(name)


_WRITERS: dict[str, Callable[[Node], str]] = {
    "sym": _sym, "num": _num, "sum": _sum, "prod": _prod, "div": _div, "ediv": _div, "pow": _pow, "T": _transposed,
    "had": lambda n: r" \circ ".join(to_latex(a, PRODUCT) for a in n.args),
    "norm": lambda n: rf"\left\lVert {to_latex(n.args[0])} \right\rVert",
    "fn": _call, "call": _call,
    "diag": lambda n: rf"\operatorname{{diag}}\!\left({to_latex(n.args[0])}\right)",
    "ones": lambda n: r"\mathbf{1}" if n.cols == 1 else r"\mathbf{1}^\top",
    "zeros": lambda n: "0",
    "eye": lambda n: "I",
    "option": lambda n: r"\text{{{} {}}}".format(*names_in(n)),
    "raw": _raw, "second": _second, "worded": lambda n: to_latex(n.args[0]),
    "foreign": lambda n: to_latex(n.args[0]),
    "bracketed": lambda n: rf"({to_latex(n.args[0])})",
    "stepwise": lambda n: rf"{to_latex(n.args[0])} \qquad ({_run(*names_in(n))})",
    "range": lambda n: rf"{letter_to_latex(names_in(n)[0])} = 1, \dots, {letter_to_latex(names_in(n)[1])}",
    "entry": lambda n: to_latex(n.args[0], ATOM) + "_{" + ",".join(map(letter_to_latex, names_in(n))) + "}",
    "at": lambda n: entry_to_latex(names_in(n)[0], names_in(n)[1:]),
    "^": lambda n: rf"{to_latex(n.args[0], ATOM)}^{{{_exponent(n)}}}",
    "raised": lambda n: rf"{to_latex(n.args[0], ATOM)}^{{{n.data or ''}{to_latex(n.args[1])}}}",
    "bracket": lambda n: rf"\mathbf{{1}}[{to_latex(n.args[0])}]",
    "rel": lambda n: f"{to_latex(n.args[0], SUM)} {RELATIONS[str(n.data)]} {to_latex(n.args[1], SUM)}",
    "sigma": lambda n: f"{sigma_to_latex(n)} {to_latex(n.args[0], HADAMARD)}",
    "blocks": lambda n: (
        r"\begin{bmatrix} " + r" \\ ".join(" & ".join(map(to_latex, row)) for row in block_rows(n)) + r" \end{bmatrix}"
    ),
    "lookup": lambda n: rf"{to_latex(n.args[0], ATOM)}[{to_latex(n.args[1])}]",
    "iverson": lambda n: r"\mathbf{{1}}[{} {} {}]".format(*_compared(n)),
    "partial": _partial,
}  # fmt: skip
