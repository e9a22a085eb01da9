"""The command line: `chainrule derive FILE` and its companions.

Exit status: 0 done, 1 found wrong (a verification failed), 2 cannot use the input. Colour on a terminal, plain text in
a pipe. Everything heavy (rich, training, plots) is imported by the command that needs it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.dims import display_name, format_shape
from chainrule.errors import ChainruleError, ChainruleWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from chainrule.derivation import Derivation, Gradient
    from chainrule.network import Network
    from chainrule.verification import Report

__all__ = ["app", "main"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done; 1 a gradient is wrong or could not be verified; 2 the input cannot be used.",
)
@click.version_option(package_name="chainrule")
def app() -> None:
    """A network as written on a whiteboard in; every gradient in closed matrix form, checked, and code out."""


Line = list[tuple[str, str]]  # pieces of text with their styles

file_argument = click.argument("file", metavar="FILE")
dialect_option = click.option(
    "--dialect", default="whiteboard", show_default=True, type=click.Choice(["whiteboard", "numpy", "matlab"]),
    help="How products are written: numpy (* is elementwise), matlab (* is the product).",
)  # fmt: skip
batch_option = click.option(
    "--batch", metavar="N", help="Lift a network written for one sample to a batch of this size (a symbol)."
)
seed_option = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of the random numbers."
)


def _wrt_option(default: str) -> Callable[[Any], Any]:
    return click.option(
        "--wrt", multiple=True, metavar="NAME", help=f"Differentiate by this; repeatable. Default: {default}."
    )


def _load(file: str, dialect: str) -> Network:
    from chainrule import api

    if file == "-":
        return api.parse(api.decode(sys.stdin.buffer.read(), "standard input"), dialect, "standard input")
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
    equations = [(str(e), format_shape(e.shape)) for e in net.equations]
    width = min(max((_width(t) for t, _ in equations), default=0), 60)
    for text, shape in equations:
        lines.append([("  " + _pad(text, width), ""), (f"    {shape}", "dim")])
    lines.extend([(f"  {note}", "dim")] for note in net.repeats)
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
        lines.extend([(f"    {s.rule + ':':<17} ", "dim"), (s.after, "")] for s in gradient.steps)
    return lines


def _derivation_lines(derivation: Derivation, explain: int) -> list[Line]:
    lines: list[Line] = []
    if derivation.signals:
        lines.append(_title("Error signals", "numerator layout: a row at a vector"))
        for signal in derivation.signals.values():
            lines += _formula_lines(signal, derivation, explain, "shape")
        lines.append([])
    lines.append(_title("Gradients", "each in the shape of its parameter"))
    if not derivation.gradients:
        lines.append([("  none: no parameter and no input is declared", "dim")])
    for gradient in derivation.gradients.values():
        lines += _formula_lines(gradient, derivation, explain, "shape")
    return lines


def _report_line(report: Report) -> Line:
    style = "green" if report.ok else "bold red"
    text = str(report)
    head, _, rest = text.partition(":")
    return [(head, style), (f":{rest}", "")]


@app.command()
@file_argument
@_wrt_option("all parameters and inputs")
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    type=click.Choice(["text", "latex", "json"]),
    help="How to write it.",
)
@click.option(
    "--explain",
    default=0,
    show_default=True,
    type=click.IntRange(0, 3),
    help="0: results; 1 and more: each formula's steps.",
)
@batch_option
@dialect_option
@click.option(
    "--verify/--no-verify", default=True, help="Check every gradient against central differences (the default)."
)
@seed_option
def derive(
    file: str, wrt: tuple[str, ...], form: str, explain: int, batch: str | None, dialect: str, verify: bool, seed: int
) -> None:
    """Derive every gradient of a network's loss.

    \b
    Example:
      chainrule derive examples/one_layer.net
    """
    net = _load(file, dialect)
    if batch is not None:
        net = net.lift(_batch(batch))
    derivation = net.derive(list(wrt) or None)
    report = derivation.verify(seed) if verify else None
    if form == "json":
        sys.stdout.write(json.dumps(derivation.to_json(report), ensure_ascii=False, indent=2) + "\n")
    elif form == "latex":
        sys.stdout.write(derivation.latex() + "\n")
    else:
        lines = [_title(net.title or "network", f"loss {display_name(derivation.loss)}"), *_program_lines(net), []]
        lines += _derivation_lines(derivation, explain)
        if report is not None:
            lines += [[], _report_line(report)]
        _show(lines)
    if report is not None and not report.ok:
        raise click.exceptions.Exit(1)


@app.command(name="compile")
@file_argument
@click.option(
    "--target", default="numpy", show_default=True, type=click.Choice(["numpy"]), help="The language of the code."
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
@_wrt_option("all parameters")
@click.option("--mean", is_flag=True, help="With --batch: the loss is the mean over samples, not the sum.")
@click.option("--plain", is_flag=True, help="Without reused buffers: for reading.")
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
    dialect: str,
) -> None:
    """Write loss and gradients as code that needs NumPy alone.

    \b
    Example:
      chainrule compile examples/one_layer_rows.net --target numpy -o step.py
    """
    net = _load(file, dialect)
    derivation = net.derive(list(wrt) or net.parameters or None)
    size = None if batch is None else _batch(batch)
    step = derivation.compile(target, batch=size, dtype=dtype, reduction="mean" if mean else "sum", plain=plain)
    if output is None:
        sys.stdout.write(step.source)
        return
    if output.is_dir():
        raise ChainruleError(f"{output} is a folder", f"-o {output / 'step.py'}")
    partial = output.with_name(output.name + ".partial")
    try:
        partial.write_text(step.source, encoding="utf-8")
        partial.replace(output)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise ChainruleError(
            f"{output} cannot be written: {error.strerror}", "a file in a folder that exists and that you may write to"
        ) from None
    sys.stderr.write(f"wrote {output}\n")


@app.command()
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
    net = _load(file, dialect)
    sizes = _sizes(size)
    known = dict.fromkeys(d for shape in net.dims.values() for d in shape if isinstance(d, str))
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
        width = max((_width(display_name(n)) for n in report.errors), default=0)
        lines: list[Line] = [
            [("  ", ""), (_pad(f"∂{display_name(net.scalar_loss())}/∂{display_name(name)}", width + 6), "cyan"),
             (f"{error:.1e}", "")] for name, error in report.errors.items()
        ]  # fmt: skip
        _show([*lines, _report_line(report)])
    if not report.ok:
        raise click.exceptions.Exit(1)


def _batch(text: str) -> str | int:
    return int(text) if text.lstrip("-").isdecimal() else text


def _sizes(given: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for text in given:
        name, _, value = text.partition("=")
        if not value.strip().isdigit() or not name.strip() or int(value) < 1:
            raise ChainruleError(f"--size {text} is not a size", "--size D_h=32")
        sizes[name.strip()] = int(value)
    return sizes


@app.command()
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
    resume: bool,
    dialect: str,
) -> None:
    """Train a classifier by gradient descent with its own derived gradients.

    \b
    Example:
      chainrule train examples/one_layer.net --data digits --epochs 20
    """
    net = _load(file, dialect)
    _train(net, data=data, epochs=epochs, rate=rate, batch=batch, seed=seed, sizes=_sizes(size),
           constants=_constants(const), out=out, resume=resume)  # fmt: skip


def _constants(given: tuple[str, ...]) -> dict[str, float]:
    values = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            raise ChainruleError(f"--const {text} is not a number", "--const λ=0.01") from None
    return values


def _train(net: Any, **options: Any) -> Any:
    from chainrule.training import train as run

    began = time.perf_counter()
    outcome = run(net, title=net.title, **options)
    seconds = time.perf_counter() - began
    spent = f" after {len(outcome.records)} epochs, {seconds:.1f} s"
    _show([
        [("test accuracy ", ""), (f"{outcome.test_accuracy:.4f}", "bold green"), (spent, "")],
        [("parameters    ", ""), (str(outcome.checkpoint), "cyan")],
        [("picture       ", ""), (str(outcome.picture), "cyan")],
    ])  # fmt: skip
    return outcome


def example_path(name: str) -> Path:
    """One of the example networks, in an installed package or a checkout."""
    inside = Path(__file__).parent / "examples" / name
    return inside if inside.exists() else Path(__file__).parents[2] / "examples" / name


@app.command()
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
    _show([_title(net.title, "what was written on the whiteboard"), *_program_lines(net), [],
           *_derivation_lines(derivation, 0), [], _report_line(report), []])  # fmt: skip
    if not report.ok:
        raise click.exceptions.Exit(1)
    out.mkdir(parents=True, exist_ok=True)
    step = net.derive(net.parameters).compile("numpy", batch="N", dtype="float32", reduction="mean")
    code = out / "one_layer_step.py"
    code.write_text(step.source, encoding="utf-8")
    _show(
        [
            _title("Compiled", f"for a batch, in NumPy: {code}"),
            [],
            _title("Training", "on scikit-learn's digits, by gradient descent"),
        ]
    )
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
    warnings.showwarning = _warn  # type: ignore[assignment]
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
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"error: {where}{error.strerror or error}\n")
        sys.exit(2)
    except MemoryError:
        sys.stderr.write("error: the arrays are too large for the memory\n  try: smaller sizes, such as --size D=7\n")
        sys.exit(2)
    except RecursionError:
        sys.stderr.write("error: nested too deeply\n  try: give the parts names, an equation each\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
