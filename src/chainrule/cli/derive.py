"""`chainrule derive`: every gradient of a network's loss, in any of the output formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli.common import (
    batch_option,
    batch_size,
    book_option,
    dialect_option,
    file_argument,
    load,
    names_of,
    rename_option,
    report_line,
    seed_option,
    show,
    write_output,
    wrt_option,
)
from chainrule.dims import display_name
from chainrule.errors import ChainruleError
from chainrule.outputs.text import Line, derivation_lines, plain, program_lines, title

if TYPE_CHECKING:
    from chainrule.derivation import Derivation
    from chainrule.explanation.checking import StepReport
    from chainrule.verification import Report

__all__ = ["derive"]

SUFFIXES = {"json": "json", "latex": "tex", "markdown": "md", "html": "html"}


def page_lines(
    derivation: Derivation, explain: int, layout: str, report: Report | None, steps: StepReport | None
) -> list[Line]:
    """The program, its derivation and the verdict."""
    net = derivation.network
    lines = [title(net.title or "network", f"loss {display_name(derivation.loss)}"), *program_lines(net), []]
    lines += derivation_lines(derivation, explain, layout)
    if report is not None:
        lines += [[], report_line(report)]
    if steps is not None:
        lines.append([(str(steps), "green" if steps.ok else "bold red")])
    return lines


def written(derivation: Derivation, form: str, explain: int, layout: str, document: bool, report: Report | None) -> str:
    """The derivation in a format other than text."""
    if form == "json":
        return json.dumps(derivation.to_json(report, layout), ensure_ascii=False, indent=2) + "\n"
    if form == "latex":
        return derivation.latex(explain, document, layout).rstrip("\n") + "\n"
    if form == "markdown":
        return derivation.markdown(explain, layout)
    return derivation.html(explain, layout, report)


@click.command()
@file_argument
@wrt_option("all parameters and inputs")
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    type=click.Choice(["text", "latex", "markdown", "html", "json"]),
    help="How to write it.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to write it; standard output by default.")
@click.option(
    "--explain",
    default=0,
    show_default=True,
    type=click.IntRange(0, 3),
    help="0: results; 1: the steps; 2: finer steps; 3: also the proof of each identity.",
)
@click.option(
    "--layout",
    default="both",
    show_default=True,
    type=click.Choice(["shape", "numerator", "both"]),
    help="Gradients in the shape of their parameter, in numerator layout, or both.",
)
@click.option("--document", is_flag=True, help="LaTeX: a whole document instead of a block to paste.")
@batch_option
@rename_option
@dialect_option
@book_option
@click.option(
    "--verify/--no-verify", default=True, help="Check every gradient against central differences (the default)."
)
@seed_option
def derive(
    file: str, wrt: tuple[str, ...], form: str, output: Path | None, explain: int, layout: str, document: bool,
    batch: str | None, rename: tuple[str, ...], dialect: str, book: tuple[Path, ...], verify: bool, seed: int,
) -> None:  # fmt: skip
    """Derive every gradient of a network's loss.

    \b
    Example:
      chainrule derive examples/one_layer.net
      chainrule derive examples/one_layer.net --explain 1
      chainrule derive examples/one_layer.net --rename δ₂=e --rename W=A
      chainrule derive examples/one_layer.net --format latex --document -o one_layer.tex
    """
    if document and form != "latex":
        raise ChainruleError(f"--document is for LaTeX, not for {form}", "--format latex --document")
    if book:
        from chainrule.explanation.entries import load_book

        for path in book:
            load_book(path)
    net = load(file, dialect)
    if batch is not None:
        net = net.lift(batch_size(batch))
    derivation = net.derive(list(wrt) or None).rename(names_of(rename))
    report = derivation.verify(seed) if verify else None
    steps = derivation.check_steps(seed) if verify and explain else None
    if form == "text":
        lines = page_lines(derivation, explain, layout, report, steps)
        if output is None:
            show(lines)
        else:
            write_output(output, plain(lines), "gradients.txt")
    else:
        text = written(derivation, form, explain, layout, document, report)
        write_output(output, text, f"gradients.{SUFFIXES[form]}")
    if (report is not None and not report.ok) or (steps is not None and steps.wrong is not None):
        raise click.exceptions.Exit(1)
