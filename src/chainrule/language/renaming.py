"""Renaming in the user's own text: the tree under other names, and which names may be given.

`check` decides about a whole renaming before anything is changed: the old names must exist, the new ones must be names
of the language that nothing else has. `renamed_tree` then writes them wherever the text has the old ones, in any
spelling; what a sum, a left side or a definition binds (k, i, the u of `def f(u)`) is no name of the program and stays.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.renaming import Renaming, renamed_program
from chainrule.dims import canonical_name, display_name
from chainrule.errors import ChainruleError, LanguageError, UnknownNameError
from chainrule.language import ast
from chainrule.language.bound import children, summed_letter
from chainrule.language.elaborate import Elaborated, elaborate
from chainrule.language.parser import parse_program
from chainrule.language.printer import print_program
from chainrule.language.scope import known_functions
from chainrule.language.tokens import STATEMENT_WORDS
from chainrule.sizes import renamed as renamed_size
from chainrule.sizes import symbols_of

__all__ = ["check", "known_names", "renamed"]

AXES = ("rows", "row", "columns", "cols", "column", "col", "last", "first")  # what over=… means by itself


def known_names(program: Program, tree: ast.Program | None) -> dict[str, str]:
    """What may be renamed, as the program spells it, and what each is: a variable, a size, a function."""
    out = {n: "variable" for n in program.variables if not is_anonymous(n)}
    dims = [d for v in program.variables.values() for d in v.dims]
    dims += [d for sides in program.functions.values() for side in sides for d in side]
    out |= {s: "size" for d in dims for s in symbols_of(d)}
    own = {str(getattr(e.source, "function", "")) for e in program} - known_functions() - {""}
    if tree is not None:
        own = {s.name for s in tree.statements if isinstance(s, ast.Definition)}
        shapes = [s.shape for s in tree.statements if isinstance(s, ast.Declaration)]
        out |= {s: "size" for shape in shapes for d in shape for s in symbols_of(d)}
    return out | dict.fromkeys(sorted(own | set(program.functions)), "function")


def check(
    names: Mapping[str, str], known: Mapping[str, str], bound: Collection[str] = ()
) -> dict[str, str]:  # fmt: skip
    """The renaming in the program's spelling, old -> new, for what changes.

    known: all names that are in use, and what each is.  bound: letters that the text uses as indices or parameters.
    Raises UnknownNameError for a name that there is not, LanguageError for one that cannot be given.
    """
    spelled = {canonical_name(n): n for n in known}
    given: dict[str, str] = {}
    for old, new in names.items():
        found = spelled.get(canonical_name(old))
        if found is None:
            close = difflib.get_close_matches(old, list(known), 1)
            hint = f"{display_name(close[0])}?" if close else f"one of: {', '.join(map(display_name, known))}"
            raise UnknownNameError(f"the name {old} is not known: it cannot be renamed", hint)
        if found in given:
            raise LanguageError(f"{display_name(found)} is renamed twice", "one new name for it")
        given[found] = new
        if canonical_name(new) != canonical_name(found):
            _check_new(new, bound)
    after = Counter(canonical_name(given.get(n, n)) for n in known)
    for old, new in given.items():
        if after[canonical_name(new)] < 2:
            continue
        others = [n for n in known if n != old and canonical_name(given.get(n, n)) == canonical_name(new)]
        other = others[0]
        if other in given:
            message = f"{display_name(old)} and {display_name(other)} would both be {new}"
            raise LanguageError(message, "a name of its own for each")
        message = f"{display_name(old)} cannot be renamed to {new}: that is the name of a {known[other]} already"
        raise LanguageError(message, f"another name, or another one for {display_name(other)} too")
    return {old: new for old, new in given.items() if new != old}


def _check_new(new: str, bound: Collection[str]) -> None:
    """Raises LanguageError where `new` is no name, or means something else already."""
    if not _is_name(new):
        raise LanguageError(f"{new!r} cannot be a name", "a word of letters, digits and _, such as A, grad_z or ε")
    if new in known_functions() or canonical_name(new) in known_functions():
        raise LanguageError(f"{new} is the name of a function", f"{new}_1, or any other name")
    if canonical_name(new) in ("I", "π"):
        raise LanguageError(f"{new} has a meaning in formulas already", f"{new}_1, or any other name")
    if canonical_name(new) in set(map(canonical_name, bound)):
        raise LanguageError(f"{new} is an index or a parameter in the program's text", "a name that is not used in it")


def _is_name(word: str) -> bool:
    """True where the language reads it as a name, in a declaration and in an expression."""
    try:
        tree = parse_program(f"input {word} : 3\nq = {word} + 1\n", "whiteboard", known_functions())
    except ChainruleError:
        return False
    one = ast.Number(Fraction(1))
    wanted = (
        ast.Declaration("input", word, (3,)),
        ast.Equation("q", None, ast.Binary("+", ast.Name(word), one)),
    )
    return tree.statements == wanted and word not in STATEMENT_WORDS


def renamed(
    program: Program, loss: str | None, elaborated: Elaborated | None, names: Mapping[str, str]
) -> tuple[Program, str | None, Elaborated | None]:
    """The program, its loss and its text under other names, which `check` has allowed.

    A program that was read is read again from its renamed text, so that all that is said of it is said in the new
    names; one that was computed (a lifted one) has no text, and is renamed itself.
    """
    kinds = known_names(program, elaborated.tree if elaborated is not None else None)
    if elaborated is None:
        chosen = [{n: names[n] for n in names if kinds[n] == kind} for kind in ("variable", "size", "function")]
        renaming = Renaming(*chosen)
        return renamed_program(program, renaming), loss and renaming.variable(loss), None
    tree = renamed_tree(elaborated.tree, names)
    text = print_program(tree)
    read = parse_program(text, "whiteboard", known_functions())
    if read != tree:
        raise LanguageError("with these names the program would be read as another one:\n" + text.rstrip(), "others")
    again = elaborate(read)
    return again.program, again.loss, again


def bound_letters(tree: ast.Program | None) -> set[str]:
    """Indices and parameters that the text uses."""
    if tree is None:
        return set()
    found: set[str] = set()
    for statement in tree.statements:
        if isinstance(statement, ast.Definition):
            found.update(statement.parameters)
            found.update(_letters(statement.body))
        elif isinstance(statement, ast.Equation):
            found.update(ref.name for ref in statement.indices or () if ref.name is not None)
            found.update(_letters(statement.value))
            found.update({statement.recurrence.index} if statement.recurrence is not None else ())
    return found


def _letters(node: ast.Expr) -> Iterator[str]:
    letter = summed_letter(node)
    if letter is not None:
        yield letter
    if isinstance(node, ast.Entry | ast.Blocks):
        for part in children(node):
            yield from _letters(part)
    if isinstance(node, ast.Indexed | ast.Entry):
        yield from (ref.name for ref in node.indices if ref.name is not None)
        for ref in node.indices:
            for side in (ref.first, ref.last):
                yield from _names_in(side) if side is not None else ()
    elif isinstance(node, ast.Call):
        for argument in node.args:
            yield from _letters(argument)
    elif isinstance(node, ast.Binary):
        yield from _letters(node.left)
        yield from _letters(node.right)
    elif isinstance(node, ast.Negate | ast.Transpose):
        yield from _letters(node.operand)


def _names_in(node: ast.Expr) -> Iterator[str]:
    """Names in an index such as 2i+a: letters, or sizes."""
    if isinstance(node, ast.Name):
        yield node.name
    elif isinstance(node, ast.Binary):
        yield from _names_in(node.left)
        yield from _names_in(node.right)
    elif isinstance(node, ast.Negate):
        yield from _names_in(node.operand)
    else:
        yield from _letters(node)


def renamed_tree(tree: ast.Program, names: Mapping[str, str]) -> ast.Program:
    """The tree in the new names. Places in the old text are left out."""
    keys = {canonical_name(old): new for old, new in names.items()}
    statements = tuple(_statement(s, keys) for s in tree.statements)
    minimize = _name(tree.minimize, keys) if tree.minimize is not None else None
    return ast.Program(statements, minimize)


def _name(name: str, keys: Mapping[str, str]) -> str:
    return keys.get(canonical_name(name), name)


def _dims(shape: tuple[ast.TypeDim, ...], keys: Mapping[str, str]) -> tuple[ast.TypeDim, ...]:
    return tuple(renamed_size(d, lambda symbol: _name(symbol, keys)) for d in shape)


def _statement(
    node: ast.Declaration | ast.FunctionDeclaration | ast.Definition | ast.Equation, keys: Mapping[str, str]
) -> ast.Declaration | ast.FunctionDeclaration | ast.Definition | ast.Equation:
    name = _name(node.name, keys)
    if isinstance(node, ast.Declaration):
        return replace(node, name=name, shape=_dims(node.shape, keys), span=None)
    if isinstance(node, ast.FunctionDeclaration):
        return replace(node, name=name, domain=_dims(node.domain, keys), codomain=_dims(node.codomain, keys), span=None)
    if isinstance(node, ast.Definition):
        own = set(map(canonical_name, node.parameters))
        inner = {old: new for old, new in keys.items() if old not in own}
        return replace(node, name=name, body=_expression(node.body, inner), span=None)
    loop = node.recurrence
    if loop is not None:
        first, last = _dims((loop.first, loop.last), keys)
        loop = replace(loop, first=first, last=last)
    bound = {ref.name for ref in node.indices or () if loop is None and ref.name is not None and not ref.offset}
    bound |= {loop.index} if loop is not None else set()
    inner = {old: new for old, new in keys.items() if old not in bound}
    indices = None if node.indices is None else tuple(_index(ref, inner) for ref in node.indices)
    return replace(
        node, name=name, indices=indices, value=_steps(_expression(node.value, keys), inner), recurrence=loop,
        span=None, name_span=None,
    )  # fmt: skip


def _index(ref: ast.IndexRef, keys: Mapping[str, str]) -> ast.IndexRef:
    """An index; of h[T] the T is the name of a size, of E[ids] the name of labels."""
    first, last = (None if s is None else _steps(_expression(s, keys), keys) for s in (ref.first, ref.last))
    return replace(ref, name=None if ref.name is None else _name(ref.name, keys), first=first, last=last, span=None)


def _steps(node: ast.Expr, keys: Mapping[str, str]) -> ast.Expr:
    """The expression with the sizes that stand as indices, h[T], in the new names; letters that are bound stay."""
    if isinstance(node, ast.Negate | ast.Transpose):
        return replace(node, operand=_steps(node.operand, keys))
    if isinstance(node, ast.Binary):
        return replace(node, left=_steps(node.left, keys), right=_steps(node.right, keys))
    if isinstance(node, ast.Indexed):
        return replace(node, indices=tuple(_index(ref, keys) for ref in node.indices))
    if isinstance(node, ast.Entry):
        return replace(
            node, operand=_steps(node.operand, keys), indices=tuple(_index(ref, keys) for ref in node.indices)
        )
    if isinstance(node, ast.Blocks):
        return replace(node, rows=tuple(tuple(_steps(part, keys) for part in row) for row in node.rows))
    if isinstance(node, ast.Call):
        letter = summed_letter(node)
        inner = {old: new for old, new in keys.items() if old != letter}
        return replace(node, args=tuple(_steps(a, inner) for a in node.args))
    return node


def _expression(node: ast.Expr, keys: Mapping[str, str]) -> ast.Expr:
    if isinstance(node, ast.Name):
        return replace(node, name=_name(node.name, keys), span=None)
    if isinstance(node, ast.Negate | ast.Transpose):
        return replace(node, operand=_expression(node.operand, keys), span=None)
    if isinstance(node, ast.Binary):
        return replace(node, left=_expression(node.left, keys), right=_expression(node.right, keys), span=None)
    if isinstance(node, ast.Indexed):
        return replace(node, base=replace(node.base, name=_name(node.base.name, keys), span=None), span=None)
    if isinstance(node, ast.Entry):
        return replace(node, operand=_expression(node.operand, keys), span=None)
    if isinstance(node, ast.Range):
        return replace(node, last=_expression(node.last, keys), span=None)
    if isinstance(node, ast.Blocks):
        rows = tuple(tuple(_expression(part, keys) for part in row) for row in node.rows)
        return replace(node, rows=rows, span=None)
    if isinstance(node, ast.Call):
        options = tuple((word, _option(value, keys)) for word, value in node.options)
        args = tuple(_expression(a, keys) for a in node.args)
        return replace(node, function=_name(node.function, keys), args=args, options=options, span=None)
    return node


def _option(node: ast.Expr, keys: Mapping[str, str]) -> ast.Expr:
    return node if isinstance(node, ast.Name) and node.name in AXES else _expression(node, keys)
