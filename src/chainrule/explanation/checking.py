"""Each step checked by itself: both sides are evaluated at a random point, in float64.

What stands as a symbol (∂θ/∂h, ∂J/∂z) gets its value from central differences of the user's own equations, by the
reference interpreter; what is known gets the value of its expression. So a wrong step shows even where a later one
would make up for it, and no step is trusted because the engine took it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.expr import Index
from chainrule.algebra.loops import loop_members, moved
from chainrule.algebra.program import Program
from chainrule.explanation.graph import Graph
from chainrule.explanation.steps import Formula, Push, Step, Term
from chainrule.kinks import Switches, switches_of
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_expression, evaluate_program, evaluates_many_points

__all__ = ["StepReport", "check_steps", "jacobian_by_differences"]

Array = NDArray[np.float64]
TOLERANCE = 1e-6
STEP = 1e-3
SMALLEST = 1e-5
FLOOR = 1e-4
BLUR = 1e-7
ATTEMPTS = 4  # points


@dataclass(frozen=True, slots=True)
class StepReport:
    """What checking each step found. max_relative_error: of the two sides of a step, relative to the larger one.

    wrong: the first step whose sides differ, or None.  skipped: steps left out because a kink lay too near.
    """

    ok: bool
    count: int
    max_relative_error: float
    wrong: Step | None = None
    reason: str = ""
    skipped: int = 0

    def __str__(self) -> str:
        if self.reason:
            return f"steps not checked: {self.reason}"
        if self.wrong is not None:
            return f"WRONG step: {self.wrong.before} = {self.wrong.after} ({self.wrong.rule})"
        left_out = f", {self.skipped} near kinks left out" if self.skipped else ""
        error = f"largest relative error {self.max_relative_error:.1e}"
        return f"each of {self.count} steps checked by itself: {error}{left_out}"


def check_steps(
    forward: Program, work: Program, loss: str, steps: Iterable[Step], seed: int = 0, outer: tuple[Index, ...] = ()
) -> StepReport:
    """Every step and every finer one, at a random point; where that point is a bad one, at further ones.

    A step is wrong if its sides differ wherever they can be compared: where a loss is too steep for differences, or
    overflows, a point with smaller numbers may tell. outer: the indices of an entry of what is differentiated (`loss`).
    """
    pending = list(_all_steps(steps))
    points = (Point(forward, work, loss, seed + n, 0.5**n, outer) for n in range(ATTEMPTS))
    worst, count = 0.0, 0
    failed: dict[int, float] = {}
    for point in points:
        if not point.finite:
            continue
        left_over = []
        for step in pending:
            error = point.difference(step)
            if error is not None and error <= TOLERANCE:
                worst, count = max(worst, error), count + 1
                failed.pop(id(step), None)
                continue
            left_over.append(step)
            if error is not None:
                failed[id(step)] = error
        pending = left_over
        if not pending:
            break
    wrong = next((s for s in pending if id(s) in failed), None)
    if wrong is not None:
        return StepReport(False, count, failed[id(wrong)], wrong)
    reason = "no point found at which the steps can be compared" if pending and not count else ""
    return StepReport(not reason, count, worst, None, reason, len(pending))


class Point:
    """Evaluates formulas of one derivation at one random point; `spread` scales its numbers."""

    def __init__(
        self, forward: Program, work: Program, loss: str, seed: int, spread: float, outer: tuple[Index, ...] = ()
    ) -> None:
        self.forward, self.work, self.loss, self.outer = forward, work, loss, outer
        self.sizes = choose_sizes(forward)
        switches = switches_of(forward, self.sizes)
        rng = np.random.default_rng(seed)
        for attempt in range(24):
            self.base = sample(forward, self.sizes, rng, attempt % 2 == 1 and attempt > 2, spread)
            self.known = evaluate_program(forward, self.base, self.sizes)
            self.finite = all(bool(np.isfinite(a).all()) for a in self.known.values())
            if self.finite and switches.margin(self.known) > (20 * STEP if attempt < 12 else 0):
                break
        self._all = evaluate_program(work, self.base, self.sizes) if self.finite else {}
        # Below this a difference of the loss is rounding: what is exactly 0 must not be compared with it.
        self.floor = FLOOR * max(1.0, float(np.abs(self.known[loss]).max(initial=0.0)))
        self._links: dict[tuple[str, str], Array] = {}

    def difference(self, step: Step) -> float | None:
        """How far the sides of a step are apart, relative to the larger; None where they cannot be compared."""
        left, right = self.value(step.left), self.value(step.right)
        clear = np.isfinite(left) & np.isfinite(right)  # elsewhere a kink lies too near for differences
        if not clear.any():
            return None
        left, right = left[clear], right[clear]
        scale = max(float(np.abs(left).max(initial=0)), float(np.abs(right).max(initial=0)), self.floor)
        return float(np.abs(left - right).max(initial=0)) / scale

    def value(self, formula: Formula) -> Array:
        """The array that a formula stands for, over the axes of the name that it belongs to."""
        with np.errstate(all="ignore"):
            return np.asarray(sum(self._term(term) for term in formula.state))

    def _term(self, term: Term | Push) -> Array:
        if isinstance(term, Push):
            return self._pushed(term)
        if term.value is None:
            value = self._adjoint(term.at)
        else:
            own = self.work.variables[term.at]
            indices = (*self.outer, *own.indices)
            value = evaluate_expression(term.value, indices, self._all, self.sizes, self.work.functions)
        here = term.at
        for there in term.rest:
            value = _contracted(np.asarray(value), self._link(here, there), len(self.work.variables[here].dims))
            here = there
        return np.asarray(value)

    def _pushed(self, term: Push) -> Array:
        here = term.stations[-1]
        own = self.work.variables[here]
        value = evaluate_expression(term.value, own.indices, self._all, self.sizes, self.work.functions)
        for before in reversed(term.stations[:-1]):
            rank = len(self.work.variables[here].dims)
            value = _contracted(self._link(before, here), np.asarray(value), rank)
            here = before
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


def _contracted(left: Array, right: Array, rank: int) -> Array:
    """The sum over the last `rank` axes of `left` and the first of `right`.

    What is not known because of a kink (NaN) counts as nothing where the other is exactly 0: there nothing moves.
    """
    still = (right == 0).reshape((*right.shape[:rank], -1)).all(axis=-1)
    left = np.where(np.isnan(left) & still, 0.0, left)
    ahead = (left == 0).reshape((-1, *left.shape[left.ndim - rank :])).all(axis=0)
    wide = ahead.reshape((*ahead.shape, *[1] * (right.ndim - rank)))
    right = np.where(np.isnan(right) & wide, 0.0, right)
    return np.asarray(np.tensordot(left, right, axes=rank))


def jacobian_by_differences(
    program: Program, known: Mapping[str, Array], of: str, wrt: str, sizes: Mapping[str, int], between: set[str] | None
) -> Array:
    """∂of/∂wrt by central differences of fourth order; only names in `between` (None: all) are computed anew.

    NaN where a kink lies between the points, or where two lengths of the step disagree.
    """
    if between is None and wrt in loop_members(program):  # with all that follows from it in later steps
        program, added = moved(program, wrt)
        known = {**known, added: np.zeros_like(np.asarray(known[wrt]))}
        wrt = added
    part = program.copy()
    part.equations = {n: e for n, e in program.equations.items() if n != wrt and (between is None or n in between)}
    switches = switches_of(part, sizes)
    found: Array | None = None
    blur: Array | float = 0.0
    for length in (STEP, STEP / 8):
        finer = _differences(part, known, of, wrt, sizes, switches, length)
        if found is not None:
            blur = np.abs(finer - found)
        found = finer
    assert found is not None
    finite = np.abs(found)[~np.isnan(found)]
    largest = float(finite.max(initial=0.0))
    return np.where(blur > BLUR * max(largest, 1e-3), np.nan, found)


def _differences(
    part: Program, known: Mapping[str, Array], of: str, wrt: str, sizes: Mapping[str, int],
    switches: Switches, length: float,
) -> Array:  # fmt: skip
    value = np.asarray(known[wrt], dtype=np.float64)
    given = {n: a for n, a in known.items() if n not in part.equations}
    size, rank = value.size, known[of].ndim
    # A step in proportion to the entry: a probability of 0.001 must not become negative.
    h = np.maximum(length * np.abs(value), SMALLEST).reshape(-1)
    units = np.diag(h).reshape(size, *value.shape)
    points, crossed = [], np.zeros(size, dtype=bool)
    many = evaluates_many_points(part)
    pattern = switches.pattern(known)
    needed = [of, *switches.names]
    patterns: Sequence[Array]
    for factor in (-2.0, -1.0, 1.0, 2.0):
        moved = value + factor * units
        if many:
            there = evaluate_program(part, {**given, wrt: moved}, sizes, needed)
            points.append(np.asarray(there[of]))
            patterns = switches.pattern(there)
        else:
            single = [evaluate_program(part, {**given, wrt: m}, sizes, needed) for m in moved]
            points.append(np.stack([s[of] for s in single]))
            patterns = [np.stack(p) for p in zip(*(switches.pattern(s) for s in single), strict=True)]
        for here, away in zip(pattern, patterns, strict=True):
            if away.ndim > here.ndim:  # else it is not moved
                crossed |= (here != away).reshape(size, -1).any(axis=1)
    if points[0].ndim == rank:  # it does not depend on it
        return np.zeros((*known[of].shape, *value.shape))
    steps = h.reshape(size, *[1] * rank)
    difference = (points[0] - 8 * points[1] + 8 * points[2] - points[3]) / (12 * steps)
    difference[crossed] = np.nan
    return np.asarray(np.moveaxis(difference, 0, -1).reshape((*known[of].shape, *value.shape)))


def _all_steps(steps: Iterable[Step]) -> Iterable[Step]:
    for step in steps:
        yield step
        yield from _all_steps(step.within)
