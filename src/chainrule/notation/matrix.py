"""From index expressions to matrix notation, by series-parallel reduction of the index graph.

Indices are the nodes of a graph, factors with two indices its edges, factors with one its labels. Vectors are leaves
and go first (A_ij x_j is A x); a leaf without a label is a sum over rows or columns; edges in series are a product
(A diag(v) B where the joint carries v); parallel edges are an elementwise product. What does not reduce raises
`Irreducible`, and is then written in index notation, honestly.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from chainrule.algebra.expr import Expr, Index, Monomial, Rational, free, rename
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.dims import Dim
from chainrule.functions.operations import defined_by
from chainrule.notation import tree
from chainrule.notation.tree import Node
from chainrule.simplify.matrices import is_symmetric

__all__ = ["Irreducible", "MatrixNotation"]


AXES_OPERATIONS = frozenset({"max", "min", "prod", "cumprod", "ismax", "ismin", "prod_others", "cumprod_others"})


class Irreducible(Exception):
    """A term without a form in matrix notation."""


@dataclass(frozen=True, slots=True)
class Vec:
    """A vector, as a column and as a row, whichever reads best in each place; a scalar or matrix is the same twice."""

    col: Node
    row: Node


@dataclass(frozen=True, slots=True)
class Edge:
    """A matrix between two indices: `forward` has `start` as its rows."""

    start: Index
    end: Index
    forward: Node
    backward: Node

    def leaving(self, index: Index) -> Node:
        """The matrix with `index` as its rows."""
        return self.forward if index == self.start else self.backward

    def other(self, index: Index) -> Index:
        """The index at the other end."""
        return self.end if index == self.start else self.start


class MatrixNotation:
    """Writes the expressions of one program. Anonymous names are written out in their place."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._vectors: dict[str, Vec] = {}
        self._matrices: dict[str, tuple[Node, Node]] = {}
        self._scalars: dict[str, Node] = {}

    # -- whole expressions -----------------------------------------------------------------------------------------

    def column(self, expression: Expr, index: Index) -> Node:
        """As a column over `index`, directly or as the transpose of a row."""
        return self.vector(expression, index).col

    def row(self, expression: Expr, index: Index) -> Node:
        """As a row over `index`."""
        return self.vector(expression, index).row

    def vector(self, expression: Expr, index: Index) -> Vec:
        """Both forms."""
        terms = [self.term(key, c, (index,)) for key, c in expression.items()]
        if not terms:
            zero = tree.num(0)
            return Vec(zero, zero)
        broadcast = [(s, v) for s, v, full in terms if not full]
        col = _signed([(s, v.col) for s, v, _ in terms], bool(broadcast), index[1], True)
        row = _signed([(s, v.row) for s, v, _ in terms], bool(broadcast), index[1], False)
        return _cheapest(col, row)

    def scalar(self, expression: Expr) -> Node:
        """As a scalar."""
        if not expression:
            return tree.num(0)
        return tree.sum_of([(s, v.col) for s, v, _ in (self.term(k, c, ()) for k, c in expression.items())])

    def matrix(self, expression: Expr, indices: tuple[Index, Index]) -> Node:
        """As a matrix whose rows are the first index."""
        if not expression:
            return tree.num(0)
        terms = [self.term(k, c, indices) for k, c in expression.items()]
        if not any(full for _, _, full in terms):
            return tree.sum_of([(s, self._fill(v.col, indices)) for s, v, _ in terms])
        ordered = sorted(((s, v.col) for s, v, _ in terms), key=lambda t: -t[0])
        if _meet_early(ordered):
            ordered.sort(key=lambda t: (-t[0], ("matrix", "column", "row", "scalar", "identity").index(_kind(t[1]))))
        if _meet_early(ordered):
            first = next(p for p, (_, node) in enumerate(ordered) if _kind(node) != "identity")
            ordered[first] = (ordered[first][0], self._fill(ordered[first][1], indices))
        return tree.sum_of(ordered)

    def _fill(self, node: Node, indices: tuple[Index, Index]) -> Node:
        (_, m), (_, n) = indices
        if node.rows == 1 and node.cols == 1:
            return _scaled(node, tree.product([tree.ones(m, 1), tree.ones(1, n)]))
        if node.cols == 1:
            return tree.product([node, tree.ones(1, n)])
        return tree.product([tree.ones(m, 1), node])

    def write(self, expression: Expr, dims: tuple[Dim, ...], orientation: str) -> Node:
        """In the layout that a variable of this orientation has. Raises Irreducible."""
        indices = free(dims)
        if len(dims) == 0:
            return self.scalar(expression)
        if len(dims) == 1:
            return self.row(expression, indices[0]) if orientation == "row" else self.column(expression, indices[0])
        if len(dims) == 2:
            return self.matrix(expression, (indices[0], indices[1]))
        raise Irreducible

    # -- one term --------------------------------------------------------------------------------------------------

    def term(self, key: Monomial, coefficient: Rational, free_: tuple[Index, ...]) -> tuple[int, Vec, bool]:
        """(sign, the formula without it, whether every free index occurs)."""
        factors, bound = key
        scalars: list[tuple[Node, Fraction]] = []
        labels: dict[Index, list[Vec]] = {}
        edges: list[Edge] = []
        squares: dict[Index, Node] = {}
        sizes: dict[Dim, Fraction] = {}
        identity: list[tuple[Index, Index]] = []
        for atom, exponent in factors:
            head, name, indices = atom
            e = Fraction(exponent)
            if head == "#":
                sizes[str(name)] = e
            elif head == "n":
                scalars.append((tree.num(Fraction(name)), e))  # type: ignore[arg-type]
            elif head == "δ":
                identity.append((indices[0], indices[1]))
            elif isinstance(name, tuple):
                self._binary(head, name, indices, e, scalars, labels, edges)
            elif len(indices) == 0:
                scalars.append((self._applied(head, self.scalar_of(str(name))), e))
            elif len(indices) == 1:
                if head == "" and e == 2 and indices[0] in bound and sum(indices[0] in f[0][2] for f in factors) == 1:
                    squares[indices[0]] = self.vector_of(str(name)).col
                    continue
                vec = self.vector_of(str(name))
                col, row = (tree.power(self._applied(head, v), e) for v in (vec.col, vec.row))
                turned_col, turned_row = tree.transpose(col), tree.transpose(row)
                vec = Vec(  # sgn(h)ᵀ rather than sgn(hᵀ), but sqrt(v + 1) of a row v
                    col if tree.cost(col) < tree.cost(turned_row) else turned_row,
                    row if tree.cost(row) < tree.cost(turned_col) else turned_col,
                )
                labels.setdefault(indices[0], []).append(vec)
            elif len(indices) == 2:
                fwd, bwd = self.matrix_of(str(name))
                fwd, bwd = tree.power(self._applied(head, fwd), e), tree.power(self._applied(head, bwd), e)
                edges.append(Edge(indices[0], indices[1], fwd, bwd))
            else:
                raise Irreducible
        scalars.extend((Node("norm", (node,)), Fraction(2)) for node in squares.values())
        left = [i for i in bound if i not in squares]
        means = {d for d, e in sizes.items() if e == -1}
        places = self.program.places()
        held = {i: sorted(places.get(str(a[1]), 0) for a, _ in factors if i in a[2]) for i in left}
        left.sort(key=lambda i: (held[i], i))  # the program's order, whatever the names are
        self._reduce(left, free_, labels, edges, scalars, sizes, means, identity)
        ordered = sorted(sizes, key=lambda d: self.program.places().get(str(d), 0))
        scalars.extend((tree.sym(str(dim)), sizes[dim]) for dim in ordered if sizes[dim])
        sign = -1 if coefficient < 0 else 1
        body, full = self._assemble(free_, labels, edges, identity)
        size = coefficient if coefficient > 0 else -coefficient
        col = _with_scalars(body.col, scalars, size)
        row = col if body.row is body.col else _with_scalars(body.row, scalars, size)
        return sign, Vec(col, row), full

    def _binary(
        self, head: str, name: tuple[tuple[str, int], ...], indices: tuple[Index, ...], e: Fraction,
        scalars: list[tuple[Node, Fraction]], labels: dict[Index, list[Vec]], edges: list[Edge],
    ) -> None:  # fmt: skip
        distinct = tuple(dict.fromkeys(indices))
        if len(distinct) == 0:
            nodes = tuple(self.scalar_of(n) for n, _ in name)
            scalars.append((tree.call(head, nodes, 1, 1), e))
            return
        if len(distinct) == 1:
            cols, rows = [], []
            for n, arity in name:
                if arity == 2:  # both indices are one
                    node = tree.call("diag", (self.matrix_of(n)[0],), distinct[0][1], 1)
                    vec = Vec(node, tree.transpose(node))
                else:
                    vec = self.vector_of(n) if arity else Vec(self.scalar_of(n), self.scalar_of(n))
                cols.append(vec.col)
                rows.append(vec.row)
            dim = distinct[0][1]
            vec = Vec(tree.call(head, tuple(cols), dim, 1), tree.call(head, tuple(rows), 1, dim))
            labels.setdefault(distinct[0], []).append(Vec(tree.power(vec.col, e), tree.power(vec.row, e)))
            return
        if any(arity not in (0, 2) for _, arity in name):
            raise Irreducible
        if any(len(set(mine)) != len(mine) for mine in _places(name, indices)):
            raise Irreducible
        start, forwards, backwards = 0, [], []
        for n, arity in name:
            mine = indices[start : start + arity]
            start += arity
            if arity == 0:
                forwards.append(self.scalar_of(n))
                backwards.append(self.scalar_of(n))
                continue
            fwd, bwd = self.matrix_of(n)
            if mine == (distinct[1], distinct[0]):
                fwd, bwd = bwd, fwd
            forwards.append(fwd)
            backwards.append(bwd)
        (_, m), (_, n_) = distinct[0], distinct[1]
        forward = tree.power(tree.call(head, tuple(forwards), m, n_), e)
        backward = tree.power(tree.call(head, tuple(backwards), n_, m), e)
        edges.append(Edge(distinct[0], distinct[1], forward, backward))

    def _reduce(
        self, bound: list[Index], free_: tuple[Index, ...], labels: dict[Index, list[Vec]], edges: list[Edge],
        scalars: list[tuple[Node, Fraction]], sizes: dict[Dim, Fraction], means: set[Dim],
        identity: list[tuple[Index, Index]],
    ) -> None:  # fmt: skip
        """Remove the bound indices one by one."""
        while True:
            self._merge(labels, edges)
            if not bound:
                return
            degree = {i: sum(1 for e in edges if i in (e.start, e.end)) for i in bound}
            index = min(bound, key=lambda i: (degree[i], bool(labels.get(i)) and degree[i] == 2))
            if degree[index] > 2:
                raise Irreducible
            bound.remove(index)
            mine = labels.pop(index, [])
            if degree[index] == 0:
                scalars.append((self._total(index, mine, sizes, means), Fraction(1)))
                continue
            touching = [e for e in edges if index in (e.start, e.end)]
            for e in touching:
                edges.remove(e)
            if degree[index] == 1:
                edge = touching[0]
                out = edge.other(index)
                if out in bound and degree[out] == 1 and not mine and not labels.get(out):
                    bound.remove(out)
                    scalars.append(self._matrix_total(edge, sizes, means))
                    continue
                labels.setdefault(out, []).append(self._leaf(edge, index, out, mine, sizes, means))
                continue
            first, second = touching
            a, b = first.other(index), second.other(index)
            middle = [tree.diag(self._joined([v.col for v in mine]))] if mine else []
            forward = tree.product([first.leaving(a), *middle, second.leaving(index)])
            backward = tree.product([second.leaving(b), *middle, first.leaving(index)])
            edges.append(Edge(a, b, *_matrix_forms(forward, backward)))

    def _merge(self, labels: dict[Index, list[Vec]], edges: list[Edge]) -> None:
        """Loops become diagonals, parallel edges elementwise products."""
        for edge in [e for e in edges if e.start == e.end]:
            edges.remove(edge)
            node = edge.forward
            vec = Vec(
                tree.call("diag", (node,), node.rows, 1), tree.transpose(tree.call("diag", (node,), node.rows, 1))
            )
            labels.setdefault(edge.start, []).append(vec)
        groups: dict[frozenset[Index], list[Edge]] = {}
        for edge in edges:
            groups.setdefault(frozenset((edge.start, edge.end)), []).append(edge)
        for members in groups.values():
            if len(members) > 1:
                start, end = members[0].start, members[0].end
                forward = self._joined([e.leaving(start) for e in members])
                backward = self._joined([e.leaving(end) for e in members])
                for e in members:
                    edges.remove(e)
                edges.append(Edge(start, end, *_matrix_forms(forward, backward)))

    def _leaf(
        self, edge: Edge, index: Index, out: Index, mine: list[Vec], sizes: dict[Dim, Fraction], means: set[Dim]
    ) -> Vec:
        """Σ over a leaf: A v, or a sum over rows or columns."""
        if mine:
            col = tree.product([edge.leaving(out), self._joined([v.col for v in mine])])
            row = tree.product([self._joined([v.row for v in mine]), edge.leaving(index)])
            return _cheapest(col, row)
        dim, n = index[1], out[1]
        inner, turned = edge.leaving(out), edge.leaving(index)  # inner: rows are `out`
        mean = isinstance(dim, str) and dim in means and sizes.get(dim) == -1
        if mean:
            sizes[dim] = Fraction(0)
        if mean or (inner.op != "sym" and turned.op != "sym"):
            what = "mean" if mean else "sum"
            if tree.cost(inner) <= tree.cost(turned):
                col = tree.call("row" + what, (inner,), n, 1)
                return Vec(col, tree.transpose(col))
            row = tree.call("col" + what, (turned,), 1, n)
            return Vec(tree.transpose(row), row)
        # A row sum is written rowsum(A): in A 1 the 1 could be read as a number; in 1ᵀ A it cannot.
        row = tree.product([tree.ones(1, dim), turned])
        if inner.op == "T":
            return Vec(tree.transpose(row), row)
        return _cheapest(tree.call("rowsum", (inner,), n, 1), row)

    def _matrix_total(self, edge: Edge, sizes: dict[Dim, Fraction], means: set[Dim]) -> tuple[Node, Fraction]:
        """Σ over all entries of a matrix: its squared norm, its mean, or its sum."""
        node = min(edge.forward, edge.backward, key=tree.cost)
        if node.op == "pow" and Fraction(str(node.data)) == 2:
            return Node("norm", (node.args[0],)), Fraction(2)
        dims = [edge.start[1], edge.end[1]]
        if len(set(dims)) == 2 and all(isinstance(d, str) and d in means and sizes.get(d) == -1 for d in dims):
            sizes.update(dict.fromkeys(dims, Fraction(0)))
            return tree.call("mean", (node,), 1, 1), Fraction(1)
        return tree.call("sum", (node,), 1, 1), Fraction(1)

    def _total(self, index: Index, mine: list[Vec], sizes: dict[Dim, Fraction], means: set[Dim]) -> Node:
        """Σ over an index that only vectors share: an inner product, or a sum."""
        dim = index[1]
        if len(mine) == 1:
            vec = mine[0]
            if isinstance(dim, str) and dim in means and sizes.get(dim) == -1:
                sizes[dim] = Fraction(0)
                best = min(vec.col, vec.row, key=tree.cost)
                return tree.call("mean", (best,), 1, 1)
            left = tree.product([tree.ones(1, dim), vec.col])
            right = tree.call("sum", (vec.row,), 1, 1)
            return left if tree.cost(left) <= tree.cost(right) + 0.5 else right
        ordered = sorted(mine, key=lambda v: self._rank(v.col))
        options = []
        for k in range(len(ordered)):
            rest = ordered[:k] + ordered[k + 1 :]
            options.append(tree.product([self._joined([v.row for v in rest]), ordered[k].col]))
            options.append(tree.product([ordered[k].row, self._joined([v.col for v in rest])]))
        return min(options, key=tree.cost)

    def _assemble(
        self, free_: tuple[Index, ...], labels: dict[Index, list[Vec]], edges: list[Edge],
        identity: list[tuple[Index, Index]],
    ) -> tuple[Vec, bool]:  # fmt: skip
        if any(i not in free_ for pair in identity for i in pair):
            raise Irreducible
        if not free_:
            return _same(tree.num(1)), True
        if len(free_) == 1:
            mine = labels.get(free_[0], [])
            if not mine:
                return _same(tree.num(1)), False
            return Vec(self._joined([v.col for v in mine]), self._joined([v.row for v in mine])), True
        if len(free_) != 2:
            raise Irreducible
        i, j = free_
        at_i, at_j = labels.get(i, []), labels.get(j, [])
        if identity:
            parts = [v.col for v in (*at_i, *at_j)]
            parts += [tree.call("diag", (e.leaving(i),), i[1], 1) for e in edges]
            return _same(tree.diag(self._joined(parts)) if parts else tree.eye(i[1])), True
        parts = [e.leaving(i) for e in edges]
        if not parts and at_i and at_j:
            return _same(tree.product([self._joined([v.col for v in at_i]), self._joined([v.row for v in at_j])])), True
        every = [*(v.col for v in at_i), *parts, *(v.row for v in at_j)]
        if not every:
            return _same(tree.num(1)), False
        return _same(self._joined(every)), bool(parts)

    # -- the order of factors --------------------------------------------------------------------------------------

    def _rank(self, node: Node) -> tuple[int, int]:
        """The order of factors in an elementwise product: signals and products, names, functions, brackets.

        Names come in the order of the program, whatever they are called, constants in front.
        """
        core = node.args[0] if node.op in ("T", "pow") else node
        if core.op == "prod":
            return (0, 0)
        if core.op == "sym":
            variable = self.program.variables.get(str(core.data))
            if variable is not None and variable.kind == "signal":
                return (0, 0)
            return (1, self.program.places().get(str(core.data), 0))
        if core.op == "fn":
            return (2, 0)
        if core.op == "sum":
            return (4, 0)
        return (3, 0)

    def _joined(self, parts: list[Node]) -> Node:
        """An elementwise product; what has a negative power stands behind ./ where the rest can stand by itself."""
        below = [p for p in parts if _is_inverse(p)]
        above = [p for p in parts if p not in below]
        kinds = {_kind(p) for p in above}
        if not below or (kinds >= {"row", "column"} and "matrix" not in kinds):
            return tree.hadamard(sorted(parts, key=self._rank))
        bottom = tree.hadamard(sorted(map(_inverted, below), key=self._rank))
        return tree.quotient(tree.hadamard(sorted(above, key=self._rank)) if above else tree.num(1), bottom)

    # -- names -----------------------------------------------------------------------------------------------------

    def _applied(self, head: str, node: Node) -> Node:
        return node if head == "" else Node("fn", (node,), head, node.rows, node.cols)

    def spelled(self, name: str) -> Node | None:
        """A call that an anonymous name came from, such as softmax(θ), when its arguments have names."""
        equation = self.program.equations.get(name)
        source = equation.source if equation is not None else None
        if source is None or not hasattr(source, "function"):
            return None
        args = []
        for text in source.args:
            variable = self.program.variables.get(text)
            if variable is None:
                return None
            if len(variable.dims) > 2:
                return None
            rows, cols = _shape(variable.dims, variable.orientation)
            try:
                args.append(self._written_out(text) if is_anonymous(text) else tree.sym(text, rows, cols))
            except Irreducible:
                return None
        variable = self.program.variables[name]
        if len(variable.dims) > 2:
            return None
        rows, cols = _shape(variable.dims, variable.orientation)
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
        if not is_anonymous(name):
            return tree.sym(name)
        if name not in self._scalars:
            node = self.spelled(name) or self._operated(name)
            self._scalars[name] = node or self.scalar(self._definition(name))
        return self._scalars[name]

    def vector_of(self, name: str) -> Vec:
        """A vector variable, written out if it has no name."""
        known = self._vectors.get(name)
        if known is None:
            variable = self.program.variables[name]
            (_dim,) = variable.dims
            node = tree.sym(name, *_shape(variable.dims, variable.orientation)) if not is_anonymous(name) else None
            node = node or self.spelled(name) or self._operated(name)
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
            node = tree.sym(name, *variable.dims) if not is_anonymous(name) else self.spelled(name)
            node = node or self._operated(name)
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
                known = _matrix_forms(forward, backward)
            self._matrices[name] = known
        return known

    def _operated(self, name: str) -> Node | None:
        """An unnamed operation as a call on what its arguments are: inv(A + Xᵀ X)."""
        operation = defined_by(self.program, name)
        variable = self.program.variables[name]
        if operation is None or not operation.args or name.startswith("∂") or len(variable.dims) > 2:
            return None
        arguments = [self.whole(argument) for argument in operation.args]
        arguments += [tree.option(*o) for o in options_of(operation, self.program)]
        return tree.call(operation.op, tuple(arguments), *_shape(variable.dims, variable.orientation))

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


def _places(name: tuple[tuple[str, int], ...], indices: tuple[Index, ...]) -> list[tuple[Index, ...]]:
    """The indices of each argument."""
    out, start = [], 0
    for _, arity in name:
        out.append(indices[start : start + arity])
        start += arity
    return out


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


def _shape(dims: tuple[Dim, ...], orientation: str) -> tuple[Dim, Dim]:
    if not dims:
        return (1, 1)
    if len(dims) == 1:
        return (1, dims[0]) if orientation == "row" else (dims[0], 1)
    return (dims[0], dims[1])


def _kind(node: Node) -> str:
    """scalar, column, row, identity or matrix, as it is read back."""
    if node.op == "eye":
        return "identity"
    if node.op in ("prod", "div", "sum"):
        kinds = {_kind(a) for a in node.args} - {"scalar"}
        if kinds == {"identity"}:
            return "identity"
    if node.rows == 1 or node.cols == 1:
        return "scalar" if node.rows == node.cols else "row" if node.rows == 1 else "column"
    return "matrix"


def _meet_early(ordered: list[tuple[int, Node]]) -> bool:
    """True where a sum, read from the left, adds what has no common size before there is a matrix."""
    have = "scalar"
    for position, (_, node) in enumerate(ordered):
        kind = _kind(node)
        if "matrix" in (have, kind) or not position:
            have = "matrix" if "matrix" in (have, kind) else kind
        elif "identity" in (have, kind):
            if have != kind:
                return True
        elif kind != "scalar":
            if have not in ("scalar", kind):
                return True
            have = kind
    return False


def _same(node: Node) -> Vec:
    return Vec(node, node)


def _is_inverse(node: Node) -> bool:
    """x.^(-1), or its transpose."""
    if node.op == "T":
        return _is_inverse(node.args[0])
    return node.op == "pow" and not (node.rows == 1 == node.cols) and Fraction(str(node.data)) < 0


def _inverted(node: Node) -> Node:
    if node.op == "T":
        return tree.transpose(_inverted(node.args[0]))
    return tree.power(node.args[0], -Fraction(str(node.data)))


def _cheapest(col: Node, row: Node) -> Vec:
    turned_row, turned_col = tree.transpose(row), tree.transpose(col)
    return Vec(
        turned_row if tree.cost(turned_row) < tree.cost(col) - 1e-9 else col,
        turned_col if tree.cost(turned_col) < tree.cost(row) - 1e-9 else row,
    )


def _matrix_forms(forward: Node, backward: Node) -> tuple[Node, Node]:
    turned_b, turned_f = tree.transpose(backward), tree.transpose(forward)
    return (
        turned_b if tree.cost(turned_b) < tree.cost(forward) - 0.6 else forward,
        turned_f if tree.cost(turned_f) < tree.cost(backward) - 0.6 else backward,
    )


def _scaled(scalar: Node, node: Node) -> Node:
    return tree.product([scalar, node])


def _with_scalars(node: Node, scalars: list[tuple[Node, Fraction]], coefficient: Rational) -> Node:
    """coefficient · scalars · node, with negative powers below a fraction line."""
    value = Fraction(coefficient)
    tops: list[Node] = []
    bottoms: list[Node] = []
    merged: dict[Node, Fraction] = {}
    for base, e in scalars:
        if base.op == "pow" and not isinstance(base.data, str):
            base, e = base.args[0], e * Fraction(str(base.data))
        if base.op == "num" and e == 1:
            value *= Fraction(str(base.data))
            continue
        merged[base] = merged.get(base, Fraction(0)) + e
    for base, e in merged.items():
        if e > 0:
            tops.append(tree.power(base, e))
        elif e < 0:
            bottoms.append(tree.power(base, -e))
    trivial = node.op == "num" and node.data == 1
    decimal = value.denominator > 12 and 10**6 % value.denominator == 0
    if value.denominator != 1 and not decimal and (value.numerator == 1 or bottoms):
        bottoms.insert(0, tree.num(value.denominator))
        value = Fraction(value.numerator)
    parts: list[Node] = []
    if value != 1 or (trivial and not tops):
        parts.append(tree.num(value))
    parts += tops
    if not trivial:
        parts.append(node)
    top = tree.product(parts)
    for bottom in [tree.product(bottoms)] if bottoms else []:
        top = tree.divide(top, bottom)
    return top


def _signed(terms: list[tuple[int, Node]], broadcast: bool, dim: Dim, column: bool) -> Node:
    nodes: list[tuple[int, Node]] = []
    alone = not any(not (n.rows == 1 == n.cols) for _, n in terms)
    for sign, n in terms:
        if alone and broadcast:
            n = _scaled(n, tree.ones(dim, 1) if column else tree.ones(1, dim))
        nodes.append((sign, n))
    return tree.sum_of(nodes)
