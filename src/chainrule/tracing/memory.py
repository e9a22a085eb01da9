"""What arrays share: in NumPy a slice is a view, and a write into it changes the array.

An array that is looked at in part, or written into, has a *memory*: for each entry a number, or which written value it
comes from. Every array over the memory knows the *places* of its entries, an array of whole numbers that NumPy itself
makes by the same indexing; so what is a view and what is a copy is NumPy's answer. A read after a write finds what was
written there: exactly one value where that is so, else a sum of all pieces put in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.algebra.expr import add, constant

if TYPE_CHECKING:
    from chainrule.tracing.array import Traced
    from chainrule.tracing.tracer import Tracer

__all__ = ["Memory", "fresh", "gathered", "remember", "scattered", "view_of"]

Places = NDArray[np.intp]
CONSTANT = -1


class Memory:
    """The entries of an array, in C order. `version` counts the writes."""

    def __init__(self, tracer: Tracer, shape: Sequence[int]) -> None:
        count = int(np.prod(shape, dtype=int))
        self.tracer = tracer
        self.shape = tuple(shape)
        self.version = 0
        self.numbers = np.zeros(count)
        self.writer = np.full(count, CONSTANT)  # which piece an entry comes from
        self.inner = np.zeros(count, dtype=np.intp)  # and where in the piece it stands
        self.pieces: list[Traced] = []
        self.at: list[Places] = []  # where the entries of each piece were put
        self.given_away = False  # as numbers, to somebody who would not notice a write
        self.sure = False  # that it lies in memory row by row, so that a reshape of it is a view
        self.unsure = False  # a reshape of it is held that may be a view or a copy
        self.name = ""
        self._whole: tuple[int, Traced] | None = None

    @property
    def every(self) -> Places:
        """The places of the whole array."""
        return np.arange(self.numbers.size).reshape(self.shape)

    def data(self, places: Places) -> NDArray[np.float64] | None:
        """The numbers at places where all of them are constant, else None."""
        if not (self.writer[places] == CONSTANT).all():
            return None
        return self.numbers[places]

    def read(self, places: Places) -> Traced:
        """What stands there now."""
        from chainrule.tracing.array import Traced, constant_traced

        writers = self.writer[places]
        first = int(writers.flat[0])
        if first == CONSTANT and (writers == CONSTANT).all():
            return constant_traced(self.tracer, self.numbers[places], self.name or None)
        if (writers == first).all():
            piece, inner = self.pieces[first], self.inner[places]
            own = np.arange(inner.size).reshape(inner.shape)
            if inner.shape == piece.axes and (inner == own).all():
                return piece
            return gathered(piece, inner)
        whole = self.whole()
        if places.shape == self.shape and (places == self.every).all():
            return Traced(self.tracer, whole.expr, whole.axes)
        return gathered(whole, places)

    def whole(self) -> Traced:
        """All pieces, each in its places, and the numbers between them."""
        from chainrule.tracing.array import Traced, constant_traced
        from chainrule.tracing.ufuncs import times

        if self._whole is not None and self._whole[0] == self.version:
            return self._whole[1]
        expr = constant_traced(self.tracer, np.where(self.writer == CONSTANT, self.numbers, 0).reshape(self.shape),
                               None).expr  # fmt: skip
        for number, piece in enumerate(self.pieces):
            places = self.at[number]
            alive = self.writer[places] == number
            if not alive.any():
                continue
            if not alive.all():
                piece = times(piece, constant_traced(self.tracer, alive.astype(float), "M"))
            expr = add(expr, scattered(piece, places, self.shape).expr)
        found = Traced(self.tracer, expr, self.shape)
        self._whole = (self.version, found)
        return found

    def write(self, places: Places, value: Traced) -> None:
        """Put a value, of the shape of `places`, there."""
        from chainrule.tracing.array import Traced

        self.check()
        if np.unique(places).size != places.size:
            self.tracer.refuse("a write to one place twice", "np.add.at, or places that differ")
        numbers = value.data
        if numbers is not None:
            self.numbers[places] = numbers
            self.writer[places] = CONSTANT
        else:
            self.pieces.append(Traced(self.tracer, value.expr, value.axes, value.flag, value.row))
            self.at.append(places)
            self.writer[places] = len(self.pieces) - 1
            self.inner[places] = np.arange(places.size).reshape(places.shape)
        self.version += 1

    def check(self) -> None:
        """Refuse a write that somebody would miss."""
        if self.given_away:
            self.tracer.refuse("a write into an array whose numbers went elsewhere before", "a copy of it")

    def overlaps(self, places: Places) -> bool:
        """True where several pieces, or a part of one, stand at some of the places."""
        if places.size == self.numbers.size:
            return False
        writers = self.writer[places]
        first = int(writers.flat[0])
        if not (writers == first).all():
            return True
        return first != CONSTANT and places.size != self.at[first].size

    def renamed(self, places: Places, array: Traced) -> None:
        """The whole array has a name now."""
        from chainrule.tracing.array import Traced

        if places.shape == self.shape and (places == self.every).all():
            self.pieces = [Traced(self.tracer, array.expr, array.axes, array.flag, array.row)]
            self.at = [self.every]
            self.writer[:] = 0
            self.inner = np.arange(self.numbers.size)
            self._whole = (self.version, self.pieces[0])


def remember(array: Traced) -> Memory | None:
    """The memory of an array, made now if need be; None where a size has only a name."""
    from chainrule.tracing.array import Traced

    if array.memory is None and all(isinstance(d, int) for d in array.axes):
        memory = Memory(array.tracer, [int(d) for d in array.axes])
        memory.pieces = [Traced(array.tracer, array.expr, array.axes, array.flag, array.row)]
        memory.at = [memory.every]
        memory.writer[:] = 0
        memory.inner = np.arange(memory.numbers.size)
        memory.sure = array.sure
        array.memory, array.places, array.version = memory, memory.every, 0
    return array.memory


def fresh(tracer: Tracer, numbers: Any) -> Traced:
    """An array of known numbers that may be written into."""
    from chainrule.tracing.array import Traced

    memory = Memory(tracer, np.shape(numbers))
    memory.numbers[:] = np.ravel(numbers)
    memory.sure = True
    array = Traced(tracer, {}, memory.shape)
    array.memory, array.places, array.version = memory, memory.every, -1
    return array


def view_of(array: Traced, out: Traced | None, how: Callable[[Any], Any], sure: bool = True) -> Traced:
    """`out`, which NumPy's `how` makes of the array, as a view of it where it is one; None: read it when needed."""
    from chainrule.tracing.array import Traced

    memory = remember(array)
    if memory is None or array.places is None:
        assert out is not None
        array.shared = out.shared = True
        out.whole = array.whole
        return out
    places = how(array.places)
    view = isinstance(places, np.ndarray) and np.may_share_memory(places, array.places)
    if out is None:
        out = Traced(array.tracer, {}, np.shape(places))
        out.memory, out.places, out.version = memory, np.asarray(places), -1
        if not view:  # a copy of what stands there now
            data = memory.data(out.places)
            out = fresh(array.tracer, data) if data is not None else Traced(array.tracer, out.expr, out.axes)
    elif view:
        out.memory, out.places, out.version = memory, places, memory.version
    memory.unsure = memory.unsure or not (sure or memory.sure)
    out.whole, out.flag = array.whole, array.flag
    return out


def _selectors(
    tracer: Tracer, places: Places, shape: Sequence[int], letters: str, own: str
) -> tuple[list[Any], list[str]]:
    """Arrays of 0 and 1, one for each axis of a memory: which of its entries each place takes."""
    from chainrule.tracing.selectors import selector

    factors, spelled = [], []
    for axis, numbers in enumerate(np.unravel_index(places, shape)):
        varying = [k for k, d in enumerate(places.shape) if d > 1 and (np.diff(numbers, axis=k) != 0).any()]
        at = tuple(slice(None) if k in varying else 0 for k in range(places.ndim))
        factors.append(selector(tracer, numbers[at], shape[axis]))
        spelled.append("".join(letters[k] for k in varying) + own[axis])
    return factors, spelled


def gathered(array: Traced, places: Places) -> Traced:
    """The entries of an array at places (numbers in C order), in their shape."""
    from chainrule.tracing.array import Traced
    from chainrule.tracing.linear import LETTERS, contract

    shape = [int(d) for d in array.axes]
    letters, own = LETTERS[: places.ndim], LETTERS[26 : 26 + len(shape)]
    factors, spelled = _selectors(array.tracer, places, shape, letters, own)
    for k, dim in enumerate(places.shape):
        if not any(letters[k] in word for word in spelled):
            factors.append(Traced(array.tracer, constant(1), (dim,)))
            spelled.append(letters[k])
    return contract([*factors, array], [*spelled, own], letters)


def scattered(array: Traced, places: Places, shape: Sequence[int]) -> Traced:
    """Zeros of a shape with the entries of an array at places."""
    from chainrule.tracing.linear import LETTERS, contract

    letters, own = LETTERS[: places.ndim], LETTERS[26 : 26 + len(shape)]
    factors, spelled = _selectors(array.tracer, places, shape, letters, own)
    return contract([*factors, array], [*spelled, letters], own)
