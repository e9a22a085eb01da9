"""What every output says, chosen in one place: formulas in their layouts, steps by level, conditions, proofs.

The formats only write it down. Levels: 0 the results; 1 the steps; 2 finer steps in place of the coarse ones; 3 also
the proof of each identity that was used, once. Nothing is invented here: the steps are the derivation's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from chainrule.errors import ChainruleError
from chainrule.explanation.steps import Formula, ProofLine, Step
from chainrule.explanation.told import Told
from chainrule.notation.sentence import say

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient
    from chainrule.notation.written import Written

__all__ = [
    "GRADIENTS_SAID",
    "LAYOUTS",
    "SIGNALS_SAID",
    "Chain",
    "Form",
    "Layout",
    "Line",
    "Proof",
    "chains",
    "check_layout",
    "check_level",
    "conditions",
    "forms",
    "proofs",
]

Layout = Literal["numerator", "shape", "both"]
LAYOUTS: tuple[str, ...] = get_args(Layout)

SIGNALS_SAID = "numerator layout: a row at a vector"
GRADIENTS_SAID = {
    "numerator": "numerator layout: a row at a vector, transposed at a matrix",
    "shape": "shape layout: each in the shape of its parameter",
    "both": "shape layout: each in the shape of its parameter, then in numerator layout",
}


def check_layout(layout: str) -> None:
    """Raises ChainruleError for a layout that does not exist."""
    if layout not in LAYOUTS:
        raise ChainruleError(f"there is no layout {layout!r}", f"one of: {', '.join(LAYOUTS)}")


def check_level(explain: int) -> None:
    """Raises ChainruleError for a level of detail that does not exist."""
    if explain not in (0, 1, 2, 3):
        raise ChainruleError(f"there is no level of detail {explain!r}", "0, 1, 2 or 3")


@dataclass(frozen=True)
class Form:
    """One way to write a gradient: the formula and the layout that it is in."""

    written: Written
    layout: Literal["numerator", "shape"]


def forms(derivation: Derivation, gradient: Gradient, layout: str) -> list[Form]:
    """The formula, and behind it the one in numerator layout where that is asked for and another one."""
    if gradient.name in derivation.backward.signals:
        return [Form(gradient.written, "numerator")]
    turned = gradient.turned
    if turned is None:
        return [Form(gradient.written, "shape")]
    if layout == "numerator":
        return [Form(turned, "numerator")]
    main = Form(gradient.written, "shape")
    return [main] if layout == "shape" else [main, Form(turned, "numerator")]


@dataclass(frozen=True)
class Line:
    """One line of a chain: = `right`, because of `rule`. `depth` is 1 where it is a finer step."""

    right: Formula
    rule: str
    detail: str = ""
    depth: int = 0

    @property
    def because(self) -> str:
        """The rule, with what it says here in brackets."""
        return say(self.rule, "  (", self.detail, ")") if self.detail else self.rule


@dataclass
class Chain:
    """left = … = …: steps of which each begins where the one before it ended."""

    left: Formula
    lines: list[Line] = field(default_factory=list)


def _chosen(steps: Iterable[Step], explain: int, depth: int = 0) -> Iterator[tuple[Step, int]]:
    for step in steps:
        if explain >= 2 and step.within:
            yield from _chosen(step.within, explain, depth + 1)
        else:
            yield step, depth


def chains(steps: Iterable[Step], explain: int) -> list[Chain]:
    """The steps of a level, those that follow on one another in one chain."""
    out: list[Chain] = []
    for step, depth in _chosen(steps, explain) if explain else ():
        if not out or step.left != out[-1].lines[-1].right:
            out.append(Chain(step.left))
        out[-1].lines.append(Line(step.right, step.rule, step.detail, depth))
    return out


class Tells(Protocol):
    """What has formulas with steps, and is no derivation of a loss: a Jacobian, a product with a Hessian."""

    @property
    def told(self) -> Sequence[Told]: ...


def _every(told: Derivation | Tells) -> Iterator[Gradient | Told]:
    tells = getattr(told, "told", None)
    if tells is not None:
        yield from tells
        return
    yield from told.signals.values()  # type: ignore[union-attr]
    yield from told.gradients.values()  # type: ignore[union-attr]


def conditions(derivation: Derivation | Tells, explain: int) -> list[str]:
    """What the steps assume, each once."""
    found: dict[str, None] = {}
    if explain:
        for gradient in _every(derivation):
            for step in gradient.steps:
                found.update(dict.fromkeys(step.conditions))
                for finer, _ in _chosen(step.within, 2):
                    found.update(dict.fromkeys(finer.conditions))
    return list(found)


@dataclass(frozen=True)
class Proof:
    """The proof of an identity, in the names of the step that used it first."""

    identity: str
    detail: str
    lines: tuple[ProofLine, ...]


def proofs(derivation: Derivation | Tells, explain: int) -> list[Proof]:
    """At level 3, the proof of each identity that was used, once."""
    found: dict[str, Proof] = {}
    if explain >= 3:
        for gradient in _every(derivation):
            for step, _ in (*_chosen(gradient.steps, 2), *_chosen(gradient.steps, 1)):
                if step.identity and step.identity not in found and step.proof:
                    found[step.identity] = Proof(step.identity, step.detail, step.proof)
    return list(found.values())
