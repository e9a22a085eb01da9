"""Networks in which paths meet: weights used twice, residuals, normalisations, attention, forms and gates."""

from __future__ import annotations

JOINED: dict[str, str] = {
    # -- regularised, tied, residual: several paths -----------------------------------------------------------------
    "relu_batch_l2": """
        input X : N × D
        label Y : N × K
        param W : D × H
        param U : H × K
        const λ : scalar
        Z = X W
        A = relu(Z)
        Θ = A U
        Ŷ = softmax(Θ)
        J = mean(CE(Y, Ŷ)) + λ/2 sum(W.^2) + λ/2 sum(U.^2)
    """,
    "tied_autoencoder_column": """
        input x : D
        param W : H × D
        param b : H
        z = W x + b
        h = sigmoid(z)
        e = Wᵀ h - x
        J = 1/2 norm(e)^2
    """,
    "tied_autoencoder_batch": """
        input X : N × D
        param W : D × H
        Z = X W
        A = tanh(Z)
        E = A Wᵀ - X
        J = sum(E.^2)/N
    """,
    "residual_column": """
        input x : D
        label y : K
        param W : D × D
        param U : K × D
        z = W x
        h = x + relu(z)
        θ = U h
        ŷ = softmax(θ)
        J = CE(y, ŷ)
    """,
    "residual_batch": """
        input X : N × D
        label Y : N × K
        param W : D × H
        param V : H × D
        param U : D × K
        Z = X W
        A = tanh(Z)
        R = X + A V
        E = R U - Y
        J = 1/2 sum(E.^2)/N
    """,
    "shared_weight_twice": """
        input x : D
        label y : D
        param W : D × D
        z = W x
        h = tanh(z)
        e = W h - y
        J = 1/2 eᵀ e
    """,
    # -- normalisations and attention -------------------------------------------------------------------------------
    "layer_norm": """
        input X : N × D
        param γ : 1 × D
        param β : 1 × D
        const G : N × D
        m = rowmean(X)
        C = X - m
        v = rowmean(C.^2)
        X̂ = C ./ sqrt(v + 1e-5)
        Y = γ ∘ X̂ + β
        J = sum(G ∘ Y)
    """,
    "batch_norm": """
        input X : N × D
        param γ : 1 × D
        const G : N × D
        m = colmean(X)
        C = X - m
        v = colmean(C.^2)
        X̂ = C ./ sqrt(v + 1e-5)
        Y = γ ∘ X̂
        J = sum(G ∘ Y)
    """,
    "attention": """
        param Q : N × d
        param K : M × d
        param V : M × e
        const G : N × e
        S = Q Kᵀ/sqrt(d)
        P = softmax(S)
        O = P V
        J = sum(G ∘ O)
    """,
    "unit_vector": """
        input x : D
        label t : K
        param W : K × D
        q = W x
        r = norm(q)
        u = q/r
        J = -tᵀ u
    """,
    # -- forms ------------------------------------------------------------------------------------------------------
    "quadratic_form": """
        input x : D
        param A : D × D
        const b : D
        J = 1/2 xᵀ A x - bᵀ x
    """,
    "bilinear_form": """
        input x : D
        input v : H
        param W : D × H
        label y : scalar
        s = xᵀ W v
        J = (s - y)^2
    """,
    "log_sum_exp": """
        input x : D
        param W : K × D
        param b : K
        z = W x + b
        J = log(sum(exp(z)))
    """,
    "matrix_factorisation": """
        param P : N × R
        param Q : M × R
        label X : N × M
        const λ : scalar
        E = P Qᵀ - X
        J = 1/2 sum(E.^2) + λ/2 sum(P.^2)
    """,
    "inner_products": """
        input u : D
        input v : H
        param A : R × D
        param B : R × H
        label y : scalar
        a = A u
        c = B v
        s = aᵀ c
        p = sigmoid(s)
        J = BCE(y, p)
    """,
    # -- gates and broadcasts ---------------------------------------------------------------------------------------
    "gate_column": """
        input x : D
        label y : H
        param A : H × D
        param B : H × D
        a = A x
        b = B x
        g = sigmoid(b)
        h = a ∘ g
        e = h - y
        J = 1/2 sum(e.^2)
    """,
    "gated_batch": """
        input X : N × D
        label Y : N × K
        param A : D × H
        param B : D × H
        param U : H × K
        const λ : scalar
        P = X A
        Q = X B
        F = P ∘ sigmoid(Q)
        E = F U - Y
        J = sum(E.^2)/N + λ sum(U.^2)
    """,
    "lstm_step": """
        input x : D
        input h0 : H
        input c0 : H
        label y : H
        param A_i : H × D
        param A_f : H × D
        param A_g : H × D
        param R_g : H × H
        zi = A_i x
        zf = A_f x
        zg = A_g x + R_g h0
        i = sigmoid(zi)
        f = sigmoid(zf)
        g = tanh(zg)
        c = f ∘ c0 + i ∘ g
        h = tanh(c)
        e = h - y
        J = 1/2 eᵀ e
    """,
    "column_broadcast": """
        input X : N × D
        label Y : N × D
        param a : N
        param s : 1 × D
        A = a ∘ X
        B = A ∘ s
        Z = tanh(B)
        E = Z - Y
        J = 1/2 sum(E.^2)
    """,
    "hadamard_features": """
        input X : N × D
        label y : N
        param W : D × H
        param V : D × H
        param u : H
        const λ : scalar
        P = X W
        Q = X V
        F = P ∘ Q
        e = F u - y
        J = mean(e.^2) + λ uᵀ u
    """,
}
