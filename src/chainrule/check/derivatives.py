"""f′ of a function that is a definition in the language, such as silu, written out.

The language reads f′(x) of its primitive functions alone. Of a definition that works elementwise, the engine finds the
derivative on a scalar, and its formula stands in place of the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chainrule.dims import canonical_name
from chainrule.errors import ChainruleError, UnsupportedError
from chainrule.functions import FUNCTIONS
from chainrule.language import ast
from chainrule.language.elaborate import elaborate
from chainrule.language.parser import parse_expression, parse_program
from chainrule.language.scope import known_functions
from chainrule.library import definition_names, definition_text
from chainrule.network import Network

__all__ = ["definition_of", "derivative_of", "without_primes"]

VALUE = "value_of_it"  # f(u) itself, in whose terms f′(u) may be shorter
_memory: dict[ast.Definition, ast.Expr | None] = {}


def definition_of(name: str, own: Iterable[ast.Definition]) -> ast.Definition | None:
    """The definition of a function, the user's before the library's."""
    for definition in own:
        if canonical_name(definition.name) == canonical_name(name):
            return definition
    if name in FUNCTIONS or name not in definition_names():
        return None
    found = parse_program(definition_text(name), "whiteboard", known_functions()).statements[0]
    assert isinstance(found, ast.Definition)
    return found


def derivative_of(definition: ast.Definition, argument: ast.Expr) -> ast.Expr | None:
    """f′(argument) as a formula, or None where the definition is not elementwise in one argument."""
    if definition not in _memory:
        _memory[definition] = _derived(definition)
    body = _memory[definition]
    return None if body is None else _placed(body, definition.parameters[0], argument)


def without_primes(node: ast.Expr, own: list[ast.Definition]) -> ast.Expr:
    """The tree with f′(x) of definitions written out. Raises UnsupportedError where that is not possible."""
    if isinstance(node, ast.Call):
        node = replace(node, args=tuple(without_primes(a, own) for a in node.args))
        definition = definition_of(node.function, own) if node.primes else None
        if definition is None:
            return node
        found = derivative_of(definition, node.args[0]) if node.primes == 1 and len(node.args) == 1 else None
        if found is None:
            name = f"{node.function}{'′' * node.primes}"
            raise UnsupportedError(f"{name} is not known: {node.function} is not elementwise", "its formula", node.span)
        return found
    if isinstance(node, ast.Negate | ast.Transpose):
        return replace(node, operand=without_primes(node.operand, own))
    if isinstance(node, ast.Binary):
        return replace(node, left=without_primes(node.left, own), right=without_primes(node.right, own))
    return node


def _derived(definition: ast.Definition) -> ast.Expr | None:
    if len(definition.parameters) != 1 or not _elementwise(definition.body):
        return None
    (letter,) = definition.parameters
    tree = ast.Program((
        ast.Declaration("input", letter, ()),
        ast.Equation(VALUE, None, definition.body),
    ))  # fmt: skip
    try:
        elaborated = elaborate(tree)
        text = Network(elaborated.program, elaborated.loss, elaborated).jacobian(letter).text
        found = parse_expression(text, "whiteboard", known_functions(), [letter, VALUE])
        return _placed(_spread(found), VALUE, _spread(definition.body))
    except ChainruleError:
        return None


def _elementwise(node: ast.Expr) -> bool:
    """True where nothing in a body joins entries: no sum, no matrix product of two arrays."""
    if isinstance(node, ast.Call):
        return node.function in FUNCTIONS and not node.options and all(map(_elementwise, node.args))
    if isinstance(node, ast.Negate):
        return _elementwise(node.operand)
    if isinstance(node, ast.Binary):
        numeric = isinstance(node.left, ast.Number) or isinstance(node.right, ast.Number)
        return (numeric or node.op not in ("@", "*", "/", "^")) and _elementwise(node.left) and _elementwise(node.right)
    return isinstance(node, ast.Name | ast.Number)


def _spread(node: ast.Expr) -> ast.Expr:
    """A formula of scalars for every entry of an array."""
    if isinstance(node, ast.Binary):
        op = {"@": "∘", "*": "∘", "/": "./", "^": ".^"}.get(node.op, node.op)
        return ast.Binary(op, _spread(node.left), _spread(node.right))
    if isinstance(node, ast.Negate):
        return ast.Negate(_spread(node.operand))
    if isinstance(node, ast.Call):
        return replace(node, args=tuple(map(_spread, node.args)), span=None)
    return replace(node, span=None)


def _placed(node: ast.Expr, letter: str, argument: ast.Expr) -> ast.Expr:
    """The tree with something else for a name."""
    if isinstance(node, ast.Name):
        return argument if node.name == letter else node
    if isinstance(node, ast.Negate):
        return ast.Negate(_placed(node.operand, letter, argument))
    if isinstance(node, ast.Binary):
        return ast.Binary(node.op, _placed(node.left, letter, argument), _placed(node.right, letter, argument))
    if isinstance(node, ast.Call):
        return replace(node, args=tuple(_placed(a, letter, argument) for a in node.args))
    return node
