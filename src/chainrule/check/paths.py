"""A path left out: the gradient with one use of a name cut off, as if that use were of a constant.

A weight that is used twice, a residual connection, a mean that is taken from x: each use of a name is one path, and the
gradient is their sum. Cutting one off is done in the program (the use gets a copy of the name that nothing flows
through), so that whatever lies behind follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainrule.algebra.expr import Expr, add, atom_variables, monomial
from chainrule.algebra.program import Equation, Program
from chainrule.calculus.reverse import differentiate, relevant_equations
from chainrule.check.context import Context

__all__ = ["Cut", "cuts"]

MOST = 60  # uses that are cut off in turn


@dataclass(frozen=True)
class Cut:
    """The backward pass without the path from `name` through `through`; `copy` stands for the name there."""

    name: str
    through: str
    program: Program
    gradient: str
    copy: str


def cuts(context: Context, wrt: str) -> Iterator[Cut]:
    """One for each use of a name that is used more than once on the way from `wrt` to the loss."""
    program = context.net.program
    loss = context.net.loss
    if loss is None:
        return
    on_path = relevant_equations(program, loss, [wrt])
    uses: dict[str, list[tuple[str, int, int]]] = {}  # name -> equation, term, factor
    for equation in program:
        if equation.name in on_path and isinstance(equation.value, dict):
            for k, (factors, _) in enumerate(equation.value):
                for p, (atom, _) in enumerate(factors):
                    for name in atom_variables(atom):
                        if name in on_path or name == wrt:
                            uses.setdefault(name, []).append((equation.name, k, p))
    made = 0
    for name, occurrences in uses.items():
        if len(occurrences) < 2:
            continue
        groups: dict[tuple[tuple[str, int, int], ...], None] = {}
        for size in (1, 2, 3):  # a whole equation, one of its terms, one factor of that
            for first in dict.fromkeys(o[:size] for o in occurrences):
                group = tuple(o for o in occurrences if o[:size] == first)
                if len(group) < len(occurrences):
                    groups[group] = None
        for group in groups:
            made += 1
            if made > MOST:
                return
            cut = _cut(program, name, group)
            backward = differentiate(cut, loss, [wrt])
            yield Cut(name, group[0][0], backward.program, backward.gradients[wrt], _copy(name))


def _copy(name: str) -> str:
    return f"{name} cut"


def _cut(program: Program, name: str, group: tuple[tuple[str, int, int], ...]) -> Program:
    """The program in which some uses of a name are uses of its copy."""
    user = group[0][0]
    equation = program.equations[user]
    assert isinstance(equation.value, dict)
    out = program.copy()
    copy = _copy(name)
    out.variables = {copy: replace(program.variables[name], name=copy, kind="const"), **program.variables}
    value: Expr = {}
    for k, ((factors, bound), coefficient) in enumerate(equation.value.items()):
        moved = []
        for p, ((head, own, indices), exponent) in enumerate(factors):
            if (user, k, p) not in group:
                moved.append(((head, own, indices), exponent))
            elif isinstance(own, tuple):
                moved.append(((head, tuple((copy if n == name else n, a) for n, a in own), indices), exponent))
            else:
                moved.append(((head, copy, indices), exponent))
        value = add(value, monomial(coefficient, moved, bound))
    out.equations[user] = Equation(user, value, equation.source)
    return out
