"""What each function of the library is in PyTorch: the oracle of its tests and of the random programs.

PyTorch's own function wherever it has one, called so that none of ours can be taken for it. A new function of the
library gets a line here; `test_library.py` says which are missing. Arguments have no axes of size 1, vectors one axis.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F  # noqa: N812  (as everybody calls it)

Tensor = torch.Tensor


def one(y: Tensor) -> Tensor:
    return y.argmax(-1)


def gru(x: Tensor, h: Tensor, Wz: Tensor, Uz: Tensor, Wr: Tensor, Ur: Tensor, Wn: Tensor, Un: Tensor) -> Tensor:
    z, r = torch.sigmoid(Wz @ x + Uz @ h), torch.sigmoid(Wr @ x + Ur @ h)
    return (1 - z) * torch.tanh(Wn @ x + Un @ (r * h)) + z * h


def memory(x, h, c, Wi, Ui, Wf, Uf, Wg, Ug):  # type: ignore[no-untyped-def]
    i, f = torch.sigmoid(Wi @ x + Ui @ h), torch.sigmoid(Wf @ x + Uf @ h)
    return f * c + i * torch.tanh(Wg @ x + Ug @ h)


def rotary(X: Tensor, C: Tensor, S: Tensor, d: Tensor | None = None) -> Tensor:
    a, b = X.chunk(2, -1)
    turned = torch.complex(a, b) * torch.complex(C, S)
    return torch.cat([turned.real, turned.imag], -1)


def heads(X, Wq, Wk, Wv, Wo, s):  # type: ignore[no-untyped-def]
    q, k, v = (torch.einsum("ti,ihj->htj", X, W) for W in (Wq, Wk, Wv))
    y = F.scaled_dot_product_attention(q, k, v, scale=float(s))
    return torch.einsum("htj,hji->ti", y, Wo)


def grouped(Q, K, V, s):  # type: ignore[no-untyped-def]
    q, k, v = Q.permute(1, 2, 0, 3), K.permute(1, 0, 2), V.permute(1, 0, 2)
    k, v = (a[:, None].expand(-1, q.shape[1], -1, -1) for a in (k, v))
    return F.scaled_dot_product_attention(q, k, v, scale=float(s)).permute(2, 0, 1, 3)


def kron(A: Tensor, B: Tensor) -> Tensor:
    """torch.kron stops at some arrays that are views."""
    return torch.einsum("ij,kl->ikjl", A, B).reshape(A.shape[0] * B.shape[0], -1)


def grouped_conv(x: Tensor, W: Tensor, stride: int = 2, dilation: int = 1) -> Tensor:
    y = F.conv1d(x.flatten(1, 2), W.flatten(0, 1), stride=stride, dilation=dilation, groups=x.shape[1])
    return y.unflatten(1, (x.shape[1], -1))


# Arrays of more than two axes, labels that are looked up, products of matrices. Options as in the sample calls.
STRUCTURED: dict[str, Callable[..., Tensor]] = {
    "conv1d": lambda x, W, stride=2, padding=1, dilation=2: F.conv1d(x, W, None, stride, padding, dilation),
    "conv2d": lambda x, W, stride=2, padding=1, dilation=1: F.conv2d(x, W, None, stride, padding, dilation),
    "conv3d": lambda x, W, stride=1, padding=1, dilation=1: F.conv3d(x, W, None, stride, padding, dilation),
    "grouped_conv1d": grouped_conv,
    "depthwise_conv1d": lambda x, W, stride=2, dilation=1: F.conv1d(
        x, W[:, None], stride=stride, dilation=dilation, groups=len(W)
    ),
    "depthwise_conv2d": lambda x, W, stride=2, padding=1, dilation=1: F.conv2d(
        x, W[:, None], None, stride, padding, dilation, groups=len(W)
    ),
    "conv_transpose1d": lambda x, W, stride=2, padding=0, dilation=1: F.conv_transpose1d(
        x, W, stride=stride, padding=padding, dilation=dilation
    ),
    "conv_transpose2d": lambda x, W, stride=2, padding=0, dilation=1: F.conv_transpose2d(
        x, W, stride=stride, padding=padding, dilation=dilation
    ),
    "avg_pool1d": lambda x, window=3, stride=2, padding=0: F.avg_pool1d(x, window, stride, padding),
    "avg_pool2d": lambda x, window=2, stride=2: F.avg_pool2d(x, window, stride),
    "max_pool1d": lambda x, window=3, stride=2: F.max_pool1d(x, window, stride),
    "max_pool2d": lambda x, window=2, stride=2: F.max_pool2d(x, window, stride),
    "embedding": lambda ids, E: F.embedding(ids.long(), E),
    "tied_logits": lambda ids, E: E[ids.long()] @ E.T,
    "CE_labels": lambda c, z: F.cross_entropy(z, c.long()),
    "CE_ignored": lambda c, k, z: F.cross_entropy(z, torch.where(k > 0, c, -100).long(), ignore_index=-100),
    "CE_weighted": lambda c, w, z: F.cross_entropy(z, c.long(), weight=w),
    "skip_gram": lambda o, v, U: F.cross_entropy(U @ v, o.long()),
    "negative_sampling": lambda o, ids, v, U: -F.logsigmoid(U[o.long()] @ v) - F.logsigmoid(-U[ids.long()] @ v).sum(),
    "mixture_of_experts": lambda X, W, r, g: torch.einsum("td,tdm,t->tm", X, W[r.long()], g),
    "multi_head_attention": heads,
    "grouped_query_attention": grouped,
    "rotary": rotary,
    "residual_block": lambda x, W, b, V, c: x + V @ torch.relu(W @ x + b) + c,
    "group_norm": lambda x, γ, β, e: F.group_norm(
        x.flatten(1, 2), x.shape[1], γ.flatten(), β.flatten(), float(e)
    ).view_as(x),
    "batch_norm2d": lambda x, γ, β, e: F.batch_norm(x, None, None, γ, β, training=True, eps=float(e)),
    "instance_norm": lambda x, e: F.instance_norm(x, eps=float(e)),
    "kron_product": kron,
    "matrix_cube": lambda A: A @ A @ A,
}  # fmt: skip


TORCH: dict[str, Callable[..., Tensor]] = {
    "leaky_relu": lambda u, a: torch.where(u > 0, u, a * u),
    "elu": lambda u, a: torch.where(u > 0, u, a * torch.expm1(u)),
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda u: F.gelu(u, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "log_sigmoid": F.logsigmoid,
    "softsign": F.softsign,
    "hard_sigmoid": lambda u: torch.clamp(u + 3, 0, 6) / 6,  # torch's own divides by 6 in float32
    "hard_tanh": F.hardtanh,
    "hard_swish": F.hardswish,
    "swiglu": lambda x, W, V: F.silu(W @ x) * (V @ x),
    "softmax": lambda t: torch.softmax(t, -1),
    "logsumexp": lambda t: torch.logsumexp(t, -1),
    "log_softmax": lambda t: torch.log_softmax(t, -1),
    "weighted_BCE_logits": lambda y, z, w: F.binary_cross_entropy_with_logits(z, y, pos_weight=w, reduction="sum"),
    "CE_logits": lambda y, z: F.cross_entropy(z, one(y)),
    "smoothed_CE": lambda y, z, a: F.cross_entropy(z, one(y), label_smoothing=float(a)),
    "MAE": lambda y, p: F.l1_loss(p, y),
    "huber": lambda y, p, d: F.huber_loss(p, y, delta=float(d), reduction="sum"),
    "hinge": lambda y, p: torch.relu(1 - y * p).sum(),
    "multiclass_svm": lambda Y, S: F.multi_margin_loss(S, one(Y), reduction="sum") * S.shape[1],
    "KL": lambda p, q: F.kl_div(q.log(), p, reduction="sum"),
    "cosine": lambda a, b: F.cosine_similarity(a, b, 0),
    "info_nce": lambda S: F.cross_entropy(S, torch.arange(len(S))),
    "dpo": lambda w, l, rw, rl, β: -F.logsigmoid(β * ((w - rw) - (l - rl))).mean(),
    "triplet": lambda a, p, q, m: torch.relu((a - p).norm() ** 2 - (a - q).norm() ** 2 + m),
    "poisson_nll": lambda y, z: F.poisson_nll_loss(z, y, reduction="sum"),
    "gaussian_nll": lambda y, m, v: F.gaussian_nll_loss(m, y, v, reduction="sum", eps=1e-12),
    "L1": lambda W: W.abs().sum(),
    "L2": lambda W: (W**2).sum() / 2,
    "layer_norm": lambda X, γ, β, e: F.layer_norm(X, X.shape[1:], γ, β, float(e)),
    "batch_norm": lambda X, γ, β, e: F.batch_norm(X, None, None, γ, β, training=True, eps=float(e)),
    "rms_norm": lambda X, g, e: F.rms_norm(X, X.shape[1:], g, float(e)),
    "weight_norm": lambda v, g: torch._weight_norm(v[None], g.reshape(1, 1), 0)[0],
    "attention": lambda Q, K, V, s: F.scaled_dot_product_attention(Q, K, V, scale=float(s)),
    "masked_attention": lambda Q, K, V, s, M: F.scaled_dot_product_attention(Q, K, V, attn_mask=M, scale=float(s)),
    "lora": lambda x, W, A, B, s: W @ x + s * (B @ (A @ x)),
    "dropout": lambda x, m, q: x * m / q,
    "rnn_cell": lambda x, h, W, U, b: torch.tanh(F.linear(x, W) + F.linear(h, U, b)),
    "gru_cell": gru,
    "lstm_memory": memory,
    **STRUCTURED,
    "lstm_output": lambda x, h, c, Wo, Uo: torch.sigmoid(Wo @ x + Uo @ h) * torch.tanh(c),
}  # fmt: skip
