"""The step as a user meets it: names, shapes, errors, memory, threads, and the text itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from chainrule.algebra.program import Program
from chainrule.errors import ArrayError, UnknownNameError, UnsupportedError
from chainrule.reference import evaluate_program
from chainrule.targets.numpy import Step, compile_numpy
from plan.builders import Builder, draw, one_layer, one_layer_rows, softmax_jacobian

GOLDEN = Path(__file__).parent / "golden"
COMMENTS = {
    "z": "z = W x + b1", "h": "h = relu(z)", "θ": "θ = U h + b2", "ŷ": "ŷ = softmax(θ)", "J": "J = CE(y, ŷ)",
    "δ1": "δ₁ = ∂J/∂θ = (ŷ − y)ᵀ", "δ2": "δ₂ = ∂J/∂z = δ₁ U ∘ sgn(h)ᵀ", "∂J/∂W": "∂J/∂W = δ₂ᵀ xᵀ",
    "∂J/∂b1": "∂J/∂b1 = δ₂ᵀ", "∂J/∂U": "∂J/∂U = δ₁ᵀ hᵀ", "∂J/∂b2": "∂J/∂b2 = δ₁ᵀ",
}  # fmt: skip
PARAMETERS = ["∂J/∂W", "∂J/∂b1", "∂J/∂U", "∂J/∂b2"]


def rows(**options: object) -> Step:
    return compile_numpy(one_layer_rows(), PARAMETERS, loss="J", **options)  # type: ignore[arg-type]


def data(n: int = 7, dtype: str = "float64", seed: int = 0) -> dict[str, np.ndarray]:
    arrays = draw(one_layer_rows(), {"N": n, "D": 5, "H": 3, "K": 11}, seed)
    return {name: array.astype(dtype) for name, array in arrays.items()}


@pytest.mark.parametrize("variant", ["buffers", "plain"])
@pytest.mark.parametrize("network", ["one_layer", "one_layer_rows"])
def test_golden_source(network: str, variant: str) -> None:
    """What the compiler emits, for a reader to see. CHAINRULE_GOLDEN=write pytest tests/targets writes it anew."""
    program = {"one_layer": one_layer, "one_layer_rows": one_layer_rows}[network]()
    step = compile_numpy(program, PARAMETERS, loss="J", dtype="float32", plain=variant == "plain", comments=COMMENTS)
    path = GOLDEN / f"{network}_{variant}.py.txt"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(step.source, encoding="utf-8")
    assert step.source == path.read_text(encoding="utf-8")


def test_the_source_needs_numpy_alone(tmp_path: Path) -> None:
    path = tmp_path / "generated.py"
    path.write_text(rows().source, encoding="utf-8")
    code = (
        "import sys, numpy as np, generated; a = np.ones; "
        "loss, g = generated.step(a((2, 3)), a((2, 4)), a((3, 5)), a(5), a((5, 4)), a(4)); "
        "assert g['W'].shape == (3, 5) and not any('chainrule' in m for m in sys.modules); print(loss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(4 * np.log(4))


def test_each_shared_value_is_computed_once() -> None:
    for plain in (False, True):
        source = rows(plain=plain).source
        assert source.count("np.exp(") == 1
        assert source.count("np.maximum(") == 1
        assert len(re.findall(r"np\.dot\(| @ ", source)) == 5  # Z, Θ, Δ2, ∂J/∂W, ∂J/∂U


def test_only_what_the_outputs_need_is_computed() -> None:
    step = compile_numpy(one_layer_rows(), ["Ŷ"])
    assert step.names == ("X", "W", "b1", "U", "b2")
    assert "log" not in step.source
    arrays = data()
    result = step(**arrays)  # the label may be given; it is not needed
    expected = evaluate_program(one_layer_rows(), arrays, {"N": 7, "D": 5, "H": 3, "K": 11}, only=["Ŷ"])
    np.testing.assert_allclose(result["Ŷ"], expected["Ŷ"], rtol=1e-12)


def test_gradients_belong_to_the_caller() -> None:
    step = rows()
    _, first = step(**data(seed=1))
    kept = {name: array.copy() for name, array in first.items()}
    step(**data(seed=2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])


def test_reuse_outputs_overwrites_and_says_so() -> None:
    step = rows(reuse_outputs=True)
    _, first = step(**data(seed=1))
    _, second = step(**data(seed=2))
    assert first["W"] is second["W"]
    assert "overwritten by the next call" in step.source


@pytest.mark.parametrize("plain", [False, True])
def test_results_share_no_memory_and_arguments_are_not_written(plain: bool) -> None:
    b = Builder(n="N", d="D")
    b.declare("X", "nd")
    b.declare("v", "d")
    b.define("A", "nd", "X[n,d]")  # an argument as it is
    b.define("B", "nd", "X[n,d]")
    b.define("C", "nd", "exp(X)[n,d]")
    b.define("D_", "nd", "C[n,d]")  # a value under two names
    b.define("E", "nd", "v[d]")  # constant along n
    b.define("F", "dn", "C[n,d]")  # transposed
    b.define("Z", "nd")
    step = compile_numpy(b.program, ["A", "B", "C", "D_", "E", "F", "Z"], plain=plain)
    arrays = draw(b.program)
    before = {name: array.copy() for name, array in arrays.items()}
    result = step(**arrays)
    everything = [*result.values(), *arrays.values()]
    for i, first in enumerate(everything):
        for second in everything[i + 1 :]:
            assert not np.shares_memory(first, second)
    for array in result.values():
        array += 1  # each is an array of its own, and writable
    for name in arrays:
        np.testing.assert_array_equal(arrays[name], before[name])
    np.testing.assert_allclose(step(**arrays)["F"], np.exp(arrays["X"]).T)


def test_batches_of_different_sizes_do_not_disturb_each_other() -> None:
    step = rows()
    expected = {}
    for n in (7, 2, 13):
        fresh = rows()
        expected[n] = fresh(**data(n, seed=n))
    for n in (7, 2, 7, 13, 2, 13, 7, 1, 3, 4, 5, 6, 8, 9, 10, 2):
        if n in expected:
            loss, gradients = step(**data(n, seed=n))
            assert loss == expected[n][0]
            for name, array in gradients.items():
                np.testing.assert_array_equal(array, expected[n][1][name])
        else:
            step(**data(n))


@pytest.mark.parametrize("shared", [True, False], ids=["one step", "two steps"])
def test_threads(shared: bool) -> None:
    steps = [rows(), rows()]
    if shared:
        steps[1] = steps[0]
    inputs = [data(40, seed=1), data(40, seed=2)]
    expected = [rows()(**arrays) for arrays in inputs]
    wrong: list[str] = []

    def work(k: int) -> None:
        for _ in range(300):
            loss, gradients = steps[k](**inputs[k])
            if loss != expected[k][0] or not np.array_equal(gradients["W"], expected[k][1]["W"]):
                wrong.append(f"thread {k}")

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_columns_and_rows_in_both_shapes() -> None:
    step = compile_numpy(one_layer(), [*PARAMETERS, "∂J/∂x"], loss="J")
    arrays = draw(one_layer())
    flat_loss, flat = step(**arrays)
    columns = {n: a[:, None] if a.ndim == 1 else a for n, a in arrays.items()}
    loss, gradients = step(**columns)
    assert loss == flat_loss
    for name, array in gradients.items():
        assert array.shape == columns[name].shape
        np.testing.assert_array_equal(array.reshape(flat[name].shape), flat[name])
    step = rows()
    arrays = data()
    arrays["b1"] = arrays["b1"][None, :]
    assert step(**arrays)[1]["b1"].shape == (1, 3)
    assert step(**data())[1]["b1"].shape == (3,)


def test_names_in_both_spellings() -> None:
    step = compile_numpy(softmax_jacobian(), ["ŷ"])
    assert step.names == ("θ",)
    θ = np.arange(3.0)
    np.testing.assert_array_equal(step(theta=θ)["ŷ"], step(θ=θ)["ŷ"])
    with pytest.raises(ArrayError, match="given twice"):
        step(theta=θ, θ=θ)


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_any_memory_layout(order: str) -> None:
    arrays = data()
    if order == "strided":
        given = {n: np.repeat(a, 2, axis=-1)[..., ::2] for n, a in arrays.items()}
    else:
        given = {n: np.asarray(a, order=order) for n, a in arrays.items()}  # type: ignore[call-overload]
    loss, gradients = rows()(**given)
    expected_loss, expected = rows()(**arrays)
    assert loss == pytest.approx(expected_loss, rel=1e-13)
    np.testing.assert_allclose(gradients["W"], expected["W"], rtol=1e-12, atol=1e-15)


BAD = {
    "missing": (lambda a: {k: v for k, v in a.items() if k != "b1"}, r"missing: b1 \(1 × H\)"),
    "unknown": (lambda a: {**a, "b3": a["b2"]}, r"b3 is not an array of this program"),
    "shape": (lambda a: {**a, "U": a["U"][:2]}, r"U is 2 × 11, but it must be H × K = 3 × 11 .*H = 3 comes from W"),
    "transposed": (lambda a: {**a, "U": a["U"].T}, r"(?s)U is 11 × 3.*try: U\.T"),
    "samples": (lambda a: {**a, "Y": a["Y"][:3]}, r"Y is 3 × 11, but it must be N × K.*N = 7 comes from X"),
    "rank": (lambda a: {**a, "W": a["W"][0]}, r"W is 3, but it must be D × H"),
    "list": (lambda a: {**a, "W": a["W"].tolist()}, r"W is a list, not a NumPy array"),
    "text": (lambda a: {**a, "W": a["W"].astype(str)}, r"W is text"),
    "object": (lambda a: {**a, "W": a["W"].astype(object)}, r"W is an array of objects"),
    "complex": (lambda a: {**a, "W": a["W"].astype(complex)}, r"W is complex"),
    "wide": (lambda a: {**a, "W": a["W"].astype("float64")}, r"(?s)W is float64.*compiled for float32.*lose digits"),
    "int": (lambda a: {**a, "Y": a["Y"].astype("int64")}, r"(?s)Y is int64.*try: Y\.astype\(np\.float32\)"),
    "none": (lambda a: {**a, "W": None}, r"W is a NoneType"),
    "nan": (lambda a: {**a, "b2": np.full_like(a["b2"], np.nan)}, r"b2 has NaN at \[0\] \(11 such entries\)"),
    "inf": (lambda a: {**a, "X": a["X"] / np.float32(0)}, r"X has an infinite value at \[0, 0\]"),
    "overflow": (lambda a: {**a, "W": a["W"] * np.float32(1e38), "U": a["U"] * np.float32(1e38)}, r"overflows float32"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", BAD)
def test_bad_arrays(kind: str) -> None:
    change, message = BAD[kind]
    step = rows(dtype="float32")
    arrays = data(dtype="float32")
    step(**arrays)  # a good call before: its memory of shapes must not let the bad one pass
    with pytest.raises(ArrayError, match=message) as caught:
        step(**change(arrays))
    assert isinstance(caught.value, ValueError)
    step(**arrays)


def test_numbers_that_convert_without_loss_are_converted() -> None:
    step = rows(dtype="float32")
    arrays = data(dtype="float32")
    arrays["Y"] = np.eye(11, dtype=np.float32)[:7]
    expected, _ = step(**arrays)
    for dtype in (bool, np.int8, np.uint8, np.int16, np.float16):
        loss, gradients = step(**{**arrays, "Y": arrays["Y"].astype(dtype)})
        assert loss == expected
        assert gradients["W"].dtype == np.float32


def test_scalars_may_be_numbers() -> None:
    b = Builder(n="N")
    b.declare("x", "n")
    b.declare("λ", "", "param")
    b.define("J", "", "1/2 λ x[n]^2")
    b.define("∂J/∂λ", "", "1/2 x[n]^2", kind="gradient")
    step = compile_numpy(b.program, ["∂J/∂λ"], loss="J", dtype="float32")
    x = np.array([1, 2, 3], np.float32)
    for λ in (2, 2.0, np.float32(2), np.array(2, np.float32), np.array([2], np.float32)):
        loss, gradients = step(x=x, λ=λ)
        assert loss == 14.0
        assert float(np.squeeze(gradients["λ"])) == 7.0
        assert np.shape(gradients["λ"]) == np.shape(λ)


def test_names_that_python_cannot_use() -> None:
    b = Builder(n="N")
    for name in ("np", "in", "float", "step", "f'", "sizes"):
        b.declare(name, "n")
    b.define("N", "n", "np[n] in[n]", "float[n] step[n]", "f'[n] sizes[n]")
    b.define("J", "", "N[n] #N^-1")
    for plain in (False, True):
        step = compile_numpy(b.program, ["J"], plain=plain)
        arrays = draw(b.program)
        value = arrays["np"] * arrays["in"] + arrays["float"] * arrays["step"] + arrays["f'"] * arrays["sizes"]
        assert step(**arrays)["J"] == pytest.approx(value.mean())


def test_what_has_no_code_is_refused() -> None:
    b = Builder(n="N")
    b.declare("x", "n")
    b.define("y", "n", "wibble(x)[n]")
    with pytest.raises(UnsupportedError, match="wibble is an unknown function"):
        compile_numpy(b.program, ["y"])
    with pytest.raises(UnknownNameError, match="q has no equation"):
        compile_numpy(b.program, ["q"])
    with pytest.raises(UnsupportedError, match="int32"):
        compile_numpy(one_layer(), ["J"], dtype="int32")


def test_a_size_that_no_array_has_is_refused() -> None:
    b = Builder(n="N")
    b.declare("x", "n")
    b.define("J", "", "x[n] #M^-1")
    with pytest.raises(UnsupportedError, match="no array has the size M"):
        compile_numpy(b.program, ["J"])


def deep(layers: int) -> Program:
    b = Builder(n="N", d="D", e="D")
    b.declare("X0", "nd")
    for k in range(layers):
        b.declare(f"W{k}", "de", "param")
        b.define(f"Z{k}", "ne", f"X{k}[n,d] W{k}[d,e]")
        b.define(f"X{k + 1}", "nd", f"relu(Z{k})[n,d]", f"X{k}[n,d]")
    return b.program


def test_memory_does_not_grow_with_depth_where_nothing_is_kept() -> None:
    shallow = compile_numpy(deep(4), ["X4"]).plan
    plan = compile_numpy(deep(40), ["X40"]).plan
    assert len(plan.blocks) == len(shallow.blocks)
