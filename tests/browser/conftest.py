"""One headless Chromium for a session, and every network's page as a file.

The tests are left out only where there is no Chromium, which never happens in CI. Screenshots are kept in
`build/screenshots` (CHAINRULE_SCREENSHOTS names another folder): look at them when the page or the picture changes.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from networks import NAMES, derivation

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(os.environ.get("CHAINRULE_SCREENSHOTS", ROOT / "build" / "screenshots"))
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# what reaches beyond the right edge of the window, outside of boxes that scroll by themselves
STICKING_OUT = """() => [...document.querySelectorAll("body *")].filter(
  (e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest(".scroll")
).map((e) => e.outerHTML.slice(0, 80))"""


@dataclass
class Opened:
    """A page, and what it said and asked for while it was open."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on this machine; .ci/run installs it")
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of every network, written once."""
    folder = tmp_path_factory.mktemp("pages")
    written = {}
    for name in NAMES:
        found = derivation(name)
        written[name] = folder / f"{name}.html"
        report = found.verify() if name == "one_layer" else None
        written[name].write_text(found.html(1, report=report), encoding="utf-8")
        (folder / f"{name}.svg").write_text(found.picture(), encoding="utf-8")
    return written


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Open a file: visit(path, width=1280, scheme="light", **context options)."""
    contexts = []

    def opened(path: Path, width: int = 1280, scheme: str = "light", **options: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        out = Opened(context.new_page())
        out.page.on("console", lambda message: out.messages.append(message.text))
        out.page.on("pageerror", lambda error: out.messages.append(str(error)))
        out.page.on("request", lambda request: out.requests.append(request.url))
        out.page.goto(path.as_uri())
        return out

    yield opened
    for context in contexts:
        context.close()
