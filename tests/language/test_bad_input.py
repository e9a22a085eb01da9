"""Every mistake is a LanguageError in plain words, with the place and something to try."""

import pytest

from chainrule.errors import LanguageError
from chainrule.language import parse_expression, parse_program

FUNCTIONS = frozenset(["relu", "sum"])


def refusal(text: str, dialect: str = "whiteboard") -> LanguageError:
    with pytest.raises(LanguageError) as caught:
        parse_program(text, dialect, FUNCTIONS)
    return caught.value


@pytest.mark.parametrize(
    ("text", "message", "place", "hint"),
    [
        ("imput x : D", "imput begins no statement", "imput", "input"),
        ("parameter W : D", "parameter begins no statement", "parameter", "param"),
        ("weight W : D × D", "weight begins no statement", "weight", "param"),
        ("x : D", "looks like a declaration", "x : D", "input x"),
        ("W x + b", "has no =", "W x + b", "z = W x + b"),
        ("z", "has no =", "z", "z = W x + b"),
        ("z =", "right side of = is missing", "=", "z = …"),
        ("= W x", "left side of = is missing", "=", "z = W x + b"),
        ("W x = z", "stands one name", "W x", "z = W x + b"),
        ("f(x) = x²", "stands one name", "f(x)", "def f(x) = …"),
        ("z = a = b", "= cannot stand here", "=", "=="),
        ("z = W x +", "missing behind +", "+", None),
        ("z = W + ∘ x", "missing between + and ∘", "+ ∘", None),
        ("z = (W x", "( is never closed", "(", "add )"),
        ("z = W x)", ") closes nothing", ")", None),
        ("z = (W x]", "] cannot close the (", "(W x]", None),
        ("z = ‖x", "‖ is never closed", "‖", "add ‖"),
        ("z = (a\nh = relu(z)\n", "( is never closed", "(", "add )"),
        ("z = ()", "brackets are empty", "()", None),
        ("z = 2 3", "two numbers", "3", "2 · 3"),
        ("z = a < b < c", "do not chain", "<", None),
        ("z = W'[i]", "can have indices", "[", None),
        ("z = a[i+0.5]", "whole number", "0.5", None),
        ("z = 2[k = i]", "only 1 stands before a condition", "2[k = i]", "1[k = i]"),
        ("z = √x²", "two ways", "√x²", "√(x²) or (√x)²"),
        ("z = √x^2", "two ways", "√x^2", "√(x²) or (√x)²"),
        ("z = a ** b", "** has no meaning", "**", ".^"),
        ("z = |x|", "| has no meaning", "|", "abs(x)"),
        ("z = a × b", "stands between sizes", "×", "W x"),
        ("z = x_{t}", "braces", "{", "x[t]"),
        ("z = 1e99999", "too large", "1e99999", None),
        ("z = x\u200b", "invisible character, U+200B", "\u200b", "delete it"),
        ("import os", "looks like Python code", "import", None),
        ("from os import path", "looks like Python code", "from", None),
        ("print(x)", "looks like code", "print", None),
        ("x = lambda: 0", "Greek letter", ":", "def f(x)"),
        ("class = W x", "class cannot be a name", "class", "class_"),
        ("for = 1", "for cannot be a name", "for", None),
        ("z = a if b else c", "if cannot be a name", "if", None),
        ("input class : D", "class cannot be a name", "class", None),
        ("x = __class__", "__class__ cannot be a name", "__class__", None),
        ("x = y.__class__", "looks like code", ".__class__", None),
        ("x = os.system(1)", "looks like code", ".system", None),
        ("x = y.sum()", "looks like code", ".sum", "sum(x)"),
        ('x = "rm"', "no strings", '"', None),
        ("x = 'rm'", "a quote transposes", "'", None),
        ("input = 3", "word of the language", "input", "input_"),
        ("input x", "the size of x is missing", "input x", "input x : D"),
        ("input x D", "the size of x is missing", "input x D", "input x : D"),
        ("input x y : D", "missing between x and y", "y", None),
        ("param W : D × ", "ends too early", "", "D_h × D_x"),
        ("param W : 0 × D", "at least 1", "0", None),
        ("param W : 1.5", "whole number", "1.5", None),
        ("param W : D,", "no fact behind it", ",", "one-hot"),
        ("param W : D E", "missing between D and E", "E", "(D E)"),
        ("J == W x", "== compares", "==", "J = …"),
        ("label y : 10 onehot", "a comma is missing before onehot", "onehot", "one-hot"),
        ("label y : N positve", "a comma is missing before positve", "positve", "positive"),
        ("label y : 4 one-hot", "a comma is missing before one", "one", "one-hot"),
        ("param W : 2*D", "D cannot stand here", "D", "2 D"),
        ("param W : D/2", "2 cannot stand here", "2", "D//2"),
        ("param W : scalar × D", "scalar stands alone", "scalar × D", None),
        ("function f : D", "ends too early", "", "D_x → D_h"),
        ("def f = x", "arguments of f are missing", "f", "def f(u)"),
        ("def = x", "cannot be a name", "def", None),
        ("def f(u, u) = u", "stands twice", "u", None),
        ("h[t] = x for t = T..2", "down to 1", "for t = T..2", "T..1"),
        ("h[t] = x for t = 5..3", "empty", "for t = 5..3", "3..5"),
        ("minimize", "ends too early", "", "minimize J"),
        ("minimize J\nminimize K", "only one loss", "minimize K", None),
        ("x = 1\ndialect numpy", "first line", "dialect numpy", None),
        ("dialect fortran\nx = 1", "no dialect 'fortran'", "fortran", "matlab"),
    ],
)
def test_the_message_says_what_where_and_what_to_try(text: str, message: str, place: str, hint: str | None) -> None:
    error = refusal(text)
    assert message in error.message, error
    assert error.span is not None, error
    if place:
        assert error.span.text == place, error
    if hint is not None:
        assert error.hint is not None, error
        assert hint in error.hint, error
    assert "^" in str(error)


@pytest.mark.parametrize(
    "text", ["", "   \n\n", "# only a comment\n\n  # and another", "\ufeff", "dialect numpy\n", ";;\n;"]
)
def test_empty_files(text: str) -> None:
    assert refusal(text).message.startswith("the file is empty: ")


@pytest.mark.parametrize("text", ["\x00\x01\x02", "\x7fELF\x02", "z = W\x00x", "\ufffd\ufffdPNG", "a\udc80b"])
def test_binary_files(text: str) -> None:
    assert "not a text" in refusal(text).message


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "x" + ")" * 10_000,
        "(" * 10_000,
        "f(" * 10_000 + "x" + ")" * 10_000,
        "−" * 10_000 + "x",
        "x" + "ᵀ" * 10_000,
        "x" + "²ᵀ" * 10_000,
        "√" * 10_000 + "x",
        "x^" * 10_000 + "x",
        "x^" + "−" * 10_000 + "x",
        "x" + " + x" * 10_000,
        "x" + " x" * 10_000,
        "x" + "/x" * 10_000,
        "sum(x" + " + x" * 10_000 + ")",
        "x[i" + ",i" * 3 + "]" + " ∘ x" * 10_000,
    ],
)
def test_deep_nesting_is_refused_before_anything_recurses(text: str) -> None:
    assert "nested too deeply" in refusal("z = " + text).message
    with pytest.raises(LanguageError, match="nested too deeply"):
        parse_expression(text, functions=FUNCTIONS)


def test_what_is_within_the_limits_is_read() -> None:
    parse_program("z = " + "(" * 200 + "x" + ")" * 200)
    parse_program("z = sum(" + "a, " * 5_000 + "b)")


@pytest.mark.parametrize(
    ("text", "dialect", "message"),
    [
        ("z = W x", "numpy", "product needs a sign"),
        ("z = W x", "matlab", "product needs a sign"),
        ("z = W' @ x", "numpy", "W.T"),
        ("z = x^2", "numpy", "** for a power"),
        ("z = x.^2", "numpy", "** for an"),
        ("z = x ** 2", "matlab", "^ for a power"),
    ],
)
def test_dialects_refuse_each_others_signs(text: str, dialect: str, message: str) -> None:
    assert message in str(refusal(text, dialect))


def test_the_caret_stands_under_the_place() -> None:
    assert str(refusal("x̂ = 1\nŷ = x̂ + ∘ b")) == (
        "something is missing between + and ∘\n  2 | ŷ = x̂ + ∘ b\n    |       ^^^\n"
        "  try: a name, a number, or a formula in brackets"
    ).replace("ŷ = x̂", "ŷ = x̂")


@pytest.mark.parametrize("text", ["", "  ", "x = y", "a; b", "a +", "input x : D", "x y)", "for", "a b : c"])
def test_expressions_are_refused_as_clearly(text: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse_expression(text)
    assert caught.value.message
