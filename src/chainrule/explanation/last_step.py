"""A recurrence at the step that is computed first: δ₂[T] = δ₁[T] U ∘ (1 − …), since δ₂[T+1] is 0.

`earlier` says which sequences an equation takes from the steps before, `first_step` what the equation is without them.
It gives nothing where that cannot be read off the terms: an earlier step inside of a function or below a fraction, or
one with an initial value. To be said of a further operation over steps, it is a case of `_at_the_first`.
"""

from __future__ import annotations

from chainrule.algebra.expr import Atom, Expr, Factor, Index, add, atom_variables, monomial, rename, substitute
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.functions.sequences import UNIT

__all__ = ["earlier", "first_step"]


def earlier(program: Program, name: str, backwards: bool) -> tuple[str, ...]:
    """The names of which an equation takes a step before, also by what it uses without a name; in order."""
    found: dict[str, None] = {}
    seen: set[str] = set()

    def visit(at: str) -> None:
        for argument in program.equations[at].arguments:
            equation = program.equations.get(argument)
            if equation is None or argument in seen:
                continue
            seen.add(argument)
            if is_lag(equation) and isinstance(equation.value, Operation):
                if (equation.value.attributes[0] > 0) == backwards:
                    found[equation.value.args[0]] = None
            elif is_anonymous(argument):
                visit(argument)

    visit(name)
    return tuple(found)


def first_step(program: Program, name: str, backwards: bool) -> Expr | None:
    """What the sequence `name` is where its loop begins; None where nothing falls away there, or it is not certain."""
    value = _written_out(program, name, backwards)
    if value is None:
        return None
    out: Expr = {}
    fell = False
    for (factors, bound), coefficient in value.items():
        found = [(_at_the_first(program, atom, exponent, backwards), (atom, exponent)) for atom, exponent in factors]
        if any(what is None for what, _ in found):
            return None
        if any(what == 0 for what, _ in found):
            fell = True
            continue
        kept: list[Factor] = [factor for what, factor in found if what != 1]
        out = add(out, monomial(coefficient, kept, bound))
    return out if fell else None


def _written_out(program: Program, name: str, backwards: bool) -> Expr | None:
    """The equation, with what it takes from steps before in it and not under names that nobody sees."""
    value = program.expression(name)
    for inner in program.equations[name].arguments if value is not None else ():
        equation = program.equations.get(inner)
        if not is_anonymous(inner) or equation is None or is_lag(equation) or not earlier(program, inner, backwards):
            continue
        written, own = _written_out(program, inner, backwards), program.variables[inner].indices
        if written is None or value is None:
            return None

        def at(indices: tuple[Index, ...], written: Expr = written, own: tuple[Index, ...] = own) -> Expr:
            return rename(written, dict(zip(own, indices, strict=True)))

        try:
            value = substitute(value, inner, at)
        except ValueError:  # inside of a function
            return None
    return value


def _at_the_first(program: Program, atom: Atom, exponent: object, backwards: bool) -> int | str | None:
    """Whether a factor is 0 or 1 there, or kept as it is; None: that is not known."""
    head, name, _ = atom
    equation = program.equations.get(name) if not head and isinstance(name, str) else None
    if equation is not None and isinstance(equation.value, Operation):
        operation = equation.value
        if is_lag(equation) and (operation.attributes[0] > 0) == backwards:
            return 0 if len(operation.args) == 1 and isinstance(exponent, int) and exponent > 0 else None
        if operation.op == UNIT:
            return 1 if operation.attributes[0] == (-1 if backwards else 0) else None
        return "kept"
    for inner in atom_variables(atom):
        used = program.equations.get(inner)
        if is_lag(used) or (used is not None and is_anonymous(inner) and earlier(program, inner, backwards)):
            return None
    return "kept"
