"""What each rule of the grammar for an expression builds; those for statements stand in `actions`.

Every function is named after its rule or alias in `grammar.lark` and gets (context, values, begin, end): the values of
the rule's symbols, tokens included, and the stretch of text it covers.
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.errors import LanguageError, Span
from chainrule.language import ast
from chainrule.language.context import MAX_DIGITS, Context, Values, value_of
from chainrule.language.tokens import Token

__all__ = ["FORMULA_ACTIONS"]

_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")


# indices ----------------------------------------------------------------------------------------------------------
def index(c: Context, v: Values, a: int, b: int) -> ast.IndexRef:
    node, span = v[0], Span(c.source, a, b)
    if isinstance(node, ast.Name):
        return ast.IndexRef(node.name, 0, span)
    sign = -1 if isinstance(node, ast.Negate) or (isinstance(node, ast.Binary) and node.op == "-") else 1
    number = node.operand if isinstance(node, ast.Negate) else node.right if isinstance(node, ast.Binary) else node
    if isinstance(number, ast.Number):
        if number.value.denominator != 1 or not number.text.isdecimal():
            where = number.span if number.span is not None else span
            raise c.error(f"a whole number is needed here, not {number.text[:20]}", None, where.start, where.end)
        offset = sign * int(number.value)
        if isinstance(node, ast.Number | ast.Negate):
            return _counted(c, ast.IndexRef(None, offset, span))
        if isinstance(node, ast.Binary) and node.op in ("+", "-") and isinstance(node.left, ast.Name) and offset:
            return ast.IndexRef(node.left.name, offset, span)
    return _counted(c, ast.IndexRef(None, 0, span, "sum", node))


def _counted(c: Context, ref: ast.IndexRef) -> ast.IndexRef:
    """An index that means something else where positions count from 0."""
    if c.dialect == "numpy" and ref.span is not None and ref.name is None:
        raise c.error(
            "an index in dialect numpy counts from 0, here positions count from 1",
            "dialect whiteboard, or trace the function", ref.span.start, ref.span.end,
        )  # fmt: skip
    return ref


def slice(c: Context, v: Values, a: int, b: int) -> ast.IndexRef:
    if c.dialect == "numpy":
        raise c.error(
            "a slice in dialect numpy counts from 0 and leaves its end out, here it counts from 1 with both ends",
            "dialect whiteboard, or trace the function", a, b,
        )  # fmt: skip
    colon = next(k for k, part in enumerate(v) if isinstance(part, Token))
    before, after = v[:colon], v[colon + 1 :]
    return ast.IndexRef(
        None, 0, Span(c.source, a, b), "slice", before[0] if before else None, after[0] if after else None
    )


# operators --------------------------------------------------------------------------------------------------------
def binary(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    op = v[1].text
    if c.dialect == "whiteboard" and op == "@" and _is_quotient(v[0], "./", a):
        raise _unclear_quotient(c, a, b)
    if c.dialect == "numpy" and op == "/" and not isinstance(v[2], ast.Number):
        op = "./"  # whatever it is that divides
    return ast.Binary(op, v[0], v[2], Span(c.source, a, b))


def _is_quotient(node: ast.Expr, op: str, begin: int) -> bool:
    """True for a quotient that stands in no brackets of its own."""
    return isinstance(node, ast.Binary) and node.op == op and node.span is not None and node.span.start == begin


def _unclear_quotient(c: Context, a: int, b: int) -> LanguageError:
    return c.error("this can be read in two ways: what does it divide by?", "(x ./ y) z or x ./ (y z)", a, b)


def equality(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    return ast.Binary("==", v[0], v[2], Span(c.source, a, b))


def negate(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    return ast.Negate(v[1], Span(c.source, a, b))


def juxtaposition(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    if c.dialect != "whiteboard":
        product = "@" if c.dialect == "numpy" else "*"
        raise c.error(
            f"two things stand side by side; in dialect {c.dialect} a product needs a sign",
            f"{product} between them",
            a,
            b,
        )
    if _is_quotient(v[0], "./", a):
        raise _unclear_quotient(c, a, b)
    if _is_quotient(v[0], "/", a):  # s/2t; but λ/2‖W‖² and 1/2x are read by everyone as they are here
        top, below, behind = v[0].left, v[0].right, v[0].span.end
        glued = v[1].span is not None and v[1].span.start == behind and c.source[behind] not in "‖|"
        if glued and isinstance(below, ast.Number) and not isinstance(top, ast.Number):
            raise c.error(
                "this can be read in two ways: what does it divide by?",
                f"a space, s/{below.text} t, or brackets, s/({below.text} t)", a, b,
            )  # fmt: skip
    return ast.Binary("@", v[0], v[1], Span(c.source, a, b))


def power(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    base, sign, exponent = v
    if isinstance(base, ast.Call) and base.span is not None and c.source[base.span.start] == "√":
        raise _unclear_root(c, a, b)
    inner = exponent.operand if isinstance(exponent, ast.Negate) else exponent
    chained = isinstance(inner, ast.Binary) and inner.op in ("^", ".^")
    if c.dialect == "matlab" and chained and inner.span is not None and inner.span.end == b:
        hint = "brackets: (a^b)^c, as MATLAB reads it, or a^(b^c)"
        raise c.error("a power of a power: MATLAB takes the left one first, paper the right one", hint, a, b)
    if isinstance(exponent, ast.Negate) and isinstance(exponent.operand, ast.Number):
        number = exponent.operand  # x^−1 and x⁻¹ are one tree
        exponent = ast.Number(-number.value, "-" + number.text, exponent.span)
    return ast.Binary(sign.text, base, exponent, Span(c.source, a, b))


def postfix(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    base, mark = v
    span = Span(c.source, a, b)
    text: str = mark.text
    if text == ".T":
        return ast.Transpose(base, span)
    if (
        isinstance(base, ast.Call)
        and base.span is not None
        and c.source[base.span.start] == "√"
        and a == base.span.start
    ):
        raise _unclear_root(c, a, b)
    here = Span(c.source, mark.start, mark.end)
    if "T" in text or "ᵀ" in text or "⊤" in text:  # ⁻ᵀ
        return ast.Transpose(ast.Binary("^", base, ast.Number(Fraction(-1), "-1", here), span), span)
    digits = text.translate(_DIGITS)
    if len(digits) > MAX_DIGITS:
        raise c.error("this exponent is too long", None, mark.start, mark.end)
    return ast.Binary("^", base, ast.Number(Fraction(int(digits)), digits, here), span)


def _unclear_root(c: Context, a: int, b: int) -> LanguageError:
    return c.error("this can be read in two ways: what is under the root?", "√(x²) or (√x)²", a, b)


def transpose(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    node = ast.Transpose(v[0], Span(c.source, a, b))
    return ast.Transpose(node, node.span) if v[1].text == "″" else node


# atoms ------------------------------------------------------------------------------------------------------------
def name(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    return ast.Name(v[0].text, Span(c.source, a, b))


def number(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    text = v[0].text
    if text.isdecimal() and len(text) < 18:
        return ast.Number(Fraction(int(text)), text, Span(c.source, a, b))
    exponent = text.lower().partition("e")[2].lstrip("+-")
    if len(text) > MAX_DIGITS or (exponent and int(exponent) > MAX_DIGITS):
        raise c.error("this number is too long or too large", f"at most {MAX_DIGITS} digits", a, b)
    if text[-1] == ".":
        return ast.Number(Fraction(int(text[:-1])), text, Span(c.source, a, b))
    return ast.Number(value_of(text), text, Span(c.source, a, b))


def group(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    inner: ast.Expr = v[1]
    if isinstance(inner, ast.Call) and c.source[v[1].span.start] == "√":
        return ast.Call(inner.function, inner.args, span=Span(c.source, a, b))  # (√x)² is clear
    return inner


def call(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    function = v[0].text.rstrip("′")
    args: list[ast.Expr] = []
    options: list[tuple[str, ast.Expr]] = []
    for argument in v[2] if len(v) == 4 else ():
        if isinstance(argument, tuple):
            options.append(argument)
        else:
            args.append(argument)
    primes = len(v[0].text) - len(function)
    return ast.Call(function, tuple(args), tuple(options), primes, Span(c.source, a, b))


def option(c: Context, v: Values, a: int, b: int) -> tuple[str, ast.Expr]:
    return (v[0].text, v[2])


def indexed(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    base = ast.Name(v[0].text, Span(c.source, v[0].start, v[0].end))
    return ast.Indexed(base, tuple(v[2]), Span(c.source, a, b))


def entry(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    return ast.Entry(group(c, v[:3], a, v[2].end), tuple(v[4]), Span(c.source, a, b))


def entry_of_call(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    return ast.Entry(call(c, v[:4], a, v[3].end), tuple(v[5]), Span(c.source, a, b))


def range(c: Context, v: Values, a: int, b: int) -> tuple[str, ast.Expr]:
    if v[2].text != "1":
        raise c.error(f"a sum runs from 1, not from {v[2].text}", f"{v[0].text} = 1..", v[2].start, v[2].end)
    return (v[0].text, ast.Range(v[4], Span(c.source, a, b)))


def blocks(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    rows = tuple(map(tuple, v[1]))
    if c.dialect == "numpy":
        raise c.error("a list of arrays in dialect numpy", "concat(A, B, over=columns)", a, b)
    if len(rows) == len(rows[0]) == 1:
        raise c.error("brackets [ ] around one thing say nothing", "( )", a, b)
    return ast.Blocks(rows, Span(c.source, a, b))


def indicator(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    if v[0].text != "1":
        raise c.error("only 1 stands before a condition", "1[k = i]", a, b)
    return ast.Call("indicator", (v[2],), span=Span(c.source, a, b))


def root(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    return ast.Call("sqrt", (v[1],), span=Span(c.source, a, b))


def norm(c: Context, v: Values, a: int, b: int) -> ast.Expr:
    return ast.Call(v[2].text, (v[1],), span=Span(c.source, a, b))


FORMULA_ACTIONS = (
    index, slice, binary, equality, negate, juxtaposition, power, postfix, transpose, name, number, group, call, option,
    range, indexed, entry, entry_of_call, blocks, indicator, root, norm,
)  # fmt: skip
