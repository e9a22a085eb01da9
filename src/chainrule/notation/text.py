"""Formulas as Unicode text in the whiteboard language: what is printed can be parsed back."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from chainrule.dims import display_dim, display_name
from chainrule.notation.binding import ATOM, HADAMARD, NEGATION, POSTFIX, PRODUCT, SUM, strength
from chainrule.notation.parts import block_rows
from chainrule.notation.tree import Node, compared, names_in
from chainrule.sizes import is_derived

__all__ = ["to_text"]

MOST_DIGITS = 24  # of a decimal
SUPERSCRIPTS = str.maketrans("0123456789-/", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᐟ")
FUNCTION_TEXT = {"sigmoid": "σ"}
RELATIONS = {"<=": "≤", ">=": "≥"}


def to_text(node: Node, at_least: int = 0) -> str:
    """The formula; in brackets where it binds less strongly than `at_least`."""
    text = _write(node)
    return f"({text})" if strength(node) < at_least else text


def _write(node: Node) -> str:
    return _WRITERS[node.op](node)


def _tight(node: Node, at_least: int) -> str:
    """What a transpose, a power or a fraction line is put on: ∂z/∂x needs brackets there, though not in a product."""
    return f"({_write(node)})" if node.op == "partial" else to_text(node, at_least)


def _sym(node: Node) -> str:
    name = str(node.data)
    if is_derived(name):
        return f"({display_dim(name)})"
    return display_name(name)


def _at(node: Node) -> str:
    name, *letters = names_in(node)
    return f"{display_name(name)}[{','.join(letters).replace('-', '−')}]"


def _entry(node: Node) -> str:
    return f"{_tight(node.args[0], ATOM)}[{','.join(names_in(node)).replace('-', '−')}]"


def _num(node: Node) -> str:
    return number_text(Fraction(str(node.data)))


def number_text(value: Fraction) -> str:
    """A number, exactly: whole, a decimal where it is one (0.13415, 1.5e-6), or a fraction.

    >>> number_text(Fraction(13415, 100000)), number_text(Fraction(1, 100000)), number_text(Fraction(2, 3))
    ('0.13415', '1e-5', '2/3')
    """
    if value.denominator == 1:
        return str(value.numerator)
    for digits in range(1, MOST_DIGITS + 1):
        if value.denominator > 8 and (10**digits) % value.denominator == 0:
            sign, figures = "-" if value < 0 else "", str(abs(value.numerator) * 10**digits // value.denominator)
            if digits > 4 and len(figures) <= 3:
                mantissa = figures[0] + (f".{figures[1:]}" if len(figures) > 1 else "")
                return f"{sign}{mantissa}e-{digits - len(figures) + 1}"
            figures = figures.zfill(digits + 1)
            return f"{sign}{figures[:-digits]}.{figures[-digits:]}"
    return f"{value.numerator}/{value.denominator}"


def _sum(node: Node) -> str:
    out = ""
    for sign, part in zip(node.data, node.args, strict=True):  # type: ignore[call-overload]
        text = to_text(part, HADAMARD)
        if not out:
            out = text if sign > 0 else "−" + to_text(part, HADAMARD)
        else:
            out += (" + " if sign > 0 else " − ") + text
    return out


def _had(node: Node) -> str:
    return " ∘ ".join(to_text(a, PRODUCT) for a in node.args)


def _prod(node: Node) -> str:
    parts: list[str] = []
    for position, a in enumerate(node.args):
        following = node.args[position + 1] if position < len(node.args) - 1 else None
        if a.op == "ones" and a.rows == 1 and following is not None and following.op != "partial":  # ∂c/∂Ŷ has no rows
            parts.append("1ᵀ")  # its size follows from its neighbour
            continue
        text = to_text(a, NEGATION if position else PRODUCT)
        if a.op == "div" and position < len(node.args) - 1 and not text.startswith("("):
            text = f"({text})"
        inner = a.op == "prod" and a.rows == 1 == a.cols and not position  # behind the first it has brackets already
        if inner or (a.op == "sym" and str(a.data).startswith("∂")):
            text = f"({text})"
        if position > 1 and parts[-1] == "1ᵀ":  # u 1ᵀ A is read from the left, where 1ᵀ has no size yet: u (1ᵀ A)
            parts[-1] = f"(1ᵀ {text})"
            continue
        if parts and a.op == "blocks" and len(block_rows(a)) == 1 and not (parts[-1].isdigit() or parts[-1][-1] == "ᵀ"):
            # x [A, B] would be entries of x
            text = f"({text})"
        if parts and text[0].isdigit() and parts[-1][-1].isdigit():  # J^2 · 1[i = j]
            text = f"· {text}"
        parts.append(text)
    return " ".join(parts)


def _div(node: Node) -> str:
    top, bottom = node.args
    return f"{to_text(top, PRODUCT)}/{_tight(bottom, POSTFIX)}"


def _quotient(node: Node) -> str:
    """top ./ bottom: as strong as a product, so that only a product may stand above without brackets."""
    top, bottom = node.args
    return f"{to_text(top, PRODUCT)} ./ {_tight(bottom, POSTFIX)}"


def _pow(node: Node) -> str:
    base, exponent = node.args[0], Fraction(str(node.data))
    scalar = base.rows == 1 == base.cols
    if base.op == "norm" and exponent == 2:
        return f"norm({_write(base.args[0])})^2"
    if exponent == Fraction(1, 2):
        return f"sqrt({_write(base)})"
    if exponent == -1 and scalar:
        return f"1/{_tight(base, POSTFIX)}"
    if exponent == -1:
        return f"{_tight(base, POSTFIX)}.^(-1)"
    written = str(exponent) if exponent.denominator == 1 and exponent > 0 else f"({exponent})"
    return f"{_tight(base, ATOM)}{'^' if scalar else '.^'}{written}"


def _entry_power(node: Node) -> str:
    exponent = Fraction(str(node.data))
    written = str(exponent) if exponent.denominator == 1 and exponent > 0 else f"({exponent})"
    return f"{_tight(node.args[0], ATOM)}^{written}"


def _transposed(node: Node) -> str:
    inner = node.args[0]
    power = inner.op == "^" or (inner.op == "pow" and Fraction(str(inner.data)) != Fraction(1, 2))  # sqrt(v)ᵀ: a call
    return _tight(inner, ATOM if power else POSTFIX) + "ᵀ"


def _second(node: Node) -> str:
    top, first, second = (_tight(a, ATOM) for a in node.args)
    return f"∂²{top}/∂{first}²" if first == second else f"∂²{top}/∂{first}∂{second}"


def _norm(node: Node) -> str:
    return f"norm({_write(node.args[0])})"


def _fn(node: Node) -> str:
    name = str(node.data)
    primes = len(name) - len(name.rstrip("'"))
    bare = name.rstrip("'")
    return f"{FUNCTION_TEXT.get(bare, bare)}{'′' * primes}({_write(node.args[0])})"


def _call(node: Node) -> str:
    name = str(node.data)
    return f"{FUNCTION_TEXT.get(name, name)}({', '.join(_write(a) for a in node.args)})"


def _sigma(node: Node) -> str:
    letter, what, last = names_in(node)
    return f"{what}({letter}{f' = 1..{last}' if last else ''}, {_write(node.args[0])})"


_WRITERS: dict[str, Callable[[Node], str]] = {
    "sym": _sym, "num": _num, "sum": _sum, "had": _had, "prod": _prod, "div": _div,
    "ediv": _quotient, "pow": _pow, "T": _transposed,
    "norm": _norm, "fn": _fn, "call": _call,
    "diag": lambda n: f"diag({_write(n.args[0])})",
    "ones": lambda n: f"ones({n.rows})" if n.cols == 1 else f"ones({n.cols})ᵀ",
    "eye": lambda n: "I",
    "zeros": lambda n: f"zeros({', '.join(map(display_dim, (n.rows,) if n.cols == 1 else (n.rows, n.cols)))})",
    "option": lambda n: "{}={}".format(*names_in(n)),
    "raw": lambda n: str(n.data),
    "raised": lambda n: f"{_tight(n.args[0], ATOM)}{'.^' if n.data else '^'}{to_text(n.args[1], ATOM)}",
    "rel": lambda n: f"{to_text(n.args[0], SUM)} {RELATIONS.get(str(n.data), n.data)} {to_text(n.args[1], SUM)}",
    "bracket": lambda n: f"1[{_write(n.args[0])}]",
    "at": _at, "entry": _entry, "^": _entry_power,
    "sigma": _sigma,
    "blocks": lambda n: f"[{'; '.join(', '.join(map(_write, row)) for row in block_rows(n))}]",
    "lookup": lambda n: "{}[{}]".format(*map(_write, n.args)),
    "iverson": lambda n: "1[{} {} {}]".format(*compared(n)),
    "partial": lambda n: f"∂{_tight(n.args[0], ATOM)}/∂{_tight(n.args[1], ATOM)}",
    "second": _second,
    "foreign": lambda n: _write(n.args[0]),
    "bracketed": lambda n: f"({_write(n.args[0])})",
    "worded": lambda n: str(n.data),
    "range": lambda n: f"{names_in(n)[0]} = 1..{display_dim(names_in(n)[1])}",
    "stepwise": lambda n: "{} for {} = {}..{}".format(_write(n.args[0]), *names_in(n)),
    "group": lambda n: f"({_write(n.args[0])})",
}  # fmt: skip
