"""The traced array: looks like a NumPy array to the user's function, and writes down what is done to it.

It holds an expression over its axes (see `tracer`). Operators, ufuncs and NumPy functions are looked up in `tables`;
what stands in none of them is refused with the user's line. A traced array has no values: whatever needs one
(`if x:`, float(x), see `valueless`) is refused too. One whose numbers are known (np.zeros) gives them: operations among
such arrays are NumPy's own. Writes and views are in `memory` and `writing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from chainrule.algebra.expr import Expr, Index, constant
from chainrule.dims import Dim
from chainrule.errors import ChainruleError
from chainrule.tracing.frames import local_arrays, main_frame, name_of
from chainrule.tracing.infinity import HUGE
from chainrule.tracing.memory import Memory, fresh
from chainrule.tracing.naming import baptise
from chainrule.tracing.tables import FUNCTION_TABLE, METHODS, SAME, UFUNC_TABLE
from chainrule.tracing.tracer import Tracer, number_expr
from chainrule.tracing.valueless import Valueless

__all__ = [
    "ACCUMULATED",
    "Traced",
    "constant_traced",
    "folded",
    "known_size",
    "leaves",
    "make",
    "numbers_of",
    "wrap",
]

REDUCED = {"add": np.sum, "multiply": np.prod, "maximum": np.max, "minimum": np.min}  # ufunc.reduce
ACCUMULATED: dict[str, Any] = {"add": np.cumsum, "multiply": np.cumprod}  # ufunc.accumulate
WRITING = {"sort", "put", "partition", "resize", "setfield", "setflags", "view", "byteswap", "itemset", "data", "base"}


class Traced(Valueless):
    """An array whose values are not known: an expression over axes. `flag`: entries are true or false."""

    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tracer: Tracer, expr: Expr, axes: tuple[Dim, ...], flag: bool = False, row: int = 0) -> None:
        self.tracer = tracer
        self._expr = expr
        self.axes = axes
        self.flag = flag
        self.whole = False  # its entries are whole numbers
        self.row = row  # of a vector: 1 where the code shows a row, −1 a column
        self.voters: tuple[str, ...] = ()  # vectors that are rows if this one turns out to be one
        self.memory: Memory | None = None  # once it was looked at in part, or written into
        self.places: Any = None  # where in it each entry stands
        self.version = 0  # of the memory, when the expression was true
        self.named: int | None = None  # the version that has the name of a variable
        self.sure = False  # it lies in memory row by row
        self.shared = False  # parts of it may be held elsewhere, with sizes that have only names
        self.is_size = False
        self.origin: Any = None  # (array, key) of a[key], and what was added to it since

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """What isinstance() says of it: NumPy's array, or number. Code that asks so must go the way that arrays go."""
        return np.ndarray if self.axes else np.float64

    @property
    def expr(self) -> Expr:
        """What stands in it now."""
        memory = self.memory
        if memory is not None and self.version != memory.version:
            if not memory.name and memory.data(self.places) is not None:
                memory.name = name_of(self) or ""
            found = memory.read(self.places)
            self._expr, self.row, self.version = found._expr, found.row, memory.version
        return self._expr

    @expr.setter
    def expr(self, same: Expr) -> None:
        self._expr = same

    @property
    def pieced(self) -> bool:
        """True where it was written in parts: a part of it is best looked up in the memory."""
        memory = self.memory
        return memory is not None and (self.version != memory.version or len(memory.pieces) != 1)

    @property
    def data(self) -> Any:
        """The numbers, where they are known; else None."""
        return None if self.memory is None else self.memory.data(self.places)

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
        if method == "at":
            return METHODS["ufunc_at"](self, name, *inputs)
        target = next((o for o in options.pop("out", None) or () if o is not None), None)
        if target is not None and not isinstance(target, Traced):
            self.refuse(f"np.{name} writes into an array", "a new array: c = a + b")
        result = self._ufunc(ufunc, method, name, inputs, options)
        return result if target is None else METHODS["assign"](target, result)

    def _ufunc(self, ufunc: Any, method: str, name: str, inputs: Any, options: dict[str, Any]) -> Any:
        known = numbers_of(inputs)
        if known is not None:
            return folded(self.tracer, getattr(ufunc, method)(*known, **options))
        if options.pop("where", True) is not True:
            self.refuse(f"np.{name} with where=", "np.where(condition, a, b)")
        _float(self, f"np.{name}", options.pop("dtype", None))
        for option in ("casting", "order", "subok"):
            options.pop(option, None)
        if method == "reduce" and name in REDUCED and options.keys() <= {"axis", "keepdims"}:
            return FUNCTION_TABLE[REDUCED[name]](
                inputs[0], options.get("axis", 0), keepdims=options.get("keepdims", False)
            )
        if method == "reduce" and name == "logaddexp" and options.keys() <= {"axis", "keepdims"}:
            along = {"axis": options.get("axis", 0), "keepdims": options.get("keepdims", False)}
            terms = FUNCTION_TABLE[np.sum](UFUNC_TABLE["exp"](inputs[0]), **along)
            return UFUNC_TABLE["log"](terms)
        if method == "accumulate" and name in ACCUMULATED and options.keys() <= {"axis"}:
            return FUNCTION_TABLE[ACCUMULATED[name]](inputs[0], options.get("axis", 0))
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
        if function not in SAME and not (function is np.einsum and len(args) == 2):  # of one array it may be a view
            target = kwargs.pop("out", None)
            known = numbers_of((args, kwargs))
            if known is not None:
                result = folded(self.tracer, function(*known[0], **known[1]))
                return result if target is None else METHODS["assign"](target, result)
            if target is not None:
                kwargs["out"] = target
        ours = FUNCTION_TABLE.get(function)
        name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
        if ours is None:
            self.refuse(f"{name} is not traced yet")
        return _called(self, name, ours, args, kwargs, function in SAME)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        data = self.data
        if data is None:
            self.refuse("a traced array has no values, so np.asarray and np.array cannot have them", "np.stack([a, b])")
        assert self.memory is not None
        self.memory.given_away = True
        return np.array(data, dtype)

    def __copy__(self) -> Traced:
        return make(self, self.expr, self.axes, self.flag, self.row)

    def __deepcopy__(self, _: Any) -> Traced:
        return self.__copy__()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.look()
        METHODS["__setitem__"](self, key, value)

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
        if name in ("real", "flat", "imag") or not callable(getattr(np.ndarray, name, len)):
            return self._attribute(name)
        if method is None and hasattr(np.ndarray, name) and self.data is not None and name not in WRITING:
            return lambda *args, **options: folded(self.tracer, getattr(self.data, name)(*args, **options))
        if method is None:
            self.refuse(f".{name} of a traced array is not traced yet")

        def call(*args: Any, **options: Any) -> Any:
            self.look()
            view = name == "astype" and not options.get("copy", True)
            if name not in SAME and not name.startswith("fill") and not view:
                known = numbers_of((self, args, options))
                if known is not None:
                    return folded(self.tracer, getattr(known[0], name)(*known[1], **known[2]))
            return _called(self, f".{name}", method, (self, *args), options, name in SAME)

        return call

    def _attribute(self, name: str) -> Any:
        """What of an array is no method."""
        if name == "real":
            return FUNCTION_TABLE[np.real](self)
        if name in ("nbytes", "itemsize", "strides") and self.data is not None:
            return getattr(self.data, name)
        raise self.refusal(f".{name} of a traced array is not traced yet", None)

    # -- attributes ------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[Any, ...]:
        """Whole numbers, and named sizes as `named.Size`."""
        return tuple(d if isinstance(d, int) else METHODS["named size"](self.tracer, d) for d in self.axes)

    @shape.setter
    def shape(self, _: Any) -> None:
        self.refuse("x.shape = … is not traced yet", "x = x.reshape(…)")

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


def _called(array: Traced, name: str, ours: Callable[..., Any], args: Any, options: dict[str, Any], same: bool) -> Any:
    """Call what stands in for a function of NumPy; options that it does not know are refused."""
    target = options.pop("out", None)
    if target is not None and not isinstance(target, Traced):
        array.refuse(f"{name} writes into an array", "a new array")
    if ours.__name__ != "astype":
        _float(array, name, options.pop("dtype", None))
    try:
        result = ours(*args, **options)
    except TypeError as error:
        if f"{ours.__name__}()" not in str(error):
            raise
        array.refuse(f"{name} with these options is not traced yet: {str(error).partition('() ')[2]}")
    if isinstance(result, Traced) and not same and any(result is a for a in args):  # NumPy makes a copy
        result = make(result, result.expr, result.axes, result.flag, result.row)
    return result if target is None else METHODS["assign"](target, result)


def numbers_of(value: Any) -> Any:
    """The same arguments with numbers in place of traced arrays, where all of these are known; None: not so."""
    found = [v for v in leaves(value) if isinstance(v, Traced)]
    if any(v.is_size or v.data is None for v in found):
        return None
    return _replaced(value)


def leaves(value: Any) -> Iterator[Any]:
    """What lies in lists, tuples and dicts."""
    if isinstance(value, (list, tuple)):
        for v in value:
            yield from leaves(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from leaves(v)
    else:
        yield value


def _replaced(value: Any) -> Any:
    if isinstance(value, Traced):
        data = np.asarray(value.data)
        data.flags.writeable = False  # what writes into it would write into a copy
        return data
    if type(value) in (list, tuple):
        return type(value)(_replaced(v) for v in value)
    if isinstance(value, dict):
        return {k: _replaced(v) for k, v in value.items()}
    return value


def folded(tracer: Tracer, result: Any) -> Any:
    """What NumPy made of known numbers: arrays of floats may be written into."""
    if isinstance(result, Traced):
        return result
    if isinstance(result, np.ndarray) and result.dtype == np.float64 and result.ndim:
        return fresh(tracer, result)
    if type(result) in (list, tuple):
        return type(result)(folded(tracer, r) for r in result)
    return result


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
    if isinstance(value, (list, tuple)) and any(isinstance(v, Traced) for v in leaves(value)):
        stacked: Traced = FUNCTION_TABLE[np.stack]([wrap(tracer, v) for v in value])
        return stacked
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        tracer.refuse(f"a {type(value).__name__} is no array of real numbers")
    if array.ndim == 0:
        number = float(array)
        if math.isnan(number):
            tracer.refuse("the number nan", "a number")
        if math.isinf(number):
            tracer.infinite = True
            return Traced(tracer, constant(HUGE if number > 0 else -HUGE), ())
        out = Traced(tracer, number_expr(number), (), array.dtype.kind == "b")
    else:
        out = constant_traced(tracer, array, name_of(value))
    out.whole = array.dtype.kind in "iu"
    return out


def constant_traced(tracer: Tracer, array: Any, name: str | None) -> Traced:
    """An array of numbers, under a name where it has one."""
    array = np.asarray(array)
    axes = tuple(int(d) for d in array.shape)
    if 0 in axes:
        tracer.refuse("an empty array")
    indices = tuple((-1 - k, d) for k, d in enumerate(axes) if d != 1)
    expr = tracer.constant_array(array.reshape([d for d in axes if d != 1]), name, indices)
    return Traced(tracer, expr, axes, array.dtype.kind == "b")
