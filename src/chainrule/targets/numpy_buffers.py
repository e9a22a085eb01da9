"""The default variant: every array in memory that was allocated once, updated in place, written through out=."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from chainrule.functions import FUNCTIONS
from chainrule.plan import Block, Node, Plan, contraction_form
from chainrule.plan.wide import ROUNDED, WIDENED
from chainrule.targets.names import Names, name_nodes
from chainrule.targets.numpy_chunks import by_rows, loop_head, rows_at_hand
from chainrule.targets.numpy_expressions import ATOM, Spelling, Text, bracket
from chainrule.targets.numpy_loops import loop_lines, needs_name
from chainrule.targets.numpy_plain import PlainWriter
from chainrule.targets.numpy_reading import expression, tensordot
from chainrule.targets.numpy_relations import is_structural, structural_text

__all__ = ["BufferWriter"]

_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
_UFUNCS = {"add": "np.add", "subtract": "np.subtract", "multiply": "np.multiply", "divide": "np.divide"}


class BufferWriter:
    """Statements of a plan (made with reuse=True). `workspace`: the blocks to allocate, by local name.

    A fresh block (an output's) is allocated by its first statement, or belongs to the workspace with `reuse_outputs`.
    """

    def __init__(
        self, plan: Plan, names: Names, inputs: dict[Node, str], dtype: str, sizes: dict[str, str],
        reuse_outputs: bool = False,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.spelling = Spelling(self.value, dtype, sizes)
        self._inputs = inputs
        self.local_names = names
        self.comments: Mapping[str, str] = {}
        self.names = name_nodes(plan, names, {node for node in plan.steps if needs_name(node)})
        self.workspace: dict[str, Block] = {}
        self._memory: dict[int, str] = {}
        self._flat: dict[int, str] = {}  # memory of a chunk's rows, seen with its sizes in each round of a loop
        for block in plan.blocks:
            name = self.names[block.nodes[0]]
            if reuse_outputs or not block.fresh:
                self._memory[block.number] = name
                if by_rows(plan, block.dims):
                    name = self._flat[block.number] = names.take(f"{name}_memory")
                self.workspace[name] = block
        for block in plan.block.values():
            if block.view is not None:
                self._memory[block.number] = self.names[block.nodes[0]]
        self._texts: dict[Node, Text] = {}
        self._inline = self._scalars_used_at_once()

    def _scalars_used_at_once(self) -> set[Node]:
        """Unnamed scalars that only the next step uses stand inside it."""
        uses = self.plan.uses()
        found = set()
        edges = {place for loop in self.plan.chunks.loops for place in loop} if self.plan.chunks is not None else set()
        for place, (node, after) in enumerate(pairwise(self.plan.steps), start=1):
            used = any(operand.node is node for operand in after.operands)
            scalar = not node.rank and not node.name and node.op not in ("zeros", "accumulate")
            fits = after.op in ("scale", *_SIGNS, "map", "accumulate")
            if used and uses[node] == 1 and scalar and fits and place not in edges:
                found.add(node)
        return found

    def loop_start(self, number: int) -> list[str]:
        """The head of a loop over chunks, and the memory of the rows at hand."""
        head, body = loop_head(self.plan, self.spelling)
        assert self.plan.chunks is not None
        first, last = self.plan.chunks.loops[number]
        seen: dict[int, None] = {}
        for node in self.plan.steps[first:last]:
            block = self.plan.block.get(node)
            if block is None or block.number in seen:
                continue
            seen[block.number] = None
            name = self._memory.get(block.number, "")
            if block.view is not None:
                body.append(f"{name} = {self.names[block.view]}[start:stop]")
            elif block.number in self._flat:
                flat, shape = self._flat[block.number], self.spelling.shape(block.dims)
                end = " * ".join(self.spelling.size(d) for d in block.dims)
                reshape = f".reshape({shape})" if len(block.dims) > 1 else ""
                body.append(f"{name} = {flat}[:{f' {end}' if len(block.dims) > 1 else end}]{reshape}")
        return [*head, *("    " + line for line in body)]

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

    def statements(self, node: Node) -> list[str]:
        """The lines for one node."""
        self.spelling.at(node)
        if node.op == "zeros":
            return self._zeros(node)
        if node.op == "accumulate":
            return [f"{self.value(node.operands[0].node)[0]} += {self.value(node.operands[1].node)[0]}"]
        if node.op == "loop":
            return loop_lines(self.spelling, self.local_names, node, self.spelling.dtype, self.comments, PlainWriter)
        if node.op == "computed":
            return []
        if node.op == "sequence":  # memory that the loop fills
            memory, name = self._out(node), self.names[node]
            return [f"{name} = {memory}"] if memory != name else []
        if not node.rank:
            text = self._scalar(node)
            if node in self._inline:
                self._texts[node] = text
                return []
            return [f"{self.names[node]} = {text[0]}"]
        return getattr(self, f"_{node.op}")(node)  # type: ignore[no-any-return]

    # -- writing ------------------------------------------------------------------------------------------------

    def _out(self, node: Node) -> str | None:
        """The memory that a node is written to; None where the statement allocates it."""
        block = self.plan.block[node]
        if node in self.plan.overwrites:
            return self.value(node.operands[self.plan.overwrites[node]].node)[0]
        return self._memory.get(block.number)

    def _call(self, node: Node, function: str, arguments: list[str], view: str = "", back: str = "") -> list[str]:
        """name = function(arguments, out=memory). `view`: how out must be seen; `back`: what turns the result back."""
        name, out = self.names[node], self._out(node)
        text = ", ".join(arguments)
        if out is None:
            return [f"{name} = {function}({text}){back}"]
        lines = [f"{function}({text}, out={out}{view})"]
        if name != out:
            lines = [f"{name} = {lines[0]}"] if not view else [*lines, f"{name} = {out}"]
        return lines

    def _assign(self, node: Node, text: str) -> list[str]:
        """An expression that NumPy computes in memory of its own, put where the node lives."""
        name, out = self.names[node], self._out(node)
        if out is None:
            return [f"{name} = {text}"]
        return [f"{out}[...] = {text}"] + ([f"{name} = {out}"] if name != out else [])

    def _update(self, node: Node, sign: str, other: str) -> list[str] | None:
        """name sign= other, where the node replaces its first operand under the same name."""
        if self.plan.overwrites.get(node) == 0 and self.names[node] == self.value(node.operands[0].node)[0]:
            return [f"{self.names[node]} {sign}= {other}"]
        return None

    # -- one method per operation -------------------------------------------------------------------------------

    def _scale(self, node: Node) -> list[str]:
        coefficient = self.spelling.coefficient(node.attributes[0])
        x = self.value(node.operands[0].node)[0]
        if coefficient[0] == "-1":
            return self._call(node, "np.negative", [x])
        return self._update(node, "*", coefficient[0]) or self._call(node, "np.multiply", [x, coefficient[0]])

    def _elementwise(self, node: Node) -> list[str]:
        left, right = (self.spelling.operand(operand, node.rank)[0] for operand in node.operands)
        if node.op == "multiply" and node.rank == 2 and [len(o.axes) for o in node.operands] == [1, 1]:
            first, second = sorted(node.operands, key=lambda o: o.axes)
            # a GEMM of depth 1: several times faster than a broadcast product
            column, row = self.value(first.node)[0], self.value(second.node)[0]
            return self._call(node, "np.dot", [f"{column}[:, None]", f"{row}[None, :]"])
        return self._update(node, _SIGNS[node.op], right) or self._call(node, _UFUNCS[node.op], [left, right])

    _add = _subtract = _multiply = _divide = _elementwise

    def _map(self, node: Node) -> list[str]:
        x = self.value(node.operands[0].node)[0]
        if node.attributes[0] in (WIDENED, ROUNDED) and self._out(node) is not None:
            return self._assign(node, x)
        call = self.spelling.map_call(node, x)
        if call is not None:
            if node.attributes[0] == "step" and self._out(node) is None:
                return self._assign(node, self.spelling.map_text(node, (x, ATOM))[0])
            return self._call(node, *call)
        return self._assign(node, self.spelling.map_text(node, (x, ATOM))[0])

    def _apply(self, node: Node) -> list[str]:
        texts = [bracket(self.spelling.argument(operand, node.rank), ATOM) for operand in node.operands]
        letters = {"x" if k == 0 else f"x{k + 1}": text for k, text in enumerate(texts)}
        return self._assign(node, FUNCTIONS[node.attributes[0]].numpy.format(**letters))

    def _sum(self, node: Node) -> list[str]:
        x = self.value(node.operands[0].node)[0]
        axes = node.attributes
        where = f"axis={axes[0] if len(axes) == 1 else axes}"
        return self._call(node, f"{x}.{node.op}", [where])

    _max = _sum

    def _contract(self, node: Node) -> list[str]:
        spelling, form = self.spelling, contraction_form(node)
        kind = form.name
        left, right = node.operands
        if kind in ("dot", "gemv", "gemm"):
            return self._call(node, "np.dot", [side[0] for side in spelling.gemm_sides(node, form)])
        if kind == "grouped":
            first = spelling.grouped_side(left, form.left, form.summed, True)
            second = spelling.grouped_side(right, form.right, form.summed, False)
            if first is not None and second is not None:
                return self._grouped(node, [first, second], len(form.left), len(form.right))
            return self._assign(node, tensordot(spelling, node))
        if kind == "batched":
            lifted = [side[0] for side in spelling.gemm_sides(node, form)]
            if form.left and form.right:
                return self._call(node, "np.matmul", lifted)
            inner, back = ("[..., None, :]", "[..., 0, :]") if not form.left else ("[..., None]", "[..., 0]")
            lifted[0 if not form.left else 1] = f"{lifted[0 if not form.left else 1]}{inner}"
            return self._call(node, "np.matmul", lifted, inner, back)
        arguments = [spelling.einsum(node), self.value(left.node)[0], self.value(right.node)[0]]
        return self._call(node, "np.einsum", arguments)

    def _grouped(self, node: Node, sides: list[str], left: int, right: int) -> list[str]:
        """A GEMM over several axes seen as one; the result is seen the same way."""
        dims = node.dims
        rows, columns = dims[:left], dims[left:]
        if left <= 1 and right <= 1:
            view = back = ""
        else:
            groups = [self.spelling.product(group) for group in (rows, columns) if group]
            if len(groups) == 2:
                groups[0 if left >= right else 1] = "-1"
            else:
                groups = ["-1"]
            view = f".reshape({', '.join(groups)})"
            back = f".reshape({', '.join(map(self.spelling.size, dims))})"
        return self._call(node, "np.dot", sides, view, back)

    def _copy(self, node: Node) -> list[str]:
        text = self.spelling.operand(node.operands[0], node.rank)
        if self._out(node) is None:
            return self._assign(node, f"{bracket(text, ATOM)}.copy()")
        return self._assign(node, text[0])

    def _broadcast(self, node: Node) -> list[str]:
        operand = node.operands[0]
        text = self.spelling.operand(operand, node.rank)[0]
        if self._out(node) is None:
            shape = self.spelling.shape(node.dims)
            if operand.node.op == "number":
                return self._assign(node, f"np.full({shape}, {text}, {self.spelling.dtype})")
            return self._assign(node, f"np.broadcast_to({text}, {shape}).copy()")
        return self._assign(node, text)

    def _embed(self, node: Node) -> list[str]:
        name, out = self.names[node], self._out(node)
        if out is None:
            lines = [f"{name} = np.zeros({self.spelling.shape(node.dims)}, {self.spelling.dtype})"]
        else:
            lines = [f"{out}.fill(0)"] + ([f"{name} = {out}"] if name != out else [])
        return [*lines, self._diagonal_line(node, "=")]

    def _add_embed(self, node: Node) -> list[str]:
        base = self.value(node.operands[0].node)[0]
        lines: list[str] = []
        if node in self.plan.overwrites:
            lines = [] if base == self.names[node] else [f"{self.names[node]} = {base}"]
        else:
            lines = self._assign(node, f"{base}.copy()" if self._out(node) is None else base)
        return [*lines, self._diagonal_line(node, "+=")]

    def _diagonal_line(self, node: Node, sign: str) -> str:
        follow = node.attributes[0]
        value = self.spelling.operand(node.operands[-1], len(set(follow)))[0]
        return f"np.einsum({self.spelling.diagonal_subscripts(follow)}, {self.names[node]})[...] {sign} {value}"

    def _diagonal(self, node: Node) -> list[str]:
        operand = node.operands[0]
        view = f"np.einsum({self.spelling.diagonal_subscripts(operand.axes)}, {self.value(operand.node)[0]})"
        return [f"{self.names[node]} = {view}"]

    # -- loops over chunks of rows ----------------------------------------------------------------------------------

    def _zeros(self, node: Node) -> list[str]:
        name = self.names[node]
        if not node.rank:
            return [f"{name} = 0.0"]
        out = self._out(node)
        if out is None:
            return [f"{name} = np.zeros({self.spelling.shape(node.dims)}, {self.spelling.dtype})"]
        return [f"{out}.fill(0)"] + ([f"{name} = {out}"] if name != out else [])

    def _empty(self, node: Node) -> list[str]:
        name, out = self.names[node], self._out(node)
        if out is None:
            return [f"{name} = np.empty({self.spelling.shape(node.dims)}, {self.spelling.type_of(node.dtype)})"]
        return [f"{name} = {out}"] if name != out else []

    def _rows(self, node: Node) -> list[str]:
        return [f"{self.names[node]} = {rows_at_hand(self.value(node.operands[0].node), node.attributes[0])[0]}"]

    def _put(self, node: Node) -> list[str]:
        base, value = node.operands
        block = self.plan.block.get(value.node)  # a diagonal has none: it is copied
        if block is not None and block.view is not None:
            return []
        text = rows_at_hand(self.value(base.node), node.attributes[0])[0]
        return [f"{text} = {self.value(value.node)[0]}"]

    def _opaque(self, node: Node) -> list[str]:
        if is_structural(node):
            return self._assign(node, structural_text(self.spelling, node, self._out(node) is not None)[0])
        return self._assign(node, expression(self.spelling, node)[0])

    # -- scalars ------------------------------------------------------------------------------------------------

    def _scalar(self, node: Node) -> Text:
        if node.op == "contract":
            form = contraction_form(node)
            if form.name == "dot":  # less overhead than @
                return f"np.dot({', '.join(side[0] for side in self.spelling.gemm_sides(node, form))})", ATOM
        return expression(self.spelling, node)
