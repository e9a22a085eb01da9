"""Loops as people write them, against the same program written out step by step, which knows nothing of loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.points import sample
from chainrule.reference import evaluate_program
from chainrule.sizes import symbols_of
from loop_programs import PROGRAMS
from unrolling import Unroller, joined, split

PRIMES = (5, 7, 3, 2, 11)


def at_a_point(net: cr.Network, steps: int) -> tuple[dict[str, int], dict[str, NDArray[np.float64]]]:
    """Sizes, distinct primes, and values for everything that is declared."""
    dims = [d for v in net.program.variables.values() for d in v.dims if isinstance(d, str)]
    symbols = sorted({s for d in dims for s in symbols_of(d)} - {"T"})
    sizes = dict(zip(symbols, PRIMES, strict=False)) | {"T": steps}
    values = sample(net.program, sizes, np.random.default_rng(3), spread=0.5)
    return sizes, {k: np.asarray(v) for k, v in values.items() if k not in net.program.equations}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_loop_is_its_steps_written_out(name: str, steps: int) -> None:
    text = PROGRAMS[name]
    net = cr.parse(text)
    sizes, values = at_a_point(net, steps)
    derivation = net.derive()
    assert "%" not in derivation.text(explain=1)
    known = evaluate_program(derivation.program, values, sizes)
    unroller = Unroller(text, "T", steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in one step a parameter may not be used
        other = cr.parse(unroller.text()).derive()
    wanted = evaluate_program(other.program, split(unroller, values, sizes), sizes)
    np.testing.assert_allclose(known["J"], wanted["J"], rtol=1e-10)
    assert steps == 1 or abs(wanted["J"]) > 1e-9
    by_name = {of: wanted[gradient] for of, gradient in other.backward.gradients.items()}
    for of, gradient in derivation.backward.gradients.items():
        np.testing.assert_allclose(known[gradient], joined(unroller, by_name, of), rtol=1e-8, atol=1e-10, err_msg=of)
    step = derivation.compile(plain=steps == 1)
    _, found = step(**{n: values[n] for n in step.names})
    for of, gradient in derivation.backward.gradients.items():
        np.testing.assert_allclose(found[of], known[gradient], rtol=1e-8, atol=1e-10, err_msg=of)


WRITTEN_IN_INDICES = {"birnn concat", "concat cell"}  # g[t,j−H], whose sizes do not say that it is 0 for j ≤ H


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n not in WRITTEN_IN_INDICES])
def test_gradients_of_whole_parameters_are_read_back(name: str) -> None:
    """Where a gradient is one formula (no step of a sequence), what is printed is read again as right."""
    net = cr.parse(PROGRAMS[name])
    for of, gradient in net.derive().gradients.items():
        if net.program.variables[of].steps is None:
            entries = f"[{','.join('ij'[: len(net.program.variables[of].dims)])}]"
            left = f"∂J/∂{of}{entries if '[i' in gradient.text or ',i' in gradient.text else ''}"
            claim = cr.check(net, f"{left} = {gradient.text}")
            assert claim.ok, (of, gradient.text, claim.diagnosis)
