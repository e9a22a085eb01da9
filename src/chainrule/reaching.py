"""How a variable reaches the loss, in one line: through what, in which order steps are computed, why this transpose.

For a signal it says what uses its variable, and of a loop what is known before its first step; for a gradient it says
where each transpose and each sum of the formula comes from (`explanation.reasons`), and what a fact would change.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from chainrule.algebra.loops import Loop, has_loops, is_lag, stages
from chainrule.algebra.program import Operation
from chainrule.calculus.tied import TIED, tied_said
from chainrule.dims import display_name
from chainrule.explanation.graph import Graph
from chainrule.explanation.last_step import earlier, first_step
from chainrule.explanation.reasons import Target, layout_reason
from chainrule.explanation.writing import APART
from chainrule.notation import phrases, tree
from chainrule.notation.matrix import Irreducible
from chainrule.notation.sentence import joined, say
from chainrule.notation.sequences import step_letter
from chainrule.notation.tree import Node

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient

__all__ = ["reason_of"]


def reason_of(derivation: Derivation, gradient: Gradient) -> str:
    """One line: where each transpose and each sum comes from, and how the two layouts are related."""
    if gradient.of in derivation.backward.zero:
        return derivation.no_dependence(gradient.of)
    own = derivation.program.variables[gradient.of]
    graph = Graph(derivation.network.program, derivation.loss, gradient.of, set())
    users = [node for user in graph.users(gradient.of) for node in _user_nodes(derivation, user)]
    users = [n if n.op in APART else phrases.bracketed(n) for n in users]
    if gradient.name in derivation.backward.signals:
        many = ": one term for each, summed" if len(users) > 1 else ""
        start = derivation.describe_node(own.name)
        start = start if start.op in APART else phrases.bracketed(start)
        order = _order(derivation, gradient)
        return say(start, " reaches ", tree.sym(derivation.loss), " through ", joined(" and ", users), many, order)
    numerator = (gradient.turned or gradient.written).tree
    target = Target(derivation.loss, own, numerator, tuple(users))
    told = layout_reason(derivation.program, target, gradient.expression)
    facts = [f for f in own.facts if f in TIED]
    if not facts:
        return told
    free_entries = f" is {facts[0]}, and each entry is differentiated as if it could move by itself"
    tied = gradient.tied
    other = ["; ", tied_said(facts[0], display_name(own.name)), " it is "] if len(own.dims) == 2 else []
    if tied is None:
        other = other and [*other, "that part of it"]
    return say(told, "; ", tree.sym(own.name), free_entries, *other, *([tied.tree] if tied is not None else []))


def _order(derivation: Derivation, gradient: Gradient) -> str:
    """In which order the steps of a signal are computed, and what stands before the first of them."""
    for stage in stages(derivation.program) if has_loops(derivation.network.program) else ():
        if isinstance(stage, Loop) and any(e.name == gradient.name for e in stage.equations):
            steps = gradient.variable.steps
            if steps is None:
                return ""
            dim = gradient.variable.dims[steps.axis]
            first, last, outside = (dim, 1, f"{dim}+1") if stage.backwards else (1, dim, 0)
            said = say("; computed for ", tree.sym(steps.letter), f" = {first}..{last}")
            used = earlier(derivation.program, gradient.name, stage.backwards)
            named = [tree.sym(f"{display_name(n)}[{outside}]") for n in used if n in derivation.backward.signals]
            if not named:
                return said
            said = say(said, ", where ", joined(", ", named), " is 0" if len(named) == 1 else " are 0")
            start = first_step(derivation.program, gradient.name, stage.backwards)
            with suppress(Irreducible):
                if start is not None:
                    there, writer = replace(steps, letter=str(first)), derivation.explainer.writer
                    own = gradient.variable
                    node = writer.shown_node(start, own.dims, own.orientation, there)
                    said = say(said, ", so ", tree.equal(writer.node(gradient.name, str(first)), node))
            return said
    return ""


def _user_nodes(derivation: Derivation, name: str) -> list[Node]:
    """What uses a name; of a lag what uses it, one step on."""
    equation, steps = derivation.program.equations.get(name), derivation.program.variables[name].steps
    if steps is None or equation is None or not is_lag(equation):
        return [derivation.describe_node(name)]
    assert isinstance(equation.value, Operation)
    found: list[Node] = []
    for user in Graph(derivation.network.program, derivation.loss, name, set()).users(name):
        if derivation.program.variables[user].steps is None:
            continue
        try:
            at = step_letter(steps.letter, -equation.value.attributes[0])
            found.append(derivation.notation.step_node(user, at))
        except Irreducible:
            found.append(derivation.describe_node(user))
    return found or [derivation.describe_node(name)]
