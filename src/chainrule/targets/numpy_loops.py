"""Loops in NumPy: a Python loop over t that fills arrays row by row, one step written as it is read.

for t in range(T):
    h_before = h[t - 1] if t > 0 else h0
    h[t] = np.tanh(A @ h_before + z[t])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chainrule.algebra.program import is_anonymous
from chainrule.dims import Dim
from chainrule.plan import Lag, LoopPlan, Node
from chainrule.targets.names import Names
from chainrule.targets.numpy_expressions import ATOM, Spelling, bracket

if TYPE_CHECKING:
    from chainrule.targets.numpy_plain import PlainWriter

__all__ = ["loop_lines", "needs_name"]


def needs_name(node: Node) -> bool:
    """False for nodes that never stand on the left of a statement."""
    return node.op not in ("loop", "computed")


def loop_lines(
    spelling: Spelling, names: Names, node: Node, dtype: str, comments: Mapping[str, str], writer: type[PlainWriter]
) -> list[str]:
    """The statements of a loop."""
    (loop,) = node.attributes
    assert isinstance(loop, LoopPlan)
    t = names.again(loop.letter)
    count = spelling.size(loop.dim)
    arrays = [bracket(spelling.operand(operand, len(operand.axes)), ATOM) for operand in node.operands]  # A.T it may be
    dims = [tuple(d for _, d in sorted(zip(o.axes, o.node.dims, strict=True))) for o in node.operands]
    inputs: dict[str, str] = {}
    body: list[str] = []
    for argument, taken in loop.taken.items():
        inputs[argument] = _row(arrays[taken.number], len(dims[taken.number]), taken.places, t)
    for argument, lag in loop.lags.items():
        if argument in loop.plan.arguments:
            source = node.operands[lag.number].node
            local = names.take(f"{source.name or 'steps'}_{'before' if lag.offset < 0 else 'after'}")
            inputs[argument] = local
            body.append(f"{local} = {_lag(spelling, lag, arrays, dims, t, count)}")
    inner = writer(loop.plan, names, _inputs(loop, inputs), dtype, spelling.size_names)
    inner.spelling.sizes_used = spelling.sizes_used
    written: dict[Node, int] = {}  # where a value is made by one line, which may store it at once
    for step in loop.plan.steps:
        lines = inner.statements(step)
        if len(lines) == 1:
            written[step] = len(body)
        body += lines
    uses = loop.plan.uses()
    for store in loop.stores:
        left = _row(arrays[store.number], len(dims[store.number]), (store.axis,), t)
        output = loop.plan.outputs[store.output]
        value = inner.value(output)[0]
        place = written.get(output)
        if place is None or not body[place].startswith(f"{value} = "):
            body.append(f"{left} = {value}")
            continue
        used = uses[output] > 1  # as a name of its own too
        body[place] = f"{left} = {f'{value} = ' if used else ''}{body[place][len(value) + 3 :]}"
    said = [f"# {comments[n]}".replace("\n", " ") for n in loop.names if n in comments and not is_anonymous(n)]
    run = f"reversed(range({count}))" if loop.backwards else f"range({count})"
    return [*said[1:], f"for {t} in {run}:", *("    " + line for line in body)]


def _inputs(loop: LoopPlan, texts: dict[str, str]) -> dict[Node, str]:
    found: dict[Node, str] = {}
    nodes = [*(o.node for step in loop.plan.steps for o in step.operands), *loop.plan.outputs.values()]
    for node in nodes:
        if node.op == "input":
            found[node] = texts[node.attributes[0]]
    return found


def _row(array: str, rank: int, places: tuple[int, ...], t: str) -> str:
    """x[t], or x[:, t] where time is the second axis."""
    if not places:
        return array
    pattern = [t if k in places else ":" for k in range(rank)]
    while pattern[-1] == ":":
        pattern.pop()
    return f"{array}[{', '.join(pattern)}]"


def _lag(
    spelling: Spelling, lag: Lag, arrays: list[str], sizes: list[tuple[Dim, ...]], t: str, count: str
) -> str:  # fmt: skip
    """h[t - 1] if t > 0 else h0"""
    rank = len(sizes[lag.number])
    far = abs(lag.offset)
    there = f"{t} - {far}" if lag.offset < 0 else f"{t} + {far}"
    inside = f"{t} >= {far}" if lag.offset < 0 else f"{t} + {far} < {count}"
    if lag.offset == -1:
        inside = f"{t} > 0"
    if lag.first is not None:
        other = arrays[lag.first]
        if len(sizes[lag.first]) < len(lag.dims):  # one for all samples
            other = f"np.broadcast_to({other}, {spelling.shape(lag.dims)})"
    elif lag.dims:
        other = f"np.zeros({spelling.shape(lag.dims)}, {spelling.dtype})"
    else:
        other = "0.0"
    return f"{_row(arrays[lag.number], rank, (lag.axis,), there)} if {inside} else {other}"
