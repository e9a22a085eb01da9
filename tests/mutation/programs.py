"""Forty networks whose gradients are spoiled by `mutate` and rewritten by `rewrite`.

Why these: they cover what the language has names for (columns, rows and batches; activations; losses with labels that
have facts and with labels that have none; weights used twice; normalisations; attention), and no two sizes of one
network have the same name, so that a transposed or lucky answer cannot pass. To add one, add an entry here or to
`JOINED`: the mutator and the rewriter find by themselves what can be done with its gradients.
"""

from __future__ import annotations

from mutation.programs_joined import JOINED

LAYERS: dict[str, str] = {
    # -- one layer ------------------------------------------------------------------------------------------------
    "softmax_column": """
        input x : D
        label y : K, one-hot
        param W : K × D
        param b : K
        θ = W x + b
        ŷ = softmax(θ)
        J = CE(y, ŷ)
    """,
    "softmax_column_no_facts": """
        input x : D
        label y : K
        param W : K × D
        param b : K
        θ = W x + b
        ŷ = softmax(θ)
        J = CE(y, ŷ)
    """,
    "softmax_batch": """
        input X : N × D
        label Y : N × K, one-hot
        param W : D × K
        param b : 1 × K
        Θ = X W + b
        Ŷ = softmax(Θ)
        J = mean(CE(Y, Ŷ))
    """,
    "softmax_batch_soft_labels": """
        input X : N × D
        label Y : N × K, rows sum to 1
        param W : D × K
        Θ = X W
        Ŷ = softmax(Θ)
        J = mean(CE(Y, Ŷ))
    """,
    "logistic_batch": """
        input X : N × D
        label y : N
        param w : D
        param b : scalar
        const λ : scalar
        z = X w + b
        p = sigmoid(z)
        J = BCE(y, p)/N + λ/2 wᵀ w
    """,
    "least_squares_l2": """
        input X : N × D
        label y : N
        param w : D
        const λ : scalar
        e = X w - y
        J = 1/2 eᵀ e/N + λ/2 wᵀ w
    """,
    "hinge": """
        input X : N × D
        label y : N
        param w : D
        param b : scalar
        const λ : scalar
        m = 1 - y ∘ (X w + b)
        ξ = relu(m)
        J = mean(ξ) + λ/2 norm(w)^2
    """,
    "poisson_regression": """
        input X : N × D
        label y : N
        param w : D
        z = X w
        μ = exp(z)
        J = (sum(μ) - yᵀ z)/N
    """,
    # -- two and three layers ---------------------------------------------------------------------------------------
    "relu_column": """
        input x : D
        label y : K, one-hot
        param W : H × D
        param b1 : H
        param U : K × H
        param b2 : K
        z = W x + b1
        h = relu(z)
        θ = U h + b2
        ŷ = softmax(θ)
        J = CE(y, ŷ)
    """,
    "relu_batch": """
        input X : N × D
        label Y : N × K, one-hot
        param W : D × H
        param b1 : 1 × H
        param U : H × K
        param b2 : 1 × K
        Z = X W + b1
        H_1 = relu(Z)
        Θ = H_1 U + b2
        Ŷ = softmax(Θ)
        J = mean(CE(Y, Ŷ))
    """,
    "tanh_row": """
        input x : 1 × D
        label y : 1 × K
        param W : D × H
        param b : 1 × H
        param U : H × K
        z = x W + b
        h = tanh(z)
        e = h U - y
        J = 1/2 sum(e.^2)
    """,
    "tanh_column_mse": """
        input x : D
        label t : K
        param W : H × D
        param b : H
        param U : K × H
        z = W x + b
        h = tanh(z)
        ŷ = U h
        J = MSE(t, ŷ)
    """,
    "sigmoid_batch_mse": """
        input X : N × D
        label T_1 : N × K
        param W : D × H
        param b : 1 × H
        param U : H × K
        Z = X W + b
        A = sigmoid(Z)
        Ŷ = A U
        J = MSE(T_1, Ŷ)
    """,
    "softplus_column": """
        input x : D
        label y : K
        param W : H × D
        param U : K × H
        z = W x
        h = softplus(z)
        e = U h - y
        J = norm(e)^2
    """,
    "silu_batch": """
        input X : N × D
        label Y : N × K
        param W : D × H
        param U : H × K
        Z = X W
        A = silu(Z)
        E = A U - Y
        J = sum(E.^2)/(2 N)
    """,
    "exp_column": """
        input x : D
        param W : H × D
        param v : H
        const c : scalar
        z = W x
        h = exp(z)
        s = vᵀ h - c
        J = s^2
    """,
    "three_layers_column": """
        input x : D
        label y : K
        param W1 : H × D
        param b1 : H
        param W2 : M × H
        param b2 : M
        param W3 : K × M
        param b3 : K
        z1 = W1 x + b1
        h1 = relu(z1)
        z2 = W2 h1 + b2
        h2 = tanh(z2)
        θ = W3 h2 + b3
        ŷ = softmax(θ)
        J = CE(y, ŷ)
    """,
    "three_layers_batch": """
        input X : N × D
        label Y : N × K
        param W1 : D × H
        param b1 : 1 × H
        param W2 : H × M
        param b2 : 1 × M
        param W3 : M × K
        const λ : scalar
        Z1 = X W1 + b1
        A1 = tanh(Z1)
        Z2 = A1 W2 + b2
        A2 = sigmoid(Z2)
        E = A2 W3 - Y
        J = 1/2 sum(E.^2)/N + λ/2 sum(W3.^2)
    """,
    "binary_classifier_row": """
        input x : 1 × D
        label y : scalar
        param W : D × H
        param b : 1 × H
        param u : H
        z = x W + b
        h = relu(z)
        s = h u
        p = sigmoid(s)
        J = BCE(y, p)
    """,
    "unknown_activation": """
        input x : D
        label y : K
        param W : H × D
        param U : K × H
        function f : scalar -> scalar
        z = W x
        h = f(z)
        e = U h - y
        J = 1/2 eᵀ e
    """,
}

PROGRAMS = LAYERS | JOINED
