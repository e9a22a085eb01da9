"""What a claim leaves out as a whole: a path from a name to the loss, or terms of the right formula."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from chainrule.check.context import Context
from chainrule.check.formulas import formulas_behind
from chainrule.check.matrices import Unreadable, as_matrix
from chainrule.check.paths import Cut, cuts
from chainrule.check.scene import Scene, same
from chainrule.check.search import Found, holds
from chainrule.check.targets import Target
from chainrule.check.trees import places, terms, tidy, total
from chainrule.dims import canonical_name, display_name
from chainrule.language import ast
from chainrule.reference import evaluate_program

__all__ = ["left_out", "missing_terms"]

Array = NDArray[np.float64]
MOST_TERMS = 6


def left_out(context: Context, target: Target, scenes: list[Scene], claimed: list[Array | None]) -> Found | None:
    """One use of a name that the claim forgets."""
    if target.kind not in ("gradient", "signal") or target.of != context.net.loss or not target.wrt:
        return None
    for cut in cuts(context, target.wrt):
        if all(_without(cut, target, s, c) for s, c in zip(scenes, claimed, strict=True)):
            name, through = display_name(cut.name), context.describe(cut.through)
            says = (
                f"a second path is missing: {name} also reaches {display_name(target.of)} through {through}, "
                "and the contributions of all paths are added"
            )
            return Found("path", says, 1.0, kinds=("path", "term"))
    return None


def _without(cut: Cut, target: Target, scene: Scene, claimed: Array | None) -> bool:
    if claimed is None:
        return False
    forward = {n: a for n, a in scene.known.items() if n in scene.context.net.program.variables}
    known = evaluate_program(cut.program, {**forward, cut.copy: forward[cut.name]}, scene.sizes, [cut.gradient])
    for wanted in scene.wanted:
        array = known[cut.gradient]
        try:
            value = as_matrix(np.transpose(array, wanted.form.order), wanted.form.orientation)
        except Unreadable:
            continue
        if same(value, claimed) and not same(value, wanted.value):
            return True
    return False


def missing_terms(node: ast.Expr, scene: Scene) -> Found | None:
    """Terms of the right formula that the claim lacks."""
    value = scene.value(node)
    right = formulas_behind(scene.context, scene.target).get("")
    if value is None or right is None:
        return None
    row = list(_loose(right))
    for count in range(1, min(len(row), MOST_TERMS)):
        for chosen in combinations(row, count):
            lacking = total(chosen)
            for tree in (lacking, ast.Transpose(lacking)):
                own = scene.value(tree)
                if own is None or own.shape != value.shape or scene.right(value + own) is None:
                    continue
                new = ast.Binary("+", node, tree)
                form = holds(new, scene)
                if form is not None:
                    says, kinds = _said_of([scene.text(tidy(t)) for _, t in chosen], scene)
                    return Found(kinds[0], says, 1.1 + 0.1 * (count - 1), tidy(new), form, tree, kinds)
    return None


def _said_of(names: list[str], scene: Scene) -> tuple[str, tuple[str, ...]]:
    """The sentence about missing terms, and its kinds: a path where the name is used more than once."""
    says = f"the term{'s' if len(names) > 1 else ''} {' and '.join(names)} {'are' if len(names) > 1 else 'is'} missing"
    target = scene.target
    if _uses(scene.context, target.wrt) < 2:
        return says, ("term",)
    ways = f"{display_name(target.wrt)} reaches {display_name(target.of)} in more than one way"
    return f"{says}: {ways}, and the contributions of all paths are added", ("path", "term")


def _loose(node: ast.Expr, sign: int = 1) -> Iterator[tuple[int, ast.Expr]]:
    """The terms of a formula, also those under a transpose or above a divisor."""
    for own, term in terms(node):
        if isinstance(term, ast.Transpose) and len(terms(term.operand)) > 1:
            yield from ((s, ast.Transpose(t)) for s, t in _loose(term.operand, sign * own))
        elif isinstance(term, ast.Binary) and term.op in ("/", "./") and len(terms(term.left)) > 1:
            yield from ((s, ast.Binary(term.op, t, term.right)) for s, t in _loose(term.left, sign * own))
        else:
            yield sign * own, term


def _uses(context: Context, name: str) -> int:
    """How often a name stands in the user's equations."""
    elaborated = context.net._elaborated
    if elaborated is None or not name:
        return sum(name in e.arguments for e in context.net.program)
    key = canonical_name(name)
    count = 0
    for equation in elaborated.user_equations:
        for place in places(equation.value):
            here = place.node.base if isinstance(place.node, ast.Indexed) else place.node
            count += isinstance(here, ast.Name) and canonical_name(here.name) == key
    return count
