"""How a run looks while it goes: a bar on a terminal, a line for each epoch in a pipe or a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chainrule.training.checkpoint import Record

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["format_record", "progress"]


def format_record(record: Record, epochs: int) -> str:
    """`epoch  7/40  loss 0.0412  train 0.9958  test 0.9750`: columns stay under each other."""
    width = len(str(epochs))
    return (
        f"epoch {record.epoch:>{width}}/{epochs}  loss {record.loss:.4f}  "
        f"train {record.train_accuracy:.4f}  test {record.test_accuracy:.4f}"
    )


@contextmanager
def progress(epochs: int, done: int = 0, console: Console | None = None) -> Iterator[Callable[[Record], None]]:
    """Give a function that shows one `Record`. `done` epochs are counted as finished before the first one.

    On a terminal one bar is redrawn in place, and its last state stays; elsewhere each epoch prints a line.
    """
    from rich.console import Console as Terminal

    console = console or Terminal()
    if not console.is_terminal:
        yield lambda record: console.print(format_record(record, epochs), markup=False, highlight=False, soft_wrap=True)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=28),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("train", total=epochs, completed=done, state="")

        def show(record: Record) -> None:
            state = (
                f"loss [bold]{record.loss:.4f}[/]  train [blue]{record.train_accuracy:.4f}[/]  "
                f"test [dark_orange]{record.test_accuracy:.4f}[/]"
            )
            bar.update(task, completed=record.epoch, state=state)

        yield show
