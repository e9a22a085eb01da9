"""Triangles in formulas: read back, checked as a claim, and without an array of D⁴ in any target."""

import numpy as np
import pytest
import torch

import chainrule as cr
from functions.oracle import compare

TEXT = "param A : D × D\nconst G : D × D\nL = cholesky(A)\nJ = sum(G ∘ L.^2)"


def test_like_torch():
    compare(
        "param M : D × D\nconst G : D × D\n"
        "J = sum(tril(M, 1) ∘ G) + sum(sin(triu(M, 1)) ∘ G) + sum(halftril(M).^2 ∘ G)",
        lambda M, G: (
            (M.tril(1) * G).sum() + (M.triu(1).sin() * G).sum()
            + ((M.tril() - torch.diag(torch.diag(M)) / 2) ** 2 * G).sum()
        ),
        {"D": 5},
    )  # fmt: skip


def test_a_claim_is_judged():
    net = cr.parse(TEXT)
    right = net.derive().gradients["A"].text
    assert right == "inv(L)ᵀ (halftril(Lᵀ (G ∘ L)) + halftril(Lᵀ (G ∘ L))ᵀ) inv(L)"
    assert cr.check(net, f"∂J/∂A = {right}", layout="shape").ok
    for wrong in (right.replace("halftril", "tril"), "2 inv(L)ᵀ halftril(Lᵀ (G ∘ L)) inv(L)"):
        assert not cr.check(net, f"∂J/∂A = {wrong}", layout="shape").ok


@pytest.mark.parametrize("target", ["numpy", "torch", "jax", "c"])
def test_no_array_of_more_than_two_axes(target):
    derivation = cr.parse(TEXT).derive()
    step = derivation.compile(target)
    for word in ("einsum", "[:, None, :]", "[:, :, None]"):
        assert word not in step.source
    root = np.random.default_rng(3).standard_normal((5, 5))
    arrays = {"A": root @ root.T + np.eye(5), "G": root}
    wanted = derivation.compile("numpy", plain=True)(**arrays)
    loss, gradients = step(**arrays)
    assert loss == pytest.approx(wanted[0], rel=1e-12)
    assert np.asarray(gradients["A"]) == pytest.approx(wanted[1]["A"], rel=1e-9, abs=1e-11)
