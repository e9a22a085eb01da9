"""Mistakes in the chain rule: an activation's derivative, the wrong signal, a path left out, a label's facts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.check.mistakes.records import Change, Mistake, nothing, register
from chainrule.check.scene import Activation, Scene, same
from chainrule.check.trees import Place, elementwise, factors, hadamards, product, terms, total, without
from chainrule.dims import canonical_name, display_name
from chainrule.language import ast

__all__: list[str] = []

NOT_A_FACTOR = ("operand", "argument", "base", "divisor", "exponent")


# -- activation ----------------------------------------------------------------------------------------------------


def _fits(activation: Activation, shape: tuple[int, ...]) -> ast.Expr | None:
    if activation.value.shape == shape:
        return activation.node
    return ast.Transpose(activation.node) if activation.value.T.shape == shape else None


def which(node: ast.Expr, scene: Scene) -> Activation | None:
    """The activation whose derivative a factor is, however it is written; also with a name multiplied in."""
    value = scene.value(node)
    if value is None:
        return None
    for activation in scene.activations:
        for array in (activation.value, activation.value.T):
            if same(value, array) or same(-value, array):
                return activation
    if value.size == 1 or isinstance(node, ast.Name):
        return None
    for activation in scene.activations:  # g − h ∘ t is g ∘ (1 − t²)
        for array in (activation.value, activation.value.T):
            if array.shape == value.shape and array.all() and np.ptp(array) > 0:
                rest = value / array
                if any(same(rest, other) or same(rest.T, other) for other in scene.forward):
                    return activation
    return None


def _activation_undo(place: Place, scene: Scene) -> Iterator[Change]:
    """f′(a) is put in as a factor, takes the place of one, or is taken away."""
    node = place.node
    value = scene.value(node)
    for activation in scene.activations if value is not None and place.role not in ("divisor", "exponent") else ():
        piece = _fits(activation, value.shape)  # type: ignore[union-attr]
        if piece is None:
            continue
        if place.role not in NOT_A_FACTOR:
            missing = "the factor {} is missing"
            yield Change(elementwise([node, piece]), 1.05, missing, (activation.node,), activation.node)
        if place.role in ("hadamard", "factor", "argument"):
            says = "the factor is {}, not {}"
            inner = node.operand if isinstance(node, ast.Transpose) else node
            derivative = isinstance(inner, ast.Call) and (inner.primes > 0 or inner.function == "sgn")
            yield Change(piece, 1.25 if derivative else 1.35, says, (activation.node, node), activation.node)
    yield from _dropped(place, scene, "a factor {} too much", 1.22)
    if isinstance(node, ast.Binary) and node.op == "∘":
        row = hadamards(node)
        for i in range(len(row) - 1 if len(row) > 2 else 0):  # two that were meant to be f′(a): h ∘ (1 + h)
            pair = elementwise(row[i : i + 2])
            value = scene.value(pair)
            for activation in scene.activations if value is not None else ():
                piece = _fits(activation, value.shape)  # type: ignore[union-attr]
                if piece is not None:
                    new = elementwise([*row[:i], piece, *row[i + 2 :]])
                    yield Change(new, 1.4, "the factor is {}, not {}", (activation.node, pair), activation.node)


def _dropped(place: Place, scene: Scene, says: str, cost: float) -> Iterator[Change]:
    """Without the factors that make up the derivative of an activation, or a part of it."""
    node = place.node
    if not isinstance(node, ast.Binary) or place.role == "chain":
        return
    if node.op == "∘":
        row = hadamards(node)
        for i in range(len(row)):
            for j in range(i + 1, min(i + 3, len(row)) + 1):
                if j - i == len(row):
                    continue
                part, rest = elementwise(row[i:j]), elementwise(without(row, i, j))
                activation = which(part, scene)
                if activation is not None:
                    yield Change(rest, cost, says, (activation.node,), activation.node)
                elif j - i == 1 and any(which(elementwise([part, o]), scene) for o in row if o is not part):
                    yield Change(rest, cost + 0.05, says, (part,), part)  # h of h ∘ (1 − h)
    elif node.op in ("@", "*"):
        row = factors(node)
        for k, part in enumerate(row):
            diagonal = isinstance(part, ast.Call) and part.function == "diag" and len(part.args) == 1
            value = scene.value(part)
            activation = which(part.args[0] if diagonal else part, scene)  # type: ignore[union-attr]
            if activation is not None and (diagonal or (value is not None and value.size == 1)):
                yield Change(product(without(row, k, k + 1)), cost, says, (activation.node,), activation.node)


def _activation_commit(place: Place, scene: Scene) -> Iterator[Change]:
    yield from _dropped(place, scene, "the factor {} is missing", 1.1)
    yield from _not_whole(place, scene)
    node = place.node
    mine = which(node, scene) if place.role in ("hadamard", "factor", "argument", "term", "operand") else None
    value = scene.value(node)
    if mine is None or value is None:
        return
    wrong: list[ast.Expr] = [a.node for a in scene.activations if a is not mine]
    function, argument = mine.node.function, mine.node.args[0]
    applied = ast.Call(function, (argument,))  # f(a) for f′(a), a for f′(a), f′(f(a)) for f′(a)
    wrong += [applied, argument, ast.Call(function, (applied,), primes=1)]
    for other in wrong:
        for piece in (other, ast.Transpose(other)):
            got = scene.value(piece)
            if got is not None and got.shape == value.shape:
                yield Change(piece, 1.4, "the factor is {}, not {}", (mine.node, other), mine.node)


def _not_whole(place: Place, scene: Scene) -> Iterator[Change]:
    """Without a term of a derivative: 1 for 1 − h², h ∘ (−h) for h ∘ (1 − h)."""
    node = place.node
    row = hadamards(node)
    if place.role == "chain":
        return
    for k, part in enumerate(row):
        inner = part.operand if isinstance(part, ast.Transpose) else part
        if not isinstance(inner, ast.Binary) or inner.op not in ("+", "-"):
            continue
        options = [part, *(elementwise([part, o]) for o in row if o is not part)]
        mine = next((a for o in options if (a := which(o, scene)) is not None), None)
        signed = terms(inner)
        for t in range(len(signed)) if mine is not None else ():
            new = total(without(signed, t, t + 1))
            new = ast.Transpose(new) if inner is not part else new
            says = "the factor {} is not whole"
            of = mine.node if mine is not None else node
            yield Change(elementwise([*row[:k], new, *row[k + 1 :]]), 1.12, says, (of,), of)


# -- signals and names ---------------------------------------------------------------------------------------------


def _signal_named(node: ast.Expr, scene: Scene) -> str | None:
    """The signal that a name is, whatever its spelling."""
    key = canonical_name(node.name) if isinstance(node, ast.Name) else None
    return next((s for s in scene.signals if canonical_name(s) == key), None)


def _signal_undo(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    mine = _signal_named(node, scene)
    if mine is None and not (isinstance(node, ast.Name) and node.name.startswith("∂")):
        return
    for signal, of in scene.signals.items():
        if signal == scene.target.signal:
            return  # what the claim is about, and what follows from it, cannot stand in it
        if signal != mine:
            says = "the wrong error signal: {} is the one at {}"
            there = (display_name(signal), scene.context.describe(of))
            yield Change(ast.Name(signal), 1.0 if mine else 1.1, says, there, ast.Name(signal))


def _signal_commit(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    mine = _signal_named(node, scene)
    if mine is None:
        return
    at = scene.context.describe(scene.signals[mine])
    for signal in scene.signals:
        if signal == scene.target.signal:
            return
        if signal != mine:
            says = "the wrong error signal: {} is the one at {}"
            yield Change(ast.Name(signal), 1.15, says, (node, at), node)


def _name_undo(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    value = scene.value(node)
    if value is None or isinstance(node, ast.Number) or place.role in ("whole", "exponent"):
        return
    leaf = isinstance(node, ast.Name)
    says = "{} stands where {} should"
    for name, other in scene.names.items():
        if not scene.is_name(node, name) and (other.shape == value.shape or (leaf and value.size > 1 < other.size)):
            new = ast.Name(name)
            yield Change(new, 1.3 if leaf else 1.45, says, (node, new), new)


def _name_commit(place: Place, scene: Scene) -> Iterator[Change]:
    node = place.node
    if not isinstance(node, ast.Name) or not any(scene.is_name(node, name) for name in scene.names):
        return
    for name in scene.names:
        if not scene.is_name(node, name):
            yield Change(ast.Name(name), 1.4, "{} stands where {} should", (ast.Name(name), node), node)


register(Mistake(
    "activation", "The derivative of an activation is missing, too much, or taken at something else.",
    _activation_undo, _activation_commit, ("2.4", "elementwise", "diagonal", "derivative of"),
))  # fmt: skip
register(Mistake(
    "signal", "The error signal of another place stands there.", _signal_undo, _signal_commit,
    ("is known", "chain rule"),
))  # fmt: skip
register(Mistake("name", "Another name of the network stands there.", _name_undo, _name_commit, ("chain rule",)))
register(Mistake(
    "path", "A name reaches the loss in more than one way, and one of them is left out.", nothing, nothing,
    ("path", "chain rule"),
))  # fmt: skip
register(Mistake(
    "label", "Something is taken for granted of a label: that it is one-hot, or that its entries sum to 1.",
    nothing, nothing, ("sum to 1", "one-hot", "sums to 1", "2.7", "softmax"),
))  # fmt: skip
