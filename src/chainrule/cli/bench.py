"""`chainrule bench`: generated code against what people would use in its place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from chainrule.cli.common import dialect_option, load, sizes_of, write_output, wrt_option
from chainrule.errors import ChainruleError

__all__ = ["bench"]


@click.command()
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--only", metavar="a,b,…", help="Rows of the table, without FILE. Default: all.")
@click.option("--targets", metavar="c,numpy,…", help="Targets whose code is timed. Default: all that can run here.")
@click.option("--peers", metavar="jax,torch,…", help="Against what, by the beginning of a name. Default: all.")
@click.option("--threads", metavar="1,2", help="Numbers of threads. Default: those of the row; 1 with FILE.")
@click.option(
    "--sizes", "--size", "size", multiple=True, metavar="N=64", help="With FILE: a size; repeatable, or N=64,D=128."
)
@click.option("--chunk", type=click.IntRange(min=1), help="With FILE: rows at a time, where a target can.")
@click.option("--dtype", default="float32", show_default=True, type=click.Choice(["float32", "float64"]),
              help="With FILE: the type of the arrays.")  # fmt: skip
@wrt_option("all parameters")
@click.option("--data", metavar="SOURCE", help="For the row `training`: as for `train`, judged by test accuracy.")
@click.option("--quick", is_flag=True, help="An eighth of the time: ratios are then rough.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Where the outcome goes as data.")
@click.option(
    "--from", "earlier", type=click.Path(path_type=Path), help="Measure nothing: an outcome that --json wrote."
)
@click.option("--picture", multiple=True, type=click.Path(path_type=Path), help="Where the drawing goes: .svg or .png.")
@click.option("--write", "page_path", type=click.Path(path_type=Path), help="Where the page goes, as Markdown.")
@dialect_option
def bench(
    file: str | None,
    only: str | None,
    targets: str | None,
    peers: str | None,
    threads: str | None,
    size: tuple[str, ...],
    chunk: int | None,
    dtype: str,
    wrt: tuple[str, ...],
    data: str | None,
    quick: bool,
    json_path: Path | None,
    earlier: Path | None,
    picture: tuple[Path, ...],
    page_path: Path | None,
    dialect: str,
) -> None:
    """Time generated code against every other library that is installed, taking turns in one run.

    Without FILE: the rows of the table in docs/benchmarks.md. With FILE: the network in it. Results are compared
    first; what differs is reported and not timed.

    \b
    Example:
      chainrule bench examples/one_layer_rows.net --sizes N=64 --sizes D_x=784
      chainrule bench --only a,b --quick
    """
    from rich.console import Console

    from chainrule.bench.cases import choose, everyone, with_data
    from chainrule.bench.drawing import draw
    from chainrule.bench.page import page
    from chainrule.bench.record import Outcome
    from chainrule.bench.table import rich_table, summary
    from chainrule.bench.turns import measure
    from chainrule.bench.user import user_case

    for path in picture:
        if path.suffix not in (".svg", ".png"):
            raise ChainruleError(f"{path} is neither .svg nor .png", "--picture benchmarks.svg")
    counts = _numbers(threads)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    status = Console(stderr=True, highlight=False)
    if earlier is not None:
        outcome = Outcome.load(earlier)
        for run in outcome.runs:
            console.print(rich_table(run))
    else:
        if file is not None:
            network = load(file, dialect)
            given = sizes_of(tuple(part for text in size for part in text.split(",")))
            text = Path(file).read_text(encoding="utf-8")
            cases = [
                user_case(network, text, Path(file).stem, given, wrt=wrt, dtype=dtype, threads=counts or (1,),
                          chunk=chunk, dialect=dialect)
            ]  # fmt: skip
        else:
            cases = choose(_words(only))
            if data is not None:
                stored = click.get_current_context().with_resource(_stored(data))
                cases = [with_data(case, stored) if case.model == "training" else case for case in cases]
        outcome = Outcome.now()
        for case in cases:
            for count in counts or case.threads:
                contenders = everyone(case, _words(targets), _words(peers), count)
                with status.status("") as shown:
                    run = measure(case, contenders, count, quick=quick, say=shown.update)
                outcome.runs.append(run)
                console.print(rich_table(run))
                console.print()
                if json_path is not None:
                    outcome.save(json_path)  # what is measured is not lost when a later row fails
    if len(outcome.runs) > 1:
        console.print(_summary(summary(outcome)))
    draw_to = list(picture)
    if page_path is not None and not draw_to:
        draw_to = [page_path.with_suffix(".svg"), page_path.with_suffix(".png")]
    if draw_to:
        draw(outcome, draw_to)
    if page_path is not None:
        first = next((p for p in draw_to if p.suffix == ".svg"), draw_to[0])
        seen = first.name if first.parent == page_path.parent else first.resolve().as_posix()
        write_output(page_path, page(outcome, seen), "benchmarks.md")


@contextmanager
def _stored(source: str) -> Iterator[str]:
    """A data set in a file that every contender can read; whole batches of 64."""
    import numpy as np

    from chainrule.training.data import load_data

    found = load_data(source)
    eye = np.eye(found.classes, dtype=np.float32)
    many = len(found.x_train) // 64 * 64
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "data.npz")
        np.savez(
            path, X=found.x_train[:many], Y=eye[found.y_train[:many]], X_test=found.x_test, Y_test=eye[found.y_test]
        )
        yield path


def _summary(cells: list[list[str]]) -> object:
    from rich.table import Table

    head, *body = cells
    table = Table(title="times of the fastest generated step, and how many times as long the others take",
                  title_justify="left", box=None, pad_edge=False)  # fmt: skip
    for k, name in enumerate(head):
        table.add_column(name, justify="right" if k not in (0, 3) else "left")
    for row in body:
        table.add_row(*row)
    return table


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _numbers(text: str | None) -> tuple[int, ...]:
    numbers = []
    for part in _words(text):
        if not part.isdigit() or int(part) < 1:
            raise ChainruleError(f"--threads {text} is no list of numbers", "--threads 1,2")
        numbers.append(int(part))
    return tuple(numbers)
