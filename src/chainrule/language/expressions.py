"""Expressions of the whiteboard language, node by node: sizes are checked, products become contractions."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from chainrule.algebra.expr import (
    constant,
    delta,
    is_constant,
    power,
    scale,
    single,
    size,
)
from chainrule.dims import canonical_name, display_dim
from chainrule.errors import DimensionError, LanguageError, UnknownNameError, UnsupportedError
from chainrule.language import ast
from chainrule.language.bound import index_pair
from chainrule.language.dialects import check_as_numpy
from chainrule.language.labels import repeated_label
from chainrule.language.ones import as_vectors, kept_spread, makes_spread
from chainrule.language.pieces import is_numeric
from chainrule.language.printer import print_expression
from chainrule.language.ranges import Ranges
from chainrule.language.values import Value, add_values, broadcast, hadamard, in_brackets, matrix_product, transpose

__all__ = ["Expressions"]

_LOOKS_LIKE_A_PRODUCT = re.compile("([0-9.]+)([eE][0-9]+)")


def quotient_hint(left: Value, right: Value) -> str:
    """What may be meant by a quotient of arrays."""
    a, b = in_brackets(left.text), in_brackets(right.text)
    square = right.orientation == "matrix" and right.dims[0] == right.dims[1]
    solved = f", or {a} inv({right.text})" if square and left.orientation in ("row", "matrix") else ""
    return f"{a} ./ {b} (elementwise){solved}"


class Expressions(Ranges):
    """Reads every node but a call."""

    def expr(self, node: ast.Expr) -> Value:
        value = getattr(self, "on_" + type(node).__name__.lower())(node)
        text = node.span.text if node.span is not None and not self.scopes else print_expression(node)
        return replace(value, text=value.text or text, span=node.span)  # type: ignore[no-any-return]

    def on_number(self, node: ast.Number) -> Value:
        product = _LOOKS_LIKE_A_PRODUCT.fullmatch(node.text)
        known = self.scopes[-1] if self.scopes else self.names
        if product is not None and (product[2] in known or canonical_name(product[2]) in known):
            hint = f"{product[1]} {product[2]} for the product, {print_expression(node)} for the number"
            raise LanguageError(f"{node.text} is a number, and {product[2]} is a name", hint, node.span)
        return Value(constant(node.value), (), "scalar")

    def on_name(self, node: ast.Name) -> Value:
        for scope in reversed(self.scopes):
            if node.name in scope:
                return scope[node.name]
            break
        name = self.names.get(canonical_name(node.name))
        if name is None:
            if node.name in self.index_scope and not self.scopes:
                return self.step_number(node)
            if node.name in self.dims:
                return Value(size(node.name), (), "scalar")
            if node.name in ("I", "𝐈"):
                return Value(constant(1), (), "identity")
            if node.name in ("π", "pi"):
                raise UnsupportedError("π as a number is not supported yet", "its decimal value, or a const", node.span)
            raise self.unknown(node)
        if name not in self.program.variables:
            raise UnknownNameError(f"{node.name} is used before its equation", "put its equation first", node.span)
        return self.variable_value(name)

    def on_negate(self, node: ast.Negate) -> Value:
        value = self.expr(node.operand)
        return replace(value, expr=scale(value.expr, -1), text="")

    def on_transpose(self, node: ast.Transpose) -> Value:
        return replace(transpose(self.expr(node.operand)), text="")

    def on_indexed(self, node: ast.Indexed) -> Value:
        return self.step(node) if self.is_known_step(node) else self.bracketed(node)

    def on_entry(self, node: ast.Entry) -> Value:
        value, entry = self.entry_base(node)
        if any(ref.kind == "slice" for ref in node.indices):
            return self.part(self.filled(entry, len(value.dims)), value)
        if len(node.indices) != len(value.dims):
            raise UnsupportedError(
                f"{print_expression(node)}: an entry of a formula has a letter or a position for each axis",
                "a name for the formula, then an entry of the name", node.span,
            )  # fmt: skip
        return self.entry(entry, value)

    def on_range(self, node: ast.Range) -> Value:
        raise LanguageError("1.. says how far an index runs: it stands in a sum", "sum(k = 1..3, …)", node.span)

    def on_binary(self, node: ast.Binary) -> Value:
        op = node.op
        left, right = self.expr(node.left), self.expr(node.right)
        if op == "@":
            left, right = as_vectors(node, left, right)
        if self.dialect == "numpy" and not self.scopes:
            check_as_numpy(op, left, right, node.span)
        return kept_spread(self.binary(node, left, right), left, right)

    def binary(self, node: ast.Binary, left: Value, right: Value) -> Value:
        """The value of an operation on the values of its sides."""
        op, span = node.op, node.span
        if op == "+":
            return self.say_repeats(add_values(left, right, span), left, right)
        if op == "-":
            return self.say_repeats(add_values(left, replace(right, expr=scale(right.expr, -1)), span), left, right)
        if op == "@":
            a, b = self.factor(left, right)
            return replace(matrix_product(a, b, span), spread=makes_spread(node, left, right))
        if op == "∘":
            a, b = self.factor(left, right)
            if self.scopes:
                said = (repeated_label(self.program, left, right), repeated_label(self.program, right, left))
                self.repeats += filter(None, said)
            return self.say_repeats(hadamard(a, b, span), left, right)
        if op == "*":
            if left.orientation != "scalar" and right.orientation != "scalar":
                raise LanguageError(
                    f"* can mean two things between {left.text} ({left.shape}) and {right.text} ({right.shape})",
                    f"{in_brackets(left.text)} {in_brackets(right.text)} (the product) or "
                    f"{in_brackets(left.text)} ∘ {in_brackets(right.text)} (elementwise)", span,
                )  # fmt: skip
            a, b = self.factor(left, right)
            return matrix_product(a, b, span)
        if op == "/" and right.orientation != "scalar":
            raise LanguageError(
                f"/ divides by a scalar, but {right.says()}",
                quotient_hint(left, right), span,
            )  # fmt: skip
        if op in ("/", "./"):
            inverse = replace(right, expr=self.to_power(right, Fraction(-1)))
            a, b = self.factor(left, inverse)
            if a.orientation == "identity":
                return matrix_product(a, b, span)
            return self.say_repeats(hadamard(a, b, span), left, right)
        if op in ("^", ".^"):
            return self.on_power(node, left, right)
        return self.comparison(op, left, right, span)

    def say_repeats(self, value: Value, left: Value, right: Value) -> Value:
        if self.scopes:
            return value
        for small, big in ((left, right), (right, left)):
            if big.orientation == "tensor" and 0 < len(small.dims) < len(big.dims):
                rest = list(map(display_dim, big.dims))
                for dim in map(display_dim, small.dims):
                    rest.remove(dim)
                self.repeats.append(
                    f"{small.text} ({small.shape}) is repeated along {' and '.join(rest)} of {big.text}"
                )
            if small.orientation in ("row", "column") and big.orientation == "matrix":
                along = "rows" if small.orientation == "row" else "columns"
                count = display_dim(big.dims[0 if small.orientation == "row" else 1])
                self.repeats.append(f"{small.text} ({small.shape}) is repeated over the {count} {along} of {big.text}")
        return value

    def factor(self, left: Value, right: Value) -> tuple[Value, Value]:
        """Both sides of a product; a sum gets a name of its own, unless the other side is only a number."""
        if len(left.expr) > 1 and not is_numeric(right):
            left = self.named(left)
        if len(right.expr) > 1 and not is_numeric(left):
            right = self.named(right)
        return left, right

    def on_power(self, node: ast.Binary, base: Value, exponent: Value) -> Value:
        if base.orientation == "matrix" and node.op == "^":
            number = single(exponent.expr) if is_constant(exponent.expr) else None
            if base.dims[0] != base.dims[1]:
                raise DimensionError(
                    f"{base.says()}: only a square matrix has powers", f"{base.text}.^{exponent.text}", node.span
                )
            power_of = number[1] if number is not None and number[0] == ((), ()) else 0 if not exponent.expr else None
            if not isinstance(power_of, int) or not -16 <= power_of <= 16:
                hint = "a whole number from −16 to 16, or .^ (elementwise)"
                raise UnsupportedError(f"the matrix power ^{exponent.text} is not supported yet", hint, node.span)
            if not power_of:
                return Value(delta(*base.indices), base.dims, "matrix")
            if power_of < 0:
                base = self.inverse(base)
            result = base
            for _ in range(abs(power_of) - 1):
                a, b = self.factor(result, base)
                result = matrix_product(a, b, node.span)
            return replace(result, text="")
        if node.op == "^" and base.orientation not in ("scalar", "identity"):
            raise LanguageError(
                f"{base.says()}: ^ is not defined on it", f"{base.text}.^{exponent.text} (elementwise)", node.span
            )
        term = single(exponent.expr)
        if term is not None and term[0] == ((), ()):
            value = Fraction(term[1])
            if value.denominator == 1 and value > 0 and len(base.expr) > 1 and not is_numeric(base):
                return replace(base, expr=power(self.name_for(base.expr, base.orientation, base.text), value), text="")
            return replace(base, expr=self.to_power(base, value), text="")
        if not exponent.expr:
            return replace(base, expr=constant(1), text="")
        a, b, orientation = broadcast(base, exponent, "a power", node.span)
        return Value(self.several_atom("pow", a, b), a.dims, orientation)

    def inverse(self, value: Value) -> Value:
        """The inverse of a square matrix; that of a transpose is the transpose of the inverse."""
        raise NotImplementedError

    def same_index(self, node: ast.Expr) -> Value | None:
        """1[i = j] of two indices: a Kronecker delta. None where it is no such thing."""
        pair = index_pair(node)
        if pair is None or not all(letter in self.index_scope for letter in pair):
            return self.compared(node)
        left, right = (self.index_scope[letter] for letter in pair)
        if left[1] != right[1] and self.limited & set(pair):
            return self.compared(node)
        if left[1] != right[1]:
            raise DimensionError(
                f"sizes do not agree: index {pair[0]} runs over {display_dim(left[1])}"
                f", but {pair[1]} over {display_dim(right[1])}",
                "two indices over the same size",
                node.span,
            )
        return Value(delta(left, right), (), "scalar")
