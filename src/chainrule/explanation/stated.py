"""What an identity of the book states, as formulas: its equations, its answers, and what its upstream letter means.

The text of an identity is the whiteboard language; here it becomes trees of notation, which keep that text.
"""

from __future__ import annotations

from functools import cache

from chainrule.book import Identity
from chainrule.explanation.pattern import pattern_of
from chainrule.language import ast
from chainrule.language.parser import parse_expression, parse_program
from chainrule.language.scope import known_functions
from chainrule.notation import phrases, tree
from chainrule.notation.from_tree import tree_to_node
from chainrule.notation.sentence import Sentence, joined, say
from chainrule.notation.tree import Node

__all__ = ["answer_node", "equation_nodes", "given_node", "statement"]


@cache
def equation_nodes(identity: Identity) -> tuple[Node, ...]:
    """The equations of its program: z = W x."""
    program = pattern_of(identity).program
    read = parse_program(identity.program, "whiteboard", known_functions())
    lines = [line for line in identity.program.splitlines() if " = " in line]
    equations = [s for s in read.statements if isinstance(s, ast.Equation)]
    out = []
    for equation, text in zip(equations, lines, strict=True):
        left = tree.at(equation.name, [ref.name or "" for ref in equation.indices or ()])
        out.append(phrases.worded(tree.equal(left, tree_to_node(equation.value, program)), text))
    return tuple(out)


@cache
def answer_node(identity: Identity, layout: str) -> Node:
    """What it answers in a layout: ∂z/∂x = W."""
    pattern = pattern_of(identity)
    text: str = getattr(identity, layout)
    known = known_functions() | set(pattern.program.functions)
    right = tree_to_node(parse_expression(text, "whiteboard", known, pattern.program.variables), pattern.program)
    left = tree.partial(tree.sym("J" if identity.upstream else pattern.of), tree.sym(identity.wrt))
    return tree.equal(left, phrases.worded(right, text))


def given_node(identity: Identity) -> Node:
    """What its upstream letter means: δ = ∂J/∂z."""
    upstream = tree.partial(tree.sym("J"), tree.sym(pattern_of(identity).of))
    return tree.equal(tree.sym(identity.upstream), upstream)


def statement(identity: Identity) -> Sentence:
    """z = W x gives ∂J/∂W = δᵀ xᵀ for δ = ∂J/∂z, in the identity's own letters."""
    said = say(joined(", ", map(phrases.foreign, equation_nodes(identity))), " gives ")
    if not identity.upstream:
        return say(said, phrases.foreign(answer_node(identity, "numerator")))
    return say(said, phrases.foreign(answer_node(identity, "shape")), " for ", phrases.foreign(given_node(identity)))
