"""Products of our own: every kind of operand against NumPy, nothing read or written beside it; the choice."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.targets import c_products
from chainrule.targets.c_blas import choose_blas
from chainrule.targets.c_build import build, compiler
from chainrule.targets.c_products import LIMITS, function_name, products_library, products_text

OPENBLAS = choose_blas("openblas")
SHAPES = [
    (16, 1, 1), (17, 3, 7), (19, 16, 5), (20, 17, 31), (23, 33, 64), (29, 10, 129), (31, 47, 1), (64, 128, 130),
    (67, 11, 1031), (97, 8, 513), (128, 5, 2), (131, 61, 19), (307, 23, 1037), (89, 101, 3),
]  # fmt: skip


def library(dtype: str) -> Any:
    blas = f"scipy_cblas_{'s' if dtype == 'float32' else 'd'}gemm"
    return build(products_text(dtype, blas), (), OPENBLAS.links)


def gapped(rows: int, columns: int, dtype: str, rng: np.random.Generator) -> tuple[Any, Any]:
    """A matrix with gaps between its rows that hold NaN, and the whole memory."""
    whole = np.full((rows + 2, columns + 5), np.nan, dtype)
    part = whole[1:-1, 2:-3]
    part[...] = rng.standard_normal((rows, columns))
    return part, whole


@pytest.mark.parametrize("limit", [0, 1 << 30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kind_of_operand(dtype: str, limit: int) -> None:
    """Both ways (limit 0: all is the BLAS's), transposed or not, stored or added; NaN in the gaps never gets in."""
    made = library(dtype)
    multiply = getattr(made, function_name(dtype))
    number = ctypes.c_float if dtype == "float32" else ctypes.c_double
    multiply.argtypes = [*[ctypes.c_int] * 6, number, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int,
                         number, ctypes.c_void_p, ctypes.c_int]  # fmt: skip
    multiply.restype = None
    bound = ctypes.c_size_t.in_dll(made, "products_limit")
    before, bound.value = bound.value, limit
    rng = np.random.default_rng(3)
    try:
        for m, n, k in SHAPES:
            for kind in range(8):
                ta, tb, keep = kind & 1, kind >> 1 & 1, kind >> 2
                A, _ = gapped(*((k, m) if ta else (m, k)), dtype, rng)
                B, _ = gapped(*((n, k) if tb else (k, n)), dtype, rng)
                C, whole = gapped(m, n, dtype, rng)
                want = (A.T if ta else A).astype(float) @ (B.T if tb else B).astype(float) + (C if keep else 0)
                if not keep:
                    C[...] = np.nan
                outside = np.ones(whole.shape, bool)
                outside[1:-1, 2:-3] = False
                multiply(101, 112 if ta else 111, 112 if tb else 111, m, n, k, 1.0, A.ctypes.data, A.strides[0] //
                         A.itemsize, B.ctypes.data, B.strides[0] // B.itemsize, float(keep), C.ctypes.data,
                         C.strides[0] // C.itemsize)  # fmt: skip
                assert np.abs(C - want).max() < (1e-5 if dtype == "float32" else 1e-13) * np.abs(want).max() * 3
                assert np.isnan(whole[outside]).all()
    finally:
        bound.value = before


_MAIN = """
#include <stdio.h>
#include <stdlib.h>
static int handed;
void theirs(int order, int ta, int tb, int m, int n, int k, double alpha, const double *A, int lda, const double *B,
            int ldb, double beta, double *C, int ldc)
{
    (void)order; (void)ta; (void)tb; (void)m; (void)n; (void)k; (void)alpha; (void)A; (void)lda; (void)B; (void)ldb;
    (void)beta; (void)C; (void)ldc;
    handed++;
}

int main(void)
{
    static const int shapes[][3] = {@shapes@};
    int done = 0;
    products_limit = (size_t)1 << 30;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int kind = 0; kind < 8; kind++) {
            const int m = shapes[s][0], n = shapes[s][1], k = shapes[s][2], ta = kind & 1, tb = kind >> 1 & 1;
            double *A = malloc(sizeof(double) * (size_t)(m * k)), *B = malloc(sizeof(double) * (size_t)(k * n));
            double *C = malloc(sizeof(double) * (size_t)(m * n));
            for (int i = 0; i < m * k; i++)
                A[i] = i % 7 - 3;
            for (int i = 0; i < k * n; i++)
                B[i] = i % 5 - 2;
            for (int i = 0; i < m * n; i++)
                C[i] = 1;
            const int before = handed;
            chainrule_dgemm(101, ta ? 112 : 111, tb ? 112 : 111, m, n, k, 1.0, A, ta ? m : k, B, tb ? k : n,
                            kind >> 2 ? 1.0 : 0.0, C, n);
            for (int i = 0; handed == before && i < m; i++)
                for (int j = 0; j < n; j++) {
                    double sum = kind >> 2;
                    for (int p = 0; p < k; p++)
                        sum += A[ta ? p * m + i : i * k + p] * B[tb ? j * k + p : p * n + j];
                    if (sum != C[i * n + j])
                        return 1;
                }
            done += handed == before;
            free(A);
            free(B);
            free(C);
        }
    printf("%d", done);
    return 0;
}
"""


def test_nothing_is_read_or_written_beside_arrays(tmp_path: Path) -> None:
    """Arrays exactly as long as they must be, whole numbers, so that sums are exact; and not one warning."""
    shapes = [shape for shape in SHAPES if shape[2] < 600]
    main = _MAIN.replace("@shapes@", ", ".join(f"{{{m}, {n}, {k}}}" for m, n, k in shapes))
    (tmp_path / "main.c").write_text(products_text("float64", "theirs") + main, encoding="utf-8")
    command = [*compiler(), "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-std=c99", "-Wall",
               "-Wextra", "-Wpedantic", "-Werror", str(tmp_path / "main.c"), "-o", str(tmp_path / "main")]  # fmt: skip
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not built.returncode, built.stderr[:2000]
    ran = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=False)
    assert not ran.returncode, ran.stderr[:2000]
    transposed = sum(m < 64 for m, _, _ in shapes)  # B transposed with few rows is the BLAS's
    assert int(ran.stdout) == 8 * len(shapes) - 4 * transposed


def test_the_choice_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is read again; what is no such number is measured anew; 0 leaves everything to the BLAS."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    given = ("float32", "scipy_cblas_sgemm", OPENBLAS.links, OPENBLAS.threads)
    find = products_library.__wrapped__  # without what this process remembers
    found = find(*given)
    (note,) = tmp_path.glob("*.limit")
    measured = int(note.read_text())
    assert measured in {0, *(limit for limit, _ in LIMITS)}
    assert (found is None) == (measured == 0)
    times: list[int] = []
    monkeypatch.setattr(c_products, "_measured", lambda *_: times.append(1) or LIMITS[1][0])
    assert find(*given) == found
    assert not times
    for broken in ("", "12", "many"):
        note.write_text(broken)
        assert find(*given) is not None
        assert int(note.read_text()) == LIMITS[1][0]
    assert len(times) == 3
    note.write_text("0")
    assert find(*given) is None


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ours are chosen up to the largest limit, whatever this machine would choose."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    monkeypatch.setattr(c_products, "_measured", lambda *_: LIMITS[0][0])
    products_library.cache_clear()
    yield
    products_library.cache_clear()


@pytest.mark.usefixtures("chosen")
def test_a_step_uses_them() -> None:
    """The same text, linked with products of ours before the BLAS, with the BLAS alone, with neither: the same numbers,
    by one thread and by two."""
    text = "input X : N × D\nlabel Y : N × K, one-hot\nparam W : D × H\nparam U : H × K\n"
    text += "J = mean(CE(Y, softmax(relu(X W) U)))"
    rng = np.random.default_rng(1)
    X, W, U = (rng.standard_normal(s) for s in ((157, 211), (211, 67), (67, 11)))
    arrays = {"X": X, "Y": np.eye(11)[rng.integers(0, 11, 157)], "W": W, "U": U}
    for dtype, most in (("float32", 1e-5), ("float64", 1e-12)):
        given = {name: np.asarray(array, dtype) for name, array in arrays.items()}
        texts, results = set(), []
        for options in ({"blas": "none"}, {"blas": "openblas"}, {}, {"threads": 2}):
            step = cr.parse(text).derive().compile("c", dtype=dtype, **options)
            results.append(step(**given))
            if "threads" not in options:
                texts.add(step.source)
        assert len(texts) == 1
        made = library(dtype)
        assert ctypes.c_size_t.in_dll(made, "products_limit").value == LIMITS[0][0]
        (loss, want), *others = results
        for other, found in others:
            assert other == pytest.approx(loss, rel=most)
            for name, array in want.items():
                assert np.abs(found[name] - array).max() <= most * np.abs(array).max(), (name, dtype)
