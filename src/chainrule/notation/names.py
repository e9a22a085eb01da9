"""The names of a program as they are written: a symbol, or for an unnamed one what it stands for.

`Names` is the part of `MatrixNotation` that goes from a name to its forms; it keeps those it has found.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from chainrule.algebra.expr import Expr, Index, free, fresh_bound, rename
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.algebra.relations import relation
from chainrule.algebra.structure import placed
from chainrule.dims import Dim
from chainrule.functions import FUNCTIONS
from chainrule.functions.operations import defined_by
from chainrule.library import inner_name
from chainrule.notation import parts, tree
from chainrule.notation.forms import COMPARED, Irreducible, Vec, applied, matrix_forms, same, shape_of
from chainrule.notation.parts import Cut
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
        self._cuts: dict[str, tuple[str, tuple[Cut | None, ...]]] = {}  # names of parts: of what, and which

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
        if name in self._cuts:
            if name not in self._scalars:
                self._scalars[name] = self._part(name).col
        elif not self.unnamed(name):
            return tree.sym(name)
        if name not in self._scalars:
            node = self.spelled(name) or self.operated(name)
            self._scalars[name] = node or self.scalar(self._definition(name))
        return self._scalars[name]

    def vector_of(self, name: str) -> Vec:
        """A vector variable, written out if it has no name."""
        known = self._vectors.get(name)
        if known is None and name in self._cuts:
            known = self._vectors[name] = self._part(name)
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
        if known is None and name in self._cuts:
            both = self._part(name)
            known = self._matrices[name] = matrix_forms(both.col, both.row)
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

    def cut(self, name: str, cuts: tuple[Cut | None, ...]) -> str:
        """A name for a part of an array, which the other methods know."""
        if not any(cuts):
            return name
        part = f"{name}\0{cuts}"
        self._cuts[part] = (name, cuts)
        return part

    def place(self, name: str) -> int:
        """Where the program defines the name, or what it is a part of."""
        return self.program.places().get(self._cuts[name][0] if name in self._cuts else name, 0)

    def _part(self, name: str) -> Vec:
        """A[:,1:k] and its transpose; of an unnamed array what its names are cut to."""
        base, cuts = self._cuts[name]
        variable = self.program.variables[base]
        if variable.steps is not None:
            raise Irreducible
        whole: Node | None
        inside = self._entry_by_entry(base)
        if inside is not None:  # tanh(A[1:2,:]) for tanh(A)[1:2,:]
            function, argument = inside
            both = self._part(self.cut(argument, cuts))
            return Vec(applied(function, both.col), applied(function, both.row))
        if self.unnamed(base):
            whole = self.spelled(base)
            if whole is None and self.program.expression(base) is None:  # an operation
                whole = self.whole(base)
        else:
            whole = tree.sym(base, *shape_of(variable.dims, variable.orientation)) if len(variable.dims) < 3 else None
        dims = tuple(d if c is None else c.length for d, c in zip(variable.dims, cuts, strict=True))
        kept = tuple(d for d in dims if d is not None)
        if whole is None:
            return self._part_written(base, cuts, kept)
        if len(dims) == 2 and len(kept) == 1:
            orientation = "row" if dims[0] is None else "column"
        else:
            orientation = variable.orientation
        node = parts.cut(whole, cuts, *shape_of(kept, orientation))
        turned = tree.transpose(node)
        return Vec(turned, node) if orientation == "row" and kept else Vec(node, turned)

    def _entry_by_entry(self, name: str) -> tuple[str, str] | None:
        """The function and the argument of an unnamed tanh(A); None where it is no such call."""
        equation = self.program.equations.get(name)
        source = equation.source if equation is not None and self.unnamed(name) else None
        if source is None or not hasattr(source, "function") or source.function not in FUNCTIONS:
            return None
        (argument, *more) = source.args
        known = self.program.variables.get(argument)
        if more or known is None or known.dims != self.program.variables[name].dims:
            return None
        return str(source.function), str(argument)

    def _part_written(self, base: str, cuts: tuple[Cut | None, ...], kept: tuple[Dim, ...]) -> Vec:
        """The part of what an unnamed array stands for."""
        variable = self.program.variables[base]
        at: list[Index | None] = []
        relations = []
        inner: dict[int, Index] = {}
        own = iter(free(kept))
        for axis, (dim, part) in enumerate(zip(variable.dims, cuts, strict=True)):
            if part is None:
                at.append(next(own))
                continue
            inner[axis] = fresh_bound(dim)
            terms: list[tuple[Dim, Index]] = [(1, inner[axis])]
            if part.length is not None:
                terms.append((-1, next(own)))
            at.append(None)
            relations.append(relation("=", terms, part.start))
        value = placed((self._definition(base), variable.dims), at, relations, inner)
        if not kept:
            return same(self.scalar(value))
        indices = free(kept)
        if len(kept) == 1:
            return self.vector(value, indices[0])
        if len(kept) > 2:
            raise Irreducible
        i, j = indices
        turned = rename(value, {i: (-2, i[1]), j: (-1, j[1])})
        return Vec(self.matrix(value, (i, j)), self.matrix(turned, ((-1, j[1]), (-2, i[1]))))

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
