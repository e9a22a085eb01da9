"""Mistakes in index notation: ∂z[k]/∂W[i,j] = 1[k = i] x[j].

Formulas with indices are no matrices, so the catalogue does not apply to them as it stands. Here an edit changes an
index, a sign, a factor, a signal or a sum, and each edited formula is read and judged in full, for there are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainrule.check.search import Found
from chainrule.check.targets import Form, Target
from chainrule.check.trees import Place, factors, number, places, product, spelled, terms, times, total, without
from chainrule.check.verdict import Read, Session, judge
from chainrule.dims import canonical_name, display_name
from chainrule.errors import ChainruleError
from chainrule.language import ast
from chainrule.language.values import Value, orientation_of

__all__ = ["diagnose_indexed"]


@dataclass(frozen=True, slots=True)
class _Edit:
    kind: str
    says: str
    cost: float
    node: ast.Expr


def diagnose_indexed(
    session: Session, node: ast.Expr, read: Read | None, target: Target, letters: tuple[str, ...]
) -> Found:
    """The mistake in a claim about one entry."""
    form = Form("both", orientation_of(len(target.dims)), tuple(range(len(target.dims))))
    own = {letter: (-1 - k, dim) for k, (letter, dim) in enumerate(zip(letters, target.dims, strict=True))}
    editor = _Editor(session, target, letters)
    for edit in sorted(editor.edits(node), key=lambda e: e.cost):
        try:
            again = session.read(edit.node, own)
        except (ChainruleError, ValueError):
            continue
        if again.value.orientation == "scalar":
            again.value = Value(again.value.expr, target.dims, form.orientation)
            if judge(again, target, (form,)).status == "right":
                return Found(edit.kind, edit.says, edit.cost, edit.node, kinds=(edit.kind,))
    return Found("dimensions" if read is None else "unknown", "", 9.0)


class _Editor:
    """The edits of one claim."""

    def __init__(self, session: Session, target: Target, letters: tuple[str, ...]) -> None:
        self.session, self.target, self.letters = session, target, letters
        self.dims = dict(zip(letters, target.dims, strict=True))
        below = session.program.variables.get(target.wrt)
        self.rows = len(target.dims) - (len(below.dims) if below is not None else 0)  # letters that count rows

    def text(self, node: ast.Expr) -> str:
        return spelled(node, self.session.context.describe)

    def edits(self, node: ast.Expr) -> Iterator[_Edit]:
        for place in places(node):
            here = place.node
            if isinstance(here, ast.Indexed):
                yield from self.index(place, here)
            elif isinstance(here, ast.Call) and here.function == "indicator":
                yield from self.delta(place, here)
            elif isinstance(here, ast.Call) and here.function == "sum" and len(here.args) == 2:
                says = f"{self.text(here)} sums over what is not summed"
                yield _Edit("sum", says, 1.2, place.put(here.args[1]))
            if place.role in ("whole", "term"):
                yield from self.amount(place)
            if isinstance(here, ast.Binary) and place.role != "chain":
                yield from self.fewer(place, here)

    def index(self, place: Place, here: ast.Indexed) -> Iterator[_Edit]:
        for k, ref in enumerate(here.indices):
            for letter in self.letters:
                if ref.name is None or ref.name == letter:
                    continue
                new = replace(here, indices=(*here.indices[:k], replace(ref, name=letter), *here.indices[k + 1 :]))
                says = f"the index of {self.text(here)} is {letter}, not {ref.name}"
                if here.base.name.startswith("∂") and len(here.indices) == 2:
                    says = f"the {('row', 'column')[k]} index is {letter}, not {ref.name}"
                yield _Edit("index", says, 1.0, place.put(new))
        if len(here.indices) == 2:
            turned = place.put(replace(here, indices=here.indices[::-1]))
            yield _Edit("transpose", f"the indices of {self.text(here)} are swapped", 0.95, turned)
        derivation = self.session.context.derivation
        signals = derivation.backward.signals if derivation is not None else {}
        if any(canonical_name(s) == canonical_name(here.base.name) for s in signals):
            for signal, of in signals.items():
                if canonical_name(signal) != canonical_name(here.base.name):
                    at = self.session.context.describe(of)
                    says = f"the wrong error signal: {display_name(signal)} is the one at {at}"
                    yield _Edit("signal", says, 1.0, place.put(replace(here, base=ast.Name(signal))))

    def delta(self, place: Place, here: ast.Call) -> Iterator[_Edit]:
        pair = here.args[0]
        if isinstance(pair, ast.Binary):
            for k, a in enumerate(self.letters):
                for b in self.letters[k + 1 :]:
                    new = replace(here, args=(replace(pair, left=ast.Name(a), right=ast.Name(b)),))
                    yield _Edit("index", f"the indices in {self.text(here)} are {a} and {b}", 1.05, place.put(new))

    def amount(self, place: Place) -> Iterator[_Edit]:
        here = place.node
        negated = here.operand if isinstance(here, ast.Negate) else ast.Negate(here)
        of = "" if place.role == "whole" else f" of {self.text(here)}"
        yield _Edit("sign", f"the sign{of} is wrong", 0.9, place.put(negated))
        for k, a in enumerate(self.letters):
            for b in self.letters[k + 1 :]:
                if self.dims[a] == self.dims[b]:
                    delta = ast.Call("indicator", (ast.Binary("==", ast.Name(a), ast.Name(b)),))
                    yield _Edit("index", f"1[{a} = {b}] is missing", 1.2, place.put(product([delta, here])))
        symbols = dict.fromkeys(
            d for v in self.session.program.variables.values() for d in v.dims if isinstance(d, str)
        )
        for factor in (number(2), *map(ast.Name, symbols)):
            text = self.text(factor)
            yield _Edit("factor", f"a factor {text} is missing", 1.1, place.put(times(here, [factor], [])))
            yield _Edit("factor", f"a factor 1/{text} is missing", 1.1, place.put(times(here, [], [factor])))

    def fewer(self, place: Place, here: ast.Binary) -> Iterator[_Edit]:
        if here.op == "/":
            yield _Edit("factor", f"a factor 1/{self.text(here.right)} too much", 1.0, place.put(here.left))
        elif here.op in ("@", "*"):
            row = factors(here)
            for k, part in enumerate(row):
                rest = place.put(product(without(row, k, k + 1)))
                yield _Edit("factor", f"a factor {self.text(part)} too much", 1.3, rest)
        elif here.op in ("+", "-"):
            signed = terms(here)
            for k, (_, part) in enumerate(signed):
                rest = place.put(total(without(signed, k, k + 1)))
                yield _Edit("term", f"the term {self.text(part)} is too much", 1.3, rest)
