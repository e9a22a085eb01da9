"""A network's loss as a function for libraries that speak NumPy: the plain code that chainrule writes, on their module.

That code computes the loss and no derivative, so the library differentiates it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainrule import api
from chainrule.bench.case import Case
from chainrule.errors import UnsupportedError
from chainrule.targets.numpy import numpy_source

__all__ = ["loss_function"]


class _Module:
    """A library's NumPy, and what autograd has no derivative of in other words."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def vdot(self, left: Any, right: Any) -> Any:
        return self._module.sum(left * right)


def loss_function(case: Case, module: Any) -> Callable[[Mapping[str, Any]], Any]:
    """loss(arrays by name), every operation taken from `module`. Raises UnsupportedError where arrays are updated."""
    network = api.parse(case.text, str(case.options.get("dialect", "whiteboard")))
    loss = network.scalar_loss()
    made = numpy_source(network.program, (loss,), dtype=case.dtype, plain=True, name="forward")
    if "[...]" in made.text:
        raise UnsupportedError("the plain code updates an array in place, which this library does not differentiate")
    space: dict[str, Any] = {}
    exec(compile(made.text.replace("import numpy as np", ""), "<loss>", "exec"), {"np": _Module(module)}, space)
    function = space["forward"]
    names = made.plan.arguments

    def value(arrays: Mapping[str, Any]) -> Any:
        return function(*(arrays[name] for name in names))[loss]

    return value
