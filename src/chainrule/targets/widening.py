"""The lines with which a step of a framework computes in float64 what is given and returned in another dtype.

`precise=True`: some values are wide (`plan.wide`), and the text needs an array to make others like: `opening` gives it.
`precise="all"`: every argument is converted on the way in and every result on the way out, so that all is float64.
To change what a language writes: `widened`, `rounded` and `wide` of its `PureSpelling`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.plan.wide import EVERYTHING, Precise
from chainrule.targets.names import Names
from chainrule.targets.pure import PureSpelling
from chainrule.targets.spelling import ATOM
from chainrule.targets.text import occurs

__all__ = ["Widening", "mode_of"]


def mode_of(precise: Precise) -> str:
    """What `build_plan` is asked for."""
    return "nodes" if precise is True else ""


class Widening:
    """What a step in `spelling`'s language converts. `precise`: as the user asks for it."""

    def __init__(self, precise: Precise, spelling: PureSpelling, names: Names) -> None:
        self._all = precise == EVERYTHING
        self._spelling = spelling
        self._wide, self._dtype = (names.take(word) for word in ("wide", "dtype")) if precise else ("", "")
        spelling.wide_like = self._wide

    def opening(self, arguments: Sequence[str], body: Sequence[str]) -> list[str]:
        """What stands before `body`, in a function of `arguments`; the spelling's `like` is among them."""
        like = self._spelling.like
        if self._all:
            lines = [f"{self._dtype} = {like}.dtype"]
            return lines + [f"{name} = {self._spelling.widened((name, ATOM))[0]}" for name in arguments]
        used = self._wide and any(occurs(self._wide, line) for line in body)
        return [f"{self._wide} = {self._spelling.wide(like)}"] if used else []

    def result(self, text: str, strength: int = ATOM) -> str:
        """The text of what is returned."""
        return self._spelling.rounded((text, strength), self._dtype)[0] if self._all else text
