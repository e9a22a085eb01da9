"""Why this transpose: one line under each gradient, read off the indices of its formula.

In ∂J/∂W[i,j] = δ[i] x[j] the row index of W is δ's and its column index is x's, hence δᵀ xᵀ for a row δ and a column x.
A letter that is summed joins two factors, or is left over where the forward pass repeated a name.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.algebra.expr import Expr, Factor, Index, free
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.dims import display_name
from chainrule.notation.index import in_order, index_text, letters_for, summed_letters

__all__ = ["Target", "layout_reason"]

SIDES = ("rows", "columns")


@dataclass(frozen=True, slots=True)
class Target:
    """The gradient that is explained: its variable, its formula in both layouts, and what uses the variable."""

    loss: str
    variable: Variable
    shape: str
    numerator: str
    users: tuple[str, ...]


def layout_reason(program: Program, target: Target, expression: Expr) -> str:
    """One line: the entry, where each transpose and each sum comes from, and what the other layout has."""
    own = target.variable
    taken = {display_name(n) for n in program.variables}
    letters = letters_for(len(own.dims), taken)
    indices = free(own.dims)
    at = f"[{','.join(letters)}]" if letters else ""
    entry = index_text(program, expression, indices, letters)
    said = f"∂{display_name(target.loss)}/∂{display_name(own.name)}{at} = {entry}"
    told: list[str] = []
    if len(expression) == 1:
        ((factors, bound), _) = next(iter(expression.items()))
        names = dict(zip(indices, letters, strict=True))
        names |= dict(zip(bound, summed_letters(taken, letters), strict=False))
        for position, index in enumerate(indices):
            told += _place(program, factors, index, position, names, own)
        for index in bound:
            told += _sum(program, factors, index, names, own)
    if len(target.users) > 1:
        told.append(f"{display_name(own.name)} is used in {' and '.join(target.users)}: one term for each use, summed")
    told += _relation(target)
    return f"{said}: {'; '.join(told)}" if told else said


def _place(
    program: Program, factors: tuple[Factor, ...], index: Index, position: int, names: dict[Index, str], own: Variable
) -> list[str]:
    """Which factor has a free index, and whether it must be turned for that."""
    holders = [f[0] for f in factors if index in f[0][2] and f[0][0] not in ("δ", "#")]
    named = [a for a in holders if isinstance(a[1], str) and not is_anonymous(a[1])]
    if len(named) != 1 or len(holders) != 1:
        return []
    head, name, mine = named[0]
    variable = program.variables[str(name)]
    shown = display_name(str(name))
    role = f"{('row', 'column')[position]} {names[index]}" if len(own.dims) == 2 else names[index]
    if len(mine) == 2 and mine[0] != mine[1]:
        side = mine.index(index)
        if len(own.dims) == 2:
            turned = f", so {shown}ᵀ" if side != position else ""
            return [f"{role} runs over {shown}'s {SIDES[side]}{turned}"]
        return [f"{role} runs over {shown}'s {SIDES[side]}"]
    if len(mine) == 1 and len(own.dims) == 2 and not head:
        wanted = ("column", "row")[position]
        turned = f", a {variable.orientation}, so {shown}ᵀ" if variable.orientation != wanted else ""
        return [f"{role} is {shown}'s{turned}"]
    return []


def _sum(
    program: Program, factors: tuple[Factor, ...], index: Index, names: dict[Index, str], own: Variable
) -> list[str]:
    """What a summed letter joins, or that it is left over from a repetition."""
    holders = [f[0] for f in in_order(program, factors) if index in f[0][2]]
    size = display_name(str(index[1]))
    letter = names.get(index, "k")
    if len(holders) == 1:
        return [f"the sum over {letter} = 1..{size} is there because {display_name(own.name)} is used for each of them"]
    parts = []
    for _, name, mine in holders:
        if not isinstance(name, str) or is_anonymous(name):
            return [f"the sum over {letter} = 1..{size} is a product's"]
        side = f" ({SIDES[mine.index(index)]})" if len(mine) == 2 else ""
        parts.append(f"{display_name(name)}{side}")
    return [f"the sum over {letter} = 1..{size} joins {' and '.join(parts)}"]


def _relation(target: Target) -> list[str]:
    """What numerator layout has instead."""
    own = target.variable
    if len(own.dims) == 2:
        return [f"in numerator layout it is the transpose, {target.numerator}"]
    if own.orientation == "column":
        shown = display_name(own.name)
        return [f"in numerator layout it is the row {target.numerator}; turned, it has the shape of {shown}"]
    if own.orientation == "row":
        return ["a row in both layouts"]
    return []
