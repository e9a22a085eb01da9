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
from chainrule.dims import Dim, canonical_name, display_dim
from chainrule.errors import DimensionError, LanguageError, UnknownNameError, UnsupportedError
from chainrule.language import ast
from chainrule.language.bound import children, chosen_letter, index_pair, summed_letter
from chainrule.language.dialects import check_as_numpy
from chainrule.language.indices import Indices, Reach
from chainrule.language.labels import repeated_label
from chainrule.language.ones import as_vectors, kept_spread, makes_spread
from chainrule.language.printer import print_expression
from chainrule.language.scope import is_numeric
from chainrule.language.values import Value, add_values, broadcast, hadamard, in_brackets, matrix_product, transpose
from chainrule.sizes import minus, never_negative, polynomial

__all__ = ["Expressions"]

_LOOKS_LIKE_A_PRODUCT = re.compile("([0-9.]+)([eE][0-9]+)")


def quotient_hint(left: Value, right: Value) -> str:
    """What may be meant by a quotient of arrays."""
    a, b = in_brackets(left.text), in_brackets(right.text)
    square = right.orientation == "matrix" and right.dims[0] == right.dims[1]
    solved = f", or {a} inv({right.text})" if square and left.orientation in ("row", "matrix") else ""
    return f"{a} ./ {b} (elementwise){solved}"


class Expressions(Indices):
    """Reads every node but a call."""

    def index_ranges(self, node: ast.Expr, bound: str | None = None) -> dict[str, Dim]:
        """What each index of `node` runs over; `bound` is bound here, so the same letter outside is another."""
        found = {letter: index[1] for letter, index in self.index_scope.items() if letter != bound}
        equal: list[tuple[str, str]] = []
        sums: list[Reach] = []
        outer, self.bound = self.bound, self.bound | ({bound} if bound is not None else set())
        try:
            self.find_ranges(node, found, equal, sums)
        finally:
            self.bound = outer
        for _ in equal:  # 1[i = j]: two indices with one range
            for left, right in equal:
                known = found.get(left, found.get(right))
                if known is not None:
                    found.setdefault(left, known)
                    found.setdefault(right, known)
        self.ranges_of_sums(found, sums)
        return found

    def ranges_of_sums(self, found: dict[str, Dim], sums: list[Reach], only: str | None = None) -> list[Reach]:
        """Letters that stand in sums only run as far as all entries lie inside. Returns what is not known yet."""
        left = list(sums)
        for _ in range(len(sums) + 1):
            candidates: dict[str, list[tuple[Dim, Reach]]] = {}
            for k, one in enumerate(left):
                for letter in [n for n in one.terms if n in found and (only is None or n == only)]:
                    left[k] = one = one.without(letter, found[letter])
                unknown = [n for n in one.terms if n not in found]
                if one.target is not None:
                    if not one.terms and only is None:
                        found.setdefault(one.target, one.high)
                elif len(one.terms) == 1 and unknown and (only is None or unknown == [only]):
                    candidates.setdefault(unknown[0], []).append((one.range_of(unknown[0]), one))
            for letter, options in candidates.items():
                ranges = {dim for dim, _ in options}
                if len(ranges) > 1:
                    raise DimensionError(
                        f"sizes do not agree: index {letter} runs over {' and over '.join(map(display_dim, ranges))}",
                        "another index name, or an array with the index alone", options[0][1].span,
                    )  # fmt: skip
                found[letter] = ranges.pop()
            if not candidates:
                break
        return [one for one in left if one.terms or one.target]

    def find_ranges(
        self, node: ast.Expr, found: dict[str, Dim], equal: list[tuple[str, str]], sums: list[Reach]
    ) -> None:  # fmt: skip
        if isinstance(node, ast.Indexed) and self.is_unknown_step(node):
            return
        if isinstance(node, ast.Indexed | ast.Entry):
            if isinstance(node, ast.Indexed) and (self.is_part(node) or self.is_known_step(node)):
                self.ranges_of_steps(node, found)
                return
            if isinstance(node, ast.Entry):
                value, node = self.entry_base(node)
            else:
                value = self.base_value(node.base)
            dims = value.dims
            if len(dims) != len(node.indices):
                raise DimensionError(
                    f"{node.base.name} has {len(dims)} indices ({value.shape}), not {len(node.indices)}",
                    self.entry_hint(node, dims),
                    node.span,
                )
            for ref, dim in zip(node.indices, dims, strict=True):
                if ref.kind == "sum" and isinstance(ref.first, ast.Indexed):
                    self.find_ranges(ref.first, found, equal, sums)
                    continue
                if ref.name is None or ref.offset or not self.is_letter(ref.name):
                    reach = self.reach(ref, dim)
                    if reach is not None and reach.terms:
                        sums.append(reach)
                    continue
                known = found.setdefault(ref.name, dim)
                if never_negative(polynomial(minus(known, dim))) and ref.name not in self.index_scope:
                    found[ref.name] = dim  # c[i] beside a[i]: the first entries of the longer one
                elif known != dim and not never_negative(polynomial(minus(dim, known))):
                    raise DimensionError(
                        f"sizes do not agree: index {ref.name} runs over {found[ref.name]} and over {dim}",
                        "another index name, or check the order of the indices", node.span,
                    )  # fmt: skip
        letter = self.letter_of(node)
        if letter is not None:  # the letter is bound in there: what it runs over is no business of this scope
            inner = {k: v for k, v in found.items() if k != letter}
            limit = self.limit_of(node)
            chosen = chosen_letter(node)
            if limit is None and chosen is not None:
                limit = found.get(chosen[1])
            if limit is not None:
                inner[letter] = limit
            within: list[tuple[str, str]] = []
            inside: list[Reach] = []
            assert isinstance(node, ast.Call)
            outer, self.bound = self.bound, self.bound | {letter}
            try:
                self.find_ranges(node.args[-1], inner, within, inside)
            finally:
                self.bound = outer
            if chosen is not None:
                within.append(chosen)
            for pair in within:
                if letter in pair:
                    other = pair[1 - pair.index(letter)]
                    if other in inner:
                        inner.setdefault(letter, inner[other])
            inside = self.ranges_of_sums(inner, inside, letter)
            if chosen is not None and letter in inner:
                inner.setdefault(chosen[1], inner[letter])
            found.update({k: v for k, v in inner.items() if k != letter})
            equal += [pair for pair in within if letter not in pair]
            sums += [one for one in inside if letter not in one.terms and letter != one.target]
            return
        pair_ = index_pair(node.args[0]) if isinstance(node, ast.Call) and node.function == "indicator" else None
        if pair_ is not None:
            equal.append(pair_)
        elif isinstance(node, ast.Call) and node.function == "indicator":
            reach = self.reach_of_letter(node.args[0])
            if reach is not None:
                sums.append(reach)
        for child in children(node):
            self.find_ranges(child, found, equal, sums)

    def entry_hint(self, node: ast.Indexed, dims: tuple[Dim, ...]) -> str:
        """What may be meant where the number of indices is not that of the axes: perhaps a step in time."""
        letter = node.indices[0].name
        if len(node.indices) == 1 and len(dims) > 1 and letter in self.entry_letters and self.recurs:
            return f"for {letter} = 1..{dims[0]} behind the equation, if {letter} is a step in time"
        return f"{node.base.name}[{','.join('ijklmnopq'[: len(dims)])}]" if dims else node.base.name

    def letter_of(self, node: ast.Expr) -> str | None:
        """The letter that a call binds: k in sum(k, …), where k is no name of the program."""
        letter = summed_letter(node)
        if letter is None or not isinstance(node, ast.Call) or node.function in ("sum", "mean") or node.options:
            return letter
        # max(a, b) of two names is no maximum over a; nor is max(t, h[t]) at a step t
        return None if self.is_variable(letter) or letter in self.index_scope else letter

    def limit_of(self, node: ast.Expr) -> Dim | None:
        """The 3 of sum(k = 1..3, …)."""
        option = node.options[0][1] if isinstance(node, ast.Call) and node.options else None
        return self.whole(option.last, "the end of a range") if isinstance(option, ast.Range) else None

    def is_unknown_step(self, node: ast.Indexed) -> bool:
        """True for a step of what a loop will compute, of a size that is not known yet: it says nothing of letters."""
        name = canonical_name(node.base.name)
        return name in self.pending and self.pending[name] is None and self.names[name] not in self.program.variables

    def is_known_step(self, node: ast.Indexed) -> bool:
        """True for a step of a sequence, h[t-1], which is no entry of an array."""
        if (self.scopes and node.base.name in self.scopes[-1]) or self.is_part(node) or node.indices[0].kind:
            return False
        return self.is_step(node, self.known_variable(node.base)[1])

    def has_step(self, node: ast.Expr, letter: str) -> bool:
        """True where some h[t], h[t-1] in a formula is the step of a loop, so that its letter is one of time."""
        if isinstance(node, ast.Indexed):
            if len(node.indices) != 1 or node.indices[0].name != letter or node.indices[0].kind:
                return False
            known = self.names.get(canonical_name(node.base.name)) if not self.scopes else None
            variable_ = self.program.variables.get(known) if known is not None else None
            return variable_ is not None and variable_.steps is not None and not variable_.steps.axis
        return any(self.has_step(child, letter) for child in children(node))

    def ranges_of_steps(self, node: ast.Indexed, found: dict[str, Dim]) -> None:
        """What the letter of a step runs over."""
        if not self.is_known_step(node):
            return
        (ref,) = node.indices
        dims = self.known_variable(node.base)[1].dims
        letter = ref.name if ref.name not in self.dims else None
        if letter is not None and found.setdefault(letter, dims[0]) != dims[0]:
            raise DimensionError(
                f"sizes do not agree: index {letter} runs over {found[letter]} and over {dims[0]}",
                "another index name, or check the order of the indices", node.span,
            )  # fmt: skip

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

    def entry_base(self, node: ast.Entry) -> tuple[Value, ast.Indexed]:
        """The array of inv(A)[i,j], and the entry as that of a name."""
        value = self.expr(node.operand)
        if value.orientation == "identity":
            raise DimensionError("the size of I is not known here", "1[i = j]", node.span)
        return value, ast.Indexed(ast.Name(print_expression(node.operand), node.span), node.indices, node.span)

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
                rest = list(map(str, big.dims))
                for dim in map(str, small.dims):
                    rest.remove(dim)
                self.repeats.append(
                    f"{small.text} ({small.shape}) is repeated along {' and '.join(rest)} of {big.text}"
                )
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
            return self.compared(node)
        left, right = (self.index_scope[letter] for letter in pair)
        if left[1] != right[1]:
            raise DimensionError(
                f"sizes do not agree: index {pair[0]} runs over {left[1]}, but {pair[1]} over {right[1]}",
                "two indices over the same size",
                node.span,
            )
        return Value(delta(left, right), (), "scalar")
