"""Mistakes, made in right formulas as a person makes them.

Each function below is one kind of mistake: it takes a right formula (a `Place`) and gives wrong ones, each with the
kinds that name it rightly. It knows nothing of how the check finds mistakes. Mostly that is one kind; where a mistake
has two honest names, both stand there with the reason. To add a kind, write a function and add it to `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from chainrule.dims import canonical_name
from chainrule.language import ast
from chainrule.language.printer import print_expression
from mutation.oracle import Subject
from mutation.places import Place, constant, is_one, is_quotient, outer_sums, signal_names, uses
from mutation.slopes import instead, near, read, slopes
from mutation.trees import (
    at,
    call,
    chain,
    everywhere,
    hadamard,
    is_sum,
    joined,
    negative,
    number,
    over,
    places,
    product,
    put,
    summed,
    terms,
    turned,
)

SUMS = {"colsum", "rowsum", "sum", "colmean", "rowmean"}


@dataclass(frozen=True)
class Wrong:
    """A wrong formula and the kinds that name what is wrong."""

    node: ast.Expr
    accepted: frozenset[str]
    note: str
    layout: str | None = None


def wrong(node: ast.Expr, note: str, *kinds: str) -> Wrong:
    return Wrong(node, frozenset(kinds), note)


def transpose(p: Place) -> Iterator[Wrong]:
    """A ᵀ too few or too many on one factor. On a signal it is also a factor in the other layout."""
    signals = {canonical_name(n) for n in signal_names(p.subject)}
    for path, node in places(p.node):
        inside = [at(p.node, path[:k]) for k in range(len(path))]
        if any(isinstance(a, ast.Call) or (isinstance(a, ast.Binary) and a.op in (".^", "^", "./")) for a in inside):
            continue
        base = node.operand if isinstance(node, ast.Transpose) else node
        if isinstance(base, ast.Number) or p.subject.kind(node) not in ("row", "column", "matrix"):
            continue
        bare = isinstance(base, ast.Name | ast.Call)
        kinds = ["transpose"]
        if isinstance(base, ast.Name) and canonical_name(base.name) in signals:
            kinds.append("layout")
        if isinstance(node, ast.Transpose):
            yield wrong(put(p.node, path, base), "ᵀ left out", *kinds)
        elif bare and not (inside and isinstance(inside[-1], ast.Transpose)):
            yield wrong(put(p.node, path, ast.Transpose(node)), "ᵀ too many", *kinds)


def order(p: Place) -> Iterator[Wrong]:
    """Factors swapped. (A B)ᵀ written AᵀBᵀ may as well be called a mistake with transposes."""
    for path, node in places(p.node):
        if isinstance(node, ast.Binary) and node.op == "@":
            kinds = (p.subject.kind(node.left), p.subject.kind(node.right))
            if "scalar" in kinds or is_one(node.left):
                continue
            yield wrong(put(p.node, path, product(node.right, node.left)), "factors swapped", "order")
        if isinstance(node, ast.Transpose) and isinstance(node.operand, ast.Binary) and node.operand.op == "@":
            a, b = node.operand.left, node.operand.right
            if "scalar" not in (p.subject.kind(a), p.subject.kind(b)):
                new = product(turned(a), turned(b))
                yield wrong(put(p.node, path, new), "(A B)ᵀ as AᵀBᵀ", "order", "transpose")


def sign(p: Place) -> Iterator[Wrong]:
    """The whole, or one term, with the other sign. Inside an activation's derivative it spoils that, too."""
    yield wrong(negative(p.node), "− too many", "sign")
    for path, node in places(p.node):
        if not is_sum(node):
            continue
        parts = terms(node)
        inside = any(
            isinstance(a, ast.Binary) and a.op == "∘" for a in (at(p.node, path[:k]) for k in range(len(path)))
        )
        for k in range(1, len(parts)):
            flipped = [(-sgn if j == k else sgn, t) for j, (sgn, t) in enumerate(parts)]
            kinds = ("sign", "activation") if inside else ("sign",)
            yield wrong(put(p.node, path, summed(flipped)), "sign of one term", *kinds)


def factor(p: Place) -> Iterator[Wrong]:
    """A 2, 1/2, N or 1/N too many or too few: on the whole, or on one term."""
    yield wrong(product(number(2), p.node), "2 too many", "factor")
    yield wrong(over(p.node, number(2)), "1/2 too many", "factor")
    if "N" in p.subject.symbols:
        yield wrong(over(p.node, ast.Name("N")), "1/N too many", "factor")
        yield wrong(product(ast.Name("N"), p.node), "N too many", "factor")
    for path, node in places(p.node):
        if any(is_quotient(at(p.node, path[:k])) for k in range(len(path))):
            continue  # the 2 in y.^(−1/2) is no factor
        if isinstance(node, ast.Binary) and node.op == "/" and constant(p.subject, node.right):
            yield wrong(put(p.node, path, node.left), f"1/{print_expression(node.right)} left out", "factor")
        if isinstance(node, ast.Binary) and node.op == "@" and isinstance(node.left, ast.Number):
            yield wrong(put(p.node, path, node.right), "a number left out", "factor")
        if isinstance(node, ast.Binary) and node.op == "@" and is_one(node.left):
            mean = "colmean" if p.subject.kind(node.right) == "matrix" else "mean"
            yield wrong(put(p.node, path, call(mean, node.right)), "mean for sum", "factor")
    for path, node in outer_sums(p.subject, p.node):
        parts = terms(node)
        for k, (sgn, t) in enumerate(parts):
            doubled = [*parts[:k], (sgn, product(number(2), t)), *parts[k + 1 :]]
            yield wrong(put(p.node, path, summed(doubled)), "2 too many in one term", "factor")


def activation(p: Place) -> Iterator[Wrong]:
    """The derivative of an activation left out, or one of its two factors."""
    found = slopes(p.subject)
    if not found:
        return
    for path, node in places(p.node):
        parent = at(p.node, path[:-1]) if path else None
        if not (isinstance(node, ast.Binary) and node.op == "∘"):
            continue
        if isinstance(parent, ast.Binary) and parent.op == "∘":
            continue
        factors = chain(node, "∘")
        values = [read(p.subject, f) for f in factors]
        for count in (1, 2):
            for chosen in combinations(range(len(factors)), count):
                if any(values[k] is None for k in chosen):
                    continue
                rest = [f for k, f in enumerate(factors) if k not in chosen]
                for kept in instead(p.subject, [values[k] for k in chosen]):
                    parts = ([kept] if kept is not None else []) + rest
                    if parts:
                        yield wrong(put(p.node, path, joined(parts, "∘")), "f′ left out", "activation")
                if count == 2 and None in instead(p.subject, [values[k] for k in chosen]):
                    for k in chosen:
                        parts = [f for j, f in enumerate(factors) if j != k]
                        yield wrong(put(p.node, path, joined(parts, "∘")), "half of f′ left out", "activation")


def missing_sum(p: Place) -> Iterator[Wrong]:
    """No sum over the batch or an axis, or over the wrong axis."""
    for path, node in places(p.node):
        inner = None
        if isinstance(node, ast.Call) and node.function in SUMS and not node.options:
            inner = node.args[0]
        elif isinstance(node, ast.Binary) and node.op == "@" and is_one(node.left):
            inner = node.right
        if inner is not None:
            yield wrong(put(p.node, path, inner), "no sum", "sum")
            swapped = {"colsum": "rowsum", "rowsum": "colsum", "colmean": "rowmean", "rowmean": "colmean"}
            if p.subject.kind(inner) == "matrix":
                name = swapped[node.function] if isinstance(node, ast.Call) and node.function in swapped else "rowsum"
                yield wrong(put(p.node, path, call(name, inner)), "sum over the other axis", "sum")
        elif isinstance(node, ast.Binary) and node.op == "@" and isinstance(node.right, ast.Transpose):
            # a sum over columns written as a product with a row: G γᵀ
            row = node.right.operand
            if isinstance(row, ast.Name) and p.subject.kind(row) == "row" and p.subject.kind(node.left) == "matrix":
                yield wrong(
                    put(p.node, path, hadamard(node.left, row)), "∘ for a sum of products", "sum", "elementwise"
                )


def wrong_signal(p: Place) -> Iterator[Wrong]:
    """Another error signal. If the two differ by an activation's derivative alone, that is missing (or too much)."""
    s = p.subject
    own = {canonical_name(n): list(s.derivation.signals).index(n) for n in s.derivation.signals}
    order_ = list(s.derivation.signals)
    limit = next((k for k, n in enumerate(order_) if s.derivation.signals[n].of == p.of), len(order_))
    inside = {
        canonical_name(n.name) for _, n in places(p.node) if isinstance(n, ast.Name) and canonical_name(n.name) in own
    }
    for name in sorted(inside):
        for k, other in enumerate(order_):
            if k == own[name] or k >= limit:
                continue

            def swap(node: ast.Expr, name: str = name, other: str = other) -> ast.Expr | None:
                hit = isinstance(node, ast.Name) and canonical_name(node.name) == name
                return ast.Name(other) if hit else None

            kinds = ["signal"]
            if near(s, order_[own[name]], other) or near(s, other, order_[own[name]]):
                kinds.append("activation")
            yield wrong(everywhere(p.node, swap), f"{other} for {order_[own[name]]}", *kinds)


def label(p: Place) -> Iterator[Wrong]:
    """Labels taken to sum to 1 where nothing says so."""
    declared = p.subject.net.declarations
    unknown = {n for n, d in declared.items() if d.kind == "label" and not d.facts}

    def total(node: ast.Expr) -> bool:
        inner = None
        if isinstance(node, ast.Binary) and node.op == "@" and is_one(node.left):
            inner = node.right
        elif isinstance(node, ast.Call) and node.function in ("rowsum", "sum"):
            inner = node.args[0]
        return isinstance(inner, ast.Name) and inner.name in unknown

    for path, node in places(p.node):
        if isinstance(node, ast.Binary) and node.op in ("@", "∘"):
            if total(node.left):
                yield wrong(put(p.node, path, node.right), "labels taken to sum to 1", "label")
            elif total(node.right):
                yield wrong(put(p.node, path, node.left), "labels taken to sum to 1", "label")


def missing_path(p: Place) -> Iterator[Wrong]:
    """One of the terms left out where what is differentiated by is used more than once."""
    if p.of.startswith("%") or uses(p.subject, p.of) < 2:
        return
    for path, node in outer_sums(p.subject, p.node):
        parts = terms(node)
        for k in range(len(parts)):
            rest = [t for j, t in enumerate(parts) if j != k]
            yield wrong(put(p.node, path, summed(rest)), "a path left out", "path")


def normalisation(p: Place) -> Iterator[Wrong]:
    """A term put inside a division that does not concern it, or left outside of one that does.

    (U + V)/N written U + V/N is a missing 1/N in one term, too; λ W/N + A is one too much in it, and so is a second
    division of a term that has one already, or by a number instead of a size.
    """
    s = p.subject
    for path, node in outer_sums(s, p.node):
        parts = terms(node)
        divisors = [t.right for _, t in parts if isinstance(t, ast.Binary) and t.op == "/"]
        for divisor in dict.fromkeys(d for d in divisors if constant(s, d)):
            inside = [
                (sgn, t.left if isinstance(t, ast.Binary) and t.op == "/" and t.right == divisor else t)
                for sgn, t in parts
            ]
            if len(inside) > sum(d == divisor for d in divisors):
                again = any(
                    isinstance(n, ast.Binary) and n.op == "/" and n.right == divisor
                    for _, t in parts if not (isinstance(t, ast.Binary) and t.op == "/") for _, n in places(t)
                )  # fmt: skip
                plain = isinstance(divisor, ast.Name) and not again
                kinds = ("normalisation",) if plain else ("normalisation", "factor")
                yield wrong(put(p.node, path, over(summed(inside), divisor)), "a term inside the division", *kinds)
        if "N" in s.symbols and not divisors:
            for k, (sgn, t) in enumerate(parts):
                if isinstance(t, ast.Binary) and t.op == "@" and isinstance(t.left, ast.Name) and regulariser(s, t):
                    new = [*parts[:k], (sgn, over(t, ast.Name("N"))), *parts[k + 1 :]]
                    yield wrong(
                        put(p.node, path, summed(new)), "the regulariser divided by N", "normalisation", "factor"
                    )
    for path, node in places(p.node):
        if isinstance(node, ast.Binary) and node.op == "/" and is_sum(node.left) and constant(s, node.right):
            parts = terms(node.left)
            for k in (0, len(parts) - 1):
                new = [(sgn, over(t, node.right) if j == k else t) for j, (sgn, t) in enumerate(parts)]
                yield wrong(put(p.node, path, summed(new)), "a term outside the division", "normalisation", "factor")
        if isinstance(node, ast.Call) and node.function == "sqrt" and is_sum(node.args[0]):
            inner = node.args[0]
            assert isinstance(inner, ast.Binary)
            if isinstance(inner.right, ast.Number):
                moved = ast.Binary("+", call("sqrt", inner.left), inner.right)
                yield wrong(put(p.node, path, moved), "ε outside the root", "normalisation", "term")


def regulariser(s: Subject, term: ast.Binary) -> bool:
    """λ W: a constant times a parameter."""
    declared = s.net.declarations
    assert isinstance(term.left, ast.Name)
    return (
        term.left.name in declared
        and declared[term.left.name].kind == "const"
        and isinstance(term.right, ast.Name)
        and term.right.name in s.net.parameters
    )


def layout(p: Place) -> Iterator[Wrong]:
    """The derivative in one layout given as that in the other; one term in the other layout than the rest.

    The latter is a transpose too few or too many in that term, too.
    """
    if p.other is not None:
        yield Wrong(p.other, frozenset({"layout"}), "numerator layout given as shape", "shape")
        yield Wrong(p.node, frozenset({"layout"}), "shape layout given as numerator", "numerator")
    for path, node in outer_sums(p.subject, p.node):
        parts = terms(node)
        if path and p.subject.kind(node) == "matrix" and is_sum(at(p.node, path[:-1])):
            continue
        for k in range(len(parts)):
            mixed = [(sgn, turned_term(p.subject, t) if j == k else t) for j, (sgn, t) in enumerate(parts)]
            yield wrong(put(p.node, path, summed(mixed)), "one term in the other layout", "layout", "transpose")


def turned_term(s: Subject, term: ast.Expr) -> ast.Expr:
    """The transpose of a term, without its numbers: λ Wᵀ for λ W."""
    match term:
        case ast.Binary("/", left, right):
            return over(turned_term(s, left), right)
        case ast.Binary("@", left, right) if s.kind(left) == "scalar":
            return product(left, turned_term(s, right))
    return turned(term)


def elementwise(p: Place) -> Iterator[Wrong]:
    """∘ for a product, and a product for ∘. A matrix times a vector is a sum of A ∘ xᵀ: that sum is missing, too."""
    for path, node in places(p.node):
        if not isinstance(node, ast.Binary) or node.op not in ("@", "∘"):
            continue
        kinds = (p.subject.kind(node.left), p.subject.kind(node.right))
        if "scalar" in kinds or is_one(node.left):
            continue
        if node.op == "∘":
            yield wrong(put(p.node, path, product(node.left, node.right)), "product for ∘", "elementwise")
        else:
            new = hadamard(node.left, node.right)
            if p.subject.kind(new) != "clash":
                also = ("sum",) if kinds[0] != kinds[1] else ()
                yield wrong(put(p.node, path, new), "∘ for a product", "elementwise", *also)


KINDS: dict[str, Callable[[Place], Iterator[Wrong]]] = {
    "transpose": transpose,
    "order": order,
    "sign": sign,
    "factor": factor,
    "activation": activation,
    "sum": missing_sum,
    "signal": wrong_signal,
    "label": label,
    "path": missing_path,
    "normalisation": normalisation,
    "layout": layout,
    "elementwise": elementwise,
}
