"""Index relations in C: slices, windows, sums over windows and lookups, with sizes that are worked out from others."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.algebra.expr import bare, free, fresh_bound, multiply, sum_over, variable
from chainrule.algebra.program import Program, Variable
from chainrule.algebra.structure import concat_of, reshape_of, shift_of
from chainrule.calculus.reverse import differentiate
from chainrule.errors import ArrayError
from chainrule.functions.onehot import onehot_of
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_program
from chainrule.sizes import times
from chainrule.targets.c import CStep, compile_c
from structure.builders import conv_program, program_of


def compiled(
    program: Program, wrt: list[str], numbers: dict[str, int] | None = None
) -> tuple[CStep, dict[str, object]]:
    """The step of J and its gradients, after it was compared with the formulas."""
    backward = differentiate(program, "J", wrt)
    gradients = {name: backward.gradients[name] for name in wrt}
    step = compile_c(backward.program, list(gradients.values()), loss="J", gradients=gradients, dtype="float64")
    sizes = choose_sizes(program, numbers)
    values = sample(program, sizes, np.random.default_rng(1))
    expected = evaluate_program(backward.program, values, sizes)
    given = {name: values[name] for name in step.names}
    step(**given)
    loss, arrays = step(**given)
    assert loss == pytest.approx(float(expected["J"]), rel=1e-12)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(arrays[name], expected[gradient], rtol=1e-10, atol=1e-11)
    return step, given


def test_convolution() -> None:
    compiled(conv_program(2, 3, 2), ["x", "W"], {"n": 13, "k": 3})


def test_joined_shifted_and_split() -> None:
    declared = [("x", ("N", times(4, "d"))), ("z", ("M", "d"))]
    program = program_of(
        declared,
        lambda x, z: concat_of([shift_of(reshape_of(x, (times(4, "N"), "d")), 0, 1), z], 0),
    )
    step, given = compiled(program, ["x", "z"])
    with pytest.raises(ArrayError):  # 4 d columns are a multiple of four
        step(x=np.ones((2, 6)), z=np.ones((3, 1)))
    with pytest.raises(ArrayError):
        step(x=np.ones((2, 8)), z=np.ones((3, 3)))
    assert np.isfinite(step(**given)[0])


def test_lookup() -> None:
    program = Program()
    program.declare(Variable("E", ("V", "D"), "matrix", "param"))
    program.declare(Variable("ids", ("T",), "column", "label", ("integer",)))
    looked = onehot_of(program, "ids", "V")
    v, own = fresh_bound("V"), free(("T", "D"))
    value = multiply(variable(looked, (own[0], v)), variable("E", (v, own[1])), (v,))
    program.define(Variable("h", ("T", "D"), "matrix"), value)
    program.define(Variable("e", ("T", "D"), "matrix"), bare(("exp", "h", own)))
    program.define(Variable("J", (), "scalar"), sum_over(variable("e", own), own))
    step, given = compiled(program, ["E"])
    for wrong in (-1.0, 0.5, 1e9, np.nan):
        with pytest.raises(ArrayError, match=r"not finite|NaN|declared integer"):
            step(**{**given, "ids": np.full_like(given["ids"], wrong)})


def test_integer_labels() -> None:
    net = cr.trace(lambda S, y: -np.log(np.exp(S)[np.arange(4), y] / np.exp(S).sum(1)).sum(), S=(4, 5), y=(4,))
    derivation = net.derive("S")
    step, expected = derivation.compile("c", dtype="float64"), derivation.compile("numpy")
    arrays = {"S": np.random.default_rng(0).standard_normal((4, 5)), "y": np.array([3.0, 0.0, 4.0, 3.0])}
    loss, gradients = step(**arrays)
    want, wanted = expected(**arrays)
    assert loss == pytest.approx(want, rel=1e-12)
    np.testing.assert_allclose(gradients["S"], wanted["S"], rtol=1e-12, atol=1e-15)
