"""Numbers are printed exactly: what is printed reads back as the same number."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.language.parser import parse_expression
from chainrule.notation.text import number_text

decimals = st.builds(lambda n, d: Fraction(n, 10**d), st.integers(1, 10**12), st.integers(0, 20))


@given(st.one_of(decimals, st.fractions(min_value=Fraction(1, 10**6), max_denominator=10**6)))
def test_a_number_reads_back(value: Fraction) -> None:
    net = cr.parse(f"input x : n\nJ = ({value.numerator}/{value.denominator}) sum(x.^2)")
    text = net.derive().gradients["x"].text
    again = cr.parse(f"input x : n\nJ = sum({text})").program
    assert list(again.expression("J").values()) == [2 * value]
    assert parse_expression(number_text(value)) is not None


def test_five_digits_are_five_digits() -> None:
    """0.13415 was once printed as 1e-1."""
    assert cr.parse("input x : n\nJ = sum(0.13415 x)").derive().gradients["x"].text == "0.13415 ones(n)"
    assert number_text(Fraction(1, 100000)) == "1e-5"
    assert number_text(Fraction(15, 10**6)) == "1.5e-5"
    assert number_text(Fraction(44715, 10**6)) == "0.044715"
