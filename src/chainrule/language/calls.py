"""Calls in the whiteboard language: definitions are expanded, sums and means know their axes, the rest are records."""

from __future__ import annotations

import difflib
from dataclasses import replace
from fractions import Fraction

from chainrule.algebra.expr import (
    Expr,
    add,
    constant,
    delta,
    free,
    fresh_bound,
    multiply,
    power,
    rename,
    single,
)
from chainrule.algebra.program import is_anonymous
from chainrule.dims import Dim, canonical_name
from chainrule.errors import ChainruleError, DimensionError, LanguageError, Span, UnknownNameError, UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from chainrule.language.elsewhere import name_here
from chainrule.language.letters import Letters
from chainrule.language.matrices import MATRIX_CALLS
from chainrule.language.ones import settled
from chainrule.language.parser import parse_program
from chainrule.language.pieces import Call, bare_name, is_numeric
from chainrule.language.printer import print_expression
from chainrule.language.reductions import REDUCTIONS
from chainrule.language.scope import BUILTINS, known_functions, squeeze
from chainrule.language.structure import STRUCTURE_CALLS
from chainrule.language.values import Value, broadcast, matrix_product, transpose
from chainrule.library import definition_names, definition_text, entries, inner_name, usual_values
from chainrule.sizes import minus, never_negative, polynomial

__all__ = ["Calls"]

LATER: dict[str, str] = {}  # understood but not differentiated yet, with what can be written instead


class Calls(Letters):
    """Reads calls: definitions, records, and the functions that say how axes are treated."""

    def on_call(self, node: ast.Call) -> Value:
        name = {"ln": "log", "σ": "sigmoid", "sign": "sgn", "trace": "tr"}.get(node.function, node.function)
        key = canonical_name(name)
        if name == "norm" and not self.scopes and key not in self.definitions and len(node.args) == 1:
            self.check_norm(node)
        if node.primes and (key in self.definitions or name in BUILTINS or name in definition_names()):
            raise UnsupportedError(f"{name}′ is not read: {name} is no primitive function", "its formula", node.span)
        if key in self.definitions:
            return self.call_definition(self.definitions[key], node)
        if name in self.program.functions:
            return self.call_unknown(name, node)
        if name in FUNCTIONS:
            return self.call_elementwise(name, node)
        if name in BUILTINS:
            return self.call_builtin(name, node)
        if name in definition_names():
            if key in self.dims:
                hint = f"{name}_1, or any other name for the size"
                raise LanguageError(f"{name} is the name of a size, and of a function that is called", hint, node.span)
            tree = parse_program(definition_text(name), "whiteboard", known_functions())
            definition = tree.statements[0]
            assert isinstance(definition, ast.Definition)
            self.definitions[key] = definition
            return self.call_definition(definition, node)
        close = difflib.get_close_matches(node.function, known_functions() | set(self.definitions), 1, 0.65)
        here = name_here(node.function)
        if here is not None:
            close = [f"{here}({', '.join(entries()[here].parameters)})"]
        hint = f"{close[0]}?" if close else f"function {node.function} : D -> D"
        raise UnknownNameError(f"the function {node.function} is not known", hint, node.span)

    def check_norm(self, node: ast.Call) -> None:
        """Refuses ‖A‖₂, the largest singular value, and says in dialect matlab that norm(A) is Frobenius's."""
        spectral = node.span is not None and node.span.text.endswith(("₂", "_2"))
        if (spectral or self.dialect == "matlab") and self.expr(node.args[0]).orientation == "matrix":
            text = print_expression(node.args[0])
            if spectral:
                hint = f"‖{text}‖_F or ‖{text}‖ for Frobenius's norm"
                raise UnsupportedError(f"‖{text}‖₂ of a matrix, its largest singular value", hint, node.span)
            self.say(f"norm({text}) is Frobenius's norm; in MATLAB norm(A) is the largest singular value")

    def arguments(self, node: ast.Call, least: int, most: int) -> list[Value]:
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise LanguageError(
                f"{node.function} takes {wanted} argument{'s' if most > 1 else ''}, not {len(node.args)}",
                self.usage(node.function, least) + self.usual(node, least),
                node.span,
            )
        return [settled(self.expr(arg)) for arg in node.args]

    def usage(self, function: str, count: int) -> str:
        """How a function is called: CE(y, p)."""
        definition = self.definitions.get(canonical_name(function))
        letters = self.parameters_of(definition)[0] if definition else tuple("uvwxyz"[:count])
        return f"{function}({', '.join(letters)})"

    def usual(self, node: ast.Call, count: int) -> str:
        """What a call lacks, where nearly everyone gives it the same value: the call with it."""
        definition = self.definitions.get(canonical_name(node.function))
        missing = self.parameters_of(definition)[0][len(node.args) : count] if definition else ()
        values = usual_values(node.function)
        if not missing or any(name not in values for name in missing):
            return ""
        said = " and ".join(f"{name} = {values[name]}" for name in missing)
        args = [*map(print_expression, node.args), *(values[name] for name in missing)]
        options = [f"{name}={print_expression(value)}" for name, value in node.options]
        return f", usually with {said}: {node.function}({', '.join(args + options)})"

    def call_definition(self, definition: ast.Definition, node: ast.Call) -> Value:
        letters, over = self.parameters_of(definition)
        count = len(letters)
        numbers = [d for d in definition.defaults if isinstance(d, ast.Number)]
        given = self.arguments(node, count - len(numbers), count)
        named = dict(zip(letters, given, strict=False))
        optional = letters[count - len(numbers) :]
        for word, argument in node.options:
            if over is not None and word in ("over", "axis"):
                over = self.axis_word(argument)
                continue
            if word not in optional:
                hint = ", ".join(f"{o}=…" for o in optional) or self.usage(definition.name, count)
                raise LanguageError(f"{definition.name} has no option {word}", hint, node.span)
            if word in named:
                raise LanguageError(f"{word} is given twice", self.usage(definition.name, count), node.span)
            named[word] = settled(self.expr(argument))
        for word, default in zip(optional, numbers, strict=True):
            named.setdefault(word, replace(self.on_number(default), text=default.text))
        values = [v if is_numeric(v) else self.named(v) for v in (named[p] for p in letters)]
        self.depth += 1
        if self.depth > 50:
            raise LanguageError(
                f"the definition of {definition.name} uses itself", "a body without it", definition.span
            )
        self.scopes.append(dict(zip(letters, values, strict=True)))
        self.axis_words.append(over)
        try:
            result = self.body_of(definition)
        except ChainruleError as error:
            if len(self.scopes) == 1:
                shapes = ", ".join(v.says() for v in values)
                raise type(error)(f"{definition.name}({', '.join(v.text for v in values)}): {error.message}; {shapes}",
                                  error.hint, node.span) from None  # fmt: skip
            raise
        finally:
            self.scopes.pop()
            self.axis_words.pop()
            self.depth -= 1
        if result.orientation == "identity":
            return result
        said = self.axis_said(definition, values, over, node)
        call = Call(definition.name, tuple(map(self.argument_name, values)), said)
        expr = self.name_for(result.expr, result.orientation, call)
        known = bare_name(expr, result.indices)
        if known is not None and is_anonymous(known):  # an inner definition names it, whatever else it was made by
            before = self.program.equations[known]
            if inner_name(definition.name) > inner_name(getattr(before.source, "function", "")):
                self.program.equations[known] = replace(before, source=call)
        return replace(result, expr=expr, text="")

    @staticmethod
    def parameters_of(definition: ast.Definition) -> tuple[tuple[str, ...], ast.Expr | None]:
        """The letters that stand for arguments, and the axis that `over` means where a call does not say."""
        over = next((d for d in definition.defaults if isinstance(d, ast.Name)), None)
        return tuple(p for p in definition.parameters if over is None or p != "over"), over

    def axis_said(self, definition: ast.Definition, values: list[Value], over: ast.Expr | None, node: ast.Call) -> str:
        """How the axis of a call is shown: nothing where it is the one that goes without saying."""
        usual = self.parameters_of(definition)[1]
        if over is None or usual is None or values[0].orientation in ("scalar", "identity"):
            return ""
        axes = [self.axes(values[0], replace(node, options=(("over", word),))) for word in (over, usual)]
        if axes[0] == axes[1]:
            return ""
        if len(axes[0]) == len(values[0].dims):
            return "all"
        return ("rows", "columns")[axes[0][0]] if values[0].orientation == "matrix" else str(axes[0][0])

    def body_of(self, definition: ast.Definition) -> Value:
        """The value of a definition whose arguments are in scope."""
        outer, self.index_scope = self.index_scope, {}
        try:
            return self.expr(definition.body) if definition.indices is None else self.entries(definition)
        finally:
            self.index_scope = outer

    def entries(self, node: ast.Definition | ast.Equation) -> Value:
        raise NotImplementedError

    def argument_name(self, value: Value) -> str:
        """The name that an argument has, also one that the user never gave; its text where it has none as it stands."""
        if value.text in self.program.variables:
            return value.text
        name = bare_name(value.expr, value.indices) or self.sequence_name(value)
        if name is not None and self.program.variables[name].steps is not None:
            return name
        if name is None or self.program.variables[name].orientation != value.orientation:
            return value.text
        return name

    def call_elementwise(self, name: str, node: ast.Call) -> Value:
        record = FUNCTIONS[name]
        values = self.arguments(node, record.arity, record.arity)
        if record.arity == 2:
            a, b, orientation = broadcast(values[0], values[1], name, node.span)
            return Value(self.several_atom(name, a, b), a.dims, orientation)
        if record.arity == 3:
            return self.three(name, (values[0], values[1], values[2]), node.span)
        if name == "log" and is_numeric(values[0]):
            number = single(values[0].expr) if values[0].expr else (((), ()), 0)
            if number is not None and number[0] == ((), ()) and number[1] <= 0:
                hint = "a positive number"
                raise LanguageError(f"the logarithm of {values[0].text}, which is not positive", hint, node.span)
        if node.primes:
            if node.primes > 1:
                raise UnsupportedError(f"a higher derivative of {name}", "the first one", node.span)
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

    def call_unknown(self, name: str, node: ast.Call) -> Value:
        domain, codomain = self.program.functions[name]
        (value,) = self.arguments(node, 1, 1)
        if not domain and not codomain:
            return self.elementwise(name + "'" * node.primes, value)
        if node.primes:
            raise UnsupportedError(f"{name}′ of a function of vectors", f"the Jacobian ∂{name}/∂x is found", node.span)
        dims, _orientation = squeeze(domain)
        if value.dims != dims:
            raise DimensionError(
                f"sizes do not agree: {name} takes {' × '.join(map(str, domain)) or 'a scalar'}, but {value.says()}",
                f"function {name} with the size of {value.text}, or an argument of the declared size", node.span,
            )  # fmt: skip
        out_dims, out_orientation = squeeze(codomain)
        return self.operation("unknown", (value,), out_dims, out_orientation, (name,), Call(name, (value.text,)))

    def call_builtin(self, name: str, node: ast.Call) -> Value:
        if name in LATER:
            hint = "a loss without it; it is refused rather than guessed"
            raise UnsupportedError(f"{name} is understood but not differentiated yet", hint, node.span)
        if name in STRUCTURE_CALLS:
            return self.call_structure(name, node)
        if self.letter_of(node) is not None:
            return self.index_sum(name, node) if name in ("sum", "mean") else self.along_letter(name, node)
        inner = node.args[0] if len(node.args) == 1 else None
        if isinstance(inner, ast.Call) and inner.function == node.function:
            self.of_all = inner
        if name in ("sum", "mean"):
            (value,) = self.arguments(node, 1, 1)
            return self.reduce(name, value, node)
        if name in REDUCTIONS and len(node.args) == 1:
            (value,) = self.arguments(node, 1, 1)
            return self.reduce_whole(name, value, node)
        if name == "clip":
            value, low, high = self.arguments(node, 3, 3)
            return self.extremum("min", self.extremum("max", value, low, node.span), high, node.span)
        if name in ("max", "min", "maximum", "minimum"):
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
        if name in MATRIX_CALLS:
            least, most = (2, 2) if name == "solve" else (1, 1)
            return getattr(self, "call_" + name)(node, *self.arguments(node, least, most))  # type: ignore[no-any-return]
        if name in ("outer", "dot"):
            a, b = self.arguments(node, 2, 2)
            if len(a.dims) != 1 or len(b.dims) != 1:
                raise DimensionError(
                    f"{name} takes two vectors; {a.says()}, {b.says()}", "a product of matrices, A B", node.span
                )
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

    def three(self, name: str, values: tuple[Value, Value, Value], span: Span | None) -> Value:
        """where(c, a, b), each repeated as a sum of them would."""
        c, a, b = values
        if name == "where":
            mask = self.mask(c)
            if mask is None:  # any number is a condition: it holds where it is not 0
                mask, a, b = self.elementwise("iszero", c), b, a
            c = mask
        for _ in range(2):  # whatever the first and the last have in common, the middle one must share
            c, a, _kind = broadcast(c, a, name, span)
            a, b, _kind = broadcast(a, b, name, span)
            c, b, orientation = broadcast(c, b, name, span)
        return Value(self.several_atom(name, c, a, b), a.dims, orientation)

    def extremum(self, name: str, a: Value, b: Value, span: Span | None) -> Value:
        smaller = name in ("min", "minimum")
        for zero, other in ((a, b), (b, a)):
            if not zero.expr and not smaller and zero.dims in ((), other.dims):  # a matrix of zeros keeps its shape
                return self.elementwise("relu", other)
        x, y, _ = broadcast(a, b, name, span)
        # At a tie the second argument is taken, with its derivative. No x − y is added to y: that would round.
        return self.three("where", (self.comparison("<" if smaller else ">", x, y, span), x, y), span)

    def call_tr(self, value: Value, span: Span | None) -> Value:
        if value.orientation != "matrix" or value.dims[0] != value.dims[1]:
            raise DimensionError(
                f"{value.says()}: only a square matrix has a trace", "sum, or tr of a square matrix", span
            )
        index = fresh_bound(value.dims[0])
        return Value(rename(value.expr, dict.fromkeys(value.indices, index), [index]), (), "scalar")

    def call_diag(self, value: Value, span: Span | None) -> Value:
        if len(value.dims) == 1:
            i, j = free((value.dims[0], value.dims[0]))
            return Value(multiply(value.expr, delta(i, j)), (value.dims[0], value.dims[0]), "matrix")
        if value.orientation != "matrix" or value.dims[0] != value.dims[1]:
            raise DimensionError(f"{value.says()}: diag takes a vector or a square matrix", "diag(x)", span)
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
                continue
            size = self.affine(arg)  # 3, D + 1, 2 K
            if size is None or size.terms or not never_negative(polynomial(minus(size.constant, 1))):
                raise LanguageError(f"{name} takes sizes, not {print_expression(arg)}", f"{name}(D)", node.span)
            dims.append(size.constant)
        if name == "eye":
            dims = dims * 2 if len(dims) == 1 else dims
            return Value(delta(*free(dims)), tuple(dims), "matrix")
        squeezed, orientation = squeeze(tuple(dims))
        return Value(constant(1 if name == "ones" else 0), squeezed, orientation)
