"""Expressions of the whiteboard language, node by node: sizes are checked, products become contractions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from chainrule.algebra.expr import (
    Index,
    constant,
    delta,
    is_constant,
    power,
    rename,
    scale,
    single,
    size,
    variable,
)
from chainrule.dims import Dim, canonical_name
from chainrule.errors import DimensionError, LanguageError, UnknownNameError, UnsupportedError
from chainrule.language import ast
from chainrule.language.printer import print_expression
from chainrule.language.scope import is_numeric
from chainrule.language.sequences import Sequences
from chainrule.language.values import Value, add_values, broadcast, hadamard, matrix_product, transpose

__all__ = ["Expressions", "summed_letter"]


class Expressions(Sequences):
    """Reads every node but a call."""

    def index_ranges(self, node: ast.Expr, bound: str | None = None) -> dict[str, Dim]:
        """What each index of `node` runs over; `bound` is bound here, so the same letter outside is another."""
        found = {letter: index[1] for letter, index in self.index_scope.items() if letter != bound}
        equal: list[tuple[str, str]] = []
        self.find_ranges(node, found, equal)
        for _ in equal:  # 1[i = j]: two indices with one range
            for left, right in equal:
                known = found.get(left, found.get(right))
                if known is not None:
                    found.setdefault(left, known)
                    found.setdefault(right, known)
        return found

    def find_ranges(self, node: ast.Expr, found: dict[str, Dim], equal: list[tuple[str, str]]) -> None:
        if isinstance(node, ast.Indexed):
            name, var = self.known_variable(node.base)
            dims = var.dims
            if self.is_step(node, var):
                (ref,) = node.indices
                letter = ref.name if ref.name not in self.dims else None
                if letter is not None and found.setdefault(letter, dims[0]) != dims[0]:
                    raise DimensionError(
                        f"sizes do not agree: index {letter} runs over {found[letter]} and over {dims[0]}",
                        "another index name, or check the order of the indices", node.span,
                    )  # fmt: skip
                return
            if len(dims) != len(node.indices):
                shape = self.variable_value(name).shape
                raise DimensionError(
                    f"{node.base.name} has {len(dims)} indices ({shape}), not {len(node.indices)}",
                    f"{node.base.name}[{','.join('ijklmnopq'[: len(dims)])}]" if dims else node.base.name,
                    node.span,
                )
            for ref, dim in zip(node.indices, dims, strict=True):
                if ref.name is None or ref.offset:
                    raise UnsupportedError(
                        "an index with a number or an offset is not supported yet", "a plain index", ref.span
                    )
                if found.setdefault(ref.name, dim) != dim:
                    raise DimensionError(
                        f"sizes do not agree: index {ref.name} runs over {found[ref.name]} and over {dim}",
                        "another index name, or check the order of the indices", node.span,
                    )  # fmt: skip
        letter = summed_letter(node)
        if letter is not None:  # the letter is bound in there: what it runs over is no business of this scope
            inner = {k: v for k, v in found.items() if k != letter}
            within: list[tuple[str, str]] = []
            assert isinstance(node, ast.Call)
            self.find_ranges(node.args[1], inner, within)
            found.update({k: v for k, v in inner.items() if k != letter})
            equal += [pair for pair in within if letter not in pair]
            return
        pair = index_pair(node.args[0]) if isinstance(node, ast.Call) and node.function == "indicator" else None
        if pair is not None:
            equal.append(pair)
        for child in children(node):
            self.find_ranges(child, found, equal)

    def expr(self, node: ast.Expr) -> Value:
        value = getattr(self, "on_" + type(node).__name__.lower())(node)
        text = node.span.text if node.span is not None and not self.scopes else print_expression(node)
        return replace(value, text=value.text or text, span=node.span)  # type: ignore[no-any-return]

    def on_number(self, node: ast.Number) -> Value:
        return Value(constant(node.value), (), "scalar")

    def on_name(self, node: ast.Name) -> Value:
        for scope in reversed(self.scopes):
            if node.name in scope:
                return scope[node.name]
            break
        name = self.names.get(canonical_name(node.name))
        if name is None:
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
        name, var = self.known_variable(node.base)
        if self.is_step(node, var):
            return self.step(node)
        if len(node.indices) != len(var.dims):
            letters = ",".join("ijklmnopq"[: len(var.dims)])
            hint = f"{name}[{letters}]" if letters else name
            raise DimensionError(f"{name} has {len(var.dims)} indices, not {len(node.indices)}", hint, node.span)
        chosen: list[Index] = []
        for ref, dim in zip(node.indices, var.dims, strict=True):
            if ref.name is None or ref.offset:
                raise UnsupportedError(
                    "an index with a number or an offset is not supported yet", "a plain index", ref.span
                )
            index = self.index_scope.get(ref.name)
            if index is None:
                raise UnknownNameError(
                    f"the index {ref.name} is not bound", f"sum({ref.name}, …), or put it on the left side", ref.span
                )
            if index[1] != dim:
                raise DimensionError(
                    f"sizes do not agree: index {ref.name} runs over {index[1]}, but {node.base.name} has {dim} there",
                    "another index name, or check the order of the indices", node.span,
                )  # fmt: skip
            chosen.append(index)
        expr = rename(variable(name, var.indices), dict(zip(var.indices, chosen, strict=True)))
        return Value(expr, (), "scalar")

    def on_binary(self, node: ast.Binary) -> Value:
        op = node.op
        left, right = self.expr(node.left), self.expr(node.right)
        span = node.span
        if op == "+":
            return self.say_repeats(add_values(left, right, span), left, right)
        if op == "-":
            return self.say_repeats(add_values(left, replace(right, expr=scale(right.expr, -1)), span), left, right)
        if (
            op == "@"
            and node.left == ast.Transpose(ast.Number(Fraction(1)))
            and right.orientation in ("column", "matrix")
        ):
            left = Value(constant(1), right.dims[:1], "row", "1ᵀ")  # a row of ones as long as what follows
        if op == "@":
            a, b = self.factor(left, right)
            return matrix_product(a, b, span)
        if op == "∘":
            a, b = self.factor(left, right)
            return self.say_repeats(hadamard(a, b, span), left, right)
        if op == "*":
            if left.orientation != "scalar" and right.orientation != "scalar":
                raise LanguageError(
                    f"* can mean two things between {left.text} ({left.shape}) and {right.text} ({right.shape})",
                    f"{left.text} {right.text} (the product) or {left.text} ∘ {right.text} (elementwise)", span,
                )  # fmt: skip
            a, b = self.factor(left, right)
            return matrix_product(a, b, span)
        if op == "/" and right.orientation != "scalar":
            raise LanguageError(
                f"/ divides by a scalar, but {right.says()}", f"{left.text} ./ {right.text} (elementwise)", span
            )
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
            if small.orientation in ("row", "column") and big.orientation == "matrix":
                along = "rows" if small.orientation == "row" else "columns"
                count = big.dims[0 if small.orientation == "row" else 1]
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
            return None
        left, right = (self.index_scope[letter] for letter in pair)
        if left[1] != right[1]:
            raise DimensionError(
                f"sizes do not agree: index {pair[0]} runs over {left[1]}, but {pair[1]} over {right[1]}",
                "two indices over the same size",
                node.span,
            )
        return Value(delta(left, right), (), "scalar")


def children(node: ast.Expr) -> tuple[ast.Expr, ...]:
    if isinstance(node, ast.Binary):
        return (node.left, node.right)
    if isinstance(node, (ast.Negate, ast.Transpose)):
        return (node.operand,)
    if isinstance(node, ast.Call):
        return node.args
    return ()


def summed_letter(node: ast.Expr) -> str | None:
    """k in sum(k, …)."""
    if isinstance(node, ast.Call) and node.function in ("sum", "mean") and len(node.args) == 2:
        return node.args[0].name if isinstance(node.args[0], ast.Name) else None
    return None


def index_pair(node: ast.Expr) -> tuple[str, str] | None:
    """The two names in i = j."""
    if isinstance(node, ast.Binary) and node.op in ("==", "=") and isinstance(node.left, ast.Name):
        return (node.left.name, node.right.name) if isinstance(node.right, ast.Name) else None
    return None
