"""Compiled C gives what the reference evaluation gives: by hand and at random, sizes known or not."""

from __future__ import annotations

import contextlib

import pytest

import chainrule as cr
from chainrule.algebra.program import Program
from chainrule.errors import ArrayError, UnsupportedError
from chainrule.targets.c import compile_c
from plan.builders import PROGRAMS, SIZES, draw, random_program
from targets import judging
from targets.judging import outputs_of


def compare(program: Program, dtype: str, tolerance: float, seed: int = 0, **options: object) -> int:
    """Compile, run twice, compare all outputs that can be judged; gives their number."""
    outputs = outputs_of(program)
    data = draw(program, seed=seed)
    step = compile_c(program, outputs, dtype=dtype, **options)  # type: ignore[arg-type]
    given = {name: array.astype(dtype) for name, array in data.items()}
    step(**given)
    result = step(**given)
    return judging.compare(program, data, SIZES, result, tolerance, step.source)


@pytest.mark.parametrize("name", PROGRAMS)
def test_networks(name: str) -> None:
    program = PROGRAMS[name]()
    compare(program, "float64", 1e-10)
    compare(program, "float32", 1e-5)


@pytest.mark.parametrize("name", PROGRAMS)
def test_networks_of_known_sizes(name: str) -> None:
    program = PROGRAMS[name]()
    sizes = {dim: SIZES[dim] for v in program.variables.values() for dim in v.dims if isinstance(dim, str)}
    compare(program, "float64", 1e-10, sizes=sizes, embedded=True)


@pytest.mark.parametrize("block", range(2))
def test_random_programs(block: int) -> None:
    for seed in range(6 * block, 6 * block + 6):
        compare(random_program(seed), "float64", 1e-10, seed, blas="none" if seed % 2 else "auto")


@pytest.mark.parametrize("name", ["one_layer_rows", "attention", "sequence"])
def test_networks_in_chunks(name: str) -> None:
    """Rows that a chunk divides and rows that it does not."""
    for chunk in (3, 7):
        compare(PROGRAMS[name](), "float64", 1e-10, chunk={"T": 1} if name == "attention" else chunk)


@pytest.mark.parametrize("seed", [1001, 1002])
def test_rows_of_what_could_be_written_out(seed: int) -> None:
    """A diagonal of which chunks take rows lies in memory; it was written out where rows were to be seen."""
    compare(random_program(seed), "float64", 1e-10, seed, chunk=2)


def test_a_product_in_chunks_reads_what_other_chunks_made_as_a_whole() -> None:
    """It began at its own chunk's rows: numbers that were wrong, and memory that was not the array's."""
    compare(random_program(1229), "float64", 1e-10, 1229, chunk=2)


@pytest.mark.parametrize("seed", [6006, 6007])
def test_memory_where_no_array_of_the_code_has_the_rows(seed: int) -> None:
    """The loops make entries one by one: a function that the code called, how many rows fit, was not written."""
    program = random_program(seed)
    with pytest.raises(ArrayError, match="not enough"):
        compare(program, "float64", 1e-10, seed, memory=100)
    compare(program, "float64", 1e-10, seed, memory=20_000)


def test_chunks_that_save_nothing_in_c_are_refused() -> None:
    """NumPy keeps N entries where a loop in C keeps one; of a layer norm it keeps nothing that has all rows."""
    with pytest.raises(UnsupportedError, match="would save no memory"):
        compare(PROGRAMS["layer_norm"](), "float64", 1e-10, chunk=3)
    net = cr.parse("input x : N\nparam w : scalar\nJ = sum(tanh(w x) ∘ exp(w x))")
    derivation = net.derive(["w"])
    assert derivation.compile(chunk=3).plan.chunks is not None
    for options in ({"chunk": 3}, {"memory": "1kB"}):
        with pytest.raises(UnsupportedError, match="would save no memory"):
            derivation.compile("c", **options)


@pytest.mark.long
@pytest.mark.parametrize("block", range(40))
def test_many_random_programs(block: int) -> None:
    for seed in range(1000 + 10 * block, 1000 + 10 * block + 10):
        program = random_program(seed)
        sizes = {dim: SIZES[dim] for v in program.variables.values() for dim in v.dims if isinstance(dim, str)}
        compare(program, "float64", 1e-10, seed)
        compare(program, "float64", 1e-10, seed, sizes={d: n for d, n in sizes.items() if d != "N"})
        with contextlib.suppress(UnsupportedError):  # no index that saves memory
            compare(program, "float64", 1e-10, seed, chunk=2)
