"""Each line of a proof checked by itself: its entry is evaluated for all indices at a random point.

The symbols in it (∂W[k,l]/∂W[i,j], ∂s/∂θ[i]) get their values from central differences of the program's equations.
"""

from __future__ import annotations

import numpy as np

from chainrule.algebra.program import Operation, Program
from chainrule.errors import ChainruleError
from chainrule.explanation.checking import jacobian_by_differences
from chainrule.explanation.proof import Proof, provable, symbol_of
from chainrule.explanation.steps import Formula
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_expression, evaluate_program
from chainrule.sizes import value_of

__all__ = ["check_proof"]


def check_proof(program: Program, of: str, wrt: str, between: set[str], upstream: str = "", seed: int = 0) -> float:
    """The largest difference between a line and the line above it, relative to the entries of the line.

    Raises ChainruleError where there is no proof, or no point at which everything is finite.
    """
    if not provable(program, wrt, between):
        raise ChainruleError("an operation without an equation in indices has no such proof")
    proof = Proof(program, of, wrt, between, upstream)
    lines = proof.lines()
    work = proof.work.copy()
    work.equations = {n: e for n, e in work.equations.items() if not isinstance(e.value, Operation)}
    sizes = choose_sizes(work)
    rng = np.random.default_rng(seed)
    for attempt in range(24):
        values = sample(work, sizes, rng, attempt % 2 == 1)
        if upstream:
            shape = [value_of(d, sizes) for d in work.variables[upstream].dims]
            values[upstream] = rng.standard_normal(shape)
        known = evaluate_program(work, values, sizes)
        for name in (*proof.way, wrt):
            found = np.eye(known[name].size).reshape(known[name].shape * 2)
            if name != wrt:
                found = jacobian_by_differences(work, known, name, wrt, sizes, None)
            known[symbol_of(name, wrt)] = found
        if all(np.isfinite(known[n]).all() for n in (*proof.way, *(symbol_of(n, wrt) for n in proof.way))):
            break
    else:
        raise ChainruleError("no point found at which the proof can be checked")

    def value(formula: Formula) -> np.ndarray:
        assert formula.entry is not None
        terms, indices = formula.entry
        parts = [evaluate_expression({key: c}, indices, known, sizes, work.functions) for key, c in terms]
        return np.asarray(sum(parts) if parts else 0.0)

    worst, before = 0.0, None
    for line in lines:
        if line.left is not None:
            before = None
        if line.right.entry is None:
            continue
        here = value(line.right)
        if before is not None:
            scale = max(float(np.abs(here).max(initial=0.0)), float(np.abs(before).max(initial=0.0)), 1e-3)
            worst = max(worst, float(np.abs(here - before).max(initial=0.0)) / scale)
        before = here
    return worst
