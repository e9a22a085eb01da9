"""Formulas as trees that can be edited: rows of factors and terms, and every place in them.

The language's trees are binary; a person sees a row of factors, a row of terms. `factors`, `terms` and `hadamards` take
such rows apart, `product`, `total` and `elementwise` put them together, and `places` gives every part of a formula that
one would point at, with a function that puts something else there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TypeVar

from chainrule.language import ast
from chainrule.language.printer import print_expression
from chainrule.notation.from_tree import respelled

__all__ = [
    "ONES_ROW", "Place", "elementwise", "factors", "hadamards", "is_ones", "is_ones_row", "number", "places",
    "product", "renamed", "spelled", "terms", "tidy", "times", "total", "turned", "without",
]  # fmt: skip

Put = Callable[[ast.Expr], ast.Expr]
Item = TypeVar("Item")
ONES_ROW = ast.Transpose(ast.Number(Fraction(1)))


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a formula.

    put: the whole formula with something else there.  role: what it is there: whole, term, factor, chain (several
    factors in a row), hadamard, operand (of a sign or a transpose), dividend, divisor, base or argument.
    beside: of a factor of a whole term, such as W in λ W + …, the other factors.
    """

    node: ast.Expr
    put: Put
    role: str
    depth: int
    beside: tuple[ast.Expr, ...] = ()


# -- rows ----------------------------------------------------------------------------------------------------------


def factors(node: ast.Expr) -> list[ast.Expr]:
    """The factors of a product, from left to right."""
    if isinstance(node, ast.Binary) and node.op in ("@", "*"):
        return [*factors(node.left), node.right]
    return [node]


def product(parts: Sequence[ast.Expr]) -> ast.Expr:
    """A product of factors, from left to right."""
    out = parts[0]
    for part in parts[1:]:
        out = ast.Binary("@", out, part)
    return out


def hadamards(node: ast.Expr) -> list[ast.Expr]:
    """The factors of an elementwise product."""
    if isinstance(node, ast.Binary) and node.op == "∘":
        return [*hadamards(node.left), *hadamards(node.right)]
    return [node]


def elementwise(parts: Sequence[ast.Expr]) -> ast.Expr:
    """An elementwise product."""
    out = parts[0]
    for part in parts[1:]:
        out = ast.Binary("∘", out, part)
    return out


def terms(node: ast.Expr) -> list[tuple[int, ast.Expr]]:
    """The terms of a sum with their signs."""
    if isinstance(node, ast.Binary) and node.op in ("+", "-"):
        sign = 1 if node.op == "+" else -1
        return [*terms(node.left), *((sign * s, t) for s, t in terms(node.right))]
    if isinstance(node, ast.Negate):
        return [(-s, t) for s, t in terms(node.operand)]
    return [(1, node)]


def total(parts: Sequence[tuple[int, ast.Expr]]) -> ast.Expr:
    """A sum of signed terms, one that is added in front where there is one."""
    first = next((k for k, (sign, _) in enumerate(parts) if sign > 0), 0)
    ordered = [parts[first], *parts[:first], *parts[first + 1 :]] if parts[0][0] < 0 else [*parts]
    sign, out = ordered[0]
    if sign < 0:
        out = ast.Negate(out)
    for sign, part in ordered[1:]:
        out = ast.Binary("+" if sign > 0 else "-", out, part)
    return out


def without(row: Sequence[Item], start: int, stop: int) -> list[Item]:
    """A row without some neighbours."""
    return [*row[:start], *row[stop:]]


# -- small things --------------------------------------------------------------------------------------------------


def turned(node: ast.Expr) -> ast.Expr:
    """The transpose; twice is nothing."""
    return node.operand if isinstance(node, ast.Transpose) else ast.Transpose(node)


def is_ones_row(node: ast.Expr) -> bool:
    """True for the 1ᵀ of 1ᵀ A."""
    return node == ONES_ROW


def is_ones(node: ast.Expr) -> bool:
    """True for 1ᵀ and for ones(N), which stand for sums."""
    inner = node.operand if isinstance(node, ast.Transpose) else node
    return is_ones_row(node) or (isinstance(inner, ast.Call) and inner.function == "ones")


def number(value: Fraction | int) -> ast.Expr:
    """A number as a tree."""
    value = Fraction(value)
    if value < 0:
        return ast.Negate(number(-value))
    if value.denominator == 1:
        return ast.Number(value)
    return ast.Binary("/", ast.Number(Fraction(value.numerator)), ast.Number(Fraction(value.denominator)))


def times(node: ast.Expr, above: Sequence[ast.Expr], below: Sequence[ast.Expr]) -> ast.Expr:
    """The formula with scalar factors above and below."""
    out = product([*above, node]) if above else node
    for divisor in below:
        out = ast.Binary("/", out, divisor)
    return out


def tidy(node: ast.Expr) -> ast.Expr:
    """The same formula without −(−a), (aᵀ)ᵀ and an order of signs that nobody would write."""
    if isinstance(node, ast.Transpose):
        inner = tidy(node.operand)
        return inner.operand if isinstance(inner, ast.Transpose) else ast.Transpose(inner)
    if isinstance(node, ast.Negate) or (isinstance(node, ast.Binary) and node.op in ("+", "-")):
        return total([(s, tidy(t)) for s, t in terms(node)])
    if isinstance(node, ast.Binary):
        return ast.Binary(node.op, tidy(node.left), tidy(node.right))
    if isinstance(node, ast.Call):
        return ast.Call(node.function, tuple(tidy(a) for a in node.args), node.options, node.primes)
    if isinstance(node, ast.Entry):
        return replace(node, operand=tidy(node.operand))
    if isinstance(node, ast.Blocks):
        return replace(node, rows=tuple(tuple(map(tidy, row)) for row in node.rows))
    return node


def renamed(node: ast.Expr, names: Mapping[str, str]) -> ast.Expr:
    """The same formula with other names."""
    if isinstance(node, ast.Name):
        return replace(node, name=names.get(node.name, node.name))
    if isinstance(node, ast.Indexed):
        return replace(node, base=replace(node.base, name=names.get(node.base.name, node.base.name)))
    if isinstance(node, ast.Negate | ast.Transpose | ast.Entry):
        return replace(node, operand=renamed(node.operand, names))
    if isinstance(node, ast.Blocks):
        return replace(node, rows=tuple(tuple(renamed(part, names) for part in row) for row in node.rows))
    if isinstance(node, ast.Binary):
        return replace(node, left=renamed(node.left, names), right=renamed(node.right, names))
    if isinstance(node, ast.Call):
        return replace(node, args=tuple(renamed(a, names) for a in node.args))
    return node


def spelled(node: ast.Expr, describe: Callable[[str], str]) -> str:
    """A formula as people read it: ∂z[i]/∂x[j] for one entry of a Jacobian, anonymous names by what they stand for."""
    text = print_expression(respelled(node))
    text = re.sub(r"%\d+", lambda match: describe(match.group()), text)
    return re.sub(r"∂(\w+)/∂(\w+)\[([^,\]]+),([^,\]]+)\]", r"∂\1[\3]/∂\2[\4]", text)


# -- places --------------------------------------------------------------------------------------------------------


def places(node: ast.Expr) -> Iterator[Place]:
    """Every part of a formula, from the outside in."""
    yield from _places(node, _itself, "whole", 0)


def _itself(node: ast.Expr) -> ast.Expr:
    return node


def _places(node: ast.Expr, put: Put, role: str, depth: int, beside: tuple[ast.Expr, ...] = ()) -> Iterator[Place]:
    yield Place(node, put, role, depth, beside)
    deeper = depth + 1
    if isinstance(node, ast.Transpose | ast.Negate | ast.Entry):
        yield from _places(node.operand, partial(_under, put, node), "operand", deeper)
    elif isinstance(node, ast.Call):
        for k, part in enumerate(node.args):
            yield from _places(part, partial(_as_argument, put, node, k), "argument", deeper)
    elif not isinstance(node, ast.Binary):
        return
    elif node.op in ("+", "-"):
        signed = terms(node)
        for k, (_, part) in enumerate(signed):
            yield from _places(part, partial(_as_term, put, signed, k), "term", deeper)
    elif node.op in ("@", "*"):
        row = factors(node)
        for k, part in enumerate(row):
            others = tuple(without(row, k, k + 1)) if role in ("term", "whole") else ()
            yield from _places(part, partial(_in_row, put, row, k, k + 1, product), "factor", deeper, others)
        for i in range(len(row)):
            for j in range(i + 2, len(row) + 1):
                if j - i < len(row):
                    yield Place(product(row[i:j]), partial(_in_row, put, row, i, j, product), "chain", deeper)
    elif node.op == "∘":
        row = hadamards(node)
        for k, part in enumerate(row):
            yield from _places(part, partial(_in_row, put, row, k, k + 1, elementwise), "hadamard", deeper)
    else:
        divides = node.op in ("/", "./")
        yield from _places(node.left, partial(_on_left, put, node), "dividend" if divides else "base", deeper)
        if divides:
            yield from _places(node.right, partial(_on_right, put, node), "divisor", deeper)


def _under(put: Put, node: ast.Transpose | ast.Negate | ast.Entry, new: ast.Expr) -> ast.Expr:
    return put(replace(node, operand=new))


def _as_argument(put: Put, node: ast.Call, k: int, new: ast.Expr) -> ast.Expr:
    return put(replace(node, args=(*node.args[:k], new, *node.args[k + 1 :])))


def _as_term(put: Put, signed: list[tuple[int, ast.Expr]], k: int, new: ast.Expr) -> ast.Expr:
    return put(total([*signed[:k], (signed[k][0], new), *signed[k + 1 :]]))


def _in_row(
    put: Put, row: list[ast.Expr], start: int, stop: int, join: Callable[[list[ast.Expr]], ast.Expr], new: ast.Expr
) -> ast.Expr:
    return put(join([*row[:start], new, *row[stop:]]))


def _on_left(put: Put, node: ast.Binary, new: ast.Expr) -> ast.Expr:
    return put(replace(node, left=new))


def _on_right(put: Put, node: ast.Binary, new: ast.Expr) -> ast.Expr:
    return put(replace(node, right=new))
