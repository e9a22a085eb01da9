"""Which contractions are matrix products C = A B that one call of a BLAS does, and how their axes lie for it.

Several axes that lie next to each other in the same order, in both arrays that have them, are one axis to a BLAS. What
is left over is looped around the call: samples and heads, or a second summed axis. Transposes cost nothing: of each
array one of the two axes must be the last in memory. Where no choice fits, the contraction is a loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.plan.contraction import contraction_form
from chainrule.plan.graph import Node
from chainrule.plan.slices import Slice

__all__ = ["Product", "matrix_product"]

Labels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """result[rows, columns] = Σ_inner left[rows, inner] right[inner, columns], for each value of the `outer` labels.

    Labels are those of the node: axes of the result from 0, then the summed ones. `left` and `right`: positions of the
    operands (a result whose rows are last in memory is formed transposed: the operands change places).
    `transpose_left`: rows, not inner, are last in memory of the left operand. `transpose_right`: inner is last.
    `outer` labels that are summed come last; they accumulate.
    """

    left: int
    right: int
    rows: Labels
    columns: Labels
    inner: Labels
    outer: Labels
    transpose_left: bool
    transpose_right: bool


def matrix_product(node: Node, slices: Mapping[Node, Slice] | None = None) -> Product | None:
    """How a contract node is a matrix product; None where it is not one (or only a vector times something).

    `slices`: the arrays that are parts of others, with gaps between their rows.
    """
    form = contraction_form(node)
    if not form.left or not form.right or not form.summed:
        return None
    result = tuple(range(node.rank))
    last = result[-1]
    if last in form.batch:
        return None
    left, right = (0, 1) if last in form.right else (1, 0)
    rows_of, columns_of = (form.left, form.right) if left == 0 else (form.right, form.left)
    a, b = node.operands[left].axes, node.operands[right].axes
    apart = {o.axes[o.node.attributes[0]] for o in node.operands if o.node.op == "rows"}  # some rows of a larger array
    for other in (*node.operands, node.whole):
        part = (slices or {}).get(other.node)
        if part is not None:
            if not part.dense:
                return None
            apart |= {other.axes[k] for k in part.breaks}
    best: Product | None = None
    for columns in _runs(columns_of, b, result, apart):
        if columns[-1] != last:
            continue
        for inner in _runs(form.summed, a, b, apart):
            if b[-1] not in (columns[-1], inner[-1]):
                continue
            for rows in _runs(rows_of, a, result, apart):
                if a[-1] not in (rows[-1], inner[-1]):
                    continue
                used = {*rows, *columns, *inner}
                outer = tuple(label for label in (*result, *form.summed) if label not in used)
                if best is None or len(outer) < len(best.outer):
                    best = Product(left, right, rows, columns, inner, outer, a[-1] == rows[-1], b[-1] == inner[-1])
    return best


def _runs(labels: Labels, first: Labels, second: Labels, apart: set[int]) -> list[Labels]:
    """Runs of `labels` that are next to each other, in one order, in both arrays; longer ones first.

    `apart`: labels that can only begin a run.
    """
    found = []
    for start in range(len(first)):
        for stop in range(start + 1, len(first) + 1):
            run = first[start:stop]
            if not set(run) <= set(labels) or set(run[1:]) & apart:
                break
            at = second.index(run[0])
            if second[at : at + len(run)] == run:
                found.append(run)
    return sorted(found, key=len, reverse=True)
