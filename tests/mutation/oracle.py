"""What a formula is worth: its shape and its values at random points, found without the check that is on trial.

It uses the reading of expressions and the reference evaluation only. A formula is compared as an array of rows and
columns as on paper: a column D × 1 is not a row 1 × D, and a claim that says nothing of its layout may have either.
"""

from __future__ import annotations

from functools import cache, cached_property
from textwrap import dedent

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule.algebra.program import is_anonymous
from chainrule.errors import DimensionError
from chainrule.language import ast
from chainrule.language.elaborate import elaborate_expression, known_functions
from chainrule.language.parser import parse_expression, parse_program
from chainrule.language.values import Value
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_expression, evaluate_program
from mutation.programs import PROGRAMS

Array = NDArray[np.float64]
POINTS = 3
SAME = 1e-9  # relative to the largest number that takes part
APART = 1e-6  # mistakes are larger than this, or they are left out


class Clash(Exception):
    """The sizes in a formula do not fit together."""


class Subject:
    """One program with its derivation, and its values at a few points."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = dedent(PROGRAMS[name])
        self.net = cr.parse(self.source)
        self.derivation = self.net.derive()
        self.program = self.derivation.program
        self.sizes = choose_sizes(self.program)
        self.symbols = [d for d in self.sizes if isinstance(d, str)]
        tree = parse_program(self.source, functions=known_functions())
        self.equations = [s for s in tree.statements if isinstance(s, ast.Equation)]
        self.functions = known_functions() | frozenset(self.program.functions)
        self.names = frozenset(n for n in self.program.variables if not is_anonymous(n))

    @cached_property
    def points(self) -> list[dict[str, Array]]:
        """The values of all names of the derivation, at each point."""
        rng = np.random.default_rng(7)
        out = []
        for _ in range(POINTS):
            values = sample(self.program, self.sizes, rng)
            out.append(evaluate_program(self.program, values, self.sizes))
        return out

    @cached_property
    def named(self) -> dict[str, list[Array]]:
        """The values of the names that people wrote, with rows and columns."""
        return {n: [paper(p[n], self.program.variables[n].orientation) for p in self.points]
                for n in sorted(self.names) if n in self.points[0] and not n.startswith("∂")}  # fmt: skip

    def parse(self, text: str) -> ast.Expr:
        return parse_expression(text, functions=self.functions, variables=self.names | set(self.symbols))

    def read(self, node: ast.Expr) -> tuple[Value, list[Array]]:
        """The denotation of a formula and its values. Raises Clash, or another ChainruleError."""
        program = self.program.copy()
        try:
            value = elaborate_expression(program, node)
        except DimensionError as error:
            raise Clash(str(error)) from None
        if value.orientation == "identity":
            raise Clash("the size of I is not known")
        arrays = []
        for point in self.points:
            known = evaluate_program(program, point, self.sizes)
            with np.errstate(all="ignore"):
                array = evaluate_expression(value.expr, value.indices, known, self.sizes, program.functions)
            arrays.append(paper(array, value.orientation))
        return value, arrays

    def values(self, node: ast.Expr) -> list[Array]:
        return self.read(node)[1]

    def kind(self, node: ast.Expr) -> str:
        """scalar, column, row, matrix; or clash."""
        try:
            value = elaborate_expression(self.program.copy(), node)
        except DimensionError:
            return "clash"
        return value.orientation

    def target(self, of: str) -> dict[str, list[Array]]:
        """The right derivative at a name, by layout."""
        signals = self.derivation.backward.signals
        name = next((s for s, v in signals.items() if v == of), None) or self.derivation.backward.gradients[of]
        variable = self.program.variables[of]
        own = [paper(p[name], variable.orientation) for p in self.points]
        turned = own if variable.orientation == "row" else [a.T for a in own]
        return {"shape": own, "numerator": turned}

    def right(self, arrays: list[Array], of: str, layout: str | None) -> bool:
        """True if these are the values of the derivative, in the layout, or (None) in one of the two."""
        target = self.target(of)
        layouts = [layout] if layout else ["shape", "numerator"]
        return any(same(arrays, target[one]) for one in layouts)


@cache
def subject(name: str) -> Subject:
    return Subject(name)


def paper(array: Array, orientation: str) -> Array:
    """An array with rows and columns."""
    if orientation == "scalar":
        return array.reshape(1, 1)
    if orientation == "column":
        return array.reshape(-1, 1)
    return array.reshape(1, -1) if orientation == "row" else array


def same(left: list[Array], right: list[Array], tolerance: float = SAME) -> bool:
    """Equal at every point."""
    return all(distance(a, b) <= tolerance for a, b in zip(left, right, strict=True))


def apart(left: list[Array], right: list[Array]) -> bool:
    """Clearly different at some point."""
    return any(distance(a, b) > APART for a, b in zip(left, right, strict=True))


def distance(a: Array, b: Array) -> float:
    if a.shape != b.shape:
        return np.inf
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.nan
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3))
