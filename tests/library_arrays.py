"""Random lines with arrays of more than two axes, labels, and what moves entries about: part of `library_programs.py`.

A call of a function of the library is made from its own record (`given`): its letters get random sizes, its arguments
random expressions, and its oracle is the one in `library_oracles.py`. So a new function is in the random programs as
soon as it is in the library, and `test_library_programs.py` says which are not. A function with options has its line
in `OPTIONS`. What is not a function of the library but of the language (kron, cumsum, concat …) is a method `a_…`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from chainrule.catalogue import catalogue
from library_oracles import STRUCTURED, kron
from library_terms import ELEMENTWISE, SCALAR, SIZES, Env, Made, Shape, Tensor, number

if TYPE_CHECKING:
    from library_programs import Writer

Dims = tuple[str | None, ...]  # None: worked out from others
LARGE, SMALL = ("N", "H", "6", "8"), ("K", "D", "2", "3")
MOST = 2500  # numbers in one array


def turned(array: Tensor, shape: Shape) -> Tensor:
    """The oracle's array as a matrix."""
    return array.reshape(number(shape[0]), number(shape[1]))


def squeezed(array: Tensor, dims: tuple[str, ...]) -> Tensor:
    """A matrix as the oracle wants it: without axes of size 1."""
    return array.reshape([number(d) for d in dims if d != "1"]) if len(dims) <= 2 else array


@cache
def record(name: str) -> tuple[tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...], tuple[str, ...]]:
    """(kind, name, sizes, facts) of each argument, and the sizes of the value."""
    found = catalogue(name)[0]
    given = []
    for text in found.entry.given:
        head, _, rest = text.partition(":")
        shape, *facts = (part.strip() for part in rest.split(","))
        kind, argument = head.split()
        given.append((kind, argument, tuple(re.split(r"\s*×\s*", shape)) if shape != "scalar" else (), tuple(facts)))
    return tuple(given), tuple(str(d) for d in found.derivation.network.dims[found.value])


def strides(w: Writer, *names: str) -> dict[str, int]:
    """Random options of a window."""
    least = {"padding": 0}
    return {n: least.get(n, 1) + w.choose(3 if n == "stride" else 2) for n in names}


def windowed(*names: str, window: bool = False) -> Callable[[Writer], tuple[str, dict[str, int]]]:
    def options(w: Writer) -> tuple[str, dict[str, int]]:
        found = strides(w, *names)
        text = "".join(f", {n}={k}" for n, k in found.items())
        if not window:
            return text, found
        size = 2 + w.choose(2)
        return f", {size}{text}", {"window": size, **found}

    return options


OPTIONS = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "depthwise_conv2d"), windowed("stride", "padding", "dilation")),
    **dict.fromkeys(("grouped_conv1d", "depthwise_conv1d"), windowed("stride", "dilation")),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), windowed("stride", "dilation")),
    "avg_pool1d": windowed("stride", "padding", window=True),
    **dict.fromkeys(("avg_pool2d", "max_pool1d", "max_pool2d"), windowed("stride", window=True)),
}  # fmt: skip
CLASSES = {"CE_labels": "K", "CE_ignored": "K", "CE_weighted": "K", "mixture_of_experts": "E"}  # else V


class Arrays:
    """Lines that define arrays; `self` is a Writer."""

    def known_size(self: Writer) -> str:
        """A symbol, or now and then a number."""
        return self.pick((*self.sizes, *self.sizes, "4"))

    # -- arrays of three axes and more -----------------------------------------------------------------------------

    def tensor(self: Writer, dims: tuple[str, ...], depth: int) -> Made:
        """An expression over three axes or more."""
        fits = [n for n, d in self.tensors.items() if d == dims]
        fits += [n for n, d in self.declared.items() if d.shape == dims]
        kind = self.choose(6) if depth > 0 else 0
        if kind == 1:
            name, inner = self.pick(tuple(ELEMENTWISE)), self.tensor(dims, depth - 1)
            return self.call(name, [inner], ELEMENTWISE[name])
        if kind == 2:
            sign, f = self.pick(((" + ", torch.add), (" - ", torch.sub), (" ∘ ", torch.mul)))
            return self.join(self.tensor(dims, depth - 1), sign, self.tensor(dims, depth - 2), f)
        if kind == 3:
            front, inner = self.scalar(), self.tensor(dims, depth - 1)
            return Made(f"{front.inside} {inner.inside}", lambda env: front.value(env) * inner.value(env))
        if kind == 4:
            name, f = self.pick((("softmax", torch.softmax), ("log_softmax", torch.log_softmax)))
            axis, inner = self.choose(len(dims)), self.tensor(dims, depth - 1)
            self.used[f"{name} over {axis}"] += 1
            return Made(f"{name}({inner.text}, over={axis})", lambda env: f(inner.value(env), axis))
        return self.leaf(self.pick(fits) if fits and self.choose(3) else self.declare(dims))

    def ids(self: Writer, dims: tuple[str, ...], classes: str) -> Made:
        """Labels below a size."""
        shape = dims if len(dims) > 1 else (dims[0] if dims else "1", "1")
        fits = [n for n, d in self.declared.items() if (d.shape, d.classes) == (shape, classes)]
        if fits and self.choose(2):
            return self.leaf(self.pick(fits))
        name = self.declare(shape, "integer", "label")
        self.declared[name].classes = classes
        self.names.pop(name, None)  # not a matrix for other things
        return self.leaf(name)

    # -- functions of the library, from their records --------------------------------------------------------------

    def of_record(self: Writer, name: str, depth: int = 2) -> tuple[Made, Dims]:
        """A call of a function of the library and the sizes of its value."""
        given, out = record(name)
        letters = dict.fromkeys(x for _, _, dims, _ in given for d in dims for x in re.findall(r"[A-Za-z]\w*", d))
        slides = name in OPTIONS
        for letter in letters:
            if slides:
                letters[letter] = self.pick(LARGE if letter in "nmp" else SMALL[:2] + SMALL[2:] * 2)
                if name in ("conv3d", "conv2d", "conv_transpose2d", "depthwise_conv2d") and letter in "NCO":
                    letters[letter] = self.pick(("K", "2", "3"))
                if name == "conv3d" and letter in "nmp":
                    letters[letter] = self.pick(("H", "6"))
            else:
                letters[letter] = self.size() if len(given) > 4 or "kron" in name else self.known_size()
            if name == "rotary":
                letters[letter] = self.pick(tuple(SIZES))

        def here(dims: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(re.sub(r"[A-Za-z]\w*", lambda m: str(letters[m[0]]), d) for d in dims)

        made: list[Made] = []
        for kind, argument, dims, facts in given:
            made.append(self.argument(kind, here(dims), facts, str(letters.get(CLASSES.get(name, "V"), "")), depth))
            if dims and prod(number(d) for d in here(dims)) > MOST:
                return self.of_record(name, depth)
            assert argument
        text = ", ".join(m.text for m in made)
        options: dict[str, int] = {}
        if slides:
            more, options = OPTIONS[name](self)
            text += more
        if name == "rotary":
            text += f", {letters['d']}"
        shapes = [here(dims) for _, _, dims, _ in given]
        result: Dims = tuple(
            here((d,))[0] if d in letters or d == "1"
            else "(" + " ".join(here((x,))[0] for x in d.split("*")) + ")" if re.fullmatch(r"\w+(\*\w+)+", d)
            else None
            for d in out
        )  # fmt: skip
        if len(result) == 1:
            result = (*result, "1")
        if not result:
            result = SCALAR
        self.used[name] += 1

        def value(env: Env) -> Tensor:
            arrays = [squeezed(m.value(env), s) for m, s in zip(made, shapes, strict=True)]
            found = STRUCTURED[name](*arrays, **options)
            return turned(found, result) if len(result) == 2 else found  # type: ignore[arg-type]

        return Made(f"{name}({text})", value), result

    def argument(
        self: Writer, kind: str, dims: tuple[str, ...], facts: tuple[str, ...], classes: str, depth: int
    ) -> Made:
        shape: Shape = SCALAR if not dims else (dims[0], dims[1] if len(dims) > 1 else "1")
        if "integer" in facts:
            return self.ids(dims, classes)
        if kind == "const" and not dims:
            text = self.pick(("0.5", "0.1", "1.5"))
            return Made(text, lambda env: torch.tensor(float(text), dtype=torch.float64))
        if kind == "const":
            fact = facts[0] if facts else ""
            fits = [n for n, d in self.declared.items() if (d.kind, d.shape, d.fact) == ("const", shape, fact)]
            return self.leaf(self.pick(fits) if fits and self.choose(2) else self.declare(shape, fact, "const"))
        if len(dims) > 2:
            return self.tensor(dims, depth)
        return self.sub(shape, depth)

    # -- functions of the language ---------------------------------------------------------------------------------

    def a_kron(self: Writer) -> tuple[Made, Dims]:
        a, b = self.any_shape(), self.any_shape()
        if "1" in a or "1" in b:  # two vectors of one kind
            b = (b[0], "1") if a[1] == "1" else ("1", b[1]) if a[0] == "1" else a
            b = b if b != SCALAR else a
        left, right = self.sub(a, 2), self.sub(b, 2)
        dims = tuple("1" if x == y == "1" else f"({x} {y})" for x, y in zip(a, b, strict=True))
        return Made(
            f"kron({left.text}, {right.text})",
            lambda env: kron(left.value(env), right.value(env)),
        ), dims

    def a_running(self: Writer) -> tuple[Made, Dims]:
        """Along one axis of a matrix: running sums and products, turned round, moved on."""
        shape = (self.size(), self.size())
        inner, axis = self.sub(shape, 2), self.choose(2)
        over = ("rows", "columns")[axis]
        by = self.pick((1, -1, 2))

        def shifted(x: Tensor) -> Tensor:
            steps = torch.arange(x.shape[axis]) - by
            kept = ((steps >= 0) & (steps < x.shape[axis])).double()
            moved = x.index_select(axis, steps.clamp(0, x.shape[axis] - 1))
            return moved * (kept[:, None] if axis == 0 else kept)

        text, f = self.pick((
            (f"cumsum({{}}, over={over})", lambda x: x.cumsum(axis)),
            (f"cumprod({{}}, over={over})", lambda x: x.cumprod(axis)),
            (f"flip({{}}, over={over})", lambda x: x.flip(axis)), (f"shift({{}}, {by}, over={over})", shifted),
        ))  # fmt: skip
        return Made(text.format(inner.text), lambda env: f(inner.value(env))), shape

    def a_concat(self: Writer) -> tuple[Made, Dims]:
        n, a, b, axis = self.size(), self.size(), self.size(), self.choose(2)
        shapes = [(x, n) if axis == 0 else (n, x) for x in (a, b)]
        left, right = (self.sub(s, 2) for s in shapes)
        both = f"({a} + {b})"
        over = ("rows", "columns")[axis]
        return (
            Made(
                f"concat({left.text}, {right.text}, over={over})",
                lambda env: torch.cat([left.value(env), right.value(env)], axis),
            ),
            (both, n) if axis == 0 else (n, both),
        )

    def a_reshape(self: Writer) -> tuple[Made, Dims]:
        n, m = self.size(), self.size()
        inner = self.sub((n, m), 2)
        if self.choose(2):
            return Made(f"reshape({inner.text}, {m}, {n})", lambda env: inner.value(env).reshape(number(m), -1)), (m, n)
        return Made(f"reshape({inner.text}, {n} {m})", lambda env: inner.value(env).reshape(-1, 1)), (f"({n} {m})", "1")

    def a_padded(self: Writer) -> tuple[Made, Dims]:
        n, m, axis = self.size(), self.size(), self.choose(2)
        before, after = self.choose(3), 1 + self.choose(2)
        inner, over = self.sub((n, m), 2), ("rows", "columns")[axis]
        more = f"({(n, m)[axis]} + {before + after})"
        width = (0, 0, before, after) if axis == 0 else (before, after, 0, 0)
        return Made(
            f"pad({inner.text}, {before}, {after}, over={over})",
            lambda env: torch.nn.functional.pad(inner.value(env), width),
        ), ((more, m) if axis == 0 else (n, more))

    def a_windows(self: Writer) -> tuple[Made, Dims]:
        n, m = self.size(), self.size()
        inner, stride = self.sub((n, m), 2), 1 + self.choose(2)
        return Made(f"windows({inner.text}, 2, stride={stride})", lambda env: inner.value(env).unfold(1, 2, stride)), (
            n,
            None,
            "2",
        )

    def a_power(self: Writer) -> tuple[Made, Dims]:
        n = self.size()
        inner, k = self.sub((n, n), 1), self.pick((2, 3))
        return Made(f"{inner.inside}^{k}", lambda env: torch.linalg.matrix_power(inner.value(env), k)), (n, n)

    def a_triangle(self: Writer) -> tuple[Made, Dims]:
        n = self.size()
        inner = self.definite(n)
        return Made(f"cholesky({inner.text})", lambda env: torch.linalg.cholesky(inner.value(env))), (n, n)

    def a_solved(self: Writer) -> tuple[Made, Dims]:
        n, m = self.size(), self.size()
        left, right = self.definite(n), self.sub((n, m), 1)
        return Made(
            f"solve({left.text}, {right.text})", lambda env: torch.linalg.solve(left.value(env), right.value(env))
        ), (n, m)

    def a_inverse(self: Writer) -> tuple[Made, Dims]:
        n, m = self.pick((("N", "D"), ("D", "H"), ("K", "N")))
        inner = self.leaf(self.declare((n, m)))
        return Made(f"pinv({inner.text})", lambda env: torch.linalg.pinv(inner.value(env))), (m, n)

    def a_chosen(self: Writer) -> tuple[Made, Dims]:
        """clip and where, elementwise."""
        shape = self.any_shape()
        inner, other = self.sub(shape, 2), self.sub(shape, 1)
        low, high = self.pick((("-1", "0.5"), ("-0.3", "2"), ("0", "1")))
        if self.choose(2):
            return Made(
                f"clip({inner.text}, {low}, {high})", lambda env: inner.value(env).clamp(float(low), float(high))
            ), shape
        return Made(
            f"where({inner.text} > {low}, {inner.text}, {other.text})",
            lambda env: torch.where(inner.value(env) > float(low), inner.value(env), other.value(env)),
        ), shape

    def a_slice(self: Writer) -> tuple[Made, Dims]:
        name, shape = self.pick([(n, s) for n, s in self.names.items() if "1" not in s] or [self.new_matrix()])
        kind = self.choose(4)
        text, f = (
            (f"{name}[2:,:]", lambda x: x[1:]), (f"{name}[:,2:]", lambda x: x[:, 1:]),
            (f"{name}[1:2,:]", lambda x: x[:2]), (f"{name}[:,1]", lambda x: x[:, :1]),
        )[kind]  # fmt: skip
        dims: Dims = (None, shape[1]) if kind == 0 else (shape[0], None)
        dims = ("2", shape[1]) if kind == 2 else (shape[0], "1") if kind == 3 else dims
        return Made(text, lambda env: f(env[name])), dims

    def new_matrix(self: Writer) -> tuple[str, Shape]:
        shape = (self.size(), self.size())
        return self.declare(shape), shape

    def a_onehot(self: Writer) -> tuple[Made, Dims]:
        n, k = self.size(), self.size()
        labels = self.ids((n,), k)
        unit = lambda env: torch.eye(number(k), dtype=torch.float64)  # noqa: E731
        right = self.sub((k, self.size()), 2)
        return Made(
            f"onehot({labels.text}, {k}) {right.inside}",
            lambda env: unit(env)[labels.value(env)[:, 0].long()] @ right.value(env),
        ), (n, None)

    def a_product(self: Writer) -> tuple[Made, Dims]:
        """f(A[a,b]) B[b,c] over three axes."""
        name = f"T{len(self.steps) + 1}"
        a, b, c = self.size(), self.size(), self.size()
        left, right = (self.new_named(s) for s in ((a, b), (b, c)))
        f = self.pick(("tanh", "sigmoid", "sin"))
        self.line(
            f"{name}[a,b,c]", Made(f"{f}({left}[a,b]) {right}[b,c]", lambda env: torch.einsum(
                "ab,bc->abc", ELEMENTWISE[f](env[left]), env[right])), (a, b, c), name,
        )  # fmt: skip
        return self.leaf(name), (a, b, c)

    def new_named(self: Writer, shape: Shape) -> str:
        fits = [n for n, s in self.names.items() if s == shape]
        return self.pick(fits) if fits and self.choose(3) else self.declare(shape)

    # -- lines -----------------------------------------------------------------------------------------------------

    def line(self: Writer, left: str, made: Made, dims: Dims, name: str = "") -> None:
        """name = made, and the name may be used from here on."""
        name = name or left
        self.lines.append(f"{left} = {made.text}")
        self.steps.append((name, made.value))
        if len(dims) == 2 and None not in dims:
            self.names[name] = dims  # type: ignore[assignment]
        else:
            self.tensors[name] = dims
        self.results.append(name)

    def array_line(self: Writer, name: str) -> None:
        """A line with a function of the library that has a record, or of the language."""
        methods = [m for m in dir(Arrays) if m.startswith("a_")]
        if self.choose(3):
            made, dims = self.of_record(self.pick(tuple(STRUCTURED)))
        else:
            method = self.pick(methods)
            self.used[method.removeprefix("a_")] += 1
            made, dims = getattr(self, method)()
        if made.text not in self.tensors and made.text not in self.names:
            self.line(name, made, dims)
            made = self.leaf(name)
        known = len(dims)
        while known and dims[known - 1] is None:
            known -= 1
        if len(dims) >= 3 and known >= 1 and None not in dims[:2] and self.choose(2):
            inner, count = made, len(dims)
            if self.choose(2):
                word = self.pick(tuple(ELEMENTWISE))
                inner = self.call(word, [inner], ELEMENTWISE[word])
            for _ in range(count - 2):
                inner = self.reduced_last(inner)
            self.line(name + "r", inner, dims[:2])

    def reduced_last(self: Writer, inner: Made) -> Made:
        word, f = self.pick((
            ("mean", lambda x: x.mean(-1)), ("sum", lambda x: x.sum(-1)), ("max", lambda x: x.amax(-1)),
        ))  # fmt: skip
        return Made(f"{word}({inner.text}, over=last)", lambda env: f(inner.value(env)))

    def tensor_end(self: Writer, made: Made) -> Made:
        """A scalar of an array."""
        text, f = self.pick((
            ("sum(sin({}))", lambda x: x.sin().sum()), ("mean(tanh({}))", lambda x: x.tanh().mean()),
            ("sum({0} ∘ {0})", lambda x: (x**2).sum()), ("sum(logsumexp({}))", lambda x: x.logsumexp(-1).sum()),
            ("sum(cos(mean({}, over=last)))", lambda x: x.mean(-1).cos().sum()),
        ))  # fmt: skip
        return Made(text.format(made.text), lambda env: f(made.value(env)).reshape(1, 1))


__all__ = ["Any", "Arrays"]
