"""Verification: every derived gradient against central differences, in float64, on random data.

Sizes are distinct primes, labels obey their declared facts and nothing more, and no difference is taken across a kink
(a perturbation that changes the sign of what goes into relu, or which entry is the largest, is made smaller or left out
and counted). Facts can hold a program at its kinks: entries that are 0 in every triangular matrix tie in its maximum.
A gradient of which every difference is left out is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.loops import loop_members, moved
from chainrule.algebra.program import Operation, Program, Variable
from chainrule.dims import Dim
from chainrule.functions.operations import defined_by
from chainrule.kinks import Switches, switches_of
from chainrule.reference import evaluate_program, evaluates_many_points
from chainrule.sizes import is_derived, symbols_of, value_of

__all__ = ["Report", "choose_sizes", "sample", "verify_gradients"]

Array = NDArray[np.float64]
PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)
INVERTS = frozenset({"inv", "det", "logdet", "solve", "cholesky"})
MOST_ORDERS = 24  # of sizes, tried where a matrix must be invertible
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


def choose_sizes(program: Program, given: Mapping[str, int] | None = None) -> dict[str, int]:
    """Distinct primes for the symbolic sizes (small ones again when there are more than fourteen).

    Where a matrix is inverted, sizes are sought with which it can be: XᵀX has an inverse if X has enough rows.
    """
    symbols = dict.fromkeys(s for v in program.variables.values() for d in v.dims for s in symbols_of(d))
    left = [s for s in symbols if s not in (given or {})]
    primes = [p for p in PRIMES if p not in (given or {}).values()] or list(PRIMES)

    def assigned(order: Sequence[str]) -> dict[str, int]:
        sizes = dict(given or {})
        for number, symbol in enumerate(order):
            sizes[symbol] = primes[number % len(primes)] if len(symbols) <= len(PRIMES) else primes[number % 4]
        return {symbol: sizes[symbol] for symbol in (*(given or {}), *left)}

    derived = list(dict.fromkeys(d for v in program.variables.values() for d in v.dims if is_derived(d)))
    if derived:  # n − k + 1 windows: small numbers for what is taken away, or the whole of a size would be gone
        larger = {
            s: sum(value_of(d, _others(d, s, 97)) - value_of(d, _others(d, s, 89)) for d in derived) for s in left
        }
        orders = [sorted(left, key=lambda s: (larger[s] >= 0, -larger[s])), sorted(left, key=lambda s: larger[s])]
        primes = [2, *primes] if any(v < 0 for v in larger.values()) else primes
        tried = [*orders, *islice(permutations(left), MOST_ORDERS)]
        for first_prime in range(len(primes) - 4):  # a window wider than the smallest of them needs larger ones
            primes = primes[1:] if first_prime else primes
            fits = (list(o) for o in tried if all(value_of(d, assigned(o)) >= 1 for d in derived))
            found = next(fits, None)
            if found is not None:
                left = found
                break
    first = assigned(left)
    inverted = [
        argument for equation in program if isinstance(equation.value, Operation)
        for argument in equation.value.args[:1] if equation.value.op in INVERTS
    ]  # fmt: skip
    if not inverted:
        return first
    for order in islice(chain([left, left[::-1]], permutations(left)), MOST_ORDERS):
        sizes = assigned(order)
        if _invertible(program, inverted, sizes):
            return sizes
    return first


def _others(dim: Dim, symbol: str, value: int) -> dict[str, int]:
    """Large numbers for the symbols of a size, `value` for one: to see whether the size grows with it."""
    return {**dict.fromkeys(symbols_of(dim), 53), symbol: value}


def _invertible(program: Program, inverted: Sequence[str], sizes: Mapping[str, int]) -> bool:
    """True where every matrix that is inverted can be, at some random point."""
    rng = np.random.default_rng(0)
    for attempt in range(3):
        known = evaluate_program(program, sample(program, sizes, rng, attempt == 1), sizes, inverted)
        if all(np.isfinite(known[n]).all() and np.all(np.linalg.cond(known[n]) < 1e8) for n in inverted):
            return True
    return False


def _shape(variable: Variable, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(value_of(d, sizes) for d in variable.dims)


def sample(
    program: Program, sizes: Mapping[str, int], rng: np.random.Generator, positive: bool = False, spread: float = 1.0
) -> dict[str, Array]:
    """Random values of the declared variables that obey their declared facts; `spread` scales the normal ones."""
    values: dict[str, Array] = {}
    classes = _classes(program)
    for variable in program.variables.values():
        if variable.kind not in ("input", "label", "param", "const"):
            continue
        shape = _shape(variable, sizes)
        array = spread * rng.standard_normal(shape)
        facts = set(variable.facts)
        if positive or facts & {"positive", "nonnegative"}:
            array = rng.uniform(0.2, 0.9, shape)
        if "mask" in facts:
            array = rng.integers(0, 2, shape).astype(np.float64)
        if "one-hot" in facts and shape:
            array = np.zeros(shape)  # an identity matrix of 50,257 classes would be 20 GB
            np.put_along_axis(array, rng.integers(0, shape[-1], shape[:-1])[..., None], 1.0, -1)
        elif "rows sum to 1" in facts and shape:
            array = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
        if "symmetric" in facts and len(shape) == 2:
            array = (array + array.T) / 2
        if "positive definite" in facts and len(shape) == 2:
            array = array @ array.T / shape[0] + 0.5 * np.eye(*shape)
        if "lower triangular" in facts and len(shape) == 2:
            array = np.tril(array)
        if "upper triangular" in facts and len(shape) == 2:
            array = np.triu(array)
        if "diagonal" in facts and len(shape) == 2:
            array = array * np.eye(*shape)
        if "orthogonal" in facts and len(shape) == 2:
            array = np.linalg.qr(array)[0]
        if "integer" in facts:
            array = np.round(3 * array)
        if variable.name in classes:
            array = rng.integers(0, min(value_of(d, sizes) for d in classes[variable.name]), shape).astype(float)
        values[variable.name] = np.asarray(array, dtype=np.float64)
    return values


def _classes(program: Program) -> dict[str, list[Dim]]:
    """Declared names that hold classes from 0, for onehot(…) of them or of a part of them: how many there are."""
    found: dict[str, list[Dim]] = {}
    for equation in program:
        if not isinstance(equation.value, Operation) or equation.value.op != "onehot":
            continue
        classes = equation.value.attributes[0]
        stack = [equation.value.args[0]]
        while stack:
            name = stack.pop()
            operation = defined_by(program, name)
            if operation is not None and operation.op in ("argmax", "argsort"):
                continue  # they make whole numbers of any
            if name in program.equations:
                stack += program.equations[name].arguments
            else:
                found.setdefault(name, []).append(classes)
    return found


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

    classes = _classes(forward)

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
