"""Powers of square matrices, sums of transposed products: X³, inv(X + A)², (X B + B X)ᵀ; each is read back the same."""

import numpy as np
import pytest

import chainrule as cr

NAMES = "param X : n × n\ninput A : n × n\ninput B : n × n\ninput b : n\n"


@pytest.mark.parametrize(
    ("loss", "gradient"),
    [
        ("tr(X^5)", "5 (X^4)ᵀ"),
        ("tr(X^4)", "4 (X^3)ᵀ"),
        ("tr(X^3)", "3 Xᵀ Xᵀ"),
        ("tr(inv(X)^2)", "−2 (inv(X)^3)ᵀ"),
        ("tr(inv(X+A))", "−(inv(X + A)^2)ᵀ"),
        ("tr(X^2 * B)", "(X B + B X)ᵀ"),
        ("b' * X^2 * b", "Xᵀ b bᵀ + b (X b)ᵀ"),
        ("sum((X*X*X).*A)", "A Xᵀ Xᵀ + Xᵀ Xᵀ A + Xᵀ A Xᵀ"),
    ],
)
def test_powers_are_written_as_powers(loss, gradient):
    net = cr.parse(NAMES + f"J = {loss}\n", "matlab")
    derivation = net.derive(["X"])
    found = derivation.gradients["X"]
    assert found.text == gradient
    read = cr.parse(NAMES + f"G = {found.text}\n")
    rng = np.random.default_rng(3)
    arrays = {n: rng.standard_normal((3, 3)) + 2 * np.eye(3) for n in "XAB"} | {"b": rng.standard_normal(3)}
    mine = {n: v for n, v in arrays.items() if n in net.declarations}
    np.testing.assert_allclose(read.evaluate(**arrays)["G"], derivation.compile()(**mine)[1]["X"], rtol=1e-9)
    assert "^" not in gradient or "^{" in found.latex
