"""Is it right? A formula of the user against the right answer: as formulas first, then as values at random points.

Values are compared to within a tolerance that grows with the sum of the absolute values of all terms on the way, since
expanded forms cancel badly. Between clearly equal and clearly different lies a gap in which nothing is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.expr import (
    Expr,
    Factor,
    Index,
    Monomial,
    add,
    delta,
    free,
    multiply,
    rename,
    scale,
    substitute,
    variables,
)
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.algebra.relations import CONSTANTS
from chainrule.check.context import Context
from chainrule.check.derivatives import without_primes
from chainrule.check.points import Points, evaluate, value_of
from chainrule.check.targets import Form, Target
from chainrule.dims import Dim, display_name
from chainrule.errors import ChainruleError, UnknownNameError
from chainrule.functions.values import apply_function
from chainrule.language import ast
from chainrule.language.elaborate import elaborate_expression, elaborate_step
from chainrule.language.values import Value
from chainrule.reference import evaluate_expression
from chainrule.simplify.engine import simplify
from chainrule.simplify.knowledge import Knowledge

__all__ = ["Read", "Session", "Verdict", "compare", "judge", "same_formula"]

Array = NDArray[np.float64]
CLOSE, APART = 1e-9, 1e-6  # relative to the sum of |terms|


@dataclass
class Read:
    """A formula of the user, read: its value, and the program that holds the names which reading it made."""

    node: ast.Expr
    value: Value
    program: Program
    points: list[Points]


class Session:
    """The names of one check: those of the network, and what earlier lines of the user defined."""

    def __init__(self, context: Context, points: list[Points] | None = None) -> None:
        self.context = context
        self.program = context.program.copy()
        self.points = [p.fork() for p in (context.points if points is None else points)]

    def fork(self) -> Session:
        """The same, for names that must not stay."""
        other = Session(self.context, self.points)
        other.program = self.program.copy()
        return other

    def catch_up(self) -> None:
        """Take in what the context's program has gained since the session began."""
        for name, equation in self.context.program.equations.items():
            if name not in self.program.equations:
                self.program.variables[name] = self.context.program.variables[name]
                self.program.equations[name] = equation

    def define(self, name: str, value: Value) -> None:
        """Give a value a name."""
        self.program.define(Variable(name, value.dims, value.orientation), value.expr)

    def read(self, node: ast.Expr, letters: Mapping[str, Index] | None = None) -> Read:
        """Read a tree. Raises ChainruleError where sizes do not agree or a name is unknown."""
        program = self.program.copy()
        plain = without_primes(node, self.context.definitions)
        try:
            value = elaborate_expression(program, plain, self.context.definitions, letters)
        except UnknownNameError as error:
            if error.hint is not None and error.hint.startswith("declare it"):
                signals = ", ".join(map(display_name, self.context.signal_at.values()))
                error.hint = "a name of the network, or one of your own with a line above, g = …"
                error.hint += f"; its signals are {signals}" if signals else ""
            raise
        return Read(node, value, program, self.points)

    def read_step(self, node: ast.Expr, letter: str, dim: Dim) -> Read:
        """Read what a tree is at each step; the value has time in front, and the orientation of one step."""
        program = self.program.copy()
        plain = without_primes(node, self.context.definitions)
        return Read(node, elaborate_step(program, plain, letter, dim, self.context.definitions), program, self.points)


@dataclass(frozen=True)
class Verdict:
    """right, wrong, shape (the sizes are others), or undecided; with the form in which it was compared."""

    status: str
    form: Form | None = None
    forms: tuple[Form, ...] = ()  # all in which it is right


def matching(value: Value, target: Target, form: Form) -> Value | None:
    """The value as one of a form's sizes, or None where it has others."""
    dims = tuple(target.dims[k] for k in form.order)
    if value.orientation == form.orientation and value.dims == dims:
        return value
    if value.orientation == "identity" and form.orientation == "matrix" and dims[0] == dims[1]:
        return Value(multiply(value.expr, delta(*free(dims))), dims, "matrix")
    if not value.expr and value.orientation == "scalar" and dims:  # 0, whatever its size
        return Value({}, dims, form.orientation)
    return None


def judge(read: Read, target: Target, forms: Iterable[Form]) -> Verdict:
    """The verdict over the forms that would be accepted."""
    seen: list[tuple[str, Form]] = []
    for form in forms:
        value = matching(read.value, target, form)
        if value is None:
            continue
        seen.append((compare(read, value.expr, target.arranged(form), value.dims), form))
    right = tuple(form for status, form in seen if status == "right")
    if right:
        return Verdict("right", right[0], right)
    for wanted in ("undecided", "wrong"):
        for status, form in seen:
            if status == wanted:
                return Verdict(wanted, form)
    return Verdict("shape")


def compare(read: Read, claimed: Expr, right: Expr, dims: tuple[object, ...]) -> str:
    """right, wrong or undecided, of two expressions over the same axes."""
    indices = free(dims)  # type: ignore[arg-type]
    agreed, total, blurred = 0, 0, False
    for points in read.points:
        mine = points.fork()
        evaluate(read.program, mine, [*variables(claimed), *variables(right)])
        got = value_of(read.program, mine, claimed, indices)
        wanted = value_of(read.program, mine, right, indices)
        got, wanted = np.broadcast_arrays(*_same_rank(got, wanted, len(indices)))
        whole = got.ndim > len(indices)
        finite = np.isfinite(got) & np.isfinite(wanted)
        good: Array = finite.reshape(len(got), -1).all(axis=1) if whole else np.array([bool(finite.all())])  # type: ignore[assignment]
        total += len(good)
        if not good.any():
            continue
        a, b = (got[good], wanted[good]) if whole else (got[None], wanted[None])
        gap = np.abs(a - b)
        small = np.abs(a) + np.abs(b)
        if (gap <= CLOSE * small).all():
            agreed += int(good.sum())
            continue
        size = _magnitude(read.program, mine, claimed, indices) + _magnitude(read.program, mine, right, indices)
        size = np.broadcast_to(size, got.shape)
        size = np.nan_to_num((size[good] if whole else size[None]) + small, nan=0.0, posinf=1e300)
        size = size + 1e-4 * size.reshape(len(size), -1).max(axis=1).reshape(-1, *[1] * (size.ndim - 1))
        if (gap > APART * size).any():
            return "wrong"
        if (gap <= CLOSE * size).all():
            agreed += int(good.sum())
        else:
            blurred = True
    if blurred or agreed < min(2, total) or not total:
        return "undecided"
    return "right"


def _same_rank(a: Array, b: Array, rank: int) -> tuple[Array, Array]:
    """Both with the axis of many points, or neither."""
    if a.ndim > rank and b.ndim == rank:
        return a, b[None]
    if b.ndim > rank and a.ndim == rank:
        return a[None], b
    return a, b


def _magnitude(program: Program, points: Points, expression: Expr, indices: tuple[Index, ...]) -> Array:
    """Σ |terms|, with the anonymous names that reading made taken by their own Σ |terms|."""
    known: dict[str, Array] = {}
    out: Expr = {}
    for (factors, bound), coefficient in expression.items():
        moved: list[Factor] = []
        for (head, name, own), exponent in factors:
            if head in CONSTANTS:
                moved.append(((head, name, own), exponent))
                continue
            if isinstance(name, tuple):
                moved.append(((head, name, own), exponent))
                continue
            token = f"|{head}:{name}:{exponent}|"
            if token not in known:
                known[token] = _atom_magnitude(program, points, head, str(name), float(exponent))
            moved.append((("", token, own), 1))
        key: Monomial = (tuple(moved), bound)
        out[key] = out.get(key, 0) + (coefficient if coefficient > 0 else -coefficient)
    with np.errstate(all="ignore"):
        return np.abs(evaluate_expression(out, indices, {**points.known, **known}, points.sizes, program.functions))


def _atom_magnitude(program: Program, points: Points, head: str, name: str, exponent: float) -> Array:
    array = points.known[name]
    with np.errstate(all="ignore"):
        if head:
            return np.asarray(np.abs(apply_function(head, [array], program.functions)) ** exponent)
        value = program.expression(name) if is_anonymous(name) and exponent > 0 else None
        if value is not None:
            array = _magnitude(program, points, value, program.variables[name].indices)
        return np.asarray(np.abs(array) ** exponent)


def same_formula(read: Read, target: Target, form: Form) -> bool:
    """True if the two are one formula to the simplifier, with signals written out where that helps."""
    value = matching(read.value, target, form)
    if value is None:
        return False
    difference = add(value.expr, scale(target.arranged(form), -1))
    if not difference:
        return True
    knowledge = Knowledge(read.program)
    try:
        for _ in range(12):
            if not simplify(difference, knowledge):
                return True
            names = [n for n in read.program.variables if n in variables(difference) and _opens(read.program, n)]
            if not names or len(difference) > 40:
                return False
            last = names[-1]
            definition = read.program.equations[last].value
            assert isinstance(definition, dict)
            own = read.program.variables[last].indices
            difference = substitute(
                difference, last,
                lambda at, d=definition, o=own: rename(d, dict(zip(o, at, strict=True))),  # type: ignore[misc]
            )  # fmt: skip
            if not difference:
                return True
    except (ValueError, ChainruleError):
        return False
    return False


def _opens(program: Program, name: str) -> bool:
    variable = program.variables[name]
    return (variable.kind == "signal" or is_anonymous(name) or name.startswith("∂")) and isinstance(
        program.equations[name].value if name in program.equations else None, dict
    )
