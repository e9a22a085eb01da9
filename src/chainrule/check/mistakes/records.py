"""The record of a mistake that people make in gradients, and the registry of all of them.

A record knows the mistake both ways: `commit` makes it in a right formula, `undo` takes it back in a wrong one; both
work at one place of a formula and yield what could stand there instead. A new mistake is one record in one of the files
beside this one: the search, the explanation and the tests (which are parametrised over the registry) take it up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chainrule.check.scene import Scene
from chainrule.check.trees import Place
from chainrule.language import ast

__all__ = ["MISTAKES", "Change", "Mistake", "nothing", "register"]


@dataclass(frozen=True, slots=True)
class Change:
    """What could stand at a place.

    node: that.  cost: how far-fetched it is, about 1.  says: what it says of the claim, with {} for each of `of`.
    piece: what the right formula has there, by which the step of the derivation is found.
    kind: where it is another than the record's.  also: other kinds that the mistake may go by.
    """

    node: ast.Expr
    cost: float
    says: str
    of: tuple[ast.Expr | str, ...] = ()
    piece: ast.Expr | None = None
    kind: str = ""
    also: tuple[str, ...] = ()

    def said(self, scene: Scene) -> str:
        """The sentence."""
        return self.says.format(*(part if isinstance(part, str) else scene.text(part) for part in self.of))


Changes = Callable[[Place, Scene], Iterator[Change]]


@dataclass(frozen=True)
class Mistake:
    """A mistake.

    kind: its name in a verdict.  statement: what people do.  undo, commit: see above.
    offends: words by which the step of a derivation is known that it goes against, the most telling first.
    """

    kind: str
    statement: str
    undo: Changes
    commit: Changes
    offends: tuple[str, ...] = ()


MISTAKES: dict[str, Mistake] = {}


def register(mistake: Mistake) -> Mistake:
    """Add a record. Raises ValueError where there is one of that kind."""
    if mistake.kind in MISTAKES:
        raise ValueError(f"the mistake {mistake.kind} is registered already")
    MISTAKES[mistake.kind] = mistake
    return mistake


def nothing(place: Place, scene: Scene) -> Iterator[Change]:
    """For a mistake that is found as a whole, not at a place."""
    return iter(())
