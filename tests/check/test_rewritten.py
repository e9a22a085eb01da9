"""Right formulas, each written in another way than the derivation writes it: none may be called wrong."""

from __future__ import annotations

import pytest

import chainrule as cr
from check.programs import PROGRAMS

EQUAL = {
    "one_layer": [
        "∂J/∂θ = (ŷ − y)ᵀ",
        "∂J/∂θ = ŷ − y",
        "∂J/∂θ = (exp(θ)/sum(exp(θ)) − y)ᵀ",
        "∂J/∂θ = softmax(θ)ᵀ − yᵀ",
        "∂J/∂θ = softmax(U h + b2)ᵀ − yᵀ",
        "∂J/∂z = δ₁ U diag(sgn(h))",
        "∂J/∂z = δ1 U ∘ (z > 0)ᵀ",
        "∂J/∂z = δ1 U ∘ (sgn(z) ∘ (z > 0))ᵀ",
        "∂J/∂z = δ1 U ∘ (h > 0)ᵀ",
        "∂J/∂z = δ1 U ∘ step(z)ᵀ",
        "∂J/∂z = (Uᵀ (ŷ − y)) ∘ relu'(z)",
        "∂J/∂z = diag(relu'(z)) Uᵀ δ₁ᵀ",
        "∂J/∂z = (diag(relu'(z)) Uᵀ (ŷ − y))ᵀ",
        "∂J/∂W = (x δ2)ᵀ",
        "∂J/∂W = outer(δ2, x)",
        "∂J/∂W = δ2' x'",
        "dW = δ2ᵀ xᵀ",
        "dJ_dW = ((δ₁ U)ᵀ ∘ relu'(z)) xᵀ",
        "∂J/∂W = (Uᵀ ŷ ∘ sgn(h)) xᵀ − (Uᵀ y ∘ sgn(h)) xᵀ",
        "∂J/∂x = Wᵀ δ2ᵀ",
        "∂J/∂x = Wᵀ (Uᵀ (ŷ − y) ∘ sgn(h))",
        "∂J/∂x = ∂J/∂z ∂z/∂x",
        "∂J/∂h = δ₁ U",
        "∂J/∂h = ∂J/∂θ ∂θ/∂h",
        "∂J/∂U = (ŷ − y) hᵀ",
        "∂J/∂U = ŷ hᵀ − y hᵀ",
        "∂J/∂U = (ŷ − y) relu(W x + b1)ᵀ",
        "∂J/∂b2 = −y + ŷ",
        "∂J/∂ŷ = −(y ./ ŷ)ᵀ",
        "∂J/∂ŷ = −y ./ ŷ",
        "δ₂ = (ŷ − y)ᵀ U ∘ sgn(h)ᵀ",
        "∂ŷ/∂θ = diag(ŷ) − ŷ ŷᵀ",
        "∂ŷ/∂θ = (I − ŷ ones(N_c)ᵀ) diag(ŷ)",
        "∂h/∂z = diag(sgn(h))",
        "∂θ/∂x = U diag(relu'(z)) W",
        "∂θ[k]/∂U[i,j] = 1[k=i] h[j]",
        "∂J/∂W[i,j] = δ₂[i] x[j]",
        "∂J/∂W[i,j] = sum(k, δ₁[k] U[k,i]) sgn(h[i]) x[j]",
        "(∂θ/∂h)[i,j] = U[i,j]",
        "∂J/∂z = δ₁ (U ∘ sgn(h)ᵀ)",
    ],
    "rows": [
        "∂J/∂Θ = (Ŷ − Y)/N",
        "∂J/∂Θ = Ŷ/N − Y/N",
        "∂J/∂Θ = 1/N (Ŷ − Y)",
        "∂J/∂Θ = (softmax(Θ) − Y)/N",
        "∂J/∂Z = Δ₁ Uᵀ ∘ (Z > 0)",
        "∂J/∂Z = (Ŷ − Y) Uᵀ ∘ sgn(H) / N",
        "∂J/∂W = Xᵀ Δ₂",
        "∂J/∂W = (Δ₂ᵀ X)ᵀ",
        "∂J/∂W = Xᵀ ((Ŷ − Y) Uᵀ ∘ sgn(H))/N",
        "∂J/∂b1 = 1ᵀ Δ₂",
        "∂J/∂b1 = ones(N)ᵀ Δ₂",
        "∂J/∂b1 = colsum(Δ₂)",
        "∂J/∂b1 = sum(Δ₂, over=rows)",
        "∂J/∂b1 = sum(Δ₂, axis=0)",
        "∂J/∂b1 = N mean(Δ₂, over=rows)",
        "∂J/∂b2 = colmean(Ŷ − Y)",
        "∂J/∂b2 = colmean(Ŷ) − colmean(Y)",
        "∂J/∂b2 = 1ᵀ (Ŷ − Y)/N",
        "∂J/∂U = Hᵀ (Ŷ − Y)/N",
        "∂J/∂X = Δ₂ Wᵀ",
        "∂J/∂X = (W Δ₂ᵀ)ᵀ",
        "dJ/dH = Δ1 Uᵀ",
        "∂J/∂b1[j] = sum(n, Δ₂[n,j])",
    ],
    "rows_reg": [
        "∂J/∂W = Xᵀ Δ₂ + λ W",
        "∂J/∂W = λ (W + Xᵀ Δ₂/λ)",
        "∂J/∂W = (Xᵀ ((Ŷ − Y) Uᵀ ∘ sgn(H)) + N λ W)/N",
    ],
    "col_sigmoid": [
        "∂J/∂z = δ₁ U ∘ (h ∘ (1 − h))ᵀ",
        "∂J/∂z = δ₁ U ∘ (h − h.^2)ᵀ",
        "∂J/∂z = δ₁ U ∘ sigmoid'(z)ᵀ",
        "∂J/∂z = δ₁ U ∘ σ′(z)ᵀ",
        "∂J/∂z = δ₁ U diag(h) diag(1 − h)",
        "∂J/∂z = δ₁ U ∘ (exp(−z) ./ (1 + exp(−z)).^2)ᵀ",
        "∂J/∂z = δ₁ U ∘ (σ(z) ∘ σ(−z))ᵀ",
    ],
    "col_tanh": [
        "∂J/∂z = δ₁ U ∘ (1 − h.^2)ᵀ",
        "∂J/∂z = δ₁ U ∘ (1 − tanh(z).^2)ᵀ",
        "∂J/∂z = δ₁ U − δ₁ U ∘ (h ∘ h)ᵀ",
        "∂J/∂z = δ₁ U ∘ ((1 − h) ∘ (1 + h))ᵀ",
        "∂J/∂z = δ₁ U ∘ (1 ./ cosh(z).^2)ᵀ",
        "∂J/∂z = δ₁ U ∘ (4 ./ (exp(z) + exp(−z)).^2)ᵀ",
    ],
    "col_softplus": [
        "∂J/∂z = δ₁ U ∘ σ(z)ᵀ",
        "∂J/∂z = δ₁ U ∘ (1 − exp(−h))ᵀ",
        "∂J/∂z = δ₁ U ∘ (exp(z) ./ (1 + exp(z)))ᵀ",
    ],
    "logistic": [
        "∂J/∂w = Xᵀ (p − y)/N",
        "∂J/∂w = 1/N Xᵀ (sigmoid(X w + b) − y)",
        "∂J/∂b = mean(p − y)",
        "∂J/∂b = 1ᵀ (p − y)/N",
        "∂J/∂b = mean(p) − mean(y)",
        "∂J/∂z = (p − y)ᵀ/N",
        "∂J/∂z = (p ∘ (1 − y) − y ∘ (1 − p))/N",
        "∂²J/∂w² = Xᵀ diag(p ∘ (1 − p)) X/N",
        "∂²J/∂w² = Xᵀ (X ∘ (p − p.^2))/N",
        "∂J/∂p = (−y ./ p + (1 − y) ./ (1 − p))ᵀ/N",
        "∂J/∂p = (p − y) ./ (p ∘ (1 − p))/N",
    ],
    "linreg": [
        "∂J/∂w = 2/N Xᵀ (X w + b − y)",
        "∂J/∂w = 2 (Xᵀ X w + b Xᵀ ones(N) − Xᵀ y)/N",
        "∂J/∂b = 2 mean(r)",
        "∂J/∂w = 2 Xᵀ r/N",
        "∂²J/∂w² = 2 Xᵀ X / N",
        "∂J/∂b = 2/N sum(X w − y) + 2 b",
    ],
    "attention": [
        "∂J/∂S = P ∘ (Δ₁ − rowsum(P ∘ Δ₁))",
        "∂J/∂S = P ∘ (G Vᵀ) − P ∘ rowsum(G ∘ O)",
        "∂J/∂P = G Vᵀ",
        "∂J/∂V = Pᵀ G",
        "∂J/∂Q = Δ₂ K/sqrt(d)",
        "∂J/∂Q = 1/sqrt(d) (P ∘ (G Vᵀ − rowsum(G ∘ O))) K",
        "∂J/∂Q = Δ₂ K d^(−1/2)",
        "∂J/∂K = (Qᵀ Δ₂)ᵀ/sqrt(d)",
    ],
    "layernorm": [
        "∂J/∂X = 1 ./ sqrt(v + 1e-5) ∘ (G ∘ γ − rowmean(G ∘ γ) − X̂ ∘ rowmean(G ∘ γ ∘ X̂))",
        "∂J/∂γ = 1ᵀ (G ∘ X̂)",
        "∂J/∂β = colsum(G)",
    ],
    "quad": [
        "∂J/∂x = (A + Aᵀ) x + b",
        "∂J/∂x = A x + Aᵀ x + b",
        "∂J/∂x = (xᵀ A + xᵀ Aᵀ + bᵀ)ᵀ",
        "∂J/∂A = x xᵀ",
        "∂J/∂A = outer(x, x)",
        "∂²J/∂x² = A + Aᵀ",
    ],
    "tied": [
        "∂J/∂W = h δ₁ + δ₂ᵀ xᵀ",
        "∂J/∂W = h (o − y)ᵀ + (W (o − y) ∘ (1 − h.^2)) xᵀ",
    ],
    "resid": [
        "∂J/∂h = δ₁ + δ₂ U",
        "∂J/∂h = (o − y)ᵀ (I + diag(1 − tanh(u).^2) U)",
        "∂J/∂x = δ₃ (I + diag(relu'(z)) W)",
        "∂o/∂h = I + diag(1 − tanh(u).^2) U",
    ],
    "cosine": [
        "∂J/∂a = b/(n m) − J a/n^2",
        "∂J/∂a = (I − a aᵀ/norm(a)^2) b/(norm(a) norm(b))",
    ],
    "hinge": [
        "∂J/∂s = −(y ∘ (m > 0))ᵀ/N",
        "∂J/∂w = −Xᵀ (y ∘ sgn(l))/N + λ w",
    ],
    "poisson": [
        "∂J/∂w = Xᵀ (exp(X w) − y)/N",
        "∂J/∂w = Xᵀ (μ − y)/N",
    ],
    "siamese": [
        "∂J/∂W = 2 (d ∘ (1 − h1.^2)) x1ᵀ − 2 (d ∘ (1 − h2.^2)) x2ᵀ",
    ],
    "rms": [
        "∂J/∂x = r (γ ∘ g − u mean(γ ∘ g ∘ u))",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_an_equal_formula_is_never_called_wrong(name: str) -> None:
    net = cr.parse(PROGRAMS[name])
    for claim in EQUAL[name]:
        verdict = cr.check(net, claim)
        assert verdict.ok, str(verdict)
        assert verdict.kind == ""
        assert verdict.how in ("equal as formulas", "equal in value")
