"""Chunks: products that several terms share through summed indices, B X in B X C + Bᵀ X.

`shared` finds what two terms share, `split` what is left of each, in the first one's letters, and which indices join
the two halves; `lookups_parted` says how much longer a table lookup gets where its table is taken away.
"""

from __future__ import annotations

from chainrule.algebra.expr import Atom, Factor, Index, Monomial, fresh_bound
from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.relations import CONSTANTS, INDICATORS
from chainrule.functions.operations import defined_by

__all__ = ["lookups_parted", "shared", "split"]

LOOKED_UP, CLASSES = 0.5, 1.1  # by how much onehot(ids) E is longer than E[ids], and onehot(ids, V) than onehot(ids)


def shared(first: Monomial, other: Monomial) -> list[tuple[frozenset[int], frozenset[int], dict[Index, Index]]]:
    """Sets of factors (positions in both) that agree under a renaming of the second term's summed indices."""
    out = []
    for p, (atom, e) in enumerate(first[0]):
        if atom[0] in CONSTANTS or not any(i[0] >= 0 for i in atom[2]):
            continue
        for q, (partner, f) in enumerate(other[0]):
            mapping = _agree({}, partner, atom) if e == f else None
            if mapping is None:
                continue
            mine, theirs = {p}, {q}
            grown = True
            while grown:
                grown = False
                for p2, (a2, e2) in enumerate(first[0]):
                    if p2 in mine or a2[0] in CONSTANTS:
                        continue
                    for q2, (b2, f2) in enumerate(other[0]):
                        wider = _agree(mapping, b2, a2) if q2 not in theirs and e2 == f2 else None
                        if wider is not None:
                            mine.add(p2)
                            theirs.add(q2)
                            mapping, grown = wider, True
                            break
            out.append((frozenset(mine), frozenset(theirs), mapping))
    return out


def lookups_parted(key: Monomial, taken: frozenset[int], program: Program) -> float:
    """How much longer it gets where a name is taken away from the onehot(ids, V) before it: they are written E[ids]."""
    factors, bound = key
    cost = 0.0
    for position, ((head, name, indices), exponent) in enumerate(factors):
        if position in taken or head or exponent != 1 or not indices or indices[-1] not in bound:
            continue
        operation = defined_by(program, str(name))
        if operation is None or operation.op != "onehot" or is_anonymous(operation.args[0]):
            continue
        holders = [p for p, ((_, _, ix), _) in enumerate(factors) if indices[-1] in ix and p != position]
        if len(holders) == 1 and holders[0] in taken and _has_rows(factors[holders[0]], indices[-1]):
            cost += LOOKED_UP + (CLASSES if program.equations[str(name)].source is None else 0)
    return cost


def _has_rows(factor: Factor, index: Index) -> bool:
    """True for a name whose first axis this is: E[ids] are rows, and columns of E have no such notation."""
    (head, name, places), exponent = factor
    return not head and exponent == 1 and places[0] == index and not is_anonymous(str(name))


def _agree(mapping: dict[Index, Index], source: Atom, target: Atom) -> dict[Index, Index] | None:
    if source[:2] != target[:2]:
        return None
    new = dict(mapping)
    for s, t in zip(source[2], target[2], strict=True):
        if s[0] < 0 or t[0] < 0:
            if s != t:
                return None
        elif new.setdefault(s, t) != t:
            return None
    return new if len(set(new.values())) == len(new) else None


def split(
    first: Monomial, mine: frozenset[int], group: list[tuple[Monomial, dict[Index, Index], frozenset[int]]]
) -> tuple[set[Index], list[tuple[list[Factor], list[Index]]]] | None:
    """The indices that chunk and remainders share, and the remainders in the first term's names; None if none fits."""
    inner = {i for p in mine for i in first[0][p][0][2] if i[0] >= 0}
    remainders: list[tuple[list[Factor], list[Index]]] = []
    interfaces: list[frozenset[Index]] = []
    bare: list[int] = []
    for key, mapping, positions in [(first, {i: i for i in first[1]}, mine), *group]:
        names = dict(mapping)
        for index in key[1]:
            if index not in names:
                names[index] = fresh_bound(index[1])
        rest = [
            ((h, n, tuple(names.get(i, i) for i in ix)), e)
            for p, ((h, n, ix), e) in enumerate(key[0]) if p not in positions
        ]  # fmt: skip
        if any(a[0] in INDICATORS for a, _ in rest):
            return None
        if all(a[0] in ("#", "n") for a, _ in rest):
            bare.append(len(remainders))
        used = {i for (_, _, ix), _ in rest for i in ix if i[0] >= 0}
        interfaces.append(frozenset(used & inner))
        remainders.append((rest, [i for i in names.values() if i in used]))
    others = {face for position, face in enumerate(interfaces) if position not in bare}
    if len(others) != 1:
        return None
    (interface,) = others
    if bare and interface:  # a 1 in the bracket may stand for a summed index, Aᵀ (1 − h²), beside what has all of them
        held = [_held(rest) for position, (rest, _) in enumerate(remainders) if position not in bare]
        if len(bare) > 1 or any(own != held[0] for own in held):
            return None
    return set(interface), remainders


def _held(factors: list[Factor]) -> set[Index]:
    """The indices, summed and free, that these factors have."""
    return {i for (_, _, indices), _ in factors for i in indices}
