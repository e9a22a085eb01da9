"""The library looked at: each function with its derived backward pass, and the literature's beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from chainrule.api import parse
from chainrule.derivation import Derivation
from chainrule.dims import format_shape
from chainrule.errors import UnknownNameError
from chainrule.library import LibraryEntry, entries

__all__ = ["CatalogueEntry", "catalogue", "summary", "symbols"]

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
        """The sample call as a network: what the literature names, the value z_, and its product with the gradient at
        z_, which is δ or Δ, as the loss J_.
        """
        declared = "\n".join(self.entry.given)
        call = "z_ = " + (self.entry.call or f"{self.entry.name}({', '.join(self.entry.parameters)})")
        shape = parse(f"{declared}\n{call}").dims["z_"]
        upstream, loss = "", "J_ = 1 z_"
        if shape:
            letter = "δ" if 1 in (*shape, 1)[:2] else "Δ"
            sizes = format_shape(shape).replace("−", "-")
            upstream = f"const {letter} : {sizes}\n"
            loss = {True: "J_ = sum(Δ ∘ z_)", False: "J_ = δᵀ z_" if shape[-1] == 1 else "J_ = δ z_ᵀ"}[letter == "Δ"]
        return "\n".join([declared + "\n" + upstream.rstrip("\n"), *self.entry.where, call, loss])

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


def summary(found: list[CatalogueEntry]) -> tuple[int, int, list[tuple[str, str, int, int]]]:
    """How many functions there are, how many of them are no longer than the literature in any formula that it gives,
    and the formulas that are longer: (function, name, symbols, the literature's).
    """
    compared = [(f.entry.name, f.compared()) for f in found]
    longer = [(n, wrt, own, size) for n, rows in compared for wrt, own, _, size in rows if own > size]
    return len(found), len(found) - len({n for n, *_ in longer}), longer


def catalogue(name: str | None = None) -> list[CatalogueEntry]:
    """Every function of the library that has a sample call, or one. Raises UnknownNameError."""
    known = entries()
    if name is not None and (name not in known or not known[name].given):
        raise UnknownNameError(f"the library shows no function {name}", "chainrule library, for the list")
    chosen = [known[name]] if name is not None else [e for e in known.values() if e.given]
    return [CatalogueEntry(e) for e in chosen]
