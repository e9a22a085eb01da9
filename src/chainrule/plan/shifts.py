"""Shifted exponents: how Σ exp(t) is computed without overflow, found by structure.

Where a variable s[I] = Σ_K exp(t[I, K]) is divided by, or its logarithm taken, exp(t) is not computed as it stands.
With m[I] = max_K t[I, K] and u = exp(t − m), exp(t) = u · exp(m) and s = (Σ_K u) · exp(m): both are a *mantissa* times
the same `Scale`. In exp(t)/s the scales cancel; log s = log Σ_K u + m. A value with a scale is made whole
(mantissa · exp(m)) only where something asks for it by itself.

A logarithm beside t itself, t − log s (log-softmax, cross-entropy), is (t − m) − log Σ_K u: `paired_logs` says so, for
t − (log Σ_K u + m) would lose the digits that t and m share.

`find_shifts` finds the pairs (t, K); `Scale` is the bookkeeping of exponents of exp(m).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.algebra.expr import Factor, Index, Rational
from chainrule.algebra.program import Program
from chainrule.plan.complements import function_of
from chainrule.plan.numbers import Coefficient

__all__ = ["Scale", "Shift", "balance", "choose_scales", "exponential_of", "find_shifts", "paired_logs"]

# A maximum over axes of t: the name of t and the positions of the axes.
Shift = tuple[str, tuple[int, ...]]
# exp(Σ exponent · m[labels]) for (shift, labels): exponent
Scale = dict[tuple[Shift, tuple[int, ...]], Rational]


def exponential_of(program: Program, factor: Factor) -> tuple[str, tuple[Index, ...]] | None:
    """(t, indices) where the factor's base is exp(t[indices]): written so, or a name defined so."""
    (head, name, indices), _ = factor
    if not isinstance(name, str):
        return None
    if head == "exp":
        return name, indices
    if head != "":
        return None
    expression = program.expression(name)
    if expression is None or len(expression) != 1:
        return None
    (((factors, bound), coefficient),) = expression.items()
    if coefficient != 1 or bound or len(factors) != 1:
        return None
    (inner_head, t, inner), exponent = factors[0]
    if inner_head != "exp" or exponent != 1 or not isinstance(t, str) or len(set(inner)) != len(inner):
        return None
    if len(inner) != len(indices):
        return None
    return t, tuple(indices[-i[0] - 1] for i in inner)


def find_shifts(program: Program) -> dict[str, set[tuple[int, ...]]]:
    """For each t: the sets of axes over which Σ exp(t) is formed by a variable that is divided by or put in a log."""
    wanted = _divided_or_logged(program)
    found: dict[str, set[tuple[int, ...]]] = {}
    for equation in program:
        if equation.name not in wanted or not isinstance(equation.value, dict):
            continue
        for factors, bound in equation.value:
            for factor in factors:
                site = exponential_of(program, factor)
                if site is None or factor[1] <= 0:
                    continue
                axes = tuple(k for k, index in enumerate(site[1]) if index in bound)
                if axes and len(set(site[1])) == len(site[1]):
                    found.setdefault(site[0], set()).add(axes)
    return found


def _divided_or_logged(program: Program) -> set[str]:
    names: set[str] = set()
    for equation in program:
        if isinstance(equation.value, dict):
            for factors, _ in equation.value:
                for (head, name, _), exponent in factors:
                    if isinstance(name, str) and ((head == "" and exponent < 0) or head == "log"):
                        names.add(name)
    return names


def paired_logs(
    program: Program,
    terms: list[tuple[list[Factor], set[Index], Coefficient]],
    known: Callable[[str], Scale | None],
) -> list[tuple[list[Factor], set[Index], Coefficient]]:
    """The terms, where f t − f log s with s = Σ_K exp(t) is f ("shifted", t) − f ("log mantissa", s)."""
    terms = list(terms)
    for position, (factors, bound, coefficient) in enumerate(terms):
        for k, factor in enumerate(factors):
            seen = function_of(program, factor) if factor[1] == 1 else None
            if seen is None or seen[0] != "log":
                continue
            _, s, indices = seen
            scale = known(s)
            if not scale or len(scale) != 1:
                continue
            (((t, axes), where), power), *_ = scale.items()
            kept = [a for a in range(len(program.variables[t].dims)) if a not in axes]
            if power != 1:
                continue
            rest = dict(factors[:k] + factors[k + 1 :])
            for other, (others, summed, scalar) in enumerate(terms):
                if other == position or summed != bound or scalar != -coefficient:
                    continue
                extra = [f for f in others if f[0] not in rest]
                if len(extra) != 1 or len(others) != len(rest) + 1 or any(rest.get(a, e) != e for a, e in others):
                    continue
                (atom, e) = extra[0]
                if atom[:2] != ("", t) or e != 1 or len(set(atom[2])) != len(atom[2]):
                    continue
                if any(atom[2][a] != indices[label] for a, label in zip(kept, where, strict=True)):
                    continue
                shifted: Factor = ((f"shifted {','.join(map(str, axes))}", t, atom[2]), 1)
                terms[position] = ([*rest.items(), (("log mantissa", s, indices), 1)], bound, coefficient)
                terms[other] = ([*rest.items(), shifted], bound, scalar)
                return paired_logs(program, terms, known)
    return terms


def balance(scales: list[Scale]) -> Scale:
    """The product of scales: exponents add, those that cancel are gone."""
    total: Scale = {}
    for scale in scales:
        for key, exponent in scale.items():
            merged = total.get(key, 0) + exponent
            if merged:
                total[key] = merged
            else:
                del total[key]
    return total


def choose_scales(
    program: Program,
    shifts: dict[str, set[tuple[int, ...]]],
    known: Callable[[str], Scale | None],
    factors: Sequence[Factor],
    local: dict[Index, int],
    summed: set[int],
    allow_scale: bool,
) -> tuple[list[Shift | bool | None], Scale]:
    """For each factor of a term: None (as it stands), True (its mantissa) or the shift of an exponential.

    `known` gives the scale of a variable that has one; `local` the label of each index, `summed` those summed.
    The scale that remains, returned beside it, is empty unless `allow_scale`, and never depends on a summed label:
    factors for which that cannot be are used as they stand.
    """
    chosen: list[Shift | bool | None] = [None] * len(factors)
    scales: dict[int, Scale] = {}
    sites = []
    for k, ((head, name, indices), exponent) in enumerate(factors):
        site = exponential_of(program, factors[k])
        if site is not None and site[0] in shifts:
            sites.append((k, site, exponent))
            continue
        own = known(name) if head == "" and isinstance(name, str) else None
        if own:
            chosen[k] = True
            scales[k] = {
                (shift, tuple(local[indices[a]] for a in axes)): e * exponent for (shift, axes), e in own.items()
            }
    total = balance(list(scales.values()))
    for k, (t, indices), exponent in sites:
        where = tuple(local[i] for i in indices)
        options = [
            (axes, ((t, axes), tuple(label for a, label in enumerate(where) if a not in axes)))
            for axes in sorted(shifts[t])
        ]
        picked = next(
            (key for _, key in options if total.get(key, 0) * exponent < 0),
            next((key for axes, key in options if {where[a] for a in axes} <= summed), None),
        )
        if picked is not None:
            chosen[k] = picked[0]
            scales[k] = {picked: exponent}
            total = balance(list(scales.values()))
    while True:
        stuck = {key for key in total if not allow_scale or any(label in summed for label in key[1])}
        if not stuck:
            return chosen, total
        for k in [k for k, scale in scales.items() if stuck & scale.keys()]:
            del scales[k]
            chosen[k] = None
        total = balance(list(scales.values()))
