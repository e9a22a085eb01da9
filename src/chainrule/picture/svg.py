"""The picture as SVG: boxes, sizes on the edges, signals as tabs from which their arrows branch.

Colours come from `picture.css`, light or dark as the reader has it; every shape carries plain colours too, for programs
that do not read style sheets. A file stands by itself; in a page the style sheet is the page's.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib import resources
from itertools import pairwise

from chainrule.algebra.program import Program, is_anonymous
from chainrule.calculus.reverse import Backward
from chainrule.dims import canonical_name, display_name
from chainrule.picture.again import Place, dashed, room
from chainrule.picture.graph import Box, Graph, Use, network_graph
from chainrule.picture.labels import Label, label
from chainrule.picture.layers import Item, Layered
from chainrule.picture.split import columns, depths
from chainrule.sizes import symbols_of

__all__ = ["network_svg", "picture_css"]

FONT, SMALL = 15.0, 12.0
BOX_HEIGHT, ROW, HEAD = 34.0, 112.0, 20.0  # HEAD: room for a tab above the first row
WIDEST_FORMULA = 230.0
LANE = 5.0  # from the middle of a pair of lines to the one forward and the one back
WIDTH = 1200.0  # columns are set side by side up to here, then below each other
MARGIN = 16.0


EDGE, SIGNAL, FAINT = "#7a7f8b", "#a8321a", "#d39a8b"  # as in the style sheet's light scheme


@cache
def picture_css() -> str:
    """The style sheet of the picture."""
    return resources.files(__package__).joinpath("picture.css").read_text(encoding="utf-8")


@dataclass(slots=True)
class _Column:
    """One column: its boxes and lines as SVG, and its extent."""

    svg: list[str] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def network_svg(
    program: Program, backward: Backward, texts: Mapping[str, str], title: str, standalone: bool = True
) -> str:
    """The forward graph of a program with its backward pass.

    texts: what stands in the boxes, by name.  standalone: with its own style sheet and a background.
    """
    graph = network_graph(program, backward, texts)
    names = {n for n in program.variables if not is_anonymous(n)} | set(backward.signals)
    names |= {d for v in program.variables.values() for dim in v.dims for d in symbols_of(dim)}
    known = frozenset(map(canonical_name, names))
    parts = [_column(part, known) for part in columns(graph)]
    body: list[str] = []
    x, y, tallest, width = MARGIN, MARGIN, 0.0, 0.0
    for part in parts:
        if x > MARGIN and x + part.width > WIDTH:
            x, y, tallest = MARGIN, y + tallest + 2 * MARGIN, 0.0
        body.append(f'<g transform="translate({x:.1f} {y:.1f})">\n' + "\n".join(part.svg) + "\n</g>")
        tallest = max(tallest, part.height)
        x += part.width + 2 * MARGIN
        width = max(width, x - MARGIN)
    width = max(width, 330.0)
    legend, height = _legend(graph, len(parts) > 1, width - 2 * MARGIN)
    top = y + tallest + 1.5 * MARGIN
    body.append(f'<g transform="translate({MARGIN:g} {top:.1f})">\n{legend}</g>')
    return _frame(body, width, top + height + MARGIN, title, _told(graph), standalone)


def _frame(body: list[str], width: float, height: float, title: str, description: str, standalone: bool) -> str:
    style = f"<style>\n{picture_css()}</style>\n" if standalone else ""
    paper = '<rect class="paper" width="100%" height="100%" fill="#fbfaf7"/>\n' if standalone else ""
    return f"""<svg xmlns="http://www.w3.org/2000/svg" class="picture" width="{width:.0f}" height="{height:.0f}" \
viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="picture-title picture-told">
<title id="picture-title">{escape(title)}</title>
<desc id="picture-told">{escape(description)}</desc>
{style}<defs>{_marker("head", EDGE)}{_marker("back-head", SIGNAL)}{_marker("faint-head", FAINT)}</defs>
{paper}<g font-family="Georgia, 'DejaVu Serif', serif" font-size="{FONT:g}" fill="#1c1e23">
{chr(10).join(body)}
</g>
</svg>
"""


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto">'
        f'<path class="{name}" d="M0 0.5 8 4 0 7.5z" fill="{colour}"/></marker>'
    )


# -- one column ----------------------------------------------------------------------------------------------------


def _column(graph: Graph, known: frozenset[str]) -> _Column:
    return _Drawing(graph, known).column


class _Drawing:
    """The layout of one column, and what is drawn from it."""

    def __init__(self, graph: Graph, known: frozenset[str]) -> None:
        self.graph = graph
        self.known = known
        self.column = _Column()
        self.labels = {key: self._text(box) for key, box in graph.boxes.items()}
        self.half = {key: max(30.0, text.width / 2 + 11) for key, text in self.labels.items()}
        self.row = self._rows()
        self.layout = Layered()
        self.paths: dict[Use, list[Hashable]] = {}
        self._arrange()
        self._draw()

    def _text(self, box: Box) -> Label:
        shown = display_name(box.name) if not is_anonymous(box.name) else ""
        whole = shown or box.text if box.ghost else box.text or shown
        return label(whole, FONT, self.known, WIDEST_FORMULA)

    def _rows(self) -> dict[str, int]:
        """What is declared stands right above what uses it; so do ghosts, or right below what they use."""
        own = {key: box for key, box in self.graph.boxes.items() if not (box.is_leaf or box.ghost)}
        inner = Graph(own, [u for u in self.graph.uses if u.source in own and u.target in own])
        row = depths(inner)
        for use in self.graph.uses:
            if use.target not in own:
                row[use.target] = max(row.get(use.target, 0), row[use.source] + 1)
        for key in self.graph.boxes:
            if key not in row:
                row[key] = min((row[t] for t in self.graph.after(key)), default=0) - 1
        least = min(row.values(), default=0)
        return {key: r - least for key, r in row.items()}

    def _arrange(self) -> None:
        """Boxes in even rows; an edge passes points, the first, below its source, with the size beside it."""
        items, links = self.layout.items, self.layout.links
        for key, box in self.graph.boxes.items():
            tab = 34.0 if box.signal else 0.0
            items[key] = Item(2 * self.row[key], self.half[key], max(self.half[key], tab))
        for use in self.graph.uses:
            size = label(self.graph.boxes[use.source].size, SMALL, self.known).width
            rows = range(2 * self.row[use.source] + 1, 2 * self.row[use.target])
            points = [(use.source, use.target, row) for row in rows]
            for row, point in zip(rows, points, strict=True):
                items[point] = Item(row, LANE + (size + 7 if row == rows[0] else 3), LANE + 3)
            path: list[Hashable] = [use.source, *points, use.target]
            self.paths[use] = path
            weight = 1.0 if self.graph.boxes[use.source].is_leaf else 4.0
            for a, b in pairwise(path):
                links[a, b] = weight * (
                    20 if a == use.source else 1 if len(path) == 3 else 4
                )  # a size is below its box
        self.layout.place()
        left = min((i.x - i.left for i in items.values()), default=0.0)
        for item in items.values():
            item.x -= left
        self.right = max((i.x + i.right for i in items.values()), default=0.0)
        self.column.width = self.right + room(self.graph.again, self.known, SMALL)
        self.column.height = max(self.row.values(), default=0) * ROW + BOX_HEIGHT + HEAD

    # -- places

    def _top(self, key: str) -> float:
        return self.row[key] * ROW + HEAD

    def _tab(self, key: str) -> tuple[float, float]:
        """Where the arrows of the signal at a box begin."""
        return self.layout.items[key].x + max(self.half[key] - 20, 17.0), self._top(key)

    def _points(self, use: Use, shift: float) -> list[tuple[float, float]]:
        """The places between the ends that an edge passes: right below a row of boxes, and in the height of one."""
        out = []
        fan = 38 if len(self.graph.after(use.source)) > 1 else 24  # room for several lines to part
        for point in self.paths[use][1:-1]:
            item = self.layout.items[point]
            out.append((item.x + shift, item.row // 2 * ROW + HEAD + (BOX_HEIGHT + fan if item.row % 2 else 17)))
        return out

    # -- lines and boxes

    def _draw(self) -> None:
        """Lines first, then the sizes upon them, then boxes."""
        for use in self.graph.uses:
            self._forward(use)
        for use in self.graph.uses:
            if use.back:
                self._backward(use)
        places = {
            key: Place(self.layout.items[key].x, self.half[key], self._top(key), self._top(key) + BOX_HEIGHT)
            for key in self.graph.boxes
        }
        self.column.svg += dashed(self.graph.again, places, self.right, self.known, SMALL, _words)
        for use in self.graph.uses:
            self._size(use)
        for key, box in self.graph.boxes.items():
            self._box(key, box)

    def _line(self, kind: str, colour: str, name: str, points: list[tuple[float, float]]) -> None:
        head = "head" if kind == "use" else kind + "-head"
        mark = f' data-name="{escape(canonical_name(name))}"' if name and not is_anonymous(name) else ""
        self.column.svg.append(
            f'<path class="{kind}"{mark} d="{_curve(points)}" fill="none" stroke="{colour}" marker-end="url(#{head})"/>'
        )

    def _forward(self, use: Use) -> None:
        source, target = self.layout.items[use.source], self.layout.items[use.target]
        start = (source.x - LANE, self._top(use.source) + BOX_HEIGHT)
        end = (target.x - LANE, self._top(use.target) - 1)
        self._line("use", EDGE, use.source, [start, *self._points(use, -LANE), end])

    def _backward(self, use: Use) -> None:
        signal = self.graph.boxes[use.target].signal
        x, top = self._tab(use.target)
        start = (x, top - 17 if signal else top - 4)
        end = (self.layout.items[use.source].x + LANE, self._top(use.source) + BOX_HEIGHT + 1)
        points = [start, *self._points(use, LANE)[::-1], end]
        self._line("back" if signal else "faint", SIGNAL if signal else FAINT, signal, points)

    def _size(self, use: Use) -> None:
        x, y = self._points(use, -LANE)[0]
        text = label(self.graph.boxes[use.source].size, SMALL, self.known)
        self.column.svg.append(_words(text.svg, x - 5, y - 3, "amount", "end"))

    def _box(self, key: str, box: Box) -> None:
        x, y, half = self.layout.items[key].x, self._top(key), self.half[key]
        kind = f"box {box.kind}" + (" ghost" if box.ghost else "")
        name = f' data-name="{escape(canonical_name(box.name))}"' if not is_anonymous(box.name) else ""
        radius = 17 if box.is_leaf else 5
        whole = box.text or display_name(box.name)
        out = f'<g class="{kind}"{name}><title>{escape(whole)}: {escape(box.size)}</title>'
        out += (
            f'<rect x="{x - half:.1f}" y="{y:.1f}" width="{2 * half:.1f}" height="{BOX_HEIGHT:g}" rx="{radius}" '
            f'fill="#ffffff" stroke="#7a7f8b"/>'
        )
        out += f'<text x="{x:.1f}" y="{y + 22:.1f}" text-anchor="middle">{self.labels[key].svg}</text></g>'
        self.column.svg.append(out)
        if any(use.back and use.target == key for use in self.graph.uses):
            self._origin(key, box)

    def _origin(self, key: str, box: Box) -> None:
        """Where a signal starts: a tab with its name on the box, or a dot."""
        x, top = self._tab(key)
        if not box.signal:
            self.column.svg.append(f'<circle class="dot" cx="{x:.1f}" cy="{top:.1f}" r="4" fill="{FAINT}"/>')
            return
        text = label(display_name(box.signal), 13.0, frozenset())
        half = max(13.0, text.width / 2 + 4)
        self.column.svg.append(
            f'<g class="signal" data-name="{escape(canonical_name(box.signal))}">'
            f'<rect x="{x - half:.1f}" y="{top - 17:.1f}" width="{2 * half:.1f}" height="18" rx="4" fill="{SIGNAL}"/>'
            f'<text x="{x:.1f}" y="{top - 4:.1f}" text-anchor="middle" font-size="13" '
            f'fill="#ffffff">{text.svg}</text></g>'
        )


def _words(svg: str, x: float, y: float, kind: str = "small", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{SMALL:g}">{svg}</text>'


def _curve(points: list[tuple[float, float]]) -> str:
    """A smooth line through the points, upright at each."""
    (x, y), *rest = points
    out = f"M{x:.1f} {y:.1f}"
    for nx, ny in rest:
        middle = (y + ny) / 2
        out += f"C{x:.1f} {middle:.1f} {nx:.1f} {middle:.1f} {nx:.1f} {ny:.1f}"
        x, y = nx, ny
    return out


# -- legend and text alternative -----------------------------------------------------------------------------------


def _legend(graph: Graph, ghosts: bool, width: float) -> tuple[str, float]:
    """What the shapes that occur mean, in rows of at most this width; and its height."""
    kinds = {box.kind for box in graph.boxes.values()}
    back = {bool(graph.boxes[use.target].signal) for use in graph.uses if use.back}
    pill = '<rect width="26" height="16" rx="8" fill="#ffffff" stroke="#7a7f8b"/>'
    entries = [
        (True, _arrow("use", EDGE, "M0 8H26"), "forward, with its size"),
        (bool(graph.again), _arrow("again", EDGE, "M0 8H26"), "from another step of the loop"),
        (True in back, _arrow("back", SIGNAL, "M26 8H0"), "error signal, back"),
        (False in back, _arrow("faint", FAINT, "M26 8H0"), "back, without a name"),
        ("param" in kinds, f'<g class="box param">{pill}</g>', "parameter"),
        ("input" in kinds, f'<g class="box input">{pill}</g>', "input"),
        ("label" in kinds, f'<g class="box label">{pill}</g>', "label"),
        ("const" in kinds, f'<g class="box const">{pill}</g>', "constant"),
        (ghosts, f'<g class="box ghost">{pill.replace("#ffffff", "none")}</g>', "drawn in another column"),
    ]
    out, x, y = "", 0.0, 0.0
    for occurs, shape, words in entries:
        if not occurs:
            continue
        own = 32 + label(words, SMALL, frozenset()).width + 18
        if x and x + own > width:
            x, y = 0.0, y + 26
        out += f'<g transform="translate({x:.0f} {y:.0f})">{shape}{_words(words, 32, 12)}</g>\n'
        x += own
    return out, y + 16


def _arrow(kind: str, colour: str, path: str) -> str:
    head = "head" if kind in ("use", "again") else kind + "-head"
    dash = ' stroke-dasharray="6 4"' if kind == "again" else ""
    return f'<path class="{kind}" d="{path}" fill="none" stroke="{colour}"{dash} marker-end="url(#{head})"/>'


def _told(graph: Graph) -> str:
    """The picture in words."""
    out = []
    leaves = [box for box in graph.boxes.values() if box.is_leaf]
    if leaves:
        out.append("Declared: " + ", ".join(f"{b.kind} {display_name(b.name)} ({b.size})" for b in leaves) + ".")
    for key, box in graph.boxes.items():
        if box.is_leaf:
            continue
        shown = display_name(box.name) if not is_anonymous(box.name) else box.text
        others = "".join(f", and {use.shown}" for use in graph.again if use.target == key)
        out.append(f"{shown} ({box.size}) is computed from {_list(graph, graph.before(key))}{others}.")
        back = [u.source for u in graph.uses if u.target == key and u.back]
        if back:
            signal = f"the signal {display_name(box.signal)}" if box.signal else "a derivative without a name"
            out.append(f"From it {signal} flows back to {_list(graph, back)}.")
    return " ".join(out)


def _list(graph: Graph, keys: list[str]) -> str:
    shown = [display_name(k) if not is_anonymous(k) else graph.boxes[k].text for k in keys]
    return ", ".join(shown) if shown else "nothing"
