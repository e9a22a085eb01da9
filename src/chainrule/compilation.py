"""From a derivation to code: which program and which of its names a target is given.

Targets are found in `chainrule.targets.registry`; a new one is a file there and needs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.algebra.program import Program
from chainrule.targets import registry

if TYPE_CHECKING:
    from chainrule.derivation import Derivation
    from chainrule.network import Network

__all__ = ["compile_forward", "compile_step", "compile_value", "target_names"]


def target_names() -> list[str]:
    """What `compile(target=…)` takes."""
    return registry.names()


def _compile(target: str, program: Program, outputs: Sequence[str], dtype: str, options: Any, **more: Any) -> Any:
    record = registry.find(target)
    record.check(options)
    step = record.compile(program, tuple(outputs), dtype=_spelled(dtype), **more, **options)
    step.recipe = registry.Recipe(target, program, tuple(outputs), {"dtype": _spelled(dtype), **more, **options})
    return step


def _spelled(dtype: object) -> object:
    """The name of a dtype that is given as NumPy's own: np.float32 is "float32"."""
    if isinstance(dtype, str):
        return dtype
    try:
        return np.dtype(dtype).name  # type: ignore[call-overload]
    except TypeError:
        return dtype


def compile_step(target: str, derivation: Derivation, dtype: str, **options: Any) -> Any:
    """`step(**arrays) -> (loss, {name: gradient})`."""
    comments = {e.name: str(e) for e in derivation.network.equations}
    for found in (*derivation.signals.values(), *derivation.gradients.values()):
        comments[found.name] = str(found)
    return _compile(
        target, derivation.program, (derivation.loss, *derivation.backward.gradients.values()), dtype, options,
        loss=derivation.loss, gradients=dict(derivation.backward.gradients), comments=comments,
    )  # fmt: skip


def compile_value(target: str, program: Program, name: str, dtype: str, **options: Any) -> Any:
    """`f(**arrays) -> array`, one value of the program."""
    return _Value(_compile(target, program, (name,), dtype, options), name)


class _Value:
    """One value of a compiled program. source: the text.  names: the arrays that it takes."""

    def __init__(self, run: Any, name: str) -> None:
        self._run, self._name = run, name
        self.source, self.names = run.source, run.names

    def __call__(self, /, **arrays: Any) -> Any:
        return self._run(**arrays)[self._name]

    def __repr__(self) -> str:
        return f"{self._name} by {self._run!r}"


def compile_forward(target: str, network: Network, names: Sequence[str], dtype: str, **options: Any) -> Any:
    """`f(**arrays) -> {name: array}`, the forward pass as far as it is needed."""
    return _compile(target, network.program, names, dtype, options)
