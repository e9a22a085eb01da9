"""Library functions found in what a program computes anyway: exp(x) and its sum are there, so softmax(x) has a name.

Such a name is anonymous and shown as the call; it costs nothing unless a formula uses it.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from functools import cache

from chainrule.algebra.expr import single
from chainrule.algebra.program import is_anonymous
from chainrule.errors import ChainruleError
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from chainrule.language.calls import Calls
from chainrule.language.pieces import Call, bare_name
from chainrule.language.values import Value
from chainrule.library import definition_names, definition_text, entries, has_axis

__all__ = ["Offers", "heads_of"]

Options = tuple[tuple[str, ast.Expr], ...]


@cache
def heads_of(function: str) -> frozenset[str]:
    """The primitive functions that a library function of one argument uses; none where it takes more."""
    if len(entries()[function].parameters) != 1:
        return frozenset()
    return frozenset(re.findall(r"\w+(?=\()", definition_text(function).partition(") =")[2])) & FUNCTIONS.keys()


class Offers(Calls):
    """Offers the names of library functions."""

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
                    for along in self.axes_to_offer(function, inner[part]):
                        self.offer(function, inner[part], along, self.unshifted(inner[part], total, part))

    def axes_to_offer(self, function: str, argument: str) -> tuple[Options, ...]:
        """The options of calls that may be found: along the usual axis, and in a matrix along the rows."""
        matrix = len(self.program.variables[argument].dims) == 2
        return ((), (("over", ast.Name("rows")),)) if matrix and has_axis(function) else ((),)

    def unshifted(self, argument: str, total: str, part: str) -> str | None:
        """a where the argument is a + b and the sum `total` of exp(a + b) goes over an index that b has not.

        exp(a + b)/Σ exp(a + b) = exp(a)/Σ exp(a): what is constant along the sum cancels, such as a maximum.
        """
        value = self.program.expression(argument)
        exponential = single(self.program.expression(part) or {})
        if value is None or not is_anonymous(argument) or exponential is None or exponential[0][0][0][0][0] != "exp":
            return None
        ((((_, _, places), _),), bound) = next(iter(self.program.expression(total) or {}))
        own = self.program.variables[argument].indices
        summed = {index for index, place in zip(own, places, strict=True) if place in bound}
        kept = {key: c for key, c in value.items() if any(i in summed for (_, _, ix), _ in key[0] for i in ix)}
        return bare_name(kept, own) if len(kept) < len(value) else None

    def offer(self, function: str, argument: str, along: Options = (), unshifted: str | None = None) -> None:
        """Keep `function(argument)` as a name if it takes one new equation, a product of what is there.

        `unshifted`: what it is shown as a function of, where the product has as many exponentials above as below.
        """
        before = dict(self.program.equations)
        known = dict(self.known)
        self.scopes.append({argument: replace(self.variable_value(argument), text=unshifted or argument)})
        with contextlib.suppress(ChainruleError):
            self.expr(ast.Call(function, (ast.Name(argument),), along))
        self.scopes.pop()
        new = [n for n in self.program.equations if n not in before]
        value = self.program.equations[new[0]].value if len(new) == 1 else None
        if isinstance(value, dict) and len(value) == 1 and not next(iter(value))[1] and len(next(iter(value))[0]) > 1:
            ((factors, _),) = value
            if unshifted is None or [e for _, e in sorted(factors, key=lambda f: f[1])] == [-1, 1]:
                self.program.interior.discard(new[0])
                return
        self.known = known
        for name in new:
            del self.program.equations[name], self.program.variables[name]

    def recognise(self, function: str, argument: str, along: Options = ()) -> None:
        """Where an anonymous name is `function(argument)`, let it be read so. Nothing is added to the program."""
        before, known = dict(self.program.equations), dict(self.known)
        value: Value | None = None
        self.scopes.append({argument: replace(self.variable_value(argument), text=argument)})
        with contextlib.suppress(ChainruleError):
            value = self.expr(ast.Call(function, (ast.Name(argument),), along))
        self.scopes.pop()
        self.known = known
        for name in [n for n in self.program.equations if n not in before]:
            del self.program.equations[name], self.program.variables[name]
        found = bare_name(value.expr, value.indices) if value is not None else None
        if found in before and is_anonymous(found) and not hasattr(before[found].source, "function"):
            source = Call(function, (argument,), "rows" if along else "")
            self.program.equations[found] = replace(before[found], source=source)
