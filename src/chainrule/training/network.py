"""What training must know of a network: which name is what, how large everything is, how it starts.

Two ways of writing a classifier can be trained. Per sample: `x : D_x` with `y : N_c`, for which the compiler
adds the batch. And in batches: `X : N × D_x` with `Y : N × N_c`, rows being samples. `roles` tells them apart
by the declared shapes; nothing here looks at names. The network itself is a protocol, so that this package
works with whatever offers these few members.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.dims import Dim, format_shape
from chainrule.errors import ChainruleError
from chainrule.sizes import is_derived, settle, symbols_of, value_of
from chainrule.training.data import Dataset

__all__ = ["Compiled", "Forward", "Network", "Roles", "Step", "compile_network", "find_sizes", "initialise", "roles"]

Arrays = dict[str, NDArray[np.float32]]
Step = Callable[..., tuple[float, Mapping[str, NDArray[np.float32]]]]
Forward = Callable[..., Mapping[str, NDArray[np.float32]]]
MakeForward = Callable[..., Forward]

DEFAULT_SIZE = 64  # of a hidden layer, where neither the data nor the user says
BATCH_NAMES = ("N", "B", "M", "batch")


class Declaration(Protocol):
    """A declared name: its kind (input, label, param, const), sizes, and how it stands."""

    @property
    def kind(self) -> str: ...
    @property
    def shape(self) -> Sequence[Dim]: ...
    @property
    def orientation(self) -> str: ...


class Equation(Protocol):
    """A name and the shape of its value."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> Sequence[Dim]: ...


class Network(Protocol):
    """The members of `chainrule.Network` that training uses; `str(network)` is its canonical text."""

    @property
    def declarations(self) -> Mapping[str, Declaration]: ...
    @property
    def equations(self) -> Iterable[Equation]: ...
    @property
    def parameters(self) -> Sequence[str]: ...
    @property
    def loss(self) -> str: ...
    def derive(self, wrt: Any = None) -> Any: ...


@dataclass(frozen=True)
class Roles:
    """Which name is what, and how samples lie.

    `lifted`: written for one sample, the compiler adds the size `batch`. `rows`: samples are rows (X W), so that
    a matrix reads its first size. `images`: a sample has two sizes, height and width.
    """

    input: str
    label: str
    prediction: str
    constants: tuple[str, ...]
    batch: str
    lifted: bool
    rows: bool
    images: bool


@dataclass(frozen=True)
class Compiled:
    """A network ready to run: `step(**arrays)` gives loss and gradients, `predict(**arrays)` the prediction."""

    step: Step
    predict: Callable[..., NDArray[np.float32]]


def roles(net: Network) -> Roles:
    """Find input, label, prediction and the style of `net`.

    Raises `ChainruleError` for a network that is not a classifier of one input with one label.
    """
    features, labels = _only(net, "input"), _only(net, "label")
    declared, target = net.declarations[features], net.declarations[labels]
    shapes = f"{features} : {format_shape(tuple(declared.shape))} and {labels} : {format_shape(tuple(target.shape))}"
    lifted = len(target.shape) == 1
    if lifted:
        fits = 1 <= len(declared.shape) <= 2
    else:
        batch = tuple(declared.shape)[:1]
        fits = len(target.shape) == 2 and 2 <= len(declared.shape) <= 3 and batch == tuple(target.shape)[:1]
        fits = fits and isinstance(batch[0], str)  # a number would allow batches of that size only
    if not fits:
        raise ChainruleError(
            f"cannot train a network with {shapes}",
            hint="x : D_x with y : N_c for one sample, or X : N × D_x with Y : N × N_c for a batch",
        )
    return Roles(
        input=features,
        label=labels,
        prediction=_prediction(net, labels),
        constants=tuple(name for name, item in net.declarations.items() if item.kind == "const"),
        batch=_unused(net) if lifted else str(declared.shape[0]),
        lifted=lifted,
        rows=not lifted or declared.orientation == "row",
        images=len(declared.shape) == (2 if lifted else 3),
    )


def _only(net: Network, kind: str) -> str:
    names = [name for name, item in net.declarations.items() if item.kind == kind]
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise ChainruleError(f"training needs exactly one {kind}; the network has {len(names)} ({found})")
    return names[0]


def _prediction(net: Network, label: str) -> str:
    """The last equation before the loss with the label's shape: what the loss compares with the label (ŷ).

    Its largest entry is the predicted class; logits would do as well, softmax keeps their order.
    """
    shape = tuple(net.declarations[label].shape)
    names = [item.name for item in net.equations if item.name != net.loss and _axes(item.shape) == _axes(shape)]
    if not names:
        raise ChainruleError(
            f"nothing can be compared with the label {label} : {format_shape(shape)}",
            hint=f"give the prediction its own equation, such as ŷ = softmax(θ), of shape {format_shape(shape)}",
        )
    return names[-1]


def _axes(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    """A shape without sizes of 1: a column is `N_c` where it is declared and `N_c × 1` where it is computed."""
    return tuple(dim for dim in shape if dim != 1)


def _unused(net: Network) -> str:
    """A name for the size of a batch that the network does not use for anything."""
    used = {dim for item in net.declarations.values() for dim in item.shape} | set(net.declarations)
    used |= {item.name for item in net.equations}
    return next(name for name in (*BATCH_NAMES, *(f"N_{i}" for i in range(len(used) + 1))) if name not in used)


def find_sizes(net: Network, found: Roles, data: Dataset, given: Mapping[str, int] | None = None) -> dict[str, int]:
    """A number for every size symbol of the parameters: from the data, from `given`, or `DEFAULT_SIZE`.

    Raises `ChainruleError` where the network, the data and `given` disagree, and for unknown symbols.
    """
    sizes = dict(given or {})
    symbols = {dim for item in net.declarations.values() for d in item.shape for dim in symbols_of(d)}
    for symbol, size in sizes.items():
        if symbol not in symbols or (symbol == found.batch):
            known = ", ".join(sorted(symbols - {found.batch}))
            raise ChainruleError(f"the network has no size {symbol} to set", hint=f"its sizes are {known}")
        if size < 1:
            raise ChainruleError(f"the size {symbol} = {size} must be at least 1")
    sample = _sample_shape(net, found)
    measured: tuple[int, ...] = (data.features,) if len(sample) == 1 else data.image or ()
    if len(measured) != len(sample):
        raise ChainruleError(
            f"the input {found.input} is {format_shape(sample)} for each sample, but the samples of {data.name} are "
            f"rows of {data.features} features"
        )
    for dim, size in zip(sample, measured, strict=True):
        what = f"the samples of {data.name} have {' × '.join(map(str, measured))} features"
        _unify(sizes, dim, size, f"the input {found.input} is {format_shape(sample)}", what)
    label = net.declarations[found.label].shape[-1]
    classes = sizes.setdefault(label, data.classes) if isinstance(label, str) else label
    if classes < data.classes:
        raise ChainruleError(
            f"label {data.classes - 1} in {data.name} is out of range: {found.label} has {classes} classes "
            f"(0 to {classes - 1})"
        )
    for name in net.parameters:
        for dim in net.declarations[name].shape:
            if dim == found.batch:
                raise ChainruleError(f"the parameter {name} has the size {dim} of the batch, which varies")
            for symbol in symbols_of(dim):
                sizes.setdefault(symbol, DEFAULT_SIZE)
    return sizes


def _sample_shape(net: Network, found: Roles) -> tuple[Dim, ...]:
    shape = tuple(net.declarations[found.input].shape)
    return shape if found.lifted else shape[1:]


def _unify(sizes: dict[str, int], dim: Dim, size: int, declared: str, measured: str) -> None:
    if is_derived(dim):
        known = size if settle([(str(dim), size)], sizes) is None else -1
    else:
        known = sizes.setdefault(dim, size) if isinstance(dim, str) else dim
    if known != size:
        said = f" with {dim} = {known}" if isinstance(dim, str) and known > 0 else ""
        raise ChainruleError(f"{declared}{said}, but {measured}")


def initialise(net: Network, found: Roles, sizes: Mapping[str, int], seed: int) -> Arrays:
    """Float32 start values by name: matrices after He et al. (2015), normal with variance 2 / fan-in; vectors zero.

    Fan-in is the size that a matrix reads: the last one of W in `W x`, the first one in `X W`.
    """
    generator = np.random.default_rng([seed, 0])  # epochs use [seed, 1], [seed, 2], …
    start: Arrays = {}
    for name in net.parameters:
        shape = tuple(value_of(dim, sizes) for dim in net.declarations[name].shape)
        if len(shape) < 2:
            start[name] = np.zeros(shape, np.float32)
        else:
            fan_in = math.prod(shape[:-1] if found.rows else shape[1:])
            start[name] = generator.normal(0.0, math.sqrt(2 / fan_in), shape).astype(np.float32)
    return start


def compile_network(
    net: Network, found: Roles, constants: Mapping[str, float] | None = None, forward: MakeForward | None = None,
    target: str = "numpy",
) -> Compiled:  # fmt: skip
    """Derive and compile `net` for `target` in float32, constants bound; `forward` replaces `net.forward`.

    Raises `ChainruleError` for a constant without a value and for a value without a constant.
    """
    values = {name: np.float32(value) for name, value in (constants or {}).items()}
    for name in found.constants:
        if name not in values:
            raise ChainruleError(f"the constant {name} has no value", hint=f"give one: {name}=0.001")
        if net.declarations[name].shape:
            raise ChainruleError(f"the constant {name} is not a scalar; training can set scalar constants only")
    unknown = sorted(values.keys() - set(found.constants))
    if unknown:
        raise ChainruleError(f"the network has no constant {unknown[0]}")
    derivation = net.derive(wrt=list(net.parameters))
    make: MakeForward = forward if forward is not None else net.forward  # type: ignore[attr-defined]
    if found.lifted:
        step = derivation.compile(target=target, batch=found.batch, dtype="float32", reduction="mean")
    else:
        step = derivation.compile(target=target, batch=None, dtype="float32")
    more = {} if target == "numpy" else {"target": target}
    run = make([found.prediction], batch=found.batch if found.lifted else None, dtype="float32", **more)

    def bound_step(**arrays: Any) -> tuple[float, Mapping[str, NDArray[np.float32]]]:
        loss, gradients = step(**arrays, **values)
        return float(loss), gradients

    def predict(**arrays: Any) -> NDArray[np.float32]:
        return np.asarray(run(**arrays, **values)[found.prediction])

    return Compiled(bound_step, predict)
