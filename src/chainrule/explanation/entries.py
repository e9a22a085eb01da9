"""The book: each identity checked against the engine, so that a wrong one cannot stand in it.

`check(identity)` derives the answer afresh and compares: as formulas (canonical forms), and in values at random float64
points of distinct prime sizes. A wrong identity is refused with a counterexample: an entry, and its two values.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from chainrule.algebra.expr import Expr, add, delta, free, multiply, rename, scale, variable
from chainrule.algebra.program import Program, Variable
from chainrule.book import BOOK, Identity
from chainrule.book import register as _register
from chainrule.calculus.jacobian import jacobian
from chainrule.dims import Dim, format_shape
from chainrule.errors import ChainruleError, UnknownNameError
from chainrule.explanation.checking import jacobian_by_differences
from chainrule.explanation.pattern import Pattern, pattern_of
from chainrule.explanation.proof import proof_of
from chainrule.explanation.stated import answer_node, equation_nodes, given_node
from chainrule.explanation.steps import ProofLine, Step, proof_table
from chainrule.language.elaborate import elaborate_expression, known_functions
from chainrule.language.parser import parse_expression
from chainrule.notation.display import aligned, bundle, details, heading, math, quiet, table
from chainrule.notation.latex import to_latex
from chainrule.notation.mathml import inner_mathml
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_expression, evaluate_program
from chainrule.simplify.engine import simplify
from chainrule.simplify.expand import expanded
from chainrule.simplify.knowledge import Knowledge

__all__ = ["Entry", "IdentityError", "Verdict", "check", "entry", "identities", "load_book", "register_identity"]

POINTS = 3
TOLERANCE = 1e-9
DIFFERENCES = 1e-6


class IdentityError(ChainruleError):
    """A wrong identity; the message holds a counterexample."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. as_formulas: both sides have one canonical form.  error: the largest difference in values,
    relative to the largest entry.  counterexample: where they differ, in words."""

    ok: bool
    as_formulas: bool
    error: float
    sizes: dict[str, int]
    counterexample: str = ""

    def __str__(self) -> str:
        sizes = ", ".join(f"{k} = {v}" for k, v in self.sizes.items())
        if not self.ok:
            return f"wrong: {self.counterexample}"
        how = "equal as formulas, and in values" if self.as_formulas else "equal in values"
        return f"{how}: largest relative error {self.error:.1e}" + (f" at {sizes}" if sizes else "")


def register_identity(identity: Identity | None = None, /, **fields: Any) -> Identity:
    """Add an identity of one's own to the book, by an `Identity` or by its fields.

    Raises:
        IdentityError: it is wrong; the message shows an entry and its two values.
        ChainruleError: its program or its answer cannot be read.

    >>> import chainrule as cr
    >>> own = cr.register_identity(name="cube", title="x³, entry by entry", program="input x : n\\nz = x.^3",
    ...                            wrt="x", numerator="diag(3 x.^2)")
    """
    identity = identity or Identity(**fields)
    verdict = check(identity)
    if not verdict.ok:
        raise IdentityError(f"the identity {identity.name} is wrong: {verdict.counterexample}")
    try:
        return _register(identity)
    except ValueError as error:
        raise ChainruleError(str(error)) from None


def load_book(path: str | os.PathLike[str]) -> list[Identity]:
    """Add the identities of a TOML file: a table `[[identity]]` each, with the fields of `Identity`.

    Raises ChainruleError for a file that cannot be read, a field that does not exist, and a wrong identity.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ChainruleError(f"{path} is no book of identities: {error}", "[[identity]] with name, title, …") from None
    known = {f.name for f in fields(Identity)}
    added = []
    for item in data.get("identity", []):
        strange = set(item) - known
        missing = {"name", "title", "program", "wrt"} - set(item)
        if strange or missing:
            what = f"no field {min(strange)}" if strange else f"no {min(missing)} given"
            raise ChainruleError(f"{path}: an identity has {what}", f"the fields are {', '.join(sorted(known))}")
        item["conditions"] = tuple(item.get("conditions", ()))
        added.append(register_identity(Identity(**item)))
    return added


class Explained(Protocol):
    """What the book reads of a derivation."""

    @property
    def signals(self) -> Mapping[str, Any]:
        """Formulas with `.symbol` and `.steps`."""

    @property
    def gradients(self) -> Mapping[str, Any]:
        """Formulas with `.symbol` and `.steps`."""


@dataclass(frozen=True)
class Entry:
    """An identity as a page of the book.

    statement: the answers, by layout.  proof: lines in index notation.  `check()` derives it afresh.
    """

    identity: Identity

    @property
    def name(self) -> str:
        """How steps cite it."""
        return self.identity.name

    @property
    def equations(self) -> tuple[str, ...]:
        """The equations of its program."""
        return tuple(line for line in self.identity.program.splitlines() if " = " in line)

    @property
    def declarations(self) -> tuple[str, ...]:
        """The declarations of its program."""
        return tuple(line for line in self.identity.program.splitlines() if " = " not in line)

    @cached_property
    def statement(self) -> dict[str, str]:
        """Layout -> the answer, such as "∂z/∂x = W"."""
        identity, of = self.identity, pattern_of(self.identity).of
        left = f"∂{'J' if identity.upstream else of}/∂{identity.wrt}"
        answers = {"numerator": identity.numerator, "shape": identity.shape}
        return {layout: f"{left} = {answer}" for layout, answer in answers.items() if answer}

    @property
    def given(self) -> str:
        """What the upstream letter means, or ""."""
        identity = self.identity
        return f"{identity.upstream} = ∂J/∂{pattern_of(identity).of}" if identity.upstream else ""

    @property
    def proof(self) -> tuple[ProofLine, ...]:
        """The proof from the definition of the derivative, in index notation."""
        return proof_of(self.identity)

    def check(self, seed: int = 0) -> Verdict:
        """Derive it afresh and compare."""
        return check(self.identity, seed)

    def used_in(self, derivation: Explained) -> list[tuple[str, Step]]:
        """Where a derivation uses it: the formula's left side, and the step."""
        found = []
        for formula in (*derivation.signals.values(), *derivation.gradients.values()):
            steps = [s for step in formula.steps for s in (step, *step.within)]
            found += [(formula.symbol, s) for s in steps if self.name in s.identity.split(", ")]
        return found

    def __str__(self) -> str:
        given = f", for {self.given}" if self.given else ""
        answers = "; ".join(f"{text} ({layout} layout{given})" for layout, text in self.statement.items())
        return f"{self.name}  {self.identity.title}: {', '.join(self.equations)} gives {answers}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """How a notebook shows it."""
        identity = self.identity
        rows = [["", math(inner_mathml(node)), ""] for node in equation_nodes(identity)]
        for layout in self.statement:
            given = math(inner_mathml(given_node(identity))) if identity.upstream else ""
            answer = math(inner_mathml(answer_node(identity, layout)))
            rows.append([quiet("gives"), answer, quiet(f"{layout} layout{', for ' if given else ''}{given}")])
        rows += [[quiet("if"), escape(condition), ""] for condition in identity.conditions]
        html = heading(escape(self.name), identity.title) + table(rows)
        if self.proof:
            html += details("Proof in index notation", table(proof_table(self.proof)))
        source = f"<div>{quiet(escape('Source: ' + identity.source))}</div>" if identity.source else ""
        answers = [answer_node(identity, layout) for layout in self.statement]
        latex = aligned(
            (to_latex(a.args[0]), to_latex(a.args[1]))
            for a in (*(n.args[0] for n in equation_nodes(identity)), *answers)
        )
        return bundle(str(self), html + source, latex)


def identities() -> dict[str, Entry]:
    """The book: every identity by its name, the note's first.

    >>> import chainrule as cr
    >>> cr.identities()["2.5"].statement["shape"]
    '∂J/∂W = δᵀ xᵀ'
    """
    ordered = sorted(BOOK.values(), key=lambda i: not i.name[0].isdigit())
    return {identity.name: Entry(identity) for identity in ordered}


def entry(name: str) -> Entry:
    """One identity. Raises UnknownNameError, with what is near."""
    if name not in BOOK:
        near = difflib.get_close_matches(name, BOOK, 3, 0.4)
        raise UnknownNameError(
            f"there is no identity {name} in the book", " or ".join(near) or "chainrule identities, for the list"
        )
    return Entry(BOOK[name])


def check(identity: Identity, seed: int = 0) -> Verdict:
    """Derive the answer afresh and compare it with what the identity states."""
    pattern = pattern_of(identity)
    worst = Verdict(True, True, 0.0, {})
    for layout in ("numerator", "shape"):
        if getattr(identity, layout):
            found = _check_layout(pattern, layout, seed)
            if not found.ok:
                return found
            worst = Verdict(True, worst.as_formulas and found.as_formulas, max(worst.error, found.error), found.sizes)
    return worst


def _check_layout(pattern: Pattern, layout: str, seed: int) -> Verdict:
    identity = pattern.identity
    program = pattern.program.copy()
    knowledge = Knowledge(program)
    derived, dims, orientation = derived_answer(pattern, program, layout)
    claimed = stated_answer(identity, program, layout, dims, orientation)
    indices = free(dims)
    difference = expanded(add(claimed, scale(derived, -1)), program)
    same = not simplify(difference, knowledge)
    sizes = choose_sizes(program)
    rng = np.random.default_rng(seed)
    largest = 0.0
    tried = 0
    for attempt in range(8 * POINTS):
        point = sample(program, sizes, rng, positive=attempt % 2 == 1)
        known = evaluate_program(program, point, sizes)
        ours = evaluate_expression(derived, indices, known, sizes, program.functions)
        theirs = evaluate_expression(claimed, indices, known, sizes, program.functions)
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            continue
        measured = _measured(pattern, known, sizes, ours.shape, layout)
        if measured is not None:  # the engine is checked as well: by central differences of the program itself
            gap = float(np.abs(measured - ours).max(initial=0.0)) / max(1e-6, float(np.abs(ours).max(initial=0.0)))
            if gap > DIFFERENCES:
                raise ChainruleError(
                    f"the identity {identity.name} cannot be checked: differences are off by {gap:.1e}"
                )
        tried += 1
        scale_ = max(float(np.abs(ours).max(initial=0.0)), float(np.abs(theirs).max(initial=0.0)), 1e-12)
        error = float(np.abs(ours - theirs).max(initial=0.0)) / scale_
        largest = max(largest, error)
        if error > TOLERANCE:
            place = np.unravel_index(int(np.abs(ours - theirs).argmax()), ours.shape)
            at = f" in entry [{', '.join(str(int(p) + 1) for p in place)}]" if place else ""
            said = ", ".join(f"{k} = {v}" for k, v in sizes.items())
            text = getattr(identity, layout)
            return Verdict(
                False, False, error, sizes,
                f"{text} gives {float(theirs[place]):.6g}{at}, but the derivative is {float(ours[place]):.6g}"
                + (f" (random numbers, {said})" if said else ""),
            )  # fmt: skip
        if tried == POINTS:
            break
    if not tried:
        return Verdict(False, same, largest, sizes, "no point was found at which all is finite")
    return Verdict(True, same, largest, sizes)


def _measured(
    pattern: Pattern, known: dict[str, Any], sizes: dict[str, int], shape: tuple[int, ...], layout: str
) -> Any:
    """The answer by central differences, in the layout's axes; None where a kink or a layout makes it meaningless."""
    found = jacobian_by_differences(pattern.program, known, pattern.of, pattern.wrt, sizes, None)
    if pattern.identity.upstream:
        upstream = known[pattern.identity.upstream]
        found = np.tensordot(upstream, found, axes=np.ndim(upstream))
    if found.ndim == 2 and layout == "numerator" and (pattern.identity.upstream or not np.ndim(known[pattern.of])):
        found = found.T
    return found.reshape(shape)


def derived_answer(pattern: Pattern, program: Program, layout: str) -> tuple[Expr, tuple[Dim, ...], str]:
    """What the engine finds, over free indices in the layout's order, with sizes and orientation of that layout.

    `program` is continued with the upstream signal where the identity has one.
    """
    identity = pattern.identity
    of, wrt = program.variables[pattern.of], program.variables[pattern.wrt]
    found = jacobian(pattern.program, pattern.of, pattern.wrt).expression
    if identity.upstream:
        upstream = Variable(identity.upstream, of.dims, "row" if len(of.dims) == 1 else of.orientation, "const")
        program.declare(upstream)
        count = len(of.dims)
        # The Jacobian's indices are those of `of`, then those of `wrt`; contract the first with the signal.
        outer = tuple((-1 - k, d) for k, d in enumerate(of.dims))
        marks = tuple((-900 - k, d) for k, d in enumerate(of.dims))
        inner = {(-1 - count - k, d): (-1 - k, d) for k, d in enumerate(wrt.dims)}
        moved = rename(found, dict(zip(outer, marks, strict=True)) | inner)
        found = multiply(moved, variable(identity.upstream, marks), marks)
        dims: tuple[Dim, ...] = wrt.dims
    else:
        dims = (*of.dims, *wrt.dims)
    return laid_out(found, of if not identity.upstream else Variable("", ()), wrt, layout, dims)


def laid_out(
    found: Expr, of: Variable, wrt: Variable, layout: str, dims: tuple[Dim, ...]
) -> tuple[Expr, tuple[Dim, ...], str]:
    """A derivative in a layout: its expression, sizes and orientation."""
    if len(of.dims) + len(wrt.dims) > 2:
        raise ChainruleError("a derivative with more than two indices has no matrix layout", "an upstream signal")
    if of.dims and wrt.dims:
        return found, dims, "matrix"
    if layout == "shape":
        return found, dims, wrt.orientation if wrt.dims else of.orientation
    if len(dims) == 2:
        i, j = free(dims)
        return rename(found, {i: (-2, i[1]), j: (-1, j[1])}), (dims[1], dims[0]), "matrix"
    return found, dims, ("scalar" if not dims else "column" if of.dims else "row")


def stated_answer(identity: Identity, program: Program, layout: str, dims: tuple[Dim, ...], orientation: str) -> Expr:
    """What the identity states in a layout. Raises IdentityError where its size is another."""
    text = getattr(identity, layout)
    node = parse_expression(text, "whiteboard", known_functions() | set(program.functions), program.variables)
    value = elaborate_expression(program, node)
    if value.orientation == "identity" and len(dims) == 2:
        i, j = free(dims)
        return multiply(value.expr, delta(i, j))
    if value.dims != dims or (len(dims) == 1 and value.orientation != orientation):
        wanted = (*dims, 1) if orientation == "column" else (1, *dims) if orientation == "row" else dims
        raise IdentityError(
            f"the identity {identity.name} is wrong: {text} is {value.shape}, but the derivative in {layout} layout "
            f"is {format_shape(wanted)}"
        )
    return value.expr
