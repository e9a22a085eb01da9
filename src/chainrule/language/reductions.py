"""Reductions in the whiteboard language: sum, mean, max, min and prod over axes, and which axes a word means.

over=rows sums the rows of a matrix away (a row is left), over=columns its columns; over=last, over=first, the number of
an axis or the name of a size mean the same for an array of any number of axes; over=all, or no word, is every axis. In
a definition with `over` among its parameters the word is what the call says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.algebra.expr import constant, multiply, rename, size, sum_over
from chainrule.dims import Dim
from chainrule.errors import DimensionError, LanguageError
from chainrule.language import ast
from chainrule.language.dialects import of_all
from chainrule.language.expressions import Expressions
from chainrule.language.pieces import Call
from chainrule.language.printer import print_expression
from chainrule.language.values import Value, orientation_of

__all__ = ["REDUCTIONS", "Reductions"]

REDUCTIONS = frozenset({"max", "min", "prod", "cumprod", "ismax", "ismin", "prod_others", "cumprod_others"})


def axes_left(value: Value, axes: Sequence[int]) -> tuple[tuple[Dim, ...], str]:
    """Sizes and orientation when `axes` are gone: the sums over the rows of a matrix are a row."""
    left = [a for a in range(len(value.dims)) if a not in axes]
    orientation = orientation_of(len(left))
    if len(left) == 1 and value.orientation == "matrix" and left == [1]:
        orientation = "row"
    return tuple(value.dims[a] for a in left), orientation


class Reductions(Expressions):
    """Reads reductions, and the options that name an axis."""

    def axis_word(self, word: ast.Expr) -> ast.Expr:
        """What the user wrote for an axis: inside a definition, over=over is the word of the call."""
        if isinstance(word, ast.Name) and word.name == "over" and self.axis_words and self.axis_words[-1] is not None:
            return self.axis_words[-1]
        return word

    def reduce(self, name: str, value: Value, node: ast.Call) -> Value:
        if value.orientation == "identity":
            raise DimensionError("the size of I is not known here", "eye(D)", node.span)
        return self.reduce_axes(name, value, self.axes(value, node))

    def reduce_axes(self, name: str, value: Value, axes: list[int]) -> Value:
        summed = tuple(value.indices[a] for a in axes)
        expr = sum_over(value.expr, summed)
        if name == "mean":
            for index in summed:
                expr = multiply(expr, size(index[1], -1))
        left = [a for a in range(len(value.dims)) if a not in axes]
        expr = rename(expr, {value.indices[a]: (-1 - k, value.dims[a]) for k, a in enumerate(left)})
        kept = (len(value.dims), tuple(left)) if len(value.dims) > 2 else None
        return Value(expr, *axes_left(value, axes), kept=kept)

    def axes(self, value: Value, node: ast.Call) -> list[int]:
        options = dict(node.options)
        over = options.get("over", options.get("axis"))
        unknown = set(options) - {"over", "axis"}
        if unknown:
            raise LanguageError(f"{node.function} has no option {min(unknown)}", "over=rows", node.span)
        count = len(value.dims)
        if over is None:
            if (
                self.dialect == "matlab"
                and value.orientation == "matrix"
                and not self.scopes
                and node is not self.of_all
            ):
                self.say(of_all(node.function, value))
            return list(range(count))
        over = self.axis_word(over)
        word = over.name if isinstance(over, ast.Name) else print_expression(over)
        if word == "all":
            return list(range(count))
        if word == "last":
            return [count - 1] if count else []
        if word == "first":
            return [0] if count else []
        number, sign = (over.operand, -1) if isinstance(over, ast.Negate) else (over, 1)
        if isinstance(number, ast.Number) and number.value.denominator == 1 and -count <= sign * number.value < count:
            return [int(sign * number.value) % count]
        if word in ("rows", "row") and value.orientation in ("matrix", "column"):
            return [0]
        if word in ("columns", "cols", "column", "col") and value.orientation in ("matrix", "row"):
            return [count - 1]
        found = [a for a, dim in enumerate(value.dims) if str(dim) == word]
        if len(found) == 1:
            return found
        raise LanguageError(
            f"over={word} names no one axis; {value.says()}",
            "over=rows, over=columns, or the name of a size",
            node.span,
        )

    def reduce_whole(self, name: str, value: Value, node: ast.Call) -> Value:
        """max, min, prod over axes; cumprod along one; their derivatives ismax, prod_others keep all axes.

        cumprod_others has one more, the last: the entry that is left out of each running product.
        """
        if value.orientation in ("identity", "scalar"):
            if value.orientation == "scalar" and not node.options:
                return (
                    replace(value, text="")
                    if name[:2] != "is" and "_" not in name
                    else Value(constant(1), (), "scalar")
                )
            raise DimensionError(f"{value.says()}: {name} goes over the axes of an array", None, node.span)
        axes = tuple(self.axes(value, node))
        if name in ("cumprod", "cumprod_others") and len(axes) != 1:
            raise DimensionError(f"{name} runs along one axis; {value.says()}", "over=rows or over=columns", node.span)
        left = axes_left(value, axes) if name in ("max", "min", "prod") else (value.dims, value.orientation)
        if name == "cumprod_others":
            dims = (*value.dims, value.dims[axes[0]])
            left = dims, orientation_of(len(dims))
        source = Call(name, (value.text,)) if len(axes) == len(value.dims) else None
        result = self.operation(name, (value,), *left, (axes,), source)
        if len(value.dims) > 2 and len(result.dims) < len(value.dims):
            rest = tuple(a for a in range(len(value.dims)) if a not in axes)
            return replace(result, kept=(len(value.dims), rest))
        return result
