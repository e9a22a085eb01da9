"""The samples of a network: which axis holds them, and the loss of each.

A network is written for one sample, and lifted to N of them; or in rows, where N is one of its sizes. Which of the two
is said by whoever asks, or plain from the declarations, or refused. In rows the loss of a sample is what J is the sum
or the mean of over N, found from J's equation, and its gradient is a Jacobian's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.algebra.expr import (
    Atom,
    Expr,
    Factor,
    Rational,
    add,
    monomial,
    multiply,
    rename,
    single,
    size,
)
from chainrule.algebra.loops import dependent
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.algebra.renaming import Renaming, renamed_program
from chainrule.calculus.jacobian import jacobian
from chainrule.dims import Dim, display_dim, display_name, format_shape
from chainrule.errors import UnsupportedError
from chainrule.explanation.told import Told
from chainrule.jacobians import Jacobian
from chainrule.notation import tree
from chainrule.notation.sentence import say
from chainrule.telling import free_name

if TYPE_CHECKING:
    from chainrule.network import Network


__all__ = ["Rows", "batch_of", "in_rows", "lifted_to", "names_of"]


def batch_of(network: Network, batch: Dim | None) -> Dim:
    """The size of the batch: what is asked for, else N, where the declarations leave no doubt what a sample is.

    Raises UnsupportedError where data are matrices and none has N rows: their rows may be the samples, or a sample a
    whole matrix.
    """
    if batch is not None:
        return batch
    arrays = [v for v in _data(network.program) if len(v.dims) > 1]
    if not arrays or any(v.dims[0] == "N" for v in arrays):
        return "N"
    first = arrays[0]
    rows = display_dim(first.dims[0])
    raise UnsupportedError(
        f"{display_name(first.name)} is {format_shape(first.shape)}: are its rows the samples, or is it one sample?",
        f"batch {rows} for its rows; batch N for N samples with {_its_own(network.program)}",
    )


def lifted_to(network: Network, batch: Dim) -> tuple[str, ...]:
    """What is said where a network for one sample is lifted."""
    return (f"a sample has {_its_own(network.program)}; there are {display_dim(batch)} of them",)


def _data(program: Program) -> list[Variable]:
    return [v for v in program.variables.values() if v.kind in ("input", "label")]


def _its_own(program: Program) -> str:
    names = [f"{display_name(v.name)} ({format_shape(v.shape)})" for v in _data(program)]
    return f"its own {', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else f"its own {''.join(names)}"


@dataclass(frozen=True)
class Rows:
    """The gradients of all samples' losses, over N first, in `program`. conditions: what is said of the losses."""

    program: Program
    name: str
    value: Expr
    conditions: tuple[str, ...]
    told: tuple[Told, ...]


def in_rows(network: Network, wrt: str, batch: Dim) -> Rows | None:
    """None where N is no size of the network, which is written for one sample then."""
    if not any(batch in v.dims for v in network.program.variables.values()):
        network.check_batch(batch)
        return None
    program, loss = network.program, network.scalar_loss()
    losses = _Losses(program, batch)
    found = losses.of(loss)
    if not found:
        raise UnsupportedError(f"{display_name(loss)} is no sum over the {display_dim(batch)} samples")
    mean = all((("#", batch, ()), -1) in factors for factors, _ in found)
    if mean:
        found = multiply(found, size(batch))
    work = program.copy()
    term = single(found)
    ((atom, exponent), *others) = term[0][0] if term is not None else ((("", "", ()), 0),)
    bare = term is not None and term[1] == 1 == exponent and not others and not term[0][1] and not atom[0]
    name = str(atom[1])
    if not bare or work.variables[name].dims != (batch,):
        name = work.fresh_name()
        work.define(Variable(name, (batch,), "column"), found)
    if is_anonymous(name):
        given = free_name(work, "c")
        work, name = renamed_program(work, Renaming({name: given})), given
        work.interior.discard(name)
    part = Jacobian(network.with_program(work), wrt, name)
    got = jacobian(work, name, wrt)
    j, n = tree.sym(loss), display_dim(batch)
    conditions = [
        say(j, f" is the {'mean' if mean else 'sum'} of the losses of the {n} samples; each is taken by itself")
    ]
    if losses.besides:
        conditions.append(say("what ", j, " holds besides the samples (a penalty) is no part of it"))
    return Rows(got.program, got.name, got.expression, tuple(conditions), part.told)


class _Losses:
    """The loss of each sample: the terms of the sum over `batch`, its index free. besides: J has other terms too."""

    def __init__(self, program: Program, batch: Dim) -> None:
        self.program = program
        self.batch = batch
        given = (v.name for v in program.variables.values() if v.kind in ("input", "label"))
        self.data = dependent(program, [*given]) | {
            v.name for v in program.variables.values() if batch in v.dims and v.name not in program.equations
        }
        self.data |= dependent(program, self.data)
        self.besides = False

    def of(self, name: str) -> Expr:
        """Raises UnsupportedError where `name` is no sum over the samples."""
        value = self.program.expression(name)
        if value is None:
            raise self._refused(name)
        out: Expr = {}
        for (factors, bound), coefficient in value.items():
            moving = [f for f in factors if any(n in self.data for n in names_of(f[0]))]
            if not moving:
                self.besides = True
                continue
            own = [i for i in bound if i[1] == self.batch]
            if len(own) == 1 and all(own[0] in atom[2] for atom, _ in moving):
                left = tuple(i for i in bound if i != own[0])
                out = add(out, rename({(factors, left): coefficient}, {own[0]: (-1, self.batch)}))
                continue
            inner = self._root(moving[0]) if len(moving) == 1 and not own else None
            if inner is None:
                raise self._refused(name)
            rest = monomial(coefficient * inner[1], [f for f in factors if f != moving[0]], bound)
            out = add(out, multiply(self.of(inner[0]), rest))
        return out

    def _root(self, factor: Factor) -> tuple[str, Rational] | None:
        """A number with a name, (√s)² too: the name whose sum it is, and the number in front."""
        (head, name, indices), exponent = factor
        front: Rational = 1
        for _ in range(4):
            if head or indices or not isinstance(name, str):
                return None
            if exponent == 1:
                return name, front
            value = self.program.expression(name)
            term = single(value) if value else None
            if term is None or term[0][1] or len(term[0][0]) != 1 or term[1] != 1:
                return None
            ((head, name, indices), power) = term[0][0][0]
            exponent = exponent * power
        return None

    def _refused(self, name: str) -> UnsupportedError:
        return UnsupportedError(
            f"{display_name(name)} is no sum over the {display_dim(self.batch)} samples: none has a loss of its own",
            "the network written for one sample, or another --batch",
        )


def names_of(atom: Atom) -> tuple[str, ...]:
    """The variables in an atom."""
    head, name, _ = atom
    if isinstance(name, tuple):
        return tuple(n for n, _ in name)
    return (str(name),) if head not in ("#", "n", "δ", "rel") else ()
