"""The recorder behind traced arrays: a program that grows while the user's function runs.

Everything that a traced array does ends here, in terms of expressions over its axes: axis k of an array has the index
(−1 − k, size), and an axis of size 1 has none. What needs a name of its own (what a function is applied to, a sum
inside a product) gets an anonymous one, as in the language.

A *maximum over an axis* is held back: it is a name without a derivative here. exp(a − m) is kept as exp(a) · exp(m)⁻¹
and log(exp(m) r) as m + log r, which are identities, so a maximum that is subtracted for stability cancels by plain
algebra. Where one is left at the end, the function is recorded once more, with that one as an operation of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from types import FrameType
from typing import Any, NoReturn

from chainrule.algebra.expr import (
    Expr,
    Index,
    Rational,
    add,
    atom_variables,
    bare,
    constant,
    delta,
    is_constant,
    monomial,
    multiply,
    power,
    scale,
    sum_over,
    variable,
    variables,
)
from chainrule.algebra.program import Operation, Program, Variable, is_anonymous
from chainrule.dims import Dim, canonical_name
from chainrule.errors import ChainruleError, DimensionError, Span, UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.functions.constant import ConstantArray
from chainrule.language.calls import Calls
from chainrule.language.pieces import Call, is_bare, unscaled
from chainrule.language.scope import known_functions
from chainrule.language.values import Value, orientation_of
from chainrule.tracing.frames import place
from chainrule.tracing.infinity import HUGE, finite_array
from chainrule.tracing.recognition import exp_apart, log_apart, logistic

__all__ = ["Tracer", "as_rational", "number_expr", "squeezed"]

EXPANDED = 3  # (Σ …)³ is multiplied out, a higher power gives the sum a name; as in the language


def squeezed(axes: Iterable[Dim]) -> tuple[Dim, ...]:
    """The sizes that a program knows: those of 1 leave."""
    return tuple(d for d in axes if d != 1)


class Tracer:
    """A program while it is recorded."""

    def __init__(self) -> None:
        self.program = Program()
        self.scope = Calls(self.program)
        self.held: dict[str, set[int]] = {}  # maxima, and which of those that were taken they are
        self.tainted: set[str] = set()  # names that hold a maximum
        self.names: dict[str, str] = {}  # anonymous name -> the user's, given at the end
        self.taken: set[str] = set()  # canonical spellings in use
        self.votes: dict[str, int] = {}  # of vectors: > 0 row, < 0 column
        self.constants: dict[ConstantArray, str] = {}
        self.main: FrameType | None = None
        self.labels: dict[str, tuple[str, Span | None]] = {}  # arguments that are whole numbers: indices, and where
        self.maxima = 0  # how many were taken
        self.infinite = False  # whether an infinite number was met
        self.ordinary: frozenset[int] = frozenset()  # which of them do not cancel: they are operations of their own

    # -- errors ----------------------------------------------------------------------------------------------------

    def refuse(self, what: str, hint: str | None = None, kind: type[ChainruleError] = UnsupportedError) -> NoReturn:
        """Raise, with the user's line. Never returns."""
        words, span = place()
        raise kind(f"{what} ({words})" if words else what, hint, span)

    # -- names -----------------------------------------------------------------------------------------------------

    def free_name(self, wanted: str) -> str:
        """`wanted`, or wanted1, wanted2 … where it is in use."""
        stem, number = wanted, 0
        while canonical_name(wanted) in self.taken or wanted in known_functions():
            number += 1
            wanted = f"{stem}{number}"
        self.taken.add(canonical_name(wanted))
        return wanted

    def vote(self, expr: Expr, dim: Dim, sign: int) -> None:
        """The vectors in an expression over one axis are shown as rows (1) or columns (−1)."""
        for factors, _ in expr:
            for (_, name, indices), _ in factors:
                if isinstance(name, str) and indices == ((-1, dim),):
                    self.votes[name] = self.votes.get(name, 0) + sign

    def is_held(self, expr: Expr) -> bool:
        """True where a maximum that is held back occurs."""
        return bool(self.tainted) and not self.tainted.isdisjoint(variables(expr))

    def apart(self, expr: Expr) -> tuple[Expr, Expr] | None:
        """(P, R) with expr = P · R: P a product that holds all maxima, R without. None where there are none such."""
        common: dict[Any, Rational] | None = None
        for factors, bound in expr:
            mine = {a: e for a, e in factors if not self.tainted.isdisjoint(atom_variables(a))}
            if any(i in bound for a in mine for i in a[2]) or (common is not None and mine != common):
                return None
            common = mine
        if not common:
            return None
        outer = monomial(1, common.items(), ())
        rest: Expr = {}
        for (factors, bound), value in expr.items():
            rest = add(rest, monomial(value, [f for f in factors if f[0] not in common], bound))
        return outer, rest

    def name(self, expr: Expr, row: bool = False) -> Expr:
        """A variable equal to `expr` (times the maxima that it holds as factors)."""
        if self.is_held(expr):
            parts = self.apart(expr)
            if parts is not None:
                outer, rest = parts
                return multiply(outer, rest if is_constant(rest) else self.scope.name_for(rest, "row" if row else ""))
        named = self.scope.name_for(expr, "row" if row else "")
        self._taint(named, expr)
        return named

    def taint(self, expr: Expr) -> None:
        """The names in an expression hold a maximum."""
        self.tainted.update(variables(expr))

    def _taint(self, named: Expr, expr: Expr) -> None:
        if self.is_held(expr):
            self.tainted.update(variables(named))

    def atom_name(self, expr: Expr) -> tuple[str, tuple[Index, ...]]:
        """(name, indices) of a variable equal to `expr`, whatever it is: what a function is applied to."""
        named = self.scope.name_for(expr, "") if expr else constant(0)
        if not is_bare(named):
            named = self.scope.force_name(named, Value(named, (), "scalar"))
        self._taint(named, expr)
        ((((_, name, indices), _),), _) = next(iter(named))
        return str(name), indices

    # -- arithmetic ------------------------------------------------------------------------------------------------

    def product(self, left: Expr, right: Expr, over: Iterable[Index] = ()) -> Expr:
        """left · right, summed over some indices; a sum gets a name, unless the other side is only a number."""
        if len(left) > 1 and not is_constant(right):
            left = self.summand(left)
        if len(right) > 1 and not is_constant(left):
            right = self.summand(right)
        return self.tidy(multiply(left, right, over))

    def summand(self, expr: Expr) -> Expr:
        """A sum as a factor: under a name; one that holds maxima in some of its terms stays as it is."""
        if self.is_held(expr) and self.apart(expr) is None:
            held = {k: v for k, v in expr.items() if self.is_held({k: v})}
            rest = {k: v for k, v in expr.items() if k not in held}
            return add(self.name(rest) if len(rest) > 1 else rest, held)
        return self.name(expr)

    def tidy(self, expr: Expr) -> Expr:
        """Maxima stand outside sums: Σₖ exp(x)ₖ exp(m)⁻¹ is exp(m)⁻¹ s, where s has a name."""
        if not self.is_held(expr):
            return expr
        result: Expr = {}
        for (factors, bound), value in expr.items():
            term: Expr = {(factors, bound): value}
            parts = self.apart(term) if bound else None
            result = add(result, multiply(parts[0], self.name(parts[1])) if parts is not None else term)
        return result

    def total(self, expr: Expr, indices: Iterable[Index]) -> Expr:
        """Σ over free indices."""
        return self.tidy(sum_over(expr, indices))

    def to_power(self, expr: Expr, exponent: Fraction) -> Expr:
        """exprᵉ."""
        if not expr:
            if exponent <= 0:
                self.refuse("a division by zero" if exponent else "0 to the power 0")
            return {}
        curve = logistic(self, expr) if exponent == -1 else None
        if curve is not None:
            return curve
        whole = exponent.denominator == 1
        if self.is_held(expr):
            parts = self.apart(expr)
            positive = parts is not None and all(a[0] == "exp" for f, _ in parts[0] for a, _ in f)
            if parts is not None and (whole or positive):
                raised = monomial(1, [(a, e * exponent) for f, _ in parts[0] for a, e in f], ())
                return multiply(raised, self.to_power(parts[1], exponent))
        if is_constant(expr) and len(expr) > 1:
            return power(self.scope.force_name(expr, Value(expr, (), "scalar")), exponent)
        many = len(expr) > 1 and not is_constant(expr)
        if whole and exponent > 0 and (many or (exponent > EXPANDED and any(bound for _, bound in expr))):
            return power(self.name(expr), exponent)
        try:
            return power(expr, exponent)
        except ValueError:
            pass
        try:
            return power(self.name(expr), exponent)
        except ValueError:  # a root of an even power: √(x²) has a name of its own
            return power(self._forced(expr), exponent)

    def _forced(self, expr: Expr) -> Expr:
        name, indices = self.atom_name(expr)
        return variable(name, indices)

    # -- functions -------------------------------------------------------------------------------------------------

    def apply(self, head: str, *arguments: Expr) -> Expr:
        """An elementwise function. exp of a sum with a maximum is a product; log of a product with its exp a sum."""
        if head not in FUNCTIONS:
            self.refuse(f"{head} is not differentiated yet")
        whole = unscaled(arguments[0]) if head == "erf" else None
        if whole is not None:
            return add(scale(self.apply("normal_cdf", whole), 2), constant(-1))
        if len(arguments) == 1 and self.is_held(arguments[0]):
            special = exp_apart(self, arguments[0]) if head == "exp" else None
            if head == "log":
                special = log_apart(self, arguments[0])
            if special is not None:
                return special
        named = [self.atom_name(a) for a in arguments]
        if len(named) == 1:
            ((name, indices),) = named
            call = Call(head, (name,)) if not is_anonymous(name) else None
            expr = bare((head, name, indices))
        else:
            call = None
            pairs = tuple((name, len(ix)) for name, ix in named)
            expr = bare((head, pairs, tuple(i for _, ix in named for i in ix)))
        out = self.scope.name_for(expr, "", call)
        self._taint(out, expr)
        return out

    def extreme(self, op: str, expr: Expr, over: tuple[Index, ...]) -> Expr:
        """The maximum (or minimum) over some indices: held back, or an operation where it is known not to cancel."""
        self.maxima += 1
        sign = 1 if op == "max" else -1
        if self.maxima in self.ordinary:
            return self.reduction(op, expr, over)
        return scale(self._hold(scale(expr, sign), over), sign)

    def reduction(self, op: str, expr: Expr, over: tuple[Index, ...]) -> Expr:
        """max, min, prod … over some indices, as an operation."""
        name, indices = self.atom_name(expr)
        left = tuple(i for i in indices if i not in over)
        positions = tuple(k for k, i in enumerate(indices) if i in over)
        key = ("operation", op, (name,), (positions,), tuple(i[1] for i in left))
        out = str(self.scope.known.get(key, ""))
        if not out:
            out = self.program.fresh_name()
            dims = tuple(i[1] for i in left)
            source = Call(op, (name,)) if not left and not is_anonymous(name) else None
            self.program.define(
                Variable(out, dims, orientation_of(len(dims))), Operation(op, (name,), (positions,)), source
            )
            self.scope.known[key] = out
        result = variable(out, left)
        if self.is_held(expr):
            self.taint(result)
        return result

    def running(self, op: str, name: str, indices: tuple[Index, ...], axis: int) -> Expr:
        """A running product along one axis of a variable."""
        key = ("operation", op, (name,), ((axis,),), tuple(i[1] for i in indices))
        out = str(self.scope.known.get(key, ""))
        if not out:
            out = self.program.fresh_name()
            dims = tuple(i[1] for i in indices)
            self.program.define(Variable(out, dims, orientation_of(len(dims))), Operation(op, (name,), ((axis,),)))
            self.scope.known[key] = out
        if self.tainted and name in self.tainted:
            self.tainted.add(out)
        return variable(out, indices)

    def _hold(self, expr: Expr, over: tuple[Index, ...]) -> Expr:
        """An opaque name over the indices that are left."""
        name, indices = self.atom_name(expr)
        left = [i for i in indices if i not in over]
        positions = tuple(k for k, i in enumerate(indices) if i in over)
        key = ("max", name, positions)
        out = str(self.scope.known.get(key, ""))
        if not out:
            out = self.program.fresh_name()
            dims = tuple(i[1] for i in left)
            self.program.define(Variable(out, dims, orientation_of(len(dims))), Operation("max", (name,), (positions,)))
            self.scope.known[key] = out
            self.tainted.add(out)
        self.held.setdefault(out, set()).add(self.maxima)
        return variable(out, tuple(left))

    # -- constants -------------------------------------------------------------------------------------------------

    def constant_array(self, array: Any, name: str | None, indices: tuple[Index, ...]) -> Expr:
        """An array of numbers without axes of size 1, over these indices; a number or an identity where it is one."""
        import numpy as np

        array = np.asarray(array, dtype=np.float64)
        if np.isnan(array).any():
            self.refuse("a constant array with NaN", "a number")
        if np.isinf(array).any():
            self.infinite, array = True, finite_array(array)
        if array.size and (array == array.flat[0]).all():
            return constant(as_rational(float(array.flat[0])))  # ±HUGE: exactly
        if array.ndim == 2 and array.shape[0] == array.shape[1] and (array == np.eye(len(array))).all():
            return delta(*indices)
        key = ConstantArray(array)
        known = self.constants.get(key)
        if known is None:
            known = self.free_name(name if name is not None and name.isidentifier() else "C")
            dims = tuple(int(d) for d in array.shape)
            self.program.define(Variable(known, dims, orientation_of(len(dims))), Operation("constant", (), (key,)))
            self.constants[key] = known
        return variable(known, indices)

    # -- sizes -----------------------------------------------------------------------------------------------------

    def common(self, *shapes: tuple[Dim, ...]) -> tuple[Dim, ...]:
        """The shape that shapes are broadcast to."""
        rank = max(map(len, shapes))
        out: list[Dim] = []
        for position in range(rank):
            found: Dim = 1
            for shape in shapes:
                dim = shape[position - rank + len(shape)] if position - rank + len(shape) >= 0 else 1
                if dim != 1 and found not in (1, dim):
                    written = " and ".join(f"({', '.join(map(str, s))})" for s in shapes)
                    self.refuse(
                        f"shapes {written} do not fit together", "the same size, or a size of 1", DimensionError
                    )
                found = dim if dim != 1 else found
            out.append(found)
        return tuple(out)


def as_rational(value: float) -> Rational:
    """A float as the number that was written: 0.1 is 1/10, 0.333… is 1/3; its conversion back gives the same float."""
    if abs(value) == HUGE:
        return HUGE if value > 0 else -HUGE
    if value == int(value):
        return int(value)
    simple = Fraction(value).limit_denominator(1000)
    return simple if float(simple) == value else Fraction(repr(value))


def number_expr(number: float) -> Expr:
    """A float as an expression: 0.1 is 1/10, and the float nearest to √3 is √3."""
    value = as_rational(number)
    if number > 0 and isinstance(value, Fraction) and len(repr(number)) > 14 and value.denominator > 1000:
        for denominator in range(1, 13):
            near = round(number * number * denominator)
            if near and math.sqrt(near / denominator) == number:
                return power(constant(Fraction(near, denominator)), Fraction(1, 2))
    return constant(value)
