"""Mistakes, made in right formulas as a person makes them.

Each function below is one kind of mistake: it takes a right formula (a `Place`) and gives wrong ones, each with the
kinds that name it rightly. It knows nothing of how the check finds mistakes. Mostly that is one kind; where a mistake
has two honest names, both stand there with the reason. Two mistakes in one formula that come to the same value are
one mistake with two names, and either may be given (`mutants` sees to that).

A mutant counts if its sizes clash, or if its value differs clearly from the right derivative in the layout that it
claims (in every layout, if it claims none): `Subject` decides that, by evaluation.

To add a kind, write a function and add it to `KINDS`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from itertools import combinations

import numpy as np

from chainrule.dims import canonical_name, display_name
from chainrule.errors import ChainruleError
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from chainrule.language.printer import print_expression
from mutation.oracle import APART, Array, Clash, Subject, apart, distance, same, subject
from mutation.programs import PROGRAMS
from mutation.trees import (
    Path,
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
WRITTEN_OUT = ("activation", "label", "normalisation", "sum", "sign")  # tried where signals are written out
TURNED = ("transpose", "order", "sign", "signal", "sum", "path", "layout", "elementwise")  # and in numerator layout
ACTIVATIONS = (set(FUNCTIONS) | {"silu", "swish", "σ"}) - {"log"}


@dataclass(frozen=True)
class Place:
    """A right formula: `left` = node, the derivative at `of`. `kinds`: what is tried on it."""

    subject: Subject
    left: str
    of: str
    node: ast.Expr
    kinds: tuple[str, ...] = ()
    other: ast.Expr | None = None  # a gradient in numerator layout


@dataclass(frozen=True)
class Wrong:
    """A wrong formula and the kinds that name what is wrong."""

    node: ast.Expr
    accepted: frozenset[str]
    note: str
    layout: str | None = None


@dataclass(frozen=True)
class Mutant:
    """A wrong claim. `values`: at random points, or None where the sizes clash."""

    program: str
    kind: str
    claim: str
    layout: str | None
    accepted: frozenset[str]
    note: str
    right: str
    values: list[Array] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        layout = f" [{self.layout}]" if self.layout else ""
        return f"{self.program}: {self.claim}{layout} ({self.note}; right: {self.right})"


def wrong(node: ast.Expr, note: str, *kinds: str) -> Wrong:
    return Wrong(node, frozenset(kinds), note)


# -- right formulas ------------------------------------------------------------------------------------------------


def right_formulas(s: Subject) -> Iterator[Place]:
    """Every signal and gradient; gradients also with their signals written out, and in numerator layout."""
    derivation = s.derivation
    for k, (name, g) in enumerate(derivation.signals.items()):
        anonymous = g.of.startswith("%")
        left = name if anonymous or k % 2 else f"dJ/d{display_name(g.of)}"
        yield Place(s, left, g.of, s.parse(g.text))
    written_out = {canonical_name(name): s.parse(g.text) for name, g in derivation.signals.items()}

    def signal(node: ast.Expr) -> ast.Expr | None:
        return written_out.get(canonical_name(node.name)) if isinstance(node, ast.Name) else None

    for name, g in derivation.gradients.items():
        node = s.parse(g.text)
        yield Place(s, f"dJ/d{name}", g.of, node, other=s.parse(g.numerator))
        inlined = untwisted(everywhere(node, signal))
        if inlined != node:
            yield Place(s, f"dJ/d{name}", g.of, inlined, kinds=WRITTEN_OUT)
        if g.numerator != g.text:
            yield Place(s, f"dJ/d{name}", g.of, s.parse(g.numerator), kinds=TURNED)


def untwisted(node: ast.Expr) -> ast.Expr:
    """(Aᵀ)ᵀ as A, everywhere."""

    def simpler(node: ast.Expr) -> ast.Expr | None:
        if isinstance(node, ast.Transpose) and isinstance(node.operand, ast.Transpose):
            return untwisted(node.operand.operand)
        return None

    return everywhere(node, simpler)


def signal_names(s: Subject) -> list[str]:
    return list(s.derivation.signals)


def is_one(node: ast.Expr) -> bool:
    """1ᵀ, which sums."""
    return isinstance(node, ast.Transpose) and isinstance(node.operand, ast.Number)


def outer_sums(s: Subject, node: ast.Expr, path: Path = ()) -> Iterator[tuple[Path, ast.Expr]]:
    """The sums that the formula is, apart from transposes, numbers and divisions around them."""
    match node:
        case ast.Binary("+" | "-", _, _):
            yield path, node
        case ast.Transpose(operand) | ast.Negate(operand):
            yield from outer_sums(s, operand, (*path, 0))
        case ast.Binary("/" | "./", left, _):
            yield from outer_sums(s, left, (*path, 0))
        case ast.Binary("∘", left, right) if is_quotient(left):  # A ∘ y.^−1 is A ./ y
            yield from outer_sums(s, right, (*path, 1))
        case ast.Binary("@", left, right):
            if s.kind(left) == "scalar":
                yield from outer_sums(s, right, (*path, 1))
            elif is_sum(left):
                yield (*path, 0), left


def is_quotient(node: ast.Expr) -> bool:
    """y.^−1, or its transpose."""
    base = node.operand if isinstance(node, ast.Transpose) else node
    return isinstance(base, ast.Binary) and base.op == ".^"


def uses(s: Subject, name: str) -> int:
    """How often the equations of the program use a name."""
    return sum(
        isinstance(node, ast.Name) and canonical_name(node.name) == canonical_name(name)
        for equation in s.equations
        for _, node in places(equation.value)
    )


# -- the kinds -----------------------------------------------------------------------------------------------------


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


def constant(s: Subject, node: ast.Expr) -> bool:
    """True for numbers and sizes."""
    return all(
        isinstance(n, ast.Number | ast.Binary | ast.Call) or (isinstance(n, ast.Name) and n.name in s.symbols)
        for _, n in places(node)
    )


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


def read(s: Subject, node: ast.Expr) -> list[Array] | None:
    try:
        return s.values(node)
    except (Clash, ChainruleError):
        return None


def instead(s: Subject, factors: list[list[Array]]) -> list[ast.Expr | None]:
    """What is left of a product of factors when the derivative of an activation is taken out of it.

    None: nothing is left; else a name. An empty list: no such derivative is in it.
    """
    out: list[ast.Expr | None] = []
    try:
        total = [np.prod(np.broadcast_arrays(*(f[k] for f in factors)), axis=0) for k in range(len(s.points))]
    except ValueError:
        return []
    for slope in slopes(s):
        for flip in (False, True):
            d = [a.T for a in slope] if flip else slope
            if d[0].shape != total[0].shape:
                continue
            if same(total, d, 1e-5):
                out.append(None)
                continue
            for name, array in s.named.items():
                for turn in (False, True):
                    v = [a.T for a in array] if turn else array
                    if v[0].shape != d[0].shape or v[0].size == 1:
                        continue
                    if same(total, [a * b for a, b in zip(d, v, strict=True)], 1e-5):
                        out.append(turned(ast.Name(name)) if turn else ast.Name(name))
    return out


@cache
def slopes(s: Subject) -> list[list[Array]]:
    """The derivatives of the activations in a program, by differences."""
    out = []
    step = Fraction(1, 100_000)
    for equation in s.equations:
        for _, node in places(equation.value):
            if not (isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.Name)):
                continue
            if node.function not in ACTIVATIONS and node.function not in s.program.functions:
                continue
            z = node.args[0]
            above, below = (s.values(call(node.function, ast.Binary(op, z, ast.Number(step)))) for op in ("+", "-"))
            if above[0].size > 1 or s.kind(z) == "scalar":
                out.append([(a - b) / (2 * float(step)) for a, b in zip(above, below, strict=True)])
    return [d for d in out if d[0].size > 1]


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


def near(s: Subject, one: str, other: str) -> bool:
    """True if signal `one` is `other` ∘ f′ for an activation f."""
    a, b = s.values(ast.Name(one)), s.values(ast.Name(other))
    if a[0].shape != b[0].shape:
        return False
    for slope in slopes(s):
        for flip in (False, True):
            d = [x.T for x in slope] if flip else slope
            if d[0].shape == b[0].shape and same(a, [x * y for x, y in zip(b, d, strict=True)], 1e-5):
                return True
    return False


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


@cache
def mutants(name: str) -> tuple[Mutant, ...]:
    """All wrong claims about one program, without repetition."""
    s = subject(name)
    pools: dict[str, dict[tuple[str, str | None], Mutant]] = {}
    for place in right_formulas(s):
        found = pools.setdefault(place.of, {})
        for kind, make in KINDS.items():
            if place.kinds and kind not in place.kinds:
                continue
            for one in make(place):
                made = mutant(place, kind, one)
                if made is None:
                    continue
                key = (made.claim, made.layout)
                if key in found:
                    found[key] = replace(found[key], accepted=found[key].accepted | made.accepted)
                else:
                    found[key] = made
    return tuple(m for found in pools.values() for m in share_names(list(found.values())))


def mutant(place: Place, kind: str, one: Wrong) -> Mutant | None:
    """The claim, or None where it cannot be read or is right after all."""
    s = place.subject
    text = print_expression(one.node)
    try:
        values = s.values(s.parse(text))
    except Clash:
        values = None
    except ChainruleError:
        return None
    if values is not None:
        if not all(np.isfinite(v).all() for v in values):
            return None
        target = s.target(place.of)
        layouts = [one.layout] if one.layout else ["shape", "numerator"]
        if not all(apart(values, target[x]) for x in layouts):
            return None
    right = print_expression(place.node)
    return Mutant(s.name, kind, f"{place.left} = {text}", one.layout, one.accepted, one.note, right, values)


def share_names(found: list[Mutant]) -> list[Mutant]:
    """Mutants of one derivative that have the same value are one mistake: any of its names will do."""
    out = []
    for m in found:
        names = set(m.accepted)
        for other in found:
            if other is not m and other.layout == m.layout and equal(m.values, other.values):
                names |= other.accepted
        out.append(replace(m, accepted=frozenset(names)))
    return out


def equal(a: list[Array] | None, b: list[Array] | None) -> bool:
    if a is None or b is None:
        return False
    return all(distance(x, y) < APART for x, y in zip(a, b, strict=True))


@cache
def twice_wrong(name: str, count: int) -> tuple[Mutant, ...]:
    """Claims with two mistakes, which may not cancel out. What they are called is nobody's business."""
    s = subject(name)
    rng = random.Random(name)
    formulas = list(right_formulas(s))
    out: list[Mutant] = []
    for _ in range(60 * count):
        if len(out) == count:
            break
        place = rng.choice(formulas)
        first, second = rng.sample([make for kind, make in KINDS.items() if kind != "layout"], 2)
        spoiled = list(first(place))
        again = list(second(replace(place, node=rng.choice(spoiled).node))) if spoiled else []
        made = mutant(place, "two", rng.choice(again)) if again else None
        if made is not None:
            out.append(made)
    return tuple(out)


def share(number: int, shares: int, most: int = 3) -> list[Mutant]:
    """One of `shares` parts of a fixed choice: at most `most` mutants for each program and kind."""
    chosen: list[Mutant] = []
    for place, name in enumerate(PROGRAMS):
        if place % shares != number:
            continue
        for kind in KINDS:
            own = [m for m in mutants(name) if m.kind == kind]
            step = max(1, -(-len(own) // most))
            chosen += own[place % step :: step][:most]
    return chosen
