"""The README and the pages under docs/ say what the program does, so they are run as tests.

One test per file, its blocks in order, in an empty folder that holds a copy of `examples/`:

- a ```python block is executed; all blocks of a file share one namespace. A block written as a session (`>>>`)
  has its printed values compared too.
- in a ```console block, each line that starts with `$ ` is a command (a `\\` at its end continues it), run by the shell
  with this environment's programs first on the path. The lines below a command are what it must print, standard error
  included; `...` on a line of its own stands for any lines, `…` inside a line for anything. A command with nothing
  below it must succeed, and may print what it likes.
- `<!-- no-test -->` on the line before a block leaves it out. That is for what cannot run here, such as `git clone`.

Decisions (docs/decisions) record the past and are not run.
"""

import difflib
import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",  # always in the list: a missing README is a failure
    *(p for p in sorted((ROOT / "docs").rglob("*.md")) if "decisions" not in p.relative_to(ROOT).parts),
]
SKIP = "<!-- no-test -->"
MOST_SKIPPED = 4
SECONDS = 120
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the line its text starts at (from 1), its text, and whether it is left out."""

    language: str
    line: int
    text: str
    skipped: bool


@dataclass(frozen=True)
class Command:
    """One `$ ` line of a console block, and the lines below it."""

    line: int
    text: str
    expected: list[str]


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text, in order."""
    lines = page.splitlines()
    at = 0
    while at < len(lines):
        opening = FENCE.match(lines[at])
        at += 1
        if not opening:
            continue
        start, indent = at, len(opening["indent"])
        while at < len(lines) and lines[at].strip() != "```":
            at += 1
        text = "".join(line[indent:] + "\n" for line in lines[start:at])
        yield Block(opening["language"], start + 1, text, start >= 2 and lines[start - 2].strip() == SKIP)
        at += 1


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block, each with the output shown below it."""
    lines = block.text.splitlines()
    at = 0
    while at < len(lines):
        start = at
        if not lines[at].startswith("$ "):
            raise ValueError(f"line {block.line + at}: a console block starts with a command, '$ ...'")
        text = lines[at][2:]
        while text.endswith("\\") and at + 1 < len(lines):
            at += 1
            text = text[:-1] + lines[at].removeprefix("> ").lstrip()
        at += 1
        below = at
        while at < len(lines) and not lines[at].startswith("$ "):
            at += 1
        yield Command(block.line + start, text, tidy("\n".join(lines[below:at])))


def tidy(output: str) -> list[str]:
    """Lines without blanks at their ends, and without empty lines before the first and after the last."""
    return [line.rstrip() for line in output.strip("\n").rstrip().splitlines()]


def line_matches(expected: str, printed: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), printed) is not None


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether the lines agree, where `...` on a line of its own stands for any number of lines."""
    reachable = {0}  # how many printed lines the expected lines read so far may cover
    for line in expected:
        if line.strip() == "...":
            reachable = set(range(min(reachable), len(printed) + 1))
        else:
            reachable = {at + 1 for at in reachable if at < len(printed) and line_matches(line, printed[at])}
        if not reachable:
            return False
    return len(printed) in reachable


def run_python(block: Block, page: str, namespace: dict[str, Any]) -> None:
    if block.text.lstrip().startswith(">>>"):
        session = doctest.DocTestParser().get_doctest(block.text, {}, page, page, block.line - 1)
        session.globs = namespace
        report: list[str] = []
        doctest.DocTestRunner(verbose=False).run(session, out=report.append, clear_globs=False)
        if report:
            pytest.fail("".join(report), pytrace=False)
        return
    # Empty lines in front put the page's own line numbers into a traceback.
    exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), namespace)


def run_console(block: Block, page: str, folder: Path) -> None:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": programs, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1"}
    for command in commands(block):
        finished = subprocess.run(
            command.text,
            shell=True,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
        printed = tidy(finished.stdout)
        where = f"{page}:{command.line}: $ {command.text}"
        if not command.expected and finished.returncode:
            output = "\n".join(printed)
            pytest.fail(f"{where}\nexit status {finished.returncode}\n{output}", pytrace=False)
        if command.expected and not matches(command.expected, printed):
            difference = difflib.unified_diff(command.expected, printed, "the page", "printed", lineterm="", n=100)
            pytest.fail(where + "\n" + "\n".join(difference), pytrace=False)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__page__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.skipped:
            continue
        if block.language == "python":
            run_python(block, str(path), namespace)
        elif block.language == "console":
            run_console(block, str(path), tmp_path)


@pytest.mark.parametrize("template", sorted((ROOT / "docs").glob("*.md.in")), ids=lambda path: path.name)
def test_a_page_is_made_from_its_template(template: Path) -> None:
    """The page without what its commands print is the template: nobody edits the page alone."""

    def bare(text: str) -> list[str]:
        lines, inside = [], False
        for line in text.splitlines():
            inside = line == "```console" or (inside and line != "```")
            if not inside or line.startswith(("```", "$ ")):
                lines.append(line)
        return lines

    page = template.with_suffix("").read_text(encoding="utf-8")
    assert bare(page) == bare(template.read_text(encoding="utf-8")), "make docs writes it anew"


def test_few_blocks_are_left_out() -> None:
    left_out = [
        f"{path.relative_to(ROOT)}:{block.line}"
        for path in PAGES
        if path.exists()
        for block in blocks(path.read_text(encoding="utf-8"))
        if block.skipped
    ]
    assert len(left_out) <= MOST_SKIPPED, left_out


@pytest.mark.parametrize(
    ("expected", "printed", "agree"),
    [
        ("a\nb", "a\nb", True),
        ("a", "a\nb", False),
        ("a\nb", "a", False),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("a\n...\nd", "a\nd", True),
        ("...\nb\n...\nb", "b\nb", True),
        ("...\nb\n...\nb", "a\nb", False),
        ("...", "", True),
        ("error … e-10 (…)", "error 3.1e-10 (N = 7)", False),
        ("error …e-10 (…)", "error 3.1e-10 (N = 7)", True),
        ("δ₁ = (ŷ − y)ᵀ", "δ₁ = (ŷ − y)ᵀ   \n\n", True),
        ("1.0 [a] *", "1x0 [a] *", False),
    ],
)
def test_output_is_compared(expected: str, printed: str, agree: bool) -> None:
    assert matches(tidy(expected), tidy(printed)) is agree


def test_blocks_are_found() -> None:
    page = f"text\n\n```python\nx = 1\n```\n{SKIP}\n```console\n$ a \\\n>   b\nout\n\n$ c\n```\n"
    page += "1. item\n   ```text\n   y\n   ```\n"
    found = list(blocks(page))
    assert [(b.language, b.line, b.skipped) for b in found] == [
        ("python", 4, False),
        ("console", 8, True),
        ("text", 16, False),
    ]
    assert found[2].text == "y\n"
    assert [(c.line, c.text, c.expected) for c in commands(found[1])] == [(8, "a b", ["out"]), (12, "c", [])]


# functions that only formulas of derivatives have
OF_DERIVATIVES = {
    "arctan_slope", "erf_slope", "iszero", "nonneg", "ismax", "ismin", "prod_others", "cumprod_others", "indicator",
}  # fmt: skip


def test_the_page_on_the_language_names_every_function_and_fact() -> None:
    from chainrule.language.facts import FACTS
    from chainrule.language.scope import known_functions
    from chainrule.library import definition_names

    words = set(re.findall(r"\w+", (ROOT / "docs" / "language.md").read_text(encoding="utf-8")))
    assert known_functions() - definition_names() - OF_DERIVATIVES <= words
    assert {word for fact in FACTS for word in re.findall(r"\w+", fact)} <= words
