"""The names of a program as they are written: a symbol, or for an unnamed one what it stands for.

`Names` is the part of `MatrixNotation` that goes from a name to its forms; it keeps those it has found.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from chainrule.algebra.expr import Expr, Index, rename
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.functions.operations import defined_by
from chainrule.library import inner_name
from chainrule.notation import tree
from chainrule.notation.forms import COMPARED, Irreducible, Vec, applied, matrix_forms, shape_of
from chainrule.notation.tree import Node
from chainrule.simplify.matrices import is_symmetric

__all__ = ["Names", "options_of"]

AXES_OPERATIONS = frozenset(
    {"max", "min", "prod", "cumprod", "ismax", "ismin", "prod_others", "cumprod_others", "argmax", "argsort"}
)


class Names(ABC):
    """Each name in each of its forms; whoever derives from it writes expressions."""

    def __init__(self, program: Program, inlined: frozenset[str] = frozenset()) -> None:
        self.program = program
        self.inlined = inlined  # names that are written out as if they were none
        self._vectors: dict[str, Vec] = {}
        self._matrices: dict[str, tuple[Node, Node]] = {}
        self._scalars: dict[str, Node] = {}

    def unnamed(self, name: str) -> bool:
        """True for what is written out in its place."""
        return name in self.inlined or is_anonymous(name)

    @abstractmethod
    def scalar(self, expression: Expr) -> Node:
        """An expression as a scalar."""

    @abstractmethod
    def vector(self, expression: Expr, index: Index) -> Vec:
        """An expression as a column and as a row."""

    @abstractmethod
    def matrix(self, expression: Expr, indices: tuple[Index, Index]) -> Node:
        """An expression as a matrix whose rows are the first index."""

    def spelled(self, name: str) -> Node | None:
        """A call that an anonymous name came from, such as softmax(θ), when its arguments have names."""
        equation = self.program.equations.get(name)
        source = equation.source if equation is not None else None
        if source is None or not hasattr(source, "function") or inner_name(source.function):
            return None
        args = []
        for text in source.args:
            variable = self.program.variables.get(text)
            if variable is None:
                return None
            if len(variable.dims) > 2:
                return None
            rows, cols = shape_of(variable.dims, variable.orientation)
            try:
                args.append(self._written_out(text) if self.unnamed(text) else tree.sym(text, rows, cols))
            except Irreducible:
                return None
        variable = self.program.variables[name]
        if len(variable.dims) > 2:
            return None
        rows, cols = shape_of(variable.dims, variable.orientation)
        if source.function in COMPARED and len(args) == 1:
            return applied(source.function, args[0])
        if source.function == "norm" and not source.over:
            return Node("norm", tuple(args))  # ‖x‖, wherever that can be typeset
        if source.over:
            args.append(tree.option("over", source.over))
        return tree.call(source.function, tuple(args), rows, cols)

    def _written_out(self, name: str) -> Node:
        """What stands for a name that the user never gave, in its own orientation. Raises Irreducible."""
        variable = self.program.variables[name]
        if not variable.dims:
            return self.scalar_of(name)
        if len(variable.dims) == 2:
            return self.matrix_of(name)[0]
        return self.vector_of(name).row if variable.orientation == "row" else self.vector_of(name).col

    def scalar_of(self, name: str) -> Node:
        """A scalar variable, written out if it has no name."""
        if not self.unnamed(name):
            return tree.sym(name)
        if name not in self._scalars:
            node = self.spelled(name) or self.operated(name)
            self._scalars[name] = node or self.scalar(self._definition(name))
        return self._scalars[name]

    def vector_of(self, name: str) -> Vec:
        """A vector variable, written out if it has no name."""
        known = self._vectors.get(name)
        if known is None:
            variable = self.program.variables[name]
            (_dim,) = variable.dims
            node = tree.sym(name, *shape_of(variable.dims, variable.orientation)) if not self.unnamed(name) else None
            node = node or self.spelled(name) or self.operated(name)
            if node is None:
                known = self.vector(self._definition(name), variable.indices[0])
            elif variable.orientation == "row":
                known = Vec(tree.transpose(node), node)
            else:
                known = Vec(node, tree.transpose(node))
            self._vectors[name] = known
        return known

    def matrix_of(self, name: str) -> tuple[Node, Node]:
        """A matrix variable and its transpose, written out if it has no name."""
        known = self._matrices.get(name)
        if known is None:
            variable = self.program.variables[name]
            node = tree.sym(name, *variable.dims) if not self.unnamed(name) else self.spelled(name)
            node = node or self.operated(name)
            if node is not None and is_symmetric(self.program, name):
                known = (node, node)
            elif node is not None:
                known = (node, tree.transpose(node))
            else:
                value = self._definition(name)
                i, j = variable.indices
                forward = self.matrix(value, (i, j))
                turned = rename(value, {i: (-2, i[1]), j: (-1, j[1])})
                backward = self.matrix(turned, ((-1, j[1]), (-2, i[1])))
                known = matrix_forms(forward, backward)
            self._matrices[name] = known
        return known

    def operated(self, name: str) -> Node | None:
        """An operation as a call on what its arguments are: inv(A + Xᵀ X). Raises Irreducible."""
        operation = defined_by(self.program, name)
        variable = self.program.variables[name]
        if operation is None or not operation.args or name.startswith("∂") or len(variable.dims) > 2:
            return None
        arguments = [self.whole(argument) for argument in operation.args]
        arguments += [tree.option(*o) for o in options_of(operation, self.program)]
        if operation.op == "onehot":
            classes = operation.attributes[0]
            arguments.append(tree.num(classes) if isinstance(classes, int) else tree.sym(classes))
        return tree.call(operation.op, tuple(arguments), *shape_of(variable.dims, variable.orientation))

    def whole(self, name: str) -> Node:
        """A variable in the layout that it has."""
        variable = self.program.variables[name]
        if not variable.dims:
            return self.scalar_of(name)
        if len(variable.dims) == 1:
            vector = self.vector_of(name)
            return vector.row if variable.orientation == "row" else vector.col
        if len(variable.dims) == 2:
            return self.matrix_of(name)[0]
        raise Irreducible

    def _definition(self, name: str) -> Expr:
        value = self.program.expression(name)
        if value is None:
            raise Irreducible
        return value


def options_of(operation: Operation, program: Program) -> list[tuple[str, str]]:
    """How a call says over which axes it goes: over=rows; nothing where it is all of them."""
    if operation.op not in AXES_OPERATIONS:
        return []
    count = len(program.variables[operation.args[0]].dims)
    (axes,) = operation.attributes
    if len(axes) == count:
        return []
    words = ("rows", "columns") if count == 2 else tuple(map(str, range(count)))
    return [("over", words[axis]) for axis in axes]
