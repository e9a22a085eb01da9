"""A printed gradient, read again, is the gradient: at negative numbers, of rows, in both layouts."""

import pytest

import chainrule as cr


@pytest.mark.parametrize(
    "text",
    [
        "param s : scalar\nJ = (s^2)^(3/2)",  # |s|³: √(s²) is not s
        "param s : scalar\nJ = s (s^2)^(1/2)",
        "param s, t : scalar\nJ = t (s^4)^(3/4)",
        "param s : scalar\nJ = 1/(1 + (s^2)^(1/2))",
        "param s : scalar\nparam x : n\nJ = sum(x) √(s^2)",
        "param w : 1 × K\nJ = max(w)",
        "param w : 1 × K\nJ = min(w)^2 + max(2 w)",
        "param w : 1 × K\nparam v : K\nJ = prod(w) sum(w v) + max(v)",
    ],
)
def test_printed_is_right(text):
    net = cr.parse(text)
    derivation = net.derive()
    assert derivation.verify().ok
    for name, gradient in derivation.gradients.items():
        for layout, formula in (("shape", gradient.text), ("numerator", gradient.numerator)):
            verdict = cr.check(net, f"∂J/∂{name} = {formula}", layout=layout)
            assert verdict.ok, (layout, formula, verdict.diagnosis)


def test_a_root_of_a_square_is_no_square():
    assert cr.parse("param s : scalar\nJ = (s^2)^(3/2)").derive().gradients["s"].text == "3 sqrt(s^2) s"
    assert cr.parse("param s : scalar, positive\nJ = (s^2)^(3/2)").derive().gradients["s"].text == "3 s^2"
    assert cr.parse("param w : 1 × K\nJ = max(w)").derive().gradients["w"].text == "ismax(w)"
