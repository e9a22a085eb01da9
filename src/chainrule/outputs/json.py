"""A derivation as data: everything that the other outputs choose from, in the fields of the published schema.

The schema is `chainrule/schemas/derivation.schema.json` (JSON Schema 2020-12). A new field goes into both; the tests
validate every example against it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.explanation.steps import Formula, ProofLine, Step
from chainrule.outputs.story import check_layout, conditions, proofs

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient
    from chainrule.verification import Report

__all__ = ["derivation_json", "schema", "steps_json"]


def schema() -> dict[str, Any]:
    """The JSON Schema of `derivation.to_json()` and of `chainrule derive --format json`."""
    path = Path(__file__).parents[1] / "schemas" / "derivation.schema.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def derivation_json(derivation: Derivation, report: Report | None = None, layout: str = "both") -> dict[str, Any]:
    """What `derive --format json` prints: all levels of detail; a proof once for each identity.

    `text` and `latex` of a signal are in numerator layout, those of a gradient in the shape of its parameter, with
    `numerator` beside them, whatever `layout` says: it is passed on for whoever shows the data.
    """
    check_layout(layout)
    out: dict[str, Any] = {
        "loss": derivation.loss,
        "layout": layout,
        "dims": {name: list(shape) for name, shape in derivation.network.dims.items()},
        "equations": [
            {"name": e.name, "text": e.text, "latex": e.latex, "shape": list(e.shape)}
            for e in derivation.network.equations
        ],
        "signals": [
            {"name": name, "of": derivation.describe(g.of), "text": g.text, "latex": g.latex, "shape": list(g.shape),
             "sizes": g.sizes, "layout": "numerator", "indices": list(g.written.indices), "reason": g.reason,
             "steps": steps_json(g.steps)} for name, g in derivation.signals.items()
        ],
        "gradients": [
            {"wrt": of, "text": g.text, "latex": g.latex, "shape": list(g.shape), "sizes": g.sizes, "layout": "shape",
             "indices": list(g.written.indices), **_numerator(g), "reason": g.reason, "steps": steps_json(g.steps)}
            for of, g in derivation.gradients.items()
        ],
        "conditions": conditions(derivation, 1),
        "proofs": [
            {"identity": p.identity, "detail": p.detail, "lines": _lines(p.lines)} for p in proofs(derivation, 3)
        ],
    }  # fmt: skip
    if report is not None:
        error = report.max_relative_error if math.isfinite(report.max_relative_error) else None  # JSON has no NaN
        out["verification"] = {
            "ok": report.ok, "max_relative_error": error, "sizes": report.sizes,
            **({"reason": report.reason} if report.reason else {}),
        }  # fmt: skip
    return out


def _numerator(gradient: Gradient) -> dict[str, Any]:
    """The gradient in numerator layout; where that is the same formula, it is repeated."""
    written = gradient.turned or gradient.written
    return {
        "numerator": gradient.numerator, "numerator_latex": written.latex, "numerator_shape": list(written.shape),
        "numerator_sizes": written.size_line,
    }  # fmt: skip


def steps_json(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Steps with their finer ones."""
    return [
        {
            "before": s.before, "after": s.after, "rule": s.rule, "bindings": dict(s.bindings), "place": s.place,
            "detail": s.detail, "identity": s.identity, "conditions": list(s.conditions),
            "before_latex": s.left.latex, "after_latex": s.right.latex, "sizes": _sizes(s.right),
            "within": steps_json(s.within),
        } for s in steps
    ]  # fmt: skip


def _sizes(formula: Formula) -> str:
    """The dimension line; an entry or a scalar has none."""
    return "" if formula.node.rows == 1 == formula.node.cols else formula.sizes


def _lines(lines: Iterable[ProofLine]) -> list[dict[str, Any]]:
    return [
        {
            "left": x.left.text if x.left else "", "right": x.right.text, "rule": x.rule,
            "left_latex": x.left.latex if x.left else "", "right_latex": x.right.latex,
        } for x in lines
    ]  # fmt: skip
