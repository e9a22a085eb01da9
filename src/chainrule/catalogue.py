"""The library looked at: each function with its derived backward pass, and the literature's beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from chainrule.api import parse
from chainrule.derivation import Derivation
from chainrule.errors import UnknownNameError
from chainrule.library import LibraryEntry, entries

__all__ = ["CatalogueEntry", "catalogue", "symbols"]

_SYMBOL = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?|\w+|\./|\.\^|[^\s\w()\[\],]")


def symbols(formula: str) -> int:
    """How many symbols a formula has: names, numbers and signs; brackets do not count."""
    return len(_SYMBOL.findall(formula))


@dataclass(frozen=True)
class CatalogueEntry:
    """One function: a sample call of it as a network, its derivation, and the sizes of the formulas."""

    entry: LibraryEntry

    @cached_property
    def text(self) -> str:
        """The sample call as a network: the value z, an upstream signal, and their product as the loss."""
        declared = "\n".join(self.entry.given)
        call = f"z_ = {self.entry.name}({', '.join(self.entry.parameters)})"
        shape = parse(f"{declared}\n{call}").dims["z_"]
        if not shape:
            return f"{declared}\n{call}\nJ_ = 1 z_"
        rows, cols = (*shape, 1)[:2]
        if cols == 1:
            return f"{declared}\nconst δ : 1 × {rows}\n{call}\nJ_ = δ z_"
        if rows == 1:
            return f"{declared}\nconst δ : 1 × {cols}\n{call}\nJ_ = δ z_ᵀ"
        return f"{declared}\nconst Δ : {rows} × {cols}\n{call}\nJ_ = sum(Δ ∘ z_)"

    @cached_property
    def derivation(self) -> Derivation:
        """Signals and gradients of the sample call."""
        return parse(self.text).derive()

    @property
    def size(self) -> int:
        """Symbols of all signals and gradients."""
        formulas = (*self.derivation.signals.values(), *self.derivation.gradients.values())
        return sum(symbols(f.text) for f in formulas)

    def compared(self) -> list[tuple[str, int, str, int]]:
        """(name, size of its gradient with the signals that are its own, the literature's formula, its size)."""
        out = []
        for name, formula in self.entry.literature:
            out.append((name, symbols(self.derivation.gradients[name].text), formula, symbols(formula)))
        return out


def catalogue(name: str | None = None) -> list[CatalogueEntry]:
    """Every function of the library that has a sample call, or one. Raises UnknownNameError."""
    known = entries()
    if name is not None and (name not in known or not known[name].given):
        raise UnknownNameError(f"the library shows no function {name}", "chainrule library, for the list")
    chosen = [known[name]] if name is not None else [e for e in known.values() if e.given]
    return [CatalogueEntry(e) for e in chosen]
