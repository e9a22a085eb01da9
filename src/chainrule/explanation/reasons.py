"""Why this transpose: one line under each gradient, read off the indices of its formula.

In ∂J/∂W[i,j] = δ[i] x[j] the row index of W is δ's and its column index is x's, hence δᵀ xᵀ for a row δ and a column x.
A letter that is summed joins two factors, or is left over where the forward pass repeated a name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chainrule.algebra.expr import Expr, Factor, Index, free
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.notation import phrases, tree
from chainrule.notation.index import at_steps, in_order, index_node, letters_for, summed_letters
from chainrule.notation.sentence import Sentence, joined, say
from chainrule.notation.sequences import Projection, one_step_of, time_index
from chainrule.notation.text import to_text
from chainrule.notation.tree import Node, sym

__all__ = ["Target", "layout_reason"]

SHORT = 40  # letters: a longer formula is shown by itself, not in the sentence
SIDES = ("rows", "columns")


@dataclass(frozen=True, slots=True)
class Target:
    """The gradient that is explained: its variable, its formula in both layouts, and what uses the variable."""

    loss: str
    variable: Variable
    numerator: Node
    users: tuple[Node, ...]


def layout_reason(program: Program, target: Target, expression: Expr) -> Sentence:
    """One line: the entry, where each transpose and each sum comes from, and what the other layout has."""
    step = _at_one_step(program, target, expression)
    summed = ""
    if step is not None:
        program, target, expression, summed = step
    own = target.variable
    taken = program.shown_names() | {summed, *(own.name[own.name.find("[") + 1 : -1] if own.name[-1:] == "]" else "")}
    letters = letters_for(len(own.dims), taken)
    indices = free(own.dims)
    entry = index_node(program, expression, indices, letters)
    entry = tree.sigma(summed, entry) if summed else entry
    said = tree.equal(tree.partial(sym(target.loss), tree.at(own.name, letters)), entry)
    told: list[Sentence] = []
    if len(expression) == 1:
        (factors, bound), steps = at_steps(program, next(iter(expression)))
        names = dict(zip(indices, letters, strict=True)) | steps
        names |= dict(zip(bound, summed_letters(taken, letters), strict=False))
        for position, index in enumerate(indices):
            told += _place(program, factors, index, position, names, own)
        for index in bound:
            told += _sum(program, factors, index, names, own)
    if summed:
        told.append(say("the sum over ", sym(summed), " is there because ", sym(own.name), " is used in each step"))
    if len(target.users) > 1:
        used = joined(" and ", target.users)
        told.append(say(sym(own.name), " is used in ", used, ": one term for each use, summed"))
    told += _relation(target)
    return say(said, ": ", joined("; ", told)) if told else say(said)


def _at_one_step(
    program: Program, target: Target, expression: Expr
) -> tuple[Program, Target, Expr, str] | None:  # fmt: skip
    """What is explained at one step of its sequences, and the letter of the sum around it; None: it has none."""
    own = target.variable
    try:
        if own.steps is not None:
            axis, letter = own.steps.axis, own.steps.letter
            at = Projection(program, letter, own.dims[axis], own.steps.sheet)
            here = at.expression(expression, own.indices[axis])
            variable = at.program.variables[at.step(own.name, (axis,))]
            return at.program, replace(target, variable=variable), here, ""
        if len(expression) != 1:
            return None
        (key,) = expression
        found = time_index(program, key)
        if found is None or one_step_of(program, key, found[0]) is not None:
            return None
        at = Projection(program, found[1], found[0][1], found[2])
        return at.program, target, at.expression(expression, found[0], True), found[1]
    except LookupError:
        return None


def _place(
    program: Program, factors: tuple[Factor, ...], index: Index, position: int, names: dict[Index, str], own: Variable
) -> list[Sentence]:
    """Which factor has a free index, and whether it must be turned for that."""
    holders = [f[0] for f in factors if index in f[0][2] and f[0][0] not in ("δ", "rel", "#")]
    named = [a for a in holders if isinstance(a[1], str) and not is_anonymous(a[1])]
    if len(named) != 1 or len(holders) != 1:
        return []
    head, name, mine = named[0]
    variable = program.variables[str(name)]
    letter = sym(names[index])
    role = say(("row ", "column ")[position], letter) if len(own.dims) == 2 else say(letter)
    if len(mine) == 2 and mine[0] != mine[1]:
        side = mine.index(index)
        turned: list[str | Node] = [", so ", _turned(variable)] if len(own.dims) == 2 and side != position else []
        return [say(role, " runs over ", sym(variable.name), f"'s {SIDES[side]}", *turned)]
    if len(mine) == 1 and len(own.dims) == 2 and not head:
        wanted = ("column", "row")[position]
        turned = [f", a {variable.orientation}, so ", _turned(variable)] if variable.orientation != wanted else []
        return [say(role, " is ", sym(variable.name), "'s", *turned)]
    return []


def _turned(variable: Variable) -> Node:
    shape = variable.shape if len(variable.shape) == 2 else (2, 2)
    return tree.transpose(sym(variable.name, *shape))


def _sum(
    program: Program, factors: tuple[Factor, ...], index: Index, names: dict[Index, str], own: Variable
) -> list[Sentence]:
    """What a summed letter joins, or that it is left over from a repetition."""
    holders = [f[0] for f in in_order(program, factors) if index in f[0][2]]
    total = say("the sum over ", phrases.run_over(names.get(index, "k"), index[1]))
    if len(holders) == 1:
        return [say(total, " is there because ", sym(own.name), " is used for each of them")]
    parts = []
    for _, name, mine in holders:
        if not isinstance(name, str) or is_anonymous(name):
            return [say(total, " is a product's")]
        parts.append(say(sym(name), f" ({SIDES[mine.index(index)]})" if len(mine) == 2 else ""))
    return [say(total, " joins ", joined(" and ", parts))]


def _relation(target: Target) -> list[Sentence]:
    """What numerator layout has instead."""
    own = target.variable
    if len(own.dims) == 2:
        shown = (", ", target.numerator) if len(to_text(target.numerator)) <= SHORT else ()
        return [say("in numerator layout it is the transpose", *shown)]
    if own.orientation == "column":
        shape = say("; turned, it has the shape of ", sym(own.name))
        return [say("in numerator layout it is the row ", target.numerator, shape)]
    if own.orientation == "row":
        return [say("a row in both layouts")]
    return []
