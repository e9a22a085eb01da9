"""The plain variant: NumPy as one writes it to be read. No out=, no shared memory, one expression per equation."""

from __future__ import annotations

from chainrule.plan import Node, Plan
from chainrule.targets.names import Names, name_nodes
from chainrule.targets.numpy_expressions import ATOM, Spelling, Text, bracket
from chainrule.targets.numpy_reading import expression

__all__ = ["PlainWriter"]


class PlainWriter:
    """Statements of a plan (made with reuse=False) as readable text."""

    def __init__(self, plan: Plan, names: Names, inputs: dict[Node, str], dtype: str, sizes: dict[str, str]) -> None:
        self.plan = plan
        self.spelling = Spelling(self.value, dtype, sizes)
        self._inputs = inputs
        self._texts: dict[Node, Text] = {}
        uses = plan.uses()
        outputs = set(plan.outputs.values())
        users: dict[Node, list[Node]] = {}
        for node in plan.steps:
            for operand in node.operands:
                users.setdefault(operand.node, []).append(node)
        self._inline = {
            node
            for node in plan.steps
            if uses[node] == 1 and not node.name and node not in outputs and node.op not in ("add_embed", "embed")
            and not any(user.op in ("opaque", "apply") for user in users.get(node, []))
        }  # fmt: skip
        named = {node for node in plan.steps if node not in self._inline}
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
        return self.names[node], ATOM

    def statements(self, node: Node) -> list[str]:
        """The lines for one node: none where it stands inside another's."""
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
