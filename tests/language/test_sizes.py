"""Sizes that are worked out from others: however they are printed, they are read, with and without brackets."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.dims import display_dim, format_shape
from chainrule.language.parser import parse_program
from chainrule.language.printer import print_program

SIZES = ["4 K", "4K", "(4K)", "K + L", "2K + 3", "K L + 1", "2 (K + 1)", "(n - 3)//2 + 1", "3", "K", "2K L", "4 K - 1"]


def sizes(text: str) -> tuple[int | str, ...]:
    return parse_program(f"param W : {text}\nJ = sum(W)").statements[0].shape  # type: ignore[union-attr]


@pytest.mark.parametrize("size", SIZES)
def test_a_size_is_read_alone_and_among_others(size: str) -> None:
    (alone,) = sizes(size)
    if not size.isalnum() and size[0] != "(":
        assert sizes(f"({size}) × 1") == (alone, 1)
    assert sizes(f"{size} × D") == sizes(f"({size}, D)") == (alone, "D")
    assert sizes(f"D × {size}") == ("D", alone)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_printed_is_read_back(size: str) -> None:
    (dim,) = sizes(size)
    assert sizes(display_dim(dim).replace("−", "-")) == (dim,)
    for shape in ((dim,), (dim, "D"), ("D", dim), (dim, dim)):
        assert sizes(format_shape(shape)) == shape
        program = parse_program(f"param W : {format_shape(shape)}\nJ = sum(W)")
        assert parse_program(print_program(program)).statements[0].shape == shape  # type: ignore[union-attr]


def test_a_message_shows_sizes_as_they_are_written() -> None:
    with pytest.raises(cr.DimensionError) as caught:
        cr.parse("input x : H\ninput h : H\nparam W : H × 3H\nJ = sum(W [x; h])")
    assert "W is H × (3 H), but [x; h] is (2 H) × 1" in str(caught.value)
    assert "on its left (3 H) as rows on its right (2 H)" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [("X, g, b", "layer_norm(X, g, b, 1e-5)"), ("X, g, b, over=rows", "layer_norm(X, g, b, 1e-5, over=rows)")],
)
def test_a_call_without_its_small_number_is_told_the_usual_one(given: str, shown: str) -> None:
    text = "input X : N × D\nparam g : 1 × D\nparam b : 1 × D\nJ = sum({})"
    with pytest.raises(cr.LanguageError) as caught:
        cr.parse(text.format(f"layer_norm({given})"))
    assert "usually with e = 1e-5" in str(caught.value)
    assert shown in str(caught.value)
    if "over" not in given:
        cr.parse(text.format(shown))
