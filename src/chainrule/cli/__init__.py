"""The command line: `chainrule derive FILE` and its companions, one file each.

Exit status: 0 done, 1 found wrong (a verification failed), 2 cannot use the input. Everything heavy (rich, training,
plots) is imported by the command that needs it. A new command is a new file and a line in `COMMANDS`; its module is
imported when it is called.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Any

import click

from chainrule.errors import ChainruleError, ChainruleWarning

__all__ = ["app", "main"]

COMMANDS = {  # name -> module and attribute, in the order of the help page
    "derive": ("chainrule.cli.derive", "derive"),
    "compile": ("chainrule.cli.compile", "compile_command"),
    "jacobian": ("chainrule.cli.jacobian", "jacobian"),
    "curvature": ("chainrule.cli.curvature", "curvature"),
    "verify": ("chainrule.cli.verify", "verify"),
    "picture": ("chainrule.cli.picture", "picture"),
    "identities": ("chainrule.cli.identities", "identities"),
    "check": ("chainrule.cli.check", "check"),
    "library": ("chainrule.cli.library", "library"),
    "conformance": ("chainrule.cli.conformance", "conformance"),
    "bench": ("chainrule.cli.bench", "bench"),
    "train": ("chainrule.cli.train", "train"),
    "demo": ("chainrule.cli.train", "demo"),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done; 1 a gradient is wrong or could not be verified; 2 the input cannot be used.",
)
@click.version_option(package_name="chainrule")
def app() -> None:
    """A network as written on a whiteboard in; every gradient in closed matrix form, checked, and code out."""


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
    finally:
        _last_flush()


def _last_flush() -> None:
    """Flush the output here: to a reader that has stopped, the interpreter's own last flush ends with status 120."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
