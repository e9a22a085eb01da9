"""Letters inside a definition are its own: no name of the network, and no size, changes what they mean.

conv2d sums over c, a and e, and a network has a bias c: it was refused with "c is a variable".
"""

from __future__ import annotations

import string

import pytest

import chainrule as cr
from chainrule.errors import LanguageError

CALLS = {
    "conv2d": "param X : P × Q × R × S\nparam K : O × Q × 2 × 3\nJ = sum(sin(conv2d(X, K, stride=2, padding=1)))",
    "max_pool2d": "param X : P × Q × 4 × 6\nJ = sum(sin(max_pool2d(X, 2)))",
    "group_norm": "param X : P × Q × R × S\nparam G : Q × R\nparam H : Q × R\nJ = sum(sin(group_norm(X, G, H, 1)))",
    "batch_norm2d": "param X : P × Q × R × S\nparam G : Q\nparam H : Q\nJ = sum(sin(batch_norm2d(X, G, H, 1)))",
    "grouped attention": (
        "param Q : T × G × H × D\nparam K : M × G × D\nparam V : M × G × E\n"
        "J = sum(sin(grouped_query_attention(Q, K, V, 1)))"
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("what", ["variables", "sizes"])
def test_a_definition_does_not_see_the_names_around_it(name: str, what: str) -> None:
    lines = [
        f"param {x} : {2 + k % 3}" if what == "variables" else f"param par{x} : {x}"
        for k, x in enumerate(string.ascii_lowercase)
    ]
    used = [x if what == "variables" else f"par{x}" for x in string.ascii_lowercase]
    alone = cr.parse(CALLS[name]).derive(["X"] if "X :" in CALLS[name] else ["Q"])
    among = cr.parse("\n".join([*lines, CALLS[name] + "".join(f" + sum({x}.^2)" for x in used)]))
    gradient = among.derive([next(iter(alone.gradients))])
    assert gradient.verify().ok


def test_a_letter_of_ones_own_equation_may_not_be_a_variable() -> None:
    with pytest.raises(LanguageError, match="c is a variable"):
        cr.parse("param c : D\nparam X : N × D\nJ = sum(c, sum(n, X[n,c]))")


def test_all_options_of_a_definition_are_named() -> None:
    with pytest.raises(LanguageError) as caught:
        cr.parse("input X : N × C × n × m\nparam K : O × C × 3 × 3\nJ = sum(conv2d(X, K, pad=1))")
    assert caught.value.hint == "stride=…, padding=…, dilation=…"
