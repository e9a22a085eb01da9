"""A Python function of a C function of a library, made through CPython's stable interface; what `c_entry` declares.

No header and no package is needed for it, and a call costs some tens of nanoseconds. `builtin` makes it; `Bound` is the
record that a bound step hands over.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

__all__ = ["FASTCALL", "NOARGS", "Bound", "builtin", "capsule"]


class _Method(ctypes.Structure):
    """PyMethodDef of the stable interface."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)
    )  # fmt: skip


class Bound(ctypes.Structure):
    """What `chainrule_bound` is called with: the table of the step, sizes, arrays and the workspace of a step."""

    _fields_ = (
        ("step", ctypes.c_void_p), ("quick", ctypes.c_int64), ("sizes", ctypes.c_void_p), ("arrays", ctypes.c_void_p),
        ("workspace", ctypes.c_void_p),
    )  # fmt: skip


FASTCALL, NOARGS = 0x80, 0x04
_kept: list[Any] = []  # method records must outlive the functions made of them


def builtin(library: ctypes.PyDLL, name: str, flags: int, own: object) -> Callable[..., Any]:
    """A Python function of a C function; `own` is its first argument."""
    method = _Method(name.encode(), ctypes.cast(getattr(library, name), ctypes.c_void_p).value, flags, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    made: Callable[..., Any] = make(ctypes.addressof(method), own, None)
    _kept.append(method)
    return made


def capsule(address: int) -> object:
    """An address that C functions get as an object."""
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    made: object = make(address, None, None)
    return made
