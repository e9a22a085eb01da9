"""What a check answers: right or wrong, in which layout, why, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.derivation import Step

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """The verdict on a claim. `bool(check)` is `check.ok`.

    claim: as it was written.  ok: right.  diagnosis: one sentence that says so, or what is wrong.
    kind: "" where right; else dimensions, transpose, order, sign, factor, activation, sum, signal, label, path,
    normalisation, layout, elementwise, term, name, condition, undecided, inherited, or unknown.
    kinds: all names that the mistake may go by, `kind` first.
    expected: the right formula.  suggestion: the claim, mended.  step: the step of the derivation at which it departs.
    layout: numerator, shape or both: where it is right.  how: "equal as formulas", "equal in value", or the condition
    under which it would be right.  conditions: what the right formula rests on.
    lines: of a derivation or a chain of equalities, each with its own verdict.
    """

    claim: str
    ok: bool
    diagnosis: str
    kind: str = ""
    kinds: tuple[str, ...] = ()
    expected: str = ""
    suggestion: str = ""
    step: Step | None = field(default=None, compare=False)
    layout: str = ""
    how: str = ""
    conditions: tuple[str, ...] = ()
    lines: tuple[Check, ...] = ()
    about: str = ""  # ∂J/∂W

    def __bool__(self) -> bool:
        return self.ok

    @property
    def verdict(self) -> str:
        """right, wrong or undecided."""
        return "right" if self.ok else "undecided" if self.kind == "undecided" else "wrong"

    def __str__(self) -> str:
        if self.lines:
            body = "\n".join(_indented(str(line)) for line in self.lines)
            return f"{self.verdict}: {self.diagnosis}\n{body}"
        out = [f"{self.verdict}: {self.claim}", f"  {self.diagnosis}"]
        if not self.ok:
            if self.suggestion:
                out.append(f"  try: {self.suggestion}")
            if self.expected and not self.suggestion.endswith(f"= {self.expected}"):
                out.append(f"  the derivation gives: {self.about} = {self.expected}" if self.about
                           else f"  the derivation gives: {self.expected}")  # fmt: skip
            if self.step is not None:
                out.append(f"  departs at: {said_step(self.step)}")
        out += [f"  given that {condition}" for condition in self.conditions if self.ok]
        return "\n".join(out)

    def __repr__(self) -> str:
        return f"<Check {self.verdict}: {self.claim}: {self.diagnosis}>"

    def to_json(self) -> dict[str, Any]:
        """The verdict as data."""
        out: dict[str, Any] = {
            "claim": self.claim, "ok": self.ok, "verdict": self.verdict, "kind": self.kind, "kinds": list(self.kinds),
            "diagnosis": self.diagnosis, "expected": self.expected, "suggestion": self.suggestion,
            "layout": self.layout, "how": self.how, "conditions": list(self.conditions),
            "step": None if self.step is None else {
                "rule": self.step.rule, "identity": self.step.identity, "place": self.step.place,
                "before": self.step.before, "after": self.step.after, "detail": self.step.detail,
            },
        }  # fmt: skip
        if self.lines:
            out["lines"] = [line.to_json() for line in self.lines]
        return out


def said_step(step: Step) -> str:
    """A step in one line."""
    rule = step.identity or step.rule
    if step.identity and step.rule and step.rule != step.identity:
        rule = f"{step.rule} ({step.identity})"
    return f"{step.detail or f'{step.before} = {step.after}'}  [{rule}]"


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.split("\n"))
