"""A formula by itself: a signal that it uses once is written out in its place, the others stand beside it.

So a gradient reads as in a paper, where only what occurs twice has a name: U − (A − U V) Vᵀ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.algebra.expr import Expr, Index, atom_variables, rename, single, substitute
from chainrule.algebra.program import Program, is_anonymous
from chainrule.notation.matrix import MatrixNotation

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient

__all__ = ["whole"]


def whole(derivation: Derivation, gradient: Gradient) -> dict[str, str]:
    """The formula and the signals that it cannot do without, by their names."""
    from chainrule.notation.written import Written

    signals = derivation.backward.signals
    uses, holders = _uses(derivation, gradient.name)
    once = [name for name, count in uses.items() if count == 1]
    program = derivation.program.copy()
    for name in once:
        _merge_sign(program, name, holders)
    notation = MatrixNotation(program, frozenset(once))
    texts: dict[str, str] = {}
    for name in (gradient.name, *(n for n in signals if uses.get(n, 0) > 1)):
        own, formula = program.variables[name], program.expression(name)
        assert formula is not None
        texts[name] = Written(program, notation, formula, own.dims, own.orientation).text
    return texts


def _uses(derivation: Derivation, name: str) -> tuple[dict[str, int], list[str]]:
    """How often each signal is used in a formula and in what it uses; the names whose equations were gone through."""
    uses: dict[str, int] = {}
    holders: list[str] = []
    pending = [name]
    while pending:
        holders.append(pending.pop())
        value = derivation.program.expression(holders[-1]) or {}
        for used in [n for factors, _ in value for atom, _ in factors for n in atom_variables(atom)]:
            signal = used in derivation.backward.signals
            if signal:
                uses[used] = uses.get(used, 0) + 1
            if (signal and uses[used] == 1) or (
                is_anonymous(used) and used not in derivation.network.program.equations and used not in holders
            ):
                pending.append(used)
    return uses, holders


def _merge_sign(program: Program, name: str, holders: list[str]) -> None:
    """C X Δ with Δ = −A B becomes −C X A B: the sign of a product goes before the term that it is put into."""
    value, own = program.expression(name), program.variables[name].indices
    term = single(value) if value is not None else None
    if value is None or term is None or term[1] >= 0:
        return

    def put(at: tuple[Index, ...]) -> Expr:
        return rename(value, dict(zip(own, at, strict=True)))

    for holder in holders:
        formula = program.expression(holder)
        variable = program.variables[holder]
        if formula is not None and any(name in atom_variables(a) for factors, _ in formula for a, _ in factors):
            try:
                program.define(variable, substitute(formula, name, put))
            except ValueError:
                return
