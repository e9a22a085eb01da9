"""From index expressions to matrix notation.

A term is read as a graph of indices, which `Reduction` takes apart; names come from `Names`; sums of terms are put
together here, so that what is added has one layout. What does not reduce raises `Irreducible`, and is then written in
index notation, honestly.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from chainrule.algebra.expr import Expr, Factor, Index, Monomial, Rational, free
from chainrule.algebra.program import Program, Steps, is_anonymous
from chainrule.dims import Dim
from chainrule.functions.operations import defined_by
from chainrule.notation import binding, tree
from chainrule.notation.blocks import BlockNotation
from chainrule.notation.forms import Edge, Irreducible, Vec, applied, cheapest, kind, meet_early, scaled
from chainrule.notation.offsets import has_offsets
from chainrule.notation.order import Order
from chainrule.notation.places import cut_out, is_placed
from chainrule.notation.reduction import Reduction
from chainrule.notation.scalars import squared_norm, with_scalars
from chainrule.notation.sequences import Projection, StepProgram, letter_of, one_step_of, time_index
from chainrule.notation.tree import Node
from chainrule.notation.triangles import bracketed, half_triangle, triangle
from chainrule.simplify.masks import extremum

__all__ = ["Irreducible", "MatrixNotation"]


@dataclass(slots=True)
class Step:
    """One step of the sequences of a program: the projection, its notation, and how many names there were."""

    projection: Projection
    notation: MatrixNotation
    count: int

    def project(self, expression: Expr, time: Index, keep: bool = False) -> Expr:
        """The expression at this step. Raises Irreducible."""
        try:
            return self.projection.expression(expression, time, keep)
        except LookupError:
            raise Irreducible from None


class MatrixNotation(BlockNotation):
    """Writes the expressions of one program. Anonymous names are written out in their place."""

    def __init__(self, program: Program, inlined: frozenset[str] = frozenset()) -> None:
        super().__init__(program, inlined)
        self.order = Order(program)
        self._steps: dict[tuple[str, Dim, bool], Step] = {}
        self._letters: set[str] = set()  # of the steps that this is the notation of

    # -- whole expressions -----------------------------------------------------------------------------------------

    def column(self, expression: Expr, index: Index) -> Node:
        """As a column over `index`, directly or as the transpose of a row."""
        return self.vector(expression, index).col

    def row(self, expression: Expr, index: Index) -> Node:
        """As a row over `index`."""
        return self.vector(expression, index).row

    def vector(self, expression: Expr, index: Index) -> Vec:
        """Both forms."""
        if any(is_placed(key, index) for key in expression):
            return self.vector_blocks(expression, index)
        terms = [self.term(key, c, (index,)) for key, c in expression.items()]
        if not terms:
            zero = tree.num(0)
            return Vec(zero, zero)
        broadcast = [(s, v) for s, v, full in terms if not full]
        col = _signed([(s, v.col) for s, v, _ in terms], bool(broadcast), index[1], True)
        row = _signed([(s, v.row) for s, v, _ in terms], bool(broadcast), index[1], False)
        return cheapest(col, row)

    def scalar(self, expression: Expr) -> Node:
        """As a scalar."""
        if not expression:
            return tree.num(0)
        return _summed([(s, v.col) for s, v, _ in (self.term(k, c, ()) for k, c in expression.items())])

    def matrix(self, expression: Expr, indices: tuple[Index, Index]) -> Node:
        """As a matrix whose rows are the first index."""
        if not expression:
            return tree.num(0)
        if any(is_placed(key, index) for key in expression for index in indices):
            return self.matrix_blocks(expression, indices)
        whole = self._matrix(expression, indices)
        if whole.op == "sum" and all(map(_all_turned, whole.args)):  # (X B + B X)ᵀ rather than Bᵀ Xᵀ + Xᵀ Bᵀ
            turned = tree.transpose(self._matrix(expression, indices[::-1]))
            return turned if binding.cost(turned) < binding.cost(whole) - 0.6 else whole
        return whole

    def _matrix(self, expression: Expr, indices: tuple[Index, Index]) -> Node:
        terms = [self.term(k, c, indices) for k, c in expression.items()]
        if not any(full for _, _, full in terms):
            return _summed([(s, self._fill(v.col, indices)) for s, v, _ in terms])
        ordered = bracketed(sorted(((s, v.col) for s, v, _ in terms), key=lambda t: -t[0]))
        if meet_early(ordered):
            ordered.sort(key=lambda t: (-t[0], ("matrix", "column", "row", "scalar", "identity").index(kind(t[1]))))
        if meet_early(ordered):
            first = next(p for p, (_, node) in enumerate(ordered) if kind(node) != "identity")
            ordered[first] = (ordered[first][0], self._fill(ordered[first][1], indices))
        return _summed(ordered)

    def _fill(self, node: Node, indices: tuple[Index, Index]) -> Node:
        (_, m), (_, n) = indices
        if node.rows == 1 and node.cols == 1:
            whole = tree.product([tree.ones(m, 1), tree.ones(1, n)])
            return scaled(node, whole)
        if node.cols == 1:
            return tree.product([node, tree.ones(1, n)])
        return tree.product([tree.ones(m, 1), node])

    def write(self, expression: Expr, dims: tuple[Dim, ...], orientation: str, steps: Steps | None = None) -> Node:
        """In the layout that a variable of this orientation has; of a sequence, one step. Raises Irreducible."""
        indices = free(dims)
        if steps is not None:
            inner = self.at_step(steps.letter, dims[steps.axis], steps.sheet)
            rest = tuple(d for k, d in enumerate(dims) if k != steps.axis)
            return inner.notation.write(inner.project(expression, indices[steps.axis]), rest, steps.orientation)
        if len(dims) == 0:
            return self.scalar(expression)
        if len(dims) == 1:
            return self.row(expression, indices[0]) if orientation == "row" else self.column(expression, indices[0])
        if len(dims) == 2:
            return self.matrix(expression, (indices[0], indices[1]))
        raise Irreducible

    # -- sequences -------------------------------------------------------------------------------------------------

    def at_step(self, letter: str, dim: Dim, sheet: bool = False) -> Step:
        """The notation of one step, or of one matrix of arrays of three axes; its index is `letter`."""
        known = self._steps.get((letter, dim, sheet))
        if known is None or known.count != len(self.program.variables):  # the program has grown
            projection = Projection(self.program, letter, dim, sheet)
            inner = MatrixNotation(projection.program)
            inner._letters = self._letters | {letter}
            known = self._steps[letter, dim, sheet] = Step(projection, inner, len(self.program.variables))
        return known

    def step_node(self, name: str, letter: str) -> Node:
        """One step of a sequence, h[t], or what an unnamed one stands for there. Raises Irreducible."""
        own = self.program.variables[name]
        assert own.steps is not None
        step = self.at_step(letter, own.dims[own.steps.axis], own.steps.sheet)
        try:
            called = step.projection.step(name, (own.steps.axis,))
        except LookupError:
            raise Irreducible from None
        return step.notation.whole(called)

    def _summed_over_time(
        self, key: Monomial, coefficient: Rational, free_: tuple[Index, ...], time: Index, wanted: str, sheet: bool
    ) -> tuple[int, Vec, bool]:
        """Σₜ around what is left at one step; numbers and sizes stand before it. Σₜ 1[t = T] h[t] is h[T]."""
        chosen = one_step_of(self.program, key, time)
        factors, bound = key if chosen is None else chosen[0]
        letter = letter_of(wanted, self._letters | {str(n) for n in self.program.variables})
        letter = letter if chosen is None else chosen[1]
        outside = [f for f in factors if f[0][0] in ("#", "n")]
        inside = tuple(f for f in factors if f[0][0] not in ("#", "n"))
        step = self.at_step(letter, time[1], sheet)
        ((inner, number),) = step.project({(inside, bound): 1}, time, True).items()
        _, body, full = step.notation.term(inner, number, free_)
        col, row = body.col, body.row
        if chosen is None:
            col = tree.sigma(letter, body.col)
            row = col if body.row is body.col else tree.sigma(letter, body.row)
        scalars = [
            (tree.sym(str(name)) if head == "#" else tree.num(Fraction(str(name))), Fraction(e))
            for (head, name, _), e in outside
        ]
        sign, size = (1 if coefficient > 0 else -1), coefficient if coefficient > 0 else -coefficient
        return sign, Vec(with_scalars(col, scalars, size), with_scalars(row, scalars, size)), full

    # -- one term --------------------------------------------------------------------------------------------------

    def term(self, key: Monomial, coefficient: Rational, free_: tuple[Index, ...]) -> tuple[int, Vec, bool]:
        """(sign, the formula without it, whether every free index occurs)."""
        if key[1]:
            found = time_index(self.program, key)
            if found is not None and self._as_arrays(key, found[0]):  # δ[t+1] e for sum(s, δ[t+1,s] e[s]ᵀ)
                with suppress(Irreducible):
                    return self._product(key, coefficient, free_)
            if found is not None:
                return self._summed_over_time(key, coefficient, free_, *found)
        return self._product(key, coefficient, free_)

    def _as_arrays(self, key: Monomial, index: Index) -> bool:
        """At one step of a loop: whether what has another time's index are arrays with names, of which a product is."""
        if not isinstance(self.program, StepProgram):
            return False
        names = [name for (_, name, indices), _ in key[0] if index in indices]
        return all(isinstance(n, str) and not is_anonymous(n) for n in names)

    def _product(self, key: Monomial, coefficient: Rational, free_: tuple[Index, ...]) -> tuple[int, Vec, bool]:
        """A term as a product of matrices and vectors."""
        factors, bound = self._uncut(key) if has_offsets(key[0]) else key
        work = Reduction(self.order, abs(Fraction(coefficient)))
        squares: dict[Index, Node] = {}
        for atom, exponent in factors:
            head, name, indices = atom
            e = Fraction(exponent)
            if head == "#":
                work.sizes[str(name)] = e
            elif head == "n":
                work.scalars.append((tree.num(Fraction(name)), e))  # type: ignore[arg-type]
            elif head == "rel":
                work.edges.append(triangle(str(name), indices))
            elif head == "δ":
                work.identity.append((indices[0], indices[1]))
            elif isinstance(name, tuple):
                self._several(head, name, indices, e, work)
            elif len(indices) == 0:
                work.scalars.append((applied(head, self.scalar_of(str(name))), e))
            elif len(indices) == 1:
                if head == "" and e == 2 and indices[0] in bound and sum(indices[0] in f[0][2] for f in factors) == 1:
                    squares[indices[0]] = self.vector_of(str(name)).col
                    continue
                vec = self.vector_of(str(name))
                col, row = (tree.power(applied(head, v), e) for v in (vec.col, vec.row))
                turned_col, turned_row = tree.transpose(col), tree.transpose(row)
                vec = Vec(  # sgn(h)ᵀ rather than sgn(hᵀ), but sqrt(v + 1) of a row v
                    col if binding.cost(col) < binding.cost(turned_row) - 1e-9 else turned_row,
                    row if binding.cost(row) < binding.cost(turned_col) - 1e-9 else turned_col,
                )
                work.labels.setdefault(indices[0], []).append(vec)
            elif len(indices) == 2 and e == 1 and self._is_half_triangle(head, str(name)):
                work.edges.append(half_triangle(indices))
            elif len(indices) == 2:
                fwd, bwd = self.matrix_of(str(name))
                fwd, bwd = tree.power(applied(head, fwd), e), tree.power(applied(head, bwd), e)
                work.edges.append(Edge(indices[0], indices[1], fwd, bwd))
            else:
                raise Irreducible
        work.scalars.extend(squared_norm(node) for node in squares.values())
        left = [i for i in bound if i not in squares]
        held = {i: sorted(self.place(str(a[1])) for a, _ in factors if i in a[2]) for i in left}
        left.sort(key=lambda i: (held[i], i))  # the program's order, whatever the names are
        work.reduce(left)
        ordered = sorted(work.sizes, key=lambda d: self.program.places().get(str(d), 0))
        scalars = [*work.scalars, *((tree.sym(str(dim)), work.sizes[dim]) for dim in ordered if work.sizes[dim])]
        sign = -1 if coefficient < 0 else 1
        body, full = work.assemble(free_)
        col = with_scalars(body.col, scalars, work.coefficient)
        row = col if body.row is body.col else with_scalars(body.row, scalars, work.coefficient)
        return sign, Vec(col, row), full

    def _is_half_triangle(self, head: str, name: str) -> bool:
        operation = defined_by(self.program, name)
        return not head and operation is not None and operation.op == "half triangle"

    def _several(
        self, head: str, name: tuple[tuple[str, int], ...], indices: tuple[Index, ...], e: Fraction, work: Reduction
    ) -> None:
        """A function of several arguments, as a factor."""
        known = extremum(self.program, (head, name, indices))
        if known is not None:
            head, (a, at_a), (b, at_b) = known
            name, indices = ((a, len(at_a)), (b, len(at_b))), (*at_a, *at_b)
        distinct = tuple(dict.fromkeys(indices))
        if len(distinct) == 0:
            nodes = tuple(self.scalar_of(n) for n, _ in name)
            work.scalars.append((tree.call(head, nodes, 1, 1), e))
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
            work.labels.setdefault(distinct[0], []).append(Vec(tree.power(vec.col, e), tree.power(vec.row, e)))
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
        work.edges.append(Edge(distinct[0], distinct[1], forward, backward))

    def _uncut(self, key: Monomial) -> Monomial:
        """The term without relations, in names of parts. Raises Irreducible where it has no such form."""
        factors, bound, cuts = cut_out(key)
        out: list[Factor] = []
        for (head, name, indices), exponent in factors:
            if not any(i in cuts for i in indices):
                out.append(((head, name, indices), exponent))
                continue
            new = tuple(i for i in (cuts[i][0] if i in cuts else i for i in indices) if i is not None)
            which = tuple(cuts[i][1] if i in cuts else None for i in indices)
            if isinstance(name, tuple):
                called, start = [], 0
                for argument, arity in name:
                    own = which[start : start + arity]
                    kept = sum(c is None or c.length is not None for c in own)
                    called.append((self.cut(argument, own), kept))
                    start += arity
                out.append(((head, tuple(called), new), exponent))
            else:
                out.append(((head, self.cut(str(name), which), new), exponent))
        return tuple(out), tuple(bound)


def _summed(terms: list[tuple[int, Node]]) -> Node:
    """A signed sum; where all is taken away, −(y − m) is written m − y if that takes the first sign off."""
    if terms and all(sign < 0 for sign, _ in terms):
        for position, (_, node) in enumerate(terms):
            turned = tree.negated(node)
            if turned is not None:
                terms = [(1, turned), *terms[:position], *terms[position + 1 :]]
                break
    return tree.sum_of(terms)


def _all_turned(node: Node) -> bool:
    """True for a product of transposed matrices, none of which is a vector."""
    parts = node.args if node.op == "prod" else (node,)
    matrices = [p for p in parts if not (p.rows == 1 == p.cols)]
    return bool(matrices) and all(p.op == "T" and p.rows != 1 != p.cols for p in matrices)


def _places(name: tuple[tuple[str, int], ...], indices: tuple[Index, ...]) -> list[tuple[Index, ...]]:
    """The indices of each argument."""
    out, start = [], 0
    for _, arity in name:
        out.append(indices[start : start + arity])
        start += arity
    return out


def _signed(terms: list[tuple[int, Node]], broadcast: bool, dim: Dim, column: bool) -> Node:
    nodes: list[tuple[int, Node]] = []
    alone = not any(not (n.rows == 1 == n.cols) for _, n in terms)
    for sign, n in terms:
        if alone and broadcast:
            n = scaled(n, tree.ones(dim, 1) if column else tree.ones(1, dim))
        nodes.append((sign, n))
    return _summed(nodes)
