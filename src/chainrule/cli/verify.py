"""`chainrule verify`: every gradient against central differences."""

from __future__ import annotations

import json
import sys

import click

from chainrule.cli.common import (
    dialect_option,
    file_argument,
    load,
    report_line,
    seed_option,
    show,
    sizes_of,
)
from chainrule.dims import display_name
from chainrule.errors import ChainruleError
from chainrule.outputs.text import Line, pad, text_width
from chainrule.sizes import symbols_of

__all__ = ["verify"]


@click.command()
@file_argument
@dialect_option
@seed_option
@click.option("--size", multiple=True, metavar="D=7", help="Set a size; repeatable. Default: distinct primes.")
@click.option(
    "--format", "form", default="text", show_default=True, type=click.Choice(["text", "json"]), help="How to write it."
)
def verify(file: str, dialect: str, seed: int, size: tuple[str, ...], form: str) -> None:
    """Check every gradient against central differences in float64.

    \b
    Example:
      chainrule verify examples/one_layer.net --seed 3
    """
    net = load(file, dialect)
    sizes = sizes_of(size)
    known = dict.fromkeys(d for shape in net.dims.values() for dim in shape for d in symbols_of(dim))
    for name in sizes:
        if name not in known:
            raise ChainruleError(
                f"the network has no size {name} to set", f"its sizes are {', '.join(known) or 'none'}"
            )
    report = net.derive().verify(seed, sizes)
    if form == "json":
        data = {"ok": report.ok, "max_relative_error": report.max_relative_error, "sizes": report.sizes,
                "errors": report.errors, "skipped": report.skipped, "reason": report.reason}  # fmt: skip
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    else:
        width = max((text_width(display_name(n)) for n in report.errors), default=0)
        lines: list[Line] = [
            [("  ", ""), (pad(f"∂{display_name(net.scalar_loss())}/∂{display_name(name)}", width + 6), "cyan"),
             (f"{error:.1e}", "")] for name, error in report.errors.items()
        ]  # fmt: skip
        show([*lines, report_line(report)])
    if not report.ok:
        raise click.exceptions.Exit(1)
