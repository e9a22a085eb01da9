"""Statements: declarations, definitions, recurrences, dialects, and which names are functions."""

from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.language import ast, parse_program, print_program

FUNCTIONS = frozenset(["relu", "softmax", "CE", "mean", "norm"])


def only(text: str) -> object:
    (statement,) = parse_program(text, functions=FUNCTIONS).statements
    return statement


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("input  x  : D_x", "input x : D_x"),
        ("label y : N_c,one-hot", "label y : N_c, one-hot"),
        ("param P : N × K,  Rows  sum to 1 , positive # free words", "param P : N × K, rows sum to 1, positive"),
        ("param W : (D_h, D_x)", "param W : D_h × D_x"),
        ("param W : D_h x D_x", "param W : D_h × D_x"),
        ("param W : x x x", "param W : x × x"),
        ("param b : (D,)", "param b : D"),
        ("input X : B × T × 3", "input X : B × T × 3"),
        ("const λ : scalar", "const λ : scalar"),
        ("const λ : ()", "const λ : scalar"),
        ("const λ : ℝ", "const λ : scalar"),
        ("param W : ℝ^{D_h × D_x}", "param W : D_h × D_x"),
        ("param W : R^(D_h x D_x), symmetric", "param W : D_h × D_x, symmetric"),
        ("param b : ℝ^T", "param b : T"),
        ("function f : D_x -> D_h", "function f : D_x → D_h"),
        ("function f : scalar → scalar", "function f : scalar → scalar"),
        ("function f : (N, D) -> scalar", "function f : N × D → scalar"),
        ("def swish(u) = u∘sigmoid(u)", "def swish(u) = u ∘ sigmoid(u)"),
        ("S[i,j] = sum(k, A[i,k] B[k,j])", "S[i,j] = sum(k, A[i,k] B[k,j])"),
        ("h[t] = tanh(A h[t-1] + B x[t])  for t = 1..T", "h[t] = tanh(A h[t−1] + B x[t]) for t = 1..T"),
        ("h[t] = A h[t - 1] for t in 1...9", "h[t] = A h[t−1] for t = 1..9"),
        ("h[0] = 0", "h[0] = 0"),
        ("\ufeffz = W x;", "z = W x"),
    ],
)
def test_one_statement(text: str, canonical: str) -> None:
    assert print_program(parse_program(text, functions=FUNCTIONS)) == canonical + "\n"


def test_several_names_in_one_declaration() -> None:
    program = parse_program("param b1, b2 : D_h, positive")
    assert program.statements == (
        ast.Declaration("param", "b1", ("D_h",), ("positive",)),
        ast.Declaration("param", "b2", ("D_h",), ("positive",)),
    )


def test_statements_may_share_a_line_and_brackets_may_span_lines() -> None:
    program = parse_program("z = W x + b1;  h = relu(z)\nJ = mean(\n  h, # why not\n  z)\n", functions=FUNCTIONS)
    assert print_program(program).splitlines() == ["z = W x + b1", "h = relu(z)", "J = mean(h, z)"]


def test_minimize_names_the_loss() -> None:
    program = parse_program("J = x\nminimize J\nK = J")
    assert program.minimize == "J"
    assert print_program(program) == "J = x\nK = J\nminimize J\n"


def test_a_function_is_known_wherever_it_is_defined() -> None:
    first, second, *_ = parse_program("y = g (x)\nz = W (x)\ndef g(u) = u\nparam W : D × D").statements
    assert isinstance(first, ast.Equation)
    assert isinstance(first.value, ast.Call)
    assert isinstance(second, ast.Equation)
    assert isinstance(second.value, ast.Binary)


def test_a_declared_variable_wins_over_a_built_in_function() -> None:
    _, equation = parse_program("param norm : D × D\ny = norm(x)", functions=FUNCTIONS).statements
    assert isinstance(equation, ast.Equation)
    assert isinstance(equation.value, ast.Binary)


def test_spellings_are_one_name_when_functions_are_looked_up() -> None:
    _, equation = parse_program("def sigma(u) = u\ny = σ (x)").statements
    assert isinstance(equation, ast.Equation)
    assert isinstance(equation.value, ast.Call)


def test_an_argument_of_a_definition_is_a_variable_in_it() -> None:
    (definition,) = parse_program("def twice(f) = f(f)").statements
    assert isinstance(definition, ast.Definition)
    assert isinstance(definition.body, ast.Binary)


def test_unknown_name_before_a_bracket_is_left_to_whoever_looks_names_up() -> None:
    assert isinstance(only("y = rleu(z)").value, ast.Call)  # type: ignore[attr-defined]


@pytest.mark.parametrize("head", ["dialect matlab\n", "\n# why\ndialect matlab\n", "% why\n dialect matlab % so\n"])
def test_the_text_may_name_its_dialect(head: str) -> None:
    program = parse_program(head + "J=tr(A*X)' % trace\n")
    assert print_program(program) == "J = tr(A X)ᵀ\n"


def test_spans() -> None:
    program = parse_program("input x : D\nz = W x + b\n")
    _, equation = program.statements
    assert isinstance(equation, ast.Equation)
    assert equation.span is not None
    assert equation.span.text == "z = W x + b"
    assert equation.span.line == 2
    assert equation.name_span is not None
    assert equation.name_span.text == "z"


def test_the_examples_survive_print_and_parse() -> None:
    for path in (Path(__file__).parents[2] / "examples").rglob("*.net"):
        program = parse_program(path.read_text(encoding="utf-8"), functions=FUNCTIONS)
        assert parse_program(print_program(program), functions=FUNCTIONS) == program, path


def test_800_layers_take_time_in_proportion() -> None:
    lines = [f"param W{k} : D × D\nx{k} = relu(W{k} x{k - 1} + b{k})" for k in range(1, 801)]
    assert len(parse_program("\n".join(lines), functions=FUNCTIONS).statements) == 1600


def test_a_letter_on_the_left_is_no_axis_of_an_array() -> None:
    """y[i] = sum(x w[i]) once took i and the axis of x for one index, and gave another number in silence."""
    net = cr.parse("param x : n\nparam w : n\ny[i] = sum(exp(x w[i])) + sum(x) w[i]\nJ = sum(sin(y))")
    x, w = np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.5, 0.7])
    np.testing.assert_allclose(net.evaluate(x=x, w=w)["y"], np.exp(np.outer(w, x)).sum(1) + x.sum() * w)
    assert net.derive().verify().ok


@pytest.mark.parametrize("value", ["x w[i]", "max(x w[i])"])
def test_an_array_is_no_entry(value: str) -> None:
    with pytest.raises(ChainruleError, match=r"each entry is a scalar|another array for each index"):
        cr.parse(f"param x : n\nparam w : n\ny[i] = {value}\nJ = sum(y)")


@pytest.mark.parametrize(
    ("right", "hint"),
    [
        ("1/(1+exp(-x))", "1 ./ (1+exp(-x)) (elementwise)"),  # it said 1 ./ 1+exp(-x), which is another function
        ("(x+y)*(x-y)", "(x+y) ∘ (x-y) (elementwise)"),
        ("x*y", "x y (the product) or x ∘ y (elementwise)"),
    ],
)
def test_what_a_hint_tells_to_try_has_its_brackets(right: str, hint: str) -> None:
    with pytest.raises(cr.ChainruleError) as caught:
        cr.parse(f"input x : n\ninput y : n\nJ = sum({right})")
    assert hint in str(caught.value.hint)


def test_a_maximum_with_a_matrix_of_zeros_keeps_its_shape() -> None:
    """maximum(W − W, −1) was the number relu(−1), and sums over it forgot the sizes."""
    net = cr.parse("param W : H × D\nJ = sum(logsumexp(hard_tanh(W - W)))")
    assert net.evaluate(W=np.ones((3, 5)))["J"] == pytest.approx(3 * np.log(5))
