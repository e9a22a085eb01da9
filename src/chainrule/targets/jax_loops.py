"""Loops in JAX: a function of one step, and `jax.lax.scan`, which goes through all of them.

def h_step(h_before, z_t):
    h_t = jnp.tanh(A @ h_before + z_t)
    return h_t, h_t
_, h = jax.lax.scan(h_step, h0, z)

The state is what later steps need of earlier ones; with h[t−2] it holds two of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.errors import UnsupportedError
from chainrule.plan import Node
from chainrule.targets.pure import PureWriter
from chainrule.targets.pure_loops import LoopText
from chainrule.targets.text import join

__all__ = ["scan"]


def scan(writer: PureWriter, node: Node) -> list[str]:
    """The statements of a loop, after which its sequences are there."""
    loop = LoopText(writer, node)
    plan, names = loop.plan, writer.local_names
    inputs: dict[str, str] = {}
    rows, along = [], []
    for argument, taken in plan.taken.items():
        array = loop.arrays[taken.number]
        if not taken.places:
            inputs[argument] = array
            continue
        if len(taken.places) != 1:
            raise UnsupportedError("an array that is read at the step along two axes", 'compile("numpy")')
        rows.append(names.take(f"{array}_{plan.letter}" if array.isidentifier() else argument))
        inputs[argument] = rows[-1]
        along.append(f"jnp.moveaxis({array}, {taken.places[0]}, 0)" if taken.places[0] else array)
    state: list[str] = []
    start: list[str] = []
    carried: dict[int, list[str]] = {}
    for number, distance in loop.reach.items():
        lags = loop.lags(number)
        for far in range(1, distance + 1):
            local = loop.before(number, far)
            if far in lags:
                inputs[lags[far]] = local
            carried.setdefault(number, []).append(local)
            state.append(local)
            start.append(loop.first(plan.lags[lags[far] if far in lags else lags[distance]]))
    body, values = loop.step(inputs)
    on = [text for number, locals_ in carried.items() for text in (values[number], *locals_[:-1])]
    kept = [values[number] for number in loop.results]
    found = [writer.names[result] for result in loop.results.values()]
    function = loop.called(plan.stores[0].number, "step")
    lines = [f"def {function}({state[0] if len(state) == 1 else 'state'}, {rows[0] if len(rows) == 1 else 'at'}):"]
    lines += join("", state, " = state", opens="(", closes=")") if len(state) > 1 else []
    lines += join("", rows, " = at", opens="(", closes=")") if len(rows) > 1 else []
    lines += ["    " + line for line in body]
    lines += join("return ", [_packed(on), _packed(kept)], "", opens="(", closes=")")
    over = [_packed(along)] if along else ["None", f"length={writer.spelling.size(plan.dim)}"]
    arguments = [function, _packed(start), *over, *(["reverse=True"] if plan.backwards else [])]
    lines += join(f"_, {_packed(found)} = jax.lax.scan(", arguments, ")", "")
    for number, result in loop.results.items():
        if loop.stores[number].axis:
            name = writer.names[result]
            lines.append(f"{name} = jnp.moveaxis({name}, 0, {loop.stores[number].axis})")
    return lines


def _packed(entries: Sequence[str]) -> str:
    """One as it is, several as a tuple."""
    return entries[0] if len(entries) == 1 else f"({', '.join(entries)})"
