"use strict";
// Lights up a symbol wherever it occurs and says its size; switches layout and scheme; unfolds everything for print.
(() => {
  const names = JSON.parse(document.getElementById("names").textContent);
  const note = document.getElementById("note");
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  all(".controls, .hint").forEach((part) => { part.hidden = false; });

  // -- symbols
  const symbols = new Map();
  for (const element of all("[data-name]")) {
    const name = element.dataset.name;
    if (!(name in names)) continue;
    if (!symbols.has(name)) symbols.set(name, []);
    symbols.get(name).push(element);
  }
  const symbolAt = (target) => {
    const found = target instanceof Element ? target.closest("[data-name]") : null;
    return found && found.dataset.name in names ? found : null;
  };
  let shown = null; // the name that is lit
  let anchor = null; // the symbol beside which the note stands
  const hide = () => {
    if (shown === null) return;
    for (const element of symbols.get(shown)) element.classList.remove("lit");
    shown = anchor = null;
    note.hidden = true;
  };
  const place = () => {
    if (!anchor) return;
    const at = anchor.getBoundingClientRect();
    const { width, height } = note.getBoundingClientRect();
    const x = Math.min(at.left + at.width / 2 - width / 2, innerWidth - width - 4);
    const y = at.top - height - 8 < 4 ? at.bottom + 8 : at.top - height - 8; // above: the sizes stand below
    note.style.transform = `translate(${Math.max(4, x)}px, ${Math.max(4, y)}px)`;
  };
  const show = (element) => {
    const name = element.dataset.name;
    if (name !== shown) {
      hide();
      shown = name;
      for (const each of symbols.get(name)) each.classList.add("lit");
      note.textContent = names[name];
      note.hidden = false;
    }
    anchor = element;
    place();
  };
  document.addEventListener("pointerover", (event) => {
    const element = symbolAt(event.target);
    if (element) show(element);
    else if (!symbolAt(document.activeElement)) hide();
    else show(document.activeElement);
  });
  document.addEventListener("focusin", (event) => {
    const element = symbolAt(event.target);
    if (element) show(element);
    else hide();
  });
  document.addEventListener("focusout", hide);
  addEventListener("scroll", place, { passive: true, capture: true });

  // One stop of the Tab key for each group of formulas; the arrow keys go from symbol to symbol inside it.
  const groups = all("article.formula, table");
  const members = (group) => all("[data-name]", group).filter((e) => e.dataset.name in names && e.checkVisibility());
  for (const group of groups) {
    const first = all("[data-name]", group).find((e) => e.dataset.name in names && !e.closest("h3"));
    if (first) first.tabIndex = 0;
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const element = symbolAt(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!element || step === undefined) return;
    const list = members(element.closest("article.formula, table"));
    const next = list[Math.min(Math.max(0, list.indexOf(element) + step), list.length - 1)];
    event.preventDefault();
    element.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  // A box that scrolls can be reached by keyboard where nothing in it can.
  const reachable = () => {
    for (const box of all(".scroll")) {
      const needs = box.scrollWidth > box.clientWidth + 1 && !box.querySelector('[tabindex="0"]');
      if (needs) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", "formula, scrolls sideways");
      } else if (box.getAttribute("role") === "group") {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    }
  };
  let planned = 0;
  const later = () => { // once for many events: everything may fold open together
    cancelAnimationFrame(planned);
    planned = requestAnimationFrame(reachable);
  };
  addEventListener("resize", later);
  addEventListener("load", reachable);
  document.addEventListener("toggle", later, true);

  // -- switches
  for (const radio of all('input[name="layout"]')) {
    radio.addEventListener("change", () => {
      document.body.dataset.layout = radio.value;
      later();
    });
  }
  const system = matchMedia("(prefers-color-scheme: dark)");
  const scheme = document.getElementById("scheme");
  const isDark = () => (root.dataset.scheme ? root.dataset.scheme === "dark" : system.matches);
  const label = () => { scheme.textContent = isDark() ? "Light" : "Dark"; };
  scheme.addEventListener("click", () => {
    root.dataset.scheme = isDark() ? "light" : "dark";
    label();
  });
  system.addEventListener("change", label);
  label();
  const unfold = document.getElementById("unfold");
  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-pressed") !== "true";
    unfold.setAttribute("aria-pressed", String(open));
    unfold.textContent = open ? "Fold all" : "Unfold all";
    for (const part of all("details")) part.open = open;
  });

  // -- print
  let folded = [];
  const open = () => {
    if (folded.length) return;
    folded = all("details:not([open])");
    for (const part of folded) part.open = true;
  };
  const restore = () => {
    for (const part of folded) part.open = false;
    folded = [];
  };
  matchMedia("print").addEventListener("change", (event) => (event.matches ? open() : restore()));
  addEventListener("beforeprint", open);
  addEventListener("afterprint", restore);
})();
