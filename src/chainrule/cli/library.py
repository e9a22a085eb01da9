"""`chainrule library`: the functions that are defined in the language, each with its derived backward pass."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from chainrule.cli.common import show

if TYPE_CHECKING:
    from chainrule.catalogue import CatalogueEntry
    from chainrule.outputs.text import Line

__all__ = ["library"]


def _lines(found: CatalogueEntry) -> list[Line]:
    entry = found.entry
    lines: list[Line] = [[(entry.text.removeprefix("def "), "bold"), (f"   {entry.source}", "dim")]]
    lines.append([("  where ", "dim"), ("; ".join(dict.fromkeys((*found.lines[1], *found.inner))), "dim")])
    lines += [[("  " + f.symbol, "cyan"), (" = ", ""), (f.text, "")] for f in found.formulas]
    lines.append([(f"  {found.size} symbols; in the literature {found.literature_size} ({entry.published}):", "dim")])
    arguments = set(found.derivation.gradients)
    for left, formula in entry.literature:
        name = left.partition("[")[0]
        lines.append([(f"    {'∂J/∂' if name in arguments else ''}{left} = {formula}", "dim")])
    return [*lines, []]


@click.command()
@click.argument("name", required=False)
@click.option(
    "--format", "form", default="text", show_default=True, type=click.Choice(["text", "json"]), help="How to write it."
)
def library(name: str | None, form: str) -> None:
    """The library: each function, its backward pass as it is found, its size and the literature's.

    \b
    Example:
      chainrule library
      chainrule library layer_norm
    """
    from chainrule.catalogue import catalogue, summary

    found = catalogue(name)
    if form == "json":
        data = [
            {"name": f.entry.name, "definition": f.entry.text, "source": f.entry.source, "size": f.size,
             "where": list(f.lines[1]), "inner": f.inner,
             "signals": {s.name: s.text for s in f.derivation.signals.values()},
             "gradients": {n: g.text for n, g in f.derivation.gradients.items()},
             "literature": {"formulas": dict(f.entry.literature), "size": f.literature_size,
                            "published": f.entry.published}} for f in found
        ]  # fmt: skip
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
        return
    lines = [line for f in found for line in _lines(f)]
    if name is None:
        count, longer = summary(found)
        told = "; longer: " + ", ".join(f"{n} ({own}, not {size})" for n, own, size in longer) if longer else ""
        lines.append([(f"{count} functions, {count - len(longer)} no longer than in the literature{told}", "bold")])
    show(lines)
