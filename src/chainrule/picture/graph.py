"""What the picture shows: a node for each name, an edge for each use, and which signal flows back along it.

Anonymous parts of an equation belong to the equation, unless a signal has its place at one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chainrule.algebra.expr import variable
from chainrule.algebra.loops import is_lag, loop_members
from chainrule.algebra.program import Operation, Program, is_anonymous
from chainrule.calculus.reverse import Backward
from chainrule.dims import display_name, format_shape
from chainrule.notation.sequences import step_letter

__all__ = ["Again", "Box", "Graph", "Use", "network_graph"]


@dataclass(frozen=True, slots=True)
class Box:
    """A node. kind: input, label, param, const, value or loss.

    text: what stands in it, "" for what is declared.  size: D_h × 1.  signal: the error signal at it, "" where the
    adjoint has no name; `has_adjoint` is False where nothing flows back.  ghost: stands for a node of another column.
    """

    name: str
    kind: str
    text: str
    size: str
    signal: str = ""
    has_adjoint: bool = False
    ghost: bool = False

    @property
    def is_leaf(self) -> bool:
        """True for what is declared."""
        return self.kind not in ("value", "loss")


@dataclass(frozen=True, slots=True)
class Use:
    """`source` is used by `target`; `back`: an adjoint flows from target to source."""

    source: str
    target: str
    back: bool


@dataclass(frozen=True, slots=True)
class Again:
    """`source` is used by `target` at another step of their loop; shown: h[t−1]."""

    source: str
    target: str
    shown: str


@dataclass(slots=True)
class Graph:
    """Nodes by key, in the order of the program, the uses between them, and those from one step to another."""

    boxes: dict[str, Box] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    again: list[Again] = field(default_factory=list)

    def before(self, key: str) -> list[str]:
        """What a node uses."""
        return [u.source for u in self.uses if u.target == key]

    def after(self, key: str) -> list[str]:
        """What uses a node."""
        return [u.target for u in self.uses if u.source == key]


def network_graph(program: Program, backward: Backward, texts: Mapping[str, str]) -> Graph:
    """The graph of a forward program with its backward pass.

    texts: each equation as people read it, and the right-hand side of each anonymous name at which a signal stands.
    """
    signal_at = {of: signal for signal, of in backward.signals.items()}
    graph = Graph()
    shown = [e for e in program if not is_anonymous(e.name) or e.name in signal_at]
    visible = {e.name for e in shown}
    for declared in program.variables.values():
        if declared.name not in program.equations:
            graph.boxes[declared.name] = _box(declared.name, declared.kind, program, backward, signal_at, texts)
    for equation in shown:
        kind = "loss" if equation.name == backward.loss else "value"
        graph.boxes[equation.name] = _box(equation.name, kind, program, backward, signal_at, texts)
        for source in dict.fromkeys(_arguments(program, equation.name, visible)):
            back = source in backward.adjoints and equation.name in backward.adjoints
            graph.uses.append(Use(source, equation.name, back and bool(backward.adjoints[source])))
        graph.again += dict.fromkeys(_other_steps(program, equation.name, equation.name, visible))
    return graph


def _other_steps(program: Program, name: str, target: str, visible: set[str]) -> Iterator[Again]:
    """What an equation of a loop takes from other steps, looking through anonymous parts."""
    equation = program.equations[name]
    if is_lag(equation) and isinstance(equation.value, Operation) and name in loop_members(program):
        (source, *_), (offset, _) = equation.value.args, equation.value.attributes
        steps = program.variables[source].steps
        if source in visible:
            letter = step_letter(steps.letter if steps is not None else "t", offset).replace("-", "−")
            yield Again(source, target, f"{display_name(source)}[{letter}]")
            return
    for argument in equation.arguments:
        if is_anonymous(argument) and argument not in visible and argument in program.equations:
            yield from _other_steps(program, argument, target, visible)


def _arguments(program: Program, name: str, visible: set[str]) -> Iterator[str]:
    """What an equation uses at its own step, looking through anonymous parts."""
    equation = program.equations[name]
    earlier = is_lag(equation) and name in loop_members(program)
    for argument in equation.arguments[1:] if earlier else equation.arguments:
        if is_anonymous(argument) and argument not in visible:
            yield from _arguments(program, argument, visible)
        else:
            yield argument


def _box(
    name: str, kind: str, program: Program, backward: Backward, signal_at: Mapping[str, str], texts: Mapping[str, str]
) -> Box:
    own = program.variables[name]
    size = format_shape(own.shape)
    adjoint = backward.adjoints.get(name, {})
    signal = signal_at.get(name, "")
    if adjoint and not signal:  # the adjoint is another place's signal: z = a + b hands on δ as it is
        signal = next((s for s in backward.signals if adjoint == variable(s, own.indices)), "")
    return Box(name, kind, texts.get(name, ""), size, signal, bool(adjoint))
