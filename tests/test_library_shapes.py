"""Every function of the library at several shapes, orientations and axes: values and gradients are PyTorch's, to 1e-9.

The calls are made from the records: three sets of sizes; every vector and matrix declared the other way round and
turned where it is used; what goes elementwise as a scalar, a row, a matrix and an array of three axes; what goes along
an axis along each axis of each of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  (as everybody calls it)

import chainrule as cr
from chainrule.catalogue import CatalogueEntry, catalogue
from chainrule.sizes import value_of
from library_oracles import TORCH, Tensor

SHOWN = {found.entry.name: found for found in catalogue()}
SIZES = (
    {"n": 5, "m": 3, "r": 2, "N": 7, "K": 5, "D": 11, "d": 3, "M": 7, "e": 5, "T": 4, "V": 13, "E": 3, "H": 2,
     "G": 3, "C": 2, "p": 7, "q": 2},
    {"n": 2, "m": 7, "r": 3, "N": 3, "K": 2, "D": 5, "d": 2, "M": 11, "e": 3, "T": 5, "V": 7, "E": 2, "H": 3,
     "G": 2, "C": 5, "p": 3, "q": 5},
    {"n": 7, "m": 2, "r": 5, "N": 2, "K": 3, "D": 3, "d": 5, "M": 5, "e": 2, "T": 3, "V": 5, "E": 5, "H": 5,
     "G": 7, "C": 3, "p": 5, "q": 3},
)  # fmt: skip
IMAGES = (
    {"n": 11, "m": 7, "p": 5, "k": 3, "l": 2, "N": 2, "C": 3, "O": 5, "G": 2},
    {"n": 8, "m": 13, "p": 4, "k": 2, "l": 3, "N": 3, "C": 2, "O": 7, "G": 5},
    {"n": 7, "m": 5, "p": 3, "k": 3, "l": 3, "N": 5, "C": 7, "O": 2, "G": 3},
)
# Labels that are looked up are below the size by which E, U, W or the logits are.
CLASSES = {"CE_labels": "K", "CE_ignored": "K", "CE_weighted": "K", "mixture_of_experts": "E"}  # else V
ALONG: dict[str, Callable[..., Callable[..., Tensor]]] = {
    "softmax": lambda axis: lambda t: torch.softmax(t, axis),
    "log_softmax": lambda axis: lambda t: torch.log_softmax(t, axis),
    "logsumexp": lambda axis: lambda t: torch.logsumexp(t, axis),
    "CE_logits": lambda axis: lambda y, z: -(y * torch.log_softmax(z, axis)).sum(axis),
    "CE": lambda axis: lambda y, p: -(y * p.log()).sum(axis),
    "BCE": lambda axis: lambda y, p: F.binary_cross_entropy(p, y, reduction="none").sum(axis),
    "BCE_logits": lambda axis: lambda y, z: F.binary_cross_entropy_with_logits(z, y, reduction="none").sum(axis),
}
VECTORS_ONLY = {
    "cosine": "a matrix has no angle", "smoothed_CE": "its mean is over the classes of one sample",
}  # fmt: skip


def given(name: str) -> list[tuple[str, str, str, str]]:
    """(kind, name, shape, facts) of each argument of the sample call."""
    found = []
    for text in SHOWN[name].entry.given:
        kind, argument, shape, facts = re.fullmatch(r"(\w+) (\w+) : ([^,]*)(.*)", text).groups()
        found.append((kind, argument, shape.strip(), facts))
    return found


@cache
def variant(name: str, shapes: tuple[str, ...] = (), call: str = "") -> CatalogueEntry:
    """The sample call of a function with other shapes."""
    if not shapes:
        return SHOWN[name]
    lines = [f"{k} {n} : {s}{f}" for (k, n, _, f), s in zip(given(name), shapes, strict=True)]
    return CatalogueEntry(replace(SHOWN[name].entry, given=tuple(lines), call=call, where=(), literature=()))


def point(found: CatalogueEntry, sizes: dict[str, int], axis: int = -1) -> dict[str, np.ndarray]:
    """Random arrays that obey the declared facts, and what a function asks for beside them."""
    rng, name = np.random.default_rng(sum(sizes.values())), found.entry.name
    values = {}
    for argument, item in found.derivation.network.declarations.items():
        shape = tuple(value_of(d, sizes) for d in item.shape)
        array = rng.standard_normal(shape)
        if "positive" in item.facts:
            array = rng.uniform(0.3, 1.2, shape)
        if "one-hot" in item.facts:
            array = np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
        if "integer" in item.facts:
            array = rng.integers(0, sizes[CLASSES.get(name, "V")], shape).astype(float)
        if (name, argument) == ("smoothed_CE", "a"):
            array = np.array(0.1)
        if (name, argument) == ("CE_ignored", "k"):
            array = (np.arange(shape[0]) != 1).astype(float)
        if name in ("weighted_BCE_logits", "BCE", "BCE_logits") and argument in "yw":
            array = rng.uniform(0.1, 0.9, shape)
        if name in ("CE", "BCE") and argument == "p":
            array = rng.uniform(0.1, 0.9, shape)
        values[argument] = np.asarray(array)
    return values


def compare(found: CatalogueEntry, sizes: dict[str, int], oracle: Callable[..., Tensor]) -> None:
    values, derivation = point(found, sizes), found.derivation
    tensors = {n: torch.tensor(v, requires_grad=n in derivation.gradients) for n, v in values.items()}
    arguments = [tensors[p] for p in found.entry.parameters if p in tensors]
    out = oracle(*arguments)
    upstream = tensors.get("δ", tensors.get("Δ"))
    (out if upstream is None else (upstream * out).sum()).backward()
    known = derivation.network.evaluate(**values)
    np.testing.assert_allclose(known[found.value], out.detach().numpy(), rtol=1e-9, atol=1e-12)
    loss, gradients = derivation.compile("numpy")(**values)
    assert loss == pytest.approx(float(known["J"]), rel=1e-9, abs=1e-12)
    assert set(gradients) == {n for n, t in tensors.items() if t.requires_grad}
    for wrt, gradient in gradients.items():
        want = tensors[wrt].grad.numpy()
        assert gradient.shape == want.shape
        np.testing.assert_allclose(gradient, want, rtol=1e-9, atol=1e-11, err_msg=f"{wrt} in\n{found.text}")


def sizes_of(name: str) -> tuple[dict[str, int], ...]:
    return IMAGES if SHOWN[name].entry.family == "convolutions" else SIZES


def test_every_function_of_the_library_has_an_oracle() -> None:
    assert set(TORCH) == set(SHOWN)


@pytest.mark.parametrize("name", TORCH)
def test_three_shapes(name: str) -> None:
    for sizes in sizes_of(name):
        compare(variant(name), sizes, TORCH[name])


def turn(shape: str) -> str:
    sizes = shape.split(" × ")
    return shape if shape == "scalar" else f"1 × {shape}" if len(sizes) == 1 else " × ".join(sizes[::-1])


TURNED = [
    n for n in TORCH
    if any(s != "scalar" and s.count("×") < 2 and "integer" not in f and "one-hot" not in f for *_, s, f in given(n))
]  # fmt: skip


@pytest.mark.parametrize("name", TURNED)
def test_arrays_declared_the_other_way_round(name: str) -> None:
    """Rows for columns, D × N for N × D, with a transpose where they are used."""
    shapes, words = [], {}
    for _, argument, shape, facts in given(name):
        fixed = shape == "scalar" or shape.startswith("1 × ") or shape.count("×") > 1
        fixed = fixed or "integer" in facts or "one-hot" in facts
        shapes.append(shape if fixed else turn(shape))
        words[argument] = argument if fixed else f"{argument}ᵀ"
    entry = SHOWN[name].entry
    call = entry.call or f"{name}({', '.join(entry.parameters)})"
    head, _, rest = call.partition("(")
    for argument, word in words.items():
        rest = re.sub(rf"(?<=[ ,(]){argument}(?=[,)])", word, " " + rest).removeprefix(" ")
    found = variant(name, tuple(shapes), f"{head}({rest}")
    order = [p for p in entry.parameters if p in words]
    assert any(p != word for p, word in words.items())
    compare(found, sizes_of(name)[0], lambda *a: TORCH[name](*(
        t.T if words[p] != p and t.ndim == 2 else t for p, t in zip(order, a, strict=True)
    )))  # fmt: skip


def goes_everywhere(name: str) -> bool:
    """True where all arguments are numbers or vectors of one size: elementwise functions, and losses that are sums."""
    shapes = {s for _, _, s, f in given(name)} - {"scalar"}
    return shapes <= {"n"} or (shapes == {"m × n"} and name in ("L1", "L2"))


EVERYWHERE = [n for n in TORCH if goes_everywhere(n) and n not in ALONG and n not in VECTORS_ONLY]


@pytest.mark.parametrize("name", EVERYWHERE)
def test_scalars_rows_matrices_and_arrays_of_three_axes(name: str) -> None:
    for shape, sizes in (
        ("scalar", {}), ("n", {"n": 3}), ("1 × n", {"n": 7}), ("n × R", {"n": 5, "R": 2}),
        ("n × R × S", {"n": 2, "R": 3, "S": 5}),
    ):  # fmt: skip
        shapes = tuple("scalar" if s == "scalar" else shape for _, _, s, _ in given(name))
        compare(variant(name, shapes), sizes, TORCH[name])


def test_most_activations_and_losses_go_everywhere() -> None:
    assert len(EVERYWHERE) > 24
    assert {"gelu", "silu", "huber", "dpo", "poisson_nll", "weight_norm", "L1"} <= set(EVERYWHERE)


AXES = {
    "n": (("first", 0), ("last", 0), ("0", 0), ("-1", 0), ("rows", 0)),
    "1 × n": (("last", 0), ("0", 0), ("-1", 0), ("columns", 0)),
    "n × R": (("", 1), ("rows", 0), ("columns", 1), ("0", 0), ("1", 1), ("-1", 1), ("-2", 0), ("n", 0), ("R", 1)),
    "R × n × n": (("", 2), ("1", 1), ("last", 2), ("-3", 0)),
    "n × n × n": (("", 2), ("0", 0), ("-2", 1)),
    "n × R × S": (("", 2), ("first", 0), ("0", 0), ("1", 1), ("2", 2), ("-1", 2), ("-2", 1), ("R", 1), ("S", 2)),
}


@pytest.mark.parametrize("shape", AXES)
@pytest.mark.parametrize("name", ALONG)
def test_along_every_axis(name: str, shape: str) -> None:
    base = SHOWN["CE_logits" if name not in SHOWN else name].entry
    lines = tuple(
        f"{k} {n if name not in ('CE', 'BCE') or n == 'y' else 'p'} : {shape}" for k, n, *_ in given(base.name)
    )
    parameters = tuple(line.split()[1] for line in lines)
    for word, axis in AXES[shape]:
        over = f", over={word}" if word else ""
        call = f"{name}({', '.join(parameters)}{over})"
        entry = replace(base, name=name, parameters=parameters, given=lines, call=call, where=(), literature=())
        for sizes in ({"n": 5, "R": 3, "S": 2}, {"n": 2, "R": 7, "S": 3}, {"n": 3, "R": 2, "S": 5}):
            compare(CatalogueEntry(entry), sizes, ALONG[name](axis))


@pytest.mark.parametrize("shape", [s for s in AXES if s != "1 × n"])
def test_steps_and_text_along_every_axis(shape: str) -> None:
    """Each step holds, and the program is read back."""
    for word, _ in AXES[shape]:
        over = f", over={word}" if word else ""
        net = cr.parse(f"input x : {shape}\nz = softmax(x{over})\nJ = sum(sin(z))")
        assert net.derive().check_steps().wrong is None
        again = cr.parse(str(net))
        assert again.derive().gradients["x"].text == net.derive().gradients["x"].text
        assert net.derive().verify().ok
