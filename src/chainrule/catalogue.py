"""The library looked at: each function with its derived backward pass, and the literature's beside it.

Both are measured in one way: the symbols of every formula of the whole backward pass, what is named on the way
included. What the forward pass knows may be used by both under the names of the entry's `where:` line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from chainrule.algebra.program import Program, Variable
from chainrule.api import parse
from chainrule.derivation import Derivation, Gradient
from chainrule.dims import format_shape
from chainrule.errors import UnknownNameError
from chainrule.language.elaborate import elaborate_expression, known_functions
from chainrule.language.parser import parse_expression
from chainrule.library import LibraryEntry, entries

__all__ = ["CatalogueEntry", "catalogue", "summary", "symbols"]

_SYMBOL = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?|\w+|\./|\.\^|[<>=]=|\.\.|[^\s\w()\[\],]")
REST = "J0"  # the rest of the loss, so that the product with δ is no name that a formula could use


def symbols(formula: str) -> int:
    """How many symbols a formula has: names, numbers and signs. Brackets do not count, and transposes do not, which
    follow from whether signals are rows, as here, or columns, as in most papers.
    """
    return len(_SYMBOL.findall(formula.replace("ᵀ", " ")))


@dataclass(frozen=True)
class CatalogueEntry:
    """One function: a sample call of it as a network, its derivation, and the sizes of the formulas."""

    entry: LibraryEntry

    @cached_property
    def lines(self) -> tuple[list[str], list[str]]:
        """The sample call as a network: its declarations; and its equations, which are what the literature names, the
        value, and the loss: its product with the gradient at the value, which is δ or Δ, and the rest.
        """
        declared = list(self.entry.given)
        called = self.entry.call or f"{self.entry.name}({', '.join(self.entry.parameters)})"
        shape = parse("\n".join([*declared, f"value_ = {called}"])).dims["value_"]
        if not shape:
            return declared, [*self.entry.where, f"J = {called}"]
        matrix = 1 not in (*shape, 1)[:2]
        names = ("Y", "Y_out") if matrix and len(shape) == 2 else ("y", "y_out")
        taken = {re.split(r"\W+", line.strip())[1] for line in declared}
        taken |= {re.split(r"\W+", line.strip())[0] for line in self.entry.where}
        value = next(n for n in names if n not in taken)
        letter = "Δ" if matrix else "δ"
        declared += [f"const {letter} : {format_shape(shape).replace('−', '-')}", f"const {REST} : scalar"]
        product = f"sum(Δ ∘ {value})" if matrix else f"δᵀ {value}" if shape[-1] == 1 else f"δ {value}ᵀ"
        return declared, [*self.entry.where, f"{value} = {called}", f"J = {product} + {REST}"]

    @property
    def value(self) -> str:
        """The name of the value in the sample call: y or Y, or J where it is a scalar."""
        return self.lines[1][len(self.entry.where)].partition(" ")[0]

    @property
    def text(self) -> str:
        """The sample call as a network."""
        return "\n".join([line for part in self.lines for line in part])

    @cached_property
    def derivation(self) -> Derivation:
        """Signals and gradients of the sample call."""
        return parse(self.text).derive()

    @property
    def formulas(self) -> tuple[Gradient, ...]:
        """Every formula of the derived backward pass."""
        return (*self.derivation.signals.values(), *self.derivation.gradients.values())

    @property
    def size(self) -> int:
        """Symbols of all signals and gradients."""
        return sum(symbols(f.text) for f in self.formulas)

    @property
    def literature_size(self) -> int:
        """Symbols of all that the literature has."""
        return sum(symbols(text) for _, text in self.entry.literature)

    @property
    def inner(self) -> list[str]:
        """Equations of arrays that have a name of ours for want of a matrix notation, where a formula has them."""
        net = self.derivation.network
        shown = " ".join(f.text for f in self.formulas)
        found = [e for e in net.equations if e.name in net.inner]
        for equation in reversed(found):
            if re.search(rf"\b{equation.name}\b", shown):
                shown += " " + equation.text
        return [str(e) for e in found if re.search(rf"\b{e.name}\b", shown)]

    @property
    def longer(self) -> int:
        """By how many symbols the derived backward pass is longer than the literature's; 0 or less: it is not."""
        return self.size - self.literature_size

    def published(self) -> tuple[Program, dict[str, str]]:
        """The sample call continued with the literature's formulas, and the names of its gradients by the arguments."""
        gradients = self.derivation.gradients
        on_the_way = [(left, text) for left, text in self.entry.literature if left.partition("[")[0] not in gradients]
        first, second = self.lines
        lines = [*first, *second, *(f"{left} = {text}" for left, text in on_the_way), "minimize J"]
        program = parse("\n".join(lines)).program.copy()
        names: dict[str, str] = {}
        for left, text in self.entry.literature:
            name, _, at = left.partition("[")
            if name not in gradients:
                continue
            own = program.variables[name]
            letters = dict(zip(at.rstrip("]").split(","), own.indices, strict=True)) if at else {}
            formula = parse_expression(text, "whiteboard", known_functions())
            value = elaborate_expression(program, formula, letters=letters)
            names[name] = f"published_{name}"
            program.define(Variable(names[name], own.dims, own.orientation), value.expr)
        return program, names


def summary(found: Iterable[CatalogueEntry]) -> tuple[int, list[tuple[str, int, int]]]:
    """How many functions there are, and those whose backward pass is longer than in the literature:
    (function, symbols, the literature's).
    """
    every = list(found)
    return len(every), [(f.entry.name, f.size, f.literature_size) for f in every if f.longer > 0]


def catalogue(name: str | None = None) -> list[CatalogueEntry]:
    """Every function of the library that has a sample call, or one. Raises UnknownNameError."""
    known = entries()
    if name is not None and (name not in known or not known[name].given):
        raise UnknownNameError(f"the library shows no function {name}", "chainrule library, for the list")
    chosen = [known[name]] if name is not None else [e for e in known.values() if e.given]
    return [CatalogueEntry(e) for e in chosen]
