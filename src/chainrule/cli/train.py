"""`chainrule train` and `chainrule demo`: gradient descent with the derived gradients."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from chainrule.cli.common import dialect_option, file_argument, load, report_line, show, sizes_of
from chainrule.compilation import target_names
from chainrule.errors import ChainruleError
from chainrule.outputs.text import derivation_lines, program_lines, title

__all__ = ["demo", "train"]


@click.command()
@file_argument
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="digits (scikit-learn's set), a .npz file with X and y, or a folder of IDX files.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data.")
@click.option("--rate", type=float, help="The step length.")
@click.option("--batch", type=click.IntRange(min=1), help="Samples in a step.")
@click.option("--seed", type=int, help="Seed of start values and order.")
@click.option("--size", multiple=True, metavar="D_h=32", help="A hidden size; repeatable.")
@click.option("--const", multiple=True, metavar="λ=0.01", help="The value of a declared constant; repeatable.")
@click.option(
    "--out",
    default="run",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The folder for the parameters and the picture.",
)
@click.option(
    "--target", default="numpy", show_default=True, type=click.Choice(target_names()), help="What runs the steps."
)
@click.option("--resume", is_flag=True, help="Go on from the parameters in that folder.")
@dialect_option
def train(
    file: str,
    data: str,
    epochs: int | None,
    rate: float | None,
    batch: int | None,
    seed: int | None,
    size: tuple[str, ...],
    const: tuple[str, ...],
    out: Path,
    target: str,
    resume: bool,
    dialect: str,
) -> None:
    """Train a classifier by gradient descent with its own derived gradients.

    \b
    Example:
      chainrule train examples/one_layer.net --data digits --epochs 20
    """
    net = load(file, dialect)
    run_training(net, data=data, epochs=epochs, rate=rate, batch=batch, seed=seed, sizes=sizes_of(size),
           constants=constants(const), out=out, target=target, resume=resume)  # fmt: skip


def constants(given: tuple[str, ...]) -> dict[str, float]:
    values = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            raise ChainruleError(f"--const {text} is not a number", "--const λ=0.01") from None
    return values


def run_training(net: Any, **options: Any) -> Any:
    from chainrule.training import train as run

    began = time.perf_counter()
    outcome = run(net, title=net.title, **options)
    seconds = time.perf_counter() - began
    spent = f" after {len(outcome.records)} epochs, {seconds:.1f} s"
    show([
        [("test accuracy ", ""), (f"{outcome.test_accuracy:.4f}", "bold green"), (spent, "")],
        [("parameters    ", ""), (str(outcome.checkpoint), "cyan")],
        [("picture       ", ""), (str(outcome.picture), "cyan")],
    ])  # fmt: skip
    return outcome


def example_path(name: str) -> Path:
    """One of the example networks, in an installed package or a checkout."""
    inside = Path(__file__).parents[1] / "examples" / name
    return inside if inside.exists() else Path(__file__).parents[3] / "examples" / name


@click.command()
@click.option(
    "--out",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The folder for code, parameters and picture.",
)
def demo(out: Path) -> None:
    """Derive, verify, compile and train a network with one hidden layer.

    \b
    Example:
      chainrule demo --out demo
    """
    from chainrule import api

    net = api.load(example_path("one_layer.net"))
    derivation = net.derive()
    report = derivation.verify()
    show([title(net.title, "what was written on the whiteboard"), *program_lines(net), [],
           *derivation_lines(derivation), [], report_line(report), []])  # fmt: skip
    if not report.ok:
        raise click.exceptions.Exit(1)
    out.mkdir(parents=True, exist_ok=True)
    step = net.derive(net.parameters).compile("numpy", batch="N", dtype="float32", reduction="mean")
    code = out / "one_layer_step.py"
    code.write_text(step.source, encoding="utf-8")
    show(
        [
            title("Compiled", f"for a batch, in NumPy: {code}"),
            [],
            title("Training", "on scikit-learn's digits, by gradient descent"),
        ]
    )
    outcome = run_training(net, data="digits", out=out)
    if outcome.test_accuracy < 0.97:
        raise ChainruleError(f"the demo reached a test accuracy of {outcome.test_accuracy:.4f} only, not 0.97")
