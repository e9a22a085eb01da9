"""Programs: ordered, named equations over declared variables.

A network is a program, and so is its backward pass. Names of the user survive everywhere; a sum inside a power, a
nonlinear function or a product gets an *anonymous* name (`%1`, `%2`, …) which notation writes out in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from chainrule.algebra.expr import Expr, Index, free, variables
from chainrule.dims import Dim

__all__ = ["Equation", "Operation", "Program", "Variable", "is_anonymous"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A name with its sizes. `dims` leaves out sizes of 1: a column, a row and a vector have one each.

    `orientation` is scalar, column, row, matrix or tensor, and says how the name is read and written.
    `kind` is input, label, param, const, value (has an equation) or signal.
    """

    name: str
    dims: tuple[Dim, ...]
    orientation: str = ""
    kind: str = "value"
    facts: tuple[str, ...] = ()

    @property
    def indices(self) -> tuple[Index, ...]:
        """The free indices of its equation."""
        return free(self.dims)

    @property
    def shape(self) -> tuple[Dim, ...]:
        """Rows and columns as on paper: D × 1 for a column, 1 × D for a row."""
        if self.orientation == "column":
            return (*self.dims, 1)
        if self.orientation == "row":
            return (1, *self.dims)
        return self.dims


@dataclass(frozen=True, slots=True)
class Operation:
    """A right-hand side that is not a polynomial: an opaque function `op` of whole variables.

    `op` names a record in `chainrule.functions.operations`; `args` are variable names.
    """

    op: str
    args: tuple[str, ...]
    attributes: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Equation:
    """`name[−1, −2, …] = value`.

    `source` is whatever the front end wants to show for an anonymous name (a piece of its tree), or None.
    """

    name: str
    value: Expr | Operation
    source: Any = field(default=None, compare=False)
    span: Any = field(default=None, compare=False)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names on the right-hand side, in order of appearance."""
        if isinstance(self.value, Operation):
            return self.value.args
        return tuple(variables(self.value))


class Program:
    """Variables and equations in order. Later equations may use earlier ones only."""

    __slots__ = ("_counter", "_places", "equations", "functions", "interior", "operations", "variables")

    def __init__(self) -> None:
        self.variables: dict[str, Variable] = {}
        self.equations: dict[str, Equation] = {}
        self.functions: dict[str, Any] = {}  # unknown functions that the program declares, by name
        self.interior: set[str] = set()  # anonymous names inside a definition that was expanded: exp(θ) in softmax(θ)
        self.operations: dict[tuple[Operation, tuple[Dim, ...]], str] = {}  # which name has op(args), of which sizes
        self._counter = 0
        self._places: tuple[tuple[int, str], dict[str, int]] = ((0, ""), {})

    def copy(self) -> Program:
        """An independent program with the same content."""
        other = Program()
        other.variables = dict(self.variables)
        other.equations = dict(self.equations)
        other.functions = dict(self.functions)
        other.interior = set(self.interior)
        other.operations = dict(self.operations)
        other._counter = self._counter
        return other

    def declare(self, variable: Variable) -> Variable:
        """Add a variable without an equation."""
        self.variables[variable.name] = variable
        return variable

    def define(self, variable: Variable, value: Expr | Operation, source: Any = None, span: Any = None) -> Variable:
        """Add a variable with its equation, at the end."""
        self.variables[variable.name] = variable
        self.equations[variable.name] = Equation(variable.name, value, source, span)
        if isinstance(value, Operation):
            self.operations.setdefault((value, variable.dims), variable.name)
        return variable

    def fresh_name(self) -> str:
        """An anonymous name that is not in use."""
        self._counter += 1
        return f"%{self._counter}"

    def rename_last(self, old: str, variable: Variable, span: Any = None) -> None:
        """Give the last equation, an anonymous one, the user's name."""
        equation = self.equations.pop(old)
        del self.variables[old]
        self.variables[variable.name] = variable
        self.equations[variable.name] = replace(equation, name=variable.name, span=span)
        if isinstance(equation.value, Operation):
            self.operations[equation.value, variable.dims] = variable.name

    def places(self) -> dict[str, int]:
        """Where each name, and each size, stands in a product: in the program's order, but constants in front."""
        state = (len(self.variables), next(reversed(self.variables), ""))
        if self._places[0] != state:  # a program may grow while it is written
            count = len(self.variables)
            found: dict[str, int] = {}
            for position, known in enumerate(self.variables.values()):
                for dim in known.dims:
                    found.setdefault(str(dim), len(found))
                found[known.name] = position - count * (known.kind == "const")
            self._places = (state, found)
        return self._places[1]

    def __iter__(self) -> Iterator[Equation]:
        return iter(self.equations.values())

    def expression(self, name: str) -> Expr | None:
        """The right-hand side of `name` where it is an expression."""
        equation = self.equations.get(name)
        return equation.value if equation is not None and isinstance(equation.value, dict) else None


def is_anonymous(name: str) -> bool:
    """True for names that the user never wrote."""
    return name.startswith("%")
