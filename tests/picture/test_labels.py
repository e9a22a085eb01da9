"""Formulas in the picture: names with subscripts, functions by their whole names."""

from __future__ import annotations

import re

import pytest

from chainrule.picture.labels import label


@pytest.mark.parametrize(
    ("text", "below"),
    [
        ("layer_norm(A, g)", []),
        ("conv2d(X, K)", []),
        ("f_1(x)", ["1"]),
        ("b_1 + W_h x", ["1", "h"]),
        ("b_1 (x)", ["1"]),
    ],
)
def test_a_function_has_no_subscript_and_a_letter_has(text: str, below: list[str]) -> None:
    svg = label(text, 12, frozenset()).svg
    assert re.findall(r'class="script"[^>]*>([^<]*)<', svg) == below
    assert re.sub(r"<[^>]*>", "", svg).replace(" ", "") == re.sub(r"[ _]", "", text).replace("layernorm", "layer_norm")
