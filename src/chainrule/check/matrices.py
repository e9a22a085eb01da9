"""Trees of the language as numbers, at one point: what the search for a mistake runs on.

Thousands of edited formulas are tried, so each must take microseconds: subtrees that edits share are computed once, and
a value is a plain two-dimensional array (1 × 1 for a scalar). Only what may stand in a formula of matrices is known
here; the rest is refused (`Unreadable`). Nothing is decided here: what looks right is judged again by `verdict`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.program import Program
from chainrule.check.derivatives import definition_of, derivative_of
from chainrule.dims import canonical_name
from chainrule.functions import FUNCTIONS
from chainrule.functions.values import apply_function
from chainrule.language import ast

__all__ = ["Matrices", "Unreadable", "as_matrix"]

Array = NDArray[np.float64]


class Unreadable(Exception):
    """Sizes that do not agree, or something that is not a formula of matrices."""


def as_matrix(array: Array, orientation: str) -> Array:
    """A value of the program as rows and columns."""
    if orientation in ("column", "matrix", "scalar", ""):
        return array.reshape(-1, 1) if array.ndim == 1 else array.reshape(1, 1) if array.ndim == 0 else array
    if orientation == "row":
        return array.reshape(1, -1)
    raise Unreadable


class Matrices:
    """Evaluates trees at one point. `set` changes the value of a name and forgets what depended on it."""

    def __init__(
        self, program: Program, known: Mapping[str, Array], sizes: Mapping[str, int],
        definitions: list[ast.Definition],
    ) -> None:  # fmt: skip
        self.program = program
        self.sizes = sizes
        self.definitions = {canonical_name(d.name): d for d in definitions}
        self.names: dict[str, Array] = {}
        for name, array in known.items():
            variable = program.variables.get(name)
            if variable is not None and len(variable.dims) <= 2:
                try:
                    self.names[canonical_name(name)] = as_matrix(array, variable.orientation)
                except Unreadable:
                    continue
        self.scopes: list[dict[str, Array]] = []
        self.memory: dict[int, tuple[ast.Expr, Array | None]] = {}

    def child(self, changed: Mapping[str, Array]) -> Matrices:
        """The same with other values for some names."""
        other = object.__new__(Matrices)
        other.program, other.sizes, other.definitions = self.program, self.sizes, self.definitions
        other.names = {**self.names, **{canonical_name(n): a for n, a in changed.items()}}
        other.scopes, other.memory = [], {}
        return other

    def value(self, node: ast.Expr) -> Array | None:
        """The value of a tree, or None where it has none."""
        try:
            with np.errstate(all="ignore"):
                return self.of(node)
        except Unreadable:
            return None

    def of(self, node: ast.Expr) -> Array:
        """The value of a tree. Raises Unreadable."""
        if self.scopes:
            return self.compute(node)
        found = self.memory.get(id(node))
        if found is not None:
            if found[1] is None:
                raise Unreadable
            return found[1]
        try:
            value = self.compute(node)
        except Unreadable:
            self.memory[id(node)] = (node, None)
            raise
        self.memory[id(node)] = (node, value)
        return value

    def compute(self, node: ast.Expr) -> Array:
        if isinstance(node, ast.Name):
            return self.name(node.name)
        if isinstance(node, ast.Number):
            return np.array([[float(node.value)]])
        if isinstance(node, ast.Negate):
            return -self.of(node.operand)
        if isinstance(node, ast.Transpose):
            return self.of(node.operand).T
        if isinstance(node, ast.Binary):
            return self.binary(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        raise Unreadable

    def name(self, name: str) -> Array:
        if self.scopes and name in self.scopes[-1]:
            return self.scopes[-1][name]
        found = self.names.get(canonical_name(name))
        if found is not None:
            return found
        if name in self.sizes:
            return np.array([[float(self.sizes[name])]])
        raise Unreadable

    def binary(self, node: ast.Binary) -> Array:
        op = node.op
        if op in ("@", "*"):
            if node.left == _ONES:
                right = self.of(node.right)
                return np.asarray(right.sum(axis=0, keepdims=True))
            a, b = self.of(node.left), self.of(node.right)
            if a.size == 1 or b.size == 1:
                return np.asarray(a * b)
            if a.shape[1] != b.shape[0] or op == "*":
                raise Unreadable
            return np.asarray(a @ b)
        a, b = self.of(node.left), self.of(node.right)
        if op in ("^", ".^"):
            if b.size != 1 or (op == "^" and a.size != 1):
                raise Unreadable
            return np.asarray(a ** float(b[0, 0]))
        if op == "/" and b.size != 1:
            raise Unreadable
        if a.shape != b.shape and a.size != 1 and b.size != 1 and (min(a.shape) == 1 == min(b.shape)):
            raise Unreadable  # a row with a column: numpy would make a matrix of it
        if a.shape != b.shape and any(x != y and x != 1 and y != 1 for x, y in zip(a.shape, b.shape, strict=True)):
            raise Unreadable
        if op == "+":
            return np.asarray(a + b)
        if op == "-":
            return np.asarray(a - b)
        if op == "∘":
            return np.asarray(a * b)
        if op in ("/", "./"):
            return np.asarray(a / b)
        compared = {"<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal, "==": np.equal}.get(op)
        if compared is None:
            raise Unreadable
        return np.asarray(compared(a, b)).astype(np.float64)

    def call(self, node: ast.Call) -> Array:
        name = {"ln": "log", "σ": "sigmoid", "sign": "sgn", "trace": "tr"}.get(node.function, node.function)
        definition = self.definitions.get(canonical_name(name))
        if definition is None and name not in FUNCTIONS:
            definition = definition_of(name, ())
            if definition is not None:
                self.definitions[canonical_name(name)] = definition
        if definition is not None:
            if len(node.args) != len(definition.parameters) or len(self.scopes) > 20 or node.primes > 1:
                raise Unreadable
            if node.primes:
                written = derivative_of(definition, node.args[0])
                if written is None:
                    raise Unreadable
                return self.compute(written)
            values = [self.of(a) for a in node.args]
            self.scopes.append(dict(zip(definition.parameters, values, strict=True)))
            try:
                return self.compute(definition.body)
            finally:
                self.scopes.pop()
        if name in ("ones", "zeros", "eye"):
            return self.constant(name, node)
        values = [self.of(a) for a in node.args]
        if name in self.program.functions or name in FUNCTIONS:
            if name in FUNCTIONS and node.primes == 1 and len(values) == 1:
                return self.derivative(name, values[0])
            if (name in FUNCTIONS and node.primes) or (
                name not in FUNCTIONS and self.program.functions[name] != ((), ())
            ):
                raise Unreadable
            return np.asarray(apply_function(name + "'" * node.primes, values, self.program.functions))
        if len(values) == 1:
            return self.reduction(name, values[0], node)
        if name == "outer" and len(values) == 2:
            return np.asarray(values[0].reshape(-1, 1) * values[1].reshape(1, -1))
        if name == "dot" and len(values) == 2 and values[0].size == values[1].size:
            return np.array([[float(values[0].ravel() @ values[1].ravel())]])
        raise Unreadable

    def derivative(self, name: str, x: Array) -> Array:
        y = apply_function(name, [x], self.program.functions)
        total = np.zeros_like(x)
        for coefficient, factors in FUNCTIONS[name].partial():
            term = np.full_like(x, float(coefficient))
            for head, letter, exponent in factors:
                base = y if letter == "y" else x
                term = term * (apply_function(head, [base], self.program.functions) if head else base) ** float(
                    exponent
                )
            total = total + term
        return np.asarray(total)

    def constant(self, name: str, node: ast.Call) -> Array:
        sizes = []
        for arg in node.args:
            if isinstance(arg, ast.Name) and arg.name in self.sizes:
                sizes.append(self.sizes[arg.name])
            elif isinstance(arg, ast.Number):
                sizes.append(int(arg.value))
            else:
                raise Unreadable
        if name == "eye":
            return np.eye(sizes[0], sizes[-1])
        if not 1 <= len(sizes) <= 2:
            raise Unreadable
        return np.full((*sizes, 1)[:2], 1.0 if name == "ones" else 0.0)

    def reduction(self, name: str, x: Array, node: ast.Call) -> Array:
        if name in ("sum", "mean"):
            fold = np.sum if name == "sum" else np.mean
            return np.asarray(fold(x, axis=self.axis(x, node), keepdims=True))
        if name in ("rowsum", "rowmean", "colsum", "colmean"):
            fold = np.sum if name.endswith("sum") else np.mean
            return np.asarray(fold(x, axis=1 if name.startswith("row") else 0, keepdims=True))
        if name == "diag":
            if 1 in x.shape:
                return np.diag(x.ravel())
            return np.diag(x).reshape(-1, 1)
        if name == "tr":
            return np.array([[float(np.trace(x))]])
        if name == "sqrt":
            return np.sqrt(x)
        if name == "square":
            return np.square(x)
        if name == "transpose":
            return x.T
        raise Unreadable

    def axis(self, x: Array, node: ast.Call) -> int | None:
        options = dict(node.options)
        over = options.get("over", options.get("axis"))
        if over is None or x.size == 1:
            return None
        word = over.name if isinstance(over, ast.Name) else ""
        if 1 in x.shape:
            return None
        if word in ("last", "columns", "cols", "column", "col"):
            return 1
        if word in ("first", "rows", "row"):
            return 0
        if isinstance(over, ast.Number) and over.value in (0, 1):
            return int(over.value)
        found = [k for k in (0, 1) if self.sizes.get(word) == x.shape[k]]
        if len(found) == 1:
            return found[0]
        raise Unreadable


_ONES = ast.Transpose(ast.Number(1))  # type: ignore[arg-type]
