"""The order of factors in an elementwise product, and what stands below its quotient sign."""

from __future__ import annotations

from chainrule.algebra.program import Program
from chainrule.notation import tree
from chainrule.notation.forms import inverted, is_inverse, kind
from chainrule.notation.tree import Node

__all__ = ["Order"]


class Order:
    """The order that the names of a program have."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def rank(self, node: Node) -> tuple[int, int]:
        """The order of factors in an elementwise product: signals and products, names, functions, brackets.

        Names come in the order of the program, whatever they are called, constants in front.
        """
        core = node.args[0] if node.op in ("T", "pow") else node
        if core.op == "prod":
            return (0, 0)
        if core.op in ("sym", "at"):
            if self._has_signal(core):
                return (0, 0)
            places = self.program.places()
            return (1, places.get(tree.name_of(core), places.get(_stem(core), 0)))
        if core.op == "fn":
            return (2, 0)
        if core.op == "sum":
            return (4, 0 if self._has_signal(core) else 1)
        return (3, 0)

    def _has_signal(self, node: Node) -> bool:
        """True where a signal stands in it: (δ₁ U + δ₂ A) ∘ (1 − h²)."""
        if node.op in ("sym", "at"):
            variable = self.program.variables.get(tree.name_of(node), self.program.variables.get(_stem(node)))
            return variable is not None and variable.kind == "signal"
        return any(map(self._has_signal, node.args))

    def joined(self, parts: list[Node]) -> Node:
        """An elementwise product; what has a negative power stands behind ./ where the rest can stand by itself."""
        below = [p for p in parts if is_inverse(p)]
        above = [p for p in parts if p not in below]
        kinds = {kind(p) for p in above}
        if not below or (kinds >= {"row", "column"} and "matrix" not in kinds):
            return tree.hadamard(sorted(parts, key=self.rank))
        bottom = tree.hadamard(sorted(map(inverted, below), key=self.rank))
        return tree.quotient(tree.hadamard(sorted(above, key=self.rank)) if above else tree.num(1), bottom)


def _stem(node: Node) -> str:
    """The name that a part is of: A for A[:,1:k]."""
    return tree.names_in(node)[0] if node.op == "at" else str(node.data)
