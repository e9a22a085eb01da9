"""Where a program has no derivative: the kinks of its functions, and choices among entries that may tie.

For everything that compares formulas with differences: a difference across a kink says nothing. A `Switches` knows on
which smooth piece of a program a point lies, so that two points can be told apart. Facts can hold a program at a kink
whatever the point: entries that are 0 in every triangular matrix tie in its maximum.

A new function with kinks says so in its record (`kinks`), an operation that chooses among entries too (`chooses`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.program import Operation, Program
from chainrule.functions import FUNCTIONS
from chainrule.functions.operations import OPERATIONS

__all__ = ["Switches", "switches_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Switches:
    """Where a program changes from one smooth piece to another.

    kinked: names that go into functions with kinks, and where the kinks are.
    choices: operations such as ismax(x), which say which entries of x are chosen.
    """

    program: Program
    sizes: Mapping[str, int]
    kinked: list[tuple[str, tuple[float, ...]]]
    choices: list[Operation]

    def __bool__(self) -> bool:
        return bool(self.kinked or self.choices)

    @property
    def names(self) -> list[str]:
        """What must be known at a point."""
        return [*(n for n, _ in self.kinked), *(o.args[0] for o in self.choices)]

    def margin(self, known: Mapping[str, Array]) -> float:
        """How near the nearest kink is, of those that the point does not lie on."""
        gaps = [np.abs(known[name] - k) for name, kinks in self.kinked for k in kinks]
        return float(min((g[g > 0].min() for g in gaps if g.any()), default=1.0))

    def pattern(self, known: Mapping[str, Array]) -> list[Array]:
        """The piece on which a point lies: the side of every kink, and the entries that are chosen.

        Arrays may carry an axis of many points in front where there are no choices.
        """
        sides = [np.sign(known[name] - k) for name, kinks in self.kinked for k in kinks]
        chosen = [OPERATIONS[o.op].evaluate(o, [known[o.args[0]]], self.program, self.sizes) for o in self.choices]
        return sides + chosen


def switches_of(program: Program, sizes: Mapping[str, int]) -> Switches:
    """The kinks and choices of a program."""
    kinked: dict[str, tuple[float, ...]] = {}
    choices: dict[Operation, None] = {}
    for equation in program:
        if isinstance(equation.value, Operation):
            chooses = OPERATIONS[equation.value.op].chooses
            if chooses:
                choices[replace(equation.value, op=chooses)] = None
            continue
        for factors, _ in equation.value:
            for (head, name, _), _ in factors:
                if head in FUNCTIONS and FUNCTIONS[head].kinks and isinstance(name, str):
                    kinked[name] = tuple(dict.fromkeys((*kinked.get(name, ()), *FUNCTIONS[head].kinks)))
    return Switches(program, sizes, list(kinked.items()), list(choices))
