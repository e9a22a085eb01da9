"""σ(−x) = 1 − σ(x): written out where that lets terms be collected, (a + 1 − y) σ(z) − a for σ(z) (1 − y) − a σ(−z).

As text the first is shorter; as code it loses digits, for a σ(z) − a is nearly 0 at large z. So the form is taken only
where `parted` finds the term that cancels in the bracket again, and plans do (`chainrule.plan.complements`): they
compute the second. Nothing is written out for a σ(x) that stands nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chainrule.algebra.expr import Atom, Expr, Factor, Index, add, monomial, rename, scale
from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.relations import CONSTANTS
from chainrule.dims import Dim
from chainrule.simplify.masks import seen

__all__ = ["Parted", "parted", "with_complements"]

Number = TypeVar("Number")


def with_complements(expression: Expr, program: Program) -> Expr | None:
    """The expression with 1 − σ(x) for each σ(−x) whose σ(x) it holds too; None where there is none."""
    found = {seen(program, atom) for factors, _ in expression for atom, _ in factors}
    result: Expr = {}
    for (factors, bound), coefficient in expression.items():
        for position, (atom, exponent) in enumerate(factors):
            other = _opposite(program, atom) if exponent == 1 else None
            if other is None or other not in found:
                continue
            rest = [*factors[:position], *factors[position + 1 :]]
            other = next(a for fs, _ in expression for a, _ in fs if seen(program, a) == other)
            plain = monomial(coefficient, rest, bound)
            result = add(result, plain, monomial(-coefficient, [*rest, (other, 1)], bound))
            break
        else:
            result = add(result, {(factors, bound): coefficient})
    return result if result != expression else None


def _opposite(program: Program, atom: Atom) -> Atom | None:
    """σ(x) for an unnamed σ(−x), where −x has no name and no term without a minus."""
    head, name, places = seen(program, atom)
    if head != "sigmoid" or not isinstance(name, str) or (not atom[0] and not is_anonymous(str(atom[1]))):
        return None
    argument = program.expression(name) if is_anonymous(name) else None
    if not argument or any(c > 0 for c in argument.values()):
        return None
    own = program.variables[name]
    if len(argument) == 1:
        (((factors, bound), coefficient),) = argument.items()
        if coefficient == -1 and not bound and len(factors) == 1 and factors[0][1] == 1 and not factors[0][0][0]:
            put = dict(zip(own.indices, places, strict=True))
            _, inner, at = factors[0][0]
            return ("sigmoid", inner, tuple(put.get(i, i) for i in at))
    known = _known(program, scale(argument, -1), own.dims)
    return ("sigmoid", known, places) if known is not None else None


def _known(program: Program, value: Expr, dims: tuple[Dim, ...]) -> str | None:
    for equation in program:
        if equation.value == value and program.variables[equation.name].dims == dims:
            return equation.name
    return None


@dataclass(frozen=True, slots=True)
class Parted:
    """B m f − q f, where the bracket B holds the term q, and m is σ(x) or a label: q (m − 1) f loses no digits.

    whole, other: the positions of the two.  bracket: B.  mask: m.  rest: B without q.
    """

    whole: int
    other: int
    bracket: Factor
    mask: Factor
    rest: Expr


def parted(
    program: Program,
    terms: Sequence[tuple[Collection[Factor], Collection[Index], Number]],
    negative: Callable[[Number], Number],
    labels: bool = False,
) -> Parted | None:
    """The first pair of terms that is B m f − q f, of terms (factors, summed indices, coefficient).

    q may not be made of σ(x) itself: there 1 − σ(x) is exact enough, and costs less. labels: m may be one too.
    """
    for position, (factors, bound, coefficient) in enumerate(terms):
        for bracket in factors if len(factors) > 1 else ():
            sum_ = _bracket(program, bracket)
            for mask in factors if sum_ is not None else ():
                inner = seen(program, mask[0])
                known = program.variables.get(str(inner[1])) if labels and not inner[0] else None
                label = known is not None and known.kind == "label"
                if mask == bracket or mask[1] != 1 or not (label or inner[0] == "sigmoid"):
                    continue
                left = [f for f in factors if f not in (mask, bracket)]
                for (own, inside), value in (sum_ or {}).items():
                    wanted = dict([*left, *own])
                    plain = not inside and value == 1 and not any(a[0] in CONSTANTS for a, _ in own)
                    if not plain or len(wanted) != len(left) + len(own) or _holds(program, own, inner):
                        continue
                    for other, (others, summed, number) in enumerate(terms):
                        same = other != position and set(summed) == set(bound) and dict(others) == wanted
                        if same and number == negative(coefficient):
                            rest = {k: c for k, c in (sum_ or {}).items() if k != (own, inside)}
                            return Parted(position, other, bracket, mask, rest)
    return None


def _bracket(program: Program, factor: Factor) -> Expr | None:
    """The sum that an unnamed factor stands for, at its indices."""
    (head, name, places), exponent = factor
    if head or exponent != 1 or not is_anonymous(str(name)):
        return None
    value = program.expression(str(name))
    if value is None or len(value) < 2:
        return None
    return rename(value, dict(zip(program.variables[str(name)].indices, places, strict=True)))


def _holds(program: Program, factors: Iterable[Factor], mask: Atom) -> bool:
    """True where a factor is the mask, or a name for a product with it."""
    for atom, _ in factors:
        if seen(program, atom) == mask:
            return True
        value = program.expression(str(atom[1])) if not atom[0] else None
        if value is not None and len(value) == 1:
            ((inner, _),) = value
            put = dict(zip(program.variables[str(atom[1])].indices, atom[2], strict=True))
            moved = [((h, n, tuple(put.get(i, i) for i in ix)), e) for (h, n, ix), e in inner]
            if _holds(program, moved, mask):
                return True
    return False
