"""The plain variant: NumPy as one writes it to be read. No out=, no shared memory, one expression per equation."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.plan import Node, Plan
from chainrule.targets.names import Names, name_nodes
from chainrule.targets.numpy_chunks import loop_head, rows_at_hand
from chainrule.targets.numpy_expressions import ATOM, Spelling, Text, bracket
from chainrule.targets.numpy_loops import loop_lines, needs_name
from chainrule.targets.numpy_reading import expression

__all__ = ["PlainWriter"]


class PlainWriter:
    """Statements of a plan (made with reuse=False) as readable text."""

    def __init__(self, plan: Plan, names: Names, inputs: dict[Node, str], dtype: str, sizes: dict[str, str]) -> None:
        self.plan = plan
        self.local_names = names
        self.comments: Mapping[str, str] = {}
        self.spelling = Spelling(self.value, dtype, sizes)
        self._inputs = inputs
        self._texts: dict[Node, Text] = {}
        uses = plan.uses()
        outputs = set(plan.outputs.values())
        users: dict[Node, list[Node]] = {}
        for node in plan.steps:
            for operand in node.operands:
                users.setdefault(operand.node, []).append(node)
        place = {node: plan.chunks.loop_of(k) if plan.chunks else None for k, node in enumerate(plan.steps)}
        self._inline = {
            node
            for node in plan.steps
            if node.op not in ("zeros", "empty", "accumulate", "put", "sequence", "loop", "computed")
            and all(place[user] == place[node] for user in users.get(node, []))
            and uses[node] == 1 and not node.name and node not in outputs and node.op not in ("add_embed", "embed")
            and not any(user.op in ("opaque", "apply", "loop") for user in users.get(node, []))
        }  # fmt: skip
        named = {node for node in plan.steps if node not in self._inline and needs_name(node)}
        self.names = name_nodes(plan, names, named)
        self._depth: dict[Node, int] = {}

    def value(self, node: Node) -> Text:
        """The text of a node where it is used."""
        if node.op == "input":
            return self._inputs[node], ATOM
        if node.op == "number":
            return self.spelling.coefficient(node.attributes[0])
        if node in self._inline:
            return self._texts[node]
        if node.op == "computed":
            return self.value(node.operands[0].node)
        return self.names[node], ATOM

    def loop_start(self, number: int) -> list[str]:
        """The head of a loop over chunks."""
        head, body = loop_head(self.plan, self.spelling)
        return [*head, "    " + body[0], *("    " + line for line in body[1:] if self._needs_rows(number))]

    def _needs_rows(self, number: int) -> bool:
        """True where a statement of the loop says how many rows there are."""
        assert self.plan.chunks is not None
        first, last = self.plan.chunks.loops[number]
        return any(
            n.op in ("broadcast", "embed", "opaque", "contract", "sequence", "loop")
            for n in self.plan.steps[first:last]
        )

    def statements(self, node: Node) -> list[str]:
        """The lines for one node: none where it stands inside another's."""
        self.spelling.at(node)
        if node.op in ("zeros", "empty"):
            array = f"np.{node.op}({self.spelling.shape(node.dims)}, {self.spelling.dtype})" if node.rank else "0.0"
            return [f"{self.names[node]} = {array}"]
        if node.op in ("accumulate", "put"):
            base, value = (self.value(operand.node) for operand in node.operands)
            if node.op == "put":
                return [f"{rows_at_hand(base, node.attributes[0])[0]} = {value[0]}"]
            return [f"{base[0]} += {value[0]}"]
        if node.op == "loop":
            return loop_lines(self.spelling, self.local_names, node, self.spelling.dtype, self.comments, PlainWriter)
        if node.op == "sequence":
            return [f"{self.names[node]} = np.empty({self.spelling.shape(node.dims)}, {self.spelling.dtype})"]
        if node.op == "computed":
            return []
        if node.op == "add_embed" or (node.op == "embed" and not self._simple_diagonal(node)):
            return self._diagonal(node)
        text = expression(self.spelling, node)
        if node in self._inline:
            self._texts[node] = text
            return []
        return [f"{self.names[node]} = {text[0]}"]

    def _simple_diagonal(self, node: Node) -> bool:
        value = node.operands[0].node
        return node.attributes[0] == (0, 0) and (value.rank == 1 or value.op == "number")

    def _diagonal(self, node: Node) -> list[str]:
        name, spelling = self.names[node], self.spelling
        *base, value = node.operands
        if base:
            fresh = base[0].node in self._inline and base[0].node.op != "diagonal"
            text = self.value(base[0].node)
            first = f"{name} = {text[0] if fresh else bracket(text, ATOM) + '.copy()'}"
        else:
            first = f"{name} = np.zeros({spelling.shape(node.dims)}, {spelling.dtype})"
        view = f"np.einsum({spelling.diagonal_subscripts(node.attributes[0])}, {name})"
        rank = len(set(node.attributes[0]))
        return [first, f"{view}[...] += {spelling.operand(value, rank)[0]}"]
