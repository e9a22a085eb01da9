"""Why a claim is wrong: the order in which explanations are tried, and what is added to the simplest."""

from __future__ import annotations

from chainrule.algebra.expr import variables
from chainrule.check.formulas import formulas_behind, scenes_of
from chainrule.check.missing import left_out, missing_terms
from chainrule.check.scene import Scene
from chainrule.check.search import Found, committed, edits, pairs
from chainrule.check.suppose import condition
from chainrule.check.targets import Form, Target
from chainrule.check.trees import places
from chainrule.check.verdict import Read, Session, judge
from chainrule.dims import canonical_name, display_name
from chainrule.language import ast

__all__ = ["diagnose"]

SURE = 1.25  # the cost up to which an edit of the claim needs no comparison with other explanations
NEAR = 0.12  # costs that near say that a mistake may go by either name


def diagnose(session: Session, node: ast.Expr, read: Read | None, target: Target, forms: tuple[Form, ...]) -> Found:
    """The mistake in a claim. `read` is None where its sizes clash."""
    if read is not None:
        other = judge(read, target, [f for f in target.forms if f not in forms])
        if other.status == "right" and other.form is not None:
            return _other_layout(target, other.form, forms)
        found = condition(session, node, target, forms, "label")
        if found is not None:
            return found
    scenes = scenes_of(session, target, forms)
    if not scenes or not scenes[0].wanted:
        return Found("unknown", "", 9.0)
    scene = scenes[0]
    found = edits(node, scene)
    if found is not None and found.kind == "signal":  # δ₁ for δ₁ + δ₂ U is a path left out as much as a wrong signal
        lacking = missing_terms(node, scene)
        if lacking is not None:
            lacking.kinds = (*lacking.kinds, "signal")
            return lacking
    if found is None and read is not None:
        found = condition(session, node, target, forms, "condition")
    if found is None or found.cost > SURE:
        others = [found]
        claimed = [s.value(node) for s in scenes]
        if read is not None and claimed[0] is not None:
            others.append(left_out(session.context, target, scenes, claimed))
            others.append(missing_terms(node, scene))
            others.append(committed(formulas_behind(session.context, target), claimed, scenes))
        found = simplest(others)
    if found is None:
        found = pairs(node, scene)
    if found is None:
        sizes = read is None or judge(read, target, forms).status == "shape"
        return Found("dimensions" if sizes else "unknown", "", 9.0)
    return _with_remarks(found, node, scene)


def simplest(options: list[Found | None]) -> Found | None:
    """The least far-fetched explanation, which may also go by the names of those that are near."""
    found = sorted((f for f in options if f is not None), key=lambda f: f.cost)
    if not found:
        return None
    best = found[0]
    near = [f for f in found[1:] if f.cost <= best.cost + NEAR]
    best.kinds = tuple(dict.fromkeys([*best.kinds, *(k for f in near for k in f.kinds)]))
    if best.mended is None:
        best.mended = next((f.mended for f in found if f.kind == best.kind and f.mended is not None), None)
    return best


def _other_layout(target: Target, form: Form, forms: tuple[Form, ...]) -> Found:
    asked = forms[0]
    says = (
        f"right in {form.layout} layout ({target.shape(form)}), not in {asked.layout} layout ({target.shape(asked)}): "
        "it is the transpose"
    )
    return Found("layout", says, 0.5, form=asked, kinds=("layout", "transpose"))


def _with_remarks(found: Found, node: ast.Expr, scene: Scene) -> Found:
    """What helps beside the mistake itself: where a factor is already, which way a signal lies."""
    if found.kind == "factor" and "too much" in found.says:
        holder = _holds_factor(node, found, scene)
        if holder:
            found.says += f": {display_name(holder)} has it already"
            found.at = holder
    target = scene.target
    if found.form is not None and found.form.layout == "shape" and found.form.orientation == "column":
        name = scene.context.program.variables.get(target.wrt)
        if target.kind == "gradient" and name is not None and name.kind == "value":
            row = next(f for f in target.forms if f.layout == "numerator")
            found.says += (
                f"; and it is written as a column, where an error signal is a row (numerator layout): "
                f"{target.written(row).text}"
            )
    return found


def _holds_factor(node: ast.Expr, found: Found, scene: Scene) -> str:
    """The signal in a claim, or behind one, that brings the factor which the claim has once too often."""
    wanted: set[str] = set()
    for place in places(node):
        if isinstance(place.node, ast.Name) and place.node.name in scene.sizes and place.node.name in found.says:
            wanted.add(place.node.name)
    context = scene.context
    named = {canonical_name(p.node.name) for p in places(node) if isinstance(p.node, ast.Name)}
    todo = [s for s in scene.signals if canonical_name(s) in named]
    seen: list[str] = []
    while todo and wanted:
        signal = todo.pop(0)
        if signal in seen:
            continue
        seen.append(signal)
        value = context.program.expression(signal) or {}
        if value and all(any(a[0] == "#" and a[1] in wanted for a, _ in fs) for fs, _ in value):
            return signal
        todo += [n for n in variables(value) if n in scene.signals]
    return ""
