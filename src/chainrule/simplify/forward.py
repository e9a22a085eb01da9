"""A forward program in the equal form that has the shorter backward pass.

    y = g ∘ (V x)  where  b = V x            becomes  y = g ∘ b: one signal at b, not δ ∘ g at V and at x
    J = f(U v) − onehot(o)ᵀ U v              the second U v is the first one, so that its gradient is one signal, at U v
    f(−β (a − b)), and nobody else needs a − b   becomes  f(β (b − a)): the signal at the difference has no minus

The first two are one rule: a sum of products that an equation before computes already is written with its name. In
the last the difference and the argument must be unnamed, and have no other use. Loops are left as they are. To add one:
a function from a program to what changes, and a line in `shorter_to_differentiate`.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.algebra.expr import Expr, Factor, Index, Monomial, add, atom_variables, scale
from chainrule.algebra.loops import has_loops
from chainrule.algebra.program import Program, is_anonymous
from chainrule.algebra.relations import CONSTANTS
from chainrule.simplify.knowledge import SumDefinition
from chainrule.simplify.naming import match_sum

__all__ = ["shorter_to_differentiate"]

Products = dict[tuple[str, object], list[SumDefinition]]  # by their first factor


def shorter_to_differentiate(program: Program) -> Program:
    """An equal program with the same names, or the program itself where nothing changes."""
    if has_loops(program):
        return program
    changed = {**_known_products(program)}
    changed |= _turned(program, changed)
    if not changed:
        return program
    out = program.copy()
    for name, value in changed.items():
        out.equations[name] = replace(program.equations[name], value=value)
    return out


def _known_products(program: Program) -> dict[str, Expr]:
    """Equations in which a sum of products has the name of an equation before."""
    known: Products = {}
    changed: dict[str, Expr] = {}
    for equation in program:
        value = equation.value
        if not isinstance(value, dict):
            continue
        new = value
        if known and any(bound for _, bound in value):
            new = {}
            for key, coefficient in value.items():
                new = add(new, scale(_with_names(key, known), coefficient))
            if new != value:
                changed[equation.name] = new
        definition = _product(program, equation.name, new)
        if definition is not None:
            head, name, _ = definition.factors[0][0]
            known.setdefault((head, name), []).append(definition)
    return changed


def _product(program: Program, name: str, value: Expr) -> SumDefinition | None:
    """The equation as a sum of products over indices that two arrays have; None where it is another thing."""
    if len(value) != 1:
        return None
    ((factors, bound), coefficient) = next(iter(value.items()))
    if not bound or any(a[0] in CONSTANTS or not a[2] or e < 0 for a, e in factors) or coefficient != 1:
        return None
    if any(sum(i in a[2] for a, _ in factors) < 2 for i in bound):
        return None
    return SumDefinition(name, factors, bound, coefficient, program.variables[name].indices)


def _with_names(key: Monomial, known: Products) -> Expr:
    """The term, each sum of products that has a name under that."""
    for (head, name, _), _ in key[0] if key[1] else ():
        for definition in known.get((head, name), ()):
            found = match_sum(definition, key)
            if found is not None and all(_stays_small(definition.name, *term) for term in found):
                out: Expr = {}
                for term, coefficient in found.items():
                    out = add(out, scale(_with_names(term, known), coefficient))
                return out
    return {key: 1}


def _stays_small(name: str, factors: tuple[Factor, ...], bound: tuple[Index, ...]) -> bool:
    """False where a matrix is then multiplied by a vector that the product was multiplied by first: K x for A (B x)."""
    ((_, _, own), _) = next(f for f in factors if f[0][1] == name)
    summed = set(own) & set(bound)
    others = [a for a, _ in factors if a[1] != name and set(a[2]) & summed]
    return len(own) < 2 or all(set(a[2]) >= set(own) for a in others)


def _turned(program: Program, changed: dict[str, Expr]) -> dict[str, Expr]:
    """Unnamed differences of which only −c times the whole is used, c a number or scalars, turned over, and that."""
    values: dict[str, Expr] = {}
    users: dict[str, list[str]] = {}
    fixed: set[str] = set()  # what is used in another way
    for equation in program:
        if not isinstance(equation.value, dict):
            fixed.update(equation.arguments)
            continue
        values[equation.name] = value = changed.get(equation.name, equation.value)
        for factors, bound in value:
            arrays = [a for a, _ in factors if a[2]]
            scales = len(value) == 1 and value[factors, bound] < 0 and not bound and len(arrays) < 2
            for atom, exponent in factors:
                plain = not atom[0] and exponent == 1 and (not arrays or atom in arrays)
                if scales and plain and is_anonymous(equation.name):
                    users.setdefault(str(atom[1]), []).append(equation.name)
                else:
                    fixed.update(atom_variables(atom))
    out: dict[str, Expr] = {}
    for name, value in values.items():
        if is_anonymous(name) and name in users and name not in fixed and len({c > 0 for c in value.values()}) == 2:
            for turned in (name, *users[name]):
                out[turned] = scale(out.get(turned, values[turned]), -1)
    return out
