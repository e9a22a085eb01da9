"""Eigenvalues, singular values, QR, argmax and argsort in C: equal to NumPy's, and right where LAPACK's are."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.algebra.program import Operation, Program, Variable
from chainrule.errors import ArrayError
from chainrule.targets.c import compile_c
from chainrule.targets.c_build import compiler
from functions.test_spectra import CASES, SECOND
from targets.test_c_sanitizers import FLAGS

EPS = {"float64": 2.0**-52, "float32": 2.0**-23}
NAMES = ("eigvalsh", "eigvecsh", "svdvals", "svdu", "svdv", "qrq", "qrr")


def values(text: str, outputs: list[str], dtype: str, **options):
    return compile_c(cr.parse(text + "\nJ = 0").program, outputs, dtype=dtype, **options)


def drawn(net: cr.Network, step, sizes: dict[str, int], seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    dims = {name: net.program.variables[name].dims for name in step.names}
    return {name: rng.standard_normal([sizes.get(str(d), d) for d in shape]) for name, shape in dims.items()}


IN_FLOAT32 = ("a function of a matrix", "left vectors, wide", "orthogonal")


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, "float64") for name in CASES), *((name, "float32") for name in IN_FLOAT32)]
)
def test_like_torch(name: str, dtype: str) -> None:
    case = CASES[name]
    net = cr.parse(case[0])
    step = net.derive().compile("c", dtype=dtype)
    for size in (1, 2, 7) if " D" in case[0] else (0,):
        arrays = drawn(net, step, {"D": size})
        arrays = {key: array.astype(dtype) for key, array in arrays.items()}
        tensors = {
            key: torch.tensor(array.astype(float), requires_grad=net.program.variables[key].kind == "param")
            for key, array in arrays.items()
        }
        loss, gradients = step(**arrays)
        wanted = case[1](**tensors)
        wanted.backward()
        tolerance = {"float64": 1e-10, "float32": 1e-4}[dtype]
        assert loss == pytest.approx(float(wanted.detach()), rel=tolerance, abs=tolerance)
        for key, gradient in gradients.items():
            want = tensors[key].grad
            want = np.zeros_like(gradient) if want is None else want.numpy()
            assert gradient.dtype == dtype
            np.testing.assert_allclose(gradient, want, rtol=0, atol=tolerance * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize("text", SECOND.values(), ids=SECOND.keys())
def test_second_derivatives_are_numpys(text) -> None:
    net = cr.parse("param X : 3 × 3\n" + text)
    x = np.random.default_rng(3).standard_normal((3, 3))
    wanted = net.hessian("X").compile()(X=x)
    np.testing.assert_allclose(
        net.hessian("X").compile("c", "float64")(X=x), wanted, rtol=0, atol=1e-10 * np.abs(wanted).max()
    )


def matrices(shape: tuple[int, ...], dtype: str) -> dict[str, np.ndarray]:
    """Where algorithms fail that square too large or too small numbers, divide by what is 0, or stop too early."""
    rng = np.random.default_rng(1)
    g = rng.standard_normal(shape)
    high, low = (1e300, 1e-290) if dtype == "float64" else (1e37, 1e-32)
    at = np.arange(shape[1])
    found = {
        "any": g, "zero": 0 * g, "ones": 1 + 0 * g, "unit": np.eye(*shape), "integers": rng.integers(-1, 2, shape),
        "rank 2": g[:, :2] @ rng.standard_normal((2, shape[1])), "large": high * g, "small": low * g,
        "graded": g * 10.0 ** (-5 * at), "graded rows": g * 10.0 ** (-5 * np.arange(shape[0])[:, None]),
        "columns of 0": g * (at % 2), "a gap": g * np.where(at % 2, 1, 1e-250), "triangle": np.triu(g),
        "no diagonal": g * (1 - np.eye(*shape)),
    }  # fmt: skip
    if shape[0] == shape[1]:
        n = shape[0]
        found["path"] = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
        found["cycle"] = np.roll(np.eye(n), 1, 0)
        found["Wilkinson"] = np.diag(np.abs(np.arange(n) - n // 2)) + np.eye(n, k=1) + np.eye(n, k=-1)
    return {name: np.asarray(a, dtype) for name, a in found.items()}


@pytest.mark.parametrize("dtype", EPS)
def test_eigenvalues_of_difficult_matrices(dtype: str) -> None:
    find = values("param A : D × D\nl = eigvalsh(A)\nV = eigvecsh(A)", ["l", "V"], dtype)
    for n in (6, 17):
        for name, a in matrices((n, n), dtype).items():
            got = find(A=a)
            l, V = got["l"].astype(float), got["V"].astype(float)
            size = max(float(np.abs(a).max()), 1e-290)
            a = (a.astype(float) / size + a.T.astype(float) / size) / 2
            near = 10 * n * EPS[dtype]
            np.testing.assert_allclose(l / size, np.linalg.eigvalsh(a), rtol=0, atol=near, err_msg=name)
            np.testing.assert_allclose(V.T @ V, np.eye(n), rtol=0, atol=near, err_msg=name)
            np.testing.assert_allclose(a @ V, V * (l / size), rtol=0, atol=near, err_msg=name)
            assert (np.diff(l) >= 0).all()


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", [(9, 5), (5, 9), (6, 6), (2, 3)])
def test_singular_values_of_difficult_matrices(shape: tuple[int, int], dtype: str) -> None:
    text = f"param X : {shape[0]} × {shape[1]}\nU = svdu(X)\ns = svdvals(X)\nV = svdv(X)"
    find = values(text, ["U", "s", "V"], dtype)
    for name, x in matrices(shape, dtype).items():
        U, s, V = (np.asarray(found, float) for found in find(X=x).values())
        size = max(float(np.abs(x).max()), 1e-290)
        x = x.astype(float) / size
        near, unit = 10 * max(shape) * EPS[dtype], np.eye(min(shape))
        np.testing.assert_allclose(s / size, np.linalg.svd(x, compute_uv=False), rtol=0, atol=near, err_msg=name)
        np.testing.assert_allclose(U.T @ U, unit, rtol=0, atol=near, err_msg=name)
        np.testing.assert_allclose(V.T @ V, unit, rtol=0, atol=near, err_msg=name)
        np.testing.assert_allclose((U * (s / size)) @ V.T, x, rtol=0, atol=near, err_msg=name)
        assert (np.diff(s) <= 0).all()


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", [(9, 5), (6, 6)])
def test_q_and_r_have_lapacks_signs(shape: tuple[int, int], dtype: str) -> None:
    find = values(f"param X : {shape[0]} × {shape[1]}\nQ = qrq(X)\nR = qrr(X)", ["Q", "R"], dtype)
    for name, x in matrices(shape, dtype).items():
        Q, R = (np.asarray(found, float) for found in find(X=x).values())
        size = max(float(np.abs(x).max()), 1e-290)
        x = x.astype(float) / size
        near = 10 * max(shape) * EPS[dtype]
        np.testing.assert_allclose(Q.T @ Q, np.eye(shape[1]), rtol=0, atol=near, err_msg=name)
        np.testing.assert_allclose(Q @ (R / size), x, rtol=0, atol=near, err_msg=name)
        assert (np.tril(R, -1) == 0).all()
        scale = np.where(np.abs(x).max(0) > 0, np.abs(x).max(0), 1)  # R's columns are as large as those of X
        if np.linalg.matrix_rank((x / scale).astype(dtype)) == shape[1]:
            q, r = np.linalg.qr(x / scale)
            np.testing.assert_allclose(Q, q, rtol=0, atol=1e3 * near, err_msg=name)
            np.testing.assert_allclose(R / size / scale, r, rtol=0, atol=near, err_msg=name)


def test_the_sign_of_a_vector_does_not_depend_on_the_way_to_it() -> None:
    """Of a pair the left vector says it; the first of entries that are equally large, to all digits or almost."""
    pair = values("param A : 2 × 2\nV = eigvecsh(A)", ["V"], "float64")
    root = 0.5**0.5
    for tiny in (0.0, 1e-16, -1e-16):
        np.testing.assert_allclose(
            pair(A=np.array([[2.0 + tiny, 1.0], [1.0, 2.0 - tiny]]))["V"], [[root, root], [-root, root]], atol=1e-15
        )
    for shape in ((7, 4), (4, 7)):
        text = f"param X : {shape[0]} × {shape[1]}\nU = svdu(X)\nV = svdv(X)"
        both, left = values(text, ["U", "V"], "float64"), values(text, ["U"], "float64")
        x = np.random.default_rng(2).standard_normal(shape)
        U = both(X=x)["U"]
        np.testing.assert_array_equal(left(X=x)["U"], U)
        u, _, vt = np.linalg.svd(x, full_matrices=False)
        for k in range(4):
            first = np.argmax(np.abs(U[:, k]) >= 0.9 * np.abs(U[:, k]).max())
            sign = np.sign(u[first, k])
            np.testing.assert_allclose(U[:, k], sign * u[:, k], atol=1e-14)
            np.testing.assert_allclose(both(X=x)["V"][:, k], sign * vt[k], atol=1e-14)


def test_what_is_not_finite_gives_no_numbers() -> None:
    text = "param X : 3 × 3\n" + "\n".join(f"y{k} = {name}(X)" for k, name in enumerate(NAMES))
    find = values(text, [f"y{k}" for k in range(len(NAMES))], "float64")
    step = cr.parse("param X : 3 × 3\nJ = sum(svdvals(X).^3)").derive().compile("c", dtype="float64")
    x = np.arange(9.0).reshape(3, 3)
    for bad in (np.nan, np.inf):
        x[1, 2] = bad
        for key, found in find(X=x).items():
            assert np.isnan(found if found.ndim == 1 else found[np.triu_indices(3)]).all(), key
        with pytest.raises(ArrayError, match=r"X has .* at \[1, 2\]"):
            step(X=x)


EMBEDDED = """
#include <stdio.h>
{text}
int main(void)
{{
    static {real} X[15] = {{ {numbers} }}, A[9] = {{ {square} }}, dX[15], dA[9];
    const double J = (double)step({order});
    printf("%.17g\\n", J);
    for (int i = 0; i < 15; i++)
        printf("%.17g\\n", (double)dX[i]);
    for (int i = 0; i < 9; i++)
        printf("%.17g\\n", (double)dA[i]);
    return 0;
}}
"""


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.long)])
def test_embedded_under_sanitizers(dtype: str, tmp_path) -> None:
    """Static memory alone, with every operation in one step, and no warning."""
    net = cr.parse("param X : 5 × 3\nparam A : D × D\nJ = sum(svdvals(X)) + sum(qrr(X).^3) + sum(eigvecsh(A).^4)")
    step = net.derive().compile("c", dtype=dtype, embedded=True, sizes={"D": 3})
    assert "malloc" not in step.source
    rng = np.random.default_rng(8)
    arrays = {"X": rng.standard_normal((5, 3)).astype(dtype), "A": rng.standard_normal((3, 3)).astype(dtype)}
    numbers, square = (", ".join(repr(float(v)) for v in arrays[k].ravel()) for k in "XA")
    real, order = "float" if dtype == "float32" else "double", ", ".join([*step.names, *(f"d{k}" for k in step._keys)])
    (tmp_path / "main.c").write_text(
        EMBEDDED.format(text=step.source, real=real, numbers=numbers, square=square, order=order), encoding="utf-8"
    )
    built = subprocess.run(
        [*compiler(), *FLAGS, str(tmp_path / "main.c"), "-o", str(tmp_path / "main"), "-lm"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if "cannot find" in built.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    got = np.array(ran.stdout.split(), float)
    loss, gradients = net.derive().compile("numpy")(**{k: v.astype(float) for k, v in arrays.items()})
    want = np.concatenate([[loss], gradients["X"].ravel(), gradients["A"].ravel()])
    np.testing.assert_allclose(got, want, rtol=0, atol=1e4 * EPS[dtype] * np.abs(want).max())


def test_a_stack_of_matrices() -> None:
    def every(X):
        V = np.linalg.eigh(X @ X.transpose(0, 2, 1))[1]
        q, r = np.linalg.qr(X.transpose(0, 2, 1))
        return np.sum(V**4) + np.sum(np.linalg.svd(X, compute_uv=False)) + np.sum(q * r[:, :1, :1])

    derivation = cr.trace(every, X=(2, 3, 5)).derive()
    x = np.random.default_rng(4).standard_normal((2, 3, 5))
    (loss, gradients), (wanted, slopes) = (derivation.compile(t, dtype="float64")(X=x) for t in ("c", "numpy"))
    assert loss == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(gradients["X"], slopes["X"], rtol=0, atol=1e-10 * np.abs(slopes["X"]).max())


def test_operations_share_their_memory() -> None:
    """One after the other: the workspace of both is that of one, beside what each gives."""
    one = values("param A : 5 × 5\nV = eigvecsh(A)", ["V"], "float64")
    both = values("param A : 5 × 5\nparam B : 5 × 5\nV = eigvecsh(A)\nW = eigvecsh(B)", ["V", "W"], "float64")
    assert both.memory_report() == one.memory_report()
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 5, 5))
    found = both(A=a, B=b)
    np.testing.assert_array_equal(found["V"], one(A=a)["V"])
    np.testing.assert_array_equal(found["W"], one(A=b)["V"])


# Equal numbers, and one that is none: the first of them, the order in which they came, behind all others.
TIES = np.array([[3.0, 1, 3, 0, 1, 1, 3], [np.nan, 2, -np.inf, np.nan, 2, np.inf, 0], [-0.0, 0, 0, -1, 5, 5, 5]])


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("axis", [0, 1])
def test_places_as_numpy_has_them(axis: int, dtype: str) -> None:
    for op in ("argmax", "argsort"):
        for x in (TIES, np.random.default_rng(0).integers(0, 9, (3, 100)).astype(float), np.ones((1, 1))):
            program = Program()
            program.declare(Variable("x", ("N", "D"), "matrix", "param"))
            dims = ("N", "D") if op == "argsort" else ("D",) if axis == 0 else ("N",)
            program.define(
                Variable("y", dims, "matrix" if len(dims) == 2 else "column"), Operation(op, ("x",), ((axis,),))
            )
            x = x.astype(dtype)
            want = np.argmax(x, axis) if op == "argmax" else np.argsort(x, axis, kind="stable")
            np.testing.assert_array_equal(compile_c(program, ["y"], dtype=dtype)(x=x)["y"], want)


def test_experts_and_sorted_rows() -> None:
    def chosen(S, X, c):
        at = np.argsort(S, axis=1)
        best = S.argmax(axis=1)
        return np.sum(np.take_along_axis(X, at, 1) @ c) + np.sum(X[best] ** 2) + np.sum(np.sort(X, axis=0)[0] ** 3)

    derivation = cr.trace(chosen, S=(5, 4), X=(5, 4), c=(4,)).derive()
    rng = np.random.default_rng(6)
    arrays = {"S": rng.integers(0, 3, (5, 4)).astype(float), "X": rng.standard_normal((5, 4)), "c": np.arange(4.0)}
    (loss, gradients), (wanted, slopes) = (derivation.compile(t, dtype="float64")(**arrays) for t in ("c", "numpy"))
    assert loss == pytest.approx(wanted, rel=1e-12)
    for name, slope in slopes.items():
        np.testing.assert_allclose(gradients[name], slope, rtol=1e-12, atol=1e-12)
