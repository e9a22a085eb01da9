"""How exact generated code is, function by function, where torch is exact.

    python tests/ulp_table.py [POINTS] [NAME …] [c | torch | jax] [float64] [all | on | off] [detail]

Every function of the library, its value and each gradient, in float32 at inputs of ±1, ±10, ±100 and ±10,000; the truth
is mpmath's. A number of the result counts where torch's is within 4 units in the last place; it is a miss where ours is
further off. Printed for each scale: misses, how many numbers counted, and at how many numbers torch is beyond 4 units
and ours is not (negative); the largest miss in units. Small arrays, for mpmath takes a microsecond for a product.
all, on, off: precise="all", True, False; otherwise what the target does by itself.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import mpmath as mp
import numpy as np
import torch

from chainrule.errors import ArrayError
from chainrule.sizes import value_of
from chainrule.targets.numpy import compile_numpy
from exact_values import evaluate, exact
from library_oracles import TORCH
from test_library_shapes import CLASSES, SHOWN, sizes_of

IMAGE = {"n": 5, "m": 4, "p": 3, "k": 2, "l": 2, "N": 2, "C": 2, "O": 3, "G": 2}
SCALES = (1.0, 10.0, 100.0, 10_000.0)
LIMIT = 4.0


@dataclass
class Count:
    """Of one result of one function at one scale."""

    counted: int = 0
    missed: int = 0
    theirs: int = 0  # where ours is within the limit and torch's is not
    worst: float = 0.0
    nan: int = 0
    where: list[tuple[object, ...]] = field(default_factory=list)


def ulps(got: np.ndarray, truth: np.ndarray, dtype: type) -> np.ndarray:
    """How far off, in units of the last place of the truth."""
    info = np.finfo(dtype)
    largest, least = float(info.max), float(info.smallest_subnormal)
    out = np.empty(got.shape)
    for place in np.ndindex(*got.shape):
        g, t = got[place], truth[place]
        if abs(t) > largest:
            out[place] = np.inf if np.isfinite(g) else 0.0
        elif not np.isfinite(g):
            out[place] = np.inf
        else:
            unit = max(float(np.spacing(dtype(abs(float(t))))), least)
            out[place] = float(abs(exact(g)[()] - t) / unit)
    return out


def sizes_for(name: str) -> dict[str, int]:
    """Small ones for convolutions: mpmath takes a microsecond for a product."""
    return IMAGE if SHOWN[name].entry.family == "convolutions" else sizes_of(name)[0]


def sampled(name: str, scale: float, seed: int, dtype: type) -> dict[str, np.ndarray]:
    """Arrays that obey the declared facts; the inputs (or parameters, where there are none) of that scale."""
    found, sizes = SHOWN[name], sizes_for(name)
    rng = np.random.default_rng(seed)
    declared = found.derivation.network.declarations
    scaled = {n for n, i in declared.items() if i.kind == "input"} or set(found.derivation.gradients)
    values = {}
    for argument, item in declared.items():
        shape = tuple(value_of(d, sizes) for d in item.shape)
        array = rng.standard_normal(shape) * (scale if argument in scaled else 1)
        if "positive" in item.facts:
            array = rng.uniform(0.3, 1.2, shape) * (scale if argument in scaled else 1)
        if "one-hot" in item.facts:
            array = np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
        if "integer" in item.facts:
            array = rng.integers(0, sizes[CLASSES.get(name, "V")], shape).astype(float)
        if (name, argument) == ("smoothed_CE", "a"):
            array = np.array(0.1)
        if (name, argument) == ("CE_ignored", "k"):
            array = (np.arange(shape[0]) != 1).astype(float)
        if name == "weighted_BCE_logits" and argument in "yw":
            array = rng.uniform(0.1, 0.9, shape)
        values[argument] = np.asarray(array, dtype=dtype)
    return values


def results(step, values, gradients, value):  # type: ignore[no-untyped-def]
    """Arrays by the name of their equation. Where a target gives a loss, it is the value only if that is a scalar."""
    given = {n: v for n, v in values.items() if n in step.names}
    found = step(**given)
    if isinstance(found, dict):
        return found
    loss, slopes = found
    made = {gradients[n]: np.asarray(g) for n, g in slopes.items()}
    return made | ({value: np.asarray(loss)} if value == "J" else {})


@cache
def compiled(name: str, dtype: str, target: str, options: tuple[tuple[str, object], ...]):  # type: ignore[no-untyped-def]
    found = SHOWN[name]
    if target != "numpy":
        return found.derivation.compile(target, dtype=dtype, **dict(options))
    outputs = [found.value, *found.derivation.backward.gradients.values()]
    return compile_numpy(found.derivation.program, outputs, dtype=dtype, **dict(options))


def measured(
    name: str, scale: float, seeds: Iterable[int], dtype: type = np.float32, target: str = "numpy", **options: object
) -> dict[str, Count]:
    """The value and the gradients of one function at some points."""
    found, sizes = SHOWN[name], sizes_for(name)
    derivation = found.derivation
    gradients = derivation.backward.gradients
    step = compiled(name, dtype.__name__, target, tuple(options.items()))
    counts = {"value": Count(), **{n: Count() for n in gradients}}
    for seed in seeds:
        values = sampled(name, scale, seed, dtype)
        with np.errstate(all="ignore"):
            try:
                ours = results(step, values, gradients, found.value)
            except ArrayError:  # the loss is no number of that dtype, which a step refuses
                continue
        tensors = {n: torch.tensor(v, requires_grad=n in gradients) for n, v in values.items()}
        out = TORCH[name](*(tensors[p] for p in found.entry.parameters if p in tensors))
        upstream = tensors.get("δ", tensors.get("Δ"))
        (out if upstream is None else (upstream * out).sum()).backward()
        truth = evaluate(derivation.program, values, sizes)
        pairs = [("value", found.value, out.detach())] if found.value in ours else []
        pairs += [(n, g, tensors[n].grad) for n, g in gradients.items()]
        for what, equation, theirs in pairs:
            right = truth[equation]
            if right.shape != tuple(theirs.shape):
                right = np.broadcast_to(right, tuple(theirs.shape))
            mine = np.broadcast_to(np.asarray(ours[equation], dtype), right.shape)
            near = ulps(theirs.numpy(), right, dtype) <= LIMIT
            off = ulps(mine, right, dtype)
            missed = near & (off > LIMIT)
            count = counts[what]
            count.counted += int(near.sum())
            count.missed += int(missed.sum())
            count.theirs += int((~near & (off <= LIMIT)).sum())
            count.nan += int((near & ~np.isfinite(mine) & np.isfinite(theirs.numpy())).sum())
            count.worst = max([count.worst, *off[missed].tolist()])
            if missed.any():
                at = tuple(np.argwhere(missed)[0])
                count.where.append((seed, at, float(off[at]), float(mine[at]), mp.nstr(right[at], 12)))
    return counts


def table(
    names: Iterable[str], points: int, dtype: type = np.float32, detail: bool = False, target: str = "numpy",
    **options: object,
) -> int:  # fmt: skip
    misses = total = 0
    for name in names:
        row: dict[str, list[str]] = {}
        for scale in SCALES:
            found = measured(name, scale, range(points), dtype, target, **options)
            for what, count in found.items():
                misses, total = misses + count.missed, total + count.counted
                told = f"{count.missed:4}/{count.counted:<5}{-count.theirs:5}"
                told += f" ({count.worst:.3g})" if count.missed else ""
                row.setdefault(what, []).append(f"{told + (' NaN' if count.nan else ''):26}")
                if detail:
                    for place in count.where[:3]:
                        print(f"      {name} {what} {scale:g}: {place}")  # noqa: T201
        for what, cells in row.items():
            print(f"{name:24} {what:6} " + " ".join(cells), flush=True)  # noqa: T201
    print(f"{misses} misses of {total}")  # noqa: T201
    return misses


def main(arguments: list[str]) -> int:
    points = int(arguments[0]) if arguments else 20
    double, detail = "float64" in arguments, "detail" in arguments
    names = [a for a in arguments[1:] if a in SHOWN] or list(SHOWN)
    warnings.simplefilter("ignore")
    target = next((a for a in arguments if a in ("c", "torch", "jax")), "numpy")
    modes = {"all": "all", "on": True, "off": False}
    options = {"precise": modes[a]} if (a := next((a for a in arguments if a in modes), "")) else {}
    table(names, points, np.float64 if double else np.float32, detail, target, **options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
