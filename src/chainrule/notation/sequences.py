"""Sequences in matrix notation: one step at a time, h[t] = tanh(A h[t-1] + …), and sums over time.

For the algebra time is an axis. To be read, an expression is projected: the time index is gone from every factor, and
what had it is called h[t], or h[t-1] where it is a lag. What is left has the axes of one step, and is written as
matrices are. A summed time index becomes Σₜ around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from chainrule.algebra.expr import Expr, Factor, Index, Monomial, add, monomial
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Equation, Operation, Program, Variable, is_anonymous
from chainrule.algebra.relations import CONSTANTS, INDICATORS
from chainrule.dims import Dim
from chainrule.functions.sequences import COUNT, UNIT
from chainrule.library import numbers_axes

Name = str | int | Fraction | tuple[tuple[str, int], ...]  # of an atom

__all__ = ["Projection", "StepProgram", "letter_of", "one_step_of", "step_letter", "time_index"]

SPARE = "tsuvw"  # letters of time indices


def time_index(program: Program, key: Monomial) -> tuple[Index, str, bool] | None:
    """A summed index that runs over the steps of a sequence, its letter, and whether it counts sheets."""
    factors, bound = key
    for (head, name, indices), _ in factors:
        if head in CONSTANTS:
            continue
        start = 0
        for argument, arity in name if isinstance(name, tuple) else ((str(name), len(indices)),):
            variable = program.variables.get(argument)
            if variable is not None and variable.steps is not None and arity:
                index = indices[start + variable.steps.axis]
                if index in bound:
                    return index, variable.steps.letter, variable.steps.sheet
            start += arity
    return None


def letter_of(wanted: str, taken: set[str]) -> str:
    """The wanted letter, or another where a formula has it already."""
    letters: list[str] = [wanted, *SPARE, *(f"t{k}" for k in range(1, 99))]
    return next(letter for letter in letters if letter not in taken)


def one_step_of(program: Program, key: Monomial, time: Index) -> tuple[Monomial, str] | None:
    """The key without a factor 1[t = T] at the index `time`, and the step it is: T. None: it has no such factor."""
    factors, bound = key
    for position, ((head, name, indices), exponent) in enumerate(factors):
        equation = program.equations.get(str(name)) if head == "" and time in indices and exponent == 1 else None
        if equation is not None and isinstance(equation.value, Operation) and equation.value.op == UNIT:
            step, dim = equation.value.attributes
            return ((*factors[:position], *factors[position + 1 :]), bound), str(dim if step == -1 else step + 1)
    return None


def step_letter(letter: str, offset: int) -> str:
    """t − 1 for t, t for t + 1, 0 for 1."""
    stem, sign, number = letter.partition("+") if "+" in letter else letter.partition("-")
    at = offset + (int(sign + number) if sign else int(stem) if stem.isdigit() else 0)
    if stem.isdigit():
        return str(at)
    return f"{stem}{at:+d}" if at else stem


def entry_name(name: str, letter: str, sheet: bool = False) -> str:
    """h[t]; of what is a step already the entry at both, δ[t,s] of δ[t] and of δ[:,s]. Of sheets there is none."""
    if sheet or not name.endswith("]"):
        return f"{name}[{letter}]"
    stem, _, inside = name[:-1].partition("[")
    letters = inside.split(",")
    if ":" in letters:
        letters[letters.index(":")] = letter
    else:
        letters.append(letter)
    return f"{stem}[{','.join(letters)}]"


class StepProgram(Program):
    """The names of one step; in a product they stand where their sequences would. `sources`: what each is a step of."""

    __slots__ = ("_known", "origin", "sources")

    def __init__(self, origin: Program) -> None:
        super().__init__()
        self.origin = origin
        self.sources: dict[str, str] = {}
        self._known: tuple[int, dict[str, int]] = (-1, {})
        copy = origin.copy()
        self.variables, self.equations, self.functions = copy.variables, copy.equations, copy.functions
        self.interior, self.operations = copy.interior, copy.operations

    def places(self) -> dict[str, int]:
        """As in the program itself, and a step where its sequence stands."""
        if self._known[0] != len(self.sources):
            own = self.origin.places()
            steps = {called: own.get(name, 0) for called, name in self.sources.items()}
            self._known = (len(self.sources), {**own, **steps})
        return self._known[1]


class Projection:
    """A program that is written at one step, whose index has a letter: `program` holds the names of that step."""

    def __init__(self, program: Program, letter: str, dim: Dim, sheet: bool = False) -> None:
        self.sheet = sheet
        self.source = program
        self.letter = letter
        self.dim = dim
        self.program = StepProgram(program)

    def expression(self, expression: Expr, time: Index, keep: bool = False) -> Expr:
        """Without the index `time`; free indices behind it move up, unless it is summed (`keep`)."""
        result: Expr = {}
        for (factors, bound), coefficient in expression.items():
            moved = []
            gone = self._vanishing(factors, time)
            for (head, name, indices), exponent in factors:
                if head not in CONSTANTS and time in indices:
                    name = self._names(name, indices, time, gone)
                elif head in INDICATORS and time in indices:
                    raise LookupError("a step that uses its own number")
                kept = tuple(i if keep else _closer(i, time) for i in indices if i != time)
                moved.append(((head, name, kept), exponent))
            left = [i for i in bound if i != time]
            result = add(result, monomial(coefficient, moved, left))
        return result

    def _vanishing(self, factors: Iterable[Factor], time: Index) -> frozenset[int]:
        """Offsets at which a named factor is 0 where there is no such step: what is beside it may be written out."""
        found = set()
        for (head, name, indices), exponent in factors:
            equation = self.source.equations.get(str(name)) if not head and time in indices and exponent == 1 else None
            if equation is None or not isinstance(equation.value, Operation) or not is_lag(equation):
                continue
            inner, *first = equation.value.args
            if not first and not is_anonymous(inner) and not is_lag(self.source.equations.get(inner)):
                found.add(equation.value.attributes[0])
        return frozenset(found)

    def _names(self, name: Name, indices: tuple[Index, ...], time: Index, gone: frozenset[int] = frozenset()) -> Name:
        if not isinstance(name, tuple):
            places = tuple(k for k, i in enumerate(indices) if i == time)
            return self._elsewhere(str(name), places, gone) or self.step(str(name), places)
        out, start = [], 0
        for argument, arity in name:
            places = tuple(k for k, i in enumerate(indices[start : start + arity]) if i == time)
            out.append((self.step(argument, places) if places else argument, arity - len(places)))
            start += arity
        return tuple(out)

    def _elsewhere(self, name: str, places: tuple[int, ...], gone: frozenset[int]) -> str | None:
        """Another step of what has no name of its own, written out there: softmax(M q[t+1]); None: it is none."""
        equation = self.source.equations.get(name)
        if equation is None or not isinstance(equation.value, Operation) or not is_lag(equation):
            return None
        inner, offset = equation.value.args[0], equation.value.attributes[0]
        if offset not in gone or not is_anonymous(inner) or inner not in self.source.equations:
            return None
        there = Projection(self.source, step_letter(self.letter, offset), self.dim, self.sheet)
        there.program = self.program
        return there.step(inner, places)

    def step(self, name: str, places: tuple[int, ...]) -> str:
        """The name of what a sequence is at this step; what has no name of its own is written out."""
        if len(places) != 1:
            raise LookupError("a diagonal over time")
        (axis,) = places
        own = self.source.variables[name]
        if (self.sheet or len(own.dims) > 2) and axis != (own.steps.axis if own.steps is not None else 0):
            raise LookupError(f"a matrix of {name} along another axis than its first")
        called, shown = self._called(name)
        if axis != (own.steps.axis if own.steps is not None else 0):  # O[:,t] of an array with another first axis
            called = f"{called[: called.rindex('[')]}[{':,' * axis}{self.letter}]"
        if called in self.program.variables:
            return called
        dims = tuple(d for k, d in enumerate(own.dims) if k != axis)
        orientation = own.steps.orientation if own.steps is not None else ""
        if not orientation:
            row = "row" if own.kind == "signal" else "column"
            orientation = ("scalar", row, "matrix")[len(dims)] if len(dims) < 3 else "tensor"
        facts = tuple(f for f in own.facts if f in ("one-hot", "mask", "positive", "nonnegative"))
        inner = name
        while is_lag(self.source.equations.get(inner)):
            inner = self.source.equations[inner].arguments[0]
        kind = "signal" if self.source.variables[inner].kind == "signal" else own.kind  # δ[t+1] stands where δ[t] would
        self.program.declare(Variable(called, dims, orientation, kind, facts))
        self.program.sources[called] = inner
        equation = self.source.equations.get(name)
        if shown or equation is None:
            return called
        value = equation.value
        if not isinstance(value, dict):
            raise LookupError(f"a step of {name}")
        source = self._call_at_step(equation, own.indices[axis])
        # While it is being written it is there under its name: an adjoint may hold itself at another step.
        projected = self.expression(value, own.indices[axis])
        self.program.equations[called] = Equation(called, projected, source)
        return called

    def defined(self, name: str) -> str:
        """The name of a sequence at this step, with its equation there too."""
        own, equation = self.source.variables[name], self.source.equations.get(name)
        if own.steps is None or equation is None or not isinstance(equation.value, dict):
            raise LookupError(name)
        called = self.step(name, (own.steps.axis,))
        if called not in self.program.equations:
            value = self.expression(equation.value, own.indices[own.steps.axis])
            self.program.equations[called] = Equation(called, value)
        return called

    def _call_at_step(self, equation: Equation, time: Index) -> Any:
        """softmax(Z[t]) for one step of softmax(Z), if it depends on no other step and on nothing else of time."""
        source = equation.source
        if not hasattr(source, "function"):
            return source
        own = self.source.variables[equation.name]
        if own.steps is not None and own.indices[own.steps.axis] != time:  # one of the entries of every step
            return None
        apart = own.steps is not None and not own.steps.sheet  # was called in a loop, step by step
        if not apart:
            numbered = len(own.dims) > 2 and numbers_axes(source.function)
            if numbered or source.over or not self._apart(equation.name, time, set(source.args)):
                return None
        try:
            return source.with_args(tuple(self._argument(a) for a in source.args))
        except LookupError:
            return None

    def _apart(self, name: str, time: Index, arguments: set[str]) -> bool:
        """Whether `name` at the index `time` is computed from the arguments at this index alone."""
        equation = self.source.equations.get(name)
        if equation is None or not isinstance(equation.value, dict):
            return False
        for factors, bound in equation.value:
            for (head, inner, indices), _ in factors:
                if head in CONSTANTS:
                    continue
                if not isinstance(inner, str) or head in INDICATORS or time in bound:
                    return False
                own = self.source.variables[inner]
                places = [k for k, index in enumerate(indices) if index == time]
                if inner in arguments:
                    fits = places == ([own.steps.axis] if own.steps is not None else [])
                elif indices:
                    fits = len(places) == 1 and self._apart(inner, own.indices[places[0]], arguments)
                else:
                    fits = inner not in self.source.equations  # a scalar that may come from all steps is not apart
                if not fits:
                    return False
        return True

    def _argument(self, name: str) -> str:
        own = self.source.variables.get(name)
        if own is None:
            raise LookupError(name)
        return self.step(name, (own.steps.axis,)) if own.steps is not None else name

    def _called(self, name: str) -> tuple[str, bool]:
        """What a sequence is called at this step, and whether that is a name that people see."""
        equation = self.source.equations.get(name)
        if equation is not None and isinstance(equation.value, Operation):
            operation = equation.value
            if is_lag(equation):
                offset, inner = 0, name
                while is_lag(self.source.equations.get(inner)):
                    value = self.source.equations[inner].value
                    assert isinstance(value, Operation)
                    offset, inner = offset + value.attributes[0], value.args[0]
                if self._operation(inner) == COUNT:
                    return f"({step_letter(self.letter, offset)})", True
                if self._operation(inner) == UNIT:
                    raise LookupError("another step of an indicator")
                if not is_anonymous(inner):
                    return entry_name(inner, step_letter(self.letter, offset), self.sheet), True
                raise LookupError("another step of what has no name")
            if operation.op == UNIT:
                step = operation.attributes[0]
                return f"1[{self.letter} = {operation.attributes[1] if step == -1 else step + 1}]", True
            if operation.op == COUNT:
                return self.letter, True
        return entry_name(name, self.letter, self.sheet), not is_anonymous(name)

    def _operation(self, name: str) -> str:
        """What defines a name, where that is an operation."""
        equation = self.source.equations.get(name)
        return equation.value.op if equation is not None and isinstance(equation.value, Operation) else ""


def _closer(index: Index, time: Index) -> Index:
    """A free index when the time index in front of it is gone."""
    return (index[0] + 1, index[1]) if time[0] < 0 and index[0] < time[0] else index
