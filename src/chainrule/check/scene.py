"""What the search for a mistake may draw on: one point, the right answers there, and what the network offers.

Activations are the elementwise functions that the network applies, each with its derivative at its argument; signals
are the adjoints that have names. Nothing here depends on a particular claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product as every

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.expr import Expr, free
from chainrule.algebra.relations import CONSTANTS
from chainrule.check import trees
from chainrule.check.context import Context
from chainrule.check.derivatives import definition_of, derivative_of
from chainrule.check.matrices import Matrices, Unreadable, as_matrix
from chainrule.check.points import Points, value_of
from chainrule.check.targets import Form, Target
from chainrule.check.verdict import Session
from chainrule.dims import Dim, canonical_name, display_name
from chainrule.functions import FUNCTIONS
from chainrule.language import ast

__all__ = ["Activation", "Scene", "applied", "same"]

Array = NDArray[np.float64]
ALIASES = {"ln": "log", "σ": "sigmoid", "sign": "sgn", "max": "relu", "maximum": "relu"}


@dataclass(frozen=True)
class Activation:
    """relu′(z): the tree and its value."""

    node: ast.Call
    value: Array


@dataclass(frozen=True)
class Wanted:
    """The right answer at the point, in one form."""

    form: Form
    value: Array


def same(a: Array | None, b: Array | None, tolerance: float = 1e-7) -> bool:
    """Equal to the eye of the search."""
    if a is None or b is None or a.shape != b.shape:
        return False
    scale = float(np.abs(b).max(initial=0.0))
    gap = float(np.abs(a - b).max(initial=0.0))
    return gap <= tolerance * scale if np.isfinite(gap) else False


class Scene:
    """One check, at one point."""

    def __init__(self, session: Session, target: Target, forms: tuple[Form, ...], points: Points, number: int) -> None:
        self.session, self.target, self.forms = session, target, forms
        self.context: Context = session.context
        self.points, self.number = points, number
        self.sizes = points.sizes
        self.known = points.at(number, session.program)
        self.matrices = Matrices(session.program, self.known, points.sizes, self.context.definitions)

    def array(self, expression: Expr, dims: tuple[Dim, ...]) -> Array:
        """An expression's value at the point."""
        array = value_of(self.session.program, self.points, expression, free(dims))
        return array[self.number] if array.ndim > len(dims) else array

    @cached_property
    def largest(self) -> float:
        """The largest number of the backward pass here: what rounding errors are measured by."""
        sizes = [float(np.abs(a).max(initial=0.0)) for n, a in self.known.items() if n in self.signals]
        return max((s for s in sizes if np.isfinite(s)), default=1.0)

    @cached_property
    def wanted(self) -> list[Wanted]:
        """The right answer in every form that is accepted."""
        out = []
        for form in self.forms:
            dims = tuple(self.target.dims[k] for k in form.order)
            try:
                out.append(Wanted(form, as_matrix(self.array(self.target.arranged(form), dims), form.orientation)))
            except Unreadable:
                continue
        return out

    def value(self, node: ast.Expr) -> Array | None:
        """The value of a tree."""
        return self.matrices.value(node)

    def is_scalar(self, node: ast.Expr) -> bool:
        """True for a tree whose value is a scalar."""
        value = self.value(node)
        return value is not None and value.size == 1

    def is_name(self, node: ast.Expr, name: str) -> bool:
        """True where a tree is this name, whatever its spelling."""
        return isinstance(node, ast.Name) and canonical_name(node.name) == canonical_name(name)

    def right(self, value: Array | None) -> Wanted | None:
        """The form in which a value is the right answer."""
        return next((w for w in self.wanted if same(value, w.value)), None)

    def text(self, node: ast.Expr) -> str:
        """A tree as people read it."""
        return trees.spelled(node, self.context.describe)

    def size_name(self, count: int) -> str:
        """The symbol of a size."""
        return next((display_name(s) for s, v in self.sizes.items() if v == count), str(count))

    def size_text(self, value: Array) -> str:
        """(1×D_h)."""
        names = [self.size_name(n) if n != 1 else "1" for n in value.shape]
        return f"{names[0]}×{names[1]}"

    @cached_property
    def activations(self) -> list[Activation]:
        """The derivative of each elementwise function at what the network applies it to."""
        program = self.context.net.program
        calls = self._calls()
        written = None if calls is None else {head for head, _ in calls}
        found: dict[tuple[str, str], Activation] = {}
        for equation in program:
            for head, name in applied(equation.value) if isinstance(equation.value, dict) else ():
                function, primes = head.rstrip("'"), len(head) - len(head.rstrip("'"))
                if (head, name) in found or (written is not None and function not in written):
                    continue
                if head in FUNCTIONS and FUNCTIONS[head].arity != 1:
                    continue
                node = ast.Call(function, (ast.Name(name),), primes=primes + 1)
                self._add(found, (head, name), node)
        for function, argument in calls or ():
            definition = definition_of(function, self.context.definitions) if argument is not None else None
            if definition is not None and argument is not None and derivative_of(definition, argument) is not None:
                node = ast.Call(function, (argument,), primes=1)
                self._add(found, (function, self.text(node)), node)
        return list(found.values())

    def _add(self, found: dict[tuple[str, str], Activation], key: tuple[str, str], node: ast.Call) -> None:
        value = self.value(node)
        if value is not None and value.any() and np.isfinite(value).all():
            found[key] = Activation(node, value)

    def _calls(self) -> list[tuple[str, ast.Expr | None]] | None:
        """The functions that the user wrote, with their argument where there is one; None where nobody knows."""
        elaborated = self.context.net._elaborated
        if elaborated is None:
            return None
        found: list[tuple[str, ast.Expr | None]] = []
        for statement in elaborated.tree.statements:
            body = statement.value if isinstance(statement, ast.Equation) else getattr(statement, "body", None)
            for place in trees.places(body) if body is not None else ():
                if isinstance(place.node, ast.Call):
                    name = ALIASES.get(place.node.function, place.node.function)
                    usable = isinstance(statement, ast.Equation) and len(place.node.args) == 1
                    found.append((name, place.node.args[0] if usable else None))
        for name in dict.fromkeys(name for name, _ in found):  # what a definition of the library is made of
            definition = definition_of(name, self.context.definitions)
            if definition is not None and derivative_of(definition, ast.Name("u")) is not None:
                inner = (p.node for p in trees.places(definition.body))
                found += [(call.function, None) for call in inner if isinstance(call, ast.Call)]
        return found

    @cached_property
    def signals(self) -> dict[str, str]:
        """Adjoints that have names: the signal (or ∂J/∂h), and where it stands."""
        if self.context.derivation is None:
            return {}
        return dict(self.context.derivation.backward.signals)

    @cached_property
    def names(self) -> dict[str, Array]:
        """Names of the network that a formula may hold, with their values."""
        out = {}
        for name in self.context.user_names:
            value = self.value(ast.Name(name))
            if value is not None and name not in self.signals and name != self.context.net.loss:
                out[name] = value
        return out

    @cached_property
    def forward(self) -> list[Array]:
        """The values of the forward pass, those without a name among them."""
        names = self.context.net.program.variables
        return [v for n in names if (v := self.value(ast.Name(n))) is not None and v.size > 1]

    @cached_property
    def scalars(self) -> dict[str, float]:
        """Scalar names, such as λ."""
        return {n: float(v[0, 0]) for n, v in self.names.items() if v.size == 1 and v[0, 0] != 0}

    def scalar_trees(self, ratio: float) -> list[tuple[bool, list[ast.Expr], list[ast.Expr]]]:
        """A number as a sign with simple factors above and below (2, 1/N, λ, 2/N), the simplest first.

        At one point 2/3 and 2/N may be the same; which is meant shows at other sizes.
        """
        if not np.isfinite(ratio) or ratio == 0:
            return []
        found: list[tuple[float, bool, list[ast.Expr], list[ast.Expr]]] = []
        for weight, symbols, scale in self._products:
            negative, rest = ratio / scale < 0, abs(ratio / scale)
            simple = Fraction(rest).limit_denominator(12)
            if abs(float(simple) - rest) > 1e-7 * rest or not 0 < simple.numerator <= 24:
                continue
            cost = weight + (0 if simple == 1 else 0.6 if simple in (2, Fraction(1, 2)) else 1.5)
            above = [trees.number(simple.numerator)] if simple.numerator != 1 else []
            below = [trees.number(simple.denominator)] if simple.denominator != 1 else []
            above += [ast.Name(name) for name, power in symbols for _ in range(power)]
            below += [ast.Name(name) for name, power in symbols for _ in range(-power)]
            found.append((cost, negative, above, below))
        found.sort(key=lambda item: item[0])
        return [(negative, above, below) for _, negative, above, below in found[:8]]

    @cached_property
    def _products(self) -> list[tuple[float, list[tuple[str, int]], float]]:
        """Products of sizes and at most one scalar of the network: weight, names with powers, value."""
        out: list[tuple[float, list[tuple[str, int]], float]] = []
        names = list(self.sizes)[:5]
        powers: Iterator[tuple[int, ...]] = every((0, 1, -1, 2, -2), repeat=len(names))
        for exponents in powers:
            weight = sum(map(abs, exponents))
            if weight > 2:
                continue
            used = [(n, e) for n, e in zip(names, exponents, strict=True) if e]
            scale = float(np.prod([float(self.sizes[n]) ** e for n, e in used])) if used else 1.0
            out.append((weight, used, scale))
            for name, value in self.scalars.items():
                out += [(weight + 1.2, [*used, (name, e)], scale * value**e) for e in (1, -1)]
        return out


def applied(value: Expr) -> Iterator[tuple[str, str]]:
    """The elementwise functions of one argument in an expression, each with that argument."""
    for factors, _ in value:
        for (head, name, _), _ in factors:
            if head and head not in CONSTANTS and isinstance(name, str):
                yield head, name
