"""From tree to algebra: each statement of the tree becomes declarations and equations of a `Program`.

Expressions are read in `expressions` and `calls`, names are kept in `scope`. Checking and lowering are one pass.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import takewhile

from chainrule.algebra.expr import Index, free, free_indices, rename
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.dims import Dim, canonical_name
from chainrule.errors import DimensionError, LanguageError, UnknownNameError, UnsupportedError
from chainrule.language import ast
from chainrule.language.bound import children
from chainrule.language.facts import FACTS, SQUARE_FACTS, spelled_out
from chainrule.language.offers import Offers, heads_of
from chainrule.language.ones import settled
from chainrule.language.pieces import bare_name
from chainrule.language.recurrences import is_initial, read_initial, read_loop, same_loop
from chainrule.language.scope import known_functions, squeeze, within
from chainrule.language.values import Value, orientation_of
from chainrule.library import definition_names
from chainrule.sizes import symbols_of

__all__ = [
    "Elaborated",
    "Elaborator",
    "elaborate",
    "elaborate_expression",
    "elaborate_loop",
    "elaborate_step",
    "known_functions",
    "offer_names",
    "spelled_out",
]

LETTER = -500  # the first marker among the free indices for a letter on the left side: no axis has it


class Elaborated:
    """A program with what the front end knows of it: the tree, the loss, the equations that the user wrote."""

    def __init__(self, tree: ast.Program) -> None:
        self.tree = tree
        self.program = Program()
        self.loss: str | None = None
        self.user_equations: list[ast.Equation] = []
        self.repeats: list[str] = []  # "b1 (1 × D_h) is repeated over the N rows": said, never silent


def elaborate(tree: ast.Program) -> Elaborated:
    """Check a tree and lower it. Raises ChainruleError with the place in the user's text."""
    return Elaborator(tree).run()


def elaborate_expression(
    program: Program,
    node: ast.Expr,
    definitions: Iterable[ast.Definition] = (),
    letters: Mapping[str, Index] | None = None,
) -> Value:
    """The value of an expression in the names of `program`, to which anonymous equations may be added.

    letters: in index notation, the free indices by their letters.
    """
    elaborator = _in_names_of(program)
    elaborator.known_letters, elaborator.limited = bool(letters), set(letters or {})
    for definition in definitions:
        elaborator.definitions[canonical_name(definition.name)] = definition
    return elaborator.in_letters(node, letters or {})


def elaborate_step(
    program: Program, node: ast.Expr, letter: str, dim: Dim, definitions: Iterable[ast.Definition] = ()
) -> Value:  # fmt: skip
    """The value of an expression at the step `letter`: time is its first axis, its orientation that of one step."""
    elaborator = _in_names_of(program)
    for definition in definitions:
        elaborator.definitions[canonical_name(definition.name)] = definition
    marker: Index = (LETTER, dim)
    elaborator.index_scope, elaborator.time = {letter: marker}, {marker: letter}
    value = elaborator.expr(node)
    if value.orientation == "identity":
        raise DimensionError("the size of I is not known here", "eye(D)", node.span)
    indices = ((-1, dim), *((-2 - k, d) for k, d in enumerate(value.dims)))
    expr = rename(value.expr, dict(zip((marker, *value.indices), indices, strict=True)))
    return replace(value, expr=expr, dims=(dim, *value.dims))


def elaborate_loop(
    program: Program, name: str, node: ast.Expr, letter: str, dim: Dim, definitions: Iterable[ast.Definition] = ()
) -> None:  # fmt: skip
    """Define a sequence of the user's own, name[letter] = node: backwards where it uses a later step of itself."""
    elaborator = _in_names_of(program)
    for definition in definitions:
        elaborator.definitions[canonical_name(definition.name)] = definition
    ref = ast.IndexRef(letter, 0)
    backwards = _uses_later(node, canonical_name(name))
    loop = ast.Recurrence(letter, dim, 1) if backwards else ast.Recurrence(letter, 1, dim)
    read_loop(elaborator, [ast.Equation(name, (ref,), node, loop, node.span)])


def uses(node: ast.Expr, key: str) -> bool:
    """True where some entry of the name with this canonical spelling stands in a formula."""
    if isinstance(node, ast.Indexed) and canonical_name(node.base.name) == key:
        return True
    return any(uses(child, key) for child in children(node))


def _uses_later(node: ast.Expr, key: str) -> bool:
    if isinstance(node, ast.Indexed):
        return canonical_name(node.base.name) == key and any(ref.offset > 0 for ref in node.indices)
    return any(_uses_later(child, key) for child in children(node))


def offer_names(program: Program) -> None:
    """Add anonymous names that formulas may use: softmax(x) where exp(x) and its sum are there, and their like."""
    elaborator = _in_names_of(program)
    elaborator.offer_names()
    applied: dict[str, set[str]] = {}
    for equation in program:
        for factors, _ in equation.value if isinstance(equation.value, dict) else ():
            for (head, argument, _), _ in factors:
                if head and isinstance(argument, str) and argument in program.variables:
                    applied.setdefault(argument, set()).add(head)
    for argument, heads in applied.items():
        for function in sorted(definition_names()):
            if heads_of(function) & heads:
                for along in elaborator.axes_to_offer(function, argument):
                    elaborator.recognise(function, argument, along)


def _in_names_of(program: Program) -> Elaborator:
    """An elaborator that continues a program."""
    elaborator = Elaborator(ast.Program(()))
    elaborator.program = program
    for name, var in program.variables.items():
        elaborator.names[canonical_name(name)] = name
        for dim in var.dims:
            for symbol in symbols_of(dim):
                elaborator.dims.setdefault(symbol, None)
    for equation in program:
        if isinstance(equation.value, dict) and free_indices(equation.value) == set(
            program.variables[equation.name].indices
        ):
            elaborator.known.setdefault(frozenset(equation.value.items()), equation.name)
    return elaborator


class Elaborator(Offers):
    """Reads statements."""

    def __init__(self, tree: ast.Program) -> None:
        self.out = Elaborated(tree)
        super().__init__(self.out.program)
        self.dialect = tree.dialect
        self.repeats = self.out.repeats
        self.outside = self.out.repeats

    def run(self) -> Elaborated:
        tree = self.out.tree
        for statement in tree.statements:
            if isinstance(statement, ast.Definition):
                self.new_function(statement.name, statement.span)
                self.definitions[canonical_name(statement.name)] = statement
            elif isinstance(statement, ast.FunctionDeclaration):
                self.function(statement)
        self.later = {canonical_name(s.name) for s in tree.statements if isinstance(s, ast.Equation)}
        statements = list(tree.statements)
        for position, statement in enumerate(statements):
            if isinstance(statement, ast.Declaration):
                self.declare(statement)
            elif isinstance(statement, ast.Equation) and statement.recurrence is not None:
                if not (position and same_loop(statement, statements[position - 1])):
                    rest = takewhile(partial(same_loop, statement), statements[position:])
                    read_loop(self, [s for s in rest if isinstance(s, ast.Equation)])
            elif isinstance(statement, ast.Equation) and is_initial(statement):
                read_initial(self, statement)
            elif isinstance(statement, ast.Equation):
                self.equation(statement)
        for first in self.initial.values():
            hint = "h[t] = … for t = 1..T"
            raise LanguageError("a value before the first step, but no loop after it", hint, first.span)
        if not self.out.user_equations:
            raise LanguageError("there is no equation: nothing to differentiate", "z = W x, a line each")
        self.find_loss(tree)
        self.offer_names()
        return self.out

    def declare(self, node: ast.Declaration) -> None:
        self.new_dims(node.shape, node.span)
        name = self.new_name(node.name, within(node.span, node.name))
        for fact in node.facts:
            if fact not in FACTS:
                close = difflib.get_close_matches(fact, FACTS, 1)
                raise LanguageError(
                    f"the fact “{fact}” is not known",
                    close[0] if close else f"one of: {', '.join(sorted(FACTS))}",
                    within(node.span, fact, last=True),
                )
        dims, orientation = squeeze(node.shape)
        for fact in node.facts:
            if fact in SQUARE_FACTS and (orientation != "matrix" or dims[0] != dims[1]):
                raise DimensionError(
                    f"{name} is {' × '.join(map(str, node.shape)) or 'a scalar'}: only a square matrix is {fact}",
                    f"{node.kind} {name} : D × D, {fact}", within(node.span, fact, last=True),
                )  # fmt: skip
        self.program.declare(Variable(name, dims, orientation, node.kind, spelled_out(node.facts)))

    def function(self, node: ast.FunctionDeclaration) -> None:
        self.new_dims(node.domain + node.codomain, node.span)
        self.new_function(node.name, node.span)
        if node.name in known_functions():
            raise LanguageError(f"{node.name} is a function already", "another name", node.span)
        if len(node.domain) > 1 or len(node.codomain) > 1:
            raise UnsupportedError(
                f"the unknown function {node.name} takes or gives a matrix", "scalars and vectors only", node.span
            )
        self.program.functions[node.name] = (node.domain, node.codomain)

    def equation(self, node: ast.Equation) -> None:
        before = len(self.program.equations)
        value = settled(self.entries(node) if node.indices is not None else self.expr(node.value))
        if value.orientation == "identity":
            raise DimensionError("the size of I is not known here", "eye(D)", node.span)
        self.out.user_equations.append(node)
        name = self.new_name(node.name, node.name_span or node.span)
        target = Variable(name, value.dims, value.orientation)
        alias = bare_name(value.expr, value.indices)
        last = next(reversed(self.program.equations), None)
        if alias is not None and alias == last and is_anonymous(alias) and len(self.program.equations) > before:
            key = next((k for k, v in self.known.items() if v == alias), None)
            self.program.rename_last(alias, target, node.span)
            if key is not None:
                self.known[key] = name
            return
        self.program.define(target, value.expr, None, node.span)
        if free_indices(value.expr) == set(value.indices):  # ones(D) s is no name for s
            self.known.setdefault(frozenset(value.expr.items()), name)

    def entries(self, node: ast.Definition | ast.Equation) -> Value:
        """An array entry by entry: y[i] = …, or the body of def f(x)[i] = …."""
        name_span = node.name_span if isinstance(node, ast.Equation) else None
        body = node.value if isinstance(node, ast.Equation) else node.body
        names = [ref.name for ref in node.indices or ()]
        if any(name is None or ref.offset for name, ref in zip(names, node.indices or (), strict=True)):
            raise UnsupportedError("the left side may only have plain indices, such as S[i,j]", "S[i,j] = …", node.span)
        if len(set(names)) != len(names):
            raise LanguageError(
                f"an index stands twice on the left side of {node.name}",
                "a letter for each axis, such as S[i,j]",
                (name_span or node.span),
            )
        if isinstance(node, ast.Equation):
            self.entry_letters = {name for name in names if name is not None}
            self.recurs = uses(body, canonical_name(node.name))
        outer, self.bound = self.bound, {name for name in names if name is not None}
        try:
            ranges = self.index_ranges(body)
        finally:
            self.bound = outer
        dims: list[Dim] = []
        for name, ref in zip(names, node.indices or (), strict=True):
            assert name is not None
            if name not in ranges:
                raise LanguageError(
                    f"the size of index {name} is not known: it occurs in no array on the right",
                    f"an array with the index {name} on the right side, or leave it out on the left",
                    ref.span,
                )
            dims.append(ranges[name])
        letters = dict(zip([n for n in names if n is not None], free(dims), strict=True))
        value = self.in_letters(body, letters)
        if isinstance(node, ast.Equation):
            self.entry_letters = set()
        if value.orientation != "scalar":
            raise DimensionError(f"{value.says()}: in index notation each entry is a scalar", "x[i]", node.span)
        return Value(value.expr, tuple(dims), orientation_of(len(dims)))

    def in_letters(self, node: ast.Expr, letters: Mapping[str, Index]) -> Value:
        """The value of an entry; `letters`: the free indices by their letters.

        While it is read the letters are no axis of an array, so that y[i] = sum(x w[i]) has two indices, not one.
        """
        first = LETTER - 40 * self.depth  # a definition inside another has letters of its own
        markers = {name: (first - k, index[1]) for k, (name, index) in enumerate(letters.items())}
        outer, self.index_scope = self.index_scope, dict(markers)
        try:
            value = self.expr(node)
        finally:
            self.index_scope = outer
        if not markers:
            return value
        if value.dims and free_indices(value.expr) & set(markers.values()):
            raise DimensionError(f"{value.says()}: in index notation each entry is a scalar", "x[i]", node.span)
        return replace(value, expr=rename(value.expr, {markers[name]: index for name, index in letters.items()}))

    def find_loss(self, tree: ast.Program) -> None:
        equations = self.out.user_equations
        if tree.minimize is not None:
            name = self.names.get(canonical_name(tree.minimize))
            if name is None:
                others = [
                    e.name for e in equations if not self.program.variables[self.names[canonical_name(e.name)]].dims
                ]
                raise UnknownNameError(
                    f"minimize {tree.minimize}: no equation defines it",
                    f"minimize {others[-1]}" if others else f"{tree.minimize} = sum({equations[-1].name})",
                    tree.minimize_span,
                )
            if self.program.variables[name].dims:
                raise DimensionError(
                    f"the loss must be a scalar, but {name} is {self.variable_value(name).shape}",
                    f"L = sum({name}), then minimize L" if name == "J" else f"J = sum({name}), then minimize J",
                    tree.minimize_span,
                )
            self.out.loss = name
            return
        last = self.names[canonical_name(equations[-1].name)]
        if not self.program.variables[last].dims:
            self.out.loss = last
