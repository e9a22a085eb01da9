"""Calls that move entries about: concat, reshape, pad, shift, flip, windows, cumsum, kron, onehot, tril, triu.

Each takes what `chainrule.algebra.structure` makes; here the arguments are read, and which axis is meant: over=rows,
over=columns, over=last or the number of an axis. Without a word a vector has one axis, concat and cumsum go along the
rows of a matrix, and everything else goes along the last axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.algebra.expr import bare, free, multiply, variable
from chainrule.algebra.relations import relation
from chainrule.algebra.structure import (
    Array,
    concat_of,
    cumsum_of,
    flip_of,
    kron_of,
    pad_of,
    reshape_of,
    shift_of,
    windows_of,
)
from chainrule.dims import Dim
from chainrule.errors import DimensionError, LanguageError
from chainrule.functions.onehot import onehot_of
from chainrule.language import ast
from chainrule.language.ones import settled
from chainrule.language.reductions import Reductions
from chainrule.language.values import Value, orientation_of
from chainrule.sizes import minus

__all__ = ["STRUCTURE_CALLS", "Structure"]

# name -> (arrays, whole numbers behind them, their names as options with defaults)
STRUCTURE_CALLS: dict[str, tuple[int, tuple[str, ...], dict[str, int]]] = {
    "concat": (-1, (), {}),
    "reshape": (1, ("…",), {}),
    "pad": (1, ("before",), {"after": -1}),
    "shift": (1, ("by",), {}),
    "flip": (1, (), {}),
    "windows": (1, ("window",), {"stride": 1, "dilation": 1, "padding": 0}),
    "cumsum": (1, (), {}),
    "kron": (2, (), {}),
    "onehot": (1, ("classes",), {}),
    "tril": (1, (), {"k": 0}),
    "triu": (1, (), {"k": 0}),
}
ROWS = frozenset({"concat", "cumsum"})


class Structure(Reductions):
    """Reads these calls."""

    def call_structure(self, name: str, node: ast.Call) -> Value:
        arrays, numbers, options = STRUCTURE_CALLS[name]
        count = len(node.args) if arrays < 0 else arrays
        values = [settled(self.expr(argument)) for argument in node.args[:count]]
        if not values or len(values) < count:
            raise LanguageError(f"{name} is given too little", self.usage_of(name), node.span)
        for value in values:
            if value.orientation == "identity":
                raise DimensionError("the size of I is not known here", "eye(D)", node.span)
        rest = [self.whole(argument, f"an argument of {name}") for argument in node.args[count:]]
        if name == "reshape":
            return self.shaped(reshape_of(_array(values[0]), tuple(rest)))
        given = dict(zip((*numbers, *options), rest, strict=False))
        if len(rest) > len(numbers) + len(options) or len(rest) < len(numbers):
            raise LanguageError(f"{name} takes {self.usage_of(name)}", None, node.span)
        axis_options = []
        for word, argument in node.options:
            if word in ("over", "axis"):
                axis_options.append((word, argument))
            elif word in options and word not in given:
                given[word] = self.whole(argument, word)
            else:
                raise LanguageError(f"{name} has no option {word}, or has it twice", self.usage_of(name), node.span)
        for word, default in options.items():
            given.setdefault(word, default)
        if name == "kron":
            return self.kron(values[0], values[1])
        if name == "onehot":
            classes = given["classes"]
            self.one_hot(values[0], classes, node.span)
            found = onehot_of(self.program, self.whole_name(values[0]), classes)
            dims = self.program.variables[found].dims
            return Value(variable(found, free(dims)), dims, orientation_of(len(dims)))
        if name in ("tril", "triu"):
            if values[0].orientation != "matrix":
                raise DimensionError(f"{values[0].says()}: {name} takes a matrix", None, node.span)
            i, j = values[0].indices
            lower = relation("≤", [(1, j), (-1, i)], given["k"])  # j ≤ i + k
            upper = relation("≤", [(1, i), (-1, j)], minus(0, given["k"]))
            mask = bare(lower if name == "tril" else upper)
            return replace(values[0], expr=multiply(values[0].expr, mask), text="")
        if any(value.orientation == "scalar" for value in values):
            raise DimensionError(f"{values[0].says()}: {name} goes along an axis", None, node.span)
        axis = self.one_axis(name, values[0], ast.Call(name, node.args, tuple(axis_options), span=node.span))
        if name == "concat":
            kinds = {value.orientation for value in values}
            if len(kinds) > 1:
                shapes = ", ".join(value.says() for value in values)
                raise DimensionError(f"concat joins arrays of one kind; {shapes}", "xᵀ", node.span)
            expr, dims = concat_of([_array(value) for value in values], axis)
            return Value(expr, dims, values[0].orientation)
        array, value = _array(values[0]), values[0]
        if name == "pad":
            after = given["before"] if given["after"] == -1 else given["after"]
            return _like(value, pad_of(array, axis, given["before"], after))
        if name == "shift":
            return _like(value, shift_of(array, axis, given["by"]))
        if name == "flip":
            return _like(value, flip_of(array, axis))
        if name == "cumsum":
            return _like(value, cumsum_of(array, axis))
        return self.shaped(
            windows_of(array, axis, given["window"], given["stride"], given["dilation"], given["padding"])
        )

    def on_blocks(self, node: ast.Blocks) -> Value:
        """[A, B; C, D]: each row joined along the columns, then the rows along the rows."""
        rows = []
        for row in node.rows:
            values = [settled(self.expr(part)) for part in row]
            kinds = {value.orientation for value in values}
            allowed = {"matrix", "row"}
            if len(row) == 1 or "matrix" in kinds:  # [h, x] of two columns says two things
                allowed.add("column")
            if len(row) == 1 or kinds == {"row", "scalar"}:  # [1, 2] may be meant as a column
                allowed.add("scalar")
            for value in values:
                if value.orientation not in allowed:
                    raise DimensionError(
                        f"{value.says()}: what stands beside each other in [A, B] are matrices or rows",
                        "[x; y] for one column beneath another", node.span,
                    )  # fmt: skip
            rows.append(self.joined(values, beneath=False))
        return self.joined(rows, beneath=True)

    def joined(self, values: list[Value], beneath: bool) -> Value:
        """Arrays beneath or beside each other: rows beneath each other and a column beside a matrix are a matrix."""
        if len(values) == 1:
            return values[0]
        kinds = {value.orientation for value in values}
        flat, thin = ("column", "scalar") if beneath else ("row", "scalar")
        whole = kinds <= {"matrix", "row" if beneath else "column"}
        if not whole and not kinds <= {flat, thin}:
            shapes = ", ".join(value.says() for value in values)
            raise DimensionError(f"blocks join arrays of one kind; {shapes}", "concat(A, B, over=rows)", None)
        axis = 1 if whole and not beneath else 0
        rank = 2 if whole else 1
        expr, dims = concat_of([_array(value) for value in values], axis, rank)
        return Value(expr, dims, "matrix" if whole else flat)

    def one_axis(self, name: str, value: Value, node: ast.Call) -> int:
        if not node.options:
            return 0 if name in ROWS else len(value.dims) - 1
        found = self.axes(value, node)
        if len(found) != 1:
            raise LanguageError(f"{name} goes along one axis", "over=rows, over=columns or over=last", node.span)
        return found[0]

    def shaped(self, array: Array) -> Value:
        expr, dims = array
        kept: Sequence[Dim] = [d for d in dims if d != 1] if len(dims) <= 2 else dims
        if len(kept) != len(dims):  # n × 1 is a column, 1 × n a row
            expr, _ = reshape_of(array, tuple(kept))
            return Value(expr, tuple(kept), "row" if len(kept) == 1 and dims[0] == 1 else orientation_of(len(kept)))
        return Value(expr, dims, orientation_of(len(dims)))

    def kron(self, left: Value, right: Value) -> Value:
        """The Kronecker product; of two columns a column, of two rows a row."""
        if left.orientation == right.orientation:
            expr, dims = kron_of(_array(left), _array(right))
            return Value(expr, dims, left.orientation)
        if "scalar" in (left.orientation, right.orientation):
            expr, dims = kron_of(_array(left), _array(right))
            other = right if left.orientation == "scalar" else left
            return Value(expr, dims, other.orientation)
        if {left.orientation, right.orientation} == {"row", "column"}:
            column, row = (left, right) if left.orientation == "column" else (right, left)
            raise DimensionError(
                f"{left.says()}, {right.says()}: their Kronecker product is the outer product",
                f"{column.text} {row.text}", left.span,
            )  # fmt: skip
        raise DimensionError(
            f"{left.says()}, {right.says()}: kron takes two matrices or two vectors of one kind", None, left.span
        )

    @staticmethod
    def usage_of(name: str) -> str:
        """concat(a, b, …), windows(x, window, stride=1, …)."""
        arrays, numbers, options = STRUCTURE_CALLS[name]
        words = {-1: ["a", "b", "…"], 1: ["x"], 2: ["A", "B"]}[arrays]
        return f"{name}({', '.join([*words, *numbers, *(f'{k}=…' for k in options)])})"


def _array(value: Value) -> Array:
    return value.expr, value.dims


def _like(value: Value, array: Array) -> Value:
    return Value(array[0], array[1], value.orientation)
