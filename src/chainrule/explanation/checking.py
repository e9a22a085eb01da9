"""Each step checked by itself: both sides are evaluated at a random point, in float64.

What stands as a symbol (∂θ/∂h, ∂J/∂z) gets its value from central differences of the user's own equations, by the
reference interpreter; what is known gets the value of its expression. So a wrong step shows even where a later one
would make up for it, and no step is trusted because the engine took it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.program import Operation, Program
from chainrule.explanation.graph import Graph
from chainrule.explanation.steps import Formula, Step, Term
from chainrule.reference import evaluate_expression, evaluate_program
from chainrule.verification import choose_sizes, kinks_of, sample

__all__ = ["Checker", "StepReport", "jacobian_by_differences"]

Array = NDArray[np.float64]
TOLERANCE = 1e-6
STEP = 1e-3
SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class StepReport:
    """What checking each step found. max_relative_error: of the two sides of a step, relative to the larger one.

    wrong: the first step whose sides differ, or None.
    """

    ok: bool
    count: int
    max_relative_error: float
    wrong: Step | None = None
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"steps not checked: {self.reason}"
        if self.wrong is not None:
            return f"WRONG step: {self.wrong.before} = {self.wrong.after} ({self.wrong.rule})"
        return f"each of {self.count} steps checked by itself: largest relative error {self.max_relative_error:.1e}"


class Checker:
    """Evaluates formulas of one derivation at one random point."""

    def __init__(self, forward: Program, work: Program, loss: str, seed: int = 0) -> None:
        self.forward, self.work, self.loss = forward, work, loss
        kinked = kinks_of(forward)
        self.sizes = choose_sizes(forward)
        rng = np.random.default_rng(seed)
        self.finite = False
        for attempt in range(24):
            self.base = sample(forward, self.sizes, rng, attempt % 2 == 1 and attempt > 2)
            self.known = evaluate_program(forward, self.base, self.sizes)
            self.finite = all(bool(np.isfinite(a).all()) for a in self.known.values())
            gaps = [np.abs(self.known[n] - k).min() for n, ks in kinked for k in ks if self.known[n].size]
            if self.finite and min(gaps, default=1.0) > (20 * STEP if attempt < 12 else 0):
                break
        self._links: dict[tuple[str, str], Array] = {}
        self._all: dict[str, Array] = {}

    def report(self, steps: Iterable[Step]) -> StepReport:
        """Every step and every finer one."""
        if not self.finite:
            return StepReport(False, 0, float("nan"), None, "no point found at which all is finite")
        self._all = evaluate_program(self.work, self.base, self.sizes)
        worst, count = 0.0, 0
        for step in _all_steps(steps):
            left, right = self.value(step.left), self.value(step.right)
            if left is None or right is None:
                continue
            count += 1
            scale = max(float(np.abs(left).max(initial=0)), float(np.abs(right).max(initial=0)), 1e-9)
            error = float(np.abs(left - right).max(initial=0)) / scale
            if not error <= TOLERANCE:
                return StepReport(False, count, error, step)
            worst = max(worst, error)
        return StepReport(True, count, worst)

    def value(self, formula: Formula) -> Array | None:
        """The array that a formula stands for, over the axes of the name that it belongs to."""
        total: Array | None = None
        for term in formula.state:
            value = self._term(term)
            total = value if total is None else total + value
        return total

    def _term(self, term: Term) -> Array:
        if term.value is None:
            value = self._adjoint(term.at)
        else:
            own = self.work.variables[term.at]
            value = evaluate_expression(term.value, own.indices, self._all, self.sizes, self.work.functions)
        here = term.at
        for there in term.rest:
            value = np.tensordot(value, self._link(here, there), axes=np.ndim(value))
            here = there
        return np.asarray(value)

    def _adjoint(self, wrt: str) -> Array:
        """∂J/∂wrt through everything: what the symbol stands for before anything is known of it."""
        if ("", wrt) not in self._links:
            found = jacobian_by_differences(self.forward, self.known, self.loss, wrt, self.sizes, None)
            self._links["", wrt] = found
        return self._links["", wrt]

    def _link(self, of: str, wrt: str) -> Array:
        """∂of/∂wrt of one equation, all else held."""
        if (of, wrt) not in self._links:
            between = Graph(self.forward, of, wrt, set()).between(of, wrt)
            found = jacobian_by_differences(self.forward, self.known, of, wrt, self.sizes, between)
            self._links[of, wrt] = found
        return self._links[of, wrt]


def jacobian_by_differences(
    program: Program, known: Mapping[str, Array], of: str, wrt: str, sizes: Mapping[str, int], between: set[str] | None
) -> Array:
    """∂of/∂wrt by central differences of fourth order; only names in `between` (None: all) are computed anew."""
    part = program.copy()
    part.equations = {n: e for n, e in program.equations.items() if n != wrt and (between is None or n in between)}
    value = np.asarray(known[wrt], dtype=np.float64)
    given = {n: a for n, a in known.items() if n not in part.equations}
    size = value.size
    # A step in proportion to the entry: a probability of 0.001 must not become negative.
    h = np.maximum(STEP * np.abs(value), SMALLEST).reshape(-1)
    units = np.diag(h).reshape(size, *value.shape)
    points = []
    many = not any(isinstance(e.value, Operation) for e in part)
    for factor in (-2.0, -1.0, 1.0, 2.0):
        moved = value + factor * units
        if many:
            points.append(np.asarray(evaluate_program(part, {**given, wrt: moved}, sizes, [of])[of]))
        else:
            points.append(np.stack([evaluate_program(part, {**given, wrt: m}, sizes, [of])[of] for m in moved]))
    rank = known[of].ndim
    if points[0].ndim == rank:  # it does not depend on it
        return np.zeros((*known[of].shape, *value.shape))
    steps = h.reshape(size, *[1] * rank)
    difference = (points[0] - 8 * points[1] + 8 * points[2] - points[3]) / (12 * steps)
    return np.asarray(np.moveaxis(difference, 0, -1).reshape((*known[of].shape, *value.shape)))


def _all_steps(steps: Iterable[Step]) -> Iterable[Step]:
    for step in steps:
        yield step
        yield from _all_steps(step.within)
