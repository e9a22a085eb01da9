"""Expressions in index notation: sums of monomials, the one algebra of chainrule.

An expression maps monomials to rational coefficients. A *monomial* is a pair `(factors, bound)`: a sorted tuple
of `(atom, exponent)` and the tuple of indices that are summed. An *atom* is `(head, name, indices)`:

    ("", "W", (i, j))          a variable W[i, j]; ("", "J", ()) a scalar
    ("sgn", "h", (i,))         an elementwise function of a variable
    ("δ", "", (i, j))          a Kronecker delta 1[i = j]
    ("#", "N", ())             a symbolic size
    ("n", 2, ())               a number that carries a rational exponent, such as √2
    ("rel", "=0:1,-1", (k, i)) an index relation, 1[k − i = 0] over two sizes (see `chainrule.algebra.relations`)
    ("gt", (("a", 1), ("b", 1)), (i, i))   an elementwise function of several variables: names with their arities

An *index* is `(number, size)`. Negative numbers are free: −1, −2, … are the first, second, … index of the equation that
the expression belongs to. Numbers from 0 are bound; a canonical monomial numbers them 0, 1, 2, … in an order that
depends on its structure alone, so equal monomials are equal tuples. The bound set is explicit: y⁻¹·y may erase every
occurrence of a summed index, and the sum must then become the factor n.

Everything here is exact arithmetic and renaming. Rules that use knowledge (what a name stands for, that labels sum to
one) live in `chainrule.simplify`, where each application is a recorded step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

from chainrule.algebra.monomials import (
    Atom,
    Expr,
    Factor,
    Index,
    Monomial,
    Rational,
    apart,
    fresh_bound,
    monomial,
    number,
)
from chainrule.algebra.relations import CONSTANTS, INDICATORS
from chainrule.dims import Dim

__all__ = [
    "ONE",
    "ZERO",
    "Atom",
    "Expr",
    "Factor",
    "Index",
    "Monomial",
    "Rational",
    "add",
    "atom_variables",
    "bare",
    "constant",
    "delta",
    "free",
    "free_indices",
    "fresh_bound",
    "is_constant",
    "monomial",
    "multiply",
    "number",
    "power",
    "rename",
    "scale",
    "single",
    "size",
    "substitute",
    "sum_over",
    "variable",
    "variables",
]

ZERO: Expr = {}
UNIT: Monomial = ((), ())
ONE: Expr = {UNIT: 1}


def free(dims: Iterable[Dim]) -> tuple[Index, ...]:
    """The free indices −1, −2, … of an equation whose sizes are `dims`."""
    return tuple((-position, dim) for position, dim in enumerate(dims, 1))


def variable(name: str, indices: tuple[Index, ...] = ()) -> Expr:
    """The variable `name[indices]` as an expression."""
    return {((((("", name, indices)), 1),), ()): 1}


def bare(atom: Atom, exponent: Rational = 1) -> Expr:
    """A single factor as an expression."""
    return {(((atom, exponent),), ()): 1}


def delta(left: Index, right: Index) -> Expr:
    """1[left = right]."""
    return ONE if left == right else bare(("δ", "", (left, right) if left < right else (right, left)))


def size(dim: Dim, exponent: Rational = 1) -> Expr:
    """A size as a number."""
    if isinstance(dim, int):
        return power(constant(dim), exponent)
    return bare(("#", dim, ()), exponent)


def constant(value: Rational) -> Expr:
    """A rational number as an expression."""
    return {UNIT: number(value)} if value else {}


def add(*expressions: Expr) -> Expr:
    """The sum; like terms are collected, terms that cancel are dropped, the order of first appearance is kept."""
    total = dict(expressions[0]) if expressions else {}
    for expression in expressions[1:]:
        for key, value in expression.items():
            if key in total:
                merged = total[key] + value
                if merged:
                    total[key] = number(merged)
                else:
                    del total[key]
            else:
                total[key] = value
    return total


def scale(expression: Expr, factor: Rational) -> Expr:
    """factor · expression."""
    if not factor:
        return {}
    return {key: number(value * factor) for key, value in expression.items()}


def multiply(left: Expr, right: Expr, over: Iterable[Index] = ()) -> Expr:
    """The product, distributed; `over` are free indices of the factors that are summed (a contraction)."""
    over = tuple(over)
    result: Expr = {}
    for first, a in left.items():
        for second, b in right.items():
            lf, lb = apart(first)
            rf, rb = apart(second)
            part = monomial(a * b, (*lf, *rf), (*lb, *rb, *over))
            result = add(result, part) if result else part
    return result


def rename(expression: Expr, mapping: Mapping[Index, Index], over: Iterable[Index] = ()) -> Expr:
    """Rename free indices, all at once; then sum over those in `over`."""
    over = tuple(over)
    result: Expr = {}
    for key, value in expression.items():
        factors, bound = apart(key)
        renamed = [((h, n, tuple([mapping.get(i, i) for i in ix])), e) for (h, n, ix), e in factors]
        for position, ((head, _, indices), exponent) in enumerate(renamed):
            if head == "δ":
                if indices[0] == indices[1]:
                    renamed[position] = (("n", 1, ()), 1)
                elif indices[0] > indices[1]:
                    renamed[position] = ((head, "", (indices[1], indices[0])), exponent)
        part = monomial(value, renamed, (*bound, *over))
        result = add(result, part) if result else part
    return result


def sum_over(expression: Expr, indices: Iterable[Index]) -> Expr:
    """Σ over free indices."""
    mapping = {index: fresh_bound(index[1]) for index in indices}
    return rename(expression, mapping, mapping.values())


def power(expression: Expr, exponent: Rational) -> Expr:
    """expressionᵉ, for a whole exponent ≥ 0 of any expression, or any exponent of one without a sum.

    Raises ValueError where that needs a name of its own (a sum inside a power).
    """
    exponent = number(exponent)
    if exponent == 1:
        return expression
    if len(expression) == 1:
        (((factors, bound), value),) = expression.items()
        if not bound:
            raised = [(atom, number(e * exponent)) for atom, e in factors]
            if type(exponent) is int:
                coefficient = Fraction(value) ** exponent
            elif value == 1:
                coefficient = Fraction(1)
            elif value > 0:
                coefficient = Fraction(1)
                raised += _number_power(value, exponent)
            else:
                raise ValueError("a root of a negative factor")
            if type(exponent) is not int and any(e % 2 == 0 for _, e in factors):
                raise ValueError("a root of an even power: √(x²) is |x|")
            if type(exponent) is int or len(factors) <= 1:
                return monomial(number(coefficient), _deltas_once(raised), ())
            raise ValueError("a root of a product")
    if type(exponent) is int and exponent >= 0:
        result = ONE
        for _ in range(exponent):
            result = multiply(result, expression)
        return result
    raise ValueError("a sum inside a power")


def _deltas_once(factors: list[Factor]) -> list[Factor]:
    return [(atom, 1 if atom[0] in INDICATORS else e) for atom, e in factors]


def _number_power(value: Rational, exponent: Rational) -> list[Factor]:
    value = Fraction(value)
    return [
        (("n", part, ()), number(exponent * sign))
        for part, sign in ((value.numerator, 1), (value.denominator, -1))
        if part != 1
    ]


def substitute(expression: Expr, name: str, replacement: Callable[[tuple[Index, ...]], Expr]) -> Expr:
    """Put `replacement(indices)` for every bare `name[indices]` in `expression`.

    Raises ValueError where a power of the name cannot be expanded, or a function of it would lose its name.
    """
    result: Expr = {}
    for key, value in expression.items():
        factors, bound = key
        if not any(name == n for (_, n, _), _ in factors):
            result = add(result, {key: value})
            continue
        factors, bound = apart(key)
        product: Expr = {((), ()): 1}
        rest: list[Factor] = []
        for atom, exponent in factors:
            if atom[1] == name:
                if atom[0] != "":
                    raise ValueError("a function of the name")
                product = _raw_multiply(product, power(replacement(atom[2]), exponent))
            else:
                rest.append((atom, exponent))
        for (pf, pb), pv in product.items():
            result = add(result, monomial(value * pv, (*rest, *pf), (*bound, *pb)))
    return result


def _raw_multiply(left: Expr, right: Expr) -> Expr:
    """A product whose bound indices stay apart (not canonical: for further use inside a monomial)."""
    result: Expr = {}
    for (lf, lb), a in left.items():
        for second, b in right.items():
            rf, rb = apart(second)
            key = ((*lf, *rf), (*lb, *rb))
            result[key] = result.get(key, 0) + a * b
    return result


def single(expression: Expr) -> tuple[Monomial, Rational] | None:
    """The only term of an expression, or None."""
    return next(iter(expression.items())) if len(expression) == 1 else None


def is_constant(expression: Expr) -> bool:
    """True where no variable occurs: numbers and sizes only."""
    return all(atom[0] in "#n" and atom[0] for (factors, _) in expression for atom, _ in factors)


def free_indices(expression: Expr) -> set[Index]:
    """All free indices that occur."""
    return {i for (factors, _) in expression for (_, _, indices), _ in factors for i in indices if i[0] < 0}


def atom_variables(atom: Atom) -> tuple[str, ...]:
    """The names of the variables in an atom."""
    head, name, _ = atom
    if head in CONSTANTS:
        return ()
    if isinstance(name, tuple):
        return tuple(n for n, _ in name)
    return (name,)  # type: ignore[return-value]


def variables(expression: Expr) -> dict[str, None]:
    """The names of all variables, in order of appearance (as the keys of a dict)."""
    found: dict[str, None] = {}
    for factors, _ in expression:
        for atom, _ in factors:
            for name in atom_variables(atom):
                found[name] = None
    return found
