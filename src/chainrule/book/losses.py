"""Losses and what they are applied to, where the two collapse: why one differentiates by the logits."""

from __future__ import annotations

from chainrule.book.record import Identity, register

__all__: list[str] = []


def _add(name: str, title: str, program: str, wrt: str, numerator: str = "", shape: str = "", upstream: str = "",
         source: str = "", conditions: tuple[str, ...] = ()) -> None:  # fmt: skip
    register(Identity(name, title, program, wrt, numerator, shape, "", upstream, conditions, source))


BISHOP = "Bishop, Pattern Recognition and Machine Learning, section 4.3"
_add("softmax of rows", "the softmax along rows", "input S : m × n\nP = softmax(S)", "S", "",
     "P ∘ (Δ − rowsum(Δ ∘ P))", "Δ", "every attention paper's backward pass")  # fmt: skip
_add("cross-entropy of rows", "the cross-entropy of each row, by the prediction",
     "input P : N × n\nlabel Y : N × n\nc = CE(Y, P)", "P", "", "−δᵀ ∘ Y ./ P", "δ")  # fmt: skip
_add("log-sum-exp", "the log-sum-exp, whose gradient is the softmax", "input x : n\ns = logsumexp(x)", "x",
     "softmax(x)ᵀ", "softmax(x)", source="Boyd and Vandenberghe, Convex Optimization, section 3.1.5")  # fmt: skip
_add("log-softmax", "the logarithm of the softmax", "input x : n\nz = log_softmax(x)", "x",
     "I − ones(n) softmax(x)ᵀ")  # fmt: skip
_add("logistic loss", "binary cross-entropy of a sigmoid, by the logits",
     "input z : n\nlabel y : n\np = sigmoid(z)\nJ = BCE(y, p)", "z", "(p − y)ᵀ", "p − y", source=BISHOP)  # fmt: skip
_add("binary cross-entropy", "binary cross-entropy, by the prediction",
     "input p : n\nlabel y : n\nJ = BCE(y, p)", "p", "((1 − y) ./ (1 − p) − y ./ p)ᵀ",
     "(1 − y) ./ (1 − p) − y ./ p", source=BISHOP)  # fmt: skip
_add("squared error", "the mean squared error, by the prediction",
     "input p : n\nlabel y : n\nJ = MSE(y, p)", "p", "2 (p − y)ᵀ/n", "2 (p − y)/n")  # fmt: skip
