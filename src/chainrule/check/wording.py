"""How a verdict is put into words."""

from __future__ import annotations

from dataclasses import replace

from chainrule.algebra.relations import CONSTANTS
from chainrule.check.departure import conditions_of
from chainrule.check.result import Check
from chainrule.check.targets import Target
from chainrule.check.verdict import Read, Verdict, same_formula
from chainrule.dims import Dim, format_shape
from chainrule.language.values import Value

__all__ = ["dims_on_paper", "identity_behind", "layout_said", "right_check", "shape_said"]


def right_check(base: Check, read: Read, target: Target, verdict: Verdict, said: str) -> Check:
    """The verdict on a right claim; `said` is about its layout."""
    assert verdict.form is not None
    how = "equal as formulas" if same_formula(read, target, verdict.form) else "equal in value"
    points = sum(p.count for p in read.points)
    shown = how if how == "equal as formulas" else f"{how} (float64, {points} random points)"
    return replace(
        base, ok=True, diagnosis=said + shown, layout=layout_of(verdict), how=how, conditions=conditions_of(target)
    )


def layout_of(verdict: Verdict) -> str:
    """numerator, shape, or both."""
    layouts = {f.layout for f in verdict.forms}
    return "both" if "both" in layouts or len(layouts) > 1 else next(iter(layouts))


def layout_said(target: Target, verdict: Verdict) -> str:
    """In which layout a claim is right, and what the other would be; loudly where that is the unusual one."""
    form, layout = verdict.form, layout_of(verdict)
    other = next((f for f in target.forms if form is not None and f.layout != form.layout), None)
    if layout == "both" or other is None or form is None:
        return ""
    text = target.written(other).text
    variable = target.program.variables[target.wrt]
    if layout == "numerator":
        if variable.kind == "value" and form.orientation == "row":
            return "right in numerator layout, as error signals are written (a row); "
        return (
            f"right in numerator layout only: it is {target.shape(form)}, the transpose of the gradient in shape "
            f"layout, which is {text} ({target.shape(other)}); "
        )
    if variable.kind == "value" and other.orientation == "row":
        return f"right in shape layout; as an error signal (a row, numerator layout) it is {text}; "
    return "right in shape layout; "


def shape_said(value: Value) -> str:
    """D_h × 1, or a scalar."""
    return value.shape if value.orientation in ("scalar", "identity") else format_shape(dims_on_paper(value))


def dims_on_paper(value: Value) -> tuple[Dim, ...]:
    """The sizes of an array with the 1 of a column or a row."""
    if value.orientation == "column":
        return (*value.dims, 1)
    return (1, *value.dims) if value.orientation == "row" else value.dims


def identity_behind(target: Target) -> str:
    """The identity that a Jacobian of one equation rests on: 2.1 for W x, 2.2 for x W, 2.4 for f(x); else ""."""
    value = target.program.expression(target.of) if target.kind == "jacobian" else None
    if value is None or len(value) != 1:
        return ""
    factors, bound = next(iter(value))
    if len(factors) == 1 and factors[0][0][0] not in {"", *CONSTANTS} and not bound:
        return "2.4"
    if len(factors) == 2 and len(bound) == 1 and len(target.dims) == 2:
        return {"column": "2.1", "row": "2.2"}.get(target.program.variables[target.of].orientation, "")
    return ""
