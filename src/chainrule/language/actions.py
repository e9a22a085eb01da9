"""What each rule of the grammar builds: the tree, node by node, while the text is read.

Every function is named after its rule or alias in `grammar.lark` and gets (context, values, begin, end): the
values of the rule's symbols, tokens included, and the stretch of text it covers. Those of expressions stand in
`formula_actions`.
"""

from __future__ import annotations

import re

from chainrule.errors import Span
from chainrule.language import ast
from chainrule.language.context import Context, Values, integer_of, value_of
from chainrule.language.facts import fact_meant
from chainrule.language.formula_actions import FORMULA_ACTIONS
from chainrule.language.tokens import Token
from chainrule.sizes import polynomial, spelled

__all__ = ["ACTIONS", "Minimize"]


class Minimize:
    """`minimize J`; no statement of the tree, which keeps the name of its loss apart."""

    __slots__ = ("name", "span")

    def __init__(self, name: str, span: Span) -> None:
        self.name = name
        self.span = span


# lists ------------------------------------------------------------------------------------------------------------
def first(c: Context, v: Values, a: int, b: int) -> Values:
    return [v[0]]


def more(c: Context, v: Values, a: int, b: int) -> Values:
    v[0].append(v[2])
    return v[0]  # type: ignore[no-any-return]


def both(c: Context, v: Values, a: int, b: int) -> Values:
    return [v[0], v[2]]


def nothing(c: Context, v: Values, a: int, b: int) -> Values:
    return []


def append(c: Context, v: Values, a: int, b: int) -> Values:
    v[0].append(v[1])
    return v[0]  # type: ignore[no-any-return]


# statements -------------------------------------------------------------------------------------------------------
def declaration(c: Context, v: Values, a: int, b: int) -> list[ast.Declaration]:
    kind, names, _, shape, facts = v
    known = tuple(fact.text for fact in facts)
    if len(names) == 1:
        return [ast.Declaration(kind.text, names[0].text, shape, known, Span(c.source, a, b))]
    spans = [Span(c.source, name.start, name.end) for name in names]
    return [ast.Declaration(kind.text, name.text, shape, known, span) for name, span in zip(names, spans, strict=True)]


def shape(c: Context, v: Values, a: int, b: int) -> tuple[ast.TypeDim, ...]:
    sizes: list[Token] = v[0] if len(v) == 1 else v[1] if len(v) == 3 else []
    if any(size.text == "scalar" for size in sizes):
        if len(sizes) == 1:
            return ()
        raise c.error("scalar stands alone, without other sizes", "1 for a size of one", a, b)
    return tuple(_size(c, size) for size in sizes)


def _size(c: Context, token: Token) -> ast.TypeDim:
    if token.kind == "NAME":
        return token.text
    value = integer_of(c, token)
    if value < 1:
        raise c.error("a size is at least 1", "a whole number from 1 on, or a name such as D", token.start, token.end)
    return value


def size(c: Context, v: Values, a: int, b: int) -> Token:
    return v[0]  # type: ignore[no-any-return]


def size_join(c: Context, v: Values, a: int, b: int) -> Token:
    """H d, N + M: a size that is worked out from others, as `chainrule.sizes` writes it."""
    signs = {"PLUS": "+", "MINUS": "-"}
    texts = [f"({_size(c, part)})" if part.kind in ("NAME", "NUMBER") else signs[part.kind] for part in v]
    if len(v) == 2:
        texts.insert(1, "*")
    return Token("NAME", f"({' '.join(texts)})", a, b)


def size_quotient(c: Context, v: Values, a: int, b: int) -> Token:
    """(n - 1)//2: rounded down."""
    if v[1].text != "/" or v[2].text != "/" or v[1].end != v[2].start:
        raise c.error("a size is divided by //, which rounds down", "(n - 1)//2", v[1].start, v[2].end)
    return Token("NAME", f"(({_size(c, v[0])})//({_size(c, v[3])}))", a, b)


def worked_out(c: Context, v: Values, a: int, b: int) -> Token:
    found = spelled(polynomial(v[1].text))
    return Token("NUMBER" if isinstance(found, int) else "NAME", str(found), a, b)


def worked_out_bare(c: Context, v: Values, a: int, b: int) -> Token:
    """4K, 4 K, H + 1 without brackets. What may be a fact whose comma is missing (10 positive) is none of it."""
    for name in re.finditer(r"\w+", c.source[a:b]):
        meant = fact_meant(name.group())
        if meant is not None and name.start():
            at = a + name.start()
            raise c.error(f"a comma is missing before {name.group()}", f"…, {meant}", at, a + name.end())
    if not re.search(r"(?<!\w)[0-9]|[-−+/]", c.source[a:b]):
        left, right = list(re.finditer(r"\w+", c.source[a:b]))[:2]
        said = f"a comma or × is missing between {left.group()} and {right.group()}"
        raise c.error(said, f"({left.group()} {right.group()}) for the product", a + right.start(), a + right.end())
    found = spelled(polynomial(v[0].text))
    return Token("NUMBER" if isinstance(found, int) else "NAME", str(found), a, b)


def function_declaration(c: Context, v: Values, a: int, b: int) -> ast.FunctionDeclaration:
    return ast.FunctionDeclaration(v[1].text, v[3], v[5], Span(c.source, a, b))


def definition(c: Context, v: Values, a: int, b: int) -> ast.Definition:
    names, defaults = _parameters(c, v[3])
    return ast.Definition(v[1].text, names, v[6], Span(c.source, a, b), defaults)


def indexed_definition(c: Context, v: Values, a: int, b: int) -> ast.Definition:
    names, defaults = _parameters(c, v[3])
    return ast.Definition(v[1].text, names, v[9], Span(c.source, a, b), defaults, tuple(v[6]))


def default(c: Context, v: Values, a: int, b: int) -> tuple[Token, ast.Number | ast.Name]:
    span = Span(c.source, v[2].start, v[2].end)
    if v[2].kind == "NUMBER":
        return v[0], ast.Number(value_of(v[2].text), v[2].text, span)
    if v[0].text != "over" or v[2].text not in ast.AXES:
        hint = f"a number, or over=last for the axis that is meant: {', '.join(ast.AXES)}"
        raise c.error(f"{v[2].text} is no default for {v[0].text}", hint, v[2].start, v[2].end)
    return v[0], ast.Name(v[2].text, span=span)


def _parameters(c: Context, found: Values) -> tuple[tuple[str, ...], tuple[ast.Number | ast.Name, ...]]:
    tokens = [item if isinstance(item, Token) else item[0] for item in found]
    names = tuple(token.text for token in tokens)
    defaults: list[ast.Number | ast.Name] = []
    for k, (token, item) in enumerate(zip(tokens, found, strict=True)):
        if token.text in names[:k]:
            raise c.error(f"{token.text} stands twice among the arguments", None, token.start, token.end)
        if not isinstance(item, Token):
            defaults.append(item[1])
        elif defaults:
            raise c.error(
                f"{token.text} has no default, but what stands before it has", f"{token.text}=1", token.start, token.end
            )
    return names, tuple(defaults)


def minimize(c: Context, v: Values, a: int, b: int) -> Minimize:
    return Minimize(v[1].text, Span(c.source, a, b))


def equation(c: Context, v: Values, a: int, b: int) -> ast.Equation:
    name = v[0]
    recurrence = v[3] if len(v) > 3 else None
    return ast.Equation(name.text, None, v[2], recurrence, Span(c.source, a, b), Span(c.source, name.start, name.end))


def indexed_equation(c: Context, v: Values, a: int, b: int) -> ast.Equation:
    name = v[0]
    recurrence = v[6] if len(v) > 6 else None
    return ast.Equation(
        name.text, tuple(v[2]), v[5], recurrence, Span(c.source, a, b), Span(c.source, name.start, name.end)
    )


def recurrence(c: Context, v: Values, a: int, b: int) -> ast.Recurrence:
    low, high = v[3], v[5]
    if isinstance(low, str) and high != 1:
        raise c.error(f"a recurrence runs from 1 or down to 1, not {low}..{high}", f"for {v[1].text} = {low}..1", a, b)
    if isinstance(low, int) and isinstance(high, int) and high < low and high != 1:
        raise c.error(f"{low}..{high} is empty", f"{high}..{low}", a, b)
    return ast.Recurrence(v[1].text, low, high)


def bound(c: Context, v: Values, a: int, b: int) -> ast.TypeDim:
    token: Token = v[-1]
    if token.kind == "NAME":
        return token.text
    return -integer_of(c, token) if len(v) == 2 else integer_of(c, token)


ACTIONS = {
    action.__name__: action
    for action in (
        first, more, both, nothing, append, declaration, shape, size, size_join, size_quotient, worked_out,
        worked_out_bare,
        function_declaration, definition, indexed_definition, default, minimize, equation, indexed_equation, recurrence,
        bound, *FORMULA_ACTIONS,
    )
}  # fmt: skip
