"""Programs with loops as people write them, for `tests/test_loop_programs.py`: all sequences stand with a step."""

PROGRAMS = {
    "batch rows": """
input X : T × N × D
input Y : T × N × K
param W : D × H
param A : H × H
param b : 1 × H
param U : H × K
H1[t] = tanh(X[t] W + H1[t-1] A + b) for t = 1..T
J = sum(t, norm(H1[t] U - Y[t])^2)/N
""",
    "batch cols": """
input X : T × D × N
param B : H × D
param A : H × H
param b : H
param U : K × H
input Y : T × K × N
h[t] = tanh(A h[t-1] + B X[t] + b) for t = 1..T
J = mean(t, norm(U h[t] - Y[t])^2)
""",
    "batch rows h0 CE": """
input X : T × N × D
label Y : N × K, one-hot
param W : D × H
param A : H × H
param b : 1 × H
param U : H × K
param S : N × H
h[0] = S
h[t] = tanh(X[t] W + h[t-1] A + b) for t = 1..T
J = mean(CE(Y, softmax(h[T] U)))
""",
    "softmax in loop rows": """
input X : T × N × D
param A : D × D
P[t] = softmax(P[t-1] A + X[t]) for t = 1..T
J = sum(t, norm(P[t])^2)
""",
    "attention memory": """
input x : T × D
param M : S × D
param A : D × D
h[t] = tanh(A h[t-1] + x[t] + Mᵀ softmax(M h[t-1])) for t = 1..T
J = sum(t, norm(h[t])^2)
""",
    "mean in step": """
input x : T × D
param A : D × D
h[t] = tanh(A h[t-1] + x[t]) - mean(h[t-1]) for t = 1..T
J = sum(t, norm(h[t])^2)
""",
    "norm in step": """
input x : T × D
param A : D × D
param h0 : D
h[0] = h0
u[t] = A h[t-1] + x[t] for t = 1..T
h[t] = u[t]/norm(u[t]) for t = 1..T
J = sum(t, x[t]ᵀ h[t])
""",
    "power iteration": """
param A : D × D
param h0 : D
input c : T
h[0] = h0
h[t] = A h[t-1]/norm(A h[t-1]) for t = 1..T
J = sum(t, c[t] h[t]ᵀ A h[t])
""",
    "elementwise max": """
input x : T × D
param A : D × D
h[t] = max(A h[t-1], x[t]) for t = 1..T
J = sum(t, norm(h[t])^2)
""",
    "transpose of matrix state": """
input X : T × D × D
param A : D × D
H[t] = tanh(A H[t-1]ᵀ + X[t]) for t = 1..T
J = sum(t, tr(H[t] A))
""",
    "outer product state": """
input k : T × D
input v : T × E
input q : T × D
param λ : scalar
S[t] = λ S[t-1] + v[t] k[t]ᵀ for t = 1..T
o[t] = S[t] q[t] for t = 1..T
J = sum(t, norm(o[t])^2)
""",
    "delta rule": """
input k : T × D
input v : T × E
input q : T × D
input β : T
S[t] = S[t-1] + β[t] (v[t] - S[t-1] k[t]) k[t]ᵀ for t = 1..T
J = sum(t, norm(S[t] q[t] - v[t])^2)
""",
    "kalman cov": """
param A : D × D
param Q : D × D
param P0 : D × D
input z : T
P[0] = P0
P[t] = A P[t-1] Aᵀ + Q for t = 1..T
J = sum(t, z[t] tr(P[t]))
""",
    "EMA": """
input x : T
param α : scalar
m[t] = α m[t-1] + (1 - α) x[t] for t = 1..T
J = sum(t, (x[t] - m[t])^2)
""",
    "EMA h0": """
input x : T
param α : scalar
m[0] = x[1]
m[t] = α m[t-1] + (1 - α) x[t] for t = 1..T
J = sum(t, (x[t] - m[t])^2)
""",
    "EMA const 0": """
input x : T
param α : scalar
m[0] = 0
m[t] = α m[t-1] + (1 - α) x[t] for t = 1..T
J = sum(t, (x[t] - m[t])^2)
""",
    "init zeros": """
input x : T × D
param A : H × D
param B : H × H
h[0] = zeros(H)
h[t] = tanh(B h[t-1] + A x[t]) for t = 1..T
J = norm(h[T])^2
""",
    "GD unrolled": """
param w0 : D
input X : N × D
input y : N
param η : T
w[0] = w0
w[t] = w[t-1] - η[t] Xᵀ (X w[t-1] - y) for t = 1..T
J = norm(X w[T] - y)^2
""",
    "momentum": """
param w0 : D
input X : N × D
input y : N
param η : T
param μ : scalar
w[0] = w0
v[t] = μ v[t-1] - η[t] Xᵀ (X w[t-1] - y) for t = 1..T
w[t] = w[t-1] + v[t] for t = 1..T
J = norm(X w[T] - y)^2
""",
    "RK4": """
param x0 : D
param A : D × D
input u : T × D
const dt : scalar
def f(x, A, u) = A sin(x) + u
x[0] = x0
k1[t] = f(x[t-1], A, u[t]) for t = 1..T
k2[t] = f(x[t-1] + dt/2 k1[t], A, u[t]) for t = 1..T
k3[t] = f(x[t-1] + dt/2 k2[t], A, u[t]) for t = 1..T
k4[t] = f(x[t-1] + dt k3[t], A, u[t]) for t = 1..T
x[t] = x[t-1] + dt/6 (k1[t] + 2 k2[t] + 2 k3[t] + k4[t]) for t = 1..T
J = norm(x[T])^2
""",
    "running loss": """
input x : T × D
label y : T × K, one-hot
param A : D × D
param U : K × D
h[t] = tanh(A h[t-1] + x[t]) for t = 1..T
L[t] = L[t-1] + CE(y[t], softmax(U h[t])) for t = 1..T
J = L[T]
""",
    "two layers": """
input x : T × D
param A1 : H × H
param B1 : H × D
param A2 : K × K
param B2 : K × H
h1[t] = tanh(A1 h1[t-1] + B1 x[t])  for t = 1..T
h2[t] = tanh(A2 h2[t-1] + B2 h1[t-1])  for t = 1..T
J = norm(h2[T])^2 + sum(t, norm(h1[t])^2)
""",
    "t as number": """
input x : T × D
param A : D × D
h[t] = tanh(A h[t-1] + x[t]/t) for t = 1..T
J = sum(t, norm(h[t])^2)
""",
    "running mean": """
input x : T × D
m[t] = m[t-1] + (x[t] - m[t-1])/t for t = 1..T
J = sum(t, norm(m[t])^2)
""",
    "discount outside": """
input x : T × D
param A : D × D
param γ : scalar
h[t] = tanh(A h[t-1] + x[t]) for t = 1..T
J = sum(t, γ^t norm(h[t])^2)
""",
    "discount inside": """
input x : T × D
param A : D × D
param γ : scalar
h[t] = tanh(A h[t-1] + γ^t x[t]) for t = 1..T
J = sum(t, norm(h[t])^2)
""",
    "predict next": """
input x : T × D
param A : D × D
h[t] = tanh(A h[t-1] + x[t]) for t = 1..T
J = sum(t, norm(h[t] - x[t+1])^2)
""",
    "second order": """
input x : T
param a : scalar
param b : scalar
y[t] = a y[t-1] + b y[t-2] + x[t] for t = 1..T
J = sum(t, norm(y[t])^2)
""",
    "down": """
input r : T
param γ : scalar
G[t] = r[t] + γ G[t+1] for t = T..1
J = sum(t, G[t]^2)
""",
    "birnn concat": """
input x : T × D
param A : H × H
param B : H × D
param C : H × H
param E : H × D
param U : K × (2H)
label y : T × K, one-hot
f[t] = tanh(A f[t-1] + B x[t]) for t = 1..T
g[t] = tanh(C g[t+1] + E x[t]) for t = T..1
J = mean(t, CE(y[t], softmax(U concat(f[t], g[t]))))
""",
    "concat cell": """
input x : T × D
param W : H × (H+D)
param b : H
h[t] = tanh(W concat(h[t-1], x[t]) + b) for t = 1..T
J = norm(h[T])^2
""",
    "cosine state": """
input x : T × D
param A : D × D
s[t] = x[t]ᵀ A x[t] + 0.5 s[t-1] for t = 1..T
J = sum(t, s[t]^2)
""",
    "mean rows inside": """
input X : T × N × D
param A : D × D
h[t] = tanh(h[t-1] A + X[t] - mean(h[t-1], over=rows)) for t = 1..T
J = sum(t, norm(h[t])^2)
""",
    "message passing": """
input X : N × D
const A : N × N
param W : D × D
input c : T
H[0] = X
H[t] = relu(A H[t-1] W) for t = 1..T
J = sum(t, c[t] sum(H[t]))
""",
    "sinkhorn": """
input C : N × M
param u0 : N
input c : T
u[0] = u0
v[t] = 1 ./ (exp(C)ᵀ u[t-1]) for t = 1..T
u[t] = 1 ./ (exp(C) v[t]) for t = 1..T
J = sum(t, c[t] sum(u[t]))
""",
    "Adam corrected": """
param w0 : D
input g : T × D
const β1 : scalar
const β2 : scalar
const η : scalar
w[0] = w0
m[t] = β1 m[t-1] + (1-β1) g[t] for t = 1..T
v[t] = β2 v[t-1] + (1-β2) g[t].^2 for t = 1..T
w[t] = w[t-1] - η (m[t]/(1-β1^t)) ./ (sqrt(v[t]/(1-β2^t)) + 0.001) for t = 1..T
J = norm(w[T])^2
""",
    "masked last": """
input x : T × D
const m : T
param A : D × D
h[t] = m[t] tanh(A h[t-1] + x[t]) + (1 - m[t]) h[t-1] for t = 1..T
J = norm(h[T])^2
""",
    "newton-schulz": """
param X0 : D × D
param A : D × D
input c : T
X[0] = X0
X[t] = 2 X[t-1] - X[t-1] A X[t-1] for t = 1..T
J = sum(t, c[t] tr(X[t]))
""",
    "GRU batch rows": """
input X : T × N × D
param Wz : D × H
param Uz : H × H
param Wn : D × H
param Un : H × H
param bz : 1 × H
z[t] = sigmoid(X[t] Wz + h[t-1] Uz + bz) for t = 1..T
n[t] = tanh(X[t] Wn + (z[t] ∘ h[t-1]) Un) for t = 1..T
h[t] = (1 - z[t]) ∘ n[t] + z[t] ∘ h[t-1] for t = 1..T
J = norm(h[T])^2
""",
    "hopfield": """
input x0 : D
param M : S × D
const β : scalar
input c : T
ξ[0] = x0
ξ[t] = Mᵀ softmax(β M ξ[t-1]) for t = 1..T
J = sum(t, c[t] norm(ξ[t])^2)
""",
    "huber/library": """
input x : T × D
param A : D × D
h[t] = swish(A h[t-1] + x[t]) + gelu(h[t-1]) for t = 1..T
J = sum(t, MSE(h[t], x[t]))
""",
    "logsumexp loss in loop": """
input x : T × D
param A : D × D
h[t] = tanh(A h[t-1] + x[t]) for t = 1..T
L[t] = L[t-1] + log(sum(exp(h[t]))) for t = 1..T
J = L[T]
""",
    "tr states": """
input X : T × D × D
param A : D × D
H[t] = tanh(A H[t-1] + X[t]) + tr(H[t-1]) A for t = 1..T
J = norm(H[T])^2
""",
    "diag of matrix state": """
input X : T × D × D
param A : D × D
H[t] = tanh(A H[t-1] + X[t]) + diag(H[t-1]) diag(H[t-1])ᵀ for t = 1..T
J = norm(H[T])^2
""",
    "cumsum in step": """
input x : T × D
param A : D × D
h[t] = cumsum(A h[t-1] + x[t]) for t = 1..T
J = sum(t, norm(h[t])^2)
""",
    "a layer norm in a step": """
input X : T × N × D
param A : D × D
param g : 1 × D
param b : 1 × D
const e : scalar, positive
h[t] = tanh(layer_norm(h[t-1] A + X[t], g, b, e)) for t = 1..T
J = sum(t, norm(h[t])^2)
""",
    "an RMS norm of rows": """
input X : T × N × D
param A : D × D
param g : 1 × D
const e : scalar, positive
h[t] = h[t-1] + rms_norm(h[t-1] A + X[t], g, e) for t = 1..T
J = norm(h[T])^2
""",
    "a number before the first step": """
input x : T
param a : scalar
s[0] = 2
s[t] = a s[t-1] ∘ s[t-1] + x[t] for t = 1..T
J = s[T] + sum(t, s[t]^2)
""",
    "a formula before the first step": """
input x : T × D
param A : D × D
param b : D
h[0] = A b + b
h[t] = tanh(A h[t-1] + x[t]) for t = 1..T
J = norm(h[T])^2
""",
    "zero before the first step": """
input x : T × D
param A : D × D
h[0] = 0
h[t] = tanh(A h[t-1] + x[t]) for t = 1..T
J = norm(h[T])^2
""",
    "steps backwards by their number": """
input x : T × D
param A : D × D
m[t] = A m[t+1]/t + t x[t] for t = T..1
J = sum(t, norm(m[t])^2/(1 + t))
""",
    "a running maximum": """
input x : T
m[t] = max(m[t-1], x[t]) for t = 1..T
J = sum(t, m[t]^2)
""",
    "gates in one product": """
input x : T × D
param W : (4H) × D
param V : (4H) × H
param b : (4H)
z[t] = W x[t] + V h[t-1] + b for t = 1..T
c[t] = sigmoid(z[t,1:H]) ∘ c[t-1] + sigmoid(z[t,H+1:2H]) ∘ tanh(z[t,2H+1:3H]) for t = 1..T
h[t] = sigmoid(z[t,3H+1:4H]) ∘ tanh(c[t]) for t = 1..T
J = norm(h[T])^2
""",
    "an entry of the step before": """
input x : T × D
param a : D
h[t] = a h[t-1,1] + x[t] for t = 1..T
J = sum(t, norm(h[t])^2) + h[T,2]
""",
    "a part of the step before": """
input x : T × D
param A : D × D
h[t] = A h[t-1] + x[t] + sum(h[t-1,2:3]) for t = 1..T
J = h[1,2]^2 + sum(t, norm(h[t])^2)
""",
    "rows of a matrix state": """
input X : T × N × D
param A : D × D
param b : 1 × D
H[t] = tanh(H[t-1] A + X[t]) for t = 1..T
r[t] = H[t,2,:] + b for t = 1..T
J = sum(t, norm(r[t])^2)
""",
}
