"""Series-parallel reduction of a term's index graph: summed indices go one by one.

Indices are the nodes of a graph, factors with two indices its edges, factors with one its labels. Vectors are leaves
and go first (A_ij x_j is A x); a leaf without a label is a sum over rows or columns; edges in series are a product
(A diag(v) B where the joint carries v); parallel edges are an elementwise product. What does not reduce raises
`Irreducible`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import prod

from chainrule.algebra.expr import Index
from chainrule.dims import Dim
from chainrule.notation import binding, tree
from chainrule.notation.forms import Edge, Irreducible, Vec, cheapest, matrix_forms, same
from chainrule.notation.order import Order
from chainrule.notation.tree import Node
from chainrule.notation.triangles import applied_triangles, is_triangle

__all__ = ["Reduction"]


@dataclass
class Reduction:
    """A term on its way: what its factors are, by their indices.

    scalars: factors that stand in front, with exponents.  labels: vectors, by index.  edges: matrices.
    sizes: exponents of sizes, coefficient: the number in front; what becomes a mean is used up.  identity: deltas of
    free indices.
    """

    order: Order
    coefficient: Fraction = Fraction(1)
    scalars: list[tuple[Node, Fraction]] = field(default_factory=list)
    labels: dict[Index, list[Vec]] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    sizes: dict[Dim, Fraction] = field(default_factory=dict)
    identity: list[tuple[Index, Index]] = field(default_factory=list)

    def reduce(self, bound: list[Index]) -> None:
        """Remove the bound indices, one by one."""
        bound = list(bound)
        labels, edges, scalars = self.labels, self.edges, self.scalars
        while True:
            self._merge()
            if not bound:
                return
            degree = {i: sum(1 for e in edges if i in (e.start, e.end)) for i in bound}
            index = min(bound, key=lambda i: (degree[i], bool(labels.get(i)) and degree[i] == 2))
            if degree[index] > 2:
                raise Irreducible
            bound.remove(index)
            mine = labels.pop(index, [])
            if degree[index] == 0:
                scalars.append((self._total(index, mine), Fraction(1)))
                continue
            touching = [e for e in edges if index in (e.start, e.end)]
            if any(map(is_triangle, touching)):
                raise Irreducible
            for e in touching:
                edges.remove(e)
            if degree[index] == 1:
                edge = touching[0]
                out = edge.other(index)
                if out in bound and degree[out] == 1 and not mine and not labels.get(out):
                    bound.remove(out)
                    scalars.append(self._matrix_total(edge))
                    continue
                labels.setdefault(out, []).append(self._leaf(edge, index, out, mine))
                continue
            first, second = touching
            a, b = first.other(index), second.other(index)
            middle = [tree.diag(self.order.joined([v.col for v in mine]))] if mine else []
            forward = tree.product([first.leaving(a), *middle, second.leaving(index)])
            backward = tree.product([second.leaving(b), *middle, first.leaving(index)])
            edges.append(Edge(a, b, *matrix_forms(forward, backward)))

    def _merge(self) -> None:
        """Loops become diagonals, parallel edges elementwise products."""
        labels, edges = self.labels, self.edges
        for edge in [e for e in edges if e.start == e.end]:
            edges.remove(edge)
            node, exponent = edge.forward, Fraction(1)
            if node.op == "pow":  # 1 ./ diag(L), where diag(L.^(-1)) would divide by what is 0 beside the diagonal
                (node,), exponent = node.args, Fraction(str(node.data))
            diagonal = tree.call("diag", (node,), node.rows, 1)
            vec = Vec(tree.power(diagonal, exponent), tree.power(tree.transpose(diagonal), exponent))
            labels.setdefault(edge.start, []).append(vec)
        groups: dict[frozenset[Index], list[Edge]] = {}
        for edge in edges:
            groups.setdefault(frozenset((edge.start, edge.end)), []).append(edge)
        for members in groups.values():
            start, end = members[0].start, members[0].end
            masks = [e for e in members if is_triangle(e)]
            plain = [e for e in members if not is_triangle(e)]
            if masks and not plain and labels.get(start) and labels.get(end):  # the triangle of u vᵀ
                left, right = labels.pop(start), labels.pop(end)
                rows, columns = ([v.row for v in side] for side in (left, right))
                forward = tree.product([self.order.joined([v.col for v in left]), self.order.joined(columns)])
                backward = tree.product([self.order.joined([v.col for v in right]), self.order.joined(rows)])
                plain = [Edge(start, end, *matrix_forms(forward, backward))]
            elif len(members) < 2:
                continue
            if not plain:
                raise Irreducible
            forward = self.order.joined([e.leaving(start) for e in plain])
            backward = self.order.joined([e.leaving(end) for e in plain])
            for e in members:
                edges.remove(e)
            forms = applied_triangles(masks, start, forward, backward)
            edges.append(Edge(start, end, *matrix_forms(*forms)))

    def _leaf(self, edge: Edge, index: Index, out: Index, mine: list[Vec]) -> Vec:
        """Σ over a leaf: A v, or a sum over rows or columns."""
        if mine:
            col = tree.product([edge.leaving(out), self.order.joined([v.col for v in mine])])
            row = tree.product([self.order.joined([v.row for v in mine]), edge.leaving(index)])
            return cheapest(col, row)
        dim, n = index[1], out[1]
        inner, turned = edge.leaving(out), edge.leaving(index)  # inner: rows are `out`
        mean = self._mean(dim)
        if not mean and inner.op == "had" and len(inner.args) == 2 and all(a.rows != 1 != a.cols for a in inner.args):
            products = [tree.product([a, tree.transpose(b)]) for a, b in (inner.args, inner.args[::-1])]
            best = min(products, key=binding.cost)
            shortest = min(binding.cost(inner), binding.cost(turned))
            if binding.cost(best) < shortest - 0.9 and best.rows == n == best.cols:  # diag(B A) of Aᵀ ∘ B
                col = tree.call("diag", (best,), n, 1)
                return Vec(col, tree.transpose(col))
        if mean or (inner.op not in ("sym", "at") and turned.op not in ("sym", "at")):
            what = "mean" if mean else "sum"
            if binding.cost(inner) <= binding.cost(turned):
                col = tree.call("row" + what, (inner,), n, 1)
                return Vec(col, tree.transpose(col))
            row = tree.call("col" + what, (turned,), 1, n)
            return Vec(tree.transpose(row), row)
        # A row sum is written rowsum(A): in A 1 the 1 could be read as a number; in 1ᵀ A it cannot.
        row = tree.product([tree.ones(1, dim), turned])
        if inner.op == "T":
            return Vec(tree.transpose(row), row)
        return cheapest(tree.call("rowsum", (inner,), n, 1), row)

    def _mean(self, *dims: Dim) -> bool:
        """True where the sum over these axes is a mean: 1/size stands before it, and is used up."""
        names = [d for d in dims if isinstance(d, str)]
        count = prod(d for d in dims if isinstance(d, int))
        if len(set(names)) < len(names) or any(self.sizes.get(d) != -1 for d in names):
            return False
        if 1 in dims or self.coefficient.denominator % count:
            return False
        self.sizes.update(dict.fromkeys(names, Fraction(0)))
        self.coefficient *= count
        return True

    def _matrix_total(self, edge: Edge) -> tuple[Node, Fraction]:
        """Σ over all entries of a matrix: its squared norm, its mean, or its sum."""
        node = min(edge.forward, edge.backward, key=binding.cost)
        if node.op == "pow" and Fraction(str(node.data)) == 2:
            return Node("norm", (node.args[0],)), Fraction(2)
        if node.op == "had" and len(node.args) == 2 and node.args[0] == node.args[1]:
            return Node("norm", (node.args[0],)), Fraction(2)
        if self._mean(edge.start[1], edge.end[1]):
            return tree.call("mean", (node,), 1, 1), Fraction(1)
        options = [tree.call("sum", (node,), 1, 1)]
        if node.op == "had" and len(node.args) == 2 and all(a.rows != 1 != a.cols for a in node.args):
            first, second = node.args
            options.append(tree.call("tr", (tree.product([first, tree.transpose(second)]),), 1, 1))
            options.append(tree.call("tr", (tree.product([tree.transpose(first), second]),), 1, 1))
        return min(options, key=binding.cost), Fraction(1)

    def _total(self, index: Index, mine: list[Vec]) -> Node:
        """Σ over an index that only vectors share: an inner product, or a sum."""
        dim = index[1]
        if len(mine) == 1:
            vec = mine[0]
            if vec.col.op == "call" and vec.col.data == "diag" and vec.col.args[0].cols != 1:
                return tree.call("tr", vec.col.args, 1, 1)
            if self._mean(dim):
                best = min(vec.col, vec.row, key=binding.cost)
                return tree.call("mean", (best,), 1, 1)
            left = tree.product([tree.ones(1, dim), vec.col])
            right = tree.call("sum", (vec.row,), 1, 1)
            return left if binding.cost(left) <= binding.cost(right) + 0.5 else right
        ordered = sorted(mine, key=lambda v: self.order.rank(v.col))
        options = []
        for k in range(len(ordered)):
            rest = ordered[:k] + ordered[k + 1 :]
            options.append(tree.product([self.order.joined([v.row for v in rest]), ordered[k].col]))
            options.append(tree.product([ordered[k].row, self.order.joined([v.col for v in rest])]))
        return min(options, key=binding.cost)

    def assemble(self, free_: tuple[Index, ...]) -> tuple[Vec, bool]:
        """What is left, over the free indices; whether all of them occur."""
        labels, edges, identity = self.labels, self.edges, self.identity
        if any(i not in free_ for pair in identity for i in pair) or any(map(is_triangle, edges)):
            raise Irreducible
        if not free_:
            return same(tree.num(1)), True
        if len(free_) == 1:
            mine = labels.get(free_[0], [])
            if not mine:
                return same(tree.num(1)), False
            return Vec(self.order.joined([v.col for v in mine]), self.order.joined([v.row for v in mine])), True
        if len(free_) != 2:
            raise Irreducible
        i, j = free_
        at_i, at_j = labels.get(i, []), labels.get(j, [])
        if identity:
            parts = [v.col for v in (*at_i, *at_j)]
            parts += [tree.call("diag", (e.leaving(i),), i[1], 1) for e in edges]
            return same(tree.diag(self.order.joined(parts)) if parts else tree.eye(i[1])), True
        parts = [e.leaving(i) for e in edges]
        if not parts and at_i and at_j:
            outer = [self.order.joined([v.col for v in at_i]), self.order.joined([v.row for v in at_j])]
            return same(tree.product(outer)), True
        every = [*(v.col for v in at_i), *parts, *(v.row for v in at_j)]
        if not every:
            return same(tree.num(1)), False
        return same(self.order.joined(every)), bool(parts)
