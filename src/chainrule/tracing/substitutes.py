"""Functions that NumPy does not ask a traced array about, replaced while a traced function runs.

np.zeros makes an array without looking at any argument, so that a loop that fills it would write into numbers. While a
function is traced, the names in its globals (and in those of the user's functions that it can see) that stand for NumPy
get a module that gives arrays which record; NumPy itself is not changed. In other threads the same names do what they
always did. Everything is put back when the trace ends, also after an error. `type` is replaced as well: of a
traced array it is NumPy's array, so that code which asks goes the way that arrays go; so are Python's max and min of
numbers, and the functions of the module math. What stands in for a function is in `stand_ins`. A name that is missed
(numpy imported inside the function) is no danger: a write into its arrays is refused.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from chainrule.tracing.array import Traced
from chainrule.tracing.pythons import BUILTINS
from chainrule.tracing.stand_ins import STAND_INS, beside
from chainrule.tracing.tracer import Tracer

__all__ = ["substituted"]

Namespace = MutableMapping[str, Any]
_active = threading.local()
_lock = threading.Lock()
_changed: dict[tuple[int, str], tuple[Namespace, Any, Any, int]] = {}  # place -> namespace, before, now, by how many
_ABSENT = object()  # before: the name was not there, and Python's own was meant
_PARTS = ("scipy",)  # modules that lead to one of them


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
    if isinstance(value, ModuleType) and value.__name__ in (*STAND_INS, *_PARTS):
        made = _Module(value)
    for module, table in STAND_INS.items():
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


class _Beside:
    """np.r_ and np.c_: arrays side by side, in square brackets."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __getitem__(self, key: Any) -> Any:
        tracer: Tracer | None = getattr(_active, "tracer", None)
        return self.original[key] if tracer is None else beside(tracer, self.original, key)


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
