"""`chainrule check`: what it prints, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chainrule import cli
from chainrule.errors import ChainruleError

EXAMPLES = Path(__file__).parents[2] / "examples"
ONE_LAYER, ROWS = str(EXAMPLES / "one_layer.net"), str(EXAMPLES / "one_layer_rows.net")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, ["check", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_a_right_claim_ends_with_0() -> None:
    status, out = run(ONE_LAYER, "dJ/dW = δ2ᵀ xᵀ")
    assert status == 0
    assert out == "right: dJ/dW = δ2ᵀ xᵀ\n  right in shape layout; equal as formulas\n"


def test_a_wrong_claim_ends_with_1() -> None:
    status, out = run(ONE_LAYER, "dJ/dz = δ1 U")
    assert status == 1
    assert out.startswith("wrong: dJ/dz = δ1 U\n  right dimensions, wrong value: the factor relu′(z) is missing\n")
    assert "  try: dJ/dz = δ₁ U ∘ relu′(z)ᵀ\n" in out


def test_several_claims_are_all_checked() -> None:
    status, out = run(ROWS, "∂J/∂W = Xᵀ Δ₂", "∂J/∂b1 = Δ₂")
    assert status == 1
    assert out.startswith("right: ∂J/∂W = Xᵀ Δ₂\n")
    assert "wrong: ∂J/∂b1 = Δ₂\n" in out


def test_a_claim_that_cannot_be_read_is_an_error() -> None:
    """Which `main` prints and ends with 2."""
    with pytest.raises(ChainruleError, match="the name Q is not known"):
        run(ONE_LAYER, "dJ/dQ = δ2")
    with pytest.raises(ChainruleError, match="there is no claim to check"):
        run(ONE_LAYER)
    with pytest.raises(ChainruleError, match="cannot be read"):
        run(ONE_LAYER, "--derivation", "nowhere.txt")


def test_a_derivation_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("g = ŷ − y\n∂J/∂θ = gᵀ\n∂J/∂z = gᵀ U\n∂J/∂W = (gᵀ U)ᵀ xᵀ\n", encoding="utf-8")
    status, out = run(ONE_LAYER, "--derivation", str(path))
    assert status == 1
    assert out.startswith("wrong: line 3 is wrong: ")
    assert "line 4: wrong only because of it" in out.split("\n")[0]


def test_json() -> None:
    status, out = run(ONE_LAYER, "dJ/dz = δ1 U", "--format", "json")
    data = json.loads(out)
    assert status == 1
    assert (data["ok"], data["verdict"], data["kind"], data["expected"]) == (
        False, "wrong", "activation", "δ₁ U ∘ sgn(h)ᵀ"
    )  # fmt: skip
    assert set(data["step"]) == {"rule", "identity", "place", "before", "after", "detail"}
    _, out = run(ONE_LAYER, "dJ/dz = δ1 U", "dJ/dW = x δ2", "--format", "json")
    assert [item["layout"] for item in json.loads(out)] == ["", "numerator"]


def test_layout_batch_and_dialect() -> None:
    assert run(ONE_LAYER, "dJ/dW = x δ2")[0] == 0
    assert run(ONE_LAYER, "dJ/dW = x δ2", "--layout", "shape")[0] == 1
    assert run(ONE_LAYER, "dJ/dW = Δ2ᵀ X", "--batch", "N")[0] == 0
    assert run(ROWS, "dJ_dW = X.T @ Delta2", "--claims-in", "numpy")[0] == 0


def test_help_shows_an_example() -> None:
    status, out = run("--help")
    assert status == 0
    assert "chainrule check" in out.split("Example:")[1]
