"""`chainrule check`: is my formula right, and if not, why not?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli.common import batch_option, batch_size, dialect_option, file_argument, load, show
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.check.result import Check

__all__ = ["check"]


@click.command()
@file_argument
@click.argument("claims", metavar="[CLAIM]...", nargs=-1)
@click.option(
    "--derivation",
    metavar="CLAIMS.txt",
    help="Check a file of claims, line by line; a line may define a name.",
)
@click.option(
    "--layout", type=click.Choice(["numerator", "shape"]), help="The layout in which it must be right. Default: either."
)
@batch_option
@dialect_option
@click.option(
    "--claims-in", type=click.Choice(["whiteboard", "numpy", "matlab"]),
    help="The dialect of the claims, where it is another than the file's.",
)  # fmt: skip
@click.option(
    "--format", "form", default="text", show_default=True, type=click.Choice(["text", "json"]), help="How to write it."
)
def check(
    file: str,
    claims: tuple[str, ...],
    derivation: str | None,
    layout: str | None,
    batch: str | None,
    dialect: str,
    claims_in: str | None,
    form: str,
) -> None:
    """Check formulas of yours against a network's gradients, in float64.

    A CLAIM says what a derivative equals, in the network's names, with its error signals δ1, δ2, … Exit status: 0
    right; 1 wrong or undecided; 2 the claim cannot be read.

    \b
    Example:
      chainrule check examples/one_layer.net 'dJ/dW = δ2ᵀ xᵀ'
    """
    from chainrule.check import check as run

    texts = list(claims)
    if derivation is not None:
        texts.append(_read(derivation))
    if not texts:
        raise ChainruleError("there is no claim to check", f"chainrule check {file} 'dJ/dW = δ2ᵀ xᵀ'")
    net = load(file, dialect)
    if batch is not None:
        net = net.lift(batch_size(batch))
    checks = [run(net, text, layout, claims_in or dialect) for text in texts]
    if form == "json":
        data = [c.to_json() for c in checks]
        sys.stdout.write(json.dumps(data[0] if len(data) == 1 else data, ensure_ascii=False, indent=2) + "\n")
    else:
        show([line for c in checks for line in _lines(c)])
    if not all(checks):
        raise click.exceptions.Exit(1)


def _read(path: str) -> str:
    from chainrule import api

    if path == "-":
        return api.decode(sys.stdin.buffer.read(), "standard input")
    try:
        return api.decode(Path(path).read_bytes(), path)
    except OSError as error:
        raise ChainruleError(f"{path} cannot be read: {error.strerror}", "a text file, a claim a line") from None


def _lines(check_: Check) -> list[list[tuple[str, str]]]:
    """The verdict, its first word in colour."""
    out: list[list[tuple[str, str]]] = []
    for text in str(check_).split("\n"):
        word, colon, rest = text.partition(":")
        styles = {"right": "bold green", "wrong": "bold red", "undecided": "bold yellow", "try": "bold"}
        style = styles.get(word.strip())
        out.append([(word, style), (colon + rest, "")] if style and colon else [(text, "")])
    return out
