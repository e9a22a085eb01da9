"""Mistakes of amount: a sign, a factor, a term, and what stands inside or outside a normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from chainrule.check.mistakes.records import Change, Mistake, register
from chainrule.check.scene import Scene
from chainrule.check.trees import (
    Place,
    elementwise,
    factors,
    hadamards,
    is_ones,
    number,
    places,
    product,
    terms,
    times,
    total,
    without,
)
from chainrule.language import ast

__all__: list[str] = []

ADDED_INSIDE = "{} is added inside of the factor, and belongs outside: after it, not before"
ADDED_OUTSIDE = "{} is added outside of the factor, and belongs inside: before it, not after"
Around = Callable[[ast.Expr], ast.Expr]


# -- sign ----------------------------------------------------------------------------------------------------------


def _sign(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    says = "the sign of {} is wrong"
    if place.role in ("hadamard", "factor"):  # −A inside a product
        if isinstance(node, ast.Negate):
            yield Change(node.operand, 0.95, says, (node,), node)
    elif place.role in ("whole", "term", "argument"):
        new = node.operand if isinstance(node, ast.Negate) else ast.Negate(node)
        if place.role == "whole":
            yield Change(new, 0.9, "the sign is wrong")
        else:
            yield Change(new, 0.95 if place.role == "term" else 1.3, says, (node,), node)


# -- factor --------------------------------------------------------------------------------------------------------


def _simple(scene: Scene) -> Iterator[tuple[list[ast.Expr], list[ast.Expr], str]]:
    """2, 1/2, each size and its inverse, and the scalars of the network: above, below, and as text."""
    yield [number(2)], [], "2"
    yield [], [number(2)], "1/2"
    for symbol in scene.sizes:
        yield [ast.Name(symbol)], [], symbol
        yield [], [ast.Name(symbol)], f"1/{symbol}"
    if len(scene.scalars) <= 4:
        for name in scene.scalars:
            yield [ast.Name(name)], [], scene.text(ast.Name(name))


def _without_factor(place: Place, scene: Scene) -> Iterator[tuple[ast.Expr, ast.Expr, float, str]]:
    """A factor or a divisor is taken away: what stays, what went, the cost, and how it is written."""
    node = place.node
    if not isinstance(node, ast.Binary) or place.role == "chain":
        return
    if node.op in ("/", "./"):
        yield node.left, node.right, 0.92, "1/{}"
        return
    if node.op not in ("@", "*", "∘"):
        return
    row, join = (hadamards(node), elementwise) if node.op == "∘" else (factors(node), product)
    for i in range(len(row)):
        for j in range(i + 1, len(row) + 1):
            if j - i == len(row) or (j - i > 1 and node.op != "∘"):
                continue
            part = join(row[i:j])
            if is_ones(part):  # a sum, and no factor
                continue
            value = scene.value(part)
            cost = 0.92 if value is not None and value.size == 1 else 1.5 + 0.1 * (j - i - 1)
            yield join(without(row, i, j)), part, cost, "{}"


def _bracketed(scene: Scene, node: ast.Expr, form: str) -> str:
    text = scene.text(node)
    return form.format(f"({text})" if isinstance(node, ast.Binary) else text)


def _factor_undo(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    for rest, part, cost, form in _without_factor(place, scene):
        text = _bracketed(scene, part, form)
        if place.role == "term" and any(
            isinstance(p.node, ast.Name) and p.node.name in scene.sizes for p in places(part)
        ):
            says = "a factor {} too much at the term {}"
            yield Change(rest, cost, says, (text, node), None, "normalisation", ("normalisation", "factor"))
        else:
            yield Change(rest, cost, "a factor {} too much", (text,))
    if place.role in ("term", "argument", "hadamard") and place.depth > 1:
        for above, below, text in _simple(scene):
            says = "a factor {} is missing before {}"
            yield Change(times(node, above, below), 1.4, says, (text, node), node)
    yield from _powers(place, scene)
    yield from _with_name(place, scene)


def _powers(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    if isinstance(node, ast.Binary) and node.op in ("^", ".^"):
        yield Change(node.left, 1.45, "{} has a power too much", (node,), node)
    elif isinstance(node, ast.Name | ast.Call) and place.role not in ("whole", "argument", "exponent"):
        value = scene.value(node)
        if value is not None:
            squared = ast.Binary(".^" if value.size > 1 else "^", node, number(2))
            yield Change(squared, 1.45, "{} has to be squared", (node,), node)


def _with_name(place: Place, scene: Scene) -> Iterator[Change]:
    """A name of the network is missing as a factor."""
    if place.role in ("operand", "argument", "base", "exponent", "divisor"):
        return
    value = scene.value(place.node)
    if value is None:
        return
    for name, other in scene.names.items():
        if other.size == 1:
            continue
        for node, array in ((ast.Name(name), other), (ast.Transpose(ast.Name(name)), other.T)):
            says = "the factor {} is missing"
            if value.shape[1] == array.shape[0]:
                yield Change(product([place.node, node]), 1.6, says, (node,), node)
            if array.shape[1] == value.shape[0]:
                yield Change(product([node, place.node]), 1.6, says, (node,), node)
            if value.shape == array.shape:
                yield Change(elementwise([place.node, node]), 1.65, says, (node,), node)


def _factor_commit(place: Place, scene: Scene) -> Iterator[Change]:
    if place.role in ("whole", "term", "argument"):
        cost = 1.3 if place.role == "whole" else 1.45
        for above, below, text in _simple(scene):
            new = times(place.node, above, below)
            if place.role == "term" and any(
                isinstance(n, ast.Name) and n.name in scene.sizes for n in (*above, *below)
            ):
                says = "a factor {} too much at the term {}"
                also = ("normalisation", "factor")
                yield Change(new, cost, says, (text, place.node), place.node, "normalisation", also)
            else:
                yield Change(new, cost, "a factor {} too much", (text,), place.node)
    for rest, part, cost, form in _without_factor(place, scene):
        yield Change(rest, cost + 0.4, "the factor {} is missing", (_bracketed(scene, part, form),), part)


# -- term ----------------------------------------------------------------------------------------------------------


def _fewer_terms(place: Place, says: str, cost: float) -> Iterator[Change]:
    node = place.node
    if isinstance(node, ast.Binary) and node.op in ("+", "-") and place.role != "chain":
        row = terms(node)
        for k, (_, part) in enumerate(row):
            yield Change(total(without(row, k, k + 1)), cost, says, (part,), part)


def _term_undo(place: Place, scene: Scene) -> Iterator[Change]:
    for change in _fewer_terms(place, "the term {} is too much", 1.2):
        yield replace(change, piece=None)
    if place.role in ("chain", "exponent", "divisor"):
        return
    value = scene.value(place.node)
    for name, other in scene.names.items() if value is not None and value.size > 1 else ():
        for node, array in ((ast.Name(name), other), (ast.Transpose(ast.Name(name)), other.T)):
            if value is not None and array.shape == value.shape:
                for op in ("-", "+"):
                    new = ast.Binary(op, place.node, node)
                    yield Change(new, 1.45, "the term {} is missing beside {}", (node, place.node), node)


def _term_commit(place: Place, scene: Scene) -> Iterator[Change]:
    return _fewer_terms(place, "the term {} is missing", 1.3)


# -- normalisation -------------------------------------------------------------------------------------------------


def _normalisation(place: Place, scene: Scene) -> Iterator[Change]:
    """(A + B)/c for A/c + B, and back; for any factor c, also a matrix or a mask."""
    node = place.node
    if not isinstance(node, ast.Binary) or place.role == "chain":
        return
    for around, inside in _wrapped(node):
        row = terms(inside)
        for k in range(len(row) if len(row) > 1 else 0):
            for outside in ([row[k]], without(row, k, k + 1)):
                rest = [t for t in row if t not in outside]
                if rest:
                    says = ADDED_INSIDE
                    new = total([(1, around(total(rest))), *outside])
                    yield Change(new, 1.1, says, (total(outside),), total(outside))
    if node.op in ("+", "-"):
        row = terms(node)
        for k, (sign, part) in enumerate(row):
            for around, inside in _wrapped(part):
                others = without(row, k, k + 1)
                says = ADDED_OUTSIDE
                yield Change(around(total([(sign, inside), *others])), 1.3, says, (total(others),), total(others))


def _normalisation_commit(place: Place, scene: Scene) -> Iterator[Change]:
    for change in _normalisation(place, scene):
        yield replace(change, says=ADDED_OUTSIDE if change.says == ADDED_INSIDE else ADDED_INSIDE)


def _wrapped(node: ast.Expr) -> Iterator[tuple[Around, ast.Expr]]:
    """The ways to see a formula as something around a part: what puts another part there, and the part."""
    if not isinstance(node, ast.Binary):
        return
    if node.op in ("/", "./"):
        yield partial(_over, node), node.left
        for around, inside in _wrapped(node.left):
            yield partial(_over_around, node, around), inside
    elif node.op in ("@", "*", "∘"):
        row, join = (hadamards(node), elementwise) if node.op == "∘" else (factors(node), product)
        for k, part in enumerate(row):
            yield partial(_among, row, k, join), part


def _over(division: ast.Binary, part: ast.Expr) -> ast.Expr:
    return ast.Binary(division.op, part, division.right)


def _over_around(division: ast.Binary, around: Around, part: ast.Expr) -> ast.Expr:
    return _over(division, around(part))


def _among(row: list[ast.Expr], k: int, join: Callable[[list[ast.Expr]], ast.Expr], part: ast.Expr) -> ast.Expr:
    return join([*row[:k], part, *row[k + 1 :]])


register(Mistake("sign", "A sign is wrong.", _sign, _sign, ("2.7", "derivative of", "simplification", "chain rule")))
register(Mistake(
    "factor", "A factor such as 2, 1/2, N or 1/N is missing, or there is one too many.", _factor_undo, _factor_commit,
    ("mean", "simplification", "chain rule"),
))  # fmt: skip
register(Mistake(
    "term", "A term of a sum is missing, or there is one too many.", _term_undo, _term_commit, ("chain rule",),
))  # fmt: skip
register(Mistake(
    "normalisation", "Something is added inside of a division or another factor, where it belongs outside.",
    _normalisation, _normalisation_commit, ("chain rule", "simplification"),
))  # fmt: skip
