"""What the commands share: options, reading a network, printing with colour on a terminal and plainly in a pipe."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.errors import ChainruleError
from chainrule.outputs.text import Line, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from chainrule.network import Network
    from chainrule.verification import Report

__all__ = [
    "batch_option",
    "batch_size",
    "book_option",
    "dialect_option",
    "file_argument",
    "load",
    "report_line",
    "seed_option",
    "show",
    "sizes_of",
    "write_output",
    "wrt_option",
]

file_argument = click.argument("file", metavar="FILE")
dialect_option = click.option(
    "--dialect", default="whiteboard", show_default=True, type=click.Choice(["whiteboard", "numpy", "matlab"]),
    help="How products are written: numpy (* is elementwise), matlab (* is the product).",
)  # fmt: skip
batch_option = click.option(
    "--batch", metavar="N", help="Lift a network written for one sample to a batch of this size (a symbol)."
)
book_option = click.option(
    "--book", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
    help="Identities of your own, a TOML file; each is checked first. Repeatable.",
)  # fmt: skip
rename_option = click.option(
    "--rename", multiple=True, metavar="OLD=NEW",
    help="Another name for a signal, a variable, a size or a function of the network: δ₂=e. Repeatable.",
)  # fmt: skip
seed_option = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of the random numbers."
)


def wrt_option(default: str) -> Callable[[Any], Any]:
    """`--wrt`, with what it is by default."""
    return click.option(
        "--wrt", multiple=True, metavar="NAME", help=f"Differentiate by this; repeatable. Default: {default}."
    )


def load(file: str, dialect: str) -> Network:
    """The network in a file, or (for `-`) on standard input."""
    from chainrule import api

    if file == "-":
        return api.parse(api.decode(sys.stdin.buffer.read(), "standard input"), dialect, "standard input")
    return api.load(file, dialect)


def write_output(output: Path | None, text: str, example: str) -> None:
    """Write a file in one go, or to standard output where `output` is None. Raises ChainruleError."""
    if output is None:
        sys.stdout.write(text)
        return
    if output.is_dir():
        raise ChainruleError(f"{output} is a folder", f"-o {output / example}")
    partial = output.with_name(output.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(output)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise ChainruleError(
            f"{output} cannot be written: {error.strerror}", "a file in a folder that exists and that you may write to"
        ) from None
    sys.stderr.write(f"wrote {output}\n")


def show(lines: list[Line]) -> None:
    """Print with colour on a terminal, plainly elsewhere."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False, soft_wrap=True)
        for line in lines:
            console.print(Text.assemble(*((text, style) for text, style in line)))
        return
    sys.stdout.write(plain(lines))


def report_line(report: Report) -> Line:
    """The verdict of a verification."""
    style = "green" if report.ok else "bold red"
    text = str(report)
    head, _, rest = text.partition(":")
    return [(head, style), (f":{rest}", "")]


def batch_size(text: str) -> str | int:
    """A symbol, or a whole number."""
    return int(text) if text.lstrip("-").isdecimal() else text


def names_of(given: tuple[str, ...]) -> dict[str, str]:
    """`--rename δ₂=e` as a mapping. Raises ChainruleError."""
    names: dict[str, str] = {}
    for text in given:
        old, sign, new = (part.strip() for part in text.partition("="))
        if not (old and sign and new):
            raise ChainruleError(f"--rename {text} does not say what becomes what", "--rename δ₂=e")
        if old in names:
            raise ChainruleError(f"{old} is renamed twice", f"--rename {old}={new} alone")
        names[old] = new
    return names


def sizes_of(given: tuple[str, ...], option: str = "--size") -> dict[str, int]:
    """`--size D_h=32` as a mapping. Raises ChainruleError."""
    sizes = {}
    for text in given:
        name, _, value = text.partition("=")
        if not value.strip().isdigit() or not name.strip() or int(value) < 1:
            raise ChainruleError(f"{option} {text} is not a size", f"{option} D_h=32")
        sizes[name.strip()] = int(value)
    return sizes
