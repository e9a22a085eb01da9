"""Loops in PyTorch: a Python loop that keeps its steps in lists, for PyTorch differentiates no loop of its own.

h_steps = []
for t in range(T):
    h_before = h_steps[-1] if h_steps else h0
    h_t = torch.tanh(A @ h_before + z[t])
    h_steps.append(h_t)
h = torch.stack(h_steps)
"""

from __future__ import annotations

from chainrule.plan import Node
from chainrule.targets.pure import PureWriter
from chainrule.targets.pure_loops import LoopText

__all__ = ["unrolled"]


def unrolled(writer: PureWriter, node: Node) -> list[str]:
    """The statements of a loop, after which its sequences are there."""
    loop = LoopText(writer, node)
    plan = loop.plan
    t = writer.local_names.again(plan.letter)
    steps = {number: loop.called(number, "steps") for number in loop.stores}
    inputs = {name: _row(loop, taken.number, taken.places, t) for name, taken in plan.taken.items()}
    body = []
    for number in loop.reach:
        for far, argument in sorted(loop.lags(number).items()):
            local = inputs[argument] = loop.before(number, far)
            there = f"len({steps[number]}) >= {far}" if far > 1 else steps[number]
            body.append(f"{local} = {steps[number]}[-{far}] if {there} else {loop.first(plan.lags[argument])}")
    inner, values = loop.step(inputs)
    body += [*inner, *(f"{steps[number]}.append({values[number]})" for number in loop.stores)]
    count = writer.spelling.size(plan.dim)
    order = f"reversed(range({count}))" if plan.backwards else f"range({count})"
    lines = [f"{name} = []" for name in steps.values()]
    lines += [f"for {t} in {order}:", *("    " + line for line in body)]
    for number, result in loop.results.items():
        text = f"{steps[number]}[::-1]" if plan.backwards else steps[number]
        axis = loop.stores[number].axis
        lines.append(f"{writer.names[result]} = torch.stack({text}{f', dim={axis}' if axis else ''})")
    return lines


def _row(loop: LoopText, number: int, places: tuple[int, ...], t: str) -> str:
    """x[t], or x[:, t] where time is the second axis."""
    if not places:
        return loop.arrays[number]
    pattern = [t if k in places else ":" for k in range(len(loop.sizes[number]))]
    while pattern[-1] == ":":
        pattern.pop()
    return f"{loop.arrays[number]}[{', '.join(pattern)}]"
