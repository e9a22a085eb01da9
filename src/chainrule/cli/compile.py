"""`chainrule compile`: loss and gradients as code."""

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
    sizes_of,
    write_output,
    wrt_option,
)
from chainrule.compilation import target_names
from chainrule.targets import registry

__all__ = ["compile_command"]

_PRECISE: dict[str, bool | str] = {"some": True, "all": "all", "none": False}


@click.command(name="compile")
@file_argument
@click.option(
    "--target",
    default="numpy",
    show_default=True,
    type=click.Choice(target_names()),
    help="The language of the code: "
    + "; ".join(f"{name}: {registry.find(name).summary}" for name in target_names())
    + ".",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to write it; standard output by default.")
@batch_option
@click.option(
    "--dtype",
    default="float64",
    show_default=True,
    type=click.Choice(["float32", "float64"]),
    help="The type of the arrays.",
)
@wrt_option("all parameters")
@click.option("--mean", is_flag=True, help="With --batch: the loss is the mean over samples, not the sum.")
@click.option("--plain", is_flag=True, help="Without reused buffers: for reading.")
@click.option("--chunk", type=click.IntRange(min=1), help="Rows at a time of a row-like index: no array has them all.")
@click.option("--memory", metavar="64MB", help="As --chunk, with as many rows as keep the workspace within this.")
@click.option("--sizes", multiple=True, metavar="D_x=784,D_h=128", help="Numbers for sizes (C).")
@click.option("--embedded", is_flag=True, help="C without memory allocation, for a device; needs all sizes.")
@click.option(
    "--precise",
    type=click.Choice(list(_PRECISE)),
    help="What a float32 step computes in float64: what would lose digits, all, none; else as the target does.",
)
@rename_option
@dialect_option
def compile_command(
    file: str,
    target: str,
    output: Path | None,
    batch: str | None,
    dtype: str,
    wrt: tuple[str, ...],
    mean: bool,
    plain: bool,
    chunk: int | None,
    memory: str | None,
    sizes: tuple[str, ...],
    embedded: bool,
    precise: str | None,
    rename: tuple[str, ...],
    dialect: str,
) -> None:
    """Write loss and gradients as code; that of the default target needs NumPy alone.

    \b
    Example:
      chainrule compile examples/one_layer_rows.net --target numpy -o step.py
      chainrule compile examples/one_layer.net --target c --embedded --dtype float32 --sizes D_x=64,D_h=32,N_c=10
    """
    net = load(file, dialect)
    derivation = net.derive(list(wrt) or net.parameters or None).rename(names_of(rename))
    size = None if batch is None else batch_size(batch)
    numbers = sizes_of(tuple(part for text in sizes for part in text.split(",")), "--sizes")
    chosen = {"plain": plain, "chunk": chunk, "memory": memory, "sizes": numbers, "embedded": embedded}
    options = {name: value for name, value in chosen.items() if value}
    if precise is not None:
        options["precise"] = _PRECISE[precise]
    step = derivation.compile(target, batch=size, dtype=dtype, reduction="mean" if mean else "sum", **options)
    write_output(output, step.source, f"step{registry.find(target).suffix}")
    if embedded:
        takes = ", ".join(f"{what.replace('_bytes', '')} {number} bytes" for what, number in step.report.items()
                          if what.endswith("_bytes"))  # fmt: skip
        click.echo(f"{takes}; {step.report['lines']} lines", err=output is None)
