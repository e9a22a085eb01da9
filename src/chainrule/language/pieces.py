"""How pieces of expressions get names of their own while a program is read.

What a function or a power is applied to must be a name, so that `relu(W x)` gives `W x` an anonymous one; equal pieces
get the same name.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from chainrule.algebra.expr import (
    Expr,
    Index,
    add,
    bare,
    constant,
    free,
    free_indices,
    is_constant,
    power,
    rename,
    scale,
    single,
    variable,
)
from chainrule.algebra.program import Operation, Steps, Variable
from chainrule.dims import Dim
from chainrule.errors import DimensionError, LanguageError, Span, UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.language.scope import Scope
from chainrule.language.values import Value, add_values, orientation_of

__all__ = ["Call", "Pieces", "bare_name", "is_bare", "is_numeric", "unscaled"]

EXPANDED = 3  # sum(x)^3 is multiplied out, sum(x)^4 gives the sum a name
MAX_BITS = 4096  # of a number in a program


class Pieces(Scope):
    """Gives names to pieces of expressions."""

    def named(self, value: Value) -> Value:
        """The value under a name (its own if it has one)."""
        return replace(value, expr=self.name_for(value.expr, value.orientation, value.text))

    def name_for(self, expr: Expr, orientation: str, source: object = None) -> Expr:
        """A variable equal to `expr`, over those free indices that occur in it."""
        if not expr:
            return expr
        term = single(expr)
        if term is not None:
            (factors, bound), coefficient = term
            if coefficient == 1 and not bound and len(factors) == 1 and factors[0][1] == 1:
                (head, _, indices), _ = factors[0]
                if head == "" and len(set(indices)) == len(indices):
                    return expr
        occurring = sorted({i for (f, _) in expr for (_, _, ix), _ in f for i in ix if i[0] < 0}, reverse=True)
        occurring = self.in_time_order(occurring)
        own = free([i[1] for i in occurring])
        to_own = dict(zip(occurring, own, strict=True))
        inner = rename(expr, to_own)
        key = frozenset(inner.items())
        name = self.known.get(key)
        if name is None and len(own) == 2:  # A − U V and its transpose have one name, whichever came first
            turned = occurring[::-1]
            own_turned = free([i[1] for i in turned])
            other = rename(expr, dict(zip(turned, own_turned, strict=True)))
            name = self.known.get(frozenset(other.items()))
            if name is not None or leans(inner) < 0:
                occurring, own, inner, key = turned, own_turned, other, frozenset(other.items())
        if name is None:
            name = self.program.fresh_name()
            kind = orientation_of(len(own))
            if len(own) == 1 and (orientation == "row" or (orientation == "matrix" and occurring[0][0] == -2)):
                kind = "row"
            steps = self.steps_of(occurring, orientation)
            self.program.define(Variable(name, tuple(i[1] for i in own), kind, steps=steps), inner, source)
            self.known[key] = name
            if self.scopes:
                self.program.interior.add(name)
        if not self.scopes:  # what the user wrote as well is no inside of a definition
            self.program.interior.discard(name)
        return variable(name, tuple(occurring))

    def in_time_order(self, indices: list[Index]) -> list[Index]:
        """The free indices of a name in its own order; `Sequences` puts time first."""
        return indices

    def steps_of(self, indices: list[Index], orientation: str) -> Steps | None:
        """What a name over these indices is a sequence of, if it is one."""
        return None

    def force_name(self, expr: Expr, argument: Value) -> Expr:
        name = self.program.fresh_name()
        self.program.define(Variable(name, (), "scalar"), expr, argument.text)
        if self.scopes:
            self.program.interior.add(name)
        return variable(name)

    def to_power(self, value: Value, exponent: Fraction) -> Expr:
        if not value.expr and exponent > 0:
            return {}
        if is_numeric(value) and value.expr:
            check_number_power(value, exponent)
        elif exponent > EXPANDED and any(bound for _, bound in value.expr):
            return power(self.name_for(value.expr, value.orientation, value.text), exponent)
        try:
            return power(value.expr, exponent)
        except (ValueError, ZeroDivisionError):
            if not value.expr:
                raise LanguageError("a division by zero", "a divisor that is not 0", value.span) from None
        return power(self.name_for(value.expr, value.orientation, value.text), exponent)

    def several_atom(self, head: str, *values: Value) -> Expr:
        """head(a, b, …) of values over the same axes, each under a name."""
        atoms = []
        for v in values:
            named = self.name_for(v.expr, v.orientation, v.text) if not is_bare(v.expr) else v.expr
            if not is_bare(named):  # nothing at all: 0^x
                named = self.force_name(named, v)
            ((((_, name, indices), _),), _) = next(iter(named))
            atoms.append((name, indices))
        names = tuple((str(name), len(indices)) for name, indices in atoms)
        expr = bare((head, names, tuple(i for _, indices in atoms for i in indices)))
        return self.name_for(expr, values[0].orientation, None)

    def elementwise(self, head: str, argument: Value) -> Value:
        if not argument.expr:
            argument = replace(argument, expr=constant(0))
        whole = unscaled(argument.expr) if head == "erf" else None
        if whole is not None:
            cdf = self.elementwise("normal_cdf", replace(argument, expr=whole))
            return replace(cdf, expr=add(scale(cdf.expr, 2), constant(-1)))
        if argument.orientation == "identity":
            raise DimensionError(f"the size of I is not known inside {head}", "eye(D)", argument.span)
        inner = self.name_for(argument.expr, argument.orientation, argument.text)
        if not inner or not is_bare(inner):
            inner = self.force_name(inner, argument)
        ((((_, name, indices), _),), _) = next(iter(inner))
        expr = bare((head, name, indices))
        return replace(argument, expr=self.name_for(expr, argument.orientation, Call(head, (argument.text,))), text="")

    def whole_name(self, value: Value) -> str:
        """The name of an array equal to `value`, with all its axes in order; what is repeated is written out."""
        if free_indices(value.expr) - set(value.indices):
            raise UnsupportedError(
                f"{value.text or 'this'} is another array for each index, and a function of whole arrays takes one",
                "an equation for all of them, such as M[i,j] = …, then max(M, over=columns)",
            )
        found = bare_name(self.name_for(value.expr, value.orientation, value.text), value.indices)
        if found is not None:
            return found
        key = ("whole", value.dims, frozenset(value.expr.items()))
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = self.program.fresh_name()
            self.program.define(Variable(name, value.dims, value.orientation), value.expr, value.text)
            if self.scopes:
                self.program.interior.add(name)
        return name

    def array_name(self, value: Value) -> str:
        """`whole_name`, also of a number."""
        if value.dims or not is_constant(value.expr):
            return self.whole_name(value)
        ((((_, name, _), _),), _) = next(iter(self.force_name(value.expr, value)))
        return str(name)

    def operation(
        self, op: str, arguments: tuple[Value, ...], dims: tuple[Dim, ...], orientation: str,
        attributes: tuple[Any, ...] = (), source: object = None,
    ) -> Value:  # fmt: skip
        """`op` (a record of `functions.operations`) applied to whole arrays, under a name; equal ones share it."""
        names = tuple(self.whole_name(argument) for argument in arguments)
        key = ("operation", op, names, attributes, dims)
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = self.program.fresh_name()
            self.program.define(Variable(name, dims, orientation), Operation(op, names, attributes), source)
            if self.scopes:
                self.program.interior.add(name)
        return Value(variable(name, free(dims)), dims, orientation)

    def comparison(self, op: str, left: Value, right: Value, span: Span | None) -> Value:
        if op in (">", ">="):
            difference = add_values(left, replace(right, expr=scale(right.expr, -1)), span)
        else:
            difference = add_values(right, replace(left, expr=scale(left.expr, -1)), span)
        head = {"==": "iszero", "=": "iszero", "<": "step", ">": "step"}.get(op, "nonneg")
        return self.elementwise(head, difference)

    def mask(self, value: Value) -> Value | None:
        """The value where it is known to be 0 and 1 only: a comparison, a one-hot label. None: not known."""
        term = single(value.expr)
        name = str(term[0][0][0][0][1]) if term is not None and is_bare(value.expr) else ""
        inner = single(self.program.expression(name) or {}) if name else None
        head = inner[0][0][0][0][0] if inner is not None and len(inner[0][0]) == 1 and inner[1] == 1 else ""
        if head in FUNCTIONS and FUNCTIONS[head].idempotent:
            return value
        if name in self.program.variables and {"one-hot", "mask"} & set(self.program.variables[name].facts):
            return value
        return None


def unscaled(expr: Expr) -> Expr | None:
    """x where the expression is x/√2, for erf(x/√2) = 2 Φ(x) − 1; else None."""
    term = single(expr)
    root = (("n", 2, ()), Fraction(-1, 2))
    if term is None or root not in term[0][0]:
        return None
    (factors, bound), coefficient = term
    return {(tuple(f for f in factors if f != root), bound): coefficient}


def leans(expr: Expr) -> int:
    """Positive where the rows of a matrix are rows of what it is made of, negative where it looks like a transpose."""
    total = 0
    for factors, _ in expr:
        for (_, _, indices), _ in factors:
            if len(indices) == 2:
                total += sum(1 if i[0] == -1 - place else -1 for place, i in enumerate(indices) if i[0] < 0)
    return total


def check_number_power(value: Value, exponent: Fraction) -> None:
    """Refuses 9^9^9 (no computer holds it) and (−2)^½ (no real number)."""
    for (factors, _), coefficient in value.expr.items():
        number = Fraction(coefficient)
        bits = max(abs(number.numerator), number.denominator).bit_length()
        if number not in (1, -1) and bits * abs(exponent) > MAX_BITS:
            raise LanguageError("this number is too large", "a smaller exponent", value.span)
        if exponent.denominator != 1 and number < 0 and not factors and len(value.expr) == 1:
            what = "the square root" if exponent == Fraction(1, 2) else f"the power {exponent}"
            raise LanguageError(f"{what} of the negative number {value.text}", "a positive number", value.span)


class Call:
    """The source of an anonymous name that came from a call: softmax(θ). Shown so in formulas.

    over: the axis, where it does not go without saying: softmax(S, over=rows).
    """

    __slots__ = ("args", "function", "over")

    def __init__(self, function: str, args: tuple[str, ...], over: str = "") -> None:
        self.function = function
        self.args = args
        self.over = over

    def __str__(self) -> str:
        return f"{self.function}({', '.join((*self.args, *([f'over={self.over}'] if self.over else [])))})"

    def with_args(self, args: tuple[str, ...]) -> Call:
        """The same call of other names."""
        return Call(self.function, args, self.over)


def is_numeric(value: Value) -> bool:
    """True for a scalar of numbers and sizes only."""
    return is_constant(value.expr) and value.orientation == "scalar"


def is_bare(expr: Expr) -> bool:
    """True for a variable as it stands."""
    if len(expr) != 1:
        return False
    ((factors, bound), coefficient) = next(iter(expr.items()))
    return coefficient == 1 and not bound and len(factors) == 1 and factors[0][1] == 1 and factors[0][0][0] == ""


def bare_name(expr: Expr, indices: tuple[Index, ...]) -> str | None:
    """The variable that `expr` is, with exactly these indices in this order, or None."""
    if not is_bare(expr):
        return None
    ((((_, name, mine), _),), _) = next(iter(expr))
    return str(name) if mine == indices else None
