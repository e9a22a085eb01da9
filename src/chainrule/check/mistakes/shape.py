"""Mistakes of arrangement: a transpose, the order of factors, ∘ for a product, layouts mixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chainrule.check.mistakes.records import Change, Mistake, nothing, register
from chainrule.check.scene import Scene
from chainrule.check.trees import Place, elementwise, factors, hadamards, is_ones_row, product, turned
from chainrule.language import ast

__all__: list[str] = []

PRODUCT_FOR_HADAMARD = "a matrix product stands between {} and {}, where it is ∘, elementwise"
VECTOR_FOR_DIAGONAL = "the vector {} stands where the diagonal matrix {} should"
DIAGONAL_FOR_VECTOR = "the diagonal matrix {} stands where the vector itself should"
HADAMARD_FOR_PRODUCT = "∘ stands between {} and {}, where it is a matrix product"


def _transpose(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    if place.role in ("operand", "divisor", "exponent") or isinstance(node, ast.Number):
        return
    value = scene.value(node)
    if value is None or value.size == 1:
        return
    inner = node.operand if isinstance(node, ast.Transpose) else node
    leaf = isinstance(inner, ast.Name | ast.Call)
    scaled = bool(place.beside) and all(scene.is_scalar(other) for other in place.beside)
    alone = place.role in ("term", "whole") or scaled
    yield Change(
        turned(node),
        0.98 if isinstance(node, ast.Transpose) else 1.0 if leaf else 1.15,  # one that is there is taken away first
        "{} has a transpose too much" if isinstance(node, ast.Transpose) else "{} needs a transpose",
        (node,), turned(node),
        kind="layout" if place.role == "term" and place.depth == 1 and not leaf else "",
        also=("transpose", "layout") if alone else (),
    )  # fmt: skip


def _transpose_commit(place: Place, scene: Scene) -> Iterator[Change]:
    for change in _transpose(place, scene):
        says = "{} has a transpose too much" if isinstance(change.node, ast.Transpose) else "{} needs a transpose"
        yield replace(change, says=says, of=(change.node,), piece=place.node)


def _order(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    if place.role == "chain" or not isinstance(node, ast.Binary) or node.op not in ("@", "*"):
        return
    row = factors(node)
    matrix = [value is None or value.size != 1 for value in map(scene.value, row)]
    for i in range(len(row)):
        for j in range(i + 1, len(row)):
            if matrix[i] and matrix[j]:
                new = [*row]
                new[i], new[j] = row[j], row[i]
                near = not any(matrix[i + 1 : j])
                says = "the factors {} and {} are swapped"
                yield Change(product(new), 1.05 if near else 1.5, says, (row[i], row[j]), row[i])
    if len(row) > 2:
        yield Change(product(row[::-1]), 1.5, "the factors of {} stand in the reverse order", (node,), node)
        for k in range(1, len(row)):  # A (B C) for (B C) A
            moved = product([*row[k:], *row[:k]])
            yield Change(moved, 1.45, "the factors of {} are out of order", (node,), node)


def _elementwise(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    yield from _diagonal(place, scene)
    if not isinstance(node, ast.Binary) or place.role == "chain":
        return
    if node.op in ("@", "*"):
        row = factors(node)
        if any(is_ones_row(f) for f in row):  # 1ᵀ A is a sum, and nothing that anybody takes for ∘
            return
        for k in range(1, len(row)):
            left, right = product(row[:k]), product(row[k:])
            yield Change(elementwise([left, right]), 1.1, PRODUCT_FOR_HADAMARD, (left, right), right)
            if len(row) > 2:
                pair = elementwise([row[k - 1], row[k]])
                new = product([*row[: k - 1], pair, *row[k + 1 :]])
                yield Change(new, 1.12, PRODUCT_FOR_HADAMARD, (row[k - 1], row[k]), row[k])
    elif node.op == "∘":
        row = hadamards(node)
        for k in range(1, len(row)):
            left, right = elementwise(row[:k]), elementwise(row[k:])
            yield Change(product([left, right]), 1.1, HADAMARD_FOR_PRODUCT, (left, right), right)
            if len(row) > 2:
                pair = product([row[k - 1], row[k]])
                new = elementwise([*row[: k - 1], pair, *row[k + 1 :]])
                yield Change(new, 1.12, HADAMARD_FOR_PRODUCT, (row[k - 1], row[k]), row[k])


def _diagonal(place: Place, scene: Scene) -> Iterator[Change]:
    """A vector for the diagonal matrix of it, and back."""
    node = place.node
    if isinstance(node, ast.Call) and node.function == "diag" and len(node.args) == 1:
        for new in (node.args[0], ast.Transpose(node.args[0])):
            yield Change(new, 1.15, DIAGONAL_FOR_VECTOR, (node,), node)
    elif place.role in ("whole", "term", "factor", "hadamard"):
        value = scene.value(node)
        if value is not None and value.size > 1 and 1 in value.shape:
            new = ast.Call("diag", (node.operand if isinstance(node, ast.Transpose) else node,))
            yield Change(new, 1.15, VECTOR_FOR_DIAGONAL, (node, new), new)


def _elementwise_commit(place: Place, scene: Scene) -> Iterator[Change]:
    for change in _elementwise(place, scene):
        if change.says in (HADAMARD_FOR_PRODUCT, PRODUCT_FOR_HADAMARD):
            says = HADAMARD_FOR_PRODUCT if change.says == PRODUCT_FOR_HADAMARD else PRODUCT_FOR_HADAMARD
            yield replace(change, says=says)


register(Mistake(
    "transpose", "A transpose is missing, or there is one too many.", _transpose, _transpose_commit,
    ("2.1", "2.2", "2.5", "2.6", "transpose", "matrix notation"),
))  # fmt: skip
register(Mistake(
    "order", "Two factors of a product are swapped.", _order, _order, ("2.1", "2.2", "2.5", "2.6", "chain rule"),
))  # fmt: skip
register(Mistake(
    "elementwise", "An elementwise product stands for a matrix product, or the other way round.",
    _elementwise, _elementwise_commit, ("2.4", "diagonal", "chain rule"),
))  # fmt: skip
register(Mistake(
    "layout", "Numerator layout where the shape of the parameter was asked, the other way round, or both mixed.",
    nothing, nothing, ("layout", "shape", "matrix notation"),
))  # fmt: skip
