"""The command line: `chainrule derive FILE` and its companions.

Exit status: 0 done, 1 found wrong (a verification failed), 2 cannot use the input. Colour on a terminal, plain text in
a pipe. Everything heavy (rich, training, plots) is imported by the command that needs it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule.dims import display_name, format_shape
from chainrule.errors import ChainruleError, ChainruleWarning

if TYPE_CHECKING:
    from chainrule.derivation import Derivation, Gradient
    from chainrule.network import Network
    from chainrule.verification import Report

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="A network as written on a whiteboard in; every gradient in closed matrix form, checked, and code out.",
)  # fmt: skip

Line = list[tuple[str, str]]  # pieces of text with their styles

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="A network in the whiteboard language; - is standard input.")]
DialectOption = Annotated[str, typer.Option(help="whiteboard, numpy (* is elementwise) or matlab (* is the product).")]
SeedOption = Annotated[int, typer.Option(help="Seed of the random numbers.")]
BatchOption = Annotated[
    str | None, typer.Option(metavar="N", help="Lift a network written for one sample to a batch of this size (a symbol).")
]


class Format(str, Enum):
    """What `--format` takes."""

    text = "text"
    latex = "latex"
    json = "json"


class Target(str, Enum):
    """What `--target` takes."""

    numpy = "numpy"


class Dtype(str, Enum):
    """What `--dtype` takes."""

    float32 = "float32"
    float64 = "float64"


def _load(file: str, dialect: str) -> Network:
    from chainrule import api

    if file == "-":
        return api.parse(sys.stdin.read(), dialect, "standard input")
    return api.load(file, dialect)


def _show(lines: list[Line]) -> None:
    """Print with colour on a terminal, plainly elsewhere."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False, soft_wrap=True)
        for line in lines:
            console.print(Text.assemble(*((text, style) for text, style in line)))
        return
    sys.stdout.write("".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines))


def _title(text: str, note: str = "") -> Line:
    return [(text, "bold"), (f"  {note}" if note else "", "dim")]


def _width(text: str) -> int:
    import unicodedata

    return sum(not unicodedata.combining(c) for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _program_lines(net: Network) -> list[Line]:
    """Declarations and equations with the size of every name: the dimension table."""
    rows: list[tuple[str, str, str]] = []
    for name, item in net.declarations.items():
        facts = "".join(f", {f}" for f in item.facts)
        rows.append((item.kind, display_name(name), format_shape(net.dims[name]) + facts))
    lines: list[Line] = []
    name_width = max((_width(r[1]) for r in rows), default=0)
    for kind, name, shape in rows:
        lines.append([(f"  {kind:<6} ", "dim"), (_pad(name, name_width), "cyan"), (f"  {shape}", "")])
    lines.append([])
    equations = [(f"{display_name(e.name)} = {e.text}", format_shape(e.shape)) for e in net.equations]
    width = min(max((_width(t) for t, _ in equations), default=0), 60)
    for text, shape in equations:
        lines.append([("  " + _pad(text, width), ""), (f"    {shape}", "dim")])
    for note in net.repeats:
        lines.append([(f"  {note}", "dim")])
    return lines


def _formula_lines(gradient: Gradient, derivation: Derivation, explain: int, layout: str) -> list[Line]:
    symbol = gradient.symbol
    text = gradient.numerator if layout == "numerator" else gradient.text
    lines: list[Line] = [[("  " + symbol, "cyan"), (" = ", ""), (text, "bold")]]
    if gradient.of in derivation.backward.zero:
        return [*lines, [(f"    {gradient.reason}", "dim")]]
    sizes = gradient.sizes
    own = f"({format_shape(gradient.shape).replace(' ', '')})" if gradient.shape else "(1×1)"
    if sizes and layout != "numerator":
        lines.append([(" " * (_width(symbol) + 5), ""), (own if sizes == own else f"{sizes} = {own}", "dim")])
    if explain:
        lines.append([(f"    {gradient.reason}", "dim")])
        for step in gradient.steps:
            lines.append([(f"    {step.rule + ':':<17} ", "dim"), (step.after, "")])
    return lines


def _derivation_lines(derivation: Derivation, explain: int) -> list[Line]:
    lines: list[Line] = []
    if derivation.signals:
        lines.append(_title("Error signals", "numerator layout: a row at a vector"))
        for signal in derivation.signals.values():
            lines += _formula_lines(signal, derivation, explain, "shape")
        lines.append([])
    lines.append(_title("Gradients", "each in the shape of its parameter"))
    for gradient in derivation.gradients.values():
        lines += _formula_lines(gradient, derivation, explain, "shape")
    return lines


def _report_line(report: Report) -> Line:
    style = "green" if report.ok else "bold red"
    text = str(report)
    head, _, rest = text.partition(":")
    return [(head, style), (f":{rest}", "")]


@app.command()
def derive(
    file: FileArgument,
    wrt: Annotated[list[str] | None, typer.Option(help="A name to differentiate by; may be given again. Default: all parameters and inputs.")] = None,
    format: Annotated[Format, typer.Option(help="How to write it.")] = Format.text,
    explain: Annotated[int, typer.Option(min=0, max=3, help="0: results; 1 and more: the chain rule and each formula's steps.")] = 0,
    batch: BatchOption = None,
    dialect: DialectOption = "whiteboard",
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Check every gradient against central differences.")] = True,
    seed: SeedOption = 0,
) -> None:
    """Derive every gradient of a network's loss.

    Example: chainrule derive examples/one_layer.net
    """
    net = _load(file, dialect)
    if batch is not None:
        net = net.lift(batch)
    derivation = net.derive(wrt or None)
    report = derivation.verify(seed) if verify else None
    if format is Format.json:
        sys.stdout.write(json.dumps(derivation.to_json(report), ensure_ascii=False, indent=2) + "\n")
    elif format is Format.latex:
        sys.stdout.write(derivation.latex() + "\n")
    else:
        lines = [_title(net.title or "network", f"loss {display_name(derivation.loss)}"), *_program_lines(net), []]
        lines += _derivation_lines(derivation, explain)
        if report is not None:
            lines += [[], _report_line(report)]
        _show(lines)
    if report is not None and not report.ok:
        raise typer.Exit(1)


@app.command(name="compile")
def compile_command(
    file: FileArgument,
    target: Annotated[Target, typer.Option(help="The language of the code.")] = Target.numpy,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it; standard output by default.")] = None,
    batch: BatchOption = None,
    dtype: Annotated[Dtype, typer.Option(help="The type of the arrays.")] = Dtype.float64,
    wrt: Annotated[list[str] | None, typer.Option(help="A name to differentiate by; may be given again. Default: all parameters.")] = None,
    mean: Annotated[bool, typer.Option("--mean", help="With --batch: the loss is the mean over samples, not the sum.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Without reused buffers: for reading.")] = False,
    dialect: DialectOption = "whiteboard",
) -> None:
    """Write loss and gradients as code that needs NumPy alone.

    Example: chainrule compile examples/one_layer_rows.net --target numpy -o step.py
    """
    net = _load(file, dialect)
    derivation = net.derive(wrt or net.parameters or None)
    step = derivation.compile(
        target.value, batch=batch, dtype=dtype.value, reduction="mean" if mean else "sum", plain=plain
    )
    if output is None:
        sys.stdout.write(step.source)
        return
    partial = output.with_name(output.name + ".partial")
    try:
        partial.write_text(step.source, encoding="utf-8")
        partial.replace(output)
    except OSError as error:
        raise ChainruleError(f"{output} cannot be written: {error.strerror}") from None
    sys.stderr.write(f"wrote {output}\n")


@app.command()
def verify(
    file: FileArgument,
    dialect: DialectOption = "whiteboard",
    seed: SeedOption = 0,
    size: Annotated[list[str] | None, typer.Option(metavar="D=7", help="Set a size; may be given again. Default: distinct primes.")] = None,
    format: Annotated[Format, typer.Option(help="text or json.")] = Format.text,
) -> None:
    """Check every gradient against central differences in float64.

    Example: chainrule verify examples/one_layer.net --seed 3
    """
    net = _load(file, dialect)
    report = net.derive().verify(seed, _sizes(size))
    if format is Format.json:
        data = {"ok": report.ok, "max_relative_error": report.max_relative_error, "sizes": report.sizes,
                "errors": report.errors, "skipped": report.skipped, "reason": report.reason}  # fmt: skip
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    else:
        width = max((_width(display_name(n)) for n in report.errors), default=0)
        lines: list[Line] = [
            [("  ", ""), (_pad(f"∂{display_name(net.scalar_loss())}/∂{display_name(name)}", width + 6), "cyan"),
             (f"{error:.1e}", "")] for name, error in report.errors.items()
        ]  # fmt: skip
        _show([*lines, _report_line(report)])
    if not report.ok:
        raise typer.Exit(1)


def _sizes(given: list[str] | None) -> dict[str, int]:
    sizes = {}
    for text in given or []:
        name, _, value = text.partition("=")
        if not value.strip().isdigit() or not name.strip() or int(value) < 1:
            raise ChainruleError(f"--size {text} is not a size", "--size D_h=32")
        sizes[name.strip()] = int(value)
    return sizes


@app.command()
def train(
    file: FileArgument,
    data: Annotated[str, typer.Option(help="digits (scikit-learn's set), a .npz file with X and y, or a folder of IDX files.")] = "digits",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.")] = None,
    rate: Annotated[float | None, typer.Option(help="The step length.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples in a step.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of start values and order.")] = None,
    size: Annotated[list[str] | None, typer.Option(metavar="D_h=32", help="A hidden size; may be given again.")] = None,
    out: Annotated[Path, typer.Option(help="The folder for the parameters and the picture.")] = Path("run"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the parameters in that folder.")] = False,
    dialect: DialectOption = "whiteboard",
) -> None:
    """Train a classifier by gradient descent with its own derived gradients.

    Example: chainrule train examples/one_layer.net --data digits --epochs 20
    """
    net = _load(file, dialect)
    _train(net, data=data, epochs=epochs, rate=rate, batch=batch, seed=seed, sizes=_sizes(size), out=out, resume=resume)


def _train(net: Network, **options: Any) -> Any:
    from chainrule.training import train as run

    began = time.perf_counter()
    outcome = run(net, title=net.title, **options)
    seconds = time.perf_counter() - began
    _show([
        [("test accuracy ", ""), (f"{outcome.test_accuracy:.4f}", "bold green"), (f" after {len(outcome.records)} epochs, {seconds:.1f} s", "")],
        [("parameters    ", ""), (str(outcome.checkpoint), "cyan")],
        [("picture       ", ""), (str(outcome.picture), "cyan")],
    ])  # fmt: skip
    return outcome


def example_path(name: str) -> Path:
    """One of the example networks, in an installed package or a checkout."""
    inside = Path(__file__).parent / "examples" / name
    return inside if inside.exists() else Path(__file__).parents[2] / "examples" / name


@app.command()
def demo(out: Annotated[Path, typer.Option(help="The folder for code, parameters and picture.")] = Path("demo")) -> None:
    """Derive, verify, compile and train a network with one hidden layer.

    Example: chainrule demo --out demo
    """
    from chainrule import api

    net = api.load(example_path("one_layer.net"))
    derivation = net.derive()
    report = derivation.verify()
    _show([_title(net.title, "what was written on the whiteboard"), *_program_lines(net), [],
           *_derivation_lines(derivation, 0), [], _report_line(report), []])  # fmt: skip
    if not report.ok:
        raise typer.Exit(1)
    out.mkdir(parents=True, exist_ok=True)
    step = net.derive(net.parameters).compile("numpy", batch="N", dtype="float32", reduction="mean")
    code = out / "one_layer_step.py"
    code.write_text(step.source, encoding="utf-8")
    _show([_title("Compiled", f"for a batch, in NumPy: {code}"), [], _title("Training", "on scikit-learn's digits, by gradient descent")])
    outcome = _train(net, data="digits", out=out)
    if outcome.test_accuracy < 0.97:
        raise ChainruleError(f"the demo reached a test accuracy of {outcome.test_accuracy:.4f} only, not 0.97")


def _warn(message: Any, category: type[Warning], *_: Any) -> None:
    if issubclass(category, ChainruleWarning):
        sys.stderr.write(f"warning: {message}\n")


def main() -> None:
    """Run the command line; mistakes of the input end with status 2 and no traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")  # formulas are Unicode, whatever the locale says
    warnings.showwarning = _warn
    warnings.simplefilter("always", ChainruleWarning)
    try:
        app()
    except ChainruleError as error:
        sys.stdout.flush()
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  (so that the interpreter's last flush is silent)
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
