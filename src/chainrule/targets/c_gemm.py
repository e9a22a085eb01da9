"""C functions for what a BLAS or several threads do: matrix products, and sums of their parts. See `c_helpers.py`."""

from __future__ import annotations

__all__ = ["PRODUCTS"]

# Text, and the names of those that it calls, which stand before it.
PRODUCTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "gemm": (
        """\
/* C = op(A) op(B) + keep C: C is m x n, op(A) m x k, op(B) k x n, rows in memory ld* apart; keep is 0 or 1. */
static void gemm(int ta, int tb, size_t m, size_t n, size_t k, const {r} *A, size_t lda, const {r} *B, size_t ldb,
                 int keep, {r} *C, size_t ldc)
{{
#ifdef CBLAS
    if (m > 1 && n > 1 && m * n * k > 4096) {{
        cblas_{s}gemm(101, ta ? 112 : 111, tb ? 112 : 111, (int)m, (int)n, (int)k, 1.0{f}, A, (int)lda, B, (int)ldb,
                    ({r})keep, C, (int)ldc);
        return;
    }}
#endif
    for (size_t i = 0; i < m; i++) {{
        {r} *row = C + i * ldc;
        if (!keep)
            for (size_t j = 0; j < n; j++)
                row[j] = 0.0{f};
        if (tb) {{
            for (size_t j = 0; j < n; j++) {{
                {r} sum = 0.0{f};
                LANES(reduction(+:sum))
                for (size_t p = 0; p < k; p++)
                    sum += A[ta ? p * lda + i : i * lda + p] * B[j * ldb + p];
                row[j] += sum;
            }}
        }} else {{
            for (size_t p = 0; p < k; p++) {{
                const {r} a = A[ta ? p * lda + i : i * lda + p];
                LANES()
                for (size_t j = 0; j < n; j++)
                    row[j] += a * B[p * ldb + j];
            }}
        }}
    }}
}}
""",
        (),
    ),
    "gemm_rows": (
        """\
/* The part of a `gemm` that is this thread's: some rows of C. */
static void gemm_rows(const struct team *team, int ta, int tb, size_t m, size_t n, size_t k, const {r} *A, size_t lda,
                      const {r} *B, size_t ldb, int keep, {r} *C, size_t ldc)
{{
    const size_t first = share(m, team->me, team->of), last = share(m, team->me + 1, team->of);
    if (first < last)
        gemm(ta, tb, last - first, n, k, A + first * (ta ? 1 : lda), lda, B, ldb, keep, C + first * ldc, ldc);
}}
""",
        ("gemm",),
    ),
    "gemm_columns": (
        """\
/* The part of a `gemm` that is this thread's: some columns of C. */
static void gemm_columns(const struct team *team, int ta, int tb, size_t m, size_t n, size_t k, const {r} *A,
                         size_t lda, const {r} *B, size_t ldb, int keep, {r} *C, size_t ldc)
{{
    const size_t first = share(n, team->me, team->of), last = share(n, team->me + 1, team->of);
    if (first < last)
        gemm(ta, tb, m, last - first, k, A, lda, B + first * (tb ? ldb : 1), ldb, keep, C + first, ldc);
}}
""",
        ("gemm",),
    ),
    "add_parts": (
        """\
/* C (n numbers) += what the other threads summed, `apart` numbers apart: some of C for each thread. */
static void add_parts(const struct team *team, size_t n, {r} *C, const {r} *parts, size_t apart)
{{
    for (size_t other = 1; other < team->of; other++)
        for (size_t i = share(n, team->me, team->of); i < share(n, team->me + 1, team->of); i++)
            C[i] += parts[(other - 1) * apart + i];
}}
""",
        (),
    ),
    "larger_parts": (
        """\
/* C (n numbers) = the larger of C and of what the other threads found, `apart` numbers apart. */
static void larger_parts(const struct team *team, size_t n, {r} *C, const {r} *parts, size_t apart)
{{
    for (size_t other = 1; other < team->of; other++)
        for (size_t i = share(n, team->me, team->of); i < share(n, team->me + 1, team->of); i++)
            C[i] = larger(C[i], parts[(other - 1) * apart + i]);
}}
""",
        ("larger",),
    ),
    "sum_of_parts": (
        """\
/* The sum of the numbers of all threads, a cache line apart. */
static {r} sum_of_parts(const struct team *team, const {r} *parts)
{{
    {r} sum = parts[0];
    for (size_t other = 1; other < team->of; other++)
        sum += parts[16 * other];
    return sum;
}}
""",
        (),
    ),
    "largest_part": (
        """\
/* The largest of the numbers of all threads, a cache line apart. */
static {r} largest_part(const struct team *team, const {r} *parts)
{{
    {r} most = parts[0];
    for (size_t other = 1; other < team->of; other++)
        most = larger(most, parts[16 * other]);
    return most;
}}
""",
        ("larger",),
    ),
}
