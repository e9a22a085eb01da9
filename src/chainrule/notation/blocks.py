"""Sums of placed terms as blocks: what stands at positions 1 to k and what stands behind them is [A, B].

Terms at the same positions are one block, gaps are zeros, and terms that overlap are blocks in another matrix, which is
added: [0; d] − [d; 0]. Along both axes the blocks are [A, B; C, D]. A few single entries with gaps between them are not
written so: 1[i = 2] says more than a column of zeros with a 1.
"""

from __future__ import annotations

from chainrule.algebra.expr import Expr, Index
from chainrule.dims import Dim
from chainrule.notation import parts, tree
from chainrule.notation.forms import Irreducible, Vec, cheapest, scaled
from chainrule.notation.names import Names
from chainrule.notation.parts import block_rows
from chainrule.notation.places import Part, in_layers, is_placed, parted
from chainrule.notation.tree import Node
from chainrule.sizes import minus

__all__ = ["BlockNotation"]


class BlockNotation(Names):
    """Writes expressions of whose terms some stand at some positions only; whoever derives from it the terms."""

    def vector_blocks(self, expression: Expr, index: Index) -> Vec:
        """A vector, [a; b] or its row."""
        found, rest = parted(expression, index)
        both = []
        for upright in (True, False):
            terms: list[tuple[int, Node]] = []
            for layer in in_layers(found):
                nodes = [self._stretch(part, index, upright) for part in _with_gaps(layer, index[1])]
                terms.append(_joined(nodes, beneath=upright))
            if rest:
                whole = self.vector(rest, index)
                terms = [*_terms(whole.col if upright else whole.row), *terms]
            both.append(tree.sum_of(terms))
            if all(part.alone for part in found):  # [x[1], x[2]] is no row to every reader
                return Vec(both[0], tree.transpose(both[0]))
        return cheapest(both[0], both[1])

    def _stretch(self, part: Part, index: Index, upright: bool) -> Node:
        """What stands at some positions of a vector."""
        if part.alone:
            return self.scalar(part.expression)
        size = part.length
        if not part.expression:
            return parts.zeros(size, 1) if upright else parts.zeros(1, size)
        both = self.vector(part.expression, (index[0], size))
        node = both.col if upright else both.row
        if node.rows == 1 == node.cols != size:
            node = scaled(node, tree.ones(size, 1) if upright else tree.ones(1, size))
        return node

    def matrix_blocks(self, expression: Expr, indices: tuple[Index, Index]) -> Node:
        """A matrix, [A, B], [A; B] or both."""
        tried: Irreducible | None = None
        for axis in (1, 0):
            if any(is_placed(key, indices[axis]) for key in expression):
                try:
                    return self._along(expression, indices, axis)
                except Irreducible as cannot:
                    tried = cannot
        raise tried or Irreducible

    def _along(self, expression: Expr, indices: tuple[Index, Index], axis: int) -> Node:
        found, rest = parted(expression, indices[axis])
        terms: list[tuple[int, Node]] = []
        for layer in in_layers(found):
            nodes = [self._slab(part, indices, axis) for part in _with_gaps(layer, indices[axis][1])]
            terms.append(_joined(nodes, beneath=axis == 0))
        if rest:
            terms = [*_terms(self.matrix(rest, indices)), *terms]
        return tree.sum_of(terms)

    def _slab(self, part: Part, indices: tuple[Index, Index], axis: int) -> Node:
        """What stands in some rows or columns of a matrix, in its full size."""
        other = indices[1 - axis]
        rows, cols = (part.length, other[1]) if axis == 0 else (other[1], part.length)
        if not part.expression:
            return parts.zeros(rows, cols)
        if part.alone:
            both = self.vector(part.expression, other)
            node = both.row if axis == 0 else both.col
            if node.rows == 1 == node.cols != other[1]:
                node = scaled(node, tree.ones(1, other[1]) if axis == 0 else tree.ones(other[1], 1))
            return node
        here = (indices[axis][0], part.length)
        return self.matrix(part.expression, (here, other) if axis == 0 else (other, here))


def _with_gaps(layer: list[Part], dim: Dim) -> list[Part]:
    """The parts with what is zero before, between and behind them. Raises Irreducible for a few entries alone."""
    out: list[Part] = []
    end: Dim = 0
    for part in [*layer, Part(dim, 0, False, {})]:
        gap = minus(part.start, end)
        if gap != 0:
            out.append(Part(end, gap, False, {}))
        if part.length != 0:
            out.append(part)
        end = part.end
    if len(out) > len(layer) and any(part.alone for part in layer):
        raise Irreducible
    return out


def _joined(nodes: list[Node], beneath: bool) -> tuple[int, Node]:
    """Blocks and their sign: −[A, 0] for [−A, 0]; a grid where each of them is blocks of the same sizes."""
    full = [n for n in nodes if n.op not in ("zeros", "num")]
    sign = 1
    if full and all(_is_negative(n) for n in full):
        sign, nodes = -1, [n.args[0] if _is_negative(n) else n for n in nodes]
    if len(nodes) == 1:
        return sign, nodes[0]
    grid = _grid(nodes, beneath)
    return sign, parts.blocks(grid or ([[n] for n in nodes] if beneath else [nodes]))


def _is_negative(node: Node) -> bool:
    return node.op == "sum" and node.data == (-1,)


def _grid(nodes: list[Node], beneath: bool) -> list[list[Node]] | None:
    """The rows of [A, B; C, D], where the nodes are blocks across that fit together; None where they are not."""
    across: list[list[Node]] = []
    sizes: list[Dim] | None = None
    for node in nodes:
        if node.op != "blocks":
            across.append([])
            continue
        rows = block_rows(node)
        if beneath != (len(rows) == 1) or (not beneath and any(len(row) != 1 for row in rows)):
            return None
        inner = list(rows[0]) if beneath else [row[0] for row in rows]
        own = [n.cols if beneath else n.rows for n in inner]
        if sizes is not None and sizes != own:
            return None
        sizes = own
        across.append(inner)
    if sizes is None or any(not inner and node.op != "zeros" for inner, node in zip(across, nodes, strict=True)):
        return None
    for position, node in enumerate(nodes):
        if not across[position]:
            across[position] = [
                parts.zeros(node.rows, size) if beneath else parts.zeros(size, node.cols) for size in sizes
            ]
    return across if beneath else [list(row) for row in zip(*across, strict=True)]


def _terms(node: Node) -> list[tuple[int, Node]]:
    """The terms of a sum, with their signs."""
    if node.op != "sum":
        return [(1, node)]
    assert isinstance(node.data, tuple)
    return list(zip(node.data, node.args, strict=True))
