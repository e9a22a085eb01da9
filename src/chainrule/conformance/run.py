"""All cases of a file, and what came of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from chainrule.conformance.cases import Unusable, read_cases
from chainrule.conformance.judge import POINTS, Outcome, judge

__all__ = ["Conformance", "run"]


@dataclass(frozen=True)
class Conformance:
    """The outcomes, in the order of the file."""

    outcomes: tuple[Outcome, ...]

    def count(self, status: str) -> int:
        """How many are ok, wrong, refused or unusable."""
        return sum(o.status == status for o in self.outcomes)

    @property
    def ok(self) -> bool:
        """True where nothing is wrong, refused or unusable, and nothing wrong as text."""
        return all(o.status == "ok" and o.text.status != "wrong" for o in self.outcomes)

    @property
    def summary(self) -> str:
        """One line on all."""
        texts = [o.text for o in self.outcomes if o.text.status in ("ok", "wrong", "refused")]
        longer = sum(t.longer for t in texts)
        parts = [f"{self.count(s)} {s}" for s in ("ok", "wrong", "refused")]
        if self.count("unusable"):
            parts.append(f"{self.count('unusable')} unusable")
        good = sum(t.status == "ok" for t in texts)
        return f"{len(self.outcomes)} cases: {', '.join(parts)}; as text {good} of {len(texts)} ok, {longer} longer"

    def to_json(self) -> dict[str, Any]:
        """As data."""
        counts = {s: self.count(s) for s in ("ok", "wrong", "refused", "unusable")}
        return {"ok": self.ok, **counts, "cases": [o.to_json() for o in self.outcomes]}


def run(path: str | os.PathLike[str], seed: int = 0, points: int = POINTS) -> Conformance:
    """Every case of a file at `points` random points. Raises LanguageError where the file holds no cases."""
    return Conformance(
        tuple(
            Outcome(f"line {case.line}", "unusable", case.reason)
            if isinstance(case, Unusable)
            else judge(case, seed, points)
            for case in read_cases(path)
        )
    )
