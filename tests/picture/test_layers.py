"""The layout by itself: positions are the best that keep the order, and the order has few crossings."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.picture.layers import Item, Layered, crossings, spread

numbers = st.floats(-50, 50)


@settings(deadline=None)
@given(st.lists(st.tuples(numbers, st.floats(0.1, 5), st.floats(0, 20)), min_size=1, max_size=6), st.integers(0, 999))
def test_spread_keeps_distances_and_nothing_near_is_better(items: list[tuple[float, float, float]], seed: int) -> None:
    chance = random.Random(seed)
    wanted, weights = [w for w, _, _ in items], [w for _, w, _ in items]
    gaps = [g for _, _, g in items][1:]
    found = spread(wanted, weights, gaps)

    def cost(xs: list[float]) -> float:
        return sum(w * (x - d) ** 2 for x, d, w in zip(xs, wanted, weights, strict=True))

    def allowed(xs: list[float]) -> bool:
        return all(b - a >= g - 1e-9 for a, b, g in zip(xs, xs[1:], gaps, strict=False))

    assert allowed(found)
    for _ in range(30):
        step = 10 ** chance.uniform(-3, 1)
        other = [x + chance.gauss(0, step) for x in found]
        if allowed(other):
            assert cost(other) >= cost(found) - 1e-6


def test_crossings_are_counted() -> None:
    below = {"a": ["x", "y"], "b": ["x"], "c": ["y", "x"]}
    upper, lower = ["a", "b", "c"], ["x", "y"]
    edges = [(u, w) for u in upper for w in below[u]]
    wanted = sum(
        (upper.index(a) - upper.index(c)) * (lower.index(b) - lower.index(d)) < 0
        for (a, b), (c, d) in itertools.combinations(edges, 2)
    )
    assert crossings(upper, lower, below) == wanted == 2


def test_what_can_be_drawn_without_crossings_is() -> None:
    """Two chains, entered in an order that crosses them in every row."""
    layout = Layered()
    for row in range(5):
        for chain in (0, 1) if row % 2 else (1, 0):
            layout.items[chain, row] = Item(row, 20, 20)
    for row in range(4):
        for chain in (0, 1):
            layout.links[(chain, row), (chain, row + 1)] = 1.0
    layout.place()
    signs = {layout.items[0, row].x < layout.items[1, row].x for row in range(5)}
    assert len(signs) == 1
    for chain in (0, 1):  # and a chain without neighbours in its way is a straight line
        xs = [layout.items[chain, row].x for row in range(5)]
        assert max(xs) - min(xs) < 1


@settings(deadline=None)
@given(st.integers(0, 9999))
def test_nothing_overlaps(seed: int) -> None:
    chance = random.Random(seed)
    layout = Layered(gap=7)
    for row in range(4):
        for k in range(chance.randint(1, 6)):
            layout.items[row, k] = Item(row, chance.uniform(5, 60), chance.uniform(5, 60))
    for a, b in itertools.pairwise(range(4)):
        for first in [k for k in layout.items if k[0] == a]:
            for second in [k for k in layout.items if k[0] == b]:
                if chance.random() < 0.4:
                    layout.links[first, second] = chance.choice([1.0, 4.0, 20.0])
    layout.place()
    for row in range(4):
        placed = sorted((i for i in layout.items.values() if i.row == row), key=lambda i: i.x)
        for left, right in itertools.pairwise(placed):
            assert right.x - right.left - (left.x + left.right) >= 7 - 1e-6
