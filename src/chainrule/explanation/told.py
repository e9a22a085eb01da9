"""A formula that is told: both sides, its steps, and where these hold, so that each can be checked by itself.

A gradient has one formula; a product with the Hessian has a handful, one for each name on the way, and they come from
different programs: that of the network, of its gradient, of the tangents. Outputs take them one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chainrule.algebra.expr import Index
from chainrule.algebra.program import Program
from chainrule.dims import Dim
from chainrule.explanation.checking import StepReport, check_steps
from chainrule.explanation.steps import Step
from chainrule.notation.tree import Node

__all__ = ["Told", "Where", "check_told"]


@dataclass(frozen=True)
class Where:
    """In which programs steps hold: what is differentiated of `forward`, and `work`, which defines what they use.

    outer: the indices of its entry.
    """

    forward: Program
    work: Program
    of: str
    outer: tuple[Index, ...] = ()


@dataclass(frozen=True)
class Told:
    """left = right, with the shape as on paper. reason: in one line."""

    left: Node
    right: Node
    shape: tuple[Dim, ...]
    steps: tuple[Step, ...] = ()
    where: Where | None = None
    reason: str = ""


def check_told(told: Iterable[Told], seed: int = 0) -> StepReport:
    """Each step of every formula by itself: both sides in float64 at a random point."""
    worst, count, skipped, reason = 0.0, 0, 0, ""
    for one in told:
        if not one.steps or one.where is None:
            continue
        where = one.where
        report = check_steps(where.forward, where.work, where.of, one.steps, seed, where.outer)
        if report.wrong is not None:
            return report
        worst, count = max(worst, report.max_relative_error), count + report.count
        skipped, reason = skipped + report.skipped, report.reason or reason
    if not count:
        reason = reason or "there are none"
    return StepReport(not reason, count, worst, None, reason, skipped)
