"""Which array lives in which memory: liveness, updates in place and reuse of buffers.

Nodes that overwrite one operand form a *chain*: one block of memory. A chain that ends in an output is `fresh` (handed
to the caller); the others take blocks from a pool, and a block returns to it when the last node of its chain has been
used.
Scalars need no memory: targets hold them in local variables.

In a loop (`chainrule.plan.chunking`) a value from outside stays until the loop has ended. What is written into the rows
of a full array along its first axis lives there: its block is a *view*, and is not allocated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.dims import Dim
from chainrule.plan.graph import ELEMENTWISE, VIEWS, Node

__all__ = ["Block", "assign_memory", "overwritten_operand"]


@dataclass(slots=True)
class Block:
    """A piece of memory: its sizes, "float" or "bool", whether it is an output's own, and the nodes it holds.

    view: the full array of which it is the rows at hand (and then it is not among the plan's `blocks`), or None.
    """

    number: int
    dims: tuple[Dim, ...]
    dtype: str
    fresh: bool
    nodes: list[Node]
    view: Node | None = None


def overwritten_operand(node: Node, index: int, last_use: dict[Node, int], inputs_and_outputs: set[Node]) -> int | None:
    """The operand whose memory the node may take: same sizes, last used here, not the caller's. None: no such."""
    if node.op in ("accumulate", "put"):
        return 0
    if node.op in ELEMENTWISE:
        candidates = range(len(node.operands))
    elif node.op == "add_embed":
        candidates = range(1)
    else:
        return None
    everything = tuple(range(node.rank))
    for k in candidates:
        operand = node.operands[k]
        other = operand.node
        if (
            operand.axes == everything
            and other.dims == node.dims
            and other.dtype == node.dtype
            and last_use[other] == index
            and other not in inputs_and_outputs
            and other.op not in ("number", *VIEWS)
            and not any(o.node is other and o.axes != everything for o in node.operands)
            and not (k and node.op == "apply")
        ):
            return k
    return None


def assign_memory(
    order: list[Node], outputs: list[Node], reuse: bool, loops: Sequence[tuple[int, int]] = ()
) -> tuple[dict[Node, Block], dict[Node, int], list[Block]]:
    """Blocks by node, the operand that a node overwrites (by node), and all blocks.

    `order`: live nodes without inputs and numbers. Nodes without axes get no block; views (diagonal) neither: they keep
    what they look at alive. `loops`: (first, after the last) positions in the order.
    """
    last_use = _last_uses(order, loops)
    for node in outputs:
        last_use[node] = len(order)
    views = {node.operands[1].node: node.operands[0].node for node in order if _fills_rows(node)} if reuse else {}
    kept = {*outputs, *views}
    chains: dict[Node, list[Node]] = {}
    overwrites: dict[Node, int] = {}
    for index, node in enumerate(order):
        if node.op == "accumulate" and not node.rank:
            overwrites[node] = 0
        if not node.rank or node.op in VIEWS:
            continue
        chains[node] = [node]
        always = node.op in ("accumulate", "put")
        chosen = overwritten_operand(node, index, last_use, kept) if reuse or always else None
        if chosen is not None:
            other = node.operands[chosen].node
            if other in chains:
                overwrites[node] = chosen
                chains[node] = chains[other]
                chains[node].append(node)
    ends: dict[int, list[Node]] = {}
    for node in sorted(last_use, key=lambda n: n.number):
        ends.setdefault(last_use[node], []).append(node)
    blocks: list[Block] = []
    by_node: dict[Node, Block] = {}
    free: dict[tuple[tuple[Dim, ...], str], list[Block]] = {}
    for index, node in enumerate(order):
        if node in chains and node not in by_node:
            chain = chains[node]
            view = views.get(chain[-1])
            fresh = chain[-1] in kept and view is None
            pool = free.get((node.dims, node.dtype), [])
            if view is not None:
                block = Block(-1 - node.number, node.dims, node.dtype, False, [], view)
            elif pool and not fresh and reuse:
                block = pool.pop()
            else:
                block = Block(len(blocks), node.dims, node.dtype, fresh, [])
                blocks.append(block)
            block.nodes += chain
            for member in chain:
                by_node[member] = block
        for other in ends.get(index, ()):
            block_ = by_node.get(other)
            if block_ is not None and not block_.fresh and block_.view is None and chains[other][-1] is other:
                free.setdefault((block_.dims, block_.dtype), []).append(block_)
    return by_node, overwrites, blocks


def _owners(node: Node) -> list[Node]:
    """The node and, where it is a view, what it looks at."""
    return [node, *_owners(node.operands[0].node)] if node.op in VIEWS else [node]


def _last_uses(order: list[Node], loops: Sequence[tuple[int, int]]) -> dict[Node, int]:
    """The position of each node's last use. What a loop needs from outside, it needs until its last step.

    That step is an `accumulate` or a `put`, so it overwrites nothing but its own array.
    """
    last_use: dict[Node, int] = {}
    inside = {node: last for first, last in loops for node in order[first:last]}
    for index, node in enumerate(order):
        end = inside.get(node)
        for operand in node.operands:
            for seen in _owners(operand.node):
                last_use[seen] = index if end is None or inside.get(seen) == end else end - 1
    return last_use


def _fills_rows(node: Node) -> bool:
    """True for a `put` whose value may be computed where it goes: rows along the first axis lie together."""
    return node.op == "put" and node.attributes == (0,) and node.operands[1].node.op not in VIEWS
