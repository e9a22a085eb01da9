"""Calls that go over a letter, in index notation: sum(k, …), mean(k, …), max(k, …), ismax(k = j, …).

A maximum over a letter is the operation on the whole array of all letters that occur, at these letters; so what the
engine prints for an operation along an axis is read back as the same operation.
"""

from __future__ import annotations

from chainrule.algebra.expr import Index, free, free_indices, fresh_bound, multiply, rename, size
from chainrule.dims import display_dim
from chainrule.errors import DimensionError, LanguageError, UnsupportedError
from chainrule.language import ast
from chainrule.language.bound import AT_A_LETTER, chosen_letter
from chainrule.language.matrices import Matrices
from chainrule.language.values import Value, orientation_of

__all__ = ["Letters"]


class Letters(Matrices):
    """Reads calls that bind a letter."""

    def index_sum(self, name: str, node: ast.Call) -> Value:
        body, marker = self.over_letter(node)
        index = fresh_bound(marker[1])
        expr = rename(body.expr, {marker: index}, [index])
        if name == "mean":
            expr = multiply(expr, size(index[1], -1))
        return Value(expr, body.dims, body.orientation)

    def over_letter(self, node: ast.Call) -> tuple[Value, Index]:
        """What stands behind sum(k, …), and the marker that k is among its free indices."""
        letter = self.letter_of(node)
        assert letter is not None
        if self.is_variable(letter):
            raise LanguageError(f"{letter} is a variable: it cannot be summed over", "an index such as k", node.span)
        ranges = self.index_ranges(node, letter)
        chosen = chosen_letter(node)
        dim = self.limit_of(node) or (ranges.get(chosen[1]) if chosen is not None else None)
        if dim is None:
            dim = self.index_ranges(node.args[-1], letter).get(letter)
        if dim is None:
            raise LanguageError(f"the index {letter} does not occur in what is summed",
                                f"an array with the index {letter}", node.span)  # fmt: skip
        # A marker among the free indices while the body is read, so that names made inside carry the index.
        marker: Index = (-1000 - len(self.index_scope), dim)
        outer = self.index_scope
        self.index_scope = {**outer, letter: marker}
        before, self.limited = self.limited, self.limits_with(node, letter)
        if self.has_step(node.args[-1], letter):
            self.time[marker] = letter
        try:
            return self.expr(node.args[-1]), marker
        finally:
            self.index_scope, self.limited = outer, before
            self.time.pop(marker, None)

    def along_letter(self, name: str, node: ast.Call) -> Value:
        """max(k, x[i,k]), and ismax(k = j, x[i,k]): the operation on the array of all letters, at these letters."""
        body, marker = self.over_letter(node)
        if body.orientation != "scalar":
            raise UnsupportedError(f"{name} over a letter goes over entries; {body.says()}", "over=rows", node.span)
        occurring = sorted(free_indices(body.expr), reverse=True)
        if marker not in occurring:
            raise LanguageError(f"what {name} goes over is the same everywhere", None, node.span)
        axis = occurring.index(marker)
        own = free([i[1] for i in occurring])
        array = Value(rename(body.expr, dict(zip(occurring, own, strict=True))), tuple(i[1] for i in occurring),
                      orientation_of(len(occurring)))  # fmt: skip
        at = dict(zip(own, occurring, strict=True))
        if name in AT_A_LETTER:
            chosen = chosen_letter(node)
            if chosen is None or chosen[1] not in self.index_scope:
                raise LanguageError(f"{name}(k = i, …) says at which position i", "an index on the right", node.span)
            there = self.index_scope[chosen[1]]
            if there[1] != marker[1]:
                raise DimensionError(
                    f"sizes do not agree: {chosen[0]} runs over {display_dim(marker[1])}"
                    f", but {chosen[1]} over {display_dim(there[1])}",
                    "two indices over the same size", node.span,
                )  # fmt: skip
            found = self.operation(name, (array,), array.dims, array.orientation, ((axis,),))
            at[own[axis]] = there
            return Value(rename(found.expr, at), (), "scalar")
        left = tuple(d for k, d in enumerate(array.dims) if k != axis)
        found = self.operation(name, (array,), left, orientation_of(len(left)), ((axis,),))
        rest = [occurring[k] for k in range(len(occurring)) if k != axis]
        return Value(rename(found.expr, dict(zip(free(left), rest, strict=True))), (), "scalar")
