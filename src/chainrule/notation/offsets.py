"""Index relations as people write them: x[i+1] for Σₖ 1[k = i + 1] x[k], and 1[k = 2i+a] where no index can go.

Inside, positions count from 0; what is read counts from 1, so Σ c·i = o is read Σ c·i = o + Σ c. An index that is
summed is replaced by what it equals, if what has it is 0 outside of the range: an entry of a name, by the convention
that is said once ("what lies outside is 0"), or anything where the index always lies inside. E[ids[t],j] is written for
Σₖ onehot(ids)[t,k] E[k,j]; the values of ids count from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from chainrule.algebra.expr import Factor, Index
from chainrule.algebra.program import Program
from chainrule.algebra.relations import relation_of, within
from chainrule.dims import Dim, display_name
from chainrule.functions.operations import defined_by
from chainrule.notation import tree
from chainrule.notation.tree import Node
from chainrule.sizes import minus, plus, spoken, times

__all__ = ["OUTSIDE", "Places", "affine_text", "has_offsets", "place_relations", "relation_node"]

OUTSIDE = "an entry whose index lies outside of its range is 0"

Terms = list[tuple[Dim, Index]]


class Places:
    """What was placed: the indices that are no longer summed, with what they equal; the relations that are left."""

    def __init__(self) -> None:
        self.equal: dict[Index, tuple[Terms, Dim]] = {}
        self.looked_up: dict[Index, tuple[str, tuple[Index, ...]]] = {}  # ids[t]
        self.left: list[tuple[str, Terms, Dim]] = []

    def letters(self, names: Mapping[Index, str]) -> dict[Index, str]:
        """The text of every index that was placed: i+1, 2i+a-2, ids[t]."""
        found = {index: affine_text(*value, names) for index, value in self.equal.items()}
        known = {**names, **found}
        for index, (ids, own) in self.looked_up.items():
            letters = ",".join(known[i] for i in own)
            found[index] = display_name(ids) + (f"[{letters}]" if letters else "")
        return found

    def behind(self, indices: Iterable[Index]) -> set[Index]:
        """These indices, and those that stand in what they were replaced by."""
        found: set[Index] = set()
        for index in indices:
            if index in self.equal:
                found |= self.behind(i for _, i in self.equal[index][0])
            elif index in self.looked_up:
                found |= self.behind(self.looked_up[index][1])
            else:
                found.add(index)
        return found

    def placed(self) -> set[Index]:
        """The indices that are no longer summed."""
        return {*self.equal, *self.looked_up}


def place_relations(program: Program, factors: tuple[Factor, ...], bound: tuple[Index, ...]) -> Places:
    """Replace what can be replaced."""
    out = Places()
    pending: list[tuple[str, Terms, Dim]] = []
    for (head, name, indices), _ in factors:
        if head == "rel":
            comparison, offset, coefficients = relation_of(str(name))
            pending.append((comparison, list(zip(coefficients, indices, strict=True)), offset))
    while pending:
        options: list[tuple[int, int, int, int, Index, tuple[Terms, Dim]]] = []
        for k, (comparison, terms, offset) in enumerate(pending):
            for c, index in terms if comparison == "=" else ():
                if c in (1, -1) and index in bound and index not in out.equal:
                    value = _solved(terms, offset, c, index)
                    if _vanishes(program, factors, index) or within(*value, index[1]):
                        negative = sum(str(d).startswith("-") for d, _ in value[0])
                        options.append((negative, _holder(program, factors, index), len(options), k, index, value))
        if not options:
            break
        _, _, _, k, index, value = min(options, key=lambda o: o[:3])
        del pending[k]
        pending = [(s, *_put(terms, offset, index, value)) for s, terms, offset in pending]
        for other, old in list(out.equal.items()):
            terms, minus_offset = _put(old[0], minus(0, old[1]), index, value)
            out.equal[other] = (terms, minus(0, minus_offset))
        out.equal[index] = value
    out.left = pending
    held = {i for _, terms, _ in pending for _, i in terms}
    for (head, name, indices), exponent in factors:  # E[ids[t],j]
        operation = defined_by(program, str(name)) if head == "" else None
        if operation is None or operation.op != "onehot" or exponent != 1:
            continue
        index, own = indices[-1], indices[:-1]
        used = {i for terms, _ in out.equal.values() for _, i in terms}
        others = [f for f in factors if f[0] != (head, name, indices)]
        alone = index in bound and index not in own and index not in held | used | out.equal.keys()
        if alone and _vanishes(program, tuple(others), index):
            out.looked_up[index] = (operation.args[0], own)
    return out


def has_offsets(factors: tuple[Factor, ...]) -> bool:
    """True where a term has an index relation."""
    return any(atom[0] == "rel" for atom, _ in factors)


def _solved(terms: Terms, offset: Dim, c: Dim, index: Index) -> tuple[Terms, Dim]:
    if c == 1:
        return [(minus(0, d), i) for d, i in terms if i != index], offset
    return [(d, i) for d, i in terms if i != index], minus(0, offset)


def _put(terms: Terms, offset: Dim, index: Index, value: tuple[Terms, Dim]) -> tuple[Terms, Dim]:
    """Σ terms = offset after index := Σ value + o."""
    total: dict[Index, Dim] = {}
    for c, i in terms:
        if i != index:
            total[i] = plus(total.get(i, 0), c)
            continue
        for d, j in value[0]:
            total[j] = plus(total.get(j, 0), times(c, d))
        offset = minus(offset, times(c, value[1]))
    return [(c, i) for i, c in total.items() if c != 0], offset


def _vanishes(program: Program, factors: tuple[Factor, ...], index: Index) -> bool:
    """True where a factor with the index is an entry of a name: by convention 0 outside."""
    return any(
        head == "" and index in indices and exponent > 0 and isinstance(name, str)
        and not name.startswith("%") and indices.count(index) == 1
        for (head, name, indices), exponent in factors
    )  # fmt: skip


def _holder(program: Program, factors: tuple[Factor, ...], index: Index) -> int:
    """Signals and inputs are read at moved places rather than parameters."""
    ranks = {"signal": 0, "param": 2}
    kinds = [
        ranks.get(program.variables[str(name)].kind, 1)
        for (head, name, indices), _ in factors
        if index in indices and isinstance(name, str) and name in program.variables
    ]
    return min(kinds, default=3)


def affine_text(terms: Terms, offset: Dim, names: Mapping[Index, str]) -> str:
    """Σ c·(i − 1) + offset + 1 in letters that count from 1: i+1, 2i+a-2, (i-1)*d+j."""
    return _joined(*_parts(terms, offset, names))


def _parts(terms: Terms, offset: Dim, names: Mapping[Index, str]) -> tuple[str, Dim]:
    """The letters with their coefficients, and the constant beside them."""
    out = ""
    constant: Dim = plus(offset, 1)
    for c, index in sorted(terms, key=lambda t: (str(t[0]).startswith("-"), t[1][0] >= 0)):
        letter = names[index]
        if isinstance(c, int):
            constant = minus(constant, c)
            size = "" if abs(c) == 1 else str(abs(c))
            text = f"{size}{letter}" if letter.isidentifier() or c == 1 else f"{size}({letter})"
            sign = "-" if c < 0 else "+"
        else:
            negative = str(c).startswith("-")
            text = f"{_compact(minus(0, c) if negative else c)}*({letter}-1)"
            sign = "-" if negative else "+"
        out += (sign if out or sign == "-" else "") + text
    return out, constant


def _joined(letters: str, constant: Dim) -> str:
    if not letters:
        return _compact(constant)
    ending = re.search(r"(?<=[\w)\]])[+-]\d+$", letters)
    if ending is not None and isinstance(constant, int):  # i+1 moved by 2 is i+3
        return _joined(letters[: ending.start()], constant + int(ending.group()))
    if constant == 0:
        return letters
    text = _compact(constant)
    return letters + (text if text.startswith("-") else "+" + text)


def _compact(dim: Dim) -> str:
    text = spoken(dim, display_name)
    text = text[1:-1] if text.startswith("(") else text
    return text.replace(" ", "")


def relation_node(comparison: str, terms: Terms, offset: Dim, names: Mapping[Index, str]) -> Node:
    """1[k = 2i+a-2], what is taken away on the other side."""
    left = [(c, i) for c, i in terms if not str(c).startswith("-")]
    right = [(minus(0, c), i) for c, i in terms if str(c).startswith("-")]
    if comparison == "=" and len(left) > 1 and [c for c, _ in right] == [1]:
        left, right, offset = right, left, minus(0, offset)
    # Σ left = Σ right + offset, both counted from 0: the constant stands on the right
    first, left_constant = _parts(left, 0, names)
    second, right_constant = _parts(right, offset, names)
    if not first:
        return tree.iverson("0", _joined(second, minus(right_constant, left_constant)), comparison)
    return tree.iverson(first, _joined(second, minus(right_constant, left_constant)), comparison)
