"""The names of a program while it is read: what is declared, what is a function, and what may be meant by a wrong one.

How pieces of expressions get names of their own stands in `pieces`.
"""

from __future__ import annotations

import difflib
import re

from chainrule.algebra.expr import Index, variable
from chainrule.algebra.program import Program
from chainrule.dims import Dim, canonical_name
from chainrule.errors import ChainruleError, DimensionError, LanguageError, Span, UnknownNameError
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from chainrule.language.values import Value, matrix_product, orientation_of
from chainrule.library import definition_names
from chainrule.sizes import symbols_of

__all__ = ["BUILTINS", "Scope", "known_functions", "squeeze", "within"]

# Functions that are neither elementwise records nor definitions: they say how axes are treated.
BUILTINS = frozenset(
    {"sum", "mean", "max", "min", "maximum", "minimum", "tr", "trace", "diag", "outer", "dot", "ones", "zeros", "eye",
     "sqrt", "square", "sign", "indicator", "transpose", "rowsum", "colsum", "rowmean", "colmean",
     "det", "logdet", "inv", "pinv", "solve", "cholesky", "kron",
     "eigvalsh", "eigvecsh", "svdvals", "svdu", "svdv", "qrq", "qrr", "gaps",
     "concat", "reshape", "pad", "shift", "flip", "windows", "cumsum", "onehot", "tril", "triu", "halftril",
     "prod", "cumprod", "ismax", "ismin", "prod_others", "cumprod_others",
     "clip"}
)  # fmt: skip


def known_functions() -> frozenset[str]:
    """All names that the language reads as functions."""
    return BUILTINS | frozenset(FUNCTIONS) | definition_names() | {"ln", "σ"}


class Scope:
    """The names of a program while it is read."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.dialect = "whiteboard"
        self.of_all: ast.Call | None = None  # the inner one of sum(sum(X))
        self.names: dict[str, str] = {}  # canonical spelling -> the user's first spelling
        self.dims: dict[str, Span | None] = {}
        self.definitions: dict[str, ast.Definition] = {}
        self.known: dict[object, str] = {}  # equal right-hand sides get one name
        self.scopes: list[dict[str, Value]] = []
        self.axis_words: list[ast.Expr | None] = []  # what `over` means in each definition that is being read
        self.index_scope: dict[str, Index] = {}
        self.time: dict[Index, str] = {}  # markers that stand for the steps of a sequence, and their letters
        self.depth = 0
        self.bound: set[str] = set()  # letters that are bound where something is looked at, also those that name sizes
        self.outside: list[str] = []  # entries that are 0 where their index lies outside, in words
        self.limited: set[str] = set()  # letters of a formula that may reach beyond an array, where it is 0
        self.known_letters = False  # letters come with their ranges, which may reach beyond an array
        self.repeats: list[str] = []  # what is repeated over rows or columns, in words
        self.later: set[str] = set()  # canonical spellings of all names that some equation defines

    def say(self, note: str) -> None:
        """What the reader is told below the equations, once."""
        if note not in self.repeats:
            self.repeats.append(note)

    def new_name(self, name: str, span: Span | None) -> str:
        key = canonical_name(name)
        if key in self.names:
            other = self.names[key]
            same = "" if other == name else f" ({other} and {name} are two spellings of one name)"
            raise LanguageError(f"the name {name} is used twice{same}", "give one of the two another name", span)
        if key in self.dims:
            raise LanguageError(f"{name} is the name of a size already", "give one of the two another name", span)
        self.no_function(name, "variable", span)
        self.names[key] = name
        return name

    def no_function(self, name: str, what: str, span: Span | None) -> None:
        """Refuses a function's name. One of the library is free (L1, gate), unless the program calls it."""
        taken = name in known_functions() - definition_names() or name in self.program.functions
        if taken or canonical_name(name) in self.definitions:
            hint = f"{name}_1, or any other name for the {what}"
            raise LanguageError(f"{name} is the name of a function", hint, span)

    def new_function(self, name: str, span: Span | None) -> None:
        """Refuses a function that is defined or declared a second time."""
        if canonical_name(name) in self.definitions or name in self.program.functions:
            hint = "give one of the two another name"
            raise LanguageError(f"the function {name} is defined twice", hint, within(span, name))

    def new_dims(self, shape: tuple[ast.TypeDim, ...], span: Span | None) -> None:
        for dim in shape:
            if isinstance(dim, str):
                for symbol in symbols_of(dim):
                    if canonical_name(symbol) in self.names:
                        raise LanguageError(
                            f"{symbol} is a variable already and cannot also be a size",
                            "another name for the size", span,
                        )  # fmt: skip
                    self.no_function(symbol, "size", span)
                    self.dims.setdefault(symbol, span)
            elif dim < 1:
                raise DimensionError(f"a size must be at least 1, not {dim}", "a name such as D", span)

    def resolve(self, node: ast.Name) -> str:
        name = self.names.get(canonical_name(node.name))
        if name is None or name not in self.program.variables:
            raise self.unknown(node)
        return name

    def variable_value(self, name: str) -> Value:
        var = self.program.variables[name]
        return Value(variable(name, var.indices), var.dims, var.orientation or orientation_of(len(var.dims)), name)

    def unknown(self, node: ast.Name) -> UnknownNameError:
        if canonical_name(node.name) in self.later:
            name = node.name
            return UnknownNameError(
                f"{name} is used before it is defined", f"put the equation {name} = … above this line", node.span
            )
        if node.name in known_functions() or canonical_name(node.name) in self.definitions:
            said = f"{node.name} is a function: what it is of stands in brackets"
            return UnknownNameError(said, f"{node.name}(x)", node.span)
        if node.name == "e":
            return UnknownNameError("the name e is not known", "exp(x) for eˣ, or 2.718281828459045", node.span)
        known = [*self.names.values(), *self.dims]
        hint = None
        for cut in range(1, len(node.name)):
            left, right = node.name[:cut], node.name[cut:].lstrip("_")
            if canonical_name(left) in self.names and right and canonical_name(right) in self.names:
                fits = self.multiplies(left, right)
                hint = f"{left} {right} (a space multiplies)" if hint is None or fits else hint
                if fits:
                    break
        if hint is None or not fits:
            close = difflib.get_close_matches(node.name, known, 1, 0.6) or [
                k for k in known if k.lower() == node.name.lower()
            ]
            hint = hint if hint is not None and not close else None
        if hint is None:
            hint = f"{close[0]}?" if close else f"declare it: param {node.name} : …"
        return UnknownNameError(f"the name {node.name} is not known: nothing declares or defines it", hint, node.span)

    def multiplies(self, left: str, right: str) -> bool:
        """True if the sizes of two declared names let them stand side by side."""
        try:
            a, b = (self.variable_value(self.names[canonical_name(n)]) for n in (left, right))
            matrix_product(a, b, None)
        except (ChainruleError, KeyError):
            return False
        return True


def within(span: Span | None, text: str, last: bool = False) -> Span | None:
    """The place of a word inside a span: of its first (or last) occurrence as a whole word; else the span."""
    if span is None:
        return None
    words = r"\s*".join(re.escape(word) for word in re.split(r"\s+", text))
    found = list(re.finditer(rf"(?<!\w){words}(?!\w)", span.text))
    if not found:
        return span
    place = found[-1 if last else 0]
    return Span(span.source, span.start + place.start(), span.start + place.end())


def squeeze(shape: tuple[ast.TypeDim, ...]) -> tuple[tuple[Dim, ...], str]:
    """Sizes of 1 leave: 1 × D is a row with one axis, D × 1 and D are columns."""
    if len(shape) <= 2:
        if len(shape) == 2 and shape[0] == 1 and shape[1] != 1:
            return (shape[1],), "row"
        dims = tuple(d for d in shape if d != 1)
        return dims, orientation_of(len(dims))
    return shape, "tensor"
