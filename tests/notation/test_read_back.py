"""What is printed is read back by our own parser, and means the same: every formula of the library, the golden networks
and the conformance cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.algebra.program import Program, Variable, is_anonymous
from chainrule.catalogue import CatalogueEntry, catalogue
from chainrule.derivation import Derivation, Gradient
from chainrule.language.elaborate import elaborate_expression, known_functions
from chainrule.language.parser import parse_expression
from chainrule.language.printer import print_expression
from chainrule.reference import evaluate_program
from chainrule.sizes import symbols_of, value_of

PRIMES = (5, 7, 11, 3, 2, 13, 17, 19, 23)


def sample(program: Program, sizes: dict[str, int], seed: int = 0) -> dict[str, np.ndarray]:
    """Positive values that obey what is declared, for every name without an equation."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, own in program.variables.items():
        if own.kind not in ("input", "label", "param", "const"):
            continue
        shape = [value_of(d, sizes) for d in own.dims]
        array = rng.uniform(0.2, 1.3, shape)
        if "one-hot" in own.facts:
            array = np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
        if "integer" in own.facts:
            array = rng.integers(0, 2, shape).astype(float)
        if set(own.facts) & {"symmetric", "positive definite"}:
            array = array @ array.T + np.eye(len(array))
        if "diagonal" in own.facts:
            array = np.diag(np.diag(array))
        values[name] = np.asarray(array)
    return values


def sizes_of(program: Program, **chosen: int) -> dict[str, int]:
    """A prime for every size."""
    names = dict.fromkeys(s for v in program.variables.values() for d in v.dims for s in symbols_of(d))
    return {**{n: PRIMES[k % len(PRIMES)] for k, n in enumerate(names)}, **chosen}


def formulas(derivation: Derivation) -> Iterator[Gradient]:
    yield from derivation.signals.values()
    yield from derivation.gradients.values()


def read(program: Program, formula: Gradient) -> tuple[Program, str]:
    """A copy of the program in which the text of a formula is an equation once more, and the name of it."""
    copy = program.copy()
    own, letters = formula.variable, formula.written.indices
    names = [n for n in copy.variables if not is_anonymous(n)]
    node = parse_expression(formula.text, "whiteboard", known_functions(), names)
    assert parse_expression(print_expression(node), "whiteboard", known_functions(), names) == node
    at = dict(zip(letters, own.indices, strict=True)) if letters else {}
    value = elaborate_expression(copy, node, letters=at)
    copy.define(Variable("read_back", own.dims, own.orientation), value.expr)
    return copy, "read_back"


def assert_read_back(derivation: Derivation, sizes: dict[str, int]) -> int:
    """How many formulas were read; one step of a sequence is read with its equation, elsewhere."""
    values = sample(derivation.program, sizes)
    known = evaluate_program(derivation.program, values, sizes)
    count = 0
    for formula in formulas(derivation):
        if formula.variable.steps is not None and formula.written.node is not None:
            continue
        program, name = read(derivation.program, formula)
        found = evaluate_program(program, values, sizes, [name])[name]
        wanted = known[formula.name]
        np.testing.assert_allclose(
            np.broadcast_to(found, wanted.shape), wanted, rtol=1e-9, atol=1e-11, err_msg=f"{formula}"
        )
        count += 1
    return count


@pytest.mark.parametrize("entry", catalogue(), ids=lambda e: e.entry.name)
def test_every_formula_of_the_library_is_read_back(entry: CatalogueEntry) -> None:
    program = entry.derivation.program
    chosen = {"k": 3, "l": 2} if entry.entry.family == "convolutions" else {}
    if entry.entry.name == "info_nce":
        chosen["M"] = chosen["N"] = 5
    assert_read_back(entry.derivation, sizes_of(program, **chosen))


PROGRAMS = {
    "maxima over an axis": "param x : B × C × L\nJ = sum(max(x, over=last).^2)",
    "products over an axis": "param x : B × C × L\nJ = sum(prod(x, over=last).^2)",
    "windows": "param x : B × C × L\nJ = sum(max_pool1d(x, 2, 2).^2)",
    "means over windows": "param x : B × C × L\nJ = sum(avg_pool1d(x, 3, 2).^2)",
    "a factor of Cholesky": "param A : n × n\nL = cholesky(A Aᵀ + eye(n))\nJ = 2 sum(log(diag(L)))",
    "an unnamed inverse": "param A : n × n\nT[i,j,k] = A[i,j] A[j,k]\nJ = sum(sum(inv(A + Aᵀ) ∘ A) T)",
    "lookups": (
        "label r : T, integer\nparam W : E × D × M\ninput X : T × D\nY[t,m] = sum(d, X[t,d] W[r[t],d,m])\nJ = norm(Y)^2"
    ),
    "labels in an index": "label ids : T, integer\nparam E : V × D\nJ = sum(E[ids].^2) + sum(tanh(E[ids] Eᵀ))",
    "a sum over a range": "param x : n\ny[i] = sum(a = 1..3, x[i+a-1])\nJ = sum(y.^2)",
    "a slice by numbers of a size with a name": "input A : n × n\nJ = norm(A[1:3,2:4])^2",
    "its entries by a function": "input A : n × m\nJ = sum(softmax(A[1:3,2:4]).^2)",
    "its inverse": "input A : n × n\nJ = sum(inv(A[1:3,2:4]))",
    "its product with itself": "input A : n × n\nJ = logdet(A[1:3,2:4] A[1:3,2:4]ᵀ)",
    "a named slice": "input A : n × n\nM = A[1:3,2:4]\nJ = sum(M M)",
    "running products": "input v : D\nparam w : D\nJ = wᵀ cumprod(sin(v))",
    "running products of rows": "input V : N × D\nparam w : D\nJ = sum(cumprod(V, over=columns) w)",
    "running products of columns": "input V : N × D\nparam w : D\nJ = sum(cumprod(V, over=rows) w)",
    "blocks": "param A : n × m\nparam B : n × k\nC = [A, B]\nJ = sum(tanh(C))",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_has_no_matrix_notation_is_read_back(name: str) -> None:
    derivation = cr.parse(PROGRAMS[name]).derive()
    assert assert_read_back(derivation, sizes_of(derivation.program, n=5, L=7)) > 0


GOLDEN = sorted((Path(__file__).parents[2] / "examples").glob("**/*.net"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_the_examples_are_read_back(path: Path) -> None:
    net = cr.load(path)
    assert_read_back(net.derive(), sizes_of(net.program))
