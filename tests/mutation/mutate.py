"""Wrong claims about the forty programs: every mistake at every right formula, where it changes the value.

A mutant counts if its sizes clash, or if its value differs clearly from the right derivative in the layout that it
claims (in every layout, if it claims none): `Subject` decides that, by evaluation. Two mistakes about one derivative
that come to the same value are one mistake with two names, and either may be given (`share_names`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.language.printer import print_expression
from mutation.mistakes import KINDS, Wrong
from mutation.oracle import APART, Array, Clash, apart, distance, subject
from mutation.places import Place, right_formulas
from mutation.programs import PROGRAMS


@dataclass(frozen=True)
class Mutant:
    """A wrong claim. `values`: at random points, or None where the sizes clash."""

    program: str
    kind: str
    claim: str
    layout: str | None
    accepted: frozenset[str]
    note: str
    right: str
    values: list[Array] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        layout = f" [{self.layout}]" if self.layout else ""
        return f"{self.program}: {self.claim}{layout} ({self.note}; right: {self.right})"


@cache
def mutants(name: str) -> tuple[Mutant, ...]:
    """All wrong claims about one program, without repetition."""
    s = subject(name)
    pools: dict[str, dict[tuple[str, str | None], Mutant]] = {}
    for place in right_formulas(s):
        found = pools.setdefault(place.of, {})
        for kind, make in KINDS.items():
            if place.kinds and kind not in place.kinds:
                continue
            for one in make(place):
                made = mutant(place, kind, one)
                if made is None:
                    continue
                key = (made.claim, made.layout)
                if key in found:
                    found[key] = replace(found[key], accepted=found[key].accepted | made.accepted)
                else:
                    found[key] = made
    return tuple(m for found in pools.values() for m in share_names(list(found.values())))


def mutant(place: Place, kind: str, one: Wrong) -> Mutant | None:
    """The claim, or None where it cannot be read or is right after all."""
    s = place.subject
    text = print_expression(one.node)
    try:
        values = s.values(s.parse(text))
    except Clash:
        values = None
    except ChainruleError:
        return None
    if values is not None:
        if not all(np.isfinite(v).all() for v in values):
            return None
        target = s.target(place.of)
        layouts = [one.layout] if one.layout else ["shape", "numerator"]
        if not all(apart(values, target[x]) for x in layouts):
            return None
    right = print_expression(place.node)
    return Mutant(s.name, kind, f"{place.left} = {text}", one.layout, one.accepted, one.note, right, values)


def share_names(found: list[Mutant]) -> list[Mutant]:
    """Mutants of one derivative that have the same value are one mistake: any of its names will do."""
    out = []
    for m in found:
        names = set(m.accepted)
        for other in found:
            if other is not m and other.layout == m.layout and equal(m.values, other.values):
                names |= other.accepted
        out.append(replace(m, accepted=frozenset(names)))
    return out


def equal(a: list[Array] | None, b: list[Array] | None) -> bool:
    if a is None or b is None:
        return False
    return all(distance(x, y) < APART for x, y in zip(a, b, strict=True))


@cache
def twice_wrong(name: str, count: int) -> tuple[Mutant, ...]:
    """Claims with two mistakes, which may not cancel out. What they are called is nobody's business."""
    s = subject(name)
    rng = random.Random(name)
    formulas = list(right_formulas(s))
    out: list[Mutant] = []
    for _ in range(60 * count):
        if len(out) == count:
            break
        place = rng.choice(formulas)
        first, second = rng.sample([make for kind, make in KINDS.items() if kind != "layout"], 2)
        spoiled = list(first(place))
        again = list(second(replace(place, node=rng.choice(spoiled).node))) if spoiled else []
        made = mutant(place, "two", rng.choice(again)) if again else None
        if made is not None:
            out.append(made)
    return tuple(out)


def share(number: int, shares: int, most: int = 3) -> list[Mutant]:
    """One of `shares` parts of a fixed choice: at most `most` mutants for each program and kind."""
    chosen: list[Mutant] = []
    for place, name in enumerate(PROGRAMS):
        if place % shares != number:
            continue
        for kind in KINDS:
            own = [m for m in mutants(name) if m.kind == kind]
            step = max(1, -(-len(own) // most))
            chosen += own[place % step :: step][:most]
    return chosen
