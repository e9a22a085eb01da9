"""`chainrule jacobian`: one Jacobian (or Hessian), as a matrix and entry by entry, with its steps."""

from __future__ import annotations

import json
from pathlib import Path

import click

from chainrule.cli.common import dialect_option, file_argument, load, seed_option, show, write_output
from chainrule.cli.curvature import EXPLAIN, shown_value
from chainrule.dims import format_shape
from chainrule.errors import ChainruleError
from chainrule.jacobians import Jacobian
from chainrule.outputs.beyond import beyond_json
from chainrule.outputs.text import Line

__all__ = ["jacobian"]


@click.command()
@file_argument
@click.option("--wrt", required=True, metavar="NAME", help="Differentiate by this; one entry of it as W[i,j].")
@click.option("--of", metavar="NAME", help="Differentiate this; by default the last equation.")
@click.option("--hessian", is_flag=True, help="The second derivative of the loss instead.")
@click.option(
    "--format", "form", default="text", show_default=True,
    type=click.Choice(["text", "latex", "markdown", "html", "json"]), help="How to write it.",
)  # fmt: skip
@EXPLAIN
@click.option("--document", is_flag=True, help="LaTeX: a whole document instead of a block to paste.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to write it; standard output by default.")
@dialect_option
@seed_option
def jacobian(
    file: str, wrt: str, of: str | None, hessian: bool, form: str, explain: int, document: bool, output: Path | None,
    dialect: str, seed: int,
) -> None:  # fmt: skip
    """The Jacobian of one name by another, in numerator layout.

    \b
    Example:
      chainrule jacobian examples/one_layer.net --of z --wrt x
      chainrule jacobian examples/one_layer.net --of θ --wrt x --explain 1
      chainrule jacobian examples/one_layer.net --of z --wrt 'W[i,j]'
    """
    net = load(file, dialect)
    if hessian and of is not None and net.name(of) != net.loss:
        raise ChainruleError("--hessian is of the loss", "minimize NAME in the program, to say which that is")
    found = net.hessian(wrt) if hessian else net.jacobian(wrt, of)
    if document and form != "latex":
        raise ChainruleError(f"--document is for LaTeX, not for {form}", "--format latex --document")
    if form == "latex" and not explain and not document:
        write_output(output, found.latex + "\n", "jacobian.tex")
    elif form == "json":
        data = {"text": found.text, "latex": found.latex, "entry": found.entry, "entries": found.entries,
                "structure": found.structure, "shape": list(found.shape), **beyond_json(found)}  # fmt: skip
        write_output(output, json.dumps(data, ensure_ascii=False, indent=2) + "\n", "jacobian.json")
    elif form == "text" and not explain and output is None:
        show(_lines(found))
    else:
        shown_value(found, form, explain, document, output, seed, _lines(found))


def _lines(found: Jacobian) -> list[Line]:
    """The formula, its size and structure, one entry."""
    left, _, text = str(found).partition(" = ")
    lines: list[Line] = [[("  " + left, "cyan"), (" = ", ""), (text, "bold")]]
    structure = "" if found.structure == "general" else f", {found.structure}"
    lines.append([("  " + " " * (len(left) + 3), ""), (format_shape(found.shape) + structure, "dim")])
    entry, written_out = found.entry, found.entries
    if entry.partition(" = ")[2] != text:
        lines.append([("  " + entry, "")])
    if written_out != entry.partition(" = ")[2]:
        lines.append([("  " + " " * len(entry.partition(" = ")[0]), ""), (f" = {written_out}", "")])
    return lines
