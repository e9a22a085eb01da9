"""Functions as people write them, from courses and from-scratch repositories, with the shapes of their arguments."""

from dataclasses import dataclass

import numpy as np


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(Z)
    N = x.shape[0]
    return -np.sum(log_probs[np.arange(N), y]) / N


def cs231n_two_layer(X, W1, b1, W2, b2, y):
    h, _ = affine_forward(X, W1, b1)
    h = np.maximum(0, h)
    s, _ = affine_forward(h, W2, b2)
    loss = softmax_loss(s, y)
    loss += 0.5 * 0.1 * (np.sum(W1 * W1) + np.sum(W2 * W2))
    return loss


def svm_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    return np.sum(margins) / N


def bn_forward(x, gamma, beta, w):
    mu = x.mean(0)
    xmu = x - mu
    var = 1.0 / x.shape[0] * np.sum(xmu**2, axis=0)
    sqrtvar = np.sqrt(var + 1e-5)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    return np.sum((gamma * xhat + beta) * w)


def conv_naive(x, w, b, up):
    N, _C, H, W = x.shape
    F, _, HH, WW = w.shape
    pad, stride = 1, 2
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "constant")
    Ho = 1 + (H + 2 * pad - HH) // stride
    Wo = 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    out[n, f, i, j] = (
                        np.sum(xp[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW] * w[f]) + b[f]
                    )
    return np.sum(out * up)


def maxpool(x, up):
    N, C, H, W = x.shape
    out = np.zeros((N, C, H // 2, W // 2))
    for i in range(H // 2):
        for j in range(W // 2):
            out[:, :, i, j] = np.max(x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2], axis=(2, 3))
    return (out * up).sum()


def im2col_conv(x, w):
    _N, _C, _H, _W = x.shape
    k = 3
    cols = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return (np.einsum("nchwij,fcij->nfhw", cols, w) ** 2).sum()


def dropout_net(x, W):
    mask = (np.random.RandomState(3).rand(4, 5) < 0.5) / 0.5
    return np.sum(np.tanh((x @ W) * mask))


def min_char_rnn(Wxh, Whh, Why, bh, by, inputs, targets):
    hprev = np.zeros((4, 1))
    loss = 0
    hs = {-1: np.copy(hprev)}
    xs, ys, ps = {}, {}, {}
    for t in range(3):
        xs[t] = np.zeros((5, 1))
        xs[t][[1, 3, 0][t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][[3, 0, 2][t], 0])
    return loss


def lstm_step(x, h, c, Wx, Wh, b):
    a = x @ Wx + h @ Wh + b
    H = h.shape[1]

    def sig(z):
        return 1 / (1 + np.exp(-z))

    i, f, o, g = sig(a[:, :H]), sig(a[:, H : 2 * H]), sig(a[:, 2 * H : 3 * H]), np.tanh(a[:, 3 * H :])
    c = f * c + i * g
    h = o * np.tanh(c)
    return np.sum(h**2) + np.sum(c)


def gru(x, h, W, U):
    def sig(z):
        return 0.5 * (1 + np.tanh(z / 2))

    z, r = sig(x @ W[0] + h @ U[0]), sig(x @ W[1] + h @ U[1])
    n = np.tanh(x @ W[2] + (r * h) @ U[2])
    h = (1 - z) * n + z * h
    return (h**3).sum()


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def layer_norm(x, g, b, eps=1e-5):
    mean = np.mean(x, axis=-1, keepdims=True)
    var = np.var(x, axis=-1, keepdims=True)
    return g * (x - mean) / np.sqrt(var + eps) + b


def attention(q, k, v, mask):
    return softmax(q @ k.T / np.sqrt(q.shape[-1]) + mask) @ v


def mha(x, Wqkv, Wo, n_head=2):
    x = x @ Wqkv
    qkv = np.split(x, 3, axis=-1)
    heads = [np.split(x, n_head, axis=-1) for x in qkv]
    causal = (1 - np.tri(x.shape[0])) * -1e10
    out = [attention(q, k, v, causal) for q, k, v in zip(*heads, strict=False)]
    return np.hstack(out) @ Wo


def picogpt(wte, wpe, g, b, Wqkv, Wo, W1, W2):
    ids = [1, 4, 2, 0]
    x = wte[ids] + wpe[range(len(ids))]
    x = x + mha(layer_norm(x, g, b), Wqkv, Wo)
    x = x + gelu(layer_norm(x, g, b) @ W1) @ W2
    logits = layer_norm(x, g, b) @ wte.T
    return -np.mean(np.log(softmax(logits[:-1])[np.arange(3), ids[1:]]))


def alibi(Q, K, V):
    n = Q.shape[0]
    slopes = np.array([2 ** (-8 * (h + 1) / 2) for h in range(2)])
    dist = np.arange(n)[None, :] - np.arange(n)[:, None]
    out = 0
    for h in range(2):
        s = Q[:, h * 2 : h * 2 + 2] @ K[:, h * 2 : h * 2 + 2].T / np.sqrt(2) + slopes[h] * dist
        s = np.where(dist <= 0, s, -np.inf)
        out += (softmax(s) @ V).sum(0) @ np.arange(3.0)
    return out


def rope(q, k):
    n, d = q.shape
    inv = 1 / 10000 ** (np.arange(0, d, 2) / d)
    ang = np.outer(np.arange(n), inv)
    c, s = np.cos(ang), np.sin(ang)

    def rot(x):
        x1, x2 = x[:, ::2], x[:, 1::2]
        out = np.empty_like(x)
        out[:, ::2] = x1 * c - x2 * s
        out[:, 1::2] = x1 * s + x2 * c
        return out

    return np.sum(softmax(rot(q) @ rot(k).T) ** 2)


def moe(x, Wg, We):
    g = softmax(x @ Wg)
    outs = np.stack([np.tanh(x @ We[i]) for i in range(3)], axis=1)
    return np.sum(np.einsum("ne,ned->nd", g, outs) ** 2)


def vae(x, We, Wm, Ws, Wd):
    eps = np.random.RandomState(1).standard_normal((4, 2))
    h = np.tanh(x @ We)
    mu = h @ Wm
    logvar = h @ Ws
    z = mu + np.exp(0.5 * logvar) * eps
    r = 1 / (1 + np.exp(-z @ Wd))
    t = (x > 0) * 1.0
    bce = -np.sum(t * np.log(r + 1e-9) + (1 - t) * np.log(1 - r + 1e-9))
    kl = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))
    return (bce + kl) / 4


def gmm(x, logits, mu, logs):
    pi = softmax(logits)
    K = 3
    N, D = x.shape
    ll = np.zeros((N, K))
    for k in range(K):
        d = (x - mu[k]) / np.exp(logs[k])
        ll[:, k] = np.log(pi[k]) - 0.5 * np.sum(d**2, 1) - np.sum(logs[k]) - 0.5 * D * np.log(2 * np.pi)
    m = ll.max(1, keepdims=True)
    return -np.sum(m[:, 0] + np.log(np.sum(np.exp(ll - m), 1)))


def gp(X, y, ls, sf, sn):
    d2 = np.sum(X**2, 1)[:, None] + np.sum(X**2, 1)[None, :] - 2 * X @ X.T
    K = np.exp(2 * sf) * np.exp(-0.5 * d2 / np.exp(2 * ls)) + np.exp(2 * sn) * np.eye(len(X))
    L = np.linalg.cholesky(K)
    a = np.linalg.solve(L.T, np.linalg.solve(L, y))
    return 0.5 * y @ a + np.sum(np.log(np.diag(L))) + 0.5 * len(X) * np.log(2 * np.pi)


def kalman(F, Q, H, Rr, y):
    m = np.zeros(2)
    P = np.eye(2)
    ll = 0.0
    for t in range(3):
        m = F @ m
        P = F @ P @ F.T + Q @ Q.T
        S = H @ P @ H.T + Rr @ Rr.T
        v = y[t] - H @ m
        K = P @ H.T @ np.linalg.inv(S)
        ll += -0.5 * (v @ np.linalg.solve(S, v) + np.linalg.slogdet(2 * np.pi * S)[1])
        m = m + K @ v
        P = P - K @ S @ K.T
    return -ll


def krr(X, y, lam):
    K = np.exp(-np.abs(X[:, None, :] - X[None, :, :]).sum(-1))
    a = np.linalg.solve(K + np.exp(lam) * np.eye(len(X)), y)
    return np.mean((K @ a - y) ** 2)


def tsne(Y):
    P = np.abs(np.sin(np.add.outer(np.arange(5.0), np.arange(5.0))))
    np.fill_diagonal(P, 0)
    P = P / P.sum()
    s = np.sum(np.square(Y), 1)
    num = 1.0 / (1 + np.add(np.add(-2 * np.dot(Y, Y.T), s).T, s))
    num[range(5), range(5)] = 0.0
    Q = num / np.sum(num)
    Q = np.maximum(Q, 1e-12)
    P = np.maximum(P, 1e-12)
    return np.sum(P * np.log(P / Q))


def infonce(z1, z2):
    z1 = z1 / np.linalg.norm(z1, axis=1, keepdims=True)
    z2 = z2 / np.linalg.norm(z2, axis=1, keepdims=True)
    l = z1 @ z2.T / 0.1
    l = l - l.max(1, keepdims=True)
    return -np.mean(np.diag(l) - np.log(np.exp(l).sum(1)))


def ntxent(z):
    z = z / np.sqrt((z**2).sum(1))[:, None]
    S = np.exp(z @ z.T / 0.5)
    S = S * (1 - np.eye(6))
    pos = S[np.arange(6), (np.arange(6) + 3) % 6]
    return -np.log(pos / S.sum(1)).mean()


def triplet(a, p, n):
    def d(u, v):
        return np.linalg.norm(u - v, axis=-1)

    return np.mean(np.maximum(d(a, p) - d(a, n) + 0.2, 0))


def pinn(W1, b1, W2):
    x = np.linspace(0, 1, 5)[:, None]
    h = np.tanh(x @ W1 + b1)
    u = h @ W2
    du = ((1 - h**2) * W1) @ W2
    d2 = (-2 * h * (1 - h**2) * W1**2) @ W2
    return np.mean((d2 + u * du) ** 2) + (u[0, 0] - 1) ** 2


def heat(u0, k):
    u = u0.copy()
    for _ in range(3):
        u[1:-1] = u[1:-1] + k * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.sum(u**2)


def huber(X, w, y):
    r = X @ w - y
    a = np.abs(r)
    return np.mean(np.where(a < 1, 0.5 * r**2, a - 0.5))


def tukey(X, w, y):
    r = (X @ w - y) / 4.685
    return np.sum(np.where(np.abs(r) <= 1, 1 - (1 - r**2) ** 3, 1.0))


def icp(theta, t, P, Q):
    c, s = np.cos(theta), np.sin(theta)
    Rm = np.array([[c, -s], [s, c]])
    d = ((P @ Rm.T + t)[:, None] - Q[None]) ** 2
    return d.sum(-1).min(1).sum()


def rodrigues(w, P):
    th = np.sqrt(w @ w)
    k = w / th
    K = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    Rm = np.eye(3) + np.sin(th) * K + (1 - np.cos(th)) * K @ K
    return ((P @ Rm.T)[:, 2] ** 3).sum()


def spectral_relax(W):
    A = np.abs(W @ W.T)
    D = A.sum(1)
    Lm = np.eye(4) - A / np.sqrt(np.outer(D, D))
    return np.linalg.eigvalsh(Lm)[:2].sum()


def sinkhorn(C, a):
    K = np.exp(-C / 0.5)
    u = np.ones(4) / 4
    p = softmax(a)
    q = np.ones(3) / 3
    for _ in range(5):
        v = q / (K.T @ u)
        u = p / (K @ v)
    return np.sum(u[:, None] * K * v[None, :] * C)


def sinkhorn_log(C, a):
    eps = 0.5

    def lse(M, ax):
        return np.log(np.exp(M - M.max(ax, keepdims=True)).sum(ax)) + M.max(ax)

    f, g = np.zeros(4), np.zeros(3)
    la = np.log(softmax(a))
    lb = np.log(np.ones(3) / 3)
    for _ in range(3):
        f = eps * (la - lse((g[None, :] - C) / eps, 1))
        g = eps * (lb - lse((f[:, None] - C) / eps, 0))
    return np.sum(np.exp((f[:, None] + g[None, :] - C) / eps) * C)


def ctc(logits):
    p = softmax(logits)
    lab = [0, 1, 0, 2, 0]
    T = 4
    al = np.zeros((T, 5))
    al[0, 0] = p[0, 0]
    al[0, 1] = p[0, 1]
    for t in range(1, T):
        for s in range(5):
            v = al[t - 1, s]
            if s > 0:
                v = v + al[t - 1, s - 1]
            if s > 1 and lab[s] != 0 and lab[s] != lab[s - 2]:
                v = v + al[t - 1, s - 2]
            al[t, s] = v * p[t, lab[s]]
    return -np.log(al[-1, -1] + al[-1, -2])


def crf(E, Tm):
    tags = [0, 2, 1]
    score = E[0, tags[0]]
    for t in range(1, 3):
        score += Tm[tags[t - 1], tags[t]] + E[t, tags[t]]
    a = E[0]
    for t in range(1, 3):
        M = a[:, None] + Tm
        m = M.max(0)
        a = E[t] + m + np.log(np.exp(M - m).sum(0))
    m = a.max()
    return m + np.log(np.exp(a - m).sum()) - score


def hmm(A, B, pi):
    A = softmax(A)
    B = softmax(B)
    pi = softmax(pi)
    al = pi * B[:, 1]
    ll = 0
    for o in [0, 2, 1]:
        c = al.sum()
        ll += np.log(c)
        al = (al / c) @ A * B[:, o]
    return -ll - np.log(al.sum())


def tree_lstm(x, W, U):
    def node(i):
        if i >= 3:
            return np.tanh(x[i] @ W), x[i] @ W
        (hl, cl), (hr, cr) = (
            node(2 * i + 1) if 2 * i + 1 < 5 else node(3),
            node(2 * i + 2) if 2 * i + 2 < 5 else node(4),
        )
        g = 1 / (1 + np.exp(-(np.concatenate([hl, hr]) @ U)))
        c = g * cl + (1 - g) * cr + x[i] @ W
        return np.tanh(c), c

    return (node(0)[0] ** 2).sum()


def capsule(u, W):
    uh = np.einsum("iab,ia->ib", W, u).reshape(3, 2, 2)
    b = np.zeros((3, 2))
    for _ in range(2):
        c = softmax(b)
        s = np.sum(c[:, :, None] * uh, 0)
        n2 = np.sum(s**2, -1, keepdims=True)
        v = n2 / (1 + n2) * s / np.sqrt(n2 + 1e-9)
        b = b + np.sum(uh * v[None], -1)
    return np.sum(np.maximum(0, 0.9 - np.sqrt((v**2).sum(-1))) ** 2)


def realnvp(x, W, V):
    x1, x2 = x[:, :2], x[:, 2:]
    s = np.tanh(x1 @ W)
    t = x1 @ V
    z = np.concatenate([x1, x2 * np.exp(s) + t], 1)
    return 0.5 * np.sum(z**2) - np.sum(s)


def planar(z, u, w, b):
    a = np.tanh(z @ w + b)
    f = z + u * a[:, None]
    psi = (1 - a**2)[:, None] * w
    return np.sum(f**2) - np.sum(np.log(np.abs(1 + psi @ u)))


def siren(W1, b1, W2):
    x = np.stack(np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 2)), -1).reshape(-1, 2)
    return np.mean((np.sin(30 * np.sin(3 * x @ W1 + b1) @ W2) - x[:, :1]) ** 2)


def nerf(sig, rgb):
    d = np.array([0.1, 0.2, 0.1, 0.3])
    al = 1 - np.exp(-np.maximum(sig, 0) * d)
    T = np.cumprod(np.concatenate([np.ones(1), 1 - al[:-1] + 1e-10]))
    return ((al * T) @ rgb).sum()


def dqn(W, s, s2):
    q = s @ W
    q2 = s2 @ W
    a = [0, 1, 1]
    t = np.array([1.0, 0, 2]) + 0.9 * q2.max(1)
    return np.mean((q[np.arange(3), a] - t) ** 2)


def reinforce(th, s):
    lp = s @ th
    lp = lp - np.log(np.exp(lp).sum(1, keepdims=True))
    r = np.array([1.0, 2, 3])
    R = np.cumsum(r[::-1])[::-1]
    return -np.sum(lp[range(3), [0, 1, 0]] * R)


def ppo(th, s):
    p = softmax(s @ th)[np.arange(3), [0, 1, 0]]
    r = p / np.array([0.5, 0.4, 0.3])
    A = np.array([1.0, -1, 2])
    return -np.minimum(r * A, np.clip(r, 0.8, 1.2) * A).mean()


def logistic(w, X, y):
    z = X @ w
    return np.mean(np.log(1 + np.exp(-(2 * y - 1) * z))) + 0.01 * np.linalg.norm(w) ** 2


def focal(x, y):
    p = 1 / (1 + np.exp(-x))
    pt = np.where(y > 0.5, p, 1 - p)
    return -np.mean((1 - pt) ** 2 * np.log(pt))


def dice(x):
    p = 1 / (1 + np.exp(-x))
    t = np.arange(12).reshape(3, 4) % 2
    return 1 - (2 * np.sum(p * t) + 1) / (p.sum() + t.sum() + 1)


def pca(X, V):
    Xc = X - X.mean(0)
    return -np.trace(V.T @ Xc.T @ Xc @ V) / np.trace(V.T @ V)


def nmf(W, H):
    V = np.abs(np.outer(np.arange(1, 5), np.arange(1, 4))) * 1.0
    WH = np.abs(W) @ np.abs(H) + 1e-3
    return np.sum(V * np.log(V / WH) - V + WH)


def mf_bias(P, Q, bu, bi):
    u = np.array([0, 1, 2, 2])
    i = np.array([1, 0, 2, 1])
    r = np.array([3.0, 4, 1, 5])
    return np.sum((r - (P[u] * Q[i]).sum(1) - bu[u] - bi[i] - 3) ** 2)


def skipgram(V, U):
    c = 2
    pos = U[[1, 3]] @ V[c]
    neg = U[[0, 4, 2]] @ V[c]
    return -np.log(1 / (1 + np.exp(-pos))).sum() - np.log(1 / (1 + np.exp(neg))).sum()


def som(W):
    x = np.array([0.3, 0.1])
    d = ((W - x) ** 2).sum(1)
    h = np.exp(-((np.arange(5) - 2) ** 2) / 2.0)
    return (h * d).sum()


def rbf(c, b, w):
    x = np.linspace(0, 1, 5)
    return ((np.exp(-np.exp(b) * (x[:, None] - c) ** 2) @ w - np.sin(x)) ** 2).sum()


def ridge_cv(lam):
    X = np.arange(12.0).reshape(4, 3) % 5
    y = np.arange(4.0)
    H = X @ np.linalg.inv(X.T @ X + np.exp(lam) * np.eye(3)) @ X.T
    r = (y - H @ y) / (1 - np.diag(H))
    return np.mean(r**2)


def newton_step(x):
    A = np.array([[3.0, 1], [1, 2]]) + np.outer(x, x)
    g = A @ x
    return (x - np.linalg.solve(A, g)) @ x + x.sum()


def unrolled_gd(w0, lr):
    X = np.arange(6.0).reshape(3, 2) / 5
    y = np.ones(3)
    w = w0
    for _ in range(3):
        w = w - lr * X.T @ (X @ w - y)
    return ((X @ w - y) ** 2).sum()


def adam_unrolled(w0):
    m = np.zeros(3)
    v = np.zeros(3)
    w = w0
    for t in range(1, 4):
        g = 2 * w + np.sin(w)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        w = w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return (w**2).sum()


def verlet(q, p):
    for _ in range(3):
        p = p - 0.05 * np.sin(q)
        q = q + 0.1 * p
        p = p - 0.05 * np.sin(q)
    return np.sum(q**2 + p**3)


def lj(r):
    d = r[:, None] - r[None]
    d2 = (d**2).sum(-1) + np.eye(4)
    i6 = 1 / d2**3
    return np.sum(np.triu(4 * (i6**2 - i6), 1))


def ising(J, h):
    s = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    E = -np.einsum("si,ij,sj->s", s, J, s) - s @ h
    return np.log(np.exp(-E).sum())


def total_var(x):
    return np.sum(np.sqrt(np.diff(x, axis=0)[:, :-1] ** 2 + np.diff(x, axis=1)[:-1] ** 2 + 1e-6))


def ssim(x):
    y = np.arange(12.0).reshape(3, 4) / 5
    mx, my = x.mean(), y.mean()
    vx, vy = x.var(), y.var()
    c = np.mean((x - mx) * (y - my))
    return (2 * mx * my + 0.01) * (2 * c + 0.03) / ((mx**2 + my**2 + 0.01) * (vx + vy + 0.03))


def gram_style(x):
    F = x.reshape(3, -1)
    G = F @ F.T / F.size
    return np.sum((G - np.eye(3)) ** 2)


def bilinear(img, p):
    i, j = 1, 0
    a, b = p[0], p[1]
    return (
        (1 - a) * (1 - b) * img[i, j] ** 2
        + a * (1 - b) * img[i + 1, j]
        + (1 - a) * b * img[i, j + 1]
        + a * b * img[i + 1, j + 1]
    )


def gcn(X, W, W2):
    A = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0.0]]) + np.eye(4)
    D = np.diag(A.sum(1) ** -0.5)
    Ah = D @ A @ D
    return np.sum(softmax(Ah @ np.maximum(Ah @ X @ W, 0) @ W2) ** 2)


def gat(X, W, a):
    A = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]])
    H = X @ W
    e = H @ a[:2, None] + (H @ a[2:, None]).T
    e = np.where(e > 0, e, 0.2 * e)
    e = np.where(A > 0, e, -9e15)
    return (softmax(e) @ H).sum() ** 2


@dataclass
class Params:
    W: object
    b: object


def dc(W, b):
    p = Params(W, b)
    p.b = p.b * 2
    return np.sum(np.tanh(p.W @ p.b))


class Layer:
    def __init__(self, W):
        self.W = W
        self.cache = None

    def __call__(self, x):
        self.cache = x
        return np.maximum(0, x @ self.W)


def oo2(W1, W2, x):
    h = x
    for l in [Layer(W1), Layer(W2)]:
        h = l(h)
    return h.sum()


def gen(x):
    return sum(v**2 for v in x if True)


CASES = {
    "cs231n_two_layer": (
        cs231n_two_layer,
        {"X": (4, 2, 3), "W1": (6, 5), "b1": (5,), "W2": (5, 3), "b2": (3,), "y": np.array([0, 2, 1, 1])},
    ),
    "svm": (svm_loss, {"x": (4, 3), "y": np.array([0, 2, 1, 1])}),
    "bn": (bn_forward, {"x": (5, 3), "gamma": (3,), "beta": (3,), "w": (5, 3)}),
    "conv": (conv_naive, {"x": (2, 2, 4, 5), "w": (3, 2, 3, 3), "b": (3,), "up": (2, 3, 2, 3)}),
    "maxpool": (maxpool, {"x": (2, 2, 4, 6), "up": (2, 2, 2, 3)}),
    "im2col": (im2col_conv, {"x": (2, 2, 4, 5), "w": (3, 2, 3, 3)}),
    "dropout": (dropout_net, {"x": (4, 3), "W": (3, 5)}),
    "min_char_rnn": (
        lambda Wxh, Whh, Why, bh, by: min_char_rnn(Wxh, Whh, Why, bh, by, 0, 0),
        {"Wxh": (4, 5), "Whh": (4, 4), "Why": (5, 4), "bh": (4, 1), "by": (5, 1)},
    ),
    "lstm": (lstm_step, {"x": (3, 2), "h": (3, 4), "c": (3, 4), "Wx": (2, 16), "Wh": (4, 16), "b": (16,)}),
    "gru": (gru, {"x": (3, 2), "h": (3, 4), "W": (3, 2, 4), "U": (3, 4, 4)}),
    "picogpt": (
        picogpt,
        {"wte": (5, 4), "wpe": (6, 4), "g": (4,), "b": (4,), "Wqkv": (4, 12), "Wo": (4, 4), "W1": (4, 7), "W2": (7, 4)},
    ),
    "alibi": (alibi, {"Q": (3, 4), "K": (3, 4), "V": (3, 3)}),
    "rope": (rope, {"q": (3, 4), "k": (3, 4)}),
    "moe": (moe, {"x": (4, 3), "Wg": (3, 3), "We": (3, 3, 2)}),
    "vae": (vae, {"x": (4, 5), "We": (5, 3), "Wm": (3, 2), "Ws": (3, 2), "Wd": (2, 5)}),
    "gmm": (gmm, {"x": (5, 2), "logits": (3,), "mu": (3, 2), "logs": (3, 2)}),
    "gp": (gp, {"X": (4, 2), "y": (4,), "ls": (), "sf": (), "sn": ()}),
    "kalman": (kalman, {"F": (2, 2), "Q": (2, 2), "H": (2, 2), "Rr": (2, 2), "y": (3, 2)}),
    "krr": (krr, {"X": (5, 2), "y": (5,), "lam": ()}),
    "tsne": (tsne, {"Y": (5, 2)}),
    "infonce": (infonce, {"z1": (4, 3), "z2": (4, 3)}),
    "ntxent": (ntxent, {"z": (6, 3)}),
    "triplet": (triplet, {"a": (4, 3), "p": (4, 3), "n": (4, 3)}),
    "pinn": (pinn, {"W1": (1, 4), "b1": (4,), "W2": (4, 1)}),
    "heat": (heat, {"u0": (6,), "k": ()}),
    "huber": (huber, {"X": (5, 2), "w": (2,), "y": (5,)}),
    "tukey": (tukey, {"X": (5, 2), "w": (2,), "y": (5,)}),
    "icp": (icp, {"theta": (), "t": (2,), "P": (3, 2), "Q": (4, 2)}),
    "rodrigues": (rodrigues, {"w": (3,), "P": (4, 3)}),
    "spectral": (spectral_relax, {"W": (4, 4)}),
    "sinkhorn": (sinkhorn, {"C": (4, 3), "a": (4,)}),
    "sinkhorn_log": (sinkhorn_log, {"C": (4, 3), "a": (4,)}),
    "ctc": (ctc, {"logits": (4, 3)}),
    "crf": (crf, {"E": (3, 3), "Tm": (3, 3)}),
    "hmm": (hmm, {"A": (3, 3), "B": (3, 3), "pi": (3,)}),
    "tree_lstm": (tree_lstm, {"x": (5, 2), "W": (2, 2), "U": (4, 2)}),
    "capsule": (capsule, {"u": (3, 2), "W": (3, 2, 4)}),
    "realnvp": (realnvp, {"x": (3, 4), "W": (2, 2), "V": (2, 2)}),
    "planar": (planar, {"z": (3, 2), "u": (2,), "w": (2,), "b": ()}),
    "siren": (siren, {"W1": (2, 4), "b1": (4,), "W2": (4, 1)}),
    "nerf": (nerf, {"sig": (4,), "rgb": (4, 3)}),
    "dqn": (dqn, {"W": (3, 2), "s": (3, 3), "s2": (3, 3)}),
    "reinforce": (reinforce, {"th": (3, 2), "s": (3, 3)}),
    "ppo": (ppo, {"th": (3, 2), "s": (3, 3)}),
    "logistic": (logistic, {"w": (3,), "X": (4, 3), "y": np.array([0.0, 1, 1, 0])}),
    "focal": (focal, {"x": (5,), "y": np.array([0.0, 1, 1, 0, 1])}),
    "dice": (dice, {"x": (3, 4)}),
    "pca": (pca, {"X": (5, 3), "V": (3, 2)}),
    "nmf": (nmf, {"W": (4, 2), "H": (2, 3)}),
    "mf": (mf_bias, {"P": (3, 2), "Q": (3, 2), "bu": (3,), "bi": (3,)}),
    "skipgram": (skipgram, {"V": (5, 3), "U": (5, 3)}),
    "som": (som, {"W": (5, 2)}),
    "rbf": (rbf, {"c": (3,), "b": (), "w": (3,)}),
    "ridge_cv": (ridge_cv, {"lam": ()}),
    "newton": (newton_step, {"x": (2,)}),
    "unrolled": (unrolled_gd, {"w0": (2,), "lr": ()}),
    "adam": (adam_unrolled, {"w0": (3,)}),
    "verlet": (verlet, {"q": (3,), "p": (3,)}),
    "lj": (lj, {"r": (4, 3)}),
    "ising": (ising, {"J": (3, 3), "h": (3,)}),
    "tv": (total_var, {"x": (4, 5)}),
    "ssim": (ssim, {"x": (3, 4)}),
    "gram": (gram_style, {"x": (3, 2, 2)}),
    "bilinear": (bilinear, {"img": (3, 2), "p": (2,)}),
    "gcn": (gcn, {"X": (4, 3), "W": (3, 4), "W2": (4, 2)}),
    "gat": (gat, {"X": (3, 3), "W": (3, 2), "a": (4,)}),
    "dc": (dc, {"W": (3, 3), "b": (3,)}),
    "oo": (oo2, {"W1": (3, 4), "W2": (4, 2), "x": (2, 3)}),
    "gen": (gen, {"x": (4,)}),
}
