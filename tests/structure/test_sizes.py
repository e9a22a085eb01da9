"""Sizes worked out from others: one canonical form, exact values, proofs that never say too much."""

from __future__ import annotations

from itertools import product

import pytest

from chainrule.sizes import (
    is_derived,
    linear,
    minus,
    never_negative,
    plus,
    polynomial,
    quotient,
    renamed,
    settle,
    spoken,
    symbols_of,
    times,
    value_of,
    written,
)


def conv(n: str | int, k: str | int, s: int, p: int, d: int) -> str | int:
    return plus(quotient(minus(plus(n, 2 * p), plus(times(d, minus(k, 1)), 1)), s), 1)


def test_one_form() -> None:
    assert plus("N", "M") == plus("M", "N")
    assert times("H", plus("d", 1)) == plus(times("d", "H"), "H")
    assert minus(plus("N", 3), "N") == 3
    assert quotient(times(2, "d"), 2) == "d"
    assert quotient(times("H", "d"), "d") == "H"
    assert times("d", quotient("D", "d")) != "D"  # the remainder is not known
    assert polynomial(str(plus("N", "M"))) == polynomial(plus("N", "M"))
    assert not is_derived("D_x")
    assert is_derived(plus("N", 1))


@pytest.mark.parametrize(("s", "p", "d"), list(product((1, 2, 3), (0, 1, 2), (1, 2))))
def test_value_of_a_convolution(s: int, p: int, d: int) -> None:
    for n, k in ((11, 3), (13, 5), (17, 2)):
        expected = (n + 2 * p - d * (k - 1) - 1) // s + 1
        symbolic = conv("n", "k", s, p, d)
        assert value_of(symbolic, {"n": n, "k": k}) == expected
        assert conv(n, k, s, p, d) == expected
        assert value_of(renamed(symbolic, lambda x: x + "_1"), {"n_1": n, "k_1": k}) == expected
        assert eval(spoken(symbolic, str), {"n": n, "k": k}) == expected


def test_proofs_hold_at_all_small_sizes() -> None:
    candidates = [
        minus("n", 1), minus("n", 2), minus(times("n", "m"), "n"), minus(plus("n", "m"), 1), minus("n", "m"),
        minus(plus("n", "m"), 3), minus("n", times(2, quotient("n", 2))), minus(quotient("n", 2), 1),
        minus(plus(quotient("n", 2), 1), 1), minus(times(3, quotient("n", 3)), minus("n", 2)),
    ]  # fmt: skip
    for dim in candidates:
        values = [value_of(dim, {"n": n, "m": m}) for n in range(1, 9) for m in range(1, 9)]
        if never_negative(polynomial(dim)):
            assert min(values) >= 0, dim
    assert never_negative(polynomial(minus("n", 1)))
    assert never_negative(polynomial(minus(times("n", "m"), "n")))
    assert never_negative(polynomial(minus("n", times(2, quotient("n", 2)))))
    assert not never_negative(polynomial(minus("n", "m")))


def test_the_last_window_lies_inside() -> None:
    for s, d in product((1, 2, 3), (1, 2)):
        count = conv("n", "k", s, 0, d)
        last = plus(times(s, minus(count, 1)), times(d, minus("k", 1)))
        assert never_negative(polynomial(minus(minus("n", 1), last)))


def test_symbols_follow_from_what_is_given() -> None:
    sizes = {"d": 3}
    assert settle([("H*d", 12)], sizes) is None
    assert sizes == {"d": 3, "H": 4}
    assert settle([("H*d", 13)], {"d": 3}) == ("H*d", 13)
    assert settle([(str(plus("N", "M")), 9)], {"N": 4, "M": 4}) is not None
    assert linear("H*d", "H") == (0, "d")
    assert linear(plus(quotient("n", 2), "m"), "n") == (0, 0)
    assert set(symbols_of(conv("n", "k", 2, 1, 1))) == {"n", "k"}


def test_as_it_is_read() -> None:
    assert written(plus("N", 1), str) == "N + 1"
    assert written(times("H", "d"), str) == "H d"
    assert written(conv("n", "k", 2, 0, 1), str) == "(n − k)//2 + 1"
