"""Every network's page in a real browser, wide and narrow, light and dark: whole, quiet, legible, accessible."""

from collections.abc import Callable
from pathlib import Path

import axe_playwright_python
import pytest

from browser.conftest import SCREENSHOTS, STICKING_OUT, Opened
from networks import NAMES

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]

# What a character comes out as: its pixels, against those of a character that no font has. The letters that MathML
# draws italic are other characters, and those are what is looked for.
MISSING_GLYPHS = """() => {
  const canvas = new OffscreenCanvas(80, 80);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const drawn = (text, font) => {
    pen.clearRect(0, 0, 80, 80);
    pen.font = font;
    pen.fillText(text, 10, 55);
    return pen.getImageData(0, 0, 80, 80).data.join();
  };
  const italic = (char) => {
    const code = char.codePointAt(0);
    if (char === "h") return "\\u210e";
    if (char >= "A" && char <= "Z") return String.fromCodePoint(0x1d434 + code - 65);
    if (char >= "a" && char <= "z") return String.fromCodePoint(0x1d44e + code - 97);
    if (char >= "Α" && char <= "Ω") return String.fromCodePoint(0x1d6e2 + code - 0x391);
    if (char >= "α" && char <= "ω") return String.fromCodePoint(0x1d6fc + code - 0x3b1);
    return char;
  };
  const seen = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (["SCRIPT", "STYLE"].includes(parent.tagName)) continue;
    const style = getComputedStyle(parent);
    const font = `${style.fontStyle} ${style.fontWeight} 40px ${style.fontFamily}`;
    const text = walker.currentNode.textContent.trim();
    const single = parent.localName === "mi" && [...text].length === 1;
    for (const char of single ? [italic(text)] : text.normalize("NFC")) {
      if (/[\\s\\u2061\\u2062\\u0300-\\u036f]/.test(char)) continue;
      if (!seen.has(font)) seen.set(font, new Set());
      seen.get(font).add(char);
    }
  }
  const missing = [];
  let count = 0;
  for (const [font, chars] of seen) {
    const none = drawn("\\u0378", font);
    for (const char of chars) {
      count += 1;
      if (drawn(char, font) === none) missing.push(char + " in " + font);
    }
  }
  return { missing, count };
}"""


AXE_RUN = """(contrast) => axe.run(document, {
  resultTypes: ["violations"],
  rules: { "color-contrast": { enabled: contrast } },
}).then((found) => ({
  passes: found.passes.length,
  violations: found.violations.map((v) => `${v.id}: ${v.nodes[0].html}`),
}))"""


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_quiet_and_accessible(
    visit: Callable[..., Opened], pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    opened = visit(pages[name], width, scheme)
    page = opened.page
    tall = page.evaluate("document.documentElement.scrollHeight")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    clip = {"x": 0, "y": 0, "width": width, "height": min(tall, 5000)}
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True, clip=clip)
    assert page.evaluate("document.documentElement.scrollWidth") == width, "the page scrolls sideways"
    assert page.evaluate(STICKING_OUT) == []
    if scheme == "light" or name == "one_layer":  # elsewhere nothing but colours differs, and those are measured below
        page.evaluate(AXE + ";0")
        found = page.evaluate(AXE_RUN, width == 1280 and name == "one_layer")  # contrast takes axe most of its time
        assert found["violations"] == []
        assert found["passes"] > 30  # the rules did run
    assert opened.messages == []
    assert opened.requests == [pages[name].as_uri()]


@pytest.mark.parametrize("name", NAMES)
def test_no_glyph_is_missing(visit: Callable[..., Opened], pages: dict[str, Path], name: str) -> None:
    page = visit(pages[name]).page
    found = page.evaluate(MISSING_GLYPHS)
    assert found["missing"] == []
    assert found["count"] > 100


def test_a_missing_glyph_would_be_found(visit: Callable[..., Opened], pages: dict[str, Path]) -> None:
    page = visit(pages["one_layer"]).page
    page.locator("h1").evaluate("e => { e.textContent += '\\u{e1f3}' }")
    assert len(page.evaluate(MISSING_GLYPHS)["missing"]) == 1


CONTRASTS = """() => {
  const parse = (colour) => {
    const pen = new OffscreenCanvas(1, 1).getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const probe = document.body.appendChild(document.createElement("span"));
  const value = (name) => { probe.style.color = `var(--${name})`; return parse(getComputedStyle(probe).color); };
  const picture = document.querySelector("svg.picture");
  const inside = (name) => {
    picture.style.color = `var(--pic-${name})`;
    return parse(getComputedStyle(picture).color);
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const out = {};
  for (const ink of ["ink", "muted", "accent", "signal", "right"])
    for (const ground of ["paper", "card"]) out[`${ink} on ${ground}`] = ratio(value(ink), value(ground));
  for (const ink of ["ink", "muted", "signal"]) out[`${ink} on lit`] = ratio(value(ink), value("lit"));
  for (const ground of ["paper", "card", "param", "input", "lit"])
    out[`picture: ink on ${ground}`] = ratio(inside("ink"), inside(ground));
  out["picture: muted on paper"] = ratio(inside("muted"), inside("paper"));
  out["picture: paper on signal"] = ratio(inside("paper"), inside("signal"));
  return out;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_pair_of_colours_has_the_contrast_of_aa(
    visit: Callable[..., Opened], pages: dict[str, Path], scheme: str
) -> None:
    """axe cannot judge single letters, and formulas are made of them; so the palette itself is measured."""
    found = visit(pages["one_layer"], scheme=scheme).page.evaluate(CONTRASTS)
    assert len(found) == 20
    assert {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < 4.5} == {}
