"""From a derivation to code: which program and which of its names a target is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.algebra.program import Program
from chainrule.errors import UnsupportedError

if TYPE_CHECKING:
    from chainrule.derivation import Derivation
    from chainrule.network import Network

__all__ = ["TARGETS", "compile_forward", "compile_step", "compile_value"]

TARGETS = ("numpy",)


def _target(name: str) -> Callable[..., Any]:
    if name != "numpy":
        raise UnsupportedError(f"there is no target {name}", f"one of: {', '.join(TARGETS)}")
    from chainrule.targets.numpy import compile_numpy

    return compile_numpy


def compile_step(target: str, derivation: Derivation, dtype: str, **options: Any) -> Any:
    """`step(**arrays) -> (loss, {name: gradient})`."""
    comments = {e.name: str(e) for e in derivation.network.equations}
    comments |= {g.name: g.symbol for g in (*derivation.signals.values(), *derivation.gradients.values())}
    return _target(target)(
        derivation.program, (derivation.loss, *derivation.backward.gradients.values()),
        loss=derivation.loss, gradients=dict(derivation.backward.gradients), dtype=dtype, comments=comments, **options,
    )  # fmt: skip


def compile_value(target: str, program: Program, name: str, dtype: str, **options: Any) -> Any:
    """`f(**arrays) -> array`, one value of the program."""
    run = _target(target)(program, (name,), dtype=dtype, **options)

    def value(**arrays: Any) -> Any:
        return run(**arrays)[name]

    value.source = run.source  # type: ignore[attr-defined]
    return value


def compile_forward(target: str, network: Network, names: Sequence[str], dtype: str, **options: Any) -> Any:
    """`f(**arrays) -> {name: array}`, the forward pass as far as it is needed."""
    return _target(target)(network.program, tuple(names), dtype=dtype, **options)
