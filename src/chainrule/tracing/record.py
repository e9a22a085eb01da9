"""Running the user's function on traced arrays, and what is left of the program afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any

from chainrule.algebra.expr import rename, sum_over, variable
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.algebra.renaming import Renaming, renamed_program
from chainrule.dims import Dim, canonical_name
from chainrule.errors import DimensionError, LanguageError, UnsupportedError
from chainrule.language.elaborate import offer_names
from chainrule.language.facts import FACTS, spelled_out
from chainrule.language.pieces import bare_name
from chainrule.language.values import orientation_of
from chainrule.tracing import (  # noqa: F401  (the tables)
    choices,
    comparisons,
    creating,
    elementary,
    extremes,
    grids,
    indexing,
    joining,
    linear,
    matrices,
    norms,
    operators,
    orders,
    parts,
    picked,
    positions,
    shaping,
    spectra,
    sums,
    ufuncs,
    writing,
)
from chainrule.tracing.array import Traced, wrap
from chainrule.tracing.frames import BOUNDARY, at_return, local_arrays
from chainrule.tracing.infinity import check_infinities
from chainrule.tracing.naming import baptise
from chainrule.tracing.substitutes import substituted
from chainrule.tracing.tracer import Tracer, squeezed

__all__ = ["record"]


def record(
    function: Callable[..., Any],
    shapes: Mapping[str, Any],
    wrt: Iterable[str] | None = None,
    labels: Iterable[str] = (),
    facts: Mapping[str, str | Iterable[str]] | None = None,
) -> tuple[Program, str]:
    """The program of a function, and the name of its result. See `chainrule.trace`."""
    given = {name: _shape(name, shape) for name, shape in shapes.items()}
    parameters = list(given) if wrt is None else [wrt] if isinstance(wrt, str) else list(wrt)
    known_facts = {k: (v,) if isinstance(v, str) else tuple(v) for k, v in (facts or {}).items()}
    _check(function, given, parameters, labels, known_facts)
    ordinary: frozenset[int] = frozenset()
    indexed: frozenset[str] = frozenset()
    explicit = wrt is not None

    def once() -> tuple[Program, str]:
        return _once(function, given, labels, parameters, known_facts, ordinary, indexed, explicit)

    while True:  # a maximum that does not cancel is an operation of its own, and an index is a label, from the start
        try:
            first, result = once()
            break
        except _MoreKnown as more:
            ordinary |= more.maxima
            indexed |= more.labels
    second, _ = once()
    if _content(first) != _content(second):
        raise UnsupportedError(
            "the function does not do the same each time it is called: it draws random numbers, or changes something",
            "what changes as an argument, such as a mask",
        )
    return first, result


class _MoreKnown(Exception):
    """What has to be known before: maxima that do not cancel, in the order in which they are taken; and labels."""

    def __init__(self, maxima: frozenset[int] = frozenset(), labels: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.maxima = maxima
        self.labels = labels


def _content(program: Program) -> list[tuple[str, Any]]:
    return [(e.name, e.value) for e in program]


def _once(
    function: Callable[..., Any], given: Mapping[str, tuple[Dim, ...]], labels: Iterable[str], parameters: list[str],
    facts: Mapping[str, tuple[str, ...]], ordinary: frozenset[int], indexed: frozenset[str], explicit: bool,
) -> tuple[Program, str]:  # fmt: skip
    """One call of the function."""
    tracer = Tracer()
    tracer.ordinary = ordinary
    arrays = {}
    sizes = {d for shape in given.values() for d in shape if isinstance(d, str)}
    tracer.taken.update(map(canonical_name, sizes))
    for name, shape in given.items():
        kind = "label" if name in labels or name in indexed else "param" if name in parameters else "input"
        arrays[name] = _declare(tracer, name, shape, kind, facts.get(name, ()))
    result = _run(tracer, function, arrays)
    for name, (words, span) in tracer.labels.items():
        if explicit and name in parameters:
            where = f" ({words})" if words else ""
            raise UnsupportedError(
                f"{name} is an index, so it holds whole numbers, and nothing has a slope in it{where}",
                f"wrt without {name}", span,
            )  # fmt: skip
        if name not in indexed:
            raise _MoreKnown(labels=frozenset(tracer.labels))
    name = _result_name(tracer, result)
    program, called = _finished(tracer, name), tracer.names.get(name, name)
    if tracer.infinite:
        check_infinities(program, called, tracer.refuse)
    return program, called


def _shape(name: str, shape: Any) -> tuple[Dim, ...]:
    dims = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    for d in dims:
        if not (
            (isinstance(d, int) and not isinstance(d, bool) and d >= 1) or (isinstance(d, str) and d.isidentifier())
        ):
            raise DimensionError(
                f"{name}={shape!r} is no shape", f'{name}=(3, 4), {name}=("N", "D"), or () for a number'
            )
    return dims


def _check(
    function: Callable[..., Any], given: Mapping[str, Any], parameters: list[str], labels: Iterable[str],
    facts: Mapping[str, tuple[str, ...]],
) -> None:  # fmt: skip
    for name in (*parameters, *labels, *facts):
        if name not in given:
            raise LanguageError(f"{name} has no shape", f"{name}=(3, 4)")
    for name, mine in facts.items():
        for fact in mine:
            if fact not in FACTS:
                raise LanguageError(f"the fact “{fact}” of {name} is not known", f"one of: {', '.join(sorted(FACTS))}")
    seen: dict[str, str] = {}
    for name in given:
        other = seen.setdefault(canonical_name(name), name)
        if other != name:
            raise LanguageError(f"{other} and {name} are two spellings of one name", "another name for one of them")
    try:
        inspect.signature(function).bind(**given)
    except TypeError as error:
        raise LanguageError(f"the function cannot be called so: {error}", "a shape for each of its arguments") from None
    except ValueError:  # a function written in C has no signature
        pass


def _declare(tracer: Tracer, name: str, shape: tuple[Dim, ...], kind: str, facts: tuple[str, ...]) -> Traced:
    dims = squeezed(shape)
    whole = len(shape) > 2 or (not dims and bool(shape))  # then sizes of 1 stay: an array is given with all of its axes
    dims = shape if whole else dims
    orientation = orientation_of(len(dims))
    if len(shape) == 2 and len(dims) == 1 and shape[0] == 1:
        orientation = "row"
    tracer.program.declare(Variable(name, dims, orientation, kind, spelled_out(facts)))
    tracer.taken.add(canonical_name(name))
    array = Traced(tracer, {}, shape)
    places = tuple((-1 - k, d) for k, d in enumerate(shape) if whole or d != 1)
    array.expr = sum_over(variable(name, places), [i for i in places if i[1] == 1])
    array.sure = True
    array.whole = "integer" in facts
    return array


def _run(tracer: Tracer, function: Callable[..., Any], arrays: Mapping[str, Traced]) -> Traced:
    """Call the function, with an eye on its local variables."""

    def look(frame: FrameType) -> None:
        if tracer.main is frame:
            for name, value in local_arrays(frame, Traced):
                if value.tracer is tracer:
                    baptise(value, name)

    stop = at_return(look)
    try:
        with substituted(tracer, function):
            result = function(**arrays)
    finally:
        stop()
        tracer.main = None
    if isinstance(result, Traced):
        return wrap(tracer, result)
    if isinstance(result, (tuple, list, dict)) or result is None:
        what = "nothing" if result is None else f"a {type(result).__name__}"
        raise UnsupportedError(f"the function returns {what}", "one array or number")
    return wrap(tracer, result)


BOUNDARY.add(_run.__code__)


def _result_name(tracer: Tracer, result: Traced) -> str:
    """The name of the result: the user's, or J for a number and f for an array."""
    held = result.expr
    if result.row:
        result.vote(result.row)
    wanted = "f" if squeezed(result.axes) else "J"
    if result.named != result.version or not _is_named(tracer, result):
        dims = squeezed(result.axes)
        own = tuple((-1 - k, d) for k, d in enumerate(dims))
        outer = tuple(i for i in result.indices if i is not None)
        moved = rename(held, dict(zip(outer, own, strict=True)))
        name = tracer.free_name(wanted)
        orientation = "row" if len(dims) == 1 and result.row > 0 else orientation_of(len(dims))
        tracer.program.define(Variable(name, dims, orientation), moved)
        if len(dims) == 1 and result.row:
            tracer.votes[name] = tracer.votes.get(name, 0) + result.row
        return name
    ((((_, known, _), _),), _) = next(iter(result.expr))
    return str(known)


def _is_named(tracer: Tracer, result: Traced) -> bool:
    outer = tuple(i for i in result.indices if i is not None)
    name = bare_name(result.expr, outer)
    if name is None or name not in tracer.program.equations:
        return False
    return not is_anonymous(name) or name in tracer.names


def _finished(tracer: Tracer, result: str) -> Program:
    """What the result needs, under the user's names, with vectors turned as the code shows them."""
    program = tracer.program
    needed, stack = set(), [result]
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            if name in program.equations:
                stack.extend(program.equations[name].arguments)
    left = {number for name, numbers in tracer.held.items() if name in needed for number in numbers}
    if left:
        raise _MoreKnown(maxima=frozenset(left))
    for name in list(program.equations):
        if name not in needed:
            del program.equations[name], program.variables[name]
    last = program.equations.pop(result)
    program.equations[result] = last
    rows = _rows(program, tracer.votes)
    for name, known in program.variables.items():
        if len(known.dims) == 1 and known.orientation == "column" and name in rows:
            program.variables[name] = replace(known, orientation="row")
    names = {old: new for old, new in tracer.names.items() if old in needed}
    program = renamed_program(program, Renaming(names)) if names else program
    offer_names(program)
    return program


def _rows(program: Program, votes: Mapping[str, int]) -> set[str]:
    """Vectors that are rows: those that the code shows so, and what is added or multiplied to them elementwise."""
    group = {name: name for name, v in program.variables.items() if len(v.dims) == 1}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for equation in program:
        if equation.name not in group or not isinstance(equation.value, dict):
            continue
        own = program.variables[equation.name].indices
        for factors, _ in equation.value:
            for (_, name, indices), _ in factors:
                if isinstance(name, str) and name in group and indices == own:
                    group[root(name)] = root(equation.name)
    total: dict[str, int] = {}
    for name, count in votes.items():
        if name in group:
            total[root(name)] = total.get(root(name), 0) + (count if count > 0 else 2 * count)
    return {name for name in group if total.get(root(name), 0) > 0}
