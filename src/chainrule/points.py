"""Points at which a program is tried: sizes that tell every axis from every other, and random arrays.

Sizes are distinct primes, and arrays obey their declared facts and nothing more, so that a transposed or a lucky answer
cannot pass. Verification, `check` and the proofs of identities all take theirs from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice, permutations

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.program import Operation, Program, Variable
from chainrule.dims import Dim
from chainrule.functions.operations import defined_by
from chainrule.reference import evaluate_program
from chainrule.sizes import is_derived, symbols_of, value_of

__all__ = ["choose_sizes", "classes_of", "sample"]

Array = NDArray[np.float64]
PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)
INVERTS = frozenset({"inv", "det", "logdet", "solve", "cholesky"})
MOST_ORDERS = 24  # of sizes, tried where a matrix must be invertible


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
    classes = classes_of(program)
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


def classes_of(program: Program) -> dict[str, list[Dim]]:
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
