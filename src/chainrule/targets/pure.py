"""Array languages whose operations give new arrays (PyTorch, JAX): a plan as readable statements.

`PureSpelling` writes the value of a plan's node as one expression; a language is a subclass with its own words: tables
of functions and operations, and the few calls that differ. `PureWriter` puts the expressions into statements: what is
used once stands where it is used, the rest has a name, the user's where there is one. Nothing is updated in place, so
that what is written can be differentiated again by the framework.

To add a language: a subclass of `PureSpelling` and a target that assembles the text (see `torch.py`, `jax.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from chainrule.algebra.program import is_anonymous
from chainrule.dims import Dim
from chainrule.errors import UnsupportedError
from chainrule.plan import Node, Operand, Plan, contraction_form
from chainrule.plan.graph import LOOP_STEPS
from chainrule.plan.wide import ROUNDED, WIDE, WIDENED
from chainrule.targets.names import Names, name_nodes
from chainrule.targets.pure_relations import STRUCTURAL, relation_text
from chainrule.targets.spelling import (
    ATOM,
    COMPARE,
    LETTERS,
    MATMUL,
    POWER,
    PRODUCT,
    SUM,
    ArraySpelling,
    Text,
    bracket,
    exact_number,
)
from chainrule.targets.text import wrapped

__all__ = ["COMMON", "PureSpelling", "PureWriter", "spells"]

# Functions that are written alike everywhere. A text without braces is called with the arguments; in one with braces
# {x}, {x2} stand for arguments that bind like a name, {args} for all of them as they are.
COMMON: dict[str, Text] = {
    "square": ("{x} ** 2", POWER),
    "reciprocal": ("1 / {x}", PRODUCT),
    "positive": ("{x} > 0", COMPARE),
    "pow": ("{x} ** {x2}", POWER),
    "arctan_slope": ("1 / (1 + {x} ** 2)", PRODUCT),
}
_STEPS = frozenset({
    "map", "scale", "add", "subtract", "multiply", "divide", "apply", "sum", "max", "contract", "diagonal", "embed",
    "add_embed", "broadcast", "copy", "opaque", "sequence", "loop", "computed",
})  # fmt: skip


class PureSpelling(ArraySpelling):
    """Writes nodes. A language sets the tables and the methods below `expression`.

    functions: text and strength by name, as in `COMMON`.  operations: the same, where {0}, {1} are arguments that bind
    like a name, {more} those from the second on, {a0} attributes, {axis} the only one of the axes, {d0} and {last}
    sizes of the result, {least} the smallest label.  helpers: functions that these call, as text, each after those that
    it calls.  module: what einsum belongs to.
    `like` is the name of an array with the step's dtype and device, or "" where there is none: then `dtype` counts.
    `wide_like` is that of one in float64, for what is wide (`plan.wide`).
    """

    module: ClassVar[str]
    axis: ClassVar[str] = "axis"
    functions: ClassVar[Mapping[str, Text]]
    operations: ClassVar[Mapping[str, str]]
    helpers: ClassVar[Mapping[str, str]]

    def __init__(self, value: Callable[[Node], Text], dtype: str, sizes: dict[str, str]) -> None:
        super().__init__(value, dtype, sizes)
        self.like = self.wide_like = ""

    def expression(self, node: Node) -> Text:
        """The value of a node as one expression. Raises UnsupportedError for what the language has no words for."""
        method = getattr(self, f"_{node.op}", None)
        if method is None:
            raise UnsupportedError(f"a step {node.op} has no code here", 'compile("numpy")')
        own = self.like
        if node.dtype == WIDE:
            self.like = self.wide_like
        text: Text = method(node)
        self.like = own
        return text

    # -- what languages say differently -------------------------------------------------------------------------

    def widened(self, text: Text) -> Text:
        """An array in float64."""
        raise NotImplementedError

    def rounded(self, text: Text, dtype: str) -> Text:
        """An array in the dtype of that text."""
        raise NotImplementedError

    def wide(self, like: str) -> str:
        """An empty array in float64 beside `like`, which says what is wide where it lies."""
        raise NotImplementedError

    def full(self, dims: tuple[Dim, ...], value: Text) -> Text:
        """An array of one number, of the sizes `dims`."""
        raise NotImplementedError

    def repeated(self, value: Text, dims: tuple[Dim, ...]) -> Text:
        """A value broadcast to its full size."""
        raise NotImplementedError

    def copied(self, value: Text) -> Text:
        """The same array once more."""
        raise NotImplementedError

    def identity(self, dim: Dim) -> Text:
        """The unit matrix."""
        raise NotImplementedError

    def permuted(self, text: Text, order: tuple[int, ...]) -> Text:
        """A view with the axes in another order."""
        raise NotImplementedError

    def largest(self, text: str, where: str) -> str:
        """The largest entries."""
        raise NotImplementedError

    def loop(self, writer: PureWriter, node: Node) -> list[str]:
        """The statements of a loop, as `chainrule.targets.pure_loops` writes them."""
        raise NotImplementedError

    # -- scalars ------------------------------------------------------------------------------------------------

    def array(self, node: Node) -> Text:
        """The value of a node as an array, also where it is a number."""
        text = self.value(node)
        return self.full((), text) if node.op == "number" else text

    def transposed(self, text: Text, order: tuple[int, ...]) -> Text:
        """A transposed view."""
        if order == tuple(range(len(order))):
            return text
        if order == (1, 0):
            return f"{bracket(text, ATOM)}.T", ATOM
        return self.permuted(text, order)

    # -- elementwise --------------------------------------------------------------------------------------------

    def _template(self, name: str, arguments: Sequence[Text]) -> Text:
        if name not in self.functions:
            raise UnsupportedError(f"{name} has no code here", 'compile("numpy")')
        template, strength = self.functions[name]
        letters = {"x" if k == 0 else f"x{k + 1}": bracket(text, ATOM) for k, text in enumerate(arguments)}
        whole = ", ".join(text[0] for text in arguments)
        if "{" not in template:
            return f"{template}({whole})", strength
        return template.format(**letters, args=whole, like=self.like), strength

    def _map(self, node: Node) -> Text:
        x = self.array(node.operands[0].node)
        function = node.attributes[0]
        if function == WIDENED:
            return self.widened(x)
        if function == ROUNDED:
            return self.rounded(x, f"{self.like}.dtype")
        if function == "power":
            return f"{bracket(x, ATOM)} ** {exact_number(node.attributes[1])}", POWER
        return self._template(function, [x])

    def _apply(self, node: Node) -> Text:
        texts = [self.operand(operand, node.rank) for operand in node.operands]
        first = node.operands[0].node
        if first.op == "number":
            texts[0] = self.array(first)
        name = node.attributes[0]
        choices = node.operands[name == "where" :]
        if all(choice.node.op == "number" for choice in choices):  # where(mask, 1, 2) has no dtype of its own
            texts[-len(choices)] = self.array(choices[0].node)
        if name == "where" and first.dtype == "bool":
            name = "where mask"
        return self._template(name, texts)

    def _scale(self, node: Node) -> Text:
        return self.scaled(node.attributes[0], self.value(node.operands[0].node))

    def _binary(self, node: Node) -> Text:
        left, right = (self.operand(operand, node.rank) for operand in node.operands)
        if node.op == "multiply" and node.rank == 2 and [len(o.axes) for o in node.operands] == [1, 1]:
            column, row = sorted(node.operands, key=lambda o: o.axes)
            if column.node.dtype == row.node.dtype:
                return f"{self.module}.outer({self.value(column.node)[0]}, {self.value(row.node)[0]})", ATOM
        strength = SUM if node.op in ("add", "subtract") else PRODUCT
        sign = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}[node.op]
        return f"{bracket(left, strength)} {sign} {bracket(right, strength + 1)}", strength

    _add = _subtract = _multiply = _divide = _binary

    # -- axes ---------------------------------------------------------------------------------------------------

    def _reduction(self, node: Node) -> Text:
        operand = node.operands[0].node
        axes = node.attributes
        x = bracket(self.array(operand), ATOM)
        where = "" if len(axes) == operand.rank else f"{self.axis}={axes[0] if len(axes) == 1 else axes}"
        return self.largest(x, where) if node.op == "max" else f"{x}.sum({where})", ATOM

    _sum = _max = _reduction

    def _diagonal(self, node: Node) -> Text:
        first = node.operands[0]
        subscripts = self.diagonal_subscripts(first.axes)
        return f"{self.module}.einsum({subscripts}, {self.value(first.node)[0]})", ATOM

    def _copy(self, node: Node) -> Text:
        operand = node.operands[0]
        if operand.node.op == "number":
            return self.full(node.dims, self.value(operand.node))
        return self.copied(self.operand(operand, node.rank))

    def _broadcast(self, node: Node) -> Text:
        operand = node.operands[0]
        if operand.node.op == "number":
            return self.full(node.dims, self.value(operand.node))
        return self.repeated(self.operand(operand, node.rank), node.dims)

    def _embed(self, node: Node) -> Text:
        """Zeros but for a value on a diagonal: a product with unit matrices."""
        operand, follow = node.operands[0], node.attributes[0]
        first = {group: follow.index(group) for group in follow}
        own = "".join(LETTERS[first[group]] for group in operand.axes)
        units: list[str] = []
        arguments: list[str] = []
        for axis, group in enumerate(follow):
            if first[group] != axis:
                units.append(LETTERS[first[group]] + LETTERS[axis])
                arguments.append(self.identity(node.dims[axis])[0])
        value = self.value(operand.node)
        if node.rank == 2 and len(units) == 1:
            if operand.node.op == "number" or not own:
                unit = self.identity(node.dims[1])
                if value[0] == "1":
                    return unit
                return f"{bracket(value, PRODUCT)} * {bracket(unit, PRODUCT + 1)}", PRODUCT
            return f"{self.module}.diag({value[0]})", ATOM
        covered = own + "".join(units)
        for axis, group in enumerate(follow):  # axes along which the value is constant
            if first[group] == axis and LETTERS[axis] not in covered:
                units.append(LETTERS[axis])
                arguments.append(self.full((node.dims[axis],), ("1", ATOM))[0])
        subscripts = ",".join(units if not own else [own, *units])
        text = f'{self.module}.einsum("{subscripts}->{LETTERS[: node.rank]}", ' + ", ".join(
            arguments if not own else [value[0], *arguments]
        )
        if own:
            return text + ")", ATOM
        return f"{bracket(value, PRODUCT)} * {text})", PRODUCT

    def _add_embed(self, node: Node) -> Text:
        base, value = node.operands
        inner = Node(node.number, "embed", (value,), node.attributes, node.dims)
        left = self.operand(base, node.rank)
        return f"{bracket(left, SUM)} + {bracket(self._embed(inner), SUM + 1)}", SUM

    # -- products -----------------------------------------------------------------------------------------------

    def _contract(self, node: Node) -> Text:
        form = contraction_form(node)
        kind = form.name
        left, right = node.operands
        if kind in ("dot", "flat", "pairwise"):
            first, second = (self.arranged(side, (*form.batch, *form.summed)) for side in (left, right))
            where = "" if kind != "pairwise" else f"{self.axis}={len(form.batch)}"
            return f"({bracket(first, PRODUCT)} * {bracket(second, PRODUCT + 1)}).sum({where})", ATOM
        if kind in ("gemv", "gemm") or (kind == "batched" and form.left and form.right):
            first, second = self.gemm_sides(node, form)
            return f"{bracket(first, MATMUL)} @ {bracket(second, PRODUCT + 1)}", MATMUL
        if kind == "grouped":
            if right.axes == (*form.summed, *form.right) and len(right.axes) == 2 and left.axes[-1:] == form.summed:
                first, second = self.value(left.node), self.value(right.node)
                return f"{bracket(first, MATMUL)} @ {bracket(second, PRODUCT + 1)}", MATMUL
            axes = tuple([operand.axes.index(a) for a in form.summed] for operand in node.operands)
            pair = ", ".join(self.value(operand.node)[0] for operand in node.operands)
            word = "dims" if self.axis == "dim" else "axes"
            return f"{self.module}.tensordot({pair}, {word}={axes})", ATOM
        pair = ", ".join(self.value(operand.node)[0] for operand in node.operands)
        return f"{self.module}.einsum({self.einsum(node)}, {pair})", ATOM

    # -- operations on whole arrays -----------------------------------------------------------------------------

    def _opaque(self, node: Node) -> Text:
        _, name, attributes, _ = node.attributes
        if name in STRUCTURAL:
            return relation_text(node, [self._placed(o) for o in node.operands], self.size, self.like)
        if name not in self.operations:
            raise UnsupportedError(f"{name} has no code here", 'compile("numpy")')
        template = self.operations[name]
        texts = [self._placed(operand) for operand in node.operands]
        letters: dict[str, object] = {f"a{k}": a for k, a in enumerate(attributes)}
        if attributes and isinstance(attributes[0], tuple) and len(attributes[0]) == 1:
            letters["axis"] = attributes[0][0]
        if "{last}" in template:
            letters["last"] = self.size(node.dims[-1])
            letters["least"] = "0" if "from 0" in attributes else f"-{letters['last']}"
        letters["more"] = "".join(f", {text[0]}" for text in texts[1:])
        letters |= {f"d{k}": self.size(d) for k, d in enumerate(node.dims) if f"{{d{k}}}" in template}
        whole = ", ".join(text[0] for text in texts)
        if "{" not in template:
            return f"{template}({whole})", ATOM
        return template.format(*(bracket(t, ATOM) for t in texts), args=whole, like=self.like, **letters), ATOM

    def _placed(self, operand: Operand) -> Text:
        """An argument of an operation: transposed where the plan says so, never broadcast."""
        if operand.node.op == "number":
            return self.array(operand.node)
        return self.operand(operand, len(operand.axes))

    def helpers_of(self, texts: Sequence[str]) -> list[str]:
        """The helpers that are called in some text."""
        found: list[str] = []
        for name, helper in reversed(list(self.helpers.items())):
            if any(f"{name}(" in text for text in (*texts, *found)):
                found.insert(0, helper)
        return found


def spells(language: type[PureSpelling], kind: str, name: str) -> bool:
    """Whether a language has words for a name of the vocabulary."""
    if kind == "step":
        return name in _STEPS
    if kind == "operation":
        return name in language.operations or (f"_{name}" in language.helpers and name in STRUCTURAL)
    return name in language.functions or name == "power"


class PureWriter:
    """Statements of a plan. `names` gives local names, `inputs` those of the arguments."""

    def __init__(
        self, plan: Plan, names: Names, inputs: Mapping[str, str], spelling: type[PureSpelling], dtype: str,
        sizes: dict[str, str],
    ) -> None:  # fmt: skip
        self.plan = plan
        self.spelling = spelling(self.value, dtype, sizes)
        self._inputs = inputs
        self._texts: dict[Node, Text] = {}
        self.local_names = names
        uses = plan.uses()
        outputs = self._results = set(plan.outputs.values())
        users = {operand.node: node for node in plan.steps for operand in node.operands}
        whole = ("opaque", "apply", "loop", "computed")  # what these use has a name
        self._inline = {
            node for node in plan.steps
            if node.op not in LOOP_STEPS and uses[node] == 1 and not node.name and node not in outputs
            and users[node].op not in whole
        }  # fmt: skip
        named = {node for node in plan.steps if node not in self._inline and node.op not in ("sequence", "loop")}
        self.names = name_nodes(plan, names, named)

    def value(self, node: Node) -> Text:
        """The text of a node where it is used."""
        if node.op == "input":
            return self._inputs[node.attributes[0]], ATOM
        if node.op == "number":
            return self.spelling.coefficient(node.attributes[0])
        if node in self._inline:
            return self._texts[node]
        return self.names[node], ATOM

    def nested(self, plan: Plan, inputs: Mapping[str, str]) -> PureWriter:
        """The writer of a plan inside this one: of one step of a loop."""
        spelling = self.spelling
        inner = PureWriter(plan, self.local_names, inputs, type(spelling), spelling.dtype, spelling.size_names)
        inner.spelling.sizes_used, inner.spelling.like = spelling.sizes_used, spelling.like
        inner.spelling.wide_like = spelling.wide_like
        return inner

    def statements(self, node: Node) -> list[str]:
        """The lines for one node: none where it stands inside another's."""
        if node.op == "loop":
            return self.spelling.loop(self, node)
        if node.op in LOOP_STEPS:  # the loop's own statements give it
            return []
        text = self.spelling.expression(node)
        if node in self._results and node.op == "opaque" and node.attributes[1] == "window":
            text = self.spelling.copied(text)  # a result is no view of an argument
        if node in self._inline:
            self._texts[node] = text
            return []
        return [f"{self.names[node]} = {text[0]}"]

    def body(self, steps: Sequence[Node], titles: Mapping[str, str], comments: Mapping[str, str]) -> list[str]:
        """Statements of some steps, with a comment where a new equation begins."""
        lines: list[str] = []
        last = ""
        for node in steps:
            statements = self.statements(node)
            if not statements:
                continue
            looped = [n for n in node.attributes[0].names if not is_anonymous(n)] if node.op == "loop" else []
            for title in looped or [titles.get(node.equation, "")]:
                if title != last and title in comments:
                    lines += [f"# {line}" for line in wrapped(comments[title])]
                last = title
            lines += statements
        return lines
