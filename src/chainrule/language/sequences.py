"""Steps of a sequence: x[t], h[t-1], h[T], h[1], read as the row of an array over time, a column vector as usual.

x[t] with fewer letters than x has axes is what is left of it: for x : T × D a column of D numbers. An earlier step is a
name of its own, a lag (see `chainrule.algebra.loops`); a step with a number is a sum with the indicator of that step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chainrule.algebra.expr import Index, bare, free_indices, multiply, sum_over, variable
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Program, Steps, Variable
from chainrule.dims import Dim, canonical_name, display_dim
from chainrule.errors import DimensionError, LanguageError, Span, UnknownNameError, UnsupportedError
from chainrule.functions.sequences import count_variable, lag_variable, unit_variable
from chainrule.language import ast
from chainrule.language.pieces import Pieces, bare_name
from chainrule.language.values import Value, orientation_of

__all__ = ["Initial", "Sequences", "UnknownStep"]


class UnknownStep(UnsupportedError):
    """A step of a name whose size is not known yet."""


@dataclass(frozen=True, slots=True)
class Initial:
    """h[0] = … or h[T+1] = …: the name of that value (None where it is 0), which step it is, and what it is like."""

    name: str | None
    at: int  # 0, or -1 for T+1
    dims: tuple[Dim, ...]
    orientation: str
    span: Span | None


class Sequences(Pieces):
    """Reads steps."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.pending: dict[str, Variable | None] = {}  # names of the loop that is read; None: its size is not known yet
        self.recurs = False  # whether an equation between entries uses the array that it defines
        self.entry_letters: set[str] = set()  # of an equation between entries, S[i,j] = …: there is no step of i
        self.backwards = False  # whether that loop runs from T to 1
        self.initial: dict[str, Initial] = {}  # h -> what h[0] is, until the loop of h is read

    def known_variable(self, node: ast.Name) -> tuple[str, Variable]:
        """A name with its variable, also one that the loop will define. Raises UnknownStep."""
        key = canonical_name(node.name)
        if key in self.pending and self.names[key] not in self.program.variables:
            found = self.pending[key]
            if found is None:
                raise UnknownStep(f"the size of {node.name} is not known", None, node.span)
            return self.names[key], found
        name = self.resolve(node)
        return name, self.program.variables[name]

    def is_step(self, node: ast.Indexed, var: Variable) -> bool:
        """True where the one index is a step of a sequence, and no entry of an array."""
        if len(node.indices) != 1 or not var.dims:
            return False
        (ref,) = node.indices
        if ref.name in self.entry_letters:
            return False
        if len(var.dims) > 1:
            return ref.name is not None or var.steps is not None
        plain = ref.name in self.index_scope and not ref.offset
        in_time = ref.name in self.index_scope and self.index_scope[str(ref.name)] in self.time
        return in_time or (not plain and var.steps is not None)  # else x[i+1] is an entry

    def step(self, node: ast.Indexed) -> Value:
        """The value of x[t], x[t-1], x[T] or x[1]."""
        (ref,) = node.indices
        name, var = self.known_variable(node.base)
        dim, rest = var.dims[0], var.dims[1:]
        if var.steps is not None and var.steps.axis:
            raise UnsupportedError(f"a step of {name}, whose first axis is not time", None, node.span)
        orientation = orientation_of(len(rest))
        if var.steps is not None:
            orientation = var.steps.orientation
        elif var.kind == "signal" and len(rest) == 1:
            orientation = "row"
        marker = self.index_scope.get(str(ref.name)) if ref.name is not None else None
        if marker is None:
            return self._fixed_step(node, name, var, orientation)
        if marker[1] != dim:
            raise DimensionError(
                f"sizes do not agree: index {ref.name} runs over {display_dim(marker[1])}"
                f", but {node.base.name} has {display_dim(dim)} steps",
                "another index name, or check the order of the sizes", node.span,
            )  # fmt: skip
        letter = self.time.setdefault(marker, str(ref.name))
        if var.steps is None and name in self.program.variables:
            var = replace(var, steps=Steps(letter, 0, orientation))
            self.program.variables[name] = var
        key = canonical_name(node.base.name)
        if key in self.pending:
            self._check_order(node, ref, name)
        if ref.offset:
            first = self._initial(key, ref, node.span) or self._known_initial(name, ref, node.span)
            name = lag_variable(self.program, name, var, 0, ref.offset, first)
        expr = variable(name, (marker, *((-1 - k, d) for k, d in enumerate(rest))))
        return Value(expr, rest, orientation)

    def _check_order(self, node: ast.Indexed, ref: ast.IndexRef, name: str) -> None:
        """Raises where a step would use one that is not computed yet."""
        later = ref.offset < 0 if self.backwards else ref.offset > 0
        if later:
            hint = f"{name}[{ref.name}{'+' if self.backwards else '-'}1], or the loop in the other order"
            raise LanguageError(f"this step of {name} is computed later in the loop", hint, node.span)
        if not ref.offset and name not in self.program.variables:
            raise UnknownNameError(
                f"{name}[{ref.name}] is used before it is computed", f"put the equation {name}[{ref.name}] = … first",
                node.span,
            )  # fmt: skip

    def _initial(self, key: str, ref: ast.IndexRef, span: Span | None) -> str | None:
        """The name of the value before the first step, where one is given."""
        if key not in self.initial:
            return None
        first = self.initial[key]
        at = first.at
        if abs(ref.offset) == 1 and (ref.offset > 0) == (at == 0):
            raise LanguageError(
                "the loop begins at the other end than its initial value",
                f"{ref.name} = T..1 with a value at T+1, or {ref.name} = 1..T with one at 0", span,
            )  # fmt: skip
        if (ref.offset, at) not in ((-1, 0), (1, -1)):
            raise UnsupportedError(
                f"an initial value belongs to one step before the first, not to an offset of {ref.offset}",
                f"{ref.name}{'+' if at else '-'}1, or no initial value: then it is 0", span,
            )  # fmt: skip
        return first.name

    def _known_initial(self, name: str, ref: ast.IndexRef, span: Span | None) -> str | None:
        """The initial value that a sequence has already: what h[t-1] is at t = 1 is the same wherever it stands."""
        for equation in self.program:
            value = equation.value
            if not is_lag(equation) or isinstance(value, dict) or value.args[0] != name or len(value.args) < 2:
                continue
            if value.attributes[0] == ref.offset:
                return value.args[1]
            if value.attributes[0] * ref.offset > 0:
                raise UnsupportedError(
                    f"{name} has a value before its first step, but none for an offset of {ref.offset}",
                    f"{ref.name}{value.attributes[0]:+d}", span,
                )  # fmt: skip
        return None

    def _fixed_step(self, node: ast.Indexed, name: str, var: Variable, orientation: str) -> Value:
        """h[T], h[T-1], h[1]: Σₜ 1[t = T] h[t]."""
        (ref,) = node.indices
        dim = var.dims[0]
        if name not in self.program.variables:
            raise UnknownNameError(f"{name} has no steps yet", "the loop first", node.span)
        before = self._before_the_first(name, ref, dim)
        if before is not None:
            if before:
                first = self.variable_value(before)
                return first if first.orientation == orientation else replace(first, orientation=orientation)
            return Value({}, var.dims[1:], orientation)
        if ref.name is None:
            number = ref.offset
            inside = number >= 1 and (not isinstance(dim, int) or number <= dim)
            if not inside or (not isinstance(dim, int) and number > 1):
                hint = f"{name}[1], or {name}[{dim}]" if isinstance(dim, str) else f"a number from 1 to {dim}"
                raise UnsupportedError(f"{name} has the steps 1..{dim}: is there a step {number}?", hint, node.span)
            step = number - 1
        elif ref.name == dim:
            if ref.offset:
                raise UnsupportedError(f"only the last step, {name}[{dim}]", f"{name}[{dim}]", node.span)
            step = -1
        else:
            raise UnknownNameError(
                f"the index {ref.name} is not bound", f"sum({ref.name}, …), or {name}[{dim}] for the last", ref.span
            )
        letter = var.steps.letter if var.steps is not None else "t"
        unit = unit_variable(self.program, step, dim, letter)
        bound: Index = (-900, dim)
        indices = (bound, *((-1 - k, d) for k, d in enumerate(var.dims[1:])))
        expr = sum_over(multiply(variable(unit, (bound,)), bare(("", name, indices))), [bound])
        return Value(expr, var.dims[1:], orientation)

    def step_number(self, node: ast.Name) -> Value:
        """t as a number, in γ^t: 1, 2, …, T."""
        marker = self.index_scope[node.name]
        letter = self.time.setdefault(marker, node.name)
        return Value(variable(count_variable(self.program, marker[1], letter), (marker,)), (), "scalar")

    def _before_the_first(self, name: str, ref: ast.IndexRef, dim: Dim) -> str | None:
        """The name of what h[0] is, or h[T+1] of a loop that runs backwards; "" where it is 0; None: no such step."""
        offset = -1 if ref.name is None and ref.offset == 0 else 1 if ref.name == dim and ref.offset == 1 else None
        for equation in self.program if offset is not None else ():
            value = equation.value
            if isinstance(value, dict) or not is_lag(equation) or value.args[0] != name:
                continue
            if value.attributes[0] == offset and name in self.program.equations:
                return value.args[1] if len(value.args) > 1 else ""
        return None

    def in_time_order(self, indices: list[Index]) -> list[Index]:
        """Time first, as in the sequences themselves."""
        return sorted(indices, key=lambda i: i not in self.time)

    def sequence_name(self, value: Value) -> str | None:
        """The sequence of which the value is one step, or None."""
        markers = [i for i in free_indices(value.expr) if i in self.time]
        return bare_name(value.expr, (markers[0], *value.indices)) if len(markers) == 1 else None

    def steps_of(self, indices: list[Index], orientation: str) -> Steps | None:
        """What a name over these indices is a sequence of, if it is one."""
        if not indices or indices[0] not in self.time or sum(i in self.time for i in indices) > 1:
            return None
        rest = orientation_of(len(indices) - 1)
        matrix_row = orientation == "matrix" and len(indices) == 2 and indices[1][0] == -2
        if len(indices) == 2 and (orientation == "row" or matrix_row):
            rest = "row"
        return Steps(self.time[indices[0]], 0, rest)
