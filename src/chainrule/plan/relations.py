"""Index relations in a product of arrays: looked up or added up where that can be, an array of 0 and 1 where not.

A relation k = Σ c·i + o in a product Σ … over k is a *window* into each array that has k: its axis is replaced by those
of the i (a slice, a shift, a split of an axis, the windows of a convolution). Where k is an index of the result and the
i are summed it is the other way round, an *overlap*: what stands at the i is added up at k. In the same way onehot(ids)
is a *take*, a *pick* (one entry of each row) or a *put*. What is none of these is multiplied as a dense array: slow,
and always right.

Each becomes an opaque node whose attributes are ("", op, (record,), ""), op being one of `STRUCTURAL` and the record
one of the classes below. A target spells them; `sizes_of` says which sizes that needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from chainrule.algebra.relations import relation_of, within
from chainrule.dims import Dim
from chainrule.plan.contraction import Part
from chainrule.plan.graph import Node, Operand
from chainrule.plan.rules import Builder
from chainrule.sizes import minus, symbols_of

__all__ = [
    "STRUCTURAL",
    "Dense",
    "Labels",
    "Overlap",
    "Pick",
    "Put",
    "Scatter",
    "Take",
    "Window",
    "dense_part",
    "gathered",
    "scattered",
    "sizes_of",
]

STRUCTURAL = frozenset({"window", "overlap", "relation", "take", "pick", "put"})


@dataclass(frozen=True, slots=True)
class Window:
    """out[…, i…, …] = x[…, Σ steps·i + offset, …], 0 outside. `inside`: it never is outside."""

    axis: int
    counts: tuple[Dim, ...]
    steps: tuple[Dim, ...]
    offset: Dim
    inside: bool


@dataclass(frozen=True, slots=True)
class Overlap:
    """out[…, Σ steps·i + offset, …] += x[…, i…, …] over the axes from `axis` on, left out outside of `dim`."""

    axis: int
    counts: tuple[Dim, ...]
    steps: tuple[Dim, ...]
    offset: Dim
    dim: Dim


@dataclass(frozen=True, slots=True)
class Dense:
    """1 where the indices are so related, as an array over all of them: Σ steps·i = offset, or ≤."""

    comparison: str
    counts: tuple[Dim, ...]
    steps: tuple[Dim, ...]
    offset: Dim


@dataclass(frozen=True, slots=True)
class Take:
    """out[…, t…, …] = x[…, ids[t…], …]: operands x and ids."""

    axis: int
    classes: Dim
    from_0: bool


@dataclass(frozen=True, slots=True)
class Pick:
    """out[t…, …] = x[t…, …, ids[t…]]: operands x, with the axes of ids in front and the classes last, and ids."""

    classes: Dim
    from_0: bool


@dataclass(frozen=True, slots=True)
class Put:
    """out[ids[t…], …] += x[t…, …]: operands x, with the axes of ids in front, and ids."""

    classes: Dim
    from_0: bool


def sizes_of(node: Node) -> set[str]:
    """The sizes that the code of a structural node needs beside those of its result."""
    if node.op != "opaque" or node.attributes[1] not in STRUCTURAL:
        return set()
    (record,) = node.attributes[2]
    dims: list[Dim] = []
    for name in ("counts", "steps"):
        dims += getattr(record, name, ())
    dims += [getattr(record, name) for name in ("offset", "dim", "classes") if hasattr(record, name)]
    return {s for d in dims for s in symbols_of(d)}


class Labels(NamedTuple):
    """An equation between labels, Σ coefficients·labels = offset; or labels of `ids` with the class label last."""

    name: str  # of the relation's atom; "" for onehot
    labels: tuple[int, ...]
    dims: tuple[Dim, ...]
    ids: Operand | None = None  # over the labels but the last
    from_0: bool = True  # a negative one is refused; else it counts from the end


@dataclass(frozen=True, slots=True)
class Scatter:
    """A relation that is carried out after the product: `pivot` is the result's label, `others` are summed."""

    pivot: int
    others: tuple[int, ...]
    source: Labels


def _make(builder: Builder, op: str, record: object, operands: tuple[Operand, ...], dims: tuple[Dim, ...]) -> Node:
    hints = {"window": "window", "overlap": "sum", "relation": "mask", "take": "rows", "pick": "picked", "put": "sum"}
    hint = operands[0].node.name if operands else ""
    return builder.graph.make(
        "opaque", operands, dims, ("", op, (record,), ""), hint=f"{hint}_{hints[op]}" if hint else hints[op]
    )


def dense_part(builder: Builder, name: str, labels: tuple[int, ...], dims: tuple[Dim, ...]) -> Part:
    """A relation as an array of 0 and 1."""
    comparison, offset, coefficients = relation_of(name)
    return Part(_make(builder, "relation", Dense(comparison, dims, coefficients, offset), (), dims), labels)


def _solved(source: Labels, pivot: int) -> tuple[list[tuple[Dim, int, Dim]], Dim] | None:
    """(coefficient, label, size) of the other labels, and an offset: pivot = Σ c·label + offset."""
    comparison, offset, coefficients = relation_of(source.name)
    place = source.labels.index(pivot)
    if comparison != "=" or coefficients[place] not in (1, -1):
        return None
    positive = coefficients[place] == 1
    others = [
        (minus(0, c) if positive else c, label, dim)
        for k, (c, label, dim) in enumerate(zip(coefficients, source.labels, source.dims, strict=True)) if k != place
    ]  # fmt: skip
    return others, offset if positive else minus(0, offset)


def gathered(
    builder: Builder, parts: list[Part], relations: list[Labels], out: set[int], guess: Callable[[Dim], float]
) -> tuple[list[Part], list[Scatter], set[int]]:
    """The parts after every relation is carried out: by windows and takes, by a `Scatter` to do after the product, or
    as one more part. Returned with the labels that the product keeps."""
    parts, pending = list(parts), list(relations)
    scatters: list[Scatter] = []
    out = set(out)
    while pending:
        options: list[tuple[float, int, int, Labels, int]] = []
        for source in pending:
            rest = [label for other in pending if other is not source for label in other.labels]
            for pivot, dim in zip(source.labels, source.dims, strict=True):
                if pivot in rest or source.labels.count(pivot) > 1:
                    continue
                if _can_gather(source, pivot, parts, out):
                    options.append((guess(dim), 1, len(options), source, pivot))
                elif _can_scatter(source, pivot, parts, out):
                    options.append((guess(dim), 0, len(options), source, pivot))
        if not options:
            source = pending.pop()
            parts.append(_whole(builder, source))
            continue
        _, gather, _, source, pivot = max(options, key=lambda o: (o[0], o[1], -o[2]))
        pending.remove(source)
        if gather:
            parts = [_gather(builder, part, source, pivot) if pivot in part.labels else part for part in parts]
        else:
            others = tuple(label for label in source.labels if label != pivot)
            scatters.append(Scatter(pivot, others, source))
            out = (out - {pivot}) | set(others)
    return parts, scatters, out


def _whole(builder: Builder, source: Labels) -> Part:
    if source.ids is None:
        return dense_part(builder, source.name, source.labels, source.dims)
    classes = source.dims[-1]
    record = Dense("onehot" if source.from_0 else "onehot from the end", source.dims, (), classes)
    return Part(_make(builder, "relation", record, (source.ids,), source.dims), source.labels)


def _can_gather(source: Labels, pivot: int, parts: Iterable[Part], out: set[int]) -> bool:
    holders = [part for part in parts if pivot in part.labels]
    if pivot in out or not holders:
        return False
    others = {label for label in source.labels if label != pivot}
    if source.ids is not None:
        return pivot == source.labels[-1] and all(not others & {*p.labels} or others <= {*p.labels} for p in holders)
    return _solved(source, pivot) is not None and not any(others & {*part.labels} for part in holders)


def _can_scatter(source: Labels, pivot: int, parts: Iterable[Part], out: set[int]) -> bool:
    held = {label for part in parts for label in part.labels}
    others = {label for label in source.labels if label != pivot}
    if pivot not in out or pivot in held or not others or others & out or not others <= held:
        return False
    return pivot == source.labels[-1] if source.ids is not None else _solved(source, pivot) is not None


def _gather(builder: Builder, part: Part, source: Labels, pivot: int) -> Part:
    """The part with the pivot's axis replaced by the other labels."""
    node = builder.real(part.node.whole).node
    axis = part.labels.index(pivot)
    before, after = part.labels[:axis], part.labels[axis + 1 :]
    if source.ids is not None:
        ids_labels = source.labels[:-1]
        classes = source.dims[-1]
        if set(ids_labels) <= {*before, *after} and ids_labels:
            rest = tuple(label for label in (*before, *after) if label not in ids_labels)
            order = (*ids_labels, *rest, pivot)
            size = dict(zip(part.labels, node.dims, strict=True))
            turned = Operand(node, tuple(order.index(label) for label in part.labels))
            made = _make(
                builder,
                "pick",
                Pick(classes, source.from_0),
                (turned, source.ids),
                tuple(size[label] for label in order[:-1]),
            )
            return Part(made, order[:-1])
        dims = (*node.dims[:axis], *source.dims[:-1], *node.dims[axis + 1 :])
        made = _make(builder, "take", Take(axis, classes, source.from_0), (node.whole, source.ids), dims)
        return Part(made, (*before, *ids_labels, *after))
    solved = _solved(source, pivot)
    assert solved is not None
    others, offset = solved
    terms = [(c, (k, dim)) for k, (c, _, dim) in enumerate(others)]
    counts = tuple(dim for _, _, dim in others)
    inside = within(terms, offset, node.dims[axis])
    record = Window(axis, counts, tuple(c for c, _, _ in others), offset, inside)
    dims = (*node.dims[:axis], *counts, *node.dims[axis + 1 :])
    return Part(
        _make(builder, "window", record, (node.whole,), dims), (*before, *(label for _, label, _ in others), *after)
    )


def scattered(builder: Builder, part: Part, scatters: Iterable[Scatter]) -> Part:
    """The product with what was held back: entries added up at their places."""
    for scatter in scatters:
        node = builder.real(part.node.whole).node
        size = dict(zip(part.labels, node.dims, strict=True))
        rest = tuple(label for label in part.labels if label not in scatter.others)
        source = scatter.source
        order = (*scatter.others, *rest)
        turned = Operand(node, tuple(order.index(label) for label in part.labels))
        dim = source.dims[source.labels.index(scatter.pivot)]
        dims = (dim, *(size[label] for label in rest))
        if source.ids is not None:
            made = _make(builder, "put", Put(dim, source.from_0), (turned, source.ids), dims)
        else:
            solved = _solved(source, scatter.pivot)
            assert solved is not None
            others, offset = solved
            assert tuple(label for _, label, _ in others) == scatter.others
            record = Overlap(0, tuple(d for _, _, d in others), tuple(c for c, _, _ in others), offset, dim)
            made = _make(builder, "overlap", record, (turned,), dims)
        part = Part(made, (scatter.pivot, *rest))
    return part
