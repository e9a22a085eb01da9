"""Claims about one step of a sequence: δ₂[t] = (δ₁[t] U + δ₂[t+1] A) ∘ …, ∂J/∂x[t] = …, δ₂[T] = ….

The claim is read at the step t, for all t at once, and compared with the right answer at every step: beyond the last
a sequence is 0, before the first it is its initial value. A wrong claim is edited (another step, a sign, a term, a
transpose, another signal), each edit judged in full; where none explains it, the first step at which the two differ
is said, with both numbers. A new mistake is one more `yield` in `_edits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from chainrule.algebra.expr import Expr, Index, free, monomial, multiply, variable
from chainrule.algebra.program import Steps
from chainrule.check.context import Context
from chainrule.check.points import value_of
from chainrule.check.reading import Claim
from chainrule.check.search import Found
from chainrule.check.targets import Form, Target
from chainrule.check.trees import Place, number, places, spelled, terms, times, total, without
from chainrule.check.verdict import Read, Session, judge, matching
from chainrule.dims import Dim, canonical_name, display_name
from chainrule.errors import ChainruleError
from chainrule.functions.sequences import unit_variable
from chainrule.language import ast

__all__ = ["diagnose_step", "of_a_step", "steps_in"]


def of_a_step(context: Context, target: Target, claim: Claim) -> Target | None:
    """The target at one step, where the claim's one letter is that of a step (or the step's number); else None."""
    if claim.letters is None or len(claim.letters) != 1 or target.kind not in ("gradient", "signal", "value"):
        return None
    name = target.signal if target.kind == "signal" else target.wrt if target.kind == "gradient" else target.of
    own = target.program.variables.get(name)
    if own is None or own.steps is None or own.steps.axis or own.steps.sheet:
        return None
    (letter,) = claim.letters
    dim, rest = target.dims[0], target.dims[1:]
    orientation = own.steps.orientation
    if letter.isdigit() or letter == dim:
        step = -1 if letter == dim else int(letter) - 1
        if step >= 0 and not (step == 0 or (isinstance(dim, int) and step < dim)):
            return None
        unit = unit_variable(context.program, step, dim, own.steps.letter)
        bound: Index = (1_000_000_000, dim)
        moved = {(-1, dim): bound} | {(-2 - k, d): (-1 - k, d) for k, d in enumerate(rest)}
        forms = _forms(target, orientation, len(rest), 0)
        return replace(target, symbol=claim.left, expression=_at(target.expression, moved, unit, bound), dims=rest,
                       forms=forms, gradient=None, fixed=True, program=context.program)  # fmt: skip
    if not rest:
        return None  # an entry of a vector: index notation says the same
    forms = _forms(target, orientation, len(rest), 1)
    return replace(target, symbol=claim.left, forms=forms, steps=Steps(letter, 0, orientation))


def _forms(target: Target, orientation: str, count: int, first: int) -> tuple[Form, ...]:
    """The layouts of one step, as those of the whole: its axes stand behind `first` others."""
    before, order = tuple(range(first)), tuple(range(first, first + count))
    if target.kind == "gradient" and orientation == "column":
        return (Form("shape", "column", (*before, *order)), Form("numerator", "row", (*before, *order)))
    if target.kind == "gradient" and orientation == "matrix":
        return (Form("shape", "matrix", (*before, *order)), Form("numerator", "matrix", (*before, *order[::-1])))
    layout = target.forms[0].layout if target.kind == "signal" and orientation != "row" else "both"
    return (Form("numerator" if target.kind == "signal" and orientation == "row" else layout, orientation,
                 (*before, *order)),)  # fmt: skip


def _at(expression: Expr, moved: dict[Index, Index], unit: str, bound: Index) -> Expr:
    out: Expr = {}
    for (factors, inner), coefficient in multiply(expression, variable(unit, ((-1, bound[1]),))).items():
        parts = [((h, n, tuple(moved.get(i, i) for i in ix)), e) for (h, n, ix), e in factors]
        for key, value in monomial(coefficient, parts, (*inner, bound)).items():
            out[key] = out.get(key, 0) + value
    return out


def steps_in(session: Session, node: ast.Expr, letter: str) -> Dim | None:
    """What the letter of a step runs over in a formula; None where no sequence has it."""
    names = {canonical_name(n): v for n, v in session.program.variables.items()}
    for place in places(node):
        here = place.node
        if isinstance(here, ast.Indexed) and here.indices[0].name == letter:
            found = names.get(canonical_name(here.base.name))
            if found is not None and found.steps is not None and not found.steps.sheet and not found.steps.axis:
                return found.dims[0]
    return None


# -- what is wrong -------------------------------------------------------------------------------------------------


def diagnose_step(
    session: Session, node: ast.Expr, read: Read | None, target: Target, forms: tuple[Form, ...]
) -> Found:
    """The mistake in a claim about one step."""
    assert target.steps is not None
    for kind, says, edited in _edits(session, node, target.steps.letter):
        try:
            again = session.read_step(edited, target.steps.letter, target.dims[0])
        except (ChainruleError, ValueError):
            continue
        if judge(again, target, forms).status == "right":
            return Found(kind, says, 1.0, edited, kinds=(kind,))
    if read is None:
        return Found("dimensions", "", 9.0)
    return Found("unknown", _evidence(read, target, forms), 9.0)


def _edits(session: Session, node: ast.Expr, letter: str) -> Iterator[tuple[str, str, ast.Expr]]:
    describe = session.context.describe
    signals = list(session.context.signal_at.values())
    for place in places(node):
        here = place.node
        if isinstance(here, ast.Indexed) and here.indices and here.indices[0].name == letter:
            first, *rest = here.indices
            for offset in (first.offset - 1, first.offset + 1, -first.offset):
                if offset != first.offset:
                    moved = replace(here, indices=(replace(first, offset=offset), *rest))
                    says = f"the wrong step: {spelled(moved, describe)}, not {spelled(here, describe)}"
                    yield "step", says, place.put(moved)
            for signal in signals if any(canonical_name(s) == canonical_name(here.base.name) for s in signals) else ():
                if canonical_name(signal) != canonical_name(here.base.name):
                    says = f"the wrong error signal: {display_name(signal)}, not {spelled(here.base, describe)}"
                    yield "signal", says, place.put(replace(here, base=ast.Name(signal)))
        if place.role in ("whole", "term"):
            yield from _amounts(place)
        if isinstance(here, ast.Name | ast.Indexed):
            yield "transpose", f"{spelled(here, describe)} is to be transposed", place.put(ast.Transpose(here))
        if isinstance(here, ast.Transpose):
            says = f"{spelled(here.operand, describe)} is not to be transposed"
            yield "transpose", says, place.put(here.operand)
        if isinstance(here, ast.Binary) and here.op in ("+", "-"):
            signed = terms(here)
            for k, (_, part) in enumerate(signed):
                rest_ = place.put(total(without(signed, k, k + 1)))
                yield "term", f"the term {spelled(part, describe)} is too much", rest_


def _amounts(place: Place) -> Iterator[tuple[str, str, ast.Expr]]:
    here = place.node
    negated = here.operand if isinstance(here, ast.Negate) else ast.Negate(here)
    yield "sign", "the sign is wrong" if place.role == "whole" else "the sign of a term is wrong", place.put(negated)
    yield "factor", "a factor 2 is missing", place.put(times(here, [number(2)], []))
    yield "factor", "a factor 2 too much", place.put(times(here, [], [number(2)]))


def _evidence(read: Read, target: Target, forms: tuple[Form, ...]) -> str:
    """The first step at which the claim and the right answer differ, with both numbers."""
    assert target.steps is not None
    for form in forms:
        value = matching(read.value, target, form)
        for points in read.points if value is not None else ():
            assert value is not None
            indices = free(value.dims)
            mine = points.fork()
            claimed = value_of(read.program, mine, value.expr, indices)
            right = value_of(read.program, mine, target.arranged(form), indices)
            claimed, right = (a[0] if a.ndim > len(indices) else a for a in (claimed, right))
            claimed, right = np.broadcast_arrays(claimed, right)
            gap = np.abs(claimed - right)
            if not np.isfinite(gap).all() or not gap.any():
                continue
            scale = np.abs(claimed).max() + np.abs(right).max()
            at = np.argwhere(gap > 1e-6 * scale)
            if len(at):
                t = int(at[0][0])
                worst = int(gap[t].argmax())
                mine_, right_ = claimed[t].flat[worst], right[t].flat[worst]
                says = f"at {target.steps.letter} = {t + 1} of {claimed.shape[0]} an entry is {mine_:.6g}, and "
                return says + f"{right_:.6g} is right; no single mistake explains it"
    return ""
