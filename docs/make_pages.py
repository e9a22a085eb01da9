"""Makes the pages that are written as templates: runs each command of `*.md.in` and sets what it prints below it.

`make docs` writes the pages, and runs the example notebook; `tests/test_docs.py` and `tests/test_notebook.py` run them
again and compare, so that they stay true. Figures that differ from machine to machine are written as …, which
stands for anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
FIGURE = re.compile(r"\b\d\.\de-\d\d\b|\b0\.0e\+00\b")


def output_of(command: str, folder: Path) -> str:
    """What a command prints, standard error included. Raises CalledProcessError where it should not fail and does."""
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", check=False,
    )  # fmt: skip
    return FIGURE.sub("…", done.stdout)


def filled(template: str, folder: Path) -> str:
    """The template with the output below each command."""

    def fill(match: re.Match[str]) -> str:
        out = []
        for line in match.group(1).splitlines():
            printed = "\n".join(text.rstrip() for text in output_of(line.removeprefix("$ "), folder).splitlines())
            out.append(f"{line}\n{printed.strip(chr(10))}\n")
        return "```console\n" + "".join(out) + "```"

    return BLOCK.sub(fill, template)


def run_notebook(path: Path) -> None:
    """Run a notebook and keep its outputs."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ
    nbformat.write(notebook, path)
    sys.stdout.write(f"ran {path.relative_to(DOCS.parent)}\n")


def main() -> None:
    """Write every page that has a template, and the outputs of the notebooks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(DOCS.parent / "examples", folder / "examples")
        for template in sorted(DOCS.glob("*.md.in")):
            page = template.with_suffix("")
            page.write_text(filled(template.read_text(encoding="utf-8"), folder), encoding="utf-8")
            sys.stdout.write(f"wrote {page.relative_to(DOCS.parent)}\n")
    for notebook in sorted((DOCS.parent / "examples").glob("*.ipynb")):
        run_notebook(notebook)


if __name__ == "__main__":
    main()
