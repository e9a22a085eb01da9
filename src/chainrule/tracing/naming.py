"""The user's names: an array that a variable of the traced function holds is called by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.algebra.expr import free_indices, is_constant, rename, variable
from chainrule.algebra.program import Variable, is_anonymous
from chainrule.language.pieces import bare_name
from chainrule.language.values import orientation_of
from chainrule.tracing.tracer import squeezed

if TYPE_CHECKING:
    from chainrule.tracing.array import Traced

__all__ = ["baptise"]


def baptise(array: Traced, name: str) -> None:
    """Give an array the name of the variable that holds it, where it has none."""
    tracer = array.tracer
    stamp = array.version
    if array.named == stamp or array.is_size or name.startswith("_"):
        return
    if array.memory is not None and (stamp != array.memory.version or array.data is not None):
        return  # nobody has read what was written into it
    array.named = stamp
    if is_constant(array.expr) or tracer.is_held(array.expr):
        return
    dims = squeezed(array.axes)
    own = tuple((-1 - k, d) for k, d in enumerate(dims))
    outer = tuple(i for i in array.indices if i is not None)
    moved = rename(array.expr, dict(zip(outer, own, strict=True)))
    alias = bare_name(moved, own) or tracer.scope.known.get(frozenset(moved.items()))
    if alias is not None and tracer.program.variables[alias].dims == dims:
        if is_anonymous(alias) and alias not in tracer.names:
            tracer.names[alias] = tracer.free_name(name)
        return
    free = tracer.free_name(name)
    tracer.program.define(Variable(free, dims, orientation_of(len(dims))), moved)
    if free_indices(moved) == set(own):
        tracer.scope.known[frozenset(moved.items())] = free
    array.expr = variable(free, outer)
    if array.memory is not None:
        array.memory.renamed(array.places, array)
    if len(array.axes) == 1 and array.row:
        tracer.votes[free] = tracer.votes.get(free, 0) + array.row
