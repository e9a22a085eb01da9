"""Text in, tree out: `parse_program` for a whole network, `parse_expression` for one formula.

Every mistake in the text is a `LanguageError` with the place and a hint; nothing else is ever raised. The work is
done by the lexer (which knows dialects and functions) and by the LALR tables that Lark makes of `grammar.lark`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from chainrule.errors import LanguageError, Span
from chainrule.language import ast, lalr, lexer
from chainrule.language.actions import ACTIONS, Minimize
from chainrule.language.context import Context
from chainrule.language.diagnose import explain
from chainrule.language.tokens import DIALECTS, Token

__all__ = ["parse_expression", "parse_program"]

_RULES = lalr.bind(ACTIONS)
_BINARY = re.compile("[\x00-\x08\x0e-\x1b\x7f\ufffd\ud800-\udfff]")
_DIALECT = re.compile(r"(?:\ufeff|\s|[#%][^\n]*(?:\n|$))*dialect\b[^\S\n]*([^\n;#%]*)")
_LONG = 200  # tokens: a shorter statement cannot be nested too deeply


def parse_program(text: str, dialect: str = "whiteboard", functions: Iterable[str] = frozenset()) -> ast.Program:
    """The program that `text` writes down.

    `functions` are the names of the functions known beforehand; `f (x)` is a call of them, and a product if f is
    no function. A first line `dialect numpy` goes before the argument `dialect`.

    Raises:
        LanguageError: the text is not a program; the message shows where and says what to try.

    >>> parse_program("input x : D\\nJ = xᵀ x").statements[1].value.op
    '@'
    """
    _check_text(text)
    _check_dialect(dialect, None)
    start = 1 if text.startswith("\ufeff") else 0
    said = _DIALECT.match(text)
    if said is not None:
        dialect = said.group(1).strip().lower()
        _check_dialect(dialect, Span(text, said.start(1), max(said.end(1), said.start(1) + 1)))
        start = said.end()
    lines = lexer.statements(text, dialect, frozenset(functions), start=start)
    if not lines:
        raise LanguageError(
            "the file is empty: there is no equation in it",
            "input x : D, then param W : 1 × D, then J = (W x)², a line each",
        )
    context = Context(text, dialect)
    statements: list[ast.Declaration | ast.FunctionDeclaration | ast.Definition | ast.Equation] = []
    loss: str | None = None
    loss_span: Span | None = None
    for tokens in lines:
        node = _run(context, tokens, "statement")
        if isinstance(node, list):
            statements += node
        elif isinstance(node, Minimize):
            if loss is not None:
                raise LanguageError("only one loss can be minimized, and this is the second", "J = J1 + J2", node.span)
            loss, loss_span = node.name, node.span
        else:
            statements.append(node)
    return ast.Program(tuple(statements), loss, text, loss_span, dialect)


def parse_expression(
    text: str,
    dialect: str = "whiteboard",
    functions: Iterable[str] = frozenset(),
    variables: Iterable[str] = frozenset(),
) -> ast.Expr:
    """The expression that `text` writes down; `variables` are known not to be functions.

    Raises:
        LanguageError: the text is not one expression.

    >>> print(parse_expression("1/2 xᵀ A x").op)
    @
    """
    _check_text(text)
    _check_dialect(dialect, None)
    start = 1 if text.startswith("\ufeff") else 0
    lines = lexer.statements(text, dialect, frozenset(functions), frozenset(variables), start, expression=True)
    if not lines:
        raise LanguageError("an expression is expected here, and nothing stands here")
    node: ast.Expr = _run(Context(text, dialect), lines[0], "expression")
    return node


def _run(context: Context, tokens: list[Token], start: str) -> Any:
    try:
        node = lalr.run(_RULES, tokens, start, context)
    except lalr.Stuck as stuck:
        raise explain(context.source, tokens, stuck, expression=start == "expression") from None
    if len(tokens) > _LONG:
        _check_depth(context, node, tokens)
    return node


def _check_text(text: str) -> None:
    strange = _BINARY.search(text)
    if strange is not None:
        char = strange.group()
        raise LanguageError(
            f"this is not a text: it holds the character U+{ord(char):04X}", "a text file in UTF-8",
            Span(text, strange.start(), strange.end()) if text.isprintable() else None,
        )  # fmt: skip


def _check_dialect(dialect: str, span: Span | None) -> None:
    if dialect not in DIALECTS:
        raise LanguageError(f"there is no dialect {dialect!r}", " or ".join(DIALECTS), span)


def _check_depth(context: Context, root: object, tokens: list[Token]) -> None:
    """Refuses trees on which a recursive function would run out of stack: 10,000 minus signs need no bracket."""
    todo: list[tuple[object, int]] = [(getattr(root, "value", None) or getattr(root, "body", None) or root, 1)]
    while todo:
        node, depth = todo.pop()
        if depth > lexer.MAX_DEPTH:
            raise LanguageError(
                f"nested too deeply: one expression holds more than {lexer.MAX_DEPTH} operations within one another",
                "give the parts names, an equation each",
                Span(context.source, tokens[0].start, tokens[-1].end),
            )
        if isinstance(node, ast.Binary):
            todo += ((node.left, depth + 1), (node.right, depth + 1))
        elif isinstance(node, ast.Negate | ast.Transpose):
            todo.append((node.operand, depth + 1))
        elif isinstance(node, ast.Call):
            todo += ((child, depth + 1) for child in node.args)
            todo += ((child, depth + 1) for _, child in node.options)
