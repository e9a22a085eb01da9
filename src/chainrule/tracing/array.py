"""The traced array: looks like a NumPy array to the user's function, and writes down what is done to it.

It holds an expression over its axes (see `tracer`). Operators, ufuncs and NumPy functions are looked up in tables
(`ufuncs`, `functions`, `linear`, `shaping`); what stands in none of them is refused with the user's line. A traced
array has no values: whatever needs one (`if x:`, float(x), np.asarray(x), a write into it) is refused too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NoReturn, TypeVar

import numpy as np

from chainrule.algebra.expr import Expr, Index, constant, free_indices, is_constant, power, rename, size, variable
from chainrule.algebra.program import Variable, is_anonymous
from chainrule.dims import Dim
from chainrule.errors import ChainruleError
from chainrule.language.scope import bare_name
from chainrule.language.values import orientation_of
from chainrule.tracing.frames import local_arrays, main_frame, name_of
from chainrule.tracing.tracer import Tracer, as_rational, squeezed

__all__ = ["METHODS", "Size", "Traced", "baptise", "known_size", "make", "register", "wrap"]

FUNCTION_TABLE: dict[Any, Callable[..., Any]] = {}  # NumPy function -> ours
UFUNC_TABLE: dict[str, Callable[..., Any]] = {}  # name of a ufunc -> ours
METHODS: dict[str, Callable[..., Any]] = {}  # name of a method -> ours


Ours = TypeVar("Ours", bound=Callable[..., Any])


def register(*functions: Any) -> Callable[[Ours], Ours]:
    """Says that what follows stands in for NumPy functions (objects) or ufuncs (by name)."""

    def keep(ours: Ours) -> Ours:
        for function in functions:
            (UFUNC_TABLE if isinstance(function, str) else FUNCTION_TABLE)[function] = ours
        return ours

    return keep


class Traced:
    """An array whose values are not known: an expression over axes. `flag`: entries are true or false."""

    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tracer: Tracer, expr: Expr, axes: tuple[Dim, ...], flag: bool = False, row: int = 0) -> None:
        self.tracer = tracer
        self.expr = expr
        self.axes = axes
        self.flag = flag
        self.row = row  # of a vector: 1 where the code shows a row, −1 a column
        self.voters: tuple[str, ...] = ()  # vectors that are rows if this one turns out to be one

    @property
    def indices(self) -> tuple[Index | None, ...]:
        """The index of each axis; None for an axis of size 1."""
        return tuple((-1 - k, d) if d != 1 else None for k, d in enumerate(self.axes))

    def index(self, axis: int) -> tuple[Index, ...]:
        """The index of one axis, or nothing where its size is 1."""
        found = self.indices[axis]
        return () if found is None else (found,)

    # -- what NumPy asks -------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        self.look()
        name = ufunc.__name__
        if any(o is not None for o in options.pop("out", None) or ()):
            self.refuse(f"np.{name} writes into an array", "a new array: c = a + b")
        if options.pop("where", True) is not True:
            self.refuse(f"np.{name} with where=", "np.where(condition, a, b)")
        _float(self, f"np.{name}", options.pop("dtype", None))
        for option in ("casting", "order", "subok"):
            options.pop(option, None)
        if method == "reduce" and name == "add" and options.keys() <= {"axis", "keepdims"}:
            return FUNCTION_TABLE[np.sum](inputs[0], options.get("axis", 0), keepdims=options.get("keepdims", False))
        ours = UFUNC_TABLE.get(name)
        if ours is None:
            self.refuse(f"np.{name} is not traced yet")
        if method == "outer" and len(inputs) == 2 and not options:
            a, b = (wrap(self.tracer, x) for x in inputs)
            return ours(a[(..., *(None,) * len(b.axes))], b)
        if method != "__call__" or options:
            given = f" with {', '.join(sorted(options))}" if options else ""
            self.refuse(f"np.{name}{'.' + method if method != '__call__' else ''}{given} is not traced yet")
        return ours(*(wrap(self.tracer, x) for x in inputs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self.look()
        ours = FUNCTION_TABLE.get(function)
        name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
        if ours is None:
            self.refuse(f"{name} is not traced yet")
        return _called(self, name, ours, args, kwargs)

    def __array__(self, *_: Any, **__: Any) -> Any:
        self.refuse("a traced array has no values, so np.asarray and np.array cannot have them", "np.stack([a, b])")

    def __bool__(self) -> bool:
        raise self.refusal("a traced array is neither true nor false: the code runs once", "np.where(x > 0, a, b)")

    def __float__(self) -> float:
        raise self.refusal("a traced array has no value to turn into a number", "the array itself")

    def __int__(self) -> int:
        raise self.refusal("a traced array has no value to turn into a whole number", "the array itself")

    def __index__(self) -> int:
        raise self.refusal("a traced array has no value to count or to index with", "whole numbers that are known")

    def __complex__(self) -> complex:
        raise self.refusal("a traced array has no value to turn into a number", "the array itself")

    def __round__(self, *_: Any) -> Any:
        raise self.refusal("round() of a traced array", "the array itself")

    def item(self, *_: Any) -> Any:
        """Refused: there is no value."""
        raise self.refusal(".item() of a traced array: it has no values", "the array itself")

    tolist = item

    def __contains__(self, _: object) -> bool:
        raise self.refusal("a traced array is neither true nor false, so that nothing is found in it", None)

    def __setitem__(self, *_: Any) -> None:
        self.refuse("a write into a traced array", "np.where, np.concatenate or np.stack")

    def __len__(self) -> int:
        if not self.axes:
            raise TypeError("len() of unsized object")
        return known_size(self, self.axes[0], "len()")

    def __iter__(self) -> Iterator[Traced]:
        if not self.axes:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(known_size(self, self.axes[0], "a loop over rows")))

    def __getitem__(self, key: Any) -> Traced:
        self.look()
        found: Traced = METHODS["__getitem__"](self, key)
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        method = METHODS.get(name)
        if method is None:
            self.refuse(f".{name} of a traced array is not traced yet")

        def call(*args: Any, **options: Any) -> Any:
            self.look()
            return _called(self, f".{name}", method, (self, *args), options)

        return call

    # -- attributes ------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[Any, ...]:
        """Whole numbers, and named sizes as `Size`."""
        return tuple(d if isinstance(d, int) else Size(self.tracer, d) for d in self.axes)

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.axes)

    @property
    def size(self) -> Any:
        """How many entries there are."""
        count: Any = 1
        for dim in self.shape:
            count = count * dim
        return count

    @property
    def dtype(self) -> Any:
        """bool for a comparison, else float64."""
        return np.dtype(bool if self.flag else np.float64)

    @property
    def T(self) -> Traced:  # noqa: N802
        """All axes turned round."""
        self.look()
        turned: Traced = METHODS["transpose"](self)
        return turned

    @property
    def mT(self) -> Traced:  # noqa: N802
        """The last two axes exchanged."""
        self.look()
        turned: Traced = METHODS["swapaxes"](self, -1, -2)
        return turned

    # -- bookkeeping -----------------------------------------------------------------------------------------------

    def refuse(self, what: str, hint: str | None = None) -> NoReturn:
        """Raise UnsupportedError with the user's line."""
        self.tracer.refuse(what, hint)

    def refusal(self, what: str, hint: str | None) -> ChainruleError:
        """The same error, to raise."""
        try:
            self.tracer.refuse(what, hint)
        except ChainruleError as error:
            return error

    def look(self) -> None:
        """Name what the traced function has bound to its variables since the last operation."""
        frame = main_frame()
        if frame is not None:
            self.tracer.main = frame
            for name, value in local_arrays(frame, Traced):
                if value.tracer is self.tracer:
                    baptise(value, name)

    def vote(self, sign: int) -> None:
        """The code shows this vector as a row (1) or a column (−1)."""
        if len(self.axes) != 1:
            return
        self.row = self.row or sign
        for name in (*self.vectors(), *self.voters):
            self.tracer.votes[name] = self.tracer.votes.get(name, 0) + sign
        self.voters = ()

    def vectors(self) -> tuple[str, ...]:
        """The vectors that lie along the one axis."""
        own = ((-1, self.axes[0]),)
        found = {n for factors, _ in self.expr for (_, n, at), _ in factors if isinstance(n, str) and at == own}
        return tuple(sorted(found))

    def __repr__(self) -> str:
        return f"<traced array ({', '.join(map(str, self.axes))})>"


class Size(Traced):
    """A named size as a number. It can stand in formulas and shapes, not in range() or a comparison with a number."""

    def __init__(self, tracer: Tracer, dim: str) -> None:
        super().__init__(tracer, size(dim), ())
        self.dim = dim

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.dim)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Size) and other.dim == self.dim:
            return True
        return self.__bool__()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        raise self.refusal(f"the size {self.dim} has no value here, so nothing can hang on it", self._hint)

    def __index__(self) -> int:
        raise self.refusal(f"the size {self.dim} has no value here, so nothing can count to it", self._hint)

    def __int__(self) -> int:
        return self.__index__()

    def __float__(self) -> float:
        return float(self.__index__())

    @property
    def _hint(self) -> str:
        return f"a number in place of {self.dim}"

    def __repr__(self) -> str:
        return self.dim


def _called(array: Traced, name: str, ours: Callable[..., Any], args: Any, options: dict[str, Any]) -> Any:
    """Call what stands in for a function of NumPy; options that it does not know are refused."""
    if options.pop("out", None) is not None:
        array.refuse(f"{name} writes into an array", "a new array")
    if ours.__name__ != "astype":
        _float(array, name, options.pop("dtype", None))
    try:
        return ours(*args, **options)
    except TypeError as error:
        if f"{ours.__name__}()" not in str(error):
            raise
        array.refuse(f"{name} with these options is not traced yet: {str(error).partition('() ')[2]}")


def _float(array: Traced, what: str, dtype: Any) -> None:
    if dtype is not None and np.dtype(dtype) != np.float64:
        array.refuse(f"{what} with dtype {np.dtype(dtype)}", "float64, or no dtype")


def known_size(array: Traced, dim: Dim, what: str) -> int:
    """A size that must be a number. Refuses a named one."""
    if isinstance(dim, str):
        array.refuse(f"{what} needs a number, but the size {dim} has only a name", f"a number in place of {dim}")
    return dim


def make(like: Traced, expr: Expr, axes: Sequence[Dim], flag: bool = False, row: int = 0) -> Traced:
    """A traced array of the same trace."""
    return Traced(like.tracer, expr, tuple(axes), flag, row)


def wrap(tracer: Tracer, value: Any) -> Traced:
    """A number, an array of numbers or a traced array as a traced array."""
    if isinstance(value, Traced):
        if value.tracer is not tracer:
            tracer.refuse("an array of another trace")
        return value
    if isinstance(value, (list, tuple)) and any(isinstance(v, Traced) for v in _leaves(value)):
        stacked: Traced = FUNCTION_TABLE[np.stack]([wrap(tracer, v) for v in value])
        return stacked
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        tracer.refuse(f"a {type(value).__name__} is no array of real numbers")
    flag = array.dtype.kind == "b"
    if array.ndim == 0:
        number = float(array)
        if not math.isfinite(number):
            tracer.refuse(f"the number {number}", "a large finite number, such as 1e9")
        return Traced(tracer, number_expr(number), (), flag)
    axes = tuple(int(d) for d in array.shape)
    if 0 in axes:
        tracer.refuse("an empty array")
    indices = tuple((-1 - k, d) for k, d in enumerate(axes) if d != 1)
    name = name_of(value)
    return Traced(tracer, tracer.constant_array(array.reshape([d for d in axes if d != 1]), name, indices), axes, flag)


def number_expr(number: float) -> Expr:
    """A float as an expression: 0.1 is 1/10, and the float nearest to √3 is √3."""
    value = as_rational(number)
    if number > 0 and isinstance(value, Fraction) and len(repr(number)) > 14 and value.denominator > 1000:
        for denominator in range(1, 13):
            near = round(number * number * denominator)
            if near and math.sqrt(near / denominator) == number:
                return power(constant(Fraction(near, denominator)), Fraction(1, 2))
    return constant(value)


def _leaves(value: Any) -> Iterator[Any]:
    for v in value:
        if isinstance(v, (list, tuple)):
            yield from _leaves(v)
        else:
            yield v


def baptise(array: Traced, name: str) -> None:
    """Give an array the name of the variable that holds it, where it has none."""
    tracer = array.tracer
    if id(array) in tracer.seen or isinstance(array, Size) or name.startswith("_"):
        return
    tracer.seen.add(id(array))
    tracer.alive.append(array)
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
    if len(array.axes) == 1 and array.row:
        tracer.votes[free] = tracer.votes.get(free, 0) + array.row
