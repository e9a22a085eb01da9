"""Matrix products of our own, for the sizes at which they are faster than a BLAS, and the measurement that says so.

A small library, built once for a machine, stands between a step and its BLAS: products whose second matrix is small it
does itself, on operands as they lie, 6 x 16 numbers of the result at a time in registers; the others it hands on. How
small is measured once with both (some milliseconds), and kept beside the builds under a hash of what it depends on:
text, compiler, processor, BLAS. So a machine always chooses the same, and a step gives the same digits in every run.

The text is plain C99 with the vector types of gcc and clang. To try another kernel: change `_TEXT`; `tests/targets/
test_c_products.py` compares every kind of operand with NumPy, and the choice measures itself anew.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.targets.c_build import build, cache_directory

__all__ = ["LIMITS", "function_name", "products_library", "products_text"]

# Largest size of the second matrix, in numbers, that is tried; and products m, n, k, transposed that stand for it.
LIMITS: tuple[tuple[int, tuple[tuple[int, int, int, int], ...]], ...] = (
    (131072, ((64, 128, 784, 0), (784, 128, 64, 1))),
    (16384, ((32, 128, 128, 0), (128, 128, 32, 1))),
)
_ROUNDS = 8  # of each product by each, in turns: the fastest counts
_GAIN = 0.98  # ours must take less than this of the BLAS's time

_TEXT = r"""
#include <stddef.h>
#define SEEN __attribute__((visibility("default")))
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 6") /* else gcc keeps the sums in memory */
#else
#define UNROLL
#endif

typedef @real@ vector __attribute__((vector_size(32), aligned(sizeof(@real@)), may_alias));
enum { HALF = 32 / sizeof(@real@), COLUMNS = 2 * HALF, ROWS = 6 };
enum { ROOM = 65536 / sizeof(@real@), DEPTH = ROOM / COLUMNS, BLOCK = 4 * 32768 };

void @blas@(int order, int ta, int tb, int m, int n, int k, @real@ alpha, const @real@ *A, int lda, const @real@ *B,
            int ldb, @real@ beta, @real@ *C, int ldc);

/* Some rows (R) and columns (COLUMNS) of C = A B, or C += A B, in registers. Steps in memory: of A, `down` to the next
 * row and `along` a row; of B, `step` to the next row. `packed`, where it is not NULL, becomes a copy of B without
 * gaps. Of the result, `rows` and `columns` are stored. */
static inline __attribute__((always_inline)) void
tile(const int R, size_t k, const @real@ *A, size_t down, size_t along, const @real@ *B, size_t step, @real@ *packed,
     size_t rows, size_t columns, int keep, @real@ *C, size_t ldc)
{
    vector sum[ROWS][2];
    @real@ edge[ROWS * COLUMNS];
    UNROLL
    for (int i = 0; i < R; i++)
        sum[i][0] = sum[i][1] = (vector){0};
    for (size_t p = 0; p < k; p++, A += along, B += step) {
        const vector left = *(const vector *)B, right = *(const vector *)(B + HALF);
        UNROLL
        for (int i = 0; i < R; i++) {
            sum[i][0] += A[(size_t)i * down] * left;
            sum[i][1] += A[(size_t)i * down] * right;
        }
        if (packed) {
            __builtin_prefetch(B + 8 * step);
            __builtin_prefetch(B + 8 * step + COLUMNS - 1);
            *(vector *)packed = left;
            *(vector *)(packed + HALF) = right;
            packed += COLUMNS;
        }
    }
    const int whole = rows == (size_t)R && columns == COLUMNS;
    @real@ *const to = whole ? C : edge;
    const size_t apart = whole ? ldc : COLUMNS;
    if (whole && keep)
        UNROLL
        for (int i = 0; i < R; i++) {
            sum[i][0] += *(const vector *)(C + (size_t)i * ldc);
            sum[i][1] += *(const vector *)(C + (size_t)i * ldc + HALF);
        }
    UNROLL
    for (int i = 0; i < R; i++) {
        *(vector *)(to + (size_t)i * apart) = sum[i][0];
        *(vector *)(to + (size_t)i * apart + HALF) = sum[i][1];
    }
    if (!whole)
        for (size_t i = 0; i < rows; i++) {
            size_t j = 0;
            if (columns >= HALF) {
                vector *const c = (vector *)(C + i * ldc), e = *(const vector *)(edge + i * COLUMNS);
                if (keep)
                    e += *c;
                *c = e;
                j = HALF;
            }
            for (; j < columns; j++)
                C[i * ldc + j] = keep ? C[i * ldc + j] + edge[i * COLUMNS + j] : edge[i * COLUMNS + j];
        }
}

/* Functions of their own: in a larger one the compiler runs out of registers. */
static __attribute__((noinline)) void tile_6(size_t k, const @real@ *A, size_t down, size_t along, const @real@ *packed,
                                             size_t rows, size_t columns, int keep, @real@ *C, size_t ldc)
{
    tile(6, k, A, down, along, packed, COLUMNS, NULL, rows, columns, keep, C, ldc);
}

static __attribute__((noinline)) void tile_5(size_t k, const @real@ *A, size_t down, size_t along, const @real@ *packed,
                                             size_t columns, int keep, @real@ *C, size_t ldc)
{
    tile(5, k, A, down, along, packed, COLUMNS, NULL, 5, columns, keep, C, ldc);
}

static __attribute__((noinline)) void tile_6_packing(size_t k, const @real@ *A, size_t down, size_t along,
                                                     const @real@ *B, size_t step, @real@ *packed, int keep, @real@ *C,
                                                     size_t ldc)
{
    tile(6, k, A, down, along, B, step, packed, 6, COLUMNS, keep, C, ldc);
}

/* Some columns of op(B), k rows of them, as rows of COLUMNS numbers. What fills a row up is stored nowhere. */
static void pack(int tb, size_t k, size_t columns, const @real@ *B, size_t ldb, @real@ *packed)
{
    size_t p = 0;
    if (!tb) /* whole vectors where there is enough behind them */
        for (; p < k && p * ldb + COLUMNS <= (k - 1) * ldb + columns; p++) {
            *(vector *)(packed + p * COLUMNS) = *(const vector *)(B + p * ldb);
            *(vector *)(packed + p * COLUMNS + HALF) = *(const vector *)(B + p * ldb + HALF);
        }
    for (size_t j = 0; j < COLUMNS; j++)
        for (size_t q = p; q < k; q++)
            packed[q * COLUMNS + j] = j < columns ? B[tb ? j * ldb + q : q * ldb + j] : 0;
}

/* C = op(A) op(B) + keep C as `gemm` in the generated code: so many rows of A as stay in the second cache, so many rows
 * of B and columns as stay in the first. */
static void product(int ta, int tb, size_t m, size_t n, size_t k, const @real@ *A, size_t lda, const @real@ *B,
                    size_t ldb, int keep, @real@ *C, size_t ldc)
{
    @real@ packed[ROOM] __attribute__((aligned(64))), last[ROWS * DEPTH];
    const size_t down = ta ? 1 : lda, along = ta ? lda : 1;
    const size_t parts = (k + DEPTH - 1) / DEPTH, depth = (k + parts - 1) / parts;
    const size_t together = ROOM / (depth * COLUMNS) * COLUMNS, most = BLOCK / depth / 30 * 30;
    for (size_t i0 = 0; i0 < m; i0 += most) {
        const size_t height = m - i0 < most ? m - i0 : most;
        /* rows by sixes, then as many fives as make it come out even */
        const size_t wanted = 5 * ((6 - height % 6) % 6), fives = wanted <= height ? wanted : 0;
        for (size_t p0 = 0; p0 < k; p0 += depth)
            for (size_t j0 = 0; j0 < n; j0 += together) {
                const size_t deep = k - p0 < depth ? k - p0 : depth, end = n - j0 < together ? n : j0 + together;
                const int more = keep || p0;
                for (size_t i = 0, rows; i < height; i += rows) {
                    const @real@ *const a = A + (i0 + i) * down + p0 * along;
                    rows = i + fives >= height ? 5 : height - i < 6 ? height - i : 6;
                    if (rows < 5) /* filled up with rows of zeros */
                        for (size_t p = 0; p < deep; p++)
                            for (size_t r = 0; r < ROWS; r++)
                                last[p * ROWS + r] = r < rows ? a[r * down + p * along] : 0;
                    for (size_t j = j0; j < end; j += COLUMNS) {
                        const size_t columns = n - j < COLUMNS ? n - j : COLUMNS;
                        const @real@ *const b = B + (tb ? j * ldb + p0 : p0 * ldb + j);
                        @real@ *const panel = packed + (j - j0) * deep, *const c = C + (i0 + i) * ldc + j;
                        if (!i && rows == 6 && !tb && columns == COLUMNS) {
                            tile_6_packing(deep, a, down, along, b, ldb, panel, more, c, ldc);
                            continue;
                        }
                        if (!i)
                            pack(tb, deep, columns, b, ldb, panel);
                        if (rows == 6)
                            tile_6(deep, a, down, along, panel, 6, columns, more, c, ldc);
                        else if (rows == 5)
                            tile_5(deep, a, down, along, panel, columns, more, c, ldc);
                        else
                            tile_6(deep, last, 1, ROWS, panel, rows, columns, more, c, ldc);
                    }
                }
            }
    }
}

/* How many numbers op(B) may have to be done here. */
SEEN size_t products_limit;
size_t products_limit;

/* As the BLAS's own, for rows in memory one after the other, alpha 1 and beta 0 or 1. A transposed B is copied number
 * by number, which many rows must make worth while. */
SEEN void @name@(int order, int ta, int tb, int m, int n, int k, @real@ alpha, const @real@ *A, int lda,
                 const @real@ *B, int ldb, @real@ beta, @real@ *C, int ldc);
void @name@(int order, int ta, int tb, int m, int n, int k, @real@ alpha, const @real@ *A, int lda, const @real@ *B,
            int ldb, @real@ beta, @real@ *C, int ldc)
{
    const size_t numbers = (size_t)n * (size_t)k;
    if (k > 0 && m >= 16 && numbers <= products_limit && (tb == 111 || (m >= 64 && numbers <= products_limit / 4)))
        product(ta == 112, tb == 112, (size_t)m, (size_t)n, (size_t)k, A, (size_t)lda, B, (size_t)ldb, beta != 0, C,
                (size_t)ldc);
    else
        @blas@(order, ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}
"""


def products_text(dtype: str, blas: str) -> str:
    """The library for float32 or float64; `blas`: the function that does the products that it does not."""
    text = _TEXT.replace("@real@", "float" if dtype == "float32" else "double")
    return text.replace("@blas@", blas).replace("@name@", function_name(dtype))


def function_name(dtype: str) -> str:
    """What the library calls its products."""
    return f"chainrule_{'s' if dtype == 'float32' else 'd'}gemm"


@cache
def products_library(dtype: str, blas: str, links: tuple[str, ...], threads: str) -> str | None:
    """The file of the library, loaded and with its limit set; None where it is of no use here.

    blas, links: the BLAS's function, and what the linker needs for it.  threads: the one that sets how many it has.
    """
    try:
        library = build(products_text(dtype, blas), (), links)
    except ChainruleError:  # a compiler without vector types
        return None
    limit = _remembered(library, links[0], partial(_measured, library, dtype, blas, threads))
    ctypes.c_size_t.in_dll(library, "products_limit").value = limit
    return str(library._name) if limit else None


def _remembered(library: ctypes.PyDLL, file: str, measure: Callable[[], int]) -> int:
    """The limit that was measured on this machine before, or now. file: the BLAS; another version is another one."""
    size = Path(file).stat().st_size if Path(file).exists() else 0
    path = cache_directory() / f"{Path(library._name).stem}-{size}.limit"
    known = {limit for limit, _ in LIMITS} | {0}
    try:
        limit = int(path.read_text(encoding="ascii"))
        if limit in known:
            return limit
    except (OSError, ValueError):
        pass
    limit = measure()
    with suppress(OSError):  # a full disk: then it is measured again
        handle, name = tempfile.mkstemp(prefix="build-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="ascii") as note:
            note.write(str(limit))
        Path(name).replace(path)
    return limit


def _measured(library: ctypes.PyDLL, dtype: str, blas: str, threads: str) -> int:
    """The largest limit up to which ours is faster; 0 where it is nowhere."""
    ours, theirs = getattr(library, function_name(dtype)), getattr(library, blas)
    number = ctypes.c_float if dtype == "float32" else ctypes.c_double
    for function in (ours, theirs):
        function.restype = None
        function.argtypes = [*[ctypes.c_int] * 6, number, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p,
                             ctypes.c_int, number, ctypes.c_void_p, ctypes.c_int]  # fmt: skip
    getattr(library, threads)(1)  # a step sets it for itself
    ctypes.c_size_t.in_dll(library, "products_limit").value = LIMITS[0][0]
    for limit, shapes in LIMITS:
        if all(_faster(ours, theirs, np.dtype(dtype), *shape) for shape in shapes):
            return limit
    return 0


def _faster(
    ours: Callable[..., Any], theirs: Callable[..., Any], dtype: np.dtype[Any], m: int, n: int, k: int, ta: int
) -> bool:
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal(shape).astype(dtype) for shape in ((k, m) if ta else (m, k), (k, n)))
    C = np.empty((m, n), dtype)
    given = (101, 112 if ta else 111, 111, m, n, k, 1.0, A.ctypes.data, A.shape[1], B.ctypes.data, n, 0.0,
             C.ctypes.data, n)  # fmt: skip
    best = [float("inf"), float("inf")]
    for turn in range(_ROUNDS + 1):
        for which, function in enumerate((ours, theirs)):
            start = perf_counter()
            function(*given)
            if turn:  # the first one wakes what sleeps
                best[which] = min(best[which], perf_counter() - start)
    return best[0] < _GAIN * best[1]
