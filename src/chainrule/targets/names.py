"""Identifiers in generated code: the user's own names where the language allows, and readable ones for the rest."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable

from chainrule.plan import Node, Plan

__all__ = ["Names", "identifier", "name_nodes"]


def identifier(name: str) -> str:
    """A Python identifier like `name`: ∂J/∂W is dW, δ₁ is δ1, a keyword gets an underscore.

    >>> identifier("∂J/∂W"), identifier("∂ŷ/∂θ"), identifier("∂∂J/∂w/∂w"), identifier("in")
    ('dW', 'dθ', 'ddJ_dw_dw', 'in_')
    """
    gradient = re.fullmatch(r"∂[^∂/]+/∂([^∂/]+)", name)
    text = "d" + gradient.group(1) if gradient else name.replace("∂", "d")
    text = re.sub(r"\[(.*?)\]", r"_\1", text)  # one step, h[t]: h_t
    # NFKC is what Python itself does to identifiers; it also puts subscript digits on the line.
    text = unicodedata.normalize("NFKC", text).replace("′", "_prime").replace("'", "_prime")
    text = "".join(char if ("_" + char).isidentifier() else "_" for char in text).lstrip("_") or "t"
    if not text.isidentifier():
        text = "t" + text
    return text + "_" if keyword.iskeyword(text) or keyword.issoftkeyword(text) else text


class Names:
    """Gives each thing a name of its own; `reserved` are taken from the start."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = {"np", "self", *reserved, *dir(builtins)}
        self._temporaries = 0
        self._letters: dict[str, str] = {}

    def reserve(self, names: Iterable[str]) -> None:
        """Names that nothing may have."""
        self._taken.update(names)

    def temporary(self, hint: str) -> str:
        """A name for what has none: Θ_exp, or t1, t2, …"""
        if hint:
            return self.take(hint.replace("|", "_"))
        self._temporaries += 1
        return self.take(f"t{self._temporaries}")

    def again(self, letter: str) -> str:
        """The name of a loop's index: the same in every loop."""
        if letter not in self._letters:
            self._letters[letter] = self.take(letter)
        return self._letters[letter]

    def take(self, wanted: str) -> str:
        """`wanted` as an identifier, with a number or an underscore behind it where it is taken."""
        base = identifier(wanted)
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}" if base[-1].isdigit() or count > 2 else f"{base}_"
        self._taken.add(name)
        return name


def name_nodes(plan: Plan, names: Names, keep: set[Node] | None = None) -> dict[Node, str]:
    """A local name for each step's node; a node that is overwritten at once has its successor's name.

    `keep`: the nodes that need a name (default: all).
    """
    successor = {node.operands[k].node: node for node, k in plan.overwrites.items() if not node.operands[k].node.name}
    result: dict[Node, str] = {}
    for node in plan.steps:  # users' names first: nothing else may take them
        if node.name and (keep is None or node in keep):
            result[node] = names.take(node.name)
    for node in reversed(plan.steps):
        if node not in result and (keep is None or node in keep) and node in successor:
            after = successor[node]
            if after in result and after.equation == node.equation:
                result[node] = result[after]
    for node in plan.steps:
        if node not in result and (keep is None or node in keep):
            grows = node.op in ("accumulate", "put")
            result[node] = result[node.operands[0].node] if grows else names.temporary(node.hint)
    return result
