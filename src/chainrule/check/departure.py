"""At which step of the derivation a claim departs: the one place that knows how steps are marked.

It is the step that brings in the piece which the claim lacks. Where no step does, the mistake names the words by which
the step that it goes against is known (`Mistake.offends`: of the rule, the identity, or the conditions).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chainrule.check.mistakes import MISTAKES

if TYPE_CHECKING:
    from chainrule.check.targets import Target
    from chainrule.derivation import Gradient, Step

__all__ = ["conditions_of", "departing_step"]


def steps_of(target: Target, at: str = "") -> list[Step]:
    """The derivation behind a target, or of the signal `at` that lies behind it."""
    gradient: Gradient | None = target.gradient
    if gradient is None:
        return list(getattr(target.jacobian, "steps", ()))
    if at:
        gradient = gradient._derivation.signals.get(at, gradient)
    assert gradient is not None
    return list(gradient.steps)


def departing_step(target: Target, kind: str, piece: str, at: str = "") -> Step | None:
    """The first step that the claim goes against, or None where the derivation has none.

    piece: the part of the right formula that the claim has not.
    """
    steps = steps_of(target, at)
    for step in steps:
        if piece and _holds(step.after, piece) and not _holds(step.before, piece):
            return step
    for word in MISTAKES[kind].offends if kind in MISTAKES else ():
        for step in steps:
            if _marked(step, word):
                return step
    return steps[-1] if steps else None


def _holds(text: str, piece: str) -> bool:
    """True where a formula holds a piece as a whole, not within a longer name."""
    return re.search(rf"(?<!\w){re.escape(piece)}(?!\w)", text) is not None


def _marked(step: Step, word: str) -> bool:
    return any(word in text for text in (step.identity, step.rule, *step.conditions))


def conditions_of(target: Target) -> tuple[str, ...]:
    """What the derivation of the right answer assumes, as its steps say."""
    return tuple(dict.fromkeys(c for step in steps_of(target) for c in step.conditions))
