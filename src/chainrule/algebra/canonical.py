"""Canonical names for bound indices: two monomials that differ in the names of summed indices become one tuple.

The factors of a monomial form a graph: indices are its nodes, atoms its labelled (hyper)edges. A monomial is split into
connected components; within one, colours are refined (an index is told apart by the atoms, positions, powers and
neighbours it has) and where a tie remains, each of the tied ones goes first once; the smallest result is taken. Trying
all orders of the indices fails: an 8-cycle takes 2 s (see DESIGN). Results are remembered.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from chainrule.algebra.relations import in_order, place_class
from chainrule.dims import Dim

__all__ = ["canonical_bound"]

Index = tuple[int, Dim]
Atom = tuple[str, Any, tuple[Index, ...]]
Factor = tuple[Atom, "int | Fraction"]

_memory: dict[tuple[Factor, ...], tuple[tuple[Factor, ...], tuple[Index, ...]]] = {}
_MEMORY_LIMIT = 50_000
_OUTSIDE = -(10**9)


def canonical_bound(factors: list[Factor], bound: set[Index]) -> tuple[tuple[Factor, ...], tuple[Index, ...]]:
    """`factors` sorted, with the indices in `bound` (all of which occur) renamed to (0, size), (1, size), …"""
    if len(bound) == 1:
        (old,) = bound
        new = (0, old[1])
        done = [((h, n, in_order(h, n, tuple([new if i == old else i for i in ix]))), e) for (h, n, ix), e in factors]
        done.sort()
        return tuple(done), (new,)
    # Names by order of appearance first, so that the memory recognises what it has seen.
    appearance: dict[Index, Index] = {}
    outside: dict[
        Index, Index
    ] = {}  # of a wider term that this one will stand in: not summed here, whatever its number
    seen: list[Factor] = []
    for (head, name, indices), exponent in factors:
        new_indices = []
        for i in indices:
            if i in bound:
                if i not in appearance:
                    appearance[i] = (len(appearance), i[1])
                i = appearance[i]
            elif i[0] >= 0:
                i = outside.setdefault(i, (_OUTSIDE - i[0], i[1]))
            new_indices.append(i)
        seen.append(((head, name, tuple(new_indices)), exponent))
    key = tuple(seen)
    known = _memory.get(key)
    if known is None:
        known = _canonical(seen)
        if len(_memory) >= _MEMORY_LIMIT:
            _memory.clear()
        _memory[key] = known
    if outside:
        back = {stand_in: index for index, stand_in in outside.items()}
        moved = [((h, n, in_order(h, n, tuple([back.get(i, i) for i in ix]))), e) for (h, n, ix), e in known[0]]
        return tuple(sorted(moved)), known[1]
    return known


def _canonical(factors: list[Factor]) -> tuple[tuple[Factor, ...], tuple[Index, ...]]:
    """Canonicalise each connected component by itself, then put them in order."""
    loose, components = _components(factors)
    named = sorted((_canonical_component(c) for c in components), key=_sort_key)
    result, offset = loose, 0
    bound: list[Index] = []
    for part, dims in named:
        result = result + [
            ((h, n, in_order(h, n, tuple([(i[0] + offset, i[1]) if i[0] >= 0 else i for i in ix]))), e)
            for (h, n, ix), e in part
        ]
        bound += [(k + offset, dim) for k, dim in enumerate(dims)]
        offset += len(dims)
    return tuple(sorted(result)), tuple(bound)


def _components(factors: list[Factor]) -> tuple[list[Factor], list[list[Factor]]]:
    """Factors without bound indices, and the groups of factors that share bound indices."""
    loose: list[Factor] = []
    groups: list[tuple[set[Index], list[Factor]]] = []
    for factor in factors:
        mine = {i for i in factor[0][2] if i[0] >= 0}
        if not mine:
            loose.append(factor)
            continue
        members = [factor]
        apart = []
        for indices, group in groups:
            if indices & mine:
                mine |= indices
                members = group + members
            else:
                apart.append((indices, group))
        groups = [*apart, (mine, members)]
    return loose, [group for _, group in groups]


def _sort_key(component: tuple[list[Factor], list[Dim]]) -> tuple[Any, ...]:
    return tuple(_comparable(factor) for factor in component[0])


def _comparable(factor: Factor) -> tuple[Any, ...]:
    (head, name, indices), exponent = factor
    return (head, str(name), tuple((i, str(d)) for i, d in indices), exponent)


def _canonical_component(factors: list[Factor]) -> tuple[list[Factor], list[Dim]]:
    bound = sorted({i for (_, _, ix), _ in factors for i in ix if i[0] >= 0})
    labels = [(head, str(name), exponent) for (head, name, _), exponent in factors]
    colours = _refine(dict.fromkeys(bound, 0), factors, labels)
    return _search(colours, factors, labels)


def _refine(colours: dict[Index, int], factors: list[Factor], labels: list[tuple[str, str, Any]]) -> dict[Index, int]:
    """Split classes of indices by what surrounds them until nothing splits any more."""
    classes = len(set(colours.values()))
    while True:
        around: dict[Index, list[Any]] = {i: [] for i in colours}
        for ((head, name, indices), _), label in zip(factors, labels, strict=True):
            neighbours = tuple((1, colours[i]) if i[0] >= 0 else (0, i[0]) for i in indices)
            if head == "rel":  # indices with one coefficient may change places
                classes_ = [place_class(head, name, p) for p in range(len(indices))]
                neighbours = tuple(sorted(zip(classes_, neighbours, strict=True)))  # type: ignore[arg-type]
                for position, i in zip(classes_, indices, strict=True):
                    if i[0] >= 0:
                        around[i].append((label, position, neighbours, ()))
                continue
            for position, i in enumerate(indices):
                if i[0] >= 0:
                    same = tuple(p for p, j in enumerate(indices) if j == i)
                    around[i].append((label, position, neighbours, same))
        signatures = {i: (colours[i], str(i[1]), tuple(sorted(around[i]))) for i in colours}
        ranks = {s: r for r, s in enumerate(sorted(set(signatures.values())))}
        colours = {i: ranks[s] for i, s in signatures.items()}
        if len(ranks) == classes or len(ranks) == len(colours):
            return colours
        classes = len(ranks)


def _search(
    colours: dict[Index, int], factors: list[Factor], labels: list[tuple[str, str, Any]]
) -> tuple[list[Factor], list[Dim]]:
    """Break ties by trying each member of the first tied class; keep the smallest outcome."""
    classes: dict[int, list[Index]] = {}
    for index, colour in colours.items():
        classes.setdefault(colour, []).append(index)
    tied = min((c for c, members in classes.items() if len(members) > 1), default=None)
    if tied is None:
        order = sorted(colours, key=colours.__getitem__)
        mapping = {old: (new, old[1]) for new, old in enumerate(order)}
        named = [((h, n, in_order(h, n, tuple([mapping.get(i, i) for i in ix]))), e) for (h, n, ix), e in factors]
        return sorted(named, key=_comparable), [i[1] for i in order]
    best: tuple[list[Factor], list[Dim]] | None = None
    for first in classes[tied]:
        split = {i: 2 * c + (1 if c == tied and i != first else 0) for i, c in colours.items()}
        outcome = _search(_refine(split, factors, labels), factors, labels)
        if best is None or _sort_key(outcome) < _sort_key(best):
            best = outcome
    assert best is not None
    return best
