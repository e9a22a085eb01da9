"""Loops of the language: `h[t] = tanh(A h[t-1] + B x[t] + b)  for t = 1..T`, one equation or several of one loop.

A step may be written entry by entry, `a[t,j] = E[t,j] + log(sum(i, exp(a[t-1,i] + P[i,j])))`. Equations that follow
each other over the same range are read as one loop: each may use the steps that are there at its turn, `c[t]` of an
equation above it and `h[t-1]` of any. A value before the first step, `h[0] = h0`, stands above the loop; without one it
is 0, which is said. The sizes of the steps are found by looking ahead, and checked afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chainrule.algebra.expr import Index, free, free_indices, rename
from chainrule.algebra.loops import arrange, is_lag
from chainrule.algebra.program import Steps, Variable, is_anonymous
from chainrule.dims import Dim, canonical_name
from chainrule.errors import ChainruleError, DimensionError, LanguageError, UnknownNameError, UnsupportedError
from chainrule.language import ast
from chainrule.language.pieces import bare_name
from chainrule.language.sequences import Initial, UnknownStep
from chainrule.language.values import Value, orientation_of

if TYPE_CHECKING:
    from chainrule.language.elaborate import Elaborator

__all__ = ["is_initial", "read_initial", "read_loop", "same_loop"]

STEP = -700  # the marker of the loop's index among the free indices: no axis has it
ENTRY = -720  # the first marker of a letter of an entry


def same_loop(first: ast.Equation, other: object) -> bool:
    """True where two equations belong to one loop."""
    return isinstance(other, ast.Equation) and other.recurrence is not None and other.recurrence == first.recurrence


def is_initial(node: ast.Equation) -> bool:
    """True for h[0] = … and h[T+1] = …."""
    if node.recurrence is not None or node.indices is None or len(node.indices) != 1:
        return False
    (ref,) = node.indices
    return ref.name is None or ref.offset != 0


def read_initial(reader: Elaborator, node: ast.Equation) -> None:
    """h[0] = h0: kept until the loop of h is read. h[T+1] = h0 is the same for a loop that runs backwards."""
    (ref,) = node.indices or ()
    forwards = ref.name is None and ref.offset == 0
    if not forwards and not (ref.name in reader.dims and ref.offset == 1):
        left = f"{node.name}[{ref.offset if ref.name is None else ref.name}]"
        raise UnsupportedError(
            f"{left} = … is no value before the first step", f"{node.name}[0] = …, or {node.name}[T+1] = …", node.span
        )
    key = canonical_name(node.name)
    if key in reader.initial:
        raise LanguageError(f"{node.name} has two initial values", "one of them", node.span)
    value = reader.expr(node.value)
    if value.orientation == "identity":
        raise DimensionError("the size of I is not known here", "eye(D)", node.span)
    name = reader.array_name(value) if value.expr else None  # 0 is what it is without being said
    left = f"{node.name}[0]" if forwards else f"{node.name}[{ref.name}+1]"
    reader.out.repeats.append(f"{left} is {value.text or name}")
    reader.initial[key] = Initial(name, 0 if forwards else -1, value.dims, value.orientation, node.span)


def read_loop(reader: Elaborator, nodes: list[ast.Equation]) -> None:
    """Every equation of a loop, as an equation over all steps."""
    loop = nodes[0].recurrence
    assert loop is not None
    dim, backwards = _range(reader, nodes[0])
    if canonical_name(loop.index) in reader.names or loop.index in reader.dims:
        raise LanguageError(f"{loop.index} is a name already, and no index", "another letter", nodes[0].span)
    marker: Index = (STEP, dim)
    names = [_left_side(reader, node, loop.index) for node in nodes]
    reader.index_scope, reader.backwards = {loop.index: marker}, backwards
    reader.time[marker] = loop.index
    reader.pending = dict.fromkeys(map(canonical_name, names))
    try:
        _find_sizes(reader, nodes, dim, loop.index)
        for node, name in zip(nodes, names, strict=True):
            _equation(reader, node, name, marker)
    finally:
        reader.index_scope, reader.pending, reader.backwards = {}, {}, False
        del reader.time[marker]
    for node in nodes:
        key = canonical_name(node.name)
        if key in reader.initial:
            first = reader.initial.pop(key)
            if (first.at == 0) == backwards:
                where = f"{node.name}[{dim}+1]" if backwards else f"{node.name}[0]"
                raise LanguageError(f"the loop of {node.name} begins at the other end", f"{where} = …", first.span)
            wanted = (reader.names[key],) if first.name is None else (reader.names[key], first.name)
            if not any(is_lag(e) and e.arguments == wanted for e in reader.program):
                raise LanguageError(
                    f"the value before the first step of {node.name} is not used", "leave it out", first.span
                )
        else:
            _say_zero(reader, node.name, dim, backwards)
    arrange(reader.program)


def _say_zero(reader: Elaborator, name: str, dim: Dim, backwards: bool) -> None:
    """An initial value that nobody gave is 0, and that is said."""
    used = reader.names[canonical_name(name)]
    offsets = [
        e.value.attributes[0] for e in reader.program
        if not isinstance(e.value, dict) and e.value.op == "lag" and e.value.args == (used,)
    ]  # fmt: skip
    for offset in sorted(set(offsets), key=abs):
        last = f"{name}[{dim}+{offset}]" if backwards else f"{name}[{1 + offset}]"
        more = "" if abs(offset) == 1 else " and what lies between it and the first step"
        reader.out.repeats.append(f"{last}{more} is 0, since no value is given")


def _range(reader: Elaborator, node: ast.Equation) -> tuple[Dim, bool]:
    """How many steps a loop has, and whether it runs from the last to the first."""
    loop = node.recurrence
    assert loop is not None
    backwards = loop.last == 1 and loop.first != 1
    low, dim = (loop.last, loop.first) if backwards else (loop.first, loop.last)
    hint = f"for {loop.index} = 1..T, with T a size, such as input x : T × D"
    if low != 1:
        raise UnsupportedError(f"a loop over {loop.first}..{loop.last}: it begins at step 1", hint, node.span)
    if isinstance(dim, str) and dim not in reader.dims:
        raise UnknownNameError(f"the size {dim} of the loop is not known: no array has it", hint, node.span)
    if dim == 1:
        raise UnsupportedError("a loop of one step", "the step written out, or a size T (which may be 1)", node.span)
    return dim, backwards


def _left_side(reader: Elaborator, node: ast.Equation, letter: str) -> str:
    refs = node.indices or ()
    if not refs or any(ref.name is None or ref.offset or ref.kind for ref in refs) or refs[0].name != letter:
        raise UnsupportedError(
            f"the left side of a loop has its index first: {node.name}[{letter}]", f"{node.name}[{letter}] = …, or "
            f"{node.name}[{letter},i] = … entry by entry", node.name_span or node.span,
        )  # fmt: skip
    letters = [str(ref.name) for ref in refs]
    for ref in refs[1:]:
        if letters.count(str(ref.name)) > 1 or canonical_name(str(ref.name)) in reader.names or ref.name in reader.dims:
            raise LanguageError(
                f"{ref.name} cannot be the letter of an entry of {node.name}[{letter}] here", "another letter", ref.span
            )
    return reader.new_name(node.name, node.name_span or node.span)


def _letters_of(node: ast.Equation) -> list[str]:
    """j of a[t,j] = …: the letters of one entry of a step."""
    return [str(ref.name) for ref in (node.indices or ())[1:]]


def _entry_dims(reader: Elaborator, node: ast.Equation) -> list[Dim | None]:
    """What each letter runs over; None: not known, as long as a step that the right side uses is not known."""
    letters = _letters_of(node)
    outer, reader.bound = reader.bound, {*letters}
    try:
        ranges = reader.index_ranges(node.value)
    finally:
        reader.bound = outer
    return [ranges.get(letter) for letter in letters]


def _value(reader: Elaborator, node: ast.Equation) -> Value:
    """One step, from the right side; entry by entry where letters stand on the left."""
    letters = _letters_of(node)
    if not letters:
        return reader.expr(node.value)
    dims: list[Dim] = []
    for letter, dim in zip(letters, _entry_dims(reader, node), strict=True):
        if dim is None:
            raise LanguageError(
                f"the size of index {letter} is not known: it occurs in no array on the right",
                f"an array with the index {letter} on the right side", node.span,
            )  # fmt: skip
        dims.append(dim)
    markers: list[Index] = [(ENTRY - k, dim) for k, dim in enumerate(dims)]
    scope = reader.index_scope
    reader.index_scope, reader.entry_letters = {**scope, **dict(zip(letters, markers, strict=True))}, {*letters}
    try:
        value = reader.expr(node.value)
    finally:
        reader.index_scope, reader.entry_letters = scope, set()
    if value.orientation != "scalar":
        raise DimensionError(f"{value.says()}: in index notation each entry is a scalar", "x[t,i]", node.span)
    own = free(dims)
    return Value(rename(value.expr, dict(zip(markers, own, strict=True))), tuple(dims), orientation_of(len(dims)))


def _equation(reader: Elaborator, node: ast.Equation, name: str, marker: Index) -> None:
    program = reader.program
    before = len(program.equations)
    value = _value(reader, node)
    assumed = reader.pending[canonical_name(name)]
    if value.orientation == "identity":
        raise DimensionError("the size of I is not known here", "eye(D)", node.span)
    steps = Steps(reader.time[marker], 0, value.orientation)
    if assumed is not None and (assumed.dims[1:], assumed.steps) != (value.dims, steps):
        raise DimensionError(
            f"a step of {name} is {value.shape}, but where it is used it was taken for "
            f"{replace(value, dims=assumed.dims[1:], orientation=assumed.steps.orientation).shape}"  # type: ignore[union-attr]
            , f"a value before the first step, {name}[0] = …, of the right size", node.span,
        )  # fmt: skip
    indices = ((-1, marker[1]), *((-2 - k, d) for k, d in enumerate(value.dims)))
    expr = rename(value.expr, dict(zip((marker, *value.indices), indices, strict=True)))
    dims = (marker[1], *value.dims)
    target = Variable(name, dims, orientation_of(len(dims)), steps=steps)
    reader.out.user_equations.append(node)
    alias = bare_name(expr, indices)
    last = next(reversed(program.equations), None)
    if alias is not None and alias == last and is_anonymous(alias) and len(program.equations) > before:
        key = next((k for k, v in reader.known.items() if v == alias), None)
        program.rename_last(alias, target, node.span)
        if key is not None:
            reader.known[key] = name
        return
    program.define(target, expr, None, node.span)
    if free_indices(expr) == set(indices):
        reader.known.setdefault(frozenset(expr.items()), name)


def _find_sizes(reader: Elaborator, nodes: list[ast.Equation], dim: Dim, letter: str) -> None:
    """What one step of each name is: from its initial value, or from the parts of its equation that are known."""
    for node in nodes:
        key = canonical_name(node.name)
        first = reader.initial.get(key)
        if first is not None and (first.name is not None or first.dims):
            _assume(reader, key, Value({}, first.dims, first.orientation), dim, letter)
    for weakly in (False, True):  # a number beside h[t-1] says nothing of its size, unless nothing else does
        progress = True
        while progress:
            progress = False
            for node in nodes:
                key = canonical_name(node.name)
                if reader.pending[key] is None:
                    found = _rough_entries(reader, node) if _letters_of(node) else _rough(reader, node.value, weakly)
                    if found is not None:
                        _assume(reader, key, found, dim, letter)
                        progress = True
    for node in nodes:
        if reader.pending[canonical_name(node.name)] is None:
            raise UnsupportedError(
                f"the size of a step of {node.name} could not be found", f"{node.name}[0] = h0 with a declared h0",
                node.span,
            )  # fmt: skip


def _assume(reader: Elaborator, key: str, value: Value, dim: Dim, letter: str) -> None:
    dims = (dim, *value.dims)
    steps = Steps(letter, 0, value.orientation)
    reader.pending[key] = Variable(reader.names[key], dims, orientation_of(len(dims)), steps=steps)


def _rough_entries(reader: Elaborator, node: ast.Equation) -> Value | None:
    """The size of a[t,j] = …: what its letters run over, where that is known."""
    with _trial(reader):
        dims = [dim for dim in _entry_dims(reader, node) if dim is not None]
    return Value({}, tuple(dims), orientation_of(len(dims))) if len(dims) == len(_letters_of(node)) else None


def _rough(reader: Elaborator, node: ast.Expr, weakly: bool = False) -> Value | None:
    """The size of a formula some of whose names have none yet; only its `dims` and `orientation` count.

    weakly: a sum has the size of the part that is known even if that is a scalar, which could be repeated.
    """
    try:
        with _trial(reader):
            value = reader.expr(node)
            return None if value.orientation == "identity" else value
    except UnknownStep:
        pass
    if isinstance(node, ast.Negate):
        return _rough(reader, node.operand, weakly)
    if isinstance(node, ast.Transpose):
        return _rough_parts(reader, node, {"operand": _rough(reader, node.operand, weakly)})
    if isinstance(node, ast.Call):
        return _rough_call(reader, node, weakly)
    if not isinstance(node, ast.Binary):
        return None
    left, right = _rough(reader, node.left, weakly), _rough(reader, node.right, weakly)
    if left is not None and right is not None:
        return _rough_parts(reader, node, {"left": left, "right": right})
    known = left if left is not None else right
    if node.op == "@":
        if left is not None and left.orientation == "matrix":
            return Value({}, left.dims[:1], "column")
        return None
    if node.op in ("+", "-", "∘", "*", "./", "/"):
        return known if known is not None and (weakly or known.orientation != "scalar") else None
    return left if node.op in ("^", ".^") else None


def _rough_parts(reader: Elaborator, node: ast.Binary | ast.Transpose, parts: dict[str, Value | None]) -> Value | None:
    """The size of a formula: that of the same formula of arrays of its parts' sizes."""
    if any(part is None for part in parts.values()):
        return None
    with _trial(reader):
        names = {part: f"%part {number}" for number, part in enumerate(parts)}
        scope = {}
        for part, name in names.items():
            value = parts[part]
            assert value is not None
            reader.program.declare(Variable(name, value.dims, value.orientation))
            scope[name] = reader.variable_value(name)
        reader.scopes.append(scope)
        try:
            named: dict[str, Any] = {part: ast.Name(name) for part, name in names.items()}
            value = reader.expr(replace(node, **named))
        except ChainruleError:
            return None
    return None if value.orientation == "identity" else value


def _rough_call(reader: Elaborator, node: ast.Call, weakly: bool) -> Value | None:
    """The size of a call: that of the same call on arrays of the arguments' sizes."""
    arguments = [_rough(reader, argument, weakly) for argument in node.args]
    if weakly:  # max(m[t-1], x[t]): as large as the other
        arguments = [next((b for b in arguments if b is not None), None) if a is None else a for a in arguments]
    if any(a is None for a in arguments):
        return None
    with _trial(reader):
        names = {}
        for number, argument in enumerate(arguments):
            assert argument is not None
            name = f"%argument {number}"
            reader.program.declare(Variable(name, argument.dims, argument.orientation))
            names[name] = reader.variable_value(name)
        reader.scopes.append(names)
        try:
            return reader.expr(replace(node, args=tuple(map(ast.Name, names))))
        except ChainruleError:
            return None


@contextmanager
def _trial(reader: Elaborator) -> Iterator[None]:
    """Read something and forget it again; what the loop will compute is taken to be there, as far as it is known."""
    program = reader.program
    kept = (dict(program.variables), dict(program.equations), dict(program.operations), set(program.interior))
    known, repeats, scopes = dict(reader.known), list(reader.repeats), list(reader.scopes)
    ahead = [v for v in reader.pending.values() if v is not None and v.name not in program.variables]
    program.variables = {**program.variables, **{v.name: v for v in ahead}}
    try:
        yield
    finally:
        program.variables, program.equations, program.operations, program.interior = kept
        reader.known = known
        reader.repeats[:] = repeats
        reader.scopes = scopes
