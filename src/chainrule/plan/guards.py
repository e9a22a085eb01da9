"""Exponentials that a condition throws away where they overflow: where(x > 0, x, exp(x) − 1).

In a gradient such a branch is multiplied by the condition, and 0 · ∞ is no number. So exp(t) is computed of
min(t, largest exponent) wherever exp(t) is part of a branch of a `where`: it stays finite, and the condition sets it
to 0. A branch that is kept is not changed unless its value could not be represented.
"""

from __future__ import annotations

from chainrule.algebra.program import Program

__all__ = ["find_guarded"]


def find_guarded(program: Program) -> frozenset[str]:
    """Names t of which exp(t) stands in a branch of a `where`."""
    branches: list[str] = []
    for equation in program:
        if isinstance(equation.value, dict):
            for factors, _ in equation.value:
                for (head, name, _), _ in factors:
                    if head == "where" and isinstance(name, tuple):
                        branches += [argument for argument, _ in name[1:]]
    found: set[str] = set()
    seen: set[str] = set()
    while branches:
        name = branches.pop()
        value = program.expression(name)
        if name in seen or value is None:
            continue
        seen.add(name)
        for factors, bound in value:
            if bound:
                continue
            for (head, inner, _), _ in factors:
                if head == "exp":
                    found.add(str(inner))
                elif isinstance(inner, str):
                    branches.append(inner)
    return frozenset(found)
