"""JSON: every example keeps the published schema, and the schema is worth keeping."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import chainrule as cr
from chainrule.derivation import Derivation
from chainrule.outputs.json import schema

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.net"))
MORE = {
    "index notation": "param A : H × N × N\ninput V : H × N × D\nO[h,i,d] = sum(j, A[h,i,j] V[h,j,d])\nJ = sum(O)",
    "no dependence": "input x : 3\nparam V : K × D\nb = 2 x\nJ = norm(b)^2",
    "unknown functions": "function f : scalar -> scalar\ninput x : D\nJ = sum(f(x))",
}


def errors(data: Any) -> list[str]:
    validator = Draft202012Validator(schema())
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(data)]


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_keep_the_schema(path: Path) -> None:
    derivation = cr.load(path).derive()
    assert errors(json.loads(json.dumps(derivation.to_json(derivation.verify())))) == []


@pytest.mark.parametrize("name", MORE)
def test_odd_programs_keep_the_schema(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cr.ChainruleWarning)
        assert errors(cr.parse(MORE[name]).derive().to_json()) == []


def test_steps_conditions_and_proofs_keep_the_schema(explained: Derivation) -> None:
    data = json.loads(json.dumps(explained.to_json()))
    assert errors(data) == []
    steps = data["signals"][1]["steps"]
    assert [s["rule"] for s in steps] == ["chain rule", "δ₁ is known", "2.1", "2.4", "elementwise"]
    assert steps[2]["detail"] == "θ = U h + b2 gives ∂θ/∂h = U"
    assert steps[2]["bindings"] == {"W": "U"}
    assert [s["rule"] for s in steps[4]["within"]] == ["diagonal product", "relu′(z) = sgn(h)"]
    assert steps[4]["sizes"] == "(1×N_c)(N_c×D_h) ∘ (1×D_h)"
    assert data["conditions"] == ["relu′(0) is taken as 0"]
    (proof,) = data["proofs"]
    assert proof["identity"] == "2.1"
    assert proof["lines"][-1] == {
        "left": "", "left_latex": "", "right": "U[k,i]", "right_latex": "U_{ki}", "rule": "the sum has one term",
    }  # fmt: skip


def test_both_layouts_are_there() -> None:
    data = cr.load(ROOT / "examples" / "one_layer.net").derive().to_json(layout="numerator")
    gradient = next(g for g in data["gradients"] if g["wrt"] == "W")
    assert (data["layout"], gradient["layout"]) == ("numerator", "shape")
    assert (gradient["text"], gradient["sizes"]) == ("δ₂ᵀ xᵀ", "(D_h×1)(1×D_x)")
    assert (gradient["numerator"], gradient["numerator_sizes"]) == ("x δ₂", "(D_x×1)(1×D_h)")
    assert (gradient["shape"], gradient["numerator_shape"]) == (["D_h", "D_x"], ["D_x", "D_h"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("loss"),
        lambda d: d["signals"][0].pop("steps"),
        lambda d: d["gradients"][0].update(shape=[0]),
        lambda d: d["gradients"][0].update(extra=1),
        lambda d: d["gradients"][0]["steps"].append({"rule": "guessed"}),
        lambda d: d.update(layout="rows"),
    ],
)
def test_the_schema_refuses_what_is_not_a_derivation(spoil: Any) -> None:
    data = json.loads(json.dumps(cr.load(EXAMPLES[0]).derive().to_json()))
    spoil(data)
    assert errors(data)
