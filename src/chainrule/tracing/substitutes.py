"""Functions that NumPy does not ask a traced array about, replaced while a traced function runs.

np.zeros makes an array without looking at any argument, so that a loop that fills it would write into numbers. While a
function is traced, the names in its globals (and in those of the user's functions that it can see) that stand for NumPy
get a module that gives arrays which record; NumPy itself is not changed. In other threads the same names do what they
always did. Everything is put back when the trace ends, also after an error. `type` is replaced as well: of a traced
array it is NumPy's array, so that code which asks goes the way that arrays go; so are Python's max and min of numbers,
and the functions of the module math. To add one: a function here, decorated
with what it stands for. A name that is missed (numpy imported inside the function) is no danger: a write into its
arrays is refused.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from chainrule.algebra.expr import constant
from chainrule.tracing.array import Traced, folded, leaves, make, numbers_of, wrap
from chainrule.tracing.extremes import largest
from chainrule.tracing.memory import fresh, view_of
from chainrule.tracing.named import Size
from chainrule.tracing.pythons import BUILTINS, MATH
from chainrule.tracing.sums import total
from chainrule.tracing.tables import FUNCTION_TABLE
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.ufuncs import apply, minus, over

__all__ = ["substituted"]

Namespace = MutableMapping[str, Any]
_active = threading.local()
_lock = threading.Lock()
_changed: dict[tuple[int, str], tuple[Namespace, Any, Any, int]] = {}  # place -> namespace, before, now, by how many
_ABSENT = object()  # before: the name was not there, and Python's own was meant
_OURS: dict[str, dict[str, Callable[..., Any]]] = {}  # module -> name -> what stands in
_PARTS = ("scipy",)  # modules that lead to one of them


def _stands_for(module: str, *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(ours: Callable[..., Any]) -> Callable[..., Any]:
        _OURS.setdefault(module, {}).update(dict.fromkeys(names, ours))
        return ours

    return keep


class _Kind(type):
    """Makes `_Type` stand for `type`: it is called, subclassed and asked about as that is."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        if cls is not _Type:
            return super().__call__(*args, **options)
        if len(args) == 1 and isinstance(args[0], Traced):
            return args[0].__class__
        return type(*args, **options)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, type) if cls is _Type else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, type) if cls is _Type else super().__subclasscheck__(subclass)


class _Type(type, metaclass=_Kind):
    """type(x), by what x says of itself."""


class _Module(ModuleType):
    """A module in which some functions are others while a function is traced."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__, module.__doc__)
        vars(self)["_module"] = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(vars(self)["_module"], name)
        if value is np.r_ or value is np.c_:
            return _Beside(value)
        return _substitute(value)


_made: dict[int, tuple[Any, Any]] = {}  # original -> (original, substitute)


def _substitute(value: Any) -> Any:
    """What stands for a module or a function while a function is traced; itself where nothing does."""
    if isinstance(value, _Module) or not (isinstance(value, ModuleType) or callable(value)):
        return value
    found = _made.get(id(value))
    if found is not None and found[0] is value:
        return found[1]
    made = value
    if isinstance(value, ModuleType) and value.__name__ in (*_OURS, *_PARTS):
        made = _Module(value)
    for module, table in _OURS.items():
        name = getattr(value, "__name__", None)
        if (
            name in table
            and not isinstance(value, ModuleType)
            and getattr(sys.modules.get(module), name, None) is value
        ):
            assert value is not None
            made = _function(value, table[name])
    if made is not value:
        _made[id(value)] = (value, made)
    return made


def _function(original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    def substitute(*args: Any, **options: Any) -> Any:
        tracer: Tracer | None = getattr(_active, "tracer", None)
        return original(*args, **options) if tracer is None else ours(tracer, original, *args, **options)

    substitute.__name__ = substitute.__qualname__ = getattr(original, "__name__", "")
    substitute.__doc__ = original.__doc__
    return substitute


_BUILTINS: dict[str, Any] = {"type": _Type} | {name: _function(*pair) for name, pair in BUILTINS.items()}
for _called, _ours in MATH.items():
    _stands_for("math", _called)(_ours)


class _Beside:
    """np.r_ and np.c_: arrays side by side, in square brackets."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        tracer: Tracer | None = getattr(_active, "tracer", None)
        found = [v for v in leaves(list(parts)) if isinstance(v, Traced)]
        if tracer is None or not found:
            return self.original[key]
        if any(isinstance(v, (str, slice)) for v in parts):
            found[0].refuse("np.r_ or np.c_ with a range or a text among arrays", "np.concatenate, np.stack")
        arrays = [wrap(tracer, v) for v in parts]
        if self.original is np.c_:
            return FUNCTION_TABLE[np.column_stack](arrays)
        return FUNCTION_TABLE[np.concatenate]([a if a.axes else a[None] for a in arrays])


@contextmanager
def substituted(tracer: Tracer, function: Callable[..., Any]) -> Iterator[None]:
    """Inside, the functions of this table are replaced where the function's globals name them."""
    before = getattr(_active, "tracer", None)
    taken: list[tuple[int, str]] = []
    with _lock:
        for space in _spaces(function):
            for name, value in [*space.items(), *((n, _ABSENT) for n in _BUILTINS if n not in space)]:
                key = (id(space), name)
                known = _changed.get(key)
                if known is not None and known[2] is value:
                    _changed[key] = (*known[:3], known[3] + 1)
                    taken.append(key)
                    continue
                made = _BUILTINS[name] if value is _ABSENT else _substitute(value)
                if made is not value:
                    _changed[key] = (space, value, made, 1)
                    space[name] = made
                    taken.append(key)
    _active.tracer = tracer
    try:
        yield
    finally:
        _active.tracer = before
        with _lock:
            for key in taken:
                space, old, made, count = _changed[key]
                if count > 1:
                    _changed[key] = (space, old, made, count - 1)
                    continue
                if space.get(key[1]) is made:  # the function may have given the name to something else
                    if old is _ABSENT:
                        del space[key[1]]
                    else:
                        space[key[1]] = old
                del _changed[key]


def _spaces(function: Callable[..., Any]) -> list[Namespace]:
    """The globals of a function, and of the user's functions and modules that can be seen from there."""
    found: dict[int, Namespace] = {}
    pending: list[Any] = [function, getattr(function, "func", None), vars(type(function)).get("__call__")]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if id(one) in seen or isinstance(one, _Module):
            continue
        seen.add(id(one))
        space = vars(one) if isinstance(one, ModuleType) else getattr(one, "__globals__", None)
        if space is None or not _is_users(space):
            continue
        pending.append(getattr(one, "__wrapped__", None))
        for cell in getattr(one, "__closure__", None) or ():
            try:
                pending.append(cell.cell_contents)
            except ValueError:  # nothing in it yet
                continue
        if id(space) not in found:
            found[id(space)] = space
            pending += [v for v in list(space.values()) if isinstance(v, (FunctionType, ModuleType))]
    return list(found.values())


def _is_users(space: Namespace) -> bool:
    """True for code that is neither Python's, nor an installed package's."""
    root = str(space.get("__name__", "")).partition(".")[0]
    file = str(space.get("__file__", ""))
    installed = "site-packages" in file or "dist-packages" in file
    return root not in sys.stdlib_module_names - {"__main__"} and root != "chainrule" and not installed


# -- arrays of numbers ---------------------------------------------------------------------------------------------


def _is_float(dtype: Any) -> bool:
    return dtype is None or np.dtype(dtype) == np.float64


def _axes(shape: Any) -> tuple[Any, ...] | None:
    """A shape with a named size in it; None where there is none."""
    dims = shape if isinstance(shape, (tuple, list)) else (shape,)
    if not any(isinstance(d, Size) for d in dims):
        return None
    return tuple(d.dim if isinstance(d, Size) else int(d) for d in dims)


def _filled(name: str, value: float) -> Callable[..., Any]:
    def ours(tracer: Tracer, original: Any, shape: Any, dtype: Any = None, **options: Any) -> Any:
        axes = _axes(shape)
        if axes is not None and _is_float(dtype):
            return Traced(tracer, constant(int(value)), axes)
        made = original(shape, dtype, **options) if dtype is not None else original(shape, **options)
        if made.dtype != np.float64 or not made.ndim:
            return made
        return fresh(tracer, np.full(made.shape, value))

    ours.__name__ = name
    return ours


_stands_for("numpy", "zeros")(_filled("zeros", 0.0))
_stands_for("numpy", "ones")(_filled("ones", 1.0))


@_stands_for("numpy", "empty")
def _empty(tracer: Tracer, original: Any, shape: Any, dtype: Any = None, **options: Any) -> Any:
    """What nobody has written is no number."""
    made = original(shape, **options) if dtype is None else original(shape, dtype, **options)
    return fresh(tracer, np.full(made.shape, np.nan)) if made.dtype == np.float64 and made.ndim else made


@_stands_for("numpy", "full")
def _full(tracer: Tracer, original: Any, shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    if isinstance(fill_value, Traced) and numbers_of(fill_value) is None:
        axes = _axes(shape) or tuple(np.empty(shape).shape)
        return FUNCTION_TABLE[np.broadcast_to](fill_value, axes)
    return folded(tracer, original(shape, numbers_of(fill_value), dtype, **options))


def _computed(tracer: Tracer, original: Any, *args: Any, **options: Any) -> Any:
    return folded(tracer, original(*args, **options))


for _name in ("eye", "identity", "tri", "linspace"):
    _stands_for("numpy", _name)(_computed)


def _like(tracer: Tracer, original: Any, a: Any, *args: Any, **options: Any) -> Any:
    made = original(a, *args, **options)
    return made if isinstance(made, Traced) else folded(tracer, made)


for _name in ("zeros_like", "ones_like", "full_like", "copy"):
    _stands_for("numpy", _name)(_like)


@_stands_for("numpy", "empty_like")
def _empty_like(tracer: Tracer, original: Any, prototype: Any, *args: Any, **options: Any) -> Any:
    made = original(prototype, *args, **options)
    if isinstance(made, Traced) or made.dtype != np.float64:
        return made
    return fresh(tracer, np.full(made.shape, np.nan))


@_stands_for("numpy", "array")
def _array(tracer: Tracer, original: Any, obj: Any, dtype: Any = None, *args: Any, **options: Any) -> Any:
    found = [v for v in leaves(obj) if isinstance(v, Traced)]
    if not found:
        return original(obj, dtype, *args, **options)
    if isinstance(obj, Traced) and _is_float(dtype) and not options.get("copy", not args or args[0]):
        return _at_least(obj, options)
    if not isinstance(obj, Traced) and options.get("copy", True) is False:
        return original(obj, dtype, **options)  # NumPy's own error
    if numbers_of(found) is not None:
        return folded(tracer, original(numbers_of(obj), dtype, *args, **options))
    if not _is_float(dtype):
        found[0].refuse(f"np.array with dtype {np.dtype(dtype)}", "float64, or no dtype")
    return _at_least(_joined(tracer, obj, True), options)


def _at_least(array: Traced, options: dict[str, Any]) -> Any:
    """With as many axes as `ndmin` says, in front."""
    missing = max(0, options.get("ndmin", 0) - len(array.axes))
    return array[(None,) * missing] if missing else array


@_stands_for("numpy", "fromiter")
def _fromiter(tracer: Tracer, original: Any, iter: Any, dtype: Any, *args: Any, **options: Any) -> Any:
    values = list(iter)
    if not any(isinstance(v, Traced) for v in values):
        return original(values, dtype, *args, **options)
    return _array(tracer, np.array, values, dtype)


def _laid_out(tracer: Tracer, original: Any, a: Any, *args: Any, **options: Any) -> Any:
    """The array, or a copy where it does not lie in memory so: what is written into it goes where NumPy's goes."""
    if not isinstance(a, Traced):
        return (
            _array(tracer, original, a)
            if any(isinstance(v, Traced) for v in leaves(a))
            else original(a, *args, **options)
        )
    if numbers_of(a) is None and not _is_float(options.get("dtype", args[0] if args else None)):
        a.refuse(f"np.{original.__name__} with another dtype", "float64, or no dtype")

    def how(at: Any) -> Any:
        made = original(at, None, *args[1:], **{k: v for k, v in options.items() if k != "dtype"})
        return made.reshape(at.shape)

    return view_of(a, None if a.pieced else make(a, a.expr, a.axes, a.flag, a.row), how, False)


for _name in ("ascontiguousarray", "asfortranarray", "require"):
    _stands_for("numpy", _name)(_laid_out)


for _name in ("asarray", "asanyarray", "asfarray"):
    if not hasattr(np, _name):
        continue

    @_stands_for("numpy", _name)
    def _asarray(tracer: Tracer, original: Any, a: Any, dtype: Any = None, *args: Any, **options: Any) -> Any:
        if isinstance(a, Traced) and _is_float(dtype):
            return a
        if isinstance(a, Traced):
            return a.astype(dtype)
        if any(isinstance(v, Traced) for v in leaves(a)):
            return _array(tracer, original, a, dtype)
        return original(a, dtype, *args, **options)


def _of_list(tracer: Tracer, original: Any, a: Any = None, *args: Any, **options: Any) -> Any:
    """NumPy's functions of one array take a list of arrays as well."""
    if isinstance(a, (list, tuple)) and any(isinstance(v, Traced) for v in leaves(a)):
        a = _joined(tracer, a, True)
    return original(*(() if a is None else (a,)), *args, **options)


for _name in (
    "sum",
    "mean",
    "prod",
    "max",
    "min",
    "amax",
    "amin",
    "var",
    "std",
    "cumsum",
    "average",
    "transpose",
    "dot",
):
    _stands_for("numpy", _name)(_of_list)


def _joined(tracer: Tracer, value: Any, copy: bool) -> Traced:
    if isinstance(value, (list, tuple)):
        parts = [_joined(tracer, v, False) for v in value]
        out: Traced = FUNCTION_TABLE[np.stack](parts)
        return out
    array = wrap(tracer, value)
    return make(array, array.expr, array.axes, array.flag, array.row) if copy else array


# -- SciPy's functions that are no ufuncs ----------------------------------------------------------------------------


@_stands_for("scipy.special", "logsumexp")
def _logsumexp(
    tracer: Tracer, original: Any, a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, **options: Any
) -> Any:
    if not isinstance(a, Traced) and not isinstance(b, Traced):
        return original(a, axis, b, keepdims, **options)
    x = wrap(tracer, a)
    if options:
        x.refuse(f"scipy.special.logsumexp with {', '.join(options)}")
    terms = apply("exp", x)
    return apply("log", total(terms if b is None else terms * b, axis, keepdims))


@_stands_for("scipy.special", "softmax")
def _softmax(tracer: Tracer, original: Any, x: Any, axis: Any = None) -> Any:
    if not isinstance(x, Traced):
        return original(x, axis)
    terms = apply("exp", minus(x, largest(x, axis, True)))
    return over(terms, total(terms, axis, True))


@_stands_for("scipy.special", "log_softmax")
def _log_softmax(tracer: Tracer, original: Any, x: Any, axis: Any = None) -> Any:
    if not isinstance(x, Traced):
        return original(x, axis)
    return minus(x, apply("log", total(apply("exp", x), axis, True)))
