"""Names for inner arrays that nobody named: X̂ of a layer norm, Q and P of a multi-head attention.

A definition of the library may name what it is made of (`# normalised is X̂`, see `chainrule.library`): where a network
calls layer_norm and has not written X̂ itself, the name stands among its equations, and its gradients are as short as
the literature's. What has no such name:

The argument of an activation that is a product with itself, such as gelu(H W + c), stands in its derivative twice and
more. Where it is a formula, it is called z as in the literature (Z where it is a matrix), by `_arguments`.

A definition such as multi_head_attention is expanded into unnamed arrays. Where such an array is a matrix it is
written out in its place; one with three or more indices has to be written in index notation, sums and all, wherever
a gradient multiplies with it. `named_inner` gives it a name instead (A₁, A₂, …), which stands among the network's
equations. Which arrays are named follows from the program alone:

- it is an expression without a matrix notation, and holds a sum when it is written out;
- something uses it in a product, a power or a function: a gradient then shows it (what is only added up never is);
- it is not used by one other unnamed array alone, entry by entry: then that array is written with it, and has the name
  (the sum below exp(s)/Σ exp(s) has none, the quotient has).
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.algebra.expr import Expr, Index, atom_variables
from chainrule.algebra.loops import is_lag
from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.renaming import Renaming, renamed_program
from chainrule.dims import canonical_name
from chainrule.library import inner_name
from chainrule.notation.matrix import Irreducible, MatrixNotation
from chainrule.notation.offsets import has_offsets

__all__ = ["named_inner"]

WRITTEN_OUT = "-"  # in place of the name of an inner definition's value
LETTERS = ("A", "B", "C", "E", "F", "G", "H")


def named_inner(program: Program) -> tuple[Program, tuple[str, ...]]:
    """The program with names for such arrays, and these names; the program itself where there is none."""
    called = _called(program) | _arguments(program)
    deep = _beyond_matrices(program) - set(called)
    if not deep and not called:
        return program, ()
    users = program.links().users
    chosen: list[str] = []
    for equation in program:
        name = equation.name
        if name not in deep or not _holds_a_sum(program, name, set(chosen)) or not _is_shown(program, name, users):
            continue
        mine = users.get(name, [])
        if all(user in called for user in mine):
            continue
        if len(mine) == 1 and mine[0] in deep and _entry_by_entry(program, mine[0], name):
            continue
        chosen.append(name)
    if not chosen and not called:
        return program, ()
    names = dict(zip(chosen, _free_names(program, len(chosen)), strict=True))
    names |= _numbered(program, called, set(names.values()))
    out = renamed_program(program, Renaming(names))
    for (new, equation), known in zip(out.equations.items(), program, strict=True):
        source = equation.source if hasattr(known.source, "function") else known.source
        source = None if known.name in called else source
        out.equations[new] = replace(equation, source=source, span=known.span)  # the user's text is what it was
    out.interior.difference_update(names.values())
    return out, tuple(names[e.name] for e in program if e.name in names)


def _called(program: Program) -> dict[str, str]:
    """Unnamed values of inner definitions of the library, with the names that these have for them."""
    found = {}
    for equation in program:
        letter = inner_name(getattr(equation.source, "function", "")) if is_anonymous(equation.name) else ""
        if letter not in ("", WRITTEN_OUT) and not is_lag(equation):
            found[equation.name] = letter
    return found


def _arguments(program: Program) -> dict[str, str]:
    """Unnamed sums and products whose derivative an activation shows more than once: u in u ∘ Φ(u)."""
    found: dict[str, str] = {}
    for equation in program:
        for name in getattr(equation.source, "args", ()):
            own = program.variables.get(name)
            if own is None or not is_anonymous(name) or name in program.interior or own.steps is not None:
                continue
            value = program.expression(name)
            if value is None or not 0 < len(own.dims) < 3:
                continue
            compound = len(value) > 1 or any(bound and not has_offsets(factors) for factors, bound in value)
            if compound and _entries_used(program, equation.name, name) > 1:
                found[name] = "Z" if len(own.dims) == 2 else "z"
    return found


def _entries_used(program: Program, user: str, name: str) -> int:
    """How often a definition uses an entry of its argument, where it goes entry by entry; else 0."""
    count, pending, seen = 0, [user], {user}
    while pending:
        value = program.expression(pending.pop())
        if value is None or any(bound for _, bound in value):
            return 0
        for factors, _ in value:
            for atom, _ in factors:
                names = atom_variables(atom)
                count += name in names
                inside = [n for n in names if n in program.interior and n not in seen]
                seen.update(inside)
                pending += inside
    return count


def _numbered(program: Program, called: dict[str, str], taken: set[str]) -> dict[str, str]:
    """Their names in this program: X̂, or X̂1, X̂2, … where there are several or the name is taken."""
    used = {canonical_name(n) for n in taken | set(program.variables)}
    used |= {canonical_name(str(d)) for v in program.variables.values() for d in v.dims}
    names: dict[str, str] = {}
    for name, letter in called.items():
        alone = list(called.values()).count(letter) == 1
        tries = [letter] if alone else []
        tries += [f"{letter}{n}" for n in range(1, len(used) + len(called) + 2)]
        names[name] = next(t for t in tries if canonical_name(t) not in used)
        used.add(canonical_name(names[name]))
    return names


def _beyond_matrices(program: Program) -> set[str]:
    """Unnamed arrays that only index notation can write."""
    notation: MatrixNotation | None = None
    found: set[str] = set()
    for equation in program:
        variable = program.variables[equation.name]
        sequence = variable.steps is not None and not variable.steps.sheet
        if not is_anonymous(equation.name) or is_lag(equation) or sequence:
            continue
        if not isinstance(equation.value, dict):
            continue
        if len(variable.dims) > 2 and not (
            variable.steps is not None and _in_step(equation.value, variable.indices[0])
        ):
            found.add(equation.name)
        elif variable.dims and any(a in found or len(program.variables[a].dims) > 2 for a in equation.arguments):
            notation = notation or MatrixNotation(program)
            try:
                notation.write(equation.value, variable.dims, variable.orientation, variable.steps)
            except Irreducible:
                found.add(equation.name)
    return found


def _in_step(value: Expr, first: Index) -> bool:
    """True where all arrays of three or more axes have this index first: it can be written at one matrix of each."""
    return all(len(own) < 3 or own[0] == first for factors, _ in value for (_, _, own), _ in factors)


def _holds_a_sum(program: Program, name: str, named: set[str]) -> bool:
    """True where the array is written with a sum sign, what it is made of written out."""
    value = program.expression(name)
    if value is None or name in named:
        return False
    if any(bound and not has_offsets(factors) for factors, bound in value):  # x[i+1] is written without a sum
        return True
    inner = {n for factors, _ in value for atom, _ in factors for n in atom_variables(atom) if is_anonymous(n)}
    return any(_holds_a_sum(program, n, named) for n in inner)


def _is_shown(program: Program, name: str, users: dict[str, list[str]]) -> bool:
    """True where the derivative of something that uses it holds it."""
    for user in users.get(name, ()):
        value = program.expression(user)
        if value is None:
            return True
        for factors, _ in value:
            arrays = [(atom, e) for atom, e in factors if atom[0] not in ("#", "n", "δ", "rel")]
            mine = [(atom, e) for atom, e in arrays if name in atom_variables(atom)]
            if mine and (len(arrays) > 1 or mine[0][1] != 1 or mine[0][0][0]):
                return True
    return False


def _entry_by_entry(program: Program, user: str, name: str) -> bool:
    """True where no index of the array is summed in what uses it."""
    value = program.expression(user)
    if value is None:
        return False
    return not any(
        name in atom_variables(atom) and set(atom[2]) & set(bound) for factors, bound in value for atom, _ in factors
    )


def _free_names(program: Program, count: int) -> list[str]:
    """A1, A2, …: in a letter that the program does not use by itself."""
    taken = {canonical_name(n) for n in program.variables}
    sizes = {str(d) for v in program.variables.values() for d in v.dims}
    letter = next((c for c in LETTERS if c not in taken | sizes), LETTERS[0])
    free = (f"{letter}{n}" for n in range(1, 10 * (count + len(taken)) + 1))
    return [n for n in free if canonical_name(n) not in taken | sizes][:count]
