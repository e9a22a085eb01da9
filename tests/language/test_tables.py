"""The shipped tables are those of the grammar, and they parse as Lark itself does."""

from collections.abc import Iterator
from typing import Any

import pytest

from chainrule.language import ast, lexer, make_tables, parser, tables
from chainrule.language.actions import ACTIONS
from chainrule.language.context import Context

lark = pytest.importorskip("lark")

STATEMENTS = """
input x : D_x
param W, b : (D_h, D_x), symmetric, rows sum to 1
function f : D_x -> D_h
def g(u, v) = u ∘ −f(v)/2 − f′(u)ᵀ
z = −W (x + y)^−2 + a ∘ 1[k = i] b./c
S[i,j-1] = sum(k, A[i,k] B[k,2], over=rows) for t = 1..T
J = ‖z‖₁ + √x y.^x^n² (−b) < 0.5
minimize J
"""


def test_tables_are_current() -> None:
    assert make_tables.render() == (make_tables.HERE / "tables.py").read_text(encoding="utf-8"), (
        "run python -m chainrule.language.make_tables"
    )


def test_every_rule_has_its_action_and_no_action_is_left_over() -> None:
    assert {action for _, _, action in tables.RULES if action} == set(ACTIONS)


class Given(make_tables.NoLexer):
    """Hands our tokens to Lark."""

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Any]:
        for token in lexer_state.text:
            yield lark.Token(token.kind, token)


def rebuild(node: Any, context: Context) -> Any:
    """Our tree from Lark's."""
    if isinstance(node, lark.Token):
        return node.value
    return ACTIONS[node.data](context, [rebuild(child, context) for child in node.children], 0, 0)


def test_lark_reads_the_same_trees() -> None:
    frontend = make_tables.build(Given).parser
    context = Context(STATEMENTS, "whiteboard")
    expected = list(parser.parse_program(STATEMENTS, functions={"f", "sum"}).statements)
    found: list[ast.Declaration | ast.FunctionDeclaration | ast.Definition | ast.Equation] = []
    for tokens in lexer.statements(STATEMENTS, "whiteboard", frozenset({"f", "sum"})):
        thread = lark.lexer.LexerThread.from_custom_input(frontend.lexer, tokens)
        made = rebuild(frontend.parser.parse(thread, "statement"), context)
        found += made if isinstance(made, list) else [made]
    assert found[:-1] == expected
