"""`chainrule picture`: the network as a drawing, with sizes forward and error signals back."""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.common import (
    batch_option,
    batch_size,
    dialect_option,
    file_argument,
    load,
    names_of,
    rename_option,
    write_output,
    wrt_option,
)

__all__ = ["picture"]


@click.command()
@file_argument
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to write it; standard output by default.")
@wrt_option("all parameters and inputs")
@batch_option
@rename_option
@dialect_option
def picture(
    file: str, output: Path | None, wrt: tuple[str, ...], batch: str | None, rename: tuple[str, ...], dialect: str
) -> None:
    """Draw the network as SVG: equations, sizes on the edges, error signals flowing back.

    \b
    Example:
      chainrule picture examples/one_layer.net -o one_layer.svg
    """
    net = load(file, dialect)
    if batch is not None:
        net = net.lift(batch_size(batch))
    write_output(output, net.derive(list(wrt) or None).rename(names_of(rename)).picture(), "picture.svg")
