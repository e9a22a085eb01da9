"""The plain variant: NumPy as one writes it to be read. No out=, no shared memory, one expression per equation."""

from __future__ import annotations

from chainrule.plan import Node, Plan, contraction_form
from chainrule.targets.names import Names, name_nodes
from chainrule.targets.numpy_expressions import ATOM, MATMUL, PRODUCT, SUM, Spelling, Text, bracket

__all__ = ["PlainWriter"]

_LONGEST = 100


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
        text = self._expression(node)
        if node in self._inline:
            self._texts[node] = text
            return []
        return [f"{self.names[node]} = {text[0]}"]

    def _simple_diagonal(self, node: Node) -> bool:
        return node.attributes[0] == (0, 0) and (node.operands[0].node.rank == 1 or node.operands[0].node.op == "number")

    def _diagonal(self, node: Node) -> list[str]:
        name, spelling = self.names[node], self.spelling
        *base, value = node.operands
        if base:
            first = f"{name} = {self.value(base[0].node)[0]}.copy()"
        else:
            first = f"{name} = np.zeros({spelling.shape(node.dims)}, {spelling.dtype})"
        view = f"np.einsum({spelling.diagonal_subscripts(node.attributes[0])}, {name})"
        rank = len(set(node.attributes[0]))
        return [first, f"{view}[...] += {spelling.operand(value, rank)[0]}"]

    def _expression(self, node: Node) -> Text:
        spelling = self.spelling
        if node.op == "map":
            return spelling.map_text(node, self.value(node.operands[0].node))
        if node.op == "scale":
            return spelling.scaled(node.attributes[0], self.value(node.operands[0].node))
        if node.op in ("add", "subtract", "multiply", "divide"):
            return self._binary(node)
        if node.op in ("sum", "max"):
            return self._reduction(node)
        if node.op == "contract":
            return self._contraction(node)
        if node.op == "apply":
            return self._several(node)
        if node.op == "diagonal":
            operand = node.operands[0]
            return f"np.einsum({spelling.diagonal_subscripts(operand.axes)}, {self.value(operand.node)[0]})", ATOM
        if node.op == "embed":
            value = node.operands[0]
            if value.node.op == "number":
                eye = f"np.eye({spelling.size(node.dims[0])}, dtype={spelling.dtype})"
                return spelling.scaled(value.node.attributes[0], (eye, ATOM)) if self.value(value.node)[0] != "1" else (eye, ATOM)
            return f"np.diag({self.value(value.node)[0]})", ATOM
        if node.op == "copy":
            return f"{bracket(spelling.operand(node.operands[0], node.rank), ATOM)}.copy()", ATOM
        if node.op == "broadcast":
            operand = node.operands[0]
            if operand.node.op == "number":
                return f"np.full({spelling.shape(node.dims)}, {self.value(operand.node)[0]}, {spelling.dtype})", ATOM
            seen = spelling.operand(operand, node.rank)[0]
            return f"np.broadcast_to({seen}, {spelling.shape(node.dims)}).copy()", ATOM
        assert node.op == "opaque", node.op
        return node.attributes[0].format(*(self.value(o.node)[0] for o in node.operands)), ATOM

    def _binary(self, node: Node) -> Text:
        left, right = (self.spelling.operand(operand, node.rank) for operand in node.operands)
        if node.op == "multiply" and node.rank == 2 and [len(o.axes) for o in node.operands] == [1, 1]:
            first, second = sorted(node.operands, key=lambda o: o.axes)
            return f"np.outer({self.value(first.node)[0]}, {self.value(second.node)[0]})", ATOM
        strength = SUM if node.op in ("add", "subtract") else PRODUCT
        sign = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}[node.op]
        return f"{bracket(left, strength)} {sign} {bracket(right, strength + 1)}", strength

    def _reduction(self, node: Node) -> Text:
        operand = node.operands[0].node
        axes = node.attributes
        x = self.value(operand)
        where = "" if len(axes) == operand.rank else f"axis={axes[0] if len(axes) == 1 else axes}"
        if x[1] >= ATOM and x[0].isidentifier():
            return f"{x[0]}.{node.op}({where})", ATOM
        return f"np.{node.op}({x[0]}{', ' if where else ''}{where})", ATOM

    def _several(self, node: Node) -> Text:
        from chainrule.functions import FUNCTIONS

        record = FUNCTIONS[node.attributes[0]]
        texts = [bracket(self.spelling.operand(operand, node.rank), ATOM) for operand in node.operands]
        letters = {"x" if k == 0 else f"x{k + 1}": text for k, text in enumerate(texts)}
        return record.numpy.format(**letters), SUM

    def _contraction(self, node: Node) -> Text:
        spelling, form = self.spelling, contraction_form(node)
        kind = form.name
        if kind in ("dot", "gemv", "gemm") or (kind == "batched" and form.left and form.right):
            left, right = spelling.gemm_sides(node, form)
            return f"{bracket(left, MATMUL)} @ {bracket(right, PRODUCT + 1)}", MATMUL
        if kind == "flat":
            left, right = node.operands
            return f"np.vdot({self.value(left.node)[0]}, {spelling.arranged(right, left.axes)[0]})", ATOM
        if kind == "grouped":
            left, right = node.operands
            axes = [[o.axes.index(a) for a in form.summed] for o in (left, right)]
            arguments = f"{self.value(left.node)[0]}, {self.value(right.node)[0]}"
            if len(form.summed) == 1 and left.axes[-1] == form.summed[0] and right.axes == (form.summed[0], *form.right):
                if right.node.rank == 2:
                    return f"{bracket(self.value(left.node), MATMUL)} @ {bracket(self.value(right.node), PRODUCT + 1)}", MATMUL
            return f"np.tensordot({arguments}, axes={tuple(axes)})".replace("], [", "], ["), ATOM
        arguments = ", ".join(self.value(o.node)[0] for o in node.operands)
        return f"np.einsum({spelling.einsum(node)}, {arguments})", ATOM
