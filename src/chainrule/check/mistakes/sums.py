"""Mistakes with sums: over samples, where something was repeated over rows, or over an axis."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.check.mistakes.records import Change, Mistake, register
from chainrule.check.scene import Scene
from chainrule.check.trees import ONES_ROW, Place, factors, is_ones, is_ones_row, product, without
from chainrule.language import ast

__all__: list[str] = []

# A sum or mean along an axis, and the same along the other one.
OTHER_AXIS = {"rowsum": "colsum", "colsum": "rowsum", "rowmean": "colmean", "colmean": "rowmean"}


def _summed_off(place: Place, scene: Scene, what: str) -> Iterator[Change]:
    """Without a sum that is there."""
    node = place.node
    says = "the sum over {} is " + what
    if isinstance(node, ast.Call) and node.function in ("sum", "mean", *OTHER_AXIS) and len(node.args) == 1:
        inner = scene.value(node.args[0])
        if inner is not None and inner.size > 1:
            yield Change(node.args[0], 1.15, says, (_over(node, inner.shape, scene),), node)
    if isinstance(node, ast.Binary) and node.op in ("@", "*") and place.role != "chain":
        row = factors(node)
        for k, part in enumerate(row):
            if len(row) > 1 and is_ones(part):
                value = scene.value(row[k + 1] if is_ones_row(part) and k + 1 < len(row) else part)
                count = 0 if value is None else value.shape[0] if is_ones_row(part) else max(value.shape)
                over = f"the {scene.size_name(count)} {'rows' if k == 0 else 'columns'}"
                yield Change(product(without(row, k, k + 1)), 1.15, says, (over,), node)


def _over(node: ast.Call, shape: tuple[int, ...], scene: Scene) -> str:
    if 1 in shape:
        return f"the {scene.size_name(max(shape))} entries"
    if node.function in ("rowsum", "rowmean"):
        return f"the {scene.size_name(shape[1])} columns"
    if node.function in ("colsum", "colmean"):
        return f"the {scene.size_name(shape[0])} rows"
    return "all entries" if not node.options else "an axis"


def _summed_up(place: Place, scene: Scene, what: str) -> Iterator[Change]:
    """With a sum that is not there."""
    node = place.node
    value = scene.value(node)
    if value is None or value.size == 1 or place.role in ("operand", "exponent", "base", "argument") or is_ones(node):
        return
    says = "the sum over {} is " + what
    rows, columns = (scene.size_name(n) for n in value.shape)
    whole = "all entries"
    if 1 not in value.shape:
        down, across = product([ONES_ROW, node]), ast.Call("rowsum", (node,))
        yield Change(down, 1.05, says, (f"the {rows} rows",), down)
        yield Change(across, 1.06, says, (f"the {columns} columns",), across)
        yield Change(ast.Transpose(down), 1.4, says, (f"the {rows} rows",), down)
        for function, over in (("colmean", f"the {rows} rows"), ("rowmean", f"the {columns} columns")):
            mean = ast.Call(function, (node,))
            yield Change(mean, 1.08, "the mean over {} is " + what, (over,), mean)
    else:
        whole = f"the {scene.size_name(max(value.shape))} entries"
    every = ast.Call("sum", (node,))
    yield Change(every, 1.07, says, (whole,), every)


def _undo(place: Place, scene: Scene) -> Iterator[Change]:
    yield from _summed_up(place, scene, "missing")
    yield from _summed_off(place, scene, "too much")
    node = place.node
    if isinstance(node, ast.Call) and node.function in OTHER_AXIS:
        other = ast.Call(OTHER_AXIS[node.function], node.args)
        yield Change(other, 1.2, "the sum in {} runs over the wrong axis", (node,), other)


def _commit(place: Place, scene: Scene) -> Iterator[Change]:
    yield from _summed_off(place, scene, "missing")
    if place.role in ("whole", "term"):
        for change in _summed_up(place, scene, "too much"):
            yield Change(change.node, change.cost + 0.3, change.says, change.of)


register(Mistake(
    "sum", "A sum over samples or over an axis is missing, or there is one too many.", _undo, _commit,
    ("repeated", "broadcast", "mean", "sum", "chain rule"),
))  # fmt: skip
