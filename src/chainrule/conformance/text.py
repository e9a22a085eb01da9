"""One case through the matlab dialect, where its `expr` is plain text of it: value, and length of the formula.

Lengths are counted in symbols: names, numbers, signs, transposes and powers; products and brackets cost nothing, so
that `A*x`, `A x` and `A @ x` are equally long.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chainrule import api
from chainrule.conformance.cases import Case
from chainrule.errors import ChainruleError, ChainruleWarning

__all__ = ["Text", "symbols", "through_text"]

_SYMBOL = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?|\.\d+|[+\-−/^'ᵀ√<>=]")
# What a neutral text calls a function, and what the dialect does.
SPELLINGS = {"norm2": "norm", "normF": "norm", "softmax_rows": "softmax", "logsoftmax": "log_softmax"}
_KNOWN_AS = re.compile(rf"\b(?:{'|'.join(SPELLINGS)})\b(?=\()")
_ROW = re.compile(r"\s*\(([^()]*\brow\b[^()]*)\)\s*$")
_REMARK = re.compile(r",\s*(?:[A-Za-z]\w*(?:\s*,\s*|\s+and\s+))*[A-Za-z]\w* (?:symmetric|positive definite|square)\s*$")
_ONES = re.compile(r"\bones\(\w+\)['ᵀ]?|(?<![\w.^])1['ᵀ]")
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

    A vector of ones is one symbol, whichever way it is spelled and turned.

    >>> symbols("x*1'"), symbols("x ones(3)ᵀ"), symbols("1ᵀ y")
    (2, 2, 2)
    """
    formula = _ONES.sub("1", formula)
    text = re.sub("([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda m: "^" + m.group(1).translate(_SUPERSCRIPTS), formula)
    text = unicodedata.normalize("NFC", text).replace("ᵀ", "'")
    return len(_SYMBOL.findall(text))


def through_text(case: Case, seed: int, points: int) -> Text:
    """Read `expr` in the matlab dialect and differentiate it. A case in prose, or of several equations, has no text."""
    from chainrule.conformance.judge import differentiated, largest_errors

    statements, rows = plain_text(case.expr, case.shapes)
    lines = [_declaration(case, name, name in rows) for name in case.shapes]
    try:
        net = api.parse("\n".join([*lines, *statements, ""]), "matlab")
    except ChainruleError as refusal:
        return Text("unread", refusal.message)
    try:
        if not largest_errors(net, case, [], seed, 1)[0] <= case.tolerance:
            return Text("other", "the text says another function than the code")
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


def plain_text(expr: str, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The equations that a neutral text says, the last one under the name f_, and the vectors that it calls rows.

    Remarks such as ", W symmetric" are left out: `init` says it. Of "CE(y, p) = -sum(y.*log(p))" it is the right side.

    >>> plain_text("h = relu(W*x); norm2(h-y)^2, W symmetric", ["W", "x", "y"])
    (['h = relu(W*x)', 'f_ = norm(h-y)^2'], [])
    >>> plain_text("x*W (row x)", ["x", "W"])
    (['f_ = x*W'], ['x'])
    >>> plain_text("-sum(y.*log(p)), p = softmax(x)", ["x", "y"])
    (['p = softmax(x)', 'f_ = -sum(y.*log(p))'], [])
    """
    rows: list[str] = []
    remark = _ROW.search(expr)
    if remark is not None:
        expr = expr[: remark.start()]
        rows = [name for name in names if re.search(rf"\b{name}\b", remark.group(1))]
    text = _REMARK.sub("", _KNOWN_AS.sub(lambda m: SPELLINGS[m.group()], expr))
    *first, last = [part.strip() for part in text.split(";")]
    last, *more = _at_commas(last)
    if not all(re.match(r"[A-Za-z]\w*\s*=(?!=)", part) for part in more):
        return [f"f_ = {', '.join([last, *more])}"], rows
    first += more[::-1]  # "sum(log(p)), p = sigmoid(z)": what is said behind it comes first
    head, sign, tail = last.partition("=")
    if sign and not tail.startswith("=") and head[-1:] not in "<>=~":
        last = tail.strip()
    return [*first, f"f_ = {last}"], rows


def _at_commas(text: str) -> list[str]:
    """The parts of a text between the commas that stand in no brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _declaration(case: Case, name: str, row: bool = False) -> str:
    shape = ", ".join(map(str, case.shapes[name])) if case.shapes[name] else "scalar"
    if row and len(case.shapes[name]) == 1:
        shape = f"1, {shape}"
    kind = "param" if name == case.wrt else "input"
    fact = case.facts().get(name)
    return f"{kind} {name} : {f'({shape})' if case.shapes[name] else shape}{f', {fact}' if fact else ''}"


def _readable(case: Case) -> bool:
    """True where `expected` is one formula in the case's own names: then its length is a measure.

    Of an array of more than two axes matrix notation says nothing: there x' is only a way of speaking.
    """
    known = {*case.shapes, "I", "tr", "det", "inv", "pinv", "diag", "norm2", "norm", "exp", "log", "sqrt", "sum",
             "sin", "cos", "tanh", "sigmoid", "softmax", "relu", "sgn", "ones", "abs", "norm1", "arctan"}  # fmt: skip
    words = re.findall(r"[^\W\d]\w*", case.expected)
    matrices = all(len(case.shapes.get(word, ())) < 3 for word in words)
    return "..." not in case.expected and matrices and all(word in known for word in words)
