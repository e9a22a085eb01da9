"""Steps as the engine makes them, in the shapes that outputs must write: chains, finer steps, conditions, a proof.

The formulas are G2's derivation of δ₂, built from trees; outputs are tested on it whatever the engine does today.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.derivation import Derivation
from chainrule.explanation.steps import Formula, ProofLine, Step
from chainrule.notation import tree
from chainrule.notation.tree import Node, at, iverson, partial, sigma, sym

ROOT = Path(__file__).parents[2]

D1 = sym("δ₁", 1, "N_c")
U = sym("U", "N_c", "D_h")
Z, H = sym("z", "D_h", 1), sym("h", "D_h", 1)
DH_DZ = partial(sym("h"), sym("z"), "D_h", "D_h")
SGN = Node("fn", (H,), "sgn", "D_h", 1)
RELU1 = Node("fn", (Z,), "relu'", "D_h", 1)


def formula(*parts: Node) -> Formula:
    return Formula(tree.product(list(parts)))


LEFT = Formula(partial(sym("J"), sym("z"), 1, "D_h"))
CHAIN = formula(partial(sym("J"), sym("θ"), 1, "N_c"), partial(sym("θ"), sym("h"), "N_c", "D_h"), DH_DZ)
KNOWN = formula(D1, partial(sym("θ"), sym("h"), "N_c", "D_h"), DH_DZ)
PUT = formula(D1, U, DH_DZ)
DIAG = formula(D1, U, tree.diag(RELU1))
HAD = Formula(tree.hadamard([tree.product([D1, U]), tree.transpose(RELU1)]))
LAST = Formula(tree.hadamard([tree.product([D1, U]), tree.transpose(SGN)]))


class Proved(Step):
    """A step whose identity has a proof."""

    @cached_property
    def proof(self) -> tuple[ProofLine, ...]:
        entry = partial(at("θ", "k"), at("h", "i"))
        inner = tree.product([at("U", "kl"), partial(at("h", "l"), at("h", "i"))])
        return (
            ProofLine(Formula(entry), Formula(sigma("l", inner)), "definition of θ"),
            ProofLine(None, Formula(sigma("l", tree.product([at("U", "kl"), iverson("l", "i")]))), "∂h[l]/∂h[i]"),
            ProofLine(None, Formula(at("U", "ki")), "the sum has one term"),
        )


FINER = (
    Step(DIAG, Formula(tree.hadamard([tree.product([D1, U]), tree.transpose(RELU1)])), "diagonal product"),
    Step(HAD, LAST, "relu′(z) = sgn(h)", conditions=("relu′(0) is taken as 0",)),
)
STEPS = [
    Step(LEFT, CHAIN, "chain rule", place="∂J/∂z"),
    Step(CHAIN, KNOWN, "δ₁ is known", place="∂J/∂θ"),
    Proved(KNOWN, PUT, "2.1", {"W": "U"}, "∂θ/∂h", "θ = U h + b2 gives ∂θ/∂h = U", "2.1"),
    Step(PUT, DIAG, "2.4", place="∂h/∂z", detail="h = relu(z) gives ∂h/∂z = diag(relu′(z))", identity="2.4"),
    Step(DIAG, LAST, "elementwise", place="∂h/∂z", within=FINER, conditions=("relu′(0) is taken as 0",)),
]


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> Derivation:
    """one_layer.net, whose δ₂ has these steps and nothing else has any."""
    monkeypatch.setattr(Derivation, "steps", lambda _, g: STEPS if g.name == "δ2" else [])
    return cr.load(ROOT / "examples" / "one_layer.net").derive()
