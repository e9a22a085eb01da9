"""Programs: ordered, named equations over declared variables.

A network is a program, and so is its backward pass. Names of the user survive everywhere; a sum inside a power, a
nonlinear function or a product gets an *anonymous* name (`%1`, `%2`, …) which notation writes out in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from chainrule.algebra.expr import Expr, Index, free, variables
from chainrule.dims import Dim, display_name

__all__ = ["Equation", "Links", "Operation", "Program", "Steps", "Variable", "is_anonymous"]


@dataclass(frozen=True, slots=True)
class Steps:
    """Of a sequence h[1], h[2], …: the letter of its time index, which axis that is, and what one step h[t] is.

    For the algebra the time axis is an axis like every other; only reading and writing know it.
    sheet: no sequence, but an array of three axes, read as the matrices X[1], X[2], … (`chainrule.algebra.sheets`).
    """

    letter: str
    axis: int
    orientation: str
    sheet: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A name with its sizes. `dims` leaves out sizes of 1: a column, a row and a vector have one each.

    `orientation` is scalar, column, row, matrix or tensor, and says how the name is read and written.
    `kind` is input, label, param, const, value (has an equation) or signal. `steps`: it is a sequence h[t].
    """

    name: str
    dims: tuple[Dim, ...]
    orientation: str = ""
    kind: str = "value"
    facts: tuple[str, ...] = ()
    steps: Steps | None = None

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
    _arguments: tuple[str, ...] | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names on the right-hand side, in order of appearance; found once, for walks over a program ask often."""
        if isinstance(self.value, Operation):
            return self.value.args
        if self._arguments is None:
            object.__setattr__(self, "_arguments", tuple(variables(self.value)))
        return self._arguments  # type: ignore[return-value]


class Links:
    """Who uses whom in a program: users by name (the last first), the place of each equation, what a name needs.

    Found once for a program and kept, so that looking at one name after the other costs what is near it.
    """

    def __init__(self, equations: dict[str, Equation]) -> None:
        self._equations = equations
        self._needed: dict[str, frozenset[str]] = {}
        self.place = {name: position for position, name in enumerate(equations)}
        self.users: dict[str, list[str]] = {}
        self.lags = {n for n, e in equations.items() if isinstance(e.value, Operation) and e.value.op == "lag"}
        for equation in reversed(equations.values()):
            for argument in dict.fromkeys(equation.arguments):
                self.users.setdefault(argument, []).append(equation.name)

    def needed(self, target: str) -> frozenset[str]:
        """The target and all that it is computed from."""
        if target not in self._needed:
            found, stack = {target}, [target]
            while stack:
                equation = self._equations.get(stack.pop())
                for argument in equation.arguments if equation is not None else ():
                    if argument not in found:
                        found.add(argument)
                        stack.append(argument)
            self._needed[target] = frozenset(found)
        return self._needed[target]


class Program:
    """Variables and equations in order. Later equations may use earlier ones only, but for loops (`algebra.loops`)."""

    __slots__ = (
        "_counter", "_links", "_places", "_shown", "equations", "functions", "interior", "operations", "variables",
    )  # fmt: skip

    def __init__(self) -> None:
        self.variables: dict[str, Variable] = {}
        self.equations: dict[str, Equation] = {}
        self.functions: dict[str, Any] = {}  # unknown functions that the program declares, by name
        self.interior: set[str] = set()  # anonymous names inside a definition that was expanded: exp(θ) in softmax(θ)
        self.operations: dict[tuple[Operation, tuple[Dim, ...]], str] = {}  # which name has op(args), of which sizes
        self._counter = 0
        self._links: tuple[tuple[int, str], Links] = ((0, ""), Links({}))
        self._places: tuple[tuple[int, str], dict[str, int]] = ((0, ""), {})
        self._shown: tuple[tuple[int, str], frozenset[str]] = ((0, ""), frozenset())

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

    def links(self) -> Links:
        """Who uses whom."""
        state = (len(self.equations), next(reversed(self.equations), ""))
        if self._links[0] != state:
            self._links = (state, Links(dict(self.equations)))
        return self._links[1]

    def reordered(self) -> None:
        """Forget what was kept of the order of the equations."""
        self._links = ((-1, ""), Links({}))

    def shown_names(self) -> frozenset[str]:
        """Every name as people read it: what a letter for an index may not be. Kept, for each formula asks for it."""
        state = (len(self.variables), next(reversed(self.variables), ""))
        if self._shown[0] != state:
            self._shown = (state, frozenset(map(display_name, self.variables)))
        return self._shown[1]

    def __iter__(self) -> Iterator[Equation]:
        return iter(self.equations.values())

    def expression(self, name: str) -> Expr | None:
        """The right-hand side of `name` where it is an expression."""
        equation = self.equations.get(name)
        return equation.value if equation is not None and isinstance(equation.value, dict) else None


def is_anonymous(name: str) -> bool:
    """True for names that the user never wrote."""
    return name.startswith("%")
