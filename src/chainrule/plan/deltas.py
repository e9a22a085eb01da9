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
    """Zeros (or `base`) plus `value` where the indices of each delta are equal.

    It covers the labels of these only: along any other it is constant, and is repeated where somebody needs it so.
    """
    own = {labels[index] for (_, _, pair), _ in deltas for index in pair} | set(value.labels)
    own |= set(base.labels) if base is not None else set()
    group = {label: label for label in own}

    def root(label: int) -> int:
        while group[label] != label:
            label = group[label]
        return label

    for (_, _, (left, right)), _ in deltas:
        a, b = sorted((root(labels[left]), root(labels[right])))
        group[b] = a
    covered = tuple(sorted(own))
    roots = [root(label) for label in covered]
    distinct = sorted(set(roots))
    place = {label: k for k, label in enumerate(distinct)}
    value = Part(builder.real(value.node.whole).node, tuple(place[root(label)] for label in value.labels))
    size = {label: index[1] for index, label in labels.items()}
    dims = tuple(size[label] for label in covered)
    follow = tuple(place[r] for r in roots)
    if base is None:
        return Part(builder.graph.make("embed", (Operand(*value),), dims, (follow,), hint="diag"), covered)
    where = tuple(covered.index(label) for label in base.labels)
    lies = Operand(base.node, where)
    if where != tuple(range(len(dims))):
        lies = builder.graph.make("broadcast", (lies,), dims).whole
    return Part(builder.graph.make("add_embed", (lies, Operand(*value)), dims, (follow,), hint="diag"), covered)
