"""How a formula can be written otherwise: one rule, one function, at one place.

A rule takes a piece of a formula and gives other pieces. It need not be sure that they are equal: `rewrite` keeps only
what is. To add a rule, write a function and add it to `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache

from chainrule.dims import canonical_name
from chainrule.language import ast
from mutation.oracle import Subject, same
from mutation.places import is_one
from mutation.slopes import read, slopes
from mutation.trees import (
    call,
    chain,
    hadamard,
    is_sum,
    joined,
    negative,
    number,
    over,
    places,
    product,
    summed,
    terms,
    turned,
)

Rule = Callable[[Subject, ast.Expr], Iterator[ast.Expr]]
ONE = ast.Number(Fraction(1))


def power(base: ast.Expr, exponent: int, op: str = ".^") -> ast.Expr:
    return ast.Binary(op, base, ast.Number(Fraction(exponent)))


def commuted(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """A ∘ B is B ∘ A, and A + B is B + A."""
    if isinstance(n, ast.Binary) and n.op in ("∘", "+"):
        yield ast.Binary(n.op, n.right, n.left)


def transposed_products(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """(A B)ᵀ is BᵀAᵀ."""
    if isinstance(n, ast.Binary) and n.op == "@" and "scalar" not in (s.kind(n.left), s.kind(n.right)):
        yield ast.Transpose(product(turned(n.right), turned(n.left)))
    if isinstance(n, ast.Transpose) and isinstance(n.operand, ast.Binary) and n.operand.op == "@":
        a, b = n.operand.left, n.operand.right
        if "scalar" not in (s.kind(a), s.kind(b)):
            yield product(turned(b), turned(a))


def transposed_twice(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """A is Aᵀᵀ, and (A ∘ B)ᵀ is Aᵀ ∘ Bᵀ."""
    if isinstance(n, ast.Name) and s.kind(n) in ("row", "column", "matrix"):
        yield ast.Transpose(ast.Transpose(n))
    if isinstance(n, ast.Binary) and n.op == "∘" and s.kind(n.left) == s.kind(n.right):
        yield ast.Transpose(hadamard(turned(n.left), turned(n.right)))
    if isinstance(n, ast.Transpose) and isinstance(n.operand, ast.Binary) and n.operand.op in ("∘", "+", "-", "/"):
        inner = n.operand
        yield ast.Binary(inner.op, turned(inner.left), inner.right if inner.op == "/" else turned(inner.right))


def distributed(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """(A + B) C is A C + B C, and so for ∘, / and ./."""
    if not isinstance(n, ast.Binary) or n.op not in ("@", "∘", "/", "./"):
        return
    if is_sum(n.left):
        yield summed([(sgn, ast.Binary(n.op, t, n.right)) for sgn, t in terms(n.left)])
    if is_sum(n.right) and n.op in ("@", "∘"):
        yield summed([(sgn, ast.Binary(n.op, n.left, t)) for sgn, t in terms(n.right)])


def one_denominator(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """A + B/N is (N A + B)/N."""
    if is_sum(n):
        for _, term in terms(n):
            if isinstance(term, ast.Binary) and term.op == "/":
                yield over(
                    summed([(sgn, t.left if t is term else product(term.right, t)) for sgn, t in terms(n)]), term.right
                )


def sums(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """1ᵀA, colsum(A), sum(A, over=rows), ones(N)ᵀ A; means as sums over a size."""
    inner, name = None, ""
    if isinstance(n, ast.Binary) and n.op == "@" and is_one(n.left):
        inner, name = n.right, "colsum"
    elif isinstance(n, ast.Call) and n.function in ("colsum", "rowsum", "colmean", "rowmean", "sum") and not n.options:
        inner, name = n.args[0], n.function
    if inner is None:
        return
    kind = s.kind(inner)
    if kind == "matrix":
        rows, columns = s.read(inner)[0].dims
        along = columns if name.startswith("row") else rows
        ones = call("ones", ast.Name(str(along)))
        by_hand = product(inner, ones) if name.startswith("row") else product(ast.Transpose(ones), inner)
        short = product(inner, ONE) if name.startswith("row") else product(ast.Transpose(ONE), inner)
        axis = "columns" if name.startswith("row") else "rows"
        option = (("over", ast.Name(axis)),)
        if name in ("colsum", "rowsum"):
            yield from (by_hand, short, call(name, inner), ast.Call("sum", (inner,), option))
        elif name in ("colmean", "rowmean"):
            size = ast.Name(str(along))
            yield from (over(by_hand, size), over(call(name[:3] + "sum", inner), size))
            yield ast.Call("mean", (inner,), option)
    elif kind in ("row", "column"):
        size = ast.Name(str(s.read(inner)[0].dims[0]))
        row, column = (inner, turned(inner)) if kind == "row" else (turned(inner), inner)
        ones = call("ones", size)
        yield from (call("sum", inner), product(ast.Transpose(ones), column), product(row, ones))
        yield product(size, call("mean", inner))


def equation(s: Subject, node: ast.Expr) -> ast.Expr | None:
    """What the program says that a name is."""
    if not isinstance(node, ast.Name):
        return None
    key = canonical_name(node.name)
    return next((e.value for e in s.equations if canonical_name(e.name) == key and not e.indices), None)


def names_written_out(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """Ŷ is softmax(Θ), and h is relu(z)."""
    value = equation(s, n)
    if value is not None:
        yield value


def activations(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """tanh′(z) for 1 − h.^2, relu′(z) and (z > 0) for sgn(h), sigmoid′(z) for p ∘ (1 − p), and so on."""
    candidates: list[tuple[list[ast.Expr], list[ast.Expr]]] = []
    factors = chain(n, "∘")
    if len(factors) > 1:
        for j in range(len(factors)):
            for k in range(j + 1, len(factors)):
                pair = [factors[j], factors[k]]
                candidates.append((pair, [f for i, f in enumerate(factors) if i not in (j, k)]))
    if isinstance(n, ast.Call | ast.Binary | ast.Transpose) and s.kind(n) in ("row", "column", "matrix"):
        candidates.append(([n], []))
    for some, rest in candidates:
        values = read(s, joined(some, "∘"))
        if values is None or values[0].size == 1:
            continue
        for (function, z), slope in named_slopes(s):
            for turn in (False, True):
                if not same(values, [a.T for a in slope] if turn else slope, 1e-5):
                    continue
                forms = [call(function, z, primes=1)]
                if function == "relu":
                    positive = ast.Binary(">", z, ast.Number(Fraction(0)))
                    forms += [positive, call("sgn", call("relu", z)), power(call("sgn", call("relu", z)), 2)]
                if function == "tanh":
                    forms += [ast.Binary("-", ONE, power(call("tanh", z), 2))]
                if function in ("sigmoid", "σ"):
                    forms += [hadamard(call("sigmoid", z), call("sigmoid", negative(z)))]
                for form in forms:
                    yield joined([ast.Transpose(form) if turn else form, *rest], "∘")


@cache
def named_slopes(s: Subject) -> list[tuple[tuple[str, ast.Expr], list]]:
    """The derivatives of the activations in a program, each with its function and argument."""
    out = []
    for e in s.equations:
        for _, n in places(e.value):
            if isinstance(n, ast.Call) and len(n.args) == 1 and isinstance(n.args[0], ast.Name):
                values = read(s, call(n.function, n.args[0], primes=1))
                if values is not None and any(same(values, slope, 1e-5) for slope in slopes(s)):
                    out.append(((n.function, n.args[0]), values))
    return out


def signals_written_out(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """The formula of δ₂ for δ₂."""
    if isinstance(n, ast.Name):
        for name, g in s.derivation.signals.items():
            if canonical_name(name) == canonical_name(n.name):
                yield s.parse(g.text)


def numbers_moved(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """A/s is (1/s) A, 2 A is A + A, s (A B) is A (s B)."""
    if isinstance(n, ast.Binary) and n.op == "/":
        yield product(over(ONE, n.right), n.left)
        if isinstance(n.left, ast.Binary) and n.left.op in ("@", "∘"):
            yield ast.Binary(n.left.op, n.left.left, over(n.left.right, n.right))
            yield ast.Binary(n.left.op, over(n.left.left, n.right), n.left.right)
    if isinstance(n, ast.Binary) and n.op == "@" and s.kind(n.left) == "scalar":
        yield product(n.right, n.left)
        if isinstance(n.left, ast.Number) and n.left.value == 2:
            yield ast.Binary("+", n.right, n.right)
            yield over(n.right, ast.Number(Fraction(1, 2)))
        if isinstance(n.right, ast.Binary) and n.right.op in ("@", "∘"):
            yield ast.Binary(n.right.op, n.right.left, product(n.left, n.right.right))


def quotients(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """x ./ y is x ∘ y.^−1, and A/N is A N⁻¹."""
    if isinstance(n, ast.Binary) and n.op == "./":
        yield hadamard(n.left, power(n.right, -1))
        yield hadamard(n.left, ast.Binary("./", ONE, n.right))
    if isinstance(n, ast.Binary) and n.op == "/":
        yield product(power(n.right, -1, "^"), n.left)
        yield ast.Binary("./", n.left, n.right)


def diagonals(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """v ∘ A is diag(v) A; row ∘ row is row · diag(row)."""
    if isinstance(n, ast.Binary) and n.op == "∘":
        for a, b in ((n.left, n.right), (n.right, n.left)):
            kinds = s.kind(a), s.kind(b)
            if kinds in (("column", "matrix"), ("column", "column")):
                yield product(call("diag", a), b)
            if kinds in (("row", "matrix"), ("row", "row")):
                yield product(b, call("diag", a))


def exponentials(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """softmax, sigmoid, tanh by exp; exp of a difference with a logarithm."""
    value = n if isinstance(n, ast.Call) else equation(s, n)
    if not (isinstance(value, ast.Call) and len(value.args) == 1):
        return
    z = value.args[0]
    if value.function == "softmax":
        last = (("over", ast.Name("last")),)
        total = ast.Call("sum", (call("exp", z),), last)
        yield ast.Binary("./", call("exp", z), total)
        yield call("exp", ast.Binary("-", z, call("log", total)))
        yield call("exp", ast.Binary("-", z, call("logsumexp", z)))
        yield call("exp", call("log_softmax", z))
    if value.function in ("sigmoid", "σ"):
        yield ast.Binary("./", ONE, ast.Binary("+", ONE, call("exp", negative(z))))
        yield ast.Binary("-", ONE, call("sigmoid", negative(z)))
        yield call("exp", negative(call("softplus", negative(z))))
    if value.function == "tanh":
        e = call("exp", product(number(2), z))
        yield ast.Binary("./", ast.Binary("-", e, ONE), ast.Binary("+", e, ONE))
        yield ast.Binary("-", product(number(2), call("sigmoid", product(number(2), z))), ONE)
    if value.function == "exp":
        yield power(call("exp", negative(z)), -1)
    if value.function == "silu":
        yield hadamard(z, call("sigmoid", z))


def powers(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """h.^2 is h ∘ h, 1 − h.^2 is (1 − h) ∘ (1 + h), √d is d^½."""
    if isinstance(n, ast.Binary) and n.op == ".^" and n.right == ast.Number(Fraction(2)):
        yield hadamard(n.left, n.left)
        yield call("square", n.left)
    if isinstance(n, ast.Binary) and n.op == "-" and n.left == ONE:
        h = n.right.left if isinstance(n.right, ast.Binary) and n.right.op == ".^" else call("sqrt", n.right)
        yield hadamard(ast.Binary("-", ONE, h), ast.Binary("+", ONE, h))
    if isinstance(n, ast.Call) and n.function == "sqrt":
        op = "^" if s.kind(n.args[0]) == "scalar" else ".^"
        yield ast.Binary(op, n.args[0], ast.Number(Fraction(1, 2)))
    if isinstance(n, ast.Call) and n.function == "sgn":
        yield power(n, 2)
        yield hadamard(n, n)


def signs(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """A − B is −(B − A) and −B + A."""
    if isinstance(n, ast.Binary) and n.op == "-":
        yield ast.Negate(ast.Binary("-", n.right, n.left))
        yield ast.Binary("+", ast.Negate(n.right), n.left)


def regrouped(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """(A B) C is A (B C)."""
    if isinstance(n, ast.Binary) and n.op in ("@", "∘"):
        if isinstance(n.left, ast.Binary) and n.left.op == n.op:
            yield ast.Binary(n.op, n.left.left, ast.Binary(n.op, n.left.right, n.right))
        if isinstance(n.right, ast.Binary) and n.right.op == n.op:
            yield ast.Binary(n.op, ast.Binary(n.op, n.left, n.right.left), n.right.right)


def named_products(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """outer(u, v) for u vᵀ, dot(u, v) for uᵀ v."""
    if isinstance(n, ast.Binary) and n.op == "@":
        kinds = s.kind(n.left), s.kind(n.right)
        if kinds == ("column", "row"):
            yield call("outer", n.left, turned(n.right))
        if kinds == ("row", "column") and not is_one(n.left):
            yield call("dot", turned(n.left), n.right)


def label_facts(s: Subject, n: ast.Expr) -> Iterator[ast.Expr]:
    """Where labels are said to sum to 1, their sum may stand as a factor; one-hot labels are their own squares."""
    if not isinstance(n, ast.Name):
        return
    for name, d in s.net.declarations.items():
        if d.kind != "label" or not d.facts:
            continue
        label = ast.Name(name)
        if name == n.name and "one-hot" in d.facts:
            yield hadamard(label, label)
        total = call("sum", label) if s.kind(label) != "matrix" else call("rowsum", label)
        if s.kind(n) == s.kind(label):
            yield ast.Binary("∘" if s.kind(label) == "matrix" else "@", total, n)


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        commuted, transposed_products, transposed_twice, distributed, one_denominator, sums, names_written_out,
        activations, signals_written_out, numbers_moved, quotients, diagonals, exponentials, powers, signs, regrouped,
        named_products, label_facts,
    )
}  # fmt: skip
