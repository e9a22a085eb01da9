"""The derivatives of the activations in a program, by differences, and where they are factors of a formula.

Found by value and not by how they are spelled: 1 − h.^2, tanh′(z) and (1 − h) ∘ (1 + h) are all the same slope.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from mutation.oracle import Array, Clash, Subject, same
from mutation.trees import (
    call,
    places,
    turned,
)

ACTIVATIONS = (set(FUNCTIONS) | {"silu", "swish", "σ"}) - {"log"}


@cache
def slopes(s: Subject) -> list[list[Array]]:
    """The derivatives of the activations in a program, by differences."""
    out = []
    step = Fraction(1, 100_000)
    for equation in s.equations:
        for _, node in places(equation.value):
            if not (isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.Name)):
                continue
            if node.function not in ACTIVATIONS and node.function not in s.program.functions:
                continue
            z = node.args[0]
            above, below = (s.values(call(node.function, ast.Binary(op, z, ast.Number(step)))) for op in ("+", "-"))
            if above[0].size > 1 or s.kind(z) == "scalar":
                out.append([(a - b) / (2 * float(step)) for a, b in zip(above, below, strict=True)])
    return [d for d in out if d[0].size > 1]


def read(s: Subject, node: ast.Expr) -> list[Array] | None:
    try:
        return s.values(node)
    except (Clash, ChainruleError):
        return None


def instead(s: Subject, factors: list[list[Array]]) -> list[ast.Expr | None]:
    """What is left of a product of factors when the derivative of an activation is taken out of it.

    None: nothing is left; else a name. An empty list: no such derivative is in it.
    """
    out: list[ast.Expr | None] = []
    try:
        total = [np.prod(np.broadcast_arrays(*(f[k] for f in factors)), axis=0) for k in range(len(s.points))]
    except ValueError:
        return []
    for slope in slopes(s):
        for flip in (False, True):
            d = [a.T for a in slope] if flip else slope
            if d[0].shape != total[0].shape:
                continue
            if same(total, d, 1e-5):
                out.append(None)
                continue
            for name, array in s.named.items():
                for turn in (False, True):
                    v = [a.T for a in array] if turn else array
                    if v[0].shape != d[0].shape or v[0].size == 1:
                        continue
                    if same(total, [a * b for a, b in zip(d, v, strict=True)], 1e-5):
                        out.append(turned(ast.Name(name)) if turn else ast.Name(name))
    return out


def near(s: Subject, one: str, other: str) -> bool:
    """True if signal `one` is `other` ∘ f′ for an activation f."""
    a, b = s.values(ast.Name(one)), s.values(ast.Name(other))
    if a[0].shape != b[0].shape:
        return False
    for slope in slopes(s):
        for flip in (False, True):
            d = [x.T for x in slope] if flip else slope
            if d[0].shape == b[0].shape and same(a, [x * y for x, y in zip(b, d, strict=True)], 1e-5):
                return True
    return False
