"""Which outputs of a random program can be judged against the reference, and how closely.

What rounding may do to an output is measured: the largest number that it is computed from (differences of large numbers
lose digits), and how far it moves, for its size, when the data move a little (exp of what has lost digits loses more).
Where one of those numbers is not finite (exp of a large number, then its sine) or beyond 1e30, the reference says
nothing and nothing is judged: `compare` gives the number of outputs compared, so that a test can ask for enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.algebra.program import Program, is_anonymous
from chainrule.reference import evaluate_program

MOVE = 1e-9


def outputs_of(program: Program) -> list[str]:
    return [name for name in program.equations if not is_anonymous(name)] or list(program.equations)[-1:]


def largest(program: Program, name: str, values: Mapping[str, np.ndarray]) -> float:
    """The largest of the numbers that a value is computed from, its own too; inf where one is not finite."""
    seen, stack, found = set(), [name], 0.0
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if not np.isfinite(values[current]).all():
            return np.inf
        found = max(found, float(np.abs(values[current]).max(initial=0)))
        if current in program.equations:
            stack += program.equations[current].arguments
    return found


def compare(
    program: Program,
    data: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
    result: Mapping[str, Any],
    tolerance: float,
    source: str,
) -> int:
    """Assert that all outputs that can be judged are the reference's; gives how many could be."""
    assert set(result) == set(outputs_of(program)), source
    values = evaluate_program(program, data, sizes)
    rng = np.random.default_rng(0)
    near = {name: array * (1 + MOVE * rng.choice([-1, 1], array.shape)) for name, array in data.items()}
    moved = evaluate_program(program, near, sizes)
    count = 0
    for name, found in result.items():
        got, want = np.asarray(found, dtype=np.float64), values[name]
        assert got.shape == want.shape, (name, source)
        scale = max(1.0, largest(program, name, values))
        if scale > 1e30:
            continue
        scale = max(scale, float(np.abs(moved[name] - want).max(initial=0)) / MOVE)
        count += 1
        assert np.abs(got - want).max(initial=0) <= tolerance * scale, (name, source)
    return count
