"""Which array lives in which memory: liveness, updates in place and reuse of buffers.

Nodes that overwrite one operand form a *chain*: one block of memory. A chain that ends in an output is `fresh` (handed
to the caller); the others take blocks from a pool, and a block returns to it when the last node of its chain has been
used.
Scalars need no memory: targets hold them in local variables.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.dims import Dim
from chainrule.plan.graph import ELEMENTWISE, Node

__all__ = ["Block", "assign_memory", "overwritten_operand"]


@dataclass(slots=True)
class Block:
    """A piece of memory: its sizes, "float" or "bool", whether it is an output's own, and the nodes it holds."""

    number: int
    dims: tuple[Dim, ...]
    dtype: str
    fresh: bool
    nodes: list[Node]


def overwritten_operand(node: Node, index: int, last_use: dict[Node, int], inputs_and_outputs: set[Node]) -> int | None:
    """The operand whose memory the node may take: same sizes, last used here, not the caller's. None: no such."""
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
            and other.op not in ("number", "diagonal")
            and not any(o.node is other and o.axes != everything for o in node.operands)
            and not (k and node.op == "apply")
        ):
            return k
    return None


def assign_memory(
    order: list[Node], outputs: list[Node], reuse: bool
) -> tuple[dict[Node, Block], dict[Node, int], list[Block]]:
    """Blocks by node, the operand that a node overwrites (by node), and all blocks.

    `order`: live nodes without inputs and numbers. Nodes without axes get no block; views (diagonal) neither: they keep
    what they look at alive.
    """
    last_use: dict[Node, int] = {}
    for index, node in enumerate(order):
        for operand in node.operands:
            for seen in _owners(operand.node):
                last_use[seen] = index
    for node in outputs:
        last_use[node] = len(order)
    kept = set(outputs)
    chains: dict[Node, list[Node]] = {}
    overwrites: dict[Node, int] = {}
    for index, node in enumerate(order):
        if not node.rank or node.op == "diagonal":
            continue
        chains[node] = [node]
        chosen = overwritten_operand(node, index, last_use, kept) if reuse else None
        if chosen is not None:
            other = node.operands[chosen].node
            if other in chains:
                overwrites[node] = chosen
                chains[node] = chains[other]
                chains[node].append(node)
    blocks: list[Block] = []
    by_node: dict[Node, Block] = {}
    free: dict[tuple[tuple[Dim, ...], str], list[Block]] = {}
    for index, node in enumerate(order):
        if node in chains and node not in by_node:
            chain = chains[node]
            fresh = chain[-1] in kept
            pool = free.get((node.dims, node.dtype), [])
            if pool and not fresh and reuse:
                block = pool.pop()
            else:
                block = Block(len(blocks), node.dims, node.dtype, fresh, [])
                blocks.append(block)
            block.nodes += chain
            for member in chain:
                by_node[member] = block
        done = {owner for operand in node.operands for owner in _owners(operand.node) if last_use[owner] == index}
        for other in sorted(done, key=lambda n: n.number):
            block_ = by_node.get(other)
            if block_ is not None and not block_.fresh and chains[other][-1] is other:
                free.setdefault((block_.dims, block_.dtype), []).append(block_)
    return by_node, overwrites, blocks


def _owners(node: Node) -> list[Node]:
    """The node and, where it is a view, what it looks at."""
    return [node, *_owners(node.operands[0].node)] if node.op == "diagonal" else [node]
