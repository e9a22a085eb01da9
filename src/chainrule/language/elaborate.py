"""From tree to algebra: orientations and sizes are checked, products become contractions, names are given.

Each equation of the tree becomes one or more equations of a `Program` in index notation. What a function or a power
is applied to must be a name, so that `relu(W x)` gives `W x` an anonymous one; equal pieces get the same name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from chainrule.algebra.expr import (
    Expr,
    Index,
    Rational,
    add,
    bare,
    constant,
    delta,
    free,
    free_indices,
    fresh_bound,
    is_constant,
    multiply,
    power,
    rename,
    scale,
    single,
    size,
    sum_over,
    variable,
)
from chainrule.algebra.program import Operation, Program, Variable, is_anonymous
from chainrule.dims import Dim, canonical_name
from chainrule.errors import ChainruleError, DimensionError, LanguageError, Span, UnknownNameError, UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from chainrule.language.parser import parse_program
from chainrule.language.printer import print_expression
from chainrule.language.values import (
    Value,
    add_values,
    broadcast,
    hadamard,
    matrix_product,
    orientation_of,
    transpose,
)
from chainrule.library import definition_names, definition_text

__all__ = ["BUILTINS", "Elaborated", "elaborate", "elaborate_expression", "known_functions"]

# Functions that are neither elementwise records nor definitions: they say how axes are treated.
BUILTINS = frozenset(
    {"sum", "mean", "max", "min", "maximum", "minimum", "tr", "trace", "diag", "outer", "dot", "ones", "zeros", "eye",
     "sqrt", "square", "sign", "indicator", "transpose", "rowsum", "colsum", "rowmean", "colmean",
     "det", "logdet", "inv", "kron", "where"}
)  # fmt: skip
LATER = {"det", "logdet", "inv", "kron", "where"}
FACTS = {"one-hot", "rows sum to 1", "symmetric", "positive", "nonnegative", "orthogonal", "diagonal", "integer"}


def known_functions() -> frozenset[str]:
    """All names that the language reads as functions."""
    return BUILTINS | frozenset(FUNCTIONS) | definition_names() | {"ln", "σ"}


class Elaborated:
    """A program with what the front end knows of it: the tree, the loss, the equations that the user wrote."""

    def __init__(self, tree: ast.Program) -> None:
        self.tree = tree
        self.program = Program()
        self.loss: str | None = None
        self.user_equations: list[ast.Equation] = []
        self.repeats: list[str] = []  # "b1 (1 × D_h) is repeated over the N rows": said, never silent


def elaborate(tree: ast.Program) -> Elaborated:
    """Check a tree and lower it. Raises ChainruleError with the place in the user's text."""
    return _Elaborator(tree).run()


def elaborate_expression(program: Program, node: ast.Expr, definitions: Iterable[ast.Definition] = ()) -> Value:
    """The value of an expression in the names of `program`, to which anonymous equations may be added."""
    elaborator = _Elaborator(ast.Program(()))
    elaborator.program = program
    for name, var in program.variables.items():
        elaborator.names[canonical_name(name)] = name
        for dim in var.dims:
            if isinstance(dim, str):
                elaborator.dims.setdefault(dim, None)
    for definition in definitions:
        elaborator.definitions[canonical_name(definition.name)] = definition
    for equation in program:
        if isinstance(equation.value, dict) and free_indices(equation.value) == set(
            program.variables[equation.name].indices
        ):
            elaborator.known.setdefault(frozenset(equation.value.items()), equation.name)
    return elaborator.expr(node)


class _Elaborator:
    def __init__(self, tree: ast.Program) -> None:
        self.out = Elaborated(tree)
        self.program = self.out.program
        self.names: dict[str, str] = {}  # canonical spelling -> the user's first spelling
        self.dims: dict[str, Span | None] = {}
        self.definitions: dict[str, ast.Definition] = {}
        self.known: dict[frozenset[tuple[object, Rational]], str] = {}  # equal right-hand sides get one name
        self.scopes: list[dict[str, Value]] = []
        self.index_scope: dict[str, Index] = {}
        self.depth = 0

    # -- statements ------------------------------------------------------------------------------------------------

    def run(self) -> Elaborated:
        tree = self.out.tree
        for statement in tree.statements:
            if isinstance(statement, ast.Definition):
                self.definitions[canonical_name(statement.name)] = statement
            elif isinstance(statement, ast.FunctionDeclaration):
                self.function(statement)
        for statement in tree.statements:
            if isinstance(statement, ast.Declaration):
                self.declare(statement)
            elif isinstance(statement, ast.Equation):
                self.equation(statement)
        if not self.out.user_equations:
            raise LanguageError("there is no equation: nothing to differentiate", "z = W x, a line each")
        self.find_loss(tree)
        self.offer_names()
        return self.out

    def offer_names(self) -> None:
        """Where all parts of a library function are there already, its value may be named: Σ exp(x) offers softmax(x).

        The name is anonymous and shown as the call; it costs nothing unless a formula uses it.
        """
        program = self.program
        inner: dict[str, str] = {}  # name of f(t) -> t
        summed: dict[str, str] = {}  # name of a sum of it -> name of f(t)
        for equation in program:
            term = single(equation.value) if isinstance(equation.value, dict) else None
            if term is None or term[1] != 1 or len(term[0][0]) != 1:
                continue
            ((head, name, _), exponent), bound = term[0][0][0], term[0][1]
            if head in FUNCTIONS and isinstance(name, str) and exponent == 1 and not bound:
                inner[equation.name] = name
            elif head == "" and bound and name in inner:
                summed[equation.name] = str(name)
        for total, part in summed.items():
            both = {total, part}
            if any(both <= set(e.arguments) for e in program):
                continue  # it has a name already
            for function in sorted(definition_names()):
                if "sum(" in definition_text(function):
                    self.offer(function, inner[part])

    def offer(self, function: str, argument: str) -> None:
        """Keep `function(argument)` as a name if it takes one new equation, a product of what is there."""
        before = dict(self.program.equations)
        known = dict(self.known)
        try:
            self.expr(ast.Call(function, (ast.Name(argument),)))
        except ChainruleError:
            pass
        new = [n for n in self.program.equations if n not in before]
        value = self.program.equations[new[0]].value if len(new) == 1 else None
        if isinstance(value, dict) and len(value) == 1 and not next(iter(value))[1] and len(next(iter(value))[0]) > 1:
            return
        self.known = known
        for name in new:
            del self.program.equations[name], self.program.variables[name]

    def new_name(self, name: str, span: Span | None) -> str:
        key = canonical_name(name)
        if key in self.names:
            other = self.names[key]
            same = "" if other == name else f" ({other} and {name} are two spellings of one name)"
            raise LanguageError(f"the name {name} is used twice{same}", "give one of the two another name", span)
        if key in self.dims:
            raise LanguageError(f"{name} is the name of a size already", "give one of the two another name", span)
        if name in known_functions() or key in self.definitions:
            raise LanguageError(f"{name} is the name of a function", "another name for the variable", span)
        self.names[key] = name
        return name

    def new_dims(self, shape: tuple[ast.TypeDim, ...], span: Span | None) -> None:
        for dim in shape:
            if isinstance(dim, str):
                if canonical_name(dim) in self.names:
                    raise LanguageError(
                        f"{dim} is a variable already and cannot also be a size", "another name for the size", span
                    )
                self.dims.setdefault(dim, span)
            elif dim < 1:
                raise DimensionError(f"a size must be at least 1, not {dim}", None, span)

    def declare(self, node: ast.Declaration) -> None:
        self.new_dims(node.shape, node.span)
        name = self.new_name(node.name, node.span)
        for fact in node.facts:
            if fact not in FACTS:
                close = difflib.get_close_matches(fact, FACTS, 1)
                raise LanguageError(
                    f"the fact “{fact}” is not known", (close or [", ".join(sorted(FACTS))])[0], node.span
                )
        dims, orientation = _squeeze(node.shape)
        self.program.declare(Variable(name, dims, orientation, node.kind, node.facts))

    def function(self, node: ast.FunctionDeclaration) -> None:
        self.new_dims(node.domain + node.codomain, node.span)
        if node.name in known_functions():
            raise LanguageError(f"{node.name} is a function already", "another name", node.span)
        if len(node.domain) > 1 or len(node.codomain) > 1:
            raise UnsupportedError(
                f"the unknown function {node.name} takes or gives a matrix", "scalars and vectors only", node.span
            )
        self.program.functions[node.name] = (node.domain, node.codomain)

    def equation(self, node: ast.Equation) -> None:
        if node.recurrence is not None:
            raise UnsupportedError(
                "recurrences (for t = …) are understood but not differentiated yet",
                "write the steps out: h1 = …, h2 = …", node.span,
            )  # fmt: skip
        before = len(self.program.equations)
        if node.indices is not None:
            value = self.indexed_equation(node)
        else:
            value = self.expr(node.value)
        if value.orientation == "identity":
            raise DimensionError("the size of I is not known here", "eye(D)", node.span)
        self.out.user_equations.append(node)
        name = self.new_name(node.name, node.name_span or node.span)
        target = Variable(name, value.dims, value.orientation)
        alias = _bare_name(value.expr, value.indices)
        last = next(reversed(self.program.equations), None)
        if alias is not None and alias == last and is_anonymous(alias) and len(self.program.equations) > before:
            key = next((k for k, v in self.known.items() if v == alias), None)
            self.program.rename_last(alias, target, node.span)
            if key is not None:
                self.known[key] = name
            return
        self.program.define(target, value.expr, None, node.span)
        if free_indices(value.expr) == set(value.indices):  # ones(D) s is no name for s
            self.known.setdefault(frozenset(value.expr.items()), name)

    def indexed_equation(self, node: ast.Equation) -> Value:
        names = [ref.name for ref in node.indices or ()]
        if any(name is None or ref.offset for name, ref in zip(names, node.indices or (), strict=True)):
            raise UnsupportedError("the left side may only have plain indices, such as S[i,j]", None, node.span)
        if len(set(names)) != len(names):
            raise LanguageError(f"an index stands twice on the left side of {node.name}", None, node.span)
        ranges = self.index_ranges(node.value)
        dims: list[Dim] = []
        for name, ref in zip(names, node.indices or (), strict=True):
            assert name is not None
            if name not in ranges:
                raise LanguageError(
                    f"the size of index {name} is not known: it occurs in no array on the right", None, ref.span
                )
            dims.append(ranges[name])
        self.index_scope = {n: i for n, i in zip(names, free(dims), strict=True) if n is not None}
        try:
            value = self.expr(node.value)
        finally:
            self.index_scope = {}
        if value.orientation != "scalar":
            raise DimensionError(f"{value.says()}: in index notation each entry is a scalar", "x[i]", node.span)
        return Value(value.expr, tuple(dims), orientation_of(len(dims)))

    def index_ranges(self, node: ast.Expr, bound: str | None = None) -> dict[str, Dim]:
        """What each index of `node` runs over; `bound` is bound here, so that the same letter outside is another one."""
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
            name = self.resolve(node.base)
            dims = self.program.variables[name].dims
            if len(dims) != len(node.indices):
                raise DimensionError(
                    f"{node.base.name} has {len(dims)} indices ({self.variable_value(name).shape}), not {len(node.indices)}",
                    None, node.span,
                )  # fmt: skip
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
        letter = _summed_letter(node)
        if letter is not None:  # the letter is bound in there: what it runs over is no business of this scope
            inner = {k: v for k, v in found.items() if k != letter}
            within: list[tuple[str, str]] = []
            assert isinstance(node, ast.Call)
            self.find_ranges(node.args[1], inner, within)
            found.update({k: v for k, v in inner.items() if k != letter})
            equal += [pair for pair in within if letter not in pair]
            return
        pair = _index_pair(node.args[0]) if isinstance(node, ast.Call) and node.function == "indicator" else None
        if pair is not None:
            equal.append(pair)
        for child in _children(node):
            self.find_ranges(child, found, equal)

    def find_loss(self, tree: ast.Program) -> None:
        equations = self.out.user_equations
        if tree.minimize is not None:
            name = self.names.get(canonical_name(tree.minimize))
            if name is None:
                raise UnknownNameError(f"minimize {tree.minimize}: no equation defines it")
            if self.program.variables[name].dims:
                raise DimensionError(
                    f"the loss must be a scalar, but {name} is {self.variable_value(name).shape}", f"sum({name})"
                )
            self.out.loss = name
            return
        last = self.names[canonical_name(equations[-1].name)]
        if not self.program.variables[last].dims:
            self.out.loss = last

    # -- expressions -----------------------------------------------------------------------------------------------

    def expr(self, node: ast.Expr) -> Value:
        value = getattr(self, "on_" + type(node).__name__.lower())(node)
        text = node.span.text if node.span is not None and not self.scopes else print_expression(node)
        return replace(value, text=value.text or text, span=node.span)  # type: ignore[no-any-return]

    def on_number(self, node: ast.Number) -> Value:
        return Value(constant(node.value), (), "scalar")

    def resolve(self, node: ast.Name) -> str:
        name = self.names.get(canonical_name(node.name))
        if name is None or name not in self.program.variables:
            raise self.unknown(node)
        return name

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

    def variable_value(self, name: str) -> Value:
        var = self.program.variables[name]
        return Value(variable(name, var.indices), var.dims, var.orientation or orientation_of(len(var.dims)), name)

    def unknown(self, node: ast.Name) -> UnknownNameError:
        known = [*self.names.values(), *self.dims]
        hint = None
        for cut in range(1, len(node.name)):
            left, right = node.name[:cut], node.name[cut:].lstrip("_")
            if canonical_name(left) in self.names and right and canonical_name(right) in self.names:
                hint = f"{left} {right} (a space multiplies)"
                break
        if hint is None:
            close = difflib.get_close_matches(node.name, known, 1, 0.6) or [
                k for k in known if k.lower() == node.name.lower()
            ]
            hint = f"{close[0]}?" if close else f"declare it: param {node.name} : …"
        return UnknownNameError(f"the name {node.name} is not known: nothing declares or defines it", hint, node.span)

    def on_negate(self, node: ast.Negate) -> Value:
        value = self.expr(node.operand)
        return replace(value, expr=scale(value.expr, -1), text="")

    def on_transpose(self, node: ast.Transpose) -> Value:
        return replace(transpose(self.expr(node.operand)), text="")

    def on_indexed(self, node: ast.Indexed) -> Value:
        name = self.resolve(node.base)
        var = self.program.variables[name]
        if len(node.indices) != len(var.dims):
            raise DimensionError(f"{name} has {len(var.dims)} indices, not {len(node.indices)}", None, node.span)
        chosen: list[Index] = []
        for ref, dim in zip(node.indices, var.dims, strict=True):
            if ref.name is None or ref.offset:
                raise UnsupportedError("an index with a number or an offset is not supported yet", None, ref.span)
            index = self.index_scope.get(ref.name)
            if index is None:
                raise UnknownNameError(
                    f"the index {ref.name} is not bound", f"sum({ref.name}, …), or put it on the left side", ref.span
                )
            if index[1] != dim:
                raise DimensionError(
                    f"sizes do not agree: index {ref.name} runs over {index[1]}, but {node.base.name} has {dim} there",
                    None, node.span,
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
        if op == "@" and node.left == ast.Transpose(ast.Number(Fraction(1))) and right.orientation in ("column", "matrix"):
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
                    f"* between {left.says()} and {right.says()} can mean two things",
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
                self.out.repeats.append(
                    f"{small.text} ({small.shape}) is repeated over the {count} {along} of {big.text}"
                )
        return value

    def factor(self, left: Value, right: Value) -> tuple[Value, Value]:
        """Both sides of a product; a sum gets a name of its own, unless the other side is only a number."""
        if len(left.expr) > 1 and not _numeric(right):
            left = self.named(left)
        if len(right.expr) > 1 and not _numeric(left):
            right = self.named(right)
        return left, right

    def named(self, value: Value) -> Value:
        """The value under a name (its own if it has one)."""
        return replace(value, expr=self.name_for(value.expr, value.orientation, value.text))

    def name_for(self, expr: Expr, orientation: str, source: object = None) -> Expr:
        """A variable equal to `expr`, over those free indices that occur in it."""
        if not expr:
            return expr
        term = single(expr)
        if term is not None:
            (factors, bound), coefficient = term
            if coefficient == 1 and not bound and len(factors) == 1 and factors[0][1] == 1:
                (head, _, indices), _ = factors[0]
                if head == "" and len(set(indices)) == len(indices):
                    return expr
        occurring = sorted({i for (f, _) in expr for (_, _, ix), _ in f for i in ix if i[0] < 0}, reverse=True)
        own = free([i[1] for i in occurring])
        to_own = dict(zip(occurring, own, strict=True))
        inner = rename(expr, to_own)
        key = frozenset(inner.items())
        name = self.known.get(key)
        if name is None:
            name = self.program.fresh_name()
            kind = orientation_of(len(own))
            if len(own) == 1 and (orientation == "row" or (orientation == "matrix" and occurring[0][0] == -2)):
                kind = "row"
            self.program.define(Variable(name, tuple(i[1] for i in own), kind), inner, source)
            self.known[key] = name
        return variable(name, tuple(occurring))

    def to_power(self, value: Value, exponent: Fraction) -> Expr:
        try:
            return power(value.expr, exponent)
        except (ValueError, ZeroDivisionError):
            if not value.expr:
                raise LanguageError("a division by zero", None, value.span) from None
        return power(self.name_for(value.expr, value.orientation, value.text), exponent)

    def on_power(self, node: ast.Binary, base: Value, exponent: Value) -> Value:
        if base.orientation == "matrix" and node.op == "^":
            number = single(exponent.expr) if is_constant(exponent.expr) else None
            if base.dims[0] != base.dims[1]:
                raise DimensionError(
                    f"{base.says()}: only a square matrix has powers", f"{base.text}.^{exponent.text}", node.span
                )
            if number is None or number[0] != ((), ()) or not isinstance(number[1], int) or number[1] < 1:
                raise UnsupportedError(
                    f"the matrix power ^{exponent.text} is not supported yet", "a positive whole number, or .^ (elementwise)",
                    node.span,
                )  # fmt: skip
            result = base
            for _ in range(number[1] - 1):
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
            if value.denominator == 1 and value > 0 and len(base.expr) > 1:
                return replace(base, expr=power(self.name_for(base.expr, base.orientation, base.text), value), text="")
            return replace(base, expr=self.to_power(base, value), text="")
        if not exponent.expr:
            return replace(base, expr=constant(1), text="")
        a, b, orientation = broadcast(base, exponent, "a power", node.span)
        return Value(self.binary_atom("pow", a, b), a.dims, orientation)

    def binary_atom(self, head: str, a: Value, b: Value) -> Expr:
        atoms = []
        for v in (a, b):
            named = self.name_for(v.expr, v.orientation, v.text) if not _is_bare(v.expr) else v.expr
            if not _is_bare(named):  # nothing at all: 0^x
                named = self.force_name(named, v)
            ((((_, name, indices), _),), _) = next(iter(named))
            atoms.append((name, indices))
        (n1, i1), (n2, i2) = atoms
        expr = bare((head, ((str(n1), len(i1)), (str(n2), len(i2))), (*i1, *i2)))
        return self.name_for(expr, a.orientation, None)

    def comparison(self, op: str, left: Value, right: Value, span: Span | None) -> Value:
        if op in (">", "<="):
            difference = add_values(left, replace(right, expr=scale(right.expr, -1)), span)
        else:
            difference = add_values(right, replace(left, expr=scale(left.expr, -1)), span)
        head = "iszero" if op in ("==", "=") else "step"
        mask = self.elementwise(head, difference)
        if op in ("<=", ">="):
            return replace(mask, expr=add(constant(1), scale(mask.expr, -1)))
        return mask

    # -- functions -------------------------------------------------------------------------------------------------

    def on_call(self, node: ast.Call) -> Value:
        name = {"ln": "log", "σ": "sigmoid", "sign": "sgn", "trace": "tr"}.get(node.function, node.function)
        key = canonical_name(name)
        if key in self.definitions:
            return self.call_definition(self.definitions[key], node)
        if name in self.program.functions:
            return self.call_unknown(name, node)
        if name in FUNCTIONS:
            return self.call_elementwise(name, node)
        if name in BUILTINS:
            return self.call_builtin(name, node)
        if name in definition_names():
            tree = parse_program(definition_text(name), "whiteboard", known_functions())
            definition = tree.statements[0]
            assert isinstance(definition, ast.Definition)
            self.definitions[key] = definition
            return self.call_definition(definition, node)
        close = difflib.get_close_matches(node.function, known_functions() | set(self.definitions), 1)
        raise UnknownNameError(
            f"the function {node.function} is not known", f"{close[0]}?" if close else f"function {node.function} : D -> D",
            node.span,
        )  # fmt: skip

    def arguments(self, node: ast.Call, least: int, most: int) -> list[Value]:
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise LanguageError(
                f"{node.function} takes {wanted} argument{'s' if most > 1 else ''}, not {len(node.args)}",
                None,
                node.span,
            )
        return [self.expr(arg) for arg in node.args]

    def call_definition(self, definition: ast.Definition, node: ast.Call) -> Value:
        count = len(definition.parameters)
        values = [self.named(v) for v in self.arguments(node, count, count)]
        self.depth += 1
        if self.depth > 50:
            raise LanguageError(f"the definition of {definition.name} uses itself", None, definition.span)
        self.scopes.append(dict(zip(definition.parameters, values, strict=True)))
        try:
            result = self.expr(definition.body)
        except ChainruleError as error:
            if len(self.scopes) == 1:
                shapes = ", ".join(v.says() for v in values)
                raise type(error)(f"{definition.name}({', '.join(v.text for v in values)}): {error.message}; {shapes}",
                                  error.hint, node.span) from None  # fmt: skip
            raise
        finally:
            self.scopes.pop()
            self.depth -= 1
        if result.orientation == "identity":
            return result
        call = Call(definition.name, tuple(v.text for v in values))
        return replace(result, expr=self.name_for(result.expr, result.orientation, call), text="")

    def call_elementwise(self, name: str, node: ast.Call) -> Value:
        record = FUNCTIONS[name]
        values = self.arguments(node, record.arity, record.arity)
        if record.arity == 2:
            a, b, orientation = broadcast(values[0], values[1], name, node.span)
            return Value(self.binary_atom(name, a, b), a.dims, orientation)
        if node.primes:
            if node.primes > 1:
                raise UnsupportedError(f"a higher derivative of {name}", None, node.span)
            return self.derivative_of(name, values[0])
        return self.elementwise(name, values[0])

    def derivative_of(self, name: str, argument: Value) -> Value:
        argument = self.named(argument)
        output = self.elementwise(name, argument)
        total: Expr = {}
        for coefficient, factors in FUNCTIONS[name].partial():
            product = constant(coefficient)
            for head, letter, exponent in factors:
                base = output if letter == "y" else argument
                expr = base.expr if head == "" else self.elementwise(head, base).expr
                product = multiply(product, power(expr, exponent))
            total = add(total, product)
        return replace(argument, expr=total, text="")

    def elementwise(self, head: str, argument: Value) -> Value:
        if not argument.expr:
            argument = replace(argument, expr=constant(0))
        if argument.orientation == "identity":
            raise DimensionError(f"the size of I is not known inside {head}", "eye(D)", argument.span)
        inner = self.name_for(argument.expr, argument.orientation, argument.text)
        if not inner or not _is_bare(inner):
            inner = self.force_name(inner, argument)
        ((((_, name, indices), _),), _) = next(iter(inner))
        expr = bare((head, name, indices))
        return replace(argument, expr=self.name_for(expr, argument.orientation, Call(head, (argument.text,))), text="")

    def force_name(self, expr: Expr, argument: Value) -> Expr:
        name = self.program.fresh_name()
        self.program.define(Variable(name, (), "scalar"), expr, argument.text)
        return variable(name)

    def call_unknown(self, name: str, node: ast.Call) -> Value:
        domain, codomain = self.program.functions[name]
        (value,) = self.arguments(node, 1, 1)
        if not domain and not codomain:
            return self.elementwise(name + "'" * node.primes, value)
        if node.primes:
            raise UnsupportedError(f"{name}′ of a function of vectors", f"the Jacobian ∂{name}/∂x is found", node.span)
        dims, orientation = _squeeze(domain)
        if value.dims != dims:
            raise DimensionError(
                f"sizes do not agree: {name} takes {' × '.join(map(str, domain)) or 'a scalar'}, but {value.says()}",
                None, node.span,
            )  # fmt: skip
        argument = _bare_name(self.name_for(value.expr, value.orientation, value.text), value.indices)
        if argument is None:  # an array of constants, or one that is repeated: the whole of it needs a name
            argument = self.program.fresh_name()
            self.program.define(Variable(argument, dims, value.orientation), value.expr, value.text)
        out_dims, out_orientation = _squeeze(codomain)
        key = frozenset({(("call", name, argument), 1)})
        out = self.known.get(key)
        if out is None:
            out = self.program.fresh_name()
            self.program.define(
                Variable(out, out_dims, out_orientation),
                Operation("unknown", (argument,), (name,)), Call(name, (value.text,)),
            )  # fmt: skip
            self.known[key] = out
        return Value(variable(out, free(out_dims)), out_dims, out_orientation)

    def call_builtin(self, name: str, node: ast.Call) -> Value:
        if name in LATER:
            raise UnsupportedError(f"{name} is understood but not differentiated yet", None, node.span)
        if _summed_letter(node) is not None:
            return self.index_sum(name, node)
        if name in ("sum", "mean"):
            (value,) = self.arguments(node, 1, 1)
            return self.reduce(name, value, node)
        if name in ("max", "min", "maximum", "minimum"):
            if len(node.args) != 2:
                raise UnsupportedError(f"{name} over an axis is understood but not differentiated yet", None, node.span)
            first, second = self.arguments(node, 2, 2)
            return self.extremum(name, first, second, node.span)
        if name in ("rowsum", "rowmean", "colsum", "colmean"):
            (value,) = self.arguments(node, 1, 1)
            if value.orientation != "matrix":
                raise DimensionError(f"{value.says()}: {name} takes a matrix", name[3:], node.span)
            return self.reduce_axes(name[3:], value, [1 if name.startswith("row") else 0])
        if name in ("tr", "diag", "sqrt", "square", "transpose"):
            (value,) = self.arguments(node, 1, 1)
            return getattr(self, "call_" + name)(value, node.span)  # type: ignore[no-any-return]
        if name in ("outer", "dot"):
            a, b = self.arguments(node, 2, 2)
            if len(a.dims) != 1 or len(b.dims) != 1:
                raise DimensionError(f"{name} takes two vectors; {a.says()}, {b.says()}", None, node.span)
            column, row = replace(a, orientation="column"), replace(b, orientation="row")
            pair = (
                (column, row) if name == "outer" else (replace(a, orientation="row"), replace(b, orientation="column"))
            )
            return matrix_product(*self.factor(*pair), node.span)
        if name in ("ones", "zeros", "eye"):
            return self.constant_array(name, node)
        if name == "indicator":
            return self.same_index(node.args[0]) or self.expr(node.args[0])
        raise UnsupportedError(f"{name} is not supported yet", None, node.span)

    def same_index(self, node: ast.Expr) -> Value | None:
        """1[i = j] of two indices: a Kronecker delta. None where it is no such thing."""
        pair = _index_pair(node)
        if pair is None or not all(letter in self.index_scope for letter in pair):
            return None
        left, right = (self.index_scope[letter] for letter in pair)
        if left[1] != right[1]:
            raise DimensionError(
                f"sizes do not agree: index {pair[0]} runs over {left[1]}, but {pair[1]} over {right[1]}", None, node.span
            )
        return Value(delta(left, right), (), "scalar")

    def index_sum(self, name: str, node: ast.Call) -> Value:
        letter = node.args[0]
        assert isinstance(letter, ast.Name)
        if canonical_name(letter.name) in self.names:
            raise LanguageError(
                f"{letter.name} is a variable: it cannot be summed over", "an index such as k", node.span
            )
        ranges = self.index_ranges(node.args[1], letter.name)
        if letter.name not in ranges:
            raise LanguageError(f"the index {letter.name} does not occur in what is summed", None, node.span)
        index = fresh_bound(ranges[letter.name])
        # A marker among the free indices while the body is read, so that names made inside carry the index.
        marker: Index = (-1000 - len(self.index_scope), index[1])
        outer = self.index_scope
        self.index_scope = {**outer, letter.name: marker}
        try:
            body = self.expr(node.args[1])
        finally:
            self.index_scope = outer
        expr = rename(body.expr, {marker: index}, [index])
        if name == "mean":
            expr = multiply(expr, size(index[1], -1))
        return Value(expr, body.dims, body.orientation)

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
        dims = tuple(value.dims[a] for a in left)
        expr = rename(expr, {value.indices[a]: (-1 - k, value.dims[a]) for k, a in enumerate(left)})
        orientation = orientation_of(len(dims))
        if len(dims) == 1 and value.orientation == "matrix" and left == [1]:
            orientation = "row"
        return Value(expr, dims, orientation)

    def axes(self, value: Value, node: ast.Call) -> list[int]:
        options = dict(node.options)
        over = options.get("over", options.get("axis"))
        unknown = set(options) - {"over", "axis"}
        if unknown:
            raise LanguageError(f"{node.function} has no option {sorted(unknown)[0]}", "over=rows", node.span)
        count = len(value.dims)
        if over is None:
            return list(range(count))
        word = over.name if isinstance(over, ast.Name) else print_expression(over)
        if word == "last":
            return [count - 1] if count else []
        if word == "first":
            return [0] if count else []
        if isinstance(over, ast.Number) and -count <= over.value < count and over.value.denominator == 1:
            return [int(over.value) % count]
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

    def extremum(self, name: str, a: Value, b: Value, span: Span | None) -> Value:
        smaller = name in ("min", "minimum")
        for zero, other in ((a, b), (b, a)):
            if not zero.expr and not smaller:
                return self.elementwise("relu", other)
        x, y, orientation = broadcast(a, b, name, span)
        first = self.comparison("<" if smaller else ">", x, y, span)
        difference = self.named(add_values(x, replace(y, expr=scale(y.expr, -1)), span))
        chosen = hadamard(first, difference, span)
        return Value(add(y.expr, chosen.expr), x.dims, orientation)

    def call_tr(self, value: Value, span: Span | None) -> Value:
        if value.orientation != "matrix" or value.dims[0] != value.dims[1]:
            raise DimensionError(f"{value.says()}: only a square matrix has a trace", None, span)
        index = fresh_bound(value.dims[0])
        return Value(rename(value.expr, dict.fromkeys(value.indices, index), [index]), (), "scalar")

    def call_diag(self, value: Value, span: Span | None) -> Value:
        if len(value.dims) == 1:
            i, j = free((value.dims[0], value.dims[0]))
            return Value(multiply(value.expr, delta(i, j)), (value.dims[0], value.dims[0]), "matrix")
        if value.orientation != "matrix" or value.dims[0] != value.dims[1]:
            raise DimensionError(f"{value.says()}: diag takes a vector or a square matrix", None, span)
        i, j = value.indices
        return Value(rename(value.expr, {j: i}), value.dims[:1], "column")

    def call_sqrt(self, value: Value, span: Span | None) -> Value:
        return replace(value, expr=self.to_power(value, Fraction(1, 2)), text="")

    def call_square(self, value: Value, span: Span | None) -> Value:
        return replace(value, expr=power(self.name_for(value.expr, value.orientation, value.text), 2), text="")

    def call_transpose(self, value: Value, span: Span | None) -> Value:
        return replace(transpose(value), text="")

    def constant_array(self, name: str, node: ast.Call) -> Value:
        dims: list[Dim] = []
        for arg in node.args:
            if isinstance(arg, ast.Name) and arg.name in self.dims:
                dims.append(arg.name)
            elif isinstance(arg, ast.Number) and arg.value.denominator == 1 and arg.value > 0:
                dims.append(int(arg.value))
            else:
                raise LanguageError(f"{name} takes sizes, not {print_expression(arg)}", f"{name}(D)", node.span)
        if name == "eye":
            dims = dims * 2 if len(dims) == 1 else dims
            return Value(delta(*free(dims)), tuple(dims), "matrix")
        squeezed, orientation = _squeeze(tuple(dims))
        return Value(constant(1 if name == "ones" else 0), squeezed, orientation)


class Call:
    """The source of an anonymous name that came from a call: softmax(θ). Shown so in formulas."""

    __slots__ = ("args", "function")

    def __init__(self, function: str, args: tuple[str, ...]) -> None:
        self.function = function
        self.args = args

    def __str__(self) -> str:
        return f"{self.function}({', '.join(self.args)})"


def _squeeze(shape: tuple[ast.TypeDim, ...]) -> tuple[tuple[Dim, ...], str]:
    """Sizes of 1 leave: 1 × D is a row with one axis, D × 1 and D are columns."""
    if len(shape) <= 2:
        if len(shape) == 2 and shape[0] == 1 and shape[1] != 1:
            return (shape[1],), "row"
        dims = tuple(d for d in shape if d != 1)
        return dims, orientation_of(len(dims))
    return shape, "tensor"


def _children(node: ast.Expr) -> tuple[ast.Expr, ...]:
    if isinstance(node, ast.Binary):
        return (node.left, node.right)
    if isinstance(node, (ast.Negate, ast.Transpose)):
        return (node.operand,)
    if isinstance(node, ast.Call):
        return node.args
    return ()


def _summed_letter(node: ast.Expr) -> str | None:
    """k in sum(k, …)."""
    if isinstance(node, ast.Call) and node.function in ("sum", "mean") and len(node.args) == 2:
        return node.args[0].name if isinstance(node.args[0], ast.Name) else None
    return None


def _index_pair(node: ast.Expr) -> tuple[str, str] | None:
    """The two names in i = j."""
    if isinstance(node, ast.Binary) and node.op in ("==", "=") and isinstance(node.left, ast.Name):
        return (node.left.name, node.right.name) if isinstance(node.right, ast.Name) else None
    return None


def _numeric(value: Value) -> bool:
    return is_constant(value.expr) and value.orientation == "scalar"


def _is_bare(expr: Expr) -> bool:
    if len(expr) != 1:
        return False
    ((factors, bound), coefficient) = next(iter(expr.items()))
    return coefficient == 1 and not bound and len(factors) == 1 and factors[0][1] == 1 and factors[0][0][0] == ""


def _bare_name(expr: Expr, indices: tuple[Index, ...]) -> str | None:
    """The variable that `expr` is, with exactly these indices in this order, or None."""
    if not _is_bare(expr):
        return None
    ((((_, name, mine), _),), _) = next(iter(expr))
    return str(name) if mine == indices else None
