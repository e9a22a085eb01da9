"""`chainrule derive`: every gradient of a network's loss, in any of the output formats."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from chainrule.cli.common import (
    Line,
    batch_option,
    batch_size,
    dialect_option,
    file_argument,
    load,
    program_lines,
    report_line,
    seed_option,
    show,
    text_width,
    title,
    wrt_option,
)
from chainrule.dims import display_name, format_shape

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient

__all__ = ["derivation_lines", "derive"]


def formula_lines(gradient: Gradient, derivation: Derivation, explain: int, layout: str) -> list[Line]:
    symbol = gradient.symbol
    text = gradient.numerator if layout == "numerator" else gradient.text
    lines: list[Line] = [[("  " + symbol, "cyan"), (" = ", ""), (text, "bold")]]
    if gradient.of in derivation.backward.zero:
        return [*lines, [(f"    {gradient.reason}", "dim")]]
    sizes = gradient.sizes
    own = f"({format_shape(gradient.shape).replace(' ', '')})" if gradient.shape else "(1×1)"
    if sizes and layout != "numerator":
        lines.append([(" " * (text_width(symbol) + 5), ""), (own if sizes == own else f"{own} = {sizes}", "dim")])
    if explain:
        lines.append([(f"    {gradient.reason}", "dim")])
        lines.extend([(f"    {s.rule + ':':<17} ", "dim"), (s.after, "")] for s in gradient.steps)
    return lines


def derivation_lines(derivation: Derivation, explain: int) -> list[Line]:
    """Signals and gradients with their sizes."""
    lines: list[Line] = []
    if derivation.signals:
        lines.append(title("Error signals", "numerator layout: a row at a vector"))
        for signal in derivation.signals.values():
            lines += formula_lines(signal, derivation, explain, "shape")
        lines.append([])
    lines.append(title("Gradients", "each in the shape of its parameter"))
    if not derivation.gradients:
        lines.append([("  none: no parameter and no input is declared", "dim")])
    for gradient in derivation.gradients.values():
        lines += formula_lines(gradient, derivation, explain, "shape")
    return lines


@click.command()
@file_argument
@wrt_option("all parameters and inputs")
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    type=click.Choice(["text", "latex", "html", "json"]),
    help="How to write it.",
)
@click.option(
    "--explain",
    default=0,
    show_default=True,
    type=click.IntRange(0, 3),
    help="0: results; 1 and more: each formula's steps.",
)
@batch_option
@dialect_option
@click.option(
    "--verify/--no-verify", default=True, help="Check every gradient against central differences (the default)."
)
@seed_option
def derive(
    file: str, wrt: tuple[str, ...], form: str, explain: int, batch: str | None, dialect: str, verify: bool, seed: int
) -> None:
    """Derive every gradient of a network's loss.

    \b
    Example:
      chainrule derive examples/one_layer.net
    """
    net = load(file, dialect)
    if batch is not None:
        net = net.lift(batch_size(batch))
    derivation = net.derive(list(wrt) or None)
    report = derivation.verify(seed) if verify else None
    if form == "json":
        sys.stdout.write(json.dumps(derivation.to_json(report), ensure_ascii=False, indent=2) + "\n")
    elif form == "latex":
        sys.stdout.write(derivation.latex() + "\n")
    elif form == "html":
        sys.stdout.write(derivation.html(max(explain, 1), report) + "\n")
    else:
        lines = [title(net.title or "network", f"loss {display_name(derivation.loss)}"), *program_lines(net), []]
        lines += derivation_lines(derivation, explain)
        if report is not None:
            lines += [[], report_line(report)]
        show(lines)
    if report is not None and not report.ok:
        raise click.exceptions.Exit(1)
