"""Loops in array languages whose operations give new arrays: what is read, what goes on, what is put together.

`LoopText` is what a language needs to write a loop (`torch_loops.py`, `jax_loops.py`): nothing is filled in place, so
that the language can differentiate what is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.dims import Dim
from chainrule.errors import UnsupportedError
from chainrule.plan import Lag, LoopPlan, Node, Store
from chainrule.targets.spelling import ATOM, bracket

if TYPE_CHECKING:
    from chainrule.targets.pure import PureWriter

__all__ = ["LoopText"]


class LoopText:
    """A loop's parts as text.

    plan: the loop.  arrays, sizes: text and sizes of each operand.  results: the sequences that something outside uses,
    by number of the operand.  reach: how many earlier steps of each sequence one step uses.  stores: the sequences that
    are needed at all, for a later step or outside.
    """

    def __init__(self, writer: PureWriter, node: Node) -> None:
        (self.plan,) = node.attributes
        assert isinstance(self.plan, LoopPlan)
        self.writer = writer
        self.node = node
        spelling = writer.spelling
        self.arrays = [
            "" if operand.node.op == "sequence" else bracket(spelling.operand(operand, len(operand.axes)), ATOM)
            for operand in node.operands
        ]  # A.T it may be
        self.sizes: list[tuple[Dim, ...]] = [
            tuple(d for _, d in sorted(zip(o.axes, o.node.dims, strict=True))) for o in node.operands
        ]
        numbers = {o.node: k for k, o in enumerate(node.operands) if o.node.op == "sequence"}
        self.results = {
            numbers[s.operands[0].node]: s
            for s in writer.plan.steps if s.op == "computed" and s.operands[0].node in numbers
        }  # fmt: skip
        self._lags = {n: lag for n, lag in self.plan.lags.items() if n in self.plan.plan.arguments}
        self.reach: dict[int, int] = {}
        for lag in self._lags.values():
            self.reach[lag.number] = max(self.reach.get(lag.number, 0), abs(lag.offset))
        self.stores: dict[int, Store] = {
            s.number: s for s in self.plan.stores if s.number in self.results or s.number in self.reach
        }

    def called(self, number: int, suffix: str) -> str:
        """A new name for something of a sequence: h_steps."""
        return self.writer.local_names.take(f"{self.node.operands[number].node.name or 't'}_{suffix}")

    def lags(self, number: int) -> dict[int, str]:
        """Which argument of a step each earlier step of a sequence is, by its distance."""
        return {abs(lag.offset): name for name, lag in self._lags.items() if lag.number == number}

    def before(self, number: int, distance: int) -> str:
        """A new name for an earlier step: h_before, h_after2."""
        which = "after" if self.plan.backwards else "before"
        return self.called(number, f"{which}{distance if distance > 1 else ''}")

    def first(self, lag: Lag) -> str:
        """What stands for a step that there is not: the initial value, or zeros."""
        spelling = self.writer.spelling
        if lag.first is None:
            return spelling.full(lag.dims, ("0", ATOM))[0]
        if abs(lag.offset) != 1:
            raise UnsupportedError("an initial value for several steps before the first", 'compile("numpy")')
        if len(self.sizes[lag.first]) < len(lag.dims):  # one for all samples
            return spelling.repeated((self.arrays[lag.first], ATOM), lag.dims)[0]
        return self.arrays[lag.first]

    def step(self, inputs: dict[str, str]) -> tuple[list[str], dict[int, str]]:
        """The statements of one step whose arguments are `inputs`, and what it gives to each sequence."""
        inner = self.writer.nested(self.plan.plan, inputs)
        body = [line for node in self.plan.plan.steps for line in inner.statements(node)]
        return body, {s.number: inner.value(self.plan.plan.outputs[s.output])[0] for s in self.plan.stores}
