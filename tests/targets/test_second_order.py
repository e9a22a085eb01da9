"""Jacobians, Hessians and curvature as code of every target: equal to the reference interpreter's values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.targets import registry

LOGISTIC = cr.load(Path(__file__).resolve().parents[2] / "examples" / "logistic.net")
LAYER = cr.load(Path(__file__).resolve().parents[2] / "examples" / "one_layer.net")
MADE: dict[str, Callable[[], Any]] = {
    "jacobian": lambda: LAYER.jacobian("x", of="ŷ"),
    "hessian": lambda: LOGISTIC.hessian("w"),
    "hessian_product": lambda: LAYER.hessian_product("W"),
    "gauss_newton": lambda: LAYER.gauss_newton("b1"),
    "fisher": lambda: LAYER.fisher("b2"),
    "sample_norms": lambda: LAYER.sample_norms("W"),
    "directional": lambda: LAYER.directional(["W", "b1"]),
    "kronecker_factors": lambda: LAYER.kronecker_factors("U")[0],
}
SIZES = {"N": 5, "D": 7, "D_x": 7, "D_h": 11, "N_c": 3}


def arrays(found: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    made = {}
    for variable in found.program.variables.values():
        if variable.kind in ("input", "label", "param", "const"):
            shape = tuple(d if isinstance(d, int) else SIZES[d] for d in variable.dims)
            made[variable.name] = np.asarray(rng.standard_normal(shape))
            if "one-hot" in variable.facts:
                made[variable.name] = np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
    return made


def cases() -> list[Any]:
    found = []
    for target in registry.names():
        for name in MADE:
            quick = target in ("numpy", "torch") or name in ("hessian", "hessian_product", "sample_norms")
            found.append(pytest.param(target, name, marks=[] if quick else [pytest.mark.long]))
    return found


@pytest.mark.parametrize(("target", "name"), cases())
def test_curvature_is_the_references(target: str, name: str) -> None:
    if registry.find(target).missing:
        pytest.skip("a package is not installed")
    found = MADE[name]()
    given = arrays(found)
    run = found.compile(target)
    used = {n: a for n, a in given.items() if n in found.program.variables}
    np.testing.assert_allclose(run(**used), found.evaluate(**given), rtol=0, atol=1e-10)
    assert run.source


def test_a_hessian_product_of_tensors_is_torchs() -> None:
    """Against double backward of PyTorch through the plain formula."""
    torch = pytest.importorskip("torch")
    found = LAYER.hessian_product("W")
    given = {name: torch.tensor(array) for name, array in arrays(found).items()}
    product = found.compile("torch")(**given)
    assert isinstance(product, torch.Tensor)

    def loss(W: Any) -> Any:
        hidden = torch.relu(W @ given["x"] + given["b1"])
        return torch.nn.functional.cross_entropy(given["U"] @ hidden + given["b2"], given["y"])

    _, wanted = torch.autograd.functional.hvp(loss, given["W"], given["dW"])
    torch.testing.assert_close(product, wanted)
