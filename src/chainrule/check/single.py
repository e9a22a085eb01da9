"""One formula against one right answer: it is read, judged, and where it is wrong, explained."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chainrule.algebra.expr import free
from chainrule.check.conventions import entry_by_entry, tied_target
from chainrule.check.departure import departing_step
from chainrule.check.diagnosis import diagnose
from chainrule.check.indexed import diagnose_indexed
from chainrule.check.result import Check
from chainrule.check.search import Found
from chainrule.check.steps import diagnose_step
from chainrule.check.targets import Form, Target
from chainrule.check.trees import places, spelled
from chainrule.check.verdict import Read, Session, Verdict, judge
from chainrule.check.wording import dims_on_paper, identity_behind, layout_said, right_check, shape_said
from chainrule.errors import ChainruleError, DimensionError
from chainrule.language import ast
from chainrule.language.values import Value, orientation_of
from chainrule.notation.index import index_text
from chainrule.notation.sizes import shape_text

__all__ = ["Side", "accepted", "check_side", "read_side"]

UNDECIDED = (
    "undecided: no point was found at which both the claim and the right answer are finite and can be told apart or "
    "together"
)
UNTRUSTED = "undecided: the gradient that was derived does not agree with central differences"
BY_SHAPE = (
    "transpose",
    "order",
    "layout",
    "elementwise",
    "activation",
)  # an identity keeps these off


@dataclass
class Side:
    """A formula that was checked: the verdict, and the formula as it was read (None where its sizes clash)."""

    check: Check
    read: Read | None


def accepted(target: Target, layout: str | None, letters: tuple[str, ...] | None) -> tuple[Form, ...]:
    """The forms in which a claim may be right."""
    if letters is not None and target.steps is None and not target.fixed:
        count = len(target.dims)
        return (Form("both", orientation_of(count), tuple(range(count))),)
    if layout is None:
        return target.forms
    return tuple(f for f in target.forms if f.layout in (layout, "both")) or target.forms


def read_side(session: Session, node: ast.Expr, target: Target, letters: tuple[str, ...] | None) -> Read:
    """The formula, read. Raises ChainruleError."""
    if target.steps is not None:
        return session.read_step(node, target.steps.letter, target.dims[0])
    if letters is None or target.fixed:
        return session.read(node)
    own = {letter: (-1 - k, dim) for k, (letter, dim) in enumerate(zip(letters, target.dims, strict=True))}
    read = session.read(node, own)
    if read.value.orientation != "scalar":
        raise DimensionError(f"{read.value.says()}: in index notation each entry is a scalar", "x[i]", node.span)
    read.value = Value(read.value.expr, target.dims, orientation_of(len(target.dims)), read.value.text)
    return read


def check_side(
    session: Session, node: ast.Expr, text: str, left: str, target: Target, layout: str | None,
    letters: tuple[str, ...] | None = None,
) -> Side:  # fmt: skip
    """Check `left = text`, whose right side is `node`. Raises ChainruleError where it cannot be read."""
    forms = accepted(target, layout, letters)
    read: Read | None = None
    clash: DimensionError | None = None
    try:
        read = read_side(session, node, target, letters)
    except DimensionError as error:
        clash = error
    verdict = judge(read, target, forms) if read is not None else Verdict("shape")
    form = verdict.form or forms[0]
    step = target.steps is not None or target.fixed
    if letters is None or step:
        base = Check(f"{left} = {text}", False, "", expected=target.written(form).text, about=target.symbol)
    else:
        entry = index_text(target.program, target.expression, free(target.dims), list(letters))
        base = Check(f"{left} = {text}", False, "", expected=entry, about=left)
    if verdict.status == "right" and read is not None:
        said = layout_said(target, verdict) if letters is None or step else ""
        return Side(right_check(base, read, target, verdict, said + entry_by_entry(target)), read)
    trusted = target.kind not in ("gradient", "signal") or session.context.trusted(target.wrt)
    if verdict.status == "undecided" or not trusted:
        says = UNDECIDED if trusted else UNTRUSTED
        return Side(replace(base, diagnosis=says, kind="undecided", kinds=("undecided",)), read)
    other = tied_target(target) if read is not None and verdict.status == "wrong" else None
    if other is not None and read is not None:
        tied = judge(read, other[0], forms)
        if tied.status == "right":
            return Side(right_check(base, read, other[0], tied, f"{other[1]}{base.expected}; "), read)
    if target.steps is not None:
        found = diagnose_step(session, node, read, target, forms)
    elif letters is None or target.fixed:
        found = diagnose(session, node, read, target, forms)
    else:
        found = diagnose_indexed(session, node, read, target, letters)
    if found.form is not None and found.form in target.forms:
        base = replace(base, expected=target.written(found.form).text)
    head = _head(session, node, read, clash, target, verdict, found)
    return Side(_wrong(base, session, target, found, head, left), read)


def _head(
    session: Session, node: ast.Expr, read: Read | None, clash: DimensionError | None, target: Target, verdict: Verdict,
    found: Found,
) -> str:  # fmt: skip
    """What can be said of the sizes alone."""
    if clash is not None:
        return f"wrong dimensions: {_clash(session, node, clash)}; "
    if found.kind in ("label", "condition", "layout") and found.mended is None:
        return ""
    if verdict.status == "shape" and read is not None:
        forms = [found.form] if found.form in target.forms and found.form is not None else [*target.forms]
        wanted = " or ".join(dict.fromkeys(target.shape(f) for f in forms))
        value = read.value if target.steps is None else replace(read.value, dims=read.value.dims[1:])
        return f"it is {shape_said(value)}, and {target.symbol} is {wanted}: "
    return "right dimensions, wrong value: "


def _wrong(base: Check, session: Session, target: Target, found: Found, head: str, left: str) -> Check:
    def text(node: ast.Expr | None) -> str:
        return spelled(node, session.context.describe) if node is not None else ""

    diagnosis = head + (found.says or "no single mistake explains it")
    identity = identity_behind(target)
    if identity and found.kind in BY_SHAPE:
        diagnosis += f" (identity {identity})"
    return replace(
        base,
        diagnosis=diagnosis,
        kind=found.kind,
        kinds=found.kinds or (found.kind,),
        suggestion=f"{left} = {text(found.mended)}" if found.mended is not None else "",
        step=departing_step(target, found.kind, text(found.piece), found.at),
        how=found.says if found.kind in ("label", "condition") else "",
    )


def _clash(session: Session, node: ast.Expr, error: DimensionError) -> str:
    """(1×D_h) ∘ (D_h×1): the two sides that do not go together."""
    for place in places(node) if error.span is not None else ():
        here = place.node
        if isinstance(here, ast.Binary) and here.span == error.span:
            try:
                a, b = (_sizes(session.read(side).value) for side in (here.left, here.right))
            except ChainruleError:
                continue
            sign = {"@": "", "*": "", "∘": " ∘ ", "+": " + ", "-": " − "}.get(here.op, f" {here.op} ")
            return f"{a}{sign}{b}"
    return error.message


def _sizes(value: Value) -> str:
    return f"({value.shape})" if value.orientation in ("scalar", "identity") else shape_text(dims_on_paper(value))
