"""A program under other names: variables, sizes and unknown functions, all at once.

Expressions are rebuilt, because the order of factors in a canonical monomial follows their names. What is anonymous
keeps its number, so a name such as `%3` stands for the same thing before and after. A new kind of `Operation` that
keeps names in its attributes must be taught here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chainrule.algebra.expr import Expr, Index, add, monomial
from chainrule.algebra.program import Operation, Program
from chainrule.algebra.relations import CONSTANTS, renamed_relation
from chainrule.dims import Dim
from chainrule.sizes import renamed as renamed_size

__all__ = ["Renaming", "renamed_expression", "renamed_program"]


@dataclass(frozen=True)
class Renaming:
    """Old name -> new name, for what changes: variables, sizes, functions."""

    variables: Mapping[str, str]
    dims: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)

    def variable(self, name: str) -> str:
        """The new name of a variable."""
        return self.variables.get(name, name)

    def dim(self, dim: Dim) -> Dim:
        """The new name of a size."""
        return renamed_size(dim, lambda symbol: self.dims.get(symbol, symbol))

    def function(self, name: str) -> str:
        """The new name of a function, with its primes."""
        bare = name.rstrip("'")
        return self.functions.get(bare, bare) + name[len(bare) :]

    def index(self, index: Index) -> Index:
        """An index over the size as it is called now."""
        return (index[0], self.dim(index[1]))


def renamed_expression(value: Expr, names: Renaming) -> Expr:
    """The expression in the new names; the order of its terms stays."""
    out: Expr = {}
    for (factors, bound), coefficient in value.items():
        moved = []
        for (head, name, indices), exponent in factors:
            places = tuple(map(names.index, indices))
            if isinstance(name, tuple):
                name = tuple((names.variable(n), arity) for n, arity in name)
            elif head == "#":
                name = str(names.dim(str(name)))
            elif head == "rel":
                name = renamed_relation(str(name), names.dim)
            elif head not in CONSTANTS:
                name = names.variable(str(name))
            moved.append(((names.function(head), name, places), exponent))
        out = add(out, monomial(coefficient, moved, map(names.index, bound)))
    return out


def renamed_program(program: Program, names: Renaming) -> Program:
    """A copy in the new names. Places in the user's text are left out: they hold the old ones."""
    out = program.copy()
    out.functions = {
        names.function(name): tuple(tuple(map(names.dim, side)) for side in sides)
        for name, sides in program.functions.items()
    }
    out.variables = {
        names.variable(n): replace(v, name=names.variable(n), dims=tuple(map(names.dim, v.dims)))
        for n, v in program.variables.items()
    }
    out.equations, out.operations = {}, {}
    for equation in program:
        value = equation.value
        if isinstance(value, Operation):
            args, attributes = map(names.variable, value.args), value.attributes
            if value.op.startswith("unknown"):
                attributes = tuple(map(names.function, attributes))
            elif value.op == "onehot":
                attributes = (names.dim(attributes[0]), *attributes[1:])
            elif value.op in ("unit", "count"):
                attributes = (*attributes[:-1], names.dim(attributes[-1]))
            renamed: Expr | Operation = replace(value, args=tuple(args), attributes=attributes)
        else:
            renamed = renamed_expression(value, names)
        name = names.variable(equation.name)
        out.equations[name] = replace(
            equation, name=name, value=renamed, source=_source(equation.source, names), span=None
        )
        if isinstance(renamed, Operation):
            out.operations.setdefault((renamed, out.variables[name].dims), name)
    out.interior = set(map(names.variable, program.interior))
    return out


def _source(source: Any, names: Renaming) -> Any:
    """A call that an anonymous name came from, softmax(θ); other sources are pieces of the user's text, and go."""
    if not hasattr(source, "function"):
        return None
    return type(source)(names.function(source.function), tuple(map(names.variable, source.args)), source.over)
