"""−∞ in a trace: a mask of scores, the start of a running maximum. Only what is finite in the end is accepted.

An infinite number is recorded as ±HUGE, whose exponential is 0 in float32 as in float64. When the function has run,
`check_infinities` follows it through the program: it may be scaled, moved, chosen by masks and compared, until a
function that is flat out there (exp, sigmoid, relu …), a maximum along an axis or a label that picks one entry makes a
finite number of it. Anything else is refused, so that no result is ever made of HUGE itself. To let another function
end an infinity: FLAT.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from chainrule.algebra.expr import Atom, Expr, Index
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.dims import display_name
from chainrule.functions import FUNCTIONS

__all__ = ["HUGE", "check_infinities", "finite_array", "is_infinite"]

HUGE = 10**30
_LARGE = 10**25  # what is left of it after a division by √d, or by a temperature
FLAT = {  # a function -> the infinities at which it has a finite limit
    "exp": (-1,), "softplus": (-1,), "relu": (-1,), "sigmoid": (-1, 1), "tanh": (-1, 1), "step": (-1, 1),
    "nonneg": (-1, 1), "sgn": (-1, 1), "iszero": (-1, 1), "erf": (-1, 1), "normal_cdf": (-1, 1), "arctan": (-1, 1),
}  # fmt: skip


def is_infinite(expr: Expr) -> int:
    """−1 or 1 where an expression is −∞ or ∞ as a whole, else 0."""
    value = expr.get(((), ())) if len(expr) == 1 else None
    return 0 if value is None or abs(value) != HUGE else (1 if value > 0 else -1)


def finite_array(array: Any) -> Any:
    """The numbers, with ±HUGE for what is infinite."""
    return np.where(np.isinf(array), np.copysign(float(HUGE), array), array)


def check_infinities(program: Program, result: str, refuse: Callable[[str, str | None], NoReturn]) -> None:
    """Refuse a program whose result may be made of ±HUGE."""
    signs: dict[str, int] = {}  # names that hold an infinity, and which

    def stop(name: str, why: str) -> NoReturn:
        what = "a part of the formula" if is_anonymous(name) else display_name(name)
        refuse(f"an infinite number reaches {what}, {why}", "a large finite number, such as -1e9")

    for equation in program:
        value = equation.value
        if isinstance(value, Operation):
            found = _of_operation(value, signs)
        else:
            found = {_of_term(program, key, c, signs) for key, c in value.items()} - {0}
        if 2 in found or len(found) > 1:
            stop(equation.name, "where it does not end")
        if found:
            if equation.name == result:
                stop(equation.name, "which is the result")
            signs[equation.name] = found.pop()


def _of_operation(value: Operation, signs: dict[str, int]) -> set[int]:
    """The infinities that an operation's result holds; 2 where that is not known."""
    if value.op == "constant":
        numbers = np.asarray(value.attributes[0].array)
        return {int(np.sign(n)) for n in numbers.ravel() if abs(n) >= _LARGE}
    held = {signs[name] for name in value.args if name in signs}
    if value.op == "max" and held == {-1}:
        return set()  # some entry along the axis is finite, or NumPy gives NaN
    return {2} if held else set()


def _of_term(program: Program, key: Any, coefficient: Any, signs: dict[str, int]) -> int:
    """The infinity that a term is, 0 for none, 2 where it is not known."""
    factors, bound = key
    sign = 0
    if abs(Fraction(coefficient)) >= _LARGE:
        sign = 1 if coefficient > 0 else -1
    carriers: list[Atom] = []
    for (head, name, indices), exponent in factors:
        names = [n for n, _ in name] if isinstance(name, tuple) else [name]
        held = {signs[n] for n in names if n in signs}
        if not held:
            continue
        if head == "" and exponent == 1 and not sign and not carriers:
            carriers.append((head, name, indices))
            continue
        if len(held) == 1 and held <= set(FLAT.get(head, ())):
            continue
        return 2
    if carriers:
        sign = signs[str(carriers[0][1])] * (1 if coefficient > 0 else -1)
    if not sign:
        return 0
    for atom, exponent in factors:
        if atom in carriers:
            continue
        if not carriers and atom[0] == "" and _holds(atom, signs):
            return 2
        if exponent > 0 and _picks_one(program, atom, bound):
            return 0
        if atom[0] in ("#", "n", "δ", "rel") or (exponent > 0 and _is_weight(program, atom)):
            continue
        return 2
    return sign


def _holds(atom: Atom, signs: dict[str, int]) -> bool:
    return str(atom[1]) in signs


def _picks_one(program: Program, atom: Atom, bound: tuple[Index, ...]) -> bool:
    """True for one-hot rows that are summed over: one entry is taken, which the labels say is not a masked one."""
    if atom[0] != "" or not atom[2] or atom[2][-1] not in bound:
        return False
    known = program.variables.get(str(atom[1]))
    return known is not None and "one-hot" in known.facts


def _is_weight(program: Program, atom: Atom, depth: int = 0) -> bool:
    """True where every entry is known to be at least 0: 0 or 1 in a mask."""
    head, name, _ = atom
    if head in FUNCTIONS:
        return FUNCTIONS[head].idempotent or FUNCTIONS[head].positive or head in ("relu", "abs")
    if head != "" or not isinstance(name, str) or depth > 4:
        return False
    known = program.variables.get(name)
    if known is not None and set(known.facts) & {"one-hot", "mask", "nonnegative", "positive", "rows sum to 1"}:
        return True
    equation = program.equations.get(name)
    if equation is None:
        return False
    if isinstance(equation.value, Operation):
        return equation.value.op == "constant" and bool((equation.value.attributes[0].array >= 0).all())
    terms = list(equation.value.items())
    if len(terms) == 2 and ((((), ()), 1) in terms):  # 1 − m
        (factors, bound), c = next(t for t in terms if t[0] != ((), ()))
        return c == -1 and not bound and all(_is_mask(program, a) for a, _ in factors)
    return all(c > 0 and all(_is_weight(program, a, depth + 1) for a, _ in factors) for (factors, _), c in terms)


def _is_mask(program: Program, atom: Atom, depth: int = 0) -> bool:
    head, name, _ = atom
    if head in ("δ", "rel"):
        return True
    if head in FUNCTIONS:
        return FUNCTIONS[head].idempotent
    known = program.variables.get(str(name))
    if known is not None and "one-hot" in known.facts:
        return True
    equation = program.equations.get(str(name))
    if equation is None or depth > 4:
        return False
    if isinstance(equation.value, Operation):
        array = equation.value.attributes[0].array if equation.value.op == "constant" else None
        return array is not None and bool(((array == 0) | (array == 1)).all())
    if len(equation.value) != 1:
        return False
    ((factors, bound), c) = next(iter(equation.value.items()))
    return c == 1 and not bound and all(_is_mask(program, a, depth + 1) for a, _ in factors)
