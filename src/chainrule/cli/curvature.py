"""`chainrule curvature`: directional derivatives, products with Hessians, Gauss-Newton, Fisher, K-FAC, sample norms."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from chainrule.cli.common import dialect_option, file_argument, load, seed_option, show, write_output
from chainrule.curvature import Derived
from chainrule.errors import ChainruleError
from chainrule.network import Network
from chainrule.outputs.beyond import Beyond, beyond_html, beyond_json, beyond_latex, beyond_lines, beyond_markdown
from chainrule.outputs.text import Line, plain

__all__ = ["EXPLAIN", "curvature", "shown_value"]

EXPLAIN = click.option(
    "--explain",
    default=0,
    show_default=True,
    type=click.IntRange(0, 3),
    help="0: results; 1: the steps; 2: finer steps; 3: also the proof of each identity.",
)
SUFFIXES = {"text": "txt", "latex": "tex", "markdown": "md", "html": "html"}

# what is asked for -> what gives it, from the network, the name, --of and --batch
KINDS: dict[str, Callable[[Network, str, str | None, str | None], tuple[Derived, ...]]] = {
    "directional": lambda net, wrt, of, _: (net.directional(wrt.split(","), of),),
    "hessian-product": lambda net, wrt, _of, _: (net.hessian_product(wrt),),
    "gauss-newton": lambda net, wrt, of, _: (net.gauss_newton(wrt, of),),
    "gauss-newton-product": lambda net, wrt, of, _: (net.gauss_newton_product(wrt, of),),
    "fisher": lambda net, wrt, of, _: (net.fisher(wrt, of),),
    "fisher-product": lambda net, wrt, of, _: (net.fisher_product(wrt, of),),
    "kronecker-factors": lambda net, wrt, _of, batch: net.kronecker_factors(wrt, batch),
    "sample-gradients": lambda net, wrt, _of, batch: (net.sample_gradients(wrt, batch),),
    "sample-norms": lambda net, wrt, _of, batch: (net.sample_norms(wrt, batch),),
}
WITH_OF = {"directional", "gauss-newton", "gauss-newton-product", "fisher", "fisher-product"}


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)), metavar="KIND")
@file_argument
@click.option("--wrt", required=True, metavar="NAME", help="By this; for directional also several: x,W.")
@click.option(
    "--of", metavar="NAME",
    help="directional: of this, by default the loss. Gauss-Newton and Fisher: the output, by default the logits.",
)  # fmt: skip
@click.option(
    "--batch", metavar="N",
    help="Per sample: one of the network's sizes, whose rows are the samples, or a new name, for that many samples. "
    "Default: N, where that is plain.",
)  # fmt: skip
@click.option(
    "--format", "form", default="text", show_default=True,
    type=click.Choice(["text", "latex", "markdown", "html", "json"]), help="How to write it.",
)  # fmt: skip
@EXPLAIN
@click.option("--document", is_flag=True, help="LaTeX: a whole document instead of a block to paste.")
@click.option("--target", metavar="TARGET", help="Print code that computes it instead: numpy, c, torch, jax …")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to write it; standard output by default.")
@dialect_option
@seed_option
def curvature(
    kind: str, file: str, wrt: str, of: str | None, batch: str | None, form: str, explain: int, document: bool,
    target: str | None, output: Path | None, dialect: str, seed: int,
) -> None:  # fmt: skip
    """More than gradients, as formulas and code.

    \b
    KIND is one of:
      directional           the derivative along dx: a Jacobian-vector product
      hessian-product       the second derivative times a direction, not formed
      gauss-newton          (∂f/∂w)ᵀ (∂²J/∂f²) ∂f/∂w, f the output
      gauss-newton-product  the same times a direction, not formed; also at a matrix
      fisher, fisher-product  the Fisher information where it is the Gauss-Newton matrix
      kronecker-factors     K-FAC's two factors of a linear layer's matrix
      sample-gradients      the gradient of each sample of a batch
      sample-norms          their squared norms, no gradient formed
    \b
    Example:
      chainrule curvature hessian-product examples/one_layer.net --wrt W --explain 1
      chainrule curvature kronecker-factors examples/one_layer.net --wrt W
    """
    if of is not None and kind not in WITH_OF:
        raise ChainruleError(f"--of is not for {kind}", f"one of: {', '.join(sorted(WITH_OF))}")
    if document and form != "latex":
        raise ChainruleError(f"--document is for LaTeX, not for {form}", "--format latex --document")
    net = load(file, dialect)
    found = KINDS[kind](net, wrt, of, batch)
    if target is not None:
        text = "\n".join(value.compile(target).source.rstrip("\n") + "\n" for value in found)
        write_output(output, text, "curvature.txt")
        return
    if form == "json":
        data = [beyond_json(value) for value in found]
        write_output(output, json.dumps(data, ensure_ascii=False, indent=2) + "\n", "curvature.json")
        return
    if output is not None and len(found) > 1:
        raise ChainruleError(f"{kind} gives {len(found)} results, and --output takes one", "without --output")
    for value in found:
        shown_value(value, form, explain, document, output, seed)


def shown_value(
    value: Beyond, form: str, explain: int, document: bool, output: Path | None, seed: int,
    short: list[Line] | None = None,
) -> None:  # fmt: skip
    """Print or write a value with its steps, each of them checked. short: what stands for it without steps.

    Exits with 1 where a step is wrong.
    """
    report = value.check_steps(seed) if explain else None
    if form == "text":
        lines = beyond_lines(value, explain) if explain or short is None else short
        if report is not None:
            lines = [*lines, [], [(str(report), "green" if report.ok else "bold red")]]
        if output is None:
            show(lines)
        else:
            write_output(output, plain(lines), "curvature.txt")
    else:
        if form == "latex":
            text = beyond_latex(value, explain, document).rstrip("\n") + "\n"
        else:
            text = (beyond_markdown if form == "markdown" else beyond_html)(value, explain)
        write_output(output, text, f"curvature.{SUFFIXES[form]}")
    if report is not None and report.wrong is not None:
        raise click.exceptions.Exit(1)
