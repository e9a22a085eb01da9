"""A derivation as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient
    from chainrule.verification import Report

__all__ = ["derivation_json"]


def _steps(g: Gradient) -> list[dict[str, Any]]:
    return [
        {"before": s.before, "after": s.after, "rule": s.rule, "bindings": dict(s.bindings), "place": s.place}
        for s in g.steps
    ]


def derivation_json(derivation: Derivation, report: Report | None = None, layout: str = "both") -> dict[str, Any]:
    """What `derive --format json` prints."""
    out: dict[str, Any] = {
        "loss": derivation.loss,
        "dims": {name: list(shape) for name, shape in derivation.network.dims.items()},
        "equations": [
            {"name": e.name, "text": e.text, "latex": e.latex, "shape": list(e.shape)}
            for e in derivation.network.equations
        ],
        "signals": [
            {"name": name, "of": derivation.describe(g.of), "text": g.text, "latex": g.latex, "shape": list(g.shape),
             "steps": _steps(g)} for name, g in derivation.signals.items()
        ],
        "gradients": [
            {"wrt": of, "text": g.text, "latex": g.latex, "numerator": g.numerator, "shape": list(g.shape),
             "reason": g.reason, "steps": _steps(g)} for of, g in derivation.gradients.items()
        ],
    }  # fmt: skip
    if report is not None:
        out["verification"] = {
            "ok": report.ok, "max_relative_error": report.max_relative_error, "sizes": report.sizes,
            **({"reason": report.reason} if report.reason else {}),
        }  # fmt: skip
    return out
