"""`chainrule jacobian`: one Jacobian (or Hessian), as a matrix and entry by entry."""

from __future__ import annotations

import json
import sys

import click

from chainrule.cli.common import dialect_option, file_argument, load, show
from chainrule.dims import format_shape

__all__ = ["jacobian"]


@click.command()
@file_argument
@click.option("--wrt", required=True, metavar="NAME", help="Differentiate by this; one entry of it as W[i,j].")
@click.option("--of", metavar="NAME", help="Differentiate this; by default the last equation.")
@click.option("--hessian", is_flag=True, help="The second derivative of the loss instead.")
@click.option(
    "--format", "form", default="text", show_default=True, type=click.Choice(["text", "latex", "json"]),
    help="How to write it.",
)  # fmt: skip
@dialect_option
def jacobian(file: str, wrt: str, of: str | None, hessian: bool, form: str, dialect: str) -> None:
    """The Jacobian of one name by another, in numerator layout.

    \b
    Example:
      chainrule jacobian examples/one_layer.net --of z --wrt x
      chainrule jacobian examples/one_layer.net --of z --wrt 'W[i,j]'
    """
    net = load(file, dialect)
    found = net.hessian(wrt) if hessian else net.jacobian(wrt, of)
    if form == "latex":
        sys.stdout.write(found.latex + "\n")
        return
    if form == "json":
        data = {"text": found.text, "latex": found.latex, "entry": found.entry, "entries": found.entries,
                "structure": found.structure, "shape": list(found.shape)}  # fmt: skip
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
        return
    left, _, text = str(found).partition(" = ")
    lines = [[("  " + left, "cyan"), (" = ", ""), (text, "bold")]]
    structure = "" if found.structure == "general" else f", {found.structure}"
    lines.append([("  " + " " * (len(left) + 3), ""), (format_shape(found.shape) + structure, "dim")])
    entry, written_out = found.entry, found.entries
    if entry.partition(" = ")[2] != text:
        lines.append([("  " + entry, "")])
    if written_out != entry.partition(" = ")[2]:
        lines.append([("  " + " " * len(entry.partition(" = ")[0]), ""), (f" = {written_out}", "")])
    show(lines)
