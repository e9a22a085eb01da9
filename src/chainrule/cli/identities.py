"""`chainrule identities`: the book, or one page of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli.common import book_option, dialect_option, load, show
from chainrule.outputs.text import pad, text_width, title

if TYPE_CHECKING:
    from chainrule.derivation import Derivation
    from chainrule.explanation.entries import Entry
    from chainrule.outputs.text import Line

__all__ = ["identities"]


def _list(entries: list[Entry], derivation: Derivation | None) -> list[Line]:
    """One line for each identity."""
    width = max(text_width(e.name) for e in entries)
    lines: list[Line] = []
    for entry in entries:
        answer = entry.statement.get("shape" if entry.identity.upstream else "numerator") or entry.statement["shape"]
        said = f"{', '.join(entry.equations)} gives {answer}" + (f" for {entry.given}" if entry.given else "")
        used = f"  used {len(entry.used_in(derivation))} times" if derivation is not None else ""
        lines.append([(f"  {pad(entry.name, width)}  ", "cyan"), (said, ""), (used, "dim")])
    return lines


def _page(entry: Entry, derivation: Derivation | None) -> list[Line]:
    """Everything that the book knows of one identity."""
    identity = entry.identity
    lines: list[Line] = [title(entry.name, identity.title)]
    lines += [[("  " + text, "dim")] for text in entry.declarations]
    lines += [[("  " + text, "")] for text in entry.equations]
    lines.append([])
    for layout, text in entry.statement.items():
        given = f", for {entry.given}" if entry.given else ""
        lines.append([("  ", ""), (text, "bold"), (f"   {layout} layout{given}", "dim")])
    lines += [[(f"  if {condition}", "")] for condition in identity.conditions]
    if identity.source:
        lines.append([(f"  source: {identity.source}", "dim")])
    lines += [[], title("Proof", "in index notation, from the definition of the derivative")]
    lines += proof_lines(entry)
    lines += [[], [("checked  ", "green"), (str(entry.check()), "")]]
    if derivation is not None:
        uses = entry.used_in(derivation)
        lines += [[], title("Used" if uses else "Not used", f"in {derivation.network.title}")]
        lines += [[(f"  {symbol}:  ", "cyan"), (f"{s.before} = {s.after}", "")] for symbol, s in uses]
    return lines


def proof_lines(entry: Entry) -> list[Line]:
    """The proof as a chain of equalities."""
    proof = entry.proof
    width = max((text_width(line.left.text) for line in proof if line.left is not None), default=0)
    right = min(max((text_width(line.right.text) for line in proof), default=0), 60)
    return [
        [("  " + " " * (width - text_width(left)) + left, "cyan"), (" = ", ""), (pad(line.right.text, right), ""),
         (f"   {line.rule}", "dim")]
        for line in proof
        for left in [line.left.text if line.left is not None else ""]
    ]  # fmt: skip


def _data(entry: Entry, derivation: Derivation | None) -> dict[str, Any]:
    identity = entry.identity
    verdict = entry.check()
    out: dict[str, Any] = {
        "name": entry.name, "title": identity.title, "declarations": list(entry.declarations),
        "equations": list(entry.equations), "wrt": identity.wrt, "given": entry.given, "statement": entry.statement,
        "conditions": list(identity.conditions), "source": identity.source,
        "proof": [
            {"left": line.left.text if line.left is not None else "", "right": line.right.text, "rule": line.rule}
            for line in entry.proof
        ],
        "check": {"ok": verdict.ok, "as_formulas": verdict.as_formulas, "error": verdict.error},
    }  # fmt: skip
    if derivation is not None:
        out["used"] = [{"in": symbol, "before": s.before, "after": s.after} for symbol, s in entry.used_in(derivation)]
    return out


@click.command()
@click.argument("name", required=False)
@click.option("--in", "file", metavar="FILE", help="Show also where the derivation of this network uses them.")
@click.option(
    "--format", "form", default="text", show_default=True, type=click.Choice(["text", "json"]), help="How to write it."
)
@book_option
@dialect_option
def identities(name: str | None, file: str | None, form: str, book: tuple[Path, ...], dialect: str) -> None:
    """The book of identities: all of them, or one with its proof and a check.

    \b
    Example:
      chainrule identities
      chainrule identities 2.5 --in examples/one_layer.net
    """
    from chainrule.explanation.entries import entry, load_book
    from chainrule.explanation.entries import identities as book_of

    for path in book:
        load_book(path)
    derivation = load(file, dialect).derive() if file else None
    chosen = [entry(name)] if name else list(book_of().values())
    if form == "json":
        sys.stdout.write(json.dumps([_data(e, derivation) for e in chosen], ensure_ascii=False, indent=2) + "\n")
    elif name:
        show(_page(chosen[0], derivation))
    else:
        show(_list(chosen, derivation))
