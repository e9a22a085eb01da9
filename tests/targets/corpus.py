"""Programs to compile, with arrays and the reference's values: what every target is judged by.

All conformance cases, all functions of the library, what neither has (`extras.py`), and recurrences, for one sample
and for a batch (`test_recurrences.py`). `corpus()` gives their names;
`entry(name)` makes one: what is compiled, arrays in float64, and what must come out, which the reference interpreter
computes.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.algebra.program import Program
from chainrule.catalogue import CatalogueEntry, catalogue
from chainrule.conformance.cases import Case, draw, read_cases
from chainrule.derivation import Derivation
from chainrule.errors import ChainruleWarning
from chainrule.network import Network
from chainrule.plan import build_plan
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_program
from chainrule.targets import registry
from targets.extras import TEXTS, TRACED
from test_recurrences import MORE, NETWORKS

BATCH = " over a batch"
CASES = Path(__file__).resolve().parents[1] / "conformance" / "cases.jsonl"


@dataclass(frozen=True)
class Entry:
    """compile(target, dtype, **options) gives a function of the arrays that returns {name: value}."""

    name: str
    program: Program
    outputs: tuple[str, ...]
    compile: Callable[..., Callable[..., dict[str, Any]]]
    arrays: dict[str, Any]
    expected: Callable[[dict[str, Any]], dict[str, Any]]
    derivation: Derivation | None = None

    def step(self, target: str, dtype: str) -> Any:
        """The compiled step itself, where there is a loss."""
        assert self.derivation is not None
        return self.derivation.compile(target, dtype=dtype)

    @property
    def words(self) -> set[tuple[str, str]]:
        """What a target must be able to spell for it, in the registry's vocabulary."""
        found = set()
        steps = list(build_plan(self.program, self.outputs, reuse=False).steps)
        for node in steps:
            found.add(("step", node.op))
            if node.op in ("map", "apply"):
                found.add(("function", node.attributes[0]))
            if node.op == "opaque":
                found.add(("operation", node.attributes[1]))
            if node.op == "loop":
                steps += node.attributes[0].plan.steps
        return found


@cache
def _cases() -> dict[str, Case]:
    return {case.id: case for case in read_cases(CASES)}


@cache
def _library() -> dict[str, CatalogueEntry]:
    return {found.entry.name: found for found in catalogue()}


def corpus() -> list[str]:
    """case/mc083, …, library/softmax, …, extra/matrices, …, loop/lstm, loop/lstm over a batch, …"""
    return [
        *(f"case/{name}" for name in _cases()),
        *(f"library/{name}" for name in _library()),
        *(f"extra/{name}" for name in (*TEXTS, *TRACED)),
        *(f"loop/{name}{batch}" for name in NETWORKS for batch in ("", BATCH)),
        *(f"loop/{name}" for name in MORE),
    ]


@cache
def entry(name: str) -> Entry:
    """One of the corpus."""
    kind, _, key = name.partition("/")
    if kind == "library":
        derivation = _library()[key].derivation
        program = derivation.program
        rng = np.random.default_rng(len(name))
        arrays = sample(derivation.network.program, choose_sizes(program), rng)
        if key == "smoothed_CE":
            arrays["a"] = np.array(0.1)
        return _derived(name, derivation, arrays)
    if kind == "loop":
        plain = key.removesuffix(BATCH)
        net = cr.parse(NETWORKS[plain][0] if plain in NETWORKS else MORE[plain])
        net = net.lift("N_b") if plain != key else net
        derivation = _derive(net)
        return _derived(
            name, derivation, sample(net.program, choose_sizes(net.program), np.random.default_rng(7), spread=0.5)
        )
    if key in TRACED:
        function, shapes, arrays = TRACED[key]
        return _derived(name, _derive(cr.trace(function, **shapes)), arrays)
    if kind == "extra":
        net = cr.parse(textwrap.dedent(TEXTS[key]))
        derivation = _derive(net)
        rng = np.random.default_rng(len(name))
        return _derived(name, derivation, sample(net.program, choose_sizes(derivation.program), rng))
    case = _cases()[key]
    net = cr.trace(case.forward(), wrt=case.wrt, facts=case.facts(), **case.shapes)
    arrays = draw(case, np.random.default_rng(len(name)))
    if case.kind != "gradient":
        found = net.hessian(case.wrt) if case.kind == "hessian" else net.jacobian(case.wrt)
        return Entry(
            name,
            found.program,
            (found.name,),
            lambda target, dtype, **options: _named(found.compile(target, dtype, **options)),
            arrays,
            lambda arrays: {"": found.evaluate(**arrays)},
        )
    return _derived(name, _derive(net, [case.wrt]), arrays)


def refused(target: str, name: str) -> set[str]:
    """The words of a program that a target lacks: where there are any it must refuse, and nowhere else."""
    return {f"{kind} {word}" for kind, word in entry(name).words} & set(registry.find(target).lacks)


def _derive(net: Network, wrt: list[str] | None = None) -> Derivation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)  # a zero gradient is to be compiled too
        return net.derive(wrt)


def _named(function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    return lambda **arrays: {"": function(**arrays)}


def _derived(name: str, derivation: Derivation, arrays: dict[str, Any]) -> Entry:
    def made(target: str, dtype: str, **options: Any) -> Callable[..., dict[str, Any]]:
        step = derivation.compile(target, dtype=dtype, **options)

        def run(**given: Any) -> dict[str, Any]:
            loss, gradients = step(**given)
            return {"loss": loss, **gradients}

        return run

    def expected(given: dict[str, Any]) -> dict[str, Any]:
        values, sizes = Network(derivation.program, None).check_arrays(given)
        wanted = {"loss": derivation.loss, **derivation.backward.gradients}
        known = evaluate_program(derivation.program, values, sizes, list(wanted.values()))
        return {key: known[symbol] for key, symbol in wanted.items()}

    outputs = (derivation.loss, *derivation.backward.gradients.values())
    return Entry(name, derivation.program, outputs, made, arrays, expected, derivation)
