"""Identities as patterns: the program of an identity, read once, and whether it is found in a part of a user's program.

A pattern matches where its equations are the user's equations under other names. The root equation (what is
differentiated) may have further terms, which do not depend on the variable, and another factor in front: derivatives
are linear. A letter that the pattern declares stands for any name of the same kind (column, row, matrix) whose facts
are at least those declared; a declared unknown function stands for any elementwise function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from chainrule.algebra.expr import Expr, Index, Monomial, Rational, atom_variables
from chainrule.algebra.program import Program, Variable
from chainrule.algebra.relations import CONSTANTS
from chainrule.book import Identity
from chainrule.calculus.reverse import relevant_equations
from chainrule.dims import Dim
from chainrule.errors import UnknownNameError
from chainrule.language.elaborate import elaborate, known_functions
from chainrule.language.parser import parse_program

__all__ = ["Match", "Pattern", "pattern_of"]

IMPLIED = {
    "one-hot": {"one-hot", "mask", "rows sum to 1", "nonnegative"}, "positive": {"positive", "nonnegative"},
    "mask": {"mask", "nonnegative"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """Where an identity was found. names: its letters -> the program's names.  factor: what stands in front here."""

    identity: Identity
    names: Mapping[str, str]
    factor: Rational


@dataclass(frozen=True, slots=True)
class _State:
    names: dict[str, str]
    dims: dict[Dim, Dim]
    heads: dict[str, str]


@dataclass(frozen=True)
class Pattern:
    """The program of an identity. depth: the number of user-level equations between `of` and `wrt`."""

    identity: Identity
    program: Program
    of: str
    wrt: str
    between: frozenset[str]  # names on the way from `wrt` to `of`, both included

    @property
    def kind(self) -> tuple[str, str]:
        """The orientations of what is differentiated and of what it is differentiated by."""
        return self.program.variables[self.of].orientation, self.program.variables[self.wrt].orientation

    @property
    def depth(self) -> int:
        """How many equations that are no inside of a definition lie on the way."""
        return len([n for n in self.between if n in self.program.equations and n not in self.program.interior])

    def find(
        self,
        program: Program,
        of: str,
        wrt: str,
        between: set[str],
        only: Monomial | None = None,
        scaled: bool = False,
    ) -> Match | None:
        """The first way in which the pattern is found between `wrt` and `of`; `only` looks at one term of `of`.

        scaled: `of` may have constant factors in front that the pattern does not have.
        """
        start = _State({self.wrt: wrt}, {}, {})
        variable = program.variables[wrt]
        for state in self._leaf(start, self.program.variables[self.wrt], variable):
            for found, factor in self._root(state, program, of, between, only, scaled):
                return Match(self.identity, found.names, factor)
        return None

    # -- one name --------------------------------------------------------------------------------------------------

    def _root(
        self, state: _State, program: Program, of: str, between: set[str], only: Monomial | None, scaled: bool
    ) -> Iterator[tuple[_State, Rational]]:
        mine, theirs = self.program.expression(self.of), program.expression(of)
        if mine is None or theirs is None:
            return
        for opened in self._sizes(state, self.program.variables[self.of], program.variables[of]):
            named = _State({**opened.names, self.of: of}, opened.dims, opened.heads)
            wanted = {k: v for k, v in mine.items() if _depends(k, self.between)}
            given = {k: v for k, v in theirs.items() if (_depends(k, between) if only is None else k == only)}
            if scaled:
                given = _without_scalars(given, wanted, between)
            if not wanted or len(wanted) != len(given):
                continue
            ratio = _ratio(wanted, given)
            if ratio is None:
                continue
            yield from ((s, ratio) for s in self._terms(named, list(wanted.items()), given, program, ratio))

    def _name(self, state: _State, mine: str, theirs: str, program: Program) -> Iterator[_State]:
        known = state.names.get(mine)
        if known is not None:
            if known == theirs:
                yield state
            return
        own, other = self.program.variables[mine], program.variables[theirs]
        if mine not in self.program.equations:
            yield from self._leaf(state, own, other)
            return
        value, given = self.program.expression(mine), program.expression(theirs)
        if value is None or given is None or len(value) != len(given):
            return
        for opened in self._sizes(state, own, other):
            named = _State({**opened.names, mine: theirs}, opened.dims, opened.heads)
            yield from self._terms(named, list(value.items()), given, program, 1)

    def _leaf(self, state: _State, own: Variable, other: Variable) -> Iterator[_State]:
        known = state.names.get(own.name)
        if known is not None and known != other.name:
            return
        implied = set().union(*(IMPLIED.get(f, {f}) for f in other.facts))
        if not set(own.facts) <= implied:
            return
        for opened in self._sizes(state, own, other):
            yield _State({**opened.names, own.name: other.name}, opened.dims, opened.heads)

    def _sizes(self, state: _State, own: Variable, other: Variable) -> Iterator[_State]:
        if len(own.dims) != len(other.dims) or own.orientation != other.orientation:
            return
        dims = dict(state.dims)
        for mine, theirs in zip(own.dims, other.dims, strict=True):
            if dims.setdefault(mine, theirs) != theirs:
                return
        yield _State(state.names, dims, state.heads)

    # -- terms -----------------------------------------------------------------------------------------------------

    def _terms(
        self, state: _State, wanted: list[tuple[Monomial, Rational]], given: Expr, program: Program, ratio: Rational
    ) -> Iterator[_State]:
        if not wanted:
            yield state
            return
        (key, coefficient), *rest = wanted
        for other, value in given.items():
            if value != coefficient * ratio or len(other[1]) != len(key[1]):
                continue
            for found in self._factors(state, key, other, program):
                left = {k: v for k, v in given.items() if k != other}
                yield from self._terms(found, rest, left, program, ratio)

    def _factors(self, state: _State, mine: Monomial, theirs: Monomial, program: Program) -> Iterator[_State]:
        if len(mine[0]) != len(theirs[0]):
            return

        def assign(position: int, now: _State, places: dict[Index, Index], used: frozenset[int]) -> Iterator[_State]:
            if position == len(mine[0]):
                yield now
                return
            (head, name, indices), exponent = mine[0][position]
            for k, ((h, n, ix), e) in enumerate(theirs[0]):
                if k in used or e != exponent or len(ix) != len(indices):
                    continue
                if head == "#":
                    if h == "#" and now.dims.get(str(name), n) == n:
                        yield from assign(position + 1, now, places, used | {k})
                    continue
                if head in CONSTANTS or h in CONSTANTS:
                    if (h, n if h != "δ" else "") == (head, name if head != "δ" else ""):
                        wider = _placed(places, indices, ix)
                        if wider is not None:
                            yield from assign(position + 1, now, wider, used | {k})
                    continue
                heads = self._head(now.heads, head, h)
                wider = _placed(places, indices, ix)
                if heads is None or wider is None or isinstance(name, tuple) or isinstance(n, tuple):
                    continue
                here = _State(now.names, now.dims, heads)
                for found in self._name(here, str(name), str(n), program):
                    yield from assign(position + 1, found, wider, used | {k})

        yield from assign(0, state, {}, frozenset())

    def _head(self, heads: dict[str, str], mine: str, theirs: str) -> dict[str, str] | None:
        if mine in self.program.functions:
            if theirs == "" or heads.get(mine, theirs) != theirs:
                return None
            return {**heads, mine: theirs}
        return heads if mine == theirs else None


def _placed(
    places: dict[Index, Index], mine: tuple[Index, ...], theirs: tuple[Index, ...]
) -> dict[Index, Index] | None:
    """The renaming of indices, wider by these pairs; free indices stand for themselves, bound ones for bound ones."""
    new = dict(places)
    for a, b in zip(mine, theirs, strict=True):
        if (a[0] < 0 or b[0] < 0) and a[0] != b[0]:
            return None
        if new.setdefault(a, b) != b:
            return None
    return new if len(set(new.values())) == len(new) else None


def _depends(key: Monomial, names: set[str] | frozenset[str]) -> bool:
    return any(v in names for atom, _ in key[0] for v in atom_variables(atom))


def _without_scalars(given: Expr, wanted: Expr, between: set[str]) -> Expr:
    """The terms without constant factors in front (λ, 1/√d), where the pattern has none: derivatives are linear."""
    if any(not atom[2] for key in wanted for atom, _ in key[0]):
        return given
    out: Expr = {}
    for (factors, bound), coefficient in given.items():
        kept = tuple(f for f in factors if f[0][2] or any(v in between for v in atom_variables(f[0])))
        if not kept or (kept, bound) in out:
            return given
        out[kept, bound] = coefficient
    scalars = {tuple(f for f in key[0] if f not in k[0]) for key, k in zip(given, out, strict=True)}
    return out if len(scalars) == 1 else given


def _ratio(wanted: Expr, given: Expr) -> Rational | None:
    """What all coefficients here have more than the pattern's, if the sums agree up to that."""
    one, other = sum(map(Fraction, wanted.values())), sum(map(Fraction, given.values()))
    if len(wanted) == 1:
        return Fraction(next(iter(given.values()))) / Fraction(next(iter(wanted.values())))
    return other / one if one else (Fraction(1) if not other else None)


@cache
def pattern_of(identity: Identity) -> Pattern:
    """The identity's program, read. Raises ChainruleError where it is no program."""
    elaborated = elaborate(parse_program(identity.program, "whiteboard", known_functions()))
    program = elaborated.program
    of = identity.of or elaborated.user_equations[-1].name
    for name in (of, identity.wrt):
        if name not in program.variables:
            raise UnknownNameError(f"the identity {identity.name} speaks of {name}, which its program does not have")
    between = relevant_equations(program, of, [identity.wrt])
    return Pattern(identity, program, of, identity.wrt, frozenset(between))
