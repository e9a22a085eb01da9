"""Generated code: the step of a case by any target, values beyond gradients, and the bare matrix products of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule import api
from chainrule.algebra.expr import Index, monomial
from chainrule.algebra.program import Program, Variable
from chainrule.bench.case import Arrays, Case, Contender, Ready, trained
from chainrule.errors import UnsupportedError
from chainrule.plan import Node, build_plan, contraction_form
from chainrule.targets import registry

__all__ = ["contenders", "newton", "products", "step", "training", "value"]

HERE = "chainrule.bench.ours"


def contenders(case: Case, targets: tuple[str, ...] = ()) -> list[Contender]:
    """One for each target that can run here, those of `targets` if there are any; and the products."""
    for target in targets:
        registry.find(target)
    found = []
    for name in registry.names():
        record = registry.find(name)
        if (targets and name not in targets) or record.missing:
            continue
        maker = {"gradients": "step"}.get(case.what, case.what.partition(":")[0])
        found.append(
            Contender(name, "ours", f"{HERE}:{maker}", record.packages, {"target": name}, name in ("c", "jax"))
        )
        if case.what == "gradients" and name == "c":
            options = {"target": name, "bound": True}
            found.append(Contender(f"{name}, bound", "ours", f"{HERE}:step", record.packages, options))
    if case.what == "gradients":
        for name in ("numpy", "c"):
            if any(c.name == name for c in found):
                needs = registry.find(name).packages
                found.append(Contender(f"products ({name})", "bound", f"{HERE}:products", needs, {"target": name}))
    return found


def _options(case: Case, target: str, threads: int, chunk: bool = True) -> dict[str, Any]:
    known = registry.find(target).options
    wanted = {"threads": threads, "sizes": dict(case.sizes), "chunk": case.chunk if chunk else None}
    if target == "torch":
        import torch

        torch.set_num_threads(threads)
    return {name: value for name, value in wanted.items() if name in known and value is not None}


def _native(target: str, arrays: Arrays) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """Arrays as the target's users have them, and what waits until a result is there."""
    if target == "torch":
        import torch

        return {name: torch.from_numpy(array) for name, array in arrays.items()}, lambda result: result
    if target == "jax":
        import jax

        given = {name: jax.block_until_ready(jax.device_put(array)) for name, array in arrays.items()}
        return given, jax.block_until_ready
    return dict(arrays), lambda result: result


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors as NumPy arrays; the rest is that already, or becomes it without ado."""
    return {name: value.detach().numpy() if hasattr(value, "detach") else value for name, value in values.items()}


def step(case: Case, arrays: Arrays, threads: int, target: str, bound: bool = False) -> Ready:
    """Loss and gradients. `bound`: on arrays that stay where they are, for targets that can."""
    derivation = api.parse(case.text).derive(list(case.wrt))
    made = derivation.compile(target, dtype=case.dtype, **_options(case, target, threads))
    note = str(getattr(made, "blas", ""))
    given = {name: arrays[name] for name in made.names}
    if bound:
        results: dict[str, np.ndarray[Any, Any]] = {}
        for name in (name for name in case.wrt if name in derivation.gradients):
            results[name] = np.empty_like(arrays[name])
        run = made.bind(out=results, **given)
        return Ready(run, lambda result: {"loss": result[0], **results}, note=note)
    own, done = _native(target, given)
    return Ready(lambda: done(made(**own)), lambda result: _numbers({"loss": result[0], **result[1]}), note=note)


def value(case: Case, arrays: Arrays, threads: int, target: str) -> Ready:
    """A value that the network's program was continued with: `what` is "value:method:name", a method of a network."""
    _, method, name = case.what.split(":")
    derived = getattr(api.parse(case.text), method)(name)
    made = derived.compile(target, dtype=case.dtype, **_options(case, target, threads))
    program = derived.program
    needed = {a for equation in program for a in equation.arguments} - program.equations.keys()
    given, done = _native(target, {name: array for name, array in arrays.items() if name in needed})
    return Ready(lambda: done(made(**given)), lambda result: _numbers({"value": result}))


def newton(case: Case, arrays: Arrays, threads: int, target: str) -> Ready:
    """A Newton step at `what`'s name: w − H⁻¹ g, with gradient and Hessian by the target."""
    _, name = case.what.split(":")
    network = api.parse(case.text)
    hessian = network.hessian(name)
    record = registry.find(target)
    run = record.compile(
        hessian.program, (hessian.of, hessian.name), dtype=case.dtype, **_options(case, target, threads)
    )
    given = {n: arrays[n] for n in run.names}
    w = arrays[name]

    def newton_step() -> Any:
        found = run(**given)
        return w - np.linalg.solve(found[hessian.name], found[hessian.of])

    return Ready(newton_step, lambda result: {"value": result})


def training(case: Case, arrays: Arrays, threads: int, target: str) -> Ready:
    """All epochs of stochastic gradient descent from the same start; where a step can be bound, one for each batch."""
    rate, batch, epochs = (case.options[name] for name in ("rate", "batch", "epochs"))
    derivation = api.parse(case.text).derive(list(case.wrt))
    sizes = Case(case.key, case.title, case.model, case.text, {**case.sizes, "N": batch}, dtype=case.dtype)
    made = derivation.compile(target, dtype=case.dtype, **_options(sizes, target, threads))
    parameters = {name: arrays[name].copy() for name in case.wrt}
    starts = range(0, len(arrays["X"]), batch)
    batches = [{n: arrays[n][s : s + batch] for n in ("X", "Y")} for s in starts]
    gradients = {name: np.empty_like(array) for name, array in parameters.items()}
    if hasattr(made, "bind"):
        steps = [made.bind(out=gradients, **data, **parameters) for data in batches]
    else:

        def bound(data: Arrays) -> Callable[[], Any]:
            return lambda: gradients.update(made(**data, **parameters)[1])

        steps = [bound(data) for data in batches]

    def run() -> Any:
        for name, array in parameters.items():
            array[...] = arrays[name]
        for _ in range(epochs):
            for step in steps:
                step()
                for name, array in parameters.items():
                    gradient = gradients[name]
                    gradient *= rate
                    array -= gradient
        return parameters

    return Ready(run, lambda result: trained(arrays, result))


def products(case: Case, arrays: Arrays, threads: int, target: str) -> Ready:
    """The matrix products of the step and nothing else, by the same target on arrays that lie ready: a lower bound.

    Where the step goes through rows in chunks, so do they: those of one chunk are run.
    """
    derivation = api.parse(case.text).derive(list(case.wrt))
    plan = build_plan(derivation.program, (derivation.loss, *derivation.backward.gradients.values()))
    if any(node.op == "loop" for node in plan.steps):
        raise UnsupportedError("products inside of a loop wait for what the loop computes")
    program, names = _products(plan.steps)
    if not names:
        raise UnsupportedError("a step without matrix products has no such bound")
    sizes = dict(case.sizes)
    share = 1.0
    if case.chunk is not None:
        rows = str(case.options.get("rows", "N"))
        share = case.chunk / sizes[rows]
        sizes[rows] = case.chunk
    case = Case(case.key, case.title, case.model, case.text, sizes, dtype=case.dtype)
    run = registry.find(target).compile(
        program, names, dtype=case.dtype, **_options(case, target, threads, chunk=False)
    )
    generator = np.random.default_rng(1)
    given = {
        n: generator.standard_normal([_size(d, sizes) for d in program.variables[n].dims]).astype(case.dtype)
        for n in run.names
    }
    note = str(getattr(run, "blas", ""))
    if hasattr(run, "bind"):
        return Ready(run.bind(**given), share=share, note=note)
    return Ready(lambda: run(**given), share=share, note=note)


def _size(dim: int | str, sizes: Mapping[str, int]) -> int:
    return sizes[dim] if isinstance(dim, str) else dim


def _products(steps: tuple[Node, ...]) -> tuple[Program, tuple[str, ...]]:
    """A program of the products alone: their operands are given, results of others among them too."""
    program = Program()
    given: dict[Node, str] = {}
    results: list[str] = []
    for node in steps:
        if node.op != "contract":
            continue
        form = contraction_form(node)
        if form.name not in ("gemm", "gemv", "grouped", "batched") or not (form.left or form.right):
            continue
        factors = []
        size = dict(enumerate(node.dims))
        for operand in node.operands:
            size.update(zip(operand.axes, operand.node.dims, strict=True))
        for operand in node.operands:
            if operand.node not in given:
                name = given[operand.node] = f"A{len(given) + 1}"
                program.declare(Variable(name, operand.node.dims, _orientation(operand.node), kind="input"))
            indices: tuple[Index, ...] = tuple(
                (-1 - a if a < node.rank else a - node.rank, size[a]) for a in operand.axes
            )
            factors.append((("", given[operand.node], indices), 1))
        bound = [(a - node.rank, size[a]) for a in form.summed]
        name = f"P{len(results) + 1}"
        program.define(Variable(name, node.dims, _orientation(node)), monomial(1, factors, bound))
        results.append(name)
    return program, tuple(results)


def _orientation(node: Node) -> str:
    return {0: "scalar", 1: "column", 2: "matrix"}.get(node.rank, "tensor")
