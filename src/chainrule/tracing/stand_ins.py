"""What stands in for NumPy's and SciPy's functions that do not ask a traced array, while a function is traced.

np.zeros makes an array without looking at any argument, so that a loop that fills it would write into numbers; here it
makes one that records. Each gets (tracer, the original, arguments). To add one: a function here, decorated with what it
stands for. `substitutes` says where and how long they stand in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.algebra.expr import constant
from chainrule.tracing.array import Traced, folded, leaves, make, numbers_of, wrap
from chainrule.tracing.extremes import largest
from chainrule.tracing.memory import fresh, view_of
from chainrule.tracing.named import Size
from chainrule.tracing.pythons import MATH
from chainrule.tracing.sums import total
from chainrule.tracing.tables import FUNCTION_TABLE
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.ufuncs import apply, minus, over

__all__ = ["STAND_INS", "beside"]

STAND_INS: dict[str, dict[str, Callable[..., Any]]] = {}  # module -> name -> what stands in


def stands_for(module: str, *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(ours: Callable[..., Any]) -> Callable[..., Any]:
        STAND_INS.setdefault(module, {}).update(dict.fromkeys(names, ours))
        return ours

    return keep


for _called, _ours in MATH.items():
    stands_for("math", _called)(_ours)


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


stands_for("numpy", "zeros")(_filled("zeros", 0.0))
stands_for("numpy", "ones")(_filled("ones", 1.0))


@stands_for("numpy", "empty")
def _empty(tracer: Tracer, original: Any, shape: Any, dtype: Any = None, **options: Any) -> Any:
    """What nobody has written is no number."""
    made = original(shape, **options) if dtype is None else original(shape, dtype, **options)
    return fresh(tracer, np.full(made.shape, np.nan)) if made.dtype == np.float64 and made.ndim else made


@stands_for("numpy", "full")
def _full(tracer: Tracer, original: Any, shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    if isinstance(fill_value, Traced) and numbers_of(fill_value) is None:
        axes = _axes(shape) or tuple(np.empty(shape).shape)
        return FUNCTION_TABLE[np.broadcast_to](fill_value, axes)
    return folded(tracer, original(shape, numbers_of(fill_value), dtype, **options))


def _computed(tracer: Tracer, original: Any, *args: Any, **options: Any) -> Any:
    return folded(tracer, original(*args, **options))


for _name in ("eye", "identity", "tri", "linspace"):
    stands_for("numpy", _name)(_computed)


def _like(tracer: Tracer, original: Any, a: Any, *args: Any, **options: Any) -> Any:
    made = original(a, *args, **options)
    return made if isinstance(made, Traced) else folded(tracer, made)


for _name in ("zeros_like", "ones_like", "full_like", "copy"):
    stands_for("numpy", _name)(_like)


@stands_for("numpy", "empty_like")
def _empty_like(tracer: Tracer, original: Any, prototype: Any, *args: Any, **options: Any) -> Any:
    made = original(prototype, *args, **options)
    if isinstance(made, Traced) or made.dtype != np.float64:
        return made
    return fresh(tracer, np.full(made.shape, np.nan))


@stands_for("numpy", "array")
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


@stands_for("numpy", "fromiter")
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
    stands_for("numpy", _name)(_laid_out)


for _name in ("asarray", "asanyarray", "asfarray"):
    if not hasattr(np, _name):
        continue

    @stands_for("numpy", _name)
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
    stands_for("numpy", _name)(_of_list)


def _joined(tracer: Tracer, value: Any, copy: bool) -> Traced:
    if isinstance(value, (list, tuple)):
        parts = [_joined(tracer, v, False) for v in value]
        out: Traced = FUNCTION_TABLE[np.stack](parts)
        return out
    array = wrap(tracer, value)
    return make(array, array.expr, array.axes, array.flag, array.row) if copy else array


# -- SciPy's functions that are no ufuncs ----------------------------------------------------------------------------


@stands_for("scipy.special", "logsumexp")
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


@stands_for("scipy.special", "softmax")
def _softmax(tracer: Tracer, original: Any, x: Any, axis: Any = None) -> Any:
    if not isinstance(x, Traced):
        return original(x, axis)
    terms = apply("exp", minus(x, largest(x, axis, True)))
    return over(terms, total(terms, axis, True))


@stands_for("scipy.special", "log_softmax")
def _log_softmax(tracer: Tracer, original: Any, x: Any, axis: Any = None) -> Any:
    if not isinstance(x, Traced):
        return original(x, axis)
    return minus(x, apply("log", total(apply("exp", x), axis, True)))


def beside(tracer: Tracer, original: Any, key: Any) -> Any:
    """np.r_[a, b] and np.c_[a, b]: arrays side by side."""
    parts = key if isinstance(key, tuple) else (key,)
    found = [v for v in leaves(list(parts)) if isinstance(v, Traced)]
    if not found:
        return original[key]
    if any(isinstance(v, (str, slice)) for v in parts):
        found[0].refuse("np.r_ or np.c_ with a range or a text among arrays", "np.concatenate, np.stack")
    arrays = [wrap(tracer, v) for v in parts]
    if original is np.c_:
        return FUNCTION_TABLE[np.column_stack](arrays)
    return FUNCTION_TABLE[np.concatenate]([a if a.axes else a[None] for a in arrays])
