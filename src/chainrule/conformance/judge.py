"""One case through `chainrule.trace`: ok, wrong, or refused with a reason."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import api
from chainrule.conformance.cases import Case, draw
from chainrule.conformance.text import Text, through_text
from chainrule.derivation import Gradient
from chainrule.dims import display_name
from chainrule.errors import ChainruleError, ChainruleWarning
from chainrule.network import Network
from chainrule.reference import evaluate_program

__all__ = ["Outcome", "differentiated", "judge", "largest_errors"]

POINTS = 6


@dataclass(frozen=True)
class Outcome:
    """What became of a case: `status` is ok, wrong, refused or unusable (its own code fails, or the line is no case).

    error: relative, the largest over all points.
    text: the same through the matlab dialect, where the case is also written so.
    """

    id: str
    status: str
    reason: str = ""
    formula: str = ""
    error: float = 0.0
    text: Text = field(default_factory=Text)

    def to_json(self) -> dict[str, Any]:
        """As data."""
        return {"id": self.id, "status": self.status, "reason": self.reason, "formula": self.formula,
                "error": self.error, "text": self.text.to_json()}  # fmt: skip


def judge(case: Case, seed: int = 0, points: int = POINTS) -> Outcome:
    """Trace the case's function, derive, and compare at random points: the formula's value and the compiled code's."""
    problem = broken(case, seed)
    if problem is not None:
        return Outcome(case.id, "unusable", problem)
    text = through_text(case, seed, points)
    try:
        shapes: dict[str, Any] = dict(case.shapes)
        net = api.trace(case.forward(), wrt=case.wrt, facts=case.facts(), **shapes)
        formula, values = differentiated(net, case)
        own, error = largest_errors(net, case, values, seed, points)
        error = max(own, error)
    except ChainruleError as refusal:
        return Outcome(case.id, "refused", str(refusal), text=text)
    except RecursionError:
        return Outcome(case.id, "refused", "nested too deeply", text=text)
    except Exception as mistake:  # code that a trace cannot run, such as a TypeError about an array without values
        return Outcome(case.id, "refused", f"{type(mistake).__name__}: {mistake}", text=text)
    if not error <= case.tolerance:
        return Outcome(case.id, "wrong", f"off by {error:.1e}", formula, error, text)
    return Outcome(case.id, "ok", "", formula, error, text)


def broken(case: Case, seed: int) -> str | None:
    """What is wrong with a case's own code, which must run on arrays and give numbers; None where nothing is."""
    arrays = draw(case, np.random.default_rng(seed))
    for field_name, made in (("numpy_forward", case.forward), ("numpy_expected", case.answer)):
        try:
            value = np.asarray(made()(**copied(arrays)), dtype=np.float64)
        except Exception as mistake:  # any code may stand there
            return f"{field_name} fails: {type(mistake).__name__}: {mistake}"
        if not np.isfinite(value).all():
            return f"{field_name} gives numbers that are not finite"
    return None


def differentiated(net: Network, case: Case) -> tuple[str, list[Callable[..., Any]]]:
    """The formula, and functions that compute its value: by the reference interpreter, and as compiled code."""
    name = next(n for n in net.declarations if n == net.name(case.wrt))
    if case.kind == "gradient":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChainruleWarning)
            derivation = net.derive([case.wrt])
        gradient = derivation.gradients[name]
        step = derivation.compile()
        program, symbol = derivation.program, gradient.name

        def value(**arrays: Any) -> Any:
            given, sizes = net.check_arrays(arrays)
            return evaluate_program(program, given, sizes, [symbol])[symbol]

        return written(gradient), [value, lambda **arrays: step(**arrays)[1][name]]
    found = net.hessian(case.wrt) if case.kind == "hessian" else net.jacobian(case.wrt)
    return found.text, [found.evaluate, found.compile()]


def written(gradient: Gradient) -> str:
    """A formula with the signals that it needs, so that its length is that of all one has to read."""
    first, *rest = gradient.whole.items()
    return "; ".join([first[1], *(f"{display_name(name)} = {text}" for name, text in rest)])


def largest_errors(
    net: Network, case: Case, values: list[Callable[..., Any]], seed: int, points: int
) -> tuple[float, float]:
    """How far the network is from the function, and the values from the published answer, at random points."""
    rng = np.random.default_rng(seed)
    forward, answer = case.forward(), case.answer()
    worst = worst_own = 0.0
    for _ in range(points):
        arrays = draw(case, rng)
        result = net.evaluate(**arrays)
        own = result[net.loss or next(reversed(result))]
        worst_own = max(worst_own, distance(own, forward(**copied(arrays))))
        expected = answer(**copied(arrays))
        for value in values:
            got = np.asarray(value(**copied(arrays)))
            worst = max(worst, distance(got, expected))
    return worst_own, worst


def copied(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Arguments that a function may write into; a number as a number."""
    return {name: array.copy() if array.ndim else array[()] for name, array in arrays.items()}


def distance(got: Any, expected: Any) -> float:
    """The largest difference, relative to the largest entry; infinite for another number of entries or for NaN."""
    a: NDArray[np.float64] = np.asarray(got, dtype=np.float64)
    b: NDArray[np.float64] = np.asarray(expected, dtype=np.float64)
    if [d for d in a.shape if d != 1] != [d for d in b.shape if d != 1]:
        return float("inf")
    difference = np.abs(a.reshape(b.shape) - b).max(initial=0.0)
    scale = max(1.0, float(np.abs(b).max(initial=0.0)))
    return float(difference / scale) if np.isfinite(difference) else float("inf")
