"""`chainrule conformance`: published derivatives, each recomputed and compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli.common import seed_option, show

if TYPE_CHECKING:
    from chainrule.conformance import Outcome
    from chainrule.outputs.text import Line

__all__ = ["conformance"]

STYLES = {"ok": "green", "wrong": "bold red", "refused": "yellow", "unusable": "magenta"}


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--points", default=6, show_default=True, type=click.IntRange(min=1), help="Random points for each case.")
@click.option(
    "--format", "form", default="text", show_default=True, type=click.Choice(["text", "json"]), help="How to write it."
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@seed_option
def conformance(file: Path, points: int, form: str, seed: int) -> None:
    """Check chainrule against published derivatives: cases of NumPy functions, one JSON object a line.

    A line that is no case, or whose own code fails, is said by its number and the rest is run.

    Exit status: 0 all are right; 1 one is wrong, refused or unusable; 2 the file cannot be used.

    \b
    Example:
      chainrule conformance tests/conformance/cases.jsonl
    """
    from chainrule.conformance import run

    report = run(file, seed, points)
    if form == "json":
        sys.stdout.write(json.dumps(report.to_json(), ensure_ascii=False, indent=2) + "\n")
    else:
        show([line for outcome in report.outcomes for line in _lines(outcome)])
        sys.stdout.write(report.summary + "\n")
    if not report.ok:
        raise click.exceptions.Exit(1)


def _lines(outcome: Outcome) -> list[Line]:
    first, *more = (outcome.formula or outcome.reason).split("\n")
    lines: list[Line] = [[(f"{outcome.status:9}", STYLES[outcome.status]), (f"{outcome.id}  ", "cyan"), (first, "")]]
    lines += [[(" " * 9 + line, "dim")] for line in more]
    if outcome.status == "wrong":
        lines.append([(f"         {outcome.reason}", "red")])
    text = outcome.text
    if text.status and text.status != "unread":
        said = f"{text.formula}  ({text.length} symbols, published {text.expected_length or '?'})"
        lines.append([(f"         as text: {text.status} ", "dim"), (said if text.formula else text.reason, "dim")])
    return lines
