"""From a derivation to code: which program and which of its names a target is given.

Targets are found in `chainrule.targets.registry`; a new one is a file there and needs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
    return record.compile(program, tuple(outputs), dtype=dtype, **more, **options)


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
    run = _compile(target, program, (name,), dtype, options)

    def value(**arrays: Any) -> Any:
        return run(**arrays)[name]

    value.source = run.source  # type: ignore[attr-defined]
    value.names = run.names  # type: ignore[attr-defined]
    return value


def compile_forward(target: str, network: Network, names: Sequence[str], dtype: str, **options: Any) -> Any:
    """`f(**arrays) -> {name: array}`, the forward pass as far as it is needed."""
    return _compile(target, network.program, names, dtype, options)
