"""What is timed: a case has a network, sizes and data; a contender prepares a function that does one step of it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule import api
from chainrule.algebra.program import Program
from chainrule.points import sample

__all__ = ["Arrays", "Case", "Contender", "Ready", "random_arrays", "trained"]

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Ready:
    """A contender that can run.

    run: does one step.  values: the numbers of its result by name, for comparison; for a bound there are none.
    share: how much of a whole step one run is.  note: what a reader should know, such as the BLAS that is called.
    """

    run: Callable[[], Any]
    values: Callable[[Any], Mapping[str, Any]] | None = None
    share: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class Case:
    """A row of the table.

    key: how it is chosen.  title: sizes in words.  model: which peers know it.  text: the network.  wrt: what the loss
    is differentiated by.  what: "gradients", or the name of a maker in `chainrule.bench.ours`.  threads: with how many
    it is run.  seconds, turns: how long at least, for each number of threads.  chunk: rows at a time, where a target
    can.  tolerance: how far results may differ, relative to the largest entry.  options: of the model.
    """

    key: str
    title: str
    model: str
    text: str
    sizes: Mapping[str, int]
    wrt: tuple[str, ...] = ()
    what: str = "gradients"
    threads: tuple[int, ...] = (1,)
    seconds: float = 4.0
    turns: int = 9
    chunk: int | None = None
    tolerance: float = 3e-5
    dtype: str = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)

    def arrays(self, seed: int = 0) -> Arrays:
        """Data for what the network declares, the same in every process. Options that matter here:

        lift: the size of a batch that the network is lifted to.  causal: names of masks, −1e9 above the diagonal.
        direction: a name v; d{v} is an array of its shape.  clusters: a name whose rows lie around a centre of their
        class, as pictures do.  zero: names of gradients that are 0 but for rounding.

        data: a file with X and Y for training, and X_test and Y_test: then what is trained is judged by its accuracy.

        Elsewhere: without, contenders that would take the time of all others; rows, the size that is chunked (N).
        """
        network = api.parse(self.text, str(self.options.get("dialect", "whiteboard")))
        if "lift" in self.options:
            network = network.lift(self.options["lift"])
        arrays = random_arrays(network.program, self.sizes, self.dtype, seed)
        generator = np.random.default_rng(seed + 1)
        for name in self.options.get("causal", ()):
            arrays[name] = np.triu(np.full_like(arrays[name], -1e9), 1)
        if "direction" in self.options:
            like = arrays[self.options["direction"]]
            arrays[f"d{self.options['direction']}"] = np.asarray(generator.standard_normal(like.shape), self.dtype)
        if "clusters" in self.options:
            data, labels = arrays[self.options["clusters"]], arrays["Y"].argmax(1)
            centres = generator.standard_normal((labels.max() + 1, data.shape[1])).astype(self.dtype)
            data *= 0.2
            data += 0.1 * centres[labels]
        if "data" in self.options:
            with np.load(self.options["data"]) as stored:
                arrays |= {name: stored[name] for name in ("X", "Y", "X_test", "Y_test")}
        return arrays


def trained(arrays: Arrays, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """What training is judged by: the parameters, or the share of test samples that they classify as labelled."""
    if "X_test" not in arrays:
        return parameters
    W, b1, U, b2 = (np.asarray(parameters[name]) for name in ("W", "b1", "U", "b2"))
    answers = (np.maximum(arrays["X_test"] @ W + b1, 0) @ U + b2).argmax(1)
    return {"accuracy": float((answers == arrays["Y_test"].argmax(1)).mean())}


@dataclass(frozen=True)
class Contender:
    """Something that is timed.

    name: in the table.  kind: "ours", "peer" or "bound" (less than the whole step).  maker: "module:function", called
    with the case, its arrays, the number of threads and the options.  needs: packages without which it is left out.
    compiles: something in its first step, which then says nothing of the time and memory of the next one.
    sizes: those that it was written for; other cases are run without it.
    """

    name: str
    kind: str
    maker: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    compiles: bool = False
    sizes: Mapping[str, int] = field(default_factory=dict)

    def knows(self, case: Case) -> bool:
        """True where the case has the sizes that it was written for."""
        return all(case.sizes.get(name) == n for name, n in self.sizes.items())

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(package for package in self.needs if importlib.util.find_spec(package) is None)

    def prepare(self, case: Case, arrays: Arrays, threads: int) -> Ready:
        """Everything before the first step."""
        module, _, function = self.maker.partition(":")
        made: Ready = getattr(importlib.import_module(module), function)(case, arrays, threads, **self.options)
        return made


def random_arrays(program: Program, sizes: Mapping[str, int], dtype: str, seed: int) -> Arrays:
    """Normal data; parameters of the usual scale, 1/sqrt of what goes in; declared facts hold."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for name, array in sample(program, sizes, generator).items():
        variable = program.variables[name]
        if variable.kind == "param" and not variable.facts:
            array = array * (array.shape[-2] ** -0.5 if array.ndim > 1 else 0.1)
        arrays[name] = np.ascontiguousarray(array, dtype)
    return arrays
