"""How expressions are read: each row is a text and its fully bracketed meaning."""

import pytest

from chainrule.language import ast, parse_expression, print_expression

FUNCTIONS = frozenset(["f", "relu", "softmax", "sgn", "norm", "sum", "tr", "inv", "CE", "sqrt", "σ"])


def shown(expr: ast.Expr) -> str:
    """The tree with every bracket."""
    match expr:
        case ast.Name(name):
            return name
        case ast.Number(value):
            return str(value)
        case ast.Negate(operand):
            return f"neg({shown(operand)})"
        case ast.Transpose(operand):
            return f"T({shown(operand)})"
        case ast.Binary(op, left, right):
            return f"({shown(left)} {op} {shown(right)})"
        case ast.Call(function, args, options, primes):
            parts = [*map(shown, args), *(f"{key}={shown(value)}" for key, value in options)]
            return f"{function}{'!' * primes}<{', '.join(parts)}>"
        case ast.Indexed(base, indices):
            return f"{base.name}[{','.join(f'{r.name}{r.offset:+d}' for r in indices)}]"


def read(text: str, dialect: str = "whiteboard") -> str:
    return shown(parse_expression(text, dialect, FUNCTIONS, frozenset({"W", "h"})))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("W x + b1", "((W @ x) + b1)"),
        ("A B C", "((A @ B) @ C)"),
        ("A @ B C", "((A @ B) @ C)"),
        ("δ₁ U ∘ sgn(h)ᵀ", "((δ₁ @ U) ∘ T(sgn<h>))"),
        ("a ∘ W x", "(a ∘ (W @ x))"),
        ("Δ₁ Uᵀ ∘ sgn(H)", "((Δ₁ @ T(U)) ∘ sgn<H>)"),
        ("1/n W x", "(((1 / n) @ W) @ x)"),
        ("½ zᵀ z", "((1/2 @ T(z)) @ z)"),
        ("x^½ + ⅔", "((x ^ 1/2) + 2/3)"),
        ("λ/2 norm(W)^2", "((λ / 2) @ (norm<W> ^ 2))"),
        ("(Ŷ − Y)/N", "((Ŷ - Y) / N)"),
        ("x y / 2", "((x @ y) / 2)"),
        ("Q Kᵀ/√d V", "(((Q @ T(K)) / sqrt<d>) @ V)"),
        ("Q Kᵀ / sqrt(d)", "((Q @ T(K)) / sqrt<d>)"),
        ("A x ./ s", "((A @ x) ./ s)"),
        ("2x", "(2 @ x)"),
        ("2 -3", "(2 - 3)"),
        ("a -b", "(a - b)"),
        ("a − b − c", "((a - b) - c)"),
        ("−x²", "neg((x ^ 2))"),
        ("−a b", "neg((a @ b))"),
        ("−a + b", "(neg(a) + b)"),
        ("a ∘ −b ∘ c", "((a ∘ neg(b)) ∘ c)"),
        ("a / −b c", "((a / neg(b)) @ c)"),
        ("a + −b c", "(a + neg((b @ c)))"),
        ("2 · 3", "(2 @ 3)"),
        ("x^y^z", "(x ^ (y ^ z))"),
        ("x^−1", "(x ^ -1)"),
        ("x^(-1)", "(x ^ -1)"),
        ("x^{-1}", "(x ^ -1)"),
        ("x⁻¹", "(x ^ -1)"),
        ("x¹⁰", "(x ^ 10)"),
        ("x^n²", "(x ^ (n ^ 2))"),
        ("x.^2ᵀ", "T((x .^ 2))"),
        ("x^-n", "(x ^ neg(n))"),
        ("Wᵀ² x", "((T(W) ^ 2) @ x)"),
        ("X⁻ᵀ b", "(T((X ^ -1)) @ b)"),
        ("X^-T", "T((X ^ -1))"),
        ("A' B.T C^T D^⊤ E⊤ F^{T}", "(((((T(A) @ T(B)) @ T(C)) @ T(D)) @ T(E)) @ T(F))"),
        ("(A − U V)'(A − U V)", "(T((A - (U @ V))) @ (A - (U @ V)))"),
        ("x^Tx", "(x ^ Tx)"),
        ("f(x)", "f<x>"),
        ("f (x)", "f<x>"),
        ("f′(x)", "f!<x>"),
        ("f''(x)", "f!!<x>"),
        ("W(x + y)", "(W @ (x + y))"),
        ("W'(x + y)", "(T(W) @ (x + y))"),
        ("h (x)", "(h @ x)"),
        ("nowhere(x)", "nowhere<x>"),
        ("nowhere (x)", "(nowhere @ x)"),
        ("softmax(θ)ᵀ", "T(softmax<θ>)"),
        ("sigma(x)", "sigma<x>"),
        ("sigma (x)", "sigma<x>"),
        ("max(x, over=rows)", "max<x, over=rows>"),
        ("sum(k, A[i,k] B[k,j])", "sum<k, (A[i+0,k+0] @ B[k+0,j+0])>"),
        ("h[t-1] + x[2] + y[t+2]", "((h[t-1] + x[None+2]) + y[t+2])"),
        ("1[k = i] x[j]", "(indicator<(k == i)> @ x[j+0])"),
        ("1[z > 0]", "indicator<(z > 0)>"),
        ("x ≤ y + 1", "(x <= (y + 1))"),
        ("‖x‖² + ‖W x‖₁", "((norm<x> ^ 2) + norm1<(W @ x)>)"),
        ("‖x‖ ‖y‖", "(norm<x> @ norm<y>)"),
        ("||W||_F^2", "(norm<W> ^ 2)"),
        ("√(x²)", "sqrt<(x ^ 2)>"),
        ("(√x)²", "(sqrt<x> ^ 2)"),
        ("0.5 + 1e-5 + .25", "((1/2 + 1/100000) + 1/4)"),
        ("lambda x", "(lambda @ x)"),
        ("a * b", "(a * b)"),
        ("(a\n + b)\n", "(a + b)"),
    ],
)
def test_whiteboard(text: str, meaning: str) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("W @ x * y", "((W @ x) ∘ y)"),
        ("a * b @ c", "((a ∘ b) @ c)"),
        ("np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)", "(exp<x> ./ sum<exp<x>, axis=1, keepdims=True>)"),
        ("x.T @ x", "(T(x) @ x)"),
        ("x ** 2", "(x .^ 2)"),
        ("x ** y.T", "(x .^ T(y))"),
        ("-x ** 2", "neg((x .^ 2))"),
        ("np.linalg.norm(x)", "norm<x>"),
    ],
)
def test_numpy(text: str, meaning: str) -> None:
    assert read(text, "numpy") == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("-2*W*(x-A*s)*s'", "neg((((2 @ W) @ (x - (A @ s))) @ T(s)))"),
        ("(X*b+c)' * D * (X*b+c)", "((T(((X @ b) + c)) @ D) @ ((X @ b) + c))"),
        ("sum(dout.*(x*w+b))", "sum<(dout ∘ ((x @ w) + b))>"),
        ("A.'*B./C", "((T(A) @ B) ./ C)"),
        ("X^3 + x.^2'", "((X ^ 3) + T((x .^ 2)))"),
        ("1/N*sum(x) % a comment", "((1 / N) @ sum<x>)"),
    ],
)
def test_matlab(text: str, meaning: str) -> None:
    assert read(text, "matlab") == meaning


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("W@(x+y)", "W (x + y)"),
        ("(a*b)", "a * b"),
        ("a@(b@c)", "a (b c)"),
        ("(a - (b - c))", "a − (b − c)"),
        ("lam*-1", "lam * (−1)"),
        ("x'y", "xᵀ y"),
        ("1/2*(x-y)^2", "1/2 * (x − y)²"),
        ("x .^ -1", "x.^−1"),
        ("x 2", "x · 2"),
        ("½x", "½ x"),
        ("x ½", "x · ½"),
        ("x^(½)", "x^½"),
        ("u 1'", "u 1ᵀ"),
        ("1[i==j]", "1[i = j]"),
        ("inv(X)'", "inv(X)ᵀ"),
        ("(X^2)'", "(X²)ᵀ"),
        ("a<=b", "a ≤ b"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert print_expression(parse_expression(text, functions=FUNCTIONS)) == canonical


def test_spans_cover_what_the_user_would_underline() -> None:
    expr = parse_expression("z + (a + b) c")
    assert isinstance(expr, ast.Binary)
    product = expr.right
    assert isinstance(product, ast.Binary)
    assert product.span is not None
    assert product.span.text == "(a + b) c"
