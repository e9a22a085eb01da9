"""One case through the matlab dialect, where its `expr` is plain text of it: value, and length of the formula.

Lengths are counted in symbols: names, numbers, signs, transposes and powers; products and brackets cost nothing, so
that `A*x`, `A x` and `A @ x` are equally long.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from dataclasses import dataclass
from typing import Any

from chainrule import api
from chainrule.conformance.cases import Case
from chainrule.errors import ChainruleError, ChainruleWarning

__all__ = ["Text", "symbols", "through_text"]

_SYMBOL = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?|\.\d+|[+\-−/^'ᵀ√<>=]")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


@dataclass(frozen=True)
class Text:
    """`status`: ok, wrong, refused, unread (no text of the dialect) or other (it says another function than the code).

    Lengths in symbols.
    """

    status: str = ""
    reason: str = ""
    formula: str = ""
    length: int = 0
    expected_length: int = 0

    @property
    def longer(self) -> bool:
        """True where the printed formula is longer than the published one."""
        return self.status == "ok" and 0 < self.expected_length < self.length

    def to_json(self) -> dict[str, Any] | None:
        """As data; None where there is no text."""
        if not self.status:
            return None
        return {"status": self.status, "reason": self.reason, "formula": self.formula, "length": self.length,
                "expected_length": self.expected_length}  # fmt: skip


def symbols(formula: str) -> int:
    """How many symbols a formula has.

    >>> symbols("2*A'*(A*x-y)"), symbols("2 Aᵀ (A x − y)"), symbols("x²")
    (7, 7, 3)
    """
    text = re.sub("([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda m: "^" + m.group(1).translate(_SUPERSCRIPTS), formula)
    text = unicodedata.normalize("NFC", text).replace("ᵀ", "'")
    return len(_SYMBOL.findall(text))


def through_text(case: Case, seed: int, points: int) -> Text:
    """Read `expr` in the matlab dialect and differentiate it. A case in prose, or of several equations, has no text."""
    from chainrule.conformance.judge import differentiated, largest_errors

    lines = [_declaration(case, name) for name in case.shapes]
    try:
        net = api.parse("\n".join([*lines, f"f_ = {case.expr}", ""]), "matlab")
    except ChainruleError as refusal:
        return Text("unread", refusal.message)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChainruleWarning)
            formula, values = differentiated(net, case)
            own, error = largest_errors(net, case, values, seed, points)
    except ChainruleError as refusal:
        return Text("refused", refusal.message)
    if not own <= case.tolerance:
        return Text("other", "the text says another function than the code")
    status = "ok" if error <= case.tolerance else "wrong"
    reason = "" if status == "ok" else f"off by {error:.1e}"
    readable = _readable(case)
    return Text(status, reason, formula, symbols(formula), symbols(case.expected) if readable else 0)


def _declaration(case: Case, name: str) -> str:
    shape = ", ".join(map(str, case.shapes[name])) if case.shapes[name] else "scalar"
    kind = "param" if name == case.wrt else "input"
    fact = case.facts().get(name)
    return f"{kind} {name} : {f'({shape})' if case.shapes[name] else shape}{f', {fact}' if fact else ''}"


def _readable(case: Case) -> bool:
    """True where `expected` is one formula in the case's own names: then its length is a measure."""
    known = {*case.shapes, "I", "tr", "det", "inv", "pinv", "diag", "norm2", "norm", "exp", "log", "sqrt", "sum",
             "sin", "cos", "tanh", "sigmoid", "softmax", "relu", "sgn"}  # fmt: skip
    return all(word in known for word in re.findall(r"[^\W\d]\w*", case.expected))
