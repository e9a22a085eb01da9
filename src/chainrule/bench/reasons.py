"""Why a peer is ahead in a row, in words; shown beside the figures wherever it is ahead. Add a line after looking."""

from __future__ import annotations

__all__ = ["reason"]

# (row, peer), "*" for any
REASONS: dict[tuple[str, str], str] = {
    ("a", "C by hand"): "sixteen of its steps are one call, and it looks at nothing: a bound step comes from Python "
    "each time, makes its result there and finds out whether the rows of labels sum to 1",
}


def reason(key: str, peer: str) -> str:
    """The reason that fits best, or ""."""
    return REASONS.get((key, peer)) or REASONS.get((key, "*")) or REASONS.get(("*", peer)) or ""
