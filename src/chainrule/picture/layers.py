"""A layered layout, top to bottom, of the small graphs that networks are (Sugiyama's method).

Rows by longest path; long edges pass through points in the rows between; the order in a row by medians and exchanges,
which keeps the best found; positions in a row by the least squares that keep the order and the distances (isotonic
regression). Deterministic. See docs/decisions/005-picture.md for what else was looked at.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Item", "Layered", "crossings", "spread"]

SWEEPS = 8


@dataclass(slots=True)
class Item:
    """What has a place: `left` and `right` are its extent to both sides of `x`."""

    row: int
    left: float
    right: float
    x: float = 0.0


@dataclass(slots=True)
class Layered:
    """Items in rows with links between neighbouring rows. `links[a, b]` is how strongly a and b want one line."""

    gap: float = 14.0
    items: dict[Hashable, Item] = field(default_factory=dict)
    links: dict[tuple[Hashable, Hashable], float] = field(default_factory=dict)

    def place(self) -> None:
        """Set every item's x."""
        rows = self._rows()
        above, below = self._neighbours()
        rows = _ordered(rows, above, below)
        self._position(rows, above, below)

    def _rows(self) -> list[list[Hashable]]:
        rows: list[list[Hashable]] = [[] for _ in range(1 + max((i.row for i in self.items.values()), default=-1))]
        for key, item in self.items.items():
            rows[item.row].append(key)
        return rows

    def _neighbours(self) -> tuple[dict[Hashable, list[Hashable]], dict[Hashable, list[Hashable]]]:
        above: dict[Hashable, list[Hashable]] = {key: [] for key in self.items}
        below: dict[Hashable, list[Hashable]] = {key: [] for key in self.items}
        for first, second in self.links:
            assert self.items[second].row == self.items[first].row + 1, "links join neighbouring rows"
            below[first].append(second)
            above[second].append(first)
        return above, below

    def _position(
        self, rows: list[list[Hashable]], above: dict[Hashable, list[Hashable]], below: dict[Hashable, list[Hashable]]
    ) -> None:
        for row in rows:
            x = 0.0
            for key in row:
                x += self.items[key].left
                self.items[key].x = x
                x += self.items[key].right + self.gap
        for sweep in range(4 * SWEEPS):
            down = sweep % 2 == 0
            for row in rows if down else reversed(rows):
                wanted, weights = [], []
                for key in row:
                    near = [(n, self.links[n, key]) for n in above[key]] if down or sweep >= 2 * SWEEPS else []
                    near += [(n, self.links[key, n]) for n in below[key]] if not down or sweep >= 2 * SWEEPS else []
                    total = sum(w for _, w in near)
                    here = self.items[key].x
                    wanted.append(sum(self.items[n].x * w for n, w in near) / total if near else here)
                    weights.append(total or 0.1)
                gaps = [self.items[a].right + self.gap + self.items[b].left for a, b in pairwise(row)]
                for key, x in zip(row, spread(wanted, weights, gaps), strict=True):
                    self.items[key].x = x


def spread(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Positions nearest to `wanted` (weighted least squares) with at least gaps[k] between k and k + 1.

    >>> spread([0.0, 0.0], [1.0, 1.0], [2.0])
    [-1.0, 1.0]
    """
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    blocks: list[tuple[float, float, int]] = []  # (mean, weight, members): neighbours that move together
    for x, weight, offset in zip(wanted, weights, offsets, strict=False):
        mean, total, count = x - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            m, w, c = blocks.pop()
            mean, total, count = (m * w + mean * total) / (w + total), w + total, c + count
        blocks.append((mean, total, count))
    flat = [mean for mean, _, count in blocks for _ in range(count)]
    return [x + offset for x, offset in zip(flat, offsets, strict=False)]


def crossings(upper: Sequence[Hashable], lower: Sequence[Hashable], below: dict[Hashable, list[Hashable]]) -> int:
    """How often links between two rows cross."""
    place = {key: k for k, key in enumerate(lower)}
    ends = [place[n] for key in upper for n in sorted(below[key], key=place.__getitem__)]
    return sum(a > b for k, a in enumerate(ends) for b in ends[k + 1 :])


def _total(rows: list[list[Hashable]], below: dict[Hashable, list[Hashable]]) -> int:
    return sum(crossings(a, b, below) for a, b in pairwise(rows))


def _ordered(
    rows: list[list[Hashable]], above: dict[Hashable, list[Hashable]], below: dict[Hashable, list[Hashable]]
) -> list[list[Hashable]]:
    best, fewest = rows, _total(rows, below)
    current = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        numbers = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for k in numbers:
            fixed, near = (current[k - 1], above) if down else (current[k + 1], below)
            place = {key: float(p) for p, key in enumerate(fixed)}
            own = {key: float(p) for p, key in enumerate(current[k])}
            middle = {key: _middle(place[n] for n in near[key]) for key in current[k]}
            current[k].sort(key=lambda key: (m if (m := middle[key]) is not None else own[key], own[key]))
        _exchange(current, below)
        count = _total(current, below)
        if count < fewest:
            best, fewest = [list(row) for row in current], count
    return best


def _middle(places: Iterable[float]) -> float | None:
    known = sorted(places)
    return sum(known) / len(known) if known else None


def _exchange(rows: list[list[Hashable]], below: dict[Hashable, list[Hashable]]) -> None:
    """Swap neighbours while that removes crossings."""
    for k, row in enumerate(rows):
        for p in range(len(row) - 1):
            before = _around(rows, k, below)
            row[p], row[p + 1] = row[p + 1], row[p]
            if _around(rows, k, below) >= before:
                row[p], row[p + 1] = row[p + 1], row[p]


def _around(rows: list[list[Hashable]], k: int, below: dict[Hashable, list[Hashable]]) -> int:
    up = crossings(rows[k - 1], rows[k], below) if k else 0
    return up + (crossings(rows[k], rows[k + 1], below) if k + 1 < len(rows) else 0)
