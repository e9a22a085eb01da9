"""One link of a chain rule taken: the value behind it with its rule, and the step that is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from chainrule.algebra.expr import Expr
from chainrule.explanation.steps import Formula, ProofLine, Shown, Step

__all__ = ["Stage", "add_step"]


@dataclass(frozen=True)
class Stage:
    """What becomes of one link: the value behind it, and the rule that gave it."""

    value: Expr
    rule: str
    detail: str = ""
    identity: str = ""
    bindings: Mapping[str, str] | None = None
    conditions: tuple[str, ...] = ()
    within: tuple[tuple[Expr, str, str, tuple[str, ...]], ...] = ()  # value, rule, detail, conditions: finer
    place: str = ""
    shown: Shown = None
    prover: Callable[[], tuple[ProofLine, ...]] | None = None


def add_step(
    steps: list[Step], now: Formula, after: Formula, stage: Stage, with_value: Callable[[Expr], Formula]
) -> Formula:
    """Add the step from one formula to the next, which is given back; it is no step where it reads the same.

    with_value: the formula with a finer value of the stage in the place of its own.
    """
    if after.node == now.node:
        if steps and stage.conditions:  # it reads the same, but a fact was used: bᵀ inv(L) for L = Lᵀ
            known = dict.fromkeys((*steps[-1].conditions, *stage.conditions))
            steps[-1] = replace(steps[-1], conditions=tuple(known))
        return replace(now, state=after.state)
    fine: list[Step] = []
    before = now
    for value, rule, detail, conditions in stage.within:
        there = with_value(value)
        if there.node != before.node:
            fine.append(Step(before, there, rule, {}, stage.place, detail, "", conditions))
            before = there
    if len(fine) == 1 and fine[0].right.node == after.node:
        stage = replace(stage, rule=fine[0].rule, detail=fine[0].detail)
        fine = []
    steps.append(Step(
        now, after, stage.rule, stage.bindings or {}, stage.place, stage.detail, stage.identity, stage.conditions,
        tuple(fine), stage.prover,
    ))  # fmt: skip
    return after
