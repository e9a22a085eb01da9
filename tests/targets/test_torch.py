"""The PyTorch target: gradients to any order by torch's own checks, torch.compile, autocast, modules, what is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import ArrayError, UnsupportedError
from chainrule.targets.passes import seeded
from chainrule.targets.torch import TorchStep, compile_torch
from targets.corpus import entry

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
ROWS = cr.load(ROOT / "examples" / "one_layer_rows.net")
SIZES = {"N": 5, "D_x": 7, "D_h": 11, "N_c": 3}
PLAIN = cr.parse("""
    input X : N × D
    label Y : N × K
    param W : D × M
    param U : M × K
    H = relu(X W)
    J = norm(Y - H U)^2
""")  # no bias: under autocast everything that is saved is in the small dtype


def tensors(net: cr.Network, sizes: dict[str, int], dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    made = {}
    for name, item in net.declarations.items():
        shape = tuple(d if isinstance(d, int) else sizes[d] for d in item.shape)
        made[name] = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        if "one-hot" in item.facts:
            made[name] = torch.eye(shape[-1], dtype=dtype)[torch.arange(shape[0]) % shape[-1]]
    return made


def flat(step: TorchStep, arrays: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """In the order of the function, without axes of size 1."""
    return [arrays[name].reshape([n for n in arrays[name].shape if n != 1]) for name in step.names]


def test_the_golden_source_is_what_is_written() -> None:
    """For a reader to see. CHAINRULE_GOLDEN=write writes it anew."""
    text = cr.load(ROOT / "examples" / "one_layer.net").derive().compile("torch").source
    path = GOLDEN / "one_layer_torch.py.txt"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert "cpu" not in text
    assert "float" not in text


CHECKED = [
    "library/softmax", "library/layer_norm", "library/attention", "library/gelu", "library/huber",
    "library/weighted_BCE_logits", "extra/elementwise", "extra/choices", "extra/maxima", "extra/diagonals",
    "extra/running products", "extra/none of its own",
]  # fmt: skip


@pytest.mark.parametrize("name", CHECKED)
def test_torch_agrees_with_first_and_second_derivatives(name: str) -> None:
    found = entry(name)
    step = found.step("torch", "float64")
    assert isinstance(step, TorchStep)
    given = [torch.tensor(np.asarray(found.arrays[n], np.float64)).squeeze() for n in step.names]
    for tensor, n in zip(given, step.names, strict=True):
        tensor.requires_grad_(n in step.gradients)
    assert torch.autograd.gradcheck(step.function.apply, given)
    assert torch.autograd.gradgradcheck(step.function.apply, given)


def test_a_gradient_that_arrives_is_multiplied_in() -> None:
    """The loss may be a part of a larger one: J² has twice J times its gradient."""
    step = ROWS.derive().compile("torch")
    arrays = tensors(ROWS, SIZES)
    loss, gradients = step(**arrays)
    W = arrays["W"].clone().requires_grad_()
    (step.loss(**{**arrays, "W": W}) ** 2).backward()
    torch.testing.assert_close(W.grad, 2 * loss * gradients["W"])


def test_where_a_signal_is_squared_the_gradient_that_arrives_is_multiplied_in_at_the_end() -> None:
    derivation = cr.parse("input x : D\nparam w : D\nJ = sum(tanh(w ∘ x))^2").derive()
    program, gradient = derivation.program, derivation.backward.gradients["w"]
    seeds, name, within = seeded(program, "J", [gradient])
    assert within
    assert any(name in equation.arguments for equation in seeds)
    own = program.variables[gradient]
    squared = program.copy()
    squared.define(replace(own, name="∂J/∂w²"), {(((("", gradient, own.indices), 2),), ()): 1})
    unchanged, _, within = seeded(squared, "J", ["∂J/∂w²", gradient])
    assert not within
    assert unchanged is squared
    step = compile_torch(squared, ["J", "∂J/∂w²"], loss="J", gradients={"w": "∂J/∂w²"})
    w, x = torch.randn(3, dtype=torch.float64, requires_grad=True), torch.randn(3, dtype=torch.float64)
    _, gradients = step(w=w, x=x)
    (5 * step.loss(w=w, x=x)).backward()
    torch.testing.assert_close(w.grad, 5 * gradients["w"])


def test_no_gradient_is_computed_that_nobody_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    step = ROWS.derive().compile("torch")
    products: list[tuple[int, ...]] = []
    plain = torch.Tensor.__matmul__

    def counted(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        out = plain(left, right)
        products.append(tuple(out.shape))
        return out

    monkeypatch.setattr(torch.Tensor, "__matmul__", counted)
    given = flat(step, tensors(ROWS, SIZES))
    given[step.names.index("W")].requires_grad_()
    loss = step.function.apply(*given)
    products.clear()
    loss.backward()
    assert (SIZES["D_x"], SIZES["D_h"]) in products  # ∂J/∂W
    assert (SIZES["N"], SIZES["D_x"]) not in products  # ∂J/∂X


def test_a_gradient_that_was_not_derived_is_refused_and_not_taken_for_zero() -> None:
    step = ROWS.derive(["W"]).compile("torch")
    for name in ("Y", "U"):
        given = flat(step, tensors(ROWS, SIZES))
        given[step.names.index(name)].requires_grad_()
        with pytest.raises(NotImplementedError, match=f"no gradient at {name} was derived"):
            step.function.apply(*given).backward()


def test_gradients_that_hold_for_symmetric_matrices_only_are_differentiated_once() -> None:
    net = cr.parse("param A : D × D, symmetric\ninput x : D\nJ = sum((A x).^3)")
    step = net.derive().compile("torch")
    A, x = torch.randn(5, 5, dtype=torch.float64), torch.randn(5, dtype=torch.float64, requires_grad=True)
    A = (A + A.T).requires_grad_()
    (first,) = torch.autograd.grad(step.loss(A=A, x=x), x)
    torch.testing.assert_close(first, 3 * A.detach() @ (A.detach() @ x.detach()) ** 2)
    with pytest.raises(NotImplementedError, match="hold for A as declared only"):
        torch.autograd.grad(step.loss(A=A, x=x), x, create_graph=True)
    assert "cannot be differentiated again" in step.source


INSIDE_TORCH = pytest.mark.filterwarnings(  # what dynamo and inductor do themselves
    "ignore:.*should not be instantiated:DeprecationWarning", "ignore:.torch.jit.script:DeprecationWarning"
)


@INSIDE_TORCH
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_torch_compile_takes_it_whole(backend: str) -> None:
    torch._dynamo.reset()
    step = ROWS.derive().compile("torch")
    module = step.module(D_x=7, D_h=11, N_c=3, dtype=torch.float64)
    arrays = tensors(ROWS, SIZES)
    whole = torch.compile(module, fullgraph=True, backend=backend)
    loss = whole(arrays["X"], arrays["Y"])
    loss.backward()
    own = {name: parameter.detach() for name, parameter in module.named_parameters()}
    wanted, gradients = step(X=arrays["X"], Y=arrays["Y"], **own)
    torch.testing.assert_close(loss.detach(), wanted)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].reshape(parameter.shape))


@INSIDE_TORCH
def test_torch_compile_takes_the_function_alone() -> None:
    """It looks the function's module up by its name."""
    torch._dynamo.reset()
    step = ROWS.derive().compile("torch")
    given = flat(step, tensors(ROWS, SIZES))
    given[step.names.index("W")].requires_grad_()
    torch.compile(step.function.apply, fullgraph=True, backend="aot_eager")(*given).backward()
    _, gradients = step(**tensors(ROWS, SIZES))
    torch.testing.assert_close(given[step.names.index("W")].grad, gradients["W"])


def test_a_step_in_inference_mode() -> None:
    step = ROWS.derive().compile("torch")
    want, wanted = step(**tensors(ROWS, SIZES))
    with torch.inference_mode():
        loss, gradients = step(**tensors(ROWS, SIZES))
    torch.testing.assert_close(loss, want)
    for name, gradient in wanted.items():
        torch.testing.assert_close(gradients[name], gradient)


@INSIDE_TORCH
@pytest.mark.long
def test_inductor_compiles_it() -> None:
    torch._dynamo.reset()
    step = ROWS.derive().compile("torch")
    arrays = tensors(ROWS, SIZES, torch.float32)
    given = flat(step, arrays)
    for tensor, name in zip(given, step.names, strict=True):
        tensor.requires_grad_(name != "Y")
    torch.compile(step.function.apply, fullgraph=True)(*given).backward()
    _, gradients = step(**arrays)
    for tensor, name in zip(given, step.names, strict=True):
        if name != "Y":
            torch.testing.assert_close(tensor.grad, gradients[name].reshape(tensor.shape), rtol=1e-4, atol=1e-5)


@INSIDE_TORCH
@pytest.mark.parametrize("compiled", [False, True])
def test_autocast_reaches_the_backward_pass(compiled: bool) -> None:
    torch._dynamo.reset()
    step = PLAIN.derive().compile("torch")
    torch.manual_seed(0)
    module = step.module(D=7, M=11, K=3)
    arrays = tensors(PLAIN, {"N": 5, "D": 7, "M": 11, "K": 3}, torch.float32)
    call = torch.compile(module, fullgraph=True, backend="aot_eager") if compiled else module
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = call(arrays["X"], arrays["Y"])
    loss.backward()  # outside: the products there must still take tensors of two dtypes
    parameters = dict(module.named_parameters())
    _, exact = step(X=arrays["X"], Y=arrays["Y"], **{n: p.detach() for n, p in parameters.items()})
    for name, parameter in parameters.items():
        assert parameter.grad.dtype == torch.float32
        difference = (parameter.grad - exact[name]).norm() / exact[name].norm()
        assert 0 < difference < 0.1  # bfloat16 has 8 bits; exactly equal would mean that autocast did nothing


def test_the_second_derivative_under_autocast_is_near() -> None:
    step = PLAIN.derive().compile("torch")
    arrays = tensors(PLAIN, {"N": 5, "D": 7, "M": 11, "K": 3}, torch.float32)

    def penalty() -> torch.Tensor:
        W = arrays["W"].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(step.loss(**{**arrays, "W": W}), W, create_graph=True)
        (second,) = torch.autograd.grad((gradient**2).sum(), W)
        return second

    exact = penalty()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = penalty()
    assert ((near - exact).norm() / exact.norm()).item() < 0.1


def test_what_is_saved_is_listed_with_the_reason() -> None:
    step = ROWS.derive().compile("torch")
    saved = {item.name: item for item in step.saved}
    assert [item.name for item in step.saved if item.computed] == ["H", "Θ_exp", "Θ_sum"]
    assert any("∂J/∂U" in reason for reason in saved["H"].why)
    assert saved["b1"].why == ()
    assert str(saved["H"]) in " ".join(step.source.split())
    kept = [
        name for name in saved if f"{name}, " in step.source.split("ctx.save_for_backward(")[1].split(")")[0] + ", "
    ]
    assert kept == list(saved)


def test_the_module_starts_as_its_parameters_are_used() -> None:
    net = cr.parse("""
        input x : D
        param W : M × D
        param γ : M
        param b : M
        param T : M
        h = γ ∘ relu(W x) + b
        J = Tᵀ h
    """)
    module = net.derive().compile("torch").module(M=4000, D=50)
    held = dict(module.named_parameters())
    assert list(held)[:3] == ["W", "γ", "b"]
    assert len(held) == 4
    assert abs(held["W"].std().item() - (2 / 50) ** 0.5) < 0.01
    assert (held["γ"] == 1).all()
    assert (held["b"] == 0).all()
    other = next(p for n, p in held.items() if n not in ("W", "γ", "b"))  # T is a name of torch's module
    assert abs(other.std().item() - (2 / 4000) ** 0.5) < 0.005
    assert module(torch.randn(50)).ndim == 0


def test_tensors_stay_tensors_and_arrays_stay_arrays() -> None:
    step = ROWS.derive().compile("torch")
    arrays = tensors(ROWS, SIZES)
    arrays["b1"] = arrays["b1"][None, :]  # a row, as on paper
    loss, gradients = step(**arrays)
    assert isinstance(loss, torch.Tensor)
    assert not loss.requires_grad
    assert gradients["b1"].shape == arrays["b1"].shape == (1, 11)
    plain = {name: array.numpy() for name, array in arrays.items()}
    number, found = step(**plain)
    assert isinstance(number, float)
    assert isinstance(found["b1"], np.ndarray)
    assert found["b1"].shape == (1, 11)
    reference, wanted = ROWS.derive().compile("numpy")(**plain)
    assert abs(number - reference) < 1e-12
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-13)
        np.testing.assert_allclose(gradients[name].numpy(), wanted[name], atol=1e-13)
    half, _ = step(**{name: array.float() for name, array in arrays.items()})  # the text fixes no dtype
    assert half.dtype == torch.float32
    mixed, _ = step(**{**arrays, "Y": plain["Y"]})
    assert isinstance(mixed, torch.Tensor)
    whole, _ = step(**{**arrays, "Y": arrays["Y"].long()})  # labels as whole numbers
    torch.testing.assert_close(whole, loss)


def test_an_array_that_does_not_fit_is_refused() -> None:
    step = ROWS.derive().compile("torch")
    arrays = tensors(ROWS, SIZES)
    with pytest.raises(ArrayError, match="W is 11 × 7, but it must be D_x × D_h"):
        step(**{**arrays, "W": arrays["W"].T})
    with pytest.raises(ArrayError, match="row of it sums to"):
        step(**{**arrays, "Y": arrays["Y"] * 2})
    with pytest.raises(ArrayError, match="missing: U"):
        step(**{name: array for name, array in arrays.items() if name != "U"})
    with pytest.raises(ArrayError, match="a gradient needs floating-point"):
        step(**{**arrays, "W": torch.ones(7, 11, dtype=torch.int64)})
    with pytest.raises(ArrayError, match="X has NaN"):
        step(**{name: np.full(array.shape, np.nan) if name == "X" else array.numpy() for name, array in arrays.items()})
    with pytest.raises(ArrayError, match="neither a NumPy nor a PyTorch array"):
        step(**{**arrays, "X": "X"})
    with pytest.raises(UnsupportedError, match="no PyTorch code for dtype 'int32'"):
        ROWS.derive().compile("torch", dtype="int32")


def test_a_label_that_there_is_not_makes_the_loss_nan() -> None:
    found = entry("extra/labels")
    step = found.step("torch", "float64")
    given = {name: torch.as_tensor(np.asarray(array, np.float64)) for name, array in found.arrays.items()}
    assert step(**given)[0].isfinite()
    for wrong in (3.0, -4.0, 0.5):
        assert step(**{**given, "y": torch.full((5,), wrong, dtype=torch.float64)})[0].isnan()
    with pytest.raises(ArrayError, match="not finite"):
        step(a=found.arrays["a"], y=np.array([0, 1, 2, 3, 0]))


def test_a_batch_and_other_names_pass_through() -> None:
    net = cr.load(ROOT / "examples" / "one_layer.net")
    step = net.derive().rename({"W": "A"}).compile("torch", batch="N", reduction="mean")
    arrays = {
        name.replace("A", "W"): tensor for name, tensor in tensors(ROWS, SIZES).items() if name in ("X", "Y")
    }  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    A = torch.randn(11, 7, generator=generator, dtype=torch.float64)
    U = torch.randn(3, 11, generator=generator, dtype=torch.float64)
    b1, b2 = torch.randn(11, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    _, gradients = step(x=arrays["X"], y=arrays["Y"], A=A, U=U, b1=b1, b2=b2)
    A.requires_grad_()
    logits = torch.relu(arrays["X"] @ A.T + b1) @ U.T + b2
    torch.nn.functional.cross_entropy(logits, arrays["Y"]).backward()
    torch.testing.assert_close(gradients["A"], A.grad)


def test_values_without_a_loss_can_be_differentiated() -> None:
    forward = ROWS.forward(["Ŷ"], target="torch")
    arrays = tensors(ROWS, SIZES)
    W = arrays["W"].clone().requires_grad_()
    out = forward(**{n: a for n, a in arrays.items() if n not in ("W", "Y")}, W=W)["Ŷ"]
    (out[:, 0].sum()).backward()
    assert W.grad.abs().max() > 0
    with pytest.raises(UnsupportedError, match="has no loss"):
        forward.loss(**arrays)
