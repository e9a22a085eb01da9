"""Index relations as parts of arrays: what a term says by 1[k = i + o] is a slice of what is summed, or a block of what
is written.

    Σₖ 1[k = i + o] x[k]      where i is the shorter: x[o+1:o+n], `cut_out` of the names that have k
    Σₖ 1[i = k + o] x[k]      where i is free and the longer: x stands from o on, `parted` by these places

Two-index relations with coefficients 1 and −1 that never leave the range, and entries at a fixed position. All others,
such as windows, have no such form: `Irreducible`.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.algebra.expr import Expr, Factor, Index, Monomial, add, fresh_bound, monomial
from chainrule.algebra.program import is_anonymous
from chainrule.algebra.relations import RELATION, relation, relation_of, solution, within
from chainrule.dims import Dim
from chainrule.notation.forms import Irreducible
from chainrule.notation.parts import Cut
from chainrule.sizes import minus, never_negative, plus, polynomial

__all__ = ["Part", "cut_out", "in_layers", "is_placed", "parted"]


@dataclass(slots=True)
class Part:
    """What stands at `length` positions from `start` on; `expression` is over an index of that size with the number
    that the whole one has. alone: the length is 1 and the expression has no such index.
    """

    start: Dim
    length: Dim
    alone: bool
    expression: Expr

    @property
    def end(self) -> Dim:
        """The first position behind it."""
        return plus(self.start, self.length)


def is_placed(key: Monomial, index: Index) -> bool:
    """True where a relation says at which positions of this free index the term stands."""
    return any(_is_place(key, factor, index) for factor in key[0])


def _is_place(key: Monomial, factor: Factor, index: Index) -> bool:
    (head, name, indices), _ = factor
    if head != RELATION or index not in indices or str(name)[0] != "=":  # 1[i ≤ j] is a triangle
        return False
    if len(indices) == 2:
        other = indices[0] if indices[1] == index else indices[1]
        found = solution((head, str(name), indices), other)  # other = index + o: a slice, if that is always inside
        if found is not None and other[0] >= 0 and _is_slice(key[0], found, other):
            return False
    return True


def _is_slice(factors: tuple[Factor, ...], found: tuple[list[tuple[Dim, Index]], Dim], index: Index) -> bool:
    """True where what has the index may be cut: it never leaves the range, or the formula and the cut name, x[2:4] of
    an x of n numbers, are both 0 where x is too short."""
    terms, start = found
    if within(terms, start, index[1]):
        return True
    return (
        len(terms) == 1
        and terms[0][0] == 1
        and isinstance(terms[0][1][1], int)
        and isinstance(index[1], str)
        and isinstance(start, int)
        and start >= 0
        and all(
            head == RELATION
            or (head == "" and isinstance(exponent, int) and exponent > 0 and not is_anonymous(str(name)))
            for (head, name, indices), exponent in factors
            if index in indices
        )
    )


def parted(expression: Expr, index: Index) -> tuple[list[Part], Expr]:
    """The parts along a free index, as one where they stand at the same positions, and what stands everywhere."""
    parts: dict[tuple[Dim, Dim, bool], Part] = {}
    rest: Expr = {}
    for key, coefficient in expression.items():
        places = [f for f in key[0] if _is_place(key, f, index)]
        if not places:
            rest[key] = coefficient
            continue
        if len(places) > 1:
            raise Irreducible
        start, length, value = _part(key, places[0], index)
        alone = length is None
        size: Dim = 1 if length is None else length
        value = {k: v * coefficient for k, v in value.items()}
        known = parts.setdefault((start, size, alone), Part(start, size, alone, {}))
        known.expression = add(known.expression, value)
    return list(parts.values()), rest


def _part(key: Monomial, place: Factor, index: Index) -> tuple[Dim, Dim | None, Expr]:
    """Where a term stands along the index, and what stands there."""
    (_, name, indices), _ = place
    comparison, offset, coefficients = relation_of(str(name))
    factors, bound = [f for f in key[0] if f != place], list(key[1])
    if comparison != "=" or len(indices) > 2 or any(c not in (1, -1) for c in coefficients):
        raise Irreducible
    if len(indices) == 1:
        start = offset if coefficients[0] == 1 else minus(0, offset)
        return start, None, _written(factors, bound, index, None, start)
    found = solution(place[0], index)  # type: ignore[arg-type]
    if found is None:
        raise Irreducible
    ((sign, other),), start = found
    if sign != 1 or not (_at_least(start, 0) and _at_least(minus(index[1], start), other[1])):
        raise Irreducible
    here: Index = (index[0], other[1])
    if other[0] < 0:
        factors.append((("δ", "", (min(here, other), max(here, other))), 1))
    else:
        factors = [((h, n, tuple(here if i == other else i for i in ix)), e) for (h, n, ix), e in factors]
        bound.remove(other)
    return start, other[1], _written(factors, bound, index, here, start)


def _written(factors: list[Factor], bound: list[Index], index: Index, here: Index | None, start: Dim) -> Expr:
    """The term at these positions: names that have the whole index are cut."""
    if any(index in ix for (_, _, ix), _ in factors):
        if any(h in (RELATION, "δ") and index in ix for (h, _, ix), _ in factors):
            raise Irreducible
        inner = fresh_bound(index[1])
        factors = [((h, n, tuple(inner if i == index else i for i in ix)), e) for (h, n, ix), e in factors]
        terms: list[tuple[Dim, Index]] = [(1, inner)] if here is None else [(1, inner), (-1, here)]
        factors.append((relation("=", terms, start), 1))
        bound = [*bound, inner]
    return monomial(1, factors, bound)


def _at_least(left: Dim, right: Dim) -> bool:
    return never_negative(polynomial(minus(left, right)))


def in_layers(parts: list[Part]) -> list[list[Part]]:
    """Layers of parts that do not overlap, in their order: as many as it takes."""
    layers: list[list[Part]] = []
    for part in parts:
        for layer in layers:
            before = [other for other in layer if _at_least(part.start, other.end)]
            if (
                all(_at_least(other.start, part.end) for other in layer[len(before) :])
                and layer[: len(before)] == before
            ):
                layer.insert(len(before), part)
                break
        else:
            layers.append([part])
    return layers


def cut_out(key: Monomial) -> tuple[list[Factor], list[Index], dict[Index, tuple[Index | None, Cut]]]:
    """The term without its relations: factors, summed indices, and what each index that is replaced stands for: the
    index in its place and the positions. Raises Irreducible.
    """
    pending = [f[0] for f in key[0] if f[0][0] == RELATION and str(f[0][1])[0] == "="]
    factors = [f for f in key[0] if f[0] not in pending]
    held = [i for _, _, indices in pending for i in indices]
    cuts: dict[Index, tuple[Index | None, Cut]] = {}
    bound = list(key[1])
    for atom in pending:
        options = [i for i in atom[2] if i in bound and i not in cuts]
        for index in sorted(options, key=held.count):
            found = solution(atom, index)  # type: ignore[arg-type]
            if found is None or not _is_slice(key[0], found, index):
                continue
            terms, start = found
            if not terms:
                cuts[index] = (None, Cut(start, None))
                break
            if len(terms) == 1 and terms[0][0] == 1:
                other = terms[0][1]
                cuts[index] = (other, Cut(start, other[1]))
                break
        else:
            raise Irreducible
    for index in cuts:  # a slice of a slice
        seen = {index}
        while (middle := cuts[index][0]) is not None and middle in cuts:
            if middle in seen:
                raise Irreducible
            seen.add(middle)
            end, inner = cuts[middle]
            cuts[index] = (end, Cut(plus(cuts[index][1].start, inner.start), inner.length))
    if any(h in ("δ", RELATION) and set(ix) & cuts.keys() for (h, _, ix), _ in factors):
        raise Irreducible
    bound = [i for i in bound if i not in cuts]
    return factors, bound, cuts
