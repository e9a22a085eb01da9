"""What is printed parses back to the same tree, for every tree; and the printed form is a fixed point."""

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chainrule.errors import LanguageError
from chainrule.language import ast, parse_expression, parse_program, print_expression, print_program

VARIABLES = [
    "x",
    "W",
    "θ",
    "y_hat",
    "x̂",
    "b1",
    "δ₂",
    "D_h",
    "I",
    "e1",
    "E",
    "λ",
    "lambda",
    "T",
    "Δ",
    "_u",
    "x_1_2",
    "σ",
]
FUNCTIONS = ["f", "relu", "softmax", "norm", "sum", "g2", "indicator", "Φ"]
INDICES = ["i", "j", "t", "k", "T"]
DIMS = st.one_of(st.sampled_from(["D_x", "N", "K", "x", "X", "T"]), st.integers(1, 40))

names = st.sampled_from(VARIABLES).map(ast.Name)
numbers = st.one_of(
    st.integers(0, 12).map(Fraction),
    st.sampled_from([Fraction(1, 2), Fraction(1, 100_000), Fraction(10**9), Fraction(123_456_789), Fraction(37, 8)]),
    st.builds(lambda n, places: Fraction(n, 10**places), st.integers(0, 10**7), st.integers(0, 12)),
).map(ast.Number)
index_refs = st.one_of(
    st.builds(ast.IndexRef, st.sampled_from(INDICES), st.integers(-3, 3)),
    st.builds(ast.IndexRef, st.none(), st.integers(-2, 9)),
)
index_lists = st.lists(index_refs, min_size=1, max_size=3).map(tuple)
indexed = st.builds(ast.Indexed, names, index_lists)
OPERATORS = ["+", "-", "@", "*", "∘", "/", "./", "<", "<=", ">", ">=", "=="]


def _power(op: str, base: ast.Expr, exponent: ast.Expr) -> ast.Expr:
    if isinstance(exponent, ast.Negate) and isinstance(exponent.operand, ast.Number):
        exponent = ast.Number(-exponent.operand.value)  # the one form of a negative exponent
    return ast.Binary(op, base, exponent)


def _grow(children: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    calls = st.builds(
        ast.Call,
        st.sampled_from(FUNCTIONS),
        st.lists(children, max_size=3).map(tuple),
        st.lists(st.tuples(st.sampled_from(["over", "axis"]), children), max_size=2).map(tuple),
        st.integers(0, 2),
    )
    indicators = st.builds(lambda a, b: ast.Call("indicator", (ast.Binary("==", a, b),)), children, children)
    powers = st.builds(
        _power,
        st.sampled_from(["^", ".^"]),
        children,
        st.one_of(children, st.integers(-3, 12).map(lambda n: ast.Number(Fraction(n)))),
    )
    return st.one_of(
        st.builds(ast.Binary, st.sampled_from(OPERATORS), children, children),
        st.builds(lambda a, b: ast.Binary("@", a, b), children, children),
        powers,
        st.builds(ast.Negate, children),
        st.builds(ast.Transpose, children),
        calls,
        indicators,
    )


expressions = st.recursive(st.one_of(names, numbers, indexed), _grow, max_leaves=14)

words = st.lists(st.sampled_from(["rows", "sum", "to", "1", "one-hot", "is", "positive"]), min_size=1, max_size=4)
shapes = st.lists(DIMS, max_size=3).map(tuple)
new_names = st.sampled_from(VARIABLES)
declarations = st.builds(
    ast.Declaration,
    st.sampled_from(["input", "label", "param", "const"]),
    new_names,
    shapes,
    st.lists(words.map(" ".join), max_size=2).map(tuple),
)
definitions = st.builds(
    ast.Definition,
    st.sampled_from(FUNCTIONS),
    st.lists(st.sampled_from(["u", "v", "x"]), min_size=1, max_size=3, unique=True).map(tuple),
    expressions,
)
equations = st.builds(
    ast.Equation,
    new_names,
    st.one_of(st.none(), index_lists),
    expressions,
    st.one_of(
        st.none(),
        st.builds(
            ast.Recurrence,
            st.sampled_from(INDICES),
            st.integers(-2, 2),
            st.one_of(st.sampled_from(["T", "N"]), st.integers(2, 9)),
        ),
    ),
)
functions = st.builds(ast.FunctionDeclaration, st.sampled_from(FUNCTIONS), shapes, shapes)
programs = st.builds(
    ast.Program,
    st.lists(st.one_of(declarations, definitions, equations, functions), min_size=1, max_size=8).map(tuple),
    st.one_of(st.none(), new_names),
)
KNOWN = frozenset(FUNCTIONS)


@settings(max_examples=300, deadline=None)
@given(expressions)
@example(ast.Binary("^", ast.Name("x"), ast.Name("T")))
@example(ast.Binary("^", ast.Name("x"), ast.Indexed(ast.Name("T"), (ast.IndexRef("i"),))))
@example(ast.Transpose(ast.Number(Fraction(1, 100_000))))
def test_every_expression_survives_print_and_parse(expr: ast.Expr) -> None:
    text = print_expression(expr)
    assert parse_expression(text, functions=KNOWN) == expr, text
    assert parse_expression(text) == expr, text  # a call needs no knowledge: its bracket follows at once


@settings(max_examples=150, deadline=None)
@given(programs)
def test_every_program_survives_print_and_parse(program: ast.Program) -> None:
    text = print_program(program)
    again = parse_program(text, functions=KNOWN)
    assert again == program, text
    assert print_program(again) == text


PIECES = [
    *"()[]{}=+-*/@∘^'ᵀ²,:;.‖√<>|!?\"\n ", ".*", ".^", "x", "W ", "f(", "1", "0.5", "for ", "t = 1..T", "input ",
    "param W : D", " x ", "def f(u) = u", "one-hot", "#", "%", "lambda", "import ", "minimize J", "dialect numpy\n",
    "⁻¹", "ŷ", "\u200b", "\r\n", "\t", "→", "ℝ^", "1[", "||",
]  # fmt: skip


def message(error: LanguageError | None) -> str:
    return "" if error is None else str(error)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.sampled_from(["whiteboard", "numpy", "matlab"]))
def test_any_text_is_a_program_or_a_language_error(text: str, dialect: str) -> None:
    program, refused = None, None
    try:
        program = parse_program(text, dialect, KNOWN)
    except LanguageError as error:
        refused = error
    assert program is not None or message(refused)
    if program is not None:
        assert parse_program(print_program(program), functions=KNOWN) == program


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_arbitrary_unicode_is_never_a_traceback(text: str) -> None:
    expr, refused = None, None
    try:
        expr = parse_expression(text)
    except LanguageError as error:
        refused = error
    assert expr is not None or message(refused)
    if expr is not None:
        assert parse_expression(print_expression(expr)) == expr


@pytest.mark.parametrize("value", [Fraction(0), Fraction(1, 3), Fraction(-2), Fraction(-1, 2), Fraction(7, 10**30)])
def test_numbers_that_no_literal_writes_still_print(value: Fraction) -> None:
    assert parse_expression(print_expression(ast.Transpose(ast.Number(value))))
