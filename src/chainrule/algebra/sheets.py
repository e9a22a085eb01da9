"""Arrays of three axes as matrices in a row, X[n]: how a batch of matrices is read and written.

Paper has no notation for X ∈ B × T × D, but it has one for every X[n]: Δ₁[n] = Δ₂[n] Wᵀ, ∂J/∂W = Σₙ X[n]ᵀ Δ₁[n]. It is
the one that sequences have (`Steps`), with the first axis in the place of time; for the algebra nothing changes. What
does not fit, since an array has its axes in another order, is written in index notation as before.
"""

from __future__ import annotations

import re
from dataclasses import replace

from chainrule.algebra.expr import Index
from chainrule.algebra.program import Program, Steps, is_anonymous
from chainrule.dims import canonical_name

__all__ = ["read_as_sheets"]

LETTERS = "nmsuvw"


def read_as_sheets(program: Program) -> None:
    """Give every array of three axes the steps along its first axis, in a program without sequences of its own."""
    if any(var.steps is not None and not var.steps.sheet for var in program.variables.values()):
        return
    letters = {var.dims[0]: var.steps.letter for var in program.variables.values() if var.steps is not None}
    taken = {canonical_name(n) for n in program.variables if not is_anonymous(n)} | set(map(str, program.functions))
    taken |= {word for var in program.variables.values() for dim in var.dims for word in re.findall(r"\w+", str(dim))}
    for name, var in program.variables.items():
        if len(var.dims) != 3 or var.steps is not None:
            continue
        dim = var.dims[0]
        if dim not in letters:
            free = [w for w in LETTERS if w not in taken and w not in letters.values()]
            letters[dim] = free[0] if free else f"n{len(letters) + 1}"
        program.variables[name] = replace(var, steps=Steps(letters[dim], 0, "matrix", sheet=True))
    for equation in program:
        var = program.variables[equation.name]
        if len(var.dims) != 2 or var.steps is not None or not is_anonymous(var.name) or var.dims[0] not in letters:
            continue
        value = equation.value if isinstance(equation.value, dict) else {}
        first = var.indices[0]
        if any(_in_sheet(program, name, ix, first) for factors, _ in value for (_, name, ix), _ in factors):
            program.variables[var.name] = replace(var, steps=Steps(letters[var.dims[0]], 0, "column", sheet=True))


def _in_sheet(program: Program, name: object, indices: tuple[Index, ...], first: Index) -> bool:
    """Whether a factor is an array of three axes, or holds a vector for each of its matrices, at this matrix."""
    if len(indices) == 3:
        return indices[0] == first
    variable = program.variables.get(name) if isinstance(name, str) else None
    steps = variable.steps if variable is not None else None
    return steps is not None and steps.sheet and len(indices) == 2 and indices[0] == first
