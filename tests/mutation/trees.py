"""Formulas as trees of the language: the places in them, and putting another piece at a place.

A place is the path from the root: the position of a child at each step. Spans are left behind, since a changed formula
is printed and read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from chainrule.language import ast

Path = tuple[int, ...]


def children(node: ast.Expr) -> tuple[ast.Expr, ...]:
    match node:
        case ast.Binary(_, left, right):
            return (left, right)
        case ast.Negate(operand) | ast.Transpose(operand):
            return (operand,)
        case ast.Call():
            return node.args
    return ()


def with_children(node: ast.Expr, new: tuple[ast.Expr, ...]) -> ast.Expr:
    match node:
        case ast.Binary():
            return replace(node, left=new[0], right=new[1])
        case ast.Negate() | ast.Transpose():
            return replace(node, operand=new[0])
        case ast.Call():
            return replace(node, args=new)
    return node


def places(node: ast.Expr, path: Path = ()) -> Iterator[tuple[Path, ast.Expr]]:
    """Every piece with its place, from the root down."""
    yield path, node
    for k, child in enumerate(children(node)):
        yield from places(child, (*path, k))


def put(node: ast.Expr, path: Path, piece: ast.Expr) -> ast.Expr:
    """The tree with `piece` at a place."""
    if not path:
        return piece
    parts = list(children(node))
    parts[path[0]] = put(parts[path[0]], path[1:], piece)
    return with_children(node, tuple(parts))


def at(node: ast.Expr, path: Path) -> ast.Expr:
    for k in path:
        node = children(node)[k]
    return node


def everywhere(node: ast.Expr, change: Callable[[ast.Expr], ast.Expr | None]) -> ast.Expr:
    """The tree in which `change` has replaced all pieces for which it gives one; those are not looked into again."""
    new = change(node)
    if new is not None:
        return new
    return with_children(node, tuple(everywhere(child, change) for child in children(node)))


# -- building ------------------------------------------------------------------------------------------------------


def number(value: int | Fraction) -> ast.Expr:
    value = Fraction(value)
    return ast.Negate(ast.Number(-value)) if value < 0 else ast.Number(value)


def product(left: ast.Expr, right: ast.Expr) -> ast.Expr:
    return ast.Binary("@", left, right)


def hadamard(left: ast.Expr, right: ast.Expr) -> ast.Expr:
    return ast.Binary("∘", left, right)


def over(left: ast.Expr, right: ast.Expr) -> ast.Expr:
    return ast.Binary("/", left, right)


def call(function: str, *args: ast.Expr, primes: int = 0) -> ast.Expr:
    return ast.Call(function, args, primes=primes)


def turned(node: ast.Expr) -> ast.Expr:
    """nodeᵀ, and (Aᵀ)ᵀ is A."""
    return node.operand if isinstance(node, ast.Transpose) else ast.Transpose(node)


def negative(node: ast.Expr) -> ast.Expr:
    return node.operand if isinstance(node, ast.Negate) else ast.Negate(node)


# -- chains --------------------------------------------------------------------------------------------------------


def chain(node: ast.Expr, op: str) -> list[ast.Expr]:
    """The factors of A ∘ B ∘ C, in order; of anything else, itself."""
    if isinstance(node, ast.Binary) and node.op == op:
        return [*chain(node.left, op), *chain(node.right, op)]
    return [node]


def joined(parts: list[ast.Expr], op: str) -> ast.Expr:
    node = parts[0]
    for part in parts[1:]:
        node = ast.Binary(op, node, part)
    return node


def terms(node: ast.Expr) -> list[tuple[int, ast.Expr]]:
    """The terms of A + B − C with their signs."""
    if isinstance(node, ast.Binary) and node.op in "+-":
        right = terms(node.right)
        return [*terms(node.left), *((s if node.op == "+" else -s, t) for s, t in right)]
    if isinstance(node, ast.Negate):
        return [(-s, t) for s, t in terms(node.operand)]
    return [(1, node)]


def summed(parts: list[tuple[int, ast.Expr]]) -> ast.Expr:
    """The sum of terms with their signs."""
    sign, first = parts[0]
    node = first if sign > 0 else ast.Negate(first)
    for sign, part in parts[1:]:
        node = ast.Binary("+" if sign > 0 else "-", node, part)
    return node


def is_sum(node: ast.Expr) -> bool:
    return isinstance(node, ast.Binary) and node.op in "+-"
