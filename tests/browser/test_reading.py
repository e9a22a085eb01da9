"""What a reader does with a page: point at symbols, use the keyboard, fold, switch, print, or have no script at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import STICKING_OUT, Opened

Visit = Callable[..., Opened]
LIT = "[...document.querySelectorAll('.lit')].map(e => e.dataset.name)"


@pytest.fixture
def page(visit: Visit, pages: dict[str, Path]) -> Page:
    return visit(pages["one_layer"]).page


def occurrences(page: Page, name: str) -> int:
    return page.locator(f'[data-name="{name}"]').count()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("W", "W: parameter, D_h × D_x"),
        ("y", "y: label, N_c × 1, one-hot"),
        ("δ2", "δ₂: error signal at z, 1 × D_h"),
        ("D_h", "D_h: a size"),
        ("J", "J: loss, scalar"),
    ],
)
def test_pointing_at_a_symbol_lights_it_up_everywhere_and_says_its_size(page: Page, name: str, told: str) -> None:
    page.locator(f'article [data-name="{name}"]').first.hover()
    assert page.evaluate(LIT) == [name] * occurrences(page, name)
    assert occurrences(page, name) > 3
    note = page.locator("#note")
    assert note.inner_text() == told
    box = note.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280
    assert 0 <= box["y"] <= 900
    page.locator("h2").first.hover()
    assert page.evaluate(LIT) == []
    assert not note.is_visible()


def test_pointing_at_the_picture_lights_up_the_formulas(page: Page) -> None:
    page.locator('svg.picture .signal[data-name="δ1"]').hover()
    lit = page.evaluate("[...document.querySelectorAll('.lit')].map(e => e.closest('svg') ? 'picture' : 'formula')")
    assert set(lit) == {"picture", "formula"}
    assert len(lit) == occurrences(page, "δ1")
    branches = page.locator('svg.picture path.back.lit[data-name="δ1"]')
    assert branches.count() == 3  # to U, h and b2, and all from one place
    starts = branches.evaluate_all("e => e.map(p => p.getAttribute('d').split('C')[0])")
    assert len(set(starts)) == 1


def test_the_keyboard_reaches_every_symbol(page: Page) -> None:
    """Tab goes to a formula, the arrows from symbol to symbol in it, and each lights up as if pointed at."""
    first = page.locator('#gradient-W [data-name][tabindex="0"]')
    assert first.count() == 1
    first.focus()
    visited = []
    for _ in range(60):
        name = page.evaluate("document.activeElement.dataset.name")
        visited.append(name)
        assert page.evaluate(LIT) == [name] * occurrences(page, name)
        assert page.locator("#note").inner_text().startswith(page.evaluate("document.activeElement.textContent")[0])
        page.keyboard.press("ArrowRight")
    assert {"J", "W", "δ2", "x", "D_h", "D_x"} <= set(visited)
    assert visited[-1] == visited[-2]  # it stops at the last one
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.closest('h3') !== null")
    page.keyboard.press("Escape")
    assert page.evaluate(LIT) == []
    assert not page.locator("#note").is_visible()


def test_tab_walks_through_controls_and_formulas_in_the_order_of_the_page(page: Page) -> None:
    stops: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.closest('article, table, header')?.id ?? ''"))
    articles = [s for s in dict.fromkeys(stops) if s]
    assert articles == page.locator("article").evaluate_all("e => e.map(a => a.id)")


def test_steps_fold_by_keyboard(page: Page) -> None:
    steps = page.locator("#gradient-W details.steps")
    summary = steps.locator("> summary")
    chain = steps.locator("> .chain")
    assert chain.is_visible()
    summary.focus()
    page.keyboard.press("Enter")
    assert not chain.is_visible()
    page.keyboard.press("Space")
    assert chain.is_visible()


def test_unfold_all_opens_and_closes_everything(page: Page) -> None:
    button = page.locator("#unfold")
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("details:not([open])").count() == 0
    assert button.get_attribute("aria-pressed") == "true"
    assert button.inner_text() == "Fold all"
    button.click()
    assert page.locator("details[open]").count() == 0


def test_the_layout_is_switched_by_keyboard_and_said(page: Page) -> None:
    shape, numerator = page.locator("#gradient-W .layout.shape"), page.locator("#gradient-W .layout.numerator")
    note = page.locator(".layout-note")
    assert shape.is_visible()
    assert numerator.is_visible()
    assert shape.bounding_box()["y"] == pytest.approx(numerator.bounding_box()["y"], abs=1)  # type: ignore[index]
    assert "side by side" in note.inner_text()
    page.locator('input[value="both"]').focus()
    page.keyboard.press("ArrowRight")
    assert shape.is_visible()
    assert not numerator.is_visible()
    assert "Numerator" not in note.inner_text()
    page.keyboard.press("ArrowRight")
    assert numerator.is_visible()
    assert not shape.is_visible()
    assert "Shape" not in note.inner_text()
    assert page.locator("#gradient-W .layout.numerator .sizes").inner_text() == "(Dx×Dh) = (Dx×1)(1×Dh)"


GROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_follows_the_system_and_the_button(visit: Visit, pages: dict[str, Path], scheme: str) -> None:
    page = visit(pages["one_layer"], scheme=scheme).page
    other = visit(pages["one_layer"], scheme="dark" if scheme == "light" else "light").page
    before, wanted = page.evaluate(GROUND), other.evaluate(GROUND)
    assert before != wanted
    button = page.locator("#scheme")
    assert button.inner_text() == ("Dark" if scheme == "light" else "Light")
    button.click()
    assert page.evaluate(GROUND) == wanted
    button.click()
    assert page.evaluate(GROUND) == before


# Painted: what is inside a folded part has no place that a point could be in.
UNFOLDED = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return [...document.querySelectorAll("details > :not(summary)")].filter((e) => e.checkVisibility()).length;
}"""


def test_print_unfolds_everything_and_leaves_the_switches_out(visit: Visit, pages: dict[str, Path]) -> None:
    page = visit(pages["one_layer"], scheme="dark").page
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = false")
    assert page.evaluate(UNFOLDED) == 0
    page.emulate_media(media="print")
    assert page.evaluate(UNFOLDED) == page.locator("details > :not(summary)").count() > 7
    assert not page.locator(".controls").is_visible()
    assert not page.locator(".hint").is_visible()
    assert page.evaluate(GROUND) == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
    assert page.evaluate(UNFOLDED) == 0


def test_the_page_is_whole_without_its_script(visit: Visit, pages: dict[str, Path]) -> None:
    page = visit(pages["one_layer"], java_script_enabled=False).page
    assert not page.locator(".controls").is_visible()
    assert page.locator("#gradient-W .layout.shape").is_visible()
    assert page.locator("#gradient-W .layout.numerator").is_visible()
    summary = page.locator("#gradient-W summary").first
    chain = page.locator("#gradient-W .chain").first
    assert chain.is_visible()
    summary.click()
    assert not chain.is_visible()
    page.emulate_media(media="print")
    expect(chain).to_be_visible()


def test_long_formulas_scroll_in_their_own_box_and_the_keyboard_gets_there(
    visit: Visit, pages: dict[str, Path]
) -> None:
    page = visit(pages["layer_norm"], width=390).page
    boxes = page.locator(".scroll").evaluate_all(
        "e => e.filter(b => b.scrollWidth > b.clientWidth + 1)"
        ".map(b => b.tabIndex === 0 || b.querySelector('[tabindex=\"0\"]') !== null)"
    )
    assert len(boxes) > 3
    assert all(boxes)


@pytest.mark.parametrize("name", ["one_layer", "layer_norm"])
def test_nothing_sticks_out_when_all_is_unfolded_on_a_phone(visit: Visit, pages: dict[str, Path], name: str) -> None:
    page = visit(pages[name], width=390).page
    page.locator("#unfold").click()
    assert page.locator("details.proof .chain").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate(STICKING_OUT) == []


# -- the picture

PARTS = """() => [...document.querySelectorAll("svg.picture .box")].filter((g) => g.querySelector("text")).map((g) => {
  const edges = (e) => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
  const [title, rect, text] = ["title", "rect", "text"].map((name) => g.querySelector(name));
  return { name: title.textContent, box: edges(rect), text: edges(text) };
})"""
AMOUNTS = """() => [...document.querySelectorAll("svg.picture .amount")].map((e) => {
  const b = e.getBoundingClientRect();
  return { name: e.textContent, box: [b.left, b.top, b.right, b.bottom] };
})"""


def overlaps(parts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found = []
    for k, a in enumerate(parts):
        for b in parts[k + 1 :]:
            (l1, t1, r1, b1), (l2, t2, r2, b2) = a["box"], b["box"]
            if l1 < r2 - 1 and l2 < r1 - 1 and t1 < b2 - 1 and t2 < b1 - 1:
                found.append((a["name"], b["name"]))
    return found


@pytest.mark.parametrize("name", ["one_layer", "attention", "layer_norm", "mlp_12", "residual_60"])
def test_the_picture_is_legible(visit: Visit, pages: dict[str, Path], name: str) -> None:
    """No two boxes or sizes lie on each other, every text is inside its box, and letters keep their size."""
    page = visit(pages[name]).page
    parts, amounts = page.evaluate(PARTS), page.evaluate(AMOUNTS)
    assert overlaps(parts + amounts) == []
    for part in parts:
        (left, top, right, bottom), (l, t, r, b) = part["box"], part["text"]
        assert left < l < r < right, f"{part['name']} sticks out of its box"
        assert top < t < b < bottom
    scale = page.evaluate("document.querySelector('svg.picture').getScreenCTM().a")
    assert scale == 1
    size = page.locator("svg.picture text").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_as_a_file_is_drawn_in_either_scheme(visit: Visit, pages: dict[str, Path], scheme: str) -> None:
    opened = visit(pages["one_layer"].with_suffix(".svg"), scheme=scheme)
    paper, ink = opened.page.evaluate(
        "['.paper', '.box text'].map((part) => getComputedStyle(document.querySelector(part)).fill)"
    )
    light, dark = [sum(map(int, c[4:-1].split(","))) for c in (paper, ink)][:: 1 if scheme == "light" else -1]
    assert light > 600
    assert dark < 150
    assert opened.messages == []
    assert len(opened.requests) == 1
