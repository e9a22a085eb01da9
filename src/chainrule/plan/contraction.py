"""Products of arrays with summed indices: in which order to multiply, and which BLAS call each pair is.

An array in a product is a `Part`: a node with one label per axis. Labels are small integers; those in the result are
given, all others are summed. The order of multiplication is the cheapest tree, found by dynamic programming over
subsets for up to `_EXHAUSTIVE` parts and greedily beyond. Sizes are not known when a plan is made, so `SizeGuess`
assumes distinct large ones: what data alone have (samples) is larger than what parameters have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.algebra.program import Program
from chainrule.dims import Dim
from chainrule.plan.graph import Graph, Node, Operand
from chainrule.plan.numbers import MINUS_ONE, ONE, Coefficient
from chainrule.plan.rules import Builder, hint
from chainrule.sizes import is_derived, symbols_of, value_of

__all__ = ["Form", "Part", "SizeGuess", "contraction_form", "natural_order", "product", "reduce_labels", "relabel"]

_EXHAUSTIVE = 7
_PASS = 6.0  # an elementwise pass over an entry costs about as much as this many multiply-adds of a GEMM
_EINSUM = 30.0  # a contraction that no BLAS call fits


class Part(NamedTuple):
    """A node and the label of each of its axes, all distinct."""

    node: Node
    labels: tuple[int, ...]


class SizeGuess:
    """Assumed sizes: for choosing an order only, never for correctness."""

    def __init__(self, program: Program) -> None:
        seen: dict[Dim, float] = {}
        parameters = {d for v in program.variables.values() if v.kind == "param" for d in v.dims}
        for variable in program.variables.values():
            for dim in variable.dims:
                if dim not in seen and isinstance(dim, str) and not is_derived(dim):
                    seen[dim] = (300.0 if dim in parameters else 1000.0) * (1 - 0.01 * len(seen) % 0.5)
        self._sizes = seen

    def __call__(self, dim: Dim) -> float:
        if is_derived(dim):
            return float(max(2, value_of(dim, {s: int(self._sizes.get(s, 300)) for s in symbols_of(dim)})))
        return float(dim) if isinstance(dim, int) else self._sizes.get(dim, 300.0)


def relabel(part: Part, mapping: Mapping[int, int]) -> Part:
    """The part with other labels."""
    return Part(part.node, tuple(mapping.get(label, label) for label in part.labels))


def natural_order(
    labels: Collection[int], arrays: Collection[Sequence[int]], kept: Collection[int] = ()
) -> dict[int, int]:
    """The same labels, given out anew so that the axes of as many arrays as possible ascend; `kept` as they do now.

    Results of products have their axes in the order of their labels. What they are combined with decides that order
    where the result of the whole does not: arrays in one order of axes are read and written side by side.
    """
    rest, found = sorted(labels), []
    while rest:
        behind = dict.fromkeys(rest, 0)
        for array in arrays:
            seen = [label for label in array if label in behind]
            for place, label in enumerate(seen):
                behind[label] += place
        first = min((label for label in rest if label in kept), default=None)
        free = [label for label in rest if label == first or label not in kept]
        found.append(min(free, key=lambda label: (behind[label], label)))
        rest.remove(found[-1])
    return dict(zip(found, sorted(labels), strict=True))


def reduce_labels(builder: Builder, op: str, part: Part, labels: set[int]) -> Part:
    """Sum (or max) over axes."""
    axes = tuple(k for k, label in enumerate(part.labels) if label in labels)
    if not axes:
        return part
    node = builder.real(part.node.whole).node
    kept = tuple(k for k in range(node.rank) if k not in axes)
    labels_kept = tuple(part.labels[k] for k in kept)
    if op == "sum" and node.op == "scale" and not node.name:
        inner = reduce_labels(builder, op, Part(node.operands[0].node, part.labels), labels)
        return Part(builder.scale(node.attributes[0], inner.node.whole).node, inner.labels)
    if op == "sum" and node.op == "contract" and not node.name and contraction_form(node).name == "pairwise":
        left, right = (Part(operand.node, operand.axes) for operand in node.operands)
        return Part(multiply_pair(builder, left, right, set(kept)).node, labels_kept)
    if op == "sum" and node.is_map("square") and not node.name:
        inner = Part(node.operands[0].node, tuple(range(node.rank)))
        return Part(multiply_pair(builder, inner, inner, set(kept)).node, labels_kept)
    made = builder.graph.make(op, (node.whole,), tuple(node.dims[k] for k in kept), axes, hint=hint(node, op))
    return Part(made, labels_kept)


def product(builder: Builder, parts: list[Part], out: set[int], coefficient: Coefficient, guess: SizeGuess) -> Part:
    """coefficient · Σ Π parts, where labels that are not in `out` are summed."""
    if not parts:
        return Part(builder.number(coefficient).node, ())
    sizes: dict[int, float] = {}
    for part in parts:
        for label, dim in zip(part.labels, part.node.dims, strict=True):
            sizes[label] = guess(dim)
    needed_elsewhere = [
        out | {label for other in parts[:k] + parts[k + 1 :] for label in other.labels} for k in range(len(parts))
    ]
    parts = [
        reduce_labels(builder, "sum", part, set(part.labels) - needed)
        for part, needed in zip(parts, needed_elsewhere, strict=True)
    ]
    order = natural_order(sizes, [part.labels for part in parts], out)
    back = {new: old for old, new in order.items()}
    parts, out = [relabel(part, order) for part in parts], {order.get(label, label) for label in out}
    sizes = {order[label]: size for label, size in sizes.items()}
    tree = _order(builder.graph, parts, out, sizes)
    target = _smallest(parts, tree, out, sizes) if coefficient not in (ONE, -ONE) else None
    result = _carry_out(builder, parts, tree, out, coefficient, target)
    if target is None and coefficient != ONE:
        result = Part(builder.scale(coefficient, result.node.whole).node, result.labels)
    return relabel(result, back)


Tree = int | tuple[Any, Any]


def _leaves(tree: Tree) -> list[int]:
    return [tree] if isinstance(tree, int) else _leaves(tree[0]) + _leaves(tree[1])


def _labels(parts: list[Part], members: frozenset[int], out: set[int]) -> frozenset[int]:
    """The labels that the product of `members` keeps."""
    inside = {label for k in members for label in parts[k].labels}
    outside = out | {label for k, part in enumerate(parts) if k not in members for label in part.labels}
    return frozenset(inside & outside)


def _volume(labels: frozenset[int], sizes: dict[int, float]) -> float:
    total = 1.0
    for label in labels:
        total *= sizes[label]
    return total


def _pair_cost(left: frozenset[int], right: frozenset[int], result: frozenset[int], sizes: dict[int, float]) -> float:
    work = _volume(left | right, sizes)
    summed = (left | right) - result
    if not summed:
        return _PASS * work
    batch = left & right & result
    memory = _PASS / 2 * (_volume(left, sizes) + _volume(right, sizes) + _volume(result, sizes))
    if len(left - right) <= 1 and len(right - left) <= 1 and len(summed) == 1:
        return work + memory
    return (2.0 if not batch else _EINSUM) * work + memory


def _order(graph: Graph, parts: list[Part], out: set[int], sizes: dict[int, float]) -> Tree:
    """The cheapest tree of pairwise products. A pair that exists already is free."""
    if len(parts) == 1:
        return 0
    if len(parts) > _EXHAUSTIVE:
        return _greedy(parts, out, sizes)
    everything = frozenset(range(len(parts)))
    best: dict[frozenset[int], tuple[float, Tree]] = {frozenset([k]): (0.0, k) for k in range(len(parts))}
    kept = {members: _labels(parts, members, out) for members in _subsets(len(parts))}
    for members in _subsets(len(parts)):
        if len(members) == 1:
            continue
        chosen: tuple[float, Tree] | None = None
        for left in _halves(members):
            right = members - left
            cost = best[left][0] + best[right][0]
            if len(members) == 2 and _exists(graph, parts, left, right, kept[members]):
                cost += 1e-3
            else:
                cost += _pair_cost(kept[left], kept[right], kept[members], sizes)
            if chosen is None or cost < chosen[0]:
                chosen = (cost, (best[left][1], best[right][1]))
        assert chosen is not None
        best[members] = chosen
    return best[everything][1]


def _subsets(count: int) -> list[frozenset[int]]:
    found = [frozenset(k for k in range(count) if mask >> k & 1) for mask in range(1, 1 << count)]
    return sorted(found, key=len)


def _halves(members: frozenset[int]) -> list[frozenset[int]]:
    """Each split once: the part that holds the first member."""
    first, *rest = sorted(members)
    return [
        frozenset([first, *(m for bit, m in enumerate(rest) if mask >> bit & 1)])
        for mask in range((1 << len(rest)) - 1)
    ]


def _greedy(parts: list[Part], out: set[int], sizes: dict[int, float]) -> Tree:
    alive: list[tuple[frozenset[int], Tree]] = [(frozenset([k]), k) for k in range(len(parts))]
    while len(alive) > 1:
        costs = {
            (i, j): _pair_growth(parts, alive[i][0], alive[j][0], out, sizes)
            for i in range(len(alive))
            for j in range(i + 1, len(alive))
        }
        i, j = min(costs, key=costs.__getitem__)
        merged = (alive[i][0] | alive[j][0], (alive[i][1], alive[j][1]))
        alive = [item for k, item in enumerate(alive) if k not in (i, j)] + [merged]
    return alive[0][1]


def _pair_growth(
    parts: list[Part], left: frozenset[int], right: frozenset[int], out: set[int], sizes: dict[int, float]
) -> float:
    """What a pair costs, and by how much it makes arrays larger."""
    a, b, both = (_labels(parts, members, out) for members in (left, right, left | right))
    grown = _volume(both, sizes) - _volume(a, sizes) - _volume(b, sizes)
    return _pair_cost(a, b, both, sizes) + _PASS * grown


def _exists(graph: Graph, parts: list[Part], left: frozenset[int], right: frozenset[int], kept: frozenset[int]) -> bool:
    (a,), (b,) = left, right
    if not (set(parts[a].labels) | set(parts[b].labels)) - kept:
        return False
    operands, dims, _ = _contract_operands(parts[a], parts[b], set(kept))
    return graph.find("contract", operands, (len(dims),)) is not None


def _smallest(parts: list[Part], tree: Tree, out: set[int], sizes: dict[int, float]) -> frozenset[int]:
    """Where a scalar costs least: the members of the smallest array on the way (the latest where equal)."""
    places: list[frozenset[int]] = []

    def visit(node: Tree) -> frozenset[int]:
        members = frozenset([node]) if isinstance(node, int) else visit(node[0]) | visit(node[1])
        places.append(members)
        return members

    visit(tree)
    return min(reversed(places), key=lambda m: (_volume(_labels(parts, m, out), sizes), len(m) == 1))


def _carry_out(
    builder: Builder, parts: list[Part], tree: Tree, out: set[int], coefficient: Coefficient,
    target: frozenset[int] | None,
) -> Part:  # fmt: skip
    members = frozenset(_leaves(tree))
    if isinstance(tree, int):
        result = parts[tree]
    else:
        left = _carry_out(builder, parts, tree[0], out, coefficient, target)
        right = _carry_out(builder, parts, tree[1], out, coefficient, target)
        result = multiply_pair(builder, left, right, set(_labels(parts, members, out)))
    if members == target:
        result = Part(builder.scale(coefficient, result.node.whole).node, result.labels)
    return result


def multiply_pair(builder: Builder, left: Part, right: Part, keep: set[int]) -> Part:
    """The product of two parts, summed over the labels that are not in `keep`."""
    if not (set(left.labels) | set(right.labels)) - keep:
        return Part(*builder.multiply(Operand(*left), Operand(*right)))
    for first, second in ((left, right), (right, left)):
        if first.node.op == "scale" and first.node.attributes[0] == MINUS_ONE and not first.node.name:
            made = multiply_pair(builder, Part(first.node.operands[0].node, first.labels), second, keep)
            return Part(builder.negative(made.node.whole).node, made.labels)
    left, right = _masked(builder, left, right), _masked(builder, right, left)
    left = Part(builder.real(left.node.whole).node, left.labels)
    right = Part(builder.real(right.node.whole).node, right.labels)
    solved = _solve(builder, left, right, keep) or _solve(builder, right, left, keep)
    if solved is not None:
        return solved
    operands, dims, labels = _contract_operands(left, right, keep)
    return Part(builder.graph.make("contract", operands, dims, (len(dims),)), labels)


def _masked(builder: Builder, part: Part, other: Part) -> Part:
    """A factor of a sum, set to 0 where a mask in the other factor is 0 and this one may be no number."""
    for guard in builder.masks.guards(Operand(*other), Operand(*part)):
        if set(guard.axes) <= set(part.labels):
            part = Part(*builder.masks.chosen(guard, Operand(*part)))
    return part


def _solve(builder: Builder, inverse: Part, other: Part, keep: set[int]) -> Part | None:
    """inv(X) Z as solve(X, Z), where nobody asked for the inverse itself: it is never formed. None: no such product."""
    node = inverse.node
    summed = [label for label in inverse.labels if label in other.labels and label not in keep]
    if node.op != "opaque" or node.attributes[1] != "inv" or node.name or node.rank != 2 or len(summed) != 1:
        return None
    axis = inverse.labels.index(summed[0])
    (rest,) = (label for label in inverse.labels if label != summed[0])
    columns = [label for label in other.labels if label != summed[0]]
    if len(columns) > 1 or rest in other.labels or any(label not in keep for label in (rest, *columns)):
        return None
    x = node.operands[0]
    matrix = Operand(x.node, x.axes if axis == 1 else (x.axes[1], x.axes[0]))
    right = Operand(other.node, tuple(0 if label == summed[0] else 1 for label in other.labels))
    size = dict(zip(other.labels, other.node.dims, strict=True))
    dims = (node.dims[1 - axis], *(size[label] for label in columns))
    attributes = ("np.linalg.solve({0}, {1})", "solve", (), "")
    return Part(builder.graph.make("opaque", (matrix, right), dims, attributes, hint=hint(other.node, "solved")),
                (rest, *columns))  # fmt: skip


def _contract_operands(
    left: Part, right: Part, keep: set[int]
) -> tuple[tuple[Operand, Operand], tuple[Dim, ...], tuple[int, ...]]:
    """Operands, sizes and labels of a contraction in its own order: shared axes, the left's, the right's."""
    only_left = [label for label in left.labels if label not in right.labels]
    only_right = [label for label in right.labels if label not in left.labels]
    first_left = min(only_left, default=None)
    first_right = min(only_right, default=None)
    if first_left is None and first_right is None:
        swap = left.node.number > right.node.number
    elif first_left is None:  # a vector and a matrix: on the side on which the matrix need not be transposed
        swap = right.labels[-1] not in keep
    elif first_right is None:
        swap = left.labels[-1] in keep
    else:
        swap = first_right < first_left
    if swap:
        left, right, only_left, only_right = right, left, only_right, only_left
    batch = [label for label in left.labels if label in right.labels and label in keep]
    summed = [label for label in left.labels if label in right.labels and label not in keep]
    labels = (*sorted(batch), *only_left, *only_right)
    place = {label: k for k, label in enumerate((*labels, *summed))}
    size = dict(zip(left.labels, left.node.dims, strict=True)) | dict(zip(right.labels, right.node.dims, strict=True))
    return (
        (
            Operand(left.node, tuple(place[label] for label in left.labels)),
            Operand(right.node, tuple(place[label] for label in right.labels)),
        ),
        tuple(size[label] for label in labels),
        labels,
    )


@dataclass(frozen=True, slots=True)
class Form:
    """Which axes a contraction has: result axes 0 … rank−1 in the order batch, left, right; then the summed ones."""

    batch: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    summed: tuple[int, ...]

    @property
    def name(self) -> str:
        """dot, vector (one side has no axis of its own), outer product sums (gemm), batched, pairwise or general."""
        if not self.batch:
            if len(self.summed) == 1 and len(self.left) <= 1 and len(self.right) <= 1:
                return "dot" if not self.left and not self.right else "gemm" if self.left and self.right else "gemv"
            return "flat" if not self.left and not self.right else "grouped"
        if len(self.summed) == 1 and len(self.left) <= 1 and len(self.right) <= 1:
            return "batched" if self.left or self.right else "pairwise"
        return "general"


def contraction_form(node: Node) -> Form:
    """The form of a contract node."""
    left, right = node.operands
    rank = node.rank
    a, b = set(left.axes), set(right.axes)
    return Form(
        tuple(k for k in range(rank) if k in a and k in b),
        tuple(k for k in range(rank) if k in a and k not in b),
        tuple(k for k in range(rank) if k in b and k not in a),
        tuple(sorted(k for k in a if k >= rank)),
    )
