"""Networks of many kinds, by name, on which checks are tried."""

PROGRAMS: dict[str, str] = {
    "one_layer": """
input x : D_x
label y : N_c, one-hot
param W : D_h × D_x
param b1 : D_h
param U : N_c × D_h
param b2 : N_c
z = W x + b1
h = relu(z)
θ = U h + b2
ŷ = softmax(θ)
J = CE(y, ŷ)
""",
    "col_tanh": """
input x : D_x
label y : N_c, one-hot
param W : D_h × D_x
param b1 : D_h
param U : N_c × D_h
param b2 : N_c
z = W x + b1
h = tanh(z)
θ = U h + b2
ŷ = softmax(θ)
J = CE(y, ŷ)
""",
    "col_sigmoid": """
input x : D_x
label y : N_c, one-hot
param W : D_h × D_x
param b1 : D_h
param U : N_c × D_h
param b2 : N_c
z = W x + b1
h = sigmoid(z)
θ = U h + b2
ŷ = softmax(θ)
J = CE(y, ŷ)
""",
    "col_softplus": """
input x : D_x
label y : N_c, one-hot
param W : D_h × D_x
param b1 : D_h
param U : N_c × D_h
param b2 : N_c
z = W x + b1
h = softplus(z)
θ = U h + b2
ŷ = softmax(θ)
J = CE(y, ŷ)
""",
    "rows": """
input X : N × D_x
label Y : N × N_c, one-hot
param W : D_x × D_h
param b1 : 1 × D_h
param U : D_h × N_c
param b2 : 1 × N_c
Z = X W + b1
H = relu(Z)
Θ = H U + b2
Ŷ = softmax(Θ)
J = mean(CE(Y, Ŷ))
""",
    "rows_tanh": """
input X : N × D_x
label Y : N × N_c, one-hot
param W : D_x × D_h
param b1 : 1 × D_h
param U : D_h × N_c
param b2 : 1 × N_c
Z = X W + b1
H = tanh(Z)
Θ = H U + b2
Ŷ = softmax(Θ)
J = mean(CE(Y, Ŷ))
""",
    "rows_reg": """
input X : N × D_x
label Y : N × N_c, one-hot
param W : D_x × D_h
param b1 : 1 × D_h
param U : D_h × N_c
param b2 : 1 × N_c
const λ : scalar
Z = X W + b1
H = relu(Z)
Θ = H U + b2
Ŷ = softmax(Θ)
J = mean(CE(Y, Ŷ)) + λ/2 norm(W)^2 + λ/2 norm(U)^2
""",
    "rows_sig_mse": """
input X : N × D
label Y : N × K
param W : D × H
param U : H × K
A = X W
S = sigmoid(A)
O = S U
J = norm(O − Y)^2/(2 N)
""",
    "deep": """
input x : D
label y : K, one-hot
param W1 : H1 × D
param b1 : H1
param W2 : H2 × H1
param b2 : H2
param W3 : K × H2
z1 = W1 x + b1
h1 = tanh(z1)
z2 = W2 h1 + b2
h2 = relu(z2)
t = W3 h2
p = softmax(t)
J = CE(y, p)
""",
    "deep_rows": """
input X : N × D
label Y : N × K
param W1 : D × H1
param W2 : H1 × H2
param W3 : H2 × K
Z1 = X W1
A1 = sigmoid(Z1)
Z2 = A1 W2
A2 = tanh(Z2)
O = A2 W3
J = norm(O − Y)^2/2
""",
    "tied": """
input x : D
label y : D
param W : H × D
z = W x
h = tanh(z)
o = Wᵀ h
J = norm(o − y)^2/2
""",
    "square_tied": """
input x : D
label y : D
param W : D × D
param b : D
z = W x + b
h = tanh(z)
o = W h + b
J = norm(o − y)^2/2
""",
    "resid": """
input x : D
label y : D
param W : D × D
param U : D × D
z = W x
h = x + relu(z)
u = U h
o = h + tanh(u)
J = norm(o − y)^2/2
""",
    "resid_rows": """
input X : N × D
label Y : N × D
param W : D × D
param U : D × D
Z = X W
H = X + tanh(Z)
V = H U
O = H + relu(V)
J = mean((O − Y).^2)
""",
    "logistic": """
input X : N × D
label y : N
param w : D
param b : scalar
z = X w + b
p = sigmoid(z)
J = BCE(y, p)/N
""",
    "logistic_reg": """
input X : N × D
label y : N
param w : D
const λ : scalar
z = X w
p = sigmoid(z)
J = BCE(y, p)/N + λ/2 norm(w)^2
""",
    "linreg": """
input X : N × D
label y : N
param w : D
param b : scalar
r = X w + b − y
J = norm(r)^2/N
""",
    "ridge": """
input X : N × D
label y : N
param w : D
const λ : scalar
r = X w − y
J = norm(r)^2/(2 N) + λ norm(w)^2
""",
    "softmax_reg": """
input X : N × D
label Y : N × K, one-hot
param W : D × K
const λ : scalar
Θ = X W
P = softmax(Θ)
J = mean(CE(Y, P)) + λ/2 norm(W)^2
""",
    "hinge": """
input X : N × D
label y : N
param w : D
param b : scalar
const λ : scalar
s = X w + b
m = 1 − y ∘ s
l = relu(m)
J = mean(l) + λ/2 norm(w)^2
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
    "selfatt": """
input X : N × D
param A : D × d
param B : D × d
param C : D × e
const G : N × e
Q = X A
K = X B
V = X C
S = Q Kᵀ/sqrt(d)
P = softmax(S)
O = P V
J = sum(G ∘ O)
""",
    "layernorm": """
param X : N × D
param γ : 1 × D
param β : 1 × D
const G : N × D
m = mean(X, over=last)
c = X − m
v = mean(c.^2, over=last)
X̂ = c ./ sqrt(v + 1e-5)
Y = X̂ ∘ γ + β
J = sum(G ∘ Y)
""",
    "rms": """
param x : D
param γ : D
const g : D
r = 1/sqrt(mean(x.^2))
u = x r
y = γ ∘ u
J = gᵀ y
""",
    "quad": """
input x : D
param A : D × D
param b : D
J = xᵀ A x + bᵀ x
""",
    "bilinear": """
input x : D
input y : K
param A : D × K
s = xᵀ A y
J = tanh(s)
""",
    "autoenc": """
input X : N × D
param W : D × E
param V : E × D
Z = X W
H = sigmoid(Z)
R = H V
J = norm(R − X)^2/(2 N)
""",
    "gate": """
input x : D
label y : H
param W : H × D
param V : H × D
a = W x
g = sigmoid(a)
c = V x
t = tanh(c)
h = g ∘ t
J = norm(h − y)^2/2
""",
    "lstm": """
param a_i : D
param a_f : D
param a_o : D
param a_g : D
param c0 : D
const v : D
i_ = sigmoid(a_i)
f = sigmoid(a_f)
o = sigmoid(a_o)
g = tanh(a_g)
c = f ∘ c0 + i_ ∘ g
h = o ∘ tanh(c)
J = vᵀ h
""",
    "cosine": """
param a : D
param b : D
s = aᵀ b
n = norm(a)
m = norm(b)
J = s/(n m)
""",
    "matfac": """
param U : N × K
param V : M × K
label R : N × M
const λ : scalar
E = U Vᵀ − R
J = norm(E)^2/2 + λ/2 (norm(U)^2 + norm(V)^2)
""",
    "mean_pool": """
input X : T × D
label y : K
param W : D × K
m = colmean(X)
z = m W
h = tanh(z)
J = norm(h − yᵀ)^2/2
""",
    "rows_vec": """
input x : 1 × D
label y : 1 × K
param W : D × H
param b : 1 × H
param U : H × K
z = x W + b
h = relu(z)
o = h U
J = norm(o − y)^2/2
""",
    "siamese": """
input x1 : D
input x2 : D
param W : H × D
h1 = tanh(W x1)
h2 = tanh(W x2)
d = h1 − h2
J = norm(d)^2
""",
    "poisson": """
input X : N × D
label y : N
param w : D
z = X w
μ = exp(z)
J = mean(μ − y ∘ z)
""",
    "elastic": """
input X : N × D
label y : N
param w : D
const λ : scalar
const α : scalar
r = X w − y
J = norm(r)^2/(2 N) + λ norm1(w) + α/2 norm(w)^2
""",
    "shared_bias": """
input X : N × D
label Y : N × D
param W : D × D
param b : 1 × D
Z = X W + b
H = tanh(Z)
O = H W + b
J = norm(O − Y)^2/(2 N)
""",
    "bce_logits": """
input X : N × D
label Y : N × K
param W : D × K
param b : 1 × K
Z = X W + b
J = mean(BCE_logits(Y, Z))
""",
    "swish": """
input x : D
label y : K
param W : H × D
param U : K × H
z = W x
h = z ∘ sigmoid(z)
o = U h
J = norm(o − y)^2/2
""",
    "rnn2": """
input x1 : D
input x2 : D
label y : K
param A : H × H
param B : H × D
param C : K × H
z1 = B x1
h1 = tanh(z1)
z2 = A h1 + B x2
h2 = tanh(z2)
o = C h2
J = norm(o − y)^2/2
""",
}
