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
from itertools import count

from chainrule.algebra.canonical import canonical_bound
from chainrule.algebra.relations import CONSTANTS, INDICATORS, settled
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

Rational = int | Fraction
Index = tuple[int, Dim]
Atom = tuple[str, "str | int | Fraction | tuple[tuple[str, int], ...]", tuple[Index, ...]]
Factor = tuple[Atom, Rational]
Monomial = tuple[tuple[Factor, ...], tuple[Index, ...]]
Expr = dict[Monomial, Rational]

ZERO: Expr = {}
UNIT: Monomial = ((), ())
ONE: Expr = {UNIT: 1}

_fresh = count(1_000_000)


def fresh_bound(dim: Dim) -> Index:
    """A bound index that occurs nowhere else."""
    return (next(_fresh), dim)


def free(dims: Iterable[Dim]) -> tuple[Index, ...]:
    """The free indices −1, −2, … of an equation whose sizes are `dims`."""
    return tuple((-position, dim) for position, dim in enumerate(dims, 1))


def number(value: Rational) -> Rational:
    """A rational in its simplest type: an int where it is whole."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


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


def monomial(coefficient: Rational, factors: Iterable[Factor], bound: Iterable[Index]) -> Expr:
    """Σ_bound coefficient · Π factors in canonical form; deltas over bound indices are carried out.

    The result has one monomial, or none when the coefficient is 0.
    """
    if not coefficient:
        return {}
    powers: dict[Atom, Rational] = {}
    deltas = None
    related = False
    for atom, exponent in factors:
        if atom[0] == "δ":
            deltas = [*(deltas or ()), atom]
            continue
        if atom[0] == "rel":
            related = True
        if atom in powers:
            exponent = exponent + powers[atom]
        powers[atom] = exponent
    bound = set(bound)
    if deltas:
        coefficient, powers = _carry_out_deltas(coefficient, powers, deltas, bound)
    while related:
        known = _settle_relations(powers)
        if known is None:
            return {}
        powers, deltas = known
        related = bool(deltas)
        if deltas:
            deltas += [atom for atom in powers if atom[0] == "δ"]
            powers = {atom: e for atom, e in powers.items() if atom[0] != "δ"}
            coefficient, powers = _carry_out_deltas(coefficient, powers, deltas, bound)
    kept: list[Factor] = []
    for atom, exponent in powers.items():
        if not exponent:
            continue
        if type(exponent) is not int:
            exponent = number(exponent)
        if atom[0] == "n" and type(exponent) is int:
            coefficient = coefficient * Fraction(Fraction(str(atom[1])) ** exponent)
            continue
        kept.append((atom, exponent))
    if bound:
        seen: set[Index] = set()
        for atom, _ in kept:
            seen.update(atom[2])
        unused = bound - seen
        if unused:
            bound -= unused
            for index in unused:
                if isinstance(index[1], int):
                    coefficient = coefficient * index[1]
                else:
                    kept = _times(kept, ("#", index[1], ()), 1)
        factors_, bound_ = canonical_bound(kept, bound)
    else:
        kept.sort()
        factors_, bound_ = tuple(kept), ()
    return {(factors_, bound_): number(coefficient)}


def _settle_relations(powers: dict[Atom, Rational]) -> tuple[dict[Atom, Rational], list[Atom]] | None:
    """Relations in their normal form, each once, and the deltas that some of them are; None where one never holds."""
    out: dict[Atom, Rational] = {}
    deltas: list[Atom] = []
    for atom, exponent in powers.items():
        if atom[0] != "rel":
            out[atom] = exponent
        elif exponent:
            if exponent < 0:
                raise ValueError("an index relation has no inverse")
            known = settled(str(atom[1]), atom[2])
            if known is None:
                return None
            for new in known:
                if new[0] == "δ":
                    deltas.append(new)
                else:
                    out[new] = 1
    return out, deltas


def _times(factors: list[Factor], atom: Atom, exponent: Rational) -> list[Factor]:
    powers = dict(factors)
    powers[atom] = number(powers.get(atom, 0) + exponent)
    return [(a, e) for a, e in powers.items() if e]


def _carry_out_deltas(
    coefficient: Rational, powers: dict[Atom, Rational], deltas: list[Atom], bound: set[Index]
) -> tuple[Rational, dict[Atom, Rational]]:
    """Replace a bound index by its partner; keep the deltas between two free indices, once each."""
    rest: list[tuple[Index, Index]] = []
    pending = [atom[2] for atom in deltas]
    replaced: dict[Index, Index] = {}

    def find(index: Index) -> Index:
        while index in replaced:
            index = replaced[index]
        return index

    for left, right in pending:
        left, right = find(left), find(right)
        if left == right:
            continue
        if left in bound:
            replaced[left] = right
            bound.discard(left)
        elif right in bound:
            replaced[right] = left
            bound.discard(right)
        else:
            rest.append((left, right))
    # A chain of deltas between free indices: one representative, so δ_ij δ_jk and δ_ik δ_jk are one form.
    groups: dict[Index, Index] = {}

    def root(index: Index) -> Index:
        while index in groups:
            index = groups[index]
        return index

    for left, right in rest:
        first, second = sorted((root(find(left)), root(find(right))), reverse=True)
        if first != second:
            groups[second] = first
    mapping = {index: root(find(index)) for index in (*replaced, *groups)}
    out: dict[Atom, Rational] = {}
    for (head, name, indices), exponent in powers.items():
        atom: Atom = (head, name, tuple([mapping.get(i, i) for i in indices]))
        out[atom] = out.get(atom, 0) + exponent
    for index in groups:
        partner = root(index)
        out["δ", "", (min(index, partner), max(index, partner))] = 1
    return coefficient, out


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


def _apart(monomial_: Monomial) -> Monomial:
    """The same monomial with bound indices that occur nowhere else."""
    factors, bound = monomial_
    if not bound:
        return monomial_
    mapping = {index: (next(_fresh), index[1]) for index in bound}
    return (
        tuple([((h, n, tuple([mapping.get(i, i) for i in ix])), e) for (h, n, ix), e in factors]),
        tuple(mapping.values()),
    )


def multiply(left: Expr, right: Expr, over: Iterable[Index] = ()) -> Expr:
    """The product, distributed; `over` are free indices of the factors that are summed (a contraction)."""
    over = tuple(over)
    result: Expr = {}
    for first, a in left.items():
        for second, b in right.items():
            lf, lb = _apart(first)
            rf, rb = _apart(second)
            part = monomial(a * b, (*lf, *rf), (*lb, *rb, *over))
            result = add(result, part) if result else part
    return result


def rename(expression: Expr, mapping: Mapping[Index, Index], over: Iterable[Index] = ()) -> Expr:
    """Rename free indices, all at once; then sum over those in `over`."""
    over = tuple(over)
    result: Expr = {}
    for key, value in expression.items():
        factors, bound = _apart(key)
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
        factors, bound = _apart(key)
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
            rf, rb = _apart(second)
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
