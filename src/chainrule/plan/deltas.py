"""Kronecker deltas between free indices: an array of zeros (or another array) with something on its diagonal."""

from __future__ import annotations

from chainrule.algebra.expr import Factor, Index
from chainrule.plan.contraction import Part
from chainrule.plan.graph import Operand
from chainrule.plan.rules import Builder

__all__ = ["embed"]


def embed(
    builder: Builder, value: Part, deltas: list[Factor], labels: dict[Index, int], base: Part | None = None
) -> Part:
    """Zeros (or `base`) plus `value` where the indices of each delta are equal. Covers all free labels."""
    group = {label: label for label in labels.values()}

    def root(label: int) -> int:
        while group[label] != label:
            label = group[label]
        return label

    for (_, _, (left, right)), _ in deltas:
        a, b = sorted((root(labels[left]), root(labels[right])))
        group[b] = a
    roots = [root(label) for label in sorted(labels.values())]
    distinct = sorted(set(roots))
    place = {label: k for k, label in enumerate(distinct)}
    value = Part(builder.real(value.node.whole).node, tuple(place[root(label)] for label in value.labels))
    dims = tuple(index[1] for index, _ in sorted(labels.items(), key=lambda item: item[1]))
    follow = tuple(place[r] for r in roots)
    everything = tuple(range(len(dims)))
    if base is None:
        return Part(builder.graph.make("embed", (Operand(*value),), dims, (follow,), hint="diag"), everything)
    if base.labels != everything:
        full = builder.graph.make("broadcast", (Operand(base.node, base.labels),), dims)
        base = Part(full, everything)
    operands = (Operand(base.node, base.labels), Operand(*value))
    return Part(builder.graph.make("add_embed", operands, dims, (follow,), hint="diag"), everything)
