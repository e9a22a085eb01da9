"""What a step of a loop takes from another step: a dashed line out of the box, up beside the column, into what uses it.

It is drawn apart from the layout, which knows no circles: from below its box to a lane of its own on the right, and
back above the rows of those that use it. The label is what they use, h[t−1]. Where the box stands in another column,
the line begins at the lane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

from chainrule.dims import canonical_name
from chainrule.picture.graph import Again
from chainrule.picture.labels import label

__all__ = ["Place", "dashed", "room"]

LANE = 18.0  # from one lane to the next
ROUND = 8.0
BELOW, ABOVE = 9.0, 30.0  # where the level parts run, from the box they leave and the box they reach


@dataclass(frozen=True, slots=True)
class Place:
    """A box: the middle, half its width, its upper and lower edge."""

    x: float
    half: float
    top: float
    bottom: float


def lanes(uses: list[Again]) -> dict[str, int]:
    """One lane for each thing that is used at another step."""
    return {shown: k for k, shown in enumerate(dict.fromkeys(use.shown for use in uses))}


def room(uses: list[Again], known: frozenset[str], size: float) -> float:
    """How much wider a column is with its lanes and their labels."""
    if not uses:
        return 0.0
    widest = max(label(use.shown, size, known).width for use in uses)
    return 10.0 + LANE * len(lanes(uses)) + widest


def dashed(
    uses: list[Again], places: Mapping[str, Place], right: float, known: frozenset[str], size: float,
    words: Callable[[str, float, float], str],
) -> list[str]:  # fmt: skip
    """The lines as SVG; `right` is the edge of the column without them."""
    out: list[str] = []
    lane = lanes(uses)
    for shown, number in lane.items():
        x = right + 10.0 + LANE * number
        own = [use for use in uses if use.shown == shown]
        source = places.get(own[0].source)
        levels = [places[use.target].top - ABOVE for use in own]
        for use, level in zip(own, levels, strict=True):
            target = places[use.target]
            end = target.x - target.half + 14.0
            if source is not None:
                start = source.x - source.half + 14.0
                turn = source.bottom + BELOW
                path = f"M{start:.1f} {source.bottom:.1f}V{turn - ROUND / 2:.1f}Q{start:.1f} {turn:.1f} "
                path += f"{start + ROUND:.1f} {turn:.1f}H{x - ROUND:.1f}Q{x:.1f} {turn:.1f} {x:.1f} {turn - ROUND:.1f}"
                path += f"V{level + ROUND:.1f}"
            else:
                path = f"M{x:.1f} {level + 3 * ROUND:.1f}V{level + ROUND:.1f}"
            path += f"Q{x:.1f} {level:.1f} {x - ROUND:.1f} {level:.1f}H{end + ROUND:.1f}"
            path += f"Q{end:.1f} {level:.1f} {end:.1f} {level + ROUND:.1f}V{target.top - 1:.1f}"
            mark = f' data-name="{escape(canonical_name(use.source))}"'
            out.append(
                f'<path class="again"{mark} d="{path}" fill="none" stroke="#7a7f8b" stroke-dasharray="6 4" '
                'marker-end="url(#head)"/>'
            )
        middle = min(levels) + 14.0 + 15.0 * number
        out.append(words(label(shown, size, known).svg, x + 5, middle))
    return out
