"""Random programs over the whole library, judged by torch: `python tests/library_programs.py 10000 [first seed]`.

A program is made as a tree whose nodes hold their text in the language *and* what they are in torch, so the oracle
knows nothing of chainrule. `judge` compares the loss and every gradient with torch's in float64: the derived formulas
by the reference evaluator, the generated NumPy code (with buffers and plain), and central differences (`verify`).
`choose(n)` gives a number below n, so that Hypothesis can shrink a program and a plain generator can make thousands.

A function of the library is one line of `Writer`: what it takes, how it is written, what it is in torch.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812  (as everybody calls it)

import chainrule as cr
from chainrule.errors import ChainruleError, ChainruleWarning
from chainrule.reference import evaluate_program
from chainrule.sizes import symbols_of, value_of
from library_arrays import Arrays
from library_terms import ELEMENTWISE, SCALAR, SIZES, Declared, Env, Made, Shape, Tensor, number


@dataclass
class Program:
    """The text, the declared names, and the loss in torch."""

    text: str
    declared: dict[str, Declared]
    loss: Callable[[Env], Tensor]
    used: Counter[str] = field(default_factory=Counter)


def along(x: Tensor) -> int:
    """The last axis on paper: of a column its only one."""
    return x.ndim - 1 if x.ndim > 2 else 0 if x.shape[1] == 1 else 1


def last(f: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: f(x, along(x))


def lse(x: Tensor) -> Tensor:
    return torch.logsumexp(x, along(x), keepdim=True)


def total(x: Tensor) -> Tensor:
    return x.sum(along(x), keepdim=True)


def attend(q: Tensor, k: Tensor, v: Tensor, s: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.T * s
    return torch.softmax(scores if mask is None else scores + mask, 1) @ v


def gru(x, h, Wz, Uz, Wr, Ur, Wn, Un):  # type: ignore[no-untyped-def]
    z, r = torch.sigmoid(Wz @ x + Uz @ h), torch.sigmoid(Wr @ x + Ur @ h)
    return (1 - z) * torch.tanh(Wn @ x + Un @ (r * h)) + z * h


WITH_NUMBER: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "leaky_relu": lambda u, a: torch.where(u > 0, u, a * u),
    "elu": lambda u, a: torch.where(u > 0, u, a * (torch.exp(torch.clamp(u, max=0)) - 1)),
}
OVER_LAST: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": last(torch.softmax), "log_softmax": last(torch.log_softmax), "logsumexp": lse,
}  # fmt: skip
# Losses of a label y and a prediction of any shape: what the prediction must be, and the value.
LOSSES: dict[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "CE": ("probability", lambda y, p: -total(y * p.log())),
    "BCE": ("probability", lambda y, p: -total(y * p.log() + (1 - y) * (1 - p).log())),
    "BCE_logits": ("", lambda y, z: total(F.softplus(z, threshold=99) - y * z)),
    "MSE": ("", lambda y, p: ((p - y) ** 2).mean().reshape(1, 1)),
    "CE_logits": ("", lambda y, z: -total(y * last(torch.log_softmax)(z))),
    "MAE": ("", lambda y, p: (p - y).abs().mean().reshape(1, 1)),
    "hinge": ("", lambda y, p: torch.relu(1 - y * p).sum().reshape(1, 1)),
    "poisson_nll": ("bounded", lambda y, z: (z.exp() - y * z).sum().reshape(1, 1)),
}


class Writer(Arrays):
    """Makes one program."""

    def __init__(self, choose: Callable[[int], int]) -> None:
        self.choose = choose
        self.declared: dict[str, Declared] = {}
        self.lines: list[str] = []
        self.steps: list[tuple[str, Callable[[Env], Tensor]]] = []
        self.names: dict[str, Shape] = {}
        self.tensors: dict[str, tuple[str | None, ...]] = {}
        self.results: list[str] = []
        self.used: Counter[str] = Counter()
        self.sizes = tuple(SIZES)[: 2 + choose(3)]

    def pick(self, options):  # type: ignore[no-untyped-def]
        return options[self.choose(len(options))]

    def size(self) -> str:
        return self.pick(self.sizes)

    # -- leaves ---------------------------------------------------------------------------------------------------

    def declare(self, shape: tuple[str, ...], fact: str = "", kind: str = "") -> str:
        kind = kind or self.pick(("param", "param", "input", "const"))
        stem = {"label": "y", "const": "c", "input": "x"}.get(kind, "W")
        name = f"{stem}{len(self.declared) + 1}"
        self.declared[name] = Declared(kind, shape, fact)
        if len(shape) == 2:
            self.names[name] = (shape[0], shape[1])
        return name

    def leaf(self, name: str) -> Made:
        return Made(name, lambda env: env[name])

    def name(self, shape: Shape) -> Made:
        turned = [n for n, s in self.names.items() if s == shape[::-1] and shape != SCALAR]
        if turned and self.choose(4) == 0:
            name = self.pick(turned)
            return Made(name + "ᵀ", lambda env: env[name].T)
        fits = [n for n, s in self.names.items() if s == shape]
        if fits and (self.choose(3) or len(self.declared) > 11):
            return self.leaf(self.pick(fits))
        facts = [""] * 5 + ["positive"]
        if shape[0] == shape[1] != "1":
            facts += ["symmetric", "diagonal", "lower triangular"]
        return self.leaf(self.declare(shape, self.pick(facts)))

    def of_fact(self, shape: Shape, fact: str, kinds: tuple[str, ...] = ("param", "const")) -> Made:
        fits = [n for n, d in self.declared.items() if d.shape == shape and d.fact == fact and d.kind in kinds]
        return self.leaf(self.pick(fits) if fits and self.choose(3) else self.declare(shape, fact, self.pick(kinds)))

    def scalar(self) -> Made:
        """A number in front, or a name."""
        if self.choose(2):
            text = self.pick(("0.5", "2", "0.3", "1.5"))
            return Made(text, lambda env: torch.full((1, 1), float(text), dtype=torch.float64))
        return self.name(SCALAR)

    # -- expressions ----------------------------------------------------------------------------------------------

    def call(self, name: str, args: list[Made], value: Callable[..., Tensor]) -> Made:
        self.used[name] += 1
        return Made(f"{name}({', '.join(a.text for a in args)})", lambda env: value(*(a.value(env) for a in args)))

    def expr(self, shape: Shape, depth: int) -> Made:
        if depth <= 0:
            return self.name(shape)
        options = ["name", "sum", "sum", "had", "had", "scaled", "product", "product", "product", "fn", "fn", "fn",
                   "ratio", "power", "root", "residual", "extreme", "where", "transposed", "numbered",
                   "spelled", "tan"]  # fmt: skip
        if shape == SCALAR:
            options += ["total", "total", "norms", "loss", "loss", "loss", "other_loss", "other_loss", "lse", "trace",
                        "logdet", "quadratic"]  # fmt: skip
        elif shape[1] == "1":
            options += [
                "softmax",
                "reduced",
                "reduced",
                "cell",
                "cell",
                "cell",
                "rows_loss",
                "lse",
                "solved",
                "diagonal",
            ]
        elif shape[0] == "1":
            options += ["softmax", "reduced"]
        else:
            options += [
                "softmax",
                "softmax",
                "broadcast",
                "norm_layer",
                "norm_layer",
                "attention",
                "attention",
                "outer",
            ]
            if shape[0] == shape[1]:
                options += ["inverse", "diag"]
        return getattr(self, "e_" + self.pick(options))(shape, depth)  # type: ignore[no-any-return]

    def sub(self, shape: Shape, depth: int) -> Made:
        return self.expr(shape, depth - 1 - self.choose(2))

    def e_name(self, shape: Shape, depth: int) -> Made:
        return self.name(shape)

    def join(self, left: Made, sign: str, right: Made, f: Callable[[Tensor, Tensor], Tensor]) -> Made:
        return Made(f"{left.inside}{sign}{right.inside}", lambda env: f(left.value(env), right.value(env)))

    def e_sum(self, shape: Shape, depth: int) -> Made:
        left, right = self.sub(shape, depth), self.sub(shape, depth)
        if self.choose(2):
            return self.join(left, " + ", right, torch.add)
        return self.join(left, " - ", right, torch.sub)

    def e_numbered(self, shape: Shape, depth: int) -> Made:
        """One minus something, and the like."""
        number, inner = self.pick(("1", "2", "0.5")), self.sub(shape, depth)
        if self.choose(2):
            return Made(f"{number} - {inner.inside}", lambda env: float(number) - inner.value(env))
        return Made(f"{inner.inside} + {number}", lambda env: inner.value(env) + float(number))

    def e_had(self, shape: Shape, depth: int) -> Made:
        return self.join(self.sub(shape, depth), " ∘ ", self.sub(shape, depth), torch.mul)

    def e_scaled(self, shape: Shape, depth: int) -> Made:
        front, inner = self.scalar(), self.sub(shape, depth)
        return Made(f"{front.inside} {inner.inside}", lambda env: front.value(env) * inner.value(env))

    def e_product(self, shape: Shape, depth: int) -> Made:
        inner = self.size()
        return self.join(self.sub((shape[0], inner), depth), " ", self.sub((inner, shape[1]), depth), torch.matmul)

    def e_residual(self, shape: Shape, depth: int) -> Made:
        fits = [n for n in self.results if self.names.get(n) == shape]
        left = self.leaf(self.pick(fits)) if fits else self.name(shape)
        return self.join(left, " + ", self.sub(shape, depth), torch.add)

    def e_transposed(self, shape: Shape, depth: int) -> Made:
        inner = self.sub(shape[::-1], depth)
        return inner if shape == SCALAR else Made(f"{inner.inside}ᵀ", lambda env: inner.value(env).T)

    def e_fn(self, shape: Shape, depth: int) -> Made:
        if self.choose(6) == 0:
            name = self.pick(tuple(WITH_NUMBER))
            return self.call(name, [self.sub(shape, depth), self.scalar()], WITH_NUMBER[name])
        if self.choose(10) == 0:
            q = self.of_fact(SCALAR, "positive")
            return self.call("dropout", [self.sub(shape, depth), self.name(shape), q], lambda x, m, p: x * m / p)
        name = self.pick(tuple(ELEMENTWISE))
        return self.call(name, [self.sub(shape, depth)], ELEMENTWISE[name])

    def positive(self, shape: Shape, depth: int) -> Made:
        kind, inner = self.choose(5), self.sub(shape, depth)
        if kind == 0:
            return self.of_fact(shape, "positive")
        if kind == 1:
            return Made(f"1 + {inner.inside}.^2", lambda env: 1 + inner.value(env) ** 2)
        if kind == 2:
            return Made(f"softplus({inner.text})", lambda env: F.softplus(inner.value(env), threshold=99))
        if kind == 3:
            return Made(f"exp(tanh({inner.text}))", lambda env: torch.exp(torch.tanh(inner.value(env))))
        return Made(f"0.1 + sigmoid({inner.text})", lambda env: 0.1 + torch.sigmoid(inner.value(env)))

    def e_ratio(self, shape: Shape, depth: int) -> Made:
        return self.join(self.sub(shape, depth), " ./ ", self.positive(shape, depth), torch.div)

    def e_root(self, shape: Shape, depth: int) -> Made:
        inner = self.positive(shape, depth)
        if self.choose(3) == 0:
            power = self.pick(("(3/2)", "(-1/2)", "(1/3)", "(-1)", "(-2)"))
            number = eval(power)
            return Made(f"{inner.inside}.^{power}", lambda env: inner.value(env) ** number)
        if self.choose(4) == 0:
            exponent = self.sub(shape, depth)
            return self.call("pow", [inner, exponent], torch.pow)
        name, f = self.pick((("sqrt", torch.sqrt), ("log", torch.log), ("ln", torch.log)))
        return Made(f"{name}({inner.text})", lambda env: f(inner.value(env)))

    def e_power(self, shape: Shape, depth: int) -> Made:
        inner, power = self.sub(shape, depth), self.pick((2, 2, 3))
        return Made(f"{inner.inside}.^{power}", lambda env: inner.value(env) ** power)

    def e_extreme(self, shape: Shape, depth: int) -> Made:
        if self.choose(2):  # where both are equal (zeros of two diagonal matrices), the second counts
            return self.call(
                "maximum", [self.sub(shape, depth), self.sub(shape, depth)], lambda a, b: torch.where(a > b, a, b)
            )
        return self.call(
            "minimum", [self.sub(shape, depth), self.sub(shape, depth)], lambda a, b: torch.where(a < b, a, b)
        )

    def e_where(self, shape: Shape, depth: int) -> Made:
        left, right, inner = self.sub(shape, depth), self.name(shape), self.sub(shape, depth)
        return Made(
            f"1[{left.text} > {right.text}] ∘ {inner.inside}",
            lambda env: (left.value(env) > right.value(env)).double() * inner.value(env),
        )

    # scalars
    def array(self, depth: int) -> Made:
        return self.sub(self.any_shape(), depth)

    def any_shape(self) -> Shape:
        return self.pick(((self.size(), "1"), ("1", self.size()), (self.size(), self.size())))

    def e_total(self, shape: Shape, depth: int) -> Made:
        inner = self.array(depth)
        name, f = self.pick((("sum", torch.sum), ("mean", torch.mean)))
        return Made(f"{name}({inner.text})", lambda env: f(inner.value(env)).reshape(1, 1))

    def e_norms(self, shape: Shape, depth: int) -> Made:
        name, f = self.pick((
            ("norm", lambda x: (x**2).sum().sqrt()), ("norm1", lambda x: x.abs().sum()),
            ("L1", lambda x: x.abs().sum()), ("L2", lambda x: (x**2).sum() / 2),
        ))  # fmt: skip
        return self.call(name, [self.array(depth)], lambda x: f(x).reshape(1, 1))

    def e_lse(self, shape: Shape, depth: int) -> Made:
        rows = shape[0]
        inner = self.sub((rows, self.size()) if rows != "1" else (self.size(), "1"), depth)
        return self.call("logsumexp", [inner], OVER_LAST["logsumexp"])

    def e_trace(self, shape: Shape, depth: int) -> Made:
        n = self.size()
        inner, word = self.sub((n, n), depth), self.pick(("tr", "trace"))
        return Made(f"{word}({inner.text})", lambda env: inner.value(env).trace().reshape(1, 1))

    def definite(self, n: str) -> Made:
        """A Aᵀ + I: it has an inverse."""
        a = self.leaf(self.pick([x for x, s in self.names.items() if s[0] == n] or [self.declare((n, self.size()))]))
        unit = lambda env: torch.eye(number(n), dtype=torch.float64)  # noqa: E731
        return Made(f"{a.text} {a.text}ᵀ + I", lambda env: a.value(env) @ a.value(env).T + unit(env))

    def e_logdet(self, shape: Shape, depth: int) -> Made:
        inner = self.definite(self.size())
        name, f = self.pick((("logdet", torch.logdet), ("det", torch.det)))
        return Made(f"{name}({inner.text})", lambda env: f(inner.value(env)).reshape(1, 1))

    def e_inverse(self, shape: Shape, depth: int) -> Made:
        inner = self.definite(shape[0])
        return Made(f"inv({inner.text})", lambda env: torch.linalg.inv(inner.value(env)))

    def e_solved(self, shape: Shape, depth: int) -> Made:
        left, right = self.definite(shape[0]), self.sub(shape, depth)
        return Made(
            f"solve({left.text}, {right.text})", lambda env: torch.linalg.solve(left.value(env), right.value(env))
        )

    def e_quadratic(self, shape: Shape, depth: int) -> Made:
        n = self.size()
        x = self.name((n, "1")).text.removesuffix("ᵀ")
        left, right = (f"{x}ᵀ", x) if self.names[x] == (n, "1") else (x, f"{x}ᵀ")
        inner = self.sub((n, n), depth)
        column = lambda env: env[x] if self.names[x] == (n, "1") else env[x].T  # noqa: E731
        return Made(f"{left} {inner.inside} {right}", lambda env: column(env).T @ inner.value(env) @ column(env))

    # losses
    def label(self, shape: Shape) -> Made:
        return self.of_fact(shape, self.pick(("", "one-hot", "rows sum to 1")), ("label",))

    def e_loss(self, shape: Shape, depth: int) -> Made:
        """A loss of vectors or of rows, as a scalar."""
        form = self.pick(((self.size(), "1"), (self.size(), self.size())))
        inner = self.loss_of(form, depth)
        rows = form[1] != "1"
        name, f = self.pick((("mean", torch.mean), ("sum", torch.sum)))
        return Made(f"{name}({inner.text})", lambda env: f(inner.value(env)).reshape(1, 1)) if rows else inner

    def loss_of(self, form: Shape, depth: int) -> Made:
        name = self.pick([n for n in LOSSES if form[1] == "1" or n in ("CE", "BCE", "BCE_logits", "CE_logits")])
        wanted, f = LOSSES[name]
        p = self.sub(form, depth)
        if wanted == "probability":
            if name == "CE" and self.choose(2):
                p = self.call("softmax", [p], OVER_LAST["softmax"])
            else:
                p = self.call("sigmoid", [p], torch.sigmoid)
        elif wanted == "bounded":
            p = self.call("tanh", [p], torch.tanh)
        return self.call(name, [self.label(form), p], f)

    def e_rows_loss(self, shape: Shape, depth: int) -> Made:
        return self.loss_of((shape[0], self.size()), depth)

    def e_other_loss(self, shape: Shape, depth: int) -> Made:
        n, k = self.size(), self.size()
        column, matrix = (n, "1"), (n, k)
        one = lambda x: x.sum().reshape(1, 1)  # noqa: E731
        kind = self.choose(13)
        x = lambda form: self.sub(form, depth)  # noqa: E731
        if kind == 0:
            return self.call(
                "weighted_BCE_logits", [self.label(column), x(column), self.name(column)],
                lambda y, z, w: one((1 - y) * z + (1 + (w - 1) * y) * F.softplus(-z, threshold=99)),
            )  # fmt: skip
        if kind == 1:
            return self.call(
                "smoothed_CE", [self.label(column), x(column), self.scalar()],
                lambda y, z, a: -(1 - a) * (y * torch.log_softmax(z, 0)).sum() - a * torch.log_softmax(z, 0).mean(),
            )  # fmt: skip
        if kind == 2:
            return self.call(
                "huber", [self.label(matrix), x(matrix), self.of_fact(SCALAR, "positive")],
                lambda y, p, d: one(torch.where((p - y).abs() < d, (p - y) ** 2 / 2, d * ((p - y).abs() - d / 2))),
            )  # fmt: skip
        if kind == 3:
            y = self.of_fact(matrix, "one-hot", ("label",))
            return self.call(
                "multiclass_svm", [y, x(matrix)],
                lambda y, s: one(torch.relu(s - (s * y).sum(1, keepdim=True) + 1) * (1 - y)),
            )  # fmt: skip
        if kind == 4:
            p = self.of_fact(column, "positive")
            return self.call("KL", [p, self.positive(column, depth)], lambda p, q: one(p * (p.log() - q.log())))
        if kind == 5:
            return self.call(
                "cosine", [x(column), x(column)], lambda a, b: (a * b).sum().reshape(1, 1) / (a.norm() * b.norm())
            )
        if kind == 6:
            return self.call("info_nce", [x((n, n))], lambda s: (lse(s).mean() - s.diagonal().mean()).reshape(1, 1))
        if kind == 7:
            return self.call(
                "dpo", [x(column), x(column), self.name(column), self.name(column), self.scalar()],
                lambda w, l, a, b, β: F.softplus(-β * ((w - a) - (l - b)), threshold=99).mean().reshape(1, 1),
            )  # fmt: skip
        if kind == 8:
            return self.call(
                "triplet", [x(column), x(column), x(column), self.scalar()],
                lambda a, p, q, m: torch.relu(((a - p) ** 2).sum() - ((a - q) ** 2).sum() + m),
            )  # fmt: skip
        if kind == 9:
            return self.call(
                "gaussian_nll", [self.label(column), x(column), self.positive(column, depth)],
                lambda y, m, v: one(v.log() + (y - m) ** 2 / v) / 2,
            )  # fmt: skip
        if kind == 10:
            inner = x(matrix)
            name, f = self.pick((("max", torch.amax), ("min", torch.amin), ("prod", torch.prod)))
            return Made(f"{name}({inner.text})", lambda env: f(inner.value(env)).reshape(1, 1))
        inner = self.loss_of(column, depth)
        return Made(f"tanh({inner.text})", lambda env: torch.tanh(inner.value(env)))

    # vectors
    def e_softmax(self, shape: Shape, depth: int) -> Made:
        name, inner = self.pick(("softmax", "softmax", "log_softmax")), self.sub(shape, depth)
        if "1" not in shape and self.choose(3) == 0:
            self.used[f"{name} over rows"] += 1
            f = {"softmax": torch.softmax, "log_softmax": torch.log_softmax}[name]
            return Made(f"{name}({inner.text}, over=rows)", lambda env: f(inner.value(env), 0))
        return self.call(name, [inner], OVER_LAST[name])

    def e_reduced(self, shape: Shape, depth: int) -> Made:
        column = shape[1] == "1"
        inner = self.sub((shape[0], self.size()) if column else (self.size(), shape[1]), depth)
        axis = 1 if column else 0
        word = "columns" if column else "rows"
        name, f = self.pick((
            ("sum", lambda x: x.sum(axis, keepdim=True)), ("mean", lambda x: x.mean(axis, keepdim=True)),
            ("max", lambda x: x.amax(axis, keepdim=True)), ("min", lambda x: x.amin(axis, keepdim=True)),
            ("prod", lambda x: x.prod(axis, keepdim=True)),
        ))  # fmt: skip
        return Made(f"{name}({inner.text}, over={word})", lambda env: f(inner.value(env)))

    def e_spelled(self, shape: Shape, depth: int) -> Made:
        """What has two spellings."""
        n = self.size()
        if shape == SCALAR:
            left, right = self.sub((n, "1"), depth), self.sub((n, "1"), depth)
            return self.call("dot", [left, right], lambda a, b: (a * b).sum().reshape(1, 1))
        if "1" in shape:
            word, axis = ("row", 1) if shape[1] == "1" else ("col", 0)
            inner = self.sub((shape[0], n) if axis else (n, shape[1]), depth)
            end, f = self.pick((("sum", torch.sum), ("mean", torch.mean)))
            return self.call(word + end, [inner], lambda x: f(x, axis, keepdim=True))
        inner = self.sub(shape, depth)
        if shape[0] == shape[1] and self.choose(2):
            unit = lambda env: torch.eye(number(shape[0]), dtype=torch.float64)  # noqa: E731
            return Made(f"eye({shape[0]}) - {inner.inside}", lambda env: unit(env) - inner.value(env))
        word, number_of = self.pick((("ones", 1.0), ("zeros", 0.0)))
        if self.choose(2):
            return Made(f"{word}({shape[0]}, {shape[1]}) - {inner.inside}", lambda env: number_of - inner.value(env))
        other = self.sub(shape[::-1], depth)
        return Made(f"transpose({other.text})", lambda env: other.value(env).T)

    def e_tan(self, shape: Shape, depth: int) -> Made:
        inner = self.sub(shape, depth)
        return Made(f"tan(tanh({inner.text}))", lambda env: torch.tan(torch.tanh(inner.value(env))))

    def e_diagonal(self, shape: Shape, depth: int) -> Made:
        inner = self.sub((shape[0], shape[0]), depth)
        return Made(f"diag({inner.text})", lambda env: inner.value(env).diagonal()[:, None])

    def e_cell(self, shape: Shape, depth: int) -> Made:
        m, n, r = shape[0], self.size(), self.size()
        x, h, c = self.sub((n, "1"), depth), self.name(shape), self.name(shape)
        W, U = (lambda: self.name((m, n))), (lambda: self.name((m, m)))
        kind = self.choose(9)
        if kind == 0:
            return self.call("affine", [W(), x, h], lambda W, x, b: W @ x + b)
        if kind == 1:
            return self.call("swiglu", [x, W(), W()], lambda x, W, V: F.silu(W @ x) * (V @ x))
        if kind == 2:
            args = [x, W(), self.name((r, n)), self.name((m, r)), self.scalar()]
            return self.call("lora", args, lambda x, W, A, B, s: W @ x + s * (B @ (A @ x)))
        if kind == 3:
            return self.call("rnn_cell", [x, h, W(), U(), c], lambda x, h, W, U, b: torch.tanh(W @ x + U @ h + b))
        if kind == 4:
            return self.call("gate", [x, h, W(), U()], lambda x, h, W, U: torch.sigmoid(W @ x + U @ h))
        if kind == 5:
            return self.call("gru_cell", [x, h, W(), U(), W(), U(), W(), U()], gru)
        if kind == 6:
            return self.call(
                "lstm_memory", [x, h, c, W(), U(), W(), U(), W(), U()],
                lambda x, h, c, Wi, Ui, Wf, Uf, Wg, Ug: torch.sigmoid(Wf @ x + Uf @ h) * c
                + torch.sigmoid(Wi @ x + Ui @ h) * torch.tanh(Wg @ x + Ug @ h),
            )  # fmt: skip
        if kind == 7:
            return self.call(
                "lstm_output", [x, h, c, W(), U()],
                lambda x, h, c, W, U: torch.sigmoid(W @ x + U @ h) * torch.tanh(c),
            )  # fmt: skip
        return self.call("weight_norm", [self.sub(shape, depth), self.scalar()], lambda v, g: g * v / v.norm())

    # matrices
    def e_broadcast(self, shape: Shape, depth: int) -> Made:
        small = self.pick(((shape[0], "1"), ("1", shape[1])))
        sign, f = self.pick(((" + ", torch.add), (" - ", torch.sub), (" ∘ ", torch.mul)))
        return self.join(self.sub(shape, depth), sign, self.sub(small, depth), f)

    def e_norm_layer(self, shape: Shape, depth: int) -> Made:
        x, row = self.sub(shape, depth), ("1", shape[1])
        e = Made("0.1", lambda env: torch.tensor(0.1, dtype=torch.float64))
        kind = self.choose(3)
        if kind == 2:
            return self.call(
                "rms_norm", [x, self.name(row), e], lambda x, g, e: g * x / ((x**2).mean(1, keepdim=True) + e).sqrt()
            )
        axis, name = ((1, "layer_norm"), (0, "batch_norm"))[kind]

        def value(x: Tensor, γ: Tensor, β: Tensor, e: Tensor) -> Tensor:
            centred = x - x.mean(axis, keepdim=True)
            return γ * centred / ((centred**2).mean(axis, keepdim=True) + e).sqrt() + β

        return self.call(name, [x, self.name(row), self.name(row), e], value)

    def e_attention(self, shape: Shape, depth: int) -> Made:
        m, d = self.size(), self.size()
        q, s = self.sub((shape[0], d), depth), self.scalar()
        if self.choose(2):
            args = [q, self.sub((m, d), depth), self.sub((m, shape[1]), depth), s]
            return self.call("attention", args, attend)
        k, v = self.sub((shape[0], d), depth), self.sub(shape, depth)
        return self.call("masked_attention", [q, k, v, s, self.name((shape[0], shape[0]))], attend)

    def e_outer(self, shape: Shape, depth: int) -> Made:
        left, right = self.sub((shape[0], "1"), depth), self.sub((shape[1], "1"), depth)
        return Made(f"outer({left.text}, {right.text})", lambda env: left.value(env) @ right.value(env).T)

    def e_diag(self, shape: Shape, depth: int) -> Made:
        inner = self.sub((shape[0], "1"), depth)
        return Made(f"diag({inner.text})", lambda env: torch.diag(inner.value(env)[:, 0]))

    # -- index notation ---------------------------------------------------------------------------------------------

    def indexed(self, name: str) -> Shape:
        """z[a,b] = sum(c, sum(d, f(A[a,c]) g(T[c,d,b]))): arrays of up to three axes, every letter used."""
        dims = {letter: self.size() for letter in "abcd"[: 2 + self.choose(3)]}
        free, inner = list(dims)[:2], list(dims)[2:]
        factors: list[tuple[str, str, str]] = []
        waiting = list(dims)
        while waiting or len(factors) < 2:
            letters = [waiting.pop(self.choose(len(waiting))) for _ in range(min(len(waiting), 1 + self.choose(3)))]
            while len(letters) < 2:
                letters.insert(self.choose(len(letters) + 1), self.pick([x for x in dims if x not in letters]))
            shape = tuple(dims[x] for x in letters)
            fits = [n for n, s in self.names.items() if s == shape]
            fits += [n for n, d in self.declared.items() if d.shape == shape and len(shape) == 3]
            which = self.pick(fits) if fits and self.choose(3) else self.declare(shape)
            factors.append((which, "".join(letters), self.pick(("", "", "tanh", "sigmoid", "exp", "silu"))))
        texts = [f"{f}({n}[{','.join(x)}])" if f else f"{n}[{','.join(x)}]" for n, x, f in factors]
        body = " ".join(texts)
        for letter in inner:
            body = f"sum({letter}, {body})"
        self.lines.append(f"{name}[{','.join(free)}] = {body}")
        spec = ",".join(x for _, x, _ in factors) + "->" + "".join(free)
        functions: dict[str, Callable[[Tensor], Tensor]] = {"": lambda x: x, "exp": torch.exp, **ELEMENTWISE}

        def value(env: Env) -> Tensor:
            return torch.einsum(spec, *(functions[f](env[n]) for n, _, f in factors))

        self.steps.append((name, value))
        return (dims[free[0]], dims[free[1]])

    # -- programs ---------------------------------------------------------------------------------------------------

    def program(self) -> Program:
        for line in range(1, 2 + self.choose(4)):
            name = f"{self.pick('hz')}{line}"
            kind = self.choose(9)
            if kind < 3:
                self.array_line(name)
                continue
            if kind == 3:
                shape = self.indexed(name)
            else:
                shape = self.pick((self.any_shape(), self.any_shape(), (self.size(), self.size()), SCALAR))
                made = self.expr(shape, 1 + self.choose(3))
                if name in made.text:
                    continue
                self.lines.append(f"{name} = {made.text}")
                self.steps.append((name, made.value))
            self.names[name] = shape
            self.results.append(name)
        loss = self.loss()
        declarations = [
            f"{d.kind} {n} : {shown(d.shape)}" + (f", {d.fact}" if d.fact else "") for n, d in self.declared.items()
        ]
        text = "\n".join([*declarations, *self.lines, f"J = {loss.text}"]) + "\n"
        steps = list(self.steps)

        def value(env: Env) -> Tensor:
            env = dict(env)
            for name, step in steps:
                env[name] = step(env)
            return loss.value(env).sum()

        return Program(text, self.declared, value, self.used)

    def loss(self) -> Made:
        terms = [
            self.ended(self.leaf(n), self.names[n]) if n in self.names else self.tensor_end(self.leaf(n))
            for n in self.results[-(1 + self.choose(2)) :]
        ]
        if self.choose(3) == 0 or not terms:
            terms.append(self.expr(SCALAR, 2))
        made = terms[0]
        for term in terms[1:]:
            made = self.join(made, " + ", term, torch.add)
        return made

    def ended(self, made: Made, shape: Shape) -> Made:
        """A scalar of a result."""
        if shape == SCALAR:
            return made
        text, f = self.pick((
            ("sum({})", torch.sum), ("norm({})^2", lambda x: (x**2).sum()),
            ("mean(tanh({}))", lambda x: x.tanh().mean()),
            ("sum(sin({}))", lambda x: x.sin().sum()), ("sum(logsumexp({}))", lambda x: lse(x).sum()),
        ))  # fmt: skip
        return Made(text.format(made.text), lambda env: f(made.value(env)).reshape(1, 1))


def shown(shape: tuple[str, ...]) -> str:
    if shape == SCALAR:
        return "scalar"
    return shape[0] if shape[1:] == ("1",) else " × ".join(shape)


def write_program(choose: Callable[[int], int]) -> Program:
    """A random program."""
    return Writer(choose).program()


# -- the judge -------------------------------------------------------------------------------------------------------


class Broken(AssertionError):
    """A wrong answer."""


@dataclass
class Outcome:
    """What became of a program: fine, refused (by whom, with the message), or that the truth is not finite."""

    status: str
    message: str = ""
    gradients: int = 0
    unverified: str = ""


def sampled(program: Program, seed: int) -> Env:
    """Values that obey the declared facts, as matrices."""
    rng = np.random.default_rng(seed)
    out: Env = {}
    for name, declared in program.declared.items():
        dims = tuple(number(s) for s in declared.shape)
        array = 0.8 * rng.standard_normal(dims)
        if declared.fact == "positive":
            array = rng.uniform(0.3, 1.2, dims)
        if declared.fact == "nonnegative":
            array = np.where(np.arange(array.size).reshape(dims) == 0, 1, rng.integers(0, 2, dims)).astype(float)
        if declared.fact == "integer":
            array = rng.integers(0, number(declared.classes), dims).astype(float)
        if declared.fact in ("one-hot", "rows sum to 1"):
            column = declared.shape[1] == "1"
            count, classes = (1, dims[0]) if column else dims
            rows = np.eye(classes)[rng.integers(0, classes, count)]
            if declared.fact != "one-hot":
                rows = rng.dirichlet(np.ones(classes), count)
            array = rows.T if column else rows
        if declared.fact == "symmetric":
            array = (array + array.T) / 2
        if declared.fact == "diagonal":
            array = array * np.eye(*dims)
        if declared.fact == "lower triangular":
            array = np.tril(array)
        out[name] = torch.tensor(array)
    return out


def with_torch(program: Program, values: Env) -> tuple[float, dict[str, np.ndarray]]:
    """The loss and the gradient of every input and parameter."""
    known = {n: v.clone().requires_grad_(program.declared[n].kind in ("param", "input")) for n, v in values.items()}
    leaves = {n: v for n, v in known.items() if v.requires_grad}
    loss = program.loss(known)
    if not loss.requires_grad:
        return float(loss.detach()), {n: np.zeros(v.shape) for n, v in leaves.items()}
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return float(loss.detach()), {
        n: np.zeros(v.shape) if g is None else g.numpy() for (n, v), g in zip(leaves.items(), found, strict=True)
    }


def judge(program: Program, seed: int = 0, verify: bool = True) -> Outcome:
    """Raises Broken for a wrong answer; any exception that is no refusal is a fault too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        return _judge(program, seed, verify)


def _judge(program: Program, seed: int, verify: bool) -> Outcome:
    try:
        net = cr.parse(program.text)
    except ChainruleError as error:
        return Outcome("refused by parse", error.message)
    try:
        derivation = net.derive()
    except ChainruleError as error:
        return Outcome("refused by derive", error.message)
    values = sampled(program, seed)
    loss, wanted = with_torch(program, values)
    if not np.isfinite(loss) or not all(np.isfinite(wanted[n]).all() for n in derivation.gradients):
        return Outcome("the truth is not finite")
    labels = [n for n, d in program.declared.items() if d.classes]
    nudged = {n: v if n in labels else v * (1 + 1e-13 * torch.randn(v.shape, dtype=v.dtype)) for n, v in values.items()}
    near = with_torch(program, nudged)
    blur = abs(near[0] - loss)
    known = net.program.variables
    arrays = {n: np.asarray(v.numpy()).reshape([value_of(d, SIZES) for d in known[n].dims]) for n, v in values.items()}
    result = evaluate_program(derivation.program, arrays, SIZES)
    # The reference evaluates as it is written: exp of a logit of 1000 overflows there, and not in generated code.
    overflows = not np.isfinite(result[derivation.loss])
    if not overflows:
        _close(program, "the loss by formulas", result[derivation.loss], np.array(loss), blur)
    for name, gradient in () if overflows else derivation.backward.gradients.items():
        truth = wanted[name].reshape(arrays[name].shape)
        _close(program, f"∂J/∂{name} by formulas", result[gradient], truth, np.abs(near[1][name] - wanted[name]).max())
    for plain in (False, True):
        step = derivation.compile("numpy", plain=plain)
        with np.errstate(all="ignore"):
            found, gradients = step(**arrays)
        _close(program, "the loss by code", np.array(found), np.array(loss), blur)
        for name, gradient in gradients.items():
            if not isinstance(gradient, np.ndarray | np.floating | float):
                raise Broken(f"∂J/∂{name} by code is {gradient!r}, a {type(gradient).__name__}\n{program.text}")
            truth = wanted[name].reshape(arrays[name].shape)
            off = np.abs(near[1][name] - wanted[name]).max()
            _close(program, f"∂J/∂{name} by {'plain ' if plain else ''}code", np.asarray(gradient), truth, off)
    status = "fine by code, beyond the reference" if overflows else "fine"
    outcome = Outcome(status, gradients=len(derivation.gradients))
    if verify:
        symbols = {s for v in net.program.variables.values() for d in v.dims for s in symbols_of(d)}
        wide = any(len(v.dims) > 3 for v in net.program.variables.values())  # distinct primes take too much memory
        report = derivation.verify(seed, {s: n for s, n in SIZES.items() if s in symbols} if wide else None)
        if report.reason:
            outcome.unverified = report.reason.split("(")[0]
        elif not report.ok:
            raise Broken(f"verify: {report}\n{program.text}")
    return outcome


def _close(program: Program, what: str, got: np.ndarray, truth: np.ndarray, blur: float) -> None:
    scale = max(float(np.abs(truth).max(initial=0.0)), 1e-6)
    if got.shape != truth.shape or not np.isfinite(got).all():
        raise Broken(f"{what} is {got}, but torch has {truth}\n{program.text}")
    off = float(np.abs(got - truth).max(initial=0.0))
    if off > 1e-9 * scale + 1e4 * blur + 1e-13:  # a gradient that is 0, as of norm(v/norm(v)), is so to rounding
        raise Broken(
            f"{what} is off by {off:.1e} of {scale:.1e} (uncertain by {blur:.1e})\n{got}\n{truth}\n{program.text}"
        )


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Judge many programs and print what became of them; the exit status is 1 where one is wrong."""
    count, first = int(arguments[0]) if arguments else 1000, int(arguments[1]) if len(arguments) > 1 else 0
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    used: Counter[str] = Counter()
    unverified: Counter[str] = Counter()
    gradients = wrong = 0
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        program = write_program(lambda n, rng=rng: int(rng.integers(n)))
        try:
            outcome = judge(program, seed)
        except Exception as error:
            wrong += 1
            outcomes["WRONG"] += 1
            say(f"\nseed {seed}: {type(error).__name__}: {error}")
            if not isinstance(error, Broken):
                say(program.text + "".join(traceback.format_exc().splitlines(keepends=True)[-7:]))
            continue
        outcomes[outcome.status] += 1
        gradients += outcome.gradients
        used += program.used
        if outcome.status.startswith("refused"):
            reasons[f"{outcome.status}: {outcome.message}"] += 1
        if outcome.unverified:
            unverified[outcome.unverified] += 1
    say(f"\n{count} programs from seed {first}, {gradients} gradients compared")
    tables = {
        "what became of them": outcomes, "refused by reason": reasons,
        "right by torch, differences could not tell": unverified, "functions": used,
    }  # fmt: skip
    for title, counter in tables.items():
        say(f"\n{title}:")
        for reason, times in counter.most_common():
            say(f"  {times:6}  {reason}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
