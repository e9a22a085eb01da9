"""Python's operators on traced arrays: +, @, <, −, abs() and those that are refused."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from chainrule.tracing.array import Traced, folded, numbers_of, wrap
from chainrule.tracing.comparisons import both, comparison, either, negation, one_of
from chainrule.tracing.tables import UFUNC_TABLE
from chainrule.tracing.ufuncs import minus, negative, over, plus, positive, simple, times, to_the

__all__ = ["OPERATORS"]


def _operator(name: str, ours: Callable[[Traced, Traced], Traced], turned: bool) -> Callable[[Traced, Any], Any]:
    numpys = getattr(operator, name if name not in ("and", "or") else f"{name}_")

    def method(self: Traced, other: Any) -> Any:
        self.look()
        known = numbers_of((self, other))
        if known is not None:
            return folded(self.tracer, numpys(*(reversed(known) if turned else known)))
        value = wrap(self.tracer, other)
        return ours(value, self) if turned else ours(self, value)

    return method


def _product(a: Traced, b: Traced) -> Traced:
    found: Traced = UFUNC_TABLE["matmul"](a, b)
    return found


OPERATORS = {
    "add": ("+", plus), "sub": ("-", minus), "mul": ("*", times), "truediv": ("/", over), "pow": ("**", to_the),
    "matmul": ("@", _product), "and": ("&", both), "or": ("|", either), "xor": ("^", one_of),
}  # fmt: skip


for _name, (_sign, _ours) in OPERATORS.items():
    setattr(Traced, f"__{_name}__", _operator(_name, _ours, False))
    setattr(Traced, f"__r{_name}__", _operator(_name, _ours, True))


for _name, _sign in {"gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "==", "ne": "!="}.items():
    setattr(Traced, f"__{_name}__", _operator(_name, comparison(_sign), False))


def _unary(name: str, ours: Callable[[Traced], Traced]) -> Callable[[Traced], Any]:
    def method(self: Traced) -> Any:
        self.look()
        data = self.data
        return ours(self) if data is None else folded(self.tracer, getattr(data, f"__{name}__")())

    return method


for _name, _one in {"neg": negative, "pos": positive, "abs": simple("abs"), "invert": negation}.items():
    setattr(Traced, f"__{_name}__", _unary(_name, _one))


def _unknown(name: str, sign: str, turned: bool) -> Callable[[Traced, Any], Any]:
    def method(self: Traced, other: Any) -> Any:
        known = numbers_of((self, other))
        if known is None:
            self.refuse(f"{sign} is not traced yet")
        numpys = divmod if name == "divmod" else getattr(operator, name)
        return folded(self.tracer, numpys(*(reversed(known) if turned else known)))

    return method


for _name, _sign in {"mod": "%", "floordiv": "//", "divmod": "divmod", "lshift": "<<"}.items():
    setattr(Traced, f"__{_name}__", _unknown(_name, _sign, False))
    setattr(Traced, f"__r{_name}__", _unknown(_name, _sign, True))
