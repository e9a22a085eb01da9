"""Python functions that generated NumPy code calls where one ufunc would overflow or lose digits, as text.

The names of `HELPERS` are the functions of a plan's `map`; a record of `chainrule.functions` brings its own with it.
Each takes an array (or a number) and, as a ufunc does, `out`, which may be the array itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from chainrule.functions import FUNCTIONS
from chainrule.plan import Node, Plan
from chainrule.targets.numpy_precise import text_of
from chainrule.targets.numpy_relations import helper_of

__all__ = ["HELPERS", "helpers_of"]

HELPERS = {
    "sigmoid": '''\
def _sigmoid(x, out=None):
    """1 / (1 + exp(-x)): exp of what is not positive does not overflow, and small values keep their digits."""
    e = np.exp(-np.abs(x))
    return np.divide(np.where(x < 0, e, 1), 1 + e, out=out)
''',
    "tanh_slope": '''\
def _tanh_slope(x, out=None):
    """1 - tanh(x)**2, which keeps its digits where tanh(x) is almost 1."""
    e = np.exp(-2 * np.abs(x))
    return np.divide(4 * e, (1 + e) ** 2, out=out)
''',
}


def helpers_of(plan: Plan) -> list[str]:
    """The texts that the steps of a plan need, each once."""
    return _helpers(plan.steps)


def _helpers(nodes: Iterable[Node]) -> list[str]:
    found: dict[str, None] = {}
    for node in nodes:
        if node.op == "opaque":
            found.update(dict.fromkeys(helper_of(node)))
        elif node.op == "loop":
            found.update(dict.fromkeys(helpers_of(node.attributes[0].plan)))
        elif node.op in ("map", "apply"):
            function = node.attributes[0]
            if function == "precise":
                found.update(dict.fromkeys([*_helpers(node.attributes[1].nodes), text_of(node.attributes[1])]))
                continue
            texts = FUNCTIONS[function].helpers if function in FUNCTIONS else ()
            found.update(dict.fromkeys((HELPERS[function],) if function in HELPERS else texts))
    return list(found)
