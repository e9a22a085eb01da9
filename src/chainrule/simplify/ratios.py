"""Quotients of functions that are functions: sinh/cosh = tanh, exp(x)/(1 + exp(x)) = σ(x); 1 − σ(−x) = σ(x).

They arise as derivatives of what has a sum or a function below a logarithm: log cosh, log(1 + exp). The argument must
be the same in both. A bracket that the user gave a name keeps it. To add one: a line in RATIOS.
"""

from __future__ import annotations

from fractions import Fraction

from chainrule.algebra.expr import UNIT, Atom, Expr, Monomial, add, monomial, scale, single
from chainrule.algebra.program import Program, is_anonymous
from chainrule.simplify.masks import named, seen

__all__ = ["has_ratios", "join_complements", "simplify_ratios"]

RATIOS = {("sinh", "cosh"): "tanh", ("sin", "cos"): "tan", ("exp", "1+exp"): "sigmoid"}  # (above, below) -> quotient


def has_ratios(program: Program) -> bool:
    """True where any of these rules may apply: a function of the table, or σ."""
    heads = {"sigmoid", "softplus", *(h for pair in RATIOS for h in pair)}
    values = (equation.value for equation in program)
    return any(a[0] in heads for v in values if isinstance(v, dict) for factors, _ in v for a, _ in factors)


def simplify_ratios(key: Monomial, program: Program) -> tuple[Expr, str] | None:
    """The term with one quotient replaced, and the function that came in."""
    factors, bound = key
    for atom, exponent in factors:
        if exponent >= 0 or Fraction(exponent).denominator != 1:
            continue
        below = _below(program, atom)
        if below is None:
            continue
        head, inner = below
        for other, power in factors:
            if power < 1 or Fraction(power).denominator != 1:
                continue
            above = seen(program, other)
            made = RATIOS.get((above[0], head))
            if made is None or above[1:] != inner or (other[0] == "" and not is_anonymous(str(other[1]))):
                continue
            powers = dict(factors)
            powers[atom] = exponent + 1
            powers[other] = power - 1
            whole: Atom = (made, above[1], above[2])
            powers[whole] = powers.get(whole, 0) + 1
            return monomial(1, powers.items(), bound), made
    return None


def _below(program: Program, atom: Atom) -> tuple[str, tuple[object, object]] | None:
    """(cosh, its argument with indices) for such an atom; of an unnamed 1 + exp(x) that argument, as 1+exp."""
    if atom[0] == "" and not is_anonymous(str(atom[1])):
        return None
    plain = seen(program, atom)
    if plain[0] in ("cosh", "cos"):
        return plain[0], plain[1:]
    value = program.expression(str(atom[1])) if atom[0] == "" else None
    if value is None or len(value) != 2 or value.get(UNIT) != 1:
        return None
    term = single({k: v for k, v in value.items() if k != UNIT})
    if term is None or term[1] != 1 or term[0][1] or len(term[0][0]) != 1 or term[0][0][0][1] != 1:
        return None
    put = dict(zip(program.variables[str(atom[1])].indices, atom[2], strict=True))
    head, name, places = term[0][0][0][0]
    head, name, places = seen(program, (head, name, tuple(put.get(i, i) for i in places)))
    return ("1+exp", (name, places)) if head == "exp" else None


def join_complements(expression: Expr, program: Program) -> Expr:
    """c A − c A σ(−x) = c A σ(x), wherever both terms are there and the argument of σ has no name."""
    for key, value in expression.items():
        factors, bound = key
        for position, (atom, exponent) in enumerate(factors):
            if exponent != 1:
                continue
            head, name, places = seen(program, atom)
            if head != "sigmoid" or not isinstance(name, str) or not is_anonymous(name):
                continue
            argument = program.expression(name)
            if (
                not argument
                or any(c > 0 for c in argument.values())
                or (not atom[0] and not is_anonymous(str(atom[1])))
            ):
                continue
            rest = monomial(1, [*factors[:position], *factors[position + 1 :]], bound)
            ((partner, number),) = rest.items()
            if number != 1 or expression.get(partner) != -value:
                continue
            own = program.variables[name]
            turned = named(program, scale(argument, -1), own)
            left = {k: v for k, v in expression.items() if k not in (key, partner)}
            whole = monomial(
                -value, [*factors[:position], (("sigmoid", turned, places), 1), *factors[position + 1 :]], bound
            )
            return join_complements(add(left, whole), program)
    return expression
