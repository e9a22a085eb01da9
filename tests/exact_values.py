"""Programs evaluated with mpmath: 150 digits on the way, so that what cancels still has 50 that are right.

The same equations as `chainrule.reference`, on arrays of mpmath numbers; it shares what that knows of operations, and
no code with plans and targets. It is the truth that float32 and float64 are measured by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath as mp
import numpy as np

from chainrule.algebra.expr import Expr, Index
from chainrule.algebra.program import Operation, Program
from chainrule.algebra.relations import relation_of
from chainrule.dims import Dim
from chainrule.functions.operations import OPERATIONS
from chainrule.sizes import value_of

DIGITS = 150
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
Sizes = Mapping[str, int]


def logistic(x: mp.mpf) -> mp.mpf:
    return 1 / (1 + mp.exp(-x))


def log1pexp(x: mp.mpf) -> mp.mpf:
    return mp.log1p(mp.exp(x)) if x < 0 else x + mp.log1p(mp.exp(-x))


FUNCTIONS: dict[str, Callable[..., mp.mpf]] = {
    "exp": mp.exp, "log": mp.log, "relu": lambda x: max(x, mp.mpf(0)), "sgn": mp.sign,
    "step": lambda x: mp.mpf(x > 0), "iszero": lambda x: mp.mpf(x == 0), "nonneg": lambda x: mp.mpf(x >= 0),
    "where": lambda c, a, b: a if c else b, "abs": abs, "sigmoid": logistic, "tanh": mp.tanh, "softplus": log1pexp,
    "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "arctan": mp.atan, "arctan_slope": lambda x: 1 / (1 + x * x),
    "sinh": mp.sinh, "cosh": mp.cosh, "pow": lambda x, y: x**y, "erf": mp.erf, "erfc": mp.erfc,
    "erf_slope": lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), "normal_cdf": lambda x: mp.erfc(-x / mp.sqrt(2)) / 2,
    "normal_pdf": mp.npdf,
}  # fmt: skip


def exact(array: Any) -> np.ndarray:
    """Floating-point numbers as mpmath has them."""
    array = np.asarray(array)
    return np.array([mp.mpf(float(x)) for x in array.ravel()], dtype=object).reshape(array.shape)


def evaluate(program: Program, values: Mapping[str, Any], sizes: Sizes) -> dict[str, np.ndarray]:
    """Every equation of a program without loops, on arrays of mpmath numbers."""
    known = {n: v if v.dtype == object else exact(v) for n, v in ((n, np.asarray(v)) for n, v in values.items())}
    with mp.workdps(DIGITS):
        for equation in program:
            if isinstance(equation.value, Operation):
                record = OPERATIONS[equation.value.op]
                arrays = [known[n] for n in equation.value.args]
                found = record.evaluate(equation.value, arrays, program, sizes)
            else:
                found = expression(equation.value, program.variables[equation.name].indices, known, sizes)
            known[equation.name] = lifted(found)
    return known


def lifted(array: Any) -> np.ndarray:
    out = np.empty(np.shape(array), dtype=object)
    for place in np.ndindex(*out.shape):
        out[place] = mp.mpf(np.asarray(array, dtype=object)[place])
    return out


def size(dim: Dim, sizes: Sizes) -> int:
    return value_of(dim, sizes)


def expression(value: Expr, indices: tuple[Index, ...], known: Mapping[str, Any], sizes: Sizes) -> np.ndarray:
    shape = tuple(size(dim, sizes) for _, dim in indices)
    total = np.full(shape, mp.mpf(0), dtype=object)
    for (factors, bound), number in value.items():
        scalar = mp.mpf(number.numerator) / number.denominator
        letters: dict[Index, str] = {}
        operands: list[np.ndarray] = []
        inputs: list[str] = []
        for (head, name, own), exponent in factors:
            if head in ("#", "n"):
                base = size(name, sizes) if head == "#" else mp.mpf(name.numerator) / name.denominator
                scalar *= power_of(exponent)(mp.mpf(base))
                continue
            array, own = factor(head, name, own, known, sizes)
            inputs.append("".join(letters.setdefault(i, LETTERS[len(letters)]) for i in own))
            operands.append(array if exponent == 1 else elementwise(power_of(exponent), array))
        for index in bound:
            if index not in letters:
                scalar *= size(index[1], sizes)
        for index in indices:
            if index not in letters:
                inputs.append(letters.setdefault(index, LETTERS[len(letters)]))
                operands.append(np.full(size(index[1], sizes), mp.mpf(1), dtype=object))
        if not operands:
            total = total + scalar
            continue
        subscripts = ",".join(inputs) + "->" + "".join(letters[i] for i in indices)
        total = total + contracted(subscripts, operands) * scalar
    return np.asarray(total, dtype=object)


def power_of(exponent: Any) -> Callable[[mp.mpf], mp.mpf]:
    """Roots with all digits: x ** 0.1 has those of a float."""
    whole = exponent.denominator == 1
    return lambda x: x ** int(exponent) if whole else x ** (mp.mpf(exponent.numerator) / exponent.denominator)


def contracted(subscripts: str, operands: list[np.ndarray]) -> np.ndarray:
    """One product after the other, each summed over what nothing else has."""
    inputs, output = subscripts.split("->")
    left = list(zip(inputs.split(","), operands, strict=True))
    letters, array = left.pop(0)
    while left:
        near = next((k for k, (own, _) in enumerate(left) if set(own) & set(letters)), 0)
        own, other = left.pop(near)
        needed = set(output).union(*(set(more) for more, _ in left))
        both = "".join(dict.fromkeys(letters + own))
        kept = "".join(letter for letter in both if letter in needed)
        array = np.asarray(np.einsum(f"{letters},{own}->{kept}", array, other), dtype=object)
        letters = kept
    return np.asarray(np.einsum(f"{letters}->{output}", array), dtype=object)


def elementwise(f: Callable[..., mp.mpf], *arrays: np.ndarray) -> np.ndarray:
    arrays = tuple(np.broadcast_arrays(*arrays))
    out = np.empty(arrays[0].shape, dtype=object)
    for place in np.ndindex(*out.shape):
        out[place] = mp.mpf(f(*(a[place] for a in arrays)))
    return out


def factor(
    head: str, name: Any, own: tuple[Index, ...], known: Mapping[str, Any], sizes: Sizes
) -> tuple[np.ndarray, tuple[Index, ...]]:
    """The array of an atom, and its indices, each once or more."""
    shape = tuple(size(dim, sizes) for _, dim in own)
    if head == "δ":
        return lifted(np.eye(shape[0])), own
    if head == "1":
        return np.full(shape, mp.mpf(1), dtype=object), own
    if head == "rel":
        comparison, offset, coefficients = relation_of(str(name))
        sums = np.zeros(shape, dtype=int) - size(offset, sizes)
        for axis, c in enumerate(coefficients):
            along = np.arange(shape[axis]) * size(c, sizes)
            sums = sums + along.reshape([-1 if k == axis else 1 for k in range(len(shape))])
        return lifted((sums == 0 if comparison == "=" else sums <= 0).astype(float)), own
    if not isinstance(name, tuple):
        return known[name] if head == "" else elementwise(FUNCTIONS[head], known[name]), own
    order = tuple(dict.fromkeys(own))
    letter = {i: LETTERS[k] for k, i in enumerate(order)}
    arrays, start = [], 0
    for argument, arity in name:
        mine = own[start : start + arity]
        start += arity
        distinct = "".join(dict.fromkeys(letter[i] for i in mine))
        array = np.asarray(np.einsum("".join(letter[i] for i in mine) + "->" + distinct, known[argument]), dtype=object)
        array = array.transpose(sorted(range(len(distinct)), key=lambda k: distinct[k]))
        wide = [size(i[1], sizes) if letter[i] in distinct else 1 for i in order]
        arrays.append(array.reshape(wide))
    return elementwise(FUNCTIONS[head], *arrays), order
