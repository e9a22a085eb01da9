"""Verification: every derived gradient against central differences, in float64, on random data.

The points are those of `points`, and no difference is taken across a kink
(a perturbation that changes the sign of what goes into relu, or which entry is the largest, is made smaller or left out
and counted). Facts can hold a program at its kinks: entries that are 0 in every triangular matrix tie in its maximum.
A gradient of which every difference is left out is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.loops import loop_members, moved
from chainrule.algebra.program import Program
from chainrule.kinks import Switches, switches_of
from chainrule.points import choose_sizes, classes_of, sample
from chainrule.reference import evaluate_program, evaluates_many_points

__all__ = ["Report", "verify_gradients"]

Array = NDArray[np.float64]
TOLERANCE = 1e-6
STEPS = (1e-3, 1e-5, 1e-4, 1e-2, 1e-6, 1e-7)
STEEP = (
    1e-10  # a loss that rounding its inputs moves by more of its size varies within the shortest step: see `_tremor`
)
ATTEMPTS = 5  # points tried where differences are not accurate enough
LARGEST = 2_000_000  # numbers in the moved copies of one variable that are evaluated at once
ENTRIES = 48  # entries tried one by one for each variable; the rest is covered by random directions


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found. `max_relative_error` is relative to the largest entry of each gradient.

    errors: the figure for each variable.  skipped: differences left out because a kink lay too near.
    """

    ok: bool
    max_relative_error: float
    sizes: dict[str, int]
    errors: dict[str, float] = field(default_factory=dict)
    skipped: int = 0
    reason: str = ""

    def __str__(self) -> str:
        sizes = ", ".join(f"{k} = {v}" for k, v in self.sizes.items())
        if self.reason:
            return f"not verified: {self.reason}"
        verdict = "verified" if self.ok else "WRONG"
        kinks = f", {self.skipped} differences at kinks left out" if self.skipped else ""
        at = f" at {sizes}" if sizes else ""
        return f"{verdict}: largest relative error {self.max_relative_error:.1e} against central differences{at}{kinks}"


def verify_gradients(
    forward: Program, backward: Program, loss: str, gradients: Mapping[str, str],
    seed: int = 0, sizes: Mapping[str, int] | None = None,
) -> Report:  # fmt: skip
    """Compare the gradients that `backward` computes with central differences of `loss` in `forward`."""
    chosen = choose_sizes(forward, sizes)
    switches = switches_of(forward, chosen)
    rng = np.random.default_rng(seed)
    report = Report(False, float("nan"), chosen, reason="no point was tried")
    for attempt in range(ATTEMPTS):  # smaller numbers where powers and exponentials drown the differences
        report = _verify_at_a_point(forward, backward, loss, gradients, chosen, switches, rng, 0.5**attempt)
        if not report.reason:
            break
    if report.ok and switches:  # a mask may have been 0 everywhere at the first point: a second one
        second = _verify_at_a_point(forward, backward, loss, gradients, chosen, switches, rng, 0.5**attempt)
        if not second.reason:
            errors = {n: max(e, second.errors[n]) for n, e in report.errors.items()}
            largest = max(errors.values(), default=0.0)
            return Report(second.ok, largest, chosen, errors, report.skipped + second.skipped)
    return report


def _verify_at_a_point(
    forward: Program, backward: Program, loss: str, gradients: Mapping[str, str], sizes: dict[str, int],
    switches: Switches, rng: np.random.Generator, spread: float,
) -> Report:  # fmt: skip
    base: dict[str, Array] = {}
    known: dict[str, Array] = {}
    finite = False
    for attempt in range(24):
        base = sample(forward, sizes, rng, attempt % 2 == 1 and attempt > 2, spread)
        known = evaluate_program(backward, base, sizes)
        wanted = [known[loss], *(known[g] for g in gradients.values())]
        finite = all(np.isfinite(a).all() for a in wanted)
        if finite and switches.margin(known) > (1e-3 if attempt < 8 else 0):
            break
    if not finite:
        bad = [n for n, g in gradients.items() if not np.isfinite(known[g]).all()]
        where = ", ".join(bad) or loss
        return Report(False, float("nan"), sizes, reason=f"no point found at which all is finite ({where})")
    pattern = switches.pattern(known)
    errors: dict[str, float] = {}
    skipped = 0
    blurred: list[str] = []
    held: list[str] = []
    loops = loop_members(forward)
    for name, gradient in gradients.items():
        program, values = forward, base
        if name not in base:  # by a name that is computed: it is given instead, and its equation left out
            program, values = _without(forward, name), {**base, name: known[name]}
        at = name
        if name in loops:
            program, at = moved(forward, name)
            values = {**base, at: np.zeros_like(known[name])}
        compared = _compare(program, loss, values, at, known[gradient], sizes, switches, pattern, rng)
        errors[name] = compared.worst
        skipped += compared.skipped
        if compared.blurred > compared.clear:
            blurred.append(name)
        if compared.skipped and not compared.clear:
            held.append(name)
    largest = max(errors.values(), default=0.0)
    if gradients and not any(known[n].any() for n in (loss, *gradients.values())):
        return Report(False, largest, sizes, errors, skipped, f"{loss} and every gradient are 0 at the sampled point")
    if largest <= TOLERANCE and blurred:
        return Report(
            False, largest, sizes, errors, skipped,
            f"the differences are not accurate enough ({', '.join(blurred)}): the loss is too large or too steep",
        )  # fmt: skip
    if largest <= TOLERANCE and held:
        return Report(
            False, largest, sizes, errors, skipped,
            f"every difference meets a kink ({', '.join(held)}): the value of relu, abs, … is taken at its edge, or "
            "the maximum is attained by several entries",
        )  # fmt: skip
    if largest > TOLERANCE:
        share = _tremor(forward, loss, base, sizes, rng)
        if share > STEEP:
            return Report(
                False, largest, sizes, errors, skipped,
                f"too steep for differences: rounding the inputs alone changes {loss} by {share:.0e} of its size",
            )  # fmt: skip
    return Report(bool(largest <= TOLERANCE), largest, sizes, errors, skipped)


def _tremor(
    forward: Program, loss: str, base: dict[str, Array], sizes: Mapping[str, int], rng: np.random.Generator
) -> float:
    """How much the loss changes when each input moves by a rounding, as a share of its size and of how far it varies.

    A loss such as sin(exp(x)) with exp(x) = 1e12 goes up and down many times within the shortest step: differences over
    steps of all lengths are then small, agree with each other, and say nothing. What they cannot know shows in this
    share: a loss that varies k times faster than its inputs has k · 1e-16. A gradient that does not fit is called wrong
    only where it is small; elsewhere a calmer point is tried.
    """

    classes = classes_of(forward)

    def moved(size: float) -> list[float]:
        values = []
        for _ in range(6):
            point = {
                name: a if name in classes else a * (1 + size * rng.choice([-1.0, 1.0], a.shape))
                for name, a in base.items()
            }
            values.append(float(evaluate_program(forward, point, sizes, [loss])[loss]))
        return values

    here = float(evaluate_program(forward, base, sizes, [loss])[loss])
    near = np.abs(np.array(moved(2.0**-52)) - here)
    far = np.array(moved(1e-2))
    if not np.isfinite([*near, *far]).all():
        return float("inf")
    return float(near.max() / max(abs(here), float(np.abs(far - here).max()), 1e-300))


def _without(program: Program, name: str) -> Program:
    """The program in which `name` is given and not computed."""
    out = program.copy()
    out.equations = {n: e for n, e in program.equations.items() if n != name}
    out.variables = {**program.variables, name: replace(program.variables[name], kind="const")}
    return out


@dataclass(slots=True)
class _Compared:
    """What the differences in several directions say of one gradient.

    clear: how many could be compared.  blurred: how many told nothing, since steps of several lengths disagree with one
    another.  skipped: how many a kink made impossible.
    """

    worst: float = 0.0
    clear: int = 0
    blurred: int = 0
    skipped: int = 0


def _compare(
    forward: Program, loss: str, base: dict[str, Array], name: str, claimed: Array, sizes: Mapping[str, int],
    switches: Switches, pattern: list[Array], rng: np.random.Generator,
) -> _Compared:  # fmt: skip
    """Compare one gradient with differences along the axes, and along random directions where it is large."""
    value = base[name]
    directions: list[Array] = []
    if value.size <= ENTRIES:
        chosen = range(value.size)
    else:
        chosen = rng.choice(value.size, ENTRIES // 2, replace=False)  # type: ignore[assignment]
        directions += [rng.standard_normal(value.shape) / np.sqrt(value.size) for _ in range(3)]
    for position in chosen:
        unit = np.zeros(value.size)
        unit[position] = 1.0
        directions.append(unit.reshape(value.shape))
    scale = max(float(np.abs(claimed).max(initial=0.0)), 1e-3)
    out = _Compared()
    own = np.array([float((claimed * d).sum()) for d in directions])
    found: list[dict[float, tuple[float, float]]] = [{} for _ in directions]  # by step: difference, rounding in it
    error = np.full(len(directions), np.inf)
    pending = list(range(len(directions)))
    share = max(1, LARGEST // (4 * max(value.size, 1)))
    for h in STEPS:  # a large third derivative wants a small step, a large loss a large one
        for start in range(0, len(pending), share):
            chunk = pending[start : start + share]
            points, crossed = _points(
                forward, loss, base, name, [directions[k] for k in chunk], h, sizes, switches, pattern
            )
            for k, p, over in zip(chunk, points.T, crossed, strict=True):
                if over or not np.isfinite(p).all():
                    continue
                difference = float((p[0] - 8 * p[1] + 8 * p[2] - p[3]) / (12 * h))
                found[k][h] = (difference, 4e-15 * float(np.abs(p).max()) / h)
                error[k] = min(error[k], abs(difference - own[k]) / max(scale, abs(difference)))
        pending = [k for k in pending if error[k] > TOLERANCE]
        if not pending:
            break
    for k, values in enumerate(found):
        if not values:
            out.skipped += 1
        elif error[k] <= TOLERANCE:
            out.clear += 1
            out.worst = max(out.worst, float(error[k]))
        else:
            best, blur = _most_certain([values[h] for h in sorted(values)])
            if abs(own[k] - best) > 10 * blur:
                out.clear += 1
                out.worst = max(out.worst, float(error[k]))
            else:
                out.blurred += 1
    return out


def _points(
    forward: Program, loss: str, base: dict[str, Array], name: str, directions: list[Array], h: float,
    sizes: Mapping[str, int], switches: Switches, pattern: list[Array],
) -> tuple[Array, NDArray[np.bool_]]:  # fmt: skip
    """The loss at −2h, −h, h, 2h along each direction (4 × directions), and whether a kink lies in between.

    All points are evaluated at once, along an axis in front; one by one where an operation knows no such axis.
    """
    count = len(directions)
    block = np.stack(directions)
    steps = np.array([-2.0, -1.0, 1.0, 2.0]).reshape(4, *[1] * block.ndim) * h
    moved = (base[name] + steps * block).reshape(4 * count, *base[name].shape)
    needed = [loss, *switches.names]
    patterns: Sequence[Array]
    if not evaluates_many_points(forward):
        single = [evaluate_program(forward, {**base, name: m}, sizes, needed) for m in moved]
        reached = np.stack([s[loss] for s in single])
        patterns = [np.stack(p) for p in zip(*(switches.pattern(s) for s in single), strict=True)]
    else:
        known = evaluate_program(forward, {**base, name: moved}, sizes, needed)
        reached, patterns = known[loss], switches.pattern(known)
    crossed = np.zeros(4 * count, dtype=bool)
    for here, there in zip(patterns, pattern, strict=True):
        if here.ndim > there.ndim:  # else it does not depend on what is moved
            crossed |= (here != there).reshape(4 * count, -1).any(axis=1)
    points = np.broadcast_to(reached, (4 * count,)).reshape(4, count)
    return points, np.asarray(crossed.reshape(4, count).any(axis=0))


def _most_certain(found: list[tuple[float, float]]) -> tuple[float, float]:
    """The difference on which two neighbouring steps agree best, and how far off it may be."""
    if len(found) == 1:
        return found[0]
    blur, value = min((abs(a - b) + max(r, s), b) for (a, r), (b, s) in pairwise(found))
    return value, blur
