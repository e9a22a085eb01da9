"""Structural operators: values against NumPy's own, gradients against differences and torch, code against formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from chainrule.algebra.expr import add, bare, free, fresh_bound, monomial, multiply, scale, sum_over, variable
from chainrule.algebra.program import Program, Variable
from chainrule.algebra.relations import relation, settled
from chainrule.algebra.renaming import Renaming, renamed_program
from chainrule.algebra.structure import (
    Array,
    concat_of,
    cumsum_of,
    flip_of,
    kron_of,
    pad_of,
    reshape_of,
    shift_of,
    slice_of,
    windows_of,
)
from chainrule.calculus.reverse import Backward, differentiate
from chainrule.errors import ArrayError, DimensionError
from chainrule.functions.onehot import onehot_of
from chainrule.network import Network
from chainrule.points import choose_sizes, sample
from chainrule.reference import evaluate_program
from chainrule.sizes import plus, times, value_of
from chainrule.targets.jax import compile_jax
from chainrule.targets.numpy import compile_numpy
from chainrule.targets.torch import compile_torch
from chainrule.verification import verify_gradients
from structure.builders import Declared, conv_program, program_of

Case = tuple[list[Declared], Callable[..., Array], Callable[..., Any]]


def _windows(x: Any, k: int, s: int, d: int, p: int) -> Any:
    padded = np.pad(x, ((0, 0), (p, p)))
    count = (x.shape[1] + 2 * p - d * (k - 1) - 1) // s + 1
    return np.stack([np.stack([padded[:, s * i + d * a] for a in range(k)], 1) for i in range(count)], 1)


WIDE: Declared = ("x", ("N", times(4, "d")))
TALL: Declared = ("x", ("T", "D"))
CASES: dict[str, Case] = {
    "split": ([WIDE], lambda x: reshape_of(x, ("N", 4, "d")), lambda x: x.reshape(x.shape[0], 4, -1)),
    "rows": ([WIDE], lambda x: reshape_of(x, (times(4, "N"), "d")), lambda x: x.reshape(4 * x.shape[0], -1)),
    "back": ([WIDE], lambda x: reshape_of(reshape_of(x, ("N", 4, "d")), WIDE[1]), lambda x: x),
    "flat": ([WIDE], lambda x: reshape_of(x, (times(4, "d", "N"),)), np.ravel),
    "slice": ([("x", ("N", 23))], lambda x: slice_of(x, 1, 2, 7, 3), lambda x: x[:, 2:21:3]),
    "shift": ([TALL], lambda x: shift_of(x, 0, 1), lambda x: np.vstack([0 * x[:1], x[:-1]])),
    "shift up": ([TALL], lambda x: shift_of(x, 0, -1), lambda x: np.vstack([x[1:], 0 * x[:1]])),
    "pad": ([TALL], lambda x: pad_of(x, 0, 2, 1), lambda x: np.pad(x, ((2, 1), (0, 0)))),
    "flip": ([TALL], lambda x: flip_of(x, 0), lambda x: x[::-1]),
    "cumsum": ([TALL], lambda x: cumsum_of(x, 0), lambda x: np.cumsum(x, 0)),
    "concat": ([TALL, ("z", ("S", "D"))], lambda x, z: concat_of([x, z, x], 0), lambda x, z: np.concatenate([x, z, x])),
    "part": (
        [TALL, ("z", ("S", "D"))], lambda x, z: slice_of(concat_of([x, z], 0), 0, "T", "S"), lambda x, z: z
    ),
    "kron": ([("x", ("a", "b")), ("z", ("c", "d"))], kron_of, np.kron),
    "windows": ([("x", ("N", 13))], lambda x: windows_of(x, 1, 3), lambda x: _windows(x, 3, 1, 1, 0)),
    "strided": ([("x", ("N", 13))], lambda x: windows_of(x, 1, 3, 2, 3, 2), lambda x: _windows(x, 3, 2, 3, 2)),
}  # fmt: skip


def check(program: Program, sizes: dict[str, int] | None = None) -> None:
    """The gradients of J against differences, and both kinds of code against the formulas."""
    wrt = [v.name for v in program.variables.values() if v.kind in ("param", "input")]
    backward = differentiate(program, "J", wrt)
    report = verify_gradients(program, backward.program, "J", backward.gradients, sizes=sizes)
    assert report.ok, str(report)
    values = sample(program, report.sizes, np.random.default_rng(1))
    expected = evaluate_program(backward.program, values, report.sizes)
    gradients = {name: backward.gradients[name] for name in wrt}
    for plain in (False, True):
        step = compile_numpy(backward.program, list(gradients.values()), loss="J", gradients=gradients, plain=plain)
        given = {name: values[name].copy() for name in step.names}
        for _ in range(2):  # the second time in memory that the first one used
            found, arrays = step(**given)
            assert found == pytest.approx(float(expected["J"]), rel=1e-12)
            for name, gradient in gradients.items():
                np.testing.assert_allclose(arrays[name], expected[gradient], rtol=1e-11, atol=1e-11)
                given_name = given.get(name)
                assert given_name is None or np.array_equal(given_name, values[name])
    framework(compile_torch, backward, values, expected)


def framework(
    compiled: Callable[..., Any], backward: Backward, values: dict[str, Any], expected: Mapping[str, Any]
) -> None:
    """What a framework's code gives against the formulas."""
    gradients = backward.gradients
    step = compiled(backward.program, list(gradients.values()), loss="J", gradients=gradients)
    found, arrays = step(**{name: values[name] for name in step.names})
    assert found == pytest.approx(float(expected["J"]), rel=1e-12)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(arrays[name], expected[gradient], rtol=1e-11, atol=1e-11)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_operator_in_jax(name: str) -> None:
    declared, build, _ = CASES[name]
    program = program_of(declared, build)
    backward = differentiate(program, "J", [n for n, _ in declared])
    sizes = choose_sizes(backward.program)
    values = sample(program, sizes, np.random.default_rng(0))
    framework(compile_jax, backward, values, evaluate_program(backward.program, values, sizes))


@pytest.mark.parametrize("name", CASES)
def test_operator(name: str) -> None:
    declared, build, oracle = CASES[name]
    program = program_of(declared, build)
    sizes = choose_sizes(program)
    values = sample(program, sizes, np.random.default_rng(0))
    known = evaluate_program(program, values, sizes)
    np.testing.assert_allclose(known["y"], oracle(*(values[n] for n, _ in declared)))
    check(program)


@pytest.mark.parametrize(("stride", "dilation", "padding"), [(1, 1, 0), (2, 1, 1), (1, 2, 2), (2, 3, 2), (3, 1, 0)])
@pytest.mark.parametrize("numbers", [{"n": 13, "k": 3}, {"n": 11, "k": 2}])
def test_convolution(stride: int, dilation: int, padding: int, numbers: dict[str, int]) -> None:
    program = conv_program(stride, dilation, padding)
    sizes = choose_sizes(program, numbers)
    values = sample(program, sizes, np.random.default_rng(0))
    known = evaluate_program(differentiate(program, "J", ["x", "W"]).program, values, sizes)
    x, w = (torch.tensor(values[n], requires_grad=True) for n in "xW")
    y = torch.nn.functional.conv1d(x, w, stride=stride, dilation=dilation, padding=padding)
    (y * y.sin()).sum().backward()
    np.testing.assert_allclose(known["y"], y.detach().numpy(), atol=1e-12)
    for name, tensor in (("x", x), ("W", w)):
        assert tensor.grad is not None
        np.testing.assert_allclose(known[f"∂J/∂{name}"], tensor.grad.numpy(), atol=1e-10)
    check(program, numbers)


def test_sizes_of_the_code_follow_the_arrays() -> None:
    program = conv_program(2, 1, 1)
    step = compile_numpy(program, ["y"])
    for n, k in ((9, 3), (10, 2), (7, 5)):
        rng = np.random.default_rng(n)
        x, w = rng.standard_normal((2, 3, n)), rng.standard_normal((4, 3, k))
        y = torch.nn.functional.conv1d(torch.tensor(x), torch.tensor(w), stride=2, padding=1)
        np.testing.assert_allclose(step(x=x, W=w)["y"], y.numpy(), atol=1e-12)


def test_lookup_is_no_product() -> None:
    """E[ids] W with integer labels: rows are looked up, and added up again on the way back."""
    program = Program()
    program.declare(Variable("E", ("V", "D"), "matrix", "param"))
    program.declare(Variable("ids", ("T",), "column", "label", ("integer",)))
    program.declare(Variable("c", ("T",), "column", "label", ("integer",)))
    looked, labels = onehot_of(program, "ids", "V"), onehot_of(program, "c", "V")
    v, d = fresh_bound("V"), fresh_bound("D")
    own = free(("T", "D"))
    program.define(
        Variable("h", ("T", "D"), "matrix"), multiply(variable(looked, (own[0], v)), variable("E", (v, own[1])), (v,))
    )
    own = free(("T", "V"))
    program.define(
        Variable("z", ("T", "V"), "matrix"), multiply(variable("h", (own[0], d)), variable("E", (own[1], d)), (d,))
    )
    program.define(Variable("e", ("T", "V"), "matrix"), bare(("exp", "z", own)))
    row = free(("T",))
    program.define(Variable("s", ("T",), "column"), multiply(variable("e", (row[0], v)), {((), ()): 1}, (v,)))
    picked = scale(multiply(variable(labels, own), variable("z", own), own), -1)
    program.define(Variable("J", (), "scalar"), add(sum_over(bare(("log", "s", row)), row), picked))
    check(program)
    backward = differentiate(program, "J", ["E"])
    source = compile_numpy(backward.program, ["∂J/∂E"], loss="J").source
    assert ".take(" in source
    assert "_put(" in source
    sizes = {"V": 7, "D": 3, "T": 11}
    values = sample(program, sizes, np.random.default_rng(3))
    table = torch.tensor(values["E"], requires_grad=True)
    logits = table[torch.tensor(values["ids"]).long()] @ table.T
    torch.nn.functional.cross_entropy(logits, torch.tensor(values["c"]).long(), reduction="sum").backward()
    assert table.grad is not None
    known = evaluate_program(backward.program, values, sizes)
    np.testing.assert_allclose(known["∂J/∂E"], table.grad.numpy(), atol=1e-12)
    with pytest.raises(ArrayError, match="whole numbers from 0 to 6"):
        evaluate_program(program, {**values, "ids": values["ids"] + 7}, sizes)
    with pytest.raises(ArrayError, match="ids: labels must be whole numbers from 0 to 6"):
        compile_numpy(program, ["h"])(E=values["E"], ids=values["ids"] - 7)


def test_second_order_and_batches() -> None:
    net = Network(conv_program(2, 1, 1, 7, 3), "J", None)
    hessian = net.hessian("W")
    sizes = {"N": 2, "C": 2, "O": 3}
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 2, 7)), rng.standard_normal((3, 2, 3))
    found = hessian.compile()(x=x, W=w)

    def loss(weights: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.conv1d(torch.tensor(x), weights, stride=2, padding=1)
        return (y * y.sin()).sum()

    np.testing.assert_allclose(found, torch.autograd.functional.hessian(loss, torch.tensor(w)).numpy(), atol=1e-10)
    assert sizes
    net = Network(program_of([("x", ("T", "D"))], lambda x: shift_of(x, 0, 1), "input"), "J", None)
    lifted = net.lift("N")
    assert lifted.derive().verify().ok


def test_normal_form() -> None:
    i, j, k, n = (0, "N"), (1, "N"), (2, "M"), (3, "N")
    assert settled(*relation("=", [(1, i), (-1, j)])[1:]) == (("δ", "", (i, j)),)
    assert settled(*relation("=", [(2, i), (-2, k)], 3)[1:]) is None  # even and odd
    assert settled(*relation("=", [(2, i), (-2, k)], 4)[1:]) == settled(*relation("=", [(1, i), (-1, k)], 2)[1:])
    assert settled(*relation("=", [(1, i), (-1, k)], 2)[1:]) == settled(*relation("=", [(-1, i), (1, k)], -2)[1:])
    assert settled(*relation("=", [(1, i), (-1, i)])[1:]) == ()
    assert settled(*relation("=", [(1, i), (-1, k)], "N")[1:]) is None  # i is never N or more
    assert settled(*relation("≤", [(1, i)], "N")[1:]) == ()
    a = relation("=", [(1, k), (-1, i), (-1, n)])
    b = relation("=", [(1, k), (-1, n), (-1, i)])
    x, y = ("", "x", (i,)), ("", "y", (n,))
    assert monomial(1, [(a, 1), (x, 1), (y, 1)], [i, n]) == monomial(1, [(b, 2), (y, 1), (x, 1)], [n, i])


def test_what_is_proved_is_simplified() -> None:
    """A part of a concatenation that is another part: no trace of the first."""
    declared, build, _ = CASES["part"]
    program = program_of(declared, build)
    backward = differentiate(program, "J", ["x", "z"])
    assert backward.program.expression("∂J/∂x") == {}
    adjoint = backward.program.expression("∂J/∂z")
    assert adjoint
    assert all(atom[0] != "rel" for factors, _ in adjoint for atom, _ in factors)
    declared, build, _ = CASES["back"]
    adjoint = differentiate(program_of(declared, build), "J", ["x"]).program.expression("∂J/∂x")
    assert adjoint
    assert all(atom[0] != "rel" for factors, _ in adjoint for atom, _ in factors)


def test_renaming_reaches_sizes_in_relations() -> None:
    program = renamed_program(conv_program(2, 1, 1), Renaming({}, {"n": "L", "k": "w"}))
    assert "L" in str(program.variables["y"].dims[2])
    check(program, {"L": 13, "w": 3})


def test_what_does_not_fit_is_refused() -> None:
    x = variable("x", free(("D",))), ("D",)
    with pytest.raises(DimensionError, match="cannot be put into"):
        reshape_of(x, ("H", "d"))
    with pytest.raises(DimensionError, match="a slice from 4 to 6"):
        slice_of((variable("x", free((5,))), (5,)), 0, 3, 3)
    with pytest.raises(DimensionError, match="does not fit"):
        windows_of((variable("x", free((3,))), (3,)), 0, 5)
    with pytest.raises(DimensionError, match="cannot be joined"):
        concat_of([x, (variable("z", free(("D", "E"))), ("D", "E"))], 0)
    net = Network(program_of([WIDE], lambda x: reshape_of(x, ("N", 4, "d"))), "J", None)
    with pytest.raises(ArrayError, match="a size 7 where 4 d is asked for"):
        net.evaluate(x=np.ones((3, 7)))
    assert value_of(plus("N", 1), {"N": 2}) == 3
