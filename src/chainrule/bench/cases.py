"""The rows of the table: layers of the note at six sizes, second order, attention, norms, an LSTM, a block of GPT-2,
and a training of twenty epochs. The first are those of `examples/one_layer_rows.net`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from chainrule.bench.case import Case, Contender
from chainrule.bench.ours import contenders
from chainrule.bench.peers import every_peer, peers
from chainrule.errors import UnsupportedError

__all__ = ["CASES", "choose", "everyone", "with_data"]

ONE_LAYER = """
input X  : N × D_x
label Y  : N × N_c, one-hot
param W  : D_x × D_h
param b1 : 1 × D_h
param U  : D_h × N_c
param b2 : 1 × N_c
Z = X W + b1
H = relu(Z)
Θ = H U + b2
Ŷ = softmax(Θ)
J = mean(CE(Y, Ŷ))
"""
ONE_SAMPLE = """
input x  : D_x
label y  : N_c, one-hot
param W  : D_h × D_x
param b1 : D_h
param U  : N_c × D_h
param b2 : N_c
h = relu(W x + b1)
J = CE(y, softmax(U h + b2))
"""
MLP = """
input X : N × D
label Y : N × K, one-hot
param W : D × H
param U : H × K
Z = tanh(X W)
Θ = Z U
J = mean(CE(Y, softmax(Θ)))
"""
LOGISTIC = """
input X : N × D
label y : N, nonnegative
param w : D
param b : scalar
z = X w + b
p = sigmoid(z)
J = BCE(y, p)/N
"""
ATTENTION = """
param Q : B × H × T × d
param K : B × H × T × d
param V : B × H × T × d
const G : B × H × T × d
S[b,h,i,j] = sum(e, Q[b,h,i,e] K[b,h,j,e])/sqrt(d)
P[b,h,i,j] = exp(S[b,h,i,j])/sum(j, exp(S[b,h,i,j]))
O[b,h,i,e] = sum(j, P[b,h,i,j] V[b,h,j,e])
J = sum(b, sum(h, sum(i, sum(e, G[b,h,i,e] O[b,h,i,e]))))
"""
LAYER_NORM = """
param X : N × D
param γ : 1 × D
param β : 1 × D
const G : N × D
Y = layer_norm(X, γ, β, 1e-5)
J = sum(G ∘ Y)
"""
GATES = "".join(f"param W{gate} : D × D\nparam U{gate} : D × D\n" for gate in "ifgo")
LSTM = f"""
input X : T × N × D
const G : T × N × D
{GATES}
in_[t] = sigmoid(X[t] Wi + h[t-1] Ui) for t = 1..T
fo[t] = sigmoid(X[t] Wf + h[t-1] Uf) for t = 1..T
ou[t] = sigmoid(X[t] Wo + h[t-1] Uo) for t = 1..T
ne[t] = tanh(X[t] Wg + h[t-1] Ug) for t = 1..T
c[t] = fo[t] ∘ c[t-1] + in_[t] ∘ ne[t] for t = 1..T
h[t] = ou[t] ∘ tanh(c[t]) for t = 1..T
J = sum(t, sum(n, sum(k, G[t,n,k] h[t,n,k])))
"""
GPT2_BLOCK = """
input X : T × D
const M : T × T
const G : T × D
param g : 1 × D
param b : 1 × D
param Wq : H × D × d
param Wk : H × D × d
param Wv : H × D × d
param cq : H × d
param ck : H × d
param cv : H × d
param Wo : H × d × D
param c : 1 × D
param r : 1 × D
param s : 1 × D
param W : D × K
param w : 1 × K
param V : K × D
param v : 1 × D
N = layer_norm(X, g, b, 1e-5)
q[h,i,e] = sum(f, N[i,f] Wq[h,f,e]) + cq[h,e]
k[h,i,e] = sum(f, N[i,f] Wk[h,f,e]) + ck[h,e]
z[h,i,e] = sum(f, N[i,f] Wv[h,f,e]) + cv[h,e]
S[h,i,j] = sum(e, q[h,i,e] k[h,j,e])/sqrt(d) + M[i,j]
A[h,i,j] = exp(S[h,i,j])/sum(j, exp(S[h,i,j]))
o[h,i,e] = sum(j, A[h,i,j] z[h,j,e])
t[i,f] = sum(h, sum(e, o[h,i,e] Wo[h,e,f]))
R = X + t + c
L = layer_norm(R, r, s, 1e-5)
Y = R + gelu(L W + w) V + v
J = sum(G ∘ Y)
"""
LAYERS = ("W", "b1", "U", "b2")
BLOCK = ("X", "g", "b", "Wq", "Wk", "Wv", "cq", "ck", "cv", "Wo", "c", "r", "s", "W", "w", "V", "v")


def _layer(key: str, N: int, D_x: int, D_h: int, N_c: int, **more: object) -> Case:
    title = f"batch {N}, {D_x}-{D_h}-{N_c}"
    sizes = {"N": N, "D_x": D_x, "D_h": D_h, "N_c": N_c}
    return Case(key, title, "one_layer", ONE_LAYER, sizes, LAYERS, **more)  # type: ignore[arg-type]


CASES: tuple[Case, ...] = (
    _layer("a", 1, 64, 32, 10, seconds=3.0),
    _layer("b", 1, 784, 128, 10, seconds=3.0),
    _layer("c", 64, 784, 128, 10, threads=(1, 2)),
    _layer("d", 1024, 784, 512, 10, threads=(1, 2), seconds=6.0),
    _layer("e", 4096, 1024, 1024, 1000, threads=(1, 2), seconds=15.0, turns=5, tolerance=1e-4,
           options={"without": ("autograd", "PyTensor", "jax", "torch")}),
    _layer("f", 2048, 512, 512, 50257, threads=(1, 2), seconds=20.0, turns=3, tolerance=2e-4, chunk=512,
           options={"without": ("autograd", "PyTensor", "Numba by hand", "NumPy by hand", "products (numpy)", "c",
                                "torch", "jax")}),  # a step takes seconds: one of each kind
    Case("logistic_hessian", "Hessian of logistic regression, 4096 × 128", "hessian", LOGISTIC,
         {"N": 4096, "D": 128}, what="value:hessian:w", tolerance=1e-4),
    Case("mlp_hessian", "Hessian of an MLP at W, batch 256, 16-16-4", "hessian", MLP,
         {"N": 256, "D": 16, "H": 16, "K": 4}, what="value:hessian:W", tolerance=2e-4),
    Case("hessian_product", "Hessian times a direction, MLP at W, batch 256, 256-256-10", "hessian_product", MLP,
         {"N": 256, "D": 256, "H": 256, "K": 10}, what="value:hessian_product:W", tolerance=2e-4,
         options={"direction": "W"}),
    Case("newton", "Newton step of logistic regression, 4096 × 128", "newton", LOGISTIC,
         {"N": 4096, "D": 128}, what="newton:w", tolerance=2e-3),
    Case("sample_norms", "norms of every sample's gradient at W, batch 256, 784-128-10", "sample_norms", ONE_SAMPLE,
         {"N": 256, "D_x": 784, "D_h": 128, "N_c": 10}, what="value:sample_norms:W", tolerance=1e-4,
         options={"lift": "N"}),
    Case("attention", "attention, batch 8, 4 heads, 256 × 64", "attention", ATTENTION,
         {"B": 8, "H": 4, "T": 256, "d": 64}, ("Q", "K", "V"), tolerance=1e-4),
    Case("layer_norm", "layer norm, 4096 × 768", "layer_norm", LAYER_NORM, {"N": 4096, "D": 768}, ("X", "γ", "β"),
         tolerance=1e-4),
    Case("lstm", "an LSTM, batch 32, 64 steps, width 128", "lstm", LSTM, {"T": 64, "N": 32, "D": 128},
         tuple(f"{z}{gate}" for z in "WU" for gate in "ifgo"), tolerance=1e-4),
    Case("gpt2_block", "a block of GPT-2 small, 256 tokens", "gpt2_block", GPT2_BLOCK,
         {"T": 256, "D": 768, "H": 12, "d": 64, "K": 3072}, BLOCK, tolerance=5e-4, seconds=8.0, turns=7,
         options={"causal": ("M",), "zero": ("ck",)}),  # softmax does not see what all keys share
    Case("training", "20 epochs on 8,000 pictures of 784, batch 64, 784-128-10", "training", ONE_LAYER,
         {"N": 8000, "D_x": 784, "D_h": 128, "N_c": 10}, LAYERS, what="training", tolerance=1e-2, seconds=15.0, turns=3,
         options={"rate": 0.1, "batch": 64, "epochs": 20, "clusters": "X"}),
)  # fmt: skip


def with_data(case: Case, path: str) -> Case:
    """A case that trains, on the data of a file (`Case.arrays`)."""
    with np.load(path) as stored:
        (N, D_x), N_c = stored["X"].shape, stored["Y"].shape[1]
        tests = len(stored["X_test"])
    epochs, batch = case.options["epochs"], case.options["batch"]
    title = f"{epochs} epochs on {N:,} samples of {D_x}, {tests:,} to test on, batch {batch}, {D_x}-128-{N_c}"
    options = {**{k: v for k, v in case.options.items() if k != "clusters"}, "data": path}
    sizes = {**case.sizes, "N": N, "D_x": D_x, "N_c": N_c}
    return replace(case, title=title, sizes=sizes, options=options, tolerance=3e-3)


def choose(keys: Iterable[str]) -> list[Case]:
    """The cases of these keys, in the order of the table. Raises UnsupportedError for a key that there is not."""
    wanted = list(keys)
    known = {case.key: case for case in CASES}
    for key in wanted:
        if key not in known:
            raise UnsupportedError(f"there is no row {key}", "one of: " + ", ".join(known))
    return [case for key, case in known.items() if not wanted or key in wanted]


# What no one runs with more threads than one: beyond their BLAS they have one, and the time is better spent on others.
ALONE = ("autograd", "PyTensor", "Numba by hand", "NumPy by hand")


def everyone(
    case: Case, targets: tuple[str, ...] = (), against: tuple[str, ...] = (), threads: int = 1
) -> list[Contender]:
    """Generated code and all that know the case's model, installed or not; only those named, where any are.

    Some are left out with several threads, where none are named.

    Raises UnsupportedError for a target or a peer that there is not.
    """
    known = peers(case.model)
    left_out = {*case.options.get("without", ()), *(ALONE if threads > 1 and not against else ())}
    chosen = [c for c in known if not against or any(c.name.lower().startswith(a.lower()) for a in against)]
    unknown = [a for a in against if not any(c.name.lower().startswith(a.lower()) for c in every_peer())]
    if unknown:
        raise UnsupportedError(f"there is no peer {unknown[0]}", "one of: " + ", ".join(c.name for c in known))
    return [c for c in (*contenders(case, targets), *chosen) if c.name not in left_out and c.knows(case)]
