"""Programs with structural operators, made by hand: y is the operator, J = Σ y sin(y)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.algebra.expr import Expr, bare, free, fresh_bound, multiply, rename, sum_over, variable
from chainrule.algebra.program import Program, Variable
from chainrule.algebra.structure import Array, windows_of
from chainrule.dims import Dim

__all__ = ["Declared", "array", "conv_program", "program_of"]

Declared = tuple[str, tuple[Dim, ...]]


def array(name: str, dims: Sequence[Dim]) -> Array:
    """A variable over its own indices."""
    return variable(name, free(dims)), tuple(dims)


def _kind(dims: Sequence[Dim]) -> str:
    return ("scalar", "column", "matrix", "tensor")[min(3, len(dims))]


def loss(program: Program, value: Expr, dims: Sequence[Dim]) -> Program:
    """y = value; J = Σ y sin(y)."""
    own = free(dims)
    program.define(Variable("y", tuple(dims), _kind(dims)), value)
    program.define(Variable("s", tuple(dims), _kind(dims)), bare(("sin", "y", own)))
    program.define(Variable("J", (), "scalar"), sum_over(multiply(variable("s", own), variable("y", own)), own))
    return program


def program_of(declared: Sequence[Declared], build: Callable[..., Array], kind: str = "param") -> Program:
    """The program of an operator on declared arrays."""
    program = Program()
    for name, dims in declared:
        program.declare(Variable(name, dims, _kind(dims), kind))
    value, dims = build(*(array(name, dims) for name, dims in declared))
    return loss(program, value, dims)


def conv_program(stride: int = 1, dilation: int = 1, padding: int = 0, n: Dim = "n", k: Dim = "k") -> Program:
    """y[b,o,i] = Σ W[o,c,a] x[b,c,s i + d a − p]."""
    program = Program()
    x = program.declare(Variable("x", ("N", "C", n), "tensor", "input"))
    program.declare(Variable("W", ("O", "C", k), "tensor", "param"))
    windows, dims = windows_of(array("x", x.dims), 2, k, stride, dilation, padding)
    own = free(("N", "O", dims[2]))
    c, a = fresh_bound("C"), fresh_bound(k)
    place: dict[Any, Any] = dict(zip(free(dims), (own[0], c, own[2], a), strict=True))
    value = multiply(rename(windows, place), variable("W", (own[1], c, a)), (c, a))
    return loss(program, value, ("N", "O", dims[2]))
