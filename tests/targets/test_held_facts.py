"""An array that is not what it was declared to be is refused: the gradients would be another function's."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArrayError
from chainrule.targets.held_facts import HOLDS

RNG = np.random.default_rng(5)
M = RNG.standard_normal((5, 5))
ROWS = RNG.dirichlet(np.ones(5), 3)
CASES = {  # fact: (sizes, an array that has it, one that nearly has it)
    "one-hot": ("N × K", np.eye(5)[[1, 4, 0]], ROWS),
    "rows sum to 1": ("N × K", ROWS, ROWS + 0.1),
    "mask": ("N × K", np.round(ROWS), ROWS),
    "positive": ("N × K", ROWS, ROWS * [[1, 0, 1, 1, 1]]),
    "nonnegative": ("N × K", ROWS, -ROWS),
    "integer": ("N × K", np.round(9 * ROWS), ROWS),
    "symmetric": ("K × K", M + M.T, M),
    "positive definite": ("K × K", M @ M.T + np.eye(5), M + M.T - 9 * np.eye(5)),
    "orthogonal": ("K × K", np.linalg.qr(M)[0], M),
    "diagonal": ("K × K", np.diag(M[0]), np.tril(M)),
    "lower triangular": ("K × K", np.tril(M), np.triu(M)),
    "upper triangular": ("K × K", np.triu(M), np.tril(M)),
}


def test_every_fact_is_looked_at() -> None:
    from chainrule.language.facts import FACTS, IMPLIED_FACTS

    assert set(HOLDS) == set(CASES) == FACTS - set(IMPLIED_FACTS)


@pytest.mark.parametrize("target", ["numpy", "c", "torch", "evaluate"])
@pytest.mark.parametrize("fact", CASES)
def test_refused_where_it_does_not_hold(fact: str, target: str) -> None:
    sizes, good, bad = CASES[fact]
    net = cr.parse(f"input A : {sizes}, {fact}\nparam x : K\nJ = ‖A x‖²")
    x = np.arange(1.0, 6)
    run = net.evaluate if target == "evaluate" else net.derive("x").compile(target)
    run(A=good, x=x)
    with pytest.raises(ArrayError, match=f"A is declared {fact}"):
        run(A=bad, x=x)
    run(A=good, x=x)


def test_rounding_in_float32_is_no_offence() -> None:
    step = (
        cr.parse("input Q : K × K, orthogonal\nparam x : K\nJ = ‖Q x‖²").derive("x").compile("numpy", dtype="float32")
    )
    q = np.linalg.qr(RNG.standard_normal((300, 300)))[0].astype(np.float32)
    step(Q=q, x=np.ones(300, np.float32))
