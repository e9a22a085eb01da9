"""Random points: the values of every name of a program, at which formulas are compared.

They obey the declared facts and nothing more, at two sets of distinct prime sizes, so that a number cannot pass for a
size nor a label for a distribution. All points of one set are evaluated at once, along an axis in front. Points at
which something is not finite, or at which a kink is met exactly, are left out as long as there are others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.expr import Expr, variables
from chainrule.algebra.program import Operation, Program
from chainrule.functions import FUNCTIONS
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_expression, evaluate_program

__all__ = ["Points", "evaluate", "points_of", "value_of"]

Array = NDArray[np.float64]
POINTS = 12
ENOUGH = 4  # usable points of one set
PLANS = ((False, 0.6), (True, 1.0), (False, 0.25), (False, 1.5))  # positive, spread: tried in turn


@dataclass(slots=True)
class Points:
    """Values of all names at `count` points, the first axis of each array that depends on the data."""

    sizes: dict[str, int]
    known: dict[str, Array]
    count: int

    def fork(self) -> Points:
        """Independent values, for names of one claim."""
        return Points(self.sizes, dict(self.known), self.count)

    def at(self, number: int, program: Program) -> dict[str, Array]:
        """The values at one point, without the axis in front."""
        out = {}
        for name, array in self.known.items():
            dims = len(program.variables[name].dims) if name in program.variables else array.ndim
            out[name] = array[number] if array.ndim > dims else array
        return out


def evaluate(program: Program, points: Points, names: Iterable[str]) -> None:
    """Add the values of `names`, and of what they need, to the points."""
    missing = [n for n in names if n not in points.known]
    if not missing:
        return
    if not _needs_loop(program, points, missing):
        points.known.update(evaluate_program(program, points.known, points.sizes, missing))
        return
    runs = [evaluate_program(program, points.at(k, program), points.sizes, missing) for k in range(points.count)]
    for name in runs[0]:
        if name not in points.known:
            points.known[name] = np.stack([run[name] for run in runs])


def _needs_loop(program: Program, points: Points, names: list[str]) -> bool:
    stack, seen = list(names), set()
    while stack:
        name = stack.pop()
        if name in seen or name in points.known:
            continue
        seen.add(name)
        equation = program.equations.get(name)
        if equation is not None:
            if isinstance(equation.value, Operation):
                return True
            stack.extend(equation.arguments)
    return False


def value_of(program: Program, points: Points, expression: Expr, indices: Any) -> Array:
    """The array of an expression at all points."""
    evaluate(program, points, variables(expression))
    with np.errstate(all="ignore"):
        return evaluate_expression(expression, indices, points.known, points.sizes, program.functions)


def _factored(program: Program) -> list[str]:
    """Declared matrices that have a Cholesky factor."""
    found = [e.value.args[0] for e in program if isinstance(e.value, Operation) and e.value.op == "cholesky"]
    return [name for name in found if name not in program.equations]


def _near_definite(
    drawn: list[dict[str, Array]], names: Iterable[str], program: Program, rng: np.random.Generator
) -> None:
    """Matrices with a factor: positive definite, but not symmetric where they are not declared to be."""
    for point in drawn:
        for name in names:
            size = len(point[name])
            root = rng.standard_normal((size, size))
            bent = 0.0 if "symmetric" in program.variables[name].facts else 0.1 * rng.standard_normal((size, size))
            point[name] = root @ root.T + np.eye(size) + bent


def points_of(
    program: Program, seed: int = 0, facts: Mapping[str, tuple[str, ...]] | None = None,
    given: Mapping[str, int] | None = None,
) -> list[Points]:  # fmt: skip
    """Points at two sets of sizes; `facts` replaces the declared facts of some names, `given` sets some sizes."""
    sampled = program
    if facts:
        sampled = program.copy()
        for name, new in facts.items():
            sampled.variables[name] = replace(program.variables[name], facts=new)
    first = choose_sizes(program, given)
    movable = [s for s in first if s not in (given or {})]
    values = [first[s] for s in movable]
    turned = [*values[1:], *values[:1]] if len(values) > 1 else [5] * len(values)
    out = []
    for number, (sizes, count) in enumerate(
        ((first, POINTS), ({**first, **dict(zip(movable, turned, strict=True))}, ENOUGH))
    ):
        rng = np.random.default_rng((seed, number))
        best: tuple[int, Points] | None = None
        definite = _factored(program)
        for positive, spread in (*PLANS, *((None, 1.0) for _ in definite[:1])):
            drawn = [sample(sampled, sizes, rng, bool(positive), spread) for _ in range(count)]
            if positive is None:
                _near_definite(drawn, definite, program, rng)
            points = Points(dict(sizes), {n: np.stack([d[n] for d in drawn]) for n in drawn[0]}, count)
            evaluate(program, points, [e.name for e in program])
            usable = _usable(program, points)
            if best is None or len(usable) > best[0]:
                best = (len(usable), _chosen(program, points, usable) if len(usable) else points)
            if len(usable) >= ENOUGH:
                break
        assert best is not None
        out.append(best[1])
    return out


def _usable(program: Program, points: Points) -> NDArray[np.intp]:
    """The points at which every name is finite and no function of the forward pass is met at a kink."""
    good = np.ones(points.count, dtype=bool)
    kinks = {
        str(name): FUNCTIONS[head].kinks
        for e in program if isinstance(e.value, dict) and program.variables[e.name].kind == "value"
        for factors, _ in e.value for (head, name, _), _ in factors
        if head in FUNCTIONS and FUNCTIONS[head].kinks and head != "sgn"
    }  # fmt: skip
    for equation in program:
        array = points.known[equation.name]
        if array.ndim > len(program.variables[equation.name].dims):
            bad = ~np.isfinite(array)
            for kink in kinks.get(equation.name, ()):
                bad |= array == kink
            good &= ~bad.reshape(points.count, -1).any(axis=1)
    return np.flatnonzero(good)


def _chosen(program: Program, points: Points, chosen: NDArray[np.intp]) -> Points:
    known = {
        n: a[chosen] if n in program.variables and a.ndim > len(program.variables[n].dims) else a
        for n, a in points.known.items()
    }
    return Points(points.sizes, known, len(chosen))
